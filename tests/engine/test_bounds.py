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


ENDS = (-inf, -800.0, -3.0, -1.5, -1.0, -0.5, -0.25, 0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 40.0, inf)
BESIDE = [math.nextafter(x, side) for x in (-1.0, 0.0, 1.0) for side in (-inf, inf)]
AS_NARROW_AS_CAN_BE = """
    add sub mul neg abs exp expm1 exp2 log log1p log2 log10 sqrt cbrt asin acos atan sinh cosh tanh asinh acosh atanh
    sigmoid relu leaky_relu elu erf erfc maximum minimum hypot floor ceil round sign gt ge lt le eq
"""


@pytest.mark.parametrize("name", AS_NARROW_AS_CAN_BE.split())
def test_intervals_are_as_narrow_as_can_be(name):
    """Over any interval, infinite and across the edge of the domain too: no end lies further out than a result does,
    and nan is announced only where there is one.
    """
    op, rng = OPS[name], random.Random(name)
    for _ in range(200):
        bounds = [tuple(sorted(rng.choices(ENDS, k=2))) for _ in op.arguments]
        points = [[x for x in (*ENDS, *BESIDE) if low <= x <= high] for low, high in bounds]
        results = [scalar[name](*operands) for operands in itertools.product(*points)]
        numbers = [x for x in results if x == x]
        expected = rounded((min(numbers, default=inf), max(numbers, default=-inf), len(numbers) < len(results)))
        assert result(op, tuple([(low, high, False) for low, high in bounds])) == expected, bounds


def test_intervals_of_powers_waves_and_remainders():
    """What is known of operations whose results turn back."""
    between = lambda name, *bounds: result(OPS[name], tuple([(*bound, False) for bound in bounds]))  # noqa: E731
    for low, high in ((-3.0, 2.0), (0.5, 1.5), (-2.0, -1.0)):
        for exponent, expected in ((0.0, (1.0, 1.0)), (1.0, (low, high))):
            assert between("pow", (low, high), (exponent, exponent)) == rounded((*expected, False))
    assert between("pow", (-1.5, 1.0), (2.0, 2.0)) == rounded((0.0, 2.25, False))
    assert between("pow", (-2.0, -1.0), (2.0, 2.0)) == rounded((1.0, 4.0, False))
    assert between("pow", (0.5, 2.0), (-9.0, 9.0)) == between("pow", (0.0, 2.0), (0.0, 9.0)) == (0.0, inf, False)
    assert between("pow", (0.0, 2.0), (-1.0, 9.0)) == between("pow", (-1.0, 2.0), (3.0, 3.0)) == ANY
    assert between("mod", (-9.0, 9.0), (0.5, 2.0)) == (0.0, 2.0, False)
    assert between("mod", (-9.0, 9.0), (-2.0, -0.5)) == (-2.0, 0.0, False)
    assert between("mod", (-9.0, 9.0), (0.0, 2.0)) == (0.0, 2.0, True)
    assert between("mod", (-9.0, inf), (1.0, 2.0)) == (0.0, 2.0, True)
    for name in ("sin", "cos"):
        assert between(name, (-9.0, 9.0)) == (-1.0, 1.0, False)
        assert between(name, (-inf, 9.0)) == (-1.0, 1.0, True)
    assert between("atan2", (-9.0, 9.0), (-9.0, 9.0)) == rounded((-math.pi, math.pi, False))
    assert between("hypot_slope", (-9.0, 9.0), (0.0, 9.0)) == (-1.0, 1.0, False)
    assert between("hypot_slope", (-9.0, 9.0), (0.0, inf)) == (-1.0, 1.0, True)
    assert between("div", (1.0, 2.0), (-1.0, 1.0)) == (-inf, inf, False)
    assert between("div", (-1.0, 2.0), (0.0, 1.0)) == between("div", (1.0, inf), (-1.0, 0.0)) == ANY
    assert between("div", (1.0, 2.0), (1.0, inf)) == (0.0, 2.0, False)
    assert between("ne", (1.0, 1.0), (2.0, 2.0)) == (0.0, 1.0, False)
    assert result(OPS["sum"], ((-1.0, 2.0, False),), 50) == (-1e100, 1e100, False)
    assert result(OPS["logsumexp"], ((0.0, 1.0, False),), 2) == (0.0, 2.0, False)
    assert result(OPS["ties"], ((0.0, 1.0, False),), 2) == (0.0, 2.0, False)
    assert result(OPS["amax"], ((0.0, 1.0, False),), 2) == result(OPS["amin"], ((0.0, 1.0, False),), 2) == (0, 1, False)


BOUNDS = {"any": ANY, "moderate": MODERATE, "positive": (0.25, 40.0, False), "from 0": (0.0, 40.0, False),
          "small": (-0.5, 0.5, False), "from 1": (1.0, 3.0, False), "negative": (-3.0, -0.25, False)}  # fmt: skip
SAFE = {
    "any": "add sub neg abs relu maximum minimum clip where floor ceil round sign gt ge lt le eq ne sum mean amax amin "
           "ties",
    "moderate": "mul sin cos atan tanh asinh sigmoid logsigmoid softplus leaky_relu elu silu gelu erf erfc logaddexp "
                "bce_with_logits sigmoid_slope tanh_slope logsumexp",
    "from 1": "div log log2 log10 sqrt cbrt reciprocal atan2 hypot mod hypot_slope",
    "small": "sinh cosh exp expm1 exp2", "from 0": "log1p", "negative": "exp expm1 exp2",
}  # fmt: skip
WITHIN = {"any": (), "moderate": ("any",), "from 0": ("any", "moderate"), "small": ("any", "moderate"),
          "negative": ("any", "moderate"), "positive": ("any", "moderate", "from 0"),
          "from 1": ("any", "moderate", "from 0", "positive")}  # fmt: skip
ALL = {op.name for op in OPS.values()} - {"dot"}  # before a test defines more


@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_known_to_be_safe(name):
    """In an interval: of these operations all derivatives are known to be finite; and in each that it contains."""
    expected = {op for where in (name, *WITHIN[name]) for op in SAFE.get(where, "").split()}
    bound = rounded(BOUNDS[name])
    known = [op for op in OPS.values() if op.name in ALL]
    assert {op.name for op in known if safe(op, (bound,) * (op.arity or 1), (True,) * (op.arity or 1))} == expected


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp", "amax", "amin", "ties"])
def test_results_of_many_operands_lie_in_their_interval(name):
    """The same, for operations of any number of operands."""
    rng = random.Random(name)
    for _ in range(300):
        bound, numbers = interval(rng)
        for n in (1, 2, 5):
            operands = [rng.choice(numbers) for _ in range(n)]
            assert inside(scalar[name](operands), result(OPS[name], (bound,), n)), (operands, bound)


@pytest.mark.parametrize("name", ["sum", "mean", "logsumexp", "amax", "amin"])
def test_nan_is_announced_of_many_operands_only_where_there_is_one(name):
    """Over any interval, infinite too, of two operands and of three."""
    rng = random.Random(name)
    for _ in range(100):
        low, high = sorted(rng.choices(ENDS, k=2))
        for n in (2, 3):
            points = itertools.product([low, 0.5 if low <= 0.5 <= high else low, high], repeat=n)
            found = any(math.isnan(scalar[name](list(operands))) for operands in points)
            assert result(OPS[name], (rounded((low, high, False)),), n)[2] == found, (low, high, n)


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
