"""Inputs of mean 0 and standard deviation 1, column by column: the first step of a model that asks for it."""

from __future__ import annotations

import math
from array import array

from engine.rows import Rows, copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def mean_and_scale(rows: Rows, columns: int) -> tuple[list[float], list[float]]:
    """The mean and the standard deviation (over n, not n - 1) of the first columns; 1.0 where nothing varies.

    Raises ValueError for a column whose sum or spread is beyond the range of floats.
    """
    means, scales = [], []
    for j in range(columns):
        column = rows.numbers[j :: rows.width]
        try:
            mean = math.fsum(column) / len(rows)
            scale = _deviation(column, mean)
        except OverflowError:
            raise ValueError(
                f"standardize: the numbers of column {j} are too large to add up: divide them first"
            ) from None
        means.append(mean)
        scales.append(scale or 1.0)
    return means, scales


def _deviation(column: Sequence[float], mean: float) -> float:
    """The standard deviation; where squares leave the range of floats, they are taken of smaller numbers."""
    try:
        return math.sqrt(math.fsum([(x - mean) ** 2 for x in column]) / len(column))
    except OverflowError:
        largest = max([abs(x - mean) for x in column])
        return largest * math.sqrt(math.fsum([((x - mean) / largest) ** 2 for x in column]) / len(column))


def standardized(rows: Rows, mean: Sequence[float], scale: Sequence[float]) -> Rows:
    """The rows with (x - mean) / scale in each column: what the model's graph computes, and its bits."""
    numbers = copied(rows.numbers)
    for j, (m, s) in enumerate(zip(mean, scale)):
        numbers[j :: rows.width] = array("d", [(x - m) / s for x in numbers[j :: rows.width]])
    return Rows(numbers, rows.width, len(rows))
