"""The tree for a terminal: every value once, the engine's numbers, colours only where they belong."""

from __future__ import annotations

import io
import re
import sys

import pytest

from engine import Value, toposort
from nn import MLP, binary_cross_entropy
from viz import tree


def example() -> Value:
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    c.label = "c"
    c.backward()
    return c


def test_the_example():
    """Operands stand below their result, in order; a repeated leaf has an arrow; local is the edge's derivative."""
    assert tree(example(), color=False, unicode=True).splitlines() == [
        "               data      grad     local",
        "c  +        −5.0360    1.0000",
        "├─ ×        −6.0000    1.0000    1.0000",
        "│  ├─ a      2.0000   −2.9293   −3.0000",
        "│  └─ b     −3.0000    2.0000    2.0000",
        "└─ tanh      0.9640    1.0000    1.0000",
        "   └─ a ↑    2.0000   −2.9293    0.0707",
    ]


def test_local_times_grad_above_adds_up_to_grad():
    """The sum over a leaf's lines of local × the grad of the line above is its grad."""
    rows = [line.split() for line in tree(example(), color=False, unicode=False).splitlines()[1:]]
    (first,) = [row for row in rows if "a" in row and "^" not in row]
    again = next(row for row in rows if "^" in row)
    assert float(first[-1]) * 1.0 + float(again[-1]) * 1.0 == pytest.approx(float(first[-2]), abs=2e-4)


def test_every_value_has_a_line():
    """A network's every labelled value is shown once in full, later only with an arrow."""
    loss = binary_cross_entropy(MLP(2, [2, 1])([0.5, -1.0]), 1.0)
    text = tree(loss, color=False, unicode=True)
    for node in toposort(loss):
        if node.label:
            assert len(re.findall(rf" {re.escape(node.label)}(?= +[^ ↑])", text)) == 1, node.label


def test_colours_are_for_a_terminal_alone(monkeypatch):
    """Escape sequences are written to a terminal, unless NO_COLOR or TERM=dumb; never to a file."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    c = example()
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert "\x1b[" in tree(c)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in tree(c)
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in tree(c)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert "\x1b[" not in tree(c)
    assert re.sub(r"\x1b\[[\d;]*m", "", tree(c, color=True, unicode=True)) == tree(c, color=False, unicode=True)


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_terminal_without_unicode_gets_ascii(monkeypatch, encoding):
    """What is printed can always be encoded, labels included."""
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    a = Value(-2.0, label="σ→🎉")
    text = tree(a.sigmoid() * 2)
    text.encode("ascii")
    assert "sigmoid" in text


def test_hostile_labels_stay_on_their_line():
    """Control characters of a label do not reach the terminal."""
    text = tree(Value(1.0, label="a\x1b[31m\nb\r\x00" + "x" * 100) * 2, color=False, unicode=True)
    assert len(text.splitlines()) == 4
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text)
    assert max(map(len, text.splitlines())) < 80


def test_deep_and_wide_graphs_end():
    """A chain of 100,000 is cut after the limit and says how much is left; deep levels are numbered, not indented."""
    x = Value(1.0, label="x")
    y = x
    for _ in range(100_000):
        y = -y
    lines = tree(y, color=False, unicode=True).splitlines()
    assert len(lines) == 202
    assert lines[-1] == "… 99801 more values"
    assert max(map(len, lines)) < 90
    assert " 150 " in lines[151]


def test_no_gradient_yet_and_constants():
    """Before backward a gradient reads –; a plain number has neither gradient nor derivative."""
    lines = tree(Value(2.0, label="a") ** 2, color=False, unicode=True).splitlines()
    assert lines[1].split() == ["**", "4.0000", "–"]
    assert lines[3].split() == ["└─", "2", "2.0000"]


def test_a_tree_shows_itself():
    """Where a session shows a result, the text appears as it is."""
    assert repr(tree(example())) == str(tree(example()))


def test_what_is_not_a_value_is_refused():
    """The error names what was received."""
    with pytest.raises(TypeError, match=r"tree takes a Value.*got list"):
        tree([Value(1.0)])
