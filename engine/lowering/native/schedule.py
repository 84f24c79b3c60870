"""The steps in which a batch computes the values of a plan, in the order of the program.

A step that makes one value, and of which several can be one instruction, is no more than the id of the value, and a
number that says which steps are of its kind: there may be a million. All other steps are objects.
"""

from __future__ import annotations

from itertools import chain
from operator import not_

from .library import Library
from .plan import Plan
from .tape import numbered
from .tapes import Order, regular
from .terms import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

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
    LANES_CHOICE,
    LANES_TERMS,
) = range(11)
CHEAP = frozenset({"add", "sub", "mul", "neg", "maximum", "minimum", "relu", "gt", "where"})  # as in lanes.h
PAIRS = {"sigmoid": 0, "tanh": 1}  # what is computed together with its slope
CHOICES = {"maximum": 0, "minimum": 1, "maximum_slope": 2}

_SLOPE_OF = {"sigmoid": "sigmoid_slope", "tanh": "tanh_slope", "maximum": "maximum_slope", "minimum": "maximum_slope"}
_SLOPES = frozenset(_SLOPE_OF.values())
_LARGE = 1024  # products of an outer product that is worth coming last


class Step:
    """A step of its own: what it makes and uses, and what else its instruction says."""

    __slots__ = ("kind", "makes", "uses", "data")

    def __init__(self, kind: int, makes: Sequence[int], uses: Sequence[int], data: Any = None) -> None:
        self.kind, self.makes, self.uses, self.data = kind, makes, uses, data


class _Kinds(dict["tuple[int, Any]", int]):
    """Numbers of kinds, which they get when they are asked for; the first are those of objects."""

    def __init__(self) -> None:
        super().__init__(((instruction, None), instruction) for instruction in range(LANES_TERMS + 1))

    def __missing__(self, kind: tuple[int, Any]) -> int:
        self[kind] = number = len(self)
        return number


class Schedule:
    """The steps of a plan.

    order   for each step the id of the value that it makes, or ~k for number k of ``steps``
    steps   those that are objects
    kind    for each id the number of the kind of its step
    kinds   for each number of a kind the instruction, and what it is to do; the first are those of objects
    slope   for each id that of the slope that the same step makes, or -1
    tail    large outer products, which come last, as ``order`` has them: training may take them straight from the
            parameters
    """

    def __init__(self, plan: Plan, terms: Terms, library: Library, parameters: Order) -> None:
        self.plan, self.terms, self.library, self.parameters = plan, terms, library, parameters
        self.order: list[int] = []
        self.steps: list[Step] = []
        n, first = len(plan.op), plan.program.parameter_range.stop
        self.kind, self.slope = numbered(n, first), numbered(n, first, -1)
        self.tail: list[int] = []
        self._numbers = _Kinds()
        self._write()
        self.kinds = [*self._numbers]

    def _write(self) -> None:
        """The steps in the order of the program; sums over the samples come as soon as what they need is there."""
        plan, terms, library, order, kind = self.plan, self.terms, self.library, self.order, self.kind
        op, args, varying, shapes, folded = plan.op, plan.args, plan.varying, terms.shape, terms.folded
        small = self._outer_products()
        watched = {i for outer in small for i in outer.uses}
        place = dict.fromkeys(plan.program.inputs, -1)  # of the steps that make what is watched
        results: dict[int, list[int]] = {}
        for r, i in plan.results:
            if varying[i]:
                results.setdefault(i, []).append(self.parameters.result(plan.program, r))
        first = plan.program.parameter_range.stop  # behind the leaves, of which a million may be parameters
        made = bytearray(b"\1") * first + bytearray(map(not_, varying[first:]))  # what needs no step, or has one
        for i in folded:
            made[i] = True
        has_row, noted = terms.has_row, bytearray(len(op))
        for i in chain(watched, results):
            noted[i] = True
        self._finished(plan.program.inputs, results)
        slopes = {(op[i], args[i]): i for i in plan.needed if op[i] in _SLOPES}
        kinds, codes, alone = self._numbers, library.operations, list[int]()  # a step that makes one value
        on_rows: dict[str, int] = {}  # the kind of an operation on rows alone
        mixed: dict[str, int] = {}  # and where some operands are alike for all samples
        for i in plan.needed:
            if made[i]:
                continue
            made[i] = True
            name, mine, makes = op[i], args[i], alone
            slope = None
            if name in _SLOPE_OF:
                slope = slopes.get((_SLOPE_OF[name], mine[::-1] if name == "minimum" else mine))
            if slope is not None and not made[slope]:
                self.slope[i] = slope
                makes = [i, slope]
                kind[i] = kinds[(LANES_PAIR, PAIRS[name]) if name in PAIRS else (LANES_CHOICE, CHOICES[name])]
                order.append(i)
            elif name in codes:
                cheap = name in CHEAP and has_row[mine[0]] and has_row[mine[-1]] and has_row[mine[len(mine) // 2]]
                known = on_rows if cheap else mixed
                if name not in known:
                    known[name] = kinds[LANES_CHEAP if cheap else LANES_MAP, codes[name]]
                kind[i] = known[name]
                order.append(i)
            elif name == "maximum_slope":
                kind[i] = kinds[LANES_CHOICE, CHOICES[name]]
                order.append(i)
            elif i in shapes:
                kind[i] = kinds[LANES_TERMS, shapes[i]]
                order.append(i)
            elif i in plan.dots and shapes.keys().isdisjoint(plan.dots[i].members):
                dots = plan.dots[i]
                makes = dots.members
                self._add(Step(LANES_GEMM, makes, dots.inputs, dots))
            elif name == "dot":
                self._add(Step(LANES_DOT, [i], mine))
            else:
                self._add(Step(LANES_NARY, [i], mine, library.nary[name]))
            if makes is alone:
                if noted[i]:
                    if i in watched:
                        place[i] = len(order) - 1
                    self._finished([i], results)
            else:
                for k in makes:
                    made[k] = True
                    if k in watched:
                        place[k] = len(order) - 1
                self._finished(makes, results)
        self._insert(small, place)

    def _add(self, step: Step) -> None:
        self.order.append(~len(self.steps))
        self.steps.append(step)

    def _finished(self, ids: Sequence[int], results: dict[int, list[int]]) -> None:
        """Add up, or give out, those of the values that are results."""
        pairs = [(i, r) for i in ids if i in results for r in results[i]]
        if pairs:
            self._add(Step(LANES_SUM if self.plan.sums else LANES_OUT, (), [i for i, _ in pairs], pairs))

    def _outer_products(self) -> list[Step]:
        """The outer products that are small; others are put into the tail.

        Their data are (a, d, the number of the first result and its steps by a and by d; or the number of each).
        """
        program, order = self.plan.program, self.parameters
        found: list[tuple[Sequence[int], Sequence[int], Any]] = []
        for outer in self.plan.outers:
            first = len(program.outputs) + outer.output * len(program.wrt_ids)
            pairs = sorted(zip(outer.rows, outer.adjoints))  # steps are never below 0
            rows, adjoints = [order.first + row for row, _ in pairs], [d for _, d in pairs]
            block = order.block(rows, len(outer.inputs))
            if block is not None:
                found.append((outer.inputs, adjoints, (first + block[0], block[2], block[1])))
            else:
                places = [[first + order.place(row + k) for row in rows] for k in range(len(outer.inputs))]
                found.append((outer.inputs, adjoints, places))
        for inputs, factors, numbers in self.plan.scattered:
            results = [[order.result(program, r) for r in row] for row in numbers]
            found.append((inputs, factors, regular(results) or results))
        small: list[Step] = []
        for a, d, where in found:
            step = Step(LANES_OUTER, (), [*a, *d], (a, d, where))
            if len(a) * len(d) >= _LARGE:
                self.tail.append(~len(self.steps))
                self.steps.append(step)
            else:
                small.append(step)
        return small

    def _insert(self, outers: list[Step], place: dict[int, int]) -> None:
        """Put outer products behind the last step that they need."""
        behind: dict[int, list[int]] = {}
        for outer in outers:
            behind.setdefault(max(map(place.__getitem__, outer.uses)), []).append(~len(self.steps))
            self.steps.append(outer)
        if behind:
            order = behind.get(-1, [])
            for k, step in enumerate(self.order):
                order.append(step)
                order += behind.get(k, ())
            self.order = order
