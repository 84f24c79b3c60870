"""Walks over a graph. All are iterative: Python's recursion ends at a depth of 1,000, graphs do not."""

from __future__ import annotations

import math
import os
from _thread import RLock  # threading's, without the cost of importing threading

from .compiled import compiled
from .operands import NOTHING, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .value import Value


alone = RLock()  # the marks in the nodes serve one walk at a time; walks of other threads wait
if hasattr(os, "register_at_fork"):  # a child of fork has no other threads; one that held the lock would never let go
    os.register_at_fork(after_in_child=alone._at_fork_reinit)  # type: ignore[attr-defined]


def toposort(*outputs: Value, skip: Callable[[tuple[Value, ...]], bool] | None = None) -> list[Value]:
    """Every node that the outputs depend on, and the outputs, each once, parents before children.

    The order is that of a depth-first walk which takes parents from first to last; it is the same in every run.

    skip   is asked of each group of more than two operands, such as the weights of a neuron; where it says yes, they
           are left out, and so is what lies behind them alone
    """
    for output in outputs:
        if not hasattr(output, "_mark"):
            raise TypeError(f"a graph is that of Values, given one by one: got {shortened(output)}")
    with alone:
        return marked(*outputs, skip=skip)


def marked(*outputs: Value, skip: Callable[[tuple[Value, ...]], bool] | None = None) -> list[Value]:
    """toposort, for callers that hold ``alone``; sets the adjoint of each node to NOTHING: not reached yet.

    A node is marked in a slot of its own, by an object that stands for this walk: a set of a million nodes would not
    fit the processor's cache, and looking into it would cost more than the walk.
    """
    mark = object()
    order: list[Value] = []
    emit = order.append
    path: list[Value] = []  # what is still to be done: each node above its children
    push, pop = path.append, path.pop
    entered: set[Value] = set()  # nodes with groups whose parents are done or on the path
    scanned: set[int] = set()  # ids of groups: the inputs of a layer are one group, shared by all its neurons
    for node in outputs:
        if node._mark is mark:
            continue
        while True:
            a = node._a
            if a is not None:
                if a.__class__ is not tuple:
                    if a._mark is not mark:
                        push(node)
                        node = a
                        continue
                elif node not in entered:
                    entered.add(node)
                    push(node)
                    for group in reversed(a):
                        if id(group) not in scanned:
                            scanned.add(id(group))
                            if skip is not None and skip(group):
                                continue
                            path += [parent for parent in reversed(group) if parent._mark is not mark]
                    node = pop()
                    continue
                b = node._b
                if b is not None and b._mark is not mark:
                    push(node)
                    node = b
                    continue
            node._mark = mark
            node._adjoint = NOTHING
            emit(node)
            while path:
                node = pop()
                if node._mark is not mark:
                    break
            else:
                break
    return order


def distinct_leaves(nodes: list[Value]) -> bool:
    """Whether these are Values, all of them leaves, and each there once; a million of them are looked at but once."""
    from .value import Value

    mark, reading = object(), compiled(len(nodes))
    with alone:
        found: bool | None = reading and reading.mark_leaves(nodes, mark)
        if found is not None:
            return found
        for node in nodes:
            if node.__class__ is not Value or node.op is not None or node._mark is mark:
                return False
            node._mark = mark
    return True


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
