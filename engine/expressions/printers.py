"""Expressions printed: Python, JavaScript, C.

A printer gives for each node its text and how tightly that binds; a text that binds less tightly than its
place needs gets parentheses.
"""

from __future__ import annotations

from .tree import COMPARISONS, Call, List, Name, Node, Number, Spread, operations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

CONDITION, COMPARISON, SUM, PRODUCT, SIGN, ATOM = range(6)


class Printer:
    """Trees as text. A language is a subclass, which changes what differs in it.

    infix   operations that are written between their operands: the sign, and how tightly it binds
    """

    infix: Mapping[str, tuple[str, int]] = {
        "add": (" + ", SUM), "sub": (" - ", SUM), "mul": (" * ", PRODUCT), "div": (" / ", PRODUCT),
        "gt": (" > ", COMPARISON), "ge": (" >= ", COMPARISON), "lt": (" < ", COMPARISON), "le": (" <= ", COMPARISON),
        "eq": (" == ", COMPARISON), "ne": (" != ", COMPARISON),
    }  # fmt: skip

    def text(self, tree: Node, least: int = CONDITION) -> str:
        """The tree as text, in parentheses where it binds less tightly than ``least``."""
        text, binds = self.bound(tree)
        return text if binds >= least else self.enclosed(text)

    def bound(self, node: Node) -> tuple[str, int]:
        """The text of a node, and how tightly it binds."""
        if isinstance(node, Number):
            return self.number(node.value), ATOM if str(node.value)[0] != "-" else SIGN
        if isinstance(node, Name):
            return self.name(node.name), ATOM
        if isinstance(node, List):
            return f"[{', '.join([self.text(item) for item in node.items])}]", ATOM
        if isinstance(node, Spread):
            return self.spread(node.name), ATOM
        assert isinstance(node, Call)
        return self.call(node.op, node.operands)

    def call(self, op: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        """An operation applied to operands."""
        if op in COMPARISONS:  # its result is a number
            return self.where(self.comparison(op, operands), Number(1.0), Number(0.0))
        if op in self.infix:
            sign, binds = self.infix[op]
            return self.text(operands[0], binds) + sign + self.text(operands[1], binds + 1), binds
        if op == "neg":
            return "-" + self.text(operands[0], SIGN + 1), SIGN
        if op == "where":
            return self.where(self.condition(operands[0]), *operands[1:])
        return f"{self.function(op)}({', '.join([self.text(operand) for operand in operands])})", ATOM

    def condition(self, node: Node) -> str:
        """A node where the language wants something true or false."""
        if isinstance(node, Call) and node.op in COMPARISONS:
            return self.comparison(node.op, node.operands)
        return self.comparison("ne", (node, Number(0.0)))

    def comparison(self, op: str, operands: tuple[Node, ...]) -> str:
        """A comparison, as something true or false."""
        return self.text(operands[0], SUM) + self.infix[op][0] + self.text(operands[1], SUM)

    def calls(self, tree: Node) -> list[str]:
        """The operations that are written as calls of functions here, each once."""
        syntax = {"neg", "where", *self.infix}
        return [op for op in operations(tree) if op not in syntax]

    # What most languages do in their own way.

    def number(self, value: float) -> str:
        """A number."""
        return repr(value)

    def name(self, name: str) -> str:
        """A name."""
        return name

    def spread(self, name: str) -> str:
        """All items of a list, inside another one."""
        return f"*{name}"

    def function(self, op: str) -> str:
        """The function for an operation that has no syntax of its own."""
        return op

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        """One of two, and how tightly that binds."""
        return f"{condition} ? {self.text(then, COMPARISON)} : {self.text(otherwise)}", CONDITION

    def enclosed(self, text: str) -> str:
        """A text in parentheses."""
        return f"({text})"


class Python(Printer):
    """Python, as the table is written.

    >>> from engine.expressions import parse
    >>> Python().text(parse("1.0 if a>0 else (-b)*y"))
    '1.0 if a > 0.0 else -b * y'
    """

    infix: Mapping[str, tuple[str, int]] = {**Printer.infix, "mod": (" % ", PRODUCT)}

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        return f"{self.text(then, COMPARISON)} if {condition} else {self.text(otherwise)}", CONDITION


class JavaScript(Printer):
    """JavaScript; an operation that has no sign is a call of op_NAME.

    >>> from engine.expressions import parse
    >>> JavaScript().text(parse("1.0 if a == 0 else tanh(a) / b"))
    'a === 0 ? 1 : op_tanh(a) / b'
    """

    infix: Mapping[str, tuple[str, int]] = {**Printer.infix, "eq": (" === ", COMPARISON), "ne": (" !== ", COMPARISON)}

    def number(self, value: float) -> str:
        return f"{value:.0f}" if value.is_integer() and str(value) != "-0.0" and abs(value) < 1e15 else (
            repr(value).replace("inf", "Infinity").replace("nan", "NaN"))  # fmt: skip

    def spread(self, name: str) -> str:
        return f"...{name}"

    def function(self, op: str) -> str:
        return f"op_{op}"


class C(Printer):
    """C99; functions have the names of <math.h>, where it has them.

    >>> from engine.expressions import parse
    >>> C().text(parse("abs(a) if a != 0 else 1"))
    'a != 0.0 ? fabs(a) : 1.0'
    """

    names: Mapping[str, str] = {"abs": "fabs"}

    def number(self, value: float) -> str:
        return repr(value).replace("inf", "INFINITY").replace("nan", "NAN")

    def function(self, op: str) -> str:
        return self.names.get(op, op)


class _Calls(Printer):
    """Every operation as a call, operators and conditions too: what ``function`` evaluates in an algebra."""

    infix: Mapping[str, tuple[str, int]] = {}

    def call(self, op: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        return f"{op}({', '.join([self.text(operand) for operand in operands])})", ATOM


CALLS = _Calls()
