"""Optimisers against torch.optim, and what they refuse."""

from __future__ import annotations

import math
import random
import signal
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from engine import Value
from engine.lowering.native import objects
from nn import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

STEPS = 60
CASES = [
    (SGD, {"lr": 0.1}),
    (SGD, {"lr": 0.05, "weight_decay": 0.3}),
    (SGD, {"lr": 0.1, "momentum": 0.9}),
    (SGD, {"lr": 0.1, "momentum": 0.8, "dampening": 0.4, "weight_decay": 0.01}),
    (SGD, {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.02}),
    (Adam, {}),
    (Adam, {"lr": 0.05, "betas": (0.8, 0.95), "eps": 1e-3, "weight_decay": 0.1}),
    (Adam, {"lr": 0.05, "betas": (0.3, 0.6)}),
    (Adam, {"lr": 0.05, "betas": (0.0, 0.0), "amsgrad": True}),
    (Adam, {"lr": 0.05, "betas": (0.9, 0.9), "amsgrad": True, "weight_decay": 0.01}),
    (AdamW, {}),
    (AdamW, {"lr": 0.05, "weight_decay": 0.2, "amsgrad": True}),
    (RMSprop, {}),
    (RMSprop, {"lr": 0.02, "alpha": 0.9, "eps": 1e-4, "weight_decay": 0.05}),
    (RMSprop, {"momentum": 0.9}),
    (RMSprop, {"alpha": 0.8, "centered": True, "momentum": 0.7, "weight_decay": 0.01}),
    (RMSprop, {"alpha": 0.3, "centered": True}),
    (Adagrad, {}),
    (Adagrad, {"lr": 0.3, "lr_decay": 0.02, "weight_decay": 0.1, "initial_accumulator_value": 0.5, "eps": 1e-3}),
]


def names(case):
    cls, settings = case
    return cls.__name__ + "-" + "-".join(f"{k}={v}" for k, v in settings.items())


def gradients(n, steps, seed=0):
    """Gradients of very different sizes, with zeros among them."""
    rng = random.Random(seed)
    return [
        [0.0 if rng.random() < 0.1 else rng.gauss(0, 1) * 10 ** rng.uniform(-3, 2) for _ in range(n)]
        for _ in range(steps)
    ]


def torch_optimizer(torch, cls, settings, data):
    tensors = [torch.tensor([w], dtype=torch.float64, requires_grad=True) for w in data]
    settings = {"lr": cls([Value(0.0)]).lr, **settings}  # our default where none is given: SGD's differs
    return tensors, getattr(torch.optim, cls.__name__)(tensors, foreach=False, **settings)


@pytest.mark.parametrize("case", CASES, ids=names)
def test_trajectory_is_that_of_torch(case):
    """Sixty steps move the parameters as torch.optim moves them, to 1e-13 of the distance they have come."""
    torch = pytest.importorskip("torch")
    cls, settings = case
    start = [random.Random(1).gauss(0, 1) for _ in range(9)]
    params = [Value(w) for w in start]
    ours = cls(params, **settings)
    tensors, theirs = torch_optimizer(torch, cls, settings, start)
    for row in gradients(len(start), STEPS):
        for parameter, tensor, g in zip(params, tensors, row):
            parameter.grad = g
            tensor.grad = torch.tensor([g], dtype=torch.float64)
        ours.step()
        theirs.step()
        for parameter, tensor, w in zip(params, tensors, start):
            assert parameter.data == pytest.approx(
                tensor.item(), rel=1e-13, abs=1e-13 * max(abs(w), abs(tensor.item() - w))
            )


@pytest.mark.parametrize("cls", [SGD, Adam, AdamW, RMSprop, Adagrad])
def test_changed_learning_rate_is_used_from_then_on(cls):
    """A learning rate changed on the way gives torch's trajectory with the same change."""
    torch = pytest.importorskip("torch")
    params = [Value(1.0), Value(-2.0)]
    ours = cls(params)
    tensors, theirs = torch_optimizer(torch, cls, {}, [1.0, -2.0])
    for k, row in enumerate(gradients(2, 20)):
        ours.lr = 0.5 / (k + 1)
        theirs.param_groups[0]["lr"] = 0.5 / (k + 1)
        for parameter, tensor, g in zip(params, tensors, row):
            parameter.grad = g
            tensor.grad = torch.tensor([g], dtype=torch.float64)
        ours.step()
        theirs.step()
    assert [p.data for p in params] == pytest.approx([t.item() for t in tensors], rel=1e-13)


@pytest.mark.parametrize("cls", [SGD, Adam, AdamW, RMSprop, Adagrad])
def test_parameter_without_gradient_is_skipped_as_torch_skips_it(cls):
    """A parameter whose gradient appears only at step 5 takes its first step then, with its own step count."""
    torch = pytest.importorskip("torch")
    settings = {"momentum": 0.9, "dampening": 0.5} if cls is SGD else {}
    params = [Value(1.0), Value(-2.0)]
    ours = cls(params, **settings)
    tensors, theirs = torch_optimizer(torch, cls, settings, [1.0, -2.0])
    for k, row in enumerate(gradients(2, 12)):
        for parameter, tensor, g in list(zip(params, tensors, row))[: 2 if k >= 5 else 1]:
            parameter.grad = g
            tensor.grad = torch.tensor([g], dtype=torch.float64)
        ours.step()
        theirs.step()
        if k < 5:
            assert params[1].data == -2.0
    assert ours.state["step"] == [12.0, 7.0]
    assert [p.data for p in params] == pytest.approx([t.item() for t in tensors], rel=1e-13)


@pytest.mark.parametrize("case", CASES, ids=names)
def test_state_can_be_saved_and_continued(case):
    """An optimiser given the state of another goes on as that one does, bit for bit."""
    cls, settings = case
    rows = gradients(3, 20)

    def steps(optimizer, rows):
        for row in rows:
            for parameter, g in zip(optimizer.params, row):
                parameter.grad = g
            optimizer.step()

    whole = cls([Value(1.0), Value(2.0), Value(3.0)], **settings)
    steps(whole, rows)
    first = cls([Value(1.0), Value(2.0), Value(3.0)], **settings)
    steps(first, rows[:8])
    second = cls([Value(p.data) for p in first.params], **settings)
    second.state = {name: list(values) for name, values in first.state.items()}
    steps(second, rows[8:])
    assert [p.data for p in second.params] == [p.data for p in whole.params]
    assert second.state == whole.state


def test_update_changes_nothing():
    """update() returns what a step would write, and writes nothing."""
    p = Value(1.0)
    p.grad = 2.0
    optimizer = SGD([p], lr=0.5, momentum=0.9)
    data, state = optimizer.update()
    assert (data, state["momentum_buffer"], state["step"]) == ([0.0], [2.0], [1.0])
    assert p.data == 1.0
    assert optimizer.state == {"step": [0.0], "momentum_buffer": [0.0]}


def by_steps(optimizer, came):
    """Steps as a learner takes them."""
    while not came:
        optimizer.step()


def by_arrays(optimizer, came):
    """Steps as compiled training brings them back: the numbers are in an array, and written by compiled code."""
    steps = [(array("d", [-k] * 400), {"step": [k] * 400}) for k in (1.0, 2.0)]
    while not came:
        for data, state in steps:
            optimizer.commit(data, state)


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs interval timers")
@pytest.mark.parametrize("stepping", [by_steps, by_arrays])
def test_interrupted_step_happens_whole_or_not_at_all(stepping, interrupted):
    """However often a signal interrupts a step, all parameters and the state have taken the same number of steps."""
    params = [Value(0.0) for _ in range(400)]
    for p in params:
        p.grad = 1.0
    optimizer = SGD(params, lr=1.0)
    objects.read_data(params)  # loads the compiled code before the first signal

    rng = random.Random(0)
    for _ in range(200):
        interrupted(lambda came: stepping(optimizer, came), rng.uniform(1e-5, 2e-3), KeyboardInterrupt)
        taken = optimizer.state["step"][0]
        assert set(optimizer.state["step"]) == {taken}
        assert {p.data for p in params} == {-taken}
    assert taken > 0


def test_lists_of_state_are_the_same_in_all_threads():
    """Threads that ask at once for a state that compiled training left as arrays get the same lists."""
    optimizer = Adam([Value(0.0)])
    names = ("step", *optimizer.lists)
    start = Barrier(4)

    def steps(_):
        start.wait()
        return optimizer.state["step"]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as pool:
            for _ in range(5):
                optimizer.commit([0.0], {name: array("d", [1.0]) * 20_000 for name in names})
                found = list(pool.map(steps, range(4)))
                assert len(set(map(id, found))) == 1
    finally:
        sys.setswitchinterval(interval)


def test_division_by_zero_is_ieee():
    """With eps=0 a gradient of 0 gives nan, as in PyTorch, and not a Python exception."""
    p = Value(1.0)
    p.grad = 0.0
    Adam([p], eps=0.0).step()
    assert math.isnan(p.data)


def test_zero_grad():
    """zero_grad writes 0.0 into every gradient."""
    p, q = Value(1.0), Value(2.0)
    p.grad = 3.0
    SGD([p, q]).zero_grad()
    assert (p.grad, q.grad, q.has_grad) == (0.0, 0.0, True)


def test_repr_names_the_settings():
    """The repr says how many parameters there are and every setting."""
    assert repr(SGD([Value(1.0)], lr=0.5)) == (
        "SGD(1 parameters, lr=0.5, momentum=0.0, dampening=0.0, nesterov=False, weight_decay=0.0)"
    )
    assert "betas=(0.9, 0.999)" in repr(AdamW([Value(1.0)]))
    assert "centered=True" in repr(RMSprop([Value(1.0)], centered=True))
    assert "lr_decay=0.0" in repr(Adagrad([Value(1.0)]))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda p: SGD(p, lr=-1), ValueError, "SGD: lr must be finite and at least 0, got -1"),
        (lambda p: SGD(p, lr=math.nan), ValueError, "lr must be finite"),
        (lambda p: SGD(p, lr="0.1"), TypeError, "lr must be a number, got '0.1'"),
        (lambda p: SGD(p, lr=True), TypeError, "lr must be a number"),
        (lambda p: SGD(p, momentum=-0.1), ValueError, "momentum"),
        (lambda p: SGD(p, weight_decay=math.inf), ValueError, "weight_decay"),
        (lambda p: SGD(p, nesterov=True), ValueError, "nesterov needs momentum > 0 and dampening 0"),
        (lambda p: SGD(p, nesterov=True, momentum=0.9, dampening=0.1), ValueError, "nesterov needs"),
        (lambda p: Adam(p, betas=(0.9, 1.0)), ValueError, r"betas\[1\] must be in \[0, 1\), got 1.0"),
        (lambda p: Adam(p, betas=0.9), TypeError, "betas must be two numbers, got 0.9"),
        (lambda p: AdamW(p, eps=-1e-8), ValueError, "AdamW: eps"),
        (lambda p: RMSprop(p, alpha=1.5), ValueError, r"RMSprop: alpha must be in \[0, 1\)"),
        (lambda p: Adagrad(p, initial_accumulator_value=-1), ValueError, "initial_accumulator_value"),
        (lambda p: Adagrad(p, lr_decay=None), TypeError, "lr_decay must be a number, got None"),
        (lambda p: SGD([]), ValueError, r"got no parameters: pass model.parameters\(\)"),
        (lambda p: SGD(p[0]), TypeError, "takes a list of parameters, got Value"),
        (lambda p: SGD([1.0]), TypeError, "parameter 0 is 1.0, no Value"),
        (lambda p: SGD([p[0] * 2]), ValueError, r"parameter 0 is computed \(mul\)"),
        (lambda p: SGD([p[0], p[0]]), ValueError, r"parameter 1 \(w\) comes twice"),
    ],
)
def test_errors(make, error, message):
    """Settings out of range are refused by name, and lists that hold anything but distinct leaves."""
    with pytest.raises(error, match=message):
        make([Value(1.0, label="w")])


def test_learning_rate_is_checked_when_it_is_changed():
    """Assigning an impossible learning rate is refused at once."""
    optimizer = SGD([Value(1.0)])
    with pytest.raises(ValueError, match="lr must be finite"):
        optimizer.lr = math.inf
    assert optimizer.lr == 0.1


def test_own_optimizer_must_define_update():
    """A subclass without update() is told what is missing."""

    class Mine(Optimizer):
        pass

    with pytest.raises(NotImplementedError, match=r"Mine must have a rule, or define update\(\)"):
        Mine([Value(1.0)], 0.1, 0.0).step()
