"""One sample a step: compiled code may leave the update of a large first layer to the next sample, where nothing else
reads the weights. The truth is gradient descent on the gradients of generated Python.
"""

from __future__ import annotations

import random
from array import array
from itertools import chain

import pytest
from native_runs import SETS, close

import engine
from engine import Value, dot, lower
from engine.lowering import native
from engine.lowering.native.trainer import DONE, Trainer
from engine.lowering.trace import trace
from engine.weighted import dots

K, J = 65, 64  # a layer of 4,160 weights, which is large
ALSO_READ = {
    "nothing": lambda w, x: x[0] * 0.0,
    "each neuron's first weight": lambda w, x: engine.sum([v.sin() for v in w[::K]]),
    "each neuron's last weight": lambda w, x: engine.sum([v.sin() for v in w[K - 1 :: K]]),
    "each neuron's weights of one input, summed": lambda w, x: engine.sum(w[7::K]),
    "the largest of all": lambda w, x: engine.amax(w),
    "the first weights by the last": lambda w, x: dot(w[::K], w[K - 1 :: K][::-1]),
    "a layer of other inputs": lambda w, x: engine.sum(
        [z.tanh() for z in dots([w[K * j : K * j + K] for j in range(J)], x[1:] + x[:1], [None] * J, [""] * J)]
    ),
    "a layer of its columns": lambda w, x: engine.sum(
        [z.tanh() for z in dots([w[k::K] for k in range(9)], [*x[:63], x[1]], [None] * 9, [""] * 9)]
    ),
    "inputs of a layer": lambda w, x: engine.sum(
        [z.tanh() for z in dots([x[k : k + J - 8] * 2 for k in range(8)], w[2::K] + w[3::K][:48], [None] * 8, [""] * 8)]
    ),
    "biases": lambda w, x: engine.sum(
        [z.tanh() for z in dots([x[j : j + 2] for j in range(J)], x[20:22], w[::K], [""] * J)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("also", ALSO_READ)
@pytest.mark.parametrize("instruction_set", SETS)
def test_a_large_layer_whose_weights_are_read_elsewhere_too(also, first, instruction_set):
    """However else a weight of the layer is read, before the layer or after it, it is the one of the step before.

    Read through a step, which has no derivative: the gradient of the layer is a product still.
    """
    rng = random.Random(2)
    x = [Value(0.0) for _ in range(K)]
    w = [Value(rng.gauss(0, 0.1)) for _ in range(K * J)]
    out = [Value(rng.gauss(0, 0.3)) for _ in range(J)]
    neurons = dots([tuple(w[K * j : K * j + K]) for j in range(J)], x, [None] * J, [""] * J)
    also_read = (ALSO_READ[also](w, x) * 1e5).round() * 1e-5
    out_of_layer = dot(out, [z.tanh() for z in neurons])
    loss = ((also_read + out_of_layer if first else out_of_layer + also_read) - 0.5) ** 2
    rows = [[rng.gauss(0, 1) for _ in x] for _ in range(4)]
    wrt = [*w, *out]
    trainer = Trainer(native.NativeKernel(trace([loss], x, wrt), instruction_set, 1), array("d", chain(*rows)), 4, 1)
    start = [p.data for p in wrt]
    trainer.load(start, "sgd", lr=0.02)
    trainer.begin()
    losses = array("d", [0.0] * 2)
    assert trainer.run(2, losses, 60.0) == DONE
    expected, gradient = _descended(loss, x, wrt, rows)
    assert all(close(a, b, 1e-11) for a, b in zip(losses, expected))
    assert all(close(a, b.data, 1e-10, 1e-13) for a, b in zip(trainer.parameters(), wrt))
    assert all(close(a, b, 1e-9, 1e-13) for a, b in zip(trainer.gradient(), gradient))


def _descended(loss, x, wrt, rows):
    kernel = lower(loss, x, wrt, backend="source")
    found = []
    for _ in range(2):
        total = 0.0
        for row in rows:
            value, gradient = kernel([row])
            total += value
            for p, g in zip(wrt, gradient):
                p.data -= 0.02 * g
        found.append(total / len(rows))
    return found, gradient
