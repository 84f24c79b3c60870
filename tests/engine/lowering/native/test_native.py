"""The compiled interpreter against the eager engine, mpmath, and its own checks: every instruction set, one by one."""

from __future__ import annotations

import math
import random
from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native_runs import SETS, close, run, ulps

import engine
from engine import OPS, Value, dot, grad, logsumexp, mean, where
from engine.lowering import native
from engine.lowering.native import schedule, tape, tapes
from engine.lowering.native.lanes import Lanes
from engine.lowering.native.plan import Plan
from engine.lowering.trace import trace
from engine.operations import FUNCTIONS

ROWS = [1, 7, 8, 9, 63, 64, 65, 1000]
UNARY = [op.name for op in OPS.values() if op.arity == 1]
BINARY = [op.name for op in OPS.values() if op.arity == 2]


@st.composite
def graphs(draw):
    """(output, inputs, parameters): a random graph that mixes per-row values, parameters and numbers."""
    inputs = [Value(draw(st.floats(-2, 2)), f"x{k}") for k in range(draw(st.integers(1, 3)))]
    near = st.floats(-2, 2).map(lambda x: round(x, 3))  # a quotient by 1e-80 would cancel differently when fused
    parameters = [Value(draw(near), f"p{k}") for k in range(draw(st.integers(1, 4)))]
    nodes = [*inputs, *parameters]
    node = st.integers(0, 10**6).map(lambda k: nodes[k % len(nodes)])
    for _ in range(draw(st.integers(1, 25))):
        kind = draw(st.integers(0, 5))
        if kind == 0:
            nodes.append(getattr(draw(node), draw(st.sampled_from(UNARY)))())
        elif kind <= 2:
            nodes.append(getattr(draw(node), draw(st.sampled_from(BINARY)))(draw(node)))
        elif kind == 3:
            n = draw(st.integers(1, 4))
            weights, inputs_ = [draw(node) for _ in range(n)], [draw(node) for _ in range(n)]
            nodes.append(dot(weights, inputs_, draw(st.none() | node)))
        elif kind == 4:
            operands = [draw(node) for _ in range(draw(st.integers(1, 4)))]
            nodes.append(draw(st.sampled_from([mean, logsumexp, engine.sum]))(operands))
        else:
            nodes.append(where(draw(node).gt(draw(st.floats(-1, 1))), draw(node), draw(node)))
    return nodes[-1].tanh() + nodes[len(nodes) // 2].sin(), inputs, parameters


def eager_gradient(output, inputs, parameters, row):
    """(value, gradient) of the graph at a row, by a copy of it built anew."""
    from engine.graph import toposort

    copies = dict(zip(inputs, map(Value, row)))
    for node in toposort(output):
        if node in copies:
            continue
        if node.op is None:
            copies[node] = node
        else:
            operands = [copies[parent] for parent in node.parents]
            if node.op.name == "dot":
                n = len(operands) // 2
                copies[node] = dot(operands[:n], operands[n : 2 * n], operands[2 * n] if len(operands) % 2 else None)
            elif node.op.arity is None:
                copies[node] = FUNCTIONS[node.op.name](operands)
            else:
                copies[node] = FUNCTIONS[node.op.name](*operands)
    return copies[output].data, grad(copies[output], parameters)


@settings(max_examples=60)
@given(graphs(), st.sampled_from(SETS), st.integers(0, 1000))
def test_random_graphs_agree_with_eager(graph, instruction_set, seed):
    """Any graph, on rows where its branches go either way: sums of eager's values and gradients."""
    output, inputs, parameters = graph
    rng = random.Random(seed)
    rows = [[rng.uniform(-2, 2) for _ in inputs] for _ in range(5)]
    values = [eager_gradient(output, inputs, parameters, row) for row in rows]
    (value,), (gradient,) = run([output], inputs, parameters, rows, instruction_set, "sum")
    for found, terms in zip([value, *gradient], zip(*[(v, *g) for v, g in values])):
        if all(map(math.isfinite, terms)) and max(map(abs, terms)) < 1e100:  # beyond, the order of the sum decides
            assert abs(found - math.fsum(terms)) <= 1e-9 * max(1e-3, *map(abs, terms)), (found, terms)


@settings(max_examples=40)
@given(graphs(), st.sampled_from(SETS))
def test_random_graphs_train_on_one_sample(graph, instruction_set):
    """The flat tape, which trains one sample at a time, takes the step that eager's gradient gives."""
    output, inputs, parameters = graph
    row = [x.data for x in inputs]
    value, gradient = eager_gradient(output, inputs, parameters, row)
    kernel = native.NativeKernel(trace([output], inputs, parameters, marks=True), instruction_set)
    trainer = native.Trainer(kernel, row, 1, 1)
    before = [p.data for p in kernel.program.parameter_values]
    trainer.load(before, "sgd", lr=0.5)
    losses = array("d", [0.0])
    state = trainer.run(1, losses, 10.0)
    if not all(map(math.isfinite, (value, *gradient))):
        assert state == native.DONE or list(trainer.parameters()) == before
    elif max(map(abs, (value, *gradient))) < 1e100:
        assert state == native.DONE
        assert close(losses[0], value, 1e-9, 1e-12)
        assert all(close(g, e, 1e-9, 1e-9) for g, e in zip(trainer.gradient(), gradient))
        assert all(close(p, b - 0.5 * e, 1e-9, 1e-9) for p, b, e in zip(trainer.parameters(), before, gradient))


def network(sizes, seed=0, activation="sigmoid"):
    """(loss, inputs, parameters) of a fully connected network with these sizes."""
    rng = random.Random(seed)
    inputs = [Value(rng.uniform(-1, 1)) for _ in range(sizes[0])]
    target, parameters, a = Value(0.3), [], inputs
    for n_in, n_out in zip(sizes, sizes[1:]):
        layer = [[Value(rng.uniform(-1, 1)) for _ in range(n_in + 1)] for _ in range(n_out)]
        parameters += [w for neuron in layer for w in neuron]
        a = [getattr(dot(neuron[:-1], a, neuron[-1]), activation)() for neuron in layer]
    loss = engine.sum([(y - target) * (y - target) for y in a])
    return loss, [*inputs, target], parameters


@pytest.mark.parametrize("n", ROWS)
@pytest.mark.parametrize("instruction_set", SETS)
def test_numbers_of_rows(n, instruction_set):
    """Rows that do not fill the last vector, or the last block, count once each and no more."""
    loss, inputs, parameters = network([3, 5, 2])
    rng = random.Random(n)
    rows = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(n)]
    few = rows if n < 100 else rows[:: n // 50]
    (value,), (gradient,) = run([loss], inputs, parameters, few, instruction_set, "sum", block=24)
    expected = [eager_gradient(loss, inputs, parameters, row) for row in few]
    assert close(value, math.fsum(v for v, _ in expected), 1e-13)
    for k, g in enumerate(gradient):
        assert close(g, math.fsum(e[k] for _, e in expected), 1e-11, 1e-14)
    if n >= 100:  # all rows: the sum of the kernel over each row alone
        whole, _ = run([loss], inputs, [], rows, instruction_set, "sum")
        single = native.NativeKernel(trace([loss], inputs, []), instruction_set)
        data = [p.data for p in single.program.parameter_values]
        assert close(whole[0], math.fsum(single.run(row, 1, data)[0][0] for row in rows), 1e-12)


@settings(max_examples=25)
@given(
    st.lists(st.integers(1, 14), min_size=2, max_size=4), st.sampled_from(SETS), st.sampled_from(["sigmoid", "tanh"]),
    st.sampled_from([1, 2, 13, 33]),
)  # fmt: skip
def test_layers_of_every_width(sizes, instruction_set, activation, n):
    """Blocked and outer products whose sides fill no tile: eager's gradients, of a batch and on one sample."""
    loss, inputs, parameters = network(sizes, 1, activation)
    rng = random.Random(n)
    rows = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(n)]
    (value,), (gradient,) = run([loss], inputs, parameters, rows, instruction_set, "sum")
    expected = [eager_gradient(loss, inputs, parameters, row) for row in rows]
    assert close(value, math.fsum(v for v, _ in expected), 1e-12)
    for k, g in enumerate(gradient):
        assert abs(g - math.fsum(e[k] for _, e in expected)) <= 1e-12 * n
    kernel = native.NativeKernel(trace([loss], inputs, parameters, marks=True), instruction_set)
    trainer = native.Trainer(kernel, rows[0], 1, 1)
    trainer.load([p.data for p in parameters], "sgd", lr=0.1)
    trainer.run(1, array("d", [0.0]), 10.0)
    assert all(abs(g - e) <= 1e-13 for g, e in zip(trainer.gradient(), expected[0][1]))


@pytest.mark.parametrize("instruction_set", SETS)
def test_branches_are_decided_for_each_row(instruction_set):
    """relu, abs, max and where change side between neighbouring rows; a decision frozen at trace time would not."""
    x, w = Value(1.0), Value(1.5)
    output = (w * x).relu() + (w * x).abs() + (w * x).maximum(0.25) + where(x.gt(0.5), w, -w)
    rows = [[s * k / 8] for k in range(17) for s in (1, -1)]
    (value,), ((g,),) = run([output], [x], [w], rows, instruction_set, "sum")
    expected = [eager_gradient(output, [x], [w], row) for row in rows]
    assert close(value, math.fsum(v for v, _ in expected))
    assert close(g, math.fsum(e[0] for _, e in expected))


def test_parts_that_do_not_depend_on_the_row():
    """An output, or a gradient, without any input is its own mean; its sum is n times that."""
    x, w = Value(1.0), Value(3.0)
    rows = [[0.1], [0.2], [0.3]]
    (a, b), gradients = run([w * w, w * w + x], [x], [w], rows)
    assert (a, gradients[0]) == (9.0, [6.0])
    assert close(b, 9.2)
    (a, b), gradients = run([w * w, w * w + x], [x], [w], rows, reduce="sum")
    assert (a, gradients[0], gradients[1]) == (27.0, [18.0], [18.0])
    assert close(b, 27.6)


@pytest.mark.parametrize("n", [1, 5, 64, 500])
def test_threads_give_the_same_sums_every_time(n):
    """A number of threads has its own rounding, and keeps it; it differs from one thread's by no more than that."""
    loss, inputs, parameters = network([4, 9, 3])
    rng = random.Random(2)
    rows = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(n)]
    one = run([loss], inputs, parameters, rows, threads=1)
    for threads in (2, 3):
        several = [run([loss], inputs, parameters, rows, threads=threads, block=16) for _ in range(5)]
        assert all(result == several[0] for result in several)
        assert all(close(a, b, 1e-12, 1e-14) for a, b in zip(one[1][0], several[0][1][0]))


def test_kernels_do_not_share_their_values():
    """One kernel called from several threads at once gives each its own result."""
    from concurrent.futures import ThreadPoolExecutor

    loss, inputs, parameters = network([3, 8, 1])
    kernel = native.NativeKernel(trace([loss], inputs, parameters))
    data = [p.data for p in parameters]
    rows = [[k / 50, -k / 50, 0.3, 0.5] for k in range(50)]
    expected = [kernel.run(row, 1, data) for row in rows]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda row: kernel.run(row, 1, data), rows * 8)) == expected * 8


def test_wrong_sizes_are_refused():
    """Too few numbers, parameters or rows never reach the interpreter."""
    x, w = Value(1.0), Value(1.0)
    kernel = native.NativeKernel(trace([w * x], [x], [w]))
    for rows, n, data in (([1.0], 2, [1.0]), ([1.0], 1, []), ([], 0, [1.0])):
        with pytest.raises(ValueError, match="do not fit"):
            kernel.run(rows, n, data)


def malformed(seed, change):
    """Tapes of a network with one word changed: how many were refused, and how many ran all the same."""
    loss, inputs, parameters = network([3, 4, 2])
    program = trace([loss + parameters[0] * parameters[1].exp() + logsumexp(inputs)], inputs, parameters, marks=True)
    kernel = native.NativeKernel(program)
    kernel.run([0.1] * len(inputs), 1, [0.5] * len(program.parameters))
    lanes = kernel._lanes[True, False]
    flat, first = tapes.flat_tape(kernel.plan, kernel.library)
    rng = random.Random(seed)
    refused = ran = 0
    for _ in range(change):
        in_lanes = rng.random() < 0.5
        codes = {"flat": lanes.flat.code[:], "lanes": lanes.code[:], "uniform": lanes.uniform[:], "one": flat.code[:]}
        code = codes[rng.choice(["flat", "lanes", "uniform"]) if in_lanes else "one"]
        if code:
            code[rng.randrange(len(code))] = rng.choice(
                [rng.randrange(-5, 400), rng.randrange(-(2**31), 2**31), -1, 2**31 - 1, -(2**31)]
            )
        if in_lanes:
            layout = tape.Layout(
                lanes.flat.size, len(program.parameters), len(lanes.flat.constants), len(inputs), lanes.rows,
                program.n_results, len(lanes.uniform) // 2, 0, 0, 1, 0,
            )  # fmt: skip
            arguments = codes["flat"], codes["lanes"], codes["uniform"], lanes.flat.constants
        else:
            layout = tape.Layout(
                flat.size, len(program.parameters), len(program.constant), len(inputs), 0,
                program.n_results, 0, first, 0, 1, 0,
            )  # fmt: skip
            arguments = codes["one"], array("i"), array("i"), flat.constants
        try:
            made = tape.Tape(layout, *arguments)
        except ValueError:
            refused += 1
            continue
        rows, results = array("d", [0.3] * len(inputs) * 5), array("d", bytes(8 * program.n_results))
        kernel.library.c.tape_run(made.pointer, tape.address(rows), len(inputs), 5, tape.address(results))
        ran += 1
    return refused, ran


def test_malformed_tapes_are_refused():
    """A tape with an index out of place is refused when it is made; what is accepted runs within its arrays."""
    refused, ran = malformed(0, 300)
    assert refused > 100
    assert ran > 10


def test_buffers_need_no_conversion():
    """Rows as lists, arrays, NumPy arrays of several types and layouts give the same result."""
    np = pytest.importorskip("numpy")
    x, y, w = Value(1.0), Value(2.0), Value(0.5)
    kernel = engine.lower(w * x * y, [x, y], [w], backend="native")
    table = np.arange(12.0).reshape(6, 2)
    expected = kernel(table.tolist())
    read_only = table.copy()
    read_only.flags.writeable = False
    strided = table.repeat(2, 1)[:, ::2]
    for rows in (table, read_only, np.asfortranarray(table), table.astype("f4"), table.astype(int), strided):
        assert kernel(rows) == expected


@pytest.mark.parametrize("instruction_set", SETS)
def test_the_shares_of_a_logsumexp_are_those_of_eager(instruction_set):
    """The derivatives of logsumexp, a softmax, are eager's row by row, at infinities, nan and ties too; its value as
    well, and those of usual rows beside these.
    """
    rows = [[0.5, -1.0, 2.0], [1.0, 1.0, 1.0], [math.inf, 0.0, 1.0], [-math.inf, 0.0, 1.0], [math.nan, 0.0, 1.0],
            [710.0, -710.0, 0.0], [-math.inf, -math.inf, -math.inf], [1e-300, 0.0, -1e-300]]  # fmt: skip
    rows = [*rows[:1] * 11, *rows, *rows[:1] * 30]
    x = [Value(0.1 * k) for k in range(3)]
    program = trace([logsumexp(x)], x, x)
    kernel = native.NativeKernel(program, instruction_set, 1)
    found = kernel.rows(array("d", [v for row in rows for v in row]), len(rows), [])
    for k, row in enumerate(rows):
        leaves = [Value(v) for v in row]
        expected = grad(logsumexp(leaves), leaves)
        for j, e in enumerate([logsumexp(leaves).data, *expected]):
            assert ulps(found[j * len(rows) + k], e) <= 4, (row, j)


@pytest.mark.parametrize("instruction_set", SETS)
@pytest.mark.parametrize("activation", ["sigmoid", "tanh"])
def test_an_activation_and_its_slope_are_computed_together(activation, instruction_set):
    """Where both are wanted they share an exponential, and both are within 4 ulp of mpmath, in the tails as well."""
    mpmath = pytest.importorskip("mpmath")
    points = [0.0, 1e-310, 1e-9, -0.3, 0.49, 0.51, -3.0, 18.0, -30.0, 37.5, 100.0, -299.0, 301.0, -700.0]
    x = Value(0.3)
    program = trace([getattr(x, activation)()], [x], [x])
    kernel = native.NativeKernel(program, instruction_set, 1)
    found = kernel.rows(array("d", points), len(points), [])
    assert schedule.LANES_PAIR in kernel._lanes[False, False].code
    with mpmath.workdps(400):
        for k, a in enumerate(map(mpmath.mpf, points)):
            s = 1 / (1 + mpmath.exp(-a))
            y, slope = (s, s * (1 - s)) if activation == "sigmoid" else (mpmath.tanh(a), mpmath.sech(a) ** 2)
            assert ulps(found[k], float(y)) <= 4, (points[k], "value")
            if float(slope) > 1e-300:
                assert ulps(found[len(points) + k], float(slope)) <= 4, (points[k], "slope")


@pytest.mark.parametrize("instruction_set", SETS)
def test_one_sample_a_step_descends_without_storing_the_gradient(instruction_set):
    """Gradient descent on one sample at a time takes outer products straight from the parameters; parameters, losses
    and the gradient asked for afterwards are those of eager steps.
    """
    loss, inputs, parameters = network([9, 12, 5, 3])
    rng = random.Random(3)
    rows = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(7)]
    program = trace([loss], inputs, parameters)
    trainer = native.Trainer(
        native.NativeKernel(program, instruction_set, 1), array("d", [x for row in rows for x in row]), len(rows), 1
    )
    start = [node.data for node in program.parameter_values]
    trainer.load(start, "sgd", lr=0.1)
    trainer.begin()
    losses = array("d", [0.0, 0.0])
    assert trainer.run(2, losses, 60.0) == native.DONE
    data, gradient, expected = start, [], []
    for _ in range(2):
        total = 0.0
        for row in rows:
            for node, x in zip(parameters, data):
                node.data = x
            value, gradient = eager_gradient(loss, inputs, parameters, row)
            total += value
            data = [x - 0.1 * g for x, g in zip(data, gradient)]
        expected.append(total / len(rows))
    assert all(close(a, b) for a, b in zip(losses, expected))
    assert all(close(a, b, 1e-9, 1e-14) for a, b in zip(trainer.parameters(), data))
    assert all(close(a, b, 1e-9, 1e-14) for a, b in zip(trainer.gradient(), gradient))


def tapes_of(program):
    """The words of the tape for batches, and of that for one sample."""
    plan, library = Plan(program), native.loaded_library()
    order = tapes.layer_order(plan, library, by_input=False)
    return Lanes(plan, library, order).code, tapes.flat_tape(plan, library)[0].code


@settings(max_examples=60)
@given(st.just(network([9, 12, 5, 3])) | graphs())
def test_tapes_do_not_depend_on_where_leaves_have_memory(graph):
    """Where there are many leaves, what is kept of each id is in memory that they do not touch: the tapes are equal."""
    loss, inputs, parameters = graph
    program = trace([loss], inputs, parameters)
    expected = tapes_of(program)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tape, "_MANY", 0)
        found = tapes_of(program)
    assert found == expected
