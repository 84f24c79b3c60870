"""Derivatives as functions of a graph, which leave every ``.grad`` alone: grad, jacobian, vjp, hessian, hvp.

On floats each is a backward sweep (reverse.py); what is to be differentiated again is a graph (gradient_graph.py).
"""

from __future__ import annotations

from .graph import alone, marked
from .operands import NOTHING, real_number, shortened
from .reverse import numbers_taken, propagate
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, overload
else:

    def overload(function):  # importing typing would take as long as the engine
        return function


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
    """The derivative of the output with respect to each node of ``wrt``: a list, or one number if ``wrt`` is one node.

    The result is floats, or with ``create_graph`` Values that can be differentiated again, drawn and lowered. No
    ``.grad`` is touched. A node on which the output does not depend gives 0.0. Raises TypeError for what is not a
    Value; with ``create_graph``, RuntimeError where data was changed after the forward pass.
    """
    if isinstance(wrt, Value):
        return grad(output, [wrt], create_graph)[0]  # type: ignore[call-overload, no-any-return]
    nodes = checked_values(wrt, "grad: wrt")
    several = isinstance(output, (list, tuple))
    checked_values([output], "grad: output", "jacobian takes several outputs" if several else "pass a Value")
    if create_graph:
        from .gradient_graph import gradient_graph  # reads the rules, for which importing the engine has no need

        return gradient_graph(output, nodes)
    return jacobian([output], nodes)[0]


def jacobian(outputs: Sequence[Value], wrt: Sequence[Value]) -> list[list[float]]:
    """The derivatives of several outputs: a row for each output, a column for each node of ``wrt``."""
    rows, columns = checked_values(outputs, "jacobian: outputs"), checked_values(wrt, "jacobian: wrt")
    found = []
    numbers_taken(rows)
    with alone:
        order = marked(*columns, *rows)  # the columns too: those that no output depends on keep 0.0
        for output in rows:
            for node in order:
                node._adjoint = NOTHING
            output._adjoint = 1.0
            propagate(order)
            found.append([node._adjoint for node in columns])
    return found


def vjp(outputs: Sequence[Value], wrt: Sequence[Value], cotangents: Iterable[float]) -> list[float]:
    """v·J, the vector v of ``cotangents`` (one for each output) times the Jacobian, by one sweep.

    The derivative of the sum of cotangent times output with respect to each node of ``wrt``; an output whose cotangent
    is 0 contributes nothing. Raises ValueError where there are not as many cotangents as outputs.

    >>> a, b = Value(2.0), Value(3.0)
    >>> vjp([a * b, a + b], [a, b], [1.0, 10.0])
    [13.0, 12.0]
    """
    rows, columns = checked_values(outputs, "vjp: outputs"), checked_values(wrt, "vjp: wrt")
    numbers = numbers_for(cotangents, rows, "vjp", "cotangents", "outputs")
    numbers_taken(rows)
    with alone:
        order = marked(*columns, *rows)
        for output, number in zip(rows, numbers):
            if number:  # an output without weight passes nothing on, whatever its derivatives
                output._adjoint += number
        propagate(order)
        return [node._adjoint for node in columns]


def hessian(output: Value, wrt: Sequence[Value]) -> list[list[float]]:
    """The second derivatives of the output: the Jacobian of its gradient."""
    nodes = checked_values(wrt, "hessian: wrt")
    return jacobian(grad(output, nodes, create_graph=True), nodes)


def hvp(output: Value, wrt: Sequence[Value], vector: Iterable[float]) -> list[float]:
    """H·v, the Hessian of the output times a vector with one number for each node of ``wrt``, without the Hessian.

    >>> a, b = Value(2.0), Value(3.0)
    >>> hvp(a * a * b, [a, b], [1.0, 0.0])
    [6.0, 4.0]
    """
    nodes = checked_values(wrt, "hvp: wrt")
    # The Hessian is symmetric, so that v·J of the gradient is H·v.
    return vjp(grad(output, nodes, create_graph=True), nodes, numbers_for(vector, nodes, "hvp", "vector", "wrt"))


def numbers_for(numbers: Iterable[float], nodes: list[Value], what: str, name: str, beside: str) -> list[float]:
    """The numbers as floats, one for each node."""
    if isinstance(numbers, (Value, str)) or not hasattr(numbers, "__iter__"):
        raise TypeError(f"{what}: {name} takes a list of numbers, got {shortened(numbers)}")
    listed = [real_number(x, f"{what}: {name}") for x in numbers]
    if len(listed) != len(nodes):
        raise ValueError(f"{what}: {name} must have as many numbers as {beside}: got {len(listed)} and {len(nodes)}")
    return listed


def checked_values(nodes: object, what: str, hint: str = "pass Values") -> list[Value]:
    """nodes as a list. Raises TypeError for what is not a list of Values, naming ``what`` and the item."""
    if isinstance(nodes, Value):
        raise TypeError(f"{what} takes a list of Values, got one Value: put it in a list")
    try:
        listed: list[Value] = list(nodes)  # type: ignore[call-overload]
    except TypeError:
        raise TypeError(f"{what} takes a list of Values, got {type(nodes).__name__}") from None
    for k, node in enumerate(() if set(map(type, listed)) == {Value} else listed):  # a million of them is usual
        if not isinstance(node, Value):
            raise TypeError(f"{what}: item {k} is {shortened(node)} of type {type(node).__name__}: {hint}")
    return listed
