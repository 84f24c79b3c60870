"""The lecture's network with one hidden layer: dW1 db1 dW2 db2 from the graph, the layer formulas and differences.

Forward:   z1 = W1 x + b1, a1 = σ(z1), z2 = W2 a1 + b2, a2 = σ(z2), J = -(y log a2 + (1 - y) log(1 - a2))
Backward:  dz2 = a2 - y, dW2 = dz2 a1ᵀ, db2 = dz2, da1 = W2ᵀ dz2, dz1 = da1 a1 (1 - a1), dW1 = dz1 xᵀ, db1 = dz1
"""

from __future__ import annotations

import math
from random import Random

from nn import MLP, binary_cross_entropy

from . import DemoError
from .tour import Tour

STEP = 1e-6
TOLERANCE = 1e-8

Parameters = dict[str, list[list[float]]]  # matrices as lists of rows; b1 and b2 have one column


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def forward(x: list[float], y: float, p: Parameters) -> dict[str, list[float]]:
    """z, a and J of both layers, by the lecture's formulas."""
    z1 = [sum(w * v for w, v in zip(row, x)) + b for row, (b,) in zip(p["W1"], p["b1"])]
    a1 = [sigmoid(z) for z in z1]
    z2 = [sum(w * v for w, v in zip(row, a1)) + b for row, (b,) in zip(p["W2"], p["b2"])]
    a2 = [sigmoid(z) for z in z2]
    return {"z1": z1, "a1": a1, "z2": z2, "a2": a2,
            "J": [-(y * math.log(a2[0]) + (1 - y) * math.log(1 - a2[0]))]}  # fmt: skip


def by_layer_formulas(x: list[float], y: float, p: Parameters) -> Parameters:
    """The gradients from the lecture's backward formulas, which reuse the z and a of the forward pass."""
    cached = forward(x, y, p)
    a1, a2 = cached["a1"], cached["a2"]
    dz2 = [a - y for a in a2]
    da1 = [sum(p["W2"][k][j] * dz2[k] for k in range(len(dz2))) for j in range(len(a1))]
    dz1 = [d * a * (1 - a) for d, a in zip(da1, a1)]
    return {"W1": [[d * v for v in x] for d in dz1], "b1": [[d] for d in dz1],
            "W2": [[d * a for a in a1] for d in dz2], "b2": [[d] for d in dz2]}  # fmt: skip


def by_differences(x: list[float], y: float, p: Parameters) -> Parameters:
    """The gradients from moving each parameter a little up and down: two forward passes for every one of them."""
    found: Parameters = {name: [[0.0] * len(row) for row in rows] for name, rows in p.items()}
    for name, rows in p.items():
        for j, row in enumerate(rows):
            for k, kept in enumerate(row):
                row[k] = kept + STEP
                above = forward(x, y, p)["J"][0]
                row[k] = kept - STEP
                below = forward(x, y, p)["J"][0]
                row[k] = kept
                found[name][j][k] = (above - below) / (2 * STEP)
    return found


def by_graph(x: list[float], y: float, p: Parameters) -> tuple[MLP, Parameters]:
    """The gradients from our graph, in which every number of the network is a node; one pass gives them all."""
    model = MLP(2, [2, 1])
    for layer, (weights, biases) in zip(model.layers, (("W1", "b1"), ("W2", "b2"))):
        for neuron, row, (bias,) in zip(layer.neurons, p[weights], p[biases]):
            for weight, data in zip(neuron.weights, row):
                weight.data = data
            neuron.bias.data = bias
    binary_cross_entropy(model(x), y).backward()
    first, second = (layer.neurons for layer in model.layers)
    return model, {
        "W1": [[w.grad for w in neuron.weights] for neuron in first], "b1": [[neuron.bias.grad] for neuron in first],
        "W2": [[w.grad for w in neuron.weights] for neuron in second], "b2": [[neuron.bias.grad] for neuron in second],
    }  # fmt: skip


def main(tour: Tour) -> None:
    random = Random(tour.seed)
    shapes = {"W1": (2, 2), "b1": (2, 1), "W2": (1, 2), "b2": (1, 1)}
    p = {name: [[random.random() for _ in range(columns)] for _ in range(rows)]
         for name, (rows, columns) in shapes.items()}  # fmt: skip
    x, y = [random.random(), random.random()], float(random.randrange(2))

    print(f"x = {x[0]:.4f}, {x[1]:.4f}    y = {y:.0f}")
    print("\nForward")
    for name, values in forward(x, y, p).items():
        print(f"  {name:<3}= " + "  ".join(f"{value:.6f}" for value in values))

    model, graph = by_graph(x, y, p)
    formulas, differences = by_layer_formulas(x, y, p), by_differences(x, y, p)
    print("\nBackward")
    print(f"  {'':<10}{'our graph':>20}{'layer formulas':>20}{'differences':>20}")
    worst = 0.0
    for name, rows in graph.items():
        for j, row in enumerate(rows):
            for k, g in enumerate(row):
                f, d = formulas[name][j][k], differences[name][j][k]
                worst = max(worst, abs(g - f), abs(g - d), abs(f - d))
                where = f"[{j + 1},{k + 1}]" if name[0] == "W" else f"[{j + 1}]"
                print(f"  {'d' + name + where:<10}{g:20.12f}{f:20.12f}{d:20.12f}")
    print(f"\nlargest disagreement: {worst:.1e}")
    if not worst <= TOLERANCE:
        raise DemoError(f"the three ways disagree by {worst:.1e}, more than {TOLERANCE:.0e}")

    loss = binary_cross_entropy(model(x), y)
    loss.label = "J"
    model.zero_grad()
    loss.backward()
    tour.graph("lecture.svg", loss)
