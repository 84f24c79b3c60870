"""Real data with three classes: iris flowers by the size of their petals, with a softmax over three outputs."""

from __future__ import annotations

from nn import MLP, Adam, fit
from viz import plots

from . import DemoError
from .datasets import load, split, standardise, standardiser
from .tour import Tour, print_training

SPECIES = ["setosa", "versicolor", "virginica"]
WANTED = 0.9  # accuracy on the test rows; versicolor and virginica overlap


def main(tour: Tour) -> None:
    rows, species, names = load("iris")
    petals = [row[2:] for row in rows]  # two measurements, so that the plane shows all that the network knows
    labels = [SPECIES.index(name) for name in species]
    training, test = split(len(rows), seed=tour.seed)
    statistics = standardiser([petals[k] for k in training])
    X, y = standardise([petals[k] for k in training], statistics), [labels[k] for k in training]
    test_X, test_y = standardise([petals[k] for k in test], statistics), [labels[k] for k in test]

    model = MLP(2, [6, 3], activation="tanh", output="softmax", seed=tour.seed)
    history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.05), epochs=80, validation_data=(test_X, test_y),
                  backend=tour.backend)  # fmt: skip
    print_training(history, every=20)

    print(f"\n{len(test)} flowers that were not trained on, by species (rows) and by what the network says (columns):")
    print(f"{'':>12}" + "".join(f"{name:>12}" for name in SPECIES))
    said = model.predict(test_X)
    for k, name in enumerate(SPECIES):
        counts = [sum(label == k and answer == m for label, answer in zip(test_y, said)) for m in range(len(SPECIES))]
        print(f"{name:>12}" + "".join(f"{count:12}" for count in counts))
    accuracy = model.accuracy(test_X, test_y)
    print(f"test accuracy: {accuracy:.2%}")
    if accuracy < WANTED:
        raise DemoError(f"test accuracy is {accuracy:.2%}, less than {WANTED:.0%}")

    labelled = tuple(f"{name.removesuffix('_cm').replace('_', ' ')}, standardised" for name in names[2:])
    tour.plot("iris-boundary.svg", plots.boundary, model, test_X, test_y, "Iris: flowers not trained on",
              classes=SPECIES, axes_labels=labelled)  # fmt: skip
    tour.plot("iris-loss.svg", plots.history, history, "Iris", names=("training", "test"))
