"""The graph answers: leaves are moved in the page, and every number follows as the engine computes it."""

from __future__ import annotations

import math
import random

import pytest
from opening import agree, caption_of, exact, fan_out, index_of, network, neuron, passes, random_graph, set_leaves

from engine import OPS, Value, dot, maximum, sqrt, toposort, where
from engine.operations import FUNCTIONS
from viz.pages.stepthrough import step_through


def points_of(name: str) -> list[tuple[float, ...]]:
    """Points inside the domains of an operation, and special ones."""
    op, chance = OPS[name], random.Random(name)
    count = op.arity or 5
    inside = [
        tuple(chance.uniform(*i) for i in (box if op.arity else box[:1] * count))
        for box in op.domains
        for _ in range(2)
    ]
    return [*inside, (0.0,) * count, (-0.0,) * count, (1.0,) * count, (math.inf,) * count, (-2.5,) * count,
            (1e300,) * count, (math.nan,) * count, tuple(float(k) for k in range(count))]  # fmt: skip


@pytest.mark.parametrize("part", range(6))
def test_every_operation_is_recomputed_as_the_engine_does(opened, part):
    """For each row of the table, a page whose leaves are moved shows the engine's data and gradients to 1e-12."""
    names = list(OPS)[part::6]
    points = {name: points_of(name) for name in names}
    leaves = {name: [Value(x) for x in points[name][0]] for name in names}
    results = []
    for name in names:
        own = leaves[name]
        if name == "dot":
            results.append(dot(own[:2], own[2:4], own[4]))
        else:
            results.append(FUNCTIONS[name](*(own if OPS[name].arity else [own])))
    output = FUNCTIONS["sum"](results)  # passes the gradient 1 to each of them
    order = toposort(output)
    page = opened(output)
    page.keyboard.press("End")
    for k in range(max(map(len, points.values()))):
        data = {}
        for name in names:
            for leaf, x in zip(leaves[name], points[name][k % len(points[name])]):
                data[order.index(leaf)] = x
        set_leaves(page, {at: repr(x) for at, x in data.items()})
        values, gradients = passes(output, data)
        shown = exact(page)
        for at, node in enumerate(order[:-1]):
            told = (node.op, [data.get(order.index(p)) for p in node.parents], shown[at], values[at], gradients[at])
            assert agree(shown[at][0], values[at]), told
            assert agree(shown[at][1], gradients[at]), told


SPECIAL = (0.0, -0.0, 1.0, -2.5, math.inf, 1e300, -700.0)


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(k, marks=pytest.mark.long) for k in range(4, 80))])
def test_random_graphs_are_recomputed_as_the_engine_does(opened, seed):
    """Graphs of any operations, with special values in their leaves: every number is the engine's, nan and inf too."""
    chance = random.Random(seed)
    output = random_graph(chance)
    order = toposort(output)
    page = opened(output)
    page.keyboard.press("End")
    for _ in range(4):
        leaves = [k for k, node in enumerate(order) if node.is_leaf]
        data = {k: chance.choice([*SPECIAL, chance.uniform(-3, 3)]) for k in leaves}
        set_leaves(page, {k: repr(x) for k, x in data.items()})
        for (shown, shown_grad), value, gradient, node in zip(exact(page), *passes(output, data), order):
            assert agree(shown, value, 1e-11), node
            if not node.is_constant:
                assert agree(shown_grad if shown_grad != "–" else "0", gradient, 1e-9), node


def test_a_slider_moves_its_leaf_and_its_range_widens(opened):
    """Dragging shows the number in the field and recomputes; at the end of its range the slider reaches further."""
    x = Value(2.0, label="x")
    page = opened(x * x)
    slider, field = page.locator("#fields input[type=range]"), page.locator("#leaf0")
    page.keyboard.press("End")
    slider.fill("3.5")
    assert field.input_value() == "3.5"
    assert exact(page) == [("3.5", "7"), ("12.25", "1")]
    most = float(slider.get_attribute("max"))
    assert most >= 4
    slider.focus()
    page.keyboard.press("End")  # the slider's own key
    assert float(slider.get_attribute("max")) > most
    field.fill("1e6")
    assert float(slider.get_attribute("max")) > 1e6
    assert float(slider.input_value()) == 1e6
    for extreme in ("1.7e308", "-1.7e308", "5e-324"):
        field.fill(extreme)
        assert float(slider.input_value()) == pytest.approx(float(extreme), rel=0.51)
        assert exact(page)[0][0] != "nan"


def test_invalid_text_stays_is_marked_and_breaks_nothing(opened):
    """What is no number is kept as typed and said to be wrong; the graph keeps the last number, and then goes on."""
    x = Value(2.0, label="x")
    page = opened(x * x)
    page.keyboard.press("End")
    for text in ("", "abc", "1,5", "--3", "1e", "0x10", "2 3", "<b>", "infinite"):
        page.fill("#leaf0", "2")
        before = exact(page)
        page.fill("#leaf0", text)
        assert page.input_value("#leaf0") == text
        assert page.get_attribute("#leaf0", "aria-invalid") == "true"
        assert "not a number" in page.inner_text("#fields")
        assert exact(page) == before
        page.fill("#leaf0", "3")
        assert page.get_attribute("#leaf0", "aria-invalid") == "false"
        assert "not a number" not in page.inner_text("#fields")
        assert exact(page) == [("3", "6"), ("9", "1")]


def test_a_number_too_large_does_not_become_infinite(opened):
    """1e400 is said to be beyond the largest number, and the leaf stays what it was; inf has to be typed."""
    page = opened(Value(2.0, label="x") * 3.0)
    for text in ("1e400", "-1e400"):
        page.fill("#leaf0", text)
        assert page.get_attribute("#leaf0", "aria-invalid") == "true"
        assert "beyond the largest number, 1.8e308; x stays 2" in page.inner_text("#fields")
        assert exact(page)[0][0] == "2"
    page.fill("#leaf0", "inf")
    assert exact(page)[0][0] == "inf"


def test_nan_and_infinities_can_be_typed_and_are_shown(opened):
    """The IEEE values are numbers here too; they appear by name in picture and caption."""
    x = Value(2.0, label="x")
    page = opened(x.log())
    page.keyboard.press("End")
    for typed, data, gradient in [
        ("0", "-inf", "inf"),
        ("-1", "nan", "-1"),
        ("inf", "inf", "0"),
        ("nan", "nan", "nan"),
        ("−0.5", "nan", "-2"),
    ]:
        page.fill("#leaf0", typed)
        assert exact(page) == [(exact(page)[0][0], gradient), (data, "1")]
    page.fill("#leaf0", "0")
    assert "−inf" in page.locator("svg text").all_text_contents()


def test_leaves_that_are_not_finite_open_and_compute(opened):
    """A graph that starts with nan and infinities has a page like any other."""
    page = opened(Value(math.nan, label="x") * Value(math.inf, label="y") + Value(-math.inf))
    page.keyboard.press("End")
    assert [data for data, _ in exact(page)] == ["nan", "inf", "nan", "-inf", "nan"]


@pytest.mark.parametrize(
    ("make", "at", "gradient"),
    [
        (lambda x: where(x.gt(0), x.log(), x), "0", "1"),
        (lambda x: maximum(sqrt(x), x - 4), "0", "inf"),
        (lambda x: maximum(sqrt(x), x + 4), "0", "1"),
        (lambda x: (x.log() - 1).relu() + x, "0", "1"),
        (lambda x: sqrt(x) * sqrt(x), "0", "nan"),
    ],
)
def test_a_branch_not_taken_contributes_nothing(opened, make, at, gradient):
    """where(x > 0, log x, x) at 0 has the derivative 1; an honest 0 × inf on a path that is taken stays nan."""
    page = opened(make(Value(1.0, label="x")))
    page.keyboard.press("End")
    page.fill("#leaf0", at)
    assert exact(page)[0] == (at, gradient)


def test_an_output_that_cannot_be_compared_is_said_to_be(opened):
    """With a leaf that is not a number the loss is not one either, which is neither smaller nor unchanged."""
    output = neuron()
    page = opened(output)
    page.keyboard.press("End")
    page.fill(f"#leaf{index_of(output, 'w1')}", "nan")
    assert "cannotbecompared:notanumber" in caption_of(page)
    assert "unchanged" not in caption_of(page)


def test_the_learning_rate_and_the_step_downhill(opened):
    """η can be changed; taking the step moves the leaves by it, and the output falls; Reset brings all back."""
    output = neuron()
    page = opened(output)
    page.keyboard.press("End")
    page.fill("#rate", "0.5")
    assert "0.5000−0.5×0.7311=0.1345" in caption_of(page)
    w1, loss = index_of(output, "w1"), float(exact(page)[-1][0])
    assert exact(page)[w1][0] == "0.5", "the picture still shows the numbers before the step"
    page.click("#actions button")
    assert page.input_value("#step") == "0"
    assert float(exact(page)[w1][0]) == pytest.approx(0.5 - 0.5 * 0.7310585786300049, abs=1e-15)
    page.keyboard.press("End")
    assert float(exact(page)[-1][0]) < loss
    page.click("#reset")
    assert page.input_value(f"#leaf{w1}") == "0.5"
    assert page.input_value("#rate") == "0.1"
    page.fill("#rate", "fast")
    assert page.get_attribute("#rate", "aria-invalid") == "true"


def test_only_the_chosen_leaves_are_updated(opened, tmp_path):
    """The weights and biases of a network by default, its inputs not; or the leaves in wrt."""
    page = opened(neuron())
    page.keyboard.press("End")
    assert page.locator("#caption tr").all_inner_texts()[1:] == [
        "w1\t0.5000\t0.7311\t0.4269",
        "w2\t0.2500\t1.4621\t0.1038",
        "b\t0.0000\t0.7311\t−0.0731",
    ]
    output = fan_out()
    page = opened(step_through(output, tmp_path / "wrt.html", wrt=[toposort(output)[0]]))
    page.keyboard.press("End")
    assert len(page.locator("#caption tr").all()) == 2


def test_leaves_are_in_groups_in_order_with_short_numbers(opened):
    """Inputs and target first, then neuron by neuron, each w₁, w₂, b; no field shows more than ten characters."""
    page = opened(network(2, 11, 1))
    titles = page.locator("#fields summary").all_text_contents()
    assert titles == ["inputs and target", *(f"layer 1, neuron {k}" for k in range(1, 12)), "layer 2, neuron 1"]
    labels = page.evaluate("""[...document.querySelectorAll('#fields details')].map(
        (details) => [...details.querySelectorAll('label')].map((label) => label.textContent))""")
    assert labels[0] == ["x1", "x2", "y (target)"]
    assert labels[3] == ["w₁", "w₂", "b"]
    assert labels[-1] == [*(f"w{k}" for k in ["₁", "₂", "₃", "₄", "₅", "₆", "₇", "₈", "₉", "₁₀", "₁₁"]), "b"]
    values = page.evaluate("[...document.querySelectorAll('#fields input[type=text]')].map((f) => f.value)")
    assert max(map(len, values)) <= 10
