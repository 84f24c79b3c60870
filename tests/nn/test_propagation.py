"""fprop and bprop against the engine's own chain rule, NumPy's formulas of the lecture, and differences."""

from __future__ import annotations

import random

import pytest

from engine import Value
from nn import MLP, Layer, bprop, fprop
from nn.losses import binary_cross_entropy_with_logits, cross_entropy, mean_squared_error

rng = random.Random(6)
CASES = [
    (MLP(2, [3, 1], seed=1), 1),
    (MLP(2, [3, 4, 1], "tanh", seed=2), 0.25),
    (MLP(2, [4, 3], "relu", seed=3), [0, 1, 0.5]),
    (MLP(2, [4, 3], "gelu", "softmax", seed=3), 2),
    (MLP(2, [4, 3], "leaky_relu", "softmax", seed=3), [0.5, 0.25, 0.25]),
    (MLP(2, [3, 2], "sin", "linear", seed=4), [3.0, -1.0]),
    (MLP(2, [3, 1], "softplus", "tanh", seed=5), -1),
    (MLP(2, [1], seed=5), 0),
]
for model, _ in CASES:
    for layer in model.layers:
        layer.b = [rng.uniform(-1, 1) for _ in layer.b]
CASES[1][0].mean, CASES[1][0].scale = [1.0, -2.0], [0.5, 4.0]


def loss_of(model, x, y):
    if model.output == "sigmoid":
        return binary_cross_entropy_with_logits(model.logits(x), y)
    return cross_entropy(model.logits(x), y) if model.output == "softmax" else mean_squared_error(model(x), y)


@pytest.mark.parametrize(("model", "y"), CASES, ids=lambda x: repr(x))
def test_they_are_what_backward_finds(model, y):
    """z and a are the numbers of the graph; dz, da, dW and db the gradients that backward() writes there."""
    x = [0.7, -1.2]
    cache = fprop(model, x)
    grads = bprop(model, cache, y)
    model.zero_grad()
    loss = loss_of(model, x, y)
    loss.backward()
    out = model(x)
    assert cache.a[-1] == [v.data for v in (out if isinstance(out, list) else [out])]
    for k, layer in enumerate(model.layers, 1):
        assert grads.dW[k] == [pytest.approx([w.grad for w in n.weights], rel=1e-12, abs=1e-15) for n in layer.neurons]
        assert grads.db[k] == pytest.approx([n.bias.grad for n in layer.neurons], rel=1e-12, abs=1e-15)
        assert grads.dz[k] == grads.db[k]
        assert (len(cache.z[k]), len(cache.a[k])) == (layer.nout, layer.nout)
        inputs = [Value(a) for a in cache.a[k - 1]]
        assert cache.z[k] == [n.weighted_input(inputs).data for n in layer.neurons]
    assert cache.z[0] is None
    assert grads.dz[0] is grads.dW[0] is grads.db[0] is None


def test_da0_is_the_gradient_by_the_inputs():
    """da[0], which the lecture calls not really used, by differences."""
    model, y = CASES[3]
    x, h = [0.7, -1.2], 1e-6
    found = bprop(model, fprop(model, x), y).da[0]
    for j in range(2):
        up, down = list(x), list(x)
        up[j] += h
        down[j] -= h
        expected = (loss_of(model, up, y).data - loss_of(model, down, y).data) / (2 * h)
        assert found[j] == pytest.approx(expected, rel=1e-6)


def test_they_are_the_lectures_own_code():
    """The lecture's NumPy program for a network with one hidden layer, on column vectors, gives the same."""
    numpy = pytest.importorskip("numpy")
    model = MLP(2, [2, 1], seed=9)
    x, y = numpy.array([[0.3], [0.9]]), 1
    W1, W2 = (numpy.array(layer.W) for layer in model.layers)
    b1, b2 = (numpy.array(layer.b)[:, None] for layer in model.layers)
    a1 = 1 / (1 + numpy.exp(-(W1 @ x + b1)))
    a2 = 1 / (1 + numpy.exp(-(W2 @ a1 + b2)))
    dz2 = a2 - y
    dz1 = (W2.T @ dz2) * a1 * (1 - a1)
    grads = bprop(model, fprop(model, x), y)
    assert numpy.array(grads.dW[2]) == pytest.approx(dz2 @ a1.T)
    assert numpy.array(grads.dW[1]) == pytest.approx(dz1 @ x.T)
    assert numpy.array(grads.db[1])[:, None] == pytest.approx(dz1)
    assert grads.da[2] == pytest.approx((-y / a2 + (1 - y) / (1 - a2))[0])


def test_a_certain_output_loses_nothing():
    """Where a rounds to 1 the lecture's da is infinite, and dz is still a - y."""
    model = MLP(1, [1])
    model.layers[0].W = [[100.0]]
    wrong, right = (bprop(model, fprop(model, [1.0]), y) for y in (0, 1))
    assert (wrong.da[1], wrong.dz[1], wrong.dW[1]) == ([float("inf")], [1.0], [[1.0]])
    assert (right.da[1], right.dz[1]) == ([-1.0], [0.0])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda m: fprop(Layer(2, 1), [1, 2]), TypeError, "fprop takes an MLP, got Layer"),
        (lambda m: bprop(3, None, 1), TypeError, "bprop takes an MLP, got int"),
        (lambda m: fprop(m, [1]), ValueError, "fprop takes 2 inputs, got 1"),
        (lambda m: fprop(m, 1.0), TypeError, "fprop takes a sequence of 2 numbers"),
        (lambda m: fprop(m, [[1, 2]] * 3), TypeError, "fprop takes one row of 2 numbers, got 3 rows"),
        (lambda m: bprop(m, [0.5], 1), TypeError, "bprop takes what fprop returned, got list"),
        (lambda m: bprop(m, fprop(MLP(2, [3, 1]), [1, 2]), 1), ValueError, r"of sizes \[2, 3, 1\], and the model"),
        (lambda m: bprop(m, fprop(m, [1, 2]), 3), ValueError, r"y\[0\] \(row 0\) is 3.0: labels must lie in \[0, 1\]"),
    ],
)
def test_errors(make, error, message):
    """What is no model, no row, no target is refused by name."""
    with pytest.raises(error, match=message):
        make(MLP(2, [1]))
