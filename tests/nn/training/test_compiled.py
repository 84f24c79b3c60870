"""fit on the compiled interpreter does what the eager loop does: same order, same steps, same errors."""

from __future__ import annotations

import copy
import math
import pickle
import random
import signal
import threading
import time
from functools import cache

import pytest

from engine import dot
from engine.lowering import native
from engine.lowering.native import objects
from engine.lowering.native.trainer import Trainer
from nn import MLP, SGD, Adagrad, Adam, AdamW, RMSprop, fit
from nn.training import NonFiniteError

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

rng = random.Random(5)
X = [[rng.uniform(-1, 1), rng.uniform(-1, 1)] for _ in range(37)]
Y = [float(a * b > 0) for a, b in X]
OPTIMIZERS = {
    "sgd": lambda p: SGD(p, lr=0.5),
    "decay": lambda p: SGD(p, lr=0.5, weight_decay=0.01),
    "halving": lambda p: SGD(p, lr=0.5, weight_decay=1.0),
    "momentum": lambda p: SGD(p, lr=0.2, momentum=0.9, dampening=0.1, weight_decay=0.01),
    "nesterov": lambda p: SGD(p, lr=0.2, momentum=0.9, nesterov=True),
    "adam": lambda p: Adam(p, lr=0.01),
    "amsgrad": lambda p: Adam(p, lr=0.05, amsgrad=True, weight_decay=0.1),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=0.1),
    "rmsprop": lambda p: RMSprop(p, lr=0.01),
    "centered": lambda p: RMSprop(p, lr=0.01, centered=True, momentum=0.5, weight_decay=0.01),
    "adagrad": lambda p: Adagrad(p, lr=0.1, lr_decay=0.01, initial_accumulator_value=0.1),
}


def trained(backend, make_optimizer, **options):
    model = MLP(2, [5, 4, 1], seed=1)
    optimizer = make_optimizer(model.parameters())
    history = fit(model, X, Y, optimizer=optimizer, backend=backend, progress=False, **options)
    return model, optimizer, history


def close(a, b, relative=1e-11, absolute=0.0):
    return all(math.isclose(x, y, rel_tol=relative, abs_tol=absolute) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("huge", [1, objects._HUGE_PAGE])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_state_of_an_optimizer_is_lists(name, huge, monkeypatch):
    """What compiled training has left is lists of floats to whoever asks, copies or pickles, in huge pages or not; what
    is written into them counts in the next step; and asking changes nothing.
    """
    monkeypatch.setattr(objects, "_HUGE_PAGE", huge)
    model, optimizer, _ = trained("native", OPTIMIZERS[name], epochs=3, batch_size=10)
    _, asked, _ = trained("native", OPTIMIZERS[name], epochs=3, batch_size=10)
    state = asked.state
    assert state.keys() == {"step", *asked.lists}
    for numbers in state.values():
        assert type(numbers) is list
        assert len(numbers) == len(model.parameters())
        assert set(map(type, numbers)) == {float}
    assert asked.state is state
    assert set(state["step"]) == {12.0}
    shallow, deep, pickled = copy.copy(optimizer), copy.deepcopy(optimizer), pickle.loads(pickle.dumps(optimizer))
    assert shallow.state == deep.state == pickled.state == optimizer.state == state
    found = []
    for backend in ("native", "eager"):
        model, optimizer, _ = trained("native", OPTIMIZERS[name], epochs=3)
        for key in optimizer.lists[:1]:
            optimizer.state[key][0] += 0.5
        fit(model, X, Y, optimizer=optimizer, epochs=2, backend=backend)
        found.append((optimizer.state, [p.data for p in model.parameters()]))
    (state, data), (eager, expected) = found
    assert all(close(state[key], numbers, 1e-9, 1e-13) for key, numbers in eager.items())
    assert close(data, expected, 1e-9, 1e-13)


@pytest.mark.parametrize("batch_size", [None, 1, 10])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_epochs_agree_with_eager(name, batch_size):
    """Losses of 50 epochs agree to 1e-11 with the eager engine, for each optimiser, in full, single and mini-batches;
    so do the parameters, the optimiser's state and the last gradient.
    """
    options = {"epochs": 50, "batch_size": batch_size, "l2": 0.003}
    eager, optimizer_e, history_e = trained("eager", OPTIMIZERS[name], **options)
    compiled, optimizer_c, history_c = trained("native", OPTIMIZERS[name], **options)
    assert history_c.backend == "native"
    assert close(history_c.loss, history_e.loss)
    assert close([p.data for p in compiled.parameters()], [p.data for p in eager.parameters()], 1e-9)
    assert close([p.grad for p in compiled.parameters()], [p.grad for p in eager.parameters()], 1e-8, 1e-12)
    assert optimizer_c.state.keys() == optimizer_e.state.keys()
    for key, numbers in optimizer_e.state.items():
        assert close(optimizer_c.state[key], numbers, 1e-8, 1e-12)


@pytest.mark.parametrize("batch_size", [None, 8])
def test_epochs_one_by_one_are_the_same(batch_size):
    """Looking at every epoch changes nothing: the state goes out to Python and comes back."""
    at_once, _, history = trained("native", OPTIMIZERS["adam"], epochs=20, batch_size=batch_size)
    seen = []
    watched, _, looked_at = trained(
        "native", OPTIMIZERS["adam"], epochs=20, batch_size=batch_size, callback=lambda epoch, _: seen.append(epoch)
    )
    assert looked_at.loss == history.loss
    assert [p.data for p in watched.parameters()] == [p.data for p in at_once.parameters()]
    assert seen == list(range(20))


@pytest.fixture(params=native.instruction_sets())
def instruction_set(request, monkeypatch):
    """Each set of vector instructions that this machine has, in turn."""
    monkeypatch.setenv("ENGINE_INSTRUCTION_SET", request.param)
    return request.param


WIDE = [[rng.gauss(0, 1) for _ in range(21)] for _ in range(45)]  # rows for layers that fill several tiles
CLASSES = [rng.randrange(3) for _ in WIDE]


def trained_wide(backend, make_optimizer, X=WIDE, **options):
    model = MLP(21, [50, 31, 3], seed=1, activation="tanh", output="softmax")
    optimizer = make_optimizer(model.parameters())
    optimizer.lr *= 0.1  # or rounding errors grow
    options = {"epochs": 2, "batch_size": 17, **options}
    history = fit(model, X, CLASSES, optimizer=optimizer, backend=backend, progress=False, **options)
    return model, optimizer, history


@cache
def trained_by_source(name, batch_size, l2):
    return trained_wide("source", OPTIMIZERS[name], batch_size=batch_size, l2=l2)


@pytest.mark.parametrize("batch_size", [1, 17])
@pytest.mark.parametrize("name", ["sgd", "nesterov", "adam", "rmsprop"])
def test_large_layers_agree_with_source(name, batch_size, instruction_set):
    """Layers so large that their gradient goes into the update tile by tile, on batches that fill no vector: losses,
    parameters, state and the last gradient are those of the generated Python, which stores the gradient.
    """
    options = {"batch_size": batch_size, "l2": 0.0 if name == "sgd" else 0.003}
    plain, optimizer_p, history_p = trained_by_source(name, **options)
    compiled, optimizer_c, history_c = trained_wide("native", OPTIMIZERS[name], **options)
    assert history_c.backend == "native"
    assert close(history_c.loss, history_p.loss)
    assert close([p.data for p in compiled.parameters()], [p.data for p in plain.parameters()], 1e-9, 1e-13)
    assert close([p.grad for p in compiled.parameters()], [p.grad for p in plain.parameters()], 1e-9, 1e-13)
    for key, numbers in optimizer_p.state.items():
        assert close(optimizer_c.state[key], numbers, 1e-9, 1e-13)


@pytest.mark.parametrize(("n_out", "threads"), [(1, "1"), (2, "1"), (2, "3")])
@pytest.mark.parametrize("name", ["sgd", "halving", "nesterov", "adam"])
def test_lone_parameters_beside_large_layers_agree_with_source(name, n_out, threads, monkeypatch):
    """One large layer of one neuron or two: all that is left of the gradient are their biases, and each learns."""
    monkeypatch.setenv("ENGINE_THREADS", threads)

    def trained(backend):
        rng = random.Random(3)
        X = [[rng.gauss(0, 1) for _ in range(1100)] for _ in range(40)]
        model = MLP(1100, [n_out], seed=1, output="softmax" if n_out > 1 else "sigmoid")
        optimizer = OPTIMIZERS[name](model.parameters())
        optimizer.lr *= 0.1
        history = fit(model, X, [i % 2 for i in range(40)], optimizer=optimizer, epochs=2, batch_size=19,
                      l2=0.01 if name == "adam" else 0.0,
                      backend=backend, progress=False)  # fmt: skip
        neurons = model.layers[0].neurons
        return history.loss, [neuron.bias.data for neuron in neurons], [w.data for w in neurons[-1].weights]

    for found, expected in zip(trained("native"), trained("source")):
        assert close(found, expected, 1e-9, 1e-13)


@pytest.mark.parametrize("batch_size", [1, None])
def test_an_average_of_gradients_that_has_faded_still_moves_what_is_small(batch_size, instruction_set):
    """Adam leaves out a step too small to change its parameter, and no other: 0 and tiny parameters move by it."""

    def weights_after(backend):
        model = MLP(5, [7, 1], seed=1)
        for neuron in model.layers[0].neurons:
            for weight, x in zip(neuron.weights, [0.5, 0.0, 1e-301, -1e-297, -3.0], strict=True):
                weight.data = x
        optimizer = Adam(model.parameters(), lr=0.01)
        n = len(optimizer.params)
        state = {"step": [9.0] * n, "exp_avg": [3e-303, -3e-310] * (n // 2), "exp_avg_sq": [1e-18] * n}
        optimizer.state = {**optimizer.state, **state}
        fit(
            model,
            [[0.0] * 5],
            [1.0],
            optimizer=optimizer,
            epochs=1,
            batch_size=batch_size,
            backend=backend,
            progress=False,
        )
        return [weight.data for neuron in model.layers[0].neurons for weight in neuron.weights]

    expected = weights_after("source")
    assert expected[1] != 0.0
    assert close(weights_after("native"), expected)


@cache
def trained_with_relus_off(backend, name, batch_size, instruction_set):
    model = MLP(21, [50, 1], seed=1, activation="relu")
    for neuron in model.layers[0].neurons[::2]:
        neuron.bias.data = -100.0
    optimizer = OPTIMIZERS[name](model.parameters())
    optimizer.lr, n = 1e-3, len(optimizer.params)
    faded = [(-1.0) ** i * 3e-303 for i in range(n)]
    state = {"step": [250.0] * n, "momentum_buffer": faded, "exp_avg": faded, "exp_avg_sq": [1e-292] * n}
    optimizer.state = {key: state.get(key, numbers) for key, numbers in optimizer.state.items()}
    fit(model, WIDE[:17], [0.0, 1.0] * 8 + [0.0], optimizer=optimizer, epochs=9, batch_size=batch_size,
        backend=backend, progress=False)  # fmt: skip
    averages = [optimizer.state[key] for key in state if key in optimizer.state and key != "step"]
    return [p.data for p in model.parameters()], averages


@pytest.mark.parametrize("batch_size", [1, 17])
@pytest.mark.parametrize("name", ["nesterov", "adam", "adamw"])
def test_averages_of_gradients_that_no_longer_come_end_at_zero(name, batch_size, instruction_set):
    """Behind a relu that is off the averages run down. They are made 0, for processors are slow with subnormal numbers,
    and parameters are those of generated Python, whose averages go on to the smallest of numbers.
    """
    parameters, averages = trained_with_relus_off("native", name, batch_size, instruction_set)
    expected, faded = trained_with_relus_off("source", name, batch_size, None)
    assert close(parameters, expected, 1e-9, 1e-13)
    for found, numbers in zip(averages, faded, strict=True):
        assert close(found, numbers, 1e-6, 1e-13)
        assert 0.0 in found
        assert not any(0.0 < abs(x) < 1e-290 for x in found)
        assert any(0.0 < abs(x) < 1e-290 for x in numbers)


@pytest.mark.parametrize("batch_size", [5, 17, 45])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_threads_share_a_step_of_large_layers(name, batch_size, monkeypatch):
    """Threads share the samples of a step, and then the weights: the bits are the same whenever their number is, and
    one thread's but for the rounding of sums; also where there are more threads than vectors of samples.
    """
    found = []
    for threads in "12255":
        monkeypatch.setenv("ENGINE_THREADS", threads)
        model, _, history = trained_wide("native", OPTIMIZERS[name], batch_size=batch_size)
        found.append([p.data for p in model.parameters()] + [p.grad for p in model.parameters()] + history.loss)
    assert found[1] == found[2]
    assert found[3] == found[4]
    assert close(found[1], found[0], 1e-9, 1e-13)
    assert close(found[3], found[0], 1e-9, 1e-13)


@cache
def trained_one_by_one(name, sizes, backend="source", look=None):
    """Losses, parameters and the last gradient."""
    rng = random.Random(7)
    X = [[rng.gauss(0, 1) for _ in range(sizes[0])] for _ in range(5)]
    model = MLP(sizes[0], list(sizes[1:]), seed=2, output="softmax" if sizes[-1] > 1 else "sigmoid")
    optimizer = OPTIMIZERS[name](model.parameters())
    optimizer.lr *= 0.1
    history = fit(model, X, [i % 2 for i in range(5)], optimizer=optimizer, epochs=2, batch_size=1, seed=3,
                  backend=backend, callback=look, progress=False)  # fmt: skip
    return history.loss, [p.data for p in model.parameters()], [p.grad for p in model.parameters()]


@pytest.mark.parametrize("sizes", [(131, 37, 1), (600, 9, 2), (700, 6, 1)])
@pytest.mark.parametrize("name", ["sgd", "momentum", "adam"])
def test_wide_rows_one_by_one_agree_with_source(name, sizes, instruction_set):
    """Sample by sample the update of a first layer of thousands of weights waits for the next sample; whether Python
    looks after each epoch or after all, parameters, losses and the last gradient are those of the generated Python.
    """
    found = [trained_one_by_one(name, sizes)]
    for look in (None, lambda *_: None):
        found.append(trained_one_by_one.__wrapped__(name, sizes, "native", look))
    for plain, compiled, looked_at in zip(*found):
        assert close(compiled, plain, 1e-9, 1e-13)
        assert close(looked_at, compiled, 1e-12, 1e-15)


def test_an_update_that_waits_is_by_the_adjoints_of_its_own_sample(instruction_set):
    """Where the loss is linear in the weighted inputs, their adjoints are targets, which the next sample replaces."""
    rng = random.Random(3)
    X, Y = ([[rng.gauss(0, 1) for _ in range(n)] for _ in range(6)] for n in (70, 64))
    found = []
    for backend in ("source", "native"):
        model = MLP(70, [64], output="linear", seed=1)
        history = fit(model, X, Y, loss=lambda z, y: dot(y, z), optimizer=SGD(model.parameters(), lr=0.01), epochs=2,
                      batch_size=1, backend=backend, progress=False)  # fmt: skip
        found.append([*history.loss, *[p.data for p in model.parameters()]])
    assert close(*found, 1e-9, 1e-13)


@pytest.mark.parametrize("width", [24, 64, 70, 132])
def test_updates_of_several_layers_wait_for_the_next_sample(width, instruction_set):
    """Layers of whole vectors and of others, narrow and wide, whose updates all wait: as in the generated Python."""
    rng = random.Random(width)
    X = [[rng.gauss(0, 1) for _ in range(9)] for _ in range(5)]
    found = []
    for backend in ("source", "native"):
        model = MLP(9, [width, width - 1, 5, 17, 3], activation="tanh", output="softmax", seed=2)
        history = fit(model, X, [0, 1, 2, 1, 0], optimizer=SGD(model.parameters(), lr=0.1), epochs=2, batch_size=1,
                      backend=backend, progress=False)  # fmt: skip
        found.append([*history.loss, *[p.data for p in model.parameters()], *[p.grad for p in model.parameters()]])
    assert close(*found, 1e-9, 1e-13)


@pytest.mark.parametrize("place", [0, 20, 44])
@pytest.mark.parametrize("name", ["sgd", "adam"])
def test_a_step_of_large_layers_is_taken_whole_or_not_at_all(name, place):
    """A row whose gradient overflows stops the training where it does without compiled code, and every parameter is as
    the step before left it.
    """
    X = [list(row) for row in WIDE]
    X[place] = [1e300 if k % 2 else -1e300 for k in range(21)]
    models = []
    for backend in ("source", "native"):
        model = MLP(21, [50, 31, 3], seed=1, activation="relu", output="linear")
        optimizer = OPTIMIZERS[name](model.parameters())
        with pytest.raises(NonFiniteError):
            fit(model, X, [[0.1, 0.2, 0.3]] * 45, optimizer=optimizer, epochs=1, batch_size=17, shuffle=False,
                backend=backend, progress=False)  # fmt: skip
        models.append([p.data for p in model.parameters()])
    assert close(*models, 1e-9, 1e-13)
    start = [p.data for p in MLP(21, [50, 31, 3], seed=1, activation="relu", output="linear").parameters()]
    assert (models[1] == start) == (place < 17)


@pytest.mark.parametrize("widths", [(40, 30), (30, 40)])
@pytest.mark.parametrize("batch_size", [1, 17])
def test_a_gradient_that_overflows_at_one_place_is_no_step(batch_size, widths, instruction_set):
    """One input of one row is so large that, though the loss is 0, a gradient is not finite; whichever input, and
    whichever neuron has an adjoint: the step is refused, and the parameters are as they were.
    """
    inputs, neurons = widths
    for k, j in {(k % inputs, k % neurons) for k in range(40)}:
        X, Y = [[1.0] * inputs for _ in range(17)], [[0.0] * neurons for _ in range(17)]
        X[11][k], Y[11][j] = 1e300, 1e12
        model = MLP(inputs, [neurons], output="linear", seed=1)
        for p in model.parameters():
            p.data = 0.0
        with pytest.raises(NonFiniteError):
            fit(model, X, Y, loss=lambda z, y: dot(y, z), optimizer=SGD(model.parameters(), lr=0.01), epochs=1,
                batch_size=batch_size, shuffle=False, backend="native", progress=False)  # fmt: skip
        assert not any(p.data for p in model.parameters())


def test_a_callback_may_change_the_learning_rate():
    """What a callback does to the optimiser takes effect in the next epoch."""

    def run(backend):
        model = MLP(2, [3, 1], seed=1)
        optimizer = SGD(model.parameters(), lr=1.0)

        def callback(epoch, _):
            optimizer.lr = 1.0 / (epoch + 2)

        return fit(model, X, Y, optimizer=optimizer, epochs=10, backend=backend, callback=callback, progress=False)

    assert close(run("native").loss, run("eager").loss)


def test_training_part_of_the_parameters():
    """Parameters that the optimiser does not hold stay as they are."""
    for backend in ("native", "eager"):
        model = MLP(2, [3, 1], seed=1)
        before = [p.data for p in model.parameters()]
        trained_parameters = model.layers[1].parameters()
        fit(model, X, Y, optimizer=SGD(trained_parameters, lr=1.0), epochs=3, batch_size=1, backend=backend)
        after = [p.data for p in model.parameters()]
        n = len(before) - len(trained_parameters)
        assert after[:n] == before[:n]
        assert all(a != b for a, b in zip(after[n:], before[n:]))


@pytest.mark.parametrize("outputs", ["softmax", "linear"])
def test_other_losses(outputs):
    """Cross-entropy of several classes and squared error train alike."""
    targets = [[a, b] for a, b in X] if outputs == "linear" else [int(a > 0) + int(b > 0) for a, b in X]
    losses = []
    for backend in ("native", "eager"):
        model = MLP(2, [4, 2 if outputs == "linear" else 3], activation="tanh", output=outputs, seed=0)
        losses.append(fit(model, X, targets, epochs=20, batch_size=7, backend=backend, progress=False).loss)
    assert close(*losses)


def test_an_overflowing_step_is_not_taken():
    """A step that is not finite stops fit with the message of the eager loop, and the model stays before it."""
    errors = []
    for backend in ("native", "eager"):
        model = MLP(2, [3, 1], activation="linear", output="linear", seed=1)
        with pytest.raises(NonFiniteError) as caught:
            fit(model, X, Y, optimizer=SGD(model.parameters(), lr=1e60), epochs=50, batch_size=5, backend=backend)
        assert all(math.isfinite(p.data) for p in model.parameters())
        assert caught.value.history is not None
        errors.append((str(caught.value), caught.value.epoch, caught.value.batch, caught.value.history.epochs))
    assert errors[0][1:] == errors[1][1:]
    assert errors[0][0].split(":")[0] == errors[1][0].split(":")[0]


def test_ctrl_c_answers_within_a_fifth_of_a_second(monkeypatch):
    """An interrupt in the middle of a long run: a whole step, the epochs so far in the history, soon; by this process's
    share of the processor, which others may be using.
    """
    model = MLP(2, [16, 16, 1], seed=0)
    optimizer = SGD(model.parameters(), lr=0.1)
    sent, trained, running, run = [], threading.get_ident(), threading.Event(), Trainer.run

    def noted(trainer, *most):
        if trainer.epoch:
            running.set()
        return run(trainer, *most)

    def interrupt():
        running.wait()
        sent.append(time.process_time())
        signal.pthread_kill(trained, signal.SIGINT)

    monkeypatch.setattr(Trainer, "run", noted)
    thread = threading.Thread(target=interrupt, daemon=True)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(model, X, Y, optimizer=optimizer, epochs=10_000_000, backend="native", progress=False)
    answered = time.process_time() - sent[0]
    thread.join()
    history = caught.value.history
    assert answered < 0.2
    assert history.stopped == "interrupted"
    assert 0 < history.epochs < 10_000_000
    assert optimizer.state["step"][0] >= history.epochs
    again = MLP(2, [16, 16, 1], seed=0)
    fit(again, X, Y, optimizer=SGD(again.parameters(), lr=0.1), epochs=int(optimizer.state["step"][0]), progress=False)
    assert [p.data for p in model.parameters()] == [p.data for p in again.parameters()]


def test_an_optimiser_of_ones_own_runs_in_python():
    """A subclass with its own update is not replaced by the compiled one."""

    class Signs(SGD):
        def update(self):
            return [p.data - 0.01 * math.copysign(1, p.grad) for p in self.params], dict(self.state)

    results = []
    for backend in ("native", "eager"):
        model = MLP(2, [3, 1], seed=1)
        results.append(fit(model, X, Y, optimizer=Signs(model.parameters()), epochs=5, backend=backend).loss)
    assert close(*results)
