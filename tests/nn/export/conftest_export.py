"""Models of every kind to export, and what they give."""

from __future__ import annotations

import random

import pytest

from nn import MLP
from nn.activations import activation_names

OUTPUTS = ("sigmoid", "softmax", "linear", "tanh")


def model_of(activation: str = "tanh", output: str = "sigmoid", outputs: int = 1, standardized: bool = False) -> MLP:
    """A small model whose biases are not zero."""
    rng = random.Random(7)
    model = MLP(3, [5, 4, outputs], activation=activation, output=output, seed=3)
    for layer in model.layers:
        layer.b = [rng.uniform(0.1, 0.5) for _ in layer.b]
    if standardized:
        model.mean, model.scale = [0.5, -20.0, 3.0], [2.0, 10.0, 0.25]
    return model


def rows(n: int = 20) -> list[list[float]]:
    rng = random.Random(1)
    return [[rng.gauss(0, 1.0) for _ in range(3)] for _ in range(n)]


def outputs_of(model: MLP, X: list[list[float]]) -> list[list[float]]:
    """What the graph of Values gives for each row, as a list for each row."""
    found = []
    for x in X:
        y = model(x)
        found.append([v.data for v in y] if isinstance(y, list) else [y.data])
    return found


def every_model(activations=None) -> list:
    """Models that together have every activation and every output, with and without standardisation."""
    by_activation = [pytest.param(model_of(name), id=name) for name in activations or activation_names()]
    by_output = [
        pytest.param(model_of("tanh", output, n, standardized), id=f"{output}-{n}{'-standardized' * standardized}")
        for output in OUTPUTS
        for n in (1, 3)
        if (output, n) != ("softmax", 1)
        for standardized in (False, True)
    ]
    return by_activation + by_output
