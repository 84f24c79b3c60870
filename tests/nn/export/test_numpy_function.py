"""to_numpy: the function gives the model's outputs, and its source runs on its own."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
from conftest_export import every_model, model_of, outputs_of, rows

from nn import to_numpy

numpy = pytest.importorskip("numpy")


@pytest.mark.parametrize("model", every_model())
def test_outputs_are_those_of_the_model(model):
    """For every activation and output, with and without standardisation, and for one row as for many."""
    X = rows()
    f = to_numpy(model)
    expected = numpy.array(outputs_of(model, X))
    shaped = expected[:, 0] if expected.shape[1] == 1 else expected
    numpy.testing.assert_allclose(f(X), shaped, rtol=1e-12, atol=1e-15)
    numpy.testing.assert_allclose(f(X[0]), shaped[0], rtol=1e-12, atol=1e-15)


def test_the_source_is_a_program(tmp_path):
    """The source needs NumPy alone, and a program made of it prints the same numbers."""
    model = model_of("gelu", "softmax", 3, standardized=True)
    f, X = to_numpy(model), rows(2)
    file = tmp_path / "network.py"
    file.write_text(f.source + f"\nprint(network({X!r}).tolist())\n", encoding="utf-8")
    said = subprocess.run([sys.executable, "-I", str(file)], capture_output=True, text=True, check=True).stdout
    assert said.strip() == repr(f(X).tolist())


def test_the_source_can_be_looked_at():
    """inspect finds the function's source, as an editor and a traceback do."""
    assert inspect.getsource(to_numpy(model_of())).startswith("def network(X):")


def test_overflow_is_silent_and_right():
    """Both branches of a condition are computed for arrays: the one not taken may overflow without a warning."""
    import warnings

    model = model_of("softplus")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = to_numpy(model)([[1e5, -1e5, 1e5]])
    assert found.tolist() == [model([1e5, -1e5, 1e5]).data]


def test_only_an_mlp():
    """Anything else is refused by its type, and so is a model that is not finite."""
    with pytest.raises(TypeError, match=r"to_numpy takes an nn\.MLP, got int"):
        to_numpy(3)
    model = model_of()
    model.layers[0].neurons[0].bias.data = float("nan")
    with pytest.raises(ValueError, match=r"layer1\.neuron1\.b is nan"):
        to_numpy(model)
