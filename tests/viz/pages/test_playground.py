"""The playground: what it computes is what nn computes, and what a learner does with it in a browser."""

from __future__ import annotations

import random
import re

import pytest
from waiting import eventually

import engine
from engine import grad, mean
from nn import MLP, SGD, Adagrad, Adam, AdamW, RMSprop, binary_cross_entropy_with_logits, fit, mean_squared_error
from viz.pages.playground import ACTIVATIONS, playground
from viz.pages.playground_data import points

OPTIMIZERS = {
    "sgd": (lambda p: SGD(p, lr=0.3), 0.3),
    "momentum": (lambda p: SGD(p, lr=0.05, momentum=0.9), 0.05),
    "adam": (lambda p: Adam(p, lr=0.03), 0.03),
    "adamw": (lambda p: AdamW(p, lr=0.03), 0.03),
    "rmsprop": (lambda p: RMSprop(p, lr=0.01), 0.01),
    "adagrad": (lambda p: Adagrad(p, lr=0.1), 0.1),
}
LOSSES = {"cross_entropy": "auto", "squared_error": mean_squared_error}


@pytest.fixture
def opened(tab, tmp_path):
    """Opens a playground in the browser; at the end there was no message on the console, and no request."""
    tabs = []

    def open_page(hash: str = "", viewport=(1366, 768), scheme: str = "light", **options):
        page = tab(*viewport, color_scheme=scheme)
        page.goto(playground(tmp_path / "page.html", **options).path.as_uri() + hash)
        tabs.append(page)
        return page

    yield open_page
    assert [page.heard for page in tabs if page.heard] == []


def rows(name: str = "moons") -> tuple[list[list[float]], list[float]]:
    return [p[:2] for p in points(name)], [p[2] for p in points(name)]


def parameters(model: MLP) -> list[float]:
    return [parameter.data for parameter in model.parameters()]


def trained(page, settings: str, steps: str) -> dict:
    """The history and the parameters of a training of its own, with some settings of the page changed."""
    return page.evaluate(
        f"""() => {{
          const one = new Training({{ ...state.settings, {settings} }}, state.points, null);
          {steps}
          return {{ history: one.history, parameters: one.parameters() }};
        }}"""
    )


def test_two_hundred_steps_are_those_of_fit(opened):
    """200 steps in the browser and 200 of fit, each optimiser and each loss: the same losses to 1e-9, and weights."""
    page = opened(layers=[8, 8], seed=3)
    X, y = rows()
    for optimizer, (make, rate) in OPTIMIZERS.items():
        for loss in LOSSES:
            settings = f'optimizer: "{optimizer}", loss: "{loss}", rate: {rate}'
            found = trained(page, settings, "for (let i = 0; i < 200; i++) one.step();")
            model = MLP(2, [8, 8, 1], activation="tanh", seed=3)
            history = fit(model, X, y, optimizer=make(model.parameters()), loss=LOSSES[loss], epochs=200, seed=3)
            assert found["history"] == pytest.approx(history.loss, rel=1e-9, abs=1e-9)
            assert found["parameters"] == pytest.approx(parameters(model), rel=1e-7, abs=1e-7)
            assert history.loss[-1] < 0.9 * history.loss[0]


def test_every_activation_trains_alike(opened):
    """30 steps with each activation: the losses are fit's to 1e-9."""
    page = opened(layers=[5, 4], optimizer="sgd", learning_rate=0.1, data="circles", activation="asinh")
    X, y = rows("circles")
    for activation in (*ACTIVATIONS, "asinh"):
        found = trained(page, f'activation: "{activation}"', "for (let i = 0; i < 30; i++) one.step();")["history"]
        model = MLP(2, [5, 4, 1], activation=activation, seed=0)
        history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=0.1), epochs=30)
        assert found == pytest.approx(history.loss, rel=1e-9, abs=1e-9), activation


def test_an_activation_of_ones_own_trains_alike(opened):
    """An operation made by define is an activation of the page too, with the same losses as fit."""
    engine.define("bend", "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")
    page = opened(layers=[4], activation="bend", optimizer="adam")
    found = page.evaluate("() => { for (let i = 0; i < 30; i++) training.step(); return training.history; }")
    model = MLP(2, [4, 1], activation="bend", seed=0)
    X, y = rows()
    history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.03), epochs=30)
    assert found == pytest.approx(history.loss, rel=1e-9, abs=1e-9)


def test_batches_come_in_the_order_of_fit(opened):
    """With mini-batches, each epoch's order is drawn as fit draws it, the last and smaller batch included."""
    page = opened(layers=[4], optimizer="sgd", learning_rate=0.2, seed=7, data="xor")
    X, y = rows("xor")
    for batch in (16, 64, 199, 300):
        found = trained(page, f"batch: {batch}", "while (one.epochs < 20) one.step();")["history"]
        model = MLP(2, [4, 1], activation="tanh", seed=7)
        optimizer = SGD(model.parameters(), lr=0.2)
        history = fit(model, X, y, optimizer=optimizer, epochs=20, batch_size=batch, seed=7)
        assert found == pytest.approx(history.loss, rel=1e-9, abs=1e-9)


def test_random_numbers_are_pythons(opened):
    """The generator in the page gives Python's numbers for a seed, beyond its first 624 words too."""
    page = opened()
    for seed in (0, 1, 12345, 2**32 - 1, 2**32 + 5, 2**53 - 1):
        found = page.evaluate(
            f"(() => {{ const r = new Random({seed}); return Array.from(Array(700), () => r.random()); }})()"
        )
        draw = random.Random(seed)
        assert found == [draw.random() for _ in range(700)]


def test_layers_changed_in_the_page_are_those_of_mlp(opened):
    """After layers, neurons, activation and seed were changed by hand, the weights are MLP's, bit for bit."""
    page = opened(layers=[3])
    page.click("#more")
    page.click('[aria-label^="Layer 2 has 3: one neuron more"]')
    page.select_option("#activation", "relu")
    page.fill("#seed", "11")
    page.keyboard.press("Enter")
    page.locator("#seed").blur()
    model = MLP(2, [3, 4, 1], activation="relu", seed=11)
    assert page.evaluate("state.settings.layers") == [3, 4]
    assert page.evaluate("training.parameters()") == parameters(model)


def test_a_link_opens_the_same_state(opened):
    """The address after training, opened anew, has the same weights and goes on bit for bit, in mid-epoch too."""
    settings = {"layers": [4], "batch_size": 64, "optimizer": "adam", "seed": 2}
    page = opened(**settings)
    page.select_option("#data", "spirals")
    page.evaluate("() => { for (let i = 0; i < 41; i++) training.step(); }")
    page.click("#step")
    link = page.evaluate("link()")
    assert page.url.endswith(link)
    other = opened(link)
    assert other.evaluate("[state.data, state.settings.layers, state.settings.batch]") == ["spirals", [4], 64]
    for each in (page, other):
        each.evaluate("() => { for (let i = 0; i < 20; i++) training.step(); }")
    assert other.evaluate("training.parameters()") == page.evaluate("training.parameters()")
    assert other.evaluate("[training.epochs, training.history.at(-1)]") == page.evaluate(
        "[training.epochs, training.history.at(-1)]"
    )


def test_a_readable_link_trains_to_its_epoch(opened):
    """A link without weights, as one types it, is followed by training so many epochs."""
    page = opened("#data=circles&layers=3&activation=relu&optimizer=sgd&rate=0.5&seed=4&epochs=25")
    model = MLP(2, [3, 1], activation="relu", seed=4)
    X, y = rows("circles")
    fit(model, X, y, optimizer=SGD(model.parameters(), lr=0.5), epochs=25)
    assert page.evaluate("training.parameters()") == pytest.approx(parameters(model), rel=1e-9, abs=1e-12)
    assert page.inner_text("#epoch") == "epoch 25"


def test_a_link_that_makes_no_sense_is_refused(opened):
    """A broken or hostile link leaves the page as it was made, and says why."""
    page = opened("#layers=0")
    for hash in ("#layers=1,2,3,4,5,6,7", "#activation=constructor", "#data=__proto__", "#rate=-1", "#seed=1.5",
                 "#weights=AAAA", "#weights=%%%", "#data=own&points=1 2;<script>alert(1)</script>", "#batch=x",
                 "#epochs=1e9", "#weights=" + "A" * 50_000, "#layers=0"):  # fmt: skip
        eventually(page, "document.getElementById('message').textContent.startsWith('The link cannot be followed: ')")
        assert page.evaluate("state.settings.layers") == [8, 8]
        page.evaluate("say('')")
        page.evaluate("(hash) => { location.hash = hash; }", hash)
    page.click("#step")
    assert page.inner_text("#epoch") == "epoch 1"


def test_it_opens_on_a_given_model(opened):
    """A trained model is where the page begins, and where Reset leads back to; its loss is the model's."""
    model = MLP(2, [6, 1], activation="tanh", seed=5)
    X, y = rows()
    fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.05), epochs=60)
    page = opened(model=model)
    assert page.evaluate("training.parameters()") == parameters(model)
    expected = mean([binary_cross_entropy_with_logits(model.logits(x), t) for x, t in zip(X, y)]).data
    assert page.evaluate("meanLoss()") == pytest.approx(expected, rel=1e-10)
    page.click("#step")
    assert page.evaluate("training.parameters()") != parameters(model)
    page.click("#reset")
    assert page.evaluate("training.parameters()") == parameters(model)


def test_a_standardised_model_opens_with_its_scale_in_the_first_layer(opened):
    """Where a model standardises its inputs, the page computes the same logits from the inputs as they are."""
    model = MLP(2, [5, 1], activation="tanh", seed=1)
    X, y = rows()
    X = [[100 * a, 0.01 * b + 7] for a, b in X]
    fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.05), epochs=50, standardize=True)
    page = opened(model=model, data=[[*x, t] for x, t in zip(X, y)])
    found = page.evaluate("state.points.map((p) => training.logit(p))")
    assert found == pytest.approx([model.logits(x).data for x in X], rel=1e-7, abs=1e-7)


def test_a_click_on_an_edge_shows_its_derivative(opened):
    """The chain rule of the clicked weight: its product at the chosen point, and its mean, are the engine's."""
    page = opened(layers=[3, 2], seed=1)
    x, y = page.evaluate("(() => along(paths.find((p) => p.layer === 1 && p.neuron === 1 && p.input === 0), 0.5))()")
    box = page.locator("#edges").bounding_box()
    page.mouse.click(box["x"] + x, box["y"] + y)
    chosen = page.evaluate("state.chosen")
    model = MLP(2, [3, 2, 1], activation="tanh", seed=1)
    weight = model.layers[chosen["layer"]].neurons[chosen["neuron"]].weights[chosen["input"]]
    X, t = rows()
    one = grad(binary_cross_entropy_with_logits(model.logits(X[0]), t[0]), weight)
    every = grad(mean([binary_cross_entropy_with_logits(model.logits(x), y) for x, y in zip(X, t)]), weight)
    # w, in layer 2, of neuron 2, from input 1
    eventually(page, "document.querySelector('#says mfrac').textContent.replace(/\\s/g, '') === '∂J∂w2,12'")
    said = page.text_content("#says").replace("−", "-")
    assert f"= {weight.data:.4f}, at the point" in said
    assert f"= {one:.4f}" in said
    assert re.search(rf"mean over all 200 points is .* = {every:.4f}", said)
    measured = float(re.search(r"looking at the loss: (-?\d+\.\d+)", said)[1])
    assert measured == pytest.approx(every, abs=2e-4)


def test_every_weight_can_be_chosen_by_keyboard(opened):
    """The selects name every weight; the first factor of a saturated neuron says that nothing passes."""
    page = opened(layers=[2])
    page.select_option("#which-layer", label="output")
    page.select_option("#which-input", label="2")
    eventually(page, "document.querySelector('#says').textContent.includes('slope of the loss')")
    assert page.evaluate("[state.chosen.layer, state.chosen.neuron, state.chosen.input]") == [1, 0, 1]
    assert page.locator("#edges path.chosen").count() == 1


def test_resting_on_a_neuron_shows_its_own_boundary(opened):
    """Hover and focus put a neuron's map into the plane; leaving it brings the output back."""
    page = opened(layers=[3])
    shot = lambda: page.evaluate("document.getElementById('map').toDataURL()")  # noqa: E731
    before = shot()
    page.hover('[data-key="n1,2"]')
    eventually(page, "document.querySelector('[data-key=\"n1,2\"]').classList.contains('shown')")
    assert shot() != before
    page.mouse.move(5, 5)
    eventually(page, "!document.querySelector('.neuron.shown')")
    assert shot() == before
    page.focus('[data-key="n1,0"]')
    eventually(page, "document.querySelector('[data-key=\"n1,0\"]').classList.contains('shown')")
    assert shot() != before


def test_the_boundary_is_where_the_network_says(opened):
    """The colours of the plane are the model's probabilities, the first input to the right, the second upwards."""
    page = opened(layers=[4], optimizer="adam", learning_rate=0.1)
    page.evaluate("() => { for (let i = 0; i < 150; i++) training.step(); evaluate(); }")
    model = MLP(2, [4, 1], activation="tanh", seed=0)
    for parameter, data in zip(model.parameters(), page.evaluate("training.parameters()")):
        parameter.data = data
    low1, high1, low2, high2 = page.evaluate("extent")
    values = page.evaluate("Array.from(maps.at(-1)[0])")
    size = page.evaluate("GRID")
    for row, column in ((0, 0), (5, 40), (33, 12), (63, 63)):
        x = [low1 + (column + 0.5) * (high1 - low1) / size, high2 - (row + 0.5) * (high2 - low2) / size]
        assert values[row * size + column] == pytest.approx(model.logits(x).data, rel=1e-9, abs=1e-12)


def test_points_by_click_and_by_paste(opened):
    """A click adds a point of the class where it was made; pasted CSV is read, a header and several signs too."""
    page = opened()
    page.check('input[name="tool"][value="1"]')
    box = page.locator("#map").bounding_box()
    page.mouse.click(box["x"] + box["width"] * 0.25, box["y"] + box["height"] * 0.5)
    added = page.evaluate("[state.data, state.points.length, state.points.at(-1)[2]]")
    assert added == ["own", 201, 1]
    page.click("summary:has-text('Paste points')")
    page.fill("#csv", "x1,x2,label\n0.5, -1, 1\n-2;3;0\n1 1 1\n")
    page.click("#use")
    assert page.evaluate("state.points") == [[0.5, -1, 1], [-2, 3, 0], [1, 1, 1]]
    assert page.inner_text("#message") == "3 points."
    page.click("#step")
    assert page.inner_text("#epoch") == "epoch 1"


def test_pasted_nonsense_is_refused_with_its_line(opened):
    """The message names the line and what is expected; the points stay."""
    page = opened()
    page.click("summary:has-text('Paste points')")
    for text, said in (
        ("1,2,0\n1,2", "Line 2: three numbers a line"),
        ("1,2,0\n1,x,0", "Line 2: three numbers"),
        ("1,2,3", "Line 1: the label is 3"),
        ("", "There are no points in it"),
        ("1,2,1e999", "Line 1: three numbers"),
        ("<script>alert(1)</script>", "There are no points"),
        ("1,1,1\n" * 2001, "2001 points: at most"),
    ):
        page.evaluate("(text) => { document.getElementById('csv').value = text; }", text)
        page.click("#use")
        assert page.inner_text("#message").startswith(said)
        assert page.evaluate("state.points.length") == 200


def test_without_points_nothing_breaks(opened):
    """All points removed: play and step say what to do, and a first click makes the first point."""
    page = opened()
    page.click("#clear")
    page.click("#play")
    assert "add points first" in page.inner_text("#message")
    page.click("#step")
    page.check('input[name="tool"][value="0"]')
    page.click("#map")
    assert page.evaluate("state.points.length") == 1
    page.click("#step")
    assert page.inner_text("#epoch") == "epoch 1"


def test_a_loss_that_is_not_finite_stops_with_a_word(opened):
    """A step too large ends the training, and the message says what helps."""
    page = opened(activation="linear", optimizer="sgd", loss="cross_entropy", learning_rate=1e200)
    page.click("#play")
    eventually(page, "document.getElementById('message').textContent.includes('lower the learning rate')")
    assert page.inner_text("#play") == "Play"


def test_play_trains_and_space_pauses(opened):
    """Play trains frame by frame and lowers the loss; the space bar pauses, the arrow steps."""
    page = opened(learning_rate=0.1)
    start = page.evaluate("meanLoss()")
    page.click("#play")
    eventually(page, "training.epochs > 30")
    page.locator("#play").blur()
    page.keyboard.press("Space")
    assert page.get_attribute("#play", "aria-pressed") == "false"
    epochs = page.evaluate("training.epochs")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("training.epochs") == epochs + 1
    assert page.evaluate("meanLoss()") < start


def test_vanishing_gradients_are_told(opened):
    """Six layers of sigmoid: the page says how little of the gradient reaches the first; two of tanh: it does not."""
    page = opened(layers=[4] * 6, activation="sigmoid")
    assert re.search(r"It vanishes: layer 1 gets 1/\d", page.inner_text("#vanishing"))
    other = opened(layers=[4, 4])
    assert "vanishes" not in other.inner_text("#vanishing")
    sizes = other.evaluate("training.layers.map((l) => Array.from(l.dweights))")
    model = MLP(2, [4, 4, 1], activation="tanh", seed=0)
    X, y = rows()
    loss = mean([binary_cross_entropy_with_logits(model.logits(x), t) for x, t in zip(X, y)])
    first = grad(loss, [w for neuron in model.layers[0].neurons for w in neuron.weights])
    # explain() leaves the gradient at one point behind; ask for all of them again
    other.evaluate("training.gradient(training.everything())")
    sizes = other.evaluate("training.layers.map((l) => Array.from(l.dweights))")
    assert sizes[0] == pytest.approx(first, rel=1e-9, abs=1e-14)


def test_the_python_code_shown_does_the_same(opened):
    """The code in the page, run in Python, prints the loss that the page has."""
    page = opened(layers=[3], optimizer="momentum", learning_rate=0.1, batch_size=50, data=[*points("blobs")[:120]])
    page.evaluate("() => { while (training.epochs < 12) training.step(); }")
    page.click("#python summary")
    eventually(page, "document.getElementById('code').textContent.includes('history')")
    code = page.evaluate("code()")
    said: list[float] = []
    exec(code, {"print": said.append})
    assert said == [pytest.approx(page.evaluate("training.history.at(-1)"), rel=1e-9)]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (768, "dark"), (1280, "light"), (1920, "dark")])
def test_it_fits_and_can_be_touched(opened, width, scheme):
    """No sideways scrolling from 390 to 1,920 px; every control is at least 40 px high; text has contrast 4.5:1."""
    page = opened(viewport=(width, 900), scheme=scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        "[...document.querySelectorAll('button, select, summary, input[type=text], label:has(input)')]"
        ".filter((e) => e.offsetParent && e.getBoundingClientRect().height < 40 && !e.closest('h2'))"
        ".map((e) => e.outerHTML.slice(0, 80))"
    )
    assert small == []
    pairs = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((e) => e.offsetParent &&
           [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim())).map((e) => {
             let ground = e; while (ground && getComputedStyle(ground).backgroundColor === 'rgba(0, 0, 0, 0)')
               ground = ground.parentElement;
             return [e.outerHTML.slice(0, 60), getComputedStyle(e).color,
                     getComputedStyle(ground || document.body).backgroundColor, e.disabled === true]; })"""
    )
    assert len(pairs) > 30
    for what, ink, ground, disabled in pairs:
        if not disabled:
            assert contrast(ink, ground) >= 4.5, (what, ink, ground)


@pytest.mark.parametrize(("viewport", "least"), [((1280, 800), 12), ((1920, 1080), 15)])
def test_type_is_large_enough(opened, viewport, least):
    """No text has less than 12 px on a laptop, and 15 px on a projector; in formulas, scripts and all, 10 and 12 px."""
    page = opened(viewport=viewport)
    page.click("#step")
    sizes = page.evaluate(
        """() => [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() &&
           [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim()))
           .map((e) => [Boolean(e.closest('math, sup, sub')), parseFloat(getComputedStyle(e).fontSize)])"""
    )
    formulas, texts = ([size for inside, size in sizes if inside is which] for which in (True, False))
    drawn = page.evaluate("parseFloat(document.getElementById('curve').getContext('2d').font)")
    assert len(texts) > 30
    assert min(*texts, drawn) >= least
    assert min(formulas) >= 0.8 * least


def contrast(one: str, other: str) -> float:
    def luminance(color: str) -> float:
        channels = [float(c) / 255 for c in re.findall(r"[\d.]+", color)[:3]]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear))

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_hostile_title_is_text(opened):
    """The title is shown as it is typed, and nothing of it runs."""
    title = '</title><script>alert(1)</script>"\u2028'
    page = opened(title=title)
    assert "<script>alert(1)</script>" in page.inner_text("h1")
