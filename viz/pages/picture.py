"""The picture of a step-through: an SVG in which each number can be found and replaced.

It is our own for that reason; Graphviz is asked for the places alone. A text with ``data-d`` holds the data of the node
with that number, ``data-g`` its gradient; one with ``data-l`` the local derivative of an edge, ``data-f0`` and
``data-f1`` its formula.
"""

from __future__ import annotations

import html
import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from viz.graphs.render import svg
from viz.text import shorten

from .javascript import display
from .steps import Edge, fill, narrow

if TYPE_CHECKING:
    from typing import Any

    from engine import Value

    from .steps import StepGraph

# Lengths are in points of Graphviz, which are the pixels of the SVG.

ROW, WIDTH, TABLE, PAD = 18, 128, 258, 7
_COLUMNS = (124, 188, TABLE - PAD)  # right edges of the columns value, local derivative, grad
_FEW, _SOME = 16, 45  # edges: up to few have room for whole formulas, up to some for one number each
_FORMULA = 26  # characters of a formula on an edge


class _Place(NamedTuple):
    x: float
    y: float


def picture(graph: StepGraph, timeout: float) -> str:
    """The SVG, with every number of the finished passes."""
    places, routes, size = _layout(graph, timeout)
    crowded = ' class="crowded"' if len(graph.drawn) > 150 else ""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size.x:g}" height="{size.y:g}" '
        f'viewBox="0 0 {size.x:g} {size.y:g}"{crowded} role="img" aria-labelledby="svg-title svg-desc">',
        f'<title id="svg-title">{html.escape(f"Computation graph of {graph.full[-1]}")}</title>',
        f'<desc id="svg-desc">{len(graph.order)} values, from leaves on the left to the output on the right, with '
        "their data, their gradients, and the local derivative on each edge.</desc>",
        "<defs>", _marker("ahead"), _marker("onward"), _marker("behind", flipped=True),
        "</defs>",
    ]  # fmt: skip
    for edge in graph.drawn:
        parts.append(_drawn_edge(graph, edge, *routes[edge.id]))
    for k, place in places.items():
        parts.append(_box(graph, k, place))
    return "\n".join([*parts, "</svg>"])


def _marker(name: str, flipped: bool = False) -> str:
    path = "M10 0L0 4L10 8z" if flipped else "M0 0L10 4L0 8z"
    return (
        f'<marker id="{name}" viewBox="0 0 10 8" refX="{0 if flipped else 10}" refY="4" markerWidth="9" '
        f'markerHeight="7" markerUnits="userSpaceOnUse" orient="auto"><path d="{path}"/></marker>'
    )


def _height(graph: StepGraph, k: int) -> int:
    """The number of rows of a box."""
    if k in graph.rows:
        return _headings(graph, k) + len(graph.rows[k]) + 1
    return 1 + (not graph.order[k].is_constant) * 2


def _headings(graph: StepGraph, k: int) -> int:
    """The number of rows above the weights in a table: one more where there is a neuron to name."""
    return 2 if graph.unit(k, 1) else 1


def _layout(graph: StepGraph, timeout: float) -> tuple[dict[int, _Place], dict[str, tuple[str, _Place]], _Place]:
    """Where Graphviz puts the boxes (top left corners), the paths of the edges, the places of their texts, the size."""
    from graphviz import Digraph

    dot = Digraph(engine="dot")
    dot.attr(rankdir="LR", ranksep="0.5" if len(graph.drawn) <= _SOME else "1.2", nodesep="0.16", pad="0.12")
    dot.attr("node", shape="record", fixedsize="true", fontsize="1")
    dot.attr("edge", fontname="Courier", fontsize="10.5", arrowhead="none")
    for k in range(len(graph.order)):
        if k not in graph.folded:
            rows, width = _height(graph, k), TABLE if k in graph.rows else WIDTH
            label = "|".join(f"<r{j}> " for j in range(rows))  # the space keeps it from being read as HTML
            dot.node(f"v{k}", label, id=f"v{k}", width=f"{width / 72:.4f}", height=f"{rows * ROW / 72:.4f}")
    for edge in graph.drawn:
        lines = _edge_text(graph, edge)
        # To keep places free for texts among many edges would take Graphviz minutes: these stand near the arrowhead.
        label = "\\n".join("M" * max(10, len(line)) for line in lines) if len(graph.drawn) <= _SOME else ""
        head = _port(graph, edge)
        dot.edge(f"v{edge.parent}:e", head, id=f"e{edge.id}", **({"label": label} if label else {}))
    return _parsed(svg(dot, timeout=timeout))


def _port(graph: StepGraph, edge: Edge) -> str:
    """The end of an edge: in a table, the row of the weight that the operand is, or is multiplied by."""
    operands = len(graph.order[edge.node].parents)
    if edge.node not in graph.rows:
        spread = 1 < operands < 4 and len(graph.drawn) > _SOME  # so that the texts near the arrowheads stay apart
        return f"v{edge.node}:r{2 * edge.j if operands == 2 else edge.j}:w" if spread else f"v{edge.node}:w"
    row = operands // 2 if edge.j == operands - 1 and operands % 2 else edge.j % (operands // 2)
    return f"v{edge.node}:r{_headings(graph, edge.node) + row}:w"


_NAMESPACE = "{http://www.w3.org/2000/svg}"


def _parsed(text: str) -> tuple[dict[int, _Place], dict[str, tuple[str, _Place]], _Place]:
    """The numbers in Graphviz's own SVG."""
    root = ElementTree.fromstring(text)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    whole = root.find(f"{_NAMESPACE}g")
    assert whole is not None
    found = re.search(r"translate\(([-\d.]+)[ ,]+([-\d.]+)\)", whole.attrib.get("transform", ""))
    assert found is not None
    dx, dy = float(found[1]), float(found[2])
    places: dict[int, _Place] = {}
    routes: dict[str, tuple[str, _Place]] = {}
    for group in whole.iter(f"{_NAMESPACE}g"):
        name = group.attrib.get("id", "")
        if group.attrib.get("class") == "node":
            polygon = next(group.iter(f"{_NAMESPACE}polygon"))
            corners = [tuple(map(float, pair.split(","))) for pair in polygon.attrib["points"].split()]
            places[int(name[1:])] = _Place(min(x for x, _ in corners) + dx, min(y for _, y in corners) + dy)
        elif group.attrib.get("class") == "edge":
            numbers = re.findall(r"[A-Z]|-?[\d.]+", next(group.iter(f"{_NAMESPACE}path")).attrib["d"])
            path, shifts, turn = "", (dx, dy), 0
            for item in numbers:
                if item.isalpha():
                    path, turn = path + item, 0
                else:
                    separator = "" if path[-1].isalpha() else "," if turn % 2 else " "
                    path += f"{separator}{float(item) + shifts[turn % 2]:.1f}"
                    turn += 1
            texts = list(group.iter(f"{_NAMESPACE}text"))
            if texts:
                where = _Place(float(texts[0].attrib["x"]) + dx, float(texts[0].attrib["y"]) + dy)
            else:
                points = [float(item) for item in numbers if not item.isalpha()]
                where = _Place(points[-2] + dx - 42, points[-1] + dy - 3)
            routes[name[1:]] = path, where
    return places, routes, _Place(width, height)


def _edge_text(graph: StepGraph, edge: Edge) -> list[str]:
    """The lines on an edge: a formula for the local derivative, and its value."""
    if graph.order[edge.parent].is_constant:
        return []
    number = narrow(graph.values[edge.node].local_derivatives[edge.j])
    if len(graph.drawn) > _SOME:
        return [] if edge.node in graph.rows else [number]
    if edge.node in graph.rows and len(graph.drawn) > _FEW:
        return [number]
    return [*_rule_text(graph, edge), f"= {number}"]


def _rule_text(graph: StepGraph, edge: Edge) -> list[str]:
    """∂y/∂x = rule, or for a function of one operand σ′(z) = σ(z)(1 − σ(z)); in two lines where it is long."""
    node = graph.order[edge.node]
    assert node.op is not None
    shown = display(node.op)
    x, y = graph.called(edge.parent), graph.called(edge.node)
    left, names = f"∂{y}/∂{x}", _operand_names(graph, edge) | {"y": y}
    if node.op.arity == 1 and node.op.symbol.isalpha():
        left, names["y"] = f"{node.op.symbol}′({x})", fill(str(shown["text"]), names)
    rules: Any = shown["rules"]
    rule = fill(rules[_rule_number(node, edge.j)], names)
    if len(left) + len(rule) <= _FORMULA - 6:
        return [f"{left} = {rule}"]
    return [shorten(left, _FORMULA), f"= {rule}"] if len(rule) <= _FORMULA - 2 else [shorten(left, _FORMULA)]


def _rule_number(node: Value, j: int) -> int:
    """Which rule of its row gives the derivative by operand j."""
    assert node.op is not None
    if node.op.name == "dot":
        return 2 if j == 2 * (len(node.parents) // 2) else j // (len(node.parents) // 2)
    return j if node.op.arity else 0


def _operand_names(graph: StepGraph, edge: Edge) -> dict[str, str]:
    """What the places of a rule stand for, y excepted."""
    node = graph.order[edge.node]
    assert node.op is not None
    parents = [graph.index[parent] for parent in node.parents]
    if node.op.name == "dot":
        n = len(parents) // 2
        partner = graph.called(parents[(edge.j + n) % (2 * n)]) if edge.j < 2 * n else ""
        return {"w": partner, "x": partner}
    if not node.op.arity:
        return {"a": graph.called(edge.parent), "n": str(len(parents))}
    return {name: graph.called(parent) for name, parent in zip(node.op.arguments, parents)}


def _drawn_edge(graph: StepGraph, edge: Edge, path: str, where: _Place) -> str:
    lines = _edge_text(graph, edge)
    parts = [f'<g class="edge" id="e{edge.id}"><path d="{path}"/>']
    for k, line in enumerate(lines):
        place = "data-l" if k == len(lines) - 1 else f"data-f{k}"
        parts.append(_text("", where.x, where.y - 2 + 12.5 * k, line, f'{place}="{edge.id}"'))
    return "".join([*parts, "</g>"])


def _text(classes: str, x: float, y: float, content: str, more: str = "") -> str:
    attributes = (f' class="{classes}"' if classes else "") + (f" {more}" if more else "")
    return f'<text x="{x:.4g}" y="{y:.4g}"{attributes}>{html.escape(content)}</text>'


def _box(graph: StepGraph, k: int, place: _Place) -> str:
    node, rows = graph.order[k], _height(graph, k)
    kind = "constant" if node.is_constant else "leaf" if node.is_leaf else "inner"
    kind = "output" if node is graph.order[-1] else kind
    table = k in graph.rows
    width, height = TABLE if table else WIDTH, rows * ROW
    parts = [
        f'<g class="value {kind}" id="v{k}" transform="translate({place.x:.1f},{place.y:.1f})">',
        f"<title>{html.escape(_about(graph, k))}</title>",
        f'<rect class="box" width="{width}" height="{height}" rx="{9 if node.is_leaf else 3}"/>',
    ]
    if node.is_constant:
        parts.append(_text("", PAD, 13, _fitted(graph.short[k], 5)) if graph.short[k] else "")
        parts.append(_text("num", width - PAD, 13, narrow(graph.values[k].data), f'data-d="{k}"'))
        return "".join([*parts, "</g>"])
    name, headings = graph.called(k), _headings(graph, k) if table else 1
    if node.op:
        bar = headings * ROW - 2
        parts.append(f'<rect class="bar" x="1.5" y="1.5" width="{width - 3}" height="{bar}" rx="2"/>')
        symbol = _fitted(node.op.symbol, 10)
        parts.append(_text("sign", PAD, 13, symbol))
        header = name if re.fullmatch(r"[\w.]+", graph.full[k]) else f"{name}: {graph.full[k]}"
        room = (7 if table and headings == 1 else 15) - len(symbol)
        parts.append(_text("", PAD + 7.3 * (len(symbol) + 1), 13, _fitted(header, room)))
    else:
        parts.append(_text("sign", PAD, 13, _fitted(name, 15)))
    if table:
        if headings == 2:
            parts.append(_text("num cell", width - PAD, 13, _fitted(graph.unit(k, 1), 22)))
        local = f"∂{_fitted(name, 4)}/∂…"
        for column, words in zip(_COLUMNS, ("data", local, "grad")):
            parts.append(_text("head", column, (headings - 1) * ROW + 12.5, words))
        for row, j in enumerate(graph.rows[k], headings):
            parts.append(_row(graph, Edge(k, j, graph.index[node.parents[j]]), row * ROW))
        base = height - 5
        parts.append(_text("key", PAD, base, _fitted(name, 7)))
        parts.append(_text("num cell", _COLUMNS[0], base, narrow(graph.values[k].data), f'data-d="{k}"'))
        parts.append(_text("num cell", _COLUMNS[2], base, narrow(graph.adjoints[k]), f'data-g="{k}"'))
    else:
        parts.append(_text("key", PAD, ROW + 13, "data"))
        parts.append(_text("num", width - PAD, ROW + 13, narrow(graph.values[k].data), f'data-d="{k}"'))
        parts.append(_text("key", PAD, 2 * ROW + 13, "grad"))
        parts.append(_text("num", width - PAD, 2 * ROW + 13, narrow(graph.adjoints[k]), f'data-g="{k}"'))
    return "".join([*parts, "</g>"])


def _row(graph: StepGraph, edge: Edge, top: int) -> str:
    """A weight or bias in the table of its neuron."""
    k, node = edge.parent, graph.order[edge.parent]
    own = k in graph.folded
    parts = [f'<g class="value row {"constant" if node.is_constant else "leaf" if node.is_leaf else "inner"}"']
    parts.append(f' id="v{k}">' if own else ">")
    parts.append(f"<title>{html.escape(_about(graph, k))}</title>" if own else "")
    parts.append(f'<rect class="box" x="3" y="{top + 1}" width="{TABLE - 6}" height="{ROW - 2}" rx="7"/>')
    base = top + 13
    parts.append(_text("key", PAD + 3, base, _fitted(graph.called(k), 7)))
    local = graph.values[edge.node].local_derivatives[edge.j]
    parts.append(_text("num cell", _COLUMNS[0], base, narrow(graph.values[k].data), f'data-d="{k}"'))
    if not node.is_constant:
        parts.append(_text("num cell", _COLUMNS[1], base, narrow(local), f'data-l="{edge.id}"'))
        parts.append(_text("num cell", _COLUMNS[2], base, narrow(graph.adjoints[k]), f'data-g="{k}"'))
    return "".join([*parts, "</g>"])


def _about(graph: StepGraph, k: int) -> str:
    node = graph.order[k]
    what = f"{node.op.name}: {node.op.doc}" if node.op else "a constant" if node.is_constant else "a leaf"
    name = graph.full[k] or graph.called(k)
    return f"{name}\n{what}\ndata = {graph.values[k].data!r}\ngrad = {graph.adjoints[k]!r}"


def _fitted(text: str, columns: int) -> str:
    """text, cut to so many columns of a monospaced font, in which East Asian characters and emoji take two."""
    if _columns(text) <= columns:
        return text
    while text and _columns(text) >= columns:
        text = text[:-1]
    return text + "…"


@cache
def _columns(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)
