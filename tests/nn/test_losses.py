"""Losses against mpmath and PyTorch, at the ends of the number line, and what they refuse."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value, grad, gradcheck, sigmoid
from nn import (
    MLP,
    SGD,
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    cross_entropy,
    fit,
    hinge,
    mean_squared_error,
)

labels = st.floats(0, 1)


def exact_loss_of_logit(z, y):
    """(loss, derivative with respect to z) of the binary cross-entropy, in 2000 digits rounded to a float."""
    mpmath = pytest.importorskip("mpmath")
    with mpmath.workdps(2000):
        z, y = mpmath.mpf(z), mpmath.mpf(y)
        a = 1 / (1 + mpmath.exp(-z))
        return float(-(y * mpmath.log(a) + (1 - y) * mpmath.log(1 - a))), float(a - y)


@pytest.mark.parametrize("y", [0.0, 1.0, 0.5, 0.25, 1e-3])
@pytest.mark.parametrize("z", [0.0, 1e-8, -1e-8, 1.0, -5.0, 36.0, -37.0, 40.0, 710.0, -745.0, 1000.0, -1000.0])
def test_loss_on_logits_is_exact(z, y):
    """The loss and its derivative on logits are right to 2 ulp from -1000 to 1000, soft labels included."""
    node = Value(z)
    loss = binary_cross_entropy_with_logits(node, y)
    value, derivative = exact_loss_of_logit(z, y)
    assert loss.data == pytest.approx(value, rel=5e-16, abs=1e-323)
    assert grad(loss, node) == pytest.approx(derivative, rel=5e-16, abs=2e-16)


@settings(max_examples=60)
@given(st.floats(-60, 60), labels)
def test_loss_on_logits_is_exact_for_random_logits(z, y):
    """The same for random logits and labels."""
    value, derivative = exact_loss_of_logit(z, y)
    node = Value(z)
    loss = binary_cross_entropy_with_logits(node, y)
    assert loss.data == pytest.approx(value, rel=1e-15, abs=1e-300)
    assert grad(loss, node) == pytest.approx(derivative, rel=1e-15, abs=2e-16)


@settings(max_examples=100)
@given(
    st.one_of(st.floats(0, 1), st.sampled_from([0.0, 1.0, 1e-50, 1 - 1e-16])),
    st.one_of(labels, st.sampled_from([0.0, 1.0])),
)
def test_loss_on_probabilities_is_torchs(a, y):
    """On probabilities the loss and its gradient are torch.nn.BCELoss's, at 0 and 1 too."""
    torch = pytest.importorskip("torch")
    node, tensor = Value(a), torch.tensor(a, dtype=torch.float64, requires_grad=True)
    loss = binary_cross_entropy(node, y)
    expected = torch.nn.functional.binary_cross_entropy(tensor, torch.tensor(y, dtype=torch.float64))
    expected.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-14, abs=1e-300)
    assert grad(loss, node) == pytest.approx(tensor.grad.item(), rel=1e-14)


def test_certain_error_costs_100():
    """The probability 0 for the label 1 costs 100, and not infinity."""
    assert binary_cross_entropy(Value(0.0), 1).data == 100.0
    assert binary_cross_entropy(Value(1.0), 0).data == 100.0
    assert binary_cross_entropy(Value(1.0), 1).data == 0.0


def test_lectures_derivative():
    """The derivative with respect to the probability is the lecture's -y/a + (1 - y)/(1 - a)."""
    for a, y in ((0.2, 1.0), (0.7, 0.0), (0.4, 0.3)):
        node = Value(a)
        assert grad(binary_cross_entropy(node, y), node) == pytest.approx(-y / a + (1 - y) / (1 - a), rel=1e-14)


def test_both_cross_entropies_agree_where_probabilities_can():
    """On σ(z) and on z the loss and the derivative with respect to z are the same while σ(z) is not rounded to 1."""
    for z, y in ((0.3, 1.0), (-2.0, 0.0), (5.0, 0.25)):
        node = Value(z)
        p, q = binary_cross_entropy(sigmoid(node), y), binary_cross_entropy_with_logits(node, y)
        assert p.data == pytest.approx(q.data, rel=1e-13)
        assert grad(p, node) == pytest.approx(grad(q, node), rel=1e-13)


@settings(max_examples=60)
@given(st.lists(st.floats(-50, 50), min_size=2, max_size=6), st.data())
def test_cross_entropy_is_torchs(z, data):
    """Softmax cross-entropy and its gradient are PyTorch's, for class indices and for soft labels."""
    torch = pytest.importorskip("torch")
    k = data.draw(st.integers(0, len(z) - 1))
    raw = data.draw(st.lists(st.floats(0.01, 1), min_size=len(z), max_size=len(z)))
    soft = [t / sum(raw) for t in raw]
    for ours, theirs in ((k, torch.tensor(k)), (soft, torch.tensor(soft, dtype=torch.float64))):
        nodes, tensor = [Value(v) for v in z], torch.tensor(z, dtype=torch.float64, requires_grad=True)
        loss = cross_entropy(nodes, ours)
        expected = torch.nn.functional.cross_entropy(tensor, theirs)
        expected.backward()
        assert loss.data == pytest.approx(expected.item(), rel=1e-12, abs=1e-13)
        assert grad(loss, nodes) == pytest.approx(tensor.grad.tolist(), rel=1e-12, abs=1e-14)


@pytest.mark.parametrize(("z", "k", "expected"), [
    ([0.0, 0.0], 0, math.log(2)), ([1000.0, -1000.0], 0, 0.0), ([1000.0, -1000.0], 1, 2000.0),
    ([-1000.0, -1000.0, -1000.0], 2, math.log(3)),
])  # fmt: skip
def test_cross_entropy_far_out(z, k, expected):
    """Softmax cross-entropy neither overflows nor loses its value at logits of ±1000; one-hot labels give the same."""
    assert cross_entropy([Value(v) for v in z], k).data == pytest.approx(expected, rel=1e-15)
    one_hot = [float(i == k) for i in range(len(z))]
    assert cross_entropy([Value(v) for v in z], one_hot).data == pytest.approx(expected, rel=1e-15)


def test_mean_squared_error():
    """It is the mean of the squares, of one pair, of lists and of lists of lists, as PyTorch's."""
    torch = pytest.importorskip("torch")
    p, t = [[1.0, 2.0], [-3.0, 0.5], [0.0, 9.0]], [[0.0, 2.5], [1.0, 1.0], [0.25, -1.0]]
    nodes = [[Value(v) for v in row] for row in p]
    loss = mean_squared_error(nodes, t)
    tensor = torch.tensor(p, dtype=torch.float64, requires_grad=True)
    expected = torch.nn.functional.mse_loss(tensor, torch.tensor(t, dtype=torch.float64))
    expected.backward()
    assert loss.data == pytest.approx(expected.item(), rel=1e-15)
    assert grad(loss, [v for row in nodes for v in row]) == pytest.approx(tensor.grad.flatten().tolist(), rel=1e-15)
    assert mean_squared_error(Value(3.0), 1).data == 4.0


def test_lists_give_the_mean():
    """Every loss of lists is the mean of the losses."""
    z, y = [0.5, -1.0, 2.0], [1, 0, 0.5]
    for loss, make in ((binary_cross_entropy_with_logits, Value), (binary_cross_entropy, lambda v: sigmoid(Value(v)))):
        single = [loss(make(a), b).data for a, b in zip(z, y)]
        assert loss([make(a) for a in z], y).data == pytest.approx(sum(single) / 3, rel=1e-15)
    rows = [[Value(1.0), Value(2.0)], [Value(0.0), Value(-1.0)]]
    assert cross_entropy(rows, [0, 1]).data == pytest.approx(
        (cross_entropy(rows[0], 0).data + cross_entropy(rows[1], 1).data) / 2
    )


def test_targets_may_be_values():
    """A label that is a Value becomes part of the graph, so that it can be an input when the graph is lowered."""
    y, z = Value(1.0, label="y"), Value(0.3)
    for loss in (binary_cross_entropy_with_logits(z, y), binary_cross_entropy(sigmoid(z), y), mean_squared_error(z, y)):
        seen = {loss}
        while not any(y is node for node in seen):
            parents = {p for node in seen for p in node.parents} - seen
            assert parents, "the label is not in the graph"
            seen |= parents


def test_gradcheck_of_every_loss():
    """Central differences confirm each loss's derivatives with respect to prediction and label."""
    assert gradcheck(binary_cross_entropy, [0.3, 0.6]).passed
    assert gradcheck(binary_cross_entropy_with_logits, [-1.2, 0.6]).passed
    assert gradcheck(mean_squared_error, [-1.2, 0.6]).passed
    assert gradcheck(lambda a, b, c: cross_entropy([a, b, c], [0.2, 0.3, 0.5]), [1.0, -2.0, 0.5]).passed


V = Value(0.5)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: binary_cross_entropy(V, 2), ValueError, r"binary_cross_entropy takes a label in \[0, 1\], got 2.0"),
        (lambda: binary_cross_entropy(V, -0.1), ValueError, "label in"),
        (lambda: binary_cross_entropy(V, math.nan), ValueError, "label in"),
        (
            lambda: binary_cross_entropy(Value(1.5), 1),
            ValueError,
            "got 1.5: for logits use binary_cross_entropy_with_logits",
        ),
        (lambda: binary_cross_entropy(V, "1"), TypeError, "label takes a real number, got '1'"),
        (lambda: binary_cross_entropy(V, [1]), ValueError, "one prediction but several targets"),
        (lambda: binary_cross_entropy([V], [1, 0]), ValueError, "1 predictions but 2 targets"),
        (lambda: binary_cross_entropy([V, V], 1), TypeError, "targets must be a Value or a list of them, got 1"),
        (lambda: binary_cross_entropy([], []), ValueError, "of an empty list has no mean"),
        (lambda: binary_cross_entropy("a", [1]), TypeError, "predictions must be a Value or a list"),
        (
            lambda: binary_cross_entropy_with_logits(V, 1.5),
            ValueError,
            r"with_logits takes a label in \[0, 1\], got 1.5",
        ),
        (lambda: mean_squared_error(V, None), TypeError, "target takes a real number, got None"),
        (lambda: cross_entropy(V, 1), TypeError, "takes a list of logits, one a class"),
        (lambda: cross_entropy([], 1), TypeError, "takes a list of logits"),
        (lambda: cross_entropy([V, V], 2), ValueError, "class 2 does not exist, there are 0 to 1"),
        (lambda: cross_entropy([V, V], -1), ValueError, "class -1 does not exist"),
        (lambda: cross_entropy([V, V], 0.5), TypeError, "takes a class index or a list of probabilities, got 0.5"),
        (lambda: cross_entropy([V, V], [1.0]), ValueError, "the target has 1 probabilities for 2 logits"),
        (lambda: cross_entropy([V, V], [0.5, 0.6]), ValueError, "must sum to 1, they sum to 1.1"),
        (lambda: cross_entropy([V, V], [1.5, -0.5]), ValueError, r"label in \[0, 1\], got 1.5"),
        (lambda: cross_entropy([[V, V]], [0, 1]), ValueError, "1 predictions but 2 targets"),
    ],
)
def test_errors(make, error, message):
    """Labels, probabilities and lists that make no sense are refused with what was received."""
    with pytest.raises(error, match=message):
        make()


def test_hinge():
    """max(0, 1 - y p), 0 from a margin of 1 on, its slope -y inside; labels are -1 and 1."""
    p = Value(0.25)
    loss = hinge(p, -1)
    loss.backward()
    assert (loss.data, p.grad) == (1.25, 1.0)
    assert hinge(Value(1.5), 1).data == 0.0
    assert hinge([Value(0.5), Value(3.0)], [1, 1]).data == 0.25
    torch = pytest.importorskip("torch")
    expected = torch.nn.functional.margin_ranking_loss(torch.tensor(0.25), torch.tensor(0.0), torch.tensor(-1.0), 1.0)
    assert loss.data == pytest.approx(expected.item())
    for wrong in (0, 0.5, 2):
        with pytest.raises(ValueError, match=rf"hinge takes a label of -1 or 1, got {float(wrong)}"):
            hinge(p, wrong)


def test_hinge_trains_a_margin():
    """fit takes labels of -1 and 1 for it, and refuses others by row."""
    X, y = [[-2.0], [-1.0], [1.0], [2.0]], [-1, -1, 1, 1]
    for backend in ("eager", "auto"):
        model = MLP(1, [1], output="linear", seed=1)
        fit(model, X, y, loss=hinge, optimizer=SGD(model.parameters(), lr=0.2), epochs=60, backend=backend)
        assert [p > 0 for p in model.predict(X)] == [False, False, True, True]
    with pytest.raises(ValueError, match=r"y\[1\] \(row 1\) is 0.0: labels must be -1 or 1"):
        fit(MLP(1, [1], output="linear"), X, [-1, 0, 1, 1], loss=hinge)


def test_cross_entropy_keeps_its_digits_when_the_network_is_sure():
    """At logits 40 above the others the loss and its gradient are right to the last digits, not 0."""
    logits = [Value(1.0), Value(41.0), Value(-2.0)]
    loss = cross_entropy(logits, 1)
    others = math.exp(-40.0) + math.exp(-43.0)
    assert loss.data == pytest.approx(math.log1p(others), rel=1e-14)
    assert grad(loss, logits) == pytest.approx([math.exp(-40.0), -others, math.exp(-43.0)], rel=1e-14)
