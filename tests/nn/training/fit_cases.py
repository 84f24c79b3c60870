"""Data, and a module of one's own, for the tests of fit."""

from __future__ import annotations

import random

from engine import Value
from nn import (
    Module,
    binary_cross_entropy,
)

XOR = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]


def cloud(n=14, seed=0, outputs=1, classes=0):
    """Random rows with labels of every kind: bits, soft labels, or class indices."""
    rng = random.Random(seed)
    X = [[rng.gauss(0, 1), rng.gauss(0, 1)] for _ in range(n)]
    if classes:
        return X, [rng.randrange(classes) for _ in X]
    y = [[rng.choice([0.0, 1.0, 0.3, rng.random()]) for _ in range(outputs)] for _ in X]
    return X, y if outputs > 1 else [t[0] for t in y]


def data_of(model):
    return [p.data for p in model.parameters()]


def mean_loss(model, X, y):
    return binary_cross_entropy([model(x) for x in X], y).data


class Line(Module):
    """a * x + b, and whatever a test makes of it."""

    def __init__(self, a=1.0, b=0.0, function=lambda z: z):
        self.a, self.b, self.function = Value(a, label="a"), Value(b, label="b"), function

    def named_parameters(self):
        return [("a", self.a), ("b", self.b)]

    def __call__(self, x):
        return self.function(self.a * x[0] + self.b)
