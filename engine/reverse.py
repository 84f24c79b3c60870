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
from .operands import NOTHING
from .value import Value

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


def numbers_taken(outputs: list[Value]) -> None:
    """Derivatives are numbers too: tell it where someone records (recording.py, loaded only there)."""
    recording = sys.modules.get("engine.recording")
    if recording is not None:
        for output in outputs:
            recording.notice(output)
