"""Few samples a step, which go through a flat tape one by one: a layer's update may wait for the next sample, where
nothing else reads the weights. The truth is gradient descent on the gradients of generated Python.
"""

from __future__ import annotations

import ctypes
import math
import random
from array import array
from functools import cache
from itertools import chain, product
from operator import mul
from types import SimpleNamespace

import pytest
from native_runs import SETS, close

import engine
from engine import Value, dot, lower
from engine.lowering import native
from engine.lowering.native import tapes
from engine.lowering.native.tape import Layout, Tape, address
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
@pytest.mark.parametrize(
    ("also", "instruction_set"), [*((name, SETS[0]) for name in ALSO_READ), *(("nothing", other) for other in SETS[1:])]
)
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


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize(
    ("width", "batch"),
    [*((width, 1) for width in (3, 16, 37, 128, 133)), (3, 2), (37, 2)],
)
def test_a_layer_of_any_width_between_others(width, batch, instruction_set, adam):
    """Weights and biases of layers of one vector, of some, and of many; two samples a step, too, and at last one."""
    rng = random.Random(3)
    x = [Value(0.0) for _ in range(9)]
    wrt, a = [], x
    for n in (width, width, 2):
        rows = [[Value(rng.gauss(0, 0.3)) for _ in range(len(a) + 1)] for _ in range(n)]
        a = [z.tanh() for z in dots([tuple(row[:-1]) for row in rows], tuple(a), [row[-1] for row in rows], [""] * n)]
        wrt += chain(*rows)
    loss = engine.logsumexp(a)
    _compare(loss, x, wrt, 7, batch, instruction_set, adam)


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize(("n_in", "n_out"), [(24, 45), (200, 6)])
def test_rows_of_weights_with_other_parameters_between_them(n_in, n_out, instruction_set, adam):
    """Sums that are not seen as a layer keep the order of their parameters: behind each row of weights comes a bias, of
    which an update of that row changes nothing.
    """
    rng = random.Random(4)
    x = [Value(0.0) for _ in range(n_in)]
    wrt = [[Value(rng.gauss(0, 0.3)) for _ in range(n_in + 1)] for _ in range(n_out)]
    a = []
    for *weights, z in wrt:
        for w, b in zip(weights, x):
            z = z + w * b
        a.append(z.tanh())
    _compare(engine.logsumexp(a), x, [*chain(*wrt)], 22, 11, instruction_set, adam)


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.0, 0.5), (0.999999, 0.9999999)])
@pytest.mark.parametrize("step", [0, 9, 60, 350, 5_000, 30_000, 41_000, 10**7])
def test_adam_after_any_number_of_steps(step, betas):
    """What is left of the first averages is as the formula has it, also where it can be left out."""
    x, w = Value(0.0), Value(0.5)
    kernel = native.NativeKernel(trace([(w * x).tanh()], [x], [w]), None, 1)
    trainer = Trainer(kernel, array("d", [0.3]), 1, 1)
    trainer.load([0.5], "adam", lr=0.01, h0=betas[0], h1=betas[1], h2=1e-8, step=step, state=[[0.2], [0.04]])
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 60.0) == DONE
    g, t = 0.3 * (1 - math.tanh(0.15) ** 2), step + 1
    m, v = betas[0] * 0.2 + (1 - betas[0]) * g, betas[1] * 0.04 + (1 - betas[1]) * g * g
    expected = 0.5 - 0.01 * m / (1 - betas[0] ** t) / ((v / (1 - betas[1] ** t)) ** 0.5 + 1e-8)
    assert close(trainer.parameters()[0], expected, 1e-14)


def _compare(loss, x, wrt, n, batch, instruction_set, adam):
    """Two epochs of n samples, in steps that do not store the gradient, beside the generated Python."""
    rng = random.Random(5)
    rows = [[rng.gauss(0, 1) for _ in x] for _ in range(n)]
    kernel = native.NativeKernel(trace([loss], x, wrt), instruction_set, 1)
    trainer = Trainer(kernel, array("d", chain(*rows)), n, batch)
    start = [p.data for p in wrt]
    if adam:
        trainer.load(start, "adam", lr=0.02, h0=0.9, h1=0.99, h2=1e-3, state=[0.0, 0.0])
    else:
        trainer.load(start, "sgd", lr=0.02)
    trainer.begin()
    losses = array("d", [0.0] * 2)
    assert trainer.run(2, losses, 60.0) == DONE
    assert trainer._job.stale  # the gradient was not stored
    expected, gradient = _descended(loss, x, wrt, rows, batch, adam)
    assert all(close(a, b, 1e-11) for a, b in zip(losses, expected))
    assert all(close(a, b.data, 1e-10, 1e-13) for a, b in zip(trainer.parameters(), wrt))
    assert all(close(a, b, 1e-9, 1e-13) for a, b in zip(trainer.gradient(), gradient))


def _descended(loss, x, wrt, rows, batch=1, adam=False):
    kernel = lower(loss, x, wrt, backend="source")
    found, m, v, steps = [], [0.0] * len(wrt), [0.0] * len(wrt), 0
    for _ in range(2):
        total = 0.0
        for start in range(0, len(rows), batch):
            some = rows[start : start + batch]
            value, gradient = kernel(some)
            total += value * len(some)
            steps += 1
            for k, (p, g) in enumerate(zip(wrt, gradient)):
                m[k], v[k] = 0.9 * m[k] + 0.1 * g, 0.99 * v[k] + 0.01 * g * g
                root = (v[k] / (1 - 0.99**steps)) ** 0.5
                p.data -= 0.02 * (m[k] / (1 - 0.9**steps) / (root + 1e-3) if adam else g)
        found.append(total / len(rows))
    return found, gradient


# Tapes by hand: parameters are BEFORE others, the layer's weights input by input, and AFTER; then K inputs.
BEFORE = AFTER = 9
P = BEFORE + K * J + AFTER
FIRST, LAST = BEFORE, BEFORE + K * J - 1
MADE = P + K  # where what reads a weight writes
Z = MADE + 100
RESULTS = Z + J
LIBRARY = native.loaded_library()
OPS = LIBRARY.operations


def readers():
    """name: (instructions that read the first or the last weight, and the place of what they make of it)."""
    for name, q, run, at in (("first", FIRST, FIRST - 7, 7), ("last", LAST, LAST, 0)):
        for slot in range(3):
            places = [(q, P, P), (P, q, P), (P + 1, P, q)][slot]  # where 1, and where 0
            operands = [x for place in places for x in (place, 0)]
            op = OPS["copy" if slot == 0 else "where"]
            yield f"{name} in place {slot} of a map", [tapes.FLAT_MAP, op, 1, MADE, *operands], MADE
        yield f"{name} of a run", [tapes.FLAT_MAP, OPS["neg"], 8, MADE, *[run, 1] * 3], MADE + at
        pair = [word for k, op in enumerate(("tanh", "tanh_slope")) for word in
                (tapes.FLAT_MAP, OPS[op], 8, MADE + 8 * k, *[run, 1] * 3)]  # fmt: skip
        yield f"{name} of a pair", pair, MADE + at
        yield f"{name} in a sum", [tapes.FLAT_NARY, 0, 2, MADE, q, P + 1], MADE
        yield f"{name} at the end of a sum", [tapes.FLAT_NARY, 0, 2, MADE, P + 1, q], MADE
        for k, operands in enumerate([(q, P, P + 1, P, P), (-1, q, P + 1, P, P), (-1, P, P, P, q)]):
            yield f"{name} in place {k} of a dot", [tapes.FLAT_DOT, 2, MADE, *operands], MADE
        yield f"{name} weight of another layer", [tapes.FLAT_GEMV, 2, 4, MADE, P, run, 4, 1, -1], MADE + at // 4
        yield f"{name} input of a layer", [tapes.FLAT_GEMV, 1, 8, MADE, run, P, 8, 1, -1], MADE
        yield f"{name} bias of a layer", [tapes.FLAT_GEMV, 8, 1, MADE, P, P, 1, 8, run], MADE + at
        yield f"{name} in a product", [tapes.FLAT_OUTER, 8, 2, MADE, 2, 1, run, P], MADE + 2 * at
        yield f"{name} in a product, second", [tapes.FLAT_OUTER, 2, 8, MADE, 8, 1, P, run], MADE + at
        yield f"{name} gathered", [tapes.FLAT_GATHER, 2, MADE, q, P], MADE
        yield f"{name} gathered last", [tapes.FLAT_GATHER, 2, MADE, P, q], MADE + 1


def tail_readers():
    """The same of instructions among those that only write results: what they make is the gradient of parameter 0."""
    for name, q in (("first", FIRST), ("last", LAST)):
        yield f"{name} copied", [tapes.FLAT_MAP, OPS["copy"], 1, RESULTS + 1, *[q, 0] * 3]
        yield f"{name} in a product", [tapes.FLAT_OUTER, 1, 1, RESULTS + 1, 1, 1, q, P]
        yield f"{name} in a product, second", [tapes.FLAT_OUTER, 1, 1, RESULTS + 1, 1, 1, P, q]
        gathered = [tapes.FLAT_GATHER, 2, RESULTS + 1 + P, P, q, tapes.FLAT_MAP, OPS["copy"], 1, RESULTS + 1]
        yield f"{name} gathered", [*gathered, *[RESULTS + 2 + P, 0] * 3]


READERS = {name: (words, made, []) for name, words, made in readers()}
READERS |= {f"{name} at the end": ([], P, words) for name, words in tail_readers()}


@cache
def by_hand(samples):
    """The rows, and the parameters before each step and after the last, where the gradient of W is W x xᵀ."""
    rng = random.Random(5)
    p = [rng.uniform(-0.1, 0.1) for _ in range(P)]
    rows = [[1.0, 0.0, *(rng.uniform(0.1, 1) for _ in range(K - 2))] for _ in range(samples)]
    steps = [p]
    for x in rows:
        z = [sum(map(mul, p[FIRST + j : LAST + 1 : J], x)) for j in range(J)]
        moved = [w - 0.01 * x[k] * z[j] for (k, j), w in zip(product(range(K), range(J)), p[FIRST : LAST + 1])]
        p = [*p[:FIRST], *moved, *p[LAST + 1 :]]
        steps.append(p)
    return rows, steps


@pytest.mark.parametrize("name", READERS)
def test_whatever_reads_a_weight_reads_that_of_the_step_before(name):
    """Each instruction that can read the first or the last weight of the layer, in front of it or among the results."""
    words, made, tail = READERS[name]
    samples = 4
    rows, steps = by_hand(samples)
    alone = made_tape([*words, *copied(made)])
    layer = [tapes.FLAT_GEMV, J, K, Z, P, FIRST, 1, J, -1]
    outer = [tapes.FLAT_OUTER, K, J, RESULTS + 1 + FIRST, J, 1, P, Z]
    trainer = hand_made([*words, *layer, *copied(made)], [*outer, *tail], rows, steps[0])
    losses = array("d", [0.0])
    assert trainer.run(1, losses, 60.0) == DONE
    assert trainer._job.stale == (not tail)  # the gradient was not stored
    expected, own = [], steps[0][0]
    for p, row in zip(steps, rows):
        data, x, results = array("d", p), array("d", row), array("d", bytes(8 * (1 + P)))
        ctypes.memmove(alone.parameters, address(data), 8 * P)
        LIBRARY.c.tape_run(alone.pointer, address(x), K, 1, address(results))
        expected.append(results[0])
        own -= 0.01 * p[FIRST if "first" in name else LAST] if tail else 0.0
    assert close(losses[0], sum(expected) / samples)
    assert all(map(close, trainer.parameters(), [own, *steps[-1][1:]]))


ALMOST = {"a neuron less": {1: J - 1}, "an input less": {2: K - 1}, "other inputs": {4: P - 1},
          "weights as inputs": {4: FIRST}, "other weights": {5: FIRST + 1}, "one neuron's weights for all": {6: 0},
          "inputs closer": {7: J - 1}, "turned": {6: K, 7: 1}}  # fmt: skip


@pytest.mark.parametrize("name", ALMOST)
def test_a_layer_that_is_not_quite_the_one_whose_update_waits(name):
    """The weights are read once, by a layer that differs in a word from that to which their outer product belongs."""
    layer = [tapes.FLAT_GEMV, J, K, Z, P, FIRST, 1, J, -1]
    for at, word in ALMOST[name].items():
        layer[at] = word
    _, n_out, n_in, _, first_in, first, by_neuron, by_input, _ = layer
    rows, [p, *_] = by_hand(3)
    before = [tapes.FLAT_MAP, OPS["copy"], J, Z, *[P, 1] * 3]  # what is there where the layer makes less
    trainer = hand_made(
        [*before, *layer, *copied(Z)], [tapes.FLAT_OUTER, K, J, RESULTS + 1 + FIRST, J, 1, P, Z], rows, p
    )
    losses = array("d", [0.0])
    assert trainer.run(1, losses, 60.0) == DONE
    expected = []
    for row in rows:
        x = [*p, *row][first_in : first_in + n_in]
        z = [sum(p[first + j * by_neuron + k * by_input] * x[k] for k in range(n_in)) for j in range(n_out)]
        z += row[n_out:J]
        expected.append(z[0])
        moves = {FIRST + k * J + j: 0.01 * row[k] * z[j] for k in range(K) for j in range(J)}
        p = [w - moves.get(i, 0.0) for i, w in enumerate(p)]
    assert close(losses[0], sum(expected) / len(rows))
    assert all(map(close, trainer.parameters(), p))


def hand_made(body, tail, rows, parameters):
    """Training by this tape, one sample a step."""
    tape = made_tape([*body, *tail])
    program = SimpleNamespace(wrt_ids=range(P), parameter_range=range(P), outputs=[0], entries=[0], inputs=range(K))
    kernel = SimpleNamespace(program=program, library=LIBRARY, flat_tape=lambda batch: (tape, tapes.Order(0)))
    trainer = Trainer(kernel, [*chain(*rows)], len(rows), 1)
    trainer.load(parameters, "sgd", lr=0.01)
    trainer.begin()
    return trainer


def copied(place):
    return [tapes.FLAT_MAP, OPS["copy"], 1, RESULTS, *[place, 0] * 3]


def made_tape(code):
    return Tape(Layout(RESULTS + 1 + P + 2, P, 0, K, 0, 1 + P, 0, RESULTS, 0, 1, 0), array("i", code), array("i"),
                array("i"), array("d"))  # fmt: skip
