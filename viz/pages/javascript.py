"""The table of operations in two more languages: JavaScript, and the notation of a textbook.

The rows of the table are expressions in a small part of Python. Here each is read with ``ast`` and written again: as
JavaScript functions, so that a page can compute forward and backward by itself, and as formulas that a page shows, with
places for the operands: ``{y}(1 − {y})`` becomes σ(z)(1 − σ(z)), or 0.7311(1 − 0.7311). An operation added to the table
needs nothing here, unless its forward is a function that neither JavaScript's Math nor primitives.js has.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine import Op

# Functions of JavaScript's Math that give the results of C's for every argument, nan, infinities and zeros included.
_MATH = frozenset({
    "abs", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "hypot", "sin", "cos", "tan", "asin",
    "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh",
})  # fmt: skip

_COMPARED = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<=", ast.Eq: "===", ast.NotEq: "!=="}
_SHOWN = {ast.Gt: ">", ast.GtE: "≥", ast.Lt: "<", ast.LtE: "≤", ast.Eq: "=", ast.NotEq: "≠"}
_SIGNS: dict[type[ast.operator], tuple[str, int]] = {
    ast.Add: (" + ", 3), ast.Sub: (" - ", 3), ast.Mult: (" * ", 4), ast.Div: (" / ", 4),
}  # fmt: skip
_CONDITION, _COMPARISON, _PRODUCT, _NEGATION, _ATOM = 1, 2, 4, 5, 6  # how tightly an expression binds


def primitives() -> str:
    """The JavaScript functions that are written by hand: what Math lacks, or does otherwise than IEEE 754."""
    return Path(__file__).with_name("primitives.js").read_text(encoding="utf-8")


@cache
def _by_hand() -> frozenset[str]:
    return frozenset(re.findall(r"^function op_(\w+)", primitives(), re.MULTILINE))


# JavaScript


def functions(names: Iterable[str]) -> str:
    """JavaScript for these operations: an object ``OPS`` of rows, and the functions that their expressions call.

    ``OPS.tanh.forward`` takes the numbers of the operands; ``OPS.tanh.rules`` has a function for each operand, which
    takes the same numbers and then the result. The functions of n-ary operations take a list in place of the numbers,
    and their one rule returns a list of derivatives. Place ``primitives()`` before it.

    >>> print(functions(["tanh"]))
    function op_tanh(a) { return Math.tanh(a); }
    const OPS = {
      tanh: { forward: op_tanh, rules: [(a, y) => 1 - y * y] },
    };

    Raises NotImplementedError where the table calls a function that JavaScript is not given.
    """
    rows = [OPS[name] for name in dict.fromkeys(names)]
    needed: dict[str, None] = {}
    for op in rows:
        _need(op.name, needed)
        for rule in op.rules if op.arguments or op.name != "dot" else ():
            for called in _calls(rule):
                _need(called, needed)
    lines = [_function(OPS[name]) for name in needed if name not in _by_hand()]
    lines.append("const OPS = {")
    lines += [f"  {op.name}: {{ forward: op_{op.name}, rules: [{', '.join(_rules(op))}] }}," for op in rows]
    return "\n".join([*lines, "};"])


def _need(name: str, needed: dict[str, None]) -> None:
    """Add the operation and those that its forward calls, callees first."""
    if name in needed:
        return
    for called in _calls(OPS[name].forward):
        if called != name:
            _need(called, needed)
    needed[name] = None


def _calls(expression: str) -> list[str]:
    return [node.func.id for node in ast.walk(_parsed(expression)) if isinstance(node, ast.Call)]  # type: ignore[attr-defined]


def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def _function(op: Op) -> str:
    arguments = ", ".join(op.arguments)
    if op.name in _calls(op.forward):  # "exp(a)" in the row of exp: the table leaves it to the platform
        if op.name not in _MATH:
            raise NotImplementedError(
                f"there is no JavaScript for {op.name}: write function op_{op.name} in viz/pages/primitives.js"
            )
        body = f"Math.{op.name}({arguments})"
    else:
        body = javascript(op.forward)
    return f"function op_{op.name}({arguments}) {{ return {body}; }}"


def _rules(op: Op) -> list[str]:
    if op.name == "dot":  # its rules name groups of operands
        return ["op_dot_rule"]
    if not op.arguments:
        return [f"(v, y) => {{ const n = v.length; return v.map((a) => {javascript(op.rules[0])}); }}"]
    return [f"({', '.join(op.arguments)}, y) => {javascript(rule)}" for rule in op.rules]


def javascript(expression: str) -> str:
    """An expression of the table as JavaScript.

    >>> javascript("1.0 if a > 0 else -1.0 if a < 0 else 0.0")
    'a > 0 ? 1.0 : a < 0 ? -1.0 : 0.0'
    """
    return _javascript(_parsed(expression))[0]


def _javascript(node: ast.expr) -> tuple[str, int]:
    """The text, and how tightly it binds."""

    def inside(child: ast.expr, least: int) -> str:
        text, binds = _javascript(child)
        return text if binds >= least else f"({text})"

    match node:
        case ast.Constant():
            return repr(node.value), _ATOM
        case ast.Name():
            return node.id, _ATOM
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return f"op_{name}({', '.join(inside(a, _CONDITION) for a in arguments)})", _ATOM
        case ast.UnaryOp(op=ast.USub()):
            return "-" + inside(node.operand, _ATOM), _NEGATION
        case ast.BinOp():
            sign, binds = _SIGNS[type(node.op)]
            return inside(node.left, binds) + sign + inside(node.right, binds + 1), binds
        case ast.Compare():
            sign = _COMPARED[type(node.ops[0])]
            return f"{inside(node.left, 3)} {sign} {inside(node.comparators[0], 3)}", _COMPARISON
        case ast.IfExp():
            test, then, otherwise = inside(node.test, 2), inside(node.body, 2), inside(node.orelse, 1)
            return f"{test} ? {then} : {otherwise}", _CONDITION
    raise ValueError(
        f"no JavaScript for {ast.unparse(node)!r}: the table's expressions are arithmetic, calls and if-else"
    )


# Formulas

_CONSTANTS = {
    0.6931471805599453: "ln 2", 2.302585092994046: "ln 10", 0.7071067811865476: "√½",
    1.1283791670955126: "(2/√π)", 0.3989422804014327: "(1/√(2π))", 9.999999960041972e-13: "10⁻¹²",
}  # fmt: skip


def formula(expression: str) -> str:
    """An expression of the table as a formula with places {a}, {b}, {c}, {y} (and {n}, {x}, {w}) for what it is about.

    >>> formula("y * (1 - y)"), formula("1 - y * y")
    ('{y}(1 − {y})', '1 − {y}²')
    """
    return _formula(_parsed(expression))[0]


def _formula(node: ast.expr) -> tuple[str, int]:
    def inside(child: ast.expr, least: int) -> str:
        text, binds = _formula(child)
        return text if binds >= least else f"({text})"

    match node:
        case ast.Constant():
            return _CONSTANTS.get(node.value, f"{node.value:g}"), _ATOM  # type: ignore[arg-type, str-bytes-safe]
        case ast.Name():
            return f"{{{node.id}}}", _ATOM
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return expression_of(OPS[name], [inside(a, _CONDITION) for a in arguments], nested=True)
        case ast.UnaryOp(op=ast.USub()):
            return "−" + inside(node.operand, _PRODUCT), _NEGATION if isinstance(node.operand, ast.Constant) else 3
        case ast.BinOp(op=ast.Mult()):
            factors = _factors(node)
            sign = ""
            if isinstance(factors[0], ast.UnaryOp):
                sign, factors[0] = "−", factors[0].operand
            texts = [inside(factor, _PRODUCT) for factor in factors]
            squared = [
                text + "²" if texts[k + 1 : k + 2] == [text] else text
                for k, text in enumerate(texts)
                if k == 0 or text != texts[k - 1]
            ]
            product = squared[0]
            for text in squared[1:]:
                product += ("" if text.startswith("(") else " · ") + text
            return sign + product, 3 if sign else _PRODUCT
        case ast.BinOp(op=ast.Div()):
            return f"{inside(node.left, _PRODUCT)}/{inside(node.right, _NEGATION)}", _PRODUCT
        case ast.BinOp():
            sign, binds = _SIGNS[type(node.op)]
            return inside(node.left, binds) + sign.replace("-", "−") + inside(node.right, binds + 1), binds
        case ast.Compare():
            return (
                f"{inside(node.left, 3)} {_SHOWN[type(node.ops[0])]} {inside(node.comparators[0], 3)}",
                _COMPARISON,
            )
        case ast.IfExp():
            test, then, otherwise = inside(node.test, 2), inside(node.body, 2), inside(node.orelse, 1)
            return f"{then} if {test}, else {otherwise}", _CONDITION
    raise ValueError(f"no formula for {ast.unparse(node)!r}: the table's expressions are arithmetic, calls and if-else")


def _factors(node: ast.expr) -> list[ast.expr]:
    """The factors of a product of products, from left to right."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), node.right]
    return [node]


def expression_of(op: Op, operands: list[str], *, nested: bool = False) -> tuple[str, int]:
    """How the operation applied to these operands is written, "a × b" or "σ(a)", and how tightly that binds."""
    symbol = op.symbol
    if op.arity == 2 and not symbol[0].isalpha():
        if nested:  # the operands may be sums themselves
            operands = [text if re.fullmatch(r"\{\w\}", text) else f"({text})" for text in operands]
        return f"{operands[0]} {symbol} {operands[1]}", _NEGATION if symbol == "**" else _COMPARISON
    if op.arity == 1 and not symbol[0].isalpha():  # −a, 1/a
        return symbol + operands[0], _PRODUCT
    return f"{symbol}({', '.join(operands)})", _ATOM


def display(op: Op) -> dict[str, object]:
    """What a page needs to write about an operation: its symbol, itself as a formula, and a formula for each rule."""
    return {
        "symbol": op.symbol,
        "text": expression_of(op, [f"{{{name}}}" for name in op.arguments])[0] if op.arity else "",
        "rules": [formula(rule) for rule in op.rules],
    }
