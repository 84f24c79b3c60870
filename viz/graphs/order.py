"""Where things stand: in which column of a picture, and in which order from top to bottom.

Graphviz would order each column for few crossings alone, and draw neurons 8 to 1 or b above a. Here operands stand in
the order in which they are written, and so neurons in theirs, because the next layer takes them in that order. The
columns are handed to Graphviz when the picture is laid out (layout.py); the DOT text itself stays free of them.

A picture with more columns than can be read beside each other is wrapped: its rows run to the right and to the left in
turn, so that each goes on just below the end of the one before.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# Points: on a laptop's 1,280 pixels type of 9 points then has 10 pixels; two screens are tall enough.
WIDE, TALL = 1152.0, 1200.0


def columns(takes: Mapping[int, Sequence[Sequence[int]]], ends: Sequence[int]) -> list[list[int]]:
    """The columns of a graph from left to right, each from top to bottom.

    takes   what each computed node takes, in groups within which the order counts; operands come before their users
    ends    the outputs
    """
    rank = _ranks(takes, ends)
    stamps: dict[int, list[int]] = {}
    clock, path = 0, list(reversed(ends))
    while path:  # as one reads an expression: a node, then what it takes, from the first operand to the last
        node = path.pop()
        clock += 1
        if node not in stamps:
            path += [p for group in reversed(takes.get(node, ())) for p in reversed(group)]
        stamps.setdefault(node, []).append(clock)
    # What several nodes take stands between them; what is computed stands where it is first needed.
    key = {node: times[0] if node in takes else sum(times) / len(times) for node, times in stamps.items()}
    found: list[list[int]] = [[] for _ in range(1 + max(rank.values()))]
    for node in sorted(rank, key=lambda node: (key.get(node, clock), node)):
        found[rank[node]].append(node)
    pairs: list[dict[int, set[int]]] = [{} for _ in found]
    for groups in takes.values():
        for group in groups:
            for upper, lower in zip(group, group[1:]):
                if rank[upper] == rank[lower] and upper != lower:
                    pairs[rank[upper]].setdefault(upper, set()).add(lower)
    return [_sorted(column, below) for column, below in zip(found, pairs) if column]


def _ranks(takes: Mapping[int, Sequence[Sequence[int]]], ends: Sequence[int]) -> dict[int, int]:
    """The column of each node: results as far left as their operands allow, leaves next to the first user."""
    rank: dict[int, int] = {}
    users: dict[int, list[int]] = {}
    for node, groups in takes.items():
        operands = {p for group in groups for p in group}
        rank[node] = 1 + max([rank[p] for p in operands if p in takes], default=0)
        for p in operands:
            users.setdefault(p, []).append(node)
    last = max(rank.values(), default=0)
    for node in reversed(list(takes)):  # what one node uses moves next to it, unless it would stretch its own operands
        if len(users.get(node, ())) == 1 and len({p for group in takes[node] for p in group if p in takes}) <= 1:
            rank[node] = rank[users[node][0]] - 1
    for node, by in users.items():
        if node not in takes:
            rank[node] = min(rank[user] for user in by) - 1
    for node in ends:
        rank.setdefault(node, last)
    return rank


def _sorted(column: list[int], below: Mapping[int, set[int]]) -> list[int]:
    """The column with each node above those that have to be below it, and else as it was; in a circle, as it was."""
    place = {node: k for k, node in enumerate(column)}
    above = dict.fromkeys(column, 0)
    for those in below.values():
        for node in those:
            above[node] += 1
    ready = [place[node] for node in column if not above[node]]
    heapify(ready)
    found: list[int] = []
    done: set[int] = set()
    rest = iter(column)
    while len(found) < len(column):
        node = column[heappop(ready)] if ready else next(n for n in rest if n not in done)
        if node in done:
            continue
        done.add(node)
        found.append(node)
        for lower in below.get(node, ()):
            above[lower] -= 1
            if not above[lower] and lower not in done:
                heappush(ready, place[lower])
    return found


class Grid:
    """Columns, wrapped into rows.

    columns   what Graphviz gets: the ids that stand above each other
    """

    def __init__(self, columns: Sequence[Sequence[str]], places: Sequence[tuple[int, int]]) -> None:
        """``places`` has for each of the ``columns`` its row, and its place in the row from the left."""
        self._place: dict[str, tuple[int, int]] = {}
        self.columns: list[list[str]] = [[] for _ in range(1 + max(at for _, at in places))]
        for names, place in zip(columns, places):
            self.columns[place[1]] += names
            self._place.update(dict.fromkeys(names, place))

    def below(self, tail: str, head: str) -> bool:
        """Whether both stand in one column."""
        return self._place[tail][1] == self._place[head][1]

    def edge(self, tail: str, head: str) -> tuple[str, str, dict[str, str]]:
        """How Graphviz is told of an edge from ``tail`` to ``head``: its ends from left to right, and attributes."""
        (row, at), (other, to) = self._place[tail], self._place[head]
        if row != other and not (other == row + 1 and abs(at - to) <= 1):  # it may not move its ends apart
            return tail, head, {"constraint": "false"}
        return (tail, head, {}) if at <= to else (head, tail, {"dir": "back"})


def in_a_row(count: int) -> list[tuple[int, int]]:
    """The places of so many columns beside each other."""
    return [(0, k) for k in range(count)]


def in_rows(count: int, most: int) -> list[tuple[int, int]]:
    """The places of columns in rows of ``most``, which run to the right and to the left in turn."""
    return [(k // most, most - 1 - k % most if k // most % 2 else k % most) for k in range(count)]


def in_rows_with_operations(count: int, most: int) -> list[tuple[int, int]]:
    """The places of columns of values and of operations in turn, in rows of ``most`` values.

    Values stand below values, and operations below operations; at either end a row has an operation from which the way
    leads on into the next.
    """
    found = []
    for k in range(count):
        row, step = divmod(k // 2, most)
        at = 2 * step + 1 + k % 2
        found.append((row, 2 * most - at if row % 2 else at))
    return found
