"""A plan written as tapes for the interpreter, flat or of lanes; and a tape in the interpreter's memory."""

from __future__ import annotations

from array import array
from itertools import chain

from engine.lowering.program import split_dot

from .library import Library
from .plan import Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Args = tuple[int, ...]

# The instructions, in the order of the enumerations in kernels.h.
FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER = range(6)
LANES_MAP, LANES_NARY, LANES_DOT, LANES_GEMM, LANES_OUTER, LANES_SUM, LANES_OUT, LANES_PAIR, LANES_SOFTMAX = range(9)
PAIRS = {"sigmoid": 0, "tanh": 1}  # what is computed together with its slope


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
        regular = _regular(places)
        if regular is None:
            return self.contiguous(list(chain.from_iterable(places))), len(places[0]), 1
        return regular

    def contiguous(self, places: list[int]) -> int:
        """Where these places lie side by side; they are copied there unless they do already."""
        if places == list(range(places[0], places[0] + len(places))):
            return places[0]
        target = self.room(len(places))
        self.code.extend((FLAT_GATHER, len(places), target, *places))
        return target


def _regular(rows: list[list[int]]) -> tuple[int, int, int] | None:
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


class Step:
    """One step of the schedule: what it defines, what it uses, and how it is written once rows are known."""

    __slots__ = ("defines", "uses", "kind", "data")

    def __init__(self, kind: int, defines: Sequence[int], uses: Sequence[int], data: Any) -> None:
        self.kind, self.defines, self.uses, self.data = kind, defines, uses, data


_WINDOW = 512  # steps among which those of one operation are brought together


def _gathered(steps: list[Step]) -> list[Step]:
    """The steps with those of one operation brought together, as far as they do not need each other.

    A run of one operation is one instruction, and the processor then knows where to jump. Only neighbours change
    places: values are to be used soon after they are made, while they are in the cache.
    """
    ordered: list[Step] = []
    for start in range(0, len(steps), _WINDOW):
        window = steps[start : start + _WINDOW]
        depth: dict[int, int] = {}
        keys = []
        for step in window:
            d = 1 + max([depth.get(i, 0) for i in step.uses], default=0)
            for i in step.defines:
                depth[i] = d
            keys.append((d, step.kind, step.data if step.kind in (LANES_MAP, LANES_PAIR) else -1))
        ordered += [window[k] for k in sorted(range(len(window)), key=keys.__getitem__)]
    return ordered


class Lanes:
    """The program for a batch: a flat tape for what does not vary, and a tape of lanes for what does."""

    def __init__(self, plan: Plan, library: Library) -> None:
        self.plan, self.library = plan, library
        program, varying = plan.program, plan.program.varying
        self.flat = Flat(plan, library, program.parameters, with_inputs=False)
        self.flat.write([i for i in plan.needed if not varying[i]])
        self.uniform = array("i")
        for r, i in enumerate(plan.results):
            if not varying[i]:
                self.uniform.extend((r, self.flat.at[i]))
        self.code = array("i")
        self.row: dict[int, int] = {i: k for k, i in enumerate(program.inputs)}
        self.rows = len(self.row)
        self._write(self._schedule())

    def _schedule(self) -> list[Step]:
        """The steps in the order of the program; sums over the samples come as soon as what they need is there."""
        plan = self.plan
        op, args, varying = plan.op, plan.args, plan.program.varying
        steps: list[Step] = []
        made: dict[int, int] = dict.fromkeys(plan.program.inputs, -1)
        slopes = {(op[i], args[i]): i for i in plan.needed if op[i] in ("sigmoid_slope", "tanh_slope")}
        softmax: dict[Args, list[int]] = {}
        for i in plan.needed:
            if op[i] == "softmax":
                softmax.setdefault(tuple(sorted(args[i])), []).append(i)
        for i in plan.needed:
            if not varying[i] or i in made:
                continue
            slope = slopes.get((f"{op[i]}_slope", args[i])) if op[i] in PAIRS else None
            if slope is not None and slope not in made:
                made[i] = made[slope] = len(steps)
                steps.append(Step(LANES_PAIR, (i, slope), args[i], PAIRS[op[i]]))
                continue
            if op[i] == "softmax":
                alike = softmax[tuple(sorted(args[i]))]
                made.update(dict.fromkeys(alike, len(steps)))
                steps.append(Step(LANES_SOFTMAX, alike, [a for a in args[i] if varying[a]], args[i]))
                continue
            members = plan.dots.get(i)
            if members is not None:
                made.update(dict.fromkeys(members, len(steps)))
                steps.append(Step(LANES_GEMM, members, split_dot(args[i])[1], None))
                continue
            made[i] = len(steps)
            uses = [a for a in args[i] if varying[a]]
            if op[i] == "dot":
                steps.append(Step(LANES_DOT, (i,), uses, None))
            elif op[i] in self.library.nary:
                steps.append(Step(LANES_NARY, (i,), uses, self.library.nary[op[i]]))
            else:
                steps.append(Step(LANES_MAP, (i,), uses, self.library.operations[op[i]]))
        steps = _gathered(steps)
        made.update((i, k) for k, step in enumerate(steps) for i in step.defines)
        after: dict[int, list[Step]] = {}
        for a, d, results in plan.outer:
            uses = [*a, *d]
            after.setdefault(max(map(made.__getitem__, uses)), []).append(Step(LANES_OUTER, (), uses, (a, d, results)))
        sums: dict[int, list[tuple[int, int]]] = {}
        for r, i in enumerate(plan.results):
            if varying[i] and i not in plan.hidden:
                sums.setdefault(made[i], []).append((i, r))
        for k, pairs in sums.items():
            after.setdefault(k, []).append(
                Step(LANES_SUM if plan.sums else LANES_OUT, (), [i for i, _ in pairs], pairs)
            )
        ordered = after.get(-1, [])
        for k, step in enumerate(steps):
            ordered.append(step)
            ordered += after.get(k, ())
        return ordered

    def _write(self, steps: list[Step]) -> None:
        last: dict[int, int] = {}
        for k, step in enumerate(steps):
            last.update(dict.fromkeys(step.uses, k))
        last.update(dict.fromkeys(self.plan.program.inputs, len(steps)))  # their rows are filled once for all blocks
        row, free = self.row, list[int]()
        run: tuple[int, int] | None = None  # (operation, place of the count) of a run of elementwise instructions
        for k, step in enumerate(steps):
            dying = {i for i in step.uses if last[i] == k}
            if step.kind == LANES_MAP:
                operands = self._operands(step.defines[0])
                free += [row[i] for i in dying]
                self._allocate(step.defines, free)
                if run is None or run[0] != step.data:
                    self.code.extend((LANES_MAP, step.data, 0))
                    run = step.data, len(self.code) - 1
                self.code[run[1]] += 1
                self.code.extend((row[step.defines[0]], *operands))
            else:
                run = None
                self._allocate(step.defines, free)
                self._emit(step)
                free += [row[i] for i in dying]
            free += [row[i] for i in step.defines if i not in last]

    def _allocate(self, ids: Sequence[int], free: list[int]) -> None:
        for i in ids:
            if free:
                self.row[i] = free.pop()
            else:
                self.row[i] = self.rows
                self.rows += 1

    def _operands(self, i: int) -> list[int]:
        varying, row, at = self.plan.program.varying, self.row, self.flat.at
        return [row[a] if varying[a] else ~at[a] for a in self.plan.args[i]]

    def _emit(self, step: Step) -> None:
        code, row, at, args = self.code, self.row, self.flat.at, self.plan.args
        if step.kind == LANES_GEMM:
            members, inputs = step.defines, step.uses
            J, K = len(members), len(inputs)
            first, so, si = self.flat.matrix([[at[w] for w in args[i][:K]] for i in members])
            biases = [args[i][2 * K] if len(args[i]) % 2 else None for i in members]
            code.extend((LANES_GEMM, J, K, first, so, si))
            code.extend(map(row.__getitem__, inputs))
            code.extend(map(row.__getitem__, members))
            code.extend(-1 if b is None else at[b] for b in biases)
        elif step.kind == LANES_OUTER:
            a, d, results = step.data
            places = _regular(results)
            code.extend((LANES_OUTER, len(a), len(d), *(places or (-1, 0, 0))))
            code.extend(map(row.__getitem__, a))
            code.extend(map(row.__getitem__, d))
            if places is None:
                code.extend(chain.from_iterable(results))
        elif step.kind in (LANES_SUM, LANES_OUT):
            code.extend((step.kind, len(step.data)))
            for i, r in step.data:
                code.extend((row[i], r))
        elif step.kind == LANES_PAIR:
            code.extend((LANES_PAIR, step.data, 1, *map(row.__getitem__, (*step.defines, *step.uses))))
        elif step.kind == LANES_SOFTMAX:
            varying = self.plan.program.varying
            target = {args[i][0]: row[i] for i in step.defines}
            code.extend((LANES_SOFTMAX, len(step.data)))
            code.extend(row[a] if varying[a] else ~at[a] for a in step.data)
            code.extend(target.pop(a, -1) for a in step.data)
        elif step.kind == LANES_NARY:
            (i,) = step.defines
            code.extend((LANES_NARY, step.data, len(args[i]), row[i], *self._operands(i)))
        else:
            (i,) = step.defines
            operands = self._operands(i)
            n = len(operands) // 2
            has_bias = len(operands) % 2
            bias = operands[-1] if has_bias else 0
            code.extend((LANES_DOT, n, row[i], has_bias, bias, *operands[: 2 * n]))
