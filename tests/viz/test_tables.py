"""What notebooks show of a model, a History, a report and an operation: well formed, true, and hostile text is text."""

from __future__ import annotations

import base64
import html
import math
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

import viz  # noqa: F401  shows them
from engine import OPS, gradcheck
from nn import MLP, History
from viz.tables import MOST, MOST_LINES


class Closed(HTMLParser):
    """Fails where an element is closed that is not the last one opened."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def cells(text: str) -> list[list[str]]:
    rows = re.findall(r"<tr>(.*?)</tr>", text)
    return [
        [html.unescape(re.sub("<.*?>", "", cell)) for cell in re.findall(r"<td.*?>(.*?)</td>", row)] for row in rows
    ]


def history(loss: list[float], val_loss: list[float] | None = None) -> History:
    made = History()
    made.loss, made.val_loss, made.stopped, made.backend = loss, val_loss or [], "epochs", "source"
    return made


def test_a_model_is_a_table_of_its_layers():
    """Each layer has a row: its activation, its parameters, the mean and the largest magnitude of its weights."""
    model = MLP(2, [3, 1], activation="tanh", seed=1)
    text = model._repr_html_()
    Closed(text)
    first, last = cells(text)[1:]
    assert first[:5] == ["1", "tanh", "2", "3", "9"]
    assert last[:5] == ["2 (output)", "sigmoid", "3", "1", "4"]
    weights = [abs(w.data) for neuron in model.layers[0].neurons for w in neuron.weights]
    assert float(first[5]) == pytest.approx(sum(weights) / 6, abs=1e-4)
    assert float(first[6]) == pytest.approx(max(weights), abs=1e-4)
    assert "13 parameters" in text


def test_a_report_shows_what_disagrees_first():
    """Kinks come before what agrees; of many derivatives some are shown, and it says so; names are escaped."""
    report = gradcheck(lambda a, b: b * b + abs(a), [0.0, 3.0], raise_exception=False)
    rows = cells(report._repr_html_())[1:]
    assert rows[0][0] == "∂f/∂a"
    assert "kink" in rows[0][1]
    assert rows[1][:2] == ["∂f/∂b", "ok"]
    assert float(rows[1][2]) == 6.0
    many = gradcheck(lambda *x: sum(v * v for v in x), [1.0] * 100)
    assert len(cells(many._repr_html_())) == MOST_LINES + 1
    assert f"{MOST_LINES} of them are shown" in many._repr_html_()
    many.derivatives[0].name = "<script>"
    Closed(many._repr_html_())
    assert "<script>" not in many._repr_html_()


@pytest.mark.parametrize("op", OPS.values(), ids=lambda op: op.name)
def test_every_operation_shows_itself(op):
    """A formula and a rule for each argument, in well-formed HTML."""
    text = op._repr_html_()
    Closed(text)
    assert html.escape(op.doc) in text
    assert len(cells(text)) == 1 + (op.arity or len(op.rules))


@pytest.mark.parametrize(
    "losses",
    [[], [0.5], [1.0, 0.5, 0.25], [3.0, 1e-6], [0.0, 0.0], [math.nan, 1.0, math.inf], [1.0, -2.0], [0.1] * 5000],
    ids=["none", "one", "falling", "far", "zero", "nonfinite", "negative", "many"],
)
def test_a_history_is_a_curve(losses):
    """Whatever the losses are, a well-formed picture on its own ground, of no more points than can be told apart."""
    made = history(losses)
    shown = made._repr_mimebundle_()
    assert set(shown) == {"text/plain", "text/html", "image/svg+xml"}
    assert base64.b64encode(shown["image/svg+xml"].encode()).decode() in shown["text/html"]
    root = ElementTree.fromstring(shown["image/svg+xml"])
    assert root[1].attrib["fill"] == "#ffffff"
    assert "nan" not in shown["image/svg+xml"]
    for line in root.iter("{http://www.w3.org/2000/svg}polyline"):
        points = line.attrib["points"].split()
        assert len(points) <= MOST + 2
        assert all(14 <= float(point.split(",")[1]) <= 160 for point in points)
    assert ("logarithmic" in shown["image/svg+xml"]) == (losses == [3.0, 1e-6])


def test_a_curve_goes_down_where_the_loss_does():
    """Lower losses are lower in the picture; validation has a curve of its own, with its name."""
    root = ElementTree.fromstring(history([1.0, 0.5, 0.25], [1.0, 0.8, 0.9])._repr_mimebundle_()["image/svg+xml"])
    loss, validation = [
        [float(point.split(",")[1]) for point in line.attrib["points"].split()]
        for line in root.iter("{http://www.w3.org/2000/svg}polyline")
    ]
    assert loss == sorted(loss)
    assert validation[1] > validation[2] > validation[0]
    assert {"loss", "val_loss"} <= {text.text for text in root.iter("{http://www.w3.org/2000/svg}text")}


def test_a_notebook_may_ask_for_some_kinds_only():
    """include and exclude of the protocol are kept to."""
    made = history([1.0])
    assert set(made._repr_mimebundle_(include=["text/plain"])) == {"text/plain"}
    assert "text/html" not in made._repr_mimebundle_(exclude=["text/html"])
