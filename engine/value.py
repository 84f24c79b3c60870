"""Value, the node of a graph: a number that remembers the operation it came from.

Each operation computes its result and, at once, its local derivatives: how the result moves with each operand. That is
all the backward pass needs (reverse.py). The operations themselves, as methods and functions, are in operations.py.

A node holds its operands directly, without closures and without a reference from an operand to its result. A graph is
therefore free of cycles, and is freed as soon as it is dropped.
"""

from __future__ import annotations

from itertools import chain

from . import operands, operations
from .graph import toposort
from .operands import UNSET, is_real, real_number
from .operations import Operations
from .other_names import OTHER_NAMES, Nowhere

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .operands import Number, Operand
    from .ops import Op

_COMPARED = "a comparison with a Value"


class Value(Operations):
    """A number in a computation graph.

    data    the number
    grad    the derivative of the output with respect to this node, written by ``backward()``; 0.0 before
    label   a name for pictures and messages
    op      the operation that made it (a row of the table), None for a leaf

    Operators, methods (``a.tanh()``) and free functions (``tanh(a)``) build new nodes:

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + a.tanh()
    >>> c.backward()
    >>> a.grad, b.grad
    (-2.9293491751468355, 2.0)

    Equality and hash are identity, so that nodes can be collected in sets; ``==`` with a number, which would be False
    without a word, is a TypeError. ``<`` and friends compare data. Changing ``data`` of a leaf does not change nodes
    already computed from it: their local derivatives are those of the forward pass. Raises TypeError where data is no
    real number or the label no text.
    """

    # The operands of one- and two-argument nodes have slots of their own, with the local derivatives beside them: a
    # tuple each would make a node three containers for the cyclic collector to visit. Where there are more operands,
    # _a holds two groups of them, and _da the derivatives: (weights, inputs) of a dot, with its bias in _b, and else
    # (operands, ()). _a of a leaf is None, and of a constant ((), ()); _b is None where there is no second operand.
    # _mark and _adjoint belong to the walk that goes through the graph (graph.py, reverse.py).
    # _label is the label, or a Beginning of it.
    __slots__ = ("data", "grad", "_label", "op", "_a", "_b", "_da", "_db", "_mark", "_adjoint", "__weakref__")

    data: float
    grad: float
    _label: str
    op: Op | None
    _a: Any
    _b: Value | None
    _da: Any
    _db: float
    _mark: object
    _adjoint: float

    __array_ufunc__ = None  # so that a NumPy scalar on the left leaves the operation to Value

    def __init__(self, data: Number, label: str = "") -> None:
        self.data = data if type(data) is float else real_number(data)
        self.grad = UNSET
        self._label = label if type(label) is str else _text(label)
        self.op = None
        self._a = None
        self._b = None
        self._mark = None

    @property
    def label(self) -> str:
        """A name for pictures and messages."""
        label = self._label
        return label if type(label) is str else label + self._db  # type: ignore[operator]

    @label.setter
    def label(self, label: str) -> None:
        self._label = label if type(label) is str else _text(label)

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in order; empty for a leaf."""
        if self.op is None:
            return ()
        a, b = self._a, self._b
        if type(a) is not tuple:
            return (a,) if b is None else (a, b)
        return (*chain.from_iterable(a), *(() if b is None else (b,)))

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The derivative of this node with respect to each of its parents, as of the forward pass."""
        if self.op is None:
            return ()
        groups = self._da if type(self._a) is tuple else ((self._da,),)
        return (*chain.from_iterable(groups), *(() if self._b is None else (self._db,)))

    @property
    def is_leaf(self) -> bool:
        """Whether the node was given rather than computed."""
        return self.op is None

    @property
    def is_constant(self) -> bool:
        """Whether the node is a leaf made of a plain number in an expression, such as the 2 of ``2 * a``."""
        return type(self._a) is tuple and self.op is None

    @property
    def has_grad(self) -> bool:
        """Whether ``grad`` was ever written; pictures show – where it was not, or was set to None."""
        return self.grad is not UNSET and self.grad is not None

    def backward(self) -> None:
        """Write into ``grad`` of every node the derivative of this node with respect to it.

        Leaves add to what they hold, so that several outputs and several calls accumulate; all other nodes hold the
        derivative of this pass alone. All or nothing: when interrupted, no gradient has changed.
        """
        from .reverse import backward

        backward(self)

    def zero_grad(self) -> None:
        """Set ``grad`` to 0.0 for this node and every node it depends on."""
        for node in toposort(self):
            node.grad = 0.0

    def detach(self) -> Value:
        """A constant with this node's number: nothing is differentiated through it."""
        node = operands.constant(self.data)
        node._label = self.label
        return node

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Value) and is_real(other):
            raise TypeError(
                f"a Value is equal to itself alone, and was compared with the number {other!r}: compare its .data, "
                "or use engine.eq(a, b), which is 1.0 or 0.0 in the graph"
            )
        return NotImplemented

    __hash__ = object.__hash__

    def __float__(self) -> float:
        return self.data

    def __int__(self) -> int:
        return int(self.data)

    def __bool__(self) -> bool:
        return self.data != 0

    def __round__(self, digits: int | None = None) -> float:
        return round(self.data, digits)

    def __format__(self, spec: str) -> str:
        return format(self.data, spec) if spec else str(self)

    def __lt__(self, other: Operand) -> bool:
        return self.data < (other.data if isinstance(other, Value) else real_number(other, _COMPARED))

    def __le__(self, other: Operand) -> bool:
        return self.data <= (other.data if isinstance(other, Value) else real_number(other, _COMPARED))

    def __gt__(self, other: Operand) -> bool:
        return self.data > (other.data if isinstance(other, Value) else real_number(other, _COMPARED))

    def __ge__(self, other: Operand) -> bool:
        return self.data >= (other.data if isinstance(other, Value) else real_number(other, _COMPARED))

    def __pos__(self) -> Value:
        return self

    def __repr__(self) -> str:
        grad = self.grad if self.has_grad else "–"
        op = f", op={self.op.name!r}" if self.op else ""
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data!r}, grad={grad}{op}{label})"

    def __copy__(self) -> Value:
        from .copying import shallow

        return shallow(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        from .copying import deep

        return deep(self, memo)

    def __reduce__(self) -> tuple[Callable[..., Value], tuple[Any, ...]]:
        from .copying import reduced

        return reduced(self)


class Beginning(str):
    """The beginning of the labels of many leaves, such as the weights of a neuron; each has the rest of its own in _db.

    So a label is put together when it is asked for, which of a million weights few are.
    """

    __slots__ = ()


def _text(label: object) -> str:
    if not isinstance(label, str):
        raise TypeError(
            f"Value: the label is text, got {operands.shortened(label)} of type {type(label).__name__}. Operands are "
            "not given: an operation makes the node, as in a * b"
        )
    return str.__str__(label)  # of a subclass, such as NumPy's, the plain text


if not TYPE_CHECKING:  # a type checker says that there is no such attribute
    for _name, _message in OTHER_NAMES.items():
        setattr(Value, _name, Nowhere(_message))


for _module in (operands, operations):  # they make nodes, and Value is made from them: the one circle in this house
    vars(_module)["Value"] = Value
