"""A graph made ready to be gone through step by step: both passes, a name for every value, and the list of steps."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, NamedTuple

from engine import Value, grad
from engine.value import FUNCTIONS, constant
from viz.text import clean, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Turn = tuple[int, list[Any]]  # a node, and its steps in one of the passes

GROUPED = 60  # more steps than this are grouped


def plain(x: float) -> float | str:
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


class Edge(NamedTuple):
    """The j-th operand ``parent`` of ``node``, as indices."""

    node: int
    j: int
    parent: int

    @property
    def id(self) -> str:
        return f"{self.node}_{self.j}"


class StepGraph:
    """A graph with what a step-through needs to know of it; nodes are called by their index in ``order``.

    order       the nodes, parents before children
    values      the same graph computed anew from the data of the leaves
    adjoints    the derivative of the output by each node
    full, short the names of each node, as the user gave it and as formulas use it
    rows        for each dot, the operands that have a row in its box: the weights, and the bias
    folded      the leaves that are drawn as such a row, and not as a box
    drawn       the edges that are drawn
    updated     the leaves that the update moves
    """

    def __init__(self, order: list[Value], wrt: Sequence[Value] | None) -> None:
        self.order = order
        self.index = {node: k for k, node in enumerate(order)}
        self.operations = list(dict.fromkeys(node.op.name for node in order if node.op))
        self.values = _recomputed(order, self.index)
        self.adjoints: list[float] = grad(self.values[-1], self.values)
        self.edges = [Edge(k, j, self.index[p]) for k, node in enumerate(order) for j, p in enumerate(node.parents)]
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
        """For each node its label, or a name; and a short one for formulas."""
        given = {clean(node.label) for node in self.order}
        full, short, count = [], [], 0
        for node in self.order:
            label = name = clean(node.label)
            # "a*b + c" is a fine label, but ∂a*b + c/∂a is no formula
            if not (node.is_constant or (label and node.is_leaf) or re.fullmatch(r"[\w.]+", label)):
                name = "L" if node is self.order[-1] and "L" not in given else ""
                while not name or name in given:
                    count += 1
                    name = f"{'x' if node.is_leaf else 'v'}{count}"
            full.append(label or name)  # a constant without a label is called by its number
            short.append(_short(name, node.is_leaf))
        return full, short

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
                record["data"] = plain(node.data)
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

    def _grouped(self, turns: list[Turn], levels: int) -> list[Any]:
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
        parts = self.full[k].split(".") if _DOTTED.fullmatch(self.full[k]) else [""]
        return ".".join(parts[: len(parts) - levels]) if levels == 1 or len(parts) > 2 else self.unit(k, levels - 1)


def _short(name: str, is_leaf: bool) -> str:
    """layer1.neuron2.w3 is w3; layer1.neuron2.a is a₂, because the next layer uses the a of all neurons."""
    if not _DOTTED.fullmatch(name):
        return shorten(name, 14)
    unit, _, last = name.rpartition(".")
    number = re.search(r"[0-9]+$", unit)
    return shorten(last if is_leaf or number is None else last + number[0].translate(_SUBSCRIPTS), 14)


_DOTTED = re.compile(r"[^\W\d]\w*(\.\w+)+")
_SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def _runs(turns: list[Turn], unit_of: Callable[[int], str]) -> Iterator[tuple[str, list[Turn]]]:
    """Consecutive turns of one unit; a node that belongs to none is a run by itself."""
    run: list[Turn] = []
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


def flat(items: Iterable[Any]) -> Iterator[list[Any]]:
    for item in items:
        if isinstance(item, dict):
            yield from flat(item["items"])
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
