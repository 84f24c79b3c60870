"""dot, the weighted input z = w·x + b of a neuron: one node, and the place where the roles of its operands are known.

The operands of a dot are its weights, its inputs and perhaps a bias. Its derivatives with respect to the weights are
the inputs, with respect to the inputs the weights, and 1 with respect to the bias.
"""

from __future__ import annotations

from math import nan

from .compiled import compiled
from .ieee import scalar
from .operands import UNSET, constant, listed
from .operations import FUNCTIONS
from .ops import OPS
from .value import Beginning, Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random
    from typing import Any, TypeVar

    from .operands import Operand

    T = TypeVar("T")

_DOT, _dot = OPS["dot"], scalar["dot"]
_SOME, _MANY = 600, 100_000  # weights that take Python as long to draw as to hand its generator over; 30 ms to make


def roles(operands: Sequence[T]) -> tuple[tuple[T, ...], tuple[T, ...], T | None]:
    """The weights, the inputs and the bias (None without one) among the operands of a dot, whatever stands for them.

    >>> roles(["w1", "w2", "x1", "x2", "b"])
    (('w1', 'w2'), ('x1', 'x2'), 'b')
    """
    n = len(operands) // 2
    return tuple(operands[:n]), tuple(operands[n : 2 * n]), operands[-1] if len(operands) % 2 else None


def uniform(rng: Random, low: float, span: float, n: int) -> Sequence[float]:
    """low + span * rng.random(), n times."""
    in_c, random = compiled(n, _MANY) if n > _SOME else None, rng.random
    drawn: Sequence[float] | None = in_c and in_c.draw(rng, low, span, n)
    return [low + span * random() for _ in range(n)] if drawn is None else drawn


def named_leaves(numbers: Sequence[float], names: tuple[str, ...], neuron: str) -> tuple[Value, ...]:
    """Leaves with these numbers, such as the weights of a neuron, labelled neuron + name.

    As many calls of Value would take twice as long.
    """
    label, in_c = Beginning(neuron), compiled(len(names))
    nodes: tuple[Value, ...] | None = in_c and in_c.new_leaves(numbers, names, label)
    if nodes is not None:
        return nodes
    made, new = list[Value](), object.__new__
    for data, name in zip(numbers, names):
        node = new(Value)
        node.data, node.grad, node._label, node._db = data, UNSET, label, name  # type: ignore[assignment]
        node.op = node._a = node._b = node._mark = None
        made.append(node)
    return tuple(made)


def dot(weights: Iterable[Any], inputs: Iterable[Any], bias: Operand | None = None) -> Value:
    """The weighted input z = w·x + b of a neuron, as one node; its parents are the weights, the inputs and the bias.

    Raises ValueError where there are not as many weights as inputs.
    """
    return dots([weights], inputs, [bias], [""])[0]


def dots(
    weights: Iterable[Iterable[Any]], inputs: Iterable[Any], biases: Iterable[Operand | None], labels: Iterable[str]
) -> list[Value]:
    """The weighted inputs of the neurons of a layer, which share their inputs: dot(w, inputs, b) for each, labelled.

    Raises ValueError where a neuron has not as many weights as there are inputs.
    """
    # Most of the time of an eager network is spent here: what the neurons share is looked at once, and a row of plain
    # Values, the usual case, is recognised by losing nothing below.
    inputs = listed("dot", inputs)
    x = tuple([v.data for v in inputs])
    nodes, new = [], Value.__new__
    for row, bias, label in zip(weights, biases, labels, strict=True):
        group = tuple(row) if isinstance(row, (tuple, list)) else listed("dot", row)
        w = [v.data for v in group if v.__class__ is Value]
        if len(w) != len(group):
            group = listed("dot", group)
            w = [v.data for v in group]
        if len(w) != len(x):
            raise ValueError(f"dot takes as many weights as inputs, got {len(w)} weights and {len(x)} inputs")
        node = new(Value)
        node.data = _dot(w, x)
        node.grad, node._label, node.op, node._mark = UNSET, label, _DOT, None
        node._a, node._b, node._da = (group, inputs), None, (x, w)
        if bias is not None:
            b = constant(bias, "dot")
            node.data += b.data
            node._b, node._db = b, 1.0
        nodes.append(node)
    return nodes


def traced_dots(
    weights: Iterable[tuple[Value, ...]], inputs: Sequence[Value], biases: Iterable[Value], labels: Iterable[str]
) -> list[Value]:
    """``dots`` without the numbers, for a graph that is lowered and dropped: data is nan, derivatives are missing."""
    group, nodes, new = tuple(inputs), [], Value.__new__
    for row, bias, label in zip(weights, biases, labels, strict=True):
        node = new(Value)
        node.data, node.grad, node._label, node.op, node._mark = nan, UNSET, label, _DOT, None
        node._a, node._b, node._da, node._db = (row, group), bias, ((), ()), 1.0
        nodes.append(node)
    return nodes


FUNCTIONS["dot"] = dot
