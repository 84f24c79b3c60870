"""The figure of forward and backward propagation: its numbers against the lecture's formulas, and its looks."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reading import faults, shown

from engine import gradcheck
from nn import MLP, binary_cross_entropy
from viz import draw_propagation, render, renderer, svg

SVG = "{http://www.w3.org/2000/svg}"


def quantities(graph) -> dict[str, list[list[float]]]:
    """All matrices of the figure by their symbol, read from the tooltips, which have every digit."""
    found = {}
    for line in graph.body:
        for symbol, matrix in re.findall(r"(?:\\n|\")([^\\\"]*?) = \[([^\]]*)\]", line):
            found[symbol] = [[float(x.replace("−", "-")) for x in row.split()] for row in matrix.split(";")]
    return found


def lecture(model: MLP, x: list[float], y: float) -> dict[str, list[list[float]]]:
    """The layer formulas of the lecture in plain floats, for sigmoid layers and one output."""
    sigmoid = lambda z: 1 / (1 + math.exp(-z))  # noqa: E731
    up = "⁰¹²³⁴⁵"
    a = [[v] for v in x]
    result = {"a⁰": a}
    weights = [[[w.data for w in n.weights] for n in layer.neurons] for layer in model.layers]
    biases = [[n.bias.data for n in layer.neurons] for layer in model.layers]
    last = len(weights)
    activations = [a]
    for k, (W, b) in enumerate(zip(weights, biases), 1):
        z = [[sum(w * v[0] for w, v in zip(row, a)) + b_i] for row, b_i in zip(W, b)]
        a = [[sigmoid(v[0])] for v in z]
        activations.append(a)
        result |= {f"z{up[k]}": z, f"W{up[k]}": W, f"b{up[k]}": [[b_i] for b_i in b]}
        result["ŷ" if k == last else f"a{up[k]}"] = a
    prediction = a[0][0]
    result["J"] = [[-(y * math.log(prediction) + (1 - y) * math.log(1 - prediction))]]
    result["dŷ"] = [[-y / prediction + (1 - y) / (1 - prediction)]]
    dz = [[prediction - y]]
    for k in range(last, 0, -1):
        W, before = weights[k - 1], activations[k - 1]
        result[f"dz{up[k]}"] = dz
        result[f"dW{up[k]}"] = [[d[0] * v[0] for v in before] for d in dz]
        result[f"db{up[k]}"] = dz
        da = [[sum(W[i][j] * dz[i][0] for i in range(len(W)))] for j in range(len(before))]
        result[f"da{up[k - 1]}"] = da
        slope = [[v[0] * (1 - v[0])] for v in activations[k]]
        result[f"f′(z{up[k]})"] = slope
        dz = [[d[0] * v[0] * (1 - v[0])] for d, v in zip(da, before)]
    return result


@given(
    st.lists(st.integers(1, 5), min_size=0, max_size=3),
    st.lists(st.floats(-2, 2), min_size=2, max_size=2),
    st.sampled_from([0.0, 1.0, 0.3]),
    st.integers(0, 100),
)
@settings(max_examples=40)
def test_every_number_is_the_lectures(hidden, x, y, seed):
    """z, a, J, dz = a - y, dW = dz aᵀ, db = dz, da = Wᵀ dz: the figure has the numbers of the layer formulas."""
    model = MLP(2, [*hidden, 1], seed=seed)
    shown, expected = quantities(draw_propagation(model, x, y)), lecture(model, x, y)
    shown.pop("dJ/dJ")
    assert shown.keys() == expected.keys()
    for symbol, matrix in expected.items():
        assert len(shown[symbol]) == len(matrix)
        for row, expected_row in zip(shown[symbol], matrix):
            assert row == pytest.approx(expected_row, rel=1e-9, abs=1e-12), symbol


def test_gradients_agree_with_gradcheck():
    """dW and db of the figure are those that central differences find, weight by weight."""
    model = MLP(2, [3, 1], seed=5)
    x, y = [0.5, -1.0], 1.0
    shown = quantities(draw_propagation(model, x, y))
    flat = []
    for k in "¹²":
        for row, bias in zip(shown[f"dW{k}"], shown[f"db{k}"]):
            flat += [*row, *bias]

    def loss(*values):
        other = MLP(2, [3, 1])
        neurons = [n for layer in other.layers for n in layer.neurons]
        for neuron, numbers in zip(neurons, (values[:3], values[3:6], values[6:9], values[9:])):
            *neuron.weights, neuron.bias = numbers
        return binary_cross_entropy(other(x), y)

    start = [p.data for p in model.parameters()]
    report = gradcheck(loss, start)
    assert report.passed
    h = 1e-6
    for k, derivative in enumerate(flat):
        plus = loss(*(v + h * (j == k) for j, v in enumerate(start)))
        minus = loss(*(v - h * (j == k) for j, v in enumerate(start)))
        assert (float(plus) - float(minus)) / (2 * h) == pytest.approx(derivative, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize(
    ("output", "activation", "y"),
    [("softmax", "tanh", 2), ("softmax", "relu", [0.2, 0.3, 0.5]), ("linear", "gelu", [1.0, -1.0, 0.5]),
     ("sigmoid", "leaky_relu", [1.0, 0.0, 1.0])],
)  # fmt: skip
def test_other_outputs_and_activations(output, activation, y):
    """Softmax, linear and several sigmoid outputs: dW is the central difference of the loss that the figure names."""
    model = MLP(2, [4, 3], activation=activation, output=output, seed=2)
    x = [0.5, -1.0]
    shown = quantities(draw_propagation(model, x, y))
    targets = [float(k == y) for k in range(3)] if isinstance(y, int) else y

    def loss() -> float:
        predictions = [p.data for p in model(x)]
        if output == "softmax":
            return -sum(t * math.log(p) for t, p in zip(targets, predictions))
        if output == "linear":
            return sum((p - t) ** 2 for t, p in zip(targets, predictions)) / 3
        return -sum(t * math.log(p) + (1 - t) * math.log(1 - p) for t, p in zip(targets, predictions)) / 3

    assert shown["J"][0][0] == pytest.approx(loss(), rel=1e-12)
    for number, layer in zip("¹²", model.layers):
        for i, neuron in enumerate(layer.neurons):
            for j, weight in enumerate(neuron.weights):
                start, h = weight.data, 1e-6
                weight.data = start + h
                plus = loss()
                weight.data = start - h
                minus = loss()
                weight.data = start
                assert (plus - minus) / (2 * h) == pytest.approx(shown[f"dW{number}"][i][j], rel=1e-5, abs=1e-8)


def test_the_model_is_left_as_it_was():
    """Neither data nor gradients of the model change, nor whether it has gradients at all."""
    model = MLP(2, [2, 1])
    model.parameters()[0].grad = 7.0
    before = [(p.data, p.grad, p.has_grad) for p in model.parameters()]
    draw_propagation(model, [1.0, 2.0], 1)
    assert [(p.data, p.grad, p.has_grad) for p in model.parameters()] == before


def test_rows_columns_and_colours():
    """Forward and backward boxes of a layer share a column; the lecture's four colours and dashed edges are there."""
    source = draw_propagation(MLP(2, [3, 1]), [0.5, -1.0], 1).source
    assert re.search(r"rank=same\s+forward1\s+backward1\s+gradients1", source)
    for colour in ("#74b9ff", "#fdefc4", "#55efc4", "#ff7675"):
        assert colour in source
    cached = re.findall(r"(\w+) -> (\w+) \[[^\]]*style=dashed", source)
    carried = {("forward1", "backward1"), ("a0", "backward1"), ("a1", "backward2"), ("forward2", "backward2")}
    assert carried <= set(cached)


def test_large_matrices_are_summarised():
    """More than four rows or columns are shown by shape and Euclidean norm."""
    model = MLP(2, [16, 1], seed=4)
    source = draw_propagation(model, [0.5, -1.0], 1).source
    norm = math.sqrt(sum(w.data**2 for n in model.layers[0].neurons for w in n.weights))
    assert "16 × 2" in source
    assert f"norm {norm:.4f}" in source


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((object(), [1.0], 1.0), TypeError, "takes an nn.MLP, got object"),
        ((MLP(2, [1]), [1.0], 1.0), ValueError, "2 inputs, got 1"),
        ((MLP(2, [1]), [1.0, 2.0], [1.0, 0.0]), ValueError, r"y\[0\] \(row 0\) has 2 numbers: the model has 1 output"),
        ((MLP(2, [1]), [1.0, 2.0], "1"), TypeError, r"y\[0\] \(row 0\) is '1' \(str\): it must be a number"),
        ((MLP(2, [3], output="softmax"), [1.0, 2.0], 3), ValueError, r"y\[0\] is 3: a class must be one of 0, 1"),
        ((MLP(2, [1]), [1.0, 2.0], 2.0), ValueError, "labels must lie in \\[0, 1\\]"),
    ],
)
def test_what_does_not_fit_is_named(arguments, error, message):
    """Wrong models, inputs and targets are refused, and the gradients of the model stay as they were."""
    with pytest.raises(error, match=message):
        draw_propagation(*arguments)
    if isinstance(arguments[0], MLP):
        assert not any(p.has_grad for p in arguments[0].parameters())


def test_nothing_overlaps_in_a_browser(tab, tmp_path):
    """In a real browser the boxes do not touch each other, every text is inside its box, and the page fits a laptop."""
    if renderer() is None:
        pytest.skip("no Graphviz")
    path = render(draw_propagation(MLP(2, [3, 1], seed=3), [0.5, -1.0], 1), tmp_path / "figure.svg")
    page = tab(1440, 900)
    page.goto(path.as_uri())
    result = page.evaluate(
        """() => {
            const box = shapes => {
                const all = shapes.map(s => s.getBoundingClientRect());
                return [Math.min(...all.map(b => b.left)), Math.min(...all.map(b => b.top)),
                        Math.max(...all.map(b => b.right)), Math.max(...all.map(b => b.bottom))];
            };
            const nodes = [...document.querySelectorAll('g.node')];
            const boxes = nodes.map(n => box([...n.querySelectorAll('path, polygon')]));
            const touching = [], outside = [];
            boxes.forEach((a, i) => boxes.forEach((b, j) => {
                if (i < j && a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3]) touching.push([i, j]);
            }));
            nodes.forEach((n, i) => n.querySelectorAll('text').forEach(t => {
                const [l, u, r, d] = box([t]), b = boxes[i];
                if (l < b[0] || r > b[2] || u < b[1] || d > b[3]) outside.push(t.textContent);
            }));
            const width = document.documentElement.getBoundingClientRect().width;
            return {touching, outside, count: nodes.length, width};
        }"""
    )
    assert result["count"] == 16
    assert result["touching"] == []
    assert result["outside"] == []
    assert result["width"] <= 1440


def test_the_figure_describes_itself():
    """Title and description tell what the figure shows, and each box has its numbers as a tooltip."""
    if renderer() is None:
        pytest.skip("no Graphviz")
    root = ET.fromstring(svg(draw_propagation(MLP(2, [2, 1]), [0.5, -1.0], 1)))
    assert root[0].text == "Forward and backward propagation through MLP(2, 2, 1)"
    assert "right to left" in root[1].text
    assert any("dW¹ = [" in (title.text or "") for title in root.iter(SVG + "title"))


def test_a_tanh_output_has_the_squared_error():
    """Targets of -1 and 1 have no cross-entropy; the figure shows 2 (ŷ − y) as the derivative of the loss."""
    model = MLP(2, [3, 1], seed=0, output="tanh")
    found = quantities(draw_propagation(model, [0.5, -1.0], -1.0))
    prediction = model([0.5, -1.0]).data
    assert found["ŷ"] == [[prediction]]
    assert found["J"][0][0] == pytest.approx((prediction + 1) ** 2, rel=1e-14)


def test_standardized_inputs_are_said_to_be():
    """A model that standardizes has a⁰ = (x − mean) / scale, and the figure says so."""
    model = MLP(2, [3, 1], seed=0)
    assert "standardized" not in draw_propagation(model, [0.5, -1.0], 1.0).source
    model.mean, model.scale = [1.0, 2.0], [2.0, 4.0]
    graph = draw_propagation(model, [5.0, -6.0], 1.0)
    assert "x standardized" in graph.source
    assert quantities(graph)["a⁰"] == [[2.0], [-2.0]]


@pytest.mark.parametrize("sizes", [(2, 2, 1), (2, 3, 3, 1), (2, 4, 4, 4, 1), (3, 8, 6, 2, 1), (2, 4, 4, 4, 4, 4, 2)])
def test_the_figure_can_be_read_on_a_laptop(tab, sizes):
    """However many layers: no type under 10 pixels, nothing cut off, no text on another. The lecture's own network has
    its two rows, a deeper one goes downwards, so that it gets no wider."""
    model = MLP(sizes[0], list(sizes[1:]), seed=0)
    drawn = draw_propagation(model, [0.5] * sizes[0], [1.0] * sizes[-1])
    page = shown(tab, svg(drawn), 1280)
    assert faults(page, 10) == []
    picture = page.locator("svg").bounding_box()
    assert (picture["height"] > picture["width"]) == (len(sizes) > 3)
    assert ("rankdir=TB" in drawn.source) == (len(sizes) > 3)
    assert ("Left, downwards" in drawn.source) == (len(sizes) > 3)
