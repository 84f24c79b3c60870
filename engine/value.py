"""Value, the node of a graph: a number that remembers the operation it came from.

Each operation computes its result and, at once, its local derivatives: how the result moves with each operand. That is
all the backward pass needs (reverse.py). The methods below are generated from the table of operations (ops.py) when
this module is imported, as namedtuple and dataclasses do it, so that no look-up is paid for each node.

A node holds its operands directly, without closures and without a reference from an operand to its result. A graph is
therefore free of cycles, and is freed as soon as it is dropped.
"""

from __future__ import annotations

import math
from itertools import chain

from .graph import toposort
from .ieee import FAST, RAISED, scalar
from .ops import OPS, Op

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, SupportsFloat, SupportsIndex

    Number = SupportsFloat | SupportsIndex  # what real_number accepts; it decides at run time
    Operand = Number  # a Value is one: it has __float__

_NO_GROUPS: tuple[Any, ...] = ((), ())
_UNSET = float("0.0")  # an object of its own: tells a gradient never written (shown as –) from one that is 0.0


def real_number(x: object, what: str = "Value") -> float:
    """x as a float; TypeError where x is no real number, OverflowError where it is too large.

    int, bool, float, Fraction, Decimal and NumPy scalars are accepted; str, None, complex, arrays and Values are not.
    """
    if type(x) is float:
        return x
    if type(x) is not int and not isinstance(x, (int, float)) and not _is_real(x):
        hints = {
            "Value": "a Value cannot hold another; use it directly, or its .data",
            "str": "convert it with float(...) first",
            "complex": "take .real or .imag",
        }
        default = "build one Value for each number" if hasattr(x, "__len__") else "pass an int or a float"
        hint = hints.get(type(x).__name__, default)
        raise TypeError(f"{what} takes a real number, got {_shorten(x)} of type {type(x).__name__}: {hint}")
    try:
        return float(x)  # type: ignore[arg-type]
    except OverflowError:
        raise OverflowError(f"{what} takes a number that fits a float (up to 1.8e308), got {_shorten(x)}") from None


def _is_real(x: object) -> bool:
    import numbers

    if isinstance(x, numbers.Real):  # Fraction and NumPy's integers and floats register there
        return True
    kind = type(x)
    return (kind.__module__, kind.__name__) in {("decimal", "Decimal"), ("numpy", "bool_"), ("numpy", "bool")}


def _shorten(x: object) -> str:
    try:
        text = repr(x)
    except ValueError:  # an int of more than 4300 digits has no repr
        text = "an integer of thousands of digits"
    return text if len(text) <= 60 else text[:57] + "..."


class Value:
    """A number in a computation graph.

    data    the number
    grad    the derivative of the output by this node, written by ``backward()``; 0.0 before
    label   a name for pictures and messages
    op      the operation that made it (a row of the table), None for a leaf

    Operators, methods (``a.tanh()``) and free functions (``tanh(a)``) build new nodes:

    >>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    >>> c = a * b + a.tanh()
    >>> c.backward()
    >>> a.grad, b.grad
    (-2.9293491751468355, 2.0)

    Equality and hash are identity, so that nodes can be collected in sets; ``<`` and friends compare data. Changing
    ``data`` of a leaf does not change nodes already computed from it: their local derivatives are those of the forward
    pass. Raises TypeError where data is no real number.
    """

    # The operands of one- and two-argument nodes have slots of their own, with the local derivatives beside them: a
    # tuple each would make a node three containers for the cyclic collector to visit. Where there are more operands,
    # _a holds two groups of them, and _da the derivatives: (weights, inputs) of a dot, with its bias in _b, and else
    # (operands, ()). _a of a leaf is None, and of a constant ((), ()); _b is None where there is no second operand.
    # _mark and _adjoint belong to the walk that goes through the graph (graph.py, reverse.py).
    __slots__ = ("data", "grad", "label", "op", "_a", "_b", "_da", "_db", "_mark", "_adjoint", "__weakref__")

    data: float
    grad: float
    label: str
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
        self.grad = _UNSET
        self.label = label
        self.op = None
        self._a = None
        self._b = None
        self._mark = None

    @property
    def parents(self) -> tuple[Value, ...]:
        """The operands, in order; empty for a leaf."""
        if self.op is None:
            return ()
        groups = self._a if type(self._a) is tuple else ((self._a,),)
        return (*chain.from_iterable(groups), *(() if self._b is None else (self._b,)))

    @property
    def local_derivatives(self) -> tuple[float, ...]:
        """The derivative of this node by each of its parents, as of the forward pass."""
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
        """Whether ``grad`` was ever written; pictures show – where it was not."""
        return self.grad is not _UNSET

    def backward(self) -> None:
        """Write into ``grad`` of every node the derivative of this node by it.

        Leaves add to what they hold, so that several outputs and several calls accumulate; all other nodes hold the
        derivative of this pass alone. All or nothing: when interrupted, no gradient has changed.
        """
        from .reverse import backward

        backward(self)

    def zero_grad(self) -> None:
        """Set ``grad`` to 0.0 for this node and every node it depends on."""
        for node in toposort(self):
            node.grad = 0.0

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
        return self.data < _data(other)

    def __le__(self, other: Operand) -> bool:
        return self.data <= _data(other)

    def __gt__(self, other: Operand) -> bool:
        return self.data > _data(other)

    def __ge__(self, other: Operand) -> bool:
        return self.data >= _data(other)

    def __pos__(self) -> Value:
        return self

    if TYPE_CHECKING:  # the operators and methods are set below, from the table

        def __add__(self, other: Operand) -> Value: ...
        def __radd__(self, other: Operand) -> Value: ...
        def __sub__(self, other: Operand) -> Value: ...
        def __rsub__(self, other: Operand) -> Value: ...
        def __mul__(self, other: Operand) -> Value: ...
        def __rmul__(self, other: Operand) -> Value: ...
        def __truediv__(self, other: Operand) -> Value: ...
        def __rtruediv__(self, other: Operand) -> Value: ...
        def __pow__(self, other: Operand) -> Value: ...
        def __rpow__(self, other: Operand) -> Value: ...
        def __neg__(self) -> Value: ...
        def __abs__(self) -> Value: ...
        def __getattr__(self, name: str) -> Callable[..., Value]: ...

    def __repr__(self) -> str:
        grad = self.grad if self.has_grad else "–"
        op = f", op={self.op.name!r}" if self.op else ""
        label = f", label={self.label!r}" if self.label else ""
        return f"Value(data={self.data!r}, grad={grad}{op}{label})"

    def __copy__(self) -> Value:
        """A node with the same parents."""
        return _restored(self.data, self.grad, self.label, self.op, self.parents, self.local_derivatives, self)

    def __deepcopy__(self, memo: dict[int, Any]) -> Value:
        """A copy of the whole graph behind this node, of any depth; nodes that are shared stay shared."""
        for node in toposort(self):
            if id(node) not in memo:
                parents = tuple([memo[id(parent)] for parent in node.parents])
                memo[id(node)] = _restored(
                    node.data, node.grad, node.label, node.op, parents, node.local_derivatives, node
                )
        copied: Value = memo[id(self)]
        return copied

    def __reduce__(self) -> tuple[Callable[..., Value], tuple[Any, ...]]:
        """For pickle: the graph behind this node as one flat list, parents before children, so that depth is no limit.

        The leaves of several values pickled together stay shared; pickle nodes that share intermediate nodes by their
        common output.
        """
        if self.op is None:
            return _leaf, (self.data, self.grad if self.has_grad else None, self.label, self.is_constant)
        order = toposort(self)
        number = {node: k for k, node in enumerate(order)}
        records = [
            (node.data, node.grad if node.has_grad else None, node.label, node.op,
             tuple([number[parent] for parent in node.parents]), node.local_derivatives)
            if node.op else node
            for node in order
        ]  # fmt: skip
        return _rebuilt, (records,)


def _data(x: Operand) -> float:
    return x.data if isinstance(x, Value) else real_number(x, "a comparison with a Value")


def constant(x: object) -> Value:
    """A leaf for a plain number in an expression, folded when the graph is lowered; a Value is left as it is."""
    if type(x) is not float:
        if isinstance(x, Value):
            return x
        x = real_number(x, "an operation on Values")
    node = Value.__new__(Value)
    node.data = x
    node.grad, node.label, node.op, node._mark = _UNSET, "", None, None
    node._a, node._b, node._da = _NO_GROUPS, None, _NO_GROUPS
    return node


def _operands(values: Iterable[object], name: str) -> tuple[Value, ...]:
    """values as a tuple of Values, for an n-ary operation."""
    if isinstance(values, (tuple, list)):
        kept = tuple([x for x in values if x.__class__ is Value])
        if len(kept) == len(values):
            return values if values.__class__ is tuple else kept  # the same tuple: nodes that share it share the walk
    if isinstance(values, (Value, str, bytes)):
        raise TypeError(f"{name} takes a list of Values, got {_shorten(values)}: put it in a list")
    try:
        items: Iterator[object] = iter(values)
    except TypeError:
        received = f"{_shorten(values)} of type {type(values).__name__}"
        raise TypeError(f"{name} takes a list of Values, got {received}") from None
    return tuple([constant(x) for x in items])


def _restored(
    data: float, grad: float, label: str, op: Op | None, parents: tuple[Value, ...], derivatives: tuple[float, ...],
    leaf: Value | None = None,
) -> Value:  # fmt: skip
    """A node from its parts."""
    node = Value(data, label)
    node.grad, node.op = grad, op
    if op is None:
        if leaf is not None and leaf.is_constant:
            node._a = node._da = _NO_GROUPS
    elif op.name == "dot":
        n = len(parents) // 2
        node._a, node._da = (parents[:n], parents[n : 2 * n]), (derivatives[:n], derivatives[n : 2 * n])
        if len(parents) % 2:
            node._b, node._db = parents[-1], derivatives[-1]
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
        node._a = node._da = _NO_GROUPS
    return node


def _rebuilt(records: list[Any]) -> Value:
    nodes: list[Value] = []
    for record in records:
        if isinstance(record, Value):
            nodes.append(record)
            continue
        data, grad, label, op, parents, derivatives = record
        grad = _UNSET if grad is None else grad
        nodes.append(_restored(data, grad, label, op, tuple([nodes[k] for k in parents]), derivatives))
    return nodes[-1]


# The methods, one for each row of the table. This is what is generated for tanh:
#
#     def tanh(self):
#         a = self.data
#         try: y = tanh(a)
#         except RAISED: y = scalar["tanh"](a)
#         node = new(Value); node.data = y; node.grad = UNSET; node.label = ""; node.op = OP_tanh
#         node._mark = None; node._a = self; node._b = None
#         node._da = 1 - y * y
#         return node


def _derivative_by_ieee(op: Op, k: int, *data: float) -> float:
    """Rule k where Python raises an exception: the IEEE result."""
    from .expressions import function as compile_rule

    return compile_rule(op.rules[k], (*op.arguments, "y"), scalar)(*data)  # type: ignore[no-any-return]


def _source(op: Op) -> str:
    """The method of an operation with one to three arguments."""
    others = op.arguments[1:]
    defaults = dict(zip(reversed(op.arguments), reversed(op.defaults), strict=False))
    signature = ["self", *(f"{x}_={defaults[x]!r}" if x in defaults else f"{x}_" for x in others)]
    lines = [f"def {op.name}({', '.join(signature)}):"]
    for x in others:
        lines.append(f"    if {x}_.__class__ is not Value: {x}_ = operand({x}_)")
    lines.append("    a = self.data")
    lines += [f"    {x} = {x}_.data" for x in others]
    lines += [f"    try: y = {op.forward}",
              f"    except RAISED: y = scalar[{op.name!r}]({', '.join(op.arguments)})"]  # fmt: skip
    lines += ["    node = new(Value)", "    node.data = y", "    node.grad = UNSET", '    node.label = ""',
              f"    node.op = OP_{op.name}", "    node._mark = None"]  # fmt: skip
    if len(op.arguments) <= 2:
        lines += ["    node._a = self", f"    node._b = {'b_' if others else 'None'}"]
        targets = ["node._da", "node._db"]
    else:
        lines += ["    node._a = ((self, b_, c_), ())", "    node._b = None"]
        targets = ["da", "db", "dc"]
    for k, (target, rule) in enumerate(zip(targets, op.rules, strict=False)):
        rule = rule + ".0" if rule in ("0", "1", "-1") else rule
        if op.name == "pow" and k == 1:
            # A constant exponent is not differentiated. Its derivative y * log(a) costs a logarithm, and is nan for a
            # negative base: it would be the only nan in the graph of (-2.0) ** 2.
            rule = f"0.0 if b_._a is NO_GROUPS else {rule}"
        if "/" in rule or "(" in rule:
            data = ", ".join([*op.arguments, "y"])
            lines += [f"    try: {target} = {rule}",
                      f"    except RAISED: {target} = by_ieee(OP_{op.name}, {k}, {data})"]  # fmt: skip
        else:
            lines.append(f"    {target} = {rule}")
    if len(op.arguments) > 2:
        lines.append("    node._da = ((da, db, dc), ())")
    lines.append("    return node")
    return "\n".join(lines)


_NAMES: dict[str, Any] = {
    **FAST,
    **{f"OP_{name}": op for name, op in OPS.items()},
    "inf": math.inf,
    "scalar": scalar,
    "RAISED": RAISED,
    "Value": Value,
    "operand": constant,
    "by_ieee": _derivative_by_ieee,
    "new": Value.__new__,
    "UNSET": _UNSET,
    "NO_GROUPS": _NO_GROUPS,
}


def _compiled(op: Op) -> Callable[..., Value]:
    made: dict[str, Any] = {}
    exec(_source(op), _NAMES, made)
    method: Callable[..., Value] = made[op.name]
    method.__doc__ = f"{op.doc[0].upper()}{op.doc[1:]}."
    method.__qualname__, method.__module__ = f"Value.{op.name}", __name__
    return method


class _Uncompiled:
    """Stands for a method until it is first asked for: compiling all of them would double the time of the import."""

    def __init__(self, op: Op) -> None:
        self.op = op

    def __get__(self, node: Value | None, owner: type[Value]) -> Callable[..., Value]:
        setattr(Value, self.op.name, _compiled(self.op))
        return getattr(owner if node is None else node, self.op.name)  # type: ignore[no-any-return]


def _reflected(method: Callable[..., Value]) -> Callable[..., Value]:
    """The operator for a plain number on the left."""

    def reflected(self: Value, other: Operand) -> Value:
        return method(constant(other), self)

    return reflected


for _op in OPS.values():
    if _op.arity:
        setattr(Value, _op.name, _Uncompiled(_op))
for _name, _symbol in {"add": "add", "sub": "sub", "mul": "mul", "div": "truediv", "pow": "pow"}.items():
    _method = getattr(Value, _name)
    setattr(Value, f"__{_symbol}__", _method)
    setattr(Value, f"__r{_symbol}__", _reflected(_method))
for _name in ("neg", "abs"):
    setattr(Value, f"__{_name}__", getattr(Value, _name))


# The n-ary operations.


def _node(op: Op, data: float, groups: tuple[Any, ...], derivatives: tuple[Any, ...]) -> Value:
    node = Value.__new__(Value)
    node.data, node.grad, node.label, node.op = data, _UNSET, "", op
    node._a, node._b, node._da, node._mark = groups, None, derivatives, None
    return node


_DOT, _dot = OPS["dot"], scalar["dot"]


def dot(weights: Iterable[Any], inputs: Iterable[Any], bias: Operand | None = None) -> Value:
    """The weighted input z = w·x + b of a neuron, as one node; its parents are the weights, the inputs and the bias.

    Raises ValueError where there are not as many weights as inputs.
    """
    return dots([weights], inputs, [bias])[0]


def dots(weights: Iterable[Iterable[Any]], inputs: Iterable[Any], biases: Iterable[Operand | None]) -> list[Value]:
    """The weighted inputs of the neurons of a layer, which share their inputs: dot(w, inputs, b) for each of them.

    Raises ValueError where a neuron has not as many weights as there are inputs.
    """
    # Most of the time of an eager network is spent here: what the neurons share is looked at once, and a row of plain
    # Values, the usual case, is recognised by losing nothing below.
    inputs = _operands(inputs, "dot")
    x = tuple([v.data for v in inputs])
    nodes, new = [], Value.__new__
    for row, bias in zip(weights, biases, strict=True):
        group = tuple(row) if isinstance(row, (tuple, list)) else _operands(row, "dot")
        w = [v.data for v in group if v.__class__ is Value]
        if len(w) != len(group):
            group = _operands(group, "dot")
            w = [v.data for v in group]
        if len(w) != len(x):
            raise ValueError(f"dot takes as many weights as inputs, got {len(w)} weights and {len(x)} inputs")
        node = new(Value)
        node.data = _dot(w, x)
        node.grad, node.label, node.op, node._mark = _UNSET, "", _DOT, None
        node._a, node._b, node._da = (group, inputs), None, (x, w)
        if bias is not None:
            b = constant(bias)
            node.data += b.data
            node._b, node._db = b, 1.0
        nodes.append(node)
    return nodes


def _n_ary(op: Op) -> Callable[[Iterable[Operand]], Value]:
    """The free function of sum, mean or logsumexp."""
    names = {**scalar}
    local_derivatives = eval(f"lambda values, y, n: tuple([{op.rules[0]} for a in values])", names)
    forward = scalar[op.name]

    def function(values: Iterable[Operand]) -> Value:
        parents = _operands(values, op.name)
        if not parents and op.name != "sum":
            raise ValueError(f"{op.name} takes at least one value, got an empty list")
        data = [v.data for v in parents]
        y = forward(data)
        return _node(op, y, (parents, ()), (tuple(map(float, local_derivatives(data, y, len(data)))), ()))

    function.__name__ = function.__qualname__ = op.name
    function.__doc__ = f"{op.doc[0].upper()}{op.doc[1:]}, as one node."
    return function


def _free_function(op: Op) -> Callable[..., Value]:
    """The free function tanh(a) for the method a.tanh()."""
    name = op.name

    def function(a: Operand, *others: Operand) -> Value:
        return getattr(a if a.__class__ is Value else constant(a), name)(*others)  # type: ignore[no-any-return]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{op.doc[0].upper()}{op.doc[1:]}."
    return function


# What users import, and the algebra in which rules are applied to Values.
FUNCTIONS: dict[str, Callable[..., Value]] = {
    name: dot if name == "dot" else _free_function(op) if op.arity else _n_ary(op) for name, op in OPS.items()
}
