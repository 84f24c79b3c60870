"""Every digit: operations over the whole range of doubles, against arithmetic with 60 digits (exactness.py)."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest

pytest.importorskip("mpmath")
sys.path.insert(0, str(Path(__file__).parent))
from exact_numbers import EXACT, exact, quantities
from exactness import LIMIT, eager, error, measure, names, ours
from mpmath import mp, mpf

from engine import OPS

ORDINARY = {way: function for way, function in ours().items() if way != "page"}


def test_every_operation_has_exact_numbers():
    """No row of the table escapes the bench; bce by probabilities, whose clamp is PyTorch's, is the one left out."""
    assert set(names()) == set(OPS) - {"bce"}
    assert set(names()) <= set(EXACT)


@pytest.mark.parametrize("name", names())
def test_every_digit(name):
    """Value, first and second derivatives are within 4 ulp times 1 + the condition number, in every backend."""
    for way, worst in measure(name, 25, ORDINARY, seed=7).items():
        assert worst.missed() == {}, way


# Sums that cancel, or a slope that is as small as an exponential, or that passes 0, by what the table composes it of.
CANCELS = {"sum", "mean", "dot", "silu", "gelu", "erf", "erfc", "logaddexp", "logsumexp", "bce_with_logits"}


@pytest.mark.parametrize("name", [name for name in names() if name not in CANCELS])
def test_no_digit_is_lost_where_the_argument_is_exact(name):
    """Value and first derivatives are within 8 ulp of those of the very arguments, near poles and zeros too."""
    (worst,) = measure(name, 25, {"eager": eager}, seed=7, forgiving=False).values()
    first = {quantity: found for quantity, found in worst.found.items() if "²" not in quantity}
    assert max(error for error, *_ in first.values()) <= 2 * LIMIT, first


@pytest.mark.long
@pytest.mark.parametrize("name", names())
def test_every_digit_at_many_points(name):
    """The same at many more points, and in the page's JavaScript too."""
    for way, worst in measure(name, 600, ours(), seed=11).items():
        assert worst.missed() == {}, way


@pytest.mark.parametrize("name", ["tanh", "hypot", "pow", "gelu", "logaddexp", "atan2", "bce_with_logits"])
def test_the_exact_numbers_are_mpmaths_derivatives(name):
    """The formulas of the bench agree with derivatives that mpmath takes numerically."""
    point = (0.75, 0.3)[: OPS[name].arity]

    def value(*x):
        return EXACT[name](*[_leaf(v, i, len(x)) for i, v in enumerate(x)]).v

    with mp.workdps(60):
        for quantity, (number, _) in zip(quantities(name), exact(name, point)):
            order = [quantity[1:].count(letter) for letter in "ab"[: len(point)]]
            if sum(order):
                assert abs(mp.diff(value, tuple(map(mpf, point)), tuple(order)) - number) < mpf(10) ** -15


def _leaf(v, i, n):
    from exact_numbers import Jet

    return Jet(v, [mpf(i == k) for k in range(n)], [[mpf(0)] * n for _ in range(n)])


def test_the_bench_notices_a_lost_digit():
    """A value off by 8 ulp is missed, and one off by the rounding of a badly conditioned argument is not."""
    (number, condition), *_ = exact("log", (3.0,))
    assert error(math.log(3.0), number, condition) < 1
    assert error(math.log(3.0) + 8 * math.ulp(1.0), number, condition) > LIMIT
    (number, condition), *_ = exact("log", (1 + 1e-12,))
    assert error(math.log1p(1e-12 + 1e-27), number, condition) < LIMIT < 1e10 < condition


def test_overflow_and_subnormal_results_are_left_out():
    """exp(710) is infinite and exp(-740) subnormal: neither counts, nor does a derivative that is 0 everywhere."""
    rows = eager("exp", [(710.0,), (-740.0,)])
    for row, point in zip(rows, [(710.0,), (-740.0,)]):
        assert [error(x, *truth) for x, truth in zip(row, exact("exp", point))] == [0.0, 0.0, 0.0]
