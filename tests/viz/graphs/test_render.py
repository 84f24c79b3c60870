"""From DOT text to files, with the system's Graphviz, with the one in the wheel, and with neither."""

from __future__ import annotations

import os
import re
import shutil
import stat
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import graphviz
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import example as tried
from hypothesis import strategies as st

from engine import Value, dot
from viz import RenderError, draw, render, renderer, svg
from viz.graphs import layout as graph_layout
from viz.graphs.layout import layout
from viz.graphs.render import as_digraph

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ['"}{|<script>\\N</svg>', "&lt;&amp;&#65;", "\\G\\\\", "back\\", "']]>--><!--", "%s ${HOME} `id`", "🎉👩‍👩‍👧",
           "<b>bold</b>", "javascript:alert(1)", "\\n\\l\\r", "</title><style>*{}"]  # fmt: skip


def example(*labels: str) -> Value:
    leaves = [Value(1.0 + k, label=label) for k, label in enumerate(labels or ("a", "b"))]
    y = leaves[0] * 2
    for leaf in leaves[1:]:
        y = y + leaf.tanh()
    y.label = "y"
    y.backward()
    return y


@pytest.fixture(params=["dot", "pygraphviz"])
def engine_used(request, monkeypatch, tmp_path):
    """Each of the two renderers in turn, chosen by the PATH as it is chosen for users."""
    if request.param == "dot":
        if shutil.which("dot") is None:
            pytest.skip("no dot on the PATH")
    else:
        pytest.importorskip("pygraphviz", minversion="2.0")
        monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert renderer() == request.param
    return request.param


@pytest.fixture
def no_graphviz(monkeypatch, tmp_path):
    """Neither dot nor pygraphviz."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(graph_layout, "_embedded_works", lambda: False)
    assert renderer() is None


@pytest.fixture
def any_graphviz():
    if renderer() is None:
        pytest.skip("no Graphviz")


def fake_dot(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts a program called dot on the PATH, first."""
    program = folder / "dot"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def text_of(root: ET.Element, tag: str) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(SVG + tag)]


def test_each_suffix_gives_its_format(engine_used, tmp_path):
    """SVG, PNG and PDF come out of either renderer, recognisable by their first bytes; folders are made."""
    for suffix, magic in ((".svg", b"<?xml"), (".png", b"\x89PNG"), (".pdf", b"%PDF"), (".dot", b"digraph")):
        path = tmp_path / "new" / "folders" / f"graph{suffix}"
        assert render(example(), path) == path
        assert path.read_bytes().startswith(magic)


def test_both_a_value_and_a_digraph_can_be_rendered(engine_used, tmp_path):
    """What draw returned gives the same picture as the value; any other Digraph works too."""
    y = example()
    assert svg(draw(y)) == svg(y)
    own = graphviz.Digraph()
    own.edge("x", "y")
    assert ET.fromstring(svg(own)).tag == SVG + "svg"


def test_hostile_labels_arrive_intact_and_harmless(engine_used):
    """Each label is in the picture letter by letter, as text: nothing in it becomes an element, attribute or link."""
    root = ET.fromstring(svg(example(*HOSTILE)))
    shown, titles = text_of(root, "text"), text_of(root, "title")
    for label in HOSTILE:
        assert label in shown
        assert any(label in title.split("\n") for title in titles)
    allowed = ("svg", "g", "title", "desc", "style", "text", "path", "polygon", "polyline", "ellipse")
    assert {element.tag for element in root.iter()} <= {SVG + tag for tag in allowed}
    for element in root.iter():
        for name in element.attrib:
            assert "href" not in name
            assert not name.startswith("on")


@pytest.mark.parametrize("detail", ["full", "neuron", "layer"])
@pytest.mark.parametrize("label", [*HOSTILE, "\x00", " ", "a\nb"])
def test_hostile_labels_at_every_level(any_graphviz, detail, label):
    """Names of neurons, layers and the frames around them are labels too, and as harmless."""
    x = [Value(1.0, label=label), Value(2.0, label=label)]
    neurons = [dot([Value(0.5, label=label), Value(1.0)], x).tanh() for _ in range(2)]
    for node in neurons:
        node.label = node.parents[0].label = label
    output = dot(neurons, neurons)
    output.label = label
    root = ET.fromstring(svg(output, detail=detail))
    assert not {element.tag for element in root.iter()} & {SVG + "script", SVG + "a", SVG + "b"}
    if label.isprintable() and label.strip():
        assert label in text_of(root, "text")


def test_a_text_between_angle_brackets_is_no_markup(engine_used):
    """A tooltip such as "<i> = <b> × <b>" would be markup to Graphviz, from the first bracket to the last."""
    x = Value(1.0, label="<b>")
    y = x * x
    y.label = "<i>"
    assert "<i> = <b> × <b>" in text_of(ET.fromstring(svg(y)), "title")


def test_control_characters_and_long_labels(engine_used):
    """Control characters vanish, line breaks are made visible, long labels are shortened but whole in their tooltip."""
    long = "w" * 300 + "end"
    root = ET.fromstring(svg(example("a\x00b\x1b", "two\nlines", long)))
    shown, titles = text_of(root, "text"), "\n".join(text_of(root, "title"))
    assert "ab" in shown
    assert "two⏎lines" in shown
    assert long not in shown
    assert any("…" in text and text.endswith("end") for text in shown)
    assert long in titles


@given(st.text(max_size=40))
@tried("]")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_any_label_gives_well_formed_svg(any_graphviz, label):
    """No text that a user can type breaks the picture."""
    x = Value(1.0, label=label)
    y = x * x
    y.label = label
    root = ET.fromstring(svg(y))
    assert len(text_of(root, "desc")) == 1


def test_the_svg_describes_itself(any_graphviz):
    """Title and description come first and are announced; nodes and edges have tooltips with the full numbers."""
    root = ET.fromstring(svg(example("a", "b")))
    assert [child.tag for child in root][:2] == [SVG + "title", SVG + "desc"]
    assert root[0].text == "Computation graph of y"
    assert root.get("role") == "img"
    assert root.get("aria-labelledby") == f"{root[0].get('id')} {root[1].get('id')}"
    titles = text_of(root, "title")
    assert "a\ndata = 1.0\ngrad = 2.0" in titles
    assert any("adds 2.0000 × 1.0000 = 2.0000 to a.grad" in title for title in titles)


def test_free_text_and_lines_follow_the_readers_colours(any_graphviz):
    """What stands on the background has the current colour, which a style sheet sets for dark and for light."""
    text = svg(example())
    assert "prefers-color-scheme:dark" in text
    assert 'stroke="currentColor"' in text
    assert "prefers-color-scheme" not in svg(example(), inherit_color=True)
    root = ET.fromstring(text)
    background = [e for e in root.iter(SVG + "polygon") if e.get("fill") in ("white", "#ffffff")]
    assert not background


def test_ids_of_two_pictures_on_a_page_can_be_told_apart(any_graphviz):
    """With a prefix each, no id occurs twice, and every reference is to an id of the same picture."""

    def ids(text: str) -> list[str]:
        return re.findall(r'\bid="([^"]*)"', text)

    first, second = svg(example(), prefix="one-"), svg(example(), prefix="two-")
    both = ids(first) + ids(second)
    assert len(set(both)) == len(both)
    assert all(name in ids(first) for name in re.findall(r'aria-labelledby="([^"]*)"', first)[0].split())


def test_the_same_graph_gives_the_same_bytes(engine_used):
    """Rendering twice gives the same file, so that pictures can be compared and kept under version control."""
    assert svg(example()) == svg(example())


def test_without_graphviz_one_error_names_both_remedies(no_graphviz, tmp_path):
    """It is never graphviz's ExecutableNotFound, and nothing is left on disk."""
    for attempt in (lambda: svg(example()), lambda: render(example(), tmp_path / "graph.png")):
        with pytest.raises(RenderError) as error:
            attempt()
        assert "pip install" in str(error.value)
        assert "pygraphviz" in str(error.value)
        assert "PATH" in str(error.value)
        assert not isinstance(error.value, graphviz.ExecutableNotFound)
    assert list(tmp_path.iterdir()) == []


def test_without_graphviz_there_is_still_dot_text(no_graphviz, tmp_path):
    """draw and the .dot format need no Graphviz."""
    path = render(example(), tmp_path / "graph.dot")
    assert path.read_text(encoding="utf-8") == draw(example()).source


@pytest.mark.parametrize("name", ["graph.gif", "graph", "graph.svg.txt"])
def test_an_unknown_suffix_is_refused(name, tmp_path):
    """The error lists the formats there are; nothing is written."""
    with pytest.raises(ValueError, match=r"\.svg, \.png, \.pdf, \.dot"):
        render(example(), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for dot is a shell script")
def test_a_layout_that_takes_too_long_is_ended(tmp_path, monkeypatch):
    """After the timeout an error says what was too large and what to do."""
    fake_dot(tmp_path, "while :; do :; done", monkeypatch)
    with pytest.raises(RenderError, match=r'after 0.2 s.*detail="layer"'):
        svg(example(), timeout=0.2)


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for dot is a shell script")
def test_a_failure_of_graphviz_is_passed_on_and_the_old_file_stays(tmp_path, monkeypatch):
    """The message of Graphviz is in the error, and an existing picture is not lost or cut short."""
    target = tmp_path / "out" / "graph.svg"
    target.parent.mkdir()
    target.write_text("the old picture")
    fake_dot(tmp_path, "echo '<svg'; echo 'syntax error in line 3' >&2; exit 1", monkeypatch)
    with pytest.raises(RenderError, match="syntax error in line 3"):
        render(example(), target)
    assert target.read_text() == "the old picture"
    assert [p.name for p in target.parent.iterdir()] == ["graph.svg"]


def test_the_embedded_engine_is_ended_after_the_timeout(tmp_path, monkeypatch):
    """It runs in a process of its own, so a layout inside it cannot hang the caller."""
    pytest.importorskip("pygraphviz", minversion="2.0")
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert renderer() == "pygraphviz"
    with pytest.raises(RenderError, match=r"after 0\.001 s"):
        svg(example(), timeout=0.001)


def test_a_picture_of_too_many_nodes_is_refused_at_once():
    """More statements than Graphviz can lay out in any time one would wait are an error before it is started."""
    graph = graphviz.Digraph()
    graph.body.extend(f"v{k}" for k in range(60_000))
    with pytest.raises(RenderError, match="too many to lay out"):
        layout(graph, "svg", 60.0)


@pytest.mark.skipif(renderer() is None, reason="no Graphviz")
def test_options_belong_to_values():
    """detail= for a Digraph that is already drawn is a mistake and is named."""
    with pytest.raises(TypeError, match="detail"):
        as_digraph(draw(example()), {"detail": "layer"})
    with pytest.raises(TypeError, match=r"Value or a graphviz\.Digraph, got list"):
        as_digraph([example()], {})  # type: ignore[arg-type]
    assert "one box for each layer" in svg(example(), detail="layer")


def test_every_text_lies_inside_its_box_in_a_browser(tab, any_graphviz):
    """As laid out by a real browser, with its own fonts, no text of a node leaves the node's outline."""
    page = tab()
    page.set_content(svg(example("a", "a rather long label", "ŷ", "layer1.neuron12.w3")))
    outside = page.evaluate(
        """() => [...document.querySelectorAll('g.node')].flatMap(node => {
            const shapes = [...node.querySelectorAll('path, polygon, ellipse')].map(s => s.getBoundingClientRect());
            const left = Math.min(...shapes.map(b => b.left)), right = Math.max(...shapes.map(b => b.right));
            const top = Math.min(...shapes.map(b => b.top)), bottom = Math.max(...shapes.map(b => b.bottom));
            return [...node.querySelectorAll('text')].filter(t => {
                const b = t.getBoundingClientRect();
                return b.left < left - 1 || b.right > right + 1 || b.top < top - 2 || b.bottom > bottom + 2;
            }).map(t => t.textContent);
        })"""
    )
    count = page.evaluate("document.querySelectorAll('g.node text').length")
    assert count > 20
    assert outside == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("way", ["opened", "image on white", "image on black", "inline on white", "inline on black"])
def test_a_picture_can_be_read_on_any_page_in_both_schemes(tab, any_graphviz, tmp_path, scheme, way):
    """The picture paints its own ground, as the reader prefers: where the ground shows and where a line runs, the
    contrast of the pixels is at least 4.5:1, whatever the page around is coloured."""
    path = render(Value(1.0, label="a").tanh(), tmp_path / "graph.svg", legend=False)
    text = path.read_text(encoding="utf-8").split("?>")[1]
    page = tab(color_scheme=scheme)
    if way == "opened":
        page.goto(path.as_uri())
    else:
        shown = text if "inline" in way else f'<img src="{path.as_uri()}">'
        outer = tmp_path / "page.html"
        color = way.split()[-1]
        outer.write_text(f'<meta charset="utf-8"><body style="background:{color};color:{color};margin:0">{shown}')
        page.goto(outer.as_uri())
    pixels = pixels_of(page.screenshot(clip={"x": 0, "y": 0, "width": 300, "height": 60}))
    ground = pixels[2][2][:3]  # the corner of the picture
    assert (luminance(ground) < 0.5) == (scheme == "dark")
    edge = max((color[:3] for row in pixels for color in row[170:176]), key=lambda color: contrast(color, ground))
    assert contrast(edge, ground) >= 4.5


def luminance(color: tuple[int, int, int]) -> float:
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    """The contrast of two colours by the formula of WCAG 2."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def pixels_of(png: bytes) -> Any:
    """The rows of a PNG, each pixel of three or four channels from 0 to 255."""
    image = pytest.importorskip("matplotlib.image", reason="matplotlib reads PNG")
    return (image.imread(BytesIO(png)) * 255).round().astype(int).tolist()


@pytest.mark.parametrize("length", [16_000, 70_000, 1_000_000])
@pytest.mark.parametrize("detail", ["full", "neuron", "layer"])
def test_labels_of_any_length_can_be_drawn(engine_used, length, detail):
    """Neither renderer is given more of a label than it takes."""
    label = ("<&\\" * length)[:length]
    y = dot([Value(0.5, label=label)], [Value(1.0, label=label)]).tanh()
    y.label = label
    text = svg(y, detail=detail)
    assert ET.fromstring(text).tag == f"{SVG}svg"
    assert len(text) < 100_000


def test_styles_stay_inside_their_own_picture(tab, any_graphviz):
    """A picture in the colour of its page keeps that colour beside one with a ground and styles of its own."""
    one, other = svg(example("one"), inherit_color=True), svg(example("other"))
    page = tab(color_scheme="dark")
    page.set_content(f'<body style="color:rgb(1, 2, 3)">{one}{other}')
    inherited, own = page.evaluate(
        "[...document.querySelectorAll('svg')].map(s => getComputedStyle(s.querySelector('g.edge path')).stroke)"
    )
    grounds = page.evaluate("[...document.querySelectorAll('svg')].map(s => s.querySelectorAll('.ground').length)")
    assert (inherited, own) == ("rgb(1, 2, 3)", "rgb(223, 230, 233)")
    assert grounds == [0, 1]


def test_a_picture_without_a_ground_has_none_beside_the_same_with_one(tab, any_graphviz):
    """The same graph twice on a page, once transparent: its background stays so."""
    page = tab()
    page.set_content(svg(example(), transparent=True) + svg(example()))
    found = page.evaluate("[...document.querySelectorAll('svg')].map(s => getComputedStyle(s).backgroundColor)")
    assert found == ["rgba(0, 0, 0, 0)", "rgb(255, 255, 255)"]


def test_transparent_on_request(any_graphviz, tmp_path):
    """Without a ground the lines still follow the reader's preference; a PNG has transparent pixels."""
    assert 'class="ground"' in svg(example())
    assert 'class="ground"' not in svg(example(), transparent=True)
    assert "prefers-color-scheme" in svg(example(), transparent=True)
    for transparent, alpha in ((False, 255), (True, 0)):
        corner = pixels_of(render(example(), tmp_path / "graph.png", transparent=transparent).read_bytes())[0][0]
        assert [*corner, 255][3] == alpha


def test_a_picture_scales_to_its_container(tab, any_graphviz):
    """In a box of 200 px the whole picture is 200 px wide, and as high as its proportions say."""
    page = tab()
    page.set_content(f'<div style="width:200px">{svg(example())}</div>')
    width, height, ratio = page.evaluate(
        "(() => { const s = document.querySelector('svg'), b = s.getBoundingClientRect(), v = s.viewBox.baseVal;"
        " return [b.width, b.height, v.height / v.width]; })()"
    )
    assert width == 200
    assert height == pytest.approx(200 * ratio, abs=1)


def test_dark_and_light_in_a_browser(tab, any_graphviz, tmp_path):
    """Lines on the background are light when the reader prefers dark, and dark otherwise; text in boxes stays dark."""
    path = render(example(), tmp_path / "graph.svg")
    page = tab()
    page.goto(path.as_uri())
    for scheme, light_lines in (("dark", True), ("light", False)):
        page.emulate_media(color_scheme=scheme)
        line = page.evaluate("getComputedStyle(document.querySelector('g.edge path')).stroke")
        text = page.evaluate("getComputedStyle(document.querySelector('g.node text')).fill")
        assert (sum(map(int, re.findall(r"\d+", line)[:3])) > 400) == light_lines
        assert sum(map(int, re.findall(r"\d+", text)[:3])) < 200
