"""The expressions of the table, evaluated in another algebra than floats.

The rule "1 - y * y" is compiled once as it stands for floats. To differentiate again, or to write a program, the same
rule must be applied to Values or to instructions. So every operator of the expression becomes a call of the operation
of the table with that name: sub(1, mul(y, y)). A condition becomes a call of ``where``: both branches are then part of
the graph, and the choice between them is made anew for every sample.
"""

from __future__ import annotations

import ast
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


class _Calls(ast.NodeTransformer):
    """Rewrites operators and conditions as calls of operations."""

    def _call(self, name: str, *arguments: ast.expr) -> ast.Call:
        return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        return self._call(_OPERATORS[type(node.op)], self.visit(node.left), self.visit(node.right))

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        if isinstance(node.operand, ast.Constant):
            return ast.Constant(-float(node.operand.value))  # type: ignore[arg-type]
        return self._call("neg", self.visit(node.operand))

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(float(node.value))  # type: ignore[arg-type]

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        return self._call(_OPERATORS[type(node.ops[0])], self.visit(node.left), self.visit(node.comparators[0]))

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        return self._call("where", self.visit(node.test), self.visit(node.body), self.visit(node.orelse))


@cache
def _code(expression: str, arguments: tuple[str, ...]) -> CodeType:
    body = _Calls().visit(ast.parse(expression, mode="eval")).body
    parameters = ast.arguments([], [ast.arg(name) for name in arguments], None, [], [], None, [])
    tree = ast.Expression(ast.Lambda(parameters, body))
    return compile(ast.fix_missing_locations(tree), f"<{expression}>", "eval")


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
