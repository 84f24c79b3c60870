"""The lecture's figure of forward and backward propagation, with the numbers of a real network and a real sample."""

from __future__ import annotations

from nn import MLP
from viz import draw_propagation

from .tour import Tour


def main(tour: Tour) -> None:
    model = MLP(2, [2, 1], seed=tour.seed)
    x, y = [0.5, -1.0], 1.0
    print(f"{model} on x = {x}, y = {y:.0f}")
    print(f"before the step: ŷ = {model(x).data:.4f}")
    tour.graph("propagation.svg", draw_propagation(model, x, y))
    tour.graph("propagation.png", draw_propagation(model, x, y))
