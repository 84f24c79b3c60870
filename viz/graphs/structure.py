"""Neurons and layers, found in the graph itself and not in the model that built it.

A weighted input (``dot``) with its activation is a neuron. Elsewhere a box is a tree of operations whose inner results
nobody else uses, which is what a neuron looks like in a network without ``dot``. Boxes of the same make at the same
depth are a layer.
"""

from __future__ import annotations

from collections import Counter
from functools import cache
from typing import TYPE_CHECKING

from engine import OPS, Value
from engine.graph import alone
from engine.operands import NOTHING
from engine.reverse import propagate
from engine.weighted import roles

from .order import columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any


class Structure:
    """The neurons and layers of a graph; its nodes are named by their place in ``order``, a topological order.

    A neuron is called a box, because a box may also be a tree of operations that is not a neuron.

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
                weights, taken, bias = roles(used)
                self.folded[self.group[k]] += [p for p in (*weights, *(() if bias is None else (bias,))) if leaf[p]]
                inputs.update([p for p in taken if leaf[p]])
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

    def takes(self, head: int) -> list[int]:
        """The boxes and inputs from which a box takes something, in the order in which its operands are written."""
        own, outside = set(self.members[head]), set(self.inputs)
        found: dict[int, None] = {}
        path, seen = [head], {head}
        while path:
            k = path.pop()
            if k not in own:
                found[k] = None
                continue
            for p in reversed(self.parents[k]):
                if p in own and p not in seen:
                    seen.add(p)
                    path.append(p)
                elif p not in own and (self.group[p] >= 0 or p in outside):
                    path.append(p)
        return list(found)

    def columns(self) -> list[list[int]]:
        """The boxes and inputs in columns, as they are drawn."""
        ends = [self.group[k] if self.group[k] >= 0 else k for k in (self.index[output] for output in self.outputs)]
        return columns({head: [self.takes(head)] for head in self.heads}, ends)

    def sources(self, head: int) -> dict[int, float]:
        """What a box takes from other boxes: by node, the derivative of the box's result with respect to it."""
        members = [self.order[k] for k in self.members[head]]
        with alone:
            for node in members:
                for each in (node, *node.parents):
                    each._adjoint = NOTHING
            members[-1]._adjoint = 1.0
            propagate(members)  # the engine's own sweep, which ends where the box does
            return {p: self.order[p]._adjoint + 0.0 for p in sorted(self.takes(head))}

    def layers(self) -> tuple[list[list[int]], list[list[int]]]:
        """The heads of each layer in the order of its neurons, and the inputs in bundles that go to the same layers."""
        place = {k: at for at, k in enumerate(k for column in self.columns() for k in column)}
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
        for p in sorted(goes, key=place.__getitem__):
            bundles.setdefault(frozenset(goes[p]), []).append(p)
        for heads in layers.values():
            heads.sort(key=place.__getitem__)
        return sorted(layers.values(), key=lambda heads: (depth[heads[0]], place[heads[0]])), list(bundles.values())

    def named_layers(self) -> list[tuple[str, list[int]]]:
        """The layers of neurons, with their names, where there are several neurons."""
        layers = [layer for layer in self.layers()[0] if any(self.weighted[k] for k in self.members[layer[0]])]
        if sum(map(len, layers)) < 2:
            return []
        return [(self.name(layer).split(".neuron")[0] or f"layer {k}", layer) for k, layer in enumerate(layers, 1)]

    def made_of(self, head: int) -> str:
        """What a box computes, in few words."""
        ops = [self.order[k].op for k in self.members[head]]
        first = self.order[self.members[head][0]]
        for what, among in _MANY.items():
            if all(op is not None and op.name in among for op in ops):
                own = set(self.members[head])
                terms = sum([p not in own for k in own for p in self.parents[k]])
                if terms > 2:
                    return f"{what} of {terms:,}"
        if first.op is not None and first.op.name == "dot" and len(ops) <= 2:
            z = "w·x + b" if len(first.parents) % 2 else "w·x"
            return z if len(ops) == 1 else f"{ops[1].symbol}({z})"  # type: ignore[union-attr]
        symbols = [op.symbol for op in ops if op is not None]
        if period := _period(symbols):
            rounds, rest = divmod(len(symbols), period)
            what = ", ".join(symbols[:period])
            then = f", then {', '.join(symbols[-rest:])}" if rest else ""
            return f"{rounds:,} rounds of {what}{then}" if period > 1 else f"{rounds:,} × {what}"
        counts = Counter(op.name for op in ops if op is not None)
        told = [f"{n} {name}" if n > 1 else name for name, n in counts.most_common(4)]
        return ", ".join([*told, "…"] if len(counts) > 4 else told)

    def is_neuron(self, head: int) -> bool:
        """Whether a box is a weighted input, or a tree with several parameters that ends in an activation."""
        return any(self.weighted[k] for k in self.members[head]) or (
            len(self.folded[head]) > 1 and _is_activation(self.order[head])
        )

    def folds(self, head: int) -> str:
        """What the leaves that are drawn as part of a box are called."""
        return "parameters" if self.is_neuron(head) else "leaves"

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


def _period(made: list[str]) -> int:
    """After how many operations those of a loop begin anew, which goes round four times or more; else 0."""
    for period in range(1, min(12, len(made) // 4) + 1):
        if all(a == b for a, b in zip(made, made[period:])):
            return period
    return 0


# What a box is called whose operations are all of one kind.
_MANY = {"sum": {"sum", "add"}, "product": {"mul"}, "mean": {"mean"}, "logsumexp": {"logsumexp"},
         "maximum": {"maximum"}, "minimum": {"minimum"}}  # fmt: skip


def _is_activation(node: Value) -> bool:
    """Whether a node is a function of one value that is not linear, perhaps with constants for its defaults."""
    assert node.op is not None
    arity = _activation_arity(node.op.name)
    return arity == 1 or (arity > 1 and all(p.is_constant for p in node.parents[1:]))


@cache
def _activation_arity(name: str) -> int:
    op = OPS[name]
    return 0 if op.arity is None or op.arity != 1 + len(op.defaults) or name == "neg" else op.arity
