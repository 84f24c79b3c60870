"""A loss that decides in Python is never frozen: eager with a warning that says why, or refused, by name."""

from __future__ import annotations

import math
import random
import warnings

import pytest

from engine import Value, where
from nn import MLP, SGD, Module, binary_cross_entropy, cross_entropy, fit, hinge, mean_squared_error

rng = random.Random(8)
X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(200)]
Y = [3 * a - b + rng.gauss(0, 2) for a, b in X]
Y[77] = 1000.0  # the rare label


def huber(p, t):
    d = p - t
    return d * d / 2 if abs(d.data) <= 1 else abs(d) - 0.5


def confident(p, t):
    return (p - t) ** 2 if float(p) > 0.6 else abs(p - t)


def rare(p, t):
    return (p - t) ** 2 if t < 500 else abs(p - t)


def outside(p, t):
    return (p - math.exp(p * 0.01) - t) ** 2


def conditional(p, t):
    return (p - t) ** 2 if (p - t).gt(0) else abs(p - t)


def largest(p, t):
    return max(p - t, (t - p) * 2)


DECIDING = [huber, confident, rare, outside, conditional, largest]


def trained(loss, backend, model=None):
    model = model or MLP(2, [3, 1], "tanh", "linear", seed=1)
    optimizer = SGD(model.parameters(), lr=1e-3)
    return fit(model, X, Y, loss=loss, optimizer=optimizer, epochs=4, batch_size=50, backend=backend)


@pytest.mark.parametrize("loss", DECIDING, ids=lambda f: f.__name__)
def test_such_a_loss_runs_eagerly_and_says_why(loss):
    """The history is that of the eager backend, bit for bit; one warning names the loss, the line and the remedies."""
    expected = trained(loss, "eager").loss
    with pytest.warns(
        UserWarning, match=rf"eager backend: {loss.__name__} or MLP decides in Python.*engine\.where.*exp"
    ):
        history = trained(loss, "auto")
    assert history.loss == expected
    assert history.backend == "eager"
    assert "of test_gradients.py: " in history.backend_reason


@pytest.mark.parametrize("backend", ["source", "native"])
@pytest.mark.parametrize("loss", DECIDING, ids=lambda f: f.__name__)
def test_it_is_refused_where_a_backend_was_asked_for(loss, backend):
    """By the name of the loss, with the line that decides, before anything is trained."""
    model = MLP(2, [3, 1], "tanh", "linear", seed=1)
    before = [p.data for p in model.parameters()]
    with pytest.raises(ValueError, match=rf'{loss.__name__} or MLP decides in Python.*test_gradients.*backend="eager"'):
        trained(loss, backend, model)
    assert [p.data for p in model.parameters()] == before


@pytest.mark.parametrize("backend", ["source", "auto"])
def test_decisions_in_the_graph_are_lowered(backend):
    """The same Huber loss with engine.where runs lowered, without a word, and agrees with the eager one."""

    def in_the_graph(p, t):
        d = p - t
        return where(abs(d).le(1.0), d * d / 2, abs(d) - 0.5)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = trained(in_the_graph, backend)
    assert history.backend != "eager"
    assert history.loss == pytest.approx(trained(huber, "eager").loss, rel=1e-11)


def test_losses_of_nn_inside_ones_own_look_at_nothing():
    """nn's losses check labels and probabilities, which decides nothing: a loss made of them is lowered."""
    for output, size, y, loss in (
        ("sigmoid", 1, [int(t > 0) for t in Y], lambda p, t: binary_cross_entropy(p, t) * 2),
        ("linear", 1, [1 if t > 0 else -1 for t in Y], lambda p, t: hinge(p, t) + p * p * 0.01),
        ("linear", 1, Y, lambda p, t: mean_squared_error(p, t) + 1),
        ("linear", 2, [[int(t > 0), int(t <= 0)] for t in Y], lambda p, t: cross_entropy(p, t) * 3),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert fit(MLP(2, [size], output=output), X, y, loss=loss, epochs=1, backend="source").backend == "source"


class Deciding(Module):
    """A module whose call looks at a parameter, or at an input."""

    def __init__(self, of):
        self.a, self.b, self.of = Value(1.0), Value(0.5), of

    def __call__(self, x):
        if self.of == "parameter":
            return self.a * x[0] if self.a.data > 0.9 else self.b * x[1]
        return self.a * x[0] if x[1] > 0 else self.b * x[1]


@pytest.mark.parametrize("of", ["parameter", "input"])
def test_a_module_that_decides(of):
    """A decision in the model is treated as one in the loss."""
    expected = trained(mean_squared_error, "eager", Deciding(of)).loss
    with pytest.warns(UserWarning, match="Deciding decides in Python"):
        assert trained(mean_squared_error, "auto", Deciding(of)).loss == expected
    with pytest.raises(ValueError, match="Deciding decides in Python"):
        trained(mean_squared_error, "source", Deciding(of))


def test_a_loss_that_changes_without_looking():
    """One that decides by something else than numbers of the graph is caught by rows that are built anew."""
    calls = []

    def changing(p, t):
        calls.append(1)
        return (p - t) ** 2 if len(calls) < 5 else abs(p - t)

    with pytest.warns(UserWarning, match="the graph of row .* of X is not that of row 0"):
        assert trained(changing, "auto").backend == "eager"
