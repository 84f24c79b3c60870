"""Numbers out of Python's lists and Values and into Values, in compiled code; and where a buffer's doubles lie.

The C file objects.h knows the fields of lists, tuples, floats and Values by itself. The library is built for any
Python, so where the fields lie is not compiled in: it is as in every CPython with a global lock, and looked at here
before it is used. Where it is otherwise the functions return None or False, and their callers go another way.
"""

from __future__ import annotations

import ctypes
import sys
from array import array
from contextlib import suppress
from functools import partial
from random import Random

from engine.operands import UNSET
from engine.value import Value

from .library import LIBRARY, loaded_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeAlias

    Doubles: TypeAlias = "array[float] | memoryview[float]"

FINITE, NOT_ALL_FINITE, NOT_READ = range(3)  # what reading gives, as in objects.h
_HUGE_PAGE = 1 << 21  # bytes
_COUNT, _TYPE, _SIZE, _LIST_ITEMS, _TUPLE_ITEMS, _NUMBER = 0, 8, 16, 24, 24, 16  # where in an object, in bytes


class _Layout(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("list", "tuple", "real", "integer", "truth")),
        *((name, ctypes.c_int64) for name in ("count", "type", "size", "list_items", "tuple_items", "number")),
        *((name, ctypes.c_void_p) for name in ("as_double", "error", "from_double", "hold", "let_go", "allocate")),
    ]


class _Reader:
    """The functions of objects.h, and what they need to know of Python's objects. Raises OSError where it is not so."""

    def __init__(self) -> None:
        loaded_library()  # which refuses a library that does not fit
        if not _as_expected():
            raise OSError("Python's objects are laid out in another way")
        self.c = c = ctypes.PyDLL(LIBRARY)  # which keeps the interpreter's lock
        pointer, int64 = ctypes.c_void_p, ctypes.c_int64
        for name, arguments in (
            ("read_rows", (pointer, pointer, int64, int64, pointer)),
            ("read_slots", (pointer, pointer, int64, pointer, int64, pointer)),
            ("write_slots", (pointer, pointer, int64, pointer, int64, pointer)),
            ("new_objects", (pointer, pointer, pointer, int64, pointer, pointer, pointer, pointer, int64)),
            ("mark_slots", (pointer, pointer, int64, pointer, int64, pointer, int64, pointer)),
            ("consists_of", (pointer, pointer, pointer)),
            ("all_finite", (pointer, int64)),
            ("draw", (pointer, ctypes.c_double, ctypes.c_double, int64, pointer)),
            ("read_graph", (*[pointer] * 8, pointer, int64)),
            ("write_graph", (pointer, pointer, int64, int64)),
            ("differentiate_graph", (pointer, pointer, pointer, int64, pointer)),
            ("leave_out", (pointer, pointer, int64, int64, pointer)),
            ("free_written", (pointer,)),
        ):
            function = getattr(c, name)
            function.restype, function.argtypes = ctypes.c_int32, arguments
        c.draw.restype = c.free_written.restype = None
        self.layout = _Layout(
            id(list), id(tuple), id(float), id(int), id(bool),
            _COUNT, _TYPE, _SIZE, _LIST_ITEMS, _TUPLE_ITEMS, _NUMBER,
            *[
                ctypes.cast(getattr(ctypes.pythonapi, name), pointer).value
                for name in (
                    "PyFloat_AsDouble", "PyErr_Occurred", "PyFloat_FromDouble", "Py_IncRef", "Py_DecRef",
                    "PyType_GenericAlloc",
                )
            ],
        )  # fmt: skip
        self.at = ctypes.addressof(self.layout)
        names = ("data", "_db", "_label", "grad", "op", "_a", "_b", "_mark")
        self.slots = {name: _slot(name) for name in names}
        self.leaf = (ctypes.c_int64 * len(names))(*self.slots.values())


def _as_expected() -> bool:
    if sys.implementation.name != "cpython" or object.__basicsize__ != 16 or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    number, items, pair = float("-2.5"), [float("1e300"), 1, True], (float("7"), 3)
    if (
        any(_word(x, _TYPE) != id(type(x)) for x in (number, items, pair, 1, True, Value(1.0)))
        or any(_word(x, _SIZE) != len(x) for x in (items, pair))
        or ctypes.c_double.from_address(id(number) + _NUMBER).value != number
        or [_word(pair, _TUPLE_ITEMS + 8 * k) for k in range(2)] != [*map(id, pair)]
    ):
        return False
    holders = ctypes.c_uint64.from_address(id(items[0]) + _COUNT)
    alone, together = holders.value, [holders.value for _ in [items[:1] * 2]]
    if (alone, together) != (1, [3]):
        return False
    first = _word(items, _LIST_ITEMS)
    return first > 1 << 16 and first % 8 == 0 and list((ctypes.c_uint64 * 3).from_address(first)) == [*map(id, items)]


def _slot(name: str) -> int:
    """Where in a Value the pointer to that attribute lies."""
    node, held = Value(0.0), object()
    setattr(node, name, held)
    places = [k for k in range(16, Value.__basicsize__, 8) if _word(node, k) == id(held)]
    if len(places) != 1:
        raise OSError("Values are laid out in another way")
    return places[0]


def _word(x: object, offset: int) -> int:
    return ctypes.c_uint64.from_address(id(x) + offset).value


_found: _Reader | OSError | None = None


def object_reader() -> _Reader | None:
    """The functions of objects.h and graphs.h, or None."""
    global _found
    if _found is None:
        try:
            _found = _Reader()
        except (OSError, AttributeError) as error:
            _found = OSError(str(error))
    return _found if isinstance(_found, _Reader) else None


def zeros(n: int) -> Doubles:
    """n times 0.0: many of them in huge pages, where Linux has those, because its time for a page is about the same."""
    if 8 * n >= _HUGE_PAGE:
        import mmap

        with suppress(OSError, AttributeError):
            memory = mmap.mmap(-1, -(-8 * n // _HUGE_PAGE) * _HUGE_PAGE, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
            memory.madvise(mmap.MADV_HUGEPAGE)
            return memoryview(memory).cast("d")[:n]
    return array("d", [0.0]) * n


def read_table(rows: list[Any], width: int, room: memoryview[float] | None = None) -> tuple[Doubles, bool] | None:
    """The numbers of lists and tuples of floats, ints and bools, and whether all are finite; None for anything else.

    room   memory that is taken for them where it is enough
    """
    reader = object_reader()
    if reader is None:
        return None
    n = len(rows) * width
    numbers = zeros(n) if room is None or len(room) < n else room[:n]
    try:
        result = reader.c.read_rows(reader.at, id(rows), len(rows), width, start_of(numbers))
    except OverflowError:
        return None
    return None if result == NOT_READ else (numbers, result == FINITE)


def read_data(nodes: list[Value]) -> Doubles | None:
    """The data of Values; None where one of them holds no number, or is of a class of its own."""
    numbers = zeros(len(nodes))
    return numbers if read_data_to(nodes, start_of(numbers)) else None


def read_data_to(nodes: list[Value], target: int) -> bool:
    """The same as doubles from the address ``target`` on; False where that cannot be, and some may be there then."""
    reader = object_reader()
    if reader is None:
        return False
    try:
        return bool(reader.c.read_slots(reader.at, id(nodes), len(nodes), id(Value), reader.slots["data"], target))
    except OverflowError:
        return False


def writing(nodes: list[Value], name: str, numbers: Sequence[float]) -> Callable[[], int] | None:
    """A call that gives each Value its number as ``data`` or ``grad``, and that Python does not interrupt.

    It returns 0 at a Value of a class of its own, or one that holds no number there; those before it are written then.
    Both lists must be held until it is called. None where the numbers are in no array.
    """
    reader, place = object_reader(), address_of(numbers)
    if reader is None or place is None or len(nodes) != len(numbers):
        return None
    return partial(reader.c.write_slots, reader.at, id(nodes), len(nodes), id(Value), reader.slots[name], place[0])


def new_leaves(numbers: Sequence[float], names: tuple[str, ...], label: str) -> tuple[Value, ...] | None:
    """Leaves with these numbers, each labelled by the beginning and its name; None where that cannot be."""
    reader, place = object_reader(), address_of(numbers) or address_of(array("d", numbers))
    if reader is None or place is None:
        return None
    n, made = len(numbers), tuple([None] * len(numbers))
    same = (ctypes.c_void_p * 6)(id(label), id(UNSET), *[id(None)] * 4)
    done = reader.c.new_objects(reader.at, id(Value), id(made), n, place[0], id(names), reader.leaf, same, 6)
    return made if done else None  # type: ignore[return-value]


def draw(rng: Random, low: float, span: float, n: int) -> array[float] | None:
    """low + span * rng.random(), n times; None where the generator is of a class of its own."""
    reader = object_reader()
    if reader is None or type(rng) is not Random:
        return None
    version, state, more = rng.getstate()
    numbers, words = array("d", [0.0]) * n, array("I", state)
    reader.c.draw(words.buffer_info()[0], low, span, n, numbers.buffer_info()[0])
    rng.setstate((version, tuple(words), more))
    return numbers


def mark_leaves(nodes: list[Any], mark: object) -> bool | None:
    """Whether these are Values, all of them leaves, and each there once: they are marked then; None: not known."""
    reader = object_reader()
    if reader is None:
        return None
    slots, kind = reader.slots, id(Value)
    marked = reader.c.mark_slots(
        reader.at, id(nodes), len(nodes), kind, slots["op"], id(None), slots["_mark"], id(mark)
    )
    return bool(marked)


def consists_of(listed: list[Value], groups: list[tuple[Value, ...]]) -> bool | None:
    """Whether the list holds these groups, one after the other, and nothing else; None: not known."""
    reader = object_reader()
    return None if reader is None else bool(reader.c.consists_of(reader.at, id(listed), id(groups)))


def all_finite(numbers: Sequence[float]) -> bool | None:
    """Whether all of these doubles are finite; None where they are not a buffer that can be looked at."""
    reader, place = object_reader(), address_of(numbers)
    return None if reader is None or place is None else bool(reader.c.all_finite(place[0], len(numbers)))


def start_of(numbers: Doubles) -> int:
    """Where the doubles of ``zeros`` lie, as long as these are held."""
    return ctypes.addressof((ctypes.c_char * 0).from_buffer(numbers))


def address_of(numbers: Sequence[float]) -> tuple[int, object] | None:
    """Where the doubles of an array or a memoryview lie, and what keeps them there; None for a read-only one."""
    if isinstance(numbers, array) and numbers.typecode == "d":
        return numbers.buffer_info()[0], numbers
    if isinstance(numbers, memoryview) and numbers.format == "d" and numbers.contiguous and not numbers.readonly:
        if not numbers.nbytes:
            return None
        first = ctypes.c_char.from_buffer(numbers.cast("B"))
        return ctypes.addressof(first), first
    return None
