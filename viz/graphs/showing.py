"""What a notebook shows of a drawing.

A picture is offered as text/html, as image/svg+xml for viewers that show no HTML, and as text. The HTML holds the
picture twice: as an image, which a notebook shows even where nobody trusts it and all else is taken away, and as
SVG, which a script puts in its place, because tooltips live in it. Ids carry a number that grows from picture to
picture, so that several pictures on one page do not clash. Where no picture can be made, the text is shown, and why.
"""

from __future__ import annotations

import html
import re
from base64 import b64encode
from itertools import count
from typing import TYPE_CHECKING

from graphviz import Digraph

from .layout import finish, layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

READABLE = 0.83  # the smallest type is of 12 px, and 10 px can be read
TIMEOUT = 10.0  # seconds that a cell may wait for its picture

_numbers = count(1)


def bundle(
    text: str, drawing: Callable[[], Digraph], include: Iterable[str] | None, exclude: Iterable[str] | None
) -> dict[str, str]:
    """What a notebook shows, by media type; include and exclude are those of IPython's ``_repr_mimebundle_``."""
    shown = {"text/plain": text}
    try:
        raw = layout(drawing(), "svg", TIMEOUT).decode("utf-8")
        shown["text/html"] = page(raw)
        shown["image/svg+xml"] = finish(raw)
    except Exception as error:  # a cell must never break because its result cannot be drawn
        reason = f"{type(error).__name__}: {error}"
        shown["text/html"] = f"<pre>{html.escape(text)}</pre><p>No picture. {html.escape(reason)}</p>"
    wanted, unwanted = set(include or shown), set(exclude or ())
    return {kind: content for kind, content in shown.items() if kind in wanted and kind not in unwanted}


def page(raw: str) -> str:
    """Graphviz's SVG as HTML that survives a notebook nobody has trusted yet."""
    name = f"picture{next(_numbers)}"
    inline, alone = finish(raw, f"{name}-", themes=True), finish(raw)
    width = re.search(r'\bwidth="(\d+)pt"', raw)
    # Type may shrink to READABLE of its size; a picture that is wider than that allows is scrolled.
    style = f"max-width:100%;min-width:{int(width[1]) * READABLE if width else 0:.0f}pt;height:auto"
    inline = inline.replace("max-width:100%;height:auto", style, 1)
    about = re.search(r"<title[^>]*>([^<]*)</title>", alone)
    source = b64encode(alone.encode("utf-8")).decode("ascii")
    return (
        f'<div id="{name}" style="overflow-x:auto">'
        f'<img src="data:image/svg+xml;base64,{source}" alt="{about[1] if about else ""}" style="{style}"/>'
        f'<script type="image/svg+xml">{inline}</script>'
        f"<script>{_EXCHANGE.format(name)}</script></div>"
    )


# In a page the title of an element is its tooltip; in an image nothing can be pointed at. Several notebooks may be open
# in one page with the same names in them, so that the script asks for its own place first.
_EXCHANGE = (
    'for (const place of [document.currentScript?.parentElement || document.getElementById("{0}")]) {{'
    'const drawn = place.querySelector("script[type]"), holder = document.createElement("div");'
    "if (drawn) {{ holder.innerHTML = drawn.textContent; place.replaceChildren(holder.firstElementChild); }} }}"
)


class Picture(Digraph):  # type: ignore[misc]
    """A graphviz.Digraph that shows itself with the renderers of this package; graphviz's own knows only ``dot``.

    columns   ids that stand above each other in this order, which the renderers of this package see to
    """

    columns: Sequence[Sequence[str]] = ()

    def copy(self) -> Picture:
        same: Picture = super().copy()
        same.columns = self.columns
        return same

    def _repr_mimebundle_(
        self, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
    ) -> dict[str, str]:
        return bundle(str(self.source), lambda: self, include, exclude)
