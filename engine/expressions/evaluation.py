"""Expressions evaluated in an algebra: a mapping from the names of operations to functions."""

from __future__ import annotations

from functools import cache

from .printers import CALLS
from .reader import rule
from .tree import Call, List, Name, Node, Number, Spread, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import CodeType
    from typing import Any, TypeVar

    T = TypeVar("T")


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
    >>> from engine.expressions import parse
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
        elif isinstance(node, Spread):
            stack.append(values[node.name])
        elif isinstance(node, List):
            n = len(node.items)
            items: list[Any] = []
            for item, value in zip(node.items, stack[len(stack) - n :]):
                items += value if isinstance(item, Spread) else [value]
            stack[len(stack) - n :] = [items]
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
    return compile(f"lambda {', '.join(arguments)}: {CALLS.text(rule(text))}", f"<{text}>", "eval")
