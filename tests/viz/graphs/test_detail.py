"""Levels of detail: which nodes are collapsed, what the boxes say, and that no graph is too large for an answer."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import Value, gradcheck, mean, toposort
from nn import MLP, binary_cross_entropy
from viz import draw
from viz.graphs.detail import _Groups


def network_loss(*sizes: int, backward: bool = True, **options: str) -> Value:
    """The loss of an MLP with these layer sizes on one sample."""
    inputs, *rest = sizes
    loss = binary_cross_entropy(MLP(inputs, rest, seed=1, **options)([0.5, -1.0, 0.25][:inputs]), 1.0)
    loss.label = "J"
    if backward:
        loss.backward()
    return loss


def boxes(source: str, kind: str) -> list[str]:
    return [line for line in source.splitlines() if re.search(rf'class="{kind} \w+"', line)]


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


def test_auto_chooses_by_size():
    """Small graphs in full, larger ones by neuron, large ones by layer."""
    assert boxes(draw(network_loss(2, 3, 1)).source, "operation|value")
    assert "one a neuron" in draw(network_loss(2, 16, 16, 1)).source
    assert "one a layer" in draw(network_loss(2, 80, 80, 1)).source


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


@st.composite
def graphs(draw_from):
    """A random graph of up to sixty operations."""
    nodes = [Value(0.5 + k / 10) for k in range(3)]
    for _ in range(draw_from(st.integers(1, 60))):
        a, b = (draw_from(st.sampled_from(nodes[-8:])) for _ in range(2))
        kind = draw_from(st.integers(0, 4))
        nodes.append([lambda a, b: a + b, lambda a, b: a * b, lambda a, b: a.tanh(), lambda a, b: a * 2,
                      lambda a, b: engine.dot([a, b], [b, nodes[0]])][kind](a, b))  # fmt: skip
    return nodes[-1]


@given(graphs())
@settings(deadline=None, max_examples=60)
def test_collapsing_keeps_every_node_and_makes_no_cycle(output):
    """Each computed node is in one box; each leaf is an input or part of a box; boxes and layers can be ordered."""
    order = toposort(output)
    groups = _Groups([output], order, [""] * len(order))
    members = sorted(k for group in groups.members.values() for k in group)
    assert members == [k for k, node in enumerate(order) if node.op is not None]
    leaves = {k for k, node in enumerate(order) if node.op is None and not node.is_constant}
    assert leaves == {*groups.inputs, *(p for folded in groups.folded.values() for p in folded)}
    for head, group in groups.members.items():
        assert max(group) == head
        for k in group[:-1]:  # what is hidden in a box is used in that box only
            assert all(groups.group[user] == head for user, used in enumerate(groups.parents) if k in used)
    layers, _ = groups.layers()
    layer_of = {head: number for number, layer in enumerate(layers) for head in layer}
    links = {
        (layer_of[groups.group[p]], layer_of[head])
        for head in groups.heads for k in groups.members[head] for p in groups.parents[k] if groups.group[p] >= 0
    }  # fmt: skip
    links = {link for link in links if link[0] != link[1]}
    remaining = set(range(len(layers)))
    while remaining:
        ready = {n for n in remaining if not any(end == n and start in remaining for start, end in links)}
        assert ready, "a cycle of layers"
        remaining -= ready


@given(graphs())
@settings(deadline=None, max_examples=30)
def test_derivatives_on_collapsed_edges_chain_up_to_the_gradient(output):
    """Summing over paths of boxes the products of the derivatives on their edges gives the gradient of each input."""
    output.backward()
    order = toposort(output)
    groups = _Groups([output], order, [""] * len(order))
    adjoint = {len(order) - 1: 1.0}
    for head in reversed(groups.heads):
        for p, d in groups.sources(head).items():
            adjoint[p] = adjoint.get(p, 0.0) + adjoint.get(head, 0.0) * d
    for p in groups.inputs:
        assert adjoint.get(p, 0.0) == pytest.approx(order[p].grad, rel=1e-9, abs=1e-12)


def test_clusters_frame_the_layers():
    """Small pictures frame the neurons of each layer and name them; pictures that would be slow to lay out do not."""
    for detail in ("full", "neuron"):
        source = draw(network_loss(2, 3, 1), detail=detail).source
        assert source.count("subgraph") == 2
        assert "label=<layer1>" in source
    assert "subgraph" not in draw(network_loss(2, 16, 16, 1), detail="full").source


def test_a_graph_of_100000_nodes_is_answered():
    """A batch gives its layers, a chain gives one box, and a graph without structure a refusal that says what to do."""
    chain = x = Value(1.0)
    for _ in range(100_000):
        chain = chain + x
    assert len(boxes(draw(chain).source, "layer|neuron")) == 1
    rng = random.Random(0)
    nodes = [Value(rng.random()) for _ in range(100)]
    for _ in range(100_000):
        a, b = rng.choice(nodes[-100:]), rng.choice(nodes[-100:])
        nodes.append(a * b if rng.random() < 0.5 else a + b)
    with pytest.raises(ValueError, match=r"\d+ boxes.*a part of the graph"):
        draw(nodes[-1])
    with pytest.raises(ValueError, match='detail="layer"'):
        draw(nodes[-1], detail="full")


def test_an_unknown_level_is_refused():
    """The error lists the levels."""
    with pytest.raises(ValueError, match=r"auto, full, neuron, layer; got 'high'"):
        draw(Value(1.0), detail="high")


@pytest.mark.parametrize("detail", ["auto", "full", "neuron", "layer"])
def test_a_leaf_can_be_drawn_at_every_level(detail):
    """A value that depends on nothing is a box at any level."""
    assert "data" in draw(Value(1.0), detail=detail).source


def test_names_come_from_the_model():
    """With ``model=`` boxes are named by the parameters in them even where nothing has a label."""
    model = MLP(2, [3, 1])
    for _, parameter in model.named_parameters():
        parameter.label = ""
    output = model([1.0, 2.0])
    for node in toposort(output):
        node.label = ""
    assert "<b>layer1.neuron2</b>" in draw(output, detail="neuron", model=model).source
    assert "<b>layer1</b>" in draw(output, detail="layer", model=model).source
