"""Data for the demos: point clouds drawn with a seed, and two real data sets from the folder data.

Every function returns rows of plain floats and a list of labels. The same seed gives the same numbers on any machine.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from random import Random

Rows = list[list[float]]
Labels = list[float]

DATA = Path(__file__).parent / "data"


def xor() -> tuple[Rows, Labels]:
    """The four rows of exclusive or: no straight line separates the ones from the zeros."""
    return [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0.0, 1.0, 1.0, 0.0]


def moons(n: int = 100, noise: float = 0.1, seed: int = 0) -> tuple[Rows, Labels]:
    """n points on two half circles of radius 1 that hook into each other, with Gaussian noise."""
    random = Random(seed)
    rows, labels = [], []
    for k in range(n):
        label = k % 2
        angle = math.pi * (k // 2) / max(1, (n - 1) // 2)
        x, y = math.cos(angle), math.sin(angle)
        if label:
            x, y = 1 - x, 0.5 - y
        rows.append([x + random.gauss(0, noise), y + random.gauss(0, noise)])
        labels.append(float(label))
    return rows, labels


def circles(n: int = 100, noise: float = 0.05, seed: int = 0) -> tuple[Rows, Labels]:
    """n points on two circles around the origin, radius 1 and 0.5, with Gaussian noise."""
    random = Random(seed)
    rows, labels = [], []
    for k in range(n):
        label = k % 2
        radius = 0.5 if label else 1.0
        angle = 2 * math.pi * (k // 2) / math.ceil(n / 2)
        rows.append([radius * math.cos(angle) + random.gauss(0, noise),
                     radius * math.sin(angle) + random.gauss(0, noise)])  # fmt: skip
        labels.append(float(label))
    return rows, labels


def spirals(
    n: int = 120, turns: float = 1.25, radius: float = 4.0, noise: float = 0.08, seed: int = 0
) -> tuple[Rows, Labels]:
    """n points on two spiral arms that wind around each other, the one a half turn ahead of the other."""
    random = Random(seed)
    rows, labels = [], []
    for k in range(n):
        label = k % 2
        along = (k // 2 + 1) / math.ceil(n / 2)
        angle = 2 * math.pi * turns * along + math.pi * label
        rows.append([radius * along * math.cos(angle) + random.gauss(0, noise),
                     radius * along * math.sin(angle) + random.gauss(0, noise)])  # fmt: skip
        labels.append(float(label))
    return rows, labels


def load(name: str, folder: Path = DATA) -> tuple[Rows, list[str], list[str]]:
    """The data set ``name``: rows, the class of each row as a word, and the names of the columns.

    Raises ValueError naming the file, the line and what is wrong with it.
    """
    path = folder / f"{name}.csv"
    with path.open(newline="", encoding="utf-8") as file:
        header, *lines = csv.reader(file)
    rows: Rows = []
    classes: list[str] = []
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise ValueError(f"{path.name}, line {number}: {len(header)} cells expected, found {len(line)}")
        try:
            rows.append([float(cell) for cell in line[:-1]])
        except ValueError as error:
            raise ValueError(f"{path.name}, line {number}: {error}") from None
        classes.append(line[-1])
    return rows, classes, header[:-1]


def split(count: int, test_share: float = 0.25, seed: int = 0) -> tuple[list[int], list[int]]:
    """The numbers of the rows to train on and of those to test on, drawn at random."""
    order = list(range(count))
    Random(seed).shuffle(order)
    held_out = round(count * test_share)
    return order[held_out:], order[:held_out]


def standardiser(rows: Rows) -> list[tuple[float, float]]:
    """Mean and standard deviation of each column. Take them from the training rows alone: the test rows are the
    future, and nothing of them may leak into the model."""
    statistics = []
    for column in zip(*rows):
        mean = math.fsum(column) / len(column)
        deviation = math.sqrt(math.fsum((x - mean) ** 2 for x in column) / len(column))
        statistics.append((mean, deviation or 1.0))
    return statistics


def standardise(rows: Rows, statistics: list[tuple[float, float]]) -> Rows:
    """Each column less its mean, in units of its standard deviation."""
    return [[(x - mean) / deviation for x, (mean, deviation) in zip(row, statistics)] for row in rows]
