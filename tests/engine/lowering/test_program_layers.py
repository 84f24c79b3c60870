"""Layers in programs: whatever a network is made of, what is kept together gives what its scalars give."""

from __future__ import annotations

import random
from array import array
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from test_program import evaluate

import nn
from engine import FUNCTIONS, Value, dot, grad, logsumexp, where
from engine.lowering import native
from engine.lowering.kernel import lower
from engine.lowering.layers import Leaves
from engine.lowering.native import tapes
from engine.lowering.trace import trace
from engine.weighted import dots

needs_native = pytest.mark.skipif(not native.available()[0], reason="the native backend is not built")


@dataclass
class Net:
    """A graph: its outputs, its inputs, the leaves that it may be differentiated by, and what lies between."""

    outputs: list[Value] = field(default_factory=list)
    inputs: list[Value] = field(default_factory=list)
    parameters: list[Value] = field(default_factory=list)
    hidden: list[Value] = field(default_factory=list)


def random_net(r: random.Random) -> Net:
    """Layers of every kind: tied, used twice, with computed weights, without biases, on repeated or skipped inputs."""
    net = Net(inputs=[Value(r.gauss(0, 1), f"x{j}") for j in range(r.randint(1, 4))])
    a, made = net.inputs, list[tuple[list[tuple[Value, ...]], list[Value | None]]]()
    for _ in range(r.randint(1, 3)):
        if r.random() < 0.3:
            a = [*a, r.choice(a)]
        if r.random() < 0.3:
            a = [*net.inputs, *a]
        if r.random() < 0.15:
            a = [*a, Value(0.5) * 1.0]
        fitting = [layer for layer in made if len(layer[0][0]) == len(a)]
        if fitting and r.random() < 0.6:
            rows, biases = r.choice(fitting)
        else:
            rows, biases = new_layer(r, net, len(a))
            made.append((rows, biases))
        z = dots(rows, a, biases, [""] * len(rows))
        if r.random() < 0.2:  # the same layer on the same inputs: nothing new, but adjoints of its own
            z = [p + q for p, q in zip(z, dots(rows, list(a), biases, [""] * len(rows)))]
        f = r.choice(["sigmoid", "tanh", "relu", "softplus"])
        a = [getattr(v, f)() for v in z]
        net.hidden += [*z, *a]
    net.outputs = random_outputs(r, a, net)
    return net


def new_layer(r: random.Random, net: Net, n: int) -> tuple[list[tuple[Value, ...]], list[Value | None]]:
    """The weights and biases of a new layer."""
    rows: list[tuple[Value, ...]] = []
    biases: list[Value | None] = []
    kind = r.choice(["plain", "plain", "no biases", "some biases", "computed", "shared", "numbers"])
    for k in range(r.randint(1, 5)):
        weights = [Value(r.gauss(0, 1)) for _ in range(n)]
        net.parameters += weights
        if kind == "computed" and k % 2:
            weights = [w * 1.5 for w in weights]
        if kind == "shared" and rows and r.random() < 0.5:
            weights = list(rows[0])
        bias = None
        if kind == "numbers":
            bias = FUNCTIONS["sum"]([]) if k % 2 else Value(0.25)
        elif kind != "no biases" and not (kind == "some biases" and k % 2):
            bias = Value(r.gauss(0, 1))
            net.parameters.append(bias)
        rows.append(tuple(weights))
        biases.append(bias)
    return rows, biases


def random_outputs(r: random.Random, a: list[Value], net: Net) -> list[Value]:
    """One output or several, with choices, penalties and weights used elsewhere."""
    outputs = [logsumexp([*a, a[0] * 0.5])]
    if r.random() < 0.3:
        outputs[0] = outputs[0] + net.parameters[0] * net.parameters[-1]
    if r.random() < 0.3:
        d = outputs[0] - 1.0
        outputs[0] = where(d.abs().lt(0.7), d * d, d.abs().sqrt())
    if r.random() < 0.2:
        outputs[0] = dot([Value(2.0), a[0]], [a[-1], a[0]], a[0])
    if r.random() < 0.4:
        outputs.append(where(a[0].gt(0.3), a[-1].exp(), a[0] * 3.0))
    if r.random() < 0.3:
        outputs += a[:2]
    return outputs


def random_wrt(r: random.Random, net: Net) -> list[Value]:
    """What to differentiate by: the parameters, in order or not, all or some, and other nodes."""
    wrt = list(net.parameters)
    how = r.choice(["all", "all", "all", "turned", "shuffled", "some", "others", "more", "twice", "none"])
    if how == "turned":
        wrt.reverse()
    elif how == "shuffled":
        r.shuffle(wrt)
    elif how == "some":
        wrt = wrt[r.randrange(len(wrt)) :]
    elif how == "others":
        wrt = [*net.inputs, *net.hidden[:3]]
    elif how == "more":
        wrt += [net.inputs[0], net.hidden[0], net.hidden[-1]]
    elif how == "twice":
        wrt.append(wrt[0])
    return [] if how == "none" else wrt


def close(found: object, expected: object) -> bool:
    return bool(found == pytest.approx(expected, rel=1e-9, abs=1e-11))


@given(st.integers(0, 10**9))
def test_the_scalar_view_is_the_graph(seed: int) -> None:
    """Read instruction by instruction, the program gives the outputs of the eager engine, and the gradients of grad."""
    r = random.Random(seed)
    net = random_net(r)
    wrt = random_wrt(r, net)
    program = trace(net.outputs, net.inputs, wrt)
    values, gradients = evaluate(program, [x.data for x in net.inputs])
    assert values == pytest.approx([y.data for y in net.outputs], rel=1e-12)
    for y, found in zip(net.outputs, gradients, strict=True):
        assert close(found, grad(y, wrt))
    assert len(program.op) == len(program.args) == len(program.varying) == len(program.names) == program.size
    assert all(a < i for i, args in enumerate(program.args) for a in args)
    assert len(program) == len(list(program))


@needs_native
@given(st.integers(0, 10**9))
@example(1141)  # more steps than values: no step may then be taken for the last to use an input
def test_layers_in_the_interpreter_are_the_scalar_view(seed: int) -> None:
    """The compiled interpreter, which takes layers whole, agrees with the source, which is made of scalars."""
    r = random.Random(seed)
    net = random_net(r)
    wrt = random_wrt(r, net)
    rows = [[r.gauss(0, 1) for _ in net.inputs] for _ in range(r.choice([1, 3, 11]))]
    compiled, source = (lower(net.outputs, net.inputs, wrt, backend=backend) for backend in ("native", "source"))
    for reduce in ("mean", "sum", "none"):
        found, expected = compiled(rows, reduce), source(rows, reduce)
        for part in range(2):
            for a, b in zip(found[part], expected[part], strict=True):
                assert close(array("d", flat(a)), array("d", flat(b))), reduce


def flat(x: object) -> list[float]:
    return [y for item in x for y in flat(item)] if isinstance(x, list) else [x]  # type: ignore[list-item]


@needs_native
@given(st.integers(0, 10**9))
def test_a_step_on_one_sample_takes_layers_whole(seed: int) -> None:
    """One step of training on one sample moves the parameters by the gradient of the eager engine."""
    r = random.Random(seed)
    net = random_net(r)
    wrt = net.parameters if r.random() < 0.7 else net.parameters[r.randrange(len(net.parameters)) :]
    kernel = lower(net.outputs[0], net.inputs, wrt, backend="native")
    trainer = native.Trainer(kernel.native, [x.data for x in net.inputs], 1, 1)
    trainer.load(kernel.parameters(), "sgd", lr=0.5)
    trainer.begin()
    assert trainer.run(1, array("d", [0.0]), 10.0) == 0
    slopes = grad(net.outputs[0], wrt)
    assert close(trainer.parameters(), [p.data - 0.5 * g for p, g in zip(wrt, slopes)])
    assert close(trainer.gradient(), slopes)


@needs_native
def test_neurons_may_stand_in_any_order() -> None:
    """Where wrt lists the last neuron first, the steps from one to the next go down, which no instruction allows."""
    x, rows = [Value(0.3), Value(-0.7)], [tuple(Value(k + 0.5 * j) for j in range(2)) for k in range(3)]
    y = logsumexp([z.tanh() for z in dots(rows, x, [None] * 3, [""] * 3)])
    wrt = [w for row in reversed(rows) for w in row]
    assert close(lower(y, x, wrt, backend="native")([[0.3, -0.7]])[1], grad(y, wrt))


def network(sizes: list[int]) -> tuple[Value, list[Value], list[Value], nn.MLP]:
    model = nn.MLP(sizes[0], sizes[1:], seed=1)
    x = [Value(0.1 * j) for j in range(sizes[0])]
    return model.logits(x).bce_with_logits(Value(1.0)), x, model.parameters(), model  # type: ignore[union-attr]


def test_a_layer_is_one_instruction_each_way() -> None:
    """Four layers: four products forward, two back to more than one input, none by the network's inputs."""
    loss, x, parameters, _ = network([5, 4, 3, 2, 1])
    program = trace([loss], x, parameters)
    shapes = [(layer.turned, len(layer), len(layer.inputs)) for layer in program.layers]
    assert shapes == [(False, 4, 5), (False, 3, 4), (False, 2, 3), (False, 1, 2), (True, 3, 2), (True, 4, 3)]
    assert sorted(len(outer) for outer in program.outers) == [2, 6, 12, 20]
    program = trace([loss], [], [*parameters, *x])
    assert (True, 5, 4) in [(layer.turned, len(layer), len(layer.inputs)) for layer in program.layers]


@needs_native
def test_the_tape_of_one_sample_is_as_long_for_wide_layers_as_for_narrow_ones() -> None:
    """Equal operations on one level are one run, whatever the number of neurons."""
    lengths = set()
    for width in (8, 16, 24):
        loss, x, parameters, _ = network([3, width, width, 1])
        kernel = native.NativeKernel(trace([loss], x, parameters))
        lengths.add(len(tapes.flat_tape(kernel.plan, kernel.library)[0].code))
    assert len(lengths) == 1


def test_scalars_are_made_when_they_are_asked_for() -> None:
    """Neither lowering nor running a network makes a list with an entry for each weight's product."""
    loss, x, parameters, _ = network([5, 4, 3, 1])
    kernel = lower(loss, x, parameters)
    if kernel.backend == "native":
        kernel([[0.1] * 5])
        made = kernel.program._op, kernel.program._args, kernel.program._names, kernel.program._gradients
        assert made == (None, None, None, None)
    assert kernel.program.size == len(kernel.program.op) > len(kernel.program.core_op)


def test_weights_that_are_used_elsewhere_have_all_their_derivatives() -> None:
    """A weight in a penalty, in two layers, or twice in a neuron is no mere factor of an input."""
    x, w, v = [Value(0.3), Value(-0.2)], [Value(1.0), Value(2.0)], [Value(3.0), Value(-1.0)]
    for y in (
        dot(w, x).tanh() + w[1] * w[1],
        dots([w, v], dots([w, v], x, [None, None], ["", ""]), [None, None], ["", ""])[0].tanh(),
        dots([w, w], x, [None, None], ["", ""])[0] * dot(w, x).exp(),
        dot([w[0], w[0]], x).tanh() * dot(v, x),
    ):
        _, gradients = evaluate(trace([y], x, [*w, *v]), [v.data for v in x])
        assert close(gradients[0], grad(y, [*w, *v]))


def test_groups_of_parameters_are_recognised() -> None:
    """A group is claimed where its members follow each other, wherever that is, and in no other case."""
    p = [Value(float(k)) for k in range(12)]
    leaves = Leaves(p, 3)
    assert leaves.claims(tuple(p[8:11]))  # as a walk meets them: the last layer, then from neuron to neuron
    assert leaves.claims(tuple(p[0:3]))
    assert leaves.claims(tuple(p[4:7]))
    assert not leaves.claims((p[0], p[2]))
    assert not leaves.claims((p[3], Value(4.0)))
    assert not leaves.claims((p[3] * 2, p[4]))
    assert not leaves.claims((p[3],))
    leaves.number_the_rest()
    assert {leaves[p[k]] - 3 for k in (3, 7, 11)} == {3, 7, 11}
    assert leaves.elsewhere == set()
    assert leaves[p[5]] == 8
    assert leaves.elsewhere == {8}
    with pytest.raises(KeyError):
        leaves[Value(0.0)]
