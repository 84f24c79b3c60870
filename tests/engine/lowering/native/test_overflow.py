"""A step of a large layer that overflows in one number is not taken, wherever that number stands."""

from __future__ import annotations

import math
import random
from array import array
from functools import cache
from itertools import chain

import pytest
from native_runs import SETS

import engine
from engine import Value, dot
from engine.lowering.native import NativeKernel
from engine.lowering.native.trainer import DONE, NOT_FINITE, Trainer
from engine.lowering.trace import trace
from engine.weighted import dots

K, J, N = 19, 57, 13  # inputs, neurons and samples: none of them fills its last vector


@cache
def kernel(instruction_set):
    """Of the loss c · W x: the derivative with respect to W is c xᵀ, a product of inputs."""
    x, c = [Value(1.0) for _ in range(K)], [Value(1.0) for _ in range(J)]
    rows = [tuple(Value(0.0) for _ in x) for _ in c]
    loss = dot(c, dots(rows, x, [None] * J, [""] * J))
    return NativeKernel(trace([loss], [*x, *c], [*chain(*rows)]), instruction_set, 1)


def trained(instruction_set, samples, batch, momentum):
    trainer = Trainer(kernel(instruction_set), array("d", chain(*samples)), N, batch)
    state = [[0.0] * (K * J)] if momentum else []
    trainer.load([0.0] * (K * J), "sgd", lr=0.5, h0=momentum, state=state)
    trainer.begin()
    return trainer, trainer.run(1, array("d", [0.0]), 60.0)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("batch", [1, N])
@pytest.mark.parametrize("instruction_set", SETS)
def test_one_number_of_a_sample_decides(batch, momentum, instruction_set):
    """Weights are 0, so that the loss is finite whatever the sample is: 1.7e308 in any input or factor makes one row of
    the gradient infinite, and ends the run before the step. 1e290 does not, and the step is gradient descent's; one
    sample at a time the first sample is looked at, after which weights are no longer 0.
    """
    rng = random.Random(1)
    for place in range(K + J):
        at = rng.randrange(N) if batch > 1 else 0
        samples = [[rng.choice([-1, 1]) * rng.uniform(1.5, 2) for _ in range(K + J)] for _ in range(N)]
        samples[at][place] = 1.7e308
        trainer, ended = trained(instruction_set, samples, batch, momentum)
        assert ended == NOT_FINITE, place
        assert (trainer.position, trainer.steps) == (at // batch * batch, at // batch)
        assert not any(trainer.parameters())
        if batch == 1:
            continue
        samples[at][place] = 1e290
        trainer, ended = trained(instruction_set, samples, batch, momentum)
        assert ended == DONE
        expected = [-0.5 * math.fsum(s[k] * s[K + j] for s in samples) / N for j in range(J) for k in range(K)]
        assert all(math.isclose(*pair, rel_tol=1e-12, abs_tol=1e-12) for pair in zip(trainer.parameters(), expected)), (
            place
        )


@pytest.mark.parametrize("batch", [1, N])
@pytest.mark.parametrize("instruction_set", SETS)
def test_nan_in_the_first_of_two_layers(batch, instruction_set):
    """sqrt at 0 has the derivative infinity, and behind weights of 0 the gradient of the first layer is nan, while
    that of the second and the loss are finite: the step is not taken.
    """
    x, h = [Value(1.0) for _ in range(K)], 40
    first = [tuple(Value(0.0) for _ in x) for _ in range(J)]
    second = [tuple(Value(0.0) for _ in range(J)) for _ in range(h)]
    hidden = [z.sqrt() for z in dots(first, x, [None] * J, [""] * J)]
    loss = engine.sum([(z - 1) ** 2 for z in dots(second, hidden, [None] * h, [""] * h)])
    parameters = [*chain(*first), *chain(*second)]
    program = trace([loss], x, parameters)
    trainer = Trainer(NativeKernel(program, instruction_set, 1), array("d", [0.5] * (N * K)), N, batch)
    trainer.load([0.0] * len(parameters), "sgd", lr=0.5)
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 60.0) == NOT_FINITE
    assert not any(trainer.parameters())
