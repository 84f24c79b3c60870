"""Two moons, a network of 2-16-16-1 neurons, and a film of how it learns to tell them apart."""

from __future__ import annotations

from nn import MLP, Adam, fit
from viz import plots
from viz.film import Snapshots, film

from . import DemoError
from .datasets import moons
from .tour import Tour, print_training


def main(tour: Tour) -> None:
    X, y = moons(100, noise=0.1, seed=tour.seed)
    model = MLP(2, [16, 16, 1], activation="tanh", seed=tour.seed)
    print(f"{model} has {len(model.parameters())} parameters; {len(X)} points\n")

    snapshots = Snapshots(model, every=4)
    history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.05), epochs=80, accuracy=True,
                  callback=snapshots, backend=tour.backend)  # fmt: skip
    print_training(history, every=10)
    if model.accuracy(X, y) < 1:
        raise DemoError(f"the classes separate, yet only {model.accuracy(X, y):.1%} of the points are right")

    tour.plot("moons-boundary.svg", plots.boundary, model, X, y, "Two moons")
    tour.plot("moons-loss.svg", plots.history, history, "Two moons")
    tour.page("moons-film.html", film, snapshots, X, y, title="Two moons, learnt", losses=history.loss)
