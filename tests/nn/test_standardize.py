"""Standardised inputs: the model's own first step, in training, calls, predictions, files."""

from __future__ import annotations

import math
import random

import pytest

from engine.rows import read_rows
from nn import MLP, SGD, Layer, fit, load, save
from nn.standardize import mean_and_scale, standardized

rng = random.Random(4)
X = [[rng.gauss(100, 5), rng.gauss(-3, 0.01), 7.0] for _ in range(30)]
Y = [int(a > 101) for a, _, _ in X]


def by_hand():
    columns = list(zip(*X))
    means = [math.fsum(c) / 30 for c in columns]
    scales = [math.sqrt(math.fsum([(x - m) ** 2 for x in c]) / 30) or 1.0 for c, m in zip(columns, means)]
    return means, scales, [[(x - m) / s for x, m, s in zip(row, means, scales)] for row in X]


def test_mean_and_scale_are_those_of_scikit_learn():
    """Mean and standard deviation over n, and 1 for a column that does not vary."""
    preprocessing = pytest.importorskip("sklearn.preprocessing")
    scaler = preprocessing.StandardScaler().fit(X)
    means, scales = mean_and_scale(read_rows(X), 3)
    assert means == pytest.approx(scaler.mean_)
    assert scales == pytest.approx(scaler.scale_)
    assert scales[2] == 1.0
    assert mean_and_scale(read_rows(X), 2) == (means[:2], scales[:2])


def test_numbers_of_any_size():
    """Columns whose squares overflow are measured like others; one that cannot be added up is refused by number."""
    small = mean_and_scale(read_rows([[1.0], [-1.0], [3.0]]), 1)
    assert mean_and_scale(read_rows([[1e200], [-1e200], [3e200]]), 1) == (
        [pytest.approx(1e200 * small[0][0], rel=1e-15)], [pytest.approx(1e200 * small[1][0], rel=1e-15)]
    )  # fmt: skip
    with pytest.raises(ValueError, match="column 1 are too large"):
        mean_and_scale(read_rows([[0.0, 1.7e308], [1.0, 1.7e308]]), 2)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_training_is_that_on_rows_standardised_by_hand(backend):
    """The same losses and parameters, bit for bit; and the model takes the raw rows from then on."""
    means, scales, rows = by_hand()
    ours, theirs = MLP(3, [4, 1], "tanh", seed=1), MLP(3, [4, 1], "tanh", seed=1)
    options = {"epochs": 9, "batch_size": 7, "backend": backend}
    found = fit(ours, X, Y, standardize=True, validation_data=(X, Y), accuracy=True, **options)
    expected = fit(theirs, rows, Y, validation_data=(rows, Y), accuracy=True, **options)
    assert (ours.mean, ours.scale) == (means, scales)
    assert (found.loss, found.val_loss, found.accuracy) == (expected.loss, expected.val_loss, expected.accuracy)
    assert [p.data for p in ours.parameters()] == [p.data for p in theirs.parameters()]
    assert ours.predict_proba(X) == theirs.predict_proba(rows)
    assert ours.predict(X) == theirs.predict(rows)
    assert ours.accuracy(X, Y) == theirs.accuracy(rows, Y)
    assert ours(X[0]).data == theirs(rows[0]).data
    assert ours.logits(X[0]).data == theirs.logits(rows[0]).data


def test_the_step_is_part_of_the_graph():
    """The picture shows it: each input is subtracted from and divided, and the gradient goes through."""
    model = MLP(2, [1], seed=1)
    model.mean, model.scale = [1.0, 2.0], [4.0, 0.5]
    out = model([3.0, 5.0])
    z = out.parents[0]
    first = z.parents[2]
    assert (first.label, first.op.name, first.data) == ("x1 standardized", "div", 0.5)
    out.backward()
    x1 = first.parents[0].parents[0]
    assert x1.label == "x1"
    assert x1.grad == pytest.approx(out.data * (1 - out.data) * z.parents[0].data / 4)


def test_it_is_found_once_and_kept():
    """A second fit keeps the step, with or without standardize: the weights belong to it. Another keeps none."""
    model = MLP(3, [1], seed=1)
    fit(model, X, Y, standardize=True, epochs=1)
    step = list(model.mean), list(model.scale)
    other = [[a + 50, b, c] for a, b, c in X]
    for options in ({"standardize": True}, {}):
        fit(model, other, Y, epochs=1, **options)
        assert (model.mean, model.scale) == step
    plain = MLP(3, [1], seed=1)
    with pytest.warns(UserWarning, match="standardize=True"):
        fit(plain, X, Y, epochs=1)
    assert plain.mean is None


def test_it_is_found_on_the_rows_that_train():
    """Rows held out for validation do not count; a fit that is refused leaves the model as it was."""
    model = MLP(3, [1], seed=1)
    fit(model, X, Y, standardize=True, validation_split=0.5, epochs=1)
    assert model.mean[0] != pytest.approx(by_hand()[0][0], rel=1e-6)
    untouched = MLP(3, [1], seed=1)
    with pytest.raises(ValueError, match="epochs"):
        fit(untouched, X, Y, standardize=True, epochs=0)
    assert untouched.mean is None


def test_it_is_saved(tmp_path):
    """A file with mean and scale is of version 2, one without of version 1; extra comes along."""
    model = MLP(3, [2, 1], seed=1)
    model.extra = {"columns": ["a", "b", "c"], "n": [1, None]}
    save(model, tmp_path / "1.json")
    assert '"version": 1' in (tmp_path / "1.json").read_text()
    fit(model, X, Y, standardize=True, epochs=3)
    save(model, tmp_path / "2.json")
    assert '"version": 2' in (tmp_path / "2.json").read_text()
    twin = load(tmp_path / "2.json")
    assert (twin.mean, twin.scale, twin.extra) == (model.mean, model.scale, model.extra)
    assert twin.predict_proba(X) == model.predict_proba(X)
    assert load(tmp_path / "1.json").extra == model.extra


def test_a_module_of_ones_own_has_no_such_step():
    """standardize=True needs an MLP, and says so."""
    model = Layer(3, 1)
    with pytest.raises(ValueError, match="standardize=True needs an MLP, which keeps mean and scale"):
        fit(model, X, Y, loss=lambda p, t: p[0], standardize=True, optimizer=SGD(model.parameters()))


def test_rows_are_not_changed():
    """standardized gives new rows."""
    rows = read_rows([[1.0, 2.0], [3.0, 6.0]])
    assert list(standardized(rows, [2.0, 4.0], [1.0, 2.0])) == [[-1.0, -1.0], [1.0, 1.0]]
    assert list(rows) == [[1.0, 2.0], [3.0, 6.0]]
