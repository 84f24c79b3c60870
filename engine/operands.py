"""What may stand beside a Value in an expression: numbers, which become constants, and arrays, taken by element."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, SupportsFloat, SupportsIndex, TypeAlias

    from .ops import Op
    from .value import Value  # at run time, value.py puts it here

    Number: TypeAlias = SupportsFloat | SupportsIndex  # what real_number accepts; it decides at run time
    Operand: TypeAlias = "Value | SupportsFloat | SupportsIndex"

CONSTANT: tuple[Any, ...] = ((), ())  # in place of its operands, tells a constant from other leaves
UNSET = float("0.0")  # an object of its own: tells a gradient never written (shown as –) from one that is 0.0
new = object.__new__
NOTHING = float("0.0")  # another: a derivative of 0.0 through which nothing is reached (reverse.py)


def real_number(x: object, what: str = "Value") -> float:
    """x as a float; TypeError where x is no real number, OverflowError where it is too large.

    int, bool, float, Fraction, Decimal and NumPy scalars are accepted; str, None, complex, arrays and Values are not.
    """
    if type(x) is float:
        return x
    if type(x) is not int and not is_real(x):
        hints = {
            "Value": "a Value cannot hold another; use it directly, or its .data",
            "str": "convert it with float(...) first",
            "complex": "take .real or .imag",
        }
        default = "build one Value for each number" if hasattr(x, "__len__") else "pass an int or a float"
        hint = hints.get(type(x).__name__, default)
        raise TypeError(f"{what} takes a real number, got {shortened(x)} of type {type(x).__name__}: {hint}")
    try:
        return float(x)  # type: ignore[arg-type]
    except OverflowError:
        raise OverflowError(f"{what} takes a number that fits a float (up to 1.8e308), got {shortened(x)}") from None


def is_real(x: object) -> bool:
    """Whether x is a number that a Value can hold: no Value, no text, no complex number, no array."""
    if isinstance(x, (int, float)):
        return True
    import numbers

    if isinstance(x, numbers.Real):  # Fraction and NumPy's integers and floats register there
        return True
    kind = type(x)
    return (kind.__module__, kind.__name__) in {("decimal", "Decimal"), ("numpy", "bool_"), ("numpy", "bool")}


def shortened(x: object) -> str:
    """The repr of x for a message: at most 60 characters, whatever x is."""
    try:
        text = repr(x[:60] if isinstance(x, (str, bytes)) else x)
    except ValueError:  # an int of more than 4300 digits has no repr
        text = "an integer of thousands of digits"
    except RecursionError:
        text = "something nested too deep to be shown"
    return text if len(text) <= 60 else text[:57] + "..."


def operand(x: object) -> Value | None:
    """A leaf for a plain number in an expression; a Value as it is; None for anything else.

    The leaf is a constant: it is folded when the graph is lowered. Raises OverflowError for too large an integer.
    """
    if type(x) is not float:
        if isinstance(x, Value):
            return x
        if type(x) is not int and not is_real(x):
            return None
        try:
            x = float(x)  # type: ignore[arg-type]
        except OverflowError:
            real_number(x, "an operation on Values")  # says it better
    node = new(Value)
    node.data = x  # type: ignore[assignment]
    node.grad = UNSET
    node._label = ""
    node.op = None
    node._mark = None
    node._a = node._da = CONSTANT
    node._b = None
    return node


def constant(x: object, what: str = "an operation on Values") -> Value:
    """``operand``, with a TypeError that names what was received where that is not a number."""
    node = operand(x)
    if node is None:
        real_number(x, what)  # raises
        raise AssertionError
    return node


def applied(operation: Callable[..., Value], *operands: object) -> Value:
    """A method of Value applied to operands that are not all Values: numbers become constants, arrays go by element."""
    if any(map(_is_array, operands)):
        return _by_element(operation, operands)  # type: ignore[no-any-return]  # an array of Values
    return operation(*[constant(x, operation.__name__) for x in operands])


def elementwise(operator: str, value: object, other: object) -> Value:
    """An operator of Value with something that is not a number: an array goes by element.

    Anything else may know what to do with a Value itself: NotImplemented lets Python ask it.
    """
    if not _is_array(other):
        return NotImplemented  # type: ignore[no-any-return]
    return _by_element(getattr(Value, operator), (value, other))  # type: ignore[no-any-return]


def _is_array(x: object) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(x, numpy.ndarray)


def _by_element(operation: Callable[..., Value], operands: tuple[Any, ...]) -> Any:
    """An array of Values, of the shape that NumPy gives arithmetic with these operands."""
    numpy = sys.modules["numpy"]  # loaded, since one of the operands comes from there
    boxed = []
    for x in operands:
        if not isinstance(x, numpy.ndarray):
            x, box = numpy.empty((), object), x
            x[()] = box
        boxed.append(x)
    by_element = numpy.frompyfunc(lambda *numbers: applied(operation, *numbers), len(boxed), 1)
    return by_element(*boxed)


# The n-ary operations.


def gathered(name: str, values: Iterable[object]) -> tuple[tuple[Value, ...], list[float]]:
    """The operands of an n-ary operation as Values, and their numbers."""
    parents = listed(name, values)
    if not parents and name != "sum":
        raise ValueError(f"{name} takes at least one value, got an empty list")
    return parents, [v.data for v in parents]


def listed(name: str, values: Iterable[object]) -> tuple[Value, ...]:
    """values as a tuple of Values, for an n-ary operation."""
    if isinstance(values, (tuple, list)):
        kept = tuple([x for x in values if x.__class__ is Value])
        if len(kept) == len(values):
            return values if values.__class__ is tuple else kept  # the same tuple: nodes that share it share the walk
    if isinstance(values, (Value, str, bytes)):
        raise TypeError(f"{name} takes a list of Values, got {shortened(values)}: put it in a list")
    try:
        items: Iterator[object] = iter(values)
    except TypeError:
        received = f"{shortened(values)} of type {type(values).__name__}"
        raise TypeError(f"{name} takes a list of Values, got {received}") from None
    return tuple([constant(x, name) for x in items])


def many(op: Op, data: float, parents: tuple[Value, ...], derivatives: tuple[float, ...]) -> Value:
    """The node of an n-ary operation."""
    node = Value.__new__(Value)
    node.data, node.grad, node._label, node.op = data, UNSET, "", op
    node._a, node._b, node._da, node._mark = (parents, ()), None, (derivatives, ()), None
    return node
