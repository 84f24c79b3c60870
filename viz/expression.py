"""Expressions as people type them, turned into graphs: ``a*b + tanh(c)``.

The language is that of the table of operations (engine/expressions/), with two constants, pi and e. Nothing of the
text is executed, and errors point at the place.
"""

from __future__ import annotations

import math
from difflib import get_close_matches
from typing import TYPE_CHECKING

from engine import OPS, Value
from engine.expressions import Call, ExpressionError, List, Name, Node, names, parse, walk
from engine.expressions import evaluate as evaluated
from engine.ieee import scalar
from engine.operands import constant
from engine.operations import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

__all__ = ["CONSTANTS", "ExpressionError", "evaluate", "number"]

CONSTANTS = {"pi": math.pi, "e": math.e}  # unless a value is given for the name
_LABEL = 160  # characters: every prefix of a long sum is a node, and whole labels would take quadratic space


def evaluate(text: str, values: Mapping[str, float]) -> tuple[Value, dict[str, Value]]:
    """The graph of an expression, and its leaves by name, in the order in which ``values`` gives them.

    Intermediate nodes are labelled with the part of the expression that they stand for, the middle left out where it
    is long.

    >>> y, leaves = evaluate("a*b + tanh(c)", {"a": 2.0, "b": -3.0, "c": 0.5})
    >>> y.backward()
    >>> leaves["a"].grad
    -3.0

    Raises ExpressionError, whose message points at the place, also where a name has no value and where a value is
    given for a name that the expression does not have.
    """
    tree = parse(text)
    _check(tree, text, values)
    used = set(names(tree))
    unused = [name for name in values if name not in used]
    if unused:
        message = f"{', '.join(unused)}: a value is given, but the expression has no such name"
        raise ExpressionError(message, text, 0, len(text))
    leaves = {name: Value(x, label=name) for name, x in values.items()}
    known = {name: constant(x) for name, x in CONSTANTS.items() if name in used} | leaves

    def labelled(result: Value, node: Node) -> None:
        part = text[node.start : node.end]
        result.label = part if len(part) <= _LABEL else f"{part[: 2 * _LABEL // 3]}…{part[-_LABEL // 3 :]}"

    output = evaluated(tree, _Algebra(), known, constant, labelled)
    if output.is_leaf and not output.label:
        output.label = text.strip()
    return output, leaves


def number(text: str) -> float:
    """What a number is written as on the command line: 2, -1e-3, inf, and also 1/2 or 2*pi.

    >>> number("1/2")
    0.5

    Raises ExpressionError where it is none.
    """
    try:
        x = float(text)
    except ValueError:
        x = math.inf
    if not math.isinf(x) or "inf" in text.lower():
        return x
    tree = parse(text)  # which refuses what is more than a float holds
    _check(tree, text, {})
    return float(evaluated(tree, scalar, CONSTANTS))


class _Algebra(dict[str, "Callable[..., Any]"]):
    """The operations on Values, each called as it is written: ``sum(a, b)`` as well as ``sum([a, b])``."""

    def __missing__(self, name: str) -> Callable[..., Any]:
        function = FUNCTIONS[name]
        if OPS[name].arity is None and name != "dot":
            one = function

            def function(*operands: Any) -> Value:
                return one(*operands) if isinstance(operands[0], list) else one(list(operands))

        self[name] = function
        return function


def _check(tree: Node, text: str, values: Mapping[str, float]) -> None:
    """Raise ExpressionError for the first place, from left to right, that cannot be evaluated."""
    inside = {item for node in walk(tree) if isinstance(node, Call) for item in node.operands if isinstance(item, List)}
    for node in sorted(walk(tree), key=lambda node: node.start):
        if isinstance(node, Name) and node.name not in values and node.name not in CONSTANTS:
            if node.name in OPS:
                message = f"{node.name} is a function: write {node.name}(...)"
            else:
                message = f"{node.name} has no value: add {node.name}=NUMBER"
            raise ExpressionError(message, text, node.start, node.end)
        if isinstance(node, List) and node not in inside:
            raise ExpressionError("expected a number, a name or '(', found '['", text, node.start, node.start + 1)
        if isinstance(node, Call) and (message := _misused(node)):
            written = text.startswith(node.op, node.start)
            raise ExpressionError(message, text, node.start, node.start + len(node.op) if written else node.end)


def _misused(node: Call) -> str:
    """What is wrong with a call, or nothing."""
    name, lists = node.op, [len(x.items) if isinstance(x, List) else None for x in node.operands]
    if name not in OPS:
        close = get_close_matches(name, OPS, n=3, cutoff=0.6)
        hint = f"did you mean {' or '.join(close)}?" if close else "python -m viz --help lists the functions"
        return f"unknown function {name}: {hint}"
    op, given = OPS[name], len(node.operands)
    if name == "dot":
        if [x is not None for x in lists] not in ([True, True], [True, True, False]):
            return "dot takes two lists and perhaps a bias: dot([w1, w2], [x1, x2], b)"
        return f"dot: {lists[0]} weights and {lists[1]} inputs" if lists[0] != lists[1] else ""
    if op.arity is None:
        many = given > 1 and any(x is not None for x in lists)
        return f"{name} takes one list or several values" if many else ""
    if any(x is not None for x in lists):
        return f"{name} takes no list"
    least, most = op.arity - len(op.defaults), op.arity
    if least <= given <= most:
        return ""
    count, noun = f"{most}" if least == most else f"{least} to {most}", "argument" if most == 1 else "arguments"
    return f"{name} takes {count} {noun}, got {given}"
