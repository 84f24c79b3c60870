"""to_jax: outputs, gradients and second derivatives in JAX are those of the engine, under jit and vmap too."""

from __future__ import annotations

import pytest
from conftest_export import every_model, model_of, outputs_of, rows

from engine import OPS, Value, grad, hessian
from nn import binary_cross_entropy_with_logits, to_jax

jax = pytest.importorskip("jax")
numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.usefixtures("double_precision")


@pytest.mark.parametrize("model", every_model(["sigmoid", "relu", "leaky_relu", "linear"]))
def test_outputs_are_those_of_the_model(model):
    """For activations of each kind and every output, standardised or not, for rows, for one row, and under vmap."""
    f, X = to_jax(model), numpy.array(rows())
    expected = numpy.array(outputs_of(model, rows()))
    shaped = expected[:, 0] if expected.shape[1] == 1 else expected
    numpy.testing.assert_allclose(f(f.parameters, X), shaped, rtol=1e-12, atol=1e-15)
    numpy.testing.assert_allclose(f(f.parameters, X[0]), shaped[0], rtol=1e-12, atol=1e-15)
    numpy.testing.assert_allclose(jax.vmap(f, (None, 0))(f.parameters, X), shaped, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("activation", ["tanh", "relu", "softplus", "gelu", "leaky_relu", "atan"])
def test_gradients_are_those_of_the_model(activation):
    """jax.grad under jit gives the engine's gradient."""
    model, x = model_of(activation), rows(1)[0]
    f = to_jax(model)

    def loss(parameters):
        z = f.logits(parameters, numpy.array(x))
        return jax.numpy.logaddexp(0.0, -z)

    found = jax.jit(jax.grad(loss))(f.parameters)
    flat = [p for layer in found for row, b in zip(layer["W"].tolist(), layer["b"].tolist()) for p in (*row, b)]
    expected = grad(binary_cross_entropy_with_logits(model.logits(x), 1.0), model.parameters())
    assert flat == pytest.approx(expected, rel=1e-11, abs=1e-15)


SMOOTH = [op for op in OPS.values() if op.arity and op.name not in ("bce", "bce_with_logits")]


@pytest.mark.parametrize("op", SMOOTH, ids=lambda op: op.name)
def test_each_operation_and_its_derivatives(op):
    """Value, gradient and Hessian of every operation in JAX are the engine's, at a point of each box of its row."""
    from engine.jax_operations import jax_operations

    function = jax_operations()[op.name]
    for box in op.domains:
        point = [low + 0.37 * (high - low) for low, high in box]
        leaves = [Value(x) for x in point]
        y = getattr(leaves[0], op.name)(*leaves[1:])
        arguments = tuple(range(len(point)))
        numpy.testing.assert_allclose(function(*point), y.data, rtol=1e-13, atol=1e-300)
        numpy.testing.assert_allclose(jax.grad(function, arguments)(*point), grad(y, leaves), rtol=1e-12, atol=1e-14)
        found = jax.hessian(function, arguments)(*map(jax.numpy.asarray, point))
        numpy.testing.assert_allclose(numpy.array(found), hessian(y, leaves), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "point", "slopes"),
    [("relu", [0.0], [0.0]), ("abs", [0.0], [0.0]), ("maximum", [2.0, 2.0], [0.5, 0.5]), ("hypot", [0.0, 0.0], [0, 0])],
)
def test_kinks_are_those_of_the_table(name, point, slopes):
    """At a kink JAX gives the derivative that the table states, not its own."""
    from engine.jax_operations import jax_operations

    assert list(jax.grad(jax_operations()[name], tuple(range(len(point))))(*point)) == slopes
