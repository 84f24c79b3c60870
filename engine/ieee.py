"""The operations on floats, with IEEE results where Python's math module would raise.

log(0) = -inf, 1/0 = inf, log(-1) = nan, exp(710) = inf: as in C, NumPy and PyTorch, never a Python exception and never
a complex number. Operations that the table leaves to the platform ("exp(a)" in the row of exp) are written here by
hand; the functions of all other rows are generated, and stand in operations.py.
"""

from __future__ import annotations

import math
from functools import reduce
from operator import add as _add

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

inf, nan = math.inf, math.nan


def _ieee(function: Callable[..., float], otherwise: Callable[..., float]) -> Callable[..., float]:
    """function, with the IEEE result where it raises."""

    def scalar(*arguments: float) -> float:
        try:
            return function(*arguments)
        except (ValueError, OverflowError, ZeroDivisionError):
            return otherwise(*arguments)

    return scalar


def _divide(a: float, b: float) -> float:
    """a / b where b is zero."""
    if a == 0 or a != a:
        return nan
    return math.copysign(inf, a) * math.copysign(1.0, b)


def _power(a: float, b: float) -> float:
    """pow(a, b) where math.pow refuses: a pole, an overflow, or a negative base with a fractional exponent."""
    if a < 0 and b != math.floor(b):
        return nan
    odd = math.fabs(math.fmod(b, 2.0)) == 1
    return math.copysign(inf, a) if odd else inf


def _whole(rounded: Callable[[float], int]) -> Callable[[float], float]:
    """A rounding of math's, which gives an int, on floats; zeros, infinities and nan are as they were."""

    def whole(a: float) -> float:
        return a if a - a != 0 else math.copysign(float(rounded(a)), a)

    return whole


def _nan(*arguments: float) -> float:
    return nan


def _inf(*arguments: float) -> float:
    return inf


def _cube_root(a: float) -> float:
    """The C library's, which may be off by 4 ulp, and a step of Newton's."""
    y = math.cbrt(a)
    if y == 0 or y - y != 0:
        return y
    return y - (y - a / (y * y)) / 3


def _log_pole(a: float) -> float:
    return -inf if a == 0 else nan


def _sum(values: Sequence[float]) -> float:
    # Not the builtin: from Python 3.12 on it compensates, and the same graph would differ between versions.
    return float(reduce(_add, values)) if values else 0.0


def _mean(values: Sequence[float]) -> float:
    return _sum(values) / len(values)


def _logsumexp(values: Sequence[float]) -> float:
    if not values:
        return -inf
    top = max(values)
    if top - top != 0:  # inf, -inf or nan: values less top would be nan, where the sum of the exponentials need not
        return nan if any(a != a for a in values) else top
    at = values.index(top)  # apart from the others: log1p keeps what they add to it
    return top + math.log1p(_sum([math.exp(a - top) for k, a in enumerate(values) if k != at]))


def shares(values: Sequence[float], y: float) -> tuple[float, ...]:
    """All the derivatives of logsumexp, each one's share of the sum of the exponentials; its rule would cost n².

    The rounding of y is in all the exponentials, and not in the quotients.
    """
    exponentials = [math.exp(a - y) for a in values]
    total = _sum(exponentials)
    if total != total:  # y is infinite: those that are finite have no share
        total = 1.0
    return tuple([x / total for x in exponentials])


def _dot(weights: Sequence[float], inputs: Sequence[float], bias: float | None = None) -> float:
    if not weights:
        return 0.0 if bias is None else 0.0 + bias
    z = -0.0  # what adds to any number, zeros of both signs included, without changing it
    for w, x in zip(weights, inputs):
        z += w * x
    return z if bias is None else z + bias


def _largest(values: Sequence[float]) -> float:
    return nan if any(a != a for a in values) else max(values)


def _smallest(values: Sequence[float]) -> float:
    return nan if any(a != a for a in values) else min(values)


def _ties(values: Sequence[float]) -> float:
    return float(sum([a == values[0] for a in values[1:]]))


scalar: dict[str, Callable[..., Any]] = {
    "div": _ieee(lambda a, b: a / b, _divide),
    "reciprocal": _ieee(lambda a: 1 / a, lambda a: math.copysign(inf, a)),
    "pow": _ieee(math.pow, _power),
    "abs": math.fabs,
    "exp": _ieee(math.exp, _inf),
    "expm1": _ieee(math.expm1, _inf),
    "exp2": _ieee(math.exp2, _inf),
    "log": _ieee(math.log, _log_pole),
    "log1p": _ieee(math.log1p, lambda a: _log_pole(1 + a)),
    "log2": _ieee(math.log2, _log_pole),
    "log10": _ieee(math.log10, _log_pole),
    "sqrt": _ieee(math.sqrt, _nan),
    "cbrt": _cube_root,
    "sin": _ieee(math.sin, _nan),
    "cos": _ieee(math.cos, _nan),
    "tan": _ieee(math.tan, _nan),
    "asin": _ieee(math.asin, _nan),
    "acos": _ieee(math.acos, _nan),
    "atan": math.atan,
    "atan2": math.atan2,
    "sinh": _ieee(math.sinh, lambda a: math.copysign(inf, a)),
    "cosh": _ieee(math.cosh, _inf),
    "tanh": math.tanh,
    "asinh": math.asinh,
    "acosh": _ieee(math.acosh, _nan),
    "atanh": _ieee(math.atanh, lambda a: math.copysign(inf, a) if math.fabs(a) == 1 else nan),
    "erf": math.erf,
    "erfc": math.erfc,
    "floor": _whole(math.floor),
    "ceil": _whole(math.ceil),
    "round": _whole(round),
    "mod": _ieee(lambda a, b: a % b, _nan),
    "hypot": math.hypot,
    "sum": _sum,
    "mean": _mean,
    "logsumexp": _logsumexp,
    "dot": _dot,
    "amax": _largest,
    "amin": _smallest,
    "ties": _ties,
}


BY_HAND = tuple(scalar)  # the functions of all other rows are in operations.py, which adds them to ``scalar``
MATH = {name: {"abs": "fabs"}.get(name, name) for name in scalar if hasattr(math, {"abs": "fabs"}.get(name, name))}
for _name in ("cbrt", "floor", "ceil"):  # made of them, with other results
    del MATH[_name]
NEVER_RAISE = frozenset({"abs", "atan", "atan2", "tanh", "asinh", "erf", "erfc", "hypot"})  # of math's functions
RAISED = (ValueError, OverflowError, ZeroDivisionError)  # by the others, and by Python's division


def by_ieee(expression: str, names: tuple[str, ...], *data: float) -> float:
    """An expression of the table where Python raises an exception: every operation in it by its IEEE function."""
    from .expressions import function

    return float(function(expression, names, scalar)(*data))
