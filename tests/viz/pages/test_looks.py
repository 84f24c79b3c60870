"""How the step-through page looks: what fits, what can be read, and what can be reached."""

from __future__ import annotations

import pytest
from opening import fan_out, hostile, loop, network, neuron, step_to, walk
from waiting import eventually

from engine import Value


def wide_labels() -> Value:
    x = Value(-123456.789, label="重み重み重み重み重み重み")
    y = Value(1e-300, label="an extraordinarily long label without an end")
    z = x * y + Value(-1e300, label="🎉🎉🎉🎉🎉🎉🎉🎉🎉🎉")
    z.label = "WWWWWWWWWWWWWWWWWWWWWWWWW"
    return z.logsigmoid().leaky_relu()


def chain(n: int) -> Value:
    """A function of a function, n deep."""
    y = Value(0.5, label="x")
    for k in range(n):
        y = (y.tanh(), y.exp(), y.sin(), y.sigmoid(), y.log1p())[k % 5]
    return y


def expression() -> Value:
    """Twenty-five operations of two leaves, each of which is used again and again."""
    a, b = Value(-4.0, label="a"), Value(2.0, label="b")
    c, d = a + b, a * b + b**3
    c = c + c + 1
    c = c + 1 + c - a
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    f = (c - d) ** 2
    return f / 2.0 + 10.0 / f


PICTURES = {
    "fan-out": (fan_out, "0"), "neuron": (neuron, "0"), "neuron folded": (neuron, "1"), "wide": (wide_labels, None),
    "2-3-1": (lambda: network(2, 3, 1), "0"), "neurons": (lambda: network(2, 8, 6, 1), "1"),
    "layers": (lambda: network(2, 8, 6, 1), "2"), "all": (lambda: network(2, 8, 6, 1), "0"), "loop": (loop, None),
    "hostile": (hostile, None), "chain": (lambda: chain(14), "0"), "expression": (expression, "0"),
}  # fmt: skip

TROUBLES = """() => {
    const area = (e) => e.getBoundingClientRect();
    const meet = (a, b, gap = 0.5) =>
        a.left < b.right - gap && b.left < a.right - gap && a.top < b.bottom - gap && b.top < a.bottom - gap;
    const troubles = [];
    for (const group of document.querySelectorAll("svg .box")) {
        const box = area(group.querySelector(":scope > .body"));
        const texts = [...group.querySelectorAll("text")];
        for (const text of texts) {
            const inner = area(text);
            const above = inner.top < box.top - 3, below = inner.bottom > box.bottom + 3;
            if (inner.left < box.left - 0.5 || inner.right > box.right + 0.5 || above || below)
                troubles.push(`${text.textContent} leaves its box`);
            for (const other of texts)
                if (other !== text && meet(inner, area(other), 3))
                    troubles.push(`${text.textContent} on ${other.textContent}`);
        }
    }
    const boxes = [...document.querySelectorAll("svg .box > .body")].map(area);
    boxes.forEach((a, i) => boxes.slice(i + 1).forEach((b) => { if (meet(a, b)) troubles.push("boxes overlap"); }));
    const labels = [...document.querySelectorAll("svg .edge text:not(.hidden)")].filter((t) => t.textContent);
    for (const text of labels) {
        if (boxes.some((box) => meet(area(text), box, 3))) troubles.push(`${text.textContent} lies on a box`);
        for (const other of labels)
            if (other !== text && meet(area(text), area(other), 3))
                troubles.push(`${text.textContent} on ${other.textContent}`);
    }
    const whole = area(document.querySelector("#picture svg"));
    for (const text of document.querySelectorAll("svg text:not(.hidden)"))
        for (const [side, sign] of [["left", 1], ["top", 1], ["right", -1], ["bottom", -1]])
            if (text.textContent && sign * area(text)[side] < sign * whole[side] - 1)
                troubles.push(`${text.textContent} is cut`);
    return troubles;
}"""


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("tall", [False, True])
def test_texts_stay_inside_their_boxes_and_boxes_apart(opened, name, tall):
    """No text crosses the outline of its box or another text, boxes do not overlap, labels of edges lie on no box."""
    make, level = PICTURES[name]
    page = opened(make(), **({"width": 390, "height": 844} if tall else {}))
    if level is not None and page.locator("#detail").is_visible():
        page.select_option("#detail", level)
    page.focus("#picture")
    page.keyboard.press("End")
    assert page.evaluate(TROUBLES) == []


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
        const chip = text.previousElementSibling;
        if (text.classList.contains("marked")) ground = parse(getComputedStyle(chip).fill);
        else if (parent.matches(".box, .row")) {
            const y = Number(text.getAttribute("y"));
            const bars = [...parent.querySelectorAll(":scope > .bar")].filter((bar) => {
                const top = Number(bar.getAttribute("y"));
                return y > top && y < top + Number(bar.getAttribute("height")) + 2;
            });
            ground = parse(getComputedStyle(bars[0] || parent.querySelector(":scope > .body")).fill);
        }
        if (ratio(fill, ground) < 4.5) low.push(`${text.textContent}: ${ratio(fill, ground).toFixed(2)}`);
    }
    for (const element of document.querySelectorAll("header *, #controls *, #panel *, #numbers *")) {
        const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.getClientRects().length || element.disabled) continue;
        const contrast = ratio(parse(getComputedStyle(element).color), behind(element));
        if (contrast < 4.5) low.push(`${element.textContent}: ${contrast.toFixed(2)}`);
    }
    return low;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_is_enough_in_light_and_dark(opened, scheme):
    """Every text stands out from its ground by 4.5 to 1 at every step; the page follows the reader's preference."""
    page = opened(neuron(), color_scheme=scheme, made={"quiz": False})
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
    assert page.evaluate("getComputedStyle(document.body).colorScheme") == "light dark"
    page.fill("#leaf0", "wrong")
    page.click("#numbers summary")
    for _ in walk(page):
        assert page.evaluate(CONTRAST) == []
    page.click("#quizon")
    step_to(page, 5)
    page.fill("#answer", "17")
    page.click("#check")
    assert page.evaluate(CONTRAST) == []
    page.locator("#picture .row.leaf").first.click()
    page.mouse.move(1, 1)
    assert page.evaluate(CONTRAST) == []


def test_reduced_motion_is_respected(opened):
    """A reader who asked for less motion gets no transitions."""
    for motion, moving in (("reduce", False), ("no-preference", True)):
        page = opened(fan_out(), reduced_motion=motion)
        duration = page.evaluate("getComputedStyle(document.querySelector('svg .body')).transitionDuration")
        assert (float(duration.split("s")[0]) > 0) == moving


SIZES = [(390, 844), (768, 1024), (1280, 720), (1366, 768), (1366, 620), (1920, 1080), (640, 360)]


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("sizes", [(2, 3, 1), (2, 8, 6, 1)])
def test_the_whole_graph_is_seen_at_load(opened, sizes, width, height):
    """From a telephone to a projector the picture fits its place, and the page its window, from side to side."""
    page = opened(network(*sizes), still=True, width=width, height=height)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    view, svg = page.locator("#picture").bounding_box(), page.locator("#picture svg").bounding_box()
    assert svg["width"] <= view["width"]
    assert svg["height"] <= view["height"]
    assert not page.locator("noscript").first.is_visible()
    used = max(svg["width"] / view["width"], svg["height"] / view["height"])
    assert used > 0.95, "one of the two lengths is used"
    for name in ("first", "play", "last", "step", "fit"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    if width >= 1280:
        assert page.evaluate("document.documentElement.scrollHeight") <= height


@pytest.mark.parametrize(("width", "height", "least"), [(1280, 720, 10), (1366, 768, 10), (1920, 1080, 15)])
def test_type_is_large_enough(opened, width, height, least):
    """On a laptop no text of a 2-3-1 network is smaller than 10 px, with every neuron open; on a projector 15 px."""
    page = opened(network(2, 3, 1), width=width, height=height)
    assert page.locator("#picture .box.table").count() == 4
    scale = page.evaluate("document.querySelector('#picture svg').getScreenCTM().a")
    sizes = page.evaluate(
        "[...document.querySelectorAll('#picture text')].map((t) => parseFloat(getComputedStyle(t).fontSize))"
    )
    assert min(sizes) * scale >= least
    assert page.evaluate("parseFloat(getComputedStyle(document.querySelector('#caption p')).fontSize)") >= least


@pytest.mark.parametrize(("sizes", "closed"), [((2, 3, 1), 4), ((2, 8, 6, 1), 3)])
def test_neurons_fold_before_type_gets_smaller(opened, sizes, closed):
    """On a telephone the neurons of 2-3-1 and the layers of 2-8-6-1 are folded, and the type has 10 px still."""
    page = opened(network(*sizes), width=390, height=844)
    assert page.locator("#picture .box.closed").count() == closed
    assert page.evaluate("document.querySelector('#picture svg').getScreenCTM().a") * 12 >= 10


def test_a_long_chain_is_wrapped(opened):
    """Fourteen operations one after the other stand in lines, all open and at 10 px or more, on a laptop."""
    page = opened(chain(14), width=1280, height=720)
    assert page.locator("#picture .box.closed").count() == 0
    assert page.evaluate("document.querySelector('#picture svg').getScreenCTM().a") * 12 >= 10
    places = page.evaluate(
        "[...document.querySelectorAll('#picture .box')].map((b) => Math.round(b.getBoundingClientRect().y))"
    )
    assert len(set(places)) >= 3
    assert places == sorted(places)


@pytest.mark.parametrize(("width", "height", "least"), [(1280, 720, 10), (390, 844, 9)])
def test_a_long_loop_says_what_its_rounds_do(opened, width, height, least):
    """Hundreds of rounds are a few boxes, which say what the rounds do, in type that can be read on a telephone too."""
    page = opened(loop(230), made={"limit": 2000}, width=width, height=height)
    heads = page.locator("#picture .box.closed > .sign").all_text_contents()
    assert len(heads) <= 7
    assert heads[0] == "rounds 1–39: ×, tanh"
    assert page.evaluate("document.querySelector('#picture svg').getScreenCTM().a") * 12 >= least
    assert page.evaluate(TROUBLES) == []
    page.select_option("#detail", "1")  # each round a box: the frames around them have titles apart
    titles = page.locator("#picture .frame text")
    areas = [titles.nth(k).bounding_box() for k in range(titles.count())]
    assert len(areas) > 4
    for k, a in enumerate(areas):
        for b in areas[k + 1 :]:
            wide = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
            tall = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
            assert wide <= 1 or tall <= 2


def test_signs_on_buttons_are_drawn(opened):
    """Arrows of the buttons are pictures, as fonts may lack such characters; each button has words for its name."""
    page = opened(fan_out())
    words = page.evaluate("[...document.querySelectorAll('button')].map((b) => b.textContent).join('')")
    assert not set(words) & set("▶◀⏵⏸⏮⏭")
    for name, called in (
        ("first", "First step"),
        ("back", "Step back"),
        ("forward", "Step forward"),
        ("last", "Last step"),
    ):
        assert page.get_attribute(f"#{name}", "aria-label") == called
        assert page.locator(f"#{name} svg").bounding_box()["width"] >= 9
    assert page.locator("#play .go").is_visible()
    assert not page.locator("#play .wait").is_visible()
    page.click("#play")
    assert page.inner_text("#play").strip() == "Pause"
    assert page.locator("#play .wait").is_visible()
    assert not page.locator("#play .go").is_visible()


@pytest.mark.parametrize(("width", "height", "side"), [(1366, 768, "y"), (390, 844, "x")])
def test_neurons_stand_in_their_order(opened, width, height, side):
    """Neuron 1 stands above neuron 2 in the wide picture, left of it in the tall one."""
    page = opened(network(2, 8, 6, 1), width=width, height=height)
    page.select_option("#detail", "1")
    places = page.evaluate("""(side) => Object.fromEntries([...document.querySelectorAll("#picture .box > text")]
        .map((text) => [text.textContent, text.parentElement.getBoundingClientRect()[side]]))""", side)  # fmt: skip
    for layer, count in (("¹", 8), ("²", 6)):
        in_order = [places[f"a{layer}{k}"] for k in "₁₂₃₄₅₆₇₈"[:count]]
        assert in_order == sorted(in_order)


@pytest.mark.parametrize(
    ("make", "names"), [(lambda a, b: a * b, "ab"), (lambda a, b: b - a, "ba"), (lambda a, b: a.exp() * b.exp(), "ab")]
)
def test_operands_stand_in_their_order(opened, make, names):
    """The first operand stands above the second."""
    page = opened(make(Value(1.0, label="a"), Value(2.0, label="b")))
    above, below = (page.locator(f".value:has(> .sign:text-is('{name}'))").bounding_box()["y"] for name in names)
    assert above < below


def test_a_picture_follows_the_window(opened):
    """Where the window is turned or resized the picture fits anew."""
    page = opened(network(2, 3, 1), width=1366, height=768)
    page.set_viewport_size({"width": 420, "height": 800})

    def fits():
        view, svg = page.locator("#picture").bounding_box(), page.locator("#picture svg").bounding_box()
        drawn = svg is not None
        return drawn and svg["width"] <= view["width"] and svg["height"] <= view["height"]

    eventually(page, fits)


@pytest.mark.parametrize("quiz", [False, True])
def test_touch_targets_are_large_enough(opened, quiz):
    """On a telephone every button, field, slider and choice is at least 40 px high and wide."""
    page = opened(fan_out(), width=390, height=844, has_touch=True, is_mobile=True, made={"quiz": quiz})
    step_to(page, 6)
    small = page.evaluate("""[...document.querySelectorAll("button, input, select, summary")]
        .filter((e) => e.getClientRects().length)
        .map((e) => [e.id || e.textContent, e.getBoundingClientRect()])
        .filter(([, r]) => r.width < 39.5 || r.height < 39.5).map(([name, r]) => [name, r.width, r.height])""")
    assert small == []


def test_it_prints_on_paper(opened):
    """On paper there are picture, caption and numbers, dark on white, and nothing to press."""
    page = opened(network(2, 3, 1), color_scheme="dark")
    page.keyboard.press("End")
    page.emulate_media(media="print", color_scheme="dark")
    for name in ("controls", "leaves", "actions"):
        assert not page.locator(f"#{name}").is_visible()
    assert page.locator("#picture svg").is_visible()
    assert page.locator("#caption").is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(30, 39, 46)"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.pdf()[:4] == b"%PDF"


def test_the_caption_is_announced_and_focus_is_visible(opened):
    """The caption is a polite live region, every control has a name, and the focused one can be told."""
    page = opened(network(2, 3, 1))
    assert page.get_attribute("#caption", "aria-live") == "polite"
    unnamed = page.evaluate("""[...document.querySelectorAll("button, input, select, [role=button]")].filter(
        (e) => !(e.textContent.trim() || e.getAttribute("aria-label") || e.labels?.length)).map((e) => e.outerHTML)""")
    assert unnamed == []
    seen = set()
    for _ in range(20):
        page.keyboard.press("Tab")
        kind, outline, stroke = page.evaluate("""(() => {
            const e = document.activeElement;
            const body = e.querySelector(":scope > .body, :scope > .face");
            return [e.localName, getComputedStyle(e).outlineStyle, body ? getComputedStyle(body).strokeWidth : ""];
        })()""")
        seen.add(kind)
        assert (stroke == "4px") if kind == "g" else outline != "none"
    assert "g" in seen
