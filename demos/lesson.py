"""The lecture from end to end: forward, backward layer by layer, checking, descent, what goes wrong, and exercises.

The same as demos/lesson.ipynb, for a terminal. A network with two inputs, two hidden neurons and one output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from engine import Value, gradcheck, mean, sigmoid
from nn import MLP, SGD, Layer, binary_cross_entropy, bprop, fit, fprop, mean_squared_error
from viz import handout, latex, playground, step_through, tree

from . import DemoError
from .datasets import xor
from .exercises_checks import EXERCISES
from .tour import Tour

Numbers = list[float]
Matrix = list[Numbers]

X, Y = [0.5, -1.0], 1.0  # the sample


def slope(a: float) -> float:
    """σ′ at the z whose σ(z) is a."""
    return a * (1 - a)


def forward(layer: Layer, a_before: Sequence[float]) -> tuple[Numbers, Numbers]:
    """Forward propagation of one layer: from the activations before it to z, which is kept, and a."""
    z = [sum(w * a for w, a in zip(row, a_before)) + b for row, b in zip(layer.W, layer.b)]
    return z, [1 / (1 + math.exp(-z_k)) for z_k in z]


def backward(
    layer: Layer, a_before: Sequence[float], a: Numbers, da: Numbers
) -> tuple[Numbers, Matrix, Numbers, Numbers]:
    """Backward propagation of one layer: from ∂J/∂a to ∂J/∂a of the layer before, ∂J/∂W, ∂J/∂b; and ∂J/∂z."""
    dz = [da_k * slope(a_k) for da_k, a_k in zip(da, a)]
    dW = [[dz_k * a_j for a_j in a_before] for dz_k in dz]
    da_before = [sum(layer.W[k][j] * dz[k] for k in range(len(dz))) for j in range(len(a_before))]
    return da_before, dW, dz, dz


def close(p: Numbers, q: Numbers) -> bool:
    return all(math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12) for a, b in zip(p, q, strict=True))


def shown(numbers: Sequence[float]) -> str:
    return "[" + "  ".join(f"{x:8.5f}" for x in numbers) + "]"


def overview(model: MLP) -> None:
    print(f"1. Overview: {model}, the sample x = {X} with the label y = {Y:g}")
    print("   forward to the prediction, the loss J, backward to ∂J/∂ each parameter, a step downhill; again")


def notation(model: MLP) -> None:
    print("\n2. Notation: the layer above, the neuron below, and for a weight the input it belongs to")
    for label, parameter in model.named_parameters()[:3]:
        print(f"   {label:<20}{latex(parameter * 1.0):<14}{parameter.data:9.5f}")


def forward_pass(model: MLP) -> tuple[list[Numbers], float]:
    print("\n3. Forward, layer by layer: z = W a + b, a = σ(z)")
    activations = [X]
    for number, layer in enumerate(model.layers, 1):
        z, a = forward(layer, activations[-1])
        print(f"   layer {number}   z = {shown(z)}   a = {shown(a)}")
        activations.append(a)
    a = activations[-1][0]
    loss = -(Y * math.log(a) + (1 - Y) * math.log(1 - a))
    print(f"   J = -(y log a + (1 - y) log(1 - a)) = {loss:.6f}")
    return activations, loss


def backward_pass(model: MLP, activations: list[Numbers]) -> dict[str, Matrix]:
    print("\n4. Backward, layer by layer: dz = da σ'(z), dW = dz aᵀ, db = dz, and Wᵀ dz for the layer before")
    a = activations[-1][0]
    da = [-Y / a + (1 - Y) / (1 - a)]
    gradients: dict[str, Matrix] = {}
    for number in range(len(model.layers), 0, -1):
        print(f"   layer {number}   da = {shown(da)}")
        da, dW, db, dz = backward(model.layers[number - 1], activations[number - 1], activations[number], da)
        print(f"             dz = db = {shown(dz)}   dW = {'  '.join(map(shown, dW))}")
        gradients[f"W{number}"], gradients[f"b{number}"] = dW, [db]
    ready = bprop(model, fprop(model, X), Y)
    for number in range(1, len(model.layers) + 1):
        if not all(map(close, ready.dW[number], gradients[f"W{number}"])):
            raise DemoError(f"layer {number}: bprop has {ready.dW[number]}, the formulas {gradients[f'W{number}']}")
    print("   nn.fprop and nn.bprop do the same for a network of any depth, and have the same gradients")
    return gradients


def graph(model: MLP, by_layers: dict[str, Matrix]) -> Value:
    print("\n5. The same by a graph: every number is a node, and one backward pass gives all derivatives")
    loss = binary_cross_entropy(model(X), Y)
    loss.label = "J"
    loss.backward()
    for number, layer in enumerate(model.layers, 1):
        for k, neuron in enumerate(layer.neurons):
            by_graph = [*(w.grad for w in neuron.weights), neuron.bias.grad]
            by_formula = [*by_layers[f"W{number}"][k], by_layers[f"b{number}"][0][k]]
            if not close(by_graph, by_formula):
                raise DemoError(f"layer {number}, neuron {k + 1}: graph {by_graph}, layer formulas {by_formula}")
    print("   all nine derivatives agree with those of the layers. The last neuron's part of the graph:")
    print("\n".join("   " + line for line in tree(loss).splitlines()[:6]))
    weight = model.layers[0].neurons[0].weights[0]
    print(f"   and the chain rule of one weight, as LaTeX:\n   {latex(loss, wrt=weight).splitlines()[1]}")
    return loss


def checking(model: MLP) -> None:
    print("\n6. Gradient checking: move each parameter a little, and see how J moves")

    def loss_of(w1: Value, w2: Value, b: Value) -> Value:
        return binary_cross_entropy(sigmoid(w1 * X[0] + w2 * X[1] + b), Y)

    neuron = model.layers[0].neurons[0]
    report = gradcheck(loss_of, [*(w.data for w in neuron.weights), neuron.bias.data])
    print("\n".join("   " + line for line in str(report).splitlines()))
    print(
        f"   two forward passes for each parameter: {2 * len(model.parameters())} here, and one backward pass instead"
    )


def descent(model: MLP) -> None:
    print("\n7. Gradient descent: w ← w - η ∂J/∂w, again and again")
    rate, losses = 0.5, []
    for _ in range(30):
        model.zero_grad()
        loss = binary_cross_entropy(model(X), Y)
        loss.backward()
        for parameter in model.parameters():
            parameter.data -= rate * parameter.grad
        losses.append(loss.data)
    print("   J: " + "  ".join(f"{losses[k]:.4f}" for k in (0, 1, 2, 5, 10, 20, 29)))
    rows, labels = xor()
    network = MLP(2, [4, 1], seed=1)
    history = fit(network, rows, labels, optimizer=SGD(network.parameters(), lr=5.0), epochs=1000)
    print(f"   exclusive or, four samples, 1,000 epochs: J from {history.loss[0]:.4f} to {history.loss[-1]:.4f}, "
          f"predictions {network.predict(rows)}")  # fmt: skip
    if not (losses[-1] < losses[0] and history.loss[-1] < 0.1):
        raise DemoError("descent did not lower the loss")


def forgotten_zero_grad() -> tuple[float, float]:
    """J after 40 steps with zero_grad and without it."""
    ends = []
    for zero in (True, False):
        w = Value(4.0)
        for _ in range(40):
            if zero:
                w.grad = 0.0
            loss = (w - 1.0) ** 2
            loss.backward()
            w.data -= 0.1 * w.grad
        ends.append((w.data - 1.0) ** 2)
    return ends[0], ends[1]


def vanishing(activation: str = "sigmoid", depth: int = 8) -> tuple[float, float]:
    """The mean size of ∂J/∂w in the first layer and in the last."""
    model = MLP(2, [4] * (depth - 1) + [1], activation=activation, seed=0)
    mean([binary_cross_entropy(model(row), label) for row, label in zip(*xor())]).backward()
    sizes = [[abs(w.grad) for neuron in layer.neurons for w in neuron.weights] for layer in model.layers]
    return sum(sizes[0]) / len(sizes[0]), sum(sizes[-1]) / len(sizes[-1])


def saturated(z: float = -8.0) -> tuple[float, float]:
    """∂J/∂z of a prediction that is certain and wrong: by the squared error, and by the cross-entropy."""
    found = []
    for loss in (mean_squared_error, binary_cross_entropy):
        leaf = Value(z)
        loss(leaf.sigmoid(), 1.0).backward()
        found.append(leaf.grad)
    return found[0], found[1]


def what_goes_wrong() -> None:
    print("\n8. What goes wrong")
    right, wrong = forgotten_zero_grad()
    print(f"   zero_grad forgotten: leaves add up the gradients of all steps. J after 40 steps: {wrong:.4f}, "
          f"with it {right:.1e}")  # fmt: skip
    first, last = vanishing()
    print(f"   vanishing: eight layers of sigmoid, the first gets {first:.1e} where the last gets {last:.1e}")
    squared, entropy = saturated()
    print(f"   saturated: z = -8 where the label is 1; ∂J/∂z by the squared error {squared:.1e}, by the cross-entropy "
          f"{entropy:.4f}")  # fmt: skip


def main(tour: Tour) -> None:
    model = MLP(2, [2, 1], seed=tour.seed)
    overview(model)
    notation(model)
    activations, _ = forward_pass(model)
    gradients = backward_pass(model, activations)
    loss = graph(model, gradients)
    tour.graph("lesson.svg", loss)
    tour.page("lesson-steps.html", lambda path: step_through(loss, path, title="Backpropagation, step by step"))
    tour.page("lesson-sheet.html", lambda path: handout(loss, path))
    tour.page("lesson-key.html", lambda path: handout(loss, path, answers=True))
    tour.page("lesson-playground.html", lambda path: playground(path, layers=[4], seed=tour.seed))
    checking(model)
    descent(model)
    what_goes_wrong()
    print(f"\n9. Your turn: {len(EXERCISES)} exercises, graded by gradcheck")
    for number, exercise in EXERCISES.items():
        print(f"   {number}. {exercise.title:<24} {exercise.signature}")
    print("   python -m demos.exercises shows them; python -m demos.exercises my_answers.py grades them")
