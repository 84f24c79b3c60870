"""Graphs written in compiled code are the programs that Python writes: trace.py itself is the truth, word for word."""

from __future__ import annotations

import importlib
import math
import random

import pytest

import engine
from engine import Value, lower
from engine.lowering import native
from engine.ops import OPS

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

from engine.lowering.native import graphs, objects

tracing = importlib.import_module("engine.lowering.trace")  # the module, whose name a function has in the package
SIMPLE = [op for op in OPS.values() if graphs._rules(op)]
NUMBERS = [0.0, -0.0, 1.0, -1.0, 0.5, 2.5, math.inf, -math.inf, math.nan]


@pytest.fixture
def both(monkeypatch):
    """A function: the program by Python; the same in compiled code; and whether that wrote it."""
    assert objects.object_reader() is not None
    monkeypatch.setattr("engine.compiled._SOME", 0)

    def traced(outputs, inputs, wrt, **options):
        written = []
        monkeypatch.setattr(tracing, "_SIMPLE", 10**9)
        expected = tracing.trace(outputs, inputs, wrt, **options)
        monkeypatch.setattr(tracing, "_SIMPLE", 0)
        write = graphs.write_graph
        with monkeypatch.context() as patch:
            patch.setattr(graphs, "write_graph", lambda *given: written.append(write(*given)) or written[-1])
            program = tracing.trace(outputs, inputs, wrt, **options)
        return expected, program, written not in ([], [None])

    return traced


def everything(program):
    """All that there is to know of a program."""
    return (
        program.listing(), program.core_op, program.core_args, [*map(bool, program.core_varying)], program.core_names,
        program.adjoints, program.backward, program.entries, program.inputs, program.outputs, [*program.wrt_ids],
        program.parameter_range, program.parameter_values, program.marked,
        {i: repr(x) for i, x in program.constant.items()},
    )  # fmt: skip


def called(op, operands):
    signs = {"add": "__add__", "sub": "__sub__", "mul": "__mul__", "div": "__truediv__", "neg": "__neg__"}
    if op.name in signs:
        return getattr(engine.operands.constant(operands[0], ""), signs[op.name])(*operands[1:])
    return engine.operations.FUNCTIONS[op.name](*operands)


def random_graph(seed, n=150):
    """Few operations or many, on what is near and what is far, with numbers of all kinds, labels here and there."""
    rng = random.Random(seed)
    leaves = [Value(rng.uniform(0.5, 1), rng.choice(["", f"x{k}"])) for k in range(rng.randrange(1, 6))]
    made = list(leaves)
    ops = rng.sample(SIMPLE, rng.randrange(1, 8)) if seed % 5 < 3 else [OPS[x] for x in ("add", "sub", "mul", "neg")]
    numbers = rng.choice([0.0, 0.1])
    while len(made) < n:
        op = rng.choice(ops)
        operands = [rng.choice([rng.choice(made), *made[-3:]]) for _ in range(op.arity)]
        if op.arity == 2 and rng.random() < numbers:
            operands[-1] = rng.choice(NUMBERS)
        made.append(called(op, operands))
        if rng.random() < 0.05:
            made[-1].label = f"n{len(made)}"
    wrt = rng.choice([None, [rng.choice(leaves) for _ in range(rng.randrange(4))], [Value(1.0), *leaves]])
    return [made[-1]], leaves[: rng.randrange(len(leaves) + 1)], wrt


def test_programs_are_those_of_python(both):
    """Random graphs: the same instructions in the same order, names, constants, adjoints and derivatives; with marks
    allowed and without. Compiled code writes nearly all of them."""
    written = 0
    for seed in range(400):
        expected, program, in_c = both(*random_graph(seed), marks=seed % 2 == 0)
        assert everything(program) == everything(expected), seed
        written += in_c
    assert written > 300


@pytest.mark.parametrize("name", [op.name for op in SIMPLE])
def test_each_operation_has_its_rules(both, name):
    """Of values that vary, that do not, and the same value twice: compiled code knows the operation."""
    x, w, op = Value(0.7), Value(0.4), OPS[name]
    for a, b in [(x, w), (w, x), (x, x), (w, w)]:
        y = called(op, [a, b][: op.arity]) * x + w
        expected, program, in_c = both([y.sin()], [x], [w, x])
        assert in_c
        assert everything(program) == everything(expected)


def test_large_graphs_outgrow_their_tables(both):
    """Ten thousand nodes of each kind of graph, and a leaf with thousands of terms."""
    for seed in (0, 1, 2, 3):
        expected, program, in_c = both(*random_graph(seed, 10_000))
        assert in_c
        assert everything(program) == everything(expected)
    a, w = Value(0.5), Value(0.3)
    y = a
    for k in range(5000):
        y = y * w + a * float(k)
    expected, program, in_c = both([y], [a], [w, a])
    assert in_c
    assert everything(program) == everything(expected)


def test_a_sum_of_most_of_the_words_there_are(both):
    """A leaf that is added again and again has an adjoint of as many terms as there are nodes, and room."""
    for n in range(1500, 9000, 500):
        a, w = Value(0.5), Value(0.3)
        y = a * w
        for _ in range(n):
            y = y + a
        expected, program, in_c = both([y], [], [a, w])
        assert in_c
        assert everything(program) == everything(expected)


class Own(Value):
    """A class of one's own."""


def test_what_compiled_code_does_not_know_is_left_to_python(both):
    """Choices, sums, operations of one's own, inputs that were computed, derivatives with respect to what is no leaf,
    several outputs, Values of other classes, constants that are no floats, functions of numbers: the same programs."""
    x, w, own, whole = Value(0.5), Value(0.3), Own(0.25), 2 * Value(1.0)
    whole.parents[1].data = whole.parents[0].data = 3
    own_operation, middle = engine.define("written_by_python", "a * a + 1", "2 * a"), x * w
    for outputs, inputs, wrt in [
        ([(x * w).relu() + w], [x], [w]),
        ([engine.sum([x, w, x * w])], [x], [w]),
        ([own_operation(x) * w], [x], [w]),
        ([middle.sin() + w], [middle], [w]),
        ([middle.sin() + w], [x], [w, middle]),
        ([middle, middle.sin()], [x], [w]),
        ([own * x], [x], [own]),
        ([whole * x], [x], [w]),
        ([x * engine.operations.FUNCTIONS["log"](2.0)], [x], [x]),
    ]:
        expected, program, in_c = both(outputs, inputs, wrt)
        assert not in_c
        assert everything(program) == everything(expected)


def test_adjoints_that_are_sums_of_numbers(both):
    """Sums and products of numbers are added up in Python's order: to the last bit, to -0.0, and to nan."""
    w = Value(0.3)
    for y in (
        w + w + w,
        w * 0.1 - w * 0.7 + w / 0.3,
        w * 1e16 + w * 1.0 - w * 1e16,
        w * -0.0 - w * 0.0 + w * -0.0,
        w * math.inf - w * math.inf + w,
    ):
        expected, program, in_c = both([y], [], [w])
        assert in_c
        assert everything(program) == everything(expected)


def test_large_graphs_of_a_kernel_are_written_in_compiled_code(monkeypatch):
    """``lower`` does so by itself, and value and gradient are those of the graph."""
    a, w = Value(0.5), Value(0.3)
    y = a
    for _ in range(3000):
        y = (y * w).sin() + a
    found = []
    write = graphs.write_graph
    monkeypatch.setattr(graphs, "write_graph", lambda *given: found.append(write(*given)) or found[-1])
    value, gradient = lower(y, [a], [w], backend="native")([[0.5]])
    assert found[0] is not None
    y.backward()
    assert value == pytest.approx(y.data, rel=1e-12)
    assert gradient == pytest.approx([w.grad], rel=1e-12)
