"""Backpropagation step by step: one HTML file with one picture, in which the numbers can be changed.

``step_through`` writes a page that goes through the forward and the backward pass of a graph, and computes both anew in
the browser whenever a leaf is changed. The page holds the structure of the graph, the rows of the table of operations
that it uses, printed as JavaScript and as MathML, and the scripts of the folder ``step``: they lay out the picture, so
that neurons fold and open and a telephone gets a tall one. Without JavaScript the finished picture and all numbers are
shown.
"""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

from engine import Value, toposort
from engine.expressions import JavaScript, names, rule
from engine.ops import OPS
from viz.colors import FUNCTION, INNER, INPUT, OUTPUT
from viz.tex import rule as textbook
from viz.text import clean

from .document import Page, as_json, asset, filled, save
from .javascript import functions, javascript, primitives
from .mistakes import ARGUMENTS, MISTAKES
from .steps import StepGraph, flat, plain

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Sequence

LIMIT = 3000  # values; beyond, neither the picture nor the steps can be followed
STILL = 60  # values; the picture for readers without JavaScript shows as many one by one, more as neurons
MOST = 400  # values; for more there is none

# The scripts, in an order in which each finds what it needs.
SCRIPTS = ("numbers", "graph", "steps", "layout", "formulas", "boxes", "picture", "quiz", "follow", "paint", "captions",
           "travel", "leaves", "view", "controls")  # fmt: skip


class StepThrough(Page):
    """A page made by ``step_through``; in a notebook it shows itself, in a frame without access to the notebook.

    html    the text of the page
    path    the file it was written to, or None
    """


def step_through(
    output: Value,
    path: str | os.PathLike[str] | None = None,
    *,
    learning_rate: float = 0.1,
    wrt: Sequence[Value] | None = None,
    title: str = "",
    quiz: bool = False,
    compare: Value | None = None,
    limit: int = LIMIT,
    timeout: float = 20.0,
) -> StepThrough:
    """Write a page that goes through the forward and the backward pass of ``output``, step by step.

    path           the HTML file; folders are created as needed. None writes no file; the text is the result's ``.html``
    learning_rate  η of the update w ← w − η·grad in the last step; it can be changed in the page
    wrt            the leaves that this update moves; by default the weights and biases of the ``dot`` nodes, or where
                   there are none, every leaf that is not a plain number in an expression
    title          shown above the picture
    quiz           whether the page asks for the result of each backward step before it shows it; a button in the page
                   turns this on and off
    compare        the output of a second graph, such as the same network with another activation, shown beside the
                   first: leaves that both have, or that have the same label, are moved by one slider
    limit          the largest number of values in the graph
    timeout        seconds that Graphviz may take for the picture that readers without JavaScript see; where it takes
                   longer, or where there is no Graphviz, they see the numbers alone

    The page computes both passes from the data of the leaves as it is now, for gradients that start from zero;
    ``.grad`` is neither read nor written. More than 60 steps are grouped by neuron, by layer, or where the graph was
    made by a loop, by its rounds.

    Raises TypeError where output or compare is not a Value, wrt holds something else, or learning_rate is not a number;
    ValueError where the graph has more than ``limit`` values, or wrt a Value that is not a leaf of the graph.
    """
    for what, node in (("", output), ("compare: ", compare)):
        if not isinstance(node, Value) and not (what and node is None):
            raise TypeError(f"step_through: {what}takes a Value, the output of a graph, got {type(node).__name__}")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float)):
        raise TypeError(f"step_through: learning_rate is a number, got {learning_rate!r:.60}")
    shown = [output] if compare is None else [output, compare]
    size = sum(len(toposort(node)) for node in shown)
    if size > limit:
        raise ValueError(
            f"step_through: the graph has {size} values, and the limit is {limit}: step through a smaller "
            f"network or a part of this one, draw it with draw(output, detail='layer'), or pass limit={size}"
        )
    graph = StepGraph(shown, wrt)
    units = graph.units()
    outline = graph.outline()
    page = {
        "nodes": graph.records(),
        "ops": graph.about_operations(),
        "outputs": graph.outputs,
        "units": units,
        "outline": outline,
        "groups": graph.groups(),
        "linked": graph.linked(),
        "update": graph.updated,
        "rate": plain(float(learning_rate)),
        "quiz": bool(quiz),
    }
    steps = sum(1 for _ in flat(outline))
    called = " and ".join(graph.called[k].full for k in graph.outputs)
    heading = clean(title) or f"Backpropagation, step by step: {called}"
    operations = [primitives(), functions(graph.operations), _textbook(graph.operations), _mistakes()]
    scripts = [asset(f"step/{name}.js") for name in SCRIPTS]
    script = "\n".join([*operations, "(() => {", *scripts, "})();"])
    style = f":root{{--function:{FUNCTION};--input:{INPUT};--inner:{INNER};--output:{OUTPUT}}}\n" + asset(
        "step/page.css"
    )
    parts = {
        "title": html.escape(heading),
        "data": as_json(page),
        "still": _still(graph, timeout),
        "rows": "\n".join(_rows(graph)),
    }
    text = filled(asset("step/page.html"), style, script, parts)
    return StepThrough(text, save(text, path), f"{size} values, {steps} steps")


def _textbook(operations: Iterable[str]) -> str:
    """The rules of functions of one argument as a learner knows them, for the quiz; where Math has what they call."""
    known = {"exp", "log", "sqrt", "sin", "cos", "sinh", "cosh", "tanh"}
    rows = []
    for op in (OPS[name] for name in operations if OPS[name].arity == 1):
        text = textbook(op.name, 0)
        if known.issuperset(JavaScript().calls(rule(text))):
            rows.append(f"  {op.name}: [(a, y) => {javascript(text).replace('op_', 'Math.')}],")
    return "\n".join(["const TEXTBOOK = {", *rows, "};"])


def _mistakes() -> str:
    """The rows of mistakes.py in JavaScript."""
    rows = []
    for mistake in MISTAKES:
        answer = f"({', '.join(ARGUMENTS)}) => {javascript(mistake.answer)}"
        wrong = json.dumps("w" in names(rule(mistake.answer)))
        about, says = json.dumps(mistake.about), json.dumps(mistake.says)
        rows.append(f"  {{ about: {about}, says: {says}, wrong: {wrong}, answer: {answer} }},")
    return "\n".join(["const MISTAKES = [", *rows, "];"])


def _still(graph: StepGraph, timeout: float) -> str:
    """The finished picture, for a reader without JavaScript; "" where it cannot be made."""
    from viz.graphs.layout import RenderError
    from viz.graphs.render import svg

    outputs = [graph.values[k] for k in graph.outputs]
    if len(graph.order) > MOST:
        return ""
    detail = "full" if len(graph.order) <= STILL else "neuron"
    pictures = []
    for k, output in enumerate(outputs):
        output.backward()
        try:
            picture = svg(output, prefix=f"still{k}-", inherit_color=True, timeout=timeout, detail=detail)
        except RenderError:
            return ""
        pictures.append(re.sub(r"<svg[^>]*>", lambda tag: re.sub(' style="[^"]*"', "", tag[0]), picture, count=1))
    return "\n".join(pictures)


def _rows(graph: StepGraph) -> list[str]:
    """Every value as a row of a table."""
    rows = []
    for k, (node, value, adjoint, called) in enumerate(zip(graph.order, graph.values, graph.adjoints, graph.called)):
        name = "y" if k in graph.targets and not called.full else called.full
        made = node.op.name if node.op else "constant" if node.is_constant else "leaf"
        cells = (name or f"{node.data:g}", made, repr(value.data), repr(adjoint))
        rows.append(f'<tr data-node="{k}">{"".join(f"<td>{html.escape(cell)}</td>" for cell in cells)}</tr>')
    return rows
