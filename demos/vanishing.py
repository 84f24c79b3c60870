"""Why deep sigmoid networks learn slowly: each layer multiplies the gradient by σ' <= 1/4 on its way to the input."""

from __future__ import annotations

import math

from engine import mean
from nn import MLP, binary_cross_entropy
from viz import plots

from .datasets import moons
from .tour import Tour

DEPTH, WIDTH, POINTS = 10, 8, 40


def gradient_norms(model: MLP, X: list[list[float]], y: list[float]) -> list[float]:
    """The length of dJ/dW for each layer, first layer first."""
    loss = mean([binary_cross_entropy(model(row), label) for row, label in zip(X, y)])
    loss.backward()
    return [math.hypot(*(w.grad for neuron in layer.neurons for w in neuron.weights)) for layer in model.layers]


def main(tour: Tour) -> None:
    X, y = moons(POINTS, seed=tour.seed)
    norms = {}
    for activation in ("sigmoid", "tanh", "relu"):
        model = MLP(2, [WIDTH] * (DEPTH - 1) + [1], activation=activation, seed=tour.seed)
        norms[activation] = gradient_norms(model, X, y)

    print(f"{DEPTH} layers of {WIDTH} neurons before any training: the length of dJ/dW, layer by layer\n")
    print(f"{'layer':>6}" + "".join(f"{name:>12}" for name in norms))
    for k in range(DEPTH):
        print(f"{k + 1:6}" + "".join(f"{column[k]:12.2e}" for column in norms.values()))
    print()
    for name, column in norms.items():
        print(f"{name}: the first layer's gradient is {column[0] / column[-1]:.1e} of the last one's")

    tour.plot("vanishing.svg", plots.gradient_norms, norms, f"Gradients in {DEPTH} layers, before training")
