"""Graphs put together at random, with operands in every order that arrays can have.

The truth is the eager engine's: the same function of leaves, built anew for each row.
"""

from __future__ import annotations

import ctypes
import random
import shutil
import subprocess

import pytest

import engine
from engine import Value, dot, grad, lower
from engine.lowering import native

SEEDS = range(6)
MANY = [engine.sum, engine.mean, engine.logsumexp, engine.amax, engine.amin]
TWO = [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / (1.5 + b * b), engine.maximum]


def operands(rng, pool, n):
    """n of the values: neighbours, some way apart, backwards, at random and more than once, numbers among them."""
    way = rng.choice(["near", "near", "apart", "back", "any", "same", "numbers"])
    if way == "same":
        return [rng.choice(pool)] * n
    if way in ("any", "numbers"):
        chosen = [rng.choice(pool) for _ in range(n)]
        return [0.25 if way == "numbers" and k % 3 == 1 else x for k, x in enumerate(chosen)]
    step = rng.choice([2, 3]) if way == "apart" else 1
    first = rng.randrange(max(1, len(pool) - step * n))
    chosen = pool[first::step][:n]
    return chosen[::-1] if way == "back" else chosen


def random_outputs(seed, inputs, parameters):
    """The outputs of a graph; the same for the same seed."""
    rng = random.Random(seed)
    made = []
    for _ in range(40):
        pool = rng.choice([inputs, parameters, parameters, made or inputs, [*inputs, *made, *parameters]])
        n = rng.choice([1, 2, 3, 4, 5, 6, 9, 11])
        what = rng.random()
        if what < 0.3:
            made.append(rng.choice(MANY)(operands(rng, pool, n)))
        elif what < 0.6:
            weights, others = operands(rng, parameters, n), operands(rng, pool, n)
            n = min(len(weights), len(others))
            bias = rng.choice([None, rng.choice(pool), 0.5])
            made.append(dot(weights[:n], others[:n], bias))
        elif what < 0.8:
            made.append(rng.choice(TWO)(rng.choice(pool), rng.choice([*parameters, *inputs])))
        else:
            made.append(rng.choice([engine.tanh, engine.sin, engine.relu, engine.sigmoid])(rng.choice(pool)))
    squashed = [x.tanh() for x in made]
    return [engine.sum([p * p for p in parameters]) + squashed[0] * 2, squashed[-1] * dot(parameters, parameters[::-1]),
            engine.mean(squashed), made[3], engine.logsumexp(squashed[::2]), inputs[1] * parameters[2]]  # fmt: skip


def case(seed):
    """The kernel's arguments, rows, and the values and gradients of the mean that the eager engine finds."""
    rng = random.Random(-1 - seed)
    numbers = [rng.uniform(-1, 1) for _ in range(13)]
    rows = [[rng.uniform(-1, 1) for _ in range(9)] for _ in range(5)]
    trained = rng.choice([13, 13, 5])

    def built(row):
        inputs, parameters = [Value(x) for x in row], [Value(x) for x in numbers]
        return random_outputs(seed, inputs, parameters), inputs, parameters

    values, gradients = [], []
    for row in rows:
        outputs, _, parameters = built(row)
        values.append([y.data for y in outputs])
        gradients.append([grad(y, parameters[:trained]) for y in outputs])
    mean = lambda items: sum(items) / len(items)  # noqa: E731
    expected = [mean(column) for column in zip(*values)]
    slopes = [[mean(column) for column in zip(*each)] for each in zip(*gradients)]
    outputs, inputs, parameters = built(rows[0])
    return (outputs, inputs, parameters[:trained]), rows, expected, slopes


def compare(values, gradients, expected, slopes):
    assert values == pytest.approx(expected, rel=1e-12, abs=1e-13)
    for found, wanted in zip(gradients, slopes, strict=True):
        assert found == pytest.approx(wanted, rel=1e-11, abs=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_generated_python(seed):
    """Values and gradients of the mean over rows, and of each row."""
    arguments, rows, expected, slopes = case(seed)
    kernel = lower(*arguments, backend="source")
    compare(*kernel(rows), expected, slopes)
    each = kernel(rows, reduce="none")[0]
    assert [sum(column) / len(rows) for column in each] == pytest.approx(expected, rel=1e-12, abs=1e-13)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_compiled_interpreter(seed):
    """With each instruction set, sample by sample, and many samples together."""
    if not native.available()[0]:
        pytest.skip(native.available()[1])
    arguments, rows, expected, slopes = case(seed)
    program = lower(*arguments, backend="source").program
    for instruction_set in native.instruction_sets():
        for block in (0, 8):
            kernel = native.NativeKernel(program, instruction_set, 1, block)
            numbers = [x for row in rows for x in row]
            parameters = [node.data for node in program.parameter_values]
            compare(*kernel.run(numbers, len(rows), parameters, "mean"), expected, slopes)
            one = [kernel.run(row, 1, parameters, "mean") for row in rows]
            compare([sum(column) / len(rows) for column in zip(*[values for values, _ in one])],
                    [[sum(column) / len(rows) for column in zip(*each)] for each in zip(*[g for _, g in one])],
                    expected, slopes)  # fmt: skip


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
@pytest.mark.parametrize("seed", SEEDS)
def test_generated_c(seed, tmp_path):
    """The file for one sample, called for each row."""
    arguments, rows, expected, slopes = case(seed)
    kernel = lower(*arguments, backend="source")
    (tmp_path / "k.c").write_text(kernel.c_source)
    command = ["cc", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-o", tmp_path / "k.so", tmp_path / "k.c", "-lm"]
    subprocess.run(command, check=True)
    call = ctypes.CDLL(str(tmp_path / "k.so")).kernel
    array = lambda numbers: (ctypes.c_double * len(numbers))(*numbers)  # noqa: E731
    parameters = array([node.data for node in kernel.program.parameter_values])
    n, width = len(expected), len(slopes[0])
    values, gradients = [0.0] * n, [[0.0] * width for _ in range(n)]
    for row in rows:
        outputs, found = array([0.0] * n), array([0.0] * (n * width))
        call(array(row), parameters, outputs, found)
        values = [a + b / len(rows) for a, b in zip(values, outputs)]
        gradients = [[g + found[k * width + j] / len(rows) for j, g in enumerate(each)]
                     for k, each in enumerate(gradients)]  # fmt: skip
    compare(values, gradients, expected, slopes)
