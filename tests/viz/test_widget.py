"""The widget: what moves in the page moves in Python, and what changes in Python is drawn."""

from __future__ import annotations

import json
import sys

import pytest
from waiting import eventually

import viz
from engine import Value
from nn import MLP, binary_cross_entropy

pytest.importorskip("anywidget", reason="the widget needs anywidget")

from viz.widget import _SCRIPT, step_widget


def example() -> tuple[Value, Value, Value]:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    y = a * b + a.tanh()
    y.label = "y"
    return a, b, y


def place(widget, leaf: Value) -> int:
    return next(k for k, node in enumerate(widget._nodes) if node is leaf)


def test_a_move_changes_the_leaf_itself():
    """A message of the page sets data of that very leaf, and listeners are told."""
    a, b, y = example()
    widget = step_widget(y)
    told: list[Value] = []
    widget.on_move(told.append)
    widget.moved = [widget.drawn, place(widget, b), "1.25"]
    assert (a.data, b.data) == (2.0, 1.25)
    assert told == [b]
    widget.moved = [widget.drawn, place(widget, a), "-inf"]
    assert a.data == float("-inf")


def test_with_a_function_the_output_is_always_of_the_numbers_shown():
    """The graph is built anew after each move, without a new page; gradients in Python are then the page's."""
    a, b, _ = example()
    widget = step_widget(lambda: a * b + a.tanh())
    pages = widget.drawn
    widget.moved = [widget.drawn, place(widget, b), "4"]
    assert widget.output.data == pytest.approx(8 + a.tanh().data)
    assert widget.drawn == pages
    widget.output.backward()
    assert b.grad == 2.0


def test_another_branch_is_drawn():
    """Where a move makes the function build another graph, the page is made anew."""
    a = Value(1.0, label="a")
    widget = step_widget(lambda: a * 2 if a > 0 else (-a).exp())
    widget.moved = [widget.drawn, place(widget, a), "-1"]
    assert widget.drawn == 2
    assert widget.output.op.name == "exp"


def test_a_new_output_is_drawn():
    """Assigning another Value makes another page; a late message of the page before is not taken."""
    _, b, y = example()
    widget = step_widget(y)
    before = widget.html
    late = [widget.drawn, place(widget, b), "7"]
    c = Value(0.5, label="another")
    widget.output = c.exp() * 3
    assert widget.html != before
    assert "another" in widget.html
    widget.moved = late
    assert (b.data, c.data) == (-3.0, 0.5)


@pytest.mark.parametrize(
    "message",
    [[], [1], [1, 99, "1"], [1, -50, "1"], [1, 0, "<script>"], [1, 0, None], [1, "0", "1"], ["x", 0, "1"], [1, 2, "5"]],
)
def test_a_message_that_makes_no_sense_changes_nothing(message):
    """Indices out of range, computed nodes, and texts that are not numbers are left alone."""
    a, b, y = example()
    widget = step_widget(y)
    widget.moved = message
    assert (a.data, b.data, y.data) == (2.0, -3.0, y.data)


def test_refresh_sends_what_the_leaves_hold(monkeypatch):
    """refresh() sends every leaf's data, infinities as text."""
    a, b, y = example()
    widget = step_widget(y)
    sent: list[dict] = []
    monkeypatch.setattr(widget, "send", sent.append)
    a.data, b.data = 5.0, float("inf")
    widget.refresh()
    assert json.loads(json.dumps(sent)) == [
        {"kind": "set", "data": sorted([[place(widget, a), 5.0], [place(widget, b), "inf"]])}
    ]


def test_without_anywidget_the_error_says_what_to_do(monkeypatch):
    """The remedy, and what works without it, are named; viz itself needs no anywidget."""
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ImportError, match=r"pip install anywidget.*step_through"):
        step_widget(example()[2])
    assert viz.step_widget is step_widget


def test_what_is_not_a_value_is_refused():
    """The page's own error."""
    with pytest.raises(TypeError, match="takes a Value"):
        step_widget(3.0)


def test_in_a_browser(tab, tmp_path):
    """With the real script and the real page: a slider's move arrives, a sent number is shown, a new page replaces."""
    loss = binary_cross_entropy(MLP(2, [2, 1], seed=1)([0.5, -1.0]), 1.0)
    widget = step_widget(loss)
    leaf = next(node for node in widget._nodes if node.label.endswith("w1"))
    k = place(widget, leaf)
    values = json.dumps({"html": widget.html, "title": "t", "height": 600, "drawn": 1}).replace("</", "<\\/")
    host = f"""<!doctype html><body><div id="cell"></div><script type="module">
      {_SCRIPT.replace("export default { render };", "")}
      const values = {values};
      const calls = {{}};
      window.saved = [];
      window.model = {{
        get: (name) => values[name],
        set: (name, value) => {{ values[name] = value; window.saved.push([name, value]); }},
        save_changes: () => {{}}, on: (name, f) => {{ calls[name] = f; }}, off: (name) => {{ delete calls[name]; }},
        call: (name, ...given) => calls[name](...given), change: (name, value) => {{ values[name] = value; }},
      }};
      window.done = render({{ model: window.model, el: document.getElementById("cell") }});
    </script>"""
    (tmp_path / "host.html").write_text(host, encoding="utf-8")
    page = tab()
    page.goto((tmp_path / "host.html").as_uri())
    frame = page.frame_locator("iframe")
    field = frame.locator(f"#leaf{k}")
    field.wait_for(state="attached")
    page.evaluate(f"model.call('msg:custom', {{ kind: 'set', data: [[{k}, 0.125]] }})")
    eventually(page, lambda: field.input_value() == "0.125")
    field.evaluate("(f) => { f.value = '1.75'; f.dispatchEvent(new Event('input', { bubbles: true }));"
                   " f.dispatchEvent(new Event('change', { bubbles: true })); }")  # fmt: skip
    eventually(page, "saved.length")
    name, message = page.evaluate("saved.at(-1)")
    assert name == "moved"
    widget.moved = message
    assert leaf.data == 1.75
    page.evaluate("(html) => { model.change('html', html); model.call('change:html'); }", "<p id='new'>new</p>")
    frame.locator("#new").wait_for()
    page.evaluate("done()")
    assert page.heard == []
