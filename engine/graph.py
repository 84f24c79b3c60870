"""Walks over a graph. All are iterative: Python's recursion ends at a depth of 1,000, graphs do not."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .value import Value


def toposort(*outputs: Value) -> list[Value]:
    """Every node that the outputs depend on, and the outputs, each once, parents before children.

    The order is that of a depth-first walk which takes parents from first to last; it is the same in every run.
    """
    order: list[Value] = []
    done: set[Value] = set()
    emit, mark = order.append, done.add
    for output in outputs:
        stack = [output]
        push, pop = stack.append, stack.pop
        while stack:
            node = stack[-1]  # stays on the stack until its parents are done
            a = node._a
            if a is not None and node not in done:
                if type(a) is tuple:
                    waiting = [parent for parent in a if parent not in done]
                    if waiting:
                        waiting.reverse()
                        stack += waiting
                        continue
                elif a not in done:
                    push(a)
                    continue
                else:
                    b = node._b
                    if b is not None and b not in done:
                        push(b)
                        continue
            pop()
            if node not in done:
                mark(node)
                emit(node)
    return order


def first_nonfinite(*outputs: Value) -> Value | None:
    """The first node, in topological order, whose data or gradient is nan or infinite; None where all are finite.

    Its parents are finite, so that its ``op`` and ``parents`` show where the trouble starts. Gradients flow the other
    way: where all data are finite, the first node with such a gradient is looked for from the outputs. Constants
    receive no gradient that matters and are judged by their data alone.
    """
    order = toposort(*outputs)
    for node in order:
        if not math.isfinite(node.data):
            return node
    for node in reversed(order):
        if not math.isfinite(node.grad) and not node.is_constant:
            return node
    return None
