"""to_jax: a branch not taken contributes nothing in JAX either, at first and second order, under jit and vmap."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from engine import OPS, Value, amax, dot, grad, hessian, leaky_relu, lower, maximum, to_jax, where

sys.path.append(str(Path(__file__).parents[1]))
from test_branches import CASES, close, truth

jax = pytest.importorskip("jax")
numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("name", CASES)
def test_each_row_has_the_derivatives_of_its_branch(name):
    """By the input: backward, forward, and both orders of them, mapped over rows and compiled in one go."""
    points = list(CASES[name][1])
    x = Value(points[-1])
    kernel = lower(CASES[name][0](x), inputs=[x], wrt=[], backend="source")
    f = to_jax(kernel)

    def y(x):
        return f(f.parameters, [[x]])

    ways = [y, jax.grad(y), jax.jacfwd(y), jax.grad(jax.grad(y)), jax.hessian(y)]
    found = jax.jit(jax.vmap(lambda x: [way(x) for way in ways]))(numpy.array(points))
    for order, values in zip((0, 1, 1, 2, 2), found):
        for at, value in zip(points, values.tolist()):
            assert close(value, truth(name, at, order)), (at, order)
    assert found[0].tolist() == pytest.approx(kernel([[at] for at in points], reduce="none")[0], rel=1e-14)


@pytest.mark.parametrize("name", ["where log", "maximum", "nested"])
def test_a_parameter(name):
    """The gradient of the mean over rows by a parameter, not compiled, is the kernel's."""
    x, w = Value(0.5), Value(1.0)
    kernel = lower(CASES[name][0](x * w), inputs=[x], wrt=[w], backend="source")
    f, rows = to_jax(kernel), [[at] for at in CASES[name][1]]
    assert jax.grad(f)(f.parameters, numpy.array(rows)).tolist() == pytest.approx(kernel(rows)[1], rel=1e-14)


def test_operands_that_are_shared():
    """A value that one branch leaves out and another use needs is reached; each element of a layer decides alone."""
    x = [Value(0.0, "x0"), Value(4.0, "x1"), Value(-1.0, "x2")]
    roots = [v.sqrt() for v in x]
    shared = [where(v.gt(0), r, v) for v, r in zip(x, roots)]
    y = dot([2.0, 3.0, 5.0], shared) + roots[1] + amax([roots[0] - 7, *x]) + maximum(x[0].log(), x[2])
    y = y + leaky_relu(x[1], x[0].log() * x[0])
    f = to_jax(lower(y, inputs=[], wrt=x, backend="source"))
    slopes, curves = jax.jit(lambda p: (jax.grad(f)(p), jax.hessian(f)(p)))(f.parameters)
    assert slopes.tolist() == pytest.approx(grad(y, x), rel=1e-14)
    numpy.testing.assert_allclose(curves, hessian(y, x), rtol=1e-13, atol=0)


RULES = [
    ("atan2", (0.0, 0.0)), ("hypot", (0.0, 0.0)), ("pow", (0.0, 2.0)), ("pow", (0.0, 3.0)), ("elu", (800.0, 1.0)),
    ("asin", (0.25,)), ("atanh", (0.1,)), ("atan", (1e200,)), ("relu", (0.0,)), ("leaky_relu", (3.0, 0.01)),
    ("clip", (5.0, -1.0, 1.0)), ("abs", (0.0,)), ("tanh", (400.0,)), ("logaddexp", (0.0, 1000.0)),
    ("sigmoid", (-800.0,)), ("softplus", (900.0,)), ("minimum", (1.0, 1.0)),
]  # fmt: skip


def test_branches_inside_a_rule():
    """At the edges of its rule an operation has the engine's gradient and Hessian, backward over backward."""
    from engine.jax_operations import jax_operations

    def both(points):
        found = []
        for (name, _), point in zip(RULES, points):
            function, arguments = jax_operations()[name], tuple(range(len(point)))
            first = jax.grad(function, arguments)
            found.append((first(*point), jax.jacrev(first, arguments)(*point)))
        return found

    for (name, point), (slopes, curves) in zip(RULES, jax.jit(both)([point for _, point in RULES]), strict=True):
        leaves = [Value(x) for x in point]
        y = getattr(leaves[0], name)(*leaves[1:])
        assert OPS[name].arity == len(point)
        numpy.testing.assert_allclose(slopes, grad(y, leaves), rtol=1e-13, err_msg=name)
        numpy.testing.assert_allclose(numpy.array(curves), hessian(y, leaves), rtol=1e-12, atol=1e-300, err_msg=name)


def test_networks_need_no_care():
    """The program of a network with relu is left as it is, and costs nothing more."""
    from engine.lowering.reached import harmless
    from nn import MLP, binary_cross_entropy_with_logits

    model = MLP(3, [5, 1], activation="relu")
    x = [Value(0.5) for _ in range(3)]
    kernel = lower(binary_cross_entropy_with_logits(model.logits(x), 1.0), inputs=x, wrt=model.parameters())
    assert harmless(kernel.program) is kernel.program
