"""What a classifier says all over a plane, for plots and films: a grid of probabilities, its borders and colours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .looks import LOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    class Classifier(Protocol):
        """What is needed of a model."""

        def predict_proba(self, X: Any, /) -> Sequence[Any]: ...

    Frame = tuple[float, float, float, float]  # left, right, bottom, top


def checked(X: Sequence[Sequence[float]], y: Sequence[float], resolution: int, what: str) -> None:
    """Raise ValueError for points that cannot be drawn: what is wrong, and where."""
    if len(X) != len(y):
        raise ValueError(f"{what}: X has {len(X)} rows and y {len(y)} labels; a row needs a label each")
    if len(X) == 0:
        raise ValueError(f"{what}: X has no rows, so that there is no frame to draw")
    if resolution < 2:
        raise ValueError(f"{what}: resolution is the number of points along an axis, 2 or more; got {resolution!r}")
    for k, row in enumerate(X):
        if len(row) != 2:
            raise ValueError(f"{what}: a boundary is drawn in the plane: two inputs expected, got rows of {len(row)}")
        if not all(map(math.isfinite, row)):
            raise ValueError(f"{what}: X[{k}] is ({row[0]}, {row[1]}); a point needs a place that is finite")
    for k, label in enumerate(y):
        if label != label or label < 0 or label != int(label):
            raise ValueError(f"{what}: y[{k}] is {label!r}; labels are 0, 1, 2 …")


def class_names(classes: Sequence[str] | None, count: int, y: Sequence[float], what: str) -> list[str]:
    """A name for each of the ``count`` classes that a model tells apart, and for each label in y."""
    highest = max(count, 1 + int(max(y)))
    if highest > count:
        raise ValueError(f"{what}: y has the label {highest - 1}, but the model tells {count} classes apart")
    names = list(classes or (f"class {k}" for k in range(count)))
    if len(names) != count:
        raise ValueError(
            f"{what}: the model tells {count} classes apart, got {len(names)} names: {', '.join(names):.80}"
        )
    return names


def extent(rows: Sequence[Sequence[float]], margin: float = 0.12) -> tuple[float, float, float, float]:
    """left, right, bottom, top of a frame around points of the plane, with a margin."""
    frame: list[float] = []
    for column in zip(*rows):
        low, high = min(column), max(column)
        room = margin * ((high - low) or 1.0)
        frame += [low - room, high + room]
    left, right, bottom, top = frame
    return left, right, bottom, top


def probabilities(model: Classifier, frame: Frame, columns: int, rows: int) -> list[list[list[float]]]:
    """What ``model`` says at the points of a grid over ``frame``, bottom row first: the probability of each class.

    A model with one output gives two classes.
    """
    left, right, bottom, top = frame
    grid = [[left + (right - left) * i / (columns - 1), bottom + (top - bottom) * j / (rows - 1)]
            for j in range(rows) for i in range(columns)]  # fmt: skip
    said = [[1 - float(p), float(p)] if isinstance(p, (int, float)) else [float(q) for q in p]
            for p in model.predict_proba(grid)]  # fmt: skip
    said = [[1 - p[0], p[0]] if len(p) == 1 else p for p in said]
    return [said[j * columns : (j + 1) * columns] for j in range(rows)]


def leads(said: list[list[list[float]]]) -> list[list[list[float]]]:
    """For each class how much likelier it is than the next best, all over the grid: zero on its border.

    As a difference of logarithms, which for a network is about straight from one point of the grid to the next, where
    probabilities jump from 0 to 1. Two classes share one border, so that class 1 stands for both.
    """
    count = len(said[0][0])
    logs = [[[math.log(max(q, 1e-300)) for q in p] for p in row] for row in said]
    return [
        [[p[k] - max(q for m, q in enumerate(p) if m != k) for p in row] for row in logs]
        for k in range(1 if count == 2 else 0, count)
    ]


def shade(p: Sequence[float]) -> tuple[float, float, float]:
    """The colour of a point whose classes have probabilities ``p``: that of the likeliest class, paler as it is less
    certain, white where classes are equally likely. Red, green and blue in [0, 1]."""
    likeliest = max(range(len(p)), key=p.__getitem__)
    certain = (p[likeliest] - 1 / len(p)) / (1 - 1 / len(p))
    red, green, blue = _TINTS[likeliest % len(_TINTS)]
    strength = 0.55 * certain  # pale enough for the points to stand out at any certainty
    return 1 - strength * red, 1 - strength * green, 1 - strength * blue


_TINTS = [[1 - int(color[k : k + 2], 16) / 255 for k in (1, 3, 5)] for color, *_ in LOOKS]  # what each takes from white


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers between low and high, at most so many, for an axis.

    >>> ticks(-0.3, 2.2)
    [0.0, 0.5, 1.0, 1.5, 2.0]
    """
    rough = (high - low) / most or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10, 20) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{k * step:.12g}") for k in range(first, last + 1)]
