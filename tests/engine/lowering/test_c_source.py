"""c_source: the generated C compiles without a warning, and gives the kernel's values and gradients."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from engine import OPS, Value, amax, amin, dot, logsumexp, lower, mean, where
from engine import sum as sum_of
from engine.lowering.c_source import generate
from nn import MLP, binary_cross_entropy_with_logits, cross_entropy

ctypes = pytest.importorskip("ctypes")
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
pytestmark = pytest.mark.skipif(CC is None, reason="no C compiler")

STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]


def compiled(source, folder, level):
    k = len(list(folder.iterdir()))  # a library that is loaded is not loaded again from the same path
    file, library = folder / f"kernel{k}.c", folder / f"kernel{k}.so"
    file.write_text(source, encoding="utf-8")
    subprocess.run([CC, level, *STRICT, str(file), "-o", str(library), "-lm"], check=True, capture_output=True)
    return ctypes.CDLL(str(library)).kernel


def run(function, kernel, row):
    """outputs and gradients of the C function, as the kernel lists them."""
    program = kernel.program
    outputs = (ctypes.c_double * len(program.outputs))()
    width = len(program.wrt)
    gradients = (ctypes.c_double * max(1, len(program.outputs) * width))()
    parameters = [node.data for node in program.parameter_values]
    function((ctypes.c_double * max(1, len(row)))(*row), (ctypes.c_double * max(1, len(parameters)))(*parameters),
             outputs, gradients)  # fmt: skip
    return list(outputs), [list(gradients)[k * width : (k + 1) * width] for k in range(len(program.outputs))]


def check(outputs, inputs, wrt, rows, folder, level="-O3"):
    kernel = lower(outputs, inputs=inputs, wrt=wrt, backend="source")
    function = compiled(kernel.c_source, folder, level)
    for row in rows:
        values, gradients = kernel([row])
        found = run(function, kernel, row)
        assert found[0] == pytest.approx(values, rel=1e-12, abs=1e-300, nan_ok=True)
        for got, expected in zip(found[1], gradients, strict=True):
            assert got == pytest.approx(expected, rel=1e-11, abs=1e-14, nan_ok=True)
    return kernel


@pytest.mark.parametrize(
    ("sizes", "activation", "output"),
    [([1], "tanh", "sigmoid"), ([7, 5, 1], "gelu", "sigmoid"), ([6, 3], "relu", "softmax"), ([9, 8], "sin", "sigmoid")],
)
def test_a_network(sizes, activation, output, tmp_path):
    """The loss of a network and its gradient, with a loop for the gradient of each neuron."""
    rng = random.Random(0)
    model = MLP(6, sizes, activation=activation, output=output, seed=1)
    x = [Value(0.5, f"x{j}") for j in range(6)]
    y = [Value(0.0, f"y{k}") for k in range(sizes[-1])]
    y[0].data = 1.0
    z = model.logits(x)
    if output == "softmax":
        loss = cross_entropy(z, y)
    else:
        loss = binary_cross_entropy_with_logits(z, y if len(y) > 1 else y[0])
    rows = [[rng.gauss(0, 1) for _ in x] + [1.0] + [0.0] * (len(y) - 1) for _ in range(5)]
    kernel = check([loss], [*x, *y], model.parameters(), rows, tmp_path)
    lines = kernel.c_source.count("\n")
    assert lines < 40 * (sum(sizes) + 6), "a few lines for each neuron, not for each weight"


def test_every_operation(tmp_path):
    """Each operation of one to three arguments, and its rules, at a point of each box of its row, in one program."""
    rng = random.Random(1)
    inputs, outputs, row = [], [], []
    for op in OPS.values():
        for box in op.domains if op.arity else ():
            point = [rng.uniform(low, high) for low, high in box]
            leaves = [Value(x, f"{op.name}.{k}") for k, x in enumerate(point)]
            call = getattr(leaves[0], op.name, None)
            if call is None:
                continue
            outputs.append(call(*leaves[1:]))
            inputs += leaves
            row += point
    check([sum_of(outputs), *outputs[::3]], inputs, inputs, [row], tmp_path, "-O1")  # a long program


def test_many_operands(tmp_path):
    """n-ary operations of few operands and of many, in an order that no array has, and with the same one twice."""
    a = [Value(0.3 * k - 2, f"a{k}") for k in range(12)]
    w = [Value(0.1 * k, f"w{k}") for k in range(12)]
    shuffled = [a[k] for k in (3, 1, 4, 10, 5, 9, 2, 6)]
    squares = [x * x for x in a]
    outputs = [
        sum_of(a[:3]) + mean(a[:4]), sum_of(squares), mean(shuffled), logsumexp(a), logsumexp(shuffled),
        dot(w[:3], a[:3], w[5]), dot(w, squares), dot(w[:8], shuffled), dot(w[::-1], a, a[0]), dot(a[:6], a[:6]),
        where(a[0].gt(a[1]), a[2], a[3]), a[5] ** 2, amax(a), amin([a[3], *w, a[3]]),
        a[0].detach() if hasattr(a[0], "detach") else a[0] + 1,
    ]  # fmt: skip
    check(outputs, a, [*w, *a], [[x.data for x in a], [-x.data for x in a]], tmp_path)


def test_nan_and_infinity(tmp_path):
    """IEEE results as in the other backends: poles, overflow, nan."""
    x = Value(0.0, "x")
    outputs = [1 / x, x.log(), x.exp(), logsumexp([x, x * 2, x, x, x]), x.sqrt(), x.maximum(1.0)]
    inf, nan = float("inf"), float("nan")
    check(outputs, [x], [x], [[v] for v in (0.0, -0.0, -1.0, 800.0, inf, -inf, nan)], tmp_path)


def test_labels_from_anywhere(tmp_path):
    """A label stands in a comment, and nothing that it says ends the comment or continues the line."""
    hostile = ["*/ int x; /*", "a\\", "??/", "\n#error", "é→", "// y", '"', "%d"]
    leaves = [Value(1.0, label) for label in hostile]
    total = sum_of(leaves)
    total.label = "*/ }"
    kernel = check([total * total], leaves[:4], leaves[4:], [[1.0, 2.0, 3.0, 4.0]], tmp_path)
    assert kernel.c_source.isascii()


def test_nothing_to_differentiate_and_nothing_given(tmp_path):
    """No gradients, no inputs, an output that is an input or a number: arguments that are not used raise no warning."""
    x, p = Value(2.0, "x"), Value(3.0, "p")
    check([x], [x], [], [[4.0]], tmp_path)
    check([p * p], [], [p], [[]], tmp_path)
    check([x * 0 + 1, p], [x], [p], [[4.0]], tmp_path)


def test_the_interface_is_the_documented_one():
    """The function's signature is the one that the documentation states, and <math.h> is all that is included."""
    x = Value(1.0, "x")
    source = lower(x * x, inputs=[x], wrt=[x]).c_source
    signature = "void kernel(const double *inputs, const double *parameters, double *outputs, double *gradients)"
    assert signature in source
    assert [line for line in source.splitlines() if line.startswith("#")] == ["#include <math.h>"]


@pytest.mark.parametrize("name", ["", "2nd", "a b", "a-b", "größe", "for", "double", "exp", "op_softplus"])
def test_a_function_that_c_could_not_have(name):
    """What is no name in C, a word of C, and what the file or <math.h> calls so, cannot be its name."""
    program = lower(Value(1.0, "x").softplus(), inputs=[], wrt=[]).program
    assert "void op(" in generate(program, "op")
    with pytest.raises(ValueError, match="cannot be called"):
        generate(program, name)


def test_several_outputs_with_loops(tmp_path):
    """The gradients of several outputs stand one after another, those written as loops too."""
    x = [Value(0.1 * k + 1, f"x{k}") for k in range(7)]
    w = [Value(0.2 * k - 1, f"w{k}") for k in range(7)]
    outputs = [dot(w, x, x[0]).tanh(), dot(w, x[::-1]).sin(), dot(w, x).exp() * w[3]]
    kernel = check(outputs, x, w, [[v.data for v in x], [2.0] * 7], tmp_path)
    assert kernel.c_source.count("    for (int i = 0; i < 7; i++)\n        gradients[") == 2


@pytest.mark.parametrize(
    "order", [range(9), (0, 1, 2, 3, 4, 5, 7, 6, 8), (0, 1, 2, 3, 4, 8, 7, 6, 5), (8, 0, 2, 4, 6, 1, 3, 5, 7)]
)
def test_a_run_of_products_ends_where_its_factors_are_no_longer_evenly_spaced(order, tmp_path):
    """A loop writes the derivatives whose factors lie evenly in one array; the others follow, each in its place."""
    x, w = [Value(0.1 * k - 0.3, f"x{k}") for k in range(9)], [Value(0.2 * k + 0.4, f"w{k}") for k in range(9)]
    y = (dot(w, [x[k] for k in order]) * 0.7).tanh()
    check([y, w[0] * x[3]], x, w, [[0.1 * k - 0.2 for k in range(9)], [0.5, -1.0] * 4 + [2.0]], tmp_path)
