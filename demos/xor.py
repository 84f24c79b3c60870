"""Exclusive or: the smallest problem that one neuron cannot solve and four of them can."""

from __future__ import annotations

from nn import MLP, Adam, fit
from viz import plots
from viz.film import Snapshots

from . import DemoError
from .datasets import xor
from .tour import Tour, print_training


def main(tour: Tour) -> None:
    X, y = xor()

    single = MLP(2, [1], seed=tour.seed)
    fit(single, X, y, optimizer=Adam(single.parameters(), lr=0.1), epochs=300, backend=tour.backend)
    print(f"one neuron alone draws one straight line: {single.accuracy(X, y):.0%} of the four rows right\n")

    model = MLP(2, [3, 1], activation="tanh", seed=tour.seed)
    snapshots = Snapshots(model, every=5)
    history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.1), epochs=300, accuracy=True,
                  callback=snapshots, backend=tour.backend)  # fmt: skip
    print("three neurons in front of it:")
    print_training(history, every=50)
    print()
    for row, label, p in zip(X, y, model.predict_proba(X)):
        print(f"{row[0]:.0f} xor {row[1]:.0f} = {label:.0f}    the network says 1 with probability {p:.4f}")
    if model.accuracy(X, y) < 1:
        raise DemoError("the network has not learnt exclusive or")

    first = model.layers[0].named_parameters()
    tour.plot("xor-boundary.svg", plots.boundary, model, X, y, "Exclusive or")
    tour.plot("xor-loss.svg", plots.history, history, "Exclusive or")
    tour.plot("xor-weights.svg", plots.weights, snapshots.named([name for name, _ in first]),
              "Exclusive or: the first layer as it learns")  # fmt: skip
