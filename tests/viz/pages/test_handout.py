"""The handout: a sheet that gives nothing away, and a key whose every number is the engine's."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from reading import faults, shown

from engine import Value, grad, toposort
from nn import MLP, binary_cross_entropy
from viz import handout
from viz.text import number


def example() -> Value:
    """a*b + tanh(a): two edges lead back to a."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    c.label = "c"
    return c


def network() -> Value:
    loss = binary_cross_entropy(MLP(2, [2, 1], seed=4)([0.5, -1.0]), 1.0)
    loss.label = "J"
    return loss


class Tables(HTMLParser):
    """The text of each table, row by row; and whether every element that was opened is closed."""

    VOID = frozenset({"meta", "br", "hr", "img", "input", "link", "path", "polygon", "ellipse", "use", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "td" in self.open:
            self.tables[-1][-1][-1] += data


def numbers(text: str) -> list[float]:
    return [float(x.replace("−", "-")) for x in re.findall(r"(?<![\w.])−?\d+\.\d+(?:e−?\d+)?", text)]


@pytest.mark.parametrize("make", [example, network])
def test_the_key_has_the_engines_numbers(make, tmp_path):
    """Each edge: local derivative × what arrives = product; each gradient is the sum of its products, and is grad's."""
    output = make()
    key = handout(output, tmp_path / "deep" / "key.html", answers=True)
    assert key.path.read_text(encoding="utf-8") == key.html
    forward, backward, sums = Tables(key.html).tables
    nodes = [node for node in toposort(output) if not node.is_constant]
    assert len(forward) - 1 == len(nodes)
    edges = [edge for node in nodes for edge in node.parents if not edge.is_constant]
    assert len(backward) - 1 == len(edges)
    for _, _, product in backward[1:]:
        local, arriving, result = numbers(product)
        assert local * arriving == pytest.approx(result, abs=3e-4)
    expected = sorted(round(g, 3) for g in grad(output, [node for node in nodes if node is not output]))
    found = []
    for _, total, step in sums[1:]:
        *terms, result = numbers(total)
        assert sum(terms or [result]) == pytest.approx(result, abs=3e-4)
        found.append(round(result, 3))
        if step not in ("computed anew", "stays: it is given"):
            old, _, g, new = [0.1 if x == 0.1 else x for x in numbers(step)]
            assert old - 0.1 * g == pytest.approx(new, abs=3e-4)
    assert sorted(found) == pytest.approx(expected, abs=2e-3)


def test_a_step_of_descent_moves_parameters_alone():
    """The key moves each weight and bias of a network, and no input; without neurons every leaf is moved."""
    loss = network()
    _, _, sums = Tables(handout(loss, answers=True).html).tables
    steps = {gradient: step for gradient, _, step in sums[1:]}
    assert len(steps) == len(sums) - 1
    moved = [gradient for gradient, step in steps.items() if "=" in step]
    assert len(moved) == 9
    assert [gradient for gradient, step in steps.items() if step == "stays: it is given"] == ["∂J∂x2", "∂J∂x1"]
    _, _, sums = Tables(handout(example(), answers=True).html).tables
    assert all("=" in step for gradient, _, step in sums[1:] if gradient in ("∂c∂a", "∂c∂b"))


def test_the_bias_comes_after_the_weights():
    """Leaves are listed inputs first, then neuron by neuron, w before b, as the lecture writes W and b."""
    forward = Tables(handout(network()).html).tables[0]
    names = [row[0] for row in forward[1:]]
    assert names[:5] == ["x1", "x2", "w1,11", "w1,21", "b11"]


@pytest.mark.parametrize("make", [example, network])
def test_the_sheet_gives_nothing_away(make):
    """The sheet has a blank wherever the key has an answer, and no gradient anywhere, the picture included."""
    output = make()
    output.backward()  # a backward pass that ran before must not show
    sheet, key = handout(output), handout(output, answers=True)
    assert sheet.html.count('class="blank"') == key.html.count('class="answer"') > 8
    given = {number(node.data) for node in toposort(output)}
    visible = sheet.html
    for node in toposort(output):
        text = number(node.grad)
        if text not in given and text not in ("0.1000", "0.5000"):
            assert f">{text}<" not in visible, text
    edges = re.findall(r'<g id="graph-[er][^"]*" class="edge[^>]*>(.*?)</g>', visible, flags=re.DOTALL)
    assert len(edges) > 4
    assert not re.search(r"<(text|title|desc)|derivative", "".join(edges))
    assert re.search(r'<g id="graph-[er][^"]*" class="edge[^>]*>.{0,400}<text', key.html, flags=re.DOTALL)


def test_the_gradients_of_the_graph_stay_as_they_were():
    """Making sheet and key neither reads nor writes .grad."""
    output = example()
    handout(output)
    handout(output, answers=True)
    assert not any(node.has_grad for node in toposort(output))


def test_every_element_is_closed_and_nothing_is_fetched():
    """The page is well formed, has no script and no address, and its policy allows none."""
    for output in (example(), network()):
        text = handout(output, answers=True).html
        assert Tables(text).open == []
        assert "<script" not in text
        assert "default-src 'none'" in text
        assert not re.search(r"https?://(?!www\.w3\.org/)", text)


@pytest.mark.parametrize(
    "label", ['"><script>alert(1)</script>', "</title>", "a & b", "{{sections}}", "\\frac", "\u2028"]
)
def test_a_hostile_label_is_text(label):
    """What a label holds is shown, and acts on nothing; so is the title."""
    a = Value(2.0, label=label)
    made = handout(a * a + 1.0, title=label)
    assert "<script" not in made.html
    assert Tables(made.html).open == []
    if label.isascii():
        assert html.escape(label) in made.html


def test_what_cannot_be_made_is_refused():
    """A graph too large for paper, and what is not a Value, are named with the next step."""
    with pytest.raises(TypeError, match="takes a Value"):
        handout("c")
    with pytest.raises(TypeError, match="learning_rate is a number"):
        handout(example(), learning_rate="fast")
    with pytest.raises(ValueError, match="limit is 80: take a smaller network"):
        handout(binary_cross_entropy(MLP(2, [8, 8, 1])([0.5, 1.0]), 1.0))


def test_it_prints(tab, tmp_path):
    """In the browser the formulas have height, nothing is written to the console, and a network becomes a PDF."""
    page = tab(820, 1100)
    for answers in (False, True):
        made = handout(network(), tmp_path / "page.html", answers=answers)
        page.goto(made.path.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= 820
        heights = page.evaluate("[...document.querySelectorAll('math')].map((m) => m.getBoundingClientRect().height)")
        assert len(heights) > 30
        assert min(heights) > 8
        assert page.pdf()[:5] == b"%PDF-"
    assert page.heard == []


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("make", [example, network])
def test_the_sheet_can_be_read(tab, tmp_path, make, width):
    """On a telephone as on a laptop the type of the picture has 10 pixels; whatever is wider scrolls by itself, in the
    page's own width, and no number of a table is out of sight."""
    page = tab(width, 800)
    page.goto(handout(make(), tmp_path / "page.html", answers=True).path.as_uri())
    assert faults(page, 9.9) == []
    hidden = "[...document.querySelectorAll('.scroll')].filter((e) => e.scrollWidth > e.clientWidth + 1).length"
    assert page.evaluate(hidden) == 0


def test_a_picture_is_printed_as_large_as_can_be_read(tab, tmp_path):
    """A network is drawn by its neurons where all its values would be printed too small for a sheet."""
    small, large = handout(example()), handout(network())
    assert 'class="picture"' in small.html
    assert "one box for each neuron" in large.html
    for made in (small, large):
        page = shown(tab, made.html[made.html.index("<svg") :].partition("</svg>")[0] + "</svg>", 1047)  # A4 across
        assert faults(page, 10) == []
