"""How much of a graph is drawn: every operation, one box a neuron, or one box a layer.

Structure is found in the graph itself, not in the model that built it. A weighted input (``dot``) with its activation
is a neuron. Elsewhere a box is a tree of operations whose inner results nobody else uses, which is what a neuron looks
like in a network without ``dot``. Boxes of the same make at the same depth are a layer.
"""

from __future__ import annotations

import gc
import math
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from engine import OPS, Value, toposort
from viz.colors import KINDS
from viz.text import exact, markup, number, shorten, tooltip

from .dot import digraph, full, kind_of, legend_of, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from graphviz import Digraph

BOXES = 150  # values and operations; with more a picture cannot be read, and "auto" collapses neurons, then layers
MOST = 5_000  # boxes, where the reader insists; Graphviz would take minutes for more
LABELLED = 60  # edges; with more their labels would push the boxes apart, and tooltips have them
LEVELS = ("auto", "full", "neuron", "layer")


def draw(*outputs: Value, detail: str = "auto", model: Any = None, legend: bool = True) -> Digraph:
    """The graph behind one or several values, as a graphviz.Digraph.

    detail  "full": every value and operation, with the local derivative on each edge into an operation;
            "neuron": a box for each neuron; "layer": a box for each layer;
            "auto": the first of these that needs no more than 150 boxes
    model   a Module; its leaves are called by their names in ``named_parameters()``
    legend  whether the picture has a legend

    Raises ValueError for another detail, and where the picture would have too many boxes: more than 150 layers for
    "auto", more than 5,000 boxes otherwise.
    """
    for output in outputs:
        if not isinstance(output, Value):
            raise TypeError(f"draw takes Values, got {type(output).__name__}")
    if not outputs:
        raise TypeError("draw takes at least one Value")
    if detail not in LEVELS:
        raise ValueError(f"detail must be one of {', '.join(LEVELS)}; got {detail!r}")
    collecting = gc.isenabled()
    gc.disable()  # a large graph makes many small objects here, none of them in a cycle
    try:
        return _draw(outputs, detail, model, legend)
    finally:
        if collecting:
            gc.enable()


def _draw(outputs: Sequence[Value], detail: str, model: Any, legend: bool) -> Digraph:
    order = toposort(*outputs)
    given = {p: name for name, p in model.named_parameters()} if model is not None else {}
    names = [given.get(node) or node.label for node in order]
    boxes = len(order) + sum([node.op is not None for node in order])
    if detail == "full" or (detail == "auto" and boxes <= BOXES):
        _refuse_above(MOST, boxes, "values and operations")
        graph = full(outputs, order, names, legend)
        if boxes <= BOXES:
            groups = _Groups(outputs, order, names)
            for name, heads in groups.clusters():
                # without the parameters: with them inside, the inputs have to reach around
                nodes = [k for head in heads for k in groups.members[head]]
                _cluster(graph, name, [f"{kind}{k}" for k in nodes for kind in "ov"])
        return graph
    groups = _Groups(outputs, order, names)
    boxes = len(groups.heads) + len(groups.inputs)
    if detail == "neuron" or (detail == "auto" and boxes <= BOXES):
        _refuse_above(MOST, boxes, "neurons")
        return _neurons(groups, legend)
    layers, inputs = groups.layers()
    _refuse_above(BOXES if detail == "auto" else MOST, len(layers) + len(inputs), "layers")
    return _layers(groups, layers, inputs, legend)


def _refuse_above(limit: int, boxes: int, what: str) -> None:
    if boxes > limit:
        remedy = "" if what == "layers" else 'detail="layer", or '
        raise ValueError(
            f"the picture would have {boxes} boxes, its {what}, and nobody could read it (the limit is {limit}): "
            f"try {remedy}a part of the graph, such as one of the values that the output is made of"
        )


def _cluster(graph: Digraph, name: str, nodes: Sequence[str]) -> None:
    """A frame around nodes. Graphviz takes long for clusters in large graphs: use it in small ones."""
    with graph.subgraph(name=f"cluster {nodes[0]}") as frame:
        frame.attr(label=f"<{markup(shorten(name)) or ' '}>", style="rounded", color="#80808080", bgcolor="#80808018",
                   tooltip=tooltip(name), fontsize="10")  # fmt: skip
        for node in nodes:
            frame.node(node)


class _Groups:
    """The boxes of a picture in which neurons are collapsed. Nodes are spoken of by their place in ``order``.

    group    of each computed node: the place of the last node of its box, the head
    heads    of all boxes, in topological order
    members  by head: the computed nodes of the box, in topological order
    folded   by head: the leaves that are drawn as part of the box, its parameters
    inputs   the leaves that are boxes of their own
    """

    def __init__(self, outputs: Sequence[Value], order: Sequence[Value], names: Sequence[str]) -> None:
        self.outputs, self.order, self.names = outputs, order, names
        self.index = index = {node: k for k, node in enumerate(order)}
        self.parents = [tuple([index[p] for p in node.parents]) for node in order]
        self.weighted = [node.op is not None and node.op.name == "dot" for node in order]
        self.group = self._grouped()
        self.members: dict[int, list[int]] = {}
        for k, head in enumerate(self.group):
            if head >= 0:
                self.members.setdefault(head, []).append(k)
        self.heads = sorted(self.members)
        self.folded: dict[int, list[int]] = {head: [] for head in self.heads}
        self.inputs: list[int] = []
        self._fold()

    def _grouped(self) -> list[int]:
        """The head of the box of each computed node; -1 for leaves."""
        order, parents, weighted = self.order, self.parents, self.weighted
        many = -1
        user: list[int | None] = [None] * len(order)  # the one node that uses a node, or many
        for k, used in enumerate(parents):
            for p in used:
                other = user[p]
                if other is None:
                    user[p] = k
                elif other != k:
                    user[p] = many
        for output in self.outputs:
            user[self.index[output]] = many
        # A node with parameters ends its box where it is an activation: what follows is another neuron, or the loss.
        ends = [False] * len(order)
        has_parameters = [node.op is None and not node.is_constant for node in order]
        for k, node in enumerate(order):
            v = user[k]
            if node.op is None:
                continue
            if weighted[k]:
                has_parameters[k] = True
                ends[k] = v is None or v == many or not _is_activation(order[v])
            else:
                has_parameters[k] = any(has_parameters[p] and not ends[p] and user[p] == k for p in parents[k])
                ends[k] = has_parameters[k] and _is_activation(node)
        group = [-1] * len(order)
        for k in range(len(order) - 1, -1, -1):  # the user of a node comes after it
            if order[k].op is not None:
                v = user[k]
                group[k] = k if v is None or v == many or ends[k] or weighted[v] else group[v]
        return group

    def _fold(self) -> None:
        """Decide which leaves are parameters of a box: those it alone uses, and the weights and biases of a dot."""
        leaf = [node.op is None and not node.is_constant for node in self.order]
        inputs = set()
        users: dict[int, set[int]] = {}
        for k, used in enumerate(self.parents):
            if self.weighted[k]:
                n = len(used) // 2
                self.folded[self.group[k]] += [p for p in used[:n] + used[2 * n :] if leaf[p]]
                inputs.update([p for p in used[n : 2 * n] if leaf[p]])
            else:
                for p in used:
                    if leaf[p]:
                        users.setdefault(p, set()).add(self.group[k])
        for p, heads in users.items():
            if len(heads) > 1:
                inputs.add(p)
            else:
                self.folded[min(heads)].append(p)
        for head, leaves in self.folded.items():
            if not inputs.isdisjoint(leaves):
                self.folded[head] = [p for p in leaves if p not in inputs]
        inputs.update(self.index[output] for output in self.outputs if output.op is None)
        self.inputs = sorted(inputs)

    def sources(self, head: int) -> dict[int, float]:
        """What a box takes from other boxes: by node, the derivative of the box's result by it."""
        adjoint = {head: 1.0}
        own = set(self.members[head])
        for k in reversed(self.members[head]):
            flow = adjoint.pop(k, 0.0)
            for p, d in zip(self.parents[k], self.order[k].local_derivatives):
                adjoint[p] = adjoint.get(p, 0.0) + flow * d
        outside = set(self.inputs)
        return {p: d for p, d in sorted(adjoint.items()) if p not in own and (self.group[p] >= 0 or p in outside)}

    def layers(self) -> tuple[list[list[int]], list[list[int]]]:
        """The heads of each layer, and the inputs in bundles that go to the same layers."""
        depth: dict[int, int] = {}
        layers: dict[tuple[Any, ...], list[int]] = {}
        layer_of: dict[int, tuple[Any, ...]] = {}
        for head in self.heads:
            takes = {self.group[p] for k in self.members[head] for p in self.parents[k]} - {-1, head}
            depth[head] = 1 + max([depth[other] for other in takes], default=0)
            make = sorted([self.order[k].op.name for k in self.members[head]])  # type: ignore[union-attr]
            layer_of[head] = layer = (depth[head], *make)
            layers.setdefault(layer, []).append(head)
        goes: dict[int, set[Any]] = {p: set() for p in self.inputs}
        for k, used in enumerate(self.parents):
            for p in used:
                if p in goes:
                    goes[p].add(layer_of[self.group[k]])
        bundles: dict[frozenset[Any], list[int]] = {}
        for p, layers_of in goes.items():
            bundles.setdefault(frozenset(layers_of), []).append(p)
        return list(layers.values()), list(bundles.values())

    def clusters(self) -> list[tuple[str, list[int]]]:
        """The layers of neurons, with their names, where there are several neurons."""
        layers = [layer for layer in self.layers()[0] if any(self.weighted[k] for k in self.members[layer[0]])]
        if sum(map(len, layers)) < 2:
            return []
        return [(self.name(layer).split(".neuron")[0] or f"layer {k}", layer) for k, layer in enumerate(layers, 1)]

    def made_of(self, head: int) -> str:
        """What a box computes, in few words."""
        ops = [self.order[k].op for k in self.members[head]]
        first = self.order[self.members[head][0]]
        if first.op is not None and first.op.name == "dot" and len(ops) <= 2:
            z = "w·x + b" if len(first.parents) % 2 else "w·x"
            return z if len(ops) == 1 else f"{ops[1].symbol}({z})"  # type: ignore[union-attr]
        counts = Counter(op.name for op in ops if op is not None)
        told = [f"{n} {name}" if n > 1 else name for name, n in counts.most_common(4)]
        return ", ".join([*told, "…"] if len(counts) > 4 else told)

    def name(self, heads: Iterable[int]) -> str:
        """What the labels of some boxes have in common, up to a dot."""
        results = {self.names[k] for head in heads for k in self.members[head]}
        leaves = {p for head in heads for p in self.folded[head]}
        parameters = {self.names[p] for p in leaves if "." in self.names[p]}
        labels = [name.split(".") for name in results | parameters if name]
        common = []
        for parts in zip(*labels):
            if len(set(parts)) > 1:
                break
            common.append(parts[0])
        return ".".join(common)


def _is_activation(node: Value) -> bool:
    """Whether a node is a function of one value that is not linear, perhaps with constants for its defaults."""
    assert node.op is not None
    arity = _activation_arity(node.op.name)
    return arity == 1 or (arity > 1 and all(p.is_constant for p in node.parents[1:]))


@cache
def _activation_arity(name: str) -> int:
    op = OPS[name]
    return 0 if op.arity is None or op.arity != 1 + len(op.defaults) or name == "neg" else op.arity


def _title(groups: _Groups, level: str, boxes: int) -> Digraph:
    outputs = " and ".join(groups.names[groups.index[o]] or "an output" for o in groups.outputs)
    return digraph(
        f"Computation graph of {outputs}, one box for each {level}",
        f"{len(groups.order)} values drawn as {boxes} boxes, from inputs on the left to outputs on the right.",
        rankdir="LR", ranksep="0.6", nodesep="0.15",
    )  # fmt: skip


def _kind(groups: _Groups, heads: Sequence[int]) -> str:
    return "output" if any(groups.order[h] is o for h in heads for o in groups.outputs) else "inner"


def _neurons(groups: _Groups, legend: bool) -> Digraph:
    boxes = len(groups.heads) + len(groups.inputs)
    graph = _title(groups, "neuron", boxes)
    sources = {head: groups.sources(head) for head in groups.heads}
    labelled = sum(map(len, sources.values())) <= LABELLED
    if not labelled:  # straight thin lines from side to side, as networks are drawn
        graph.attr(splines="line", ranksep="1.5")
        graph.attr("edge", penwidth="0.5", arrowsize="0.4", tailport="e", headport="w")
    for p in groups.inputs:
        node = groups.order[p]
        kind = kind_of(node, groups.outputs)
        rows = [("data", number(node.data)), ("grad", number(node.grad) if node.has_grad else "–")]
        graph.node(f"v{p}", table(groups.names[p], rows), id=f"v{p}", **{"class": f"value {kind}"},
                   tooltip=tooltip(f"{groups.names[p]}\ndata = {exact(node.data)}"), **KINDS[kind])  # fmt: skip
    for head in groups.heads:
        node, kind = groups.order[head], _kind(groups, [head])
        rows = [("data", number(node.data)), ("grad", number(node.grad) if node.has_grad else "–")]
        name = groups.names[head] if len(groups.members[head]) == 1 else groups.name([head]) or groups.names[head]
        about = [name, groups.made_of(head)] if name else [groups.made_of(head)]
        about += [f"{groups.names[p] or 'a leaf'} = {number(groups.order[p].data)}" for p in groups.folded[head][:20]]
        if len(groups.folded[head]) > 1:
            rows.append(("parameters", f"×{len(groups.folded[head])}"))
        graph.node(f"v{head}", table(name, rows, groups.made_of(head)), id=f"v{head}", margin="0",
                   **{"class": f"neuron {kind}"}, tooltip=tooltip("\n".join(about)), **KINDS[kind])  # fmt: skip
        for p, derivative in sources[head].items():
            graph.edge(f"v{p}", f"v{head}", label=f" {number(derivative)} " if labelled else "", id=f"e{head}-{p}",
                       tooltip=tooltip(f"derivative {exact(derivative)}"))  # fmt: skip
    if boxes <= BOXES:
        for title, layer in groups.clusters():
            _cluster(graph, title, [f"v{head}" for head in layer])
    if legend:
        note = f"{len(groups.order)} values collapsed to {boxes} boxes, one a neuron"
        if labelled:
            note += "; on an edge: the derivative of the box by its input"
        graph.attr(label=legend_of(["input", "inner", "output", "function"], note), labelloc="b")
    return graph


def _layers(groups: _Groups, layers: Sequence[Sequence[int]], inputs: Sequence[Sequence[int]], legend: bool) -> Digraph:
    boxes = len(layers) + len(inputs)
    graph = _title(groups, "layer", boxes)
    box = {}  # the box of each node that other boxes may use
    for b, bundle in enumerate(inputs):
        box.update(dict.fromkeys(bundle, f"i{b}"))
        title = groups.names[bundle[0]] if len(bundle) == 1 else "inputs"
        graph.node(f"i{b}", table(title, _summary(groups, bundle, [])), id=f"i{b}", **{"class": "value input"},
                   tooltip=tooltip(", ".join(groups.names[p] or "a leaf" for p in bundle[:40])),
                   **KINDS["input"])  # fmt: skip
    for b, heads in enumerate(layers):
        box.update(dict.fromkeys(heads, f"g{b}"))
    links: Counter[tuple[str, str]] = Counter()
    for b, heads in enumerate(layers):
        kind, many = _kind(groups, heads), f"{len(heads)} × " if len(heads) > 1 else ""
        folded = sorted({p for head in heads for p in groups.folded[head]})
        title = groups.name(heads) or (groups.names[heads[0]] if len(heads) == 1 else "")
        what = many + groups.made_of(heads[0])
        graph.node(f"g{b}", table(title, _summary(groups, heads, folded), what), id=f"g{b}",
                   tooltip=tooltip(f"{title}\n{what}".strip()),
                   **{"class": f"layer {kind}"}, margin="0", **KINDS[kind])  # fmt: skip
        for source in {p for head in heads for k in groups.members[head] for p in groups.parents[k] if p in box}:
            if box[source] != f"g{b}":
                links[box[source], f"g{b}"] += 1
    for (tail, end), count in sorted(links.items()):
        graph.edge(tail, end, label=f" ×{count} " if count > 1 else "", penwidth="1.5" if count > 1 else "1")
    if legend:
        note = f"{len(groups.order)} values collapsed to {boxes} boxes, one a layer"
        graph.attr(label=legend_of(["input", "inner", "output", "function"], note), labelloc="b")
    return graph


def _summary(groups: _Groups, nodes: Sequence[int], folded: Sequence[int]) -> list[tuple[str, str]]:
    """The numbers of a layer: range of data, norm of the gradients."""
    values = [groups.order[k] for k in nodes]
    graded = all(v.has_grad for v in values)
    if len(values) == 1:
        rows = [("data", number(values[0].data)), ("grad", number(values[0].grad) if graded else "–")]
    else:
        data = [v.data for v in values]
        rows = [("values", f"×{len(values)}"), ("data", f"{number(min(data))} … {number(max(data))}"),
                ("norm of grad", number(math.hypot(*(v.grad for v in values))) if graded else "–")]  # fmt: skip
    if folded:
        rows.append(("parameters", f"×{len(folded)}"))
    return rows
