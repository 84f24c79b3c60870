"""Following a number, nudging a leaf, folding, the origin of a nan, and two graphs side by side."""

from __future__ import annotations

import math
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
    squeezed,
    title_of,
)

from engine import Value, grad, toposort
from nn import MLP
from viz.pages.stepthrough import step_through


def named(page, *classes: str) -> set[str]:
    """The names of the values of the picture that have one of these classes."""
    selector = ", ".join(f"#picture .value.{name}" for name in classes)
    return {
        label.split(":")[0]
        for label in page.evaluate(f"[...document.querySelectorAll('{selector}')].map((e) => e.ariaLabel)")
    }


def test_pointing_and_focus_light_what_a_number_is_made_of_and_part_of(opened):
    """Under the pointer and the focus, ancestors and descendants are marked, each in its own way; then no more."""
    page = opened(fan_out())
    page.hover("#picture .value:has(> text:text-is('c'))")
    assert named(page, "chosen") == {"c"}
    assert named(page, "above") == {"a"}
    assert named(page, "below") == {"v1", "L"}
    assert page.locator("#picture .edge.above").count() == 2
    assert page.locator("#picture .edge.below").count() == 2
    page.mouse.move(1, 1)
    assert named(page, "chosen", "above", "below") == set()
    page.focus("#picture")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.ariaLabel?.startsWith('a:')"):
            break
    assert named(page, "chosen") == {"a"}
    assert named(page, "below") == {"c", "v1", "v2", "L"}


def test_a_leaf_shows_every_path_and_their_sum(opened):
    """a's three paths, as products of local derivatives from the output down, and as numbers; their sum is grad."""
    output = fan_out()
    page = opened(output)
    page.click("#picture .value:has(> text:text-is('a'))")
    assert title_of(page) == "Paths from a to L"
    told = caption_of(page)
    assert told.count("∂L∂v1·∂v1∂c·∂c∂a=1.0000×(−3.0000)×2.0000=−6.0000") == 2
    assert "∂L∂v2·∂v2∂a=1.0000×0.0707=0.0707" in told
    assert (
        "theirsum∂L∂a=(−6.0000)+(−6.0000)+0.0707=−11.9293" in told.replace("(0.0707)", "0.0707") or "=−11.9293" in told
    )
    page.keyboard.press("Escape")
    assert title_of(page).startswith("Start")


def test_paths_of_a_network_are_the_lectures_chain(opened):
    """For w of the first layer: ∂J/∂a² · ∂a²/∂z² · ∂z²/∂a¹ · ∂a¹/∂z¹ · ∂z¹/∂w¹, and the number is the gradient."""
    output = network(2, 3, 1)
    k = index_of(output, "layer1.neuron2.w1")
    page = opened(output)
    page.click(f"#picture .row[data-node='{k}']")
    assert title_of(page) == "Paths from layer1.neuron2.w1 to J"
    told = caption_of(page)
    assert "theonepath∂J∂a12·∂a12∂z12·∂z12∂a21·∂a21∂z21·∂z21∂w2,11" in told
    gradient = grad(output, toposort(output)[k])
    assert squeezed(f"={gradient:.4f}".replace("-", "−")) in told


def test_very_many_paths_are_counted_not_listed(opened):
    """In a deep graph with 2⁵⁰ paths the page lists some, says how many more, and stays quick."""
    x = Value(1.0, label="x")
    y = x
    for _ in range(50):
        y = y + y
    page = opened(y)
    page.evaluate("document.querySelector('#picture .value[data-node=\"0\"]').focus()")
    page.keyboard.press("Enter")
    told = caption_of(page)
    assert "path24" in told
    assert re.search("verymanymorepaths|…and1125899906842600morepaths", told)
    assert squeezed("= 1.13e15") in told


def test_a_nudge_settles_on_the_gradient(opened):
    """ΔJ/h for h from 1 down to 1e-8: its distance from grad shrinks with h; the slider chooses h."""
    output = neuron()
    page = opened(output)
    page.click(f"#picture .row[data-node='{index_of(output, 'w1')}']")
    rows = [row.split("\t") for row in page.locator(".nudge tr").all_inner_texts()[1:]]
    assert [row[0] for row in rows[:3]] == ["1", "0.1", "0.01"]
    gradient = grad(output, toposort(output)[index_of(output, "w1")])
    errors = [abs(float(row[1].replace("−", "-")) - gradient) for row in rows]
    k = index_of(output, "w1")
    further = passes(output, {k: toposort(output)[k].data + 1.0})[0][-1] - output.data
    assert float(rows[0][1].replace("−", "-")) == pytest.approx(further, rel=1e-6)
    assert errors[0] > errors[2] > errors[4]
    assert errors[5] < 1e-5
    page.fill("#nudge", "3")
    assert "0.001" in page.inner_text(".nudge tr.chosen")
    assert "andthegradientis0.73105858" in squeezed(page.text_content(".nudged"))
    assert page.get_attribute(".nudged", "aria-live") == "polite"


# Folding


def test_a_neuron_and_a_layer_fold_and_open(opened):
    """The sign in the corner folds a neuron to one box, or a layer; again, and it is open."""
    page = opened(network(2, 3, 1), width=1920, height=1080)
    assert page.locator("#picture .box.table").count() == 4
    page.get_by_role("button", name="Fold layer 1, neuron 2").click()
    assert page.locator("#picture .box.table").count() == 3
    assert page.locator("#picture .box.closed").count() == 1
    page.get_by_role("button", name="Fold layer 1", exact=True).click()
    assert page.locator("#picture .box.table").count() == 1
    rows = page.locator("#picture .box.closed .row > text:first-of-type").all_text_contents()
    assert rows == ["a¹₁", "a¹₂", "a¹₃"]
    page.get_by_role("button", name="Open layer 1", exact=True).click()
    assert page.locator("#picture .box.table, #picture .box.closed").count() == 4


def test_a_folded_neuron_shows_the_derivative_through_it(opened):
    """On the edge into a folded neuron stands ∂a/∂x = σ′(z)·w, the product of the local derivatives inside."""
    output = network(2, 3, 1)
    order = toposort(output)
    page = opened(output)
    page.select_option("#detail", "1")
    page.focus("#picture")
    page.keyboard.press("End")
    shown = set(page.locator("#picture .edge text.local").all_text_contents())
    x1 = order[index_of(output, "x1")]
    for j in (1, 2, 3):
        a = order[index_of(output, f"layer1.neuron{j}.a")]
        assert f"{grad(a, x1):.4f}".replace("-", "−") in shown


@pytest.mark.parametrize("level", ["0", "1", "2"])
def test_numbers_do_not_depend_on_folding(opened, level):
    """At every level of folding the page computes the same."""
    output = network(2, 8, 6, 1)
    page = opened(output)
    page.select_option("#detail", level)
    page.focus("#picture")
    page.keyboard.press("End")
    for (_, text), gradient, node in zip(exact(page), grad(output, toposort(output)), toposort(output)):
        assert node.is_constant or agree(text, gradient)


def test_steps_and_picture_open_together(opened):
    """Opening a group of steps opens its neuron or layer in the picture, closing folds it."""
    page = opened(network(2, 8, 6, 1))
    assert page.locator("#picture .box.table").count() == 0
    page.keyboard.press("ArrowRight")
    page.click("#actions button:has-text('Open')")
    assert page.locator("#picture .box.table").count() == 1
    page.click("#actions button:has-text('Close')")
    assert page.locator("#picture .box.table").count() == 0


def test_a_loop_reads_in_rounds(opened):
    """The forty rounds of a loop are six boxes, which open to rounds, which open to operations."""
    page = opened(loop())
    assert page.locator("#picture .box.closed").count() == 6
    page.select_option("#detail", "1")
    assert page.locator("#picture .box.closed").count() == 40
    page.select_option("#detail", "0")
    assert page.locator("#picture .box.value.inner, #picture .box.value.output").count() == 80


# The origin of a nan


def test_the_page_goes_to_the_origin_of_a_nan(opened):
    """log(−1) spoils everything after it: a button goes to the step that makes it, and the caption says so."""
    x, w = Value(-1.0, label="x"), Value(2.0, label="w")
    first = x.log()
    first.label = "bad"
    page = opened((first * w).tanh() + w)
    page.click("#actions button:has-text('Go to the origin of the nan')")
    assert title_of(page) == "Forward: bad"
    assert "Herebadbecomesnan,thoughallitismadeofisfinite" in caption_of(page)
    assert page.locator("#actions button").count() == 0
    page.fill(f"#leaf{0}", "1")
    page.focus("#picture")
    page.keyboard.press("End")
    assert page.locator("#actions button:has-text('origin')").count() == 0


def test_the_origin_of_an_infinite_gradient_is_found_too(opened):
    """sqrt at 0 is finite, and its derivative is not: the page goes to the backward step."""
    page = opened(Value(0.0, label="x").sqrt() * 2.0)
    page.click("#actions button:has-text('origin of the inf gradient')")
    assert title_of(page).startswith("Backward: from")
    assert title_of(page).endswith("to x")


def test_a_leaf_that_is_nan_is_named(opened):
    """Where a leaf itself is the origin, the page says which."""
    page = opened(Value(math.nan, label="x") * 2.0)
    assert "x is nan: a leaf" in page.inner_text("#actions")


# Side by side


def test_two_graphs_share_steps_and_sliders(opened, tmp_path):
    """Two activations side by side: one slider moves the leaves of both, each step is shown for both."""
    one, other = network(2, 2, 1), network(2, 2, 1, activation="tanh")
    page = opened(step_through(one, tmp_path / "two.html", compare=other))
    assert page.locator("#picture .output").count() >= 2
    first, second = toposort(one), toposort(other)
    page.keyboard.press("End")
    expected = [*grad(one, first), *grad(other, second)]
    assert all(
        agree(text, g) for (_, text), g, node in zip(exact(page), expected, [*first, *second]) if not node.is_constant
    )
    x1 = index_of(one, "x1")
    assert page.locator("#fields label:text-is('x1')").count() == 1
    set_leaf(page, x1, "3.5")
    assert exact(page)[x1][0] == "3.5"
    assert exact(page)[len(first) + index_of(other, "x1")][0] == "3.5"
    page.keyboard.press("Home")
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    titles = page.locator("#caption .pair .title").all_text_contents()
    assert titles == ["Forward: layer1.neuron1.z"] * 2
    last = int(page.get_attribute("#step", "max"))
    steps = 3 + sum(node.op is not None for node in first)
    steps += sum(not p.is_constant for node in first for p in node.parents)
    assert last + 1 == steps


def test_many_steps_of_two_graphs_are_grouped(opened, tmp_path):
    """A layer of both is one step, which tells of each graph on its own side; opened, its steps are pairs again, and
    closed it is one step as before. By keyboard, and the focus stays."""
    one, other = network(2, 8, 6, 1), network(2, 8, 6, 1, activation="relu")
    page = opened(step_through(one, tmp_path / "two.html", compare=other))
    last = int(page.get_attribute("#step", "max"))
    assert last < 60
    page.focus("#picture")
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert title_of(page) == "Forward: layer 1, neuron 1 (4 steps)"
    told = page.locator("#caption .pair > div").all_text_contents()
    assert len(told) == 2
    assert "σ" in told[0]
    assert "relu" in told[1]
    page.focus("#actions button:has-text('Open these 2 steps')")
    page.keyboard.press("Enter")
    assert page.locator("#caption .pair .title").all_text_contents() == ["Forward: layer1.neuron1.z"] * 2
    assert int(page.get_attribute("#step", "max")) == last + 1
    assert page.locator("#picture .box.table").count() >= 2, "the neuron is open in both graphs"
    assert page.evaluate("document.activeElement.textContent").startswith("Close layer 1, neuron 1")
    page.keyboard.press("Enter")
    assert int(page.get_attribute("#step", "max")) == last
    page.keyboard.press("End")
    first, second = toposort(one), toposort(other)
    expected = [*grad(one, first), *grad(other, second)]
    assert all(
        agree(text, g) for (_, text), g, node in zip(exact(page), expected, [*first, *second]) if not node.is_constant
    )


def test_graphs_of_different_depth_are_grouped_too(opened, tmp_path):
    """Where one graph is deeper than the other, what it has more of stands alone; every step occurs once."""
    one, other = network(2, 8, 6, 1), network(2, 9, 1)
    page = opened(step_through(one, tmp_path / "two.html", compare=other))
    assert int(page.get_attribute("#step", "max")) < 80
    page.keyboard.press("End")
    first, second = toposort(one), toposort(other)
    expected = [*grad(one, first), *grad(other, second)]
    assert all(
        agree(text, g) for (_, text), g, node in zip(exact(page), expected, [*first, *second]) if not node.is_constant
    )


def test_a_leaf_that_both_graphs_use_has_a_gradient_in_each(opened, tmp_path):
    """y = x² and y = x³ of one x: one slider, two gradients."""
    x = Value(2.0, label="x")
    square, cube = x * x, x * x * x
    page = opened(step_through(square, tmp_path / "two.html", compare=cube))
    assert page.locator("#fields .field").count() == 1
    page.keyboard.press("End")
    assert (exact(page)[0], exact(page)[2]) == (("2", "4"), ("2", "12"))
    page.fill("#leaf0", "3")
    assert (exact(page)[0], exact(page)[2]) == (("3", "6"), ("3", "27"))


def test_leaves_fold_with_the_only_round_that_uses_them(opened):
    """A constant or a sample that one round alone uses is inside its box, and its field in a group of its name."""
    x, total = Value(0.5, label="x"), Value(0.0, label="s")
    for k in range(140):
        total = total + x * float(k)
    page = opened(total)
    assert page.locator("#picture .box.leaf").count() == 2, "x, which all rounds use, and s, from which they start"
    assert page.locator("#picture .box.closed").count() == 6
    titles = page.locator("#fields summary").all_text_contents()
    assert titles[:3] == ["leaves", "round 1 of 140", "round 2 of 140"]


def test_many_inputs_are_one_box(opened):
    """The 64 inputs of a layer are one box when folded, which lists the first and says how many more there are."""
    model = MLP(64, [8, 1], seed=0)
    page = opened(model([0.1] * 64))
    box = page.locator("#picture .box.closed.leaf")
    assert box.count() == 1
    assert "… and 54 more" in box.text_content()
    page.get_by_role("button", name="Open 64 inputs").click()
    assert page.locator("#picture .box.value.leaf").count() == 64


def test_neurons_of_single_operations_fold_too(opened):
    """A network of products, sums and tanh, as one writes it by hand, has neurons and a layer, weights inside."""
    x = [Value(0.5, label="x1"), Value(-1.0, label="x2")]
    hidden = []
    for k in range(3):
        w = [Value(0.1 * (k + j + 1), label=f"w{k}{j}") for j in range(2)]
        hidden.append((w[0] * x[0] + w[1] * x[1] + Value(0.1, label=f"b{k}")).tanh())
    v = [Value(0.3, label=f"v{k}") for k in range(3)]
    page = opened((v[0] * hidden[0] + v[1] * hidden[1] + v[2] * hidden[2]).tanh())
    page.select_option("#detail", "1")
    assert page.locator("#picture .box.closed").count() == 4
    assert page.locator("#picture .box.leaf").count() == 2, "x1 and x2; the weights are inside"
    page.select_option("#detail", label="Layers folded")
    assert page.locator("#picture .box.closed").count() == 2
    assert "neuron 2" in page.locator("#fields summary").all_text_contents()


def test_folding_following_and_nudging_by_keyboard(opened):
    """Without a mouse: a neuron folds and opens, a leaf's paths open, h grows and shrinks, Escape leads back; the focus
    stays where the reader is, and what changes is announced."""
    page = opened(network(2, 2, 1))

    def focused(what: str):
        return page.evaluate(f"document.activeElement.{what}")

    fold = page.locator("#picture .fold[aria-label='Fold layer 1, neuron 1']")
    fold.focus()
    unit = fold.get_attribute("data-unit")
    for label, expanded in (("Open layer 1, neuron 1", "false"), ("Fold layer 1, neuron 1", "true")):
        page.keyboard.press("Enter")
        assert focused("getAttribute('data-unit')") == unit
        assert focused("getAttribute('aria-label')") == label
        assert focused("getAttribute('aria-expanded')") == expanded
    leaf = page.locator("#picture .value[aria-label^='x1:']")
    leaf.focus()
    page.keyboard.press("Enter")
    assert title_of(page) == "Paths from x1 to J"
    assert page.get_attribute("#caption", "aria-live") == "polite"
    for _ in range(60):
        page.keyboard.press("Tab")
        if focused("id") == "nudge":
            break
    assert focused("id") == "nudge"
    before = page.inner_text(".nudged")
    page.keyboard.press("ArrowRight")
    assert page.inner_text(".nudged") != before
    assert page.get_attribute("#nudge", "aria-valuetext") == "h = 0.01"
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    assert page.get_attribute("#nudge", "aria-valuetext") == "h = 1e−7"
    assert focused("id") == "nudge"
    assert page.get_attribute(".nudged", "aria-live") == "polite"
    page.keyboard.press("Escape")
    assert title_of(page).startswith("Start")
    assert focused("getAttribute('aria-label')").startswith("x1:")
