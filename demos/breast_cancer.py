"""Real data: is a breast tumour malignant? 569 patients, 30 measurements each, judged on patients not trained on."""

from __future__ import annotations

import math

from nn import MLP, Adam, fit
from viz import plots

from . import DemoError
from .datasets import load, split, standardise, standardiser
from .tour import Tour

SPLITS = 5
WANTED = 0.96  # mean accuracy on the test rows


def main(tour: Tour) -> None:
    rows, diagnoses, names = load("breast_cancer")
    labels = [float(diagnosis == "malignant") for diagnosis in diagnoses]
    print(f"{len(rows)} patients, {len(names)} measurements, {sum(labels):.0f} malignant\n")
    print(f"{'seed':>5}{'training loss':>15}{'test loss':>11}{'test accuracy':>15}   missed malignant   false alarms")

    scores = []
    for seed in range(tour.seed, tour.seed + SPLITS):
        training, test = split(len(rows), seed=seed)
        statistics = standardiser([rows[k] for k in training])
        X, y = standardise([rows[k] for k in training], statistics), [labels[k] for k in training]
        test_X, test_y = standardise([rows[k] for k in test], statistics), [labels[k] for k in test]

        model = MLP(len(names), [6, 1], activation="tanh", seed=seed)
        history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.01), epochs=20, batch_size=32, l2=0.03,
                      validation_data=(test_X, test_y), seed=seed, backend=tour.backend)  # fmt: skip

        said = model.predict(test_X)
        missed = sum(label == 1 and answer == 0 for label, answer in zip(test_y, said))
        alarms = sum(label == 0 and answer == 1 for label, answer in zip(test_y, said))
        scores.append(model.accuracy(test_X, test_y))
        print(f"{seed:5}{history.loss[-1]:15.4f}{history.val_loss[-1]:11.4f}{scores[-1]:15.2%}"
              f"{missed:10} of {sum(test_y):3.0f}{alarms:8} of {len(test_y) - sum(test_y):3.0f}")  # fmt: skip

    mean = math.fsum(scores) / len(scores)
    print(f"\nmean test accuracy over {SPLITS} splits: {mean:.2%}")
    if mean < WANTED:
        raise DemoError(f"mean test accuracy is {mean:.2%}, less than {WANTED:.0%}")
    tour.plot("breast_cancer-loss.svg", plots.history, history, f"Breast cancer, seed {seed}",
              names=("training", "test"))  # fmt: skip
