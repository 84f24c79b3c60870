"""to_jax: a kernel in JAX has the kernel's values and gradients, under jit, vmap, and sharded over devices."""

from __future__ import annotations

import random
import subprocess
import sys
from math import inf, nan

import pytest

from engine import OPS, Value, amax, amin, dot, grad, hessian, logsumexp, lower, mean, to_jax
from engine import sum as sum_of
from nn import MLP, binary_cross_entropy_with_logits, cross_entropy

jax = pytest.importorskip("jax")
numpy = pytest.importorskip("numpy")

pytestmark = pytest.mark.usefixtures("double_precision")


def loss_of(sizes, activation, output="sigmoid", nin=3):
    """The loss of a network as a kernel, and rows for it."""
    rng = random.Random(0)
    model = MLP(nin, sizes, activation=activation, output=output, seed=1)
    x = [Value(0.5, f"x{j}") for j in range(nin)]
    y = [Value(float(k == 0), f"y{k}") for k in range(sizes[-1])]
    z = model.logits(x)
    loss = cross_entropy(z, y) if output == "softmax" else binary_cross_entropy_with_logits(z, y[0])
    kernel = lower(loss, inputs=[*x, *y], wrt=model.parameters(), backend="source")
    rows = [[rng.gauss(0, 1) for _ in x] + [float(k == 0) for k in range(len(y))] for _ in range(6)]
    return kernel, rows


@pytest.mark.parametrize(
    ("sizes", "activation", "output"),
    [([1], "tanh", "sigmoid"), ([8, 5, 1], "relu", "sigmoid"), ([6, 3], "gelu", "softmax")],
)
def test_a_network(sizes, activation, output):
    """Value and gradient of the mean over rows, compiled by jit, are those of the kernel; and of each row by vmap."""
    kernel, rows = loss_of(sizes, activation, output)
    f, X = to_jax(kernel), numpy.array(rows)
    value, gradient = kernel(rows)
    found, slopes = jax.jit(jax.value_and_grad(f))(f.parameters, X)
    assert float(found) == pytest.approx(value, rel=1e-13)
    assert slopes.tolist() == pytest.approx(gradient, rel=1e-11, abs=1e-16)
    each = [kernel([row])[0] for row in rows]
    many = jax.jit(lambda p, X: (f(p, X, reduce="none"), f(p, X, reduce="sum"), jax.vmap(f, (None, 0))(p, X)))
    values, total, mapped = many(f.parameters, X)
    assert values.tolist() == pytest.approx(each, rel=1e-13)
    assert mapped.tolist() == pytest.approx(each, rel=1e-13)
    assert float(total) == pytest.approx(sum(each), rel=1e-13)


def test_a_layer_is_one_product():
    """The number of JAX's operations goes with the layers, not with the neurons or the weights."""
    counts = []
    for width in (4, 40):
        kernel, rows = loss_of([width, width, 1], "tanh")
        f = to_jax(kernel)
        jaxpr = jax.make_jaxpr(f)(f.parameters, numpy.array(rows))
        counts.append(str(jaxpr).count("\n"))
    assert counts[0] == counts[1]


def test_every_operation():
    """The sum of all operations, each at a point of its domain, has the kernel's value and gradient."""
    rng = random.Random(1)
    inputs, outputs, row = [], [], []
    for op in OPS.values():
        for box in op.domains if op.arity else ():
            leaves = [Value(rng.uniform(low, high), f"{op.name}.{k}") for k, (low, high) in enumerate(box)]
            call = getattr(leaves[0], op.name, None)
            if call is not None:
                outputs.append(call(*leaves[1:]))
                inputs += leaves
                row += [leaf.data for leaf in leaves]
    kernel = lower(sum_of(outputs), inputs=[], wrt=inputs, backend="source")
    f = to_jax(kernel)
    value, gradient = kernel()
    found, slopes = jax.jit(jax.value_and_grad(f))(f.parameters)
    assert float(found) == pytest.approx(value, rel=1e-12)
    assert slopes.tolist() == pytest.approx(gradient, rel=1e-11, abs=1e-14)


def test_several_outputs_and_any_order():
    """Operands from several places, n-ary operations, several outputs; second derivatives."""
    a = [Value(0.3 * k - 1, f"a{k}") for k in range(5)]
    w = [Value(0.1 * k + 0.5, f"w{k}") for k in range(5)]
    squares = [x * x for x in a]
    outputs = [dot(w, [a[3], squares[0], w[1], a[0], squares[4]], a[1]), mean([a[0], w[0], squares[2]]),
               logsumexp([*w, a[2]]), w[0] ** 2 * a[0], a[4], sum_of(w[:2]),
               amax([*w, w[4]]), amin([*a, w[0]])]  # fmt: skip
    kernel = lower(outputs, inputs=a, wrt=w, backend="source")
    f, rows = to_jax(kernel), numpy.array([[x.data for x in a], [1.0, 2.0, 3.0, 4.0, 5.0]])
    values, gradients = kernel(rows)
    both = jax.jit(lambda p: (f(p, rows), jax.jacobian(f)(p, rows), jax.hessian(lambda p: f(p, rows[0])[2])(p)))
    value, jacobian, found = both(f.parameters)
    assert value.tolist() == pytest.approx(values, rel=1e-13)
    numpy.testing.assert_allclose(jacobian, gradients, rtol=1e-12, atol=1e-15)
    numpy.testing.assert_allclose(found, hessian(outputs[2], w), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("function", [amax, amin])
@pytest.mark.parametrize("row", [[nan, 1.0], [1.0, nan, 2.0], [1.0, 1.0, 0.0, 0.0], [inf, inf], [-inf, 2.0]])
def test_the_share_of_the_largest_is_that_of_eager(function, row):
    """Those that tie share the gradient of amax and amin equally, and beside a nan there is none to share."""
    x = [Value(v) for v in row]
    f = to_jax(lower(function(x), [], x))
    expected = grad(function(x), x)
    for found in (jax.grad(f)(f.parameters), jax.jacfwd(f)(f.parameters)):
        numpy.testing.assert_array_equal(found, expected)
    assert not jax.hessian(f)(f.parameters).any()


def test_errors():
    """Wrong shapes and wrong things are refused with what was received."""
    kernel, rows = loss_of([1], "tanh")
    f = to_jax(kernel)
    with pytest.raises(TypeError, match="takes a Kernel"):
        to_jax(3)
    with pytest.raises(ValueError, match="4 inputs"):
        f(f.parameters, numpy.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"shape \(3,\), and the kernel has 4"):
        f(numpy.zeros(3), rows)
    with pytest.raises(ValueError, match="reduce is"):
        f(f.parameters, rows, reduce="max")


def test_sharded_over_devices():
    """With the rows spread over 4 devices a training takes the steps of one device, to 1e-10."""
    said = subprocess.run([sys.executable, "-c", _SHARDED], capture_output=True, text=True)
    if said.returncode < 0 and "rendezvous" in said.stderr.lower():
        pytest.skip("on a busy machine XLA gave up waiting for the threads of its simulated devices")
    assert said.returncode == 0, said.stderr
    assert said.stdout.split() == ["4", "True"]


_SHARDED = """
import jax, numpy
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_num_cpu_devices", 4)
from engine import Value, lower, to_jax
from nn import MLP, binary_cross_entropy_with_logits
from jax.sharding import Mesh, NamedSharding, PartitionSpec
model = MLP(2, [4, 1], activation="tanh")
x, y = [Value(0.0), Value(0.0)], Value(0.0)
f = to_jax(lower(binary_cross_entropy_with_logits(model.logits(x), y), inputs=[*x, y], wrt=model.parameters()))
rng = numpy.random.default_rng(0)
rows = rng.normal(size=(64, 3)); rows[:, 2] = rows[:, 0] * rows[:, 1] > 0
step = jax.jit(lambda p, rows: p - 0.5 * jax.grad(f)(p, rows))
mesh = Mesh(numpy.array(jax.devices()), ("data",))
spread = jax.device_put(rows, NamedSharding(mesh, PartitionSpec("data")))
one = many = f.parameters
for _ in range(20):
    one, many = step(one, rows), step(many, spread)
print(len(spread.sharding.device_set), bool(numpy.abs(numpy.array(one) - numpy.array(many)).max() < 1e-10))
"""
