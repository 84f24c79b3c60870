"""The gradient as a graph: the sweep of chain.py over the algebra of Values, to be differentiated again or lowered."""

from __future__ import annotations

import sys

from .chain import Algebra, sweep
from .expressions import function
from .graph import toposort
from .ieee import scalar
from .operands import constant
from .operations import FUNCTIONS
from .ops import OPS, Op
from .value import Value
from .weighted import roles

_LARGEST = sys.float_info.max
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def gradient_graph(output: Value, wrt: list[Value]) -> list[Value]:
    """The derivatives of the output with respect to ``wrt``, as Values."""
    order = toposort(output)
    for node in order:
        _check_unchanged(node)
    adjoints = sweep(order, output, wrt, ON_VALUES)
    return [adjoints[node] if node in adjoints else constant(0.0) for node in wrt]


def _check_unchanged(node: Value) -> None:
    """RuntimeError where the node is not what its parents give: its second derivatives would be of no function at all.

    The rules are applied to the data of now, and the nodes computed before the change hold that of then.
    """
    op = node.op
    if op is None:
        return
    parents = node.parents
    data = tuple([parent.data for parent in parents])
    # An operation that has been defined anew since then keeps its expression.
    forward = scalar[op.name] if OPS[op.name] is op else function(op.forward, op.arguments, scalar)
    if op.name == "dot":
        weights, inputs, bias = roles(data)
        now = forward(weights, inputs) if bias is None else forward(weights, inputs, bias)
    else:
        now = forward(*data) if op.arity else forward(data)
    if now != node.data and (now == now or node.data == node.data):
        names = ", ".join(dict.fromkeys([repr(x.label) for x in parents if x.label and x.op is None]))
        raise RuntimeError(
            f"data was changed after the forward pass: {node!r} would now be {now!r}"
            f"{f' (of {names})' if names else ''}; compute the output again before you differentiate it twice"
        )


def folding(name: str) -> Callable[..., Value]:
    """A function of the table that gives a constant for constants, so that conditions can be decided."""
    operation = FUNCTIONS[name]

    def folding(*arguments: Value | float | list[Value]) -> Value:
        if arguments == ([],):
            return constant(scalar[name]([]))
        node = operation(*arguments)
        return constant(node.data) if all(parent.is_constant for parent in node.parents) else node

    return folding


def _where(condition: Value | float, a: Value | float, b: Value | float) -> Value | float:
    """where, decided at once if its condition is constant."""
    if not isinstance(condition, Value):
        return a if condition else b
    if condition.is_constant:
        return a if condition.data else b
    return FUNCTIONS["where"](condition, a, b)


class OnValues(Algebra[Value]):
    """Elements are Values; what is constant is computed, so that conditions on it are decided at once."""

    def __init__(self) -> None:
        super().__init__({name: folding(name) for name in FUNCTIONS} | {"where": _where})

    def number(self, x: float) -> Value:
        return constant(x)

    def element(self, node: Value) -> Value:
        return node

    def is_finite(self, x: Value, op: Op) -> bool:
        return x.is_constant and x.data - x.data == 0

    def shares(self, elements: Sequence[Value], y: Value) -> list[Value]:
        """Its rule, with y taken off the operands first: beside 1e16 the logarithm of n would be lost.

        An operand that is inf has the share inf - inf, nan, as in ieee.shares; the finite ones beside it have none.
        """
        operations = self.operations
        most = operations["minimum"](y, _LARGEST)  # for the others: inf less inf is nan
        less = [operations["sub"](a, most) for a in elements]
        found = []
        for k, a in enumerate(elements):
            rest = operations["logsumexp"]([*less[:k], *less[k + 1 :]])
            rest = operations["maximum"](rest, -_LARGEST)  # where all others are -inf, nothing is reached through them
            found.append(operations["sigmoid"](operations["sub"](operations["sub"](a, y), rest)))
        return found

    def trusts(self, node: Value) -> bool:
        return -1e100 <= node.data <= 1e100

    def weighted_sum(self, terms: Sequence[tuple[Value, Value | None]]) -> Value:
        if len(terms) == 1:
            adjoint, derivative = terms[0]
            if derivative is None:
                return adjoint
            if adjoint.is_constant and adjoint.data == 1:
                return derivative
            return adjoint * derivative
        if all(derivative is None for _, derivative in terms):
            return FUNCTIONS["sum"]([adjoint for adjoint, _ in terms])
        derivatives = [constant(1.0) if derivative is None else derivative for _, derivative in terms]
        return FUNCTIONS["dot"](derivatives, [adjoint for adjoint, _ in terms])


ON_VALUES = OnValues()
