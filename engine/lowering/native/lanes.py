"""A plan written as a tape of lanes: one instruction over a block of samples."""

from __future__ import annotations

from array import array
from collections import Counter
from itertools import chain, islice

from engine.lowering.program import Program, split_dot

from .library import Library
from .plan import Plan
from .tapes import Flat, Order, regular

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from typing import Any

    from .tapes import Args

    # Whether marked; what is added and taken away; products, with slopes of choices, with 1 less these: pairs in a row.
    Terms = tuple[int, Sequence[int], Sequence[int], Sequence[int], Sequence[int], Sequence[int]]

# The instructions, in the order of the enumeration in kernels.h.
(
    LANES_MAP,
    LANES_NARY,
    LANES_DOT,
    LANES_GEMM,
    LANES_OUTER,
    LANES_SUM,
    LANES_OUT,
    LANES_PAIR,
    LANES_CHEAP,
    LANES_TERMS,
) = range(10)
CHEAP = frozenset({"add", "sub", "mul", "neg", "maximum", "minimum", "maximum_slope"})  # as in lanes.h
PAIRS = {"sigmoid": 0, "tanh": 1}  # what is computed together with its slope


class Step:
    """One step of the schedule: what it defines, what it uses, and how it is written once rows are known."""

    __slots__ = ("defines", "uses", "kind", "data")

    def __init__(self, kind: int, defines: Sequence[int], uses: Sequence[int], data: Any) -> None:
        self.kind, self.defines, self.uses, self.data = kind, defines, uses, data


_LARGE = 1024  # products of an outer product that is worth coming last
_RUNS = frozenset({LANES_MAP, LANES_PAIR, LANES_CHEAP, LANES_TERMS})  # of which several can be one instruction
_SUMS = 32  # results that wait for one another within a run, to be one instruction
_MOST_ALIKE = 64  # operands of marked sums that are the same for all samples
_PINNED, _OFTEN = 16, 16  # constants that have a row of their own, and how often one is used that has
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
            keys.append((d, step.kind, step.data if step.kind in _RUNS else -1))
        ordered += [window[k] for k in sorted(range(len(window)), key=keys.__getitem__)]
    return ordered


def _in_a_run(steps: Sequence[Step], k: int) -> bool:
    """Whether step k and the next will be one instruction."""
    pair = steps[k : k + 2] if k >= 0 else ()
    return len(pair) == 2 and pair[0].kind in _RUNS and (pair[0].kind, pair[0].data) == (pair[1].kind, pair[1].data)


def _marked(op: str, args: Args) -> Terms:
    """The operands of "marked p m q c t"."""
    parts, start = [], 0
    for k, count in enumerate(map(int, op.split()[1:])):
        stop = start + count * (1 if k < 2 else 2)
        parts.append(args[start:stop])
        start = stop
    return (1, parts[0], parts[1], parts[2], parts[3], parts[4])


def _alike(program: Program) -> dict[int, None]:
    """What is the same for all samples among the operands of marked sums."""
    varying = program.core_varying
    return {a: None for i in _marked_sums(program) for a in program.core_args[i] if not varying[a]}


def _marked_sums(program: Program) -> list[int]:
    first = program.parameter_range.stop  # there may be a million parameters in front
    return [i for i, op in enumerate(islice(program.core_op, first, None), first) if op.startswith("marked")]


def runs_marked(program: Program) -> bool:
    """Whether the marked sums of a program can be run: they vary, and few of their operands do not."""
    varying = program.core_varying
    return len(_alike(program)) <= _MOST_ALIKE and all(map(varying.__getitem__, _marked_sums(program)))


def _all_in(ids: Container[int], lists: Sequence[Sequence[int]]) -> bool:
    return all(i in ids for listed in lists for i in listed)


class Lanes:
    """The program for a batch: a flat tape for what does not vary, and a tape of lanes for what does.

    order   of the parameters and of their gradients; that of the program, where it is left out
    """

    def __init__(self, plan: Plan, library: Library, order: Order | None = None) -> None:
        self.plan, self.library = plan, library
        program, varying = plan.program, plan.varying
        self.order = order = order or Order(program.parameter_range.start)
        self.flat = Flat(plan, library, order, with_inputs=False)
        self.flat.write([i for i in plan.needed if not varying[i]])
        self.uniform = array("i")
        for r, i in plan.results:
            if not varying[i]:
                self.uniform.extend((order.result(program, r), self.flat.at[i]))
        self.code = array("i")
        self.row: dict[int, int] = {i: k for k, i in enumerate(program.inputs)}
        self.rows = len(self.row)
        self.pinned: dict[int, int] = {}
        self.terms: dict[int, Terms] = {}
        self._find_terms()
        self._write(self._schedule())

    def _schedule(self) -> list[Step]:
        """The steps in the order of the program; sums over the samples come as soon as what they need is there."""
        plan = self.plan
        op, args, varying = plan.op, plan.args, plan.varying
        steps: list[Step] = []
        made: dict[int, int] = dict.fromkeys(plan.program.inputs, -1)
        slopes = {(op[i], args[i]): i for i in plan.needed if op[i] in ("sigmoid_slope", "tanh_slope")}
        self._slopes = {args[i]: i for i in plan.needed if op[i] == "maximum_slope"}
        for i in plan.needed:
            if not varying[i] or i in made:
                continue
            terms = self.terms.get(i)
            if terms is not None:
                made[i] = len(steps)
                marked, *parts = terms
                shape = (marked, *map(len, parts[:2]), *[len(part) // 2 for part in parts[2:]])
                steps.append(Step(LANES_TERMS, (i,), [a for a in chain(*parts) if varying[a]], shape))
                continue
            slope = slopes.get((f"{op[i]}_slope", args[i])) if op[i] in PAIRS else None
            if slope is not None and slope not in made:
                made[i] = made[slope] = len(steps)
                steps.append(Step(LANES_PAIR, (i, slope), args[i], PAIRS[op[i]]))
                continue
            dots = plan.dots.get(i)
            if dots is not None and self.terms.keys().isdisjoint(dots.members):
                made.update(dict.fromkeys(dots.members, len(steps)))
                steps.append(Step(LANES_GEMM, dots.members, dots.inputs, dots))
                continue
            made[i] = len(steps)
            uses = [a for a in args[i] if varying[a]]
            if op[i] == "dot":
                steps.append(Step(LANES_DOT, (i,), uses, None))
            elif op[i] in self.library.nary:
                steps.append(Step(LANES_NARY, (i,), uses, self.library.nary[op[i]]))
            else:
                steps.append(self._elementwise(i))
                # The slope of a maximum at once: the two operands then need not be kept for the way back.
                slope = self._slopes.get(args[i] if op[i] == "maximum" else args[i][::-1] if op[i] == "minimum" else ())
                if slope is not None and slope not in made:
                    made[slope] = len(steps)
                    steps.append(self._elementwise(slope))
        steps = _gathered(steps)
        made.update((i, k) for k, step in enumerate(steps) for i in step.defines)
        after: dict[int, list[Step]] = {}
        last: list[Step] = []  # large outer products: training may take them straight from the parameters
        for a, d, places in self._outer_products():
            uses = [*a, *d]
            outer = Step(LANES_OUTER, (), uses, (a, d, places))
            if len(a) * len(d) >= _LARGE:
                last.append(outer)
            else:
                after.setdefault(max(map(made.__getitem__, uses)), []).append(outer)
        sums: dict[int, list[tuple[int, int]]] = {}
        for r, i in plan.results:
            if varying[i]:
                sums.setdefault(made[i], []).append((i, self.order.result(plan.program, r)))
        ordered: list[Step] = []
        ready: list[tuple[int, int]] = []
        for k in range(-1, len(steps)):
            ordered += steps[k : k + 1] if k >= 0 else ()
            ready += sums.get(k, ())
            if ready and not (len(ready) < _SUMS and _in_a_run(steps, k)):
                kind = LANES_SUM if plan.sums else LANES_OUT
                ordered.append(Step(kind, (), [i for i, _ in ready], ready))
                ready = []
            ordered += after.get(k, ())
        self.ends_in_outer = bool(last)
        return ordered + last

    def _elementwise(self, i: int) -> Step:
        plan = self.plan
        name, varying = plan.op[i], plan.varying
        uses = [a for a in plan.args[i] if varying[a]]
        rows = name in CHEAP and all(varying[a] or a in self.pinned for a in plan.args[i])
        return Step(LANES_CHEAP if rows else LANES_MAP, (i,), uses, self.library.operations[name])

    def _outer_products(self) -> Iterator[tuple[Sequence[int], Sequence[int], tuple[int, int, int] | list[list[int]]]]:
        """(a, d, the number of the first result and its steps by a and by d; or the number of each result)."""
        program, order = self.plan.program, self.order
        for outer in self.plan.outers:
            first = len(program.outputs) + outer.output * len(program.wrt_ids)
            pairs = sorted(zip(outer.rows, outer.adjoints))  # steps are never below 0
            rows, adjoints = [order.first + row for row, _ in pairs], [d for _, d in pairs]
            block = order.block(rows, len(outer.inputs))
            if block is not None:
                yield outer.inputs, adjoints, (first + block[0], block[2], block[1])
            else:
                places = [[first + order.place(row + k) for row in rows] for k in range(len(outer.inputs))]
                yield outer.inputs, adjoints, places
        for a, d, numbers in self.plan.scattered:
            results = [[order.result(program, r) for r in row] for row in numbers]
            yield a, d, regular(results) or results

    def _write(self, steps: list[Step]) -> None:
        last: dict[int, int] = {}
        for k, step in enumerate(steps):
            last.update(dict.fromkeys(step.uses, k))
        last.update(dict.fromkeys(self.plan.program.inputs, len(steps)))  # their rows are filled once for all blocks
        row, free = self.row, list[int]()
        if self.pinned:
            self.code.extend((LANES_MAP, self.library.operations["copy"], len(self.pinned)))
            for i, pin in self.pinned.items():
                self.code.extend((pin, ~self.flat.at[i]))
        run: tuple[int, Any, int] | None = None  # (kind, data, place of the count) of a run of instructions
        for k, step in enumerate(steps):
            dying = {i for i in step.uses if last[i] == k}
            if step.kind in (LANES_MAP, LANES_CHEAP, LANES_TERMS):  # may write where they have read
                (i,) = step.defines
                operands = self._operands(i) if step.kind != LANES_TERMS else self._term_rows(i)
                free += [row[i] for i in dying]
                self._allocate(step.defines, free)
                if run is None or run[:2] != (step.kind, step.data):
                    head = (1, *step.data) if step.kind == LANES_TERMS else (step.data, 1)
                    run = step.kind, step.data, len(self.code) + (1 if step.kind == LANES_TERMS else 2)
                    self.code.extend((step.kind, *head))
                else:
                    self.code[run[2]] += 1
                self.code.extend((row[i], *operands))
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
        varying, row, at, pinned = self.plan.varying, self.row, self.flat.at, self.pinned
        return [row[a] if varying[a] else pinned[a] if a in pinned else ~at[a] for a in self.plan.args[i]]

    def _term_rows(self, i: int) -> list[int]:
        row, pinned = self.row, self.pinned
        return [row[a] if a in row else pinned[a] for a in chain(*self.terms[i][1:])]

    def _find_terms(self) -> None:
        """Sums of marked adjoints, and dots and sums of what varies on both sides: sums of rows and their products."""
        plan = self.plan
        op, args, varying, constant = plan.op, plan.args, plan.varying, plan.program.constant
        often = Counter([a for i in plan.needed if varying[i] for a in args[i] if a in constant])
        pinned = [a for a, n in often.most_common(_PINNED) if n >= _OFTEN]
        for a in dict.fromkeys(chain(_alike(plan.program), pinned)):
            self.pinned[a] = self.rows
            self.rows += 1
        together = {i for i, dots in plan.dots.items() if dots.layer or not _all_in(constant, dots.weights)}
        for i in plan.needed:
            if not varying[i] or i in together:
                continue
            terms: Terms | None = None
            if op[i].startswith("marked"):
                terms = _marked(op[i], args[i])
            elif op[i] == "dot":
                weights, inputs, bias = split_dot(args[i])
                terms = self._terms(list(zip(weights, inputs)), [] if bias is None else [bias])
            elif op[i] == "sum" and len(args[i]) > 1:
                terms = self._terms([], args[i])
            if terms is not None:
                self.terms[i] = terms

    def _terms(self, pairs: Sequence[Sequence[int]], alone: Sequence[int]) -> Terms | None:
        """The rows of a dot; None where something has no row."""
        varying, constant = self.plan.varying, self.plan.program.constant
        if not all(varying[a] or a in self.pinned for a in alone):
            return None
        plus, minus, products = list(alone), list[int](), list[int]()
        for a, b in pairs:
            if not varying[b]:
                return None
            if constant.get(a) == 1.0:
                plus.append(b)
            elif constant.get(a) == -1.0:
                minus.append(b)
            elif varying[a] or a in self.pinned:
                products += a, b
            else:
                return None
        return (0, plus, minus, products, [], [])

    def _emit(self, step: Step) -> None:
        code, row, at, args = self.code, self.row, self.flat.at, self.plan.args
        if step.kind == LANES_GEMM:
            members, inputs = step.defines, step.uses
            biases = step.data.biases or [None] * len(members)
            code.extend((LANES_GEMM, len(members), len(inputs), *self.flat.weights(step.data)))
            code.extend(map(row.__getitem__, inputs))
            code.extend(map(row.__getitem__, members))
            code.extend(-1 if b is None else at[b] for b in biases)
        elif step.kind == LANES_OUTER:
            a, d, places = step.data
            code.extend((LANES_OUTER, len(a), len(d), *(places if isinstance(places, tuple) else (-1, 0, 0))))
            code.extend(map(row.__getitem__, a))
            code.extend(map(row.__getitem__, d))
            if isinstance(places, list):
                code.extend(chain.from_iterable(places))
        elif step.kind in (LANES_SUM, LANES_OUT):
            code.extend((step.kind, len(step.data)))
            for i, r in step.data:
                code.extend((row[i], r))
        elif step.kind == LANES_PAIR:
            code.extend((LANES_PAIR, step.data, 1, *map(row.__getitem__, (*step.defines, *step.uses))))
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
