"""What the results and derivatives of operations may be at most, found from the table: intervals instead of numbers.

Behind a choice, what is surely finite needs no care: 0 times it is 0. Which derivatives are that depends on the
operands: cos(a) is, unless a may be infinite, and a may be infinite if it is the sum of two numbers of any size. So
forward expressions and rules are evaluated on intervals of doubles, ``safe`` says whether the derivatives of an
operation, and theirs in turn, are finite for all operands in them.
"""

from __future__ import annotations

import sys
from bisect import bisect_left, bisect_right
from functools import cache
from math import inf, isinf, pi

from .expressions import Call, List, Name, Node, Number, Spread, rule, walk
from .ieee import scalar
from .ops import OPS, Op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Bound = tuple[float, float, bool]  # the least and the largest number, and whether nan is among the values
    State = tuple[Op, tuple[Bound, ...], tuple[bool, ...]]  # an operation, its operands, and which of them vary

ANY: Bound = (-inf, inf, True)
MODERATE: Bound = (-1e100, 1e100, False)  # what sums and products of a few are finite of
_LARGEST, _PRODUCT = sys.float_info.max, 1e150

# Intervals end at one of these: there are few of them then, and what is found once serves many nodes.
_POSITIVE = (1e-100, 1.0, 2.0, *(10.0**k for k in range(100, 301, 25)), _LARGEST, inf)
_ENDS = (*(-x for x in reversed(_POSITIVE)), 0.0, *_POSITIVE)


def point(x: float) -> Bound:
    """The interval of one number."""
    return (x, x, False) if x == x else (inf, -inf, True)


def is_finite(bound: Bound, size: float = _LARGEST) -> bool:
    """Whether all values are finite numbers, and at most of that size."""
    low, high, nan = bound
    return not nan and low >= -size and high <= size


def joined(bounds: Iterable[Bound]) -> Bound:
    """The values of all of them."""
    low, high, nan = inf, -inf, False
    for bound in bounds:
        low, high, nan = min(low, bound[0]), max(high, bound[1]), nan or bound[2]
    return low, high, nan


def rounded(bound: Bound) -> Bound:
    """The interval made larger, to the next of the ends that there are."""
    low, high, nan = bound
    if low > high:
        return bound
    return _ENDS[bisect_right(_ENDS, low) - 1], _ENDS[bisect_left(_ENDS, high)], nan


@cache
def result(op: Op, operands: tuple[Bound, ...], n: int = 0, same: bool = False) -> Bound:
    """What ``op`` may give.

    operands   rounded; one for all the operands of an n-ary operation
    n          how many there are of those
    same       whether the operands are all the same number
    """
    if op.arity is None:
        return rounded(_MANY[op.name](operands[0], n) if op.name in _MANY else ANY)
    return rounded(_result(op.name, operands, same, []))


@cache
def safe(op: Op, operands: tuple[Bound, ...], varying: tuple[bool, ...]) -> bool:
    """Whether the derivatives with respect to the operands that vary are surely finite, and all derivatives of those.

    So finite that a product of two is finite too: in a derivative of derivatives the 0 of a choice may come last.

    operands, varying   rounded; one for all the operands of an n-ary operation
    """
    start = op, operands, varying
    seen, waiting = {start}, [start]
    while waiting:
        state = waiting.pop()
        for k, varies in enumerate(state[2]):
            if not varies:
                continue
            bound, used = _derivative(state[0], state[1], k)
            if not is_finite(bound, _PRODUCT):
                return False
            waiting += [other for other in used if other not in seen]
            seen.update(used)
    return True


@cache
def always_safe(op: Op) -> bool:
    """Whether the derivatives are finite for all operands there are."""
    n = op.arity or 1
    return op.name != "dot" and safe(op, (ANY,) * n, (True,) * n)


def computed(tree: Node, values: dict[str, Bound | list[Bound]]) -> list[State]:
    """The operations that computing an expression may come to, with what their operands may be.

    values   what the names in it may be; a list for the rest of many
    """
    used: list[State] = []
    evaluated(tree, values, used)
    for node in walk(tree):
        if isinstance(node, Call) and node.op == "where":
            evaluated(node.operands[0], values, used)
    return used


@cache
def _derivative(op: Op, operands: tuple[Bound, ...], k: int) -> tuple[Bound, tuple[State, ...]]:
    """What a derivative may be, and the operations by which it is computed."""
    if op.name == "pow" and operands[1] == (0.0, 0.0, False) and k == 0:
        return operands[1], ()  # a ** 0 is 1; its rule says so by conditions, which intervals do not see through
    used: list[State] = []
    values: dict[str, Bound | list[Bound]]
    if op.arity is None:
        # Of the others only the largest and the number of ties are asked for: two stand for any number.
        values = {"a": operands[0], "y": result(op, operands, 2), "n": (1.0, inf, False), "rest": [operands[0]] * 2}
    else:
        values = dict(zip((*op.arguments, "y"), (*operands, _result(op.name, operands, False, []))))
    text = op.rules[k if op.arity else 0]
    found = evaluated(rule(text), values, used)
    assert isinstance(found, tuple)
    return found, tuple(used)


def _result(name: str, operands: Sequence[Bound], same: bool, used: list[State]) -> Bound:
    low, high, _ = joined(operands)
    if low > high:  # of nan alone
        return ANY
    if same and name == "mul":
        return _square(operands[0])
    if name in _ONE:
        return _ONE[name](operands[0])
    if name in _TWO:
        return _TWO[name](operands[0], operands[1])
    op = OPS[name]
    tree = rule(op.forward)
    if isinstance(tree, Call) and tree.op == name != "where":
        return ANY
    found = evaluated(tree, dict(zip(op.arguments, operands)), used)
    assert isinstance(found, tuple)
    return found


def evaluated(tree: Node, values: dict[str, Bound | list[Bound]], used: list[State]) -> Bound | list[Bound]:
    """What an expression may be; ``used`` gets the operations in it but those of conditions, of which no derivative is
    asked.
    """
    if isinstance(tree, Number):
        return point(tree.value)
    if isinstance(tree, (Name, Spread)):
        return values[tree.name]
    if isinstance(tree, List):
        items: list[Bound] = []
        for item in tree.items:
            found = evaluated(item, values, used)
            items += found if isinstance(found, list) else [found]
        return items
    assert isinstance(tree, Call)
    if tree.op == "where":
        condition, then, otherwise = tree.operands
        truth = evaluated(condition, values, [])
        assert isinstance(truth, tuple)
        branches: list[Bound] = []
        for branch, holds in ((then, True), (otherwise, False)):
            if truth != ((0.0, 0.0, False) if holds else (1.0, 1.0, False)):
                found = evaluated(branch, _narrowed(condition, values, holds), used)
                assert isinstance(found, tuple)
                branches.append(found)
        return joined(branches)
    parts = [evaluated(operand, values, used) for operand in tree.operands]
    if OPS[tree.op].arity is None:
        [many] = parts
        assert isinstance(many, list)
        used.append((OPS[tree.op], (rounded(joined(many)),), (True,)))
        return _MANY[tree.op](joined(many), len(many)) if tree.op in _MANY else ANY
    operands = [bound for bound in parts if isinstance(bound, tuple)]
    used.append(
        (OPS[tree.op], tuple(map(rounded, operands)), tuple([not isinstance(x, Number) for x in tree.operands]))
    )
    same = len({x.name if isinstance(x, Name) else id(x) for x in tree.operands}) == 1
    return _result(tree.op, operands, same, [])


def _narrowed(condition: Node, values: dict[str, Bound | list[Bound]], holds: bool) -> dict[str, Bound | list[Bound]]:
    """The values for which a comparison of a name with a number holds, or does not."""
    if not isinstance(condition, Call) or condition.op not in ("gt", "ge", "lt", "le"):
        return values
    left, right = condition.operands
    if not isinstance(left, Name) or not isinstance(right, Number):
        return values
    bound = values[left.name]
    if not isinstance(bound, tuple):
        return values
    low, high, nan = bound
    if (condition.op in ("gt", "ge")) is holds:
        low = max(low, right.value)
    else:
        high = min(high, right.value)
    return {**values, left.name: (low, high, nan and not holds)}


# Operations on intervals. Each gives all results that there can be, rounding included: it is monotone.


def _hull(numbers: list[float], nan: bool) -> Bound:
    found = [x for x in numbers if x == x]
    return min(found, default=inf), max(found, default=-inf), nan or len(found) < len(numbers)


def _add(a: Bound, b: Bound) -> Bound:
    return _hull([x + y for x in a[:2] for y in b[:2]], a[2] or b[2])


def _neg(a: Bound) -> Bound:
    return -a[1], -a[0], a[2]


def _mul(a: Bound, b: Bound) -> Bound:
    nan = any(x[0] <= 0 <= x[1] and (isinf(y[0]) or isinf(y[1])) for x, y in ((a, b), (b, a)))
    corners = [x * y for x in a[:2] for y in b[:2]]
    return _hull([x for x in corners if x == x] or [0.0], a[2] or b[2] or nan)


def _div(a: Bound, b: Bound) -> Bound:
    if b[0] <= 0 <= b[1]:
        return -inf, inf, a[2] or b[2] or a[0] <= 0 <= a[1] or isinf(a[0]) or isinf(a[1])
    return _hull([x / y for x in a[:2] for y in b[:2]], a[2] or b[2])


def _abs(a: Bound) -> Bound:
    least = 0.0 if a[0] <= 0 <= a[1] else min(abs(a[0]), abs(a[1]))
    return least, max(abs(a[0]), abs(a[1])), a[2]


def _square(a: Bound) -> Bound:
    least, most, nan = _abs(a)
    return least * least, most * most, nan


def _cosh(a: Bound) -> Bound:
    least, most, nan = _abs(a)
    return scalar["cosh"](least), scalar["cosh"](most), nan


def _hypot(a: Bound, b: Bound) -> Bound:
    (low, high, _), (other_low, other_high, _) = _abs(a), _abs(b)
    return scalar["hypot"](low, other_low), scalar["hypot"](high, other_high), a[2] or b[2]


def _hypot_slope(a: Bound, b: Bound) -> Bound:
    return -1.0, 1.0, not (is_finite(a) and is_finite(b))


def _pow(a: Bound, b: Bound) -> Bound:
    if b[0] == b[1] and b[0] in (0.0, 1.0, 2.0) and not b[2]:
        return point(1.0) if b[0] == 0 else a if b[0] == 1 else _square(a)
    # -0.0 to the power of -1 is -inf.
    return (0.0, inf, a[2] or b[2]) if a[0] > 0 or (a[0] == 0 and b[0] >= 0) else ANY


def _mod(a: Bound, b: Bound) -> Bound:
    return min(b[0], 0.0), max(b[1], 0.0), not (is_finite(a) and not b[2]) or b[0] <= 0 <= b[1]


def _maximum(a: Bound, b: Bound) -> Bound:
    return max(a[0], b[0]), max(a[1], b[1]), a[2] or b[2]


def _wave(a: Bound) -> Bound:
    return -1.0, 1.0, not is_finite(a)


def _rising(name: str, least: float = -inf, most: float = inf) -> Callable[[Bound], Bound]:
    """An operation that rises, or falls, between ``least`` and ``most``, and is nan outside."""

    def bound(a: Bound) -> Bound:
        low, high = max(a[0], least), min(a[1], most)
        if low > high:
            return inf, -inf, True
        ends = scalar[name](low), scalar[name](high)
        return min(ends), max(ends), a[2] or low > a[0] or high < a[1]

    return bound


def _truth(surely: bool, never: bool) -> Bound:
    return point(1.0) if surely else point(0.0) if never else (0.0, 1.0, False)


def _gt(a: Bound, b: Bound) -> Bound:
    return _truth(a[0] > b[1] and not (a[2] or b[2]), a[1] <= b[0])


def _ge(a: Bound, b: Bound) -> Bound:
    return _truth(a[0] >= b[1] and not (a[2] or b[2]), a[1] < b[0])


def _eq(a: Bound, b: Bound) -> Bound:
    return _truth(False, a[0] > b[1] or a[1] < b[0])


_ONE: dict[str, Callable[[Bound], Bound]] = {
    "neg": _neg, "abs": _abs, "cosh": _cosh, "sin": _wave, "cos": _wave,
    "log": _rising("log", 0.0), "log2": _rising("log2", 0.0), "log10": _rising("log10", 0.0),
    "log1p": _rising("log1p", -1.0), "sqrt": _rising("sqrt", 0.0), "asin": _rising("asin", -1.0, 1.0),
    "acos": _rising("acos", -1.0, 1.0), "acosh": _rising("acosh", 1.0), "atanh": _rising("atanh", -1.0, 1.0),
    **{name: _rising(name) for name in ("exp", "expm1", "exp2", "cbrt", "atan", "sinh", "tanh", "asinh", "erf", "erfc",
                                        "floor", "ceil", "round")},
}  # fmt: skip
_TWO: dict[str, Callable[[Bound, Bound], Bound]] = {
    "add": _add, "sub": lambda a, b: _add(a, _neg(b)), "mul": _mul, "div": _div, "pow": _pow, "mod": _mod,
    "hypot": _hypot, "hypot_slope": _hypot_slope, "maximum": _maximum,
    "minimum": lambda a, b: _neg(_maximum(_neg(a), _neg(b))), "atan2": lambda a, b: (-pi, pi, a[2] or b[2]),
    "gt": _gt, "ge": _ge, "lt": lambda a, b: _gt(b, a), "le": lambda a, b: _ge(b, a), "eq": _eq,
    "ne": lambda a, b: (0.0, 1.0, False),
}  # fmt: skip


def _sum(a: Bound, n: int) -> Bound:
    low, high = min(a[0], a[0] * n), max(a[1], a[1] * n)
    return low, high, a[2] or (low == -inf and high == inf)  # nan is the sum of both, whatever is added first


_MANY: dict[str, Callable[[Bound, int], Bound]] = {
    "sum": _sum, "mean": _sum, "amax": lambda a, n: a, "amin": lambda a, n: a,
    "logsumexp": lambda a, n: (a[0], a[1] + scalar["log"](n), a[2]), "ties": lambda a, n: (0.0, float(n), False),
}  # fmt: skip
