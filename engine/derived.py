"""The operations of the table in another algebra: a few given, all others made from their rows.

Torch tensors, JAX arrays, nodes of an ONNX graph: each knows exp and tanh, and none knows all of the table. What is not
given is evaluated from the forward expression of its row, so that no formula is written again.
"""

from __future__ import annotations

from .expressions import Call, Node, evaluate, operations, rule
from .ops import OPS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any


class Derived(dict[str, "Callable[..., Any]"]):
    """A mapping from names of operations to functions in an algebra, for ``engine.expressions.evaluate``.

    given   the operations that the algebra has of its own, as functions of its elements
    who     what it is called in messages
    number  makes an element of a number; without it, numbers are passed on as floats

    An operation that is neither given nor made of others raises ValueError when it is looked up.

    >>> import math
    >>> algebra = Derived({"exp": math.exp, "add": float.__add__, "div": float.__truediv__, "neg": float.__neg__,
    ...                    "abs": abs, "ge": float.__ge__, "where": lambda c, a, b: a if c else b}, "floats")
    >>> algebra["sigmoid"](0.0)
    0.5
    """

    def __init__(
        self, given: Mapping[str, Callable[..., Any]], who: str, number: Callable[[float], Any] | None = None
    ) -> None:
        super().__init__(given)
        self.who, self.number = who, number

    def __missing__(self, name: str) -> Callable[..., Any]:
        tree, arguments = forward(name, self.who), OPS[name].arguments

        def operation(*operands: Any) -> Any:
            return evaluate(tree, self, dict(zip(arguments, operands, strict=True)), self.number)

        self[name] = operation
        return operation


def forward(name: str, who: str) -> Node:
    """The forward expression of an operation as a tree of others. Raises ValueError where it is not made of others."""
    op = OPS[name]
    tree = rule(op.forward)
    if op.arity is None or (isinstance(tree, Call) and tree.op == name):
        raise ValueError(f"{who}: the operation {name!r} has no counterpart there, and is not made of others")
    return tree


def closure(names: Iterable[str], given: Iterable[str], who: str) -> list[str]:
    """The operations that must be written out so that these can be called: those not given, what they use first."""
    known, order = set(given), list[str]()

    def visit(name: str) -> None:
        if name in known:
            return
        known.add(name)
        for used in operations(forward(name, who)):
            visit(used)
        order.append(name)

    for name in names:
        visit(name)
    return order
