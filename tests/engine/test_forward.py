"""Products of derivatives with vectors equal the matrix times the vector, and cost no matrix."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
from engine import Value, hessian, hvp, jacobian, jvp, vjp

numbers = st.floats(-2.0, 2.0)


def outputs(a: Value, b: Value, c: Value) -> list[Value]:
    shared = (a * b).tanh()
    return [shared + c, shared * shared - a.sin(), c.exp() * b, a * 0.0 + 2.0]


def times(matrix: list[list[float]], vector: list[float]) -> list[float]:
    return [math.fsum(m * v for m, v in zip(row, vector)) for row in matrix]


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_jvp_is_the_jacobian_times_the_vector(point, vector):
    """A forward sweep agrees with the backward sweeps of jacobian, row by row."""
    leaves = [Value(x) for x in point]
    rows = outputs(*leaves)
    assert jvp(rows, leaves, vector) == pytest.approx(times(jacobian(rows, leaves), vector), abs=1e-12)


@given(st.tuples(numbers, numbers, numbers), st.lists(numbers, min_size=4, max_size=4))
def test_vjp_is_the_vector_times_the_jacobian(point, vector):
    """One backward sweep from several outputs agrees with the weighted sum of the Jacobian's rows."""
    leaves = [Value(x) for x in point]
    rows = outputs(*leaves)
    transposed = [list(column) for column in zip(*jacobian(rows, leaves))]
    assert vjp(rows, leaves, vector) == pytest.approx(times(transposed, vector), abs=1e-12)


@given(st.tuples(numbers, numbers, numbers), st.tuples(numbers, numbers, numbers))
def test_hvp_is_the_hessian_times_the_vector(point, vector):
    """Forward over reverse agrees with the whole Hessian."""
    leaves = [Value(x) for x in point]
    output = engine.sum(outputs(*leaves)[:3])
    assert hvp(output, leaves, vector) == pytest.approx(times(hessian(output, leaves), vector), rel=1e-10, abs=1e-10)


def test_jvp_agrees_with_a_complex_step():
    """The derivative along a direction is the imaginary part of a complex step along it."""
    import cmath

    x, v, h = (0.3, -0.7), (1.5, -0.25), 1e-30
    moved = [complex(a, h * t) for a, t in zip(x, v)]
    expected = (cmath.exp(cmath.sin(moved[0]) * moved[1]) / moved[0]).imag / h
    a, b = map(Value, x)
    assert jvp([(a.sin() * b).exp() / a], [a, b], v)[0] == pytest.approx(expected, rel=1e-14)


def test_intermediate_nodes_move_by_themselves_and_with_their_operands():
    """wrt may hold computed nodes, as in jacobian: each moves along its own tangent besides what reaches it."""
    a = Value(0.5)
    b = a * a
    c = b * a
    assert jvp([c], [a, b], [1.0, 1.0]) == pytest.approx(times(jacobian([c], [a, b]), [1.0, 1.0]))


def test_nothing_comes_from_where_nothing_moves():
    """An infinite derivative along what does not move, or through an operand that was not chosen, adds no nan."""
    x, y = Value(0.0), Value(1.0)
    assert jvp([x.sqrt() + y * 3], [x, y], [0.0, 1.0]) == [3.0]
    assert vjp([x.sqrt(), y * 3], [x, y], [0.0, 1.0]) == [0.0, 3.0]
    assert jvp([x * 2, x.sqrt()], [x], [1.0]) == [2.0, math.inf]
    assert jvp([], [x], [1.0]) == []


def test_depth_is_no_limit():
    """The sweeps are loops: depth is no limit."""
    y = x = Value(1.0)
    for _ in range(20_000):  # twenty times what recursion allows
        y = y * 1.0
    assert jvp([y], [x], [2.0]) == [2.0]
    assert hvp(y, [x], [1.0]) == [0.0]


@pytest.mark.parametrize("function", [jvp, vjp, hvp])
def test_a_vector_that_does_not_fit_is_refused(function):
    """Its length, or what it holds, is named."""
    a = Value(1.0)
    first = a * a if function is hvp else [a * a]
    with pytest.raises(ValueError, match="got 2 and 1"):
        function(first, [a], [1.0, 2.0])
    with pytest.raises(TypeError, match="takes a real number, got 'x'"):
        function(first, [a], ["x"])
    with pytest.raises(TypeError, match=r"takes a list of numbers, got 1\.0"):
        function(first, [a], 1.0)
    with pytest.raises(TypeError, match="put it in a list"):
        function(first, a, [1.0])
