"""fit against PyTorch and against itself on other backends; stopping, interrupts, and what it refuses."""

from __future__ import annotations

import builtins
import gc
import math
import os
import random
import signal
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value, exp, log
from engine.lowering import native
from nn import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Module,
    NonFiniteError,
    RMSprop,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    mean_squared_error,
)
from nn.training import epoch_order

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


def cloud(n=14, seed=0, outputs=1, classes=0):
    """Random rows with labels of every kind: bits, soft labels, or class indices."""
    rng = random.Random(seed)
    X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(n)]
    if classes:
        return X, [rng.randrange(classes) for _ in X]
    y = [[rng.choice([0.0, 1.0, 0.3, rng.random()]) for _ in range(outputs)] for _ in X]
    return X, y if outputs > 1 else [t[0] for t in y]


def data_of(model):
    return [p.data for p in model.parameters()]


# Against PyTorch


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


# Backends agree

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


# What the numbers mean


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_first_loss_is_that_of_the_untrained_model(backend):
    """history.loss[0] is the mean loss before any update, and the next is that after one."""
    model = MLP(2, [3, 1], seed=1)
    start = mean_loss(model, *XOR)
    history = fit(model, *XOR, optimizer=SGD(model.parameters(), lr=1.0), epochs=1, backend=backend)
    assert history.loss == [pytest.approx(start, rel=1e-12)]
    after = mean_loss(model, *XOR)
    assert fit(model, *XOR, epochs=1, backend=backend).loss == [pytest.approx(after, rel=1e-12)]
    assert after < start


def mean_loss(model, X, y):
    return binary_cross_entropy([model(x) for x in X], y).data


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_full_batch_does_not_depend_on_shuffle_or_seed(backend):
    """Without batch_size, or with one as large as the data, shuffle and seed change no bit."""
    X, y = cloud()
    results = set()
    for options in ({}, {"shuffle": False}, {"seed": 9}, {"batch_size": 14}, {"batch_size": 100, "seed": 3}):
        model = MLP(2, [3, 1], seed=1)
        history = fit(model, X, y, epochs=5, backend=backend, **options)
        results.add((*history.loss, *data_of(model)))
    assert len(results) == 1


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_seed_decides_the_order_of_mini_batches(backend):
    """The same seed gives the same bits, another seed other batches; without shuffle rows come in their order."""
    X, y = cloud()

    def run(**options):
        model = MLP(2, [3, 1], seed=1)
        return fit(model, X, y, epochs=3, batch_size=4, backend=backend, **options).loss

    assert run(seed=1) == run(seed=1)
    assert run(seed=1) != run(seed=2)
    assert run(shuffle=False, seed=1) == run(shuffle=False, seed=2)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 200), st.integers(0, 10**6))
def test_epoch_order_is_a_permutation(n, seed):
    """Every row comes once in an epoch, and a seed gives the same sequence of orders."""
    first, second = random.Random(seed), random.Random(seed)
    for _ in range(3):
        order = epoch_order(n, first)
        assert sorted(order) == list(range(n))
        assert order == epoch_order(n, second)


def test_epoch_order_is_uniform():
    """All six orders of three rows come about equally often."""
    rng, counts = random.Random(0), {}
    for _ in range(6000):
        order = tuple(epoch_order(3, rng))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6
    assert all(900 < count < 1100 for count in counts.values())


def test_gradients_are_left_as_the_last_step_used_them():
    """After one epoch, grad of each parameter is the gradient of the mean loss plus l2 * w."""
    X, y = cloud()
    for backend in ("eager", "source"):
        model, twin = MLP(2, [3, 1], seed=1), MLP(2, [3, 1], seed=1)
        fit(model, X, y, epochs=1, l2=0.1, backend=backend)
        binary_cross_entropy([twin(x) for x in X], y).backward()
        penalised = set(twin.regularised())
        expected = [p.grad + 0.1 * p.data * (p in penalised) for p in twin.parameters()]
        assert [p.grad for p in model.parameters()] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_part_of_the_parameters():
    """An optimiser that holds the last layer only leaves all other parameters as they were."""
    for backend in ("eager", "source", "auto"):
        model = MLP(2, [3, 1], seed=1)
        before = data_of(model)
        fit(model, *XOR, optimizer=SGD(model.layers[1].parameters(), lr=1.0), epochs=3, l2=0.1, backend=backend)
        assert data_of(model)[:9] == before[:9]
        assert all(a != b for a, b in zip(data_of(model)[9:], before[9:]))


# It learns


@pytest.mark.parametrize("backend", ["source", "auto"])
def test_xor(backend):
    """A 2-4-1 network learns exclusive or."""
    model = MLP(2, [4, 1], "tanh", seed=1)
    history = fit(model, *XOR, optimizer=Adam(model.parameters(), lr=0.1), epochs=300, backend=backend)
    assert model.accuracy(*XOR) == 1.0
    assert history.loss[-1] < 0.05
    assert history.stopped == "epochs"


def test_three_classes_and_regression():
    """Softmax learns three separated clouds; a linear output learns a parabola."""
    rng = random.Random(0)
    X = [[c + rng.uniform(-0.3, 0.3), rng.uniform(-1, 1)] for c in (0, 1, 2) for _ in range(10)]
    y = [c for c in (0, 1, 2) for _ in range(10)]
    model = MLP(2, [3], output="softmax")
    fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.3), epochs=150)
    assert model.accuracy(X, y) == 1.0
    X = [[k / 10] for k in range(-10, 11)]
    model = MLP(1, [8, 1], "tanh", output="linear", seed=1)
    history = fit(model, X, [x * x for [x] in X], optimizer=Adam(model.parameters(), lr=0.05), epochs=400)
    assert history.loss[-1] < 1e-3
    assert model.predict([[0.5]])[0] == pytest.approx(0.25, abs=0.06)


# Validation, early stopping, callback


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


# Ctrl-C


@pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")
@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_interrupt_leaves_the_model_at_the_end_of_a_whole_step(backend, batch_size):
    """SIGINT at any moment: KeyboardInterrupt with the history, and parameters that a number of whole steps gives."""
    X, y = cloud(7)
    for delay in (0.05, 0.11, 0.17):
        model = MLP(2, [4, 1], seed=1)
        optimizer = Adam(model.parameters(), lr=1e-3)
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt) as caught:
            fit(model, X, y, optimizer=optimizer, epochs=10**9, batch_size=batch_size, backend=backend)
        timer.join()
        history = caught.value.history
        assert history.stopped == "interrupted"
        assert "whole step" in caught.value.__notes__[0]
        (steps,) = set(optimizer.state["step"])
        whole, rest = divmod(int(steps), 1 if batch_size is None else 3)
        assert history.epochs <= whole  # what was just over may not be in the history yet
        assert backend == "auto" or history.epochs >= whole - 1
        assert data_of(model) == pytest.approx(
            replayed(X, y, whole, rest, batch_size, backend), rel=1e-9 if rest else 0
        )
    assert gc.isenabled()


def replayed(X, y, epochs, rest, batch_size, backend):
    """The parameters after so many whole epochs of the same training, and then ``rest`` steps of the next."""
    model = MLP(2, [4, 1], seed=1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    if epochs:
        fit(model, X, y, optimizer=optimizer, epochs=epochs, batch_size=batch_size, backend=backend)
    rng = random.Random(0)
    orders = [epoch_order(len(X), rng) for _ in range(epochs + 1)]
    for k in range(rest):
        batch = orders[-1][k * batch_size : (k + 1) * batch_size]
        optimizer.zero_grad()
        binary_cross_entropy_with_logits([model.logits(X[i]) for i in batch], [y[i] for i in batch]).backward()
        optimizer.step()
    return data_of(model)


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_interrupt_in_the_callback(backend):
    """KeyboardInterrupt raised while the callback runs carries the history with that epoch."""

    def callback(epoch, history):
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(MLP(2, [1]), *XOR, epochs=10, callback=callback, backend=backend)
    assert caught.value.history.epochs == 3


# Not finite


class Line(Module):
    """a * x + b, and whatever a test makes of it."""

    def __init__(self, a=1.0, b=0.0, function=lambda z: z):
        self.a, self.b, self.function = Value(a, label="a"), Value(b, label="b"), function

    def named_parameters(self):
        return [("a", self.a), ("b", self.b)]

    def __call__(self, x):
        return self.function(self.a * x[0] + self.b)


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


# Modules and losses of one's own


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_own_module_and_own_loss(backend):
    """Any module with named_parameters is trained by any loss of (prediction, target): a line by absolute error."""
    model = Line(a=0.0)
    X = [[k / 4] for k in range(-8, 9)]
    y = [3 * x - 1 for [x] in X]
    history = fit(
        model,
        X,
        y,
        loss=lambda p, t: abs(p - t),
        optimizer=Adam(model.parameters(), lr=0.05),
        epochs=400,
        backend=backend,
    )
    assert history.backend != "eager" or backend == "eager"
    assert data_of(model) == pytest.approx([3, -1], abs=0.1)


def test_own_loss_on_several_outputs_gets_lists():
    """With several outputs and targets a loss gets both as lists of Values, whatever their number."""
    seen = []

    def loss(p, t):
        seen.append(([type(v) for v in p], [type(v) for v in t]))
        return (p[0] - t[0]) ** 2 + exp(p[1] - t[2])

    fit(MLP(1, [2], output="linear"), [[1], [2]], [[1, 2, 3], [4, 5, 6]], loss=loss, epochs=1, backend="eager")
    assert seen[0] == ([Value, Value], [Value, Value, Value])


def test_loss_that_returns_no_value():
    """A loss that returns a float is told apart from one that returns a Value."""

    def half(p, t):
        return 0.5

    with pytest.raises(TypeError, match=r"the loss must be a Value, half returned 0\.5"):
        fit(Line(), [[1]], [1], loss=half)


# The rest of the contract


def test_collector_is_paused_while_graphs_are_built_and_then_as_before():
    """The cyclic collector does not run while an eager graph is built, and is afterwards as it was before."""
    states = []

    def loss(p, t):
        states.append(gc.isenabled())
        return (p - t) ** 2

    for enabled in (True, False):
        (gc.enable if enabled else gc.disable)()
        try:
            fit(Line(), [[1]], [1], loss=loss, epochs=1, backend="eager")
            assert gc.isenabled() == enabled
            with pytest.raises(NonFiniteError):
                fit(Line(a=math.nan), [[1]], [1], loss=loss, epochs=1, backend="eager")
            assert gc.isenabled() == enabled
        finally:
            gc.enable()
    assert states[0] is False


def test_no_memory_is_kept_between_epochs():
    """With the collector off, as many objects are alive after 12 epochs as after 2."""
    X, y = cloud()
    counts = []
    gc.collect()
    gc.disable()
    try:
        for epochs in (2, 2, 12):
            fit(MLP(2, [4, 1]), X, y, epochs=epochs, backend="eager")
            counts.append(len(gc.get_objects()))
    finally:
        gc.enable()
    assert abs(counts[2] - counts[1]) < 30


def test_progress_bar(capsys):
    """progress=True shows a bar with the loss on standard error; None shows none where there is no terminal."""
    pytest.importorskip("tqdm")
    fit(MLP(2, [1]), *XOR, epochs=3, progress=True)
    shown = capsys.readouterr().err
    assert "3/3" in shown
    assert "loss 0." in shown
    fit(MLP(2, [1]), *XOR, epochs=3)
    assert capsys.readouterr().err == ""


def test_progress_bar_without_tqdm(monkeypatch, capsys):
    """Without tqdm a bar that was asked for is an error that names it; on a terminal there is simply none."""
    real = builtins.__import__

    def without_tqdm(name, *args, **kwargs):
        if name == "tqdm":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without_tqdm)
    with pytest.raises(ImportError, match="progress=True needs tqdm: pip install tqdm"):
        fit(MLP(2, [1]), *XOR, epochs=1, progress=True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert fit(MLP(2, [1]), *XOR, epochs=1).epochs == 1


def test_arrays_are_taken():
    """NumPy arrays, a column of labels too, train to the same bits as lists."""
    numpy = pytest.importorskip("numpy")
    first, second = MLP(2, [2, 1]), MLP(2, [2, 1])
    fit(first, *XOR, epochs=3)
    fit(second, numpy.array(XOR[0]), numpy.array(XOR[1])[:, None], epochs=3)
    assert data_of(first) == data_of(second)


M = MLP(2, [3, 1])


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: fit(M, [], []), ValueError, "X is empty"),
        (lambda: fit(M, [[1, 2]], []), ValueError, "y has 0 labels and X has 1 rows"),
        (lambda: fit(M, [[1, 2, 3]], [1]), ValueError, r"X\[0\] \(row 0\) has 3 columns: every row must have 2"),
        (lambda: fit(M, [[1, 2], [1, math.nan]], [1, 1]), ValueError, r"X\[1\]\[1\] \(row 1, column 1\) is nan"),
        (lambda: fit(M, XOR[0], [0, 1, 1, 2]), ValueError, r"y\[3\] \(row 3\) is 2.0: labels must lie in \[0, 1\]"),
        (lambda: fit(M, XOR[0], "0110"), TypeError, "y must be a list of labels"),
        (lambda: fit(M, *XOR, epochs=0), ValueError, "fit: epochs must be at least 1, got 0"),
        (lambda: fit(M, *XOR, epochs=1.5), TypeError, "fit: epochs must be an integer, got 1.5"),
        (lambda: fit(M, *XOR, batch_size=0), ValueError, "fit: batch_size must be at least 1"),
        (lambda: fit(M, *XOR, l2=-1), ValueError, "fit: l2 must be a finite number of at least 0, got -1"),
        (lambda: fit(M, *XOR, l2="1"), ValueError, "fit: l2 must be"),
        (lambda: fit(M, *XOR, seed=1.5), TypeError, "fit: seed must be an integer, a random.Random or None, got 1.5"),
        (lambda: fit(M, *XOR, backend="cuda"), ValueError, "one of auto, native, source, eager; got 'cuda'"),
        (lambda: fit(M, *XOR, optimizer="sgd"), TypeError, r"must be one such as SGD\(model.parameters\(\), lr=0.1\)"),
        (lambda: fit(M, *XOR, optimizer=SGD(MLP(2, [3, 1]).parameters())), ValueError,
         "13 of the optimizer's 13 parameters do not belong to MLP"),
        (lambda: fit(M, *XOR, loss="mse"), TypeError, """loss must be "auto" or a function.*got 'mse'"""),
        (lambda: fit(Line(), *XOR), ValueError, 'loss="auto" is for an MLP; pass a loss function for Line'),
        (lambda: fit([], *XOR), TypeError, r"fit trains a Module such as MLP, got \[\] \(list\)"),
        (lambda: fit(M, *XOR, validation_data=XOR[0]), TypeError, r"validation_data must be a pair \(X, y\)"),
        (lambda: fit(M, *XOR, validation_data=([[1]], [1])), ValueError, r"validation X\[0\] \(row 0\) has 1 columns"),
        (lambda: fit(M, *XOR, validation_data=([[1, 2]], [7])), ValueError, r"validation y\[0\] \(row 0\) is 7.0"),
        (lambda: fit(M, *XOR, early_stopping=3), ValueError, "early_stopping watches the loss on validation data"),
        (lambda: fit(M, *XOR, early_stopping=0, validation_data=XOR), ValueError, "early_stopping must be at least 1"),
        (lambda: fit(MLP(2, [1], output="linear"), *XOR, accuracy=True), ValueError, "accuracy=True needs an MLP with"),
        (lambda: fit(M, *XOR, callback=3), TypeError, "callback must be callable"),
        (lambda: fit(MLP(2, [3], output="softmax"), XOR[0], [0, 1, 2, 3]), ValueError, r"y\[3\] is 3: a class must be"),
        (lambda: fit(MLP(2, [2]), *XOR), ValueError, r"y\[0\] \(row 0\) has 1 numbers: the model has 2 outputs"),
        (lambda: fit(M, *XOR, loss=cross_entropy), ValueError, "cross_entropy needs at least 2 outputs, one a class"),
    ],
)  # fmt: skip
def test_errors(make, error, message):
    """Data and settings that make no sense are refused before anything is trained, by row, column and name."""
    before = data_of(M)
    with pytest.raises(error, match=message):
        make()
    assert data_of(M) == before
