"""Backpropagation step by step: one HTML file with one picture, in which the numbers can be changed.

``step_through`` writes a page that goes through the forward and the backward pass of a graph, and computes both anew in
the browser whenever a leaf is changed. The page holds the structure of the graph, the rows of the table of operations
that it uses, written as JavaScript (javascript.py), and one SVG: what a step shows is a matter of classes and texts,
not of another picture. Without JavaScript the SVG shows the finished passes, computed here.
"""

from __future__ import annotations

import html
import json
import os
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from engine import Value, toposort
from engine.ops import OPS
from viz.colors import FUNCTION, INNER, INPUT, OUTPUT
from viz.files import write
from viz.text import clean

from .javascript import display, functions, primitives
from .picture import picture
from .steps import StepGraph, flat, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 1000  # values; beyond, neither the picture nor the steps can be followed


class StepThrough:
    """A page made by ``step_through``; in a notebook it shows itself, in a frame without access to the notebook.

    html    the text of the page
    path    the file it was written to, or None
    """

    def __init__(self, text: str, path: Path | None, about: str) -> None:
        self.html, self.path, self._about = text, path, about

    def _repr_html_(self) -> str:
        return (
            f'<iframe sandbox="allow-scripts" title="{html.escape(self._about)}" srcdoc="{html.escape(self.html)}" '
            'style="width:100%;height:680px;border:1px solid #888"></iframe>'
        )

    def __repr__(self) -> str:
        return f"<StepThrough {self._about}{f', {os.fspath(self.path)!r}' if self.path else ''}>"


def step_through(
    output: Value,
    path: str | os.PathLike[str] | None = None,
    *,
    learning_rate: float = 0.1,
    wrt: Sequence[Value] | None = None,
    title: str = "",
    limit: int = LIMIT,
    timeout: float = 20.0,
) -> StepThrough:
    """Write a page that goes through the forward and the backward pass of ``output``, step by step.

    path           the HTML file; folders are created as needed. None writes no file; the text is the result's ``.html``
    learning_rate  η of the update w ← w − η·grad in the last step; it can be changed in the page
    wrt            the leaves that this update moves; by default the weights and biases of the ``dot`` nodes, or where
                   there are none, every leaf that is not a plain number in an expression
    title          shown above the picture
    limit          the largest number of values in the graph
    timeout        seconds that Graphviz may take for the layout; networks take a fraction of one

    The page computes both passes from the data of the leaves as it is now, for gradients that start from zero;
    ``.grad`` is neither read nor written. More than 60 steps are grouped, by neuron (nodes whose labels agree up to the
    last dot, such as layer1.neuron2.z and layer1.neuron2.a) or by layer.

    Raises TypeError where output is no Value, wrt holds what is no Value, or learning_rate is no number; ValueError
    where the graph has more than ``limit`` values, or wrt a Value that is no leaf of the graph; RenderError where there
    is no Graphviz to lay out the picture, or where it takes too long.
    """
    if not isinstance(output, Value):
        raise TypeError(f"step_through takes a Value, the output of a graph, got {type(output).__name__}")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float)):
        raise TypeError(f"step_through: learning_rate is a number, got {learning_rate!r:.60}")
    order = toposort(output)
    if len(order) > limit:
        raise ValueError(
            f"step_through: the graph has {len(order)} values, and the limit is {limit}: step through a smaller "
            f"network or a part of this one, draw it with draw(output, detail='layer'), or pass limit={len(order)}"
        )
    graph = StepGraph(order, wrt)
    outline = graph.outline()
    page = {
        "nodes": graph.records(),
        "ops": {name: display(OPS[name]) for name in graph.operations},
        "outline": outline,
        "update": [graph.index[node] for node in graph.updated],
        "rate": plain(float(learning_rate)),
    }
    steps = sum(1 for _ in flat(outline))
    heading = clean(title) or f"Backpropagation, step by step: {graph.full[-1]}"
    script = primitives() + functions(graph.operations) + "\n" + _asset("stepthrough.js")
    style = f":root{{--function:{FUNCTION};--input:{INPUT};--inner:{INNER};--output:{OUTPUT}}}\n" + _asset(
        "stepthrough.css"
    )
    policy = (  # nothing may be fetched or sent, and nothing run but this very script
        f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'; base-uri 'none'; "
        "form-action 'none'"
    )
    parts = {
        "title": html.escape(heading),
        "policy": policy,
        "style": style,
        "script": script,
        "data": _json(page),
        "svg": picture(graph, timeout),
    }
    text = re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], _asset("stepthrough.html"))
    target = None if path is None else Path(path)
    if target is not None:
        write(target, text.encode("utf-8"))
    return StepThrough(text, target, f"{len(order)} values, {steps} steps")


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return "sha256-" + b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def _json(value: object) -> str:
    """JSON that can stand in a script element: ASCII only, and no < that could end it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
