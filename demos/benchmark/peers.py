"""One step of gradient descent on a 2-H-H-1 sigmoid network, by us and by what a user might take instead.

Each peer runs in a process of its own, on one processor: ``python -m demos.benchmark.peers NAME HIDDEN SAMPLES`` prints
one line of JSON. All start from the same points and weights and take the same steps, full batch with learning rate 0.1
and one sample at a time with 0.05; the loss after three steps shows that they do the same work.
"""

from __future__ import annotations

import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demos.datasets import Labels, Rows, moons
from nn import MLP, SGD, fit

from .alone import report, run_alone

clock = time.perf_counter
FULL_RATE, SINGLE_RATE = 0.1, 0.05  # larger ones saturate the widest network, and peers without logits get nan
SCANNED = 100  # steps in one call of JAX's scan

Layers = list[tuple[list[list[float]], list[float]]]  # weights, a row a neuron, and biases
Contestant = tuple[Callable[[], None], Callable[[], float]]
Make = Callable[[Rows, Labels, float], Contestant]


def problem(hidden: int, samples: int) -> tuple[Rows, Labels, Layers]:
    """Two moons, and the initial weights of our MLP for every peer."""
    X, y = moons(samples)
    layers = [
        ([[w.data for w in neuron.weights] for neuron in layer.neurons], [neuron.bias.data for neuron in layer.neurons])
        for layer in MLP(2, [hidden, hidden, 1]).layers
    ]
    return X, y, layers


def measured(make: Make, X: Rows, y: Labels, steps: int = 1) -> dict[str, float]:
    """Times of a peer. ``make(X, y, lr)`` gives a function that takes ``steps`` steps, and one for the loss."""
    begun = clock()
    step, loss = make(X, y, FULL_RATE)
    step()
    first = clock() - begun
    found = {"first": first}
    if steps == 1:
        step()
        step()
        found["loss"] = loss()
    found["full"] = _median_time(step) / steps
    step, _ = make(X[:1], y[:1], SINGLE_RATE)
    found["single"] = _median_time(step) / steps
    return found


def _median_time(step: Callable[[], object], budget: float = 0.5, rounds: int = 7) -> float:
    """Median seconds a call."""
    step()
    begun = clock()
    step()
    count = max(1, int(budget / rounds / max(clock() - begun, 1e-7)))
    times = []
    for _ in range(rounds):
        begun = clock()
        for _ in range(count):
            step()
        times.append((clock() - begun) / count)
    return statistics.median(times)


def ours(backend: str, hidden: int, samples: int) -> dict[str, float]:
    """A step as ``fit`` does it: the time of a long run less that of a short one, for each step between them."""
    X, y, _ = problem(hidden, samples)

    def seconds(epochs: int, lr: float, batch_size: int | None) -> float:
        model = MLP(2, [hidden, hidden, 1])
        optimizer = SGD(model.parameters(), lr=lr)
        begun = clock()
        fit(model, X, y, optimizer=optimizer, epochs=epochs, batch_size=batch_size, backend=backend, progress=False)
        return clock() - begun

    def a_step(lr: float, batch_size: int | None, most: int) -> float:
        per_epoch = 1 if batch_size is None else samples
        rough = max(1e-7, seconds(2, lr, batch_size) - seconds(1, lr, batch_size)) / per_epoch
        epochs = max(1, min(most, round(0.5 / rough)) // per_epoch)
        short = max(1, epochs // 10)
        rounds = 5 if rough * epochs * per_epoch < 1 else 3
        times = [seconds(short + epochs, lr, batch_size) - seconds(short, lr, batch_size) for _ in range(rounds)]
        return statistics.median(times) / (epochs * per_epoch)

    first = seconds(1, FULL_RATE, None)
    model = MLP(2, [hidden, hidden, 1])
    history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=FULL_RATE), epochs=4, backend=backend)
    if history.backend != backend:
        raise ImportError(history.backend_reason)
    return {"first": first, "loss": history.loss[3], "full": a_step(FULL_RATE, None, 1000),
            "single": a_step(SINGLE_RATE, 1, 10_000)}  # fmt: skip


def reference_in_c(hidden: int, samples: int) -> dict[str, float]:
    """The network written by hand in C (reference.c), compiled for this machine."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise ImportError("no C compiler")
    X, y, layers = problem(hidden, samples)
    numbers = array("d", [v for row in X for v in row] + y)
    for weights, biases in layers:
        numbers.extend([w for row in weights for w in row] + biases)
    with tempfile.TemporaryDirectory() as folder:
        data, program = Path(folder, "data"), Path(folder, "reference")
        data.write_bytes(numbers.tobytes())
        source = Path(__file__).with_name("reference.c")
        subprocess.run([compiler, "-O3", "-march=native", "-ffast-math", f"-DH={hidden}", f"-DN={samples}",
                        str(source), "-o", str(program), "-lm"], check=True, capture_output=True)  # fmt: skip
        said = subprocess.run([program, data], check=True, capture_output=True, text=True).stdout.split()
    return {"full": float(said[0]) / 1e6, "single": float(said[1]) / 1e6, "loss": float(said[2])}


def numpy_peer(hidden: int, samples: int) -> dict[str, float]:
    """NumPy, forward and backward by hand."""
    import numpy as np

    rows, labels, layers = problem(hidden, samples)

    def make(X: Rows, y: Labels, lr: float) -> Contestant:
        x, t = np.array(X), np.array(y)[:, None]
        (W1, b1), (W2, b2), (W3, b3) = [(np.array(W).T.copy(), np.array(b)) for W, b in layers]

        def forward() -> tuple[Any, Any, Any]:
            a1 = 1 / (1 + np.exp(-(x @ W1 + b1)))
            a2 = 1 / (1 + np.exp(-(a1 @ W2 + b2)))
            return a1, a2, 1 / (1 + np.exp(-(a2 @ W3 + b3)))

        def loss() -> float:
            p = forward()[2]
            return float(-np.mean(t * np.log(p) + (1 - t) * np.log(1 - p)))

        def step() -> None:
            a1, a2, p = forward()
            dz3 = (p - t) / len(x)
            dz2 = dz3 @ W3.T * a2 * (1 - a2)
            dz1 = dz2 @ W2.T * a1 * (1 - a1)
            gradients = (x.T @ dz1, dz1.sum(0), a1.T @ dz2, dz2.sum(0), a2.T @ dz3, dz3.sum(0))
            for parameter, gradient in zip((W1, b1, W2, b2, W3, b3), gradients):
                parameter -= lr * gradient

        return step, loss

    return measured(make, rows, labels)


def jax_peer(hidden: int, samples: int, scanned: bool) -> dict[str, float]:
    """JAX, compiled: a step a call, or a hundred steps scanned inside one call."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    rows, labels, layers = problem(hidden, samples)

    def make(X: Rows, y: Labels, lr: float) -> Contestant:
        x, t = jnp.array(X), jnp.array(y)[:, None]
        held = [[(jnp.array(W).T, jnp.array(b)) for W, b in layers]]

        def mean_loss(parameters: Any) -> Any:
            a = x
            for W, b in parameters:
                a = jax.nn.sigmoid(a @ W + b)
            return -jnp.mean(t * jnp.log(a) + (1 - t) * jnp.log(1 - a))

        def descend(parameters: Any, _: object = None) -> Any:
            gradients = jax.grad(mean_loss)(parameters)
            return jax.tree.map(lambda w, g: w - lr * g, parameters, gradients), None

        if scanned:
            compiled = jax.jit(lambda parameters: jax.lax.scan(descend, parameters, None, length=SCANNED)[0])
        else:
            compiled = jax.jit(lambda parameters: descend(parameters)[0])

        def step() -> None:
            held[0] = jax.block_until_ready(compiled(held[0]))

        return step, lambda: float(mean_loss(held[0]))

    return measured(make, rows, labels, SCANNED if scanned else 1)


def torch_peer(hidden: int, samples: int) -> dict[str, float]:
    """PyTorch: nn.Linear, autograd, and an update of all parameters at once."""
    import torch

    torch.set_num_threads(1)
    rows, labels, layers = problem(hidden, samples)

    def make(X: Rows, y: Labels, lr: float) -> Contestant:
        x, t = torch.tensor(X, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)[:, None]
        modules: list[Any] = []
        for W, b in layers:
            linear = torch.nn.Linear(len(W[0]), len(W)).double()
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(W, dtype=torch.float64))
                linear.bias.copy_(torch.tensor(b, dtype=torch.float64))
            modules += [linear, torch.nn.Sigmoid()]
        network, criterion = torch.nn.Sequential(*modules), torch.nn.BCELoss()
        parameters = list(network.parameters())

        def step() -> None:
            gradients = torch.autograd.grad(criterion(network(x), t), parameters)
            with torch.no_grad():
                torch._foreach_add_(parameters, gradients, alpha=-lr)

        return step, lambda: criterion(network(x), t).item()

    return measured(make, rows, labels)


def micrograd_peer(hidden: int, samples: int) -> dict[str, float]:
    """micrograd, with the sigmoid and the logarithm that it lacks written in its own way; the collector as it is."""
    from micrograd.engine import Value

    rows, labels, layers = problem(hidden, samples)

    def unary(data: float, parent: Any, slope: float) -> Any:
        result = Value(data, (parent,))

        def backward() -> None:
            parent.grad += slope * result.grad

        result._backward = backward
        return result

    def sigmoid(z: Any) -> Any:
        a = 1 / (1 + math.exp(-z.data))
        return unary(a, z, a * (1 - a))

    def make(X: Rows, y: Labels, lr: float) -> Contestant:
        network = [[([Value(w) for w in row], Value(bias)) for row, bias in zip(W, b)] for W, b in layers]
        parameters = [p for layer in network for weights, bias in layer for p in (*weights, bias)]

        def mean_loss() -> Any:
            total = Value(0.0)
            for row, label in zip(X, y):
                a: list[Any] = list(row)
                for layer in network:
                    a = [sigmoid(sum((w * v for w, v in zip(weights, a)), bias)) for weights, bias in layer]
                p = a[0] if label else 1 - a[0]
                total = total + unary(math.log(p.data), p, 1 / p.data)
            return total * (-1 / len(X))

        def step() -> None:
            loss = mean_loss()
            for p in parameters:
                p.grad = 0
            loss.backward()
            for p in parameters:
                p.data -= lr * p.grad

        return step, lambda: float(mean_loss().data)

    return measured(make, rows, labels)


PEERS: dict[str, Callable[[int, int], dict[str, float]]] = {
    "hand-written C": reference_in_c,
    "ours, native": lambda hidden, samples: ours("native", hidden, samples),
    "ours, source": lambda hidden, samples: ours("source", hidden, samples),
    "ours, eager": lambda hidden, samples: ours("eager", hidden, samples),
    "JAX, scanned": lambda hidden, samples: jax_peer(hidden, samples, scanned=True),
    "JAX, a step a call": lambda hidden, samples: jax_peer(hidden, samples, scanned=False),
    "NumPy by hand": numpy_peer,
    "PyTorch": torch_peer,
    "micrograd": micrograd_peer,
}
SMALL_ONLY = ("ours, source", "ours, eager", "micrograd")  # minutes, or a RecursionError, on larger networks
_IMPORTS = {"NumPy by hand": "numpy", "JAX, scanned": "jax", "JAX, a step a call": "jax", "PyTorch": "torch",
            "micrograd": "micrograd.engine"}  # fmt: skip


def run(name: str, hidden: int, samples: int) -> dict[str, Any]:
    """The times of a peer, measured in a process of its own; {"left out": why} where it cannot run."""
    return run_alone(__name__, name, hidden, samples)


def with_import(name: str, hidden: int, samples: int) -> dict[str, float]:
    """The times of a peer, those of its import, and the most memory that the process held."""
    begun = clock()
    if name in _IMPORTS:
        __import__(_IMPORTS[name])
    imported = clock() - begun
    found = {**PEERS[name](hidden, samples), "import": imported}
    try:
        import resource

        found["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    except ImportError:  # Windows has no such count
        pass
    return found


if __name__ == "__main__":
    report(lambda: with_import(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
