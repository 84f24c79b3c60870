"""The table of operations in JavaScript, so that a page can compute forward and backward by itself.

The rows of the table are printed from its own language. An operation added to the table needs nothing here, unless its
forward is a function that neither JavaScript's Math nor primitives.js has.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.expressions import JavaScript, Name, Number, names, rule
from engine.ops import OPS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine import Op
    from engine.expressions import Node

# Functions of JavaScript's Math that give the results of C's for every argument, nan, infinities and zeros included.
_MATH = frozenset({
    "abs", "exp", "expm1", "log", "log1p", "log2", "log10", "sqrt", "cbrt", "hypot", "sin", "cos", "tan", "asin",
    "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "floor", "ceil",
})  # fmt: skip

_PRINTER = JavaScript()
_NOTHING = Name("null")  # the derivative with respect to what an operation did not choose


class _Choice(JavaScript):
    """The rules of an operation that chooses: a 0 alone in a branch is null, and nothing is reached through it."""

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        then, otherwise = (_NOTHING if _is_zero(node) else node for node in (then, otherwise))
        return super().where(condition, then, otherwise)


def _is_zero(node: Node) -> bool:
    return isinstance(node, Number) and node.value == 0


def _rule(op: Op, text: str) -> str:
    """A rule of an operation; null where the operand does not change the result."""
    tree = rule(text)
    if _is_zero(tree):
        return "null"
    return (_Choice() if op.chooses else _PRINTER).text(tree)


def primitives() -> str:
    """The JavaScript functions that are written by hand: what Math lacks, or does otherwise than IEEE 754."""
    return Path(__file__).with_name("primitives.js").read_text(encoding="utf-8")


@cache
def _by_hand() -> frozenset[str]:
    return frozenset(re.findall(r"^function op_(\w+)", primitives(), re.MULTILINE))


def functions(names: Iterable[str]) -> str:
    """JavaScript for these operations: an object ``OPS`` of rows, and the functions that their expressions call.

    ``OPS.tanh.forward`` takes the numbers of the operands; ``OPS.tanh.rules`` has a function for each operand, which
    takes the same numbers and then the result, and gives null for an operand that the operation did not choose. The
    functions of n-ary operations take a list in place of the numbers, and their one rule returns a list of derivatives.
    Place ``primitives()`` before it.

    >>> print(functions(["reciprocal"]))
    function op_reciprocal(a) { return 1 / a; }
    const OPS = {
      reciprocal: { forward: op_reciprocal, rules: [(a, y) => -y * y] },
    };

    Raises NotImplementedError where the table calls a function that JavaScript is not given.
    """
    rows = [OPS[name] for name in dict.fromkeys(names)]
    needed: dict[str, None] = {}
    for op in rows:
        _need(op.name, needed)
        for text in op.rules if op.arguments or op.name != "dot" else ():
            for called in _calls(text):
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


def _calls(text: str) -> list[str]:
    return _PRINTER.calls(rule(text))


def javascript(text: str) -> str:
    """An expression of the table as JavaScript.

    >>> javascript("1.0 if a > 0 else -1.0 if a < 0 else 0.0")
    'a > 0 ? 1 : a < 0 ? -1 : 0'
    """
    return _PRINTER.text(rule(text))


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
    if f"{op.name}_rule" in _by_hand():  # all derivatives at once, where the operands are in groups or a rule costs n²
        return [f"op_{op.name}_rule"]
    if not op.arguments:
        text = _rule(op, op.rules[0])
        if "rest" in names(rule(op.rules[0])):
            text = f"{{ const rest = v.filter((_, j) => j !== k); return {text}; }}"
        return [f"(v, y) => {{ const n = v.length; return v.map((a, k) => {text}); }}"]
    return [f"({', '.join(op.arguments)}, y) => {_rule(op, text)}" for text in op.rules]
