"""The page for those who come from micrograd is true: its code runs, and what it says of micrograd is so."""

from __future__ import annotations

import contextlib
import io
import random
import re
from pathlib import Path

import pytest

import demos
import engine
from demos.datasets import moons
from engine import Value
from nn import MLP
from tests.test_readme import same

TEXT = (Path(demos.__file__).parent / "coming_from_micrograd.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)


def test_its_code_prints_what_it_shows():
    """All blocks, run in order as one program, print the text that follows them."""
    names: dict[str, object] = {"__name__": "page"}
    for (kind, code), (next_kind, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")]):
        if kind != "python":
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "coming_from_micrograd.md", "exec"), names)
        expected = shown if next_kind == "text" else ""
        assert same(expected, printed.getvalue()), f"{code}\nprints\n{printed.getvalue()}\nshown is\n{expected}"


def test_its_names_are_there():
    """What the right-hand columns name exists, and works as it says."""
    a, b = Value(2.0, label="a"), Value(3.0)
    c = a + a
    assert c.parents == (a, a)
    assert (c.op.name, c.op.symbol, a.op) == ("add", "+", None)
    assert c.local_derivatives == (1.0, 1.0)
    assert (b**a).data == 9.0
    assert (Value(0.0) ** -1).data == float("inf")
    assert a != b
    for bad in ("abc", 1 + 2j):
        with pytest.raises(TypeError):
            Value(bad)
    deep = a
    for _ in range(5000):
        deep = deep + 1.0
    deep.backward()
    with pytest.raises(TypeError, match=r"engine\.eq"):
        a == 2.0  # noqa: B015
    for old, new in (("_prev", "parents"), ("_op", "op"), ("_backward", "local_derivatives")):
        with pytest.raises(AttributeError, match=new):
            getattr(a, old)
    neuron = MLP(2, [3, 1]).layers[0].neurons[0]
    assert (len(neuron.weights), neuron.bias.data, neuron.activation) == (2, 0.0, "sigmoid")
    with pytest.raises(ValueError, match="2 inputs"):
        MLP(2, [1])([1.0, 2.0, 3.0])
    assert "where" in engine.OPS


def test_micrograd_does_what_the_page_says_of_it():
    """Backward twice gives 32, x + x has one parent, a wrong length is cut off, and a deep graph fails."""
    theirs = pytest.importorskip("micrograd.engine")
    import micrograd.nn

    x = theirs.Value(2.0)
    y = x * x * x
    y.backward()
    y.backward()
    assert x.grad == 32
    assert len((x + x)._prev) == 1
    assert micrograd.nn.MLP(2, [1])([1.0, 2.0, 3.0]).data is not None
    with pytest.raises(ZeroDivisionError):
        theirs.Value(0.0) ** -1
    deep = x
    for _ in range(5000):
        deep = deep + 1.0
    with pytest.raises(RecursionError):
        deep.backward()


def test_the_port_trains_as_micrograd_does():
    """From the same weights and data, the losses and all gradients of five steps are micrograd's own."""
    pytest.importorskip("micrograd.engine")
    import micrograd.nn

    random.seed(3)
    theirs = micrograd.nn.MLP(2, [5, 4, 1])
    ours = MLP(2, [5, 4, 1], activation="relu", output="linear")
    pairs = list(zip(ours.parameters(), theirs.parameters(), strict=True))
    for p, q in pairs:
        p.data = float(q.data)
    X, y = moons(20, seed=1)
    y = [2 * label - 1 for label in y]
    for k in range(5):
        losses = []
        for model in (ours, theirs):
            scores = [model(row) for row in X]
            data_loss = sum((1 + -label * score).relu() for label, score in zip(y, scores)) * (1.0 / len(y))
            total = data_loss + 1e-4 * sum(p * p for p in model.parameters())
            model.zero_grad()
            total.backward()
            losses.append(total.data)
        assert losses[0] == pytest.approx(losses[1], rel=1e-12)
        assert [p.grad for p, _ in pairs] == pytest.approx([q.grad for _, q in pairs], rel=1e-10, abs=1e-14)
        rate = 1.0 - 0.9 * k / 5
        for p, q in pairs:
            p.data -= rate * p.grad
            q.data -= rate * q.grad
