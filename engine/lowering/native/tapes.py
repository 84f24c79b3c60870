"""A plan written as a flat tape, for one sample."""

from __future__ import annotations

from array import array
from itertools import chain

from engine.lowering.program import split_dot

from .library import Library
from .plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Args = tuple[int, ...]

# The instructions, in the order of the enumeration in kernels.h.
FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER = range(6)


class Flat:
    """A flat tape in the making: where each value lies in U, and the instructions."""

    def __init__(self, plan: Plan, library: Library, parameters: Sequence[int], with_inputs: bool) -> None:
        self.plan, self.library = plan, library
        program = plan.program
        self.code = array("i")
        self.constants = array("d", program.constant.values())
        self.at: dict[int, int] = {}  # id -> index in U
        leaves = [*parameters, *program.constant, *(program.inputs if with_inputs else ())]
        for k, i in enumerate(leaves):
            self.at[i] = k
        self.size = len(leaves)

    def room(self, n: int) -> int:
        """The first of n new places."""
        first = self.size
        self.size += n
        return first

    def write(self, ids: Sequence[int]) -> None:
        """Compute these values: level by level, and in a level all of one operation together."""
        op, args, dots = self.plan.op, self.plan.args, self.plan.dots
        level: dict[int, int] = {}
        groups: dict[tuple[int, str, Args], list[int]] = {}
        for i in ids:
            level[i] = depth = 1 + max([level.get(a, 0) for a in args[i]], default=0)
            key: tuple[int, str, Args] = depth, op[i], ()
            if i in dots:
                weights, inputs, bias = split_dot(args[i])
                if not any(map(level.__contains__, weights)) and bias not in level:
                    key = depth, "gemv", inputs
            groups.setdefault(key, []).append(i)
        for (_, name, inputs), members in sorted(groups.items(), key=lambda item: item[0][0]):
            if name == "gemv":
                self._gemv(members, inputs)
            elif name == "dot":
                for i in members:
                    self._dot(i)
            elif name in self.library.nary:
                for i in members:
                    self.at[i] = self.room(1)
                    operands = [self.at[a] for a in args[i]]
                    self.code.extend((FLAT_NARY, self.library.nary[name], len(operands), self.at[i], *operands))
            else:
                self._map(name, members)

    def _map(self, name: str, members: list[int]) -> None:
        at, args = self.at, self.plan.args
        operands = sorted([(*(at[a] for a in args[i]), i) for i in members])
        first = self.room(len(members))
        for k, (*_, i) in enumerate(operands):
            at[i] = first + k
        self.runs(name, [(first + k, *item[:-1]) for k, item in enumerate(operands)])

    def runs(self, name: str, rows: Sequence[tuple[int, ...]]) -> None:
        """Instructions for (target, operands), each over the longest run of neighbours."""
        code, start, n = self.library.operations[name], 0, len(rows)
        while start < n:
            head = rows[start]
            end = start + 1
            steps = [0] * (len(head) - 1)
            if end < n and rows[end][0] == head[0] + 1:
                steps = [b - a for a, b in zip(head[1:], rows[end][1:])]
                if all(step in (0, 1) for step in steps):
                    while end < n and all(x == h + s * (end - start) for x, h, s in zip(rows[end], head, (1, *steps))):
                        end += 1
                else:
                    steps = [0] * (len(head) - 1)
            operands = [x for pair in zip(head[1:], steps) for x in pair]
            operands += operands[:2] * (3 - len(steps))
            self.code.extend((FLAT_MAP, code, end - start, head[0], *operands))
            start = end

    def _dot(self, i: int) -> None:
        weights, inputs, bias = split_dot(self.plan.args[i])
        at = self.at
        at[i] = self.room(1)
        self.code.extend((FLAT_DOT, len(weights), at[i], -1 if bias is None else at[bias]))
        self.code.extend(map(at.__getitem__, weights + inputs))

    def _gemv(self, members: list[int], inputs: Args) -> None:
        at, args, n = self.at, self.plan.args, len(inputs)
        order = sorted(range(n), key=lambda k: at[args[members[0]][k]])
        weights = {i: [at[args[i][k]] for k in order] for i in members}
        members = sorted(members, key=lambda i: weights[i][0])
        first = weights[members[0]]
        so = weights[members[1]][0] - first[0] if len(members) > 1 else 1
        si = first[1] - first[0]
        regular = (
            so >= 0
            and si > 0
            and all(
                weights[i] == list(range(first[0] + j * so, first[0] + j * so + n * si, si))
                for j, i in enumerate(members)
            )
        )
        if not regular:
            for i in members:
                self._dot(i)
            return
        biases = [split_dot(args[i])[2] for i in members]
        if any(b is None for b in biases) and not all(b is None for b in biases):
            for i in members:
                self._dot(i)
            return
        a = self.contiguous([at[inputs[k]] for k in order])
        bias = -1 if biases[0] is None else self.contiguous([at[b] for b in biases if b is not None])
        target = self.room(len(members))
        for j, i in enumerate(members):
            at[i] = target + j
        self.code.extend((FLAT_GEMV, len(members), n, target, a, first[0], so, si, bias))

    def matrix(self, places: list[list[int]]) -> tuple[int, int, int]:
        """The first of these places, and the steps down and along; they are copied where they are not regular."""
        steps = regular(places)
        if steps is None:
            return self.contiguous(list(chain.from_iterable(places))), len(places[0]), 1
        return steps

    def contiguous(self, places: list[int]) -> int:
        """Where these places lie side by side; they are copied there unless they do already."""
        if places == list(range(places[0], places[0] + len(places))):
            return places[0]
        target = self.room(len(places))
        self.code.extend((FLAT_GATHER, len(places), target, *places))
        return target


def regular(rows: list[list[int]]) -> tuple[int, int, int] | None:
    """first, down and along where rows[j][k] is first + j * down + k * along, neither below 0; else None."""
    first = rows[0][0]
    down = rows[1][0] - first if len(rows) > 1 else 0
    along = rows[0][1] - first if len(rows[0]) > 1 else 0
    if down < 0 or along < 0:
        return None
    n = len(rows[0])
    line = [first] * n if along == 0 else list(range(first, first + n * along, along))
    if down == 0:
        return (first, down, along) if all(row == line for row in rows) else None
    for j, row in enumerate(rows):
        start = first + j * down
        if row != ([start] * n if along == 0 else list(range(start, start + n * along, along))):
            return None
    return first, down, along


def flat_tape(plan: Plan, library: Library) -> tuple[Flat, list[int], int]:
    """The whole program for one sample: the tape, the order of the parameters in it, and the first result.

    Results are outputs, then the gradients by the parameters in that order.
    """
    program = plan.program
    order = _layer_order(plan)
    flat = Flat(plan, library, [program.parameters[k] for k in order], with_inputs=True)
    flat.write(plan.needed)
    at, outputs = flat.at, len(program.outputs)
    first = flat.room(len(plan.results))
    place = list(range(first, first + outputs))  # of each result
    position = [0] * len(order)
    for k, p in enumerate(order):
        position[p] = k
    for g in range(len(program.gradients)):
        offset = first + outputs + g * len(order)
        place += [offset + position[p] for p in range(len(program.gradients[g]))]
    for a, d, results in plan.outer:
        _flat_outer(flat, [at[k] for k in a], [at[j] for j in d], [[place[r] for r in row] for row in results])
    hidden = plan.hidden
    copies = sorted([(place[r], at[i]) for r, i in enumerate(plan.results) if i not in hidden])
    flat.runs("copy", copies)
    return flat, order, first


def _layer_order(plan: Plan) -> list[int]:
    """The parameters in an order that suits blocked products: for each, the weights input by input, then the biases.

    The first len(wrt) stay in front, because only their gradients are results.
    """
    program, args = plan.program, plan.args
    number = {i: k for k, i in enumerate(program.parameters[: len(program.wrt)])}
    order: list[int] = []
    placed: set[int] = set()
    seen: set[int] = set()
    for i in plan.needed:
        members = plan.dots.get(i)
        if members is None or members[0] in seen:
            continue
        seen.add(members[0])
        split = [split_dot(args[m]) for m in members]
        weights = [w for column in zip(*[s[0] for s in split]) for w in column]
        biases = [s[2] for s in split if s[2] is not None]
        block = [number[w] for w in (*weights, *biases) if w in number]
        if len(block) == len(weights) + len(biases) and placed.isdisjoint(block) and len(set(block)) == len(block):
            order += block
            placed.update(block)
    order += [k for k in range(len(program.parameters)) if k not in placed]
    return order


def _flat_outer(flat: Flat, a: list[int], d: list[int], places: list[list[int]]) -> None:
    """The products of a[k] and d[j] into places[k][j]."""
    ks = sorted(range(len(a)), key=lambda k: places[k][0])
    js = sorted(range(len(d)), key=places[0].__getitem__)
    target = places[ks[0]][js[0]]
    dk = places[ks[1]][js[0]] - target if len(ks) > 1 else 1
    dj = places[ks[0]][js[1]] - target if len(js) > 1 else 1
    if (
        dk >= 0
        and dj > 0
        and all(
            [places[k][j] for j in js] == list(range(target + n * dk, target + n * dk + len(js) * dj, dj))
            for n, k in enumerate(ks)
        )
    ):
        side_a, side_d = flat.contiguous([a[k] for k in ks]), flat.contiguous([d[j] for j in js])
        if dj == 1 or len(js) == 1 or dk != 1:
            flat.code.extend((FLAT_OUTER, len(ks), len(js), target, dk, dj, side_a, side_d))
        else:
            flat.code.extend((FLAT_OUTER, len(js), len(ks), target, dj, dk, side_d, side_a))
    else:
        flat.runs("mul", sorted((places[k][j], a[k], d[j]) for k in ks for j in js))
