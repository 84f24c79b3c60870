"""A sheet to print: a graph with its values, and blanks where the learner writes derivatives; and the key to it.

>>> from engine import Value
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> sheet, key = handout(a * b), handout(a * b, answers=True)
>>> "−3.0000 × 1.0000" in sheet.html, "−3.0000 × 1.0000" in key.html
(False, True)
"""

from __future__ import annotations

import copy
import html
import re
from typing import TYPE_CHECKING

from engine import Value, grad, toposort
from viz.formulas import Formulas
from viz.tex import Tex
from viz.tex import operation as written
from viz.text import clean, number

from .document import Page, asset, fill, save
from .mathml import mathml
from .steps import parameters

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable

    Cell = str | tuple[str, str]  # the content, and its class

LIMIT = 80  # values; more do not fit a few sheets
WIDE = 700.0  # points; a wider picture comes last, on a page of its own, printed across
WIDEST = 1050.0  # points; on such a page type of a wider one would be printed too small to be read


class Handout(Page):
    """A sheet made by ``handout``."""


def handout(
    output: Value,
    path: str | os.PathLike[str] | None = None,
    *,
    answers: bool = False,
    learning_rate: float = 0.1,
    title: str = "",
    limit: int = LIMIT,
) -> Handout:
    """Write a page to print: the graph of ``output``, its forward pass, and the backward pass as blanks to fill in.

    path           the HTML file; folders are created as needed. None writes no file; the text is the result's ``.html``
    answers        False: the sheet, with blanks; True: its key, the same page filled in
    learning_rate  η of the step of descent at the end, which moves the weights and biases of neurons, or where there
                   are none, every leaf
    title          shown above
    limit          the largest number of values in the graph

    The gradients are those of a backward pass that starts from zero; ``.grad`` is neither read nor written. Where no
    Graphviz is installed, the page has its tables and no picture.

    Raises TypeError where output is not a Value, ValueError for a graph of more than ``limit`` values.
    """
    if not isinstance(output, Value):
        raise TypeError(f"handout takes a Value, the output of a graph, got {type(output).__name__}")
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float)):
        raise TypeError(f"handout: learning_rate is a number, got {learning_rate!r:.60}")
    order = toposort(output)
    if len(order) > limit:
        raise ValueError(
            f"handout: the graph has {len(order)} values, and the limit is {limit}: take a smaller network or a part "
            f"of this one, or pass limit={len(order)}"
        )
    sheet = _Sheet(order, answers, float(learning_rate))
    heading = clean(title) or "Backpropagation by hand"
    who = (
        '<span class="key-word">Key</span>'
        if answers
        else '<span class="who">Name <span></span> Date <span></span></span>'
    )
    task = (
        "The values of the forward pass are given. Go through the graph from its output back to its leaves: multiply "
        "the gradient that arrives by the local derivative, and add up what reaches the same value along several edges."
    )
    picture = _picture(output, answers)
    text = fill(
        asset("handout.html"),
        {
            "title": html.escape(heading), "style": asset("handout.css"), "kind": "key" if answers else "sheet",
            "who": who, "task": task, "picture": "" if " wide" in picture[:24] else picture,
            "sections": sheet.sections(), "last": picture if " wide" in picture[:24] else "",
        },
    )  # fmt: skip
    return Handout(text, save(text, path), f"{len(order)} values, {'key' if answers else 'sheet'}", height=900)


class _Sheet:
    """The tables of the page."""

    def __init__(self, order: list[Value], answers: bool, rate: float) -> None:
        self.order, self.answers, self.rate = order, answers, rate
        self.formulas = Formulas(order, order[-1])
        for node in order:
            if node.op is not None or not node.is_constant:
                self.formulas.known[node] = self.formulas.named(node)
        self.adjoints = dict(zip(order, grad(order[-1], order)))
        self.contributions: dict[Value, list[float]] = {}
        leaves = [node for node in order if node.op is None and not node.is_constant]
        # as they are read: the leaves, neuron by neuron, and then what is computed
        self.read = [*sorted(leaves, key=_by_neuron), *(node for node in order if node.op)]
        self.moving = parameters(order, order[-1]) or set(leaves)

    def sections(self) -> str:
        backward = self.backward()
        return "\n".join([self.forward(), backward, self.sums(), self.rules()])

    def forward(self) -> str:
        rows: list[list[Cell]] = []
        for node in self.read:
            formula = mathml(self.formulas.formula(node).text) if node.op else "given"
            rows.append([self.name(node), formula, (number(node.data), "number")])
        return _section("Forward: given", ["value", "computed as", "data"], rows)

    def backward(self) -> str:
        """A row for each edge, from the output back."""
        rows: list[list[Cell]] = []
        output = self.order[-1]
        for node in reversed(self.order):
            if node.op is None:
                continue
            arriving = self.adjoints[node]
            for j, (parent, derivative) in enumerate(zip(node.parents, node.local_derivatives)):
                if parent.is_constant:
                    continue
                product = arriving * derivative
                self.contributions.setdefault(parent, []).append(product)
                rule = self.formulas.local(node, j)
                local = mathml(rule.text) if rule.number is not None else f"{mathml(rule.text)} = {number(derivative)}"
                rows.append([
                    mathml(rf"{self.partial(output, node)} \, {self.partial(node, parent)}"),
                    self.blank(local),
                    self.blank(f"{number(derivative)} × {_factor(arriving)} = {number(product)}"),
                ])  # fmt: skip
        headings = ["edge", "local derivative: rule and number", "local derivative × gradient that arrives"]
        start = f"<p>It begins with {mathml(self.partial(output, output))} = 1.</p>"
        return _section("Backward: an edge a line", headings, rows, start)

    def sums(self) -> str:
        rows: list[list[Cell]] = []
        output = self.order[-1]
        for node in reversed(self.read):
            if node is output:
                continue
            parts = self.contributions.get(node, [])
            terms = " + ".join(_factor(x) if k else number(x) for k, x in enumerate(parts))
            total = number(self.adjoints[node])
            step = number(node.data - self.rate * self.adjoints[node])
            rows.append([
                mathml(self.partial(output, node)),
                self.blank(f"{terms} = {total}" if len(parts) > 1 else total),
                self.blank(f"{number(node.data)} − {self.rate:g} × {_factor(self.adjoints[node])} = {step}")
                if node in self.moving else "computed anew" if node.op else "stays: it is given",
            ])  # fmt: skip
        headings = ["gradient", "sum over its edges", f"after a step with η = {self.rate:g}"]
        return _section("Gradients, and one step of descent", headings, rows)

    def rules(self) -> str:
        """The rules of the operations in the graph, each once, in a, b, c and y."""
        from viz.tex import derivative

        items = []
        letters = [Tex(letter) for letter in "abc"]
        for op in dict.fromkeys(node.op for node in self.order if node.op):
            if op.name == "dot":
                items.append(
                    mathml(r"z = w_{1} \, x_{1} + \cdots + b") + ": "
                    + ", ".join(mathml(rf"\frac{{\partial z}}{{\partial {x}}} = {y}")
                                for x, y in (("w_{j}", "x_{j}"), ("x_{j}", "w_{j}"), ("b", "1")))
                )  # fmt: skip
                continue
            if op.arity is None:
                items.append(f"{html.escape(op.name)}: {html.escape(op.doc)}")
                continue
            operands = letters[: op.arity]
            known = {**dict(zip(op.arguments, operands)), "y": Tex("y")}
            partials = [
                mathml(rf"\frac{{\partial y}}{{\partial {a.text}}} = {derivative(op.name, k, known).text}")
                for k, a in enumerate(operands)
            ]
            items.append(mathml(f"y = {written(op.name)(*operands).text}") + ": " + ", ".join(partials))
        listed = "".join(f"<li>{item}</li>" for item in items)
        return f'<h2>Rules</h2><ul class="rules">{listed}</ul>'

    def name(self, node: Value) -> str:
        return mathml(self.formulas.known[node].text)

    def partial(self, y: Value, x: Value) -> str:
        return rf"\frac{{\partial {self.formulas.known[y].text}}}{{\partial {self.formulas.known[x].text}}}"

    def blank(self, answer: str) -> tuple[str, str]:
        return (answer, "answer") if self.answers else ("", "blank")


def _by_neuron(leaf: Value) -> list[tuple[int, str]]:
    """Sorts layer1.neuron2.w10 after layer1.neuron2.w9, the bias after both; what is of no neuron stays in front."""
    if "." not in leaf.label:
        return []
    label = re.sub(r"\.b$", ".~b", leaf.label)
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", label)]


def _factor(x: float) -> str:
    text = number(x)
    return f"({text})" if text.startswith("−") else text


def _section(
    heading: str, columns: Iterable[str], rows: Iterable[Iterable[str | tuple[str, str]]], before: str = ""
) -> str:
    head = "".join(f'<th scope="col">{column}</th>' for column in columns)
    body = []
    for row in rows:
        cells = [(cell, "") if isinstance(cell, str) else cell for cell in row]
        body.append(
            "".join(f'<td class="{kind}">{content}</td>' if kind else f"<td>{content}</td>" for content, kind in cells)
        )
    lines = "".join(f"<tr>{row}</tr>" for row in body)
    return (
        f'<h2>{html.escape(heading)}</h2>{before}<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{lines}</tbody></table></div>"
    )


def _picture(output: Value, answers: bool) -> str:
    """The graph, with its gradients in the key alone; nothing where there is no Graphviz."""
    from viz.graphs.layout import RenderError
    from viz.graphs.render import svg
    from viz.graphs.showing import READABLE

    shown = copy.deepcopy(output)
    for node in toposort(shown):
        fresh = Value(0.0)
        node.grad = fresh.grad
    if answers:
        shown.backward()
    try:
        for detail in ("full", "neuron"):
            drawn = svg(shown, inherit_color=True, legend=False, prefix="graph-", detail=detail)
            found = re.search(r'viewBox="\S+ \S+ ([\d.]+)', drawn)
            width = float(found[1]) if found else 0.0
            if width <= WIDEST:
                break
    except RenderError:
        return ""
    if not answers:
        drawn = _without_derivatives(drawn)
    drawn = drawn.replace("max-width:100%;height:auto", f"--readable:{width * READABLE:.0f}pt", 1)
    return f'<div class="picture{" wide" if width > WIDE else ""}">{drawn}</div>'


def _without_derivatives(drawn: str) -> str:
    """The picture with a place to write for each gradient, and nothing on its edges, tooltips included."""
    from xml.etree import ElementTree as ET

    root = ET.fromstring(drawn.replace(">–<", "> <"))
    for group in root.iter():
        if group.get("class", "").split()[:1] == ["edge"]:
            for element in list(group.iter()):
                for inner in list(element):
                    if inner.tag.rpartition("}")[2] in ("text", "title", "desc"):
                        element.remove(inner)
    return ET.tostring(root, encoding="unicode")
