"""The optimisers in compiled code, beside their rules written out for one number: those of torch.optim."""

from __future__ import annotations

import math
import random
from array import array
from functools import cache
from itertools import chain

import pytest
from native_runs import SETS

from engine import Value, dot
from engine.ieee import scalar
from engine.lowering import native
from engine.lowering.native.trainer import DONE, NOT_FINITE, OPTIMIZERS, Trainer
from engine.lowering.trace import trace

divide, root, larger = scalar["div"], scalar["sqrt"], scalar["maximum"]


def stepped(kind, o, t, p, g, s):
    """(the parameter, its gradient and its state) after step number t with the gradient g."""
    lr, decay, h0, h1, h2, flag = o["lr"], o["weight_decay"], o["h0"], o["h1"], o["h2"], o["flag"]
    a, b, c = s
    if kind == "adamw":
        p *= 1 - lr * decay
    else:
        g += decay * p
    if kind == "sgd":
        step = g
        if a is not None:
            a = g if t == 1 else h0 * a + (1 - h1) * g
            step = g + h0 * a if flag else a
    elif kind in ("adam", "adamw"):
        a = a + (1 - h0) * (g - a)
        b = h1 * b + (1 - h1) * g * g
        v = b
        if flag:
            v = c = larger(c, v)
        step = divide(divide(a, 1 - h0**t), divide(root(v), root(1 - h1**t)) + h2)
    elif kind == "rmsprop":
        v = a = h0 * a + (1 - h0) * g * g
        if flag:
            b = b + (1 - h0) * (g - b)
            v = a - b * b
        step = divide(g, root(v) + h2)
        if h1:
            step = c = h1 * c + step
    else:
        a = a + g * g
        step = divide(divide(g, root(a) + h2), 1 + (t - 1) * h0)
    return p - lr * step, g, [a, b, c]


def states_of(kind, o, n, start):
    """Which lists of state an optimiser has, filled."""
    has = {"sgd": (o["h0"] != 0, False, False), "adam": (True, True, o["flag"]), "adamw": (True, True, o["flag"]),
           "rmsprop": (True, o["flag"], o["h1"] != 0), "adagrad": (True, False, False)}[kind]  # fmt: skip
    return [[start] * n if each else None for each in has]


@cache
def kernel(n, instruction_set):
    """Of the loss p x, whose gradient is the row."""
    p, x = ([Value(0.1 * k) for k in range(n)] for _ in range(2))
    return native.NativeKernel(trace([dot(p, x)], x, p), instruction_set, 1)


def compare(kind, o, n, batch, rows, p, l2, step, instruction_set):
    """Two epochs of two steps; where one is not finite it is not taken."""
    state = states_of(kind, o, n, 0.25)
    trainer = Trainer(kernel(n, instruction_set), array("d", chain(*rows)), len(rows), batch, l2)
    trainer.load(p, kind, state=state, step=step, **o)
    trainer.begin()
    ended = trainer.run(2, array("d", [0.0] * 2), 60.0)
    scale, gradient, expected = [abs(v) for v in p], None, DONE
    for t in range(step + 1, step + 5):
        first = (t - step - 1) * batch % len(rows)
        g = [sum(row[k] for row in rows[first : first + batch]) / batch for k in range(n)]
        loss = sum(a * b for a, b in zip(p, g))
        g = [g[k] + (l2[k] * p[k] if l2 else 0.0) for k in range(n)]
        found = [stepped(kind, o, t, p[k], g[k], [s and s[k] for s in state]) for k in range(n)]
        if not all(math.isfinite(x) for x in [loss, *g, *(f[0] for f in found), *(f[1] for f in found)]):
            expected = NOT_FINITE
            break
        p, gradient = [f[0] for f in found], g
        state = [s and [f[2][i] for f in found] for i, s in enumerate(state)]
        scale = [max(a, abs(b)) for a, b in zip(scale, p)]
    assert ended == expected
    for found, wanted, size in zip(trainer.parameters(), p, scale):
        assert found == pytest.approx(wanted, rel=1e-9, abs=1e-11 * size)
    for found, wanted in zip(trainer.state(), state):
        assert (found is None) == (wanted is None)
        if wanted:
            assert found == pytest.approx(wanted, rel=1e-9, abs=1e-11 * max(map(abs, wanted)), nan_ok=True)
    if ended == DONE:
        assert trainer.gradient().tolist() == pytest.approx(gradient, rel=1e-9, abs=1e-11 * max(scale))


@pytest.mark.parametrize("size", ["moderate", "extreme"])
@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("instruction_set", SETS)
def test_steps_are_those_of_the_rule(kind, size, instruction_set):
    """Any number of parameters, options and gradients: parameters, state and gradient are the rule's after four steps;
    where a number of the step overflows, nothing has changed in it.
    """
    rng = random.Random(f"{kind} {size}")
    extreme = size == "extreme"
    for _ in range(40):
        n, batch = rng.choice([1, 2, 3, 4, 5, 7, 8, 9, 15, 17, 33]), rng.choice([1, 1, 2])
        o = {"lr": rng.choice([0.1, 0.003]), "weight_decay": rng.choice([0.0, 0.0, 0.3]), "flag": rng.random() < 0.4,
             "h0": rng.choice([0.0, 0.5, 0.9, 0.99]), "h1": rng.choice([0.0, 0.3, 0.6, 0.999]),
             "h2": rng.choice([1e-8, 1e-3])}  # fmt: skip
        if kind == "adagrad":
            o["h0"] = rng.choice([0.0, 0.1])
        if extreme:
            o["lr"] *= rng.choice([1.0, 1.0, 1e19, 1e21, 1e120])
            o["weight_decay"] *= rng.choice([1.0, 1e9, 1e12])
            o["h0"], o["h1"] = rng.choice([o["h0"], 1.0]), rng.choice([o["h1"], 1.0])
            o["h2"] *= rng.choice([1.0, 0.0, 1e-14, 1e-40])
        most = rng.choice([0, 8, 30, 59, 61, 100, 160, 307]) if extreme else 0
        draw = lambda most=most: rng.gauss(0, 1) * 10 ** rng.choice([0, most])  # noqa: E731
        rows = [[draw() for _ in range(n)] for _ in range(2 * batch)]
        p = [draw(rng.choice([0, most])) for _ in range(n)]
        l2 = [rng.choice([0.01, 10.0**most, 0.0]) for _ in range(n)] if rng.random() < 0.4 else None
        compare(kind, o, n, batch, rows, p, l2, rng.choice([0, 0, 1, 5]), instruction_set)
