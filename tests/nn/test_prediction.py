"""Prediction for many rows: one call of a kernel, kept with the model."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest

from engine.lowering import kernel as kernel_module
from engine.lowering.kernel import choose_backend
from engine.rows import read_rows
from nn import MLP, prediction

OUTPUTS = [("sigmoid", 1), ("sigmoid", 3), ("softmax", 4), ("tanh", 1), ("tanh", 2), ("linear", 1), ("linear", 2)]


def made(output, n, seed=0):
    random = Random(seed)
    model = MLP(3, [5, n], activation="tanh", output=output, seed=seed)
    for parameter in model.parameters():
        parameter.data = random.gauss(0, 2)
    return model, [[random.gauss(0, 1) for _ in range(3)] for _ in range(50)]


def decided(output, z):
    """What is decided for logits, in words: by the sign, or for the first of the largest."""
    if output == "softmax":
        return z.index(max(z))
    if output != "linear":
        z = [1 if x >= 0 else (-1 if output == "tanh" else 0) for x in z]
    return z[0] if len(z) == 1 else z


@pytest.mark.parametrize(("output", "n"), OUTPUTS)
def test_decisions(output, n):
    """predict decides by the logits of each row, and classes are ints."""
    model, rows = made(output, n)
    found = model.predict(rows)
    for row, decision in zip(rows, found, strict=True):
        z = model.logits(row)
        expected = decided(output, [z.data] if n == 1 else [v.data for v in z])
        assert decision == (pytest.approx(expected, rel=1e-12) if output == "linear" else expected)
    if output != "linear":
        assert {type(x) for row in found for x in (row if isinstance(row, list) else [row])} == {int}


@pytest.mark.parametrize(("output", "n"), [case for case in OUTPUTS if case[0] != "linear"])
def test_accuracy(output, n):
    """accuracy is the share of right decisions among all rows and outputs."""
    model, rows = made(output, n)
    random = Random(1)
    if output == "softmax":
        y = [random.randrange(n) for _ in rows]
        right = [p == t for p, t in zip(model.predict(rows), y, strict=True)]
    else:
        low = -1 if output == "tanh" else 0
        y = [[random.choice([low, 1]) for _ in range(n)] for _ in rows]
        predicted = [p if n > 1 else [p] for p in model.predict(rows)]
        right = [a == b for p, t in zip(predicted, y, strict=True) for a, b in zip(p, t, strict=True)]
    assert model.accuracy(rows, y) == pytest.approx(sum(right) / len(right), rel=1e-15)


def test_the_first_of_equal_classes_and_nan():
    """Of equal logits the first class wins; a nan logit is never larger, as for Python's max."""
    model = MLP(1, [3], output="softmax")
    for layer in model.layers:
        layer.W, layer.b = [[0.0], [0.0], [0.0]], [1.0, 1.0, 0.0]
    assert model.predict([[5.0]]) == [0]
    model.layers[0].b = [0.0, 2.0, 2.0]
    assert model.predict([[5.0]]) == [1]
    model.layers[0].neurons[1].bias.data = math.nan
    assert model.predict([[5.0]]) == [2]


@pytest.mark.parametrize("backend", ["native", "source"])
def test_one_call_for_all_rows(monkeypatch, backend):
    """A prediction is lowered once and calls what is lowered once for all rows; weights are read anew each time."""
    if backend == "native" and choose_backend("auto")[0] != "native":
        pytest.skip("the compiled interpreter is not built")
    monkeypatch.setattr(kernel_module, "choose_backend", lambda asked: (backend, "for the test"))
    model, rows = made("softmax", 4)
    model.predict_proba(rows[:1])
    kernel = model._kernels["_outputs"][1]
    assert kernel.backend == backend
    calls = []
    what, name = (kernel.native, "_run") if backend == "native" else (kernel, "_each_row")
    run = getattr(what, name)
    monkeypatch.setattr(what, name, lambda *args: (calls.append(1), run(*args))[1])
    for change in range(2):
        model.layers[0].b = [float(change)] * 5
        found = model.predict_proba(rows)
        expected = [[v.data for v in model(row)] for row in rows]
        for one, other in zip(found, expected, strict=True):
            assert one == pytest.approx(other, rel=1e-12)
        assert len(calls) == 1 + change
        assert model._kernels["_outputs"][1] is kernel


def test_a_long_list_in_portions(monkeypatch):
    """A list longer than a portion gives the same numbers, and a wrong row in it is called by its place in all."""
    model, rows = made("softmax", 4)
    rows = 3 * rows
    expected = model.predict_proba(rows), model.predict(rows)
    monkeypatch.setattr(prediction, "_PORTION", 1)
    monkeypatch.setattr(prediction, "_ROWS", 64)
    read = []
    monkeypatch.setattr(
        prediction, "read_rows", lambda X, *args, **more: (read.append(len(X)), read_rows(X, *args, **more))[1]
    )
    assert (model.predict_proba(rows), model.predict(rows)) == expected
    assert read == 2 * [64, 64, 22]
    for wrong, error in ((math.nan, ValueError), ("word", TypeError)):
        with pytest.raises(error, match=r"X\[140\]\[1\]"):
            model.predict([*rows[:140], [0.0, wrong, 0.0], *rows[141:]])


@pytest.mark.parametrize("put", [-2, True, Fraction(-7, 4), "1", None])
def test_weights_put_there_by_hand(put):
    """Rows meet the weights as they are now: other numbers than floats count as such, anything else is refused."""
    model, X = MLP(3, [4, 2], seed=1), [[0.25, -1.0, 0.5], [1.0, 2.0, -0.75]]
    model.predict_proba(X)
    model.layers[1].neurons[1].weights[2].data = put
    if isinstance(put, (str, type(None))):
        for _ in range(2):
            with pytest.raises(TypeError, match=r"the data of parameter 'layer2\.neuron2\.w3'"):
                model.predict_proba(X)
        return
    found = model.predict_proba(X)
    model.layers[1].neurons[1].weights[2].data = float(put)
    assert found == model.predict_proba(X)
    assert found == [pytest.approx([v.data for v in model(x)], rel=1e-13) for x in X]
