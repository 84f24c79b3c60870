"""Expressions as people type them, turned into graphs: ``a*b + tanh(c)``.

A parser of its own, so that nothing of the text is ever executed, and so that errors can point at the place. It knows
numbers, names, ``+ - * / **``, parentheses, and calls of the operations of the table:

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/") signed)*
    signed  = ("+" | "-") signed | power
    power   = atom ("**" signed)?
    atom    = number | name | name "(" argument ("," argument)* ")" | "(" sum ")"
    argument = sum | "[" sum ("," sum)* "]"
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from engine import OPS, Value
from engine.value import FUNCTIONS, constant

if TYPE_CHECKING:
    from collections.abc import Mapping

DEPTH = 100  # of parentheses, calls, signs and powers inside each other; the parser recurses once for each

_TOKEN = re.compile(
    r"""(?P<number> (?:\d|\.\d) [\w.]* (?: (?<=[eE]) [+-] \d+ )? )
      | (?P<name>   [^\W\d] \w* )
      | (?P<sign>   \*\* | [-+*/(),\[\]] )""",
    re.VERBOSE,
)


class ExpressionError(ValueError):
    """An expression cannot be understood. ``str()`` shows the expression with a caret under the place."""

    def __init__(self, message: str, text: str, start: int, end: int) -> None:
        line = "".join(c if c.isprintable() else " " for c in text)
        # only the surroundings of the place, where the expression is long
        first = max(0, start - 60)
        shown = ("… " if first else "") + line[first : start + 60] + (" …" if start + 60 < len(line) else "")
        caret = " " * (start - first + (2 if first else 0)) + "^" * max(1, min(end - start, 60))
        super().__init__(f"{message}\n    {shown}\n    {caret}")


class _Parser:
    def __init__(self, text: str, values: Mapping[str, Value]) -> None:
        self.text, self.values = text, values
        self.used: set[str] = set()
        self.depth = 0
        self.end = 0  # of the token before
        self.position = 0
        self.advance()

    def advance(self) -> None:
        """Read the next token into kind, token, start and stop."""
        self.end = self.position
        text, at = self.text, self.position
        while at < len(text) and text[at].isspace():
            at += 1
        self.start = at
        if at == len(text):
            self.kind, self.token, self.position = "end", "", at
            return
        match = _TOKEN.match(text, at)
        if match is None:
            hint = {"^": ": a power is written **", "=": ": give values beside the expression, as in a=2",
                    "<": ": comparisons are calls, lt(a, b)", ">": ": comparisons are calls, gt(a, b)",
                    "×": ": a product is written *", "·": ": a product is written *", "−": ": a minus is written -",
                    }.get(text[at], "")  # fmt: skip
            raise ExpressionError(f"unexpected {text[at]!r}{hint}", text, at, at + 1)
        self.kind, self.token, self.position = str(match.lastgroup), match.group(), match.end()

    def fail(self, message: str) -> ExpressionError:
        return ExpressionError(message, self.text, self.start, self.position)

    def accept(self, *signs: str) -> str:
        if self.kind == "sign" and self.token in signs:
            sign = self.token
            self.advance()
            return sign
        return ""

    def expect(self, sign: str, where: str) -> None:
        if not self.accept(sign):
            found = repr(self.token) if self.token else "the end"
            raise self.fail(f"expected {sign!r} {where}, found {found}")

    def named(self, value: Value, start: int) -> Value:
        """value, labelled with the part of the text that it was read from."""
        value.label = self.text[start : self.end].strip()
        return value

    def whole(self) -> Value:
        if self.kind == "end":
            raise self.fail("the expression is empty")
        value = self.sum()
        if self.kind != "end":
            hint = " (a product is written with *)" if self.kind != "sign" or self.token in "([" else ""
            raise self.fail(f"expected an operator or the end, found {self.token!r}{hint}")
        return value

    def sum(self) -> Value:
        start = self.start
        value = self.product()
        while sign := self.accept("+", "-"):
            right = self.product()
            value = self.named(value + right if sign == "+" else value - right, start)
        return value

    def product(self) -> Value:
        start = self.start
        value = self.signed()
        while sign := self.accept("*", "/"):
            right = self.signed()
            value = self.named(value * right if sign == "*" else value / right, start)
        return value

    def signed(self) -> Value:
        self.depth += 1
        if self.depth > DEPTH:
            raise self.fail(f"nested more than {DEPTH} deep")
        start = self.start
        sign = self.accept("+", "-")
        if not sign:
            value = self.power()
        else:
            value = self.signed()
            if sign == "-" and value.is_constant:
                value = constant(-value.data)
            elif sign == "-":
                value = self.named(-value, start)
        self.depth -= 1
        return value

    def power(self) -> Value:
        start = self.start
        value = self.atom()
        if self.accept("**"):
            value = self.named(value ** self.signed(), start)
        return value

    def atom(self) -> Value:
        if self.kind == "number":
            return self.number()
        if self.kind == "name":
            return self.name()
        start, opened = self.start, self.accept("(")
        if not opened:
            found = repr(self.token) if self.token else "the end"
            raise self.fail(f"expected a number, a name or '(', found {found}")
        value = self.sum()
        self.expect(")", "to close the parenthesis")
        if value.op is not None:
            self.named(value, start)
            value.label = value.label[1:-1].strip()
        return value

    def number(self) -> Value:
        try:
            value = constant(float(self.token))
        except ValueError:
            digits = re.match(r"[\d.]+", self.token)
            rest = self.token[digits.end() :] if digits else ""
            hint = f": a product is written {digits[0]}*{rest}" if digits and rest.isidentifier() else ""
            raise self.fail(f"{self.token} is not a number{hint}") from None
        self.advance()
        return value

    def name(self) -> Value:
        token, start, end = self.token, self.start, self.position
        place = (self.text, start, end)
        self.advance()
        if self.kind == "sign" and self.token == "(":
            return self.call(token, start, end)
        self.used.add(token)
        if token in self.values:
            return self.values[token]
        if token in OPS:
            raise ExpressionError(f"{token} is a function: write {token}(...)", *place)
        raise ExpressionError(f"{token} has no value: add {token}=NUMBER", *place)

    def call(self, name: str, start: int, end: int) -> Value:
        place = (self.text, start, end)
        if name not in OPS:
            close = get_close_matches(name, OPS, n=3, cutoff=0.6)
            hint = f"did you mean {' or '.join(close)}?" if close else "python -m viz --help lists the functions"
            raise ExpressionError(f"unknown function {name}: {hint}", *place)
        self.advance()
        arguments: list[Value | list[Value]] = []
        while not arguments or self.accept(","):
            arguments.append(self.argument())
        self.expect(")", f"to close the call of {name}")
        return self.named(self.apply(name, arguments, place), start)

    def argument(self) -> Value | list[Value]:
        if not self.accept("["):
            return self.sum()
        values = [self.sum()]
        while self.accept(","):
            values.append(self.sum())
        self.expect("]", "to close the list")
        return values

    def apply(self, name: str, arguments: list[Value | list[Value]], place: tuple[str, int, int]) -> Value:
        op = OPS[name]
        lists = [isinstance(a, list) for a in arguments]
        if name == "dot":
            if lists not in ([True, True], [True, True, False]):
                raise ExpressionError("dot takes two lists and perhaps a bias: dot([w1, w2], [x1, x2], b)", *place)
        elif op.arity is None:
            if len(arguments) > 1 or not lists[0]:
                if any(lists):
                    raise ExpressionError(f"{name} takes one list or several values", *place)
                arguments = [arguments]  # type: ignore[list-item]
        else:
            most, least = op.arity, op.arity - len(op.defaults)
            if any(lists):
                raise ExpressionError(f"{name} takes no list", *place)
            if not least <= len(arguments) <= most:
                count = f"{most}" if least == most else f"{least} to {most}"
                noun = "argument" if most == 1 else "arguments"
                raise ExpressionError(f"{name} takes {count} {noun}, got {len(arguments)}", *place)
        try:
            return FUNCTIONS[name](*arguments)
        except ValueError as error:  # lists of different lengths
            raise ExpressionError(str(error), *place) from None


def evaluate(text: str, values: Mapping[str, float]) -> tuple[Value, dict[str, Value]]:
    """The graph of an expression, and its leaves by name, in the order in which ``values`` gives them.

    Intermediate nodes are labelled with the part of the expression that they stand for.

    >>> y, leaves = evaluate("a*b + tanh(c)", {"a": 2.0, "b": -3.0, "c": 0.5})
    >>> y.backward()
    >>> leaves["a"].grad
    -3.0

    Raises ExpressionError, whose message points at the place, also where a name has no value and where a value is
    given for a name that the expression does not have.
    """
    leaves = {name: Value(x, label=name) for name, x in values.items()}
    parser = _Parser(text, leaves)
    output = parser.whole()
    unused = [name for name in values if name not in parser.used]
    if unused:
        message = f"{', '.join(unused)}: a value is given, but the expression has no such name"
        raise ExpressionError(message, text, 0, len(text))
    if output.is_leaf and not output.label:
        output.label = text.strip()
    return output, leaves
