"""Accuracy, validation, early stopping and the callback: what looks at a training while it runs."""

from __future__ import annotations

import gc

import pytest
from fit_cases import XOR, cloud, data_of, mean_loss

from nn import (
    MLP,
    SGD,
    fit,
)


def test_accuracy_and_validation_are_measured_after_each_epoch():
    """accuracy, val_loss and val_accuracy at last are those of the trained model; best_epoch has the lowest loss."""
    X, y = cloud(20, seed=1)
    valid = cloud(9, seed=2)
    model = MLP(2, [3, 1], seed=1)
    history = fit(model, X, y, epochs=7, batch_size=5, accuracy=True, validation_data=valid)
    assert [len(x) for x in (history.loss, history.accuracy, history.val_loss, history.val_accuracy)] == [7] * 4
    assert history.accuracy[-1] == pytest.approx(model.accuracy(X, y))
    assert history.val_accuracy[-1] == pytest.approx(model.accuracy(*valid))
    assert history.val_loss[-1] == pytest.approx(mean_loss(model, *valid), rel=1e-12)
    assert history.val_loss[history.best_epoch] == min(history.val_loss)


def test_validation_ignores_the_penalty():
    """val_loss and loss are comparable: neither contains the l2 penalty."""
    model = MLP(2, [3, 1], seed=1)
    history = fit(model, *XOR, optimizer=SGD(model.parameters(), lr=0.0), l2=100.0, epochs=1, validation_data=XOR)
    assert history.loss == pytest.approx(history.val_loss, rel=1e-12)


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_early_stopping_gives_back_the_best_parameters(backend):
    """Training stops after `patience` epochs without improvement, with the parameters of the best epoch."""
    X, y = cloud(10, seed=3)
    wrong = X, [1 - t for t in y]  # validation that contradicts training: it gets worse from some epoch on

    def train(**options):
        model = MLP(2, [4, 1], seed=6)
        return model, fit(
            model, X, y, optimizer=SGD(model.parameters(), lr=0.5), validation_data=wrong, backend=backend, **options
        )

    model, history = train(epochs=200, early_stopping=5)
    assert history.stopped == "early_stopping"
    assert history.epochs == history.best_epoch + 6
    assert mean_loss(model, *wrong) == pytest.approx(min(history.val_loss), rel=1e-12)
    twin, _ = train(epochs=history.best_epoch + 1)
    assert data_of(model) == data_of(twin)


def test_early_stopping_without_a_stop_still_gives_back_the_best():
    """Where the epochs end first, the parameters are those of the best epoch all the same."""
    X, y = cloud(10, seed=3)
    wrong = X, [1 - t for t in y]
    model = MLP(2, [4, 1], seed=6)
    history = fit(model, X, y, epochs=4, early_stopping=50, validation_data=wrong)
    assert history.stopped == "epochs"
    assert mean_loss(model, *wrong) == pytest.approx(min(history.val_loss), rel=1e-12)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_callback(backend):
    """The callback sees each epoch, counted from 0, with the history so far and the current parameters; True stops."""
    seen = []
    model = MLP(2, [3, 1], seed=1)

    def callback(epoch, history):
        seen.append((epoch, history.epochs, mean_loss(model, *XOR)))
        return epoch == 3

    history = fit(model, *XOR, optimizer=SGD(model.parameters(), lr=1.0), epochs=10, callback=callback, backend=backend)
    assert history.stopped == "callback"
    assert [(epoch, epochs) for epoch, epochs, _ in seen] == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert history.loss[1:] == pytest.approx([loss for _, _, loss in seen[:-1]], rel=1e-12)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_callback_may_change_the_learning_rate(backend):
    """A learning rate set to 0 in the callback stops all movement from the next epoch on."""
    model = MLP(2, [3, 1], seed=1)
    optimizer = SGD(model.parameters(), lr=1.0)

    def callback(epoch, history):
        optimizer.lr = 0.0

    history = fit(model, *XOR, optimizer=optimizer, epochs=4, callback=callback, backend=backend)
    assert history.loss[0] != history.loss[1] == history.loss[2] == history.loss[3]


def test_error_in_the_callback_passes_through():
    """An exception of the callback's own is raised as it is, and the collector is as it was."""

    def callback(epoch, history):
        raise LookupError("mine")

    for backend in ("eager", "auto"):
        with pytest.raises(LookupError, match="mine"):
            fit(MLP(2, [1]), *XOR, epochs=3, callback=callback, backend=backend)
    assert gc.isenabled()
