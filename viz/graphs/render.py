"""A graph in a file: .svg, .png, .pdf or .dot."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from engine import Value
from viz.colors import GROUND
from viz.files import write

from .detail import draw
from .layout import TIMEOUT, finish, layout

if TYPE_CHECKING:
    from typing import Any

    from graphviz import Digraph

FORMATS = (".svg", ".png", ".pdf", ".dot")
SHARP = 400  # nodes and edges; a PNG of more is so large already that twice the resolution takes seconds


def svg(
    graph: Value | Digraph,
    *,
    prefix: str = "",
    inherit_color: bool = False,
    transparent: bool = False,
    timeout: float = TIMEOUT,
    **options: Any,
) -> str:
    """The picture as an ``<svg>`` element.

    graph          a Value, drawn as ``draw(graph, **options)``, or a Digraph
    prefix         put before every id, so that several pictures can live in one HTML page
    inherit_color  take the colour of lines and free text from the page around it, and show the page's own ground; else
                   both follow the reader's preference for dark or light
    transparent    leave the ground out

    Raises RenderError where there is no Graphviz, or where it fails or takes more than ``timeout`` seconds.
    """
    digraph = as_digraph(graph, options)
    raw = layout(digraph, "svg", timeout).decode("utf-8")
    return finish(raw, prefix, inherit_color=inherit_color, transparent=transparent)


def render(
    graph: Value | Digraph,
    path: str | os.PathLike[str],
    *,
    transparent: bool = False,
    timeout: float = TIMEOUT,
    **options: Any,
) -> Path:
    """Write the picture to ``path``: .svg, .png, .pdf or .dot, by its suffix. Returns the path.

    graph is a Value, drawn as ``draw(graph, **options)``, or a Digraph. The picture has a ground of its own, in SVG
    light or dark as the reader prefers, unless it is to be ``transparent``. SVG is never wider than what it stands in:
    a telephone shows all of it, small, and double tap or pinch enlarges it. (In a notebook it scrolls instead, and the
    page of ``step_through`` folds.) Folders are created as needed, and an existing file is replaced only once the new
    one is complete.

    Raises ValueError for another suffix, RenderError as ``svg`` does; .dot needs no Graphviz.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(f"render writes {', '.join(FORMATS)}, by the suffix of the path; got {os.fspath(path)!r}")
    digraph = as_digraph(graph, options)
    if suffix == ".dot":
        content = digraph.source.encode("utf-8")
    elif suffix == ".svg":
        drawn = svg(digraph, transparent=transparent, timeout=timeout)
        content = ('<?xml version="1.0" encoding="UTF-8"?>\n' + drawn + "\n").encode("utf-8")
    else:
        digraph = digraph.copy()
        if not transparent:  # these cannot follow a dark page as SVG does
            digraph.attr(bgcolor=GROUND)
        if suffix == ".png":
            digraph.attr(dpi="144" if len(digraph.body) <= SHARP else "72")
        content = layout(digraph, suffix[1:], timeout)
    write(target, content)
    return target


def as_digraph(graph: Value | Digraph, options: dict[str, Any]) -> Digraph:
    """graph itself, or the drawing of it where it is a Value."""
    if isinstance(graph, Value):
        return draw(graph, **options)
    if not hasattr(graph, "source"):
        raise TypeError(f"expected a Value or a graphviz.Digraph, got {type(graph).__name__}")
    if options:
        raise TypeError(f"{', '.join(options)}: options are for drawing a Value; this Digraph is already drawn")
    return graph
