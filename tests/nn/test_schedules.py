"""Schedules of the learning rate: PyTorch's curves, and what fit does with them."""

from __future__ import annotations

import pytest

from nn import MLP, SGD, fit
from nn.schedules import cosine, step

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


def rates_of_torch(make, epochs):
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.tensor([1.0], requires_grad=True)], lr=0.3)
    scheduler, rates = make(torch.optim.lr_scheduler, optimizer), []
    for _ in range(epochs):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_cosine_is_that_of_torch():
    """CosineAnnealingLR, down to its end and, unlike there, no further."""
    expected = rates_of_torch(lambda s, o: s.CosineAnnealingLR(o, 20, eta_min=0.01), 21)
    rate = cosine(0.3, 20, end=0.01)
    assert [rate(k) for k in range(21)] == pytest.approx(expected)
    assert rate(25) == rate(20) == 0.01


def test_step_is_that_of_torch():
    """StepLR."""
    expected = rates_of_torch(lambda s, o: s.StepLR(o, 4, gamma=0.5), 15)
    rate = step(0.3, every=4, factor=0.5)
    assert [rate(k) for k in range(15)] == pytest.approx(expected)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_fit_asks_before_each_epoch(backend):
    """The rate of an epoch is schedule(epoch): the losses of a loop that sets it by hand; lr ends as the last."""
    rate = cosine(2.0, 8)
    model, optimizers = MLP(2, [3, 1], seed=1), []
    optimizers.append(SGD(model.parameters(), lr=9.0))
    history = fit(model, *XOR, optimizer=optimizers[0], epochs=8, schedule=rate, backend=backend)
    twin, expected = MLP(2, [3, 1], seed=1), []
    for epoch in range(8):
        expected += fit(twin, *XOR, optimizer=SGD(twin.parameters(), lr=rate(epoch)), epochs=1, backend=backend).loss
    assert history.loss == expected
    assert optimizers[0].lr == rate(7)


def test_epochs_count_on_with_a_history():
    """A continued training asks for the epochs that follow."""
    asked = []
    model = MLP(2, [1])
    history = fit(model, *XOR, epochs=2, schedule=lambda epoch: asked.append(epoch) or 0.1)
    again = fit(model, *XOR, epochs=3, history=history, schedule=lambda epoch: asked.append(epoch) or 0.1)
    assert asked == [0, 1, 2, 3, 4]
    assert again is history
    assert history.epochs == 5


@pytest.mark.parametrize(
    ("schedule", "error", "message"),
    [
        (0.1, TypeError, r"schedule must be callable as schedule\(epoch\), which gives lr, got 0.1"),
        (lambda epoch: -1.0, ValueError, "SGD: lr must be finite and at least 0, got -1.0"),
        (lambda epoch: None, TypeError, "SGD: lr must be a number, got None"),
    ],
)
def test_errors(schedule, error, message):
    """What is not a schedule, and what is not a rate, is refused."""
    model = MLP(2, [1])
    with pytest.raises(error, match=message):
        fit(model, *XOR, optimizer=SGD(model.parameters()), epochs=1, schedule=schedule)
