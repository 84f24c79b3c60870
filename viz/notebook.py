"""Pictures show themselves in a notebook: a Value from the moment that viz is imported, and what ``draw`` returns.

A picture is offered as inline SVG in text/html, where tooltips live and the colours of lines follow the page, as
image/svg+xml for viewers that show no HTML, and as text. Ids carry a number that grows from picture to picture, so that
several pictures on one page do not clash. Where no picture can be made, the text is shown, and why.
"""

from __future__ import annotations

import html
from itertools import count
from typing import TYPE_CHECKING

from graphviz import Digraph

from engine import Value

from .render import as_digraph, finish, layout

if TYPE_CHECKING:
    from collections.abc import Iterable

TIMEOUT = 10.0  # seconds that a cell may wait for its picture

_numbers = count(1)


def mimebundle(
    shown: Value | Digraph, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, str]:
    """What a notebook shows, by media type; the protocol of IPython's ``_repr_mimebundle_``."""
    text = repr(shown) if isinstance(shown, Value) else str(shown.source)
    bundle = {"text/plain": text}
    try:
        raw = layout(as_digraph(shown, {}), "svg", TIMEOUT).decode("utf-8")
        inline = finish(raw, f"picture{next(_numbers)}-", inherit_color=True)
        bundle["text/html"] = f'<div style="overflow-x:auto">{inline}</div>'
        bundle["image/svg+xml"] = finish(raw)
    except Exception as error:  # a cell must never break because its result cannot be drawn
        reason = f"{type(error).__name__}: {error}"
        bundle["text/html"] = f"<pre>{html.escape(text)}</pre><p>No picture. {html.escape(reason)}</p>"
    wanted, unwanted = set(include or bundle), set(exclude or ())
    return {kind: content for kind, content in bundle.items() if kind in wanted and kind not in unwanted}


class Picture(Digraph):  # type: ignore[misc]
    """A graphviz.Digraph that shows itself with the renderers of this package; graphviz's own knows only ``dot``."""

    _repr_mimebundle_ = mimebundle


def install() -> None:
    """Give Value the methods by which notebooks ask for pictures; the engine itself knows nothing of them."""
    Value._repr_mimebundle_ = mimebundle  # type: ignore[attr-defined]
    Value._repr_html_ = lambda self: mimebundle(self)["text/html"]  # type: ignore[attr-defined]
