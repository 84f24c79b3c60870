"""Exact numbers: each operation once more, with derivatives, in arithmetic of 60 digits and more.

An operation is written here as a formula for its value and for how first and second derivatives pass through it, apart
from the engine's table, and evaluated by mpmath with more and more digits until they stand still. With each number
comes its condition number: by how much more than the arguments it moves, relatively.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from mpmath import mp, mpf

from engine import OPS

ARITIES = {"sum": 4, "mean": 4, "logsumexp": 4, "dot": 5}  # operands with which the n-ary operations are measured


class Undefined(ArithmeticError):
    """The operation has no real value, or no derivative, at the point."""


# Exact numbers: a value with its gradient and Hessian, passed through formulas.


class Jet:
    """A number with its first and second derivatives with respect to the arguments."""

    def __init__(self, v: mpf, g: list[mpf], h: list[list[mpf]]) -> None:
        self.v, self.g, self.h = v, g, h

    def through(self, f: Any, f1: Any, f2: Any) -> Jet:
        """f of this number, where f, f1 and f2 are the value and the derivatives of f there."""
        if any(isinstance(x, mp.mpc) for x in (f, f1, f2)):
            raise Undefined
        n = range(len(self.g))
        h = [[f1 * self.h[i][j] + f2 * self.g[i] * self.g[j] for j in n] for i in n]
        return Jet(mpf(f), [f1 * d for d in self.g], h)

    def __add__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.v + other, self.g, self.h)
        n = range(len(self.g))
        h = [[self.h[i][j] + other.h[i][j] for j in n] for i in n]
        return Jet(self.v + other.v, [a + b for a, b in zip(self.g, other.g)], h)

    def __mul__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return self.through(self.v * other, mpf(other), mpf(0))
        a, b, n = self, other, range(len(self.g))
        g = [a.v * b.g[i] + b.v * a.g[i] for i in n]
        h = [[a.v * b.h[i][j] + b.v * a.h[i][j] + a.g[i] * b.g[j] + a.g[j] * b.g[i] for j in n] for i in n]
        return Jet(a.v * b.v, g, h)

    def __neg__(self) -> Jet:
        return self * -1

    def __sub__(self, other: Any) -> Jet:
        return self + -other

    def __truediv__(self, other: Any) -> Jet:
        return self * (_reciprocal(other) if isinstance(other, Jet) else 1 / mpf(other))

    __radd__, __rmul__ = __add__, __mul__


def _exp(x: mpf) -> mpf:
    return mp.exp(max(min(x, mpf(10) ** 6), -(mpf(10) ** 6)))  # beyond, all overflows or underflows


def _log1p(x: mpf) -> mpf:
    if x <= -1:
        raise Undefined
    return x - x * x / 2 + x * x * x / 3 if abs(x) < mpf(10) ** -40 and mp.dps < 100 else mp.log1p(x)


def _sigmoid(x: mpf) -> mpf:
    return 1 / (1 + _exp(-x)) if x > 0 else _exp(x) / (1 + _exp(x))


def _slope(x: mpf) -> mpf:
    return _exp(-abs(x)) / (1 + _exp(-abs(x))) ** 2


def _tanh(x: mpf) -> mpf:
    return mp.tanh(x) if abs(x) < 10**6 else mp.sign(x)


def _erfc(x: mpf) -> mpf:
    return mp.erfc(x) if abs(x) < 1000 else _exp(-x * x) if x > 0 else mpf(2)


def _log(x: mpf) -> mpf:
    if x <= 0:
        raise Undefined
    return mp.log(x)


def _inside(x: mpf, least: float, most: float) -> mpf:
    if not least < x < most:
        raise Undefined
    return x


def _steps(f: Callable[[mpf], Any]) -> Callable[[mpf], tuple[Any, Any, Any]]:
    """A function of pieces on which it is constant; its jumps are left out."""

    def piecewise(x: mpf) -> tuple[Any, Any, Any]:
        if f(x * (1 + mpf(10) ** -30)) != f(x * (1 - mpf(10) ** -30)):
            raise Undefined
        return f(x), 0, 0

    return piecewise


# Functions of one argument: the value, the first and the second derivative.
ONE: dict[str, Callable[[mpf], tuple[Any, Any, Any]]] = {
    "neg": lambda x: (-x, -1, 0),
    "abs": lambda x: (abs(x), mp.sign(x), 0),
    "exp": lambda x: (_exp(x),) * 3,
    "expm1": lambda x: (mp.expm1(min(x, mpf(10) ** 6)), _exp(x), _exp(x)),
    "exp2": lambda x: (
        _exp(x * mp.ln2) if abs(x) > 10**4 else mpf(2) ** x, _exp(x * mp.ln2) * mp.ln2, _exp(x * mp.ln2) * mp.ln2**2,
    ),
    "log": lambda x: (_log(x), 1 / x, -1 / x**2),
    "log1p": lambda x: (_log1p(x), 1 / (1 + x), -1 / (1 + x) ** 2),
    "log2": lambda x: (_log(x) / mp.ln2, 1 / x / mp.ln2, -1 / x**2 / mp.ln2),
    "log10": lambda x: (_log(x) / mp.ln10, 1 / x / mp.ln10, -1 / x**2 / mp.ln10),
    "sqrt": lambda x: (mp.sqrt(x), 1 / mp.sqrt(x) / 2, -1 / mp.sqrt(x) / x / 4),
    "cbrt": lambda x: (mp.sign(x) * mp.cbrt(abs(x)), 1 / mp.cbrt(x * x) / 3, -2 / mp.cbrt(x * x) / x / 9),
    "reciprocal": lambda x: (1 / x, -1 / x**2, 2 / x**3),
    "sin": lambda x: (mp.sin(x), mp.cos(x), -mp.sin(x)),
    "cos": lambda x: (mp.cos(x), -mp.sin(x), -mp.cos(x)),
    "tan": lambda x: (mp.tan(x), 1 / mp.cos(x) ** 2, 2 * mp.sin(x) / mp.cos(x) ** 3),
    "asin": lambda x: (mp.asin(_inside(x, -1, 1)), 1 / mp.sqrt(1 - x * x), x / mp.sqrt(1 - x * x) ** 3),
    "acos": lambda x: (mp.acos(_inside(x, -1, 1)), -1 / mp.sqrt(1 - x * x), -x / mp.sqrt(1 - x * x) ** 3),
    "atan": lambda x: (mp.atan(x), 1 / (1 + x * x), -2 * x / (1 + x * x) ** 2),
    "sinh": lambda x: (mp.sinh(x), mp.cosh(x), mp.sinh(x)) if abs(x) < 1000 else (mp.sign(x) * _exp(abs(x)),) * 3,
    "cosh": lambda x: (mp.cosh(x), mp.sinh(x), mp.cosh(x)) if abs(x) < 1000 else (_exp(abs(x)),) * 3,
    "tanh": lambda x: (_tanh(x), 4 * _slope(2 * x), -8 * _slope(2 * x) * _tanh(x)),
    "asinh": lambda x: (mp.asinh(x), 1 / mp.sqrt(1 + x * x), -x / mp.sqrt(1 + x * x) ** 3),
    "acosh": lambda x: (mp.acosh(x), 1 / mp.sqrt(x * x - 1), -x / mp.sqrt(x * x - 1) ** 3),
    "atanh": lambda x: (mp.atanh(_inside(x, -1, 1)), 1 / (1 - x * x), 2 * x / (1 - x * x) ** 2),
    "sigmoid": lambda x: (_sigmoid(x), _slope(x), -_slope(x) * _tanh(x / 2)),
    "softplus": lambda x: (max(x, 0) + _log1p(_exp(-abs(x))), _sigmoid(x), _slope(x)),
    "relu": lambda x: (max(x, 0), int(x > 0), 0),
    "erf": lambda x: (
        mp.erf(x) if abs(x) < 1000 else mp.sign(x),
        2 / mp.sqrt(mp.pi) * _exp(-x * x),
        -4 * x / mp.sqrt(mp.pi) * _exp(-x * x),
    ),
    "erfc": lambda x: (_erfc(x), -2 / mp.sqrt(mp.pi) * _exp(-x * x), 4 * x / mp.sqrt(mp.pi) * _exp(-x * x)),
    "floor": _steps(mp.floor),
    "ceil": _steps(mp.ceil),
    "round": _steps(mp.nint),
    "sign": _steps(mp.sign),
    "sigmoid_slope": lambda x: (
        _slope(x), -_slope(x) * _tanh(x / 2), _slope(x) * (_tanh(x / 2) ** 2 - 2 * _slope(x)),
    ),
    "tanh_slope": lambda x: (
        4 * _slope(2 * x), -8 * _slope(2 * x) * _tanh(x), 4 * _slope(2 * x) * (4 * _tanh(x) ** 2 - 8 * _slope(2 * x)),
    ),
}  # fmt: skip


def _of(name: str) -> Callable[[Jet], Jet]:
    return lambda a: a.through(*ONE[name](a.v))


_reciprocal = _of("reciprocal")


def _power(a: Jet, b: Jet) -> Jet:
    if a.v == 0 or (a.v < 0 and b.v != mp.floor(b.v)):
        raise Undefined
    size = _of("exp")(_of("log")(_of("abs")(a)) * b)
    if a.v > 0:
        return size
    if int(b.v) % 2:
        size = -size
    size.g[1] = size.h[0][1] = size.h[1][0] = size.h[1][1] = mp.nan  # not defined between the integers
    return size


def _hypot(a: Jet, b: Jet) -> Jet:
    return _of("sqrt")(a * a + b * b)


def _angle(a: Jet, b: Jet) -> Jet:
    h = a.v * a.v + b.v * b.v
    if h == 0:
        raise Undefined
    mixed, twice = (a.v * a.v - b.v * b.v) / h**2, 2 * a.v * b.v / h**2
    return Jet(mp.atan2(a.v, b.v), [b.v / h, -a.v / h], [[-twice, mixed], [mixed, twice]])


def _shares(v: Sequence[mpf]) -> tuple[list[mpf], list[mpf]]:
    """Each one's share of the sum of the exponentials, and the share of all others."""
    e = [_exp(x - max(v)) for x in v]
    total = sum(e)
    return [x / total for x in e], [sum(x for j, x in enumerate(e) if j != i) / total for i in range(len(e))]


def _logsumexp(*arguments: Jet) -> Jet:
    v = [a.v for a in arguments]
    p, rest = _shares(v)
    top = v.index(max(v))
    value = v[top] + _log1p(sum(_exp(x - v[top]) for j, x in enumerate(v) if j != top))
    n = range(len(v))
    return Jet(value, p, [[p[i] * rest[i] if i == j else -p[i] * p[j] for j in n] for i in n])


def _softmax(*arguments: Jet) -> Jet:
    p, rest = _shares([a.v for a in arguments])
    y, n = p[0], range(len(p))
    g = [y * rest[0], *(-y * p[j] for j in n[1:])]
    h = [[mpf(0)] * len(p) for _ in p]
    for i in n:
        for j in n:
            if i == j == 0:
                h[i][j] = y * rest[0] * (rest[0] - y)
            elif i == 0 or j == 0:
                h[i][j] = -y * p[i + j] * (rest[0] - y)
            else:
                h[i][j] = -y * p[i] * ((rest[i] - p[i]) if i == j else -2 * p[j])
    return Jet(y, g, h)


def _choose(condition: bool, a: Jet, b: Jet) -> Jet:
    return a if condition else b


def _constant(x: mpf, n: int) -> Jet:
    return Jet(mpf(x), [mpf(0)] * n, [[mpf(0)] * n for _ in range(n)])


def _modulo(a: Jet, b: Jet) -> Jet:
    if b.v == 0:
        raise Undefined
    quotient = mp.floor(a.v / b.v)
    if a.v == quotient * b.v:
        raise Undefined
    return a - b * quotient


def _sum(*arguments: Jet) -> Jet:
    total = arguments[0]
    for a in arguments[1:]:
        total = total + a
    return total


def _extreme(best: Callable[..., mpf]) -> Callable[..., Jet]:
    def extreme(*arguments: Jet) -> Jet:
        values = [a.v for a in arguments]
        if values.count(best(values)) > 1:
            raise Undefined
        return arguments[values.index(best(values))]

    return extreme


def _bce_with_logits(a: Jet, b: Jet) -> Jet:
    softplus, s = ONE["softplus"], _sigmoid
    value = b.v * softplus(-a.v)[0] + (1 - b.v) * softplus(a.v)[0]
    slope = (1 - b.v) * s(a.v) - b.v * s(-a.v)
    return Jet(value, [slope, -a.v], [[_slope(a.v), mpf(-1)], [mpf(-1), mpf(0)]])


def _compared(test: Callable[[mpf, mpf], bool]) -> Callable[[Jet, Jet], Jet]:
    return lambda a, b: _constant(mpf(test(a.v, b.v)), 2)


EXACT: dict[str, Callable[..., Jet]] = {
    **{name: _of(name) for name in ONE},
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "pow": _power, "atan2": _angle, "hypot": _hypot,
    "hypot_slope": lambda a, b: a / _hypot(a, b),
    "logsigmoid": lambda a: -_of("softplus")(-a),
    "leaky_relu": lambda a, b: _choose(a.v > 0, a, a * b),
    "elu": lambda a, b: _choose(a.v > 0, a, b * _of("expm1")(a)),
    "silu": lambda a: a * _of("sigmoid")(a),
    "gelu": lambda a: a * _of("erfc")(a / -mp.sqrt(2)) / 2,
    "maximum": _extreme(max), "minimum": _extreme(min),
    "clip": lambda a, b, c: _choose(a.v > c.v or b.v > c.v, c, _choose(a.v < b.v, b, a)),
    "logaddexp": _logsumexp, "logsumexp": _logsumexp, "softmax": _softmax,
    "where": lambda a, b, c: _choose(a.v != 0, b, c),
    "gt": _compared(lambda a, b: a > b), "ge": _compared(lambda a, b: a >= b), "lt": _compared(lambda a, b: a < b),
    "le": _compared(lambda a, b: a <= b), "eq": _compared(lambda a, b: a == b), "ne": _compared(lambda a, b: a != b),
    "mod": _modulo,
    "bce_with_logits": _bce_with_logits,
    "sum": _sum, "mean": lambda *v: _sum(*v) / len(v), "amax": _extreme(max), "amin": _extreme(min),
    "ties": lambda a, *v: _constant(mpf([b.v for b in v].count(a.v)), 1 + len(v)),
    "dot": lambda w, v, x, u, b: w * x + v * u + b,
}  # fmt: skip


def arity(name: str) -> int:
    return OPS[name].arity or ARITIES.get(name, 4)


def quantities(name: str) -> list[str]:
    """What is measured of an operation: y, the derivatives ∂a, ∂b, and the second ones ∂²aa, ∂²ab."""
    letters = "abcdef"[: arity(name)]
    return ["y", *(f"∂{x}" for x in letters), *(f"∂²{x}{z}" for x in letters for z in letters)]


def _flat(jet: Jet) -> list[mpf]:
    return [jet.v, *jet.g, *(x for row in jet.h for x in row)]


def _evaluated(name: str, point: Sequence[mpf]) -> list[mpf]:
    n = len(point)
    jets = []
    for i, x in enumerate(point):
        jet = _constant(x, n)
        jet.g[i] = mpf(1)
        jets.append(jet)
    return _flat(EXACT[name](*jets))


def _same(a: mpf, b: mpf) -> bool:
    if mp.isnan(a):
        return bool(mp.isnan(b))
    tiny = mpf(10) ** -340
    return bool(abs(a - b) <= mpf(10) ** -25 * abs(b) or (abs(a) < tiny and abs(b) < tiny))


@cache
def exact(name: str, point: tuple[float, ...]) -> list[tuple[mpf, mpf]]:
    """Each quantity of the operation at the point, with its condition number. Raises Undefined where there is none."""
    digits = 60
    try:
        while True:
            with mp.workdps(digits):
                base = _evaluated(name, [mpf(x) for x in point])
            with mp.workdps(2 * digits):
                better = _evaluated(name, [mpf(x) for x in point])
            # What is 0 with few digits may be the difference of two numbers that agree in hundreds (hypot far from a
            # diagonal), so that it is asked again.
            if all(map(_same, base, better)) and (all(better) or digits >= 960):
                break
            if digits > 1500:
                raise Undefined
            digits *= 4
        step = mpf(10) ** -25
        conditions = [mpf(0)] * len(base)
        with mp.workdps(2 * digits):
            for i in range(len(point)):
                moved = _evaluated(name, [mpf(z) * (1 + step) if i == j else mpf(z) for j, z in enumerate(point)])
                for k, (a, b) in enumerate(zip(better, moved)):
                    if a and not mp.isnan(a):
                        conditions[k] += abs((b - a) / a / step)
                    elif b:
                        conditions[k] = mp.inf  # a zero that moves with the arguments
    except (ZeroDivisionError, ValueError, TypeError, OverflowError) as error:
        raise Undefined from error
    return list(zip(better, conditions))
