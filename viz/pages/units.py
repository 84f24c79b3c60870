"""Parts of a graph that a page can fold into one box: neurons, layers, and the rounds of a loop.

A unit is a neuron, a layer (neurons one after the other that take the same), a round (where the same operations are
repeated, as by a loop), or a band of neighbours, where there are very many.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from viz.graphs.structure import Structure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine import Value

    from .names import Called

MANY = 6  # inputs of a layer; as many are one box when it is folded
MOST = 6  # boxes or groups of one level; more neighbours make bands


@dataclass
class Unit:
    """A unit and what is in it: nodes by their index, and units.

    kind    "neuron"; "tree" for a neuron of single operations; "layer", "round", "band"; or "inputs" for leaves that
            the same neurons use
    title   what it is called: layer 1, neuron 2
    what    what it computes: σ(w·x + b)
    brief   the title within its own unit: neuron 2
    """

    kind: str
    title: str
    what: str
    brief: str
    items: list[int | Unit] = field(default_factory=list)

    def nodes(self) -> list[int]:
        found: list[int] = []
        for item in self.items:
            found += item.nodes() if isinstance(item, Unit) else [item]
        return sorted(found)


Item = int | Unit


def units(output: Value, order: Sequence[Value], called: Sequence[Called], loops: bool) -> list[Item]:
    """The computed nodes of a graph in topological order, with those that make a unit put together.

    loops   whether rounds and bands are looked for too
    """
    structure = Structure([output], order, [name.full for name in called])
    items = _neurons(structure, called)
    items = _layers(items, structure, called)
    if loops:
        items = _rounds(items, order, called)
        items = _bands(items, order, called)
    return items


def _neurons(structure: Structure, called: Sequence[Called]) -> list[Item]:
    """The computed nodes, those of a neuron together where its last one stands: nobody else uses the others."""
    neurons = [head for head in structure.heads if structure.is_neuron(head)]
    weighted = {head for head in neurons if structure.weighted[structure.members[head][0]]}
    trees = set(neurons) - weighted  # neurons of single operations; one alone is the graph itself
    chosen = weighted | (trees if len(trees) > 1 else set())
    items: list[Item] = []
    count = 0
    for k, head in enumerate(structure.group):
        if head < 0 or (head in chosen and head != k):
            continue
        if k not in chosen:
            items.append(k)
            continue
        count += 1
        label = called[structure.members[k][0]].full
        title = _unit_title(label, -1) or f"neuron {count}"
        brief = _unit_title(label, -1, last=True) or title
        op = structure.order[k].op
        kind, what = ("neuron", structure.made_of(k)) if k in weighted else ("tree", f"{op.symbol if op else ''}(…)")
        items.append(Unit(kind, title, what, brief, list(structure.members[k])))
    return items


def _unit_title(label: str, levels: int, last: bool = False) -> str:
    """layer1.neuron2.z, without the last part, in words: layer 1, neuron 2."""
    parts = label.split(".")[:levels]
    if not parts or not all(part.isidentifier() for part in parts):
        return ""
    words = []
    for part in parts[-1:] if last else parts:
        stem = part.rstrip("0123456789")
        words.append(f"{stem} {part[len(stem) :]}".strip() if stem else part)
    return ", ".join(words)


def _layers(items: list[Item], structure: Structure, called: Sequence[Called]) -> list[Item]:
    """Neighbouring neurons that take the same, put together."""

    def takes(item: Item) -> tuple[int, ...] | None:
        return tuple(structure.takes(item.nodes()[-1])) if isinstance(item, Unit) else None

    found: list[Item] = []
    count = 0
    for run in _runs(items, takes):
        if isinstance(run[0], Unit):
            count += 1
        if len(run) == 1 or not isinstance(run[0], Unit):
            found += run
            continue
        first = run[0]
        label = called[first.nodes()[0]].full
        title = _unit_title(label, -2) or f"layer {count}"
        if title == _unit_title(label, -1):
            title = f"layer {count}"
        found.append(Unit("layer", title, f"{len(run)} × {first.what}", title, list(run)))
    return found


def inputs(leaves: Sequence[int], users: dict[int, set[int]]) -> list[Unit]:
    """Leaves that the same nodes use, put together where they are many: the inputs of a layer."""
    together: dict[frozenset[int], list[int]] = {}
    for k in leaves:
        together.setdefault(frozenset(users.get(k, ())), []).append(k)
    found = [same for same in together.values() if len(same) >= MANY]
    return [Unit("inputs", f"{len(same)} inputs", "inputs", "inputs", list(same)) for same in found]


def _runs(items: Sequence[Item], key: Callable[[Item], object]) -> list[list[Item]]:
    runs: list[list[Item]] = []
    for item in items:
        if runs and key(item) is not None and key(item) == key(runs[-1][-1]):
            runs[-1].append(item)
        else:
            runs.append([item])
    return runs


def _rounds(items: list[Item], order: Sequence[Value], called: Sequence[Called]) -> list[Item]:
    """The longest repetition among the items, each round of it put together; what stands before and after likewise."""
    if len(items) < 6:
        return items
    make = [_make(item, order) for item in items]
    best = (0, 0, 0)  # items covered, minus the period, start
    period = 0
    for p in range(1, len(items) // 3 + 1):
        run = 0
        for i in range(len(items) - p):
            run = run + 1 if make[i] == make[i + p] else 0
            if run >= 2 * p:
                covered = (run // p + 1) * p
                if (covered, -p) > best[:2]:
                    best, period = (covered, -p, i + p + 1 - covered), p
    covered, _, start = best
    if covered < 6 or period < 2:
        return items
    rounds = covered // period
    found: list[Item] = _rounds(items[:start], order, called)
    for r in range(rounds):
        part = items[start + r * period : start + (r + 1) * period]
        what = _what(part, order, called)
        found.append(Unit("round", f"round {r + 1} of {rounds}", what, f"round {r + 1}", part))
    return found + _rounds(items[start + covered :], order, called)


def _make(item: Item, order: Sequence[Value]) -> tuple[object, ...]:
    if isinstance(item, Unit):
        return (item.kind, *(_make(inner, order) for inner in item.items))
    op = order[item].op
    return (op.name if op else "",)


def _bands(items: list[Item], order: Sequence[Value], called: Sequence[Called]) -> list[Item]:
    """Neighbours put together where there are very many items; titled by what they do."""
    while len(items) > MOST:
        size = max(2, math.ceil(len(items) / MOST))
        found: list[Item] = []
        for k in range(0, len(items), size):
            part = items[k : k + size]
            found.append(part[0] if len(part) == 1 else _band(part, order, called))
        items = found
    return items


def _band(part: list[Item], order: Sequence[Value], called: Sequence[Called]) -> Unit:
    first, last = part[0], part[-1]
    if all(isinstance(item, Unit) and item.title.startswith("round ") for item in part):
        assert isinstance(first, Unit)
        assert isinstance(last, Unit)
        title = f"rounds {first.title.split()[1].split('–')[0]}–{last.title.removeprefix('round ')}"
        return Unit("round", title, first.what, title, part)
    ends = [item.title if isinstance(item, Unit) else called[item].short for item in (first, last)]
    title = " to ".join(end.split(" to ")[i and -1] for i, end in enumerate(ends))
    return Unit("band", title, _what(part, order, called), title, part)


def _what(part: list[Item], order: Sequence[Value], called: Sequence[Called]) -> str:
    """What some neighbouring items do, in few words: the operations one after the other, "× tanh"."""
    words: list[str] = []
    for item in part:
        op = None if isinstance(item, Unit) else order[item].op
        words.append(item.what or item.title if isinstance(item, Unit) else op.symbol if op else "")
    told: list[str] = []
    for word in words:
        if told and told[-1].split(" ")[-1] == word:
            n = told[-1].removesuffix(word).strip("× ") or "1"
            told[-1] = f"{int(n) + 1 if n.isdigit() else 2} × {word}"
        else:
            told.append(word)
    return ", ".join(told[:4]) + (", …" if len(told) > 4 else "")
