"""What the tests of other small engines claim, put to this one: micrograd, HIPS autograd, minitorch's scalars."""

from __future__ import annotations

import math
import random

import pytest

from engine import Value, exp, grad, gradcheck, hessian, jacobian, log, sigmoid, sin, tanh


def slope(function, x, h=1e-6):
    """The central difference of a function of one number."""
    return (function(Value(x + h)).data - function(Value(x - h)).data) / (2 * h)


def test_a_node_used_in_many_ways_collects_every_way():
    """An expression that uses its leaves again and again, with relu and powers, has the gradient of differences."""

    def function(a, b):
        c = a + b
        d = a * b + b**3
        c = c + (c + 1)
        c = c + (1 + c + (-a))
        d = d + (d * 2 + (b + a).relu())
        d = d + (3 * d + (b - a).relu())
        e = c - d
        f = e**2
        return f / 2.0 + 10.0 / f

    report = gradcheck(function, [-4.0, 2.0])
    assert [d.status for d in report.derivatives] == ["ok", "ok"]


@pytest.mark.parametrize("x", [-1.5, 0.3, 2.0])
def test_numbers_stand_on_either_side(x):
    """2 + a, 2 - a, 2 * a, 2 / a and 2 ** a differentiate as their mirror images do."""
    for function in (lambda a: 2 + a, lambda a: 2 - a, lambda a: 2 * a, lambda a: 2 / a, lambda a: 2**a):
        a = Value(x)
        assert grad(function(a), a) == pytest.approx(slope(function, x), rel=1e-8)


def test_a_gradient_can_be_differentiated_again_and_again():
    """Repeated grad takes the derivatives of sin round in four steps."""
    x = Value(0.7)
    y, found = sin(x), []
    for _ in range(6):
        y = grad(y, x, create_graph=True)
        found.append(y.data)
    expected = [math.cos(0.7), -math.sin(0.7), -math.cos(0.7), math.sin(0.7)]
    assert found == pytest.approx((expected * 2)[:6], rel=1e-14)


def test_a_gradient_through_a_gradient():
    """d/dx of x times the derivative of tanh at x: a gradient inside the function that is differentiated."""
    x = Value(0.4)
    inner = grad(tanh(x), x, create_graph=True)
    t = math.tanh(0.4)
    assert grad(x * inner, x) == pytest.approx((1 - t * t) - 0.4 * 2 * t * (1 - t * t), rel=1e-13)


def test_a_constant_function_and_an_unused_argument_have_gradient_0():
    """What the output does not depend on has the derivative 0.0, and is no error."""
    x, z = Value(1.0), Value(2.0)
    assert grad(Value(3.0) * 1.0, [x]) == [0.0]
    assert grad(x * x, [x, z]) == [2.0, 0.0]


def test_the_hessian_is_symmetric_and_the_jacobian_its_rows():
    """Second derivatives do not depend on the order in which they are taken."""
    values = [Value(x) for x in (0.3, -0.8, 1.2)]
    a, b, c = values
    y = exp(a * b) * sin(c) + log(1.5 + a * c)
    found = hessian(y, values)
    for i in range(3):
        for j in range(3):
            assert found[i][j] == pytest.approx(found[j][i], rel=1e-13)
    assert jacobian(grad(y, values, create_graph=True), values) == found


def test_branches_of_python_are_differentiated_as_they_were_taken():
    """A condition and a loop in the function build the graph of this run."""

    def function(x, n):
        y = x
        for _ in range(n):
            y = y * x if y > 0.5 else sin(y)
        return y

    for x in (0.9, 1.4, -0.6):
        a = Value(x)
        assert grad(function(a, 4), a) == pytest.approx(slope(lambda v: function(v, 4), x), rel=1e-7)


def test_sigmoid_is_what_its_properties_say():
    """Between 0 and 1, 1 - σ(x) = σ(-x), ½ at 0, and strictly increasing where numbers can tell."""
    chance = random.Random(0)
    for _ in range(50):
        x = chance.uniform(-30, 30)
        y = sigmoid(Value(x)).data
        assert 0 < y < 1
        assert 1 - y == pytest.approx(sigmoid(Value(-x)).data, abs=1e-15)
        assert sigmoid(Value(x + 1e-2)).data > y
        assert grad(sigmoid(v := Value(x)), v) > 0
    assert sigmoid(Value(0.0)).data == 0.5


def test_the_chain_rule_step_by_step():
    """backward of a chain gives each node the product of the local derivatives from it to the output."""
    x = Value(1.3)
    y = log(x)
    z = y * y
    out = exp(z)
    out.backward()
    assert out.grad == 1.0
    assert z.grad == pytest.approx(out.data)
    assert y.grad == pytest.approx(out.data * 2 * y.data)
    assert x.grad == pytest.approx(out.data * 2 * y.data / 1.3)
