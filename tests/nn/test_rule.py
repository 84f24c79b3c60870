"""An optimiser's rule: written once, it steps in Python, and lowered it gives the same numbers."""

from __future__ import annotations

import math
import random

import pytest

from engine import Value, lower
from nn import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from nn.rule import Rule, read_rule

KINDS = [
    (SGD, {}), (SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}), (Adam, {"amsgrad": True}), (AdamW, {}),
    (RMSprop, {"centered": True, "momentum": 0.5}), (Adagrad, {"lr_decay": 0.1}),
]  # fmt: skip


def test_a_rule_says_what_it_needs():
    """Hyperparameters are the names that are neither given nor kept nor assigned before; lines follow one another."""
    rule = Rule("m = keep * m + g\nv = m * 2\nw = w - lr * v / t", ["m"])
    assert rule.needed == ["keep", "lr"]
    assert rule.step([[1.0, 2.0], [3.0, 4.0], [1.0, 2.0], [0.5, 0.0]], {"keep": 2.0, "lr": 0.5}) == [
        [1.0 - 4.0, 2.0 - 2.0], [4.0, 4.0]
    ]  # fmt: skip


def test_results_are_those_of_ieee_where_python_refuses():
    """A division by zero and the root of a negative number give inf and nan, for that parameter alone."""
    w, s = Rule("s = sqrt(g)\nw = w / g", ["s"]).step([[1.0, 1.0, 1.0], [0.0, -1.0, 4.0], [1.0] * 3, [0.0] * 3], {})
    assert w == [math.inf, -1.0, 0.25]
    assert (s[0], s[2]) == (0.0, 2.0)
    assert math.isnan(s[1])


@pytest.mark.parametrize("line", ["w - lr * g", "w == g", "3w = g", "= g", ""])
def test_a_line_is_an_assignment(line):
    """Anything else is refused with the line."""
    with pytest.raises(ValueError, match="is 'name = expression', got"):
        Rule(f"g = g\n{line}\nw = g", [])


@pytest.mark.parametrize(("kind", "settings"), KINDS, ids=lambda x: getattr(x, "__name__", ""))
def test_a_rule_can_be_lowered(kind, settings):
    """The rule applied to Values and lowered moves a parameter as step() does, for five steps."""
    w = Value(0.7)
    optimizer = kind([w], **settings)
    rule = read_rule(optimizer.rule, optimizer.lists)
    leaves = [Value(0.0) for _ in range(3 + len(optimizer.lists))]
    numbers = {name: float(getattr(optimizer, name)) for name in rule.needed}
    new = rule.graph(*leaves[:3], leaves[3:], numbers)
    # An output for which every row is one call: rows of one sample each.
    kernel = lower([a + 0 for a in new], inputs=leaves, wrt=[], backend="source")
    row = [w.data, 0.0, 0.0, *[optimizer.state[name][0] for name in optimizer.lists]]
    rng = random.Random(0)
    for t in range(1, 6):
        w.grad = rng.gauss(0, 1)
        optimizer.step()
        row[1:3] = [w.grad, float(t)]
        values, _ = kernel([row])
        row = [values[0], 0.0, 0.0, *values[1:]]
        assert row[0] == pytest.approx(w.data, rel=1e-14)
        assert row[3:] == pytest.approx([optimizer.state[name][0] for name in optimizer.lists], rel=1e-14)


def test_an_optimiser_of_ones_own_is_a_rule():
    """A class with a rule, a list of state and a hyperparameter is an optimiser, and needs nothing else."""

    class Heavy(Optimizer):
        rule = "v = keep * v + g\nw = w - lr * v"
        lists = ("v",)
        keep = 0.5

    w = Value(1.0)
    ours, theirs = Heavy([w], lr=0.1), SGD([Value(1.0)], lr=0.1, momentum=0.5)
    for g in (1.0, -2.0, 0.5):
        w.grad = theirs.params[0].grad = g
        ours.step()
        theirs.step()
    assert w.data == theirs.params[0].data
    assert ours.state == {"step": [3.0], "v": theirs.state["momentum_buffer"]}
    assert repr(ours) == "Heavy(1 parameters, lr=0.1, weight_decay=0.0)"
