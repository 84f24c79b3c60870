"""The operations of the compiled interpreter against the eager engine and mpmath, at awkward points too."""

from __future__ import annotations

import json
import math
import random
from array import array
from pathlib import Path

import pytest
from native_runs import SETS, close, run, ulps

from engine import OPS, Value
from engine.lowering import native
from engine.lowering.trace import trace
from engine.operations import FUNCTIONS

AWKWARD = [0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 5e-324, -5e-324, 1e-310, 2.2250738585072014e-308, 1e-17, -1e-17, 37.5,
           -37.5, 300.5, 708.5, -708.5, 709.9, -745.0, -746.0, 1e10, -1e10, 1.7e308, -1.7e308, math.inf, -math.inf,
           math.nan]  # fmt: skip


def test_every_operation_has_a_native_case():
    """An operation added to the table needs a case in operations.h, and this test names the one that lacks it."""
    library = native.loaded_library()
    known = {*library.operations, *library.nary, "dot"}
    assert [name for name, op in OPS.items() if not op.defined and name not in known] == []


def test_arities_are_those_of_the_table():
    """The interpreter takes as many operands as the row of the table has."""
    words = native.loaded_library().text("tape_operations").split()
    for name, arity in zip(words[::2], words[1::2]):
        assert name not in OPS or OPS[name].arity == int(arity)


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("op", [op for op in OPS.values() if op.arity], ids=lambda op: op.name)
def test_operations_at_awkward_points(op, instruction_set):
    """At zeros of both signs, subnormals, the ends of the range, infinities and nan: eager's value, to 2 ulp, and its
    derivatives to a few more; what is exact in IEEE 754 is the same to the sign of zero.
    """
    points = AWKWARD if op.arity < 3 else [0.0, -0.0, 1.5, -2.0, math.inf, -math.inf, math.nan]
    rows = [()]
    for _ in op.arguments:
        rows = [(*row, x) for row in rows for x in points]
    inputs = [Value(0.7, name) for name in op.arguments]
    program = trace([FUNCTIONS[op.name](*inputs)], inputs, inputs, marks=True)
    kernel = native.NativeKernel(program, instruction_set, 1)
    for row in rows:
        leaves = [Value(x) for x in row]
        expected = FUNCTIONS[op.name](*leaves)
        (y,), (gradient,) = kernel.run(array("d", row), 1, [])
        assert ulps(y, expected.data) <= 2, (row, y, expected.data)
        if y == 0 and expected.data == 0:
            assert math.copysign(1, y) == math.copysign(1, expected.data), row
        for g, e in zip(gradient, expected.local_derivatives):
            assert close(g, e, 1e-13, 1e-15), (row, gradient, expected.local_derivatives)


@pytest.mark.parametrize("instruction_set", SETS)
def test_special_points(instruction_set):
    """The recorded special points: value and gradient where frameworks agree on them."""
    recorded = json.loads((Path(__file__).parents[2] / "special_points.json").read_text())["rows"]
    checked = 0
    for point in recorded:
        if point["op"] not in OPS or OPS[point["op"]].arity != len(point["inputs"]):
            continue
        row = [float(x) for x in point["inputs"]]
        inputs = [Value(x) for x in row]
        (y,), (gradient,) = run([FUNCTIONS[point["op"]](*inputs)], inputs, inputs, [row], instruction_set)
        eager = FUNCTIONS[point["op"]](*[Value(x) for x in row])
        assert ulps(y, eager.data) <= 2, point
        assert all(close(g, e, 1e-12, 2.3e-16) for g, e in zip(gradient, eager.local_derivatives)), (point, gradient)
        checked += 1
    assert checked > 200


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("exp", -708, 709), ("exp", -1, 1), ("expm1", -40, 700), ("expm1", -1e-3, 1e-3), ("log", 1e-300, 1e300),
     ("log", 0.5, 2.0), ("log1p", -0.999, 4.0), ("log1p", -1e-3, 1e-3), ("tanh", -20, 20), ("tanh", -0.6, 0.6),
     ("tanh", -1e-6, 1e-6), ("sigmoid", -700, 40), ("softplus", -700, 40), ("logsigmoid", -40, 40)],
)  # fmt: skip
def test_vector_functions_are_good_to_two_ulp(name, low, high, instruction_set):
    """exp, log and the functions made of them, against 40 digits of mpmath."""
    mpmath = pytest.importorskip("mpmath")
    rng = random.Random(1)
    if name == "log" and high > 2:
        points = [math.exp(rng.uniform(math.log(low), math.log(high))) for _ in range(400)]
    else:
        points = [rng.uniform(low, high) for _ in range(400)]
    truth = {
        "exp": mpmath.exp, "expm1": mpmath.expm1, "log": mpmath.log, "log1p": mpmath.log1p, "tanh": mpmath.tanh,
        "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)), "softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
        "logsigmoid": lambda x: -mpmath.log1p(mpmath.exp(-x)),
    }[name]  # fmt: skip
    a = Value(0.5)
    kernel = native.NativeKernel(trace([FUNCTIONS[name](a)], [a], []), instruction_set, 1)
    with mpmath.workdps(40):
        for x in points:
            (y,), _ = kernel.run(array("d", [x]), 1, [])
            expected = truth(mpmath.mpf(x))
            assert abs(mpmath.mpf(y) - expected) <= 2 * math.ulp(float(expected)), (x, y, float(expected))
