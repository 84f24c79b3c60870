"""Point clouds for the playground: two inputs and a label, 0 or 1; the same numbers in every run and on any machine."""

from __future__ import annotations

import math
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

Points = list[list[float]]  # [x1, x2, label]

COUNT = 200


def _moons(k: int, along: float, random: Random) -> tuple[float, float]:
    angle = math.pi * along
    x, y = math.cos(angle), math.sin(angle)
    if k % 2:
        x, y = 1 - x, 0.5 - y
    return x + random.gauss(0, 0.1), y + random.gauss(0, 0.1)


def _circles(k: int, along: float, random: Random) -> tuple[float, float]:
    radius, angle = (0.5 if k % 2 else 1.2), 2 * math.pi * along
    return radius * math.cos(angle) + random.gauss(0, 0.09), radius * math.sin(angle) + random.gauss(0, 0.09)


def _spirals(k: int, along: float, random: Random) -> tuple[float, float]:
    radius, angle = 0.15 + 1.4 * along, 3.2 * math.pi * along + math.pi * (k % 2)
    return radius * math.cos(angle) + random.gauss(0, 0.03), radius * math.sin(angle) + random.gauss(0, 0.03)


def _xor(k: int, along: float, random: Random) -> tuple[float, float]:
    x, y = random.uniform(0.08, 1.3), random.uniform(0.08, 1.3)
    right, same = random.random() < 0.5, k % 2 == 0
    return (x if right else -x), (y if right == same else -y)


def _blobs(k: int, along: float, random: Random) -> tuple[float, float]:
    centre = 0.7 if k % 2 else -0.7
    return centre + random.gauss(0, 0.35), centre + random.gauss(0, 0.35)


SETS: dict[str, Callable[[int, float, Random], tuple[float, float]]] = {
    "moons": _moons, "circles": _circles, "spirals": _spirals, "xor": _xor, "blobs": _blobs,
}  # fmt: skip


def points(name: str) -> Points:
    """The data set of that name: rows of x1, x2 and the label, with four decimals.

    >>> len(points("moons")), points("xor")[0][2]
    (200, 0.0)
    """
    make, random = SETS[name], Random(name)
    rows = []
    for k in range(COUNT):
        x1, x2 = make(k, (k // 2) / (COUNT // 2 - 1), random)
        rows.append([round(x1, 4), round(x2, 4), float(k % 2)])
    return rows
