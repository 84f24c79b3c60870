"""The backward pass, gradients as graphs, Jacobian and Hessian, beside PyTorch and finite differences."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
import time

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import engine
from engine import Value, dot, first_nonfinite, grad, gradcheck, hessian, hvp, jacobian, toposort, vjp

# Operations that are smooth and bounded enough to be chained at random, in both libraries' words.
UNARY = ["tanh", "sigmoid", "sin", "cos", "atan", "erf", "softplus", "asinh", "gelu", "silu", "logsigmoid", "neg"]
BINARY = ["add", "sub", "mul", "logaddexp", "hypot"]
N_ARY = ["sum", "mean", "logsumexp", "dot"]

steps = st.lists(
    st.tuples(st.sampled_from(UNARY + BINARY + N_ARY), st.lists(st.integers(0, 10**6), min_size=4, max_size=4)),
    min_size=1, max_size=25,
)  # fmt: skip
leaves = st.lists(st.floats(-1.5, 1.5).filter(lambda x: abs(x) > 1e-3), min_size=2, max_size=4)


def build(functions, start, plan):
    """A graph by the plan: each step applies an operation to nodes made before, later ones more often."""
    nodes = list(start)
    for name, picks in plan:
        a, b, c, d = (nodes[-1 - pick % min(len(nodes), 6)] for pick in picks)
        if name in UNARY:
            nodes.append(functions[name](a))
        elif name in BINARY:
            nodes.append(functions[name](a, b))
        else:
            nodes.append(functions[name]([a, b], [c, d]) if name == "dot" else functions[name]([a, b, c]))
        if len(nodes) % 5 == 0:
            nodes[-1] = functions["tanh"](nodes[-1])  # keeps numbers moderate
    return functions["tanh"](nodes[-1] * 0.1) + nodes[len(start) // 2]


OURS = {name: getattr(engine, name) for name in UNARY + BINARY + N_ARY}


def torchs():
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    of = {name: getattr(torch, name) for name in (*UNARY[:6], "asinh", "neg", *BINARY)}
    of |= {name: getattr(F, name) for name in ("softplus", "gelu", "silu", "logsigmoid")}
    of["softplus"] = lambda a: F.softplus(a, threshold=1000)
    of["sum"] = lambda v: torch.stack(v).sum()
    of["mean"] = lambda v: torch.stack(v).mean()
    of["logsumexp"] = lambda v: torch.stack(v).logsumexp(0)
    of["dot"] = lambda w, x: torch.stack(w) @ torch.stack(x)
    return torch, of


@settings(max_examples=150)
@given(leaves, steps)
def test_random_graphs_agree_with_pytorch(start, plan):
    """Data, gradients, and the gradient of a gradient of random graphs are PyTorch's."""
    torch, of = torchs()
    xs = [Value(x) for x in start]
    ts = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in start]
    y, t = build(OURS, xs, plan), build(of, ts, plan)
    assert y.data == pytest.approx(t.item(), rel=1e-12, abs=1e-13)
    y.backward()
    first = torch.autograd.grad(t, ts, create_graph=True, materialize_grads=True)
    assume(all(map(torch.isfinite, first)))  # hypot at (0, 0), which is nan there and 0 here
    assert [x.grad for x in xs] == pytest.approx([g.item() for g in first], rel=1e-9, abs=1e-11)
    graphs = grad(y, xs, create_graph=True)
    assert [g.data for g in graphs] == pytest.approx([x.grad for x in xs], rel=1e-11, abs=1e-12)
    mixed = sum(g * g for g in first)
    expected = (
        torch.autograd.grad(mixed, ts, materialize_grads=True) if mixed.requires_grad else [torch.tensor(0.0)] * len(ts)
    )
    second = grad(engine.sum([g * g for g in graphs]), xs)
    assert second == pytest.approx([g.item() for g in expected], rel=1e-8, abs=1e-9)


@settings(max_examples=60)
@given(leaves, steps)
def test_random_graphs_pass_the_gradient_check(start, plan):
    """First and second derivatives of random graphs agree with central differences."""
    assert gradcheck(lambda *xs: build(OURS, xs, plan), start, order=2, rtol=1e-5, atol=1e-6).passed


@settings(max_examples=60)
@given(leaves, steps, st.floats(-3, 3), st.floats(-3, 3))
def test_backward_is_linear(start, plan, s, t):
    """The gradient of s·f + t·g is s·grad f + t·grad g."""
    xs = [Value(x) for x in start]
    f, g = build(OURS, xs, plan), engine.sum([x * x for x in xs])
    df, dg, both = grad(f, xs), grad(g, xs), grad(s * f + t * g, xs)
    assert both == pytest.approx([s * a + t * b for a, b in zip(df, dg)], rel=1e-11, abs=1e-11)


def test_backward_twice():
    """Leaves accumulate, intermediates hold the last pass: a*a*a at 2 gives 12, then 24."""
    a = Value(2.0)
    b = a * a
    c = b * a
    c.backward()
    assert (a.grad, b.grad, c.grad) == (12.0, 2.0, 1.0)
    c.backward()
    assert (a.grad, b.grad, c.grad) == (24.0, 2.0, 1.0)
    c.zero_grad()
    assert (a.grad, b.grad, c.grad, a.has_grad) == (0.0, 0.0, 0.0, True)


def test_a_node_used_twice_gets_both_contributions():
    """In b = a + a; c = b * b the node b is complete before its adjoint flows on."""
    a = Value(3.0)
    b = a + a
    (b * b).backward()
    assert (a.grad, b.grad) == (24.0, 12.0)


def test_data_changed_after_the_forward_pass():
    """The local derivatives are those of the forward pass, whatever was written into a leaf since."""
    a, b = Value(2.0), Value(5.0)
    c = a * b
    a.data = 100.0
    c.backward()
    assert (a.grad, b.grad, c.data) == (5.0, 2.0, 10.0)


def test_grad_leaves_grad_alone():
    """grad, jacobian and hessian write no .grad; a node that the output does not depend on gives 0.0."""
    a, b, unused = Value(2.0), Value(-3.0), Value(7.0)
    y = a * b + a.tanh()
    assert grad(y, [a, b, unused])[2] == 0.0
    assert grad(y, [unused], create_graph=True)[0].data == 0.0
    assert grad(y, [y]) == [1.0]
    assert grad(y, [y], create_graph=True)[0].data == 1.0
    assert jacobian([y, y * a], [a, b])[1][1] == 4.0
    assert hessian(y, [a, b])[0][1] == 1.0
    assert jacobian([], [a]) == []
    assert not any(node.has_grad for node in toposort(y))
    assert grad(y, a) == grad(y, [a])[0]


def test_derivatives_of_powers_at_zero():
    """Every derivative of x ** n at 0 is right, although the rule of pow has a branch there that would give nan."""
    for n, expected in {2: [0, 2, 0, 0], 3: [0, 0, 6, 0], 1: [1, 0, 0, 0], 0: [0, 0, 0, 0]}.items():
        x = Value(0.0)
        y = x**n
        for value in expected:
            y = grad(y, x, create_graph=True)
            assert y.data == value


def test_wrong_arguments_are_named():
    """What is not a Value, or not a list, is a TypeError that says which argument, and what to do."""
    a = Value(1.0)
    with pytest.raises(TypeError, match="jacobian takes several outputs"):
        grad([a, a], [a])
    with pytest.raises(TypeError, match=r"item 1 is 3\.0"):
        grad(a, [a, 3.0])
    with pytest.raises(TypeError, match="list of Values"):
        jacobian(a, [a])
    with pytest.raises(TypeError, match="list of Values"):
        grad(a, 3.0)
    with pytest.raises(TypeError, match=r"given one by one: got \[Value"):
        toposort([a])
    with pytest.raises(TypeError, match="given one by one: got None"):
        first_nonfinite(a, None)
    for numbers in (None, 1j, 1.0, a, "1"):
        with pytest.raises(TypeError, match="vjp: cotangents takes a list of numbers, got "):
            vjp([a], [a], numbers)
    with pytest.raises(ValueError, match="hvp: vector must have as many numbers as wrt: got 2 and 1"):
        hvp(a * a, [a], [1.0, 2.0])


def test_interrupted_backward_changes_nothing(interrupted):
    """A KeyboardInterrupt at any moment of backward leaves every gradient as it was, or all of them written."""
    a = Value(1.0)
    y = a
    for _ in range(4_000):
        y = y * 1.0001 + 1.0
    nodes = toposort(y)
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        y.backward()
        durations.append(time.perf_counter() - start)
    duration = min(durations)  # one that the machine held up would put all moments behind the end
    seen = set()
    for k in range(60):  # moments spread over the whole pass, and a little beyond
        for node in nodes:
            node.grad = -7.0
        interrupted(lambda came: y.backward(), 1.3 * duration * (k + 1) / 60, KeyboardInterrupt)
        untouched = sum(node.grad == -7.0 for node in nodes)
        assert untouched in (0, len(nodes))
        seen.add(untouched)
    assert len(nodes) in seen  # some of the interrupts did hit


def test_threads_do_not_disturb_each_other():
    """Derivatives of one shared graph, taken in several threads at once, are right in each of them."""
    x = Value(0.3)
    y = x
    for _ in range(2000):
        y = engine.sin(y) + x * 0.5
    expected, wrong = grad(y, [x]), []

    def work():
        for _ in range(15):
            if grad(y, [x]) != expected:
                wrong.append(1)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert not wrong


def test_results_do_not_depend_on_the_hash_seed():
    """Order of nodes and the last bit of gradients are the same in processes with different PYTHONHASHSEED."""
    program = (
        "from engine import *; import random; r = random.Random(3); v = [Value(r.random()) for _ in range(9)]\n"
        "for _ in range(300): v.append(tanh(r.choice(v) * r.choice(v) + r.choice(v)))\n"
        "g = grad(v[-1] + v[-2], v); print([x.hex() for x in g], [n.data.hex() for n in toposort(v[-1])])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program], env={**os.environ, "PYTHONHASHSEED": seed}, check=True, capture_output=True
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(found) == 1


def test_toposort_puts_parents_first():
    """Every node stands once, after its parents, in the same order each time, for several outputs too."""
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    c = a + b
    d = dot([c, a], [b, c], a)
    e = c * c
    order = toposort(d, e)
    assert order == toposort(d, e)
    assert len(order) == len(set(order)) == 5
    assert all(order.index(parent) < order.index(node) for node in order for parent in node.parents)
    assert order == [a, b, c, d, e]
    assert toposort(a) == [a]


def test_a_wide_sum_is_walked_once():
    """A sum of 100,000 computed terms does not look at its parents again for each of them."""
    terms = [Value(float(k)) * 2.0 for k in range(100_000)]
    y = engine.sum(terms)
    y.backward()
    assert all(term.grad == 1.0 for term in terms)


def test_first_nonfinite_names_the_node():
    """The first nan or infinity in topological order is found, in data or, where all data are finite, in gradients."""
    a, b = Value(0.0, label="a"), Value(2.0, label="b")
    assert first_nonfinite(a * b) is None
    bad = a.log()
    assert first_nonfinite((bad + b) * b) is bad
    assert bad.parents == (a,)
    y = a.sqrt() * b
    y.backward()
    assert first_nonfinite(y) is a
    assert first_nonfinite(Value(-2.0) ** 2) is None


def test_the_collector_does_not_matter():
    """Gradients are bit-equal with the cyclic collector on and off."""

    def run():
        xs = [Value(0.1 * k) for k in range(1, 20)]
        y = engine.tanh(dot(xs, [x.sin() for x in xs]))
        return grad(y, xs)

    on = run()
    gc.disable()
    try:
        assert run() == on
    finally:
        gc.enable()
