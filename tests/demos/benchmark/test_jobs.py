"""Training jobs of the benchmark: every contestant trains the same network on the same batches."""

from __future__ import annotations

import shutil

import pytest

from demos.benchmark.jobs import CONTESTANTS, Job, different_losses, least_work, roofline
from nn import SGD, Adam, fit

JOBS = [
    Job("5-4-1", 4, "sgd", "tanh", 22),
    Job("5-4-3-3", 8, "adam", "relu", 24),
    Job("3-6-2", 5, "adam", "sigmoid", 20),
]


@pytest.mark.parametrize("name", ["ours", "NumPy by hand", "PyTorch", "JAX, scanned"])
@pytest.mark.parametrize("job", JOBS, ids=str)
def test_contestants_train_the_same_network(name, job):
    """From the common weights, two epochs of a contestant end at the loss where eager graphs end."""
    try:
        train, loss, predict = CONTESTANTS[name](job)
    except ImportError as error:
        pytest.skip(str(error))
    X, y = job.data()
    model = job.model()
    optimizer = (Adam if job.optimizer == "adam" else SGD)(model.parameters(), lr=0.01)
    fit(model, X, y, optimizer=optimizer, epochs=2, batch_size=job.batch, shuffle=False, backend="eager")
    expected = fit(model, X, y, optimizer=SGD(model.parameters(), lr=0.0), epochs=1, backend="eager").loss[0]
    trained = train(2)
    assert loss(trained) == pytest.approx(expected, abs=1e-11)
    assert len(predict(trained)) == len(X) == job.steps * job.batch


def test_different_work_is_found_out():
    """A contestant whose loss is another one is named; one that starts from weights of its own has none to compare."""
    found = {"contestants": {"ours": {"loss": 0.5}, "PyTorch": {"loss": 0.5 + 1e-12}, "scikit-learn": {}}}
    assert different_losses(found) is None
    found["contestants"]["PyTorch"]["loss"] = 0.5001
    assert "differ" in different_losses(found)


def test_the_least_work_is_counted_as_by_hand():
    """3-4-2 on two rows: 20 weights, 6 biases; forward and by weights 20 multiply-adds each, by activations 8."""
    assert least_work(Job("3-4-2", 2)) == (2 * 2 * (20 + 20 + 8) + 26 * 2, 8 * 4 * 26)
    assert least_work(Job("3-4-2", 2, "adam")) == (2 * 2 * (20 + 20 + 8) + 26 * 12, 8 * (2 * 26 + 2 * 3 * 26))


@pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")
def test_the_roofline_is_what_the_core_can_do():
    """The seconds are the work over the rates that were measured: of the slower of arithmetic and memory."""
    job = Job("64-64-64", 64)
    found = roofline(job)
    operations, moved = least_work(job)
    assert found["roofline"] == max(operations / found["operations a second"], moved / found["bytes a second"]) > 0
