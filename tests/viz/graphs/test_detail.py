"""Levels of detail: which nodes are collapsed, what the boxes say, and that no graph is too large for an answer."""

from __future__ import annotations

import random
import re
from xml.etree import ElementTree

import pytest
from drawn import boxes, network_loss

import engine
from engine import Value, toposort
from nn import MLP
from viz import draw, renderer, svg


def test_auto_chooses_by_size():
    """Small graphs in full, larger ones by neuron, large ones by layer."""
    assert boxes(draw(network_loss(2, 1)).source, "operation|value")
    assert "one a neuron" in draw(network_loss(2, 3, 1)).source
    assert "one a neuron" in draw(network_loss(2, 16, 16, 1)).source
    assert "one a layer" in draw(network_loss(2, 80, 80, 1)).source


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


def chain(length: int) -> Value:
    """x → x + 0.1 → tanh(1.1 x) → …, a chain of so many operations."""
    y = Value(0.5, label="x")
    while length > 0:
        y, length = y + 0.1, length - 1
        if length > 1:
            y, length = (y * 1.1).tanh(), length - 2
    return y


@pytest.mark.skipif(renderer() is None, reason="no Graphviz")
@pytest.mark.parametrize(
    "make",
    [lambda: network_loss(2, 1), lambda: network_loss(2, 3, 1), lambda: network_loss(2, 8, 6, 1),
     lambda: network_loss(2, 16, 16, 1), lambda: network_loss(3, 64, 64, 64, 64, 64, 1), lambda: chain(8),
     lambda: chain(40), lambda: chain(90), lambda: chain(1000), lambda: engine.sum([Value(k) for k in range(12)]),
     lambda: engine.sum([Value(k) for k in range(2000)]), lambda: network_loss(3, 5, 4, 3, 3, 3, 2, 1)],
)  # fmt: skip
def test_auto_can_be_read_on_a_laptop(make):
    """At 1,280 pixels no type of the picture is smaller than 10 pixels: its widest is 1,536 pixels at type of 12. It is
    no higher than two screens, or where it is wrapped into rows, four."""
    root = ElementTree.fromstring(svg(make()))
    width, height = (float(root.attrib[side].removesuffix("pt")) for side in ("width", "height"))
    smallest = min(float(text.attrib["font-size"]) for text in root.iter("{http://www.w3.org/2000/svg}text"))
    assert smallest * 4 / 3 * min(1, 1280 / (width * 4 / 3)) >= 10
    spare = 1.15 if renderer() == "dot" else 1.2  # the rows of text of the renderer in the wheel are a little higher
    assert height <= 2 * spare * 1200


def test_a_long_chain_goes_on_in_the_next_row():
    """Forty operations in a row are drawn in rows, which run to the right and to the left in turn; edges keep their
    direction, and every value and operation is there."""
    y = chain(40)
    graph = draw(y)
    assert len(boxes(graph.source, "operation|value")) >= 40
    ends = re.findall(r"^\t(\w+) -> (\w+) \[(.*)\]$", graph.source, re.MULTILINE)
    arrows = {(head, tail) if "dir=back" in more else (tail, head) for tail, head, more in ends}
    order = toposort(y)
    index = {node: k for k, node in enumerate(order)}
    expected = {(f"o{k}", f"v{k}") for k, node in enumerate(order) if node.op}
    expected |= {(f"v{index[p]}", f"o{k}") for k, node in enumerate(order) for p in node.parents}
    assert arrows == expected
    assert any("dir=back" in more for *_, more in ends)


def test_a_sum_of_many_is_said_as_such():
    """One box that says what it is and of how many; what it takes are leaves, not parameters, and one box is one."""
    source = draw(engine.sum([Value(k) for k in range(2000)])).source
    assert "sum of 2,000" in source
    assert "leaves" in source
    assert "parameters" not in source
    assert "2,001 values collapsed to one box" in source
    added = Value(0.0)
    for k in range(1999):
        added = added + Value(k)
    assert "sum of 2,000" in draw(added).source


@pytest.mark.parametrize(
    ("step", "says"),
    [(lambda y: (y * 1.01).tanh(), "499 rounds of ×, tanh"), (lambda y: y.sin(), "499 × sin"),
     (lambda y: (y.sin() + 1.0).log1p(), "499 rounds of +, log1p, sin, then +, log1p")],
)  # fmt: skip
def test_a_loop_too_long_to_draw_says_what_its_rounds_do(step, says):
    """The box of five hundred rounds says how many there are and of what, and the legend where they can be opened."""
    y = Value(0.5, label="x")
    for _ in range(500):
        y = step(y)
    source = draw(y).source
    assert says in source
    assert "step_through opens them part by part" in source


def test_a_picture_in_full_that_would_take_minutes_is_refused_at_once():
    """A chain of a thousand rounds in full has 9,003 boxes and edges: the refusal counts them and says what to do. One
    of 200 rounds is drawn."""
    y = Value(0.5, label="x")
    rounds = []
    for _ in range(1000):
        y = (y * 1.01).tanh()
        rounds.append(y)
    with pytest.raises(ValueError, match=r"10,001 boxes and edges.*limit is 4,000.*detail=\"layer\".*step_through"):
        draw(y, detail="full")
    assert len(boxes(draw(rounds[199], detail="full").source, "operation|value")) > 400
