"""Reverse-mode differentiation: the chain rule, from the output back to the leaves.

The adjoint of a node is the derivative of the output by it. Taken in reverse topological order, a node has received
its whole adjoint before it passes it on, multiplied by its local derivatives, to its parents. The order matters: in
``b = a + a; c = b * b`` the node b must have both its contributions before a gets any.
"""

from __future__ import annotations

from collections import deque

from .graph import alone, marked, toposort
from .operands import constant
from .operations import FUNCTIONS
from .ops import OPS
from .value import Value
from .weighted import dot as dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Literal, overload
else:

    def overload(function):  # importing typing would take as long as the engine
        return function


_set_grad = vars(Value)["grad"].__set__


def propagate(output: Value, order: list[Value]) -> None:
    """Set ``_adjoint`` of every node to the derivative of the output by it.

    ``order`` is a topological order in which all adjoints are 0.0.
    """
    output._adjoint = 1.0
    for node in reversed(order):
        a = node._a
        if a is None:
            continue
        g = node._adjoint
        if a.__class__ is tuple:
            first, second = a
            by_first, by_second = node._da
            for parent, derivative in zip(first, by_first):
                parent._adjoint += g * derivative
            for parent, derivative in zip(second, by_second):
                parent._adjoint += g * derivative
        else:
            a._adjoint += g * node._da
        b = node._b
        if b is not None:
            b._adjoint += g * node._db


def backward(output: Value) -> None:
    """Write the derivative of the output by each node into its ``grad``; leaves accumulate.

    All or nothing: the adjoints are gathered aside, and written by one call that Python does not interrupt.
    """
    if not isinstance(output, Value):
        raise TypeError(f"backward starts from a Value, got {type(output).__name__}")
    with alone:
        order = marked(output)
        propagate(output, order)
        grads = [node.grad + node._adjoint if node.op is None else node._adjoint for node in order]
        # map and deque run in C: no signal handler, hence no KeyboardInterrupt, comes between two of the writes.
        deque(map(_set_grad, order, grads), maxlen=0)


@overload
def grad(output: Value, wrt: Value, create_graph: Literal[False] = False) -> float: ...
@overload
def grad(output: Value, wrt: Value, create_graph: Literal[True]) -> Value: ...
@overload
def grad(output: Value, wrt: Sequence[Value], create_graph: Literal[False] = False) -> list[float]: ...
@overload
def grad(output: Value, wrt: Sequence[Value], create_graph: Literal[True]) -> list[Value]: ...
def grad(
    output: Value, wrt: Value | Sequence[Value], create_graph: bool = False
) -> float | Value | list[float] | list[Value]:
    """The derivative of the output by each node of ``wrt``: a list, or one derivative where ``wrt`` is one node.

    The result is floats, or with ``create_graph`` Values that can be differentiated again, drawn and lowered. No
    ``.grad`` is touched. A node on which the output does not depend gives 0.0. Raises TypeError for what is no Value.
    """
    if isinstance(wrt, Value):
        return grad(output, [wrt], create_graph)[0]  # type: ignore[call-overload, no-any-return]
    nodes = _values(wrt, "grad: wrt")
    _values([output], "grad: output", "jacobian takes several outputs")
    if create_graph:
        return _gradient_graph(output, nodes)
    return jacobian([output], nodes)[0]


def jacobian(outputs: Sequence[Value], wrt: Sequence[Value]) -> list[list[float]]:
    """The derivatives of several outputs: a row for each output, a column for each node of ``wrt``."""
    rows, columns = _values(outputs, "jacobian: outputs"), _values(wrt, "jacobian: wrt")
    found = []
    with alone:
        order = marked(*columns, *rows)  # the columns too: those that no output depends on keep 0.0
        for output in rows:
            for node in order:
                node._adjoint = 0.0
            propagate(output, order)
            found.append([node._adjoint for node in columns])
    return found


def hessian(output: Value, wrt: Sequence[Value]) -> list[list[float]]:
    """The second derivatives of the output: the Jacobian of its gradient."""
    nodes = _values(wrt, "hessian: wrt")
    return jacobian(grad(output, nodes, create_graph=True), nodes)


def _values(nodes: object, what: str, hint: str = "pass Values") -> list[Value]:
    if isinstance(nodes, Value):
        raise TypeError(f"{what} takes a list of Values, got one Value: put it in a list")
    try:
        listed: list[Value] = list(nodes)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{what} takes a list of Values, got {type(nodes).__name__}") from None
    for k, node in enumerate(listed):
        if not isinstance(node, Value):
            raise TypeError(f"{what}: item {k} is {node!r:.60} of type {type(node).__name__}: {hint}")
    return listed


# The gradient as a graph: the same walk, with the rules applied to Values. An adjoint is collected as a list of
# contributions (adjoint of the child, local derivative), and becomes one node when its turn comes: a product where
# there is one contribution, a dot where there are several. None as a local derivative stands for 1.


def _gradient_graph(output: Value, wrt: list[Value]) -> list[Value]:
    order = toposort(output)
    wanted = set(wrt)  # only nodes that depend on wrt need an adjoint
    for node in order:
        if node not in wanted and not wanted.isdisjoint(node.parents):
            wanted.add(node)
    contributions: dict[Value, list[tuple[Value, Value | None]]] = {}
    finished: dict[Value, Value] = {}
    for node in reversed(order):
        if node is output:
            adjoint = constant(1.0)
        elif node in contributions:
            adjoint = _combined(contributions.pop(node))
        else:
            continue
        finished[node] = adjoint
        for parent, derivative in _local_derivatives(node, wanted):
            contributions.setdefault(parent, []).append((adjoint, derivative))
    return [finished[node] if node in finished else constant(0.0) for node in wrt]


def _combined(contributions: list[tuple[Value, Value | None]]) -> Value:
    if len(contributions) == 1:
        adjoint, derivative = contributions[0]
        if derivative is None:
            return adjoint
        if adjoint.is_constant and adjoint.data == 1:
            return derivative
        return adjoint * derivative
    if all(derivative is None for _, derivative in contributions):
        return FUNCTIONS["sum"]([adjoint for adjoint, _ in contributions])
    derivatives = [constant(1.0) if derivative is None else derivative for _, derivative in contributions]
    return FUNCTIONS["dot"](derivatives, [adjoint for adjoint, _ in contributions])


def _local_derivatives(node: Value, wanted: set[Value]) -> list[tuple[Value, Value | None]]:
    """(parent, local derivative as a Value) for every wanted parent; None stands for 1, and 0 is left out."""
    op, parents = node.op, node.parents
    if op is None:
        return []
    if op.name == "dot":
        n = len(parents) // 2
        partners = (*parents[n : 2 * n], *parents[:n], None)
        return [(parent, partner) for parent, partner in zip(parents, partners, strict=False) if parent in wanted]
    found: list[tuple[Value, Value | None]] = []
    for k, parent in enumerate(parents):
        if parent not in wanted:
            continue
        rule = op.rules[k] if op.arity else op.rules[0]
        if rule == "1":
            found.append((parent, None))
        elif rule != "0":
            derivative = (
                _rule(rule, (*op.arguments, "y"))(*parents, node)
                if op.arity
                else _rule(rule, ("a", "y", "n"))(parent, node, float(len(parents)))
            )
            found.append((parent, derivative if isinstance(derivative, Value) else constant(derivative)))
    return found


def _folding(name: str) -> Callable[..., Value]:
    """A function of the table that gives a constant for constants, so that the conditions below can be decided."""
    function = FUNCTIONS[name]

    def folding(*arguments: Value | float) -> Value:
        node = function(*arguments)
        return constant(node.data) if all(parent.is_constant for parent in node.parents) else node

    return folding


def _where(condition: Value, a: Value | float, b: Value | float) -> Value | float:
    """where, decided at once if its condition is constant.

    The branch not taken would multiply its derivatives by 0, and 0 times inf is nan: the second derivative of x ** 2
    at 0 must not see x ** -1.
    """
    if condition.is_constant:
        return a if condition.data else b
    return FUNCTIONS["where"](condition, a, b)


_ON_VALUES: dict[str, Callable[..., Value | float]] = {name: _folding(name) for name in OPS} | {"where": _where}
_compiled: dict[tuple[str, tuple[str, ...]], Callable[..., Value | float]] = {}


def _rule(rule: str, arguments: tuple[str, ...]) -> Callable[..., Value | float]:
    from .expressions import function as compile_rule  # needs ast, which importing the engine should not load

    key = rule, arguments
    if key not in _compiled:
        _compiled[key] = compile_rule(rule, arguments, _ON_VALUES)
    return _compiled[key]
