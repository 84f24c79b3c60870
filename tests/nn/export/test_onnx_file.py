"""to_onnx: onnxruntime gives the model's outputs in double precision."""

from __future__ import annotations

import pytest
from conftest_export import every_model, model_of, outputs_of, rows

from engine import OPS
from engine.ieee import scalar
from nn import MLP, to_onnx

numpy = pytest.importorskip("numpy")
onnx = pytest.importorskip("onnx")
runtime = pytest.importorskip("onnxruntime")


def run(model, path, X):
    to_onnx(model, path)
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"x": numpy.array(X, dtype=float)})[0]


@pytest.mark.parametrize("model", every_model())
def test_outputs_are_those_of_the_model(model, tmp_path):
    """For every activation and output, with and without standardisation."""
    found = run(model, tmp_path / "m.onnx", rows())
    numpy.testing.assert_allclose(found, outputs_of(model, rows()), rtol=1e-11, atol=1e-13)


POINTS = [-700.0, -30.0, -7.0, -1.0, -0.6, -1e-9, 0.0, 1e-9, 0.3, 0.99, 1.0, 2.0, 5.5, 31.0, 700.0, 1e300]


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity == 1])
def test_each_activation_over_the_range(name, tmp_path):
    """Each operation of one argument agrees with the engine's from tiny to huge arguments, nan and infinity too."""
    model = MLP(1, [1, 1], activation=name, output="linear")
    for layer in model.layers:
        layer.W, layer.b = [[1.0]], [0.0]
    found = run(model, tmp_path / "m.onnx", [[x] for x in POINTS])[:, 0]
    expected = [scalar[name](x, *OPS[name].defaults) for x in POINTS]
    if name in ("sin", "cos", "tan"):  # the last arguments are beyond what any reduction in doubles can do alike
        found, expected = found[:-1], expected[:-1]
    numpy.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12 if name == "gelu" else 1e-15)


def test_the_file_is_valid_and_names_its_tensors(tmp_path):
    """The checker of the package onnx accepts the file; rows are free, inputs and outputs are not."""
    model = model_of("relu", "softmax", 3)
    to_onnx(model, tmp_path / "m.onnx")
    read = onnx.load(str(tmp_path / "m.onnx"))
    onnx.checker.check_model(read, full_check=True)
    (x,), (y,) = read.graph.input, read.graph.output
    shapes = [[d.dim_param or d.dim_value for d in t.type.tensor_type.shape.dim] for t in (x, y)]
    assert (x.name, y.name, shapes) == ("x", "y", [["rows", 3], ["rows", 3]])
