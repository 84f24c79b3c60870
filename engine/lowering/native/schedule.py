"""The steps in which a batch computes the values of a plan, in the order of the program.

A step that makes one value, and of which several can be one instruction, is no more than the id of the value, and a
number that says which steps are of its kind: there may be a million, and compiled code lists the plain ones. All other
steps are objects.
"""

from __future__ import annotations

import ctypes
from array import array
from itertools import chain

from .library import Library
from .plan import Plan
from .tape import address
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


def _plain(library: Library, name: str) -> tuple[int, int, int]:
    """What steps of this operation do, as Plain in terms.h: with a slope, on rows alone, and else."""
    pair = _does(LANES_PAIR, PAIRS.get(name)) or _does(LANES_CHOICE, CHOICES.get(name))
    code = library.operations.get(name)
    other = _does(LANES_MAP, code) or (pair if name in _SLOPES else 0)
    return pair, _does(LANES_CHEAP, code) if name in CHEAP else 0, other


def _does(instruction: int, what: int | None) -> int:
    return 0 if what is None else (instruction + 1) << 32 | what


class Schedule:
    """The steps of a plan.

    order   for each step the id of the value that it makes, or ~k for number k of ``steps``; large outer products come
            last: training may take them straight from the parameters
    tail    how many these are
    steps   those that are objects
    kind    for each step the number of its kind
    kinds   for each number of a kind the words that its instruction begins with; the first are those of objects
    slope   for each id that of the slope that the same step makes, or -1
    """

    def __init__(self, plan: Plan, terms: Terms, library: Library, parameters: Order) -> None:
        self.plan, self.terms, self.library, self.parameters = plan, terms, library, parameters
        self.order: array[int] = array("i")
        self.steps: list[Step] = []
        self.slope = array("i", [-1]) * (len(plan.varying) - terms.first)
        self._does = array("q")  # for each step the instruction, and what it does; the kind of an object
        small, large = self._outer_products()
        self._insert(small, self._write())
        self._add(*large)
        self.tail = len(large)
        numbers = {does: k for k, does in enumerate(dict.fromkeys(chain(range(LANES_TERMS + 1), self._does)))}
        self.kind = array("i", map(numbers.__getitem__, self._does))
        self.kinds = [self._head(*divmod(does, 1 << 32)) for does in numbers]

    def _write(self) -> array[int]:
        """The steps in the order of the program, but for outer products and results.

        Returns for each value the number of the step that makes it, 1 for the first; 0 where none does.
        """
        terms, coded, needed, first = self.terms, self.plan.coded, self.plan.needed, self.terms.first
        slopes = {(coded.op(i), coded.args(i)): i for i in coded.of(*_SLOPES)}
        for i in coded.of(*_SLOPE_OF) if slopes else ():
            name, mine = coded.op(i), coded.args(i)
            self.slope[i - first] = slopes.get((_SLOPE_OF[name], mine[::-1] if name == "minimum" else mine), -1)
        plain = [array("q", words) for words in zip(*[_plain(self.library, name) for name in coded.names])]
        order, does, listed, k = needed[:], array("q", [0]) * len(needed), ctypes.c_int64(), 0
        made = array("i", [0]) * len(self.slope)
        arrays = [*map(address, (made, self.slope, does, order))]
        tables = (ctypes.c_void_p * 3)(*map(address, plain))
        while True:
            before = len(self.order)
            k = self.library.c.plain_steps(terms.in_c, k, tables, *arrays, before, ctypes.byref(listed))
            self.order += order[: listed.value]
            self._does += does[: listed.value]
            if k == len(needed):
                return made
            self._object(needed[k])
            for i in self.steps[-1].makes:
                made[i - first] = len(self.order)

    def _object(self, i: int) -> None:
        """Add the step that makes value i, and perhaps others, and that is an object."""
        dots, args = self.plan.dots.get(i), self.plan.coded.args(i)
        if dots is not None and not any(self.terms.is_sum(k) for k in dots.members):
            self._add(Step(LANES_GEMM, dots.members, dots.inputs, dots))
        elif self.plan.coded.op(i) == "dot":
            self._add(Step(LANES_DOT, [i], args))
        else:
            self._add(Step(LANES_NARY, [i], args, self.library.nary[self.plan.coded.op(i)]))

    def _head(self, instruction: int, what: int) -> tuple[int, ...]:
        """The words that an instruction for a run of steps begins with, their number 0 among them."""
        if not instruction:  # steps that are objects
            return ()
        if instruction - 1 == LANES_TERMS:
            return (LANES_TERMS, 0, *self.terms.shape(what))
        return instruction - 1, what, 0

    def _add(self, *steps: Step) -> None:
        for step in steps:
            self.order.append(~len(self.steps))
            self._does.append(step.kind)
            self.steps.append(step)

    def _outer_products(self) -> tuple[list[Step], list[Step]]:
        """The outer products that are small, and others.

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
        large: list[Step] = []
        for a, d, where in found:
            step = Step(LANES_OUTER, (), [*a, *d], (a, d, where))
            (large if len(a) * len(d) >= _LARGE else small).append(step)
        return small, large

    def _insert(self, outers: list[Step], made: array[int]) -> None:
        """Put outer products behind the last step that they need, and results behind what makes them."""
        plan, first, behind = self.plan, self.terms.first, dict[int, list[Step]]()
        results: dict[int, list[int]] = {}
        for r, i in plan.results:
            if plan.varying[i]:
                results.setdefault(i, []).append(self.parameters.result(plan.program, r))

        def place(i: int) -> int:
            return made[i - first] if i >= first else 0

        for outer in outers:
            behind.setdefault(max(map(place, outer.uses)), []).append(outer)
        for k in {place(i) for i in results}:
            pairs = [(i, r) for i in self._makes(k) if i in results for r in results[i]]
            step = Step(LANES_SUM if plan.sums else LANES_OUT, (), [i for i, _ in pairs], pairs)
            behind.setdefault(k, []).append(step)
        order, does, done = self.order, self._does, 0
        self.order, self._does = array("i"), array("q")
        for k in sorted(behind):
            self.order += order[done:k]
            self._does += does[done:k]
            self._add(*behind[k])
            done = k
        self.order += order[done:]
        self._does += does[done:]

    def _makes(self, k: int) -> Sequence[int]:
        """The values that are there after step k, 1 for the first, and were not before."""
        if k == 0:
            return self.plan.program.inputs
        i = self.order[k - 1]
        if i < 0:
            return self.steps[~i].makes
        slope = self.slope[i - self.terms.first]
        return (i,) if slope < 0 else (i, slope)
