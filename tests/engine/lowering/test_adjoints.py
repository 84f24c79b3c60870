"""Sums of adjoints of which some were not reached."""

from __future__ import annotations

import math
from random import Random

import pytest

from engine.lowering.adjoints import _sum_of_marked

UNREACHED = -0.0


@pytest.mark.parametrize("last", [2, 3, 4])
def test_a_sum_of_numbers_is_that_over_what_was_reached(last):
    """Reached adjoints count, plus, minus, by a derivative, by the slope of a choice or by 1 less that; of a choice
    that took the other operand nothing does, whatever its adjoint, nor of an adjoint that was not reached.
    """
    rng = Random(last)
    for _ in range(100):
        kinds: list[list[float]] = [[] for _ in range(5)]
        total = 0.0
        for k in rng.choices(range(last + 1), k=rng.randrange(1, 9)):
            g, reached = float(rng.randrange(-9, 10)), rng.random() < 0.8
            if k < 2:
                kinds[k].append(g if reached else UNREACHED)
                total += (g if k == 0 else -g) if reached else 0.0
            elif k == 2:
                d = float(rng.randrange(-9, 10)) if reached else rng.choice([2.0, math.inf, math.nan])
                kinds[k] += g if reached else UNREACHED, d
                total += g * d if reached else 0.0
            else:
                slope = rng.choice([0.0, 0.5, 1.0])
                taken = slope if k == 3 else 1.0 - slope
                kinds[k] += (g if reached else UNREACHED) if taken else math.inf, slope
                total += g * taken if reached and taken else 0.0
        assert _sum_of_marked(kinds) == total, kinds


def test_a_sum_of_which_nothing_was_reached_was_not_reached():
    """It is -0.0, and a sum of what was reached and comes to 0 is 0.0."""
    assert math.copysign(1.0, _sum_of_marked([[UNREACHED], [UNREACHED], [UNREACHED, math.inf], [3.0, 0.0], []])) == -1.0
    assert math.copysign(1.0, _sum_of_marked([[0.0], [], [], [], []])) == 1.0
    assert math.copysign(1.0, _sum_of_marked([[], [], [1.0, -0.0], [], []])) == 1.0
