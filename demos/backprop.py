"""A page to step through: forward node by node, then the chain rule backward, and sliders on every input."""

from __future__ import annotations

from nn import MLP, binary_cross_entropy
from viz import step_through

from .tour import Tour


def main(tour: Tour) -> None:
    model = MLP(2, [2, 1], seed=tour.seed)
    loss = binary_cross_entropy(model([0.5, -1.0]), 1.0)
    loss.label = "J"
    print(f"{model}: J = {loss.data:.4f}")
    print("in the page, arrow keys step, and sliders change an input and all that follows from it")
    tour.page("backprop.html", lambda path: step_through(loss, path, title="Backpropagation, step by step"))
