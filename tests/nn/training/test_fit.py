"""fit: what its numbers mean, that it learns, modules and losses of one's own, and what it refuses."""

from __future__ import annotations

import builtins
import gc
import math
import random
import weakref

import pytest
from fit_cases import XOR, Line, cloud, data_of, mean_loss
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value, exp
from nn import (
    MLP,
    SGD,
    Adam,
    NonFiniteError,
    binary_cross_entropy,
    cross_entropy,
    fit,
)
from nn.training import epoch_order

# What stays


@pytest.mark.parametrize("options", [{}, {"batch_size": 1}, {"accuracy": True, "early_stopping": 2}], ids=str)
@pytest.mark.parametrize("activation", ["sigmoid", "relu", "gelu"])
@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_a_training_leaves_nothing_behind(backend, activation, options):
    """With the collector off, model and optimiser are freed when they are dropped: no cycle keeps them."""
    X, y = cloud()
    y = [round(t) for t in y]
    gc.collect()
    gc.disable()
    try:
        model = MLP(2, [3, 2], activation=activation, output="softmax")
        optimizer = Adam(model.parameters())
        fit(model, X, y, optimizer=optimizer, epochs=2, backend=backend, validation_data=(X, y), **options)
        model.predict(X)
        kept = [weakref.ref(x) for x in (model, optimizer, *model.parameters())]
        del model, optimizer
        assert [reference() for reference in kept] == [None] * len(kept)
    finally:
        gc.enable()


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


@settings(max_examples=50)
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
        (lambda: fit(M, *XOR, validation_split=1), ValueError, r"validation_split is a share .* in \[0, 1\), got 1"),
        (lambda: fit(M, *XOR, validation_split=True), ValueError, "validation_split is a share .* got True"),
        (lambda: fit(M, *XOR, validation_split=0.1), ValueError, "validation_split=0.1 of 4 rows leaves none"),
        (lambda: fit(M, *XOR, validation_split=0.5, validation_data=XOR), ValueError, "validation_split, not both"),
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
