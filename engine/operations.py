"""The operations of the table, as methods of Value and as free functions. Written by ``python -m engine.generate``.

Do not edit: change the row in ops.py and run that command. Each method computes the result ``y`` and, at once, its
local derivatives: how ``y`` moves with each operand. math's functions are tried first; where they raise, the IEEE
result takes its place (ieee.py). A derivative that is ``NOTHING`` is 0.0, and says that nothing is reached through that
operand: it was not chosen, or the result is constant in steps.
"""

# ruff: noqa: E501, I001, RUF100
# fmt: off

from __future__ import annotations

from math import inf
from math import (
    fabs as _abs, acos as _acos, acosh as _acosh, asin as _asin, asinh as _asinh, atan as _atan, atan2 as _atan2, atanh
    as _atanh, cos as _cos, cosh as _cosh, erf as _erf, erfc as _erfc, exp as _exp, exp2 as _exp2, expm1 as _expm1,
    hypot as _hypot, log as _log, log10 as _log10, log1p as _log1p, log2 as _log2, pow as _pow, sin as _sin, sinh as
    _sinh, sqrt as _sqrt, tan as _tan, tanh as _tanh,
)

from .ieee import RAISED, by_ieee, scalar, shares
from .operands import CONSTANT, NOTHING, UNSET, applied, elementwise, gathered, many, operand
from .ops import OPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .operands import Operand
    from .value import Value  # at run time, value.py puts it here

new = object.__new__


_div = scalar["div"]
_reciprocal = scalar["reciprocal"]
_cbrt = scalar["cbrt"]
_floor = scalar["floor"]
_ceil = scalar["ceil"]
_round = scalar["round"]
_mod = scalar["mod"]
_sum = scalar["sum"]
_mean = scalar["mean"]
_logsumexp = scalar["logsumexp"]
_dot = scalar["dot"]
_amax = scalar["amax"]
_amin = scalar["amin"]
_ties = scalar["ties"]


ADD = OPS["add"]
SUB = OPS["sub"]
MUL = OPS["mul"]
DIV = OPS["div"]
NEG = OPS["neg"]
POW = OPS["pow"]
ABS = OPS["abs"]
EXP = OPS["exp"]
EXPM1 = OPS["expm1"]
EXP2 = OPS["exp2"]
LOG = OPS["log"]
LOG1P = OPS["log1p"]
LOG2 = OPS["log2"]
LOG10 = OPS["log10"]
SQRT = OPS["sqrt"]
CBRT = OPS["cbrt"]
RECIPROCAL = OPS["reciprocal"]
SIN = OPS["sin"]
COS = OPS["cos"]
TAN = OPS["tan"]
ASIN = OPS["asin"]
ACOS = OPS["acos"]
ATAN = OPS["atan"]
ATAN2 = OPS["atan2"]
SINH = OPS["sinh"]
COSH = OPS["cosh"]
TANH = OPS["tanh"]
ASINH = OPS["asinh"]
ACOSH = OPS["acosh"]
ATANH = OPS["atanh"]
SIGMOID = OPS["sigmoid"]
LOGSIGMOID = OPS["logsigmoid"]
SOFTPLUS = OPS["softplus"]
RELU = OPS["relu"]
LEAKY_RELU = OPS["leaky_relu"]
ELU = OPS["elu"]
SILU = OPS["silu"]
GELU = OPS["gelu"]
ERF = OPS["erf"]
ERFC = OPS["erfc"]
MAXIMUM = OPS["maximum"]
MINIMUM = OPS["minimum"]
CLIP = OPS["clip"]
HYPOT = OPS["hypot"]
LOGADDEXP = OPS["logaddexp"]
WHERE = OPS["where"]
FLOOR = OPS["floor"]
CEIL = OPS["ceil"]
ROUND = OPS["round"]
SIGN = OPS["sign"]
MOD = OPS["mod"]
GT = OPS["gt"]
GE = OPS["ge"]
LT = OPS["lt"]
LE = OPS["le"]
EQ = OPS["eq"]
NE = OPS["ne"]
BCE = OPS["bce"]
BCE_WITH_LOGITS = OPS["bce_with_logits"]
SIGMOID_SLOPE = OPS["sigmoid_slope"]
TANH_SLOPE = OPS["tanh_slope"]
HYPOT_SLOPE = OPS["hypot_slope"]
SUM = OPS["sum"]
MEAN = OPS["mean"]
LOGSUMEXP = OPS["logsumexp"]
AMAX = OPS["amax"]
AMIN = OPS["amin"]
TIES = OPS["ties"]
DOT = OPS["dot"]


class Operations:
    """The methods of Value that come from the table."""

    __slots__ = ()

    if TYPE_CHECKING:
        data: float

        def __float__(self) -> float: ...

    def __add__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__add__", self, other)
            other = number
        a, b = self.data, other.data
        y = a + b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ADD
        node._mark = None
        node._a = self
        node._b = other
        node._da = 1.0
        node._db = 1.0
        return node

    def __radd__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__radd__", self, other)
        return number.__add__(self)

    def add(self, other: Operand) -> Value:
        """a + b.

        The derivatives with respect to
            a: 1
            other: 1
        """
        return self + other

    def __sub__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__sub__", self, other)
            other = number
        a, b = self.data, other.data
        y = a - b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SUB
        node._mark = None
        node._a = self
        node._b = other
        node._da = 1.0
        node._db = -1.0
        return node

    def __rsub__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__rsub__", self, other)
        return number.__sub__(self)

    def sub(self, other: Operand) -> Value:
        """a - b.

        The derivatives with respect to
            a: 1
            other: -1
        """
        return self - other

    def __mul__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__mul__", self, other)
            other = number
        a, b = self.data, other.data
        y = a * b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = MUL
        node._mark = None
        node._a = self
        node._b = other
        node._da = b
        node._db = a
        return node

    def __rmul__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__rmul__", self, other)
        return number.__mul__(self)

    def mul(self, other: Operand) -> Value:
        """a * b.

        The derivatives with respect to
            a: other
            other: a
        """
        return self * other

    def __truediv__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__truediv__", self, other)
            other = number
        a, b = self.data, other.data
        y = _div(a, b)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = DIV
        node._mark = None
        node._a = self
        node._b = other
        try:
            node._da = 1.0 / b
        except RAISED:
            node._da = by_ieee(DIV.rules[0], ("a", "b", "y"), a, b, y)
        try:
            node._db = -(y / b)
        except RAISED:
            node._db = by_ieee(DIV.rules[1], ("a", "b", "y"), a, b, y)
        return node

    def __rtruediv__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__rtruediv__", self, other)
        return number.__truediv__(self)

    def div(self, other: Operand) -> Value:
        """a / b.

        The derivatives with respect to
            a: 1/other
            other: -(y/other)
        """
        return self / other

    def neg(self) -> Value:
        """-a. The derivative is -1."""
        a = self.data
        y = -a
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = NEG
        node._mark = None
        node._a = self
        node._b = None
        node._da = -1.0
        return node

    def __neg__(self) -> Value:
        return self.neg()

    def __pow__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__pow__", self, other)
            other = number
        a, b = self.data, other.data
        try:
            y = _pow(a, b)
        except RAISED:
            y = scalar["pow"](a, b)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = POW
        node._mark = None
        node._a = self
        node._b = other
        try:
            node._da = b * _pow(a, b - 1.0) if b > 0.5 else b * y / a if a * 0.5 != a else 0.0 if b == 0.0 else b * _pow(a, b - 1.0)
        except RAISED:
            node._da = by_ieee(POW.rules[0], ("a", "b", "y"), a, b, y)
        try:
            node._db = NOTHING if other._a is CONSTANT else y * _log(a) if a != 0.0 else 0.0 if b >= 0.0 else y * _log(a)
        except RAISED:
            node._db = by_ieee(POW.rules[1], ("a", "b", "y"), a, b, y)
        return node

    def __rpow__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__rpow__", self, other)
        return number.__pow__(self)

    def pow(self, exponent: Operand) -> Value:
        """a to the power of the exponent.

        The derivatives with respect to
            a: exponent*pow(a, exponent - 1) if exponent > 0.5 else exponent*y/a if a*0.5 != a else 0 if exponent == 0 else exponent*pow(a, exponent - 1)
            exponent: y*log(a) if a != 0 else 0 if exponent >= 0 else y*log(a)
        """
        return self ** exponent

    def abs(self) -> Value:
        """The absolute value; its derivative at 0 is 0. The derivative is 1 if a > 0 else -1 if a < 0 else 0."""
        a = self.data
        y = _abs(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ABS
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0
        return node

    def __abs__(self) -> Value:
        return self.abs()

    def exp(self) -> Value:
        """e to the power a. The derivative is y."""
        a = self.data
        try:
            y = _exp(a)
        except RAISED:
            y = scalar["exp"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = EXP
        node._mark = None
        node._a = self
        node._b = None
        node._da = y
        return node

    def expm1(self) -> Value:
        """exp(a) - 1, exact near 0. The derivative is exp(a)."""
        a = self.data
        try:
            y = _expm1(a)
        except RAISED:
            y = scalar["expm1"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = EXPM1
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = _exp(a)
        except RAISED:
            node._da = by_ieee(EXPM1.rules[0], ("a", "y"), a, y)
        return node

    def exp2(self) -> Value:
        """2 to the power a. The derivative is y*0.6931471805599453."""
        a = self.data
        try:
            y = _exp2(a)
        except RAISED:
            y = scalar["exp2"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = EXP2
        node._mark = None
        node._a = self
        node._b = None
        node._da = y * 0.6931471805599453
        return node

    def log(self) -> Value:
        """The natural logarithm. The derivative is 1/a."""
        a = self.data
        try:
            y = _log(a)
        except RAISED:
            y = scalar["log"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOG
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / a
        except RAISED:
            node._da = by_ieee(LOG.rules[0], ("a", "y"), a, y)
        return node

    def log1p(self) -> Value:
        """log(1 + a), exact near 0. The derivative is 1/(1 + a)."""
        a = self.data
        try:
            y = _log1p(a)
        except RAISED:
            y = scalar["log1p"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOG1P
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / (1.0 + a)
        except RAISED:
            node._da = by_ieee(LOG1P.rules[0], ("a", "y"), a, y)
        return node

    def log2(self) -> Value:
        """The logarithm to base 2. The derivative is 1/(a*0.6931471805599453)."""
        a = self.data
        try:
            y = _log2(a)
        except RAISED:
            y = scalar["log2"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOG2
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.4426950408889634 / a
        except RAISED:
            node._da = by_ieee(LOG2.rules[0], ("a", "y"), a, y)
        return node

    def log10(self) -> Value:
        """The logarithm to base 10. The derivative is 1/(a*2.302585092994046)."""
        a = self.data
        try:
            y = _log10(a)
        except RAISED:
            y = scalar["log10"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOG10
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 0.4342944819032518 / a
        except RAISED:
            node._da = by_ieee(LOG10.rules[0], ("a", "y"), a, y)
        return node

    def sqrt(self) -> Value:
        """The square root. The derivative is 0.5/y."""
        a = self.data
        try:
            y = _sqrt(a)
        except RAISED:
            y = scalar["sqrt"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SQRT
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 0.5 / y
        except RAISED:
            node._da = by_ieee(SQRT.rules[0], ("a", "y"), a, y)
        return node

    def cbrt(self) -> Value:
        """The real cube root. The derivative is 1/(3*y*y)."""
        a = self.data
        y = _cbrt(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = CBRT
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / (3.0 * y * y)
        except RAISED:
            node._da = by_ieee(CBRT.rules[0], ("a", "y"), a, y)
        return node

    def reciprocal(self) -> Value:
        """1 / a. The derivative is -y*y."""
        a = self.data
        y = _reciprocal(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = RECIPROCAL
        node._mark = None
        node._a = self
        node._b = None
        node._da = -y * y
        return node

    def sin(self) -> Value:
        """The sine of a, in radians. The derivative is cos(a)."""
        a = self.data
        try:
            y = _sin(a)
        except RAISED:
            y = scalar["sin"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SIN
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = _cos(a)
        except RAISED:
            node._da = by_ieee(SIN.rules[0], ("a", "y"), a, y)
        return node

    def cos(self) -> Value:
        """The cosine of a, in radians. The derivative is -sin(a)."""
        a = self.data
        try:
            y = _cos(a)
        except RAISED:
            y = scalar["cos"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = COS
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = -_sin(a)
        except RAISED:
            node._da = by_ieee(COS.rules[0], ("a", "y"), a, y)
        return node

    def tan(self) -> Value:
        """The tangent of a, in radians. The derivative is 1 + y*y."""
        a = self.data
        try:
            y = _tan(a)
        except RAISED:
            y = scalar["tan"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = TAN
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.0 + y * y
        return node

    def asin(self) -> Value:
        """The arc sine, in radians. The derivative is 1/sqrt(1 - a*a)."""
        a = self.data
        try:
            y = _asin(a)
        except RAISED:
            y = scalar["asin"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ASIN
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / _sqrt(1.0 - a * a) if a * a < 0.25 else 1.0 / _sqrt((1.0 - a) * (1.0 + a))
        except RAISED:
            node._da = by_ieee(ASIN.rules[0], ("a", "y"), a, y)
        return node

    def acos(self) -> Value:
        """The arc cosine, in radians. The derivative is -1/sqrt(1 - a*a)."""
        a = self.data
        try:
            y = _acos(a)
        except RAISED:
            y = scalar["acos"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ACOS
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = -1.0 / _sqrt(1.0 - a * a) if a * a < 0.25 else -1.0 / _sqrt((1.0 - a) * (1.0 + a))
        except RAISED:
            node._da = by_ieee(ACOS.rules[0], ("a", "y"), a, y)
        return node

    def atan(self) -> Value:
        """The arc tangent, in radians. The derivative is 1/(1 + a*a)."""
        a = self.data
        y = _atan(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ATAN
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.0 / (1.0 + a * a) if a * a <= 1.0 else 1.0 / _hypot(a, 1.0) / _hypot(a, 1.0)
        return node

    def atan2(self, x: Operand) -> Value:
        """The angle of the point (x, y) in radians; its gradient at (0, 0) is 0.

        The derivatives with respect to
            y: x/(y*y + x*x)
            x: -y/(y*y + x*x)
        """
        if not isinstance(x, Value):
            return applied(Value.atan2, self, x)
        a, b = self.data, x.data
        s = _hypot(a, b)
        y = _atan2(a, b)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ATAN2
        node._mark = None
        node._a = self
        node._b = x
        try:
            node._da = 0.0 if s == 0.0 else (0.0 if s == 0.0 else b / s if s <= 1.7976931348623157e+308 else 0.25 * b / _hypot(0.25 * a, 0.25 * b)) / s
        except RAISED:
            node._da = by_ieee(ATAN2.rules[0], ("a", "b", "y"), a, b, y)
        try:
            node._db = 0.0 if s == 0.0 else -((0.0 if s == 0.0 else a / s if s <= 1.7976931348623157e+308 else 0.25 * a / _hypot(0.25 * a, 0.25 * b)) / s)
        except RAISED:
            node._db = by_ieee(ATAN2.rules[1], ("a", "b", "y"), a, b, y)
        return node

    def sinh(self) -> Value:
        """The hyperbolic sine. The derivative is cosh(a)."""
        a = self.data
        try:
            y = _sinh(a)
        except RAISED:
            y = scalar["sinh"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SINH
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = _cosh(a)
        except RAISED:
            node._da = by_ieee(SINH.rules[0], ("a", "y"), a, y)
        return node

    def cosh(self) -> Value:
        """The hyperbolic cosine. The derivative is sinh(a)."""
        a = self.data
        try:
            y = _cosh(a)
        except RAISED:
            y = scalar["cosh"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = COSH
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = _sinh(a)
        except RAISED:
            node._da = by_ieee(COSH.rules[0], ("a", "y"), a, y)
        return node

    def tanh(self) -> Value:
        """The hyperbolic tangent. The derivative is 1 - y*y."""
        a = self.data
        s = _tanh(a)
        y = s
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = TANH
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 - s * s if _abs(a) < 0.5 else 1.0 / (_cosh(a) * _cosh(a))
        except RAISED:
            node._da = by_ieee(TANH.rules[0], ("a", "y"), a, y)
        return node

    def asinh(self) -> Value:
        """The inverse hyperbolic sine. The derivative is 1/hypot(a, 1)."""
        a = self.data
        y = _asinh(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ASINH
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.0 / _hypot(a, 1.0)
        return node

    def acosh(self) -> Value:
        """The inverse hyperbolic cosine. The derivative is 1/(sqrt(a - 1)*sqrt(a + 1))."""
        a = self.data
        try:
            y = _acosh(a)
        except RAISED:
            y = scalar["acosh"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ACOSH
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / (_sqrt(a - 1.0) * _sqrt(a + 1.0))
        except RAISED:
            node._da = by_ieee(ACOSH.rules[0], ("a", "y"), a, y)
        return node

    def atanh(self) -> Value:
        """The inverse hyperbolic tangent. The derivative is 1/(1 - a*a)."""
        a = self.data
        try:
            y = _atanh(a)
        except RAISED:
            y = scalar["atanh"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ATANH
        node._mark = None
        node._a = self
        node._b = None
        try:
            node._da = 1.0 / (1.0 - a * a) if a * a < 0.25 else 1.0 / ((1.0 - a) * (1.0 + a))
        except RAISED:
            node._da = by_ieee(ATANH.rules[0], ("a", "y"), a, y)
        return node

    def sigmoid(self) -> Value:
        """The logistic function 1 / (1 + exp(-a)). The derivative is y*(1 - y)."""
        a = self.data
        s = _exp(-_abs(a))
        y = (1.0 if a >= 0.0 else s) / (1.0 + s)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SIGMOID
        node._mark = None
        node._a = self
        node._b = None
        node._da = s / (1.0 + s * (2.0 + s))
        return node

    def logsigmoid(self) -> Value:
        """log(sigmoid(a)). The derivative is sigmoid(-a)."""
        a = self.data
        y = -_softplus(-a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOGSIGMOID
        node._mark = None
        node._a = self
        node._b = None
        node._da = _sigmoid(-a)
        return node

    def softplus(self) -> Value:
        """log(1 + exp(a)), without a threshold. The derivative is sigmoid(a)."""
        a = self.data
        y = a + _log1p(_exp(-a)) if a > 0.0 else _log1p(_exp(a))
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SOFTPLUS
        node._mark = None
        node._a = self
        node._b = None
        node._da = _sigmoid(a)
        return node

    def relu(self) -> Value:
        """max(a, 0); its derivative at 0 is 0. The derivative is 1 if a > 0 else 0."""
        a = self.data
        y = 0.0 if a <= 0.0 else a
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = RELU
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.0 if a > 0.0 else NOTHING
        return node

    def leaky_relu(self, negative_slope: Operand = 0.01) -> Value:
        """a above 0, negative_slope * a below.

        The derivatives with respect to
            a: 1 if a > 0 else negative_slope
            negative_slope: 0 if a > 0 else a
        """
        if not isinstance(negative_slope, Value):
            return applied(Value.leaky_relu, self, negative_slope)
        a, b = self.data, negative_slope.data
        y = a if a > 0.0 else a * b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LEAKY_RELU
        node._mark = None
        node._a = self
        node._b = negative_slope
        node._da = 1.0 if a > 0.0 else b
        node._db = NOTHING if a > 0.0 else a
        return node

    def elu(self, alpha: Operand = 1.0) -> Value:
        """a above 0, alpha * (exp(a) - 1) below.

        The derivatives with respect to
            a: 1 if a > 0 else alpha*exp(a)
            alpha: 0 if a > 0 else expm1(a)
        """
        if not isinstance(alpha, Value):
            return applied(Value.elu, self, alpha)
        a, b = self.data, alpha.data
        y = a if a > 0.0 else b * _expm1(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ELU
        node._mark = None
        node._a = self
        node._b = alpha
        node._da = 1.0 if a > 0.0 else b * _exp(a)
        node._db = NOTHING if a > 0.0 else _expm1(a)
        return node

    def silu(self) -> Value:
        """a * sigmoid(a), also called swish. The derivative is sigmoid(a)*(1 + a*(1 - sigmoid(a)))."""
        a = self.data
        s = _sigmoid(a)
        y = a * s
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SILU
        node._mark = None
        node._a = self
        node._b = None
        node._da = s * (1.0 + a * _sigmoid(-a))
        return node

    def gelu(self) -> Value:
        """a times the normal distribution function of a (the exact form, with erf). The derivative is 0.5*(1 + erf(a*0.7071067811865476)) + a*exp(-0.5*(a*a))*0.3989422804014327."""
        a = self.data
        s = _erfc(a * -0.7071067811865476)
        y = 0.5 * a * s
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = GELU
        node._mark = None
        node._a = self
        node._b = None
        node._da = 0.5 * s + a * _exp(-0.5 * (a * a)) * 0.3989422804014327
        return node

    def erf(self) -> Value:
        """The error function. The derivative is 1.1283791670955126*exp(-(a*a))."""
        a = self.data
        y = _erf(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ERF
        node._mark = None
        node._a = self
        node._b = None
        node._da = 1.1283791670955126 * _exp(-(a * a))
        return node

    def erfc(self) -> Value:
        """1 - erf(a), exact where erf(a) has run into 1. The derivative is -1.1283791670955126*exp(-(a*a))."""
        a = self.data
        y = _erfc(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ERFC
        node._mark = None
        node._a = self
        node._b = None
        node._da = -1.1283791670955126 * _exp(-(a * a))
        return node

    def maximum(self, other: Operand) -> Value:
        """The larger of a and b; a tie gives each half of the gradient.

        The derivatives with respect to
            a: 1 if a > other else 0 if a < other else 0.5
            other: 0 if a > other else 1 if a < other else 0.5
        """
        if not isinstance(other, Value):
            return applied(Value.maximum, self, other)
        a, b = self.data, other.data
        y = a if a >= b else a if a != a else b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = MAXIMUM
        node._mark = None
        node._a = self
        node._b = other
        node._da = 1.0 if a > b else NOTHING if a < b else 0.5
        node._db = NOTHING if a > b else 1.0 if a < b else 0.5
        return node

    def minimum(self, other: Operand) -> Value:
        """The smaller of a and b; a tie gives each half of the gradient.

        The derivatives with respect to
            a: 1 if a < other else 0 if a > other else 0.5
            other: 0 if a < other else 1 if a > other else 0.5
        """
        if not isinstance(other, Value):
            return applied(Value.minimum, self, other)
        a, b = self.data, other.data
        y = a if a <= b else a if a != a else b
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = MINIMUM
        node._mark = None
        node._a = self
        node._b = other
        node._da = 1.0 if a < b else NOTHING if a > b else 0.5
        node._db = NOTHING if a < b else 1.0 if a > b else 0.5
        return node

    def clip(self, low: Operand = -inf, high: Operand = inf) -> Value:
        """a, but at least low and at most high, which wins where low is above it; the derivative with respect to a is 1 at a bound.

        The derivatives with respect to
            a: 0 if a > high else 0 if low > high else 0 if a < low else 1
            low: 0 if a > high else 0 if low > high else 1 if a < low else 0
            high: 1 if a > high else 1 if low > high else 0
        """
        if not (isinstance(low, Value) and isinstance(high, Value)):
            return applied(Value.clip, self, low, high)
        parents = self, low, high
        a, b, c = self.data, low.data, high.data
        y = c if a > c else c if b > c else b if a < b else a
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = CLIP
        node._mark = None
        node._a = (parents, ())
        node._b = None
        da = NOTHING if a > c else NOTHING if b > c else NOTHING if a < b else 1.0
        db = NOTHING if a > c else NOTHING if b > c else 1.0 if a < b else NOTHING
        dc = 1.0 if a > c else 1.0 if b > c else NOTHING
        node._da = ((da, db, dc), ())
        return node

    def hypot(self, other: Operand) -> Value:
        """sqrt(a*a + b*b) without overflow; its gradient at (0, 0) is 0.

        The derivatives with respect to
            a: a/y
            other: other/y
        """
        if not isinstance(other, Value):
            return applied(Value.hypot, self, other)
        a, b = self.data, other.data
        s = _hypot(a, b)
        y = s
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = HYPOT
        node._mark = None
        node._a = self
        node._b = other
        try:
            node._da = 0.0 if s == 0.0 else a / s if s <= 1.7976931348623157e+308 else 0.25 * a / _hypot(0.25 * a, 0.25 * b)
        except RAISED:
            node._da = by_ieee(HYPOT.rules[0], ("a", "b", "y"), a, b, y)
        try:
            node._db = 0.0 if s == 0.0 else b / s if s <= 1.7976931348623157e+308 else 0.25 * b / _hypot(0.25 * a, 0.25 * b)
        except RAISED:
            node._db = by_ieee(HYPOT.rules[1], ("a", "b", "y"), a, b, y)
        return node

    def logaddexp(self, other: Operand) -> Value:
        """log(exp(a) + exp(b)) without overflow.

        The derivatives with respect to
            a: sigmoid(a - other)
            other: sigmoid(other - a)
        """
        if not isinstance(other, Value):
            return applied(Value.logaddexp, self, other)
        a, b = self.data, other.data
        y = a + 0.6931471805599453 if a == b else _maximum(a, b) + _log1p(_exp(-_abs(a - b)))
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LOGADDEXP
        node._mark = None
        node._a = self
        node._b = other
        node._da = _sigmoid(a - b)
        node._db = _sigmoid(b - a)
        return node

    def where(self, then: Operand, otherwise: Operand) -> Value:
        """then where the condition is true (not 0), else otherwise.

        The derivatives with respect to
            condition: 0
            then: 1 if condition != 0 else 0
            otherwise: 0 if condition != 0 else 1
        """
        if not (isinstance(then, Value) and isinstance(otherwise, Value)):
            return applied(Value.where, self, then, otherwise)
        parents = self, then, otherwise
        a, b, c = self.data, then.data, otherwise.data
        y = b if a != 0.0 else c
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = WHERE
        node._mark = None
        node._a = (parents, ())
        node._b = None
        da = NOTHING
        db = 1.0 if a != 0.0 else NOTHING
        dc = NOTHING if a != 0.0 else 1.0
        node._da = ((da, db, dc), ())
        return node

    def floor(self) -> Value:
        """The largest integer that is at most a. The derivative is 0."""
        a = self.data
        y = _floor(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = FLOOR
        node._mark = None
        node._a = self
        node._b = None
        node._da = NOTHING
        return node

    def ceil(self) -> Value:
        """The smallest integer that is at least a. The derivative is 0."""
        a = self.data
        y = _ceil(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = CEIL
        node._mark = None
        node._a = self
        node._b = None
        node._da = NOTHING
        return node

    def round(self) -> Value:
        """The nearest integer; of two, the even one. The derivative is 0."""
        a = self.data
        y = _round(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = ROUND
        node._mark = None
        node._a = self
        node._b = None
        node._da = NOTHING
        return node

    def sign(self) -> Value:
        """1.0 above 0, -1.0 below, 0.0 at 0 and for nan. The derivative is 0."""
        a = self.data
        y = 1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SIGN
        node._mark = None
        node._a = self
        node._b = None
        node._da = NOTHING
        return node

    def __mod__(self, other: Operand) -> Value:
        if not isinstance(other, Value):
            number = operand(other)
            if number is None:
                return elementwise("__mod__", self, other)
            other = number
        a, b = self.data, other.data
        y = _mod(a, b)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = MOD
        node._mark = None
        node._a = self
        node._b = other
        node._da = 1.0
        try:
            node._db = _round((y - a) / b)
        except RAISED:
            node._db = by_ieee(MOD.rules[1], ("a", "b", "y"), a, b, y)
        return node

    def __rmod__(self, other: Operand) -> Value:
        number = operand(other)
        if number is None:
            return elementwise("__rmod__", self, other)
        return number.__mod__(self)

    def mod(self, other: Operand) -> Value:
        """What is left of a after division by b, with the sign of b.

        The derivatives with respect to
            a: 1
            other: -floor(a/other)
        """
        return self % other

    def gt(self, other: Operand) -> Value:
        """1.0 where a > b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.gt, self, other)
        a, b = self.data, other.data
        y = 1.0 if a > b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = GT
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def ge(self, other: Operand) -> Value:
        """1.0 where a >= b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.ge, self, other)
        a, b = self.data, other.data
        y = 1.0 if a >= b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = GE
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def lt(self, other: Operand) -> Value:
        """1.0 where a < b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.lt, self, other)
        a, b = self.data, other.data
        y = 1.0 if a < b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LT
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def le(self, other: Operand) -> Value:
        """1.0 where a <= b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.le, self, other)
        a, b = self.data, other.data
        y = 1.0 if a <= b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = LE
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def eq(self, other: Operand) -> Value:
        """1.0 where a equals b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.eq, self, other)
        a, b = self.data, other.data
        y = 1.0 if a == b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = EQ
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def ne(self, other: Operand) -> Value:
        """1.0 where a differs from b, else 0.0. The derivative is 0."""
        if not isinstance(other, Value):
            return applied(Value.ne, self, other)
        a, b = self.data, other.data
        y = 1.0 if a != b else 0.0
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = NE
        node._mark = None
        node._a = self
        node._b = other
        node._da = NOTHING
        node._db = NOTHING
        return node

    def bce(self, target: Operand) -> Value:
        """Binary cross-entropy of the probability a for the target.

        The derivatives with respect to
            a: (a - target)/maximum(a*(1 - a), 9.999999960041972e-13)
            target: maximum(log1p(-a), -100) - maximum(log(a), -100)
        """
        if not isinstance(target, Value):
            return applied(Value.bce, self, target)
        a, b = self.data, target.data
        try:
            s = _log(a)
        except RAISED:
            s = scalar["log"](a)
        try:
            t = _log1p(-a)
        except RAISED:
            t = scalar["log1p"](-a)
        y = -(b * _maximum(s, -100.0) + (1.0 - b) * _maximum(t, -100.0))
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = BCE
        node._mark = None
        node._a = self
        node._b = target
        node._da = (a - b) / _maximum(a * (1.0 - a), 9.999999960041972e-13)
        node._db = _maximum(t, -100.0) - _maximum(s, -100.0)
        return node

    def bce_with_logits(self, target: Operand) -> Value:
        """Binary cross-entropy of the logit a (the probability is sigmoid(a)) for the target.

        The derivatives with respect to
            a: sigmoid(a) - target
            target: -a
        """
        if not isinstance(target, Value):
            return applied(Value.bce_with_logits, self, target)
        a, b = self.data, target.data
        y = b * _softplus(-a) + (1.0 - b) * _softplus(a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = BCE_WITH_LOGITS
        node._mark = None
        node._a = self
        node._b = target
        node._da = (1.0 - b) * _sigmoid(a) - b * _sigmoid(-a)
        node._db = -a
        return node

    def sigmoid_slope(self) -> Value:
        """The derivative of sigmoid, with all digits. The derivative is -y*tanh(0.5*a)."""
        a = self.data
        s = _exp(-_abs(a))
        y = s / (1.0 + s * (2.0 + s))
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = SIGMOID_SLOPE
        node._mark = None
        node._a = self
        node._b = None
        node._da = -y * _tanh(0.5 * a)
        return node

    def tanh_slope(self) -> Value:
        """The derivative of tanh, with all digits. The derivative is -2*y*tanh(a)."""
        a = self.data
        s = _tanh(a)
        try:
            y = 1.0 - s * s if _abs(a) < 0.5 else 1.0 / (_cosh(a) * _cosh(a))
        except RAISED:
            y = scalar["tanh_slope"](a)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = TANH_SLOPE
        node._mark = None
        node._a = self
        node._b = None
        node._da = -2.0 * y * s
        return node

    def hypot_slope(self, other: Operand) -> Value:
        """The derivative of hypot with respect to a, with all digits.

        The derivatives with respect to
            a: 0 if hypot(a, other) == 0 else hypot_slope(other, a)/hypot(a, other)*hypot_slope(other, a)
            other: 0 if hypot(a, other) == 0 else -(y/hypot(a, other)*hypot_slope(other, a))
        """
        if not isinstance(other, Value):
            return applied(Value.hypot_slope, self, other)
        a, b = self.data, other.data
        s = _hypot(a, b)
        try:
            y = 0.0 if s == 0.0 else a / s if s <= 1.7976931348623157e+308 else 0.25 * a / _hypot(0.25 * a, 0.25 * b)
        except RAISED:
            y = scalar["hypot_slope"](a, b)
        node = new(Value)
        node.data = y
        node.grad = UNSET
        node._label = ""
        node.op = HYPOT_SLOPE
        node._mark = None
        node._a = self
        node._b = other
        try:
            node._da = 0.0 if s == 0.0 else (0.0 if s == 0.0 else b / s if s <= 1.7976931348623157e+308 else 0.25 * b / _hypot(0.25 * a, 0.25 * b)) / s * (0.0 if s == 0.0 else b / s if s <= 1.7976931348623157e+308 else 0.25 * b / _hypot(0.25 * a, 0.25 * b))
        except RAISED:
            node._da = by_ieee(HYPOT_SLOPE.rules[0], ("a", "b", "y"), a, b, y)
        try:
            node._db = 0.0 if s == 0.0 else -(y / s * (0.0 if s == 0.0 else b / s if s <= 1.7976931348623157e+308 else 0.25 * b / _hypot(0.25 * a, 0.25 * b)))
        except RAISED:
            node._db = by_ieee(HYPOT_SLOPE.rules[1], ("a", "b", "y"), a, b, y)
        return node


# The free functions.


def add(a: Operand, b: Operand) -> Value:
    """a + b.

    The derivatives with respect to
        a: 1
        b: 1
    """
    if isinstance(a, Value):
        return a.add(b)
    return applied(Value.add, a, b)


def sub(a: Operand, b: Operand) -> Value:
    """a - b.

    The derivatives with respect to
        a: 1
        b: -1
    """
    if isinstance(a, Value):
        return a.sub(b)
    return applied(Value.sub, a, b)


def mul(a: Operand, b: Operand) -> Value:
    """a * b.

    The derivatives with respect to
        a: b
        b: a
    """
    if isinstance(a, Value):
        return a.mul(b)
    return applied(Value.mul, a, b)


def div(a: Operand, b: Operand) -> Value:
    """a / b.

    The derivatives with respect to
        a: 1/b
        b: -(y/b)
    """
    if isinstance(a, Value):
        return a.div(b)
    return applied(Value.div, a, b)


def neg(a: Operand) -> Value:
    """-a. The derivative is -1."""
    if isinstance(a, Value):
        return a.neg()
    return applied(Value.neg, a)


def pow(a: Operand, exponent: Operand) -> Value:
    """a to the power of the exponent.

    The derivatives with respect to
        a: exponent*pow(a, exponent - 1) if exponent > 0.5 else exponent*y/a if a*0.5 != a else 0 if exponent == 0 else exponent*pow(a, exponent - 1)
        exponent: y*log(a) if a != 0 else 0 if exponent >= 0 else y*log(a)
    """
    if isinstance(a, Value):
        return a.pow(exponent)
    return applied(Value.pow, a, exponent)


def abs(a: Operand) -> Value:
    """The absolute value; its derivative at 0 is 0. The derivative is 1 if a > 0 else -1 if a < 0 else 0."""
    if isinstance(a, Value):
        return a.abs()
    return applied(Value.abs, a)


def exp(a: Operand) -> Value:
    """e to the power a. The derivative is y."""
    if isinstance(a, Value):
        return a.exp()
    return applied(Value.exp, a)


def expm1(a: Operand) -> Value:
    """exp(a) - 1, exact near 0. The derivative is exp(a)."""
    if isinstance(a, Value):
        return a.expm1()
    return applied(Value.expm1, a)


def exp2(a: Operand) -> Value:
    """2 to the power a. The derivative is y*0.6931471805599453."""
    if isinstance(a, Value):
        return a.exp2()
    return applied(Value.exp2, a)


def log(a: Operand) -> Value:
    """The natural logarithm. The derivative is 1/a."""
    if isinstance(a, Value):
        return a.log()
    return applied(Value.log, a)


def log1p(a: Operand) -> Value:
    """log(1 + a), exact near 0. The derivative is 1/(1 + a)."""
    if isinstance(a, Value):
        return a.log1p()
    return applied(Value.log1p, a)


def log2(a: Operand) -> Value:
    """The logarithm to base 2. The derivative is 1/(a*0.6931471805599453)."""
    if isinstance(a, Value):
        return a.log2()
    return applied(Value.log2, a)


def log10(a: Operand) -> Value:
    """The logarithm to base 10. The derivative is 1/(a*2.302585092994046)."""
    if isinstance(a, Value):
        return a.log10()
    return applied(Value.log10, a)


def sqrt(a: Operand) -> Value:
    """The square root. The derivative is 0.5/y."""
    if isinstance(a, Value):
        return a.sqrt()
    return applied(Value.sqrt, a)


def cbrt(a: Operand) -> Value:
    """The real cube root. The derivative is 1/(3*y*y)."""
    if isinstance(a, Value):
        return a.cbrt()
    return applied(Value.cbrt, a)


def reciprocal(a: Operand) -> Value:
    """1 / a. The derivative is -y*y."""
    if isinstance(a, Value):
        return a.reciprocal()
    return applied(Value.reciprocal, a)


def sin(a: Operand) -> Value:
    """The sine of a, in radians. The derivative is cos(a)."""
    if isinstance(a, Value):
        return a.sin()
    return applied(Value.sin, a)


def cos(a: Operand) -> Value:
    """The cosine of a, in radians. The derivative is -sin(a)."""
    if isinstance(a, Value):
        return a.cos()
    return applied(Value.cos, a)


def tan(a: Operand) -> Value:
    """The tangent of a, in radians. The derivative is 1 + y*y."""
    if isinstance(a, Value):
        return a.tan()
    return applied(Value.tan, a)


def asin(a: Operand) -> Value:
    """The arc sine, in radians. The derivative is 1/sqrt(1 - a*a)."""
    if isinstance(a, Value):
        return a.asin()
    return applied(Value.asin, a)


def acos(a: Operand) -> Value:
    """The arc cosine, in radians. The derivative is -1/sqrt(1 - a*a)."""
    if isinstance(a, Value):
        return a.acos()
    return applied(Value.acos, a)


def atan(a: Operand) -> Value:
    """The arc tangent, in radians. The derivative is 1/(1 + a*a)."""
    if isinstance(a, Value):
        return a.atan()
    return applied(Value.atan, a)


def atan2(y: Operand, x: Operand) -> Value:
    """The angle of the point (x, y) in radians; its gradient at (0, 0) is 0.

    The derivatives with respect to
        y: x/(y*y + x*x)
        x: -y/(y*y + x*x)
    """
    if isinstance(y, Value):
        return y.atan2(x)
    return applied(Value.atan2, y, x)


def sinh(a: Operand) -> Value:
    """The hyperbolic sine. The derivative is cosh(a)."""
    if isinstance(a, Value):
        return a.sinh()
    return applied(Value.sinh, a)


def cosh(a: Operand) -> Value:
    """The hyperbolic cosine. The derivative is sinh(a)."""
    if isinstance(a, Value):
        return a.cosh()
    return applied(Value.cosh, a)


def tanh(a: Operand) -> Value:
    """The hyperbolic tangent. The derivative is 1 - y*y."""
    if isinstance(a, Value):
        return a.tanh()
    return applied(Value.tanh, a)


def asinh(a: Operand) -> Value:
    """The inverse hyperbolic sine. The derivative is 1/hypot(a, 1)."""
    if isinstance(a, Value):
        return a.asinh()
    return applied(Value.asinh, a)


def acosh(a: Operand) -> Value:
    """The inverse hyperbolic cosine. The derivative is 1/(sqrt(a - 1)*sqrt(a + 1))."""
    if isinstance(a, Value):
        return a.acosh()
    return applied(Value.acosh, a)


def atanh(a: Operand) -> Value:
    """The inverse hyperbolic tangent. The derivative is 1/(1 - a*a)."""
    if isinstance(a, Value):
        return a.atanh()
    return applied(Value.atanh, a)


def sigmoid(a: Operand) -> Value:
    """The logistic function 1 / (1 + exp(-a)). The derivative is y*(1 - y)."""
    if isinstance(a, Value):
        return a.sigmoid()
    return applied(Value.sigmoid, a)


def logsigmoid(a: Operand) -> Value:
    """log(sigmoid(a)). The derivative is sigmoid(-a)."""
    if isinstance(a, Value):
        return a.logsigmoid()
    return applied(Value.logsigmoid, a)


def softplus(a: Operand) -> Value:
    """log(1 + exp(a)), without a threshold. The derivative is sigmoid(a)."""
    if isinstance(a, Value):
        return a.softplus()
    return applied(Value.softplus, a)


def relu(a: Operand) -> Value:
    """max(a, 0); its derivative at 0 is 0. The derivative is 1 if a > 0 else 0."""
    if isinstance(a, Value):
        return a.relu()
    return applied(Value.relu, a)


def leaky_relu(a: Operand, negative_slope: Operand = 0.01) -> Value:
    """a above 0, negative_slope * a below.

    The derivatives with respect to
        a: 1 if a > 0 else negative_slope
        negative_slope: 0 if a > 0 else a
    """
    if isinstance(a, Value):
        return a.leaky_relu(negative_slope)
    return applied(Value.leaky_relu, a, negative_slope)


def elu(a: Operand, alpha: Operand = 1.0) -> Value:
    """a above 0, alpha * (exp(a) - 1) below.

    The derivatives with respect to
        a: 1 if a > 0 else alpha*exp(a)
        alpha: 0 if a > 0 else expm1(a)
    """
    if isinstance(a, Value):
        return a.elu(alpha)
    return applied(Value.elu, a, alpha)


def silu(a: Operand) -> Value:
    """a * sigmoid(a), also called swish. The derivative is sigmoid(a)*(1 + a*(1 - sigmoid(a)))."""
    if isinstance(a, Value):
        return a.silu()
    return applied(Value.silu, a)


def gelu(a: Operand) -> Value:
    """a times the normal distribution function of a (the exact form, with erf). The derivative is 0.5*(1 + erf(a*0.7071067811865476)) + a*exp(-0.5*(a*a))*0.3989422804014327."""
    if isinstance(a, Value):
        return a.gelu()
    return applied(Value.gelu, a)


def erf(a: Operand) -> Value:
    """The error function. The derivative is 1.1283791670955126*exp(-(a*a))."""
    if isinstance(a, Value):
        return a.erf()
    return applied(Value.erf, a)


def erfc(a: Operand) -> Value:
    """1 - erf(a), exact where erf(a) has run into 1. The derivative is -1.1283791670955126*exp(-(a*a))."""
    if isinstance(a, Value):
        return a.erfc()
    return applied(Value.erfc, a)


def maximum(a: Operand | Iterable[Operand], *others: Operand) -> Value:
    """The larger of a and b; a tie gives each half of the gradient.

    The derivative is 1 with respect to the one that is chosen. Of a list, or of more than two values, it is ``amax``.
    """
    if len(others) != 1:
        return amax([a, *others] if others else a)  # type: ignore[arg-type, list-item]
    if isinstance(a, Value):
        return a.maximum(*others)
    return applied(Value.maximum, a, *others)


def minimum(a: Operand | Iterable[Operand], *others: Operand) -> Value:
    """The smaller of a and b; a tie gives each half of the gradient.

    The derivative is 1 with respect to the one that is chosen. Of a list, or of more than two values, it is ``amin``.
    """
    if len(others) != 1:
        return amin([a, *others] if others else a)  # type: ignore[arg-type, list-item]
    if isinstance(a, Value):
        return a.minimum(*others)
    return applied(Value.minimum, a, *others)


def clip(a: Operand, low: Operand = -inf, high: Operand = inf) -> Value:
    """a, but at least low and at most high, which wins where low is above it; the derivative with respect to a is 1 at a bound.

    The derivatives with respect to
        a: 0 if a > high else 0 if low > high else 0 if a < low else 1
        low: 0 if a > high else 0 if low > high else 1 if a < low else 0
        high: 1 if a > high else 1 if low > high else 0
    """
    if isinstance(a, Value):
        return a.clip(low, high)
    return applied(Value.clip, a, low, high)


def hypot(a: Operand, b: Operand) -> Value:
    """sqrt(a*a + b*b) without overflow; its gradient at (0, 0) is 0.

    The derivatives with respect to
        a: a/y
        b: b/y
    """
    if isinstance(a, Value):
        return a.hypot(b)
    return applied(Value.hypot, a, b)


def logaddexp(a: Operand, b: Operand) -> Value:
    """log(exp(a) + exp(b)) without overflow.

    The derivatives with respect to
        a: sigmoid(a - b)
        b: sigmoid(b - a)
    """
    if isinstance(a, Value):
        return a.logaddexp(b)
    return applied(Value.logaddexp, a, b)


def where(condition: Operand, then: Operand, otherwise: Operand) -> Value:
    """then where the condition is true (not 0), else otherwise.

    The derivatives with respect to
        condition: 0
        then: 1 if condition != 0 else 0
        otherwise: 0 if condition != 0 else 1
    """
    if isinstance(condition, Value):
        return condition.where(then, otherwise)
    return applied(Value.where, condition, then, otherwise)


def floor(a: Operand) -> Value:
    """The largest integer that is at most a. The derivative is 0."""
    if isinstance(a, Value):
        return a.floor()
    return applied(Value.floor, a)


def ceil(a: Operand) -> Value:
    """The smallest integer that is at least a. The derivative is 0."""
    if isinstance(a, Value):
        return a.ceil()
    return applied(Value.ceil, a)


def round(a: Operand) -> Value:
    """The nearest integer; of two, the even one. The derivative is 0."""
    if isinstance(a, Value):
        return a.round()
    return applied(Value.round, a)


def sign(a: Operand) -> Value:
    """1.0 above 0, -1.0 below, 0.0 at 0 and for nan. The derivative is 0."""
    if isinstance(a, Value):
        return a.sign()
    return applied(Value.sign, a)


def mod(a: Operand, b: Operand) -> Value:
    """What is left of a after division by b, with the sign of b.

    The derivatives with respect to
        a: 1
        b: -floor(a/b)
    """
    if isinstance(a, Value):
        return a.mod(b)
    return applied(Value.mod, a, b)


def gt(a: Operand, b: Operand) -> Value:
    """1.0 where a > b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.gt(b)
    return applied(Value.gt, a, b)


def ge(a: Operand, b: Operand) -> Value:
    """1.0 where a >= b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.ge(b)
    return applied(Value.ge, a, b)


def lt(a: Operand, b: Operand) -> Value:
    """1.0 where a < b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.lt(b)
    return applied(Value.lt, a, b)


def le(a: Operand, b: Operand) -> Value:
    """1.0 where a <= b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.le(b)
    return applied(Value.le, a, b)


def eq(a: Operand, b: Operand) -> Value:
    """1.0 where a equals b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.eq(b)
    return applied(Value.eq, a, b)


def ne(a: Operand, b: Operand) -> Value:
    """1.0 where a differs from b, else 0.0. The derivative is 0."""
    if isinstance(a, Value):
        return a.ne(b)
    return applied(Value.ne, a, b)


def bce(a: Operand, target: Operand) -> Value:
    """Binary cross-entropy of the probability a for the target.

    The derivatives with respect to
        a: (a - target)/maximum(a*(1 - a), 9.999999960041972e-13)
        target: maximum(log1p(-a), -100) - maximum(log(a), -100)
    """
    if isinstance(a, Value):
        return a.bce(target)
    return applied(Value.bce, a, target)


def bce_with_logits(a: Operand, target: Operand) -> Value:
    """Binary cross-entropy of the logit a (the probability is sigmoid(a)) for the target.

    The derivatives with respect to
        a: sigmoid(a) - target
        target: -a
    """
    if isinstance(a, Value):
        return a.bce_with_logits(target)
    return applied(Value.bce_with_logits, a, target)


def sigmoid_slope(a: Operand) -> Value:
    """The derivative of sigmoid, with all digits. The derivative is -y*tanh(0.5*a)."""
    if isinstance(a, Value):
        return a.sigmoid_slope()
    return applied(Value.sigmoid_slope, a)


def tanh_slope(a: Operand) -> Value:
    """The derivative of tanh, with all digits. The derivative is -2*y*tanh(a)."""
    if isinstance(a, Value):
        return a.tanh_slope()
    return applied(Value.tanh_slope, a)


def hypot_slope(a: Operand, b: Operand) -> Value:
    """The derivative of hypot with respect to a, with all digits.

    The derivatives with respect to
        a: 0 if hypot(a, b) == 0 else hypot_slope(b, a)/hypot(a, b)*hypot_slope(b, a)
        b: 0 if hypot(a, b) == 0 else -(y/hypot(a, b)*hypot_slope(b, a))
    """
    if isinstance(a, Value):
        return a.hypot_slope(b)
    return applied(Value.hypot_slope, a, b)


def sum(values: Iterable[Operand]) -> Value:
    """The sum of the values, added from left to right, as one node. The derivative with respect to the value a is 1."""
    parents, data = gathered("sum", values)
    n = len(data)
    y = _sum(data)
    derivatives = (1.0,) * n
    return many(SUM, y, parents, derivatives)


def mean(values: Iterable[Operand]) -> Value:
    """The arithmetic mean of the values, as one node. The derivative with respect to the value a is 1/n."""
    parents, data = gathered("mean", values)
    n = len(data)
    y = _mean(data)
    derivatives = (1.0 / n,) * n
    return many(MEAN, y, parents, derivatives)


def logsumexp(values: Iterable[Operand]) -> Value:
    """log(sum(exp(values))) without overflow, as one node. The derivative with respect to the value a is exp(a - y)."""
    parents, data = gathered("logsumexp", values)
    y = _logsumexp(data)
    return many(LOGSUMEXP, y, parents, shares(data, y))


def amax(values: Iterable[Operand]) -> Value:
    """The largest of the values; those that tie share its gradient equally, as one node. The derivative with respect to the value a is 1 if a == y else 0."""
    parents, data = gathered("amax", values)
    y = _amax(data)
    derivatives = tuple([1.0 / (1.0 + _ties([y, *data[:k], *data[k + 1 :]])) if a == y else NOTHING for k, a in enumerate(data)])
    return many(AMAX, y, parents, derivatives)


def amin(values: Iterable[Operand]) -> Value:
    """The smallest of the values; those that tie share its gradient equally, as one node. The derivative with respect to the value a is 1 if a == y else 0."""
    parents, data = gathered("amin", values)
    y = _amin(data)
    derivatives = tuple([1.0 / (1.0 + _ties([y, *data[:k], *data[k + 1 :]])) if a == y else NOTHING for k, a in enumerate(data)])
    return many(AMIN, y, parents, derivatives)


def ties(values: Iterable[Operand]) -> Value:
    """How many of the values after the first equal it, as one node. The derivative with respect to the value a is 0."""
    parents, data = gathered("ties", values)
    n = len(data)
    y = _ties(data)
    derivatives = (NOTHING,) * n
    return many(TIES, y, parents, derivatives)


__all__ = [
    "add", "sub", "mul", "div", "neg", "pow", "abs", "exp", "expm1", "exp2", "log", "log1p", "log2", "log10", "sqrt",
    "cbrt", "reciprocal", "sin", "cos", "tan", "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh",
    "acosh", "atanh", "sigmoid", "logsigmoid", "softplus", "relu", "leaky_relu", "elu", "silu", "gelu", "erf", "erfc",
    "maximum", "minimum", "clip", "hypot", "logaddexp", "where", "floor", "ceil", "round", "sign", "mod", "gt", "ge",
    "lt", "le", "eq", "ne", "bce", "bce_with_logits", "sum", "mean", "logsumexp", "amax", "amin",
]


# All of them by name. weighted.py adds dot, and definition.py what users define.


FUNCTIONS: dict[str, Callable[..., Value]] = {
    "add": add, "sub": sub, "mul": mul, "div": div, "neg": neg, "pow": pow, "abs": abs, "exp": exp, "expm1": expm1,
    "exp2": exp2, "log": log, "log1p": log1p, "log2": log2, "log10": log10, "sqrt": sqrt, "cbrt": cbrt, "reciprocal":
    reciprocal, "sin": sin, "cos": cos, "tan": tan, "asin": asin, "acos": acos, "atan": atan, "atan2": atan2, "sinh":
    sinh, "cosh": cosh, "tanh": tanh, "asinh": asinh, "acosh": acosh, "atanh": atanh, "sigmoid": sigmoid, "logsigmoid":
    logsigmoid, "softplus": softplus, "relu": relu, "leaky_relu": leaky_relu, "elu": elu, "silu": silu, "gelu": gelu,
    "erf": erf, "erfc": erfc, "maximum": maximum, "minimum": minimum, "clip": clip, "hypot": hypot, "logaddexp":
    logaddexp, "where": where, "floor": floor, "ceil": ceil, "round": round, "sign": sign, "mod": mod, "gt": gt, "ge":
    ge, "lt": lt, "le": le, "eq": eq, "ne": ne, "bce": bce, "bce_with_logits": bce_with_logits, "sigmoid_slope":
    sigmoid_slope, "tanh_slope": tanh_slope, "hypot_slope": hypot_slope, "sum": sum, "mean": mean, "logsumexp":
    logsumexp, "amax": amax, "amin": amin, "ties": ties,
}


# The operations on floats that are expressions of others; ieee.py has the rest.


def _add(a: float, b: float) -> float:
    return a + b


def _sub(a: float, b: float) -> float:
    return a - b


def _mul(a: float, b: float) -> float:
    return a * b


def _neg(a: float) -> float:
    return -a


def _sigmoid(a: float) -> float:
    s = _exp(-_abs(a))
    return (1.0 if a >= 0.0 else s) / (1.0 + s)


def _logsigmoid(a: float) -> float:
    return -_softplus(-a)


def _softplus(a: float) -> float:
    return a + _log1p(_exp(-a)) if a > 0.0 else _log1p(_exp(a))


def _relu(a: float) -> float:
    return 0.0 if a <= 0.0 else a


def _leaky_relu(a: float, b: float) -> float:
    return a if a > 0.0 else a * b


def _elu(a: float, b: float) -> float:
    return a if a > 0.0 else b * _expm1(a)


def _silu(a: float) -> float:
    return a * _sigmoid(a)


def _gelu(a: float) -> float:
    return 0.5 * a * _erfc(a * -0.7071067811865476)


def _maximum(a: float, b: float) -> float:
    return a if a >= b else a if a != a else b


def _minimum(a: float, b: float) -> float:
    return a if a <= b else a if a != a else b


def _clip(a: float, b: float, c: float) -> float:
    return c if a > c else c if b > c else b if a < b else a


def _logaddexp(a: float, b: float) -> float:
    return a + 0.6931471805599453 if a == b else _maximum(a, b) + _log1p(_exp(-_abs(a - b)))


def _where(a: float, b: float, c: float) -> float:
    return b if a != 0.0 else c


def _sign(a: float) -> float:
    return 1.0 if a > 0.0 else -1.0 if a < 0.0 else 0.0


def _gt(a: float, b: float) -> float:
    return 1.0 if a > b else 0.0


def _ge(a: float, b: float) -> float:
    return 1.0 if a >= b else 0.0


def _lt(a: float, b: float) -> float:
    return 1.0 if a < b else 0.0


def _le(a: float, b: float) -> float:
    return 1.0 if a <= b else 0.0


def _eq(a: float, b: float) -> float:
    return 1.0 if a == b else 0.0


def _ne(a: float, b: float) -> float:
    return 1.0 if a != b else 0.0


def _bce(a: float, b: float) -> float:
    try:
        return -(b * _maximum(_log(a), -100.0) + (1.0 - b) * _maximum(_log1p(-a), -100.0))
    except RAISED:
        return by_ieee(BCE.forward, ("a", "b"), a, b)


def _bce_with_logits(a: float, b: float) -> float:
    return b * _softplus(-a) + (1.0 - b) * _softplus(a)


def _sigmoid_slope(a: float) -> float:
    s = _exp(-_abs(a))
    return s / (1.0 + s * (2.0 + s))


def _tanh_slope(a: float) -> float:
    try:
        return 1.0 - _tanh(a) * _tanh(a) if _abs(a) < 0.5 else 1.0 / (_cosh(a) * _cosh(a))
    except RAISED:
        return by_ieee(TANH_SLOPE.forward, ("a",), a)


def _hypot_slope(a: float, b: float) -> float:
    try:
        s = _hypot(a, b)
        return 0.0 if s == 0.0 else a / s if s <= 1.7976931348623157e+308 else 0.25 * a / _hypot(0.25 * a, 0.25 * b)
    except RAISED:
        return by_ieee(HYPOT_SLOPE.forward, ("a", "b"), a, b)


scalar.update({
    "add": _add, "sub": _sub, "mul": _mul, "neg": _neg, "sigmoid": _sigmoid, "logsigmoid": _logsigmoid, "softplus":
    _softplus, "relu": _relu, "leaky_relu": _leaky_relu, "elu": _elu, "silu": _silu, "gelu": _gelu, "maximum": _maximum,
    "minimum": _minimum, "clip": _clip, "logaddexp": _logaddexp, "where": _where, "sign": _sign, "gt": _gt, "ge": _ge,
    "lt": _lt, "le": _le, "eq": _eq, "ne": _ne, "bce": _bce, "bce_with_logits": _bce_with_logits, "sigmoid_slope":
    _sigmoid_slope, "tanh_slope": _tanh_slope, "hypot_slope": _hypot_slope,
})
