"""What the tests of other small engines claim, put to this one: micrograd, HIPS autograd, minitorch's scalars."""

from __future__ import annotations

import math
import random

import pytest

from engine import Value, exp, grad, gradcheck, hessian, jacobian, log, sigmoid, sin, tanh, toposort


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


def test_every_operation_of_two_arguments_in_either_and_in_both():
    """Derivatives of the first argument, of the second, and of one that stands in both places: the sum of the two."""
    for function in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a * b, lambda a, b: a / b, lambda a, b: a**b):
        for p, q in ((1.7, 0.6), (0.4, 2.5)):
            a, b, both = Value(p), Value(q), Value(p)
            first, second = grad(function(a, b), [a, b])
            assert first == pytest.approx(slope(lambda v, f=function, q=q: f(v, q), p), rel=1e-7)
            assert second == pytest.approx(slope(lambda v, f=function, p=p: f(p, v), q), rel=1e-7)
            at_both = grad(function(a, c := Value(p)), [a, c])
            assert grad(function(both, both), both) == pytest.approx(sum(at_both), rel=1e-14)


def test_third_derivatives_of_one_argument_among_several():
    """Taken again and again with respect to the same argument, the others held."""
    a, b = Value(0.6), Value(1.4)
    y = a * a * a * b + sin(a * b)
    for _ in range(3):
        y = grad(y, a, create_graph=True)
    assert y.data == pytest.approx(6 * 1.4 - 1.4**3 * math.cos(0.6 * 1.4), rel=1e-13)


def test_what_is_not_a_single_number_has_no_gradient():
    """A list of outputs is refused, and the error says which function takes several."""
    x = Value(1.0)
    with pytest.raises(TypeError, match="jacobian takes several"):
        grad([x * 2, x * 3], x)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"item 0 is 3.0 of type float: pass a Value"):
        grad(3.0, x)  # type: ignore[call-overload]


def test_zero_to_a_power_and_a_power_that_is_a_variable():
    """0**1 has the slope 1 and 0**2 the slope 0; a power differentiates by its exponent too."""
    x = Value(0.0)
    assert grad(x**1, x) == 1.0
    assert grad(x**2, x) == 0.0
    b = Value(1.5)
    assert grad(2.0**b, b) == pytest.approx(2**1.5 * math.log(2), rel=1e-14)


def test_arithmetic_keeps_the_laws_of_arithmetic():
    """Sums and products do not mind the order; a product spreads over a sum; a reciprocal undoes itself."""
    chance = random.Random(1)
    for _ in range(50):
        p, q, r = (chance.uniform(-10, 10) for _ in range(3))
        a, b, c = Value(p), Value(q), Value(r)
        assert (a + b).data == (b + a).data
        assert (a * b).data == (b * a).data
        left, right = a * (b + c), a * b + a * c
        assert left.data == pytest.approx(right.data, abs=1e-12)
        assert grad(left, [a, b, c]) == pytest.approx(grad(right, [a, b, c]), abs=1e-12)
        assert a.neg().neg().data == p
        assert a.reciprocal().reciprocal().data == pytest.approx(p)
        assert grad(a.reciprocal().reciprocal(), a) == pytest.approx(1.0)


def test_comparisons_order_numbers_and_stop_gradients():
    """Of two numbers one is smaller or they are equal; what depends on a comparison alone has the derivative 0."""
    chance = random.Random(2)
    for _ in range(50):
        a, b = Value(chance.uniform(-1, 1)), Value(chance.choice([0.5, -0.5]))
        assert a.lt(b).data + a.gt(b).data + a.eq(b).data == 1.0
        assert (a < b) is (a.data < b.data)
        assert grad(a.lt(b) * 3.0, [a, b]) == [0.0, 0.0]
        assert a.maximum(b).data == max(a.data, b.data)
        assert a.relu().data == max(a.data, 0.0)


def test_parents_come_before_children_and_constants_are_left_out():
    """The order of the nodes; a node occurs once, however often it is used."""
    a, b = Value(1.0), Value(2.0)
    c = a * b
    d = c + c * a
    order = toposort(d)
    place = {node: k for k, node in enumerate(order)}
    assert len(place) == len(order) == 5
    assert all(place[parent] < place[node] for node in order for parent in node.parents)


def test_the_gradient_at_a_leaf_adds_up_until_it_is_cleared():
    """backward twice adds twice; zero_grad starts anew."""
    a = Value(3.0)
    for k in (1, 2, 3):
        (a * a).backward()
        assert a.grad == 6.0 * k
    y = a * a
    y.zero_grad()
    y.backward()
    assert a.grad == 6.0
