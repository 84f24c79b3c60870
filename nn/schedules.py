"""Schedules of the learning rate: functions of the epoch, for ``fit(schedule=...)``.

>>> rate = cosine(0.1, epochs=100)
>>> rate(0), round(rate(50), 3), round(rate(100), 3)
(0.1, 0.05, 0.0)
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def cosine(lr: float, epochs: int, end: float = 0.0) -> Callable[[int], float]:
    """From lr in epoch 0 down to ``end`` in epoch ``epochs``, along half a cosine; ``end`` from then on.

    Formula: Loshchilov and Hutter 2017, "SGDR: stochastic gradient descent with warm restarts", equation 5.
    """

    def rate(epoch: int) -> float:
        return end + (lr - end) * (1 + math.cos(math.pi * min(epoch, epochs) / epochs)) / 2

    return rate


def step(lr: float, every: int, factor: float = 0.1) -> Callable[[int], float]:
    """lr, multiplied by ``factor`` after each ``every`` epochs.

    >>> rate = step(1.0, every=10, factor=0.5)
    >>> rate(9), rate(10), rate(25)
    (1.0, 0.5, 0.25)
    """

    def rate(epoch: int) -> float:
        return lr * factor ** (epoch // every)

    return rate
