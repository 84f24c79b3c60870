"""Reverse-mode differentiation: the chain rule, from the output back to the leaves.

The adjoint of a node is the derivative of the output with respect to it. Taken in reverse topological order, a node has
received its whole adjoint before it passes it on, multiplied by its local derivatives, to its parents. The order
matters: in ``b = a + a; c = b * b`` the node b must have both its contributions before a gets any.

What is not reached passes nothing on: neither a node that the output does not depend on, nor an operand that was not
chosen (its local derivative is ``NOTHING``). 0 times infinity on a path that is taken stays nan.
"""

from __future__ import annotations

import sys
from collections import deque

from .graph import alone, marked
from .operands import NOTHING, real_number, shortened
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Literal, overload
else:

    def overload(function):  # importing typing would take as long as the engine
        return function


_set_grad = vars(Value)["grad"].__set__


def propagate(order: list[Value]) -> None:
    """Set ``_adjoint`` of every node, given those of the outputs; all others are NOTHING, and stay so if not reached.

    ``order`` is a topological order.
    """
    for node in reversed(order):
        a = node._a
        if a is None:
            continue
        g = node._adjoint
        if g is NOTHING:
            continue
        if a.__class__ is tuple:
            first, second = a
            by_first, by_second = node._da
            if second:  # a dot; all its operands are reached
                for parent, derivative in zip(first, by_first):
                    parent._adjoint += g * derivative
                for parent, derivative in zip(second, by_second):
                    parent._adjoint += g * derivative
            else:
                for parent, derivative in zip(first, by_first):
                    if derivative is not NOTHING:
                        parent._adjoint += g * derivative
        else:
            derivative = node._da
            if derivative is not NOTHING:
                a._adjoint += g * derivative
        b = node._b
        if b is not None:
            derivative = node._db
            if derivative is not NOTHING:
                b._adjoint += g * derivative


def backward(output: Value) -> None:
    """Write the derivative of the output with respect to each node into its ``grad``; leaves accumulate.

    All or nothing: the adjoints are gathered aside, and written by one call that Python does not interrupt.
    """
    if not isinstance(output, Value):
        raise TypeError(f"backward starts from a Value, got {type(output).__name__}")
    numbers_taken([output])
    with alone:
        order = marked(output)
        output._adjoint = 1.0
        propagate(order)
        try:
            grads = [node.grad + node._adjoint if node.op is None else node._adjoint for node in order]
        except TypeError:
            grads = [_held(node) + node._adjoint if node.op is None else node._adjoint for node in order]
        # map and deque run in C: no signal handler, hence no KeyboardInterrupt, comes between two of the writes.
        deque(map(_set_grad, order, grads), maxlen=0)


def _held(leaf: Value) -> float:
    """The gradient that a leaf holds; ``a.grad = None``, as PyTorch's users clear it, is 0."""
    grad: float | None = leaf.grad
    if grad is None:
        return 0.0
    if not isinstance(grad, (int, float)):
        raise TypeError(f"backward: the gradient of {leaf.label or 'a leaf'} is {grad!r:.60}: set it to a number")
    return grad


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
    nodes = listed(wrt, "grad: wrt")
    several = isinstance(output, (list, tuple))
    listed([output], "grad: output", "jacobian takes several outputs" if several else "pass a Value")
    if create_graph:
        from .gradient_graph import gradient_graph  # reads the rules, for which importing the engine has no need

        return gradient_graph(output, nodes)
    return jacobian([output], nodes)[0]


def jacobian(outputs: Sequence[Value], wrt: Sequence[Value]) -> list[list[float]]:
    """The derivatives of several outputs: a row for each output, a column for each node of ``wrt``."""
    rows, columns = listed(outputs, "jacobian: outputs"), listed(wrt, "jacobian: wrt")
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
    rows, columns = listed(outputs, "vjp: outputs"), listed(wrt, "vjp: wrt")
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
    nodes = listed(wrt, "hessian: wrt")
    return jacobian(grad(output, nodes, create_graph=True), nodes)


def hvp(output: Value, wrt: Sequence[Value], vector: Iterable[float]) -> list[float]:
    """H·v, the Hessian of the output times a vector with one number for each node of ``wrt``, without the Hessian.

    >>> a, b = Value(2.0), Value(3.0)
    >>> hvp(a * a * b, [a, b], [1.0, 0.0])
    [6.0, 4.0]
    """
    nodes = listed(wrt, "hvp: wrt")
    # The Hessian is symmetric, so that v·J of the gradient is H·v.
    return vjp(grad(output, nodes, create_graph=True), nodes, numbers_for(vector, nodes, "hvp", "vector", "wrt"))


def numbers_for(numbers: Iterable[float], nodes: list[Value], what: str, name: str, beside: str) -> list[float]:
    """The numbers as floats, one for each node."""
    if isinstance(numbers, (int, float, Value, str)):
        raise TypeError(f"{what}: {name} takes a list of numbers, got {shortened(numbers)}")
    listed = [real_number(x, f"{what}: {name}") for x in numbers]
    if len(listed) != len(nodes):
        raise ValueError(f"{what} takes as many {name} as {beside}: got {len(listed)} and {len(nodes)}")
    return listed


def numbers_taken(outputs: list[Value]) -> None:
    """Derivatives are numbers too: tell it where someone records (recording.py, loaded only there)."""
    recording = sys.modules.get("engine.recording")
    if recording is not None:
        for output in outputs:
            recording.notice(output)


def listed(nodes: object, what: str, hint: str = "pass Values") -> list[Value]:
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
