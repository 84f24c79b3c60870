"""Pictures in notebooks: what a Value offers, and the notebook of the demos, executed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

import viz
from engine import Value
from nn import MLP

NOTEBOOK = Path(__file__).parents[2] / "demos" / "backpropagation.ipynb"
KINDS = {"text/plain", "text/html", "image/svg+xml"}


@pytest.fixture
def any_graphviz():
    if viz.renderer() is None:
        pytest.skip("no Graphviz")


def example() -> Value:
    a = Value(2.0, label="a<b>")
    return a * a


def test_a_value_offers_html_svg_and_text(any_graphviz):
    """HTML with the picture inline, the picture alone, and the repr, so that every viewer finds one it knows."""
    y = example()
    bundle = y._repr_mimebundle_()
    assert bundle.keys() == KINDS
    assert bundle["text/plain"] == repr(y)
    assert ET.fromstring(bundle["text/html"]).find(".//{http://www.w3.org/2000/svg}title") is not None
    assert ET.fromstring(bundle["image/svg+xml"]).tag == "{http://www.w3.org/2000/svg}svg"
    assert "<svg" in y._repr_html_()


def test_include_and_exclude_choose_the_kinds(any_graphviz):
    """The protocol's two arguments are respected."""
    assert example()._repr_mimebundle_(include={"text/html"}).keys() == {"text/html"}
    assert example()._repr_mimebundle_(exclude={"text/html"}).keys() == KINDS - {"text/html"}


def test_drawings_show_themselves_with_the_same_renderers(any_graphviz, monkeypatch, tmp_path):
    """What draw and draw_propagation return is shown even where there is no dot, which graphviz's own display needs."""
    pytest.importorskip("pygraphviz", minversion="2.0")
    monkeypatch.setenv("PATH", str(tmp_path))
    for picture in (viz.draw(example()), viz.draw_propagation(MLP(2, [1]), [1.0, 2.0], 1)):
        assert picture._repr_mimebundle_().keys() == KINDS
        assert "<svg" in picture._repr_mimebundle_()["text/html"]


def test_ids_of_pictures_on_one_page_differ(any_graphviz):
    """Two pictures in one notebook share no id, even of the same value."""
    y = example()
    first, second = (set(re.findall(r'\bid="([^"]*)"', y._repr_html_())) for _ in range(2))
    assert len(first) > 5
    assert not first & second


def test_pictures_can_be_read_on_any_page(any_graphviz, tab):
    """A notebook's theme decides between light and dark where it is known, else the reader's preference; text and lines
    on the ground have a contrast of 4.5:1 to it in each case, whatever the page around is coloured."""
    cases = [  # the attributes of the page, what the reader prefers, whether the picture is dark
        ("", "light", False), ("", "dark", True), ('style="background:black;color:black"', "light", False),
        ('data-jp-theme-light="false"', "light", True), ('data-jp-theme-light="true"', "dark", False),
        ('class="vscode-dark"', "light", True), ('class="vscode-light"', "dark", False),
    ]  # fmt: skip
    page = tab()
    for attributes, prefers, dark in cases:
        page.emulate_media(color_scheme=prefers)
        page.set_content(f"<body {attributes}>{example()._repr_html_()}</body>")
        ground = page.evaluate("getComputedStyle(document.querySelector('svg .ground')).fill")
        ink = page.evaluate("getComputedStyle(document.querySelector('svg g.edge path')).stroke")
        assert (luminance(ground) < 0.5) == dark, attributes
        light, deep = sorted((luminance(ground), luminance(ink)), reverse=True)
        assert (light + 0.05) / (deep + 0.05) >= 4.5, attributes


def luminance(colour: str) -> float:
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_picture_survives_a_notebook_that_is_not_trusted(any_graphviz, tab):
    """Such a notebook takes scripts, styles and SVG out of HTML: an image is left, and no text beside it."""
    stripped = re.sub(r"<(script|style|svg)\b.*?</\1>", "", example()._repr_html_(), flags=re.DOTALL)
    page = tab()
    page.set_content(stripped)
    assert page.evaluate("document.body.innerText.trim()") == ""
    assert page.evaluate("document.images[0].decode().then(() => document.images[0].naturalWidth)") > 100
    assert page.evaluate("document.images[0].alt") == "Computation graph of an output"


def test_a_trusted_notebook_shows_tooltips_instead_of_the_image(any_graphviz, tab):
    """Scripts that may run put the SVG, whose titles are tooltips, in place of the image."""
    page = tab()
    y = example()
    page.set_content(y._repr_html_() + y._repr_html_())
    assert page.evaluate("document.images.length") == 0
    assert page.evaluate("document.querySelectorAll('div > svg').length") == 2
    assert "a<b>" in page.evaluate("document.querySelector('svg g.node title').textContent")


def test_wide_pictures_scroll_and_never_shrink_below_what_can_be_read(any_graphviz, tab):
    """On a phone the smallest type of a picture in a notebook has 10 px, and the picture scrolls in its own frame."""
    a = Value(1.0)
    y = ((a * 2).tanh() * 3).exp() / 7
    page = tab(390, 800)
    page.set_content(y._repr_html_())
    smallest, inner, outer, whole = page.evaluate(
        """() => {
            const svg = document.querySelector('svg');
            const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
            const sizes = [...svg.querySelectorAll('text')].map(t => parseFloat(t.getAttribute('font-size')) * scale);
            const frame = svg.parentElement;
            return [Math.min(...sizes), frame.scrollWidth, frame.clientWidth, document.documentElement.scrollWidth];
        }"""
    )
    assert smallest >= 9.9
    assert inner > outer
    assert whole <= 390


def test_a_cell_survives_a_failure_to_draw(monkeypatch, tmp_path):
    """Without a renderer the text is shown with the reason, and nothing is raised."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys.modules["viz.graphs.layout"], "_embedded_works", lambda: False)
    y = example()
    y.label = "<script>alert(1)</script>"
    bundle = y._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html"}
    assert "pip install" in bundle["text/html"]
    assert "<script" not in bundle["text/html"]
    assert "Value(data=4.0" in bundle["text/plain"]


def test_a_graph_too_large_to_draw_is_shown_as_text():
    """Also where draw refuses."""
    node, other = Value(1.0), Value(2.0)
    for _ in range(1000):
        node, other = node * other, node + other
    assert "a part of the graph" in node._repr_mimebundle_()["text/html"]


def test_the_notebook_of_the_demos_runs(any_graphviz):
    """Every cell runs and prints what is stored; the pictures are there for who only reads, as images that need no
    trust; and nothing of a machine is in what is stored."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from demos.store import executed

    text = NOTEBOOK.read_text(encoding="utf-8")
    stored = nbformat.reads(text, as_version=4)
    nbformat.validate(stored)
    assert not re.search(r"/home/|/tmp/|/root/|C:\\\\", text)
    fresh = executed(NOTEBOOK)
    for notebook in (stored, fresh):
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        shown = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
        assert sum("<svg" in html and "<img" in html for html in shown) == 5
        printed = "".join(output.text for output in outputs if output.output_type == "stream")
        before_step, after_step = map(float, re.search(r"J = (\S+) before, (\S+) after", printed).groups())
        assert after_step < before_step
    counts = [[len(cell.get("outputs", ())) for cell in notebook.cells] for notebook in (stored, fresh)]
    assert counts[0] == counts[1], "run python -m demos.store"
