"""A graph made ready to be gone through step by step: both passes, a name for every value, and the list of steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine import Value, grad, toposort
from engine.operands import constant
from engine.operations import FUNCTIONS
from engine.ops import OPS
from engine.weighted import dot, roles
from viz.tex import Tex, derivative, operation

from .mathml import template
from .names import names
from .units import Unit, inputs, units

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from .units import Item

GROUPED = 60  # more steps than this are grouped
READ = 8  # operations; with more, what is repeated and what stands side by side can be folded
FEW = 5  # leaves of single rounds; as many stay outside of them


def plain(x: float) -> float | str:
    """x for JSON, which has no nan and no infinities."""
    return x if math.isfinite(x) else str(x)


def parameters(order: Iterable[Value], output: Value) -> set[Value]:
    """Leaves that are weights or biases of neurons, and nothing else: what a step of descent moves."""
    weights: set[Value] = set()
    others: set[Value] = {output}
    for node in order:
        if node.op and node.op.name == "dot":
            own, taken, bias = roles(node.parents)
            weights.update(own if bias is None else [*own, bias])
            others.update(taken)
        else:
            others.update(node.parents)
    return {leaf for leaf in weights - others if leaf.is_leaf}


class StepGraph:
    """One graph, or two side by side, with what a step-through needs to know; nodes are called by their index.

    order     the nodes, parents before children; of two graphs first those of the one, then those of the other
    outputs   the index of each output
    values    the same graph computed anew from the data of the leaves
    adjoints  the derivative of the output with respect to each node
    called    the names of each node
    rows      the leaves that are drawn as a row in the table of their neurons: weights and biases
    updated   the leaves that the update moves, as indices
    """

    def __init__(self, outputs: Sequence[Value], wrt: Sequence[Value] | None) -> None:
        graphs = [toposort(output) for output in outputs]
        # A leaf that both use is two nodes here, moved by one slider: each graph has its own gradient for it.
        self.sides = [side for side, order in enumerate(graphs) for _ in order]
        self.order = [node for order in graphs for node in order]
        self.places: list[dict[Value, int]] = []
        start = 0
        for order in graphs:
            self.places.append({node: start + k for k, node in enumerate(order)})
            start += len(order)
        self.outputs = [place[output] for place, output in zip(self.places, outputs)]
        self.operations = list(dict.fromkeys(node.op.name for node in self.order if node.op))
        self.values = self._recomputed()
        self.adjoints: list[float] = []
        for output, order in zip(self.outputs, graphs):
            first = len(self.adjoints)
            self.adjoints += grad(self.values[output], self.values[first : first + len(order)])
        self.called = [name for order, output in zip(graphs, outputs) for name in names(order, [output])]
        self.parents = [
            [self.places[side][parent] for parent in node.parents] for side, node in zip(self.sides, self.order)
        ]
        self.rows = {
            place[leaf]
            for place, order, output in zip(self.places, graphs, outputs)
            for leaf in parameters(order, output)
        }
        self.updated = self._updated(wrt)
        self.targets = {
            parents[1]
            for parents, node in zip(self.parents, self.order)
            if node.op and node.op.name in ("bce", "bce_with_logits") and node.parents[1].is_leaf
        }
        count = (
            3 + sum(1 for node in self.order if node.op) + sum(len(self._backward(k)) for k in range(len(self.order)))
        )
        self.count = count
        self.items: list[list[Item]] = []
        for side, order in enumerate(graphs):
            start = len(self.order) - len(order) if side else 0
            own = self.called[start : start + len(order)]
            items = units(outputs[side], order, own, sum(1 for node in order if node.op) > READ)
            self.items.append([_shifted(item, start) for item in items])

    def _recomputed(self) -> list[Value]:
        """The same graph from fresh leaves: what the page will compute when it is opened."""
        values: list[Value] = []
        for side, node in zip(self.sides, self.order):
            parents = [values[self.places[side][parent]] for parent in node.parents]
            if node.op is None:
                values.append(constant(node.data) if node.is_constant else Value(node.data))
            elif node.op.name == "dot":
                weights, taken, bias = roles(parents)
                values.append(dot(weights, taken, bias))
            else:
                values.append(FUNCTIONS[node.op.name](*(parents if node.op.arity else [parents])))
            values[-1].label = node.label
        return values

    def _updated(self, wrt: Sequence[Value] | None) -> list[int]:
        moving = [k for k, node in enumerate(self.order) if node.is_leaf and not node.is_constant]
        if wrt is None:
            return [k for k in moving if k in self.rows] or moving
        chosen: list[int] = []
        for node in wrt:
            if not isinstance(node, Value):
                raise TypeError(f"step_through: wrt takes leaves of the graph, got {type(node).__name__}")
            found = [place[node] for place in self.places if node in place and node.is_leaf]
            if not found:
                raise ValueError(f"step_through: wrt has {node!r:.80}, which is not a leaf of the graph: leave it out")
            chosen += found
        return list(dict.fromkeys(chosen))

    # What the page is told.

    def records(self) -> list[dict[str, Any]]:
        """The nodes: names, and what they are computed from."""
        records = []
        for k, (node, called) in enumerate(zip(self.order, self.called)):
            record: dict[str, Any] = {"name": called.short}
            if k in self.targets and not called.short:
                record |= {"name": "y", "math": ["y", "", ""]}
            elif called.math:
                record["math"] = called.math
            if called.full != called.short and called.full:
                record["full"] = called.full
            if called.cell != called.short:
                record["cell"] = called.cell
            if k in self.rows:
                record["row"] = True
            if k in self.targets:
                record["target"] = True
            if self.sides[k]:
                record["side"] = self.sides[k]
            if node.op:
                record["op"] = node.op.name
                record["parents"] = self.parents[k]
            else:
                record["data"] = plain(node.data)
                if node.is_constant:
                    record["constant"] = True
            records.append(record)
        return records

    def about_operations(self) -> dict[str, dict[str, Any]]:
        """What the page writes about each operation: its symbol, its formula, and a formula for each rule."""
        found: dict[str, dict[str, Any]] = {}
        for name in self.operations:
            op = OPS[name]
            known = {letter: Tex(letter) for letter in (*(op.arguments or ("a", "n", "w", "x")), "y")}
            rules = [template(derivative(name, k, known).text) for k in range(len(op.rules))]
            found[name] = {"symbol": op.symbol, "doc": f"{op.name}: {op.doc}", "rules": rules}
            operands = [known[letter] for letter in op.arguments]
            found[name] |= {"math": template(operation(name)(*operands).text)} if op.arity else {"nary": True}
        return found

    def units(self) -> list[dict[str, Any]]:
        """The units, outer before inner, each with the nodes that others use or that are an output."""
        used: dict[int, set[int]] = {}
        for k, parents in enumerate(self.parents):
            for parent in parents:
                used.setdefault(parent, set()).add(k)
        found: list[dict[str, Any]] = []

        def add(unit: Unit, parent: int | None) -> None:
            nodes = unit.nodes()
            own = set(nodes)
            shows = [k for k in nodes if k in self.outputs or used.get(k, set()) - own]
            record = {"kind": unit.kind, "title": unit.title, "what": unit.what, "brief": unit.brief, "nodes": nodes,
                      "shows": shows, "parent": parent}  # fmt: skip
            self._numbers[id(unit)] = len(found)
            found.append(record)
            here = len(found) - 1
            for item in unit.items:
                if isinstance(item, Unit):
                    add(item, here)

        self._numbers: dict[int, int] = {}
        for items in self.items:
            for item in items:
                if isinstance(item, Unit):
                    add(item, None)
        self.owners = self._owners(found, used)
        self._titles = [record["title"] for record in found]
        self._kinds = [record["kind"] for record in found]
        for k, owner in self.owners.items():
            at: int | None = owner
            while at is not None:
                found[at]["nodes"] = sorted([*found[at]["nodes"], k])
                at = found[at]["parent"]
        free = [k for k, node in enumerate(self.order) if node.is_leaf and k not in self.owners and k not in self.rows]
        for bundle in inputs([k for k in free if k not in self.outputs], used):
            add(bundle, None)
        return found

    def _owners(self, found: list[dict[str, Any]], used: dict[int, set[int]]) -> dict[int, int]:
        """The leaves that one round or one neuron alone uses, and the constants of a band: they fold with it."""
        inner: dict[int, int] = {}
        for unit, record in enumerate(found):  # inner after outer
            for k in record["nodes"]:
                inner[k] = unit
        sets = [set(record["nodes"]) for record in found]
        owners: dict[int, int] = {}
        for k, node in enumerate(self.order):
            if not node.is_leaf or k in self.rows or not used.get(k):
                continue
            at = inner.get(min(used[k]))
            while at is not None:
                kind = found[at]["kind"]
                takes = kind in ("round", "tree") or (kind == "band" and node.is_constant)
                if takes and used[k] <= sets[at]:
                    owners[k] = at
                    break
                at = found[at]["parent"]
        # One or two are not samples but what the loop starts from, and are better seen.
        moving = [k for k, at in owners.items() if found[at]["kind"] == "round" and not self.order[k].is_constant]
        return owners if len(moving) > FEW else {k: at for k, at in owners.items() if k not in moving}

    def groups(self) -> list[dict[str, Any]]:
        """The leaves in groups for the reader: inputs first, then by neuron, then constants; each in its order."""
        free: list[int] = []
        constants: list[int] = []
        rounds: dict[int, list[int]] = {}
        neurons: list[dict[str, Any]] = []
        placed: set[int] = set()
        for items in self.items:
            for unit in _inner(items):
                if unit.kind != "neuron":
                    continue
                weights = [k for node in unit.nodes() for k in self.parents[node] if k in self.rows and k not in placed]
                weights = list(dict.fromkeys(weights))
                placed.update(weights)
                if weights:
                    neurons.append({"title": unit.title, "leaves": weights})
        for k, node in enumerate(self.order):
            if node.is_leaf and k not in placed:
                if k in self.owners and self._kinds[self.owners[k]] != "band":
                    rounds.setdefault(self.owners[k], []).append(k)
                else:
                    (constants if node.is_constant and k not in self.targets else free).append(k)
        title = "inputs and target" if self.targets else "inputs" if neurons else "leaves"
        found = [{"title": title, "leaves": free, "first": True}] if free else []
        found += neurons + [{"title": self._titles[unit], "leaves": own} for unit, own in rounds.items()]
        return found + ([{"title": "constants", "leaves": constants}] if constants else [])

    def linked(self) -> list[list[int]]:
        """Leaves of two graphs that one slider moves: the same Value, or the same label."""
        if len(self.places) == 1:
            return []
        one, other = self.places
        by_label = {node.label: k for node, k in other.items() if node.is_leaf and node.label}
        pairs = []
        for node, k in one.items():
            if node.is_leaf and not node.is_constant:
                twin = other.get(node, by_label.get(node.label) if node.label else None)
                if twin is not None:
                    pairs.append([k, twin])
        first = sum(1 for side in self.sides if side == 0)
        targets = sorted(k for k in self.targets if self.order[k].is_constant)
        return pairs + [
            list(pair) for pair in zip([k for k in targets if k < first], [k for k in targets if k >= first])
        ]

    # Steps.

    def outline(self) -> list[Any]:
        """The steps, and groups of steps; call ``units`` before.

        A step is a list: ["start"], ["forward", node], ["seed", node], ["backward", node, operand] or ["update"]. A
        group is a dict with the numbers of its units, one of each graph, a title, and the steps or groups in it; a pair
        a dict of two steps.
        """
        passes = [(self._pass(items, "forward"), self._pass(items, "backward")) for items in self.items]
        if len(passes) == 1:
            [(forward, backward)] = passes
            return [["start"], *forward, ["seed", self.outputs[0]], *backward, ["update"]]
        paired = [_paired(one, other) for one, other in zip(*passes)]
        return [["start"], *paired[0], {"pair": [["seed", k] for k in self.outputs]}, *paired[1], ["update"]]

    def _backward(self, k: int) -> list[Any]:
        parents = self.order[k].parents
        return [["backward", k, j] for j, parent in enumerate(parents) if not parent.is_constant]

    def _pass(self, items: list[Item], kind: str) -> list[Any]:
        """The steps of a pass: single ones where they are few, else as many of the units as needed."""
        if self.count / len(self.places) <= GROUPED:  # of two graphs, steps are taken side by side
            return self._listed(items, kind, set())
        inner = {id(unit) for unit in _inner(items) if not any(isinstance(item, Unit) for item in unit.items)}
        found = self._listed(items, kind, inner)
        if len(found) * 2 + 3 > GROUPED:
            found = self._listed(items, kind, {id(unit) for unit in _inner(items)})
        return found

    def _listed(self, items: Iterable[Item], kind: str, grouped: set[int]) -> list[Any]:
        found: list[Any] = []
        for item in items if kind == "forward" else reversed(list(items)):
            if isinstance(item, Unit):
                inside = self._listed(item.items, kind, grouped)
                if id(item) in grouped and len(inside) > 1:
                    own = {"title": item.title, "what": item.what, "units": [self._numbers[id(item)]]}
                    found.append({**own, "items": inside})
                else:
                    found += inside
            elif kind == "forward":
                found.append(["forward", item])
            else:
                found += self._backward(item)
        return found


def _shifted(item: Item, start: int) -> Item:
    """The item with the indices of the second graph."""
    if isinstance(item, Unit):
        item.items = [_shifted(inner, start) for inner in item.items]
        return item
    return item + start


def _inner(items: Iterable[Item]) -> Iterator[Unit]:
    """All units, outer before inner."""
    for item in items:
        if isinstance(item, Unit):
            yield item
            yield from _inner(item.items)


def _paired(one: list[Any], other: list[Any]) -> list[Any]:
    """Two lists of steps and groups, side by side; where one is longer, its last ones stand alone."""
    found: list[Any] = []
    for a, b in zip(one, other):
        if isinstance(a, dict) and isinstance(b, dict):
            both = {key: _both(a[key], b[key]) for key in ("title", "what")}
            found.append({**both, "units": a["units"] + b["units"], "items": _paired(a["items"], b["items"])})
        elif isinstance(a, dict) or isinstance(b, dict):
            found += _paired(list(flat([a])), list(flat([b])))
        else:
            found.append({"pair": [a, b]})
    return found + one[len(other) :] + other[len(one) :]


def _both(one: str, other: str) -> str:
    return one if one == other else f"{one} and {other}"


def flat(items: Iterable[Any]) -> Iterator[list[Any]]:
    """The single steps of an outline."""
    for item in items:
        if isinstance(item, dict):
            yield from flat(item.get("items") or item["pair"])
        else:
            yield item
