"""What a notebook shows of a drawing.

A picture is offered as inline SVG in text/html, where tooltips live and the colours of lines follow the page, as
image/svg+xml for viewers that show no HTML, and as text. Ids carry a number that grows from picture to picture, so that
several pictures on one page do not clash. Where no picture can be made, the text is shown, and why.
"""

from __future__ import annotations

import html
from itertools import count
from typing import TYPE_CHECKING

from graphviz import Digraph

from .layout import finish, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

TIMEOUT = 10.0  # seconds that a cell may wait for its picture

_numbers = count(1)


def bundle(
    text: str, drawing: Callable[[], Digraph], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> dict[str, str]:
    """What a notebook shows, by media type; include and exclude are those of IPython's ``_repr_mimebundle_``."""
    shown = {"text/plain": text}
    try:
        raw = layout(drawing(), "svg", TIMEOUT).decode("utf-8")
        inline = finish(raw, f"picture{next(_numbers)}-", inherit_color=True)
        shown["text/html"] = f'<div style="overflow-x:auto">{inline}</div>'
        shown["image/svg+xml"] = finish(raw)
    except Exception as error:  # a cell must never break because its result cannot be drawn
        reason = f"{type(error).__name__}: {error}"
        shown["text/html"] = f"<pre>{html.escape(text)}</pre><p>No picture. {html.escape(reason)}</p>"
    wanted, unwanted = set(include or shown), set(exclude or ())
    return {kind: content for kind, content in shown.items() if kind in wanted and kind not in unwanted}


class Picture(Digraph):  # type: ignore[misc]
    """A graphviz.Digraph that shows itself with the renderers of this package; graphviz's own knows only ``dot``."""

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        return bundle(str(self.source), lambda: self, include, exclude)
