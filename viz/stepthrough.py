"""Backpropagation step by step: one HTML file with one picture, in which the numbers can be changed.

``step_through`` writes a page that goes through the forward and the backward pass of a graph, and computes both anew in
the browser whenever a leaf is changed. The page holds the structure of the graph, the rows of the table of operations
that it uses, written as JavaScript (javascript.py), and one SVG: what a step shows is a matter of classes and texts,
not of another picture. Without JavaScript the SVG shows the finished passes, computed here.

The picture is our own, because each number in it must be found and replaced; Graphviz is asked for the places alone.
"""

from __future__ import annotations

import html
import json
import math
import os
import re
import unicodedata
from base64 import b64encode
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from xml.etree import ElementTree

from engine import Value, grad, toposort
from engine.ops import OPS
from engine.value import FUNCTIONS, constant

from .dot import FUNCTION, INNER, INPUT, OUTPUT
from .javascript import display, functions, primitives
from .render import svg, write
from .text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

GROUPED = 60  # more steps than this are grouped
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
    graph = _Graph(order, wrt)
    outline = graph.outline()
    page = {
        "nodes": graph.records(),
        "ops": {name: display(OPS[name]) for name in graph.operations},
        "outline": outline,
        "update": [graph.index[node] for node in graph.updated],
        "rate": _plain(float(learning_rate)),
    }
    steps = sum(1 for _ in _flat(outline))
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
        "svg": _picture(graph, timeout),
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


def _plain(x: float) -> float | str:
    """x for JSON, which has no nan and no infinities."""
    return x if math.isfinite(x) else str(x)


def narrow(x: float) -> str:
    """x in at most nine characters, so that every number that a slider can produce fits its box.

    >>> [narrow(x) for x in (0.5, -1.73414, 1234.5, -1.2e-7, 0.0, float("nan"), float("-inf"))]
    ['0.5000', '−1.7341', '1.23e3', '−1.20e−7', '0.0000', 'nan', '−inf']
    """
    if not math.isfinite(x):
        text = str(x)
    elif x == 0 or 1e-3 <= abs(x) < 999.99995:
        text = f"{abs(x) if x == 0 else x:.4f}"
    else:
        digits, exponent = f"{x:.2e}".split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "−")


def fill(template: str, names: dict[str, str]) -> str:
    """The formula with its places filled; what is negative is put in parentheses where it would be misread."""

    def place(found: re.Match[str]) -> str:
        text = names[found[1]]
        before, after = template[: found.start()], template[found.end() :]
        alone = (not before or before.endswith(("(", ", "))) and not after.startswith(("²", " **", "("))
        return text if alone or not text.startswith("−") else f"({text})"

    return re.sub(r"\{(\w)\}", place, template)


class _Edge(NamedTuple):
    """The j-th operand ``parent`` of ``node``, as indices."""

    node: int
    j: int
    parent: int

    @property
    def id(self) -> str:
        return f"{self.node}_{self.j}"


class _Graph:
    """A graph made ready to be shown: its values computed anew, names, and where each is drawn."""

    def __init__(self, order: list[Value], wrt: Sequence[Value] | None) -> None:
        self.order = order
        self.index = {node: k for k, node in enumerate(order)}
        self.operations = list(dict.fromkeys(node.op.name for node in order if node.op))
        self.values = _recomputed(order, self.index)
        self.adjoints: list[float] = grad(self.values[-1], self.values)
        self.edges = [_Edge(k, j, self.index[p]) for k, node in enumerate(order) for j, p in enumerate(node.parents)]
        self.uses = [0] * len(order)
        for edge in self.edges:
            self.uses[edge.parent] += 1
        self.full, self.short = self._names()
        # A weight or bias that one dot uses, and nothing else, is a row in the box of the dot: a neuron is a table.
        self.rows: dict[int, list[int]] = {}
        self.folded: set[int] = set()
        for k, node in enumerate(order):
            if node.op and node.op.name == "dot":
                operands = len(node.parents)
                self.rows[k] = [*range(operands // 2), *([operands - 1] if operands % 2 else [])]
                parents = [self.index[node.parents[j]] for j in self.rows[k]]
                self.folded.update(p for p in parents if order[p].is_leaf and self.uses[p] == 1)
        self.drawn = [edge for edge in self.edges if edge.parent not in self.folded]
        self.updated = self._updated(wrt)

    def _updated(self, wrt: Sequence[Value] | None) -> list[Value]:
        leaves = [node for node in self.order if node.is_leaf and not node.is_constant]
        if wrt is None:
            weights = {self.order[k].parents[j] for k, rows in self.rows.items() for j in rows}
            return [leaf for leaf in leaves if leaf in weights] or leaves
        for node in wrt:
            if not isinstance(node, Value):
                raise TypeError(f"step_through: wrt takes leaves of the graph, got {type(node).__name__}")
            if node not in self.index or not node.is_leaf:
                raise ValueError(f"step_through: wrt has {node!r:.80}, which is no leaf of the graph: leave it out")
        return list(dict.fromkeys(wrt))

    def _names(self) -> tuple[list[str], list[str]]:
        """For each node its label, or a name; and a short one for formulas: what follows the last dot of a label."""
        given = {clean(node.label) for node in self.order}
        full, count = [], 0
        for node in self.order:
            name = clean(node.label)
            if not name and node.op:
                name = "L" if node is self.order[-1] and "L" not in given else ""
                while not name or name in given:
                    count += 1
                    name = f"v{count}"
            elif not name and not node.is_constant:
                name = f"x{self.index[node]}"
            full.append(name)  # a constant without a label is called by its number
        return full, [_short(name, node.is_leaf) for name, node in zip(full, self.order)]

    def called(self, k: int) -> str:
        return self.short[k] or f"{self.values[k].data:g}".replace("-", "−")

    def records(self) -> list[dict[str, Any]]:
        """The nodes for the page: names, and what they are computed from."""
        records = []
        for k, node in enumerate(self.order):
            record: dict[str, Any] = {"name": self.short[k]}
            if self.full[k] != self.short[k]:
                record["full"] = self.full[k]
            if node.op:
                record["op"] = node.op.name
                record["parents"] = [self.index[parent] for parent in node.parents]
            else:
                record["data"] = _plain(node.data)
                if node.is_constant:
                    record["constant"] = True
            records.append(record)
        return records

    def outline(self) -> list[Any]:
        """The steps, and groups of steps.

        A step is a list: ["start"], ["forward", node], ["seed"], ["backward", node, operand] or ["update"]. A group is
        a dict with a title and the steps or groups in it.
        """
        computed = [k for k, node in enumerate(self.order) if node.op]
        passes = {
            "forward": [(k, [["forward", k]]) for k in computed],
            "backward": [(k, steps) for k in reversed(computed) if (steps := self._backward(k))],
        }
        everything = [step for turns in passes.values() for _, steps in turns for step in steps]
        count = len(everything) + 3
        grouped = {name: [step for _, steps in turns for step in steps] for name, turns in passes.items()}
        if count > GROUPED:
            for levels in (1, 2):
                grouped = {name: self._grouped(turns, levels) for name, turns in passes.items()}
                if sum(map(len, grouped.values())) + 3 <= GROUPED:
                    break
            else:
                grouped = {name: _banded(groups, (GROUPED - 3) // 2) for name, groups in grouped.items()}
        return [["start"], *grouped["forward"], ["seed"], *grouped["backward"], ["update"]]

    def _backward(self, k: int) -> list[Any]:
        parents = self.order[k].parents
        return [["backward", k, j] for j, parent in enumerate(parents) if not parent.is_constant]

    def _grouped(self, turns: list[tuple[int, list[Any]]], levels: int) -> list[Any]:
        """The steps by neuron, or by layer and then neuron."""
        if levels == 0:
            return [step for _, steps in turns for step in steps]
        groups: list[Any] = []
        for unit, run in _runs(turns, lambda k: self.unit(k, levels)):
            items = self._grouped(run, levels - 1)
            if len(items) == 1:
                groups += items
            else:
                groups.append({"title": unit or self.called(run[0][0]), "items": items})
        return groups

    def unit(self, k: int, levels: int) -> str:
        """The part of a label that names the neuron (for level 1) or the layer (for level 2); "" where it has none."""
        parts = self.full[k].split(".")
        return ".".join(parts[: len(parts) - levels]) if levels == 1 or len(parts) > 2 else self.unit(k, levels - 1)


def _short(name: str, is_leaf: bool) -> str:
    """layer1.neuron2.w3 is w3; layer1.neuron2.a is a₂, because the next layer uses the a of all neurons."""
    if not re.fullmatch(r"\w+(\.\w+)+", name):
        return shorten(name, 14)
    unit, _, last = name.rpartition(".")
    number = re.search(r"[0-9]+$", unit)
    return shorten(last if is_leaf or number is None else last + number[0].translate(_SUBSCRIPTS), 14)


_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _runs(turns: list[tuple[int, list[Any]]], unit_of: Any) -> Iterator[tuple[str, list[tuple[int, list[Any]]]]]:
    """Consecutive turns of one unit; a node that belongs to none is a run by itself."""
    run: list[tuple[int, list[Any]]] = []
    for turn in turns:
        unit = unit_of(turn[0])
        if run and (not unit or unit != unit_of(run[-1][0])):
            yield unit_of(run[-1][0]), run
            run = []
        run.append(turn)
    if run:
        yield unit_of(run[-1][0]), run


def _banded(items: list[Any], most: int) -> list[Any]:
    """At most so many groups of neighbouring items."""
    if len(items) <= most:
        return items
    size = math.ceil(len(items) / most)
    bands = [items[k : k + size] for k in range(0, len(items), size)]
    return [{"title": "", "items": band} if len(band) > 1 else band[0] for band in bands]


def _flat(items: Iterable[Any]) -> Iterator[list[Any]]:
    for item in items:
        if isinstance(item, dict):
            yield from _flat(item["items"])
        else:
            yield item


def _recomputed(order: list[Value], index: dict[Value, int]) -> list[Value]:
    """The same graph from fresh leaves: what the page will compute when it is opened."""
    values: list[Value] = []
    for node in order:
        parents = [values[index[parent]] for parent in node.parents]
        if node.op is None:
            values.append(constant(node.data) if node.is_constant else Value(node.data))
        elif node.op.name == "dot":
            n = len(parents) // 2
            values.append(FUNCTIONS["dot"](parents[:n], parents[n : 2 * n], *parents[2 * n :]))
        else:
            values.append(FUNCTIONS[node.op.name](*(parents if node.op.arity else [parents])))
    return values


# The picture. Lengths are in points of Graphviz, which are the pixels of the SVG.

ROW, WIDTH, TABLE, PAD = 18, 128, 258, 7
_COLUMNS = (124, 188, TABLE - PAD)  # right edges of the columns value, local derivative, grad
_FEW, _SOME = 16, 45  # edges: up to few have room for whole formulas, up to some for one number each
_FORMULA = 26  # characters of a formula on an edge


class _Place(NamedTuple):
    x: float
    y: float


def _picture(graph: _Graph, timeout: float) -> str:
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


def _height(graph: _Graph, k: int) -> int:
    """The number of rows of a box."""
    if k in graph.rows:
        return _headings(graph, k) + len(graph.rows[k]) + 1
    return 1 + (not graph.order[k].is_constant) * 2


def _headings(graph: _Graph, k: int) -> int:
    """The number of rows above the weights in a table: one more where there is a neuron to name."""
    return 2 if graph.unit(k, 1) else 1


def _layout(graph: _Graph, timeout: float) -> tuple[dict[int, _Place], dict[str, tuple[str, _Place]], _Place]:
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


def _port(graph: _Graph, edge: _Edge) -> str:
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


def _edge_text(graph: _Graph, edge: _Edge) -> list[str]:
    """The lines on an edge: a formula for the local derivative, and its value."""
    if graph.order[edge.parent].is_constant:
        return []
    number = narrow(graph.values[edge.node].local_derivatives[edge.j])
    if len(graph.drawn) > _SOME:
        return [] if edge.node in graph.rows else [number]
    if edge.node in graph.rows and len(graph.drawn) > _FEW:
        return [number]
    return [*_rule_text(graph, edge), f"= {number}"]


def _rule_text(graph: _Graph, edge: _Edge) -> list[str]:
    """∂y/∂x = rule, or for a function of one operand σ′(z) = σ(z)(1 − σ(z)); in two lines where it is long."""
    node = graph.order[edge.node]
    assert node.op is not None
    shown = display(node.op)
    x, y = graph.called(edge.parent), graph.called(edge.node)
    left, names = f"∂{y}/∂{x}", operand_names(graph, edge) | {"y": y}
    if node.op.arity == 1 and node.op.symbol.isalpha():
        left, names["y"] = f"{node.op.symbol}′({x})", fill(str(shown["text"]), names)
    rules: Any = shown["rules"]
    rule = fill(rules[rule_number(node, edge.j)], names)
    if len(left) + len(rule) <= _FORMULA - 6:
        return [f"{left} = {rule}"]
    return [shorten(left, _FORMULA), f"= {rule}"] if len(rule) <= _FORMULA - 2 else [shorten(left, _FORMULA)]


def rule_number(node: Value, j: int) -> int:
    """Which rule of its row gives the derivative by operand j."""
    assert node.op is not None
    if node.op.name == "dot":
        return 2 if j == 2 * (len(node.parents) // 2) else j // (len(node.parents) // 2)
    return j if node.op.arity else 0


def operand_names(graph: _Graph, edge: _Edge) -> dict[str, str]:
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


def _drawn_edge(graph: _Graph, edge: _Edge, path: str, where: _Place) -> str:
    lines = _edge_text(graph, edge)
    parts = [f'<g class="edge" id="e{edge.id}"><path d="{path}"/>']
    for k, line in enumerate(lines):
        place = "data-l" if k == len(lines) - 1 else f"data-f{k}"
        parts.append(_text("", where.x, where.y - 2 + 12.5 * k, line, f'{place}="{edge.id}"'))
    return "".join([*parts, "</g>"])


def _text(classes: str, x: float, y: float, content: str, more: str = "") -> str:
    attributes = (f' class="{classes}"' if classes else "") + (f" {more}" if more else "")
    return f'<text x="{x:.4g}" y="{y:.4g}"{attributes}>{html.escape(content)}</text>'


def _box(graph: _Graph, k: int, place: _Place) -> str:
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
        room = (7 if table and headings == 1 else 15) - len(symbol)
        parts.append(_text("", PAD + 7.3 * (len(symbol) + 1), 13, _fitted(name, room)))
    else:
        parts.append(_text("sign", PAD, 13, _fitted(name, 15)))
    if table:
        if headings == 2:
            parts.append(_text("num cell", width - PAD, 13, _fitted(graph.unit(k, 1), 22)))
        local = f"∂{_fitted(name, 4)}/∂…"
        for column, words in zip(_COLUMNS, ("data", local, "grad")):
            parts.append(_text("head", column, (headings - 1) * ROW + 12.5, words))
        for row, j in enumerate(graph.rows[k], headings):
            parts.append(_row(graph, _Edge(k, j, graph.index[node.parents[j]]), row * ROW))
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


def _row(graph: _Graph, edge: _Edge, top: int) -> str:
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


def _about(graph: _Graph, k: int) -> str:
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
