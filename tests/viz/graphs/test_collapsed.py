"""Boxes for neurons and layers: what they say, and what stands on the edges between them."""

from __future__ import annotations

import random
import re

import pytest
from drawn import boxes, network_loss

from engine import Value, gradcheck, mean
from nn import MLP, binary_cross_entropy
from viz import draw


def micrograd_neuron(x: list[Value], seed: int) -> Value:
    """A neuron without dot: a chain of products and sums, as micrograd builds it."""
    rng = random.Random(seed)
    z = Value(0.1)
    for x_j in x:
        z = z + Value(rng.uniform(-1, 1)) * x_j
    return z.tanh()


def test_one_box_a_neuron():
    """A 2-3-1 network is two inputs, four neurons with their activation, and the loss."""
    source = draw(network_loss(2, 3, 1), detail="neuron").source
    assert len(boxes(source, "value")) == 2
    neurons = boxes(source, "neuron")
    assert len(neurons) == 5
    assert sum("σ(w·x + b)" in box for box in neurons) == 4
    for name in ("layer1.neuron1", "layer1.neuron3", "layer2.neuron1", "J"):
        assert f"<b>{name}</b>" in source
    assert source.count("×3") == 3  # two weights and a bias for each neuron of layer 1
    assert source.count("×4") == 1


def test_one_box_a_layer():
    """A 2-16-16-1 network is a chain of five boxes that say how many neurons and parameters they stand for."""
    source = draw(network_loss(2, 16, 16, 1), detail="layer").source
    layers = boxes(source, "layer")
    assert len(layers) == 4
    assert sum("16 × σ(w·x + b)" in box for box in layers) == 2
    assert [re.search(r">×(\d+)</td></tr></table>", box)[1] for box in layers[:3]] == ["48", "272", "17"]
    assert "407 values collapsed to 5 boxes" in source
    assert "<b>layer1</b>" in source
    assert 'label=" ×16 "' in source


def test_a_batch_is_layers_too():
    """With many samples in one graph, the neurons of all samples are one layer, and shared weights count once."""
    model = MLP(2, [4, 1], seed=0)
    source = draw(mean([binary_cross_entropy(model([x, 1.0]), 1.0) for x in range(50)])).source
    first, second, loss = boxes(source, "layer")
    assert "200 × σ(w·x + b)" in first
    assert "×12<" in first
    assert "50 × σ(w·x + b)" in second
    assert "50 bce, mean" in loss


@pytest.mark.parametrize("activation", ["tanh", "relu", "leaky_relu", "elu", "linear"])
def test_neurons_with_any_activation(activation):
    """Activations with parameters of their own, and none at all, belong to their neuron just so."""
    source = draw(network_loss(2, 3, 1, activation=activation), detail="neuron").source
    assert len(boxes(source, "neuron")) == 5


def test_neurons_without_dot():
    """Sums of products with an activation, as micrograd builds them, are neurons as well."""
    x = [Value(0.5, label="x1"), Value(-0.5, label="x2")]
    hidden = [micrograd_neuron(x, k) for k in range(3)]
    loss = (micrograd_neuron(hidden, 9) - 1) ** 2
    source = draw(loss, detail="neuron").source
    assert len(boxes(source, "neuron")) == 5
    assert len(boxes(source, "value")) == 2
    layers = boxes(draw(loss, detail="layer").source, "layer")
    assert len(layers) == 3
    assert "3 × " in layers[0]


def test_edges_of_neurons_carry_the_derivative_of_the_whole_box():
    """∂a/∂x through a neuron is σ'(z) w: compared with central differences of the neuron as a function."""
    model = MLP(2, [1], seed=3)
    output = model([0.5, -1.0])
    shown = re.findall(r'v\d+ -> v\d+ \[label=" ([^ ]+) "', draw(output, detail="neuron").source)
    report = gradcheck(lambda x1, x2: model([x1, x2]), [0.5, -1.0])
    assert report.passed
    neuron = model.layers[0].neurons[0]
    h = 1e-5

    def a(x1, x2):
        return model([x1, x2]).data

    numerical = [(a(0.5 + h, -1.0) - a(0.5 - h, -1.0)) / (2 * h), (a(0.5, -1.0 + h) - a(0.5, -1.0 - h)) / (2 * h)]
    assert sorted(shown) == sorted(f"{d:.4f}".replace("-", "−") for d in numerical)
    assert all(not w.has_grad for w in neuron.weights)


def test_layers_have_headings():
    """Above the neurons of a layer stands its name; where the boxes are compact, also how many there are of what."""
    source = draw(network_loss(2, 3, 1), detail="neuron").source
    assert "<<b>layer1</b>>" in source
    assert "<<b>layer1</b>: 16 × σ(w·x + b)>" in draw(network_loss(2, 16, 16, 1), detail="neuron").source
