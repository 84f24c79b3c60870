"""The expressions of the table, evaluated in another algebra than floats.

The rule "1 - y * y" is compiled once as it stands for floats. To differentiate again, or to write a program, the same
rule must be applied to Values or to instructions. So every operator of the expression becomes a call of the operation
of the table with that name: sub(1.0, mul(y, y)). A condition becomes a call of ``where``: both branches are then part
of the graph, and the choice between them is made anew for every sample.
"""

from __future__ import annotations

import _ast as ast  # the classes of the nodes; importing the module ast would take longer than to lower a graph
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType
    from typing import Any

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div",
    ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


def _calls(node: Any) -> str:
    """An expression as text, its operators and conditions written as calls of operations."""
    kind = type(node)
    if kind is ast.Name:
        return str(node.id)
    if kind is ast.Constant:
        return repr(float(node.value))
    if kind is ast.UnaryOp:
        number = type(node.operand) is ast.Constant
        return repr(-float(node.operand.value)) if number else f"neg({_calls(node.operand)})"
    if kind is ast.BinOp:
        name, operands = _OPERATORS[type(node.op)], [node.left, node.right]
    elif kind is ast.Compare:
        name, operands = _OPERATORS[type(node.ops[0])], [node.left, node.comparators[0]]
    elif kind is ast.IfExp:
        name, operands = "where", [node.test, node.body, node.orelse]
    else:
        name, operands = node.func.id, node.args
    return f"{name}({', '.join(map(_calls, operands))})"


@cache
def _code(expression: str, arguments: tuple[str, ...]) -> CodeType:
    tree = compile(expression, "<rule>", "eval", ast.PyCF_ONLY_AST)
    return compile(f"lambda {', '.join(arguments)}: {_calls(tree.body)}", f"<{expression}>", "eval")  # type: ignore[attr-defined]


def compile_rule(
    expression: str, arguments: tuple[str, ...], algebra: Mapping[str, Callable[..., Any]]
) -> Callable[..., Any]:
    """The expression as a function of its arguments, its operations looked up by name in ``algebra``.

    >>> from engine.ops import scalar
    >>> compile_rule("1 / a", ("a",), scalar)(0.0)
    inf
    """
    function: Callable[..., Any] = eval(_code(expression, arguments), dict(algebra))
    return function
