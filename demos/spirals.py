"""Two spirals that wind around each other: the hardest of the plane, for two hidden layers of tanh neurons."""

from __future__ import annotations

from nn import MLP, Adam, fit
from viz import plots
from viz.film import Snapshots, film

from . import DemoError
from .datasets import spirals
from .tour import Tour, print_training


def main(tour: Tour) -> None:
    X, y = spirals(120, seed=tour.seed)
    model = MLP(2, [16, 16, 1], activation="tanh", seed=tour.seed)
    print(f"{model}: {len(model.parameters())} parameters; {len(X)} points in batches of 20\n")

    snapshots = Snapshots(model, every=5)
    history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.03), epochs=120, batch_size=20, accuracy=True,
                  seed=tour.seed, callback=snapshots, backend=tour.backend)  # fmt: skip
    print_training(history, every=10)
    if model.accuracy(X, y) < 1:
        raise DemoError(f"the classes separate, yet only {model.accuracy(X, y):.1%} of the points are right")

    tour.plot("spirals-boundary.svg", plots.boundary, model, X, y, "Two spirals")
    tour.plot("spirals-loss.svg", plots.history, history, "Two spirals")
    tour.page("spirals-film.html", film, snapshots, X, y, title="Two spirals, learnt", losses=history.loss)
