"""Neurons and layers, as they are found in graphs of any kind."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import Value, toposort
from nn import MLP, binary_cross_entropy
from viz.graphs.structure import Structure


def structure_of(output: Value) -> Structure:
    order = toposort(output)
    return Structure([output], order, [node.label for node in order])


def test_neurons_and_layers_come_in_their_order():
    """However the graph is walked: neuron 1 to 8 of layer 1, then those of layer 2, and x1 before x2."""
    found = structure_of(binary_cross_entropy(MLP(2, [8, 6, 1], seed=1)([0.5, -1.0]), 1.0))
    layers, inputs = found.layers()
    named = [[found.names[head] for head in layer] for layer in layers]
    wanted = [[f"layer{k}.neuron{n + 1}.a" for n in range(size)] for k, size in ((1, 8), (2, 6), (3, 1))]
    assert named == [*wanted, [""]]
    assert [[found.names[p] for p in bundle] for bundle in inputs] == [["x1", "x2"]]


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
@settings(max_examples=60)
def test_collapsing_keeps_every_node_and_makes_no_cycle(output):
    """Each computed node is in one box; each leaf is an input or part of a box; boxes and layers can be ordered."""
    order = toposort(output)
    groups = Structure([output], order, [""] * len(order))
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
@settings(max_examples=30)
def test_derivatives_on_collapsed_edges_chain_up_to_the_gradient(output):
    """Summing over paths of boxes the products of the derivatives on their edges gives the gradient of each input."""
    output.backward()
    order = toposort(output)
    groups = Structure([output], order, [""] * len(order))
    adjoint = {len(order) - 1: 1.0}
    for head in reversed(groups.heads):
        for p, d in groups.sources(head).items():
            adjoint[p] = adjoint.get(p, 0.0) + adjoint.get(head, 0.0) * d
    for p in groups.inputs:
        assert adjoint.get(p, 0.0) == pytest.approx(order[p].grad, rel=1e-9, abs=1e-12)


def test_a_branch_not_taken_gives_a_box_no_derivative():
    """where(x > 0, log x, x) at 0 has the derivative 1, in the pictures as in the engine, and not nan."""
    x = Value(0.0, label="x")
    y = engine.where(x.gt(0), x.log(), x)
    found = structure_of(y * x)
    assert all(d == d for head in found.heads for d in found.sources(head).values())
