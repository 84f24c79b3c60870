"""The operations of the table in LaTeX: an algebra whose numbers are texts.

A rule of the table is evaluated in it as in any other algebra: "1 - y * y" becomes
``sub(1, mul(y, y))`` and so ``1 - \\tanh^{2}\\left(a\\right)``. An operation that is not listed here, as one of the
user's own, is written by its name and its operands.
"""

from __future__ import annotations

import math
import re
import unicodedata
from typing import TYPE_CHECKING, NamedTuple

from engine.expressions import evaluate
from engine.expressions import rule as read
from engine.ops import OPS

from .text import clean

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

# How tightly a text binds; what binds less than its place asks for is put in parentheses.
CONDITION, COMPARISON, SUM, NEGATION, PRODUCT, FACTOR, POWER, ATOM = range(1, 9)

MOST_TERMS = 12  # of a sum that are written out; the middle of a longer one is left out


class Tex(NamedTuple):
    """A piece of LaTeX.

    text      the LaTeX
    binds     how tightly it binds
    function  the name of the function, where the text is one applied to an argument: its powers are written
              ``\\tanh^{2}(a)``
    argument  that argument, with its parentheses
    number    the number, where the text is one
    negated   what the text is the negative of
    factors   what the text is the product of
    """

    text: str
    binds: int = ATOM
    function: str = ""
    argument: str = ""
    number: float | None = None
    negated: Tex | None = None
    factors: tuple[Tex, ...] = ()


_CONSTANTS = {
    0.6931471805599453: r"\ln 2", 2.302585092994046: r"\ln 10", 0.7071067811865476: r"\frac{1}{\sqrt{2}}",
    1.1283791670955126: r"\frac{2}{\sqrt{\pi}}", 0.3989422804014327: r"\frac{1}{\sqrt{2 \pi}}",
    0.5: r"\frac{1}{2}", math.pi: r"\pi", math.e: "e",
}  # fmt: skip


def number(x: float) -> Tex:
    """A number with six digits; constants of the table by their names.

    >>> number(2.0).text, number(-1.5e-7).text
    ('2', '-1.5 \\\\times 10^{-7}')
    """
    if x in _CONSTANTS:
        return Tex(_CONSTANTS[x], FACTOR, number=x)
    if x < 0:
        return Tex("-" + number(-x).text, NEGATION, number=x, negated=number(-x))
    if not math.isfinite(x):
        return Tex(r"\mathrm{nan}" if x != x else r"\infty", number=x)
    digits, _, exponent = f"{x:.6g}".partition("e")
    if exponent:
        return Tex(rf"{digits} \times 10^{{{int(exponent)}}}", PRODUCT, number=x)
    return Tex(digits, number=x)


_GREEK = (
    "alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu", "xi",
    "pi", "rho", "sigma", "tau", "upsilon", "phi", "chi", "psi", "omega",
)  # fmt: skip
_NETWORK = re.compile(r"layer(\d+)\.(?:neuron(\d+)\.)?([^\W\d_])(\d*)")


def name(label: str) -> Tex:
    """A label as a mathematical name: the layer above and the neuron below, as in the lecture; words upright.

    >>> name("w1").text, name("alpha").text, name("layer2.neuron3.w1").text, name("100 % & more").text
    ('w_{1}', '\\\\alpha', 'w^{2}_{3,1}', '\\\\text{100 }\\\\%\\\\text{ }\\\\&\\\\text{ more}')
    """
    label = clean(label)
    if found := _NETWORK.fullmatch(label):
        layer, neuron, letter, which = found.groups()
        below = ",".join(part for part in (neuron, which) if part)
        return Tex(f"{letter}^{{{layer}}}" + (f"_{{{below}}}" if below else ""), POWER)
    if found := re.fullmatch(r"([^\W\d_]+)_?(\d*)", label):
        return Tex(_letters(found[1]) + (f"_{{{found[2]}}}" if found[2] else ""))
    if found := re.fullmatch(r"([^\W\d_]+)_(\w+)", label):
        return Tex(f"{_letters(found[1])}_{{{_upright(found[2])}}}")
    return Tex(_upright(label), ATOM if label.isalnum() else CONDITION + 1)


def _letters(word: str) -> str:
    if len(word) == 1:
        return word
    lower = word.lower()
    return "\\" + word if lower in _GREEK and word in (lower, lower.capitalize()) else rf"\mathit{{{word}}}"


_SPECIAL = {"\\": r"\backslash", "^": r"\wedge", "~": r"\sim", "`": r"\grave{}", "'": r"\prime"}


def _upright(text: str) -> str:
    """Any text, as upright letters; what LaTeX acts on stands between them, as a symbol."""
    pieces: list[str] = []
    for plain, special in re.findall(r"([^\\{}$&#^_%~`']+)|(.)", text):
        pieces.append(rf"\text{{{plain}}}" if plain else _SPECIAL.get(special, "\\" + special))
    # a symbol such as \sim must not run into a letter; \text and \% end by themselves
    return "".join(piece + (" " if piece in (r"\backslash", r"\wedge", r"\sim", r"\prime") else "") for piece in pieces)


def parenthesised(piece: Tex, least: int) -> str:
    """The text, in parentheses where it binds less than ``least``; a comparison used as a number in brackets."""
    if piece.binds >= least:
        return piece.text
    if piece.binds == COMPARISON:
        return rf"\left[{piece.text}\right]"
    return rf"\left({piece.text}\right)"


def _add(a: Tex, b: Tex) -> Tex:
    if a.number is not None and b.number is not None:
        return number(a.number + b.number)
    if a.number == 0 or b.number == 0:
        return b if a.number == 0 else a
    if b.negated:
        return Tex(f"{parenthesised(a, SUM)} - {parenthesised(b.negated, PRODUCT)}", SUM)
    return Tex(f"{parenthesised(a, SUM)} + {parenthesised(b, SUM)}", SUM)


def _sub(a: Tex, b: Tex) -> Tex:
    if a.number is not None and b.number is not None:
        return number(a.number - b.number)
    return a if b.number == 0 else _neg(b) if a.number == 0 else _add(a, _neg(b))


def _neg(a: Tex) -> Tex:
    if a.number is not None:
        return number(-a.number)
    return a.negated or Tex("-" + parenthesised(a, PRODUCT), NEGATION, negated=a)


def product(factors: Sequence[Tex]) -> Tex:
    """The product: factors of 1 are left out, equal neighbours become powers, signs come first; 0 makes it 0."""
    negative = False
    kept: list[Tex] = []
    for factor in factors:
        if factor.negated:
            negative, factor = not negative, factor.negated
        kept += factor.factors or (factor,)
    if any(factor.number == 0 for factor in kept):
        return number(0.0)
    powers: list[tuple[Tex, int]] = []
    for factor in kept:
        if factor.number == 1:
            continue
        if powers and powers[-1][0] == factor and factor.number is None:
            powers[-1] = factor, powers[-1][1] + 1
        else:
            powers.append((factor, 1))
    pieces = [factor if count == 1 else power(factor, number(float(count))) for factor, count in powers]
    if not pieces:
        found = _one
    elif len(pieces) == 1:
        found = pieces[0]
    else:
        text = parenthesised(pieces[0], PRODUCT)
        for piece in pieces[1:]:
            right = parenthesised(piece, PRODUCT)
            text += (r" \cdot " if right[0].isdigit() or right.startswith(r"\frac") else r" \, ") + right
        found = Tex(text, PRODUCT, factors=tuple(factor for factor in kept if factor.number != 1))
    return _neg(found) if negative else found


def _div(a: Tex, b: Tex) -> Tex:
    if b.number == 1:
        return a
    if a.negated:
        return _neg(_div(a.negated, b))
    return Tex(rf"\frac{{{a.text}}}{{{b.text}}}", FACTOR)


def power(a: Tex, b: Tex) -> Tex:
    """a to the power b."""
    if b.number == 1:
        return a
    if a.function:
        return Tex(f"{a.function}^{{{b.text}}}{a.argument}", POWER)
    return Tex(f"{parenthesised(a, ATOM)}^{{{b.text}}}", POWER)


def _function(word: str) -> Callable[..., Tex]:
    def applied(*operands: Tex) -> Tex:
        argument = rf"\left({', '.join(operand.text for operand in operands)}\right)"
        return Tex(word + argument, FACTOR if word.startswith("\\operatorname") else ATOM, word, argument)

    return applied


def _where(condition: Tex, a: Tex, b: Tex) -> Tex:
    test = condition.text if condition.binds <= COMPARISON else rf"{condition.text} \ne 0"
    # "x if p else y if q else z" is one list of cases
    inner = re.fullmatch(r"\\begin\{cases\}(.*)\\end\{cases\}", b.text)
    otherwise = inner[1] if inner else rf" {b.text} & \text{{otherwise}} "
    return Tex(rf"\begin{{cases}} {a.text} & \text{{if }} {test} \\{otherwise}\end{{cases}}", FACTOR)


def _relation(sign: str) -> Callable[[Tex, Tex], Tex]:
    return lambda a, b: Tex(f"{parenthesised(a, SUM)} {sign} {parenthesised(b, SUM)}", COMPARISON)


def _ne(a: Tex, b: Tex) -> Tex:
    # a comparison is a condition as it stands: "if a > b", as in where itself, not "if [a > b] is not 0"
    return a if a.binds == COMPARISON and b.number == 0 else _relation(r"\ne")(a, b)


def total(terms: Sequence[Tex]) -> Tex:
    """The sum of the terms; the middle of a long one is left out."""
    if not terms:
        return number(0.0)
    shown = terms if len(terms) <= MOST_TERMS else [*terms[:4], Tex(r"\cdots"), *terms[-2:]]
    text = shown[0]
    for term in shown[1:]:
        text = _add(text, term)
    return text


def _mean(*values: Tex) -> Tex:
    return _div(total(values), number(float(len(values))))


def _exp(a: Tex) -> Tex:
    return Tex(f"e^{{{a.text}}}", POWER)


_ln = _function(r"\ln")
_one = number(1.0)


def _bce(a: Tex, y: Tex) -> Tex:
    """The lecture's formula; the bound of the logarithms is left out."""
    return _neg(_add(product([y, _ln(a)]), product([_sub(_one, y), _ln(_sub(_one, a))])))


def _hypot(a: Tex, b: Tex) -> Tex:
    two = number(2.0)
    return Tex(rf"\sqrt{{{_add(power(a, two), power(b, two)).text}}}")


_softplus = _function(r"\operatorname{softplus}")

_WRITTEN: dict[str, Callable[..., Tex]] = {
    "add": _add, "sub": _sub, "mul": lambda a, b: product([a, b]), "div": _div, "neg": _neg, "pow": power,
    "abs": lambda a: Tex(rf"\left|{a.text}\right|"), "exp": _exp, "expm1": lambda a: _sub(_exp(a), _one),
    "exp2": lambda a: power(number(2.0), a), "log": _ln, "log1p": lambda a: _ln(_add(_one, a)),
    "log2": _function(r"\log_{2}"), "log10": _function(r"\log_{10}"), "sqrt": lambda a: Tex(rf"\sqrt{{{a.text}}}"),
    "cbrt": lambda a: Tex(rf"\sqrt[3]{{{a.text}}}"), "reciprocal": lambda a: _div(_one, a),
    **{word: _function("\\" + word) for word in ("sin", "cos", "tan", "sinh", "cosh", "tanh")},
    "asin": _function(r"\arcsin"), "acos": _function(r"\arccos"), "atan": _function(r"\arctan"),
    "asinh": _function(r"\operatorname{arsinh}"), "acosh": _function(r"\operatorname{arcosh}"),
    "atanh": _function(r"\operatorname{artanh}"), "sigmoid": _function(r"\sigma"),
    "logsigmoid": lambda a: _ln(_function(r"\sigma")(a)), "maximum": _function(r"\max"),
    "minimum": _function(r"\min"), "amax": _function(r"\max"), "amin": _function(r"\min"),
    "logaddexp": lambda a, b: _ln(_add(_exp(a), _exp(b))), "logsumexp": lambda *v: _ln(total([_exp(a) for a in v])),
    "where": _where, "gt": _relation(">"), "ge": _relation(r"\ge"), "lt": _relation("<"), "le": _relation(r"\le"),
    "eq": _relation("="), "ne": _ne, "bce": _bce,
    "bce_with_logits": lambda a, y: _add(product([y, _softplus(_neg(a))]), product([_sub(_one, y), _softplus(a)])),
    "sum": lambda *v: total(v), "mean": _mean,
    "sigmoid_slope": lambda a: product([_function(r"\sigma")(a), _sub(_one, _function(r"\sigma")(a))]),
    "tanh_slope": lambda a: _sub(_one, power(_function(r"\tanh")(a), number(2.0))),
    "hypot_slope": lambda a, b: _div(a, _hypot(a, b)), "hypot": _hypot,
    "floor": lambda a: Tex(rf"\left\lfloor {a.text} \right\rfloor"),
    "ceil": lambda a: Tex(rf"\left\lceil {a.text} \right\rceil"),
    "mod": lambda a, b: Tex(rf"{parenthesised(a, FACTOR)} \bmod {parenthesised(b, FACTOR)}", PRODUCT),
}  # fmt: skip


def operation(op: str) -> Callable[..., Tex]:
    """The operation of that name on texts and numbers. n-ary operations take their operands one by one."""
    written = _WRITTEN.get(op) or _function(rf"\operatorname{{{_operator(op)}}}")

    def on_texts(*operands: Tex | float) -> Tex:
        return written(*(x if isinstance(x, Tex) else number(x) for x in operands))

    return on_texts


def _operator(op: str) -> str:
    return "".join(c if unicodedata.category(c)[0] in "LN" else r"\," for c in op)


# Rules as textbooks have them, where the table has no such form: it guards a point at the edge, or spares a division.
_RULES = {
    ("pow", 0): "b * pow(a, b - 1)", ("pow", 1): "y * log(a)", ("bce", 0): "(a - b) / (a * (1 - a))",
    ("bce", 1): "log(1 - a) - log(a)", ("sqrt", 0): "1 / (2 * y)", ("asinh", 0): "1 / sqrt(a * a + 1)",
    ("acosh", 0): "1 / sqrt(a * a - 1)",
}  # fmt: skip


def rule(op: str, k: int) -> str:
    """The derivative of the operation with respect to its argument k, in the table's language."""
    return _RULES.get((op, k)) or OPS[op].textbook[k]


def derivative(op: str, k: int, known: Mapping[str, Tex]) -> Tex:
    """That rule, with the texts for its arguments, for the result ``y`` and for the number ``n`` of many operands.

    >>> derivative("tanh", 0, {"a": name("z"), "y": name("h")}).text
    '1 - h^{2}'
    """
    return evaluate(read(rule(op, k)), _ALGEBRA, known, number)


class _Algebra(dict[str, "Callable[..., Tex]"]):
    """The operations by name, also those that are added to the table later."""

    def __missing__(self, op: str) -> Callable[..., Tex]:
        self[op] = operation(op)
        return self[op]


_ALGEBRA = _Algebra()
