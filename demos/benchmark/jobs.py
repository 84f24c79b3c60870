"""Training jobs of any shape, by us and by what a user might take instead, beside what one core can do at all.

    python -m demos benchmark --job 784-50-10 --batch 64 --optimizer adam --activation relu

Every contestant runs in a process of its own on one processor, and they take turns for several rounds, so that a noisy
machine is noisy for all. All start from the weights of our MLP and take the same batches in the same order; where they
let one see it, the loss after two epochs shows that they do the same work (scikit-learn draws weights of its own). One
output is trained by binary cross-entropy on the logit, several by softmax cross-entropy.

The roofline is the arithmetic of forward pass, backward pass and update at the core's peak rate of multiply-adds, or
the parameters and the optimiser's state moved at the bandwidth of the cache that holds them, whichever is longer. No
program reaches it.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from nn import MLP, SGD, Adam, fit

from .alone import report, run_alone

clock = time.perf_counter
LEARNING_RATE = 0.01
LOSS_EPOCHS = 2


@dataclass(frozen=True)
class Job:
    """What is trained: "784-50-10" is 784 inputs, a hidden layer of 50 and 10 outputs."""

    shape: str
    batch: int = 32
    optimizer: str = "sgd"
    activation: str = "sigmoid"
    rows: int = 1000

    def __post_init__(self) -> None:
        try:
            sizes = self.sizes
        except ValueError:
            sizes = []
        if len(sizes) < 2 or min(sizes) < 1:
            raise ValueError(f"--job takes the sizes of inputs and layers such as 784-50-10, got {self.shape!r}")
        if not 1 <= self.batch <= self.rows:
            raise ValueError(f"--batch must lie between 1 and the {self.rows} rows, got {self.batch}")

    @property
    def sizes(self) -> list[int]:
        return [int(size) for size in self.shape.split("-")]

    @property
    def steps(self) -> int:
        """Whole batches in an epoch; rows beyond them are left out."""
        return self.rows // self.batch

    @property
    def several(self) -> bool:
        return self.sizes[-1] > 1

    def __str__(self) -> str:
        return f"{self.shape} {self.activation} {self.optimizer} batch {self.batch}"

    def data(self) -> tuple[list[list[float]], list[int]]:
        random = Random(0)
        X = [[random.gauss(0, 1) for _ in range(self.sizes[0])] for _ in range(self.steps * self.batch)]
        return X, [random.randrange(self.sizes[-1]) if self.several else int(row[0] * row[-1] > 0) for row in X]

    def model(self) -> MLP:
        output = "softmax" if self.several else "sigmoid"
        return MLP(self.sizes[0], self.sizes[1:], activation=self.activation, output=output, seed=0)

    def weights(self) -> list[tuple[list[list[float]], list[float]]]:
        """A row a neuron, and the biases, layer by layer: where every contestant starts."""
        return [
            ([[w.data for w in neuron.weights] for neuron in layer.neurons], [n.bias.data for n in layer.neurons])
            for layer in self.model().layers
        ]


# A contestant prepares a job, and gives train(epochs) from the start, which returns what it trained; loss(trained), or
# None where it starts elsewhere; and predict(trained).
Contestant = tuple[Callable[[int], Any], Callable[[Any], float] | None, Callable[[Any], object]]


def ours(job: Job) -> Contestant:
    X, y = job.data()

    def train(epochs: int) -> Any:
        model = job.model()
        optimizer = (Adam if job.optimizer == "adam" else SGD)(model.parameters(), lr=LEARNING_RATE)
        fit(model, X, y, optimizer=optimizer, epochs=epochs, batch_size=job.batch, shuffle=False, progress=False)
        return model

    def loss(model: MLP) -> float:
        optimizer = SGD(model.parameters(), lr=0.0)
        return fit(model, X, y, optimizer=optimizer, epochs=1, progress=False).loss[0]

    return train, loss, lambda model: model.predict_proba(X)


def numpy_peer(job: Job) -> Contestant:
    """Forward and backward by hand."""
    import numpy as np

    rows, labels = job.data()
    X, y, start = np.array(rows), np.array(labels), job.weights()
    one_hot = np.eye(job.sizes[-1])[y] if job.several else y[:, None].astype(float)
    function = {"sigmoid": lambda z: 1 / (1 + np.exp(-z)), "tanh": np.tanh, "relu": lambda z: np.maximum(z, 0)}
    slope = {"sigmoid": lambda a: a * (1 - a), "tanh": lambda a: 1 - a * a, "relu": lambda a: a > 0}
    f, df = function[job.activation], slope[job.activation]

    def forward(P: Any, x: Any) -> list[Any]:
        a = [x]
        for W, b in P[:-1]:
            a.append(f(a[-1] @ W + b))
        z = a[-1] @ P[-1][0] + P[-1][1]
        if job.several:
            e = np.exp(z - z.max(1, keepdims=True))
            return [*a, e / e.sum(1, keepdims=True)]
        return [*a, 1 / (1 + np.exp(-z))]

    def train(epochs: int) -> Any:
        P = [[np.array(W).T.copy(), np.array(b)] for W, b in start]
        moments = [[np.zeros_like(p) for p in (W, b, W, b)] for W, b in P]
        t = 0
        for _ in range(epochs):
            for i in range(0, len(X), job.batch):
                a = forward(P, X[i : i + job.batch])
                dz, t = (a[-1] - one_hot[i : i + job.batch]) / job.batch, t + 1
                for k in range(len(P) - 1, -1, -1):
                    gradients = a[k].T @ dz, dz.sum(0)
                    if k:
                        dz = dz @ P[k][0].T * df(a[k])
                    for p, g, m, v in zip(P[k], gradients, moments[k][:2], moments[k][2:]):
                        if job.optimizer == "sgd":
                            p -= LEARNING_RATE * g
                            continue
                        m += 0.1 * (g - m)
                        v += 0.001 * (g * g - v)
                        p -= LEARNING_RATE / (1 - 0.9**t) * m / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        return P

    def loss(P: Any) -> float:
        p = forward(P, X)[-1]
        return float(-np.mean((one_hot * np.log(p) + (0 if job.several else (1 - one_hot) * np.log(1 - p))).sum(1)))

    return train, loss, lambda P: forward(P, X)[-1]


def torch_peer(job: Job) -> Contestant:
    import torch

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    rows, labels = job.data()
    start, X = job.weights(), torch.tensor(rows)
    y = torch.tensor(labels) if job.several else torch.tensor(labels, dtype=torch.float64)[:, None]
    functional = torch.nn.functional
    criterion = functional.cross_entropy if job.several else functional.binary_cross_entropy_with_logits
    activation = {"sigmoid": torch.nn.Sigmoid, "tanh": torch.nn.Tanh, "relu": torch.nn.ReLU}[job.activation]

    def train(epochs: int) -> Any:
        modules: list[Any] = []
        for W, b in start:
            linear = torch.nn.Linear(len(W[0]), len(W))
            with torch.no_grad():
                linear.weight.copy_(torch.tensor(W))
                linear.bias.copy_(torch.tensor(b))
            modules += [linear, activation()]
        network = torch.nn.Sequential(*modules[:-1])
        optimizer = (torch.optim.Adam if job.optimizer == "adam" else torch.optim.SGD)(
            network.parameters(), lr=LEARNING_RATE
        )
        for _ in range(epochs):
            for i in range(0, len(X), job.batch):
                optimizer.zero_grad()
                criterion(network(X[i : i + job.batch]), y[i : i + job.batch]).backward()
                optimizer.step()
        return network

    def predict(network: Any) -> object:
        with torch.no_grad():
            z = network(X)
            return z.softmax(1) if job.several else z.sigmoid()

    return train, lambda network: criterion(network(X), y).item(), predict


def jax_peer(job: Job) -> Contestant:
    """An epoch scanned inside one compiled call."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    rows, labels = job.data()
    X, y = jnp.array(rows), jnp.array(labels)
    batches = X.reshape(job.steps, job.batch, -1), y.reshape(job.steps, job.batch)
    start = [(jnp.array(W).T, jnp.array(b)) for W, b in job.weights()]
    zeros = jax.tree.map(jnp.zeros_like, start)
    f = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "relu": jax.nn.relu}[job.activation]

    def logits(P: Any, a: Any) -> Any:
        for W, b in P[:-1]:
            a = f(a @ W + b)
        return a @ P[-1][0] + P[-1][1]

    def mean_loss(P: Any, x: Any, t: Any) -> Any:
        z = logits(P, x)
        if job.several:
            return -jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], 1).mean()
        return (jax.nn.softplus(z[:, 0]) - t * z[:, 0]).mean()

    def step(state: Any, batch: Any) -> Any:
        P, m, v, t = state
        g, t = jax.grad(mean_loss)(P, *batch), t + 1
        if job.optimizer == "sgd":
            return (jax.tree.map(lambda p, g: p - LEARNING_RATE * g, P, g), m, v, t), None
        m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
        v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)
        rate, scale = LEARNING_RATE / (1 - 0.9**t), 1 - 0.999**t
        return (jax.tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v / scale) + 1e-8), P, m, v), m, v, t), None

    def train(epochs: int) -> Any:
        state: Any = start, zeros, zeros, 0.0
        for _ in range(epochs):
            state = epoch(state)
        return jax.block_until_ready(state)

    epoch = jax.jit(lambda state: jax.lax.scan(step, state, batches)[0])
    probabilities = jax.jit(lambda P: jax.nn.softmax(logits(P, X)) if job.several else jax.nn.sigmoid(logits(P, X)))
    return (
        train,
        lambda state: float(mean_loss(state[0], X, y)),
        lambda state: jax.block_until_ready(probabilities(state[0])),
    )


def sklearn_peer(job: Job) -> Contestant:
    import warnings

    import numpy as np
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore")  # it warns that so few epochs do not converge
    rows, labels = job.data()
    X, y = np.array(rows), np.array(labels)

    def train(epochs: int) -> Any:
        return MLPClassifier(
            job.sizes[1:-1], activation={"sigmoid": "logistic"}.get(job.activation, job.activation),
            solver=job.optimizer, batch_size=job.batch, learning_rate_init=LEARNING_RATE, momentum=0.0,
            nesterovs_momentum=False, max_iter=epochs, alpha=0.0, tol=0.0, n_iter_no_change=10**9, shuffle=False,
            random_state=0,
        ).fit(X, y)  # fmt: skip

    return train, None, lambda model: model.predict_proba(X)


CONTESTANTS: dict[str, Callable[[Job], Contestant]] = {
    "ours": ours, "JAX, scanned": jax_peer, "PyTorch": torch_peer, "scikit-learn": sklearn_peer,
    "NumPy by hand": numpy_peer,
}  # fmt: skip


def measured(name: str, job: Job, seconds: float) -> dict[str, float]:
    """Seconds a step, of the first epoch (set-up included, in a new process and later), and of predicting all rows.

    And the loss after two epochs, where the contestant starts from the common weights.
    """
    train, loss, predict = CONTESTANTS[name](job)

    def timed(function: Callable[[Any], object], argument: Any) -> float:
        begun = clock()
        function(argument)
        return clock() - begun

    # What a library compiles, or imports late, is part of the first time in a process.
    found = {"first epoch, cold": timed(train, 1), "first epoch": statistics.median(timed(train, 1) for _ in range(3))}
    trained = train(LOSS_EPOCHS)
    if loss:
        found["loss"] = loss(trained)
    again, epochs = min(timed(train, 1) for _ in range(3)), 1
    while (spent := timed(train, 1 + epochs) - again) < seconds and epochs < 1_000_000:
        epochs = max(2 * epochs, min(100 * epochs, int(1.3 * seconds / max(spent, 1e-4) * epochs)))
    found["step"] = max(spent, 1e-9) / epochs / job.steps
    predict(trained)
    found["prediction"] = statistics.median(timed(predict, trained) for _ in range(7))
    return found


def least_work(job: Job) -> tuple[int, int]:
    """The arithmetic of a step, a multiply-add being two operations, and the bytes of parameters and state it moves."""
    pairs = list(zip(job.sizes, job.sizes[1:]))
    products = [a * b for a, b in pairs]
    parameters = sum(products) + sum(job.sizes[1:])
    adam = job.optimizer == "adam"
    # Forward, by the weights, and by the activations of all layers but the inputs; then the update.
    operations = job.batch * 2 * (2 * sum(products) + sum(products[1:])) + parameters * (12 if adam else 2)
    # The weights are read twice, by the forward and the backward pass; what the update changes is read and written.
    return operations, 8 * (2 * parameters + 2 * parameters * (3 if adam else 1))


def roofline(job: Job) -> dict[str, float]:
    """The seconds that no step can go below; empty where there is no C compiler to measure the core with."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return {}
    operations, moved = least_work(job)
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "roofline")
        source = Path(__file__).with_name("roofline.c")
        subprocess.run([compiler, "-O3", "-march=native", source, "-o", program], check=True, capture_output=True)
        command = [str(program), str(moved // 32)]  # as many doubles as there are parameters, or more with their state
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    peak, bandwidth = map(float, said)
    return {"roofline": max(operations / peak, moved / bandwidth), "operations a second": peak,
            "bytes a second": bandwidth}  # fmt: skip


def compare(job: Job, rounds: int = 3, seconds: float = 0.5) -> dict[str, Any]:
    """Every contestant's medians over the rounds, and the roofline."""
    runs: dict[str, list[dict[str, Any]]] = {}
    for number in range(rounds):
        for name in CONTESTANTS:
            if number and "left out" in runs[name][0]:
                continue
            print(f"  {job}, round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            runs.setdefault(name, []).append(run_alone(__name__, name, json.dumps(asdict(job)), seconds))
    contestants = {
        name: found[0] if "left out" in found[0]
        else {key: statistics.median(run[key] for run in found) for key in found[0]}
        for name, found in runs.items()
    }  # fmt: skip
    return {"contestants": contestants, **roofline(job)}


def table(title: str, found: dict[str, Any]) -> str:
    """The job as a table; the last column says how many times faster we are, or slower where it is below 1."""
    rows = found["contestants"]
    mine = rows["ours"]["step"]
    lines = [f"| {title} | µs a step | over ours | first epoch, ms | cold, ms | prediction of all rows, ms |",
             "|---|---:|---:|---:|---:|---:|"]  # fmt: skip
    for name, row in rows.items():
        if "left out" not in row:
            step, first, cold = 1e6 * row["step"], 1e3 * row["first epoch"], 1e3 * row["first epoch, cold"]
            ratio, prediction = row["step"] / mine, 1e3 * row["prediction"]
            lines.append(f"| {name} | {step:.4g} | {ratio:.2f} | {first:.1f} | {cold:.0f} | {prediction:.2f} |")
    if "roofline" in found:
        lines.append(f"| roofline of the core | {1e6 * found['roofline']:.4g} | {found['roofline'] / mine:.2f} | | | |")
    left_out = [f"{name} ({row['left out']})" for name, row in rows.items() if "left out" in row]
    if left_out:
        lines.append(f"\nLeft out: {'; '.join(left_out)}")
    return "\n".join(lines)


def different_losses(found: dict[str, Any]) -> str | None:
    """What is wrong where contestants that start alike end apart; None where they agree to 1e-8."""
    losses = {name: row["loss"] for name, row in found["contestants"].items() if "loss" in row}
    if all(abs(loss - losses["ours"]) <= 1e-8 * max(1.0, abs(losses["ours"])) for loss in losses.values()):
        return None
    return f"the losses after {LOSS_EPOCHS} epochs differ: {losses}"


if __name__ == "__main__":
    report(lambda: measured(sys.argv[1], Job(**json.loads(sys.argv[2])), float(sys.argv[3])))
