"""A graph as DOT text: pure, and the same text for the same graph in every run.

Values are boxes, operations are circles, and each edge from a value into an operation carries the local derivative,
so that the chain rule can be read off the picture: the gradient of a value is the sum, over the edges that leave it, of
the local derivative times the gradient at the other end. Node ids are topological indices, never labels.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from engine import Value
from engine.ieee import scalar
from engine.ops import OPS
from viz.colors import FONT, FREE, FUNCTION, INK, INNER, INPUT, KINDS, OUTPUT
from viz.text import TOLD, brief, exact, markup, number, shorten, tooltip

from .order import Grid
from .showing import Picture

if TYPE_CHECKING:
    from collections.abc import Sequence

_LEGEND = {  # what the legend calls each kind, with the cell that resembles it
    "constant": ("constant", f'border="1" style="dashed,rounded" color="{FREE}"'),
    "input": ("input", f'border="1" style="rounded" color="{FREE}" bgcolor="{INPUT}"'),
    "inner": ("result", f'border="1" color="{FREE}" bgcolor="{INNER}"'),
    "output": ("output", f'border="1" color="{FREE}" bgcolor="{OUTPUT}"'),
    "function": ("operation", f'border="1" style="rounded" color="{FREE}" bgcolor="{FUNCTION}"'),
}


def digraph(title: str, description: str, **attributes: str) -> Picture:
    """An empty picture in the house style, with the title and description that an SVG made from it will have."""
    graph = Picture(name="graph", filename="graph.gv")
    about = tooltip(shorten(title, TOLD) + "\n" + shorten(description, TOLD))
    graph.attr(tooltip=about, bgcolor="transparent", fontname=FONT, fontsize="9", fontcolor=FREE, **attributes)
    graph.attr("node", fontname=FONT, fontsize="11", fontcolor=INK, color=FREE, shape="box", height="0",
               margin="0.08,0.04")  # fmt: skip
    graph.attr("edge", fontname=FONT, fontsize="9", fontcolor=FREE, color=FREE, arrowsize="0.6")
    return graph


def full(
    outputs: Sequence[Value], order: Sequence[Value], names: Sequence[str], grid: Grid, legend: bool = True
) -> Picture:
    """Every value and every operation of ``order``, the nodes behind ``outputs``, placed as ``grid`` says."""
    index = {node: k for k, node in enumerate(order)}
    operations = sum(node.op is not None for node in order)
    graph = digraph(
        f"Computation graph of {' and '.join(names[index[output]] or 'an output' for output in outputs)}",
        f"Values: {len(order)}. Operations: {operations}. Inputs are on the left, outputs on the right; "
        "a number on an edge into an operation is its local derivative.",
        rankdir="LR", ranksep="0.35", nodesep="0.12",
    )  # fmt: skip
    graph.columns = grid.columns
    kinds = {}
    for k, node in enumerate(order):
        kind = kinds[k] = kind_of(node, outputs)
        graph.node(f"v{k}", box(node, names[k], kind), id=f"v{k}", **{"class": f"value {kind}"},
                   tooltip=tooltip(_about(node, names, index)), **KINDS[kind])  # fmt: skip
        if node.op is None:
            continue
        symbol = node.op.symbol
        shape = {"shape": "circle", "fixedsize": "true", "width": "0.32"} if len(symbol) < 3 else {"shape": "ellipse"}
        graph.node(f"o{k}", symbol, id=f"o{k}", **{"class": "operation"}, fontsize="12", margin="0.02",
                   style="filled", fillcolor=FUNCTION, tooltip=tooltip(_rules(node)), **shape)  # fmt: skip
        numbered = order_matters(node.op.name)
        for j, (parent, derivative) in enumerate(zip(node.parents, node.local_derivatives)):
            shown = [_CIRCLED[j]] if numbered else []
            if not parent.is_constant:  # no derivative is taken with respect to a constant
                shown.append(number(derivative))
            label = " ".join(shown)
            left, right, attributes = grid.edge(f"v{index[parent]}", f"o{k}")
            graph.edge(left, right, label=f" {label} " if label else "", id=f"e{k}-{j}",
                       tooltip=tooltip(_flow(node, parent, derivative, names, index)),
                       **{"class": "local"}, **attributes)  # fmt: skip
        left, right, attributes = grid.edge(f"o{k}", f"v{k}")
        graph.edge(left, right, id=f"r{k}", **{"class": "result"}, **attributes,
                   tooltip=tooltip(_formula(node, names, index)))  # fmt: skip
    if legend:
        present = [kind for kind in KINDS if kind in kinds.values()]
        graph.attr(label=legend_of([*present, *(["function"] if operations else [])],
                                   "on an edge: the local derivative" if operations else ""), labelloc="b")  # fmt: skip
    return graph


_CIRCLED = "①②③"


def kind_of(node: Value, outputs: Sequence[Value]) -> str:
    """Which row of KINDS a value is drawn as."""
    if node.is_constant:
        return "constant"
    if node.is_leaf:
        return "input"
    return "output" if any(node is output for output in outputs) else "inner"


def box(node: Value, name: str, kind: str) -> str:
    """The HTML-like label of a value: name, data and gradient; for a constant, which has no name, its number."""
    if kind == "constant":
        return f"<{brief(node.data)}>"
    rows = [("data", number(node.data)), ("grad", number(node.grad) if node.has_grad else "–")]
    return table(name, rows)


def table(name: str, rows: Sequence[tuple[str, str]], header: str = "") -> str:
    """An HTML-like label with an optional blue header, a name in bold, and rows of a word and a number."""
    cells = []
    if header:
        cells.append(f'<tr><td colspan="2" bgcolor="{FUNCTION}" cellpadding="4">{markup(header)}</td></tr>')
    if shown := shorten(name):
        cells.append(f'<tr><td colspan="2"><b>{markup(shown)}</b></td></tr>')
    for word, value in rows:
        cells.append(f'<tr><td align="left">{markup(word)}&#160; </td><td align="right">{markup(value)}</td></tr>')
    padding = 3 if header else 1  # the header reaches to the outline, so that the node itself has no margin
    return f'<<table border="0" cellborder="0" cellspacing="0" cellpadding="{padding}">{"".join(cells)}</table>>'


def legend_of(kinds: Sequence[str], note: str) -> str:
    """The legend, as the label of the whole picture."""
    cells = []
    for kind in kinds:
        word, cell = _LEGEND[kind]
        text = f'<font color="{FREE if kind == "constant" else INK}">{word}</font>'
        if kind == "output":  # the double outline of the nodes
            inside = f'border="1" cellborder="0" cellspacing="0" cellpadding="2" color="{INK}"'
            text = f"<table {inside}><tr><td>{text}</td></tr></table>"
        cells.append(f'<td {cell} cellpadding="{2 if kind == "output" else 4}">{text}</td>')
    if note:
        cells.append(f"<td>{markup(note)}</td>")
    return f'<<table border="0" cellborder="0" cellspacing="6"><tr>{"".join(cells)}</tr></table>>'


@cache
def order_matters(name: str) -> bool:
    """Whether exchanging the operands of an operation can change its result: then edges are numbered."""
    arity = OPS[name].arity
    if arity != 2:
        return arity == 3
    points = ((0.5, 0.25), (-2.0, 3.0), (1.5, -1.0))
    return any(scalar[name](a, b) != scalar[name](b, a) for a, b in points)


def _called(node: Value, names: Sequence[str], index: dict[Value, int]) -> str:
    """A name for a node in a sentence."""
    k = index[node]
    return brief(node.data) if node.is_constant else shorten(names[k]) or f"v{k}"


def _formula(node: Value, names: Sequence[str], index: dict[Value, int]) -> str:
    assert node.op is not None
    operands = [_called(parent, names, index) for parent in node.parents]
    if len(operands) > 8:
        operands[4:-3] = ["…"]
    symbol, result = node.op.symbol, _called(node, names, index)
    if node.op.name != "dot" and len(operands) == 2 and not symbol.isidentifier():
        return f"{result} = {operands[0]} {symbol} {operands[1]}"
    return f"{result} = {node.op.name}({', '.join(operands)})"


def _about(node: Value, names: Sequence[str], index: dict[Value, int]) -> str:
    lines = [names[index[node]]] if names[index[node]] else []
    if node.op is not None:
        lines.append(_formula(node, names, index))
    lines.append(f"data = {exact(node.data)}")
    lines.append(f"grad = {exact(node.grad)}" if node.has_grad else "grad = – (no backward yet)")
    return "\n".join(lines)


def _rules(node: Value) -> str:
    """What the operation is, and its derivative rules, as the table has them."""
    assert node.op is not None
    op = node.op
    arguments = op.arguments or (("w", "x", "b") if len(op.rules) == 3 else ("a",) * len(op.rules))
    return "\n".join([f"{op.name}: {op.doc}", *(f"∂y/∂{a} = {rule}" for a, rule in zip(arguments, op.rules))])


def _flow(node: Value, parent: Value, derivative: float, names: Sequence[str], index: dict[Value, int]) -> str:
    """What the edge from parent into node does in the backward pass."""
    y, x = _called(node, names, index), _called(parent, names, index)
    if parent.is_constant:
        return f"{x} is a constant: no derivative is taken with respect to it"
    text = f"∂{y}/∂{x} = {exact(derivative)}"
    if node.has_grad:
        text += f"\nadds {number(derivative)} × {number(node.grad)} = {number(derivative * node.grad)} to {x}.grad"
    return text
