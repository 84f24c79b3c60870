"""The table of operations: one row an operation, and everything else is derived from it.

A row gives the name, the symbol shown in pictures, the forward expression, one derivative rule per argument, and the
boxes from which tests sample its arguments. From the rows come the methods of Value and the free functions
(operations.py, written by ``python -m engine.generate``), derivatives of derivatives (chain.py), lowered programs and
their source (lowering/), the page's JavaScript and formulas (viz), and the tests.

Forward and rules are expressions over the arguments ``a``, ``b``, ``c`` and the result ``y`` in the small language of
expressions/: numbers, ``+ - * /``, one comparison, ``x if condition else y``, and calls of operations of this table.
A rule may use ``y``, because the derivative of many functions is cheapest in terms of its own value (tanh' = 1 - y*y).
The rule of an n-ary operation is for the argument ``a`` among ``n``; ``rest`` is the list of the others.

Arithmetic is IEEE 754's, as in C, NumPy and PyTorch: log(0) = -inf, 1/0 = inf, log(-1) = nan, exp(710) = inf (ieee.py).
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

inf = math.inf

Box = tuple[tuple[float, float], ...]  # one interval an argument


class Op:
    """One row of the table.

    name        as in PyTorch, where PyTorch has the operation
    symbol      what pictures show
    arguments   "a", "a b", "a b c", or "*" for an n-ary operation
    forward     the result as an expression of the arguments
    rules       the derivative of the result with respect to each argument; may use the arguments and the result ``y``
    domains     boxes inside which the operation is smooth; tests sample their arguments from them
    defaults    values of the last arguments where the caller leaves them out
    chooses     whether the operation takes its result from one of its operands: a 0.0 that stands alone in a branch of
                a rule then says that the operand was not chosen, and nothing is reached through it (reverse.py)
    names       what callers call the arguments, where ``a``, ``b``, ``c`` would say too little
    textbook    the rules as a textbook writes them, where those that keep all digits are longer; for readers, not to
                compute with
    helper      whether only rules call it: an operation like any other, but not of the public face
    defined     whether a user defined it (definition.py): backends compute its forward expression
    """

    __slots__ = ("name", "symbol", "arguments", "forward", "rules", "domains", "defaults", "doc", "chooses", "names",
                 "textbook", "helper", "defined")  # fmt: skip

    def __init__(
        self,
        name: str,
        symbol: str,
        arguments: str,
        forward: str,
        rules: tuple[str, ...],
        domains: tuple[Box, ...],
        doc: str,
        defaults: tuple[float, ...] = (),
        chooses: bool = False,
        names: str = "",
        textbook: tuple[str, ...] = (),
        helper: bool = False,
    ) -> None:
        self.name, self.symbol, self.forward, self.rules = name, symbol, forward, rules
        self.arguments = () if arguments == "*" else tuple(arguments.split())
        self.domains, self.doc, self.defaults, self.chooses = domains, doc, defaults, chooses
        self.names = tuple(names.split()) or self.arguments
        self.textbook, self.helper, self.defined = textbook or rules, helper, False

    @property
    def arity(self) -> int | None:
        """How many arguments the operation takes; None for an n-ary operation."""
        return len(self.arguments) or None

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def __reduce__(self) -> tuple[Callable[[str], Op], tuple[str]]:
        return row, (self.name,)  # a row is unique: copies and pickles refer to it by name


def row(name: str) -> Op:
    """The row of that name. Raises KeyError where the table has none."""
    return OPS[name]


# The rows. Constants: ln 2 = 0.6931471805599453, 1/ln 2 = 1.4426950408889634, 1/ln 10 = 0.4342944819032518,
# sqrt 1/2 = 0.7071067811865476, 2/sqrt(pi) = 1.1283791670955126, 1/sqrt(2 pi) = 0.3989422804014327.
#
# A rule and what differentiating it gives keep their digits over the whole range of doubles: 1 - y*y has none left of
# tanh' where y has run into 1, and (1 - a) * (1 + a) loses its own derivative, -2a, near 0. Where the exact form is
# longer the row says what a textbook writes. tests/engine/exactness.md has the worst error of each.

_ANY = (-3.0, 3.0)
_POSITIVE = (0.1, 4.0)
_BELOW, _ABOVE = (-3.0, -0.1), (0.1, 3.0)
_LOW, _HIGH = (-3.0, -0.5), (0.5, 3.0)
_UNIT = (-0.9, 0.9)
_SIDES: tuple[Box, ...] = ((_BELOW,), (_ABOVE,))
_ORDERED: tuple[Box, ...] = ((_LOW, _HIGH), (_HIGH, _LOW))
_STEPS: tuple[Box, ...] = (((-1.4, -1.1),), ((0.1, 0.4),), ((1.6, 1.9),))
_MANY: tuple[Box, ...] = ((_ANY, _ANY, _ANY, _ANY),)

# fmt: off
_ROWS = [
    # name, symbol, arguments, forward, rules, domains, doc, defaults
    Op("add", "+", "a b", "a + b", ("1", "1"), ((_ANY, _ANY),), "a + b"),
    Op("sub", "−", "a b", "a - b", ("1", "-1"), ((_ANY, _ANY),), "a - b"),
    Op("mul", "×", "a b", "a * b", ("b", "a"), ((_ANY, _ANY),), "a * b"),
    Op("div", "/", "a b", "a / b", ("1 / b", "-(y / b)"), ((_ANY, _ABOVE), (_ANY, _BELOW)), "a / b"),
    Op("neg", "−", "a", "-a", ("-1",), ((_ANY,),), "-a"),
    Op("pow", "**", "a b", "pow(a, b)",
       # a * 0.5 == a: a is 0 or infinite. Near b = 0, y / a keeps the digits that b - 1 loses.
       ("b * pow(a, b - 1) if b > 0.5 else b * y / a if a * 0.5 != a else 0.0 if b == 0 else b * pow(a, b - 1)",
        "y * log(a) if a != 0 else 0.0 if b >= 0 else y * log(a)"),
       ((_POSITIVE, _ANY),), "a to the power of the exponent", names="a exponent"),
    Op("abs", "abs", "a", "abs(a)", ("1.0 if a > 0 else -1.0 if a < 0 else 0.0",), _SIDES,
       "the absolute value; its derivative at 0 is 0"),
    Op("exp", "exp", "a", "exp(a)", ("y",), ((_ANY,),), "e to the power a"),
    Op("expm1", "expm1", "a", "expm1(a)", ("exp(a)",), ((_ANY,),), "exp(a) - 1, exact near 0"),
    Op("exp2", "exp2", "a", "exp2(a)", ("y * 0.6931471805599453",), ((_ANY,),), "2 to the power a"),
    Op("log", "log", "a", "log(a)", ("1 / a",), ((_POSITIVE,),), "the natural logarithm"),
    Op("log1p", "log1p", "a", "log1p(a)", ("1 / (1 + a)",), (((-0.9, 3.0),),), "log(1 + a), exact near 0"),
    Op("log2", "log2", "a", "log2(a)", ("1.4426950408889634 / a",), ((_POSITIVE,),), "the logarithm to base 2",
       textbook=("1 / (a * 0.6931471805599453)",)),
    Op("log10", "log10", "a", "log10(a)", ("0.4342944819032518 / a",), ((_POSITIVE,),),
       "the logarithm to base 10", textbook=("1 / (a * 2.302585092994046)",)),
    Op("sqrt", "sqrt", "a", "sqrt(a)", ("0.5 / y",), ((_POSITIVE,),), "the square root"),
    Op("cbrt", "cbrt", "a", "cbrt(a)", ("1 / (3 * y * y)",), _SIDES, "the real cube root"),
    Op("reciprocal", "1/", "a", "1 / a", ("-y * y",), _SIDES, "1 / a"),
    Op("sin", "sin", "a", "sin(a)", ("cos(a)",), ((_ANY,),), "the sine of a, in radians"),
    Op("cos", "cos", "a", "cos(a)", ("-sin(a)",), ((_ANY,),), "the cosine of a, in radians"),
    Op("tan", "tan", "a", "tan(a)", ("1 + y * y",), (((-1.2, 1.2),),), "the tangent of a, in radians"),
    Op("asin", "asin", "a", "asin(a)",
       ("1 / sqrt(1 - a * a) if a * a < 0.25 else 1 / sqrt((1 - a) * (1 + a))",), ((_UNIT,),),
       "the arc sine, in radians", textbook=("1 / sqrt(1 - a * a)",)),
    Op("acos", "acos", "a", "acos(a)",
       ("-1 / sqrt(1 - a * a) if a * a < 0.25 else -1 / sqrt((1 - a) * (1 + a))",), ((_UNIT,),),
       "the arc cosine, in radians", textbook=("-1 / sqrt(1 - a * a)",)),
    Op("atan", "atan", "a", "atan(a)",
       ("1 / (1 + a * a) if a * a <= 1 else 1 / hypot(a, 1.0) / hypot(a, 1.0)",), ((_ANY,),),
       "the arc tangent, in radians", textbook=("1 / (1 + a * a)",)),
    Op("atan2", "atan2", "a b", "atan2(a, b)",
       ("0.0 if hypot(a, b) == 0 else hypot_slope(b, a) / hypot(a, b)",
        "0.0 if hypot(a, b) == 0 else -(hypot_slope(a, b) / hypot(a, b))"),
       ((_ABOVE, _ANY), (_BELOW, _ABOVE)), "the angle of the point (x, y) in radians; its gradient at (0, 0) is 0",
       names="y x", textbook=("b / (a * a + b * b)", "-a / (a * a + b * b)")),
    Op("sinh", "sinh", "a", "sinh(a)", ("cosh(a)",), ((_ANY,),), "the hyperbolic sine"),
    Op("cosh", "cosh", "a", "cosh(a)", ("sinh(a)",), ((_ANY,),), "the hyperbolic cosine"),
    Op("tanh", "tanh", "a", "tanh(a)", ("tanh_slope(a)",), ((_ANY,),), "the hyperbolic tangent",
       textbook=("1 - y * y",)),
    Op("asinh", "asinh", "a", "asinh(a)", ("1 / hypot(a, 1.0)",), ((_ANY,),), "the inverse hyperbolic sine"),
    Op("acosh", "acosh", "a", "acosh(a)", ("1 / (sqrt(a - 1) * sqrt(a + 1))",), (((1.2, 4.0),),),
       "the inverse hyperbolic cosine"),
    Op("atanh", "atanh", "a", "atanh(a)",
       ("1 / (1 - a * a) if a * a < 0.25 else 1 / ((1 - a) * (1 + a))",), ((_UNIT,),),
       "the inverse hyperbolic tangent", textbook=("1 / (1 - a * a)",)),
    Op("sigmoid", "σ", "a", "(1.0 if a >= 0 else exp(-abs(a))) / (1 + exp(-abs(a)))", ("sigmoid_slope(a)",),
       ((_ANY,),), "the logistic function 1 / (1 + exp(-a))", textbook=("y * (1 - y)",)),
    Op("logsigmoid", "log σ", "a", "-softplus(-a)", ("sigmoid(-a)",), ((_ANY,),), "log(sigmoid(a))"),
    Op("softplus", "softplus", "a", "a + log1p(exp(-a)) if a > 0 else log1p(exp(a))", ("sigmoid(a)",), ((_ANY,),),
       "log(1 + exp(a)), without a threshold"),
    Op("relu", "relu", "a", "0.0 if a <= 0 else a", ("1.0 if a > 0 else 0.0",), _SIDES,
       "max(a, 0); its derivative at 0 is 0", chooses=True),
    Op("leaky_relu", "leaky relu", "a b", "a if a > 0 else a * b", ("1.0 if a > 0 else b", "0.0 if a > 0 else a"),
       ((_BELOW, _UNIT), (_ABOVE, _UNIT)), "a above 0, negative_slope * a below", (0.01,), True,
       "a negative_slope"),
    Op("elu", "elu", "a b", "a if a > 0 else b * expm1(a)",
       ("1.0 if a > 0 else b * exp(a)", "0.0 if a > 0 else expm1(a)"),
       ((_BELOW, _POSITIVE), (_ABOVE, _POSITIVE)), "a above 0, alpha * (exp(a) - 1) below", (1.0,), True, "a alpha"),
    Op("silu", "silu", "a", "a * sigmoid(a)", ("sigmoid(a) * (1 + a * sigmoid(-a))",), ((_ANY,),),
       "a * sigmoid(a), also called swish", textbook=("sigmoid(a) * (1 + a * (1 - sigmoid(a)))",)),
    Op("gelu", "gelu", "a", "0.5 * a * erfc(a * -0.7071067811865476)",
       ("0.5 * erfc(a * -0.7071067811865476) + a * exp(-0.5 * (a * a)) * 0.3989422804014327",), ((_ANY,),),
       "a times the normal distribution function of a (the exact form, with erf)",
       textbook=("0.5 * (1 + erf(a * 0.7071067811865476)) + a * exp(-0.5 * (a * a)) * 0.3989422804014327",)),
    Op("erf", "erf", "a", "erf(a)", ("1.1283791670955126 * exp(-(a * a))",), ((_ANY,),), "the error function"),
    Op("erfc", "erfc", "a", "erfc(a)", ("-1.1283791670955126 * exp(-(a * a))",), ((_ANY,),),
       "1 - erf(a), exact where erf(a) has run into 1"),
    Op("maximum", "max", "a b", "a if a >= b else a if a != a else b",
       ("1.0 if a > b else 0.0 if a < b else 0.5", "0.0 if a > b else 1.0 if a < b else 0.5"),
       _ORDERED, "the larger of a and b; a tie gives each half of the gradient", chooses=True),
    Op("minimum", "min", "a b", "a if a <= b else a if a != a else b",
       ("1.0 if a < b else 0.0 if a > b else 0.5", "0.0 if a < b else 1.0 if a > b else 0.5"),
       _ORDERED, "the smaller of a and b; a tie gives each half of the gradient", chooses=True),
    Op("clip", "clip", "a b c", "c if a > c else c if b > c else b if a < b else a",
       ("0.0 if a > c else 0.0 if b > c else 0.0 if a < b else 1.0",
        "0.0 if a > c else 0.0 if b > c else 1.0 if a < b else 0.0",
        "1.0 if a > c else 1.0 if b > c else 0.0"),
       (((-0.5, 0.5), (-2.0, -1.0), (1.0, 2.0)), ((-3.0, -2.5), (-2.0, -1.0), (1.0, 2.0)),
        ((2.5, 3.0), (-2.0, -1.0), (1.0, 2.0))),
       "a, but at least low and at most high, which wins where low is above it; the derivative with respect to a is 1 "
       "at a bound", (-inf, inf), True, "a low high"),
    Op("hypot", "hypot", "a b", "hypot(a, b)", ("hypot_slope(a, b)", "hypot_slope(b, a)"),
       ((_ABOVE, _ANY), (_ANY, _BELOW)), "sqrt(a*a + b*b) without overflow; its gradient at (0, 0) is 0",
       textbook=("a / y", "b / y")),
    Op("logaddexp", "logaddexp", "a b",
       "a + 0.6931471805599453 if a == b else maximum(a, b) + log1p(exp(-abs(a - b)))",
       ("sigmoid(a - b)", "sigmoid(b - a)"), ((_ANY, _ANY),), "log(exp(a) + exp(b)) without overflow"),
    Op("where", "where", "a b c", "b if a != 0 else c",
       ("0", "1.0 if a != 0 else 0.0", "0.0 if a != 0 else 1.0"),
       ((_ABOVE, _ANY, _ANY), ((0.0, 0.0), _ANY, _ANY)), "then where the condition is true (not 0), else otherwise", (),
       True, "condition then otherwise"),
    # Steps: the derivative is 0 wherever there is one, and nothing is reached through them.
    Op("floor", "floor", "a", "floor(a)", ("0",), _STEPS, "the largest integer that is at most a"),
    Op("ceil", "ceil", "a", "ceil(a)", ("0",), _STEPS, "the smallest integer that is at least a"),
    Op("round", "round", "a", "round(a)", ("0",), _STEPS, "the nearest integer; of two, the even one"),
    Op("sign", "sign", "a", "1.0 if a > 0 else -1.0 if a < 0 else 0.0", ("0",), _SIDES,
       "1.0 above 0, -1.0 below, 0.0 at 0 and for nan"),
    Op("mod", "%", "a b", "a % b", ("1", "round((y - a) / b)"),
       (((3.1, 3.9), (1.1, 1.4)), ((-1.9, -1.1), (2.0, 3.0)), ((0.1, 0.9), (-2.0, -1.0))),
       "what is left of a after division by b, with the sign of b", textbook=("1", "-floor(a / b)")),
    # Comparisons give 1.0 or 0.0, so that a branch can stand in the graph: where(gt(a, b), a, b). Derivative 0.
    Op("gt", ">", "a b", "1.0 if a > b else 0.0", ("0", "0"), _ORDERED, "1.0 where a > b, else 0.0"),
    Op("ge", "≥", "a b", "1.0 if a >= b else 0.0", ("0", "0"), _ORDERED, "1.0 where a >= b, else 0.0"),
    Op("lt", "<", "a b", "1.0 if a < b else 0.0", ("0", "0"), _ORDERED, "1.0 where a < b, else 0.0"),
    Op("le", "≤", "a b", "1.0 if a <= b else 0.0", ("0", "0"), _ORDERED, "1.0 where a <= b, else 0.0"),
    Op("eq", "=", "a b", "1.0 if a == b else 0.0", ("0", "0"), _ORDERED, "1.0 where a equals b, else 0.0"),
    Op("ne", "≠", "a b", "1.0 if a != b else 0.0", ("0", "0"), _ORDERED, "1.0 where a differs from b, else 0.0"),
    # Losses of a prediction a for a label b in [0, 1], each with its own rule, because composing them loses digits.
    # The bounds on log and on the denominator are PyTorch's; the latter is 1e-12 rounded to single precision there.
    # They make bce of a probability near 0 or 1 finite, and not exact: bce_with_logits is.
    Op("bce", "bce", "a b", "-(b * maximum(log(a), -100.0) + (1 - b) * maximum(log1p(-a), -100.0))",
       ("(a - b) / maximum(a * (1 - a), 9.999999960041972e-13)",
        "maximum(log1p(-a), -100.0) - maximum(log(a), -100.0)"),
       (((0.05, 0.95), (0.0, 1.0)),), "binary cross-entropy of the probability a for the target", names="a target"),
    Op("bce_with_logits", "bce logits", "a b", "b * softplus(-a) + (1 - b) * softplus(a)",
       ("(1 - b) * sigmoid(a) - b * sigmoid(-a)", "-a"), ((_ANY, (0.0, 1.0)),),
       "binary cross-entropy of the logit a (the probability is sigmoid(a)) for the target", names="a target",
       textbook=("sigmoid(a) - b", "-a")),
    # Derivatives that keep their digits, for the rules above; in a list of their own, because they differentiate to
    # each other: exp(-|a|) is what is left of a sigmoid where it has run into 0 or 1.
    Op("sigmoid_slope", "σ′", "a", "exp(-abs(a)) / (1 + exp(-abs(a)) * (2 + exp(-abs(a))))", ("-y * tanh(0.5 * a)",),
       ((_ANY,),), "the derivative of sigmoid, with all digits", helper=True),
    Op("tanh_slope", "tanh′", "a", "1 - tanh(a) * tanh(a) if abs(a) < 0.5 else 1 / (cosh(a) * cosh(a))",
       ("-2 * y * tanh(a)",), ((_ANY,),), "the derivative of tanh, with all digits", helper=True),
    Op("hypot_slope", "hypot′", "a b",
       "0.0 if hypot(a, b) == 0 else a / hypot(a, b) if hypot(a, b) <= 1.7976931348623157e308 else "
       "0.25 * a / hypot(0.25 * a, 0.25 * b)",
       ("0.0 if hypot(a, b) == 0 else hypot_slope(b, a) / hypot(a, b) * hypot_slope(b, a)",
        "0.0 if hypot(a, b) == 0 else -(y / hypot(a, b) * hypot_slope(b, a))"),
       ((_ABOVE, _ANY), (_ANY, _BELOW)), "the derivative of hypot with respect to a, with all digits", helper=True),
    Op("sum", "Σ", "*", "sum(a)", ("1",), _MANY, "the sum of the values, added from left to right"),
    Op("mean", "mean", "*", "mean(a)", ("1 / n",), _MANY, "the arithmetic mean of the values"),
    Op("logsumexp", "logsumexp", "*", "logsumexp(a)", ("sigmoid(a - logsumexp(rest))",), _MANY,
       "log(sum(exp(values))) without overflow", textbook=("exp(a - y)",)),
    Op("amax", "max", "*", "amax(a)", ("1 / (1 + ties([y, *rest])) if a == y else 0.0",), _MANY,
       "the largest of the values; those that tie share its gradient equally", chooses=True,
       textbook=("1 if a == y else 0",)),
    Op("amin", "min", "*", "amin(a)", ("1 / (1 + ties([y, *rest])) if a == y else 0.0",), _MANY,
       "the smallest of the values; those that tie share its gradient equally", chooses=True,
       textbook=("1 if a == y else 0",)),
    Op("ties", "ties", "*", "ties(a)", ("0",), _MANY, "how many of the values after the first equal it", helper=True),
    # dot has a rule for each of its three groups of arguments: weights w, inputs x, bias.
    Op("dot", "w·x", "*", "dot(w, x, b)", ("x", "w", "1"), _MANY,
       "the weighted input z = w·x + b of a neuron, as one node"),
]
# fmt: on

OPS: dict[str, Op] = {op.name: op for op in _ROWS}
