"""What results and derivatives may be at most: no number that an operation gives lies outside."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from engine import Value, define, grad
from engine.bounds import ANY, MODERATE, always_safe, is_finite, point, result, rounded, safe
from engine.ieee import scalar
from engine.operations import FUNCTIONS
from engine.ops import OPS

inf, nan = math.inf, math.nan
LARGEST = math.nextafter(inf, 0.0)
NUMBERS = (0.0, -0.0, 5e-324, -1e-300, 0.25, -0.5, 1.0, -1.0, 1.5, -2.0, 3.0, 40.0, -800.0, 1e20, -1e90, 1e150, -1e200,
           LARGEST, -LARGEST, inf, -inf, nan)  # fmt: skip
FIXED = [op for op in OPS.values() if op.arity]


def inside(x, bound):
    low, high, with_nan = bound
    return with_nan if x != x else low <= x <= high


def interval(rng):
    """A bound, and numbers in it."""
    numbers = rng.sample(NUMBERS, rng.choice((1, 2, 3)))
    plain = [x for x in numbers if x == x]
    bound = rounded((min(plain, default=inf), max(plain, default=-inf), len(plain) < len(numbers)))
    return bound, [x for x in NUMBERS if inside(x, bound)]


@pytest.mark.parametrize("op", FIXED, ids=lambda op: op.name)
def test_results_lie_in_their_interval(op):
    """For operands from intervals, at their ends and between, the result is one that was announced."""
    rng = random.Random(op.name)
    for _ in range(300):
        bounds, numbers = zip(*[interval(rng) for _ in op.arguments])
        announced = result(op, bounds)
        for _ in range(20):
            operands = [rng.choice(some) for some in numbers]
            assert inside(scalar[op.name](*operands), announced), (operands, bounds, announced)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "neg", "abs", "exp", "log", "sqrt", "tanh", "maximum"])
def test_intervals_are_no_wider_than_they_must_be(name):
    """Where an operation is monotone, away from its poles, the interval ends where results at its ends do."""
    op, rng = OPS[name], random.Random(name)
    for _ in range(100):
        signs = [1.0 if name in ("log", "sqrt") else rng.choice((1.0, -1.0)) for _ in op.arguments]
        ends = [sorted(sign * rng.uniform(0.1, 9.0) for _ in range(2)) for sign in signs]
        results = [scalar[name](*corner) for corner in itertools.product(*ends)]
        announced = result(op, tuple([(low, high, False) for low, high in ends]))
        assert announced == rounded((min(results), max(results), False)), ends


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp", "amax", "amin", "ties"])
def test_results_of_many_operands_lie_in_their_interval(name):
    """The same, for operations of any number of operands."""
    rng = random.Random(name)
    for _ in range(300):
        bound, numbers = interval(rng)
        for n in (1, 2, 5):
            operands = [rng.choice(numbers) for _ in range(n)]
            assert inside(scalar[name](operands), result(OPS[name], (bound,), n)), (operands, bound)


@pytest.mark.parametrize("op", [op for op in FIXED if op.name != "where"], ids=lambda op: op.name)
def test_what_is_called_safe_has_finite_derivatives(op):
    """Where derivatives are said to be finite, 0 times them is 0, up to the third order, at their ends too."""
    rng = random.Random(op.name)
    for _ in range(200):
        bounds, numbers = zip(*[interval(rng) for _ in op.arguments])
        varying = tuple([rng.random() < 0.7 for _ in op.arguments])
        if not safe(op, bounds, varying):
            continue
        operands = [Value(rng.choice(some)) for some in numbers]
        wrt = [x for x, varies in zip(operands, varying) if varies]
        nodes = [Value(0.0) * FUNCTIONS[op.name](*operands)]  # the adjoint behind a choice that leaves it out
        for _ in range(3):
            nodes = [g for node in nodes for g in grad(node, wrt, create_graph=True)] if wrt else []
            assert all(g.data == 0 for g in nodes), (operands, bounds)


def test_what_is_known_of_common_operations():
    """Networks depend on it: their activations are safe for weighted inputs, and poles and overflow are not."""
    for name in ("relu", "leaky_relu", "elu", "silu", "gelu", "softplus", "logsigmoid", "sigmoid", "tanh", "sin", "erf",
                 "atan", "clip"):  # fmt: skip
        op = OPS[name]
        operands = (MODERATE, *[(point(0.01), point(1.0))[k] for k in range(len(op.arguments) - 1)])
        operands = tuple(map(rounded, operands))
        assert safe(op, operands, (True,) * len(operands)), name
        assert is_finite(result(op, operands)), name
    for name in ("log", "sqrt", "div", "pow", "exp", "hypot", "asin", "tan"):
        operands = (MODERATE,) * len(OPS[name].arguments)
        assert not safe(OPS[name], operands, (True,) * len(operands)), name
    assert {op.name for op in OPS.values() if always_safe(op)} >= {"add", "sub", "neg", "abs", "relu", "maximum", "sum"}
    assert not any(always_safe(OPS[name]) for name in ("mul", "sin", "dot", "hypot", "tanh"))
    assert result(OPS["mul"], (rounded((-3.0, 2.0, False)),) * 2, same=True)[0] == 0.0
    assert result(OPS["add"], (ANY, point(1.0))) == ANY


def test_operations_of_the_user_are_known_by_their_rules():
    """An operation that is defined anew is looked at anew."""
    name = "softsign"
    define(name, "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")
    assert safe(OPS[name], (MODERATE,), (True,))
    define(name, "log(a)", "1 / a", domain=(0.5, 2.0))
    assert not safe(OPS[name], (MODERATE,), (True,))
