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

from .detail import draw
from .render import RenderError, render, renderer, svg

if TYPE_CHECKING:
    from typing import Any

_LATER = {"draw_propagation": "propagation"}  # loaded when first asked for

__all__ = ["RenderError", "draw", "render", "renderer", "svg", *_LATER]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'viz' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_LATER[name]}", __name__), name)
