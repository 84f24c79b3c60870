"""Pictures of graphs and of training: what the chain rule does, on your own numbers.

>>> from engine import Value
>>> from viz import draw
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> draw(a * b).source.count("->")  # a graphviz.Digraph
3

Once viz is imported, a Value shows itself as a picture in a notebook.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .graphs.detail import draw
from .graphs.layout import RenderError, renderer
from .graphs.render import render, svg
from .notebook import install

if TYPE_CHECKING:
    from typing import Any

    from . import film, plots
    from .formulas import latex
    from .graphs.propagation import draw_propagation
    from .pages.handout import handout
    from .pages.playground import playground
    from .pages.stepthrough import step_through
    from .terminal import tree
    from .widget import step_widget

install()

# Loaded when first asked for: not everybody who draws a graph wants a network too.
_LATER = {"draw_propagation": "graphs.propagation", "handout": "pages.handout", "latex": "formulas",
          "playground": "pages.playground", "step_through": "pages.stepthrough", "step_widget": "widget",
          "tree": "terminal"}  # fmt: skip
_ROOMS = ("film", "plots")  # viz.plots.save, viz.film.film

__all__ = [
    "RenderError", "draw", "draw_propagation", "film", "handout", "latex", "playground", "plots", "render", "renderer",
    "step_through", "step_widget", "svg", "tree",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _LATER and name not in _ROOMS:
        raise AttributeError(f"module 'viz' has no attribute {name!r}")
    from importlib import import_module

    if name in _ROOMS:
        return import_module(f".{name}", __name__)
    return getattr(import_module(f".{_LATER[name]}", __name__), name)
