"""Copies and pickles of graphs, of any depth: a graph becomes a flat list, parents before children."""

from __future__ import annotations

from .graph import toposort
from .operands import CONSTANT, NOTHING, UNSET
from .value import Value
from .weighted import roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .ops import Op

    Derivatives = tuple[float | None, ...]  # None for NOTHING, whose identity a pickle would lose


def shallow(node: Value) -> Value:
    """A node with the same parents."""
    return _restored(node.data, node.grad, node.label, node.op, node.parents, _kept(node), node)


def deep(output: Value, memo: dict[int, Any]) -> Value:
    """A copy of the whole graph behind this node; nodes that are shared stay shared."""
    for node in toposort(output):
        if id(node) not in memo:
            parents = tuple([memo[id(parent)] for parent in node.parents])
            memo[id(node)] = _restored(node.data, node.grad, node.label, node.op, parents, _kept(node), node)
    copied: Value = memo[id(output)]
    return copied


def reduced(output: Value) -> tuple[Callable[..., Value], tuple[Any, ...]]:
    """For pickle: how to make the graph behind this node again.

    The leaves of several values pickled together stay shared; pickle nodes that share intermediate nodes by their
    common output.
    """
    if output.op is None:
        return _leaf, (output.data, output.grad if output.has_grad else None, output.label, output.is_constant)
    order = toposort(output)
    number = {node: k for k, node in enumerate(order)}
    records = [
        (node.data, node.grad if node.has_grad else None, node.label, node.op,
         tuple([number[parent] for parent in node.parents]), _kept(node))
        if node.op else node
        for node in order
    ]  # fmt: skip
    return _rebuilt, (records,)


def _kept(node: Value) -> Derivatives:
    return tuple([None if d is NOTHING else d for d in node.local_derivatives])


def _restored(
    data: float, grad: float, label: str, op: Op | None, parents: tuple[Value, ...], kept: Derivatives,
    leaf: Value | None = None,
) -> Value:  # fmt: skip
    """A node from its parts."""
    node = Value(data, label)
    node.grad, node.op = grad, op
    derivatives = tuple([NOTHING if d is None else d for d in kept])
    if op is None:
        if leaf is not None and leaf.is_constant:
            node._a = node._da = CONSTANT
    elif op.name == "dot":
        weights, inputs, node._b = roles(parents)
        by_weights, by_inputs, by_bias = roles(derivatives)
        node._a, node._da = (weights, inputs), (by_weights, by_inputs)
        if by_bias is not None:
            node._db = by_bias
    elif op.arity is None or op.arity > 2:
        node._a, node._da = (parents, ()), (derivatives, ())
    else:
        node._a, node._da = parents[0], derivatives[0]
        if op.arity == 2:
            node._b, node._db = parents[1], derivatives[1]
    return node


def _leaf(data: float, grad: float | None, label: str, is_constant: bool) -> Value:
    node = Value(data, label)
    if grad is not None:
        node.grad = grad
    if is_constant:
        node._a = node._da = CONSTANT
    return node


def _rebuilt(records: list[Any]) -> Value:
    nodes: list[Value] = []
    for record in records:
        if isinstance(record, Value):
            nodes.append(record)
            continue
        data, grad, label, op, parents, derivatives = record
        grad = UNSET if grad is None else grad
        nodes.append(_restored(data, grad, label, op, tuple([nodes[k] for k in parents]), derivatives))
    return nodes[-1]
