"""fit against PyTorch, and against itself on every backend."""

from __future__ import annotations

import random

import pytest
from fit_cases import XOR, cloud, data_of

from engine.lowering import native
from nn import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    RMSprop,
    binary_cross_entropy,
    fit,
)
from nn.training import epoch_order


def torch_twin(torch, model):
    """The same network in PyTorch: (function of rows to logits, its parameters, its weights only)."""
    layers = [
        (
            torch.tensor([[w.data for w in n.weights] for n in layer.neurons], dtype=torch.float64, requires_grad=True),
            torch.tensor([n.bias.data for n in layer.neurons], dtype=torch.float64, requires_grad=True),
        )
        for layer in model.layers
    ]

    def logits(rows):
        a = rows
        for k, (W, b) in enumerate(layers):
            z = torch.nn.functional.linear(a, W, b)
            a = torch.sigmoid(z) if k < len(layers) - 1 else z
        return a

    return logits, [t for pair in layers for t in pair], [W for W, _ in layers]


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
@pytest.mark.parametrize("kind", ["sigmoid", "sigmoid 3", "softmax", "linear", "probabilities"])
def test_training_is_that_of_torch(kind, backend):
    """Losses and parameters of mini-batch training with momentum and l2 are those of a loop written in PyTorch."""
    torch = pytest.importorskip("torch")
    outputs = {"sigmoid 3": 3, "softmax": 3}.get(kind, 1)
    output = kind if kind in ("softmax", "linear") else "sigmoid"
    X, y = cloud(outputs=outputs, classes=3 if kind == "softmax" else 0)
    model = MLP(2, [4, outputs], output=output, seed=1)
    logits, tensors, weights = torch_twin(torch, model)
    rows = torch.tensor(X, dtype=torch.float64)
    targets = torch.tensor(y) if kind == "softmax" else torch.tensor(y, dtype=torch.float64).reshape(len(X), -1)
    functional = torch.nn.functional
    loss_function = {
        "softmax": functional.cross_entropy,
        "linear": functional.mse_loss,
        "probabilities": lambda z, t: functional.binary_cross_entropy(torch.sigmoid(z), t),
    }.get(kind, functional.binary_cross_entropy_with_logits)

    history = fit(
        model, X, y, optimizer=SGD(model.parameters(), lr=0.1, momentum=0.9), epochs=12, batch_size=4, seed=5, l2=0.05,
        loss=binary_cross_entropy if kind == "probabilities" else "auto", backend=backend,
    )  # fmt: skip
    optimizer, rng, expected = torch.optim.SGD(tensors, lr=0.1, momentum=0.9), random.Random(5), []
    for _ in range(12):
        order, total = epoch_order(len(X), rng), 0.0
        for start in range(0, len(X), 4):
            batch = order[start : start + 4]
            loss = loss_function(logits(rows[batch]), targets[batch])
            optimizer.zero_grad()
            (loss + 0.05 / 2 * sum((W**2).sum() for W in weights)).backward()
            optimizer.step()
            total += loss.item() * len(batch)
        expected.append(total / len(X))
    assert history.loss == pytest.approx(expected, rel=1e-11)
    found = [[p.data for p in (*n.weights, n.bias)] for layer in model.layers for n in layer.neurons]
    W_b = [(*w, b) for W, bias in zip(tensors[::2], tensors[1::2]) for w, b in zip(W.tolist(), bias.tolist())]
    assert [x for row in found for x in row] == pytest.approx([x for row in W_b for x in row], rel=1e-10, abs=1e-12)


OPTIMIZERS = {
    "SGD": lambda p: SGD(p, lr=0.5),
    "nesterov": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: Adam(p, lr=0.05),
    "amsgrad": lambda p: Adam(p, lr=0.05, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda p: AdamW(p, lr=0.05),
    "RMSprop": lambda p: RMSprop(p),
    "centred": lambda p: RMSprop(p, centered=True, momentum=0.5),
    "Adagrad": lambda p: Adagrad(p, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
}


@pytest.mark.parametrize("backend", ["source", "auto"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_backends_agree(name, backend):
    """Losses of 50 epochs of mini-batches with l2 agree with the eager engine's to 1e-11, for each optimiser."""
    X, y = cloud(11)
    losses = []
    for which in ("eager", backend):
        model = MLP(2, [4, 3, 1], "tanh", seed=2)
        optimizer = OPTIMIZERS[name](model.parameters())
        history = fit(model, X, y, optimizer=optimizer, epochs=50, batch_size=4, l2=1e-3, seed=3, backend=which)
        losses.append(history.loss)
        if which == "eager":
            data, state = data_of(model), optimizer.state
    assert losses[1] == pytest.approx(losses[0], rel=1e-11)
    assert data_of(model) == pytest.approx(data, rel=1e-9, abs=1e-11)
    for key, values in state.items():
        assert optimizer.state[key] == pytest.approx(values, rel=1e-8, abs=1e-11)


@pytest.mark.parametrize("backend", ["source", "auto"])
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "leaky_relu", "elu", "silu", "gelu", "softplus", "sin"])
def test_backends_agree_on_every_activation_and_output(activation, backend):
    """With validation and accuracy, full batch, for three classes, several labels and regression."""
    for output, size, classes in (("softmax", 3, 3), ("sigmoid", 2, 0), ("linear", 1, 0)):
        X, y = cloud(9, outputs=size, classes=classes)
        histories = []
        for which in ("eager", backend):
            model = MLP(2, [3, size], activation, output, seed=4)
            histories.append(
                fit(model, X, y, epochs=8, backend=which, validation_data=(X, y), accuracy=output != "linear")
            )
        for name in ("loss", "val_loss", "accuracy", "val_accuracy"):
            assert getattr(histories[1], name) == pytest.approx(getattr(histories[0], name), rel=1e-11)
        assert len(histories[0].val_accuracy) == (0 if output == "linear" else 8)


@pytest.mark.skipif(not native.available()[0], reason="needs the compiled interpreter")
@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_a_look_at_the_clock_changes_nothing(batch_size, monkeypatch):
    """Compiled training that stops every few steps to let Python look gives the bits of training without a stop."""
    X, y = cloud()
    results = []
    for breath in (100.0, 1e-6, 1e-4):
        monkeypatch.setattr("nn.training.compiled._BREATH", breath)
        model = MLP(2, [4, 1], seed=1)
        history = fit(model, X, y, epochs=400, batch_size=batch_size, backend="native")
        results.append((history.loss, data_of(model)))
    assert results[0] == results[1] == results[2]


def test_history_says_which_backend_and_why():
    """The history names the backend that ran, and the reason."""
    model = MLP(2, [1])
    assert fit(model, *XOR, epochs=1, backend="eager").backend == "eager"
    history = fit(model, *XOR, epochs=1, backend="source")
    assert (history.backend, history.backend_reason) == ("source", "it was asked for")
    assert fit(model, *XOR, epochs=1).backend in ("native", "source")
    assert repr(history).startswith("<History of 1 epochs, loss ")


PARTS = {
    "first layer": lambda model: model.layers[0].parameters(),
    "middle layer": lambda model: model.layers[1].parameters(),
    "last layer": lambda model: model.layers[2].parameters(),
    "all but the middle": lambda model: model.layers[0].parameters() + model.layers[2].parameters(),
    "last before first": lambda model: model.layers[2].parameters() + model.layers[0].parameters(),
    "one neuron": lambda model: model.layers[1].neurons[2].parameters(),
    "weights": lambda model: model.regularised(),
    "biases": lambda model: [neuron.bias for layer in model.layers for neuron in layer.neurons],
    "a weight of each": lambda model: [neuron.weights[1] for layer in model.layers for neuron in layer.neurons],
    "half a layer": lambda model: model.layers[1].parameters()[3:],
}


@pytest.mark.parametrize("batch", [1, 4, None])
@pytest.mark.parametrize("activation", ["tanh", "relu", "elu"])
@pytest.mark.parametrize("part", PARTS)
def test_some_parameters_are_trained_and_the_others_stay(part, activation, batch):
    """Parameters that the optimiser holds are trained as on the eager backend, and the others stay as they are."""
    X, y = cloud(n=12)
    trained = {}
    for backend in ("eager", "source", "auto"):
        model = MLP(2, [4, 3, 1], activation=activation, seed=5)
        before, held = data_of(model), set(PARTS[part](model))
        optimizer = Adam(PARTS[part](model), lr=0.05)
        fit(model, X, y, optimizer=optimizer, epochs=3, batch_size=batch, backend=backend, validation_data=(X, y))
        trained[backend] = data_of(model)
        moved = [p in held for p in model.parameters()]
        assert all((now != then) <= may for now, then, may in zip(trained[backend], before, moved))
        assert any(now != then for now, then in zip(trained[backend], before))
    assert trained["source"] == pytest.approx(trained["eager"], rel=1e-11, abs=1e-13)
    assert trained["auto"] == pytest.approx(trained["eager"], rel=1e-11, abs=1e-13)
