"""Whole epochs in compiled code, beside gradient descent written out by hand on a straight line."""

from __future__ import annotations

import math
import random
from array import array

import native_runs
import pytest

from engine import Value, dot, lower
from engine.lowering import native
from engine.weighted import dots

if not native.available()[0]:
    pytest.skip("the compiled interpreter is not built", allow_module_level=True)

from engine.lowering.native import NativeKernel
from engine.lowering.native.trainer import DONE, NOT_FINITE, OPTIMIZERS, TIME_IS_UP, Trainer

ROWS = [(0.1 * k - 0.4, 0.3 * math.sin(k)) for k in range(10)]
FLAT = [x for row in ROWS for x in row]


def line():
    """The kernel of (w x + b - y)², of the inputs x and y and the parameters w and b."""
    w, b, x, y = Value(0.0, "w"), Value(0.0, "b"), Value(0.0, "x"), Value(0.0, "y")
    error = w * x + b - y
    return lower(error * error, inputs=[x, y], wrt=[w, b], backend="native").native


def by_hand(p, batches, lr, l2=(0.0, 0.0)):
    """(parameters, the mean loss over all samples, the last gradient) after these batches of rows."""
    (w, b), total, count = p, 0.0, 0
    for batch in batches:
        errors = [(w * x + b - y, x) for x, y in batch]
        total += sum(e * e for e, _ in errors)
        count += len(batch)
        gradient = [sum(2 * e * x for e, x in errors) / len(batch) + l2[0] * w,
                    sum(2 * e for e, _ in errors) / len(batch) + l2[1] * b]  # fmt: skip
        w, b = w - lr * gradient[0], b - lr * gradient[1]
    return [w, b], total / count, gradient


@pytest.mark.parametrize("l2", [None, [0.5, 0.0]])
@pytest.mark.parametrize("batch", [1, 3, 5, 10, 64])
def test_epochs_are_those_of_gradient_descent(batch, l2):
    """Losses, parameters, the last gradient and the counts, in batches that divide the samples and that do not."""
    trainer = Trainer(line(), FLAT, 10, batch, l2)
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    trainer.begin()
    losses = array("d", [0.0] * 3)
    assert trainer.run(3, losses, 60.0) == DONE
    assert (trainer.epoch, trainer.position) == (3, 0)
    p, batches = [0.7, -0.2], [ROWS[k : k + batch] for k in range(0, 10, batch)]
    for k in range(3):
        p, loss, gradient = by_hand(p, batches, 0.1, l2 or (0.0, 0.0))
        assert losses[k] == pytest.approx(loss, rel=1e-13)
    assert list(trainer.parameters()) == pytest.approx(p, rel=1e-13)
    assert list(trainer.gradient()) == pytest.approx(gradient, rel=1e-12)
    assert trainer.steps == 3 * len(batches)


def test_the_order_is_that_of_python():
    """With a generator each epoch takes the rows sorted by one random() each, and the generator moves on."""
    rng = random.Random(4)
    trainer = Trainer(line(), FLAT, 10, 3, None, rng.getstate()[1])
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    trainer.begin()
    losses = array("d", [0.0] * 2)
    assert trainer.run(2, losses, 60.0) == DONE
    p = [0.7, -0.2]
    for found in losses:
        keys = [rng.random() for _ in range(10)]
        order = sorted(range(10), key=keys.__getitem__)
        p, loss, _ = by_hand(p, [[ROWS[i] for i in order[k : k + 3]] for k in range(0, 10, 3)], 0.1)
        assert found == pytest.approx(loss, rel=1e-13)
    assert list(trainer.permutation) == order
    assert list(trainer.parameters()) == pytest.approx(p, rel=1e-13)


def test_a_step_taken_elsewhere_counts():
    """skip: so many samples count as used, with their mean loss, and the epoch goes on behind them."""
    trainer = Trainer(line(), FLAT, 10, 5)
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    trainer.begin()
    trainer.skip(5, 8.0)
    assert (trainer.epoch, trainer.position) == (0, 5)
    losses = array("d", [0.0])
    assert trainer.run(1, losses, 60.0) == DONE
    p, loss, _ = by_hand([0.7, -0.2], [ROWS[5:]], 0.1)
    assert list(trainer.parameters()) == pytest.approx(p, rel=1e-13)
    assert losses[0] == pytest.approx((8.0 + loss) / 2, rel=1e-13)


def test_a_step_that_is_not_finite_is_not_taken():
    """The run stops at its position, the parameters are those before it, and it can go on."""
    rows = [*FLAT[:10], 1e200, 0.0, *FLAT[12:]]
    trainer = Trainer(line(), rows, 10, 5)
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    trainer.begin()
    losses = array("d", [0.0])
    assert trainer.run(1, losses, 60.0) == NOT_FINITE
    assert trainer.position == 5
    p, _, _ = by_hand([0.7, -0.2], [ROWS[:5]], 0.1)
    assert list(trainer.parameters()) == pytest.approx(p, rel=1e-13)
    assert trainer.steps == 1


def test_time_is_up():
    """Without any time a run ends after a step or so, and says so."""
    trainer = Trainer(line(), FLAT, 10, 5)
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    trainer.begin()
    losses = array("d", bytes(8 * 10**6))
    assert trainer.run(10**6, losses, 0.0) == TIME_IS_UP
    assert trainer.epoch < 10**6


def test_what_does_not_fit_is_refused():
    """Numbers that are not so many rows, too little room for losses, a kernel that is not a loss of parameters."""
    for n, batch in ((9, 5), (11, 5), (0, 5), (10, 0)):
        with pytest.raises(ValueError, match="are not"):
            Trainer(line(), FLAT, n, batch)
    trainer = Trainer(line(), FLAT, 10, 5)
    trainer.load([0.7, -0.2], "sgd", lr=0.1)
    with pytest.raises(ValueError, match="room for 1 losses, and 2 epochs"):
        trainer.run(2, array("d", [0.0]), 1.0)
    x, w = Value(1.0), Value(2.0)
    for outputs, wrt in (([x * w, w], [w]), ([x * w], [x])):
        kernel = lower(outputs, inputs=[x], wrt=wrt, backend="native").native
        with pytest.raises(ValueError, match="one output and its gradient"):
            Trainer(kernel, [1.0], 1, 1)


def test_as_many_numbers_as_parameters():
    """Parameters and state of another length than what is trained are refused, before compiled code reads them."""
    x, biases = [Value(1.0), Value(2.0)], [Value(0.0), Value(0.1)]
    rows = [(Value(0.1), Value(0.2)), (Value(0.3), Value(0.4))]
    a, b = [z.tanh() for z in dots(rows, x, biases, ["", ""])]
    wrt = [*rows[0], biases[0], *rows[1], biases[1]]
    trainer = Trainer(lower(a * b, inputs=x, wrt=wrt, backend="native").native, [1.0, 2.0, 3.0, 4.0], 2, 2)
    data = [p.data for p in wrt]
    trainer.load(data, "sgd", lr=0.1, h0=0.5, state=([0.0] * 6,))
    assert trainer.parameters().tolist() == data
    for parameters, state in ((data[:5], [0.0] * 6), (data, [0.0] * 5), (data, [0.0] * 7)):
        with pytest.raises(ValueError, match="numbers for 6 parameters"):
            trainer.load(parameters, "sgd", lr=0.1, h0=0.5, state=(state,))


def large(n_in, n_out, own=0.0):
    """The kernel of the loss c · W x + p², and how many weights W has."""
    x, c, p = [Value(0.0) for _ in range(n_in)], [Value(0.0) for _ in range(n_out)], Value(own)
    rows = [tuple(Value(0.0) for _ in x) for _ in c]
    loss = dot(c, dots(rows, x, [None] * n_out, [""] * n_out)) + (p * p if own else 0.0)
    wrt = [*(w for row in rows for w in row), *([p] if own else [])]
    return lower(loss, inputs=[*x, *c], wrt=wrt, backend="native").native, len(wrt)


@pytest.mark.parametrize(
    ("n_in", "n_out", "batch", "optimizer", "flag", "direct"),
    [
        (16, 64, 4, "sgd", False, True), (16, 64, 4, "sgd", True, True), (16, 64, 4, "adam", False, True),
        (16, 64, 4, "adamw", False, True), (16, 64, 4, "adam", True, False), (16, 64, 4, "adamw", True, False),
        (16, 64, 4, "rmsprop", False, False), (16, 64, 4, "adagrad", False, False), (17, 61, 4, "sgd", False, True),
        (16, 63, 4, "sgd", False, False), (15, 70, 4, "sgd", False, False), (1030, 1, 4, "sgd", False, True),
        (3, 2, 1, "sgd", False, True), (3, 2, 1, "sgd", True, True), (3, 2, 1, "adam", False, True),
        (3, 2, 1, "adamw", False, True), (3, 2, 1, "adam", True, False), (3, 2, 1, "adamw", True, False),
        (3, 2, 1, "rmsprop", False, False), (3, 2, 1, "adagrad", False, False), (64, 64, 1, "sgd", False, True),
    ],
)  # fmt: skip
def test_which_gradients_are_never_stored(n_in, n_out, batch, optimizer, flag, direct):
    """Those of one sample, and those of layers of 1,024 weights and 16 inputs or more, by SGD and Adam; asked for
    afterwards, the gradient is c xᵀ all the same.
    """
    kernel, n = large(n_in, n_out)
    rng = random.Random(1)
    rows = [[rng.uniform(-1, 1) for _ in range(n_in + n_out)] for _ in range(batch)]
    trainer = Trainer(kernel, [x for row in rows for x in row], batch, batch)
    trainer.load([0.1] * n, optimizer, lr=0.1, flag=flag, h0=0.5, h1=0.5, h2=1e-8, state=[[0.0] * n] * 3)
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 60.0) == DONE
    assert trainer._job.stale == direct
    expected = [sum(row[k] * row[n_in + j] for row in rows) / batch for j in range(n_out) for k in range(n_in)]
    assert list(trainer.gradient()) == pytest.approx(expected, rel=1e-12, abs=1e-15)
    assert trainer._job.stale == 0


@pytest.mark.parametrize("instruction_set", native_runs.SETS)
@pytest.mark.parametrize(("n_in", "n_out"), [(16, 70), (27, 55), (103, 11), (192, 9), (193, 9), (405, 5)])
def test_a_step_of_adam_goes_by_whole_rows(n_in, n_out, instruction_set):
    """Of a large layer, whether its rows fill vectors and pieces or not, each weight takes the first step of Adam: the
    learning rate, along the sign of its gradient.
    """
    kernel, n = large(n_in, n_out)
    rng = random.Random(1)
    rows = [[rng.uniform(-1, 1) for _ in range(n_in + n_out)] for _ in range(9)]
    trainer = Trainer(NativeKernel(kernel.program, instruction_set, 1), [x for row in rows for x in row], 9, 9)
    trainer.load([0.1 * k for k in range(n)], "adam", lr=0.1, h0=0.9, h1=0.999, h2=1e-3, state=[0.0, 0.0])
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 60.0) == DONE
    assert trainer._job.stale
    g = [sum(row[k] * row[n_in + j] for row in rows) / 9 for j in range(n_out) for k in range(n_in)]
    expected = [0.1 * k - 0.1 * x / (abs(x) + 1e-3) for k, x in enumerate(g)]
    assert list(trainer.parameters()) == pytest.approx(expected, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("batch", [4, 5, 9, 20])
def test_an_epoch_finds_the_largest_input(batch, shuffled):
    """After it the inputs of all samples are bounded, in whatever batches and order; before it, those of a step are
    looked at in that step: one that overflows is not taken.
    """
    kernel, n = large(20, 60)
    for place in range(9):
        rng = random.Random(place)
        rows = [[rng.uniform(-1, 1) for _ in range(80)] for _ in range(9)]
        generator = rng.getstate()[1] if shuffled else None
        for large_one, ended in ((-7.5, DONE), (-1.7e308, NOT_FINITE)):
            rows[place][3], rows[place][20:] = large_one, [1.5] * 60
            trainer = Trainer(kernel, [x for row in rows for x in row], 9, batch, generator=generator)
            trainer.load([0.0] * n, "sgd", lr=1e-9)
            trainer.begin()
            assert trainer.run(1, array("d", [0.0]), 60.0) == ended
            if ended == DONE:
                assert trainer._job.measured == 9
                assert 7.5 <= trainer._job.largest_input < 7.50001  # some sets compare the upper halves alone
            else:
                assert place in trainer.permutation[trainer.position : trainer.position + batch]


def test_a_gradient_without_samples_beside_a_large_layer():
    """The derivative of p² is the same for all samples, and p descends by it as do the weights by theirs."""
    kernel, n = large(20, 60, own=0.5)
    rng = random.Random(1)
    rows = [[rng.uniform(-1, 1) for _ in range(80)] for _ in range(9)]
    trainer = Trainer(kernel, [x for row in rows for x in row], 9, 9)
    trainer.load([0.0] * (n - 1) + [0.5], "sgd", lr=0.1)
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 60.0) == DONE
    expected = [-0.1 * sum(row[k] * row[20 + j] for row in rows) / 9 for j in range(60) for k in range(20)]
    assert list(trainer.parameters()) == pytest.approx([*expected, 0.5 - 0.1], rel=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_left_out_of_an_optimiser_is_zero(optimizer):
    """Three steps without any hyperparameter but the rate are those with zeros."""
    found = []
    for options in ({}, {"flag": False, "h0": 0.0, "h1": 0.0, "h2": 0.0, "weight_decay": 0.0, "step": 0}):
        trainer = Trainer(line(), FLAT, 10, 5)
        trainer.load([0.7, -0.2], optimizer, lr=0.1, state=[[0.5, 0.25]] * 3, **options)
        trainer.begin()
        assert trainer.run(2, array("d", [0.0] * 2), 60.0) == DONE
        found.append([trainer.parameters().tolist(), trainer.state(), trainer.steps])
    assert found[0] == found[1]
