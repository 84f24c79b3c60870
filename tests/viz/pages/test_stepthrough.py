"""The step-through page as a file: what it holds, what it refuses, and that nothing can get into it or out of it."""

from __future__ import annotations

import html
import math
import re
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import process_time

import pytest
from opening import HOSTILE, fan_out, hostile, network, neuron, walk
from waiting import eventually

from engine import Value, grad, toposort
from viz import renderer
from viz.pages import stepthrough
from viz.pages.stepthrough import StepThrough, step_through


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


@pytest.mark.parametrize("make", [fan_out, neuron, lambda: network(2, 3, 1), lambda: Value(1.0, label="x"), hostile])
def test_the_file_is_well_formed_and_refers_to_nothing(make):
    """Elements nest, ids are unique, and no attribute names another file."""
    text = step_through(make()).html
    structure = Structure(text)
    assert structure.open == []
    assert [url for url in structure.urls if not url.startswith("#")] == []
    ids = re.findall(r'<[a-z]+[^>]* id="([^"]+)"', text[: text.index("<script>")])
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("sizes", "most"), [((2, 3, 1), 200_000), ((2, 8, 6, 1), 400_000)])
def test_the_file_is_small(sizes, most):
    """A page can be mailed: 200 KB for a 2-3-1 network, 400 KB for 2-8-6-1."""
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
    assert "<td>25.0</td>" in step_through(y).html


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"output": 3.0}, TypeError, "takes a Value.*float"),
        ({"output": [Value(1.0)]}, TypeError, "takes a Value.*list"),
        ({"compare": "other"}, TypeError, "compare: takes a Value.*str"),
        ({"learning_rate": "fast"}, TypeError, "learning_rate.*'fast'"),
        ({"wrt": [1.0]}, TypeError, "wrt takes leaves.*float"),
        ({"wrt": [Value(1.0, label="stranger")]}, ValueError, "stranger.*not a leaf of the graph"),
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
    with pytest.raises(ValueError, match=r"100001 values, and the limit is 3000.*draw\(output, detail='layer'\)"):
        step_through(x, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_labels_of_any_length_cost_nothing(monkeypatch):
    """Labels of a million characters are shortened, in time and space that do not grow with them."""
    monkeypatch.setattr(stepthrough, "MOST", 0)
    long = [Value(1.0, label="重" * 1_000_000), Value(2.0, label="a." * 500_000 + "b")]
    began = process_time()
    text = step_through(long[0] * long[1]).html
    assert len(text) < 150_000
    assert process_time() - began < 20, "a cost that grew with the square would be hours"


def test_without_graphviz_there_is_a_page(monkeypatch):
    """Without Graphviz only the picture for readers without JavaScript is missing."""
    picture = 'class="backprop'
    assert (picture in step_through(fan_out()).html) == (renderer() is not None)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("viz.graphs.layout._embedded_works", lambda: False)
    text = step_through(fan_out()).html
    assert picture not in text
    assert "<td>-11.0" in text


# Without JavaScript


@pytest.mark.skipif(renderer() is None, reason="no Graphviz")
@pytest.mark.parametrize("make", [fan_out, neuron, lambda: network(2, 3, 1)])
def test_without_javascript_the_finished_picture_and_all_numbers_are_there(opened, make):
    """Every value and gradient stands in the markup, equal to the engine's; the controls are not shown."""
    output = make()
    page = opened(output, still=True, java_script_enabled=False)
    order = toposort(output)
    rows = re.findall(r'<tr data-node="(\d+)">(.*?)</tr>', step_through(output).html)
    assert len(rows) == len(order)
    for (k, cells), node, gradient in zip(rows, order, grad(output, order)):
        *_, x, g = re.findall("<td>(.*?)</td>", cells)
        assert (order[int(k)], float(x), float(g)) == (node, node.data, gradient)
    still = page.locator("#picture svg").first
    assert still.is_visible()
    assert page.locator("#picture").bounding_box()["width"] >= still.bounding_box()["width"]
    page.click("#numbers summary")
    assert page.locator("#numbers td").first.is_visible()
    assert not page.locator("#controls").is_visible()
    assert "Every number after one forward and one backward pass" in page.inner_text("#caption")


# Safety


def test_hostile_labels_are_inert_and_intact(opened):
    """Labels that are markup, script or JSON arrive as text, everywhere, and nothing of them runs."""
    page = opened(hostile(), still=True)
    elements = page.evaluate("[...document.querySelectorAll('script, img')].map((e) => e.localName)")
    assert elements == ["script", "script"]
    for _ in walk(page):
        pass
    for leaf in page.locator("#picture .value.leaf, #picture .row.leaf").all():
        leaf.focus()
        page.keyboard.press("Enter")
        assert "Paths from" in page.text_content("#caption .title")
    page.wait_for_timeout(50)
    titles = " ".join(page.evaluate("[...document.querySelectorAll('.value > title')].map((t) => t.textContent)"))
    assert all(label in titles for label in HOSTILE)
    labels = page.evaluate("[...document.querySelectorAll('.field label')].map((l) => l.title)")
    assert set(HOSTILE) <= set(labels)
    table = " ".join(page.locator("#numbers td:first-child").all_text_contents())
    assert all(label in table for label in HOSTILE)


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
        page = opened(fan_out(), expected="Content Security Policy|^http://127.0.0.1:")
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


# Notebook


def test_in_a_notebook_it_shows_itself_in_a_sandbox(opened, tmp_path):
    """The frame may run scripts and nothing else; inside, the page steps and recomputes."""
    made = step_through(fan_out())
    assert made.path is None
    shown = made._repr_html_()
    assert re.search(r'<iframe sandbox="allow-scripts" ', shown)
    # what JupyterLab leaves of it where the notebook is not trusted
    assert (
        re.sub("<[^>]*>", "", shown)
        == f"A page to act on ({len(toposort(fan_out()))} values, 14 steps): run this cell to see it."
    )
    host = tmp_path / "notebook.html"
    host.write_text(f"<!doctype html><meta charset=utf-8><body>{shown}{shown}", encoding="utf-8")
    page = opened(StepThrough("", host, ""))
    for frame in page.frames[1:]:
        frame.wait_for_selector("#controls:visible")
        frame.click("#forward")
        assert frame.text_content("#caption .title") == "Forward: c"
        frame.fill("#leaf0", "4")
        assert "4.0000·4.0000" in re.sub(r"\s", "", frame.text_content("#caption"))
    assert len(page.frames) == 3


def test_a_frame_tells_of_a_changed_leaf_and_hears_of_one(opened, tmp_path):
    """A notebook around the page is sent each change of a leaf, and can set leaves; other windows cannot."""
    made = step_through(fan_out())
    host = tmp_path / "notebook.html"
    host.write_text(
        "<!doctype html><meta charset=utf-8><body><script>heard = []; onmessage = (e) => heard.push(e.data)</script>"
        + made._repr_html_(), encoding="utf-8")  # fmt: skip
    page = opened(StepThrough("", host, ""))
    [frame] = page.frames[1:]
    frame.wait_for_selector("#controls:visible")
    frame.fill("#leaf0", "4")
    eventually(page, lambda: page.evaluate("heard.at(-1)") == {"kind": "leaf", "node": 0, "data": "4"})
    page.evaluate("frames[0].postMessage({ kind: 'set', data: [[0, '-inf'], [99, 1]] }, '*')")
    eventually(page, lambda: frame.input_value("#leaf0") == "-inf")
    frame.evaluate("""new Promise((come) => {
        addEventListener("message", () => setTimeout(come));
        postMessage({ kind: "set", data: [[0, 1]] }, "*");
    })""")
    assert frame.input_value("#leaf0") == "-inf"


def test_special_numbers_are_in_the_table():
    """nan and infinities among the leaves are written as such."""
    text = html.unescape(step_through(Value(math.nan, label="x") * Value(-math.inf, label="y")).html)
    assert "<td>nan</td>" in text
    assert "<td>-inf</td>" in text
