"""Generated code is guarded where Python raises for some numbers, and nowhere else."""

from __future__ import annotations

import inspect
import itertools
import math
import sys
from math import inf, nan

import pytest

from engine import OPS, Value, operations
from engine.expressions import function, parse
from engine.ieee import scalar
from engine.raising import may_raise

NUMBERS = [0.0, 1.0, 0.25, 0.5, 0.75, 1.5, 2.0, 3.0, 20.0, 709.0, 711.0, 1100.0, 1e10, 1e160, sys.float_info.max, inf,
           5e-324, 1e-200]  # fmt: skip
NUMBERS += [-x for x in NUMBERS] + [nan]


@pytest.mark.parametrize(
    ("expression", "raises"),
    [
        ("exp(a)", True), ("exp(-abs(a))", False), ("exp(-(a * a))", False), ("exp(-(a * b))", True),
        ("1 / (1 + a * a)", False), ("1 / (1 + a)", True), ("a % (2 + exp(-(a * a)))", False), ("a % b", True),
        ("expm1(a)", True), ("0.0 if a > 0 else expm1(a)", False), ("expm1(a) if a > 0 else 0.0", True),
        ("sin(a)", True), ("sin(tanh(a))", False), ("cosh(a)", True), ("cosh(-tanh(a))", False),
        ("sqrt(-abs(a))", True),
        ("asin(sin(b))", True), ("asin(tanh(a))", False), ("atanh(tanh(a))", True), ("pow(a, 2)", True),
        ("sigmoid(a)", False), ("cbrt(a) + floor(a) + relu(a)", False), ("acosh(1 + exp(-abs(a)))", False),
        ("0.0 if log(a) > 0 else 1.0", True), ("0.0 if atan(a) > 0 else 1.0", False), ("log(2 if a > 0 else 3)", False),
    ],
)  # fmt: skip
def test_which_expressions_raise(expression, raises):
    """An expression is guarded if Python's own functions raise for some numbers, and not where they cannot."""
    assert may_raise(parse(expression), {}) is raises


def test_what_was_computed_before_needs_no_second_guard():
    """A name that stands for an expression has its bounds: 1 + exp(-|a|) is never 0, and exp itself is not computed."""
    assert not may_raise(parse("1 / (1 + s)"), {"s": parse("exp(-abs(a))")})
    assert not may_raise(parse("1 / (1 + s)"), {"s": parse("exp(a)")})
    assert may_raise(parse("1 / s"), {"s": parse("exp(a)")})


class _Recorder(dict):
    """The functions on floats; remembers the lines of operations.py that ask for them, which are guards."""

    def __init__(self, lines):
        super().__init__(scalar)
        self.lines = lines

    def __getitem__(self, name):
        self.lines.add(sys._getframe(1).f_lineno)
        return super().__getitem__(name)


def test_no_number_raises_and_each_guard_is_wanted(monkeypatch):
    """Each operation at all pairs of special numbers: result and derivatives are those of IEEE functions alone, nothing
    raises, and each guard is needed by one of them, but for slopes of hypot: that hypot(a / 4, b / 4) is not 0 where
    hypot(a, b) is inf, intervals do not tell.
    """
    lines = set()
    by_ieee = operations.by_ieee

    def recorded(*arguments):
        lines.add(sys._getframe(1).f_lineno)
        return by_ieee(*arguments)

    monkeypatch.setattr(operations, "scalar", _Recorder(lines))
    monkeypatch.setattr(operations, "by_ieee", recorded)
    for op in OPS.values():
        if op.arity not in (1, 2):
            continue
        names = (*op.arguments, "y")
        exact = function(op.forward, op.arguments, scalar)
        rules = [function(rule, names, scalar) for rule in op.rules]
        for point in itertools.product(NUMBERS, repeat=op.arity):
            node = getattr(Value(point[0]), op.name)(*map(Value, point[1:]))
            assert _same(node.data, exact(*point)), (op, point)
            assert _same(scalar[op.name](*point), exact(*point)), (op, point)
            for found, rule in zip([node._da] if op.arity == 1 else [node._da, node._db], rules):
                assert _same(found, rule(*point, node.data)), (op, point)
    source = inspect.getsource(operations).splitlines()
    guards = {k + 2: source[k + 1] for k, line in enumerate(source) if line.strip() == "except RAISED:"}
    never = [line.strip() for k, line in guards.items() if k not in lines]
    assert len(never) == 8
    assert all("HYPOT" in line or "ATAN2" in line or "hypot_slope" in line for line in never)


def _same(a, b):
    return (a == b and (a != 0 or math.copysign(1, a) == math.copysign(1, b))) or (a != a and b != b)
