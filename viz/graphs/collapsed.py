"""Graphs drawn with a box for each neuron, or for each layer."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from viz.colors import FREE, KINDS
from viz.text import exact, markup, number, shorten, tooltip

from .dot import digraph, kind_of, legend_of, table
from .order import Grid, in_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .showing import Picture
    from .structure import Structure

LABELLED = 60  # edges; with more their labels would push the boxes apart, and tooltips have them
COMPACT = 8  # neurons above each other; with more a box has only its name and its numbers


class Neurons:
    """The picture with a box for each neuron: what it will be like, and, once wanted, itself."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.boxes = len(structure.heads) + len(structure.inputs)
        self.columns = structure.columns()
        self.edges = {head: structure.takes(head) for head in structure.heads}
        self.labelled = sum(map(len, self.edges.values())) <= LABELLED
        self.compact = max(map(len, self.columns)) > COMPACT
        self.headed = {layer[0]: (title, layer) for title, layer in structure.named_layers()}

    def size(self) -> tuple[float, float]:
        """Width and height in points, about: of boxes in Helvetica or a font like it."""
        between = 88.0 if self.labelled else 108.0
        widths = [max(self._width(k) for k in column) for column in self.columns]
        lines = 3 if self.compact else 5
        tall = max(
            sum((lines if k in self.structure.members else 3) * 18.5 + 11 for k in column) for column in self.columns
        )
        return sum(widths) + between * (len(widths) - 1) + 20, tall + 40 + 25 * bool(self.headed)

    def _width(self, k: int) -> float:
        structure = self.structure
        if k not in structure.members:
            return max(92.0, 7.2 * len(shorten(structure.names[k])) + 12)
        header = 0 if self.compact else len(structure.made_of(k))
        return max(122.0, 7.2 * len(shorten(self._name(k))) + 12, 6.6 * header + 14)

    def _name(self, head: int) -> str:
        names = self.structure.names
        return names[head] if len(self.structure.members[head]) == 1 else self.structure.name([head]) or names[head]

    def draw(self, legend: bool) -> Picture:
        structure, order, names = self.structure, self.structure.order, self.structure.names
        graph = _titled(structure, "neuron", self.boxes)
        graph.columns = [
            [f"{kind}{k}" for k in column for kind in ("hv" if k in self.headed else "v")] for column in self.columns
        ]
        if not self.labelled:  # straight thin lines from side to side, as networks are drawn
            graph.attr(splines="line", ranksep="1.5")
            graph.attr("edge", penwidth="0.5", arrowsize="0.4", tailport="e", headport="w")
        kinds: list[str] = []
        for p in structure.inputs:
            node = order[p]
            kind = kind_of(node, structure.outputs)
            kinds.append(kind)
            graph.node(f"v{p}", table(names[p], _numbers(structure, p)), id=f"v{p}", **{"class": f"value {kind}"},
                       tooltip=tooltip(f"{names[p]}\ndata = {exact(node.data)}"), **KINDS[kind])  # fmt: skip
        for head in structure.heads:
            kind, made, folded = _kind(structure, [head]), structure.made_of(head), structure.folded[head]
            kinds.append(kind)
            name, rows = self._name(head), _numbers(structure, head)
            about = [name, made] if name else [made]
            about += [f"{names[p] or 'a leaf'} = {number(order[p].data)}" for p in folded[:20]]
            if len(folded) > 1 and not self.compact:
                rows.append((structure.folds(head), f"×{len(folded):,}"))
            margin = {} if self.compact else {"margin": "0"}  # the header reaches to the outline
            graph.node(f"v{head}", table(name, rows, "" if self.compact else made), id=f"v{head}", **margin,
                       **{"class": f"neuron {kind}"}, tooltip=tooltip("\n".join(about)), **KINDS[kind])  # fmt: skip
            derivatives = structure.sources(head)
            for p in self.edges[head]:
                derivative = derivatives[p]
                graph.edge(f"v{p}", f"v{head}", label=f" {number(derivative)} " if self.labelled else "",
                           id=f"e{head}-{p}", tooltip=tooltip(f"derivative {exact(derivative)}"))  # fmt: skip
        for head, (title, layer) in self.headed.items():
            made = f": {len(layer)} × {structure.made_of(head)}" if self.compact else ""
            shown = markup(shorten(title)) or "layer"
            graph.node(f"h{head}", f"<<b>{shown}</b>{markup(made)}>", shape="plaintext",
                       fontcolor=FREE, tooltip=tooltip(title + made), **{"class": "heading"})  # fmt: skip
        if legend:
            note = _collapsed(structure, self.boxes, "neuron")
            if self.labelled and any(self.edges.values()):
                note += "; on an edge: the derivative of the box with respect to what enters it"
            graph.attr(label=_legend(kinds, not self.compact, note), labelloc="b")
        return graph


class Layers:
    """The picture with a box for each layer."""

    def __init__(self, structure: Structure) -> None:
        self.structure = structure
        self.layers, self.inputs = structure.layers()
        self.boxes = len(self.layers) + len(self.inputs)

    def draw(self, legend: bool, wide: float) -> Picture:
        """The picture, wrapped where it would be wider than ``wide`` points."""
        structure, order, names = self.structure, self.structure.order, self.structure.names
        graph = _titled(structure, "layer", self.boxes)
        box = {}  # the box of each node that other boxes may use
        for b, bundle in enumerate(self.inputs):
            box.update(dict.fromkeys(bundle, f"i{b}"))
        for b, heads in enumerate(self.layers):
            box.update(dict.fromkeys(heads, f"g{b}"))
        links: Counter[tuple[str, str]] = Counter()
        for b, heads in enumerate(self.layers):
            members = [k for head in heads for k in structure.members[head]]
            for source in dict.fromkeys(p for k in members for p in structure.parents[k] if p in box):
                if box[source] != f"g{b}":
                    links[box[source], f"g{b}"] += 1
        columns = self._columns(links)
        grid = Grid(columns, in_rows(len(columns), max(2, int(wide // 245))))
        graph.columns = grid.columns
        if len(grid.columns) < len(columns):  # room for the numbers on the edges from row to row
            graph.attr(nodesep="0.4")
        kinds: list[str] = []
        for b, bundle in enumerate(self.inputs):
            title = names[bundle[0]] if len(bundle) == 1 else "inputs"
            kind = kind_of(order[bundle[0]], structure.outputs)
            kinds.append(kind)
            graph.node(f"i{b}", table(title, _summary(structure, bundle, "", 0)), id=f"i{b}",
                       tooltip=tooltip(", ".join(names[p] or "a leaf" for p in bundle[:40])),
                       **{"class": f"value {kind}"}, **KINDS[kind])  # fmt: skip
        for b, heads in enumerate(self.layers):
            kind, made = _kind(structure, heads), structure.made_of(heads[0])
            kinds.append(kind)
            folded = len({p for head in heads for p in structure.folded[head]})
            title = structure.name(heads) or (names[heads[0]] if len(heads) == 1 else "")
            what = f"{len(heads):,} × {made}" if len(heads) > 1 else made
            rows = _summary(structure, heads, structure.folds(heads[0]), folded)
            graph.node(f"g{b}", table(title, rows, what), id=f"g{b}", tooltip=tooltip(f"{title}\n{what}".strip()),
                       **{"class": f"layer {kind}"}, margin="0", **KINDS[kind])  # fmt: skip
        for (tail, end), count in sorted(links.items()):
            left, right, attributes = grid.edge(tail, end)
            room = " " * (6 if grid.below(tail, end) else 1)  # beside an edge that runs down
            many = {"label": f" ×{count:,}{room}", "penwidth": "1.5"} if count > 1 else {}
            graph.edge(left, right, **many, **attributes)
        if legend:
            graph.attr(label=_legend(kinds, True, _collapsed(structure, self.boxes, "layer")), labelloc="b")
        return graph

    def _columns(self, links: Counter[tuple[str, str]]) -> list[list[str]]:
        """The boxes by how many layers come before them."""
        rank: dict[str, int] = {}
        for b in range(len(self.layers)):  # layers come in the order of their depth
            rank[f"g{b}"] = 1 + max([rank[tail] for tail, end in links if end == f"g{b}" and tail in rank], default=0)
        for b in range(len(self.inputs)):
            rank[f"i{b}"] = min([rank[end] for tail, end in links if tail == f"i{b}"], default=1) - 1
        found: list[list[str]] = [[] for _ in range(1 + max(rank.values()))]
        for name in sorted(rank, key=lambda name: (name[0] == "g", int(name[1:]))):
            found[rank[name]].append(name)
        return [column for column in found if column]


def _titled(structure: Structure, level: str, boxes: int) -> Picture:
    outputs = " and ".join(structure.names[structure.index[o]] or "an output" for o in structure.outputs)
    return digraph(
        f"Computation graph of {outputs}, one box for each {level}",
        f"{len(structure.order):,} values drawn as {_boxes(boxes)}, from inputs on the left to outputs on the right.",
        rankdir="LR", ranksep="0.6", nodesep="0.15",
    )  # fmt: skip


def _boxes(count: int) -> str:
    return f"{count:,} boxes" if count > 1 else "one box"


def _collapsed(structure: Structure, boxes: int, level: str) -> str:
    """What the picture leaves out, for its legend."""
    what = f"one a {level}"
    if level == "neuron" and not any(map(structure.is_neuron, structure.heads)):
        what = "whose inner results nobody else uses; step_through opens them part by part"
    return f"{len(structure.order):,} values collapsed to {_boxes(boxes)}" + (f", {what}" if boxes > 1 else "")


def _legend(kinds: Sequence[str], operations: bool, note: str) -> str:
    present = [kind for kind in KINDS if kind in kinds]
    return legend_of([*present, *(["function"] if operations else [])], note)


def _kind(structure: Structure, heads: Sequence[int]) -> str:
    return "output" if any(structure.order[h] is o for h in heads for o in structure.outputs) else "inner"


def _numbers(structure: Structure, k: int) -> list[tuple[str, str]]:
    node = structure.order[k]
    return [("data", number(node.data)), ("grad", number(node.grad) if node.has_grad else "–")]


def _summary(structure: Structure, nodes: Sequence[int], folds: str, folded: int) -> list[tuple[str, str]]:
    """The numbers of a layer: range of data, norm of the gradients."""
    values = [structure.order[k] for k in nodes]
    if len(values) == 1:
        rows = _numbers(structure, nodes[0])
    else:
        data, graded = [v.data for v in values], all(v.has_grad for v in values)
        rows = [("values", f"×{len(values):,}"), ("data", f"{number(min(data))} … {number(max(data))}"),
                ("norm of grad", number(math.hypot(*(v.grad for v in values))) if graded else "–")]  # fmt: skip
    if folded:
        rows.append((folds, f"×{folded:,}"))
    return rows
