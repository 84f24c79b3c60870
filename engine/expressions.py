"""The language of the table of operations: the one place where its expressions are read, evaluated and printed.

The language is a small part of Python: numbers, names, ``+ - * / % **``, one comparison, ``x if condition else y``,
calls, and lists of expressions as arguments. Python's own parser reads it, and nothing of the text is ever executed.

An expression becomes a tree of four kinds of nodes. All that computes is a ``Call`` of an operation of the table:
``a + b`` is a Call of "add", ``a > b`` of "gt", ``-a`` of "neg", and a condition a Call of "where". The tree is then

- evaluated in an algebra, which is a mapping from the names of operations to functions: of floats, of Values, of
  instructions of a program (``evaluate``; ``function`` for an expression that is evaluated again and again), or
- printed in a language (``Python``, ``JavaScript``, ``C``, ``LaTeX``).
"""

from __future__ import annotations

import _ast as ast  # the classes of the nodes; the module ast would take longer to import than the engine
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType
    from typing import Any, TypeVar

    T = TypeVar("T")

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "mod", ast.Pow: "pow",
    ast.Gt: "gt", ast.GtE: "ge", ast.Lt: "lt", ast.LtE: "le", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip
COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})

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


# The tree. ``start`` and ``end`` are the place in the text, in characters.


class Node:
    """A part of an expression."""

    __slots__ = ("start", "end")

    def __init__(self, start: int = 0, end: int = 0) -> None:
        self.start, self.end = start, end

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {_CALLS.text(self)}>"


class Number(Node):
    """A number, its sign included."""

    __slots__ = ("value",)

    def __init__(self, value: float, start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.value = value


class Name(Node):
    """A name: an argument of the operation, its result ``y``, or a variable of the user."""

    __slots__ = ("name",)

    def __init__(self, name: str, start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.name = name


class Call(Node):
    """An operation applied to operands, whether written with a sign, as a condition or as a call."""

    __slots__ = ("op", "operands")

    def __init__(self, op: str, operands: tuple[Node, ...], start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.op, self.operands = op, operands


class List(Node):
    """A list of expressions, as an argument of an n-ary operation."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Node, ...], start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.items = items


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, from left to right."""
    return node.operands if isinstance(node, Call) else node.items if isinstance(node, List) else ()


def walk(tree: Node) -> Iterator[Node]:
    """Every node of the tree, parts before what they are parts of, from left to right."""
    path: list[tuple[Node, bool]] = [(tree, False)]
    while path:
        node, entered = path.pop()
        parts = children(node)
        if entered or not parts:
            yield node
        else:
            path.append((node, True))
            path += [(part, False) for part in reversed(parts)]


def names(tree: Node) -> list[str]:
    """The names in the tree, each once, in the order in which they are written."""
    return list(dict.fromkeys(node.name for node in walk(tree) if isinstance(node, Name)))


def operations(tree: Node) -> list[str]:
    """The operations in the tree, each once, in the order in which they are computed."""
    return list(dict.fromkeys(node.op for node in walk(tree) if isinstance(node, Call)))


# Reading.


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
                    items = [self.convert(x, place, depth + 1) for x in argument.elts]
                    operands.append(List(tuple(items), place(argument.col_offset), place(argument.end_col_offset or 0)))
                else:
                    operands.append(self.convert(argument, place, depth + 1))
            return Call(node.func.id, tuple(operands), start, end)
        raise self.unknown(node, start, end)

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
            return self.fail("and, or and not are no part of the language: write where(condition, a, b)", start, end)
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
        if "'else'" in message:
            return self.fail("expected else: a condition is written a if condition else b", start, stop)
        if start >= end:
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


# Evaluating.


def evaluate(
    tree: Node,
    algebra: Mapping[str, Callable[..., T]],
    values: Mapping[str, T],
    number: Callable[[float], T] | None = None,
    made: Callable[[T, Node], None] | None = None,
) -> T:
    """The tree evaluated with the operations of ``algebra`` and the values of its names. Depth is no limit.

    number  makes an element of the algebra of a number; without it, numbers are passed on as floats
    made    is told of the result of every Call, with its node (to label the result with its part of the text)

    Raises KeyError where the algebra has no such operation, or ``values`` no such name.

    >>> from engine.ieee import scalar
    >>> evaluate(parse("1 / a + 2"), scalar, {"a": 0.0})
    inf
    """
    stack: list[Any] = []
    for node in walk(tree):
        if isinstance(node, Call):
            n = len(node.operands)
            result = algebra[node.op](*stack[len(stack) - n :])
            del stack[len(stack) - n :]
            if made is not None:
                made(result, node)
            stack.append(result)
        elif isinstance(node, Name):
            stack.append(values[node.name])
        elif isinstance(node, Number):
            stack.append(node.value if number is None else number(node.value))
        elif isinstance(node, List):
            n = len(node.items)
            stack[len(stack) - n :] = [stack[len(stack) - n :]]
    [found] = stack
    return found  # type: ignore[no-any-return]


def function(text: str, arguments: tuple[str, ...], algebra: Mapping[str, Callable[..., Any]]) -> Callable[..., Any]:
    """An expression of the table as a function of its arguments, its operations looked up by name in ``algebra``.

    For an expression that is evaluated again and again: it costs no more than the calls of its operations.

    >>> from engine.ieee import scalar
    >>> function("1 / a", ("a",), scalar)(0.0)
    inf
    """
    made: Callable[..., Any] = eval(_code(text, arguments), dict(algebra))
    return made


@cache
def _code(text: str, arguments: tuple[str, ...]) -> CodeType:
    return compile(f"lambda {', '.join(arguments)}: {_CALLS.text(rule(text))}", f"<{text}>", "eval")


# Printing. A printer gives for each node its text and how tightly that binds; a text that binds less tightly than its
# place needs gets parentheses.

CONDITION, COMPARISON, SUM, PRODUCT, SIGN, POWER, ATOM = range(7)


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

    >>> Python().text(parse("1.0 if a>0 else (-b)*y"))
    '1.0 if a > 0.0 else -b * y'
    """

    infix: Mapping[str, tuple[str, int]] = {**Printer.infix, "mod": (" % ", PRODUCT)}

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        return f"{self.text(then, COMPARISON)} if {condition} else {self.text(otherwise)}", CONDITION


class JavaScript(Printer):
    """JavaScript; an operation that has no sign is a call of op_NAME.

    >>> JavaScript().text(parse("1.0 if a == 0 else tanh(a) / b"))
    'a === 0 ? 1 : op_tanh(a) / b'
    """

    infix: Mapping[str, tuple[str, int]] = {**Printer.infix, "eq": (" === ", COMPARISON), "ne": (" !== ", COMPARISON)}

    def number(self, value: float) -> str:
        return f"{value:.0f}" if value.is_integer() and str(value) != "-0.0" and abs(value) < 1e15 else (
            repr(value).replace("inf", "Infinity").replace("nan", "NaN"))  # fmt: skip

    def function(self, op: str) -> str:
        return f"op_{op}"


class C(Printer):
    """C99; functions have the names of <math.h>, where it has them.

    >>> C().text(parse("abs(a) if a != 0 else 1"))
    'a != 0.0 ? fabs(a) : 1.0'
    """

    names: Mapping[str, str] = {"abs": "fabs"}

    def number(self, value: float) -> str:
        return repr(value).replace("inf", "INFINITY").replace("nan", "NAN")

    def function(self, op: str) -> str:
        return self.names.get(op, op)


class LaTeX(Printer):
    """LaTeX, as a textbook writes it: fractions, roots, powers, cases.

    >>> print(LaTeX().text(parse("1 / (1 + exp(-a))")))
    \\frac{1}{1 + e^{-a}}
    """

    infix: Mapping[str, tuple[str, int]] = {
        **Printer.infix, "mul": (r" \cdot ", PRODUCT), "mod": (r" \bmod ", PRODUCT), "eq": (" = ", COMPARISON),
        "ne": (r" \ne ", COMPARISON), "ge": (r" \ge ", COMPARISON), "le": (r" \le ", COMPARISON),
    }  # fmt: skip
    known = frozenset({"exp", "log", "sin", "cos", "tan", "sinh", "cosh", "tanh", "max", "min"})
    constants: Mapping[float, str] = {}

    def number(self, value: float) -> str:
        if value in self.constants:
            return self.constants[value]
        text = f"{value:.12g}".replace("inf", r"\infty").replace("nan", r"\mathrm{nan}")
        mantissa, _, exponent = text.partition("e")
        return rf"{mantissa} \cdot 10^{{{int(exponent)}}}" if exponent else text

    def function(self, op: str) -> str:
        op = {"maximum": "max", "minimum": "min", "log": "ln", "sigmoid": r"\sigma"}.get(op, op)
        if op.startswith("\\"):
            return op
        return f"\\{op}" if op in self.known or op == "ln" else rf"\operatorname{{{op}}}".replace("_", r"\_")

    def call(self, op: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        first = operands[0]
        if op == "div":
            return rf"\frac{{{self.text(first)}}}{{{self.text(operands[1])}}}", ATOM
        if op == "reciprocal":
            return rf"\frac{{1}}{{{self.text(first)}}}", ATOM
        if op == "pow":
            return f"{self.text(first, ATOM)}^{{{self.text(operands[1])}}}", POWER
        if op == "exp":
            return f"e^{{{self.text(first)}}}", POWER
        if op == "sqrt":
            return rf"\sqrt{{{self.text(first)}}}", ATOM
        if op == "abs":
            return rf"\left|{self.text(first)}\right|", ATOM
        return super().call(op, operands)

    def where(self, condition: str, then: Node, otherwise: Node) -> tuple[str, int]:
        rows = rf"{self.text(then)} & \text{{if }} {condition} \\ {self.text(otherwise)} & \text{{otherwise}}"
        return rf"\begin{{cases}} {rows} \end{{cases}}", ATOM

    def enclosed(self, text: str) -> str:
        return rf"\left({text}\right)"


class _Calls(Printer):
    """Every operation as a call, operators and conditions too: what ``function`` evaluates in an algebra."""

    infix: Mapping[str, tuple[str, int]] = {}

    def call(self, op: str, operands: tuple[Node, ...]) -> tuple[str, int]:
        return f"{op}({', '.join([self.text(operand) for operand in operands])})", ATOM


_CALLS = _Calls()
