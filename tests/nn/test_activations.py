"""Activations come from the table of operations, and their initial weights from their slopes."""

from __future__ import annotations

import math

import pytest

from engine import OPS, define
from nn import MLP, fit
from nn.activations import activation_names, checked_activation, initial_bound


def test_every_operation_of_one_argument_is_an_activation():
    """Nothing but a row of the table is needed; operations of two arguments or of lists are none."""
    names = activation_names()
    assert names[:4] == ("sigmoid", "tanh", "relu", "linear")
    assert {"atan", "erf", "gelu", "leaky_relu", "sin", "abs"} <= set(names)
    assert not {"mul", "where", "sum", "dot", "hypot"} & set(names)
    assert len(set(names)) == len(names)
    for name in ("asinh", "sin"):
        assert MLP(2, [3, 1], activation=name, seed=1)([0.1, 0.2]).data > 0


def test_a_new_row_is_an_activation_at_once(monkeypatch):
    """The list is that of the table as it is now, so that an operation of the user's own counts."""
    assert "twice" not in activation_names()
    monkeypatch.setitem(OPS, "twice", OPS["neg"])
    assert "twice" in activation_names()


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "elu", "silu", "gelu", "softplus", "exp", "logsigmoid"])
def test_flat_on_one_side_is_he(name):
    """Activations that pass about half of what they get start as He says."""
    assert initial_bound(name, 30, 50) == math.sqrt(6 / 30)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "linear", "atan", "erf", "sin", "asinh"])
def test_steepest_around_zero_is_glorot(name):
    """All others start as Glorot says."""
    assert initial_bound(name, 30, 50) == math.sqrt(6 / 80)


@pytest.mark.parametrize(("wrong", "near"), [("rellu", "relu"), ("Tanh", "tanh"), ("leakyrelu", "leaky_relu")])
def test_a_misspelt_name_is_told_the_nearest(wrong, near):
    """The error lists the usual names and the one that was probably meant."""
    with pytest.raises(ValueError, match=f"one of sigmoid, tanh, relu, linear .*got '{wrong}': did you mean '{near}'"):
        checked_activation(wrong)


def test_an_operation_of_ones_own_is_an_activation():
    """define() is the one place: its network trains alike on every backend, and is saved by name."""
    name = "softsign"
    define(name, "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")
    assert initial_bound(name, 3, 3) == 1.0
    losses = []
    for backend in ("eager", "source", "auto"):
        model = MLP(2, [3, 1], activation=name, seed=1)
        X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]
        losses.append(fit(model, X, y, epochs=5, backend=backend).loss)
        assert model.predict_proba(X) == pytest.approx([model(x).data for x in X], rel=1e-12)
    assert losses[1] == pytest.approx(losses[0], rel=1e-12)
    assert losses[2] == pytest.approx(losses[0], rel=1e-12)
