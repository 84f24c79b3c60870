"""Expressions read: Python's own parser, its refusals in words about expressions, and a tree that knows its places."""

from __future__ import annotations

import _ast as ast  # the classes of the nodes; the module ast would take longer to import than the engine
from functools import cache

from .tree import COMPARISONS, Call, List, Name, Node, Number, Spread

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "mod", ast.Pow: "pow",
    ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip

DEPTH = 100  # of parentheses, calls, signs and powers inside each other
_LENGTH = 1_000_000  # characters


class ExpressionError(ValueError):
    """An expression cannot be understood. ``str()`` shows the expression with a caret under the place.

    text        the expression
    start, end  the place in it, in characters
    """

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        self.text, self.start, self.end = text, start, end
        # Only the surroundings of the place are shown where the expression is long.
        first = max(0, start - 60)
        line = "".join([c if c.isprintable() else " " for c in text[first : start + 60]])
        shown = ("… " if first else "") + line + (" …" if start + 60 < len(text) else "")
        caret = " " * (start - first + (2 if first else 0)) + "^" * max(1, min(end - start, 60))
        super().__init__(f"{message}\n    {shown}\n    {caret}")


@cache
def rule(text: str) -> Node:
    """The tree of an expression of the table, read once."""
    return parse(text)


def parse(text: str) -> Node:
    """The tree of an expression. Raises ExpressionError, which points at what is wrong.

    >>> parse("1 - y*y")
    <Call sub(1.0, mul(y, y))>
    """
    return _Reader(text).tree()


_HINTS = {
    "^": ": a power is written **",
    "=": ": give values beside the expression, as in a=2; a comparison is written ==",
    "×": ": a product is written *",
    "·": ": a product is written *",
    "−": ": a minus is written -",
    "÷": ": a quotient is written /",
}
_SIGNS = frozenset("+-*/%()[],.<>=!_ ")


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.line = "".join([" " if c.isspace() else c for c in text])  # one line, so that columns are places
        self.ascii = text.isascii()

    def fail(self, message: str, start: int, end: int) -> ExpressionError:
        return ExpressionError(message, self.text, start, max(end, start))

    def tree(self) -> Node:
        stripped = self.line.lstrip()
        if not stripped:
            raise self.fail("the expression is empty", len(self.text), len(self.text))
        if len(stripped) > _LENGTH:
            raise self.fail(f"the expression has {len(self.text):,} characters, and {_LENGTH:,} is the limit", 0, 1)
        depth = 0
        for k, c in enumerate(self.line):
            if not (c.isalnum() or c in _SIGNS or ("_" + c).isidentifier()):
                raise self.fail(f"unexpected {c!r}{_HINTS.get(c, '')}", k, k + 1)
            depth += (c in "([") - (c in ")]")
            if depth > DEPTH:
                raise self.fail(f"nested more than {DEPTH} deep", k, k + 1)
        skipped = len(self.line) - len(stripped)
        try:
            return self.read(stripped, skipped)
        except (RecursionError, MemoryError):
            return self.long_sum(skipped)

    def read(self, part: str, skipped: int) -> Node:
        """The tree of a part of the text that starts at ``skipped``."""
        import warnings

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # "1if a else b" and "(1)(2)" are warned of before they are refused
                parsed: Any = compile(part, "<expression>", "eval", ast.PyCF_ONLY_AST)
        except (SyntaxError, ValueError) as error:
            raise self.refused(error, skipped) from None
        encoded = None if part.isascii() else part.encode()

        def place(column: int) -> int:
            return skipped + (column if encoded is None else len(encoded[:column].decode(errors="ignore")))

        return self.convert(parsed.body, place)

    def long_sum(self, skipped: int) -> Node:
        """A sum of more terms than Python's parser takes, read term by term."""
        starts, depth = [skipped], 0
        for k, c in enumerate(self.line):
            depth += (c in "([") - (c in ")]")
            before = self.line[:k].rstrip()[-1:] if c in "+-" and not depth else ""
            if (before.isalnum() or before in ("_", ".", ")", "]")) and before and not _in_number(self.line, k):
                starts.append(k)
        if len(starts) < 3:
            raise self.fail("the expression is nested too deep", skipped, skipped + 1)
        tree: Node | None = None
        for start, stop in zip(starts, [*starts[1:], len(self.line)]):
            signed = tree is not None
            body = self.line[start + signed : stop]
            lead = start + signed + len(body) - len(body.lstrip())
            try:
                term = self.read(body.lstrip(), lead)
            except (RecursionError, MemoryError):
                raise self.fail("the expression is nested too deep", lead, lead + 1) from None
            sign = "add" if self.line[start] == "+" else "sub"
            tree = term if tree is None else Call(sign, (tree, term), skipped, term.end)
            if isinstance(term, Call) and (term.op == "where" or term.op in COMPARISONS) and self.line[lead] != "(":
                raise self.fail("put the condition in parentheses, in an expression as long as this", lead, stop)
        assert tree is not None
        return tree

    def convert(self, node: Any, place: Callable[[int], int], depth: int = 0) -> Node:
        start, end = place(node.col_offset), place(node.end_col_offset)
        if depth > DEPTH:
            raise self.fail(f"nested more than {DEPTH} deep", start, end)
        kind = type(node)
        if kind is ast.BinOp:  # "a + b + c + …" leans to the left: a loop, so that a long sum is not deep
            chain = [node]
            while type(chain[-1].left) is ast.BinOp and self.line[place(chain[-1].left.col_offset)] != "(":
                chain.append(chain[-1].left)
            tree = self.convert(chain[-1].left, place, depth + 1)
            for link in reversed(chain):
                right = self.convert(link.right, place, depth + 1)
                ends = place(link.left.end_col_offset)
                tree = Call(self.operator(link.op, ends, right.start), (tree, right),
                            place(link.col_offset), place(link.end_col_offset))  # fmt: skip
            return tree
        if kind is ast.Name:
            if node.id in ("True", "False", "None"):
                raise self.fail(f"{node.id} is not a number", start, end)
            return Name(node.id, start, end)
        if kind is ast.Constant:
            return Number(self.number(node.value, start, end), start, end)
        if kind is ast.UnaryOp and type(node.op) in (ast.USub, ast.UAdd):
            operand = self.convert(node.operand, place, depth + 1)
            if type(node.op) is ast.UAdd:
                return operand
            if isinstance(operand, Number):
                return Number(-operand.value, start, end)
            return Call("neg", (operand,), start, end)
        if kind is ast.Compare:
            if len(node.ops) > 1:
                raise self.fail("one comparison at a time: a < b < c is where(a < b, b < c, 0)", start, end)
            left, right = (self.convert(x, place, depth + 1) for x in (node.left, node.comparators[0]))
            return Call(self.operator(node.ops[0], left.end, right.start), (left, right), start, end)
        if kind is ast.IfExp:
            parts = [self.convert(x, place, depth + 1) for x in (node.test, node.body, node.orelse)]
            return Call("where", tuple(parts), start, end)
        if kind is ast.Call and type(node.func) is ast.Name:
            if node.keywords:
                raise self.fail(f"{node.func.id} takes its arguments by place, without names", start, end)
            if not node.args:
                raise self.fail("expected a number, a name or '(', found ')'", end - 1, end)
            operands: list[Node] = []
            for argument in node.args:
                if type(argument) is ast.List and argument.elts:
                    items = [self.item(x, place, depth + 1) for x in argument.elts]
                    operands.append(List(tuple(items), place(argument.col_offset), place(argument.end_col_offset or 0)))
                else:
                    operands.append(self.convert(argument, place, depth + 1))
            return Call(node.func.id, tuple(operands), start, end)
        raise self.unknown(node, start, end)

    def item(self, node: Any, place: Callable[[int], int], depth: int) -> Node:
        """An item of a list: an expression, or *name."""
        if type(node) is ast.Starred and type(node.value) is ast.Name:
            return Spread(node.value.id, place(node.col_offset), place(node.end_col_offset or 0))
        return self.convert(node, place, depth)

    def number(self, value: object, start: int, end: int) -> float:
        text = self.text[start:end]
        if type(value) not in (int, float):
            raise self.fail(f"{text} is not a number", start, end)
        try:
            number = float(value)  # type: ignore[arg-type]
        except OverflowError:
            number = float("inf")
        if number == float("inf"):
            raise self.fail(f"{text[:60]} is more than a float holds (1.8e308)", start, end)
        return number

    def operator(self, op: ast.AST, start: int, end: int) -> str:
        """The operation of a sign, which stands somewhere between start and end."""
        name = _OPERATORS.get(type(op))
        if name is None:
            sign = self.text[start:end].strip(" ()") or "?"
            at = self.text.find(sign, start)
            raise self.fail(f"unexpected {sign!r}{_HINTS.get(sign, '')}", at, at + len(sign))
        return name

    def unknown(self, node: Any, start: int, end: int) -> ExpressionError:
        kind = type(node)
        if kind is ast.Attribute:
            at = self.text.find(".", self.text.rfind(node.attr, start, end) - 2, end)
            return self.fail("unexpected '.'", at, at + 1)
        if kind is ast.BoolOp or (kind is ast.UnaryOp and type(node.op) is ast.Not):
            return self.fail("and, or and not are not part of the language: write where(condition, a, b)", start, end)
        if kind is ast.Call:
            return self.fail("expected an operator, found '(' (a product is written with *)", start, end)
        if kind is ast.List:
            return self.fail("expected a number, a name or '(', found '['", start, start + 1)
        if kind is ast.Tuple:
            return self.fail("expected one expression, found several with commas between them", start, end)
        return self.fail("expected numbers, names, + - * / % **, comparisons, if-else and calls", start, end)

    def refused(self, error: SyntaxError | ValueError, skipped: int) -> ExpressionError:
        """Python's refusal in words about expressions."""
        text = self.text
        end = len(text.rstrip())
        if not isinstance(error, SyntaxError) or error.offset is None:
            return self.fail(str(error), 0, end)
        start = min(skipped + (error.offset or 0) - 1, end) if error.offset else end  # 0 stands for the end
        stop = skipped + error.end_offset - 1 if error.end_offset and error.end_offset > 0 else start + 1
        message = str(error.msg)
        if "never closed" in message:
            return self.fail(f"expected {')' if text[start] == '(' else ']'!r} to close the parenthesis, found the end",
                             end, end)  # fmt: skip
        if "too many nested" in message:
            return self.fail(f"nested more than {DEPTH} deep", start, stop)
        if "decimal literal" in message or "integer literal" in message or (
            text[start : start + 1] == "." and text[start - 1 : start].isdigit()
        ):  # fmt: skip
            first = start
            while first and (text[first - 1].isalnum() or text[first - 1] in "._"):
                first -= 1
            last = start
            while last < end and (text[last].isalnum() or text[last] in "._"):
                last += 1
            token = text[first:last]
            digits = token[: len(token) - len(token.lstrip("0123456789."))]
            rest = token[len(digits) :]
            hint = f": a product is written {digits}*{rest}" if digits and rest.isidentifier() else ""
            return self.fail(f"{token:.40} is not a number{hint:.80}", first, last)
        if "'=' " in message or text[start : start + 1] == "=" or "'='?" in message:
            at = text.find("=", start)
            if at >= 0:
                return self.fail(f"unexpected '='{_HINTS['=']}", at, at + 1)
        unfinished = text[:end].endswith("else")  # which Python 3.14 has words of its own for
        if "'else'" in message and not unfinished:
            return self.fail("expected else: a condition is written a if condition else b", start, stop)
        if start >= end or unfinished:
            return self.fail("expected a number, a name or '(', found the end", end, end)
        token = self.token(start)
        if text[start] in ")]":
            return self.fail(f"expected an operator or the end, found {token!r}", start, start + 1)
        if "comma" in message or text[start].isalnum() or text[start] in "_([":
            # Python marks "a b" as a whole; the place is where the second operand starts.
            at = start + len(token)
            while at < end and text[at] == " ":
                at += 1
            if at < end and "comma" in message:
                start, token = at, self.token(at)
            return self.fail(
                f"expected an operator or the end, found {token!r} (a product is written with *)",
                start, start + len(token),
            )  # fmt: skip
        return self.fail(f"expected a number, a name or '(', found {token!r}", start, start + len(token))

    def token(self, start: int) -> str:
        """The word or the sign at a place."""
        text, stop = self.text, start
        while stop < len(text) and (text[stop].isalnum() or text[stop] in "_."):
            stop += 1
        return text[start : max(stop, start + 1)]


def _in_number(line: str, k: int) -> bool:
    """Whether the sign at k belongs to the exponent of a number: 1e-5."""
    if line[k - 1 : k] not in ("e", "E") or line[k + 1 : k + 2] in ("", " "):
        return False
    first = k - 1
    while first and (line[first - 1].isalnum() or line[first - 1] in "._"):
        first -= 1
    return line[first].isdigit() or line[first] == "."
