"""The step-through page: what it is as a file, and what it does in a browser."""

from __future__ import annotations

import html
import json
import math
import random
import re
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import pytest

from engine import OPS, Value, dot, grad, tanh, toposort
from engine.value import FUNCTIONS, constant
from nn import MLP, binary_cross_entropy
from viz import renderer
from viz.pages.steps import GROUPED, fill, narrow
from viz.pages.stepthrough import StepThrough, step_through

pytestmark = pytest.mark.skipif(renderer() is None, reason="no Graphviz")

HOSTILE = ['"}{|<script>alert(1)</script>\\N</svg>', "</script><script>alert(2)</script>", "\u2028🎉'`${alert(3)}",
           "]]>&amp;<!--"]  # fmt: skip


def fan_out() -> Value:
    """a*a*b + tanh(a): three paths lead from a to the output."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * a
    c.label = "c"
    result = c * b + tanh(a)
    result.label = "L"
    return result


def neuron() -> Value:
    """A sigmoid neuron with binary cross-entropy; w1 reaches 0.1966 = σ′(1)."""
    w1, w2, b = Value(0.5, label="w1"), Value(0.25, label="w2"), Value(0.0, label="b")
    z = dot([w1, w2], [Value(1.0, label="x1"), Value(2.0, label="x2")], b)
    z.label = "z"
    a = z.sigmoid()
    a.label = "a"
    loss = binary_cross_entropy(a, 0.0)
    loss.label = "J"
    return loss


def network(*sizes: int) -> Value:
    loss = binary_cross_entropy(MLP(sizes[0], list(sizes[1:]), seed=0)([0.5, -1.0]), 1.0)
    loss.label = "J"
    return loss


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the page of a graph in the browser; at the end there was no message on the console, and no request."""
    contexts, troubles = [], []

    def open_page(output: Value | StepThrough, hash: str = "", expected: str = "", **options):
        made = output if isinstance(output, StepThrough) else step_through(output, tmp_path / "page.html")
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})
        context.set_default_timeout(5000)
        contexts.append(context)
        page = context.new_page()
        page.on(
            "console",
            lambda message: troubles.append(message.text) if not expected or expected not in message.text else None,
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on(
            "request",
            lambda request: None if expected or request.url.startswith("file:") else troubles.append(request.url),
        )
        page.made = made.path.as_uri()
        page.goto(page.made + hash)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []


def title_of(page) -> str:
    return page.text_content("#caption .title")


def caption_of(page) -> str:
    return page.inner_text("#caption")


def exact(page) -> list[tuple[str, str]]:
    """Data and gradient of every node, as the tooltips have them: all digits, – where there is none yet."""
    texts = page.evaluate(
        "[...document.querySelectorAll('.value[id] > title')].map((t) => [t.parentNode.id, t.textContent])"
    )
    found = {int(name[1:]): tuple(re.search(r"data = (\S+)\ngrad = (\S+)", text).groups()) for name, text in texts}
    return [found[k] for k in range(len(found))]


def eventually(page, condition) -> None:
    """Waits for what takes a moment; by looking again and again, as the page forbids the browser to wait in it."""
    for _ in range(100):
        if condition():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it did not happen within five seconds")


def set_leaf(page, k: int, text: str) -> None:
    page.evaluate("""([k, text]) => {
        const field = document.getElementById(`leaf${k}`);
        field.value = text;
        field.dispatchEvent(new Event("input", { bubbles: true }));
    }""", [k, text])  # fmt: skip


def passes(output: Value, data: dict[int, float]) -> tuple[list[float], list[float]]:
    """Data and gradients of the same graph with other numbers in its leaves, from the engine."""
    order = toposort(output)
    index = {node: k for k, node in enumerate(order)}
    values: list[Value] = []
    for k, node in enumerate(order):
        parents = [values[index[parent]] for parent in node.parents]
        x = data.get(k, node.data)
        if node.op is None:
            values.append(constant(x) if node.is_constant else Value(x))
        elif node.op.name == "dot":
            n = len(parents) // 2
            values.append(dot(parents[:n], parents[n : 2 * n], *parents[2 * n :]))
        else:
            values.append(FUNCTIONS[node.op.name](*(parents if node.op.arity else [parents])))
    return [value.data for value in values], grad(values[-1], values)


def agree(text: str, number: float) -> bool:
    shown = float(text)
    if math.isnan(number):
        return math.isnan(shown)
    return shown == number or abs(shown - number) <= 1e-12 * max(1.0, abs(number))


# The file


class Structure(HTMLParser):
    """Counts elements, and checks that they close in the order in which they open."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.seen: list[str] = []
        self.urls: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.seen.append(tag)
        self.urls += [value for name, value in attributes if name in ("src", "href", "xlink:href", "action", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.mark.parametrize("make", [fan_out, neuron, lambda: network(2, 3, 1), lambda: Value(1.0, label="x")])
def test_the_file_is_well_formed_and_refers_to_nothing(make):
    """Elements nest, the SVG parses as XML, ids are unique, and no attribute names another file."""
    text = step_through(make()).html
    structure = Structure(text)
    assert structure.open == []
    assert structure.urls == []
    picture = text[text.index("<svg") : text.index("</svg>") + 6]
    ids = [element.attrib["id"] for element in ElementTree.fromstring(picture).iter() if "id" in element.attrib]
    ids += re.findall(r'<(?:div|button|input|output|select|section|script)[^>]* id="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("sizes", "most"), [((2, 3, 1), 150_000), ((2, 8, 6, 1), 600_000)])
def test_the_file_is_small(sizes, most):
    """A page can be mailed: 150 KB for a 2-3-1 network, 600 KB for 2-8-6-1."""
    assert len(step_through(network(*sizes)).html.encode()) < most


def test_the_file_is_the_same_in_every_run():
    """The same graph gives the same bytes."""
    assert step_through(network(2, 3, 1)).html == step_through(network(2, 3, 1)).html


def test_gradients_of_the_graph_are_left_alone(tmp_path):
    """The page is made from its own passes: .grad stays as it was, and the file is all that is written."""
    output = fan_out()
    result = step_through(output, tmp_path / "new" / "page.html", title="A title")
    assert not any(node.has_grad for node in toposort(output))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["page.html"]
    assert result.path.read_text(encoding="utf-8") == result.html
    assert "<h1>A title</h1>" in result.html
    assert "page.html" in repr(result)


def test_the_page_shows_the_leaves_as_they_are_now():
    """After an optimiser has moved a leaf, the page starts from where it is, not from the last forward pass."""
    x = Value(3.0, label="x")
    y = x * x
    x.data = 5.0
    assert "data = 25.0\n" in step_through(y).html


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"output": 3.0}, TypeError, "takes a Value.*float"),
        ({"output": [Value(1.0)]}, TypeError, "takes a Value.*list"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate.*'fast'"),
        ({"wrt": [1.0]}, TypeError, "wrt takes leaves.*float"),
        ({"wrt": [Value(1.0, label="stranger")]}, ValueError, "stranger.*no leaf of the graph"),
        ({"limit": 4}, ValueError, "6 values, and the limit is 4.*limit=6"),
    ],
)
def test_errors_name_what_was_received_and_what_to_do(arguments, error, words):
    """A wrong argument is refused before anything is written."""
    with pytest.raises(error, match=words):
        step_through(**{"output": fan_out(), **arguments})


def test_a_graph_too_large_is_refused_at_once(tmp_path):
    """100,000 values give a message with the count, the limit and the remedy, and no file."""
    x = Value(1.0)
    for _ in range(100_000):
        x = -x
    with pytest.raises(ValueError, match=r"100001 values, and the limit is 1000.*draw\(output, detail='layer'\)"):
        step_through(x, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("x", "text"),
    [(0.0, "0.0000"), (-0.0, "0.0000"), (-1.73414, "−1.7341"), (999.9999, "999.9999"), (1234.5, "1.23e3"),
     (-1e-300, "−1.00e−300"), (math.inf, "inf"), (-math.inf, "−inf"), (math.nan, "nan"), (0.000999, "9.99e−4")],
)  # fmt: skip
def test_numbers_fit_their_boxes(x, text):
    """Any float is shown in ten characters at most."""
    assert narrow(x) == text
    assert len(text) <= 10


def test_negative_numbers_in_formulas_stand_in_brackets():
    """−2 squared is not −2²; alone or as an argument a negative number needs no brackets."""
    assert fill("{a}²", {"a": "−2"}) == "(−2)²"
    assert fill("1 − {a}", {"a": "−2"}) == "1 − (−2)"
    assert fill("σ({a})", {"a": "−2"}) == "σ(−2)"
    assert fill("{a}", {"a": "−2"}) == "−2"
    assert fill("{a} − {b}", {"a": "x", "b": "y"}) == "x − y"


# Without JavaScript


@pytest.mark.parametrize("make", [fan_out, neuron, lambda: network(2, 3, 1)])
def test_without_javascript_the_finished_picture_is_there(opened, make):
    """Every value and gradient stands in the markup, equal to the engine's; the controls are not shown."""
    output = make()
    page = opened(output, java_script_enabled=False)
    values = grad(output, toposort(output))
    titles = re.findall(r'<g class="value[^>]* id="v(\d+)"[^>]*><title>([^<]*)</title>', step_through(output).html)
    assert len(titles) == len(values)
    for k, text in titles:
        data, gradient = re.search(r"data = (\S+)\ngrad = (\S+)", html.unescape(text)).groups()
        assert float(data) == toposort(output)[int(k)].data
        assert float(gradient) == values[int(k)]
    assert page.locator("#picture svg").is_visible()
    assert not page.locator("#controls").is_visible()
    assert "finished picture" in page.inner_text("#caption")
    assert "–" not in " ".join(page.locator("svg text").all_text_contents())


# Steps


def walk(page):
    """Goes from the first step to the last by the right arrow key, and yields the title of each."""
    page.focus("#picture")
    page.keyboard.press("Home")
    last = int(page.get_attribute("#step", "max"))
    for step in range(last + 1):
        assert page.input_value("#step") == str(step)
        assert page.inner_text("#place") == f"{step} / {last}"
        yield title_of(page)
        page.keyboard.press("ArrowRight")
    assert page.input_value("#step") == str(last)


def test_every_step_of_a_graph_with_fan_out(opened):
    """Forward node by node, the seed, each edge backward with its derivative, product and sum, then the update."""
    output = fan_out()
    page = opened(output)
    titles, captions = [], []
    for title in walk(page):
        titles.append(title)
        captions.append(caption_of(page))
    order = toposort(output)
    assert len(titles) == 3 + sum(node.op is not None for node in order) + sum(len(node.parents) for node in order)
    assert titles[0].startswith("Start")
    assert [title.split(":")[0] for title in titles[1:5]] == ["Forward"] * 4
    assert "∂L/∂L = 1" in captions[5]
    assert titles[-1].startswith("Update")
    backward = captions[6:-1]
    assert all("local derivative" in text and "product" in text and "accumulate" in text for text in backward)
    to_a = [text for text in backward if re.search(r"from \S+ to a\n", text)]
    # a's three contributions: tanh'(2) × 1, then c's adjoint -3 times a, twice
    assert "a.grad: 0.0000 + 1.0000 × 0.0707 = 0.0707" in to_a[0]
    assert "first of 3 paths" in to_a[0]
    assert "a.grad: 0.0707 + (−3.0000) × 2.0000 = −5.9293" in to_a[1]
    assert "a second path from a to L is added" in to_a[1]
    assert "a.grad: −5.9293 + (−3.0000) × 2.0000 = −11.9293" in to_a[2]
    assert "∂L/∂a = −11.9293 is complete" in to_a[2]
    assert "tanh′(a) = 1 − tanh(a)² = 1 − 0.9640² = 0.0707" in to_a[0]
    gradients = grad(output, order)
    assert all(agree(text, g) for (_, text), g in zip(exact(page), gradients))


def test_a_sigmoid_neuron_says_what_the_lecture_says(opened):
    """At z = 1 the edge carries σ′(z) = σ(z)(1 − σ(z)) = 0.1966, in the picture and in the caption."""
    page = opened(neuron())
    captions = [caption_of(page) for _ in walk(page)]
    assert any("σ′(z) = σ(z)(1 − σ(z)) = 0.7311(1 − 0.7311) = 0.1966" in text for text in captions)
    assert any("w1.grad: 0.0000 + 0.7311 × 1.0000 = 0.7311" in text for text in captions)
    edge = " ".join(page.locator(".edge text").all_text_contents())
    assert "σ′(z) = σ(z)(1 − σ(z)) = 0.1966" in edge
    # the update: w1 - 0.1 × 0.7311
    assert "0.5000 − 0.1 × 0.7311 = 0.4269" in captions[-1]
    assert "smaller" in captions[-1]


def test_a_label_that_is_an_expression_does_not_stand_in_formulas(opened):
    """∂a*b + c/∂a*b would be misread: formulas call such nodes v1 and L; box and title say what these are."""
    a, b, c = (Value(x, label=name) for x, name in ((2.0, "a"), (-3.0, "b"), (0.5, "c")))
    product = a * b
    product.label = "a*b"
    output = product + c
    output.label = "a*b + c"
    page = opened(output, hash="#step=4")
    assert title_of(page) == "Backward: from a*b + c to a*b"
    assert "∂L/∂v1 = 1" in caption_of(page)
    assert "v1: a*b" in page.locator("svg text").all_text_contents()


def test_what_a_step_has_not_reached_yet_is_not_shown(opened):
    """In the forward pass results read – until computed, gradients until the backward pass reaches them."""
    page = opened(fan_out())
    assert [text for node in exact(page) for text in node].count("–") == 4 + 6
    page.keyboard.press("ArrowRight")
    assert [data for data, _ in exact(page)].count("–") == 3
    page.keyboard.press("End")
    assert "–" not in [text for node in exact(page) for text in node]
    assert page.locator(".pending").count() == 0


def test_the_current_node_and_edge_are_marked_and_in_view(opened):
    """Each step has a thick outline on its node, a dashed edge backward, and scrolls them into the window."""
    page = opened(network(2, 8, 6, 1), reduced_motion="reduce")
    page.keyboard.press("End")
    for _ in range(12):
        page.keyboard.press("ArrowLeft")
        assert page.locator(".value.now").count() > 0
        inside = page.evaluate("""() => {
            const view = document.getElementById("picture").getBoundingClientRect();
            const box = document.querySelector(".value.now").getBoundingClientRect();
            return box.right > view.left && box.left < view.right && box.bottom > view.top && box.top < view.bottom;
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
    assert page.is_disabled("#forward")
    page.click("#first")
    assert place() == "0"
    assert page.is_disabled("#back")
    page.click("#forward")
    page.click("#forward")
    page.click("#back")
    assert place() == "1"
    page.click("#last")
    assert place() == last
    page.focus("#step")
    page.keyboard.press("ArrowLeft")
    assert place() == str(int(last) - 1), "the slider moves by one step, not two"
    page.fill("#step", "3")
    assert place() == "3"
    assert page.get_attribute("#step", "aria-valuetext").startswith("3 of")
    page.focus("#leaf0")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Home")
    assert place() == "3", "keys in a field move its cursor"
    page.focus("#picture")
    page.keyboard.press("ArrowRight")
    assert place() == "4"


def test_playing_goes_on_to_the_end_and_can_be_paused(opened):
    """Play advances by itself at the chosen speed, pauses on the space key, and stops at the last step."""
    page = opened(Value(2.0, label="x").tanh())
    page.select_option("#speed", "4")
    page.click("#play")
    assert page.get_attribute("#play", "aria-pressed") == "true"
    eventually(page, lambda: page.input_value("#step") == "1")
    page.focus("#picture")
    page.keyboard.press(" ")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    at = page.input_value("#step")
    page.wait_for_timeout(600)
    assert page.input_value("#step") == at
    page.keyboard.press(" ")
    eventually(page, lambda: page.input_value("#step") == page.get_attribute("#step", "max"))
    eventually(page, lambda: page.get_attribute("#play", "aria-pressed") == "false")


def test_the_step_is_in_the_address(opened, tmp_path):
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
    """Over 60 steps come in groups by neuron, then layer, of at most 60; each opens, down to every single step."""
    page = opened(network(*sizes))
    assert int(page.get_attribute("#step", "max")) < GROUPED
    titles = list(walk(page))
    unit = "layer2" if sizes[1] == 16 else "layer2.neuron3"
    group = next(k for k, title in enumerate(titles) if title.startswith(f"Backward: {unit} ("))
    page.fill("#step", str(group))
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
    for number in range(0, 238, 7):
        page.evaluate(f"location.hash = '#step={number}'")
        page.wait_for_selector(f"#caption[data-step='{number}']")
        found.add(title_of(page))
    assert any(re.match(r"Backward: from layer1\.neuron\d\.z to ", title) for title in found)
    page.keyboard.press("End")
    for node, (_, text), gradient in zip(toposort(output), exact(page), grad(output, toposort(output))):
        assert text == "–" if node.is_constant else agree(text, gradient)


def test_a_long_graph_without_names_is_grouped_too(opened):
    """Neighbouring steps of nodes that no label ties together make groups, so that there are at most 60."""
    x = Value(0.5, label="x")
    y = x
    for _ in range(40):
        y = (y * x).tanh()
    page = opened(y)
    assert int(page.get_attribute("#step", "max")) < GROUPED
    assert page.inner_text("#place").startswith("0 / ")
    page.keyboard.press("ArrowRight")
    assert title_of(page).startswith("Forward: several nodes")
    page.keyboard.press("End")
    assert all(agree(text, g) for (_, text), g in zip(exact(page), grad(y, toposort(y))))


@pytest.mark.parametrize("make", [fan_out, neuron, lambda: network(2, 3, 1), lambda: hostile()])
def test_the_page_writes_numbers_and_formulas_as_the_file_does(opened, make):
    """At the end of the backward pass, every text of the picture is what stands in the markup."""
    output = make()
    collect = "[...document.querySelectorAll('svg text')].map((t) => t.textContent)"
    still = opened(output, java_script_enabled=False).locator("svg text").all_text_contents()
    page = opened(output)
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(collect) == still


# The graph that answers


@pytest.fixture(scope="module")
def shared(browser):
    """One browser page for many files, as a new one for each takes its time."""
    page = browser.new_page()
    page.set_default_timeout(5000)
    page.troubles = []
    page.on("console", lambda message: page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    yield page
    page.close()


@pytest.mark.parametrize("name", OPS)
def test_every_operation_is_recomputed_as_the_engine_does(shared, tmp_path, name):
    """For each row of the table, a page whose leaves are moved shows the engine's data and gradients to 1e-12."""
    op, chance = OPS[name], random.Random(name)
    count = op.arity or 5
    points = [
        tuple(chance.uniform(*i) for i in (box if op.arity else box[:1] * count))
        for box in op.domains
        for _ in range(2)
    ]
    points += [(0.0,) * count, (-0.0,) * count, (1.0,) * count, (math.inf,) * count, (-2.5,) * count, (1e300,) * count,
               (math.nan,) * count, tuple(float(k) for k in range(count))]  # fmt: skip
    leaves = [Value(x) for x in points[0]]
    if name == "dot":
        output = dot(leaves[:2], leaves[2:4], leaves[4])
    else:
        output = FUNCTIONS[name](*(leaves if op.arity else [leaves]))
    order = toposort(output)
    shared.goto(step_through(output, tmp_path / f"{name}.html").path.as_uri())
    shared.keyboard.press("End")
    for point in points:
        data = {order.index(leaf): x for leaf, x in zip(leaves, point)}
        for k, x in data.items():
            set_leaf(shared, k, repr(x))
        values, gradients = passes(output, data)
        for (shown, shown_grad), value, gradient in zip(exact(shared), values, gradients):
            assert agree(shown, value), (point, shown, value)
            assert agree(shown_grad, gradient), (point, shown_grad, gradient)
    assert shared.troubles == []


def test_moving_a_leaf_changes_every_number_at_every_step(opened):
    """On a network, leaves are moved at several steps; values, gradients and captions follow the engine."""
    output = network(2, 3, 1)
    order, chance = toposort(output), random.Random(5)
    leaves = [k for k, node in enumerate(order) if node.is_leaf and node is not order[-1].parents[1]]
    page = opened(output)
    data: dict[int, float] = {}
    checked = 0
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
        complete = re.search(r" to (\S+)\n[^$]*= (\S+) is complete", title_of(page) + "\n" + caption_of(page))
        if complete:
            k = next(k for k, node in enumerate(order) if node.label == complete[1])
            assert narrow(gradients[k]) == complete[2]
            checked += 1
    assert checked >= 2
    edges = json.loads(
        page.evaluate(
            "JSON.stringify([...document.querySelectorAll('[data-l]')].map((t) => [t.dataset.l, t.textContent]))"
        )
    )
    page.keyboard.press("End")
    data_now, _ = passes(output, data)
    for name, text in edges:
        k = int(name.split("_")[0])
        if order[k].op.name == "sigmoid":
            a = data_now[k]
            assert text.removeprefix("= ") == narrow(a * (1 - a))


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


def test_the_learning_rate_and_the_step_downhill(opened):
    """η can be changed; taking the step moves the leaves by it, and the output falls; Reset brings all back."""
    page = opened(neuron())
    page.keyboard.press("End")
    page.fill("#rate", "0.5")
    assert "0.5000 − 0.5 × 0.7311 = 0.1345" in caption_of(page)
    loss = float(exact(page)[-1][0])
    page.click("#actions button")
    assert page.input_value("#step") == "0"
    page.keyboard.press("End")
    assert float(exact(page)[-1][0]) < loss
    w1 = next(k for k, node in enumerate(toposort(neuron())) if node.label == "w1")
    assert float(page.input_value(f"#leaf{w1}")) == pytest.approx(0.5 - 0.5 * 0.7310585786300049, abs=1e-15)
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


def test_a_click_on_a_leaf_or_result_goes_there(opened):
    """A leaf in the picture leads to its field, a result to its step; a drag moves the picture and does neither."""
    output = fan_out()
    page = opened(output)
    a = next(k for k, node in enumerate(toposort(output)) if node.label == "a")
    c = next(k for k, node in enumerate(toposort(output)) if node.label == "c")
    page.click(f"#v{a}")
    assert page.evaluate("document.activeElement.id") == f"leaf{a}"
    page.click(f"#v{c}")
    assert title_of(page) == "Forward: c"
    page.click("#last")
    page.click(f"#v{c}")
    assert re.match("Backward: from .* to c", title_of(page))


# Safety


def hostile() -> Value:
    leaves = [Value(float(k + 1), label=label) for k, label in enumerate(HOSTILE)]
    output = leaves[0] * leaves[1] + dot(leaves[2:3], [leaves[3]]) * 2.0
    output.label = "]]></text></svg><img src=x onerror=alert(4)>"
    return output


def test_hostile_labels_are_inert_and_intact(opened):
    """Labels that are markup, script or JSON arrive as text, everywhere, and nothing of them runs."""
    page = opened(hostile())
    elements = page.evaluate("[...document.querySelectorAll('script, img')].map((e) => e.localName)")
    assert elements == ["script", "script"]
    for _ in walk(page):
        pass
    page.wait_for_timeout(50)
    titles = " ".join(page.evaluate("[...document.querySelectorAll('.value > title')].map((t) => t.textContent)"))
    assert all(label in titles for label in HOSTILE)
    labels = page.evaluate("[...document.querySelectorAll('.field label')].map((l) => l.title)")
    assert set(HOSTILE) <= set(labels)
    assert page.evaluate("[...document.querySelectorAll('.value, .edge')].length") == len(toposort(hostile())) + 7


def test_nothing_can_leave_the_page(opened):
    """The policy in the file refuses requests and any script but its own, even from code run inside the page."""
    hits = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            hits.append(self.path)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        page = opened(fan_out(), expected="Content Security Policy")
        page.evaluate("""async (url) => {
            await fetch(url + "fetch").catch(() => {});
            for (const [tag, attribute] of [["img", "src"], ["script", "src"], ["link", "href"], ["iframe", "src"]]) {
                const element = document.createElement(tag);
                if (tag === "link") element.rel = "stylesheet";
                element[attribute] = url + tag;
                document.body.append(element);
            }
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
        }""", f"http://127.0.0.1:{server.server_port}/")  # fmt: skip
        page.wait_for_timeout(300)
        assert page.evaluate("window.ran") is None
    finally:
        server.shutdown()
        server.server_close()
    assert hits == []


# Looks


def wide_labels() -> Value:
    x = Value(-123456.789, label="重み重み重み重み重み重み")
    y = Value(1e-300, label="an extraordinarily long label without an end")
    z = x * y + Value(-1e300, label="🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉")
    z.label = "WWWWWWWWWWWWWWWWWWWWWWWWW"
    return z.logsigmoid().leaky_relu()


PICTURES = [fan_out, neuron, wide_labels, lambda: network(2, 3, 1), lambda: network(2, 8, 6, 1)]


@pytest.mark.parametrize("make", PICTURES)
def test_texts_stay_inside_their_boxes_and_boxes_apart(opened, make):
    """No text crosses the outline of its box, texts in a box do not touch each other, boxes do not overlap, and the
    texts on edges lie on no box."""
    page = opened(make())
    page.keyboard.press("End")
    found = page.evaluate("""() => {
        const area = (e) => e.getBoundingClientRect();
        const meet = (a, b, gap = 0.5) =>
            a.left < b.right - gap && b.left < a.right - gap && a.top < b.bottom - gap && b.top < a.bottom - gap;
        const troubles = [];
        for (const group of document.querySelectorAll("svg .value")) {
            const box = area(group.querySelector(":scope > .box"));
            const texts = [...group.querySelectorAll(":scope > text")];
            for (const text of texts) {
                const inner = area(text);
                const above = inner.top < box.top - 2, below = inner.bottom > box.bottom + 2;
                if (inner.left < box.left || inner.right > box.right || above || below)
                    troubles.push(`${text.textContent} leaves its box`);
                for (const other of texts)
                    if (other !== text && meet(inner, area(other), 3))
                        troubles.push(`${text.textContent} on ${other.textContent}`);
            }
        }
        const boxes = [...document.querySelectorAll("svg > .value > .box")].map(area);
        boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => { if (meet(a, b)) troubles.push("boxes overlap"); }));
        for (const text of document.querySelectorAll("svg .edge text"))
            if (boxes.some((box) => meet(area(text), box, 2))) troubles.push(`${text.textContent} lies on a box`);
        const whole = area(document.querySelector("#picture svg"));
        for (const text of document.querySelectorAll("svg text"))
            for (const [side, sign] of [["left", 1], ["top", 1], ["right", -1], ["bottom", -1]])
                if (sign * area(text)[side] < sign * whole[side]) troubles.push(`${text.textContent} is cut`);
        return troubles;
    }""")
    assert found == []


CONTRAST = """() => {
    const parse = (colour) => (colour.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const light = ([r, g, b]) => [r, g, b].map((v) => linear(v / 255))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => {
        const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
        return (x + 0.05) / (y + 0.05);
    };
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parse(getComputedStyle(e).backgroundColor);
            if (colour.length < 4 || colour[3] > 0) return colour;
        }
        return [255, 255, 255];
    };
    const page = behind(document.body);
    const low = [];
    for (const text of document.querySelectorAll("svg text")) {
        const fill = parse(getComputedStyle(text).fill);
        let ground = page;
        const parent = text.parentElement;
        if (parent.matches(".value")) {
            const bar = parent.querySelector(":scope > .bar");
            const y = Number(text.getAttribute("y"));
            const inBar = bar && y < Number(bar.getAttribute("height")) + 2;
            const shape = inBar ? bar : parent.querySelector(":scope > .box");
            ground = parse(getComputedStyle(shape).fill);
        }
        if (ratio(fill, ground) < 4.5) low.push(`${text.textContent}: ${ratio(fill, ground).toFixed(2)}`);
    }
    for (const element of document.querySelectorAll("header *, #controls *, #panel *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.offsetParent || element.disabled) continue;
        const contrast = ratio(parse(getComputedStyle(element).color), behind(element));
        if (contrast < 4.5) low.push(`${element.textContent}: ${contrast.toFixed(2)}`);
    }
    return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_in_light_and_dark(opened, scheme):
    """Every text stands out from its ground by 4.5 to 1 at every step; the page follows the reader's preference."""
    page = opened(neuron(), color_scheme=scheme, reduced_motion="reduce")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    page.fill("#leaf0", "wrong")
    for _ in walk(page):
        assert page.evaluate(CONTRAST) == []


def test_reduced_motion_is_respected(opened):
    """A reader who asked for less motion gets no transitions."""
    for motion, moving in (("reduce", False), ("no-preference", True)):
        page = opened(fan_out(), reduced_motion=motion)
        duration = page.evaluate("getComputedStyle(document.querySelector('svg .box')).transitionDuration")
        assert (float(duration.split("s")[0]) > 0) == moving


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1366, 620), (800, 600), (390, 844)])
def test_the_controls_fit_the_window(opened, width, height):
    """From a telephone to a laptop nothing is cut off at the right, and all controls can be reached."""
    page = opened(network(2, 3, 1), viewport={"width": width, "height": height})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for name in ("first", "play", "last", "step", "fit"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    if width == 1366:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


def test_the_caption_is_announced_and_focus_is_visible(opened):
    """The caption is a polite live region, every control has a name, and the focused one an outline."""
    page = opened(fan_out())
    assert page.get_attribute("#caption", "aria-live") == "polite"
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select")].filter(
        (e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).map((e) => e.outerHTML)""")
    assert unnamed == []
    for _ in range(12):
        page.keyboard.press("Tab")
        style = page.evaluate(
            "((style) => [style.outlineStyle, style.outlineWidth])(getComputedStyle(document.activeElement))"
        )
        assert style[0] != "none"
        assert style[1] != "0px"


# Notebook


def test_in_a_notebook_it_shows_itself_in_a_sandbox(opened, tmp_path):
    """The frame may run scripts and nothing else; inside, the page steps and recomputes."""
    made = step_through(fan_out())
    assert made.path is None
    shown = made._repr_html_()
    assert re.search(r'<iframe sandbox="allow-scripts" ', shown)
    host = tmp_path / "notebook.html"
    host.write_text(f"<!doctype html><meta charset=utf-8><body>{shown}{shown}", encoding="utf-8")
    page = opened(StepThrough("", host, ""))
    for frame in page.frames[1:]:
        frame.wait_for_selector("#controls:visible")
        frame.click("#forward")
        assert frame.text_content("#caption .title") == "Forward: c"
        frame.fill("#leaf0", "4")
        assert "4 × 4" in frame.inner_text("#caption").replace(".0000", "")
    assert len(page.frames) == 3
