"""An operation of the user's own goes every way out as any other does."""

from __future__ import annotations

import subprocess
import sys

import pytest

CODE = """
import sys
from engine import Value, define, grad, lower, to_jax
from nn import MLP, to_c, to_jax as network_to_jax, to_numpy, to_onnx, to_torch
define("softsign", "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")
model = MLP(2, [3, 1], activation="softsign", output="linear", seed=1)
x = [0.5, -1.5]
expected = model(x)
slopes = grad(expected, model.parameters())
{body}
print("agrees")
"""

BODIES = {
    "numpy": "assert abs(to_numpy(model)(x) - expected.data) < 1e-14",
    "torch": """
import torch
y = to_torch(model)(torch.tensor([x], dtype=torch.float64))
assert abs(y.item() - expected.data) < 1e-14""",
    "jax": """
import jax
jax.config.update("jax_enable_x64", True)
f = network_to_jax(model)
assert abs(float(f(f.parameters, x)) - expected.data) < 1e-14
leaves = [Value(0.0), Value(0.0)]
g = to_jax(lower(model(leaves), inputs=leaves, wrt=model.parameters()))
found = jax.grad(g)(g.parameters, [x])
assert max(abs(float(a) - b) for a, b in zip(found, slopes)) < 1e-14""",
    "onnxruntime": """
import numpy, onnxruntime, os, tempfile
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "m.onnx")
    to_onnx(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {"x": numpy.array([x])})
assert abs(y[0, 0] - expected.data) < 1e-14""",
    "ctypes": """
leaves = [Value(0.0), Value(0.0)]
source = lower(model(leaves), inputs=leaves, wrt=model.parameters()).c_source
assert "op_softsign" in source or "fabs" in source""",
}


@pytest.mark.parametrize("extra", BODIES)
def test_it_goes_every_way_out(extra):
    """Outputs, and gradients where the target has them, are those of the model. In processes: the table stays."""
    pytest.importorskip(extra)
    if extra == "onnxruntime":
        pytest.importorskip("onnx")
    code = CODE.replace("{body}", BODIES[extra])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=None)
    assert done.stdout.strip() == "agrees", done.stderr
