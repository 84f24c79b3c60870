"""Where one machine is not enough: the same kernel in JAX, rows spread over four devices, step for step as on one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from engine import Value, lower, to_jax
from nn import MLP, SGD, binary_cross_entropy_with_logits, fit

from . import DemoError
from .datasets import moons
from .tour import Tour

DEVICES, STEPS, LEARNING_RATE = 4, 200, 1.0
AGREE = 1e-10


def main(tour: Tour) -> None:
    """Train in a process of its own: the number of simulated devices is chosen before JAX starts."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={DEVICES}"
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, "-m", f"{__package__}.data_parallel", str(tour.seed)], env=environment)
    if done.returncode:
        raise DemoError("the training on several devices failed, see above; JAX is needed: pip install jax")


def train(seed: int) -> None:
    try:
        import jax
    except ImportError:
        sys.exit("JAX is not installed: pip install jax")
    import numpy
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    rows, labels = moons(400, seed=seed)
    model = MLP(2, [16, 16, 1], activation="tanh", seed=seed)
    x, y = [Value(0.0, "x1"), Value(0.0, "x2")], Value(0.0, "y")
    loss = to_jax(lower(binary_cross_entropy_with_logits(model.logits(x), y), inputs=[*x, y], wrt=model.parameters()))
    table = numpy.array([[*row, label] for row, label in zip(rows, labels)])

    @jax.jit
    def step(parameters, table):
        value, gradient = jax.value_and_grad(loss)(parameters, table)
        return value, parameters - LEARNING_RATE * gradient

    mesh = Mesh(numpy.array(jax.devices()), ("rows",))
    spread = jax.device_put(table, NamedSharding(mesh, PartitionSpec("rows")))
    print(
        f"{len(jax.devices())} devices, each holds {spread.addressable_shards[0].data.shape[0]} of {len(table)} rows\n"
    )
    history = fit(model, rows, labels, optimizer=SGD(model.parameters(), lr=LEARNING_RATE), epochs=STEPS)
    print(f"{'step':>6}{'one device':>22}{'four devices':>22}{'nn.fit':>22}")
    one = many = loss.parameters
    apart = 0.0
    for k in range(STEPS):
        value, one = step(one, table)
        same, many = step(many, spread)
        apart = max(apart, abs(float(value) - float(same)), abs(float(value) - history.loss[k]))
        if k % 50 == 0 or k == STEPS - 1:
            print(f"{k:6}{float(value):22.16f}{float(same):22.16f}{history.loss[k]:22.16f}")
    ours = numpy.array([parameter.data for parameter in model.parameters()])
    apart = max(apart, float(numpy.abs(one - many).max()), float(numpy.abs(one - ours).max()))
    print(f"\nlosses of every step and parameters at the end agree to {apart:.1e}")
    if apart > AGREE:
        sys.exit(f"they differ by {apart:.1e}, more than {AGREE:g}")


if __name__ == "__main__":
    train(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
