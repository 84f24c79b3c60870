"""Rows of numbers as users have them, read into one flat array; refused by row and column where they are wrong.

Lists, tuples, iterators, arrays of any library, tensors, DataFrames (by their to_numpy) and anything with the buffer
protocol are read; NumPy is not needed for it. Rows and columns are counted from 0 and named as one writes them:
X[3][2]. A leaf Value stands for its number.
"""

from __future__ import annotations

import sys
from array import array
from contextlib import suppress
from itertools import chain, count
from math import isfinite
from struct import Struct
from struct import error as StructError

from .compiled import compiled
from .operands import real_number, shortened
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, NoReturn

_WIDE = 32  # columns
_LISTS = {list, tuple}
_PLAIN = {float, int, bool}


class Rows:
    """n rows of ``width`` floats each; ``numbers`` holds them one after another."""

    __slots__ = ("numbers", "width", "_n")

    def __init__(self, numbers: Sequence[float], width: int, n: int | None = None) -> None:
        self.numbers, self.width = numbers, width
        self._n = len(numbers) // width if n is None else n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, i: int) -> list[float]:
        return list(self.numbers[i * self.width : (i + 1) * self.width])

    def __iter__(self) -> Iterator[list[float]]:
        return map(self.__getitem__, range(self._n))

    def take(self, indices: Iterable[int]) -> Rows:
        """The rows of these indices, in this order."""
        taken, numbers, width = array("d"), _doubles(self.numbers), self.width
        for i in indices:
            taken.frombytes(numbers[i * width : (i + 1) * width].tobytes())
        return Rows(taken, width)

    def beside(self, other: Rows) -> Rows:
        """Each row of self, followed by the row of ``other`` with the same index."""
        if not other.width:
            return self
        a, b = self.width, other.width
        width = a + b
        native = compiled(width * self._n)
        joined = native.zeros(width * self._n) if native else array("d", [0.0]) * (width * self._n)
        place, left, right = map(_doubles, (joined, self.numbers, other.numbers))
        if width > _WIDE:  # a copy of each row costs less than one of each column
            for i, start in enumerate(range(0, width * self._n, width)):
                place[start : start + a] = left[i * a : (i + 1) * a]
                place[start + a : start + width] = right[i * b : (i + 1) * b]
        else:
            for j in range(width):
                place[j::width] = left[j::a] if j < a else right[j - a :: b]
        return Rows(joined, width)


def _doubles(numbers: Sequence[float]) -> memoryview:
    return memoryview(numbers if isinstance(numbers, (array, memoryview)) else array("d", numbers))


def read_rows(
    rows: object, width: int | None = None, name: str = "X", columns: Sequence[str] = (), finite: bool = True,
    room: memoryview[float] | None = None,
) -> Rows:  # fmt: skip
    """The rows, each of ``width`` numbers, or of as many as the first has.

    name      what messages call the rows
    columns   names of the columns, for messages
    finite    whether nan and infinities are refused
    room      memory that may be taken for the numbers (``room_for``)

    Raises TypeError for what is not rows of numbers, ValueError for an empty set, rows of another width, numbers that
    do not fit a float, and nan and infinities where they are refused.
    """
    found = rows if isinstance(rows, Rows) else _whole_array(rows)
    all_finite: bool | None = None  # not known
    if found is None:
        listed = items(rows, name, "a list of rows, one a sample")
        if not listed:
            raise ValueError(f"{name} is empty: give at least one row")
        read = _in_compiled_code(listed, width, room)
        if read is not None:
            found, all_finite = read
        else:
            table: list[Any] = listed
            if not set(map(type, listed)) <= _LISTS:
                table = [row if type(row) in _LISTS else _row(row, f"{name}[{i}]") for i, row in enumerate(listed)]
            expected = width if width is not None else len(table[0])
            numbers = None
            if set(map(len, table)) == {expected}:
                numbers, all_finite = _numbers(table, expected)
            if numbers is None:
                return _one_by_one(table, width, name, columns, finite)
            found = Rows(numbers, expected, len(table))
    if found.width != width and (width is not None or not found.width):
        _refuse_width(found.width, width, 0, name, columns)
    if finite and not (_all_finite(found.numbers) if all_finite is None else all_finite):
        for k, x in enumerate(found.numbers):
            if not isfinite(x):
                i, j = divmod(k, found.width)
                real(x, f"{name}[{i}][{j}]", f"row {i}, column {j}{_called(columns, j)}")
    return found


def room_for(n: int) -> memoryview[float] | None:
    """Memory for n numbers, where compiled code reads them."""
    native = compiled(n)
    return memoryview(native.zeros(n)) if native else None


def _in_compiled_code(table: list[Any], width: int | None, room: memoryview[float] | None) -> tuple[Rows, bool] | None:
    """Lists and tuples of plain numbers as rows, and whether all are finite; None where it is to be done otherwise."""
    if type(table[0]) not in _LISTS:
        return None
    width = len(table[0]) if width is None else width
    reader = compiled(len(table) * width)
    read: tuple[Sequence[float], bool] | None = reader and reader.read_table(table, width, room)
    return None if read is None else (Rows(read[0], width, len(table)), read[1])


def _numbers(table: list[Any], width: int) -> tuple[array[float] | None, bool]:
    """The numbers of lists and tuples of this length, and whether all are finite; None where one of them is odd.

    All passes are made in compiled code of Python itself. The sum of the sums tells both of the kind
    of the numbers and whether all are finite: an infinity or a nan anywhere makes a sum that is not (and where large
    numbers alone do, none is found later).
    """
    n = len(table)
    try:
        total = sum(map(sum, table))
        plain = type(total) in (float, int)
        if not plain and not all(map(is_real, set(map(type, chain.from_iterable(table))))):
            return None, False
        numbers = array("d", bytes(8 * n * width))
        pack, view = Struct(f"{width}d").pack_into, memoryview(numbers).cast("B")
        for start, row in zip(count(0, 8 * width), table):  # faster than array's own conversion
            pack(view, start, *row)
        return numbers, isfinite(total)
    except (TypeError, OverflowError, StructError):
        return None, False


def _all_finite(numbers: Sequence[float]) -> bool:
    reader = compiled(len(numbers))
    found: bool | None = reader and reader.all_finite(numbers)
    return isfinite(sum(numbers)) if found is None else found


def _whole_array(x: Any) -> Rows | None:
    """The rows of a two-dimensional array of real numbers; contiguous doubles are not copied."""
    if isinstance(x, (str, bytes, bytearray, list, tuple, Value)):
        return None
    if hasattr(x, "to_numpy"):
        x = x.to_numpy()
    elif hasattr(x, "__array__") and "numpy" in sys.modules:
        with suppress(RuntimeError, TypeError, ValueError):  # as of a tensor that is elsewhere, or being differentiated
            x = sys.modules["numpy"].asarray(x)
    dtype = getattr(x, "dtype", None)
    if getattr(dtype, "kind", "") in ("b", "i", "u", "f") and getattr(x, "ndim", 0) == 2 and hasattr(x, "astype"):
        x = x.astype("d", order="C", copy=False)
    try:
        view = memoryview(x)
    except (TypeError, ValueError, BufferError):
        return None
    if view.ndim != 2 or view.shape is None or 0 in view.shape or view.format != "d" or not view.c_contiguous:
        return None
    numbers = view.cast("B").cast("d")
    # Where a buffer may only be read, compiled code cannot ask where it lies.
    return Rows(copied(numbers) if view.readonly else numbers, view.shape[1], view.shape[0])


def copied(numbers: Sequence[float]) -> array[float]:
    """The same doubles in an array of their own."""
    copy = array("d")
    copy.frombytes(_doubles(numbers).cast("B"))
    return copy


def _one_by_one(table: list[Any], width: int | None, name: str, columns: Sequence[str], finite: bool) -> Rows:
    """The same, slowly: it finds the first row and column that is wrong, or numbers of rarer types."""
    numbers = array("d")
    for i, row in enumerate(table):
        if width is not None and len(row) != width or not (row or columns):
            _refuse_width(len(row), width, i, name, columns)
        width = len(row)
        if row and all(is_row(x) and len(x) == 1 for x in row):  # a column vector
            row = [x[0] for x in row]
        for j, x in enumerate(row):
            numbers.append(real(x, f"{name}[{i}][{j}]", f"row {i}, column {j}{_called(columns, j)}", finite))
    return Rows(numbers, width or 0, len(table))


def _refuse_width(found: int, width: int | None, i: int, name: str, columns: Sequence[str]) -> NoReturn:
    expected = "a row needs at least one" if width is None else f"every row must have {width}"
    names = ": " + ", ".join(columns[:6]) + (", ..." if len(columns) > 6 else "") if columns else ""
    raise ValueError(f"{name}[{i}] (row {i}) has {found} columns: {expected}{names}")


def _called(columns: Sequence[str], j: int) -> str:
    return f", {columns[j]}" if columns else ""


def _row(row: object, name: str) -> list[object]:
    return items(row, name, "a row, a list of numbers")


def is_row(x: object) -> bool:
    """Whether x is a container of numbers rather than a number; an array without dimensions is a number."""
    if isinstance(x, (str, bytes, bytearray, Value)) or getattr(x, "shape", None) == ():
        return False
    return hasattr(x, "__len__") or hasattr(x, "__iter__")


def is_real(kind: type) -> bool:
    """Whether objects of this type are real numbers that ``array`` converts as they are meant."""
    if kind in _PLAIN or issubclass(kind, (int, float)):
        return True
    import numbers

    return issubclass(kind, numbers.Real)


def items(x: object, name: str, wanted: str) -> list[Any]:
    """x as a list; arrays by way of their own conversion, which is the fast one. Raises TypeError for what is none."""
    if isinstance(x, (dict, set, frozenset)) or not is_row(x):
        raise TypeError(f"{name} must be {wanted}, got {shortened(x)} ({type(x).__name__})")
    if isinstance(x, list):
        return x
    for conversion in ("to_numpy", "tolist"):  # a DataFrame iterates over the names of its columns
        if hasattr(x, conversion):
            with suppress(NotImplementedError):  # a number format that memoryview does not know
                x = getattr(x, conversion)()
    iterable: Any = x
    return list(iterable)


def real(x: object, name: str, place: str, finite: bool = True) -> float:
    """x as a float. Raises TypeError and ValueError that say where it is and what to do."""
    if isinstance(x, Value):
        if x.op is not None:
            raise TypeError(
                f"{name} ({place}) is a Value computed by {x.op.name}: data is not differentiated; pass its .data"
            )
        x = x.data
    try:
        number = real_number(x)
    except (TypeError, RecursionError):
        raise TypeError(f"{name} ({place}) is {shortened(x)} ({type(x).__name__}): it must be a number") from None
    except OverflowError:
        raise ValueError(f"{name} ({place}) is too large for a float: every number must be finite") from None
    if finite and not isfinite(number):
        raise ValueError(f"{name} ({place}) is {number}: remove or replace the row; every number must be finite")
    return number
