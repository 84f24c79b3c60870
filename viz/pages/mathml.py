"""The expressions of the table as MathML: with real fractions, roots and powers, as a textbook writes them.

The arguments stay names, ``<mi>a</mi>``; a page replaces them by what its operands are called, or by their numbers.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from engine import OPS
from engine.expressions import (
    ATOM,
    COMPARISON,
    COMPARISONS,
    CONDITION,
    PRODUCT,
    SIGN,
    SUM,
    Call,
    Name,
    Number,
    rule,
)
from viz.tex import rule as textbook

if TYPE_CHECKING:
    from engine.expressions import Node
    from engine.ops import Op

_MINUS = "<mo>−</mo>"
_CONSTANTS = {
    0.6931471805599453: "<mrow><mi>ln</mi><mn>2</mn></mrow>",
    2.302585092994046: "<mrow><mi>ln</mi><mn>10</mn></mrow>",
    0.7071067811865476: "<msqrt><mn>½</mn></msqrt>",
    1.4142135623730951: "<msqrt><mn>2</mn></msqrt>",
    1.1283791670955126: "<mfrac><mn>2</mn><msqrt><mi>π</mi></msqrt></mfrac>",
    0.3989422804014327: "<mfrac><mn>1</mn><msqrt><mrow><mn>2</mn><mi>π</mi></mrow></msqrt></mfrac>",
    9.999999960041972e-13: "<msup><mn>10</mn><mrow><mo>−</mo><mn>12</mn></mrow></msup>",
}
_INFIX = {
    "add": ("+", SUM), "sub": ("−", SUM), "mod": ("mod", PRODUCT), "gt": (">", COMPARISON), "ge": ("≥", COMPARISON),
    "lt": ("<", COMPARISON), "le": ("≤", COMPARISON), "eq": ("=", COMPARISON), "ne": ("≠", COMPARISON),
}  # fmt: skip
_NAMED = frozenset({"sum", "mean", "logsumexp", "dot"})  # with operands in a list


def mathml(expression: str) -> str:
    """An expression of the table as MathML, without the ``<math>`` around it.

    >>> mathml("1 - y * y")
    '<mrow><mn>1</mn><mo>−</mo><msup><mi>y</mi><mn>2</mn></msup></mrow>'
    """
    return _text(rule(expression), CONDITION)


def operation(op: Op) -> str:
    """An operation applied to its arguments: a · b, σ(a), a fraction. Empty for an operation of any number of them."""
    if op.arity is None:
        return ""
    return _text(Call(op.name, tuple(map(Name, op.arguments))), CONDITION)


def rules(op: Op) -> list[str]:
    """The derivative of an operation with respect to each argument, as a textbook writes it."""
    return [mathml(textbook(op.name, k)) for k in range(len(op.rules))]


def _row(*parts: str) -> str:
    return f"<mrow>{''.join(parts)}</mrow>"


def _text(node: Node, least: int) -> str:
    text, binds = _bound(node)
    return text if binds >= least else _row("<mo>(</mo>", text, "<mo>)</mo>")


def _bound(node: Node) -> tuple[str, int]:
    """The MathML of a node, and how tightly it binds."""
    if isinstance(node, Number):
        return _number(node.value)
    if isinstance(node, Name):
        return f"<mi>{html.escape(node.name)}</mi>", ATOM
    assert isinstance(node, Call)
    op, operands = node.op, node.operands
    first = operands[0]
    if op in _INFIX:
        sign, binds = _INFIX[op]
        right = binds + 1 if op not in COMPARISONS else SUM
        return _row(_text(first, binds), f"<mo>{html.escape(sign)}</mo>", _text(operands[1], right)), binds
    if op == "mul":
        return _product(node)
    if op == "neg":
        return _row(_MINUS, _text(first, PRODUCT)), SUM
    if op in ("div", "reciprocal"):
        above, below = (Number(1.0), first) if op == "reciprocal" else operands
        return f"<mfrac>{_text(above, CONDITION)}{_text(below, CONDITION)}</mfrac>", SIGN
    if op == "pow":
        return f"<msup>{_text(first, ATOM)}{_text(operands[1], CONDITION)}</msup>", SIGN
    if op == "exp":
        return f"<msup><mi>e</mi>{_text(first, CONDITION)}</msup>", SIGN
    if op == "sqrt":
        return f"<msqrt>{_text(first, CONDITION)}</msqrt>", ATOM
    if op == "cbrt":
        return f"<mroot>{_text(first, CONDITION)}<mn>3</mn></mroot>", ATOM
    if op == "abs":
        return _row("<mo>|</mo>", _text(first, CONDITION), "<mo>|</mo>"), ATOM
    if op == "where":
        return _where(operands)
    arguments = "<mo>,</mo>".join([_text(operand, CONDITION) for operand in operands])
    return _row(f"<mi>{html.escape(OPS[op].symbol)}</mi>", "<mo>(</mo>", arguments, "<mo>)</mo>"), ATOM


def _number(value: float) -> tuple[str, int]:
    if value in _CONSTANTS:
        return _CONSTANTS[value], ATOM
    text = f"{abs(value):g}"
    return (f"<mn>{text}</mn>", ATOM) if value >= 0 else (_row(_MINUS, f"<mn>{text}</mn>"), SUM)


def _product(node: Node) -> tuple[str, int]:
    """Factors beside each other, equal neighbours as a square, and one sign in front."""
    factors = _factors(node)
    sign = ""
    if isinstance(factors[0], Call) and factors[0].op == "neg":
        sign, factors[0] = _MINUS, factors[0].operands[0]
    elif isinstance(factors[0], Number) and factors[0].value < 0:
        sign, factors[0] = _MINUS, Number(-factors[0].value)
    texts = [_text(factor, PRODUCT) for factor in factors]
    parts: list[str] = []
    k = 0
    while k < len(texts):
        text = texts[k]
        if texts[k + 1 : k + 2] == [text]:
            text = f"<msup>{_text(factors[k], ATOM)}<mn>2</mn></msup>"
            k += 1
        k += 1
        if parts and not text.startswith("<mrow><mo>(</mo>"):
            parts.append("<mo>·</mo>")
        parts.append(text)
    if len(parts) == 1 and not sign:
        return parts[0], SIGN
    return _row(sign, *parts), SUM if sign else PRODUCT


def _factors(node: Node) -> list[Node]:
    """The factors of a product of products, from left to right."""
    if isinstance(node, Call) and node.op == "mul":
        return [*_factors(node.operands[0]), node.operands[1]]
    return [node]


def _where(operands: tuple[Node, ...]) -> tuple[str, int]:
    condition, then, otherwise = operands
    if not (isinstance(condition, Call) and condition.op in COMPARISONS):
        condition = Call("ne", (condition, Number(0.0)))
    parts = [_text(then, COMPARISON), "<mtext>\u00a0if\u00a0</mtext>", _text(condition, CONDITION)]
    return _row(*parts, "<mtext>, else\u00a0</mtext>", _text(otherwise, CONDITION)), CONDITION
