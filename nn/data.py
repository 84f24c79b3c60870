"""What users pass as X and y, read into lists of floats, and refused with the row and the column where it is wrong.

Lists, tuples, arrays and anything with the buffer protocol are read, and DataFrames through their to_numpy(); NumPy is
not needed for it. Rows and columns are counted from 0 and named as one would write them: X[3][2].
"""

from __future__ import annotations

import operator
from math import isfinite

from engine.value import real_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = ("probability", "class", "real")


def read_rows(X: object, width: int | None = None, name: str = "X") -> list[list[float]]:
    """X as a list of rows of floats, all finite and of the same width.

    Raises TypeError for what is no rows of numbers, ValueError for an empty set, ragged rows, rows whose width is not
    ``width`` (where given), nan and infinities.
    """
    rows: list[list[float]] = []
    for i, row in enumerate(_items(X, name, "a list of rows, one a sample")):
        items = _items(row, f"{name}[{i}]", "a row, a list of numbers")
        if not items or len(items) != (width or len(items)):
            expected = f"every row must have {width}" if width else "a row needs at least one"
            raise ValueError(f"{name}[{i}] (row {i}) has {len(items)} columns: {expected}")
        width = len(items)
        rows.append(_floats(items, f"{name}[{i}]", f"row {i}, column "))
    if not rows:
        raise ValueError(f"{name} is empty: give at least one row")
    return rows


def read_targets(y: object, n: int, outputs: int | None, kind: str, name: str = "y") -> list[list[float]]:
    """y as a list of n targets, each a list of ``outputs`` floats (None: of as many as the first has).

    kind "probability": numbers in [0, 1]. "real": any finite numbers. "class": class indices 0, 1, ..., outputs - 1,
    which become 1.0 among zeros, or rows of probabilities that sum to 1. One number a row may be given bare, or as a
    column.
    Raises TypeError and ValueError as ``read_rows``, and where y is not as long as X.
    """
    items = _items(y, name, "a list of labels, one a row of X")
    if len(items) != n:
        raise ValueError(f"{name} has {len(items)} labels and X has {n} rows: there must be one for each row")
    if not items:
        raise ValueError(f"{name} is empty: give at least one label")
    targets: list[list[float]] = []
    width = outputs
    for i, item in enumerate(items):
        where = f"{name}[{i}]"
        if _is_row(item):
            target = _floats(_items(item, where, "a list of numbers"), where, f"row {i}, column ")
        else:
            target = _floats([item], where, f"row {i}", indexed=False)
        if kind == "class" and outputs and len(target) == 1:
            target = _one_hot(target[0], outputs, where)
        width = width or len(target)
        if len(target) != width:
            raise ValueError(f"{where} (row {i}) has {len(target)} numbers: {_expected(width, outputs)}")
        if kind != "real":
            for k, t in enumerate(target):
                if not 0 <= t <= 1:
                    column = f"[{k}]" if width > 1 else ""
                    raise ValueError(f"{where}{column} (row {i}) is {t!r}: labels must lie in [0, 1]")
        if kind == "class" and abs(sum(target) - 1) > 1e-6:
            raise ValueError(f"{where} (row {i}) sums to {sum(target):.6g}: probabilities of classes must sum to 1")
        targets.append(target)
    return targets


def _expected(width: int, outputs: int | None) -> str:
    return f"the model has {outputs} output{'s' * (width > 1)}" if outputs else f"the rows before have {width}"


def _one_hot(label: float, classes: int, where: str) -> list[float]:
    if label != int(label) or not 0 <= label < classes:
        raise ValueError(f"{where} is {label:g}: a class must be one of 0, 1, ..., {classes - 1}")
    return [float(k == label) for k in range(classes)]


def _is_row(x: object) -> bool:
    if isinstance(x, (str, bytes)) or getattr(x, "shape", None) == ():  # an array without dimensions is a number
        return False
    return hasattr(x, "__len__") or hasattr(x, "__iter__")


def _items(x: object, name: str, wanted: str) -> list[object]:
    """x as a list; arrays by way of their own conversion, which is the fast one."""
    if isinstance(x, (str, bytes, dict, set, frozenset)) or not _is_row(x):
        raise TypeError(f"{name} must be {wanted}, got {x!r:.60} ({type(x).__name__})")
    if isinstance(x, list):
        return x
    if hasattr(x, "to_numpy"):  # a DataFrame, which iterates over the names of its columns
        x = x.to_numpy()
    if hasattr(x, "tolist"):
        x = x.tolist()
    iterable: Iterable[object] = x  # type: ignore[assignment]
    return list(iterable)


def _floats(items: list[object], name: str, where: str, indexed: bool = True) -> list[float]:
    """The items as floats, all finite."""
    if set(map(type, items)) <= {float, int, bool}:
        try:
            floats = list(map(float, items))  # type: ignore[arg-type]
            if all(map(isfinite, floats)):
                return floats
        except OverflowError:
            pass
    floats = []
    for j, item in enumerate(items):
        at, place = (f"{name}[{j}]", f"{where}{j}") if indexed else (name, where)
        try:
            number = real_number(item)
        except TypeError:
            raise TypeError(f"{at} ({place}) is {item!r:.60} ({type(item).__name__}): it must be a number") from None
        except OverflowError:
            raise ValueError(f"{at} ({place}) is too large for a float: every number must be finite") from None
        if not isfinite(number):
            raise ValueError(f"{at} ({place}) is {number}: remove or replace the row; every number must be finite")
        floats.append(number)
    return floats


def positive_int(name: str, value: object) -> int:
    """value as an int of at least 1. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number
