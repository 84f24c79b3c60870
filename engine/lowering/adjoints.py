"""The algebras in which a trace evaluates the chain rule: elements are ids of values, operations write instructions."""

from __future__ import annotations

from functools import cache
from itertools import chain
from math import copysign, isfinite

from engine.chain import Algebra
from engine.ops import Op
from engine.value import Value

from .writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class OnProgram(Algebra[int]):
    """Elements are ids of values, and operations write instructions."""

    def __init__(self, writer: Writer, ids: dict[Value, int]) -> None:
        super().__init__(writer.algebra)
        self.writer, self.ids = writer, ids
        self._product, self._dot = writer.emitters["mul"], writer.emitters["dot"]
        self.element = ids.__getitem__  # type: ignore[method-assign, assignment]

    def number(self, x: float) -> int:
        return self.writer.number(x)

    def is_finite(self, x: int, op: Op) -> bool:
        """A parameter that is not finite is met by training that has failed; the layers need no care for it."""
        number = self.writer.constant.get(x)
        if number is not None:
            return isfinite(number)
        return op.name == "dot" and self.writer.op[x] == "parameter"

    def shares(self, elements: Sequence[int], y: int) -> list[int]:
        """exp(a - y) over their sum: the rounding of y, which is in all of them, is not in the quotients."""
        emit = self.writer.emit
        exponentials = [emit("exp", (emit("sub", (a, y)),)) for a in elements]
        total = emit("sum", tuple(exponentials))
        total = emit("where", (emit("eq", (total, total)), total, self.number(1.0)))  # nan where y is infinite
        return [emit("div", (x, total)) for x in exponentials]

    def weighted_sum(self, terms: Sequence[tuple[int, int | None]]) -> int:
        """One product, or one dot."""
        if len(terms) == 1:
            adjoint, derivative = terms[0]
            return adjoint if derivative is None else self._product((adjoint, derivative))
        derivatives = [self.number(1.0) if derivative is None else derivative for _, derivative in terms]
        return self._dot((*derivatives, *[adjoint for adjoint, _ in terms]))


class Masked(Exception):
    """Masks would be written."""


class Unmasked(OnProgram):
    """The same for a graph in which no masks are needed; Masked is raised where they are."""

    def masks(self) -> None:
        raise Masked


class NoMark(Exception):
    """A choice whose slope may be 0 although it was taken: only masks tell."""


class Marking(OnProgram):
    """Adjoints that tell by themselves where they are not reached: they are -0.0 there, and nowhere else.

    -0.0 is what adds nothing to any number, so that a sum is not reached where no term is. An instruction "marked p m q
    c t" adds up p adjoints, takes away m, and adds products of adjoints with q local derivatives, with c slopes of
    choices, which are 0 where the choice was another, and with t slopes that are 1 less the one given. A product that
    is reached and 0 becomes 0.0.
    """

    marking = True

    def __init__(self, writer: Writer, ids: dict[Value, int]) -> None:
        super().__init__(writer, ids)
        self.choices: list[tuple[int, bool]] = []  # slope, turned; number k is the local derivative -1 - k

    def choice(self, op: Op, k: int, elements: Sequence[int], slope: Callable[[], int]) -> int:
        if op.name in ("maximum", "minimum"):
            a, b = elements if op.name == "maximum" else elements[::-1]
            if self.writer.varying[a] or self.writer.varying[b]:
                self.choices.append((self.writer.emit("maximum_slope", (a, b)), k == 1))
                return -len(self.choices)
        elif op.name not in ("where", "relu", "clip"):
            raise NoMark
        self.choices.append((slope(), False))
        return -len(self.choices)

    def weighted_sum(self, terms: Sequence[tuple[int, int | None]]) -> int:
        constant = self.writer.constant
        kinds: list[list[int]] = [[], [], [], [], []]
        for adjoint, derivative in terms:
            if derivative is None:
                kinds[0].append(adjoint)
            elif derivative < 0:
                slope, turned = self.choices[-1 - derivative]
                if constant.get(slope) != 1.0 or turned:
                    kinds[4 if turned else 3] += adjoint, slope
                else:
                    kinds[0].append(adjoint)
            elif constant.get(derivative) in (1.0, -1.0):
                kinds[0 if constant[derivative] == 1.0 else 1].append(adjoint)
            else:
                kinds[2] += adjoint, derivative
        if len(terms) == 1 and kinds[0]:
            return kinds[0][0]
        counts = [len(kind) // (1 if k < 2 else 2) for k, kind in enumerate(kinds)]
        args = tuple(chain.from_iterable(kinds))
        if args[0] in constant and all(map(constant.__contains__, args)):
            return self.writer.number(_sum_of_marked([[constant[i] for i in kind] for kind in kinds]))
        return self.writer.emit(_marked(*counts), args)


@cache
def _marked(*counts: int) -> str:
    return "marked " + " ".join(map(str, counts))


def _sum_of_marked(kinds: list[list[float]]) -> float:
    """The sum that a "marked" instruction gives, of numbers."""
    total = -0.0
    for k, numbers in enumerate(kinds):
        factors = numbers[1::2] if k > 1 else [1.0, -1.0][k : k + 1] * len(numbers)
        for g, factor in zip(numbers[::2] if k > 1 else numbers, factors):
            factor = 1.0 - factor if k == 4 else factor
            if (g != 0.0 or copysign(1.0, g) > 0.0) and (k < 3 or factor != 0.0):
                total = total + g * factor + 0.0
    return total
