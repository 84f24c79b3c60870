"""A circle inside a circle: tanh neurons, and mini-batches instead of all points at each step."""

from __future__ import annotations

from nn import MLP, SGD, fit
from viz import plots

from . import DemoError
from .datasets import circles
from .tour import Tour, print_training


def main(tour: Tour) -> None:
    X, y = circles(100, noise=0.05, seed=tour.seed)
    model = MLP(2, [8, 1], activation="tanh", seed=tour.seed)
    print(f"{model}: {len(model.parameters())} parameters; {len(X)} points in batches of 10\n")

    history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=0.1, momentum=0.9), epochs=80, batch_size=10,
                  accuracy=True, seed=tour.seed, backend=tour.backend)  # fmt: skip
    print_training(history, every=10)
    if model.accuracy(X, y) < 1:
        raise DemoError(f"the classes separate, yet only {model.accuracy(X, y):.1%} of the points are right")

    tour.plot("circles-boundary.svg", plots.boundary, model, X, y, "A circle in a circle")
    tour.plot("circles-loss.svg", plots.history, history, "A circle in a circle")
