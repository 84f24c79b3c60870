"""A training run in portions ends where one run of all its epochs ends."""

from __future__ import annotations

import pytest

from engine.lowering import choose_backend
from nn import MLP, Adam, History
from nn.training.epochs import Training
from nn.training.interrupts import Interrupts
from nn.training.job import Job

BACKENDS = ["eager", "source", *(["native"] if choose_backend("auto")[0] == "native" else [])]
X, y = [[0.1 * k, (k * 7 % 5) * 0.3] for k in range(20)], [k % 2 for k in range(20)]


def trained(backend, portions, more):
    model = MLP(2, [3, 1], activation="tanh", seed=2)
    optimizer = Adam(model.parameters(), lr=0.05)
    with Interrupts() as interrupts:
        job = Job(model, X, y, optimizer=optimizer, batch_size=6, seed=4, l2=0.01)
        training = Training(job, backend, History(), interrupts)
        before = [p.data for p in model.parameters()]
        for epochs in portions:
            training.run(epochs, more)
        waited = [p.data for p in model.parameters()] == before
        training.settle()
    return training.history.loss, [p.data for p in model.parameters()], optimizer.state, waited


@pytest.mark.parametrize("backend", BACKENDS)
def test_portions_are_one_training(backend):
    """Losses, parameters and the optimiser's state have the same bits, looked at in between or not."""
    once = trained(backend, [9], False)
    for portions in ([2, 7], [1] * 9):
        assert trained(backend, portions, False)[:3] == once[:3]
        assert trained(backend, portions, True)[:3] == once[:3]
    assert trained(backend, [9], True)[3] == (backend == "native"), "compiled code keeps them until it is settled"
