"""nan and infinity in training: named with their place, and no step is taken with them."""

from __future__ import annotations

import math

import pytest
from fit_cases import Line, data_of

from engine import log
from nn import (
    MLP,
    SGD,
    NonFiniteError,
    fit,
    mean_squared_error,
)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_nan_names_epoch_batch_row_and_node(backend):
    """The error names the row where it starts, the first non-finite node and its operands; nothing has changed."""
    model = Line(function=log)
    with pytest.raises(NonFiniteError, match=r"fit: epoch 0, batch 1, row 2 of X: .* is log of \(-1\) = nan") as caught:
        fit(model, [[1], [2], [-1], [3]], [0] * 4, loss=mean_squared_error, optimizer=SGD(model.parameters(), lr=0.0),
            batch_size=2, shuffle=False, backend=backend)  # fmt: skip
    error = caught.value
    assert (error.epoch, error.batch, error.row, error.node.op.name) == (0, 1, 2, "log")
    assert (error.history.stopped, error.history.epochs) == ("nonfinite", 0)
    assert isinstance(error, FloatingPointError)
    assert (model.a.data, model.b.data) == (1.0, 0.0)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_infinite_gradient_is_named(backend):
    """A finite loss with an infinite gradient stops the training as well."""
    model = Line(a=0.0, function=lambda z: z**0.5)
    with pytest.raises(
        NonFiniteError, match=r"epoch 0, batch 0, row 0 of X: the first gradient that is not finite"
    ) as caught:
        fit(model, [[1]], [1], loss=mean_squared_error, backend=backend)
    assert caught.value.node.op is not None
    assert (model.a.data, model.b.data) == (0.0, 0.0)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_overflow_later_leaves_the_last_finite_step(backend):
    """A learning rate that diverges ends with finite parameters, and the message suggests a lower one."""
    model = Line()
    with pytest.raises(NonFiniteError, match="lower lr") as caught:
        fit(
            model,
            [[1], [2]],
            [1, 5],
            loss=mean_squared_error,
            optimizer=SGD(model.parameters(), lr=1e30),
            epochs=99,
            backend=backend,
        )
    assert caught.value.epoch == caught.value.history.epochs > 0
    assert all(map(math.isfinite, data_of(model)))


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_overflowing_step_is_not_taken(backend):
    """A step that would make a parameter infinite is not taken, and the error names the parameter."""
    model = MLP(1, [1], output="linear")
    w, b = model.parameters()
    w.data = b.data = 1.0
    with pytest.raises(NonFiniteError, match=r"would make layer1.neuron1.w1 -inf \(it is 1, its gradient 4e\+20\)"):
        fit(model, [[1e10]], [-1e10], optimizer=SGD(model.parameters(), lr=1e300), backend=backend)
    assert data_of(model) == [1.0, 1.0]


def test_overflow_of_the_mean_alone():
    """Where every row is finite and their sum is not, the error says so."""
    model = Line(a=1e154)
    with pytest.raises(NonFiniteError, match="the mean loss is inf, though each row's is finite") as caught:
        fit(model, [[1]] * 3, [0] * 3, loss=mean_squared_error, backend="eager")
    assert caught.value.row is None
