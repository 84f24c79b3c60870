"""A branch not taken contributes nothing: however the derivative is taken, at every order, for each sample of a batch.

The truth is what the function is on the branch that is taken, differentiated by hand in mpmath.
"""

from __future__ import annotations

import math

import pytest

import engine
from engine import Value, grad, hessian, jacobian, jvp, lower, vjp, where
from engine.chain import choosing
from engine.lowering import native
from engine.ops import OPS

mp = pytest.importorskip("mpmath").mp
inf, nan = math.inf, math.nan

# A function with a branch that has no derivative somewhere, the points, and what it is at each: f of an mpmath number.
CASES = {
    "where log": (lambda x: where(x.gt(0), x.log(), x), {0.0: lambda x: x, -2.0: lambda x: x, 3.0: mp.log}),
    "where sqrt deep": (
        lambda x: where(x.gt(0), engine.sin((x * x.sqrt()).log() * x), 2 * x),
        {0.0: lambda x: 2 * x, -1.0: lambda x: 2 * x, 2.0: lambda x: mp.sin(mp.log(x * mp.sqrt(x)) * x)},
    ),
    "where overflow": (
        lambda x: where(x.lt(20), (1 + x.exp()).log(), x),
        {1000.0: lambda x: x, 1.0: lambda x: mp.log(1 + mp.exp(x))},
    ),
    "where cube": (lambda x: where(x.lt(1e100), x * x * x, x), {1e200: lambda x: x, 2.0: lambda x: x**3}),
    "nested": (
        lambda x: where(x.gt(0), where(x.gt(1), (x - 1).sqrt(), x / (1 - x)), 1 / (x - 1)),
        {1.0 - 0.5: lambda x: x / (1 - x), 4.0: lambda x: mp.sqrt(x - 1), -1.0: lambda x: 1 / (x - 1)},
    ),
    "relu log": (lambda x: x.log().relu(), {0.0: lambda x: 0 * x, 0.5: lambda x: 0 * x, 3.0: mp.log}),
    "relu sqrt": (lambda x: x.sqrt().relu() * 3 + x, {0.0: lambda x: x, 4.0: lambda x: 3 * mp.sqrt(x) + x}),
    "maximum": (
        lambda x: engine.maximum(x.log(), x - 2),
        {0.0: lambda x: x - 2, 5.0: lambda x: x - 2, 1.0: mp.log},
    ),
    "minimum": (lambda x: engine.minimum(1 / x, 3.0 - x), {0.0: lambda x: 3 - x, 0.25: lambda x: 3 - x}),
    "clip": (lambda x: (1 / x).clip(-1, 1) + x, {0.0: lambda x: 1 + x, 0.5: lambda x: 1 + x, 2.0: lambda x: 1 / x + x}),
    "leaky slope": (lambda x: engine.leaky_relu(x + 1, x.sqrt()), {0.0: lambda x: x + 1, 1.0: lambda x: x + 1}),
    "condition": (lambda x: where((1 / x).gt(0), x, x * x), {0.0: lambda x: x, -2.0: lambda x: x**2}),
    "dot": (
        lambda x: where(x.gt(0), engine.dot([x.log(), 2.0], [x, x.log()], x.sqrt()), x),
        {0.0: lambda x: x, 2.0: lambda x: mp.log(x) * x + 2 * mp.log(x) + mp.sqrt(x)},
    ),
    "n-ary": (
        lambda x: where(x.gt(0), engine.logsumexp([x.log(), x]) + engine.mean([x.sqrt(), x]), x),
        {0.0: lambda x: x, 2.0: lambda x: mp.log(x + mp.exp(x)) + (mp.sqrt(x) + x) / 2},
    ),
    # What overflows behind a branch not taken: a plain sum is infinite there, and derivatives of it are nan.
    "hypot of a sum": (lambda x: (-engine.hypot(x + x, 1.0)).relu(), {1e308: lambda x: 0 * x, 3.0: lambda x: 0 * x}),
    "logaddexp of a sum": (
        lambda x: engine.maximum(engine.logaddexp(x + x, x + x), 0.0),
        {-1e308: lambda x: 0 * x, 3.0: lambda x: 2 * x + mp.log(2)},
    ),
    "logsumexp of sums": (
        lambda x: engine.clip(engine.logsumexp([x + x, x + x, x]), -3.0, 3.0),
        {-1e308: lambda x: 0 * x - 3, 1e308: lambda x: 0 * x + 3, 9.0: lambda x: 0 * x + 3},
    ),
    # Finite derivatives of infinite derivatives: hypot at (0, 0) and x ** 1.5.
    "hypot": (
        lambda x: (engine.hypot(x * x, x) - 1.0).relu(),
        {0.0: lambda x: 0 * x, 1.0: lambda x: mp.hypot(x * x, x) - 1},
    ),
    "power": (lambda x: engine.maximum(x ** 1.5 - 1.0, x * 2), {0.0: lambda x: 2 * x, 9.0: lambda x: x ** 1.5 - 1}),
}  # fmt: skip
# Slopes on either side of a choice that is made exactly at the point are not part of this test.
POINTS = [(name, x) for name, (_, points) in CASES.items() for x in points]


def truth(name, x, order):
    with mp.workdps(500):  # for a difference beside 1e200
        return float(mp.diff(CASES[name][1][x], mp.mpf(x), order))


def close(actual, expected):
    return actual == pytest.approx(expected, rel=1e-12, abs=1e-300)


@pytest.mark.parametrize(("name", "at"), POINTS)
def test_every_way_of_differentiating_gives_the_branch_that_is_taken(name, at):
    """backward, grad, create_graph, jacobian, vjp and jvp agree with the derivative of the branch."""
    x = Value(at)
    y = CASES[name][0](x)
    expected = truth(name, at, 1)
    y.backward()
    assert close(x.grad, expected)
    assert close(grad(y, x), expected)
    assert close(grad(y, x, create_graph=True).data, expected)
    assert close(jacobian([x, y], [x])[1][0], expected)
    assert close(vjp([y], [x], [1.0])[0], expected)
    assert close(jvp([y], [x], [1.0])[0], expected)


@pytest.mark.parametrize(("name", "at"), POINTS)
def test_higher_orders(name, at):
    """The second and the third derivative are those of the branch."""
    x = Value(at)
    y = CASES[name][0](x)
    assert close(hessian(y, [x])[0][0], truth(name, at, 2))
    second = grad(grad(y, x, create_graph=True), x, create_graph=True)
    assert close(grad(second, x), truth(name, at, 3))


@pytest.mark.parametrize("backend", ["source", "native"])
@pytest.mark.parametrize("name", CASES)
def test_each_sample_of_a_batch_takes_its_own_branch(name, backend):
    """Lowered, both derivatives are those of each row's branch, whatever point the graph was made at."""
    if backend == "native" and not native.available()[0]:
        pytest.skip(native.available()[1])
    function, points = CASES[name]
    for made_at in points:
        x, w = Value(made_at), Value(1.0)
        y = function(x * w)
        kernel = lower(y, inputs=[x], wrt=[w], backend=backend)
        second = lower(grad(y, w, create_graph=True), inputs=[x], wrt=[w], backend=backend)
        for at in points:
            for batch in ([[at]] * 3, [[at]]):
                (slope,), (curve,) = kernel(batch)[1], second(batch)[1]
                assert close(slope, at * truth(name, at, 1)), (made_at, at)
                assert close(curve, at * at * truth(name, at, 2) if abs(at) < 1e100 else 0.0), (made_at, at)


LEAVES = {
    "sine": lambda x, w: (engine.sin(x + x) * w - 2.0).relu(),
    "silu": lambda x, w: (engine.silu(-abs(x + x)) * w - 2.0).relu(),
    "product": lambda x, w: (-(x * w) * (x * w)).relu(),
    "slope": lambda x, w: (engine.elu(-abs(x) * w, x * w) - engine.leaky_relu(-abs(x) * w, x) - inf).relu(),
    "neuron": lambda x, w: engine.dot([w, 0.5], [x, 1.0], -3.0).relu(),
    "layers": lambda x, w: (engine.dot([w], [engine.dot([w], [x]).tanh()]) - 7.0).relu(),
    "sum": lambda x, w: (engine.atan2(x - w, x + w) - 9.0).relu(),
    "rest": lambda x, w: where(x.gt(-9) * x.lt(9), engine.logsumexp([x, w, x * w]), 2.0),
}


@pytest.mark.parametrize(
    ("name", "at"), [("sine", 1e308), ("silu", 1e308), *((name, at) for name in LEAVES for at in (inf, -inf, nan))]
)
def test_leaves_that_are_infinite_or_nan(name, at):
    """What is made of them is not reached where a choice leaves it out, at first and second order, lowered too.

    Weighted inputs of such leaves are left out where they are lowered: they are trusted to be finite there.
    """
    x, w = Value(at), Value(1.0 if at != inf else -1.0)
    y = LEAVES[name](x, w)
    assert grad(y, [x, w]) == [0.0, 0.0]
    assert [g.data for g in grad(y, [x, w], create_graph=True)] == [0.0, 0.0]
    assert hessian(y, [x, w]) == [[0.0, 0.0], [0.0, 0.0]]
    for backend in () if name in ("neuron", "layers") else ("source", *(["native"] if native.available()[0] else [])):
        kernel = lower(y, inputs=[x], wrt=[w], backend=backend)
        for batch in ([[at]], [[at], [at]]):
            assert kernel(batch, reduce="sum")[1] == [0.0]


def test_second_derivatives_of_the_largest_of_many():
    """How many values tie for the largest is counted; what was counted is not reached by that."""
    x = [Value(0.0), Value(4.0), Value(4.0)]
    for largest in (engine.amax, lambda values: -engine.amin([-v for v in values])):
        y = largest([x[0].sqrt() - 7, x[0].log(), x[1], x[1] * x[2] - 12])
        assert hessian(y, x) == [[0, 0, 0], [0, 0, 0.5], [0, 0.5, 0]]


@pytest.mark.parametrize("backend", ["source", "native"])
def test_rows_with_missing_numbers_are_left_out(backend):
    """A loss that leaves out rows with a nan target or input: nothing of these rows reaches the weights."""
    if backend == "native" and not native.available()[0]:
        pytest.skip(native.available()[1])
    w, x, t, known = [Value(0.5), Value(-0.25)], [Value(1.0), Value(2.0)], Value(1.0), Value(1.0)
    loss = where(known, (engine.dot(w, x).tanh() - t) ** 2, 0.0)
    kernel = lower(loss, inputs=[*x, t, known], wrt=w, backend=backend)
    rows = [[1.0, 2.0, 0.5, 1.0], [nan, inf, 0.5, 0.0], [1.0, 0.0, nan, 0.0], [-1.0, 1.0, -0.5, 1.0]]
    value, gradients = kernel(rows, reduce="sum")
    expected = [kernel([row], reduce="sum") for row in rows if row[3]]
    assert value == pytest.approx(sum(v for v, _ in expected), rel=1e-14)
    assert gradients == pytest.approx([sum(g[k] for _, g in expected) for k in range(2)], rel=1e-14)


def test_what_is_not_reached_passes_nothing_on():
    """The nan or inf of one output does not leak into another one's row."""
    x = Value(0.0)
    assert jacobian([x * 2, x.sqrt()], [x]) == [[2.0], [inf]]
    assert vjp([x * 2, x.sqrt()], [x], [1.0, 0.0]) == [2.0]  # the first row, as a unit vector picks it
    assert grad(x.gt(0) * (1 / x), [x])[0] != 0


def test_an_honest_zero_times_infinity_stays_nan():
    """Where the path is taken, 0 times infinity is nan, and not hidden: sqrt(x)·sqrt(x) at 0."""
    x = Value(0.0)
    y = x.sqrt() * x.sqrt()
    assert math.isnan(grad(y, x))
    assert math.isnan(grad(y, x, create_graph=True).data)
    assert math.isnan(jvp([y], [x], [1.0])[0])
    assert math.isnan(lower(y, inputs=[], wrt=[x], backend="source")([[]])[1][0])
    assert math.isnan(grad(where(x.ge(0), y, x), x))


def test_networks_pay_nothing():
    """The program of a relu network has no mask but the choice of each neuron."""
    from nn import MLP

    model = MLP(3, [5, 4, 1], activation="relu", seed=0)
    x = [Value(0.1), Value(0.2), Value(0.3)]
    kernel = lower(model(x), inputs=x, wrt=model.parameters(), backend="source")
    assert kernel.program.op.count("where") == 5 + 4


def test_powers_have_the_second_derivatives_that_exist():
    """At exponent 0, at base 0 and at negative bases with whole exponents, as x ** y with both variable."""
    ln2 = math.log(2)
    x, y = Value(2.0), Value(0.0)
    assert hessian(x**y, [x, y]) == [[0.0, 0.5], [0.5, pytest.approx(ln2**2, rel=1e-15)]]
    for base in (-2.0, -0.5, 3.0):
        for n in (2, 3, -1, -2, 0, 1):
            x, y = Value(base), Value(float(n))
            assert hessian(x**y, [x])[0][0] == pytest.approx(n * (n - 1) * base ** (n - 2), rel=1e-14), (base, n)
            assert hessian(x**n, [x])[0][0] == pytest.approx(n * (n - 1) * base ** (n - 2), rel=1e-14), (base, n)
    for n in (2.0, 3.0, 4.0):
        x, y = Value(0.0), Value(n)
        assert hessian(x**y, [x])[0][0] == (2.0 if n == 2 else 0.0)
        assert hessian(x**y, [y])[0][0] == 0.0
    x, y = Value(3.0), Value(0.5)
    expected = [[float(mp.diff(lambda a, b: a**b, (3, 0.5), order)) for order in row]
                for row in (((2, 0), (1, 1)), ((1, 1), (0, 2)))]  # fmt: skip
    assert hessian(x**y, [x, y]) == [pytest.approx(row, rel=1e-13) for row in expected]


def test_a_choice_is_what_the_row_says():
    """The rows that choose say so, and their rules tell when an operand was not chosen."""
    assert choosing(OPS["where"], 1) == ("g if a != 0.0 else 0.0", "1.0 if a != 0.0 else 0.0")
    assert choosing(OPS["maximum"], 0)[0] == "g if a > b else 0.0 if a < b else 0.5 * g"
    assert choosing(OPS["leaky_relu"], 0) is None
    assert choosing(OPS["abs"], 0) is None
    assert {name for name, op in OPS.items() if op.chooses} >= {
        "where", "maximum", "minimum", "clip", "relu", "leaky_relu", "elu"
    }  # fmt: skip


def test_data_changed_before_the_second_derivative_is_refused():
    """A graph whose leaf was changed afterwards has a gradient, of the forward pass, but no Hessian: it says so."""
    a, b = Value(2.0, label="a"), Value(3.0)
    y = engine.dot([a, b], [a, b], a * b) + engine.mean([a, b]) + (a / b) ** 2
    before = hessian(y, [a, b])
    assert before[0][1] == before[1][0]
    a.data = 5.0
    assert grad(y, [b])[0] == pytest.approx(6 + 2 + 0.5 - 2 * 4 / 27)
    with pytest.raises(RuntimeError, match=r"changed after the forward pass.*\(of 'a'\); compute the output again"):
        hessian(y, [a, b])
    a.data = 2.0
    assert hessian(y, [a, b]) == before


@pytest.mark.parametrize(
    "numbers", [[1e16] * 3, [-3e17, -3e17 + 64, -3e17], [-inf, 1.0], [-inf, -inf, 2.0], [-inf, 1.0, 1.5], [700.0, -5.0]]
)
def test_logsumexp_of_large_and_of_masked_numbers(numbers):
    """Gradient, gradient as a graph, and Hessian are the softmax p and diag(p) - p pᵀ; -inf masks an operand."""
    with mp.workdps(400):
        weights = [mp.exp(mp.mpf(x)) for x in numbers]
        p = [w / mp.fsum(weights) for w in weights]
        first = [float(q) for q in p]
        second = [[float((q if i == j else 0) - q * r) for j, r in enumerate(p)] for i, q in enumerate(p)]
    x = [Value(v) for v in numbers]
    y = engine.logsumexp(x)
    assert grad(y, x) == pytest.approx(first, rel=1e-14, abs=0)
    assert [g.data for g in grad(y, x, create_graph=True)] == pytest.approx(first, rel=1e-14, abs=0)
    for row, expected in zip(hessian(y, x), second):
        assert row == pytest.approx(expected, rel=1e-13, abs=0)


@pytest.mark.parametrize("numbers", [[inf, 1.0, 2.0], [inf, inf, 1.0], [inf], [-inf, -inf], [inf, -inf], [nan, 1.0]])
def test_the_derivatives_of_an_infinite_logsumexp_are_the_same_in_every_backend(numbers):
    """An infinite operand's share is inf - inf, nan, as in PyTorch and JAX; finite ones beside it have none."""
    x = [Value(v) for v in numbers]
    y = engine.logsumexp(x)
    expected = [nan if abs(y.data) == inf and v == y.data or y.data != y.data else 0.0 for v in numbers]
    as_graph = grad(y, x, create_graph=True)
    found = [grad(y, x), [g.data for g in as_graph]]
    for backend in ("source", *(["native"] if native.available()[0] else [])):
        found += [lower(y, [], x, backend=backend)()[1], lower(as_graph, [], x, backend=backend)()[0]]
    for one in found:
        assert one == pytest.approx(expected, nan_ok=True, abs=0)
