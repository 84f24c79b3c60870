"""Numerical derivatives of sampled functions: the number, what it may be off by, and the kind of trouble."""

from __future__ import annotations

import math

import pytest

from engine.differences import all_steps, first_steps, is_quiet, slope

NOISE = 2.0**-53


def samples(function, x, steps):
    return [(h, function(x + h), h, function(x - h)) for h in steps]


def measured(function, x, noise=NOISE):
    return slope(function(x), [samples(function, x, steps) for steps in all_steps(x)], noise * abs(function(x)))


def test_the_steps():
    """Three to begin with, then down by fours: from a quarter of the scale, or of the number where it is tiny."""
    assert first_steps(0.5) == [2.0**-10, 2.0**-12, 2.0**-14]
    assert first_steps(-6.0) == [6 * 2.0**-10, 6 * 2.0**-12, 6 * 2.0**-14]
    (ordinary,) = all_steps(3.0)
    assert ordinary[:3] == [0.75, 0.1875, 0.046875]
    assert all(a == 4 * b for a, b in zip(ordinary, ordinary[1:]))
    assert ordinary[-1] == 3 * 2.0**-46
    assert len(all_steps(0.0)) == len(all_steps(2.0**-10)) == 1
    first, second = all_steps(2.0**-11)
    assert first == all_steps(0.0)[0]
    assert second[0] == 2.0**-13
    assert second[-1] == 2.0**-11 * 2.0**-24


@pytest.mark.parametrize("power", range(1, 10))
def test_a_polynomial_is_extrapolated_exactly(power):
    """Five steps take four powers of the step away: up to the ninth power nothing is left but rounding."""
    steps = [2.0**-k for k in range(2, 12, 2)]
    found = slope(1.0, [samples(lambda x: x**power, 1.0, steps)], 0.0)
    assert found.value == pytest.approx(power, rel=1e-11)
    assert abs(found.value - power) <= found.uncertainty
    assert found.uncertainty < (1e-10 if power < 8 else 1e-4)


def test_the_uncertainty_grows_with_the_noise():
    """It is at least the noise over the step that was taken, and covers the error."""
    for noise in (1e-12, 1e-9, 1e-6):
        values = {}

        def noisy(x, noise=noise, values=values):
            return values.setdefault(x, math.sin(x) + noise * math.sin(1e9 * x))

        found = slope(noisy(0.5), [samples(noisy, 0.5, steps) for steps in all_steps(0.5)], noise)
        assert found.kind == "smooth"
        assert abs(found.value - math.cos(0.5)) <= found.uncertainty
        assert noise < found.uncertainty < 1e4 * noise


# A function, its derivative, and how far the number may be off: at 0, 1e-5, 0.3, -1 and 700, with two sizes of noise.
UNCERTAINTIES = {
    "x * x": ("2 * x",
        [3.16e-30, 3.16e-30, 8.2e-21, 4.64e-18, 3.07e-16, 1.44e-10, 2.23e-15, 1.6e-09, 1.56e-12, 1.12e-06]),
    "x * x * x * x * x - 3 * x": ("5 * x**4 - 3",
        [6.66e-16, 6.66e-16, 6.67e-16, 7.69e-13, 2.62e-14, 2.3e-08, 5.73e-14, 5.12e-08, 0.0088, 6.15e+03]),
    "1 / (1 + x * x)": ("-2 * x / (1 + x * x) ** 2",
        [1.79e-15, 1.6e-09, 1.63e-13, 1.98e-08, 2.4e-13, 5.34e-08, 5.88e-14, 1.29e-08, 1.56e-21, 2.99e-16]),
    "math.sqrt(1 + x * x)": ("x / math.sqrt(1 + x * x)",
        [1.78e-15, 1.6e-09, 1.16e-13, 7.27e-09, 1.6e-13, 2.88e-08, 1.89e-13, 3.65e-08, 9.67e-14, 6.67e-09]),
    "1 / (1 + 1e6 * x * x)": ("-2e6 * x / (1 + 1e6 * x * x) ** 2",
        [5.33e-15, 1.6e-09, 1.8e-10, 2.83e-05, 2.35e-17, 4.55e-12, 5.65e-19, 1.02e-13, 1.63e-27, 2.99e-22]),
    "1e6 * x + x * x": ("1e6 + 2 * x",
        [2.22e-10, 2.22e-10, 2.22e-10, 1.62e-08, 8.71e-10, 0.00048, 2e-09, 0.0016, 2e-09, 0.0016]),
    "1e8 + x * x": ("2 * x",
        [1.78e-07, 0.16, 1.78e-07, 0.16, 2.09e-07, 0.16, 1.78e-07, 0.16, 2.55e-10, 0.00023]),
    "x * abs(x)": ("2 * abs(x)",
        [3.37e-13, 3.37e-13, 1.63e-20, 1.05e-14, 3.07e-16, 1.44e-10, 2.23e-15, 1.6e-09, 1.56e-12, 1.12e-06]),
    "x / (1 + abs(x))": ("1 / (1 + abs(x)) ** 2",
        [3.4e-14, 3.4e-14, 5.99e-15, 1.06e-09, 9.05e-14, 1.35e-08, 7.94e-14, 1.3e-08, 1.66e-16, 3.66e-11]),
    "1 / (x + 1.001)": ("-1 / (x + 1.001) ** 2",
        [5.01e-13, 8.89e-08, 5.91e-13, 8.89e-08, 2.03e-13, 2.72e-08, 5.62e-07, 0.0814, 1.23e-18, 1.81e-13]),
    "7.0": ("0.0",
        [1.24e-14, 1.12e-08, 1.24e-14, 1.12e-08, 1.24e-14, 1.12e-08, 1.24e-14, 1.12e-08, 1.78e-17, 1.6e-11]),
    "1e-9 * x": ("1e-9",
        [2.22e-25, 2.22e-25, 2.27e-25, 1.64e-23, 9.62e-25, 4.8e-19, 2.83e-24, 1.6e-18, 2e-24, 1.6e-18]),
    "1e-12 * x * x * x": ("3e-12 * x**2",
        [4.48e-56, 4.48e-56, 2.18e-37, 7.15e-34, 3.56e-28, 1.73e-22, 1.14e-26, 6.4e-21, 5.08e-21, 3.14e-15]),
    "abs(x - 1.1)": ("math.copysign(1.0, x - 1.1)",
        [2.18e-15, 1.76e-09, 2.18e-15, 1.76e-09, 1.64e-15, 1.28e-09, 3.95e-15, 3.36e-09, 2e-15, 1.6e-09]),
    "x + 1e-3 * abs(x - 0.2)": ("1 + 1e-3 * math.copysign(1.0, x - 0.2)",
        [2.23e-16, 1.28e-12, 2.28e-16, 1.34e-12, 3.02e-15, 1.92e-09, 2.44e-15, 1.6e-09, 2.44e-15, 1.6e-09]),
    "math.sqrt(x + 1.5)": ("0.5 / math.sqrt(x + 1.5)",
        [1.52e-13, 3.14e-08, 2.24e-13, 3.14e-08, 2.32e-13, 3.44e-08, 4.28e-13, 7.24e-08, 6.13e-15, 1.01e-09]),
}  # fmt: skip


@pytest.mark.parametrize("function", UNCERTAINTIES)
def test_the_uncertainty_is_no_more_than_it_was_and_covers_the_error(function):
    """Of functions that are exactly rounded everywhere, so that the same number is found everywhere."""
    derivative, recorded = UNCERTAINTIES[function]
    f, expected = eval(f"lambda x: {function}"), eval(f"lambda x: {derivative}")
    places = [(x, noise) for x in (0.0, 1e-5, 0.3, -1.0, 700.0) for noise in (NOISE, 1e-10)]
    for (x, noise), uncertainty in zip(places, recorded, strict=True):
        found = measured(f, x, noise)
        assert found.kind == "smooth"
        assert abs(found.value - expected(x)) <= found.uncertainty
        assert found.uncertainty == pytest.approx(uncertainty, rel=6e-3), (x, noise)


@pytest.mark.parametrize(
    ("function", "x", "kind"),
    [
        (math.sin, 0.3, "smooth"), (abs, 0.0, "kink"), (lambda x: abs(x - 1) + x * x, 1.0, "kink"),
        (lambda x: float(x > 0), 0.0, "jump"), (lambda x: float(x >= 0), 0.0, "jump"),
        (lambda x: -float(x >= 0), 0.0, "jump"), (lambda x: float(x == 0), 0.0, "jump"),
        (lambda x: x + 1e-9 * (x > 2), 2.0, "jump"), (lambda x: math.cbrt(x), 0.0, "not finite"),
        (lambda x: math.copysign(abs(x) ** 0.1, x), 0.0, "not finite"),
        (lambda x: -math.cbrt(x), 0.0, "not finite"), (lambda x: x**2 * abs(x), 0.0, "smooth"),
        (lambda x: math.sqrt(x) if x >= 0 else math.nan, 0.0, "not finite"), (lambda x: math.inf, 0.0, "not finite"),
        (lambda x: math.tanh(1e4 * x), 0.0, "smooth"), (lambda x: abs(x) ** 1.5, 0.0, "smooth"),
        (lambda x: 1e-3 * abs(x - 1) + math.exp(x), 1.0, "kink"), (lambda x: 1e3 + abs(x), 0.0, "kink"),
        (lambda x: math.nan if abs(x) > 0.01 else x * 3, 0.0, "smooth"),
    ],
)  # fmt: skip
def test_kinds(function, x, kind):
    """A kink, a jump, a slope without bound and the edge of the domain are told apart, also from steep slopes."""
    assert measured(function, x).kind == kind


def test_the_slopes_to_both_sides():
    """At a kink they are those of the two sides; where all is smooth they are both near the derivative."""
    found = measured(lambda x: max(2 * x, -3 * x), 0.0)
    assert (found.left, found.right) == (-3.0, 2.0)
    found = measured(math.exp, 0.0)
    assert (found.left, found.right) == pytest.approx((1.0, 1.0), rel=1e-2)


def test_a_function_that_is_only_defined_near_the_point():
    """The steps that fall outside are left out, and the number comes from the others."""
    found = measured(lambda x: math.sin(x) if abs(x) < 1e-3 else math.inf, 0.0)
    assert found.kind == "smooth"
    assert found.value == pytest.approx(1.0, rel=1e-9)


def test_a_wave_that_is_narrower_than_the_step():
    """A large step that falls on the same phase on both sides shows nothing, and is not believed."""
    found = measured(lambda x: math.sin(math.pi * 8 * x), 0.0)
    assert found.value == pytest.approx(8 * math.pi, rel=1e-6)
    found = measured(lambda x: math.exp(-1e6 * (x - 1e-3) ** 2), 0.0)
    assert found.value == pytest.approx(2e3 * math.exp(-1.0), rel=1e-5)


def test_quiet_slopes():
    """Curvature halves the difference of the slopes with the step, a kink keeps it, and rounding explains a little."""
    smooth = samples(math.exp, 0.0, first_steps(0.0))
    kinked = samples(abs, 0.0, first_steps(0.0))
    assert is_quiet(smooth, 1.0, NOISE)
    assert not is_quiet(kinked, 0.0, NOISE)
    assert is_quiet(kinked, 0.0, 1.0)
    slightly = samples(lambda x: x * x + 1e-6 * abs(x), 0.0, first_steps(0.0))
    assert is_quiet(slightly[:1] * 3, 0.0, 1e-6)


def test_no_samples():
    """Without any finite sample there is no number, and it may be anything."""
    found = slope(1.0, [[]], 0.0)
    assert math.isnan(found.value)
    assert found.uncertainty == math.inf
    assert found.kind == "not finite"
