"""Targets as users have them, read and refused by row; the rows of inputs are read by engine/rows.py."""

from __future__ import annotations

import operator
from array import array
from math import isfinite
from random import Random

from engine.operands import shortened
from engine.rows import Rows, is_real, is_row, items, real

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

TARGET_KINDS = {"sigmoid": "probability", "softmax": "class", "linear": "real", "tanh": "real"}  # by a model's output
_SUM_OF_PROBABILITIES = 1e-6  # how far the probabilities of a row may be from 1


def read_targets(y: object, n: int, outputs: int | None, kind: str, name: str = "y") -> Rows:
    """y as n rows of ``outputs`` numbers (None: of as many as the first has).

    kind "probability": numbers in [0, 1]. "sign": -1 or 1. "real": any finite numbers. "class": class indices 0, 1,
    ..., outputs - 1, which become 1.0 among zeros, or rows of probabilities that sum to 1. One number a row may be
    given bare, or as a column.
    Raises TypeError and ValueError as ``read_rows``, and where y is not as long as X.
    """
    listed = items(y, name, "a list of labels, one a row of X")
    if len(listed) != n:
        raise ValueError(f"{name} has {len(listed)} labels and X has {n} rows: there must be one for each row")
    if not listed:
        raise ValueError(f"{name} is empty: give at least one label")
    plain = _plain_numbers(listed, outputs, kind)
    if plain is not None:
        return plain
    targets = array("d")
    width = outputs
    one_hot = kind == "class" and outputs
    for i, item in enumerate(listed):
        where = f"{name}[{i}]"
        if is_row(item):
            row = items(item, where, "a list of numbers")
            target = [real(t, f"{where}[{k}]", f"row {i}, column {k}") for k, t in enumerate(row)]
        else:
            target = [real(item, where, f"row {i}")]
        if one_hot and len(target) == 1:
            target = _one_hot(target[0], outputs or 0, where)
        width = width or len(target)
        if len(target) != width:
            raise ValueError(f"{where} (row {i}) has {len(target)} numbers: {_expected(width, outputs)}")
        if kind == "sign":
            _check_signs(target, where, i)
        elif kind != "real":
            _check_probabilities(target, kind, where, i)
        targets.extend(target)
    return Rows(targets, width or 1)


def _plain_numbers(listed: list[Any], outputs: int | None, kind: str) -> Rows | None:
    """The same at once, for bare numbers with which nothing is wrong; None leaves it to the slow way to say what is."""
    if not all(map(is_real, set(map(type, listed)))):
        return None
    try:
        numbers = array("d", listed)
    except OverflowError:
        return None
    if not isfinite(sum(numbers)):
        return None
    if kind == "class" and outputs:
        if not set(numbers) <= set(range(outputs)):
            return None
        one_hot = array("d", bytes(8 * outputs * len(numbers)))
        for i, label in enumerate(numbers):
            one_hot[i * outputs + int(label)] = 1.0
        return Rows(one_hot, outputs)
    right = {
        "probability": min(numbers) >= 0 and max(numbers) <= 1,
        "sign": set(numbers) <= {-1.0, 1.0},
        "real": True,
    }
    return Rows(numbers, 1) if outputs in (None, 1) and right.get(kind) else None


def _check_signs(target: Sequence[float], where: str, i: int) -> None:
    for t in target:
        if t not in (-1.0, 1.0):
            raise ValueError(f"{where} (row {i}) is {t!r}: labels must be -1 or 1")


def _check_probabilities(target: Sequence[float], kind: str, where: str, i: int) -> None:
    for k, t in enumerate(target):
        if not 0 <= t <= 1:
            column = f"[{k}]" if len(target) > 1 else ""
            hint = '; for labels of -1 and 1, output="tanh" or a hinge loss' if t == -1 else ""
            raise ValueError(f"{where}{column} (row {i}) is {t!r}: labels must lie in [0, 1]{hint}")
    if kind == "class" and abs(sum(target) - 1) > _SUM_OF_PROBABILITIES:
        raise ValueError(f"{where} (row {i}) sums to {sum(target):.6g}: probabilities of classes must sum to 1")


def _expected(width: int, outputs: int | None) -> str:
    return f"the model has {outputs} output{'s' * (width > 1)}" if outputs else f"the rows before have {width}"


def _one_hot(label: float, classes: int, where: str) -> list[float]:
    if label != int(label) or not 0 <= label < classes:
        raise ValueError(f"{where} is {label:g}: a class must be one of 0, 1, ..., {classes - 1}")
    return [float(k == label) for k in range(classes)]


def positive_int(name: str, value: object) -> int:
    """value as an int of at least 1. Raises TypeError or ValueError."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} must be an integer, got {value!r} ({type(value).__name__})")
    number = operator.index(value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, got {number}")
    return number


def checked_seed(name: str, seed: object) -> Random:
    """A generator of random numbers for the seed, an integer; None draws a seed anew; a generator stays itself."""
    if isinstance(seed, Random):
        return seed
    if seed is None:
        return Random()
    if isinstance(seed, bool) or not hasattr(seed, "__index__"):
        raise TypeError(
            f"{name} must be an integer, a random.Random or None, got {shortened(seed)} ({type(seed).__name__})"
        )
    return Random(operator.index(seed))
