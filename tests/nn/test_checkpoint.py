"""A training in a file goes on bit for bit."""

from __future__ import annotations

import json
import random

import pytest

from engine import Value
from nn import MLP, SGD, Adagrad, Adam, AdamW, Module, Optimizer, RMSprop, checkpoint, fit, mean_squared_error, resume

rng = random.Random(3)
X = [[rng.gauss(0, 1), rng.gauss(5, 30)] for _ in range(23)]
Y = [float(a * 30 > b - 5) for a, b in X]
KINDS = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adam": lambda p: Adam(p, lr=0.05, betas=(0.8, 0.9), amsgrad=True),
    "adamw": lambda p: AdamW(p, lr=0.05),
    "rmsprop": lambda p: RMSprop(p, centered=True),
    "adagrad": lambda p: Adagrad(p, lr=0.1, initial_accumulator_value=0.5),
}
OPTIONS = {"batch_size": 5, "seed": 7, "standardize": True, "validation_split": 0.2, "early_stopping": 50}


@pytest.mark.parametrize("backend", ["auto", "eager", "source"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_goes_on_bit_for_bit(kind, backend, tmp_path):
    """Six epochs, a file, six more: the bits of twelve in one, parameters, state and every list of the history."""
    whole = MLP(2, [4, 1], "tanh", seed=1)
    optimizer = KINDS[kind](whole.parameters())
    expected = fit(whole, X, Y, optimizer=optimizer, epochs=12, backend=backend, **OPTIONS)
    model = MLP(2, [4, 1], "tanh", seed=1)
    first = KINDS[kind](model.parameters())
    # without early stopping's return to the best parameters, which ends a training
    history = fit(model, X, Y, optimizer=first, epochs=6, backend=backend, **{**OPTIONS, "early_stopping": None})
    checkpoint(tmp_path / "c.json", model, first, history)
    model, second, history = resume(tmp_path / "c.json")
    assert (type(second), second.settings()) == (type(first), first.settings())
    history = fit(model, X, Y, optimizer=second, epochs=6, backend=backend, history=history, **OPTIONS)
    assert history.epochs == 12
    for name in ("loss", "val_loss", "val_accuracy", "best_epoch", "best_parameters", "stopped", "backend"):
        assert getattr(history, name) == getattr(expected, name)
    assert [p.data for p in model.parameters()] == [p.data for p in whole.parameters()]
    assert second.state == optimizer.state


@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_a_checkpoint_of_a_callback_goes_on_bit_for_bit(backend, tmp_path):
    """A file written in the middle of a training is as good as one written after it."""
    model = MLP(2, [3, 1], seed=1)
    optimizer = Adam(model.parameters(), lr=0.05)

    def callback(epoch, history):
        if epoch == 4:
            checkpoint(tmp_path / "c.json", model, optimizer, history)

    options = {"batch_size": 4, "backend": backend, "standardize": True}
    expected = fit(model, X, Y, optimizer=optimizer, epochs=9, callback=callback, **options)
    twin, second, history = resume(tmp_path / "c.json")
    fit(twin, X, Y, optimizer=second, epochs=4, history=history, **options)
    assert history.loss == expected.loss
    assert [p.data for p in twin.parameters()] == [p.data for p in model.parameters()]


def test_modules_and_optimisers_of_ones_own(tmp_path):
    """A new module is filled, the optimiser's class is given; part of the parameters stays part."""

    class Line(Module):
        def __init__(self):
            self.a, self.b = Value(0.0), Value(0.0)

        def __call__(self, x):
            return self.a * x[0] + self.b

    class Signs(Optimizer):
        rule = "w = w - lr * (1 if g > 0 else -1)"

    model = Line()
    optimizer = Signs([model.a], lr=0.25)
    history = fit(model, [[1], [2]], [2, 4], loss=mean_squared_error, optimizer=optimizer, epochs=3)
    path = tmp_path / "c.json"
    checkpoint(path, model, optimizer, history)
    twin, second, again = resume(path, Line(), Signs)
    assert (twin.a.data, second.params, second.lr, again.loss) == (model.a.data, [twin.a], 0.25, history.loss)
    with pytest.raises(ValueError, match="a module of your own, 'Line': load"):
        resume(path)
    with pytest.raises(ValueError, match="its optimizer is a 'Signs' of your own: resume"):
        resume(path, Line())


def test_what_is_no_checkpoint(tmp_path):
    """Wrong arguments and damaged files are named."""
    model = MLP(2, [1])
    optimizer = SGD(model.parameters())
    history = fit(model, [[1, 2]], [1], optimizer=optimizer, epochs=1)
    path = tmp_path / "c.json"
    with pytest.raises(TypeError, match="checkpoint: history must be one of History, got 3"):
        checkpoint(path, model, optimizer, 3)
    with pytest.raises(TypeError, match="optimizer must be one of Optimizer"):
        checkpoint(path, model, history, history)
    with pytest.raises(ValueError, match="parameters that do not belong to the model"):
        checkpoint(path, MLP(2, [1]), optimizer, history)
    assert not path.exists()
    checkpoint(path, model, optimizer, history)
    content = json.loads(path.read_text())
    for change, message in (
        (lambda c: c.update(format="x"), "this is not a checkpoint"),
        (lambda c: c.update(version=True), "this is not a checkpoint"),
        (lambda c: c.update(version=9), "has version 9, and this release reads 1"),
        (lambda c: c.pop("optimizer"), "the checkpoint is damaged"),
        (lambda c: c["optimizer"]["state"]["step"].pop(), "damaged .* state is not that of its kind"),
        (lambda c: c["optimizer"]["settings"].update(lr=-1), "damaged .*lr must be"),
        (lambda c: c["history"].update(loss=["a"]), "damaged"),
        (lambda c: c.update(generator=[3, [1, 2], None]), "damaged"),
        (lambda c: c["model"]["layers"].pop(), "sizes names 1 layers"),
    ):
        damaged = json.loads(json.dumps(content))
        change(damaged)
        path.write_text(json.dumps(damaged))
        with pytest.raises(ValueError, match=message) as caught:
            resume(path)
        assert "c.json" in str(caught.value)
