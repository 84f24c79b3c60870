"""Going through the steps of a page in a browser."""

from __future__ import annotations

import random
import re

import pytest
from opening import (
    agree,
    caption_of,
    exact,
    fan_out,
    index_of,
    loop,
    network,
    neuron,
    passes,
    set_leaf,
    step_to,
    title_of,
    titles,
    walk,
)
from waiting import eventually, let_pass, stop_time

from engine import Value, grad, toposort
from viz.pages.steps import GROUPED, StepGraph, flat


def test_every_step_of_a_graph_with_fan_out(opened):
    """Forward node by node, the seed, each edge backward with its derivative, product and sum, then the update."""
    output = fan_out()
    page = opened(output, still=True, reduced_motion="no-preference")
    names, captions = [], []
    for title in walk(page):
        names.append(title)
        captions.append(caption_of(page))
    order = toposort(output)
    assert len(names) == 3 + sum(node.op is not None for node in order) + sum(len(node.parents) for node in order)
    assert names[0].startswith("Start")
    assert [title.split(":")[0] for title in names[1:5]] == ["Forward"] * 4
    assert "∂L∂L=1" in captions[5]
    assert names[-1].startswith("Update")
    backward = [(title, text) for title, text in zip(names, captions) if title.startswith("Backward: from")]
    assert all("localderivative" in text and "upstream×local" in text and "accumulate" in text for _, text in backward)
    to_a = [text for title, text in backward if title.endswith(" to a")]
    # a's three contributions: tanh'(2) × 1, then c's adjoint -3 times a, twice
    assert "=1.0000×0.0707=0.0707" in to_a[0]
    assert "a.grad:0.0000+0.0707=0.0707" in to_a[0]
    assert "firstof3paths" in to_a[0]
    assert "=(−3.0000)×2.0000=−6.0000" in to_a[1]
    assert "a.grad:0.0707+(−6.0000)=−5.9293" in to_a[1]
    assert "asecondpathfromatoLisadded" in to_a[1]
    assert "a.grad:−5.9293+(−6.0000)=−11.9293" in to_a[2]
    assert "∂L∂a=−11.9293iscomplete" in to_a[2]
    assert "tanh′(a)=1−tanh(a)2=1−0.96402=0.0707" in to_a[0]
    assert all(agree(text, g) for (_, text), g in zip(exact(page), grad(output, order)))


def test_a_sigmoid_neuron_says_what_the_lecture_says(opened):
    """At z = 1 the local derivative is σ′(z) = σ(z)(1 − σ(z)) = 0.1966, in the picture and in the caption."""
    page = opened(neuron())
    captions = [caption_of(page) for _ in walk(page)]
    assert any("σ′(z)=σ(z)(1−σ(z))=0.7311(1−0.7311)=0.1966" in text for text in captions)
    assert any("w1.grad:0.0000+0.7311=0.7311" in text for text in captions)
    assert "0.1966" in page.locator("#picture text").all_text_contents()
    # the update: w1 - 0.1 × 0.7311
    assert "0.5000−0.1×0.7311=0.4269" in captions[-1]
    assert "smaller" in captions[-1]


def test_negative_numbers_in_formulas_stand_in_brackets(opened):
    """1 − (−0.9640)² is not 1 − −0.9640²; alone, at the start or as an argument a negative number has no brackets."""
    page = opened(Value(-2.0, label="a").tanh(), hash="#step=3")
    assert "=1−(−0.9640)2=0.0707" in caption_of(page)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert "=tanh(−2.0000)=−0.9640" in caption_of(page)


def test_formulas_are_mathml_with_fractions(opened):
    """Derivatives are fractions of MathML, and each formula is one that a screen reader can read."""
    page = opened(fan_out(), hash="#step=8")
    assert page.locator("#caption math mfrac").count() >= 2
    assert page.evaluate("document.querySelector('#caption math').namespaceURI").endswith("MathML")
    heights = page.evaluate("""[...document.querySelectorAll('#caption mfrac')].map(
        (fraction) => [...fraction.children].map((part) => part.getBoundingClientRect().top))""")
    assert all(above < below for above, below in heights), "the numerator stands above"


def test_factors_have_their_colour_in_box_edge_and_caption(opened):
    """In a backward step upstream gradient, local derivative and product each have one colour in both places."""
    page = opened(fan_out(), hash="#step=8")
    for role in ("upstream", "local", "product"):
        found = page.evaluate(
            """(role) => ["backgroundColor", "fill"].flatMap((kind) => [
                ...document.querySelectorAll(`#${kind === "fill" ? "picture" : "caption"} .chip.${role}`)
            ].map((element) => getComputedStyle(element)[kind]))""",
            role,
        )
        assert len(found) >= 3 if role != "product" else 2
        assert len(set(found)) == 1
    numbers = page.evaluate(
        "[...document.querySelectorAll('#picture rect.chip')].map((r) => [r.classList[1], r.nextSibling.textContent])"
    )
    assert sorted(numbers) == [["local", "0.0707"], ["product", "0.0707"], ["upstream", "1.0000"]]


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_the_number_travels_into_the_formula(opened, motion):
    """A step backward sends its upstream gradient along the edge to the formula; not where less motion is wanted."""
    page = opened(fan_out(), hash="#step=7", reduced_motion=motion)
    stop_time(page)
    page.click("#forward")
    moving = page.locator(".traveller")
    assert moving.count() == (motion == "no-preference")
    if motion == "no-preference":
        assert moving.text_content() == "1.0000"
        first = moving.bounding_box()
        let_pass(page, 450)
        assert moving.bounding_box()["y"] > first["y"] + 30
        let_pass(page, 1000)
        assert moving.count() == 0


def test_a_label_that_is_an_expression_does_not_stand_in_formulas(opened):
    """∂a*b + c/∂a*b would be misread: formulas call such nodes v1 and L; box and title say what these are."""
    a, b, c = (Value(x, label=name) for x, name in ((2.0, "a"), (-3.0, "b"), (0.5, "c")))
    product = a * b
    product.label = "a*b"
    output = product + c
    output.label = "a*b + c"
    page = opened(output, hash="#step=4")
    assert title_of(page) == "Backward: from a*b + c to a*b"
    assert "∂L∂v1=1" in caption_of(page)
    assert "v1: a*b" in page.locator("svg text").all_text_contents()


def test_names_are_the_lectures(opened):
    """layer1.neuron2.a is a with the layer above and the neuron below, its weights are w₁ and w₂ in its table."""
    page = opened(network(2, 3, 1))
    texts = page.locator("#picture text").all_text_contents()
    assert {"a¹₂", "z¹₂", "a²₁", "w₁", "w₃", "y (target)"} <= set(texts)
    assert "layer 1, neuron 2" in texts
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    scripts = page.evaluate(
        "[...document.querySelectorAll('#caption msubsup')].map((e) => [...e.children].map((c) => c.textContent))"
    )
    assert ["z", "1", "1"] in scripts


def test_what_a_step_has_not_reached_yet_is_not_shown(opened):
    """In the forward pass results read – until computed, gradients until the backward pass reaches them."""
    page = opened(fan_out())
    assert [text for node in exact(page) for text in node].count("–") == 4 + 6
    page.keyboard.press("ArrowRight")
    assert [data for data, _ in exact(page)].count("–") == 3
    page.keyboard.press("End")
    assert "–" not in [text for node in exact(page) for text in node]
    assert page.locator(".pending").count() == 0


def test_a_constant_has_no_derivative(opened):
    """c**2: the edge of the 2 carries no number, and no step leads to it."""
    c = Value(3.0, label="c")
    page = opened(c**2)
    page.keyboard.press("End")
    labels = [text for text in page.locator("#picture .edge text").all_text_contents() if text]
    assert labels == ["∂L/∂c = 2 · c^(2 − 1)", "6.0000"] or labels[-1] == "6.0000" and len(labels) <= 2
    assert [title for title in walk(page) if title.startswith("Backward: from")] == ["Backward: from L to c"]


def test_the_current_node_and_edge_are_marked_and_in_view(opened):
    """Each step has a thick outline on its node, and scrolls it into the window where the picture is enlarged."""
    page = opened(network(2, 8, 6, 1))
    page.select_option("#detail", "0")
    for _ in range(6):
        page.click("#larger")
    page.focus("#picture")
    page.keyboard.press("End")
    for _ in range(8):
        page.keyboard.press("ArrowLeft")
        assert page.locator(".now").count() > 0
        inside = page.evaluate("""() => {
            const view = document.getElementById("picture").getBoundingClientRect();
            return [...document.querySelectorAll(".value.now, .box.now, .row.now")].some((element) => {
                const box = element.getBoundingClientRect();
                return box.right > view.left && box.left < view.right && box.bottom > view.top && box.top < view.bottom;
            });
        }""")
        assert inside


def test_keys_buttons_and_slider_move(opened):
    """Arrow keys, Home, End, the four buttons and the slider go to their steps; fields keep their own keys."""
    page = opened(fan_out())
    last = page.get_attribute("#step", "max")

    def place():
        return page.input_value("#step")

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowLeft")
    assert place() == "1"
    page.keyboard.press("End")
    assert place() == last
    assert page.get_attribute("#forward", "aria-disabled") == "true"
    page.click("#first")
    assert place() == "0"
    assert page.get_attribute("#back", "aria-disabled") == "true"
    page.click("#forward")
    page.click("#forward")
    page.click("#back")
    assert place() == "1"
    page.click("#last")
    assert place() == last
    page.focus("#step")
    page.keyboard.press("ArrowLeft")
    assert place() == str(int(last) - 1), "the slider moves by one step, not two"
    step_to(page, 3)
    assert place() == "3"
    assert page.get_attribute("#step", "aria-valuetext").startswith("3 of")
    page.focus("#leaf0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert place() == "3", "keys in a field move its cursor"
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    assert place() == "4"


def test_focus_is_never_dropped(opened):
    """At either end, after opening and closing a group, folding, and taking a step, something has the focus."""
    page = opened(network(2, 8, 6, 1))
    focused = "document.activeElement !== document.body"
    for button, times in (("#forward", 3), ("#back", 5), ("#last", 2)):
        page.focus(button)
        for _ in range(times):
            page.keyboard.press("Enter")
            assert page.evaluate(f"document.activeElement.id === '{button[1:]}'")
    page.focus("#actions button")
    page.keyboard.press("Enter")
    assert title_of(page).startswith("Start")
    assert page.evaluate(focused)
    step_to(page, 1)
    page.focus("#actions button:has-text('Open')")
    page.keyboard.press("Enter")
    assert page.evaluate(focused)
    page.focus("#actions button:has-text('Close')")
    page.keyboard.press("Enter")
    assert page.evaluate(focused)
    page.locator("#picture .fold").first.focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.matches('.fold')")
    page.keyboard.press(" ")
    assert page.evaluate("document.activeElement.matches('.fold')")


def test_playing_goes_on_to_the_end_and_can_be_paused(opened):
    """Play advances by itself at the chosen speed, pauses on the space key, and stops at the last step."""
    page = opened(Value(2.0, label="x").tanh())
    stop_time(page)
    page.select_option("#speed", "4")
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    for duration, step in ((99, "0"), (2, "1"), (447, "1"), (4, "2")):
        let_pass(page, duration)
        assert page.input_value("#step") == step
    page.focus("#picture")
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    let_pass(page, 10_000)
    assert page.input_value("#step") == "2"
    page.keyboard.press(" ")
    let_pass(page, 10_000)
    assert page.input_value("#step") == page.get_attribute("#step", "max")
    assert page.get_attribute("#play", "aria-pressed") == "false"


def test_the_step_is_in_the_address(opened):
    """A link with #step=7 opens there, changing it by hand goes there, and one press of Back leaves the page."""
    page = opened(fan_out(), hash="#step=7")
    assert page.input_value("#step") == "7"
    page.keyboard.press("ArrowRight")
    assert page.evaluate("location.hash") == "#step=8"
    page.evaluate("location.hash = '#step=2'")
    eventually(page, lambda: page.input_value("#step") == "2")
    other = opened(fan_out())
    other.goto("about:blank")
    other.goto(other.made)
    for _ in range(5):
        other.keyboard.press("ArrowRight")
    other.go_back()
    assert other.url == "about:blank"


def test_a_wrong_address_opens_the_first_step(opened):
    """What is no step is no error."""
    page = opened(fan_out())
    for wrong in ("#step=999", "#step=-1", "#step=1e1", "#other", "#step=<script>"):
        page.goto("about:blank")
        page.goto(page.made + wrong)
        assert page.input_value("#step") == "0"


@pytest.mark.parametrize("sizes", [(2, 8, 6, 1), (2, 16, 16, 1)])
def test_many_steps_are_grouped_and_open_on_a_click(opened, sizes):
    """Over 60 steps come in groups by neuron or layer, of at most 60; each opens, down to every single step."""
    page = opened(network(*sizes))
    assert int(page.get_attribute("#step", "max")) < GROUPED
    found = titles(page)
    unit = "layer 2" if sizes[1] == 16 else "layer 2, neuron 3"
    group = next(k for k, title in enumerate(found) if title.startswith(f"Backward: {unit} ("))
    step_to(page, group)
    before = int(page.get_attribute("#step", "max"))
    state = exact(page)
    page.click("#actions button:has-text('Open')")
    assert int(page.get_attribute("#step", "max")) > before
    if sizes[1] == 16:
        page.click("#actions button:has-text('Open')")
    assert re.match(r"Backward: from layer2\.neuron\d+\.a to layer2\.neuron\d+\.z", title_of(page))
    page.click("#actions button:has-text('Close')")
    if sizes[1] == 16:
        page.click("#actions button:has-text('Close')")
    assert int(page.get_attribute("#step", "max")) == before
    assert exact(page) == state, "a closed group stands for the state after its last step"


def test_every_single_step_of_a_grouped_page_can_be_linked_to(opened):
    """The address of a step within a group opens the group."""
    output = network(2, 8, 6, 1)
    page = opened(output)
    found = set()
    for number in range(0, 210, 7):
        page.evaluate(f"location.hash = '#step={number}'")
        page.wait_for_selector(f"#caption[data-step='{number}']")
        found.add(title_of(page))
    assert any(re.match(r"Backward: from layer1\.neuron\d\.z to ", title) for title in found)
    page.keyboard.press("End")
    for node, (_, text), gradient in zip(toposort(output), exact(page), grad(output, toposort(output))):
        assert text == "–" if node.is_constant else agree(text, gradient)


def test_the_rounds_of_a_loop_are_groups_titled_by_what_they_do(opened):
    """y ← tanh(y·x), 40 times: groups of rounds that say so, at most 60 steps, and all numbers are the engine's."""
    y = loop()
    page = opened(y)
    assert int(page.get_attribute("#step", "max")) < GROUPED
    assert page.inner_text("#place").startswith("0 / ")
    page.keyboard.press("ArrowRight")
    assert title_of(page).startswith("Forward: rounds 1–7 of 40")
    assert "×,tanh" in caption_of(page)
    page.click("#actions button:has-text('Open')")
    assert title_of(page).startswith("Forward: round 1 of 40")
    page.keyboard.press("End")
    assert all(agree(text, g) for (_, text), g in zip(exact(page), grad(y, toposort(y))))


@pytest.mark.parametrize("make", [loop, lambda: network(2, 16, 16, 1), lambda: sum_of(300), lambda: samples(5)])
def test_every_outline_has_each_step_once_and_at_most_sixty_entries(make):
    """However a graph is grouped, each node and each edge has its step, in an order that works."""
    output = make()
    graph = StepGraph([output], None)
    graph.units()
    outline = graph.outline()
    assert len(outline) <= GROUPED
    steps = list(flat(outline))
    order = toposort(output)
    forward = [step[1] for step in steps if step[0] == "forward"]
    assert sorted(forward) == [k for k, node in enumerate(order) if node.op]
    known = {k for k, node in enumerate(order) if node.is_leaf}
    for k in forward:
        assert known.issuperset(graph.parents[k])
        known.add(k)
    backward = [(step[1], step[2]) for step in steps if step[0] == "backward"]
    edges = [(k, j) for k, node in enumerate(order) for j, p in enumerate(node.parents) if not p.is_constant]
    assert sorted(backward) == edges
    seen = [k for k, _ in backward]
    for place, (k, j) in enumerate(backward):
        parent = graph.parents[k][j]
        assert parent not in seen[: place + 1], "a node has its whole gradient before it passes it on"


def sum_of(n: int) -> Value:
    total = Value(0.0, label="start")
    for k in range(n):
        total = total + Value(float(k)) ** 2
    return total


def samples(n: int) -> Value:
    """The loss of a network on several samples, added up."""
    from nn import MLP, binary_cross_entropy

    model = MLP(2, [3, 1], seed=0)
    total = binary_cross_entropy(model([0.0, 1.0]), 1.0)
    for k in range(1, n):
        total = total + binary_cross_entropy(model([k / n, 1.0]), 0.0)
    return total


def test_moving_a_leaf_changes_every_number_at_every_step(opened):
    """On a network, leaves are moved at several steps; values, gradients and captions follow the engine."""
    output = network(2, 3, 1)
    order, chance = toposort(output), random.Random(5)
    leaves = [k for k, node in enumerate(order) if node.is_leaf and node is not order[-1].parents[1]]
    page = opened(output)
    data: dict[int, float] = {}
    for step in ("12", "20", "30", "37"):
        page.fill("#step", step)
        for k in chance.sample(leaves, 6):
            data[k] = chance.uniform(-3, 3)
            set_leaf(page, k, repr(data[k]))
        values, gradients = passes(output, data)
        assert all(agree(shown, value) for (shown, _), value in zip(exact(page), values))
        for (_, shown), gradient, node in zip(exact(page), gradients, order):
            single = sum(node in other.parents for other in order) == 1
            assert shown == "–" or not single or agree(shown, gradient)
    page.keyboard.press("End")
    values, gradients = passes(output, data)
    z, a = index_of(output, "layer1.neuron1.z"), index_of(output, "layer1.neuron1.a")
    shown = page.evaluate(f"document.querySelector('.row[data-node=\"{z}\"]').textContent")
    assert f"{values[a] * (1 - values[a]):.4f}".replace("-", "−") in shown, "the local derivative σ′(z)"
    assert f"{gradients[z]:.4f}".replace("-", "−") in shown
