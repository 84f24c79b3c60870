"""Graphs without layers on the compiled interpreter: adjoints as sums of rows, and marks in place of masks."""

from __future__ import annotations

import math
import random
from functools import cache

import pytest

import engine
from engine import Value, dot, grad, where
from engine.lowering import native
from engine.lowering.native import schedule
from engine.lowering.native.lanes import Lanes
from engine.lowering.native.plan import Plan
from engine.lowering.native.terms import Terms
from engine.lowering.trace import trace
from engine.operations import FUNCTIONS

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

SETS = native.instruction_sets()


TANGLES = [
    lambda a, b: a + b, lambda a, b: a - b, lambda a, b: 0.5 * a * b, engine.maximum, engine.minimum,
    lambda a, b: a.tanh(), lambda a, b: (0.1 * a).exp() - b.relu(), lambda a, b: where(a.gt(b), a * b, b.sin()),
]  # fmt: skip


def tangled(nodes, seed, operations=8):
    """(output, inputs) of a graph in which each node takes any older one and a recent one."""
    rng = random.Random(seed)
    inputs = [Value(rng.uniform(-1, 1)) for _ in range(5)]
    made = list(inputs)
    while len(made) < nodes:
        a, b = made[int(rng.random() * len(made))], made[-1 - int(rng.random() * 5)]
        made.append(TANGLES[int(rng.random() * operations)](a, b))
    return made[-1], inputs


@cache
def tangled_case(nodes, operations, seed):
    """(program, rows, the values and derivatives of each row)"""
    rng = random.Random(f"{nodes} {seed}")
    output, inputs = tangled(nodes, seed, operations)
    rows = [[rng.uniform(-1, 1) for _ in inputs] for _ in range(37)]
    rows[3] = [0.5] * 5  # ties
    return trace([output], inputs, inputs, marks=True), rows, [eager(output, inputs, row) for row in rows]


@pytest.mark.parametrize("set_", SETS)
@pytest.mark.parametrize(("nodes", "operations"), [(30, 8), (200, 4), (200, 8), (1500, 5)])
def test_graphs_without_layers(set_, nodes, operations):
    """Value and gradient of tangled graphs are the eager ones, for each row, and whatever the block."""
    for seed in range(4):
        program, rows, expected = tangled_case(nodes, operations, seed)
        for block in (0, 8, 24, 64):
            kernel = native.NativeKernel(program, set_, 1, block)
            numbers = kernel.rows([x for row in rows for x in row], len(rows), [])
            found = [list(numbers[k :: len(rows)]) for k in range(len(rows))]
            mean_value, (mean_gradient,) = kernel.run([x for row in rows for x in row], len(rows), [])
            for one, other in zip(found, expected, strict=True):
                assert one == pytest.approx(other, rel=1e-9, abs=1e-12)
            means = [math.fsum(column) / len(rows) for column in zip(*expected, strict=True)]
            assert [*mean_value, *mean_gradient] == pytest.approx(means, rel=1e-9, abs=1e-11)


def eager(output, inputs, row):
    """[value, derivatives...] of the graph made anew for this row."""
    made = {node: Value(x) for node, x in zip(inputs, row, strict=True)}
    for node in engine.toposort(output):
        if node not in made:
            parents = [made[parent] for parent in node.parents]
            made[node] = FUNCTIONS[node.op.name](*parents) if node.op else Value(node.data)
    return [made[output].data, *grad(made[output], [made[node] for node in inputs])]


def terms_of(kernel):
    plan = Plan(kernel.program)
    return plan, Terms(plan)


@pytest.mark.parametrize("choose", [engine.maximum, lambda a, b: a + b.tanh()], ids=["marked", "plain"])
def test_an_adjoint_of_one_term_goes_into_the_sums_that_add_it(choose):
    """No adjoint of one term is computed only to be added to one other, or taken away; the derivatives are eager's."""
    rng = random.Random(3)
    inputs = [Value(rng.uniform(-1, 1)) for _ in range(4)]
    made = list(inputs)
    for k in range(40):
        a, b, c = made[-1], made[(7 * k) % len(made)], made[(5 * k) % len(made)]
        made.append(0.15 * (choose(0.5 * (a + b) - (a - c) * c, a * b) - a * (b + 0.25 * c) * c))
    output = made[-1]
    kernel = native.NativeKernel(trace([output], inputs, inputs, marks=True))
    plan, terms = terms_of(kernel)
    sums = [i for i in plan.needed if terms.is_sum(i)]
    folded = {i for i in plan.needed if terms.folded[i - terms.first]}
    assert folded
    single = {i for i in sums if len(terms.args(i)) == 2} - folded
    used = [i for i in sums if i not in folded]
    added = {a for i in used for a, factor in zip(terms.args(i)[::2], terms.args(i)[1::2]) if factor == terms.one}
    uses = plan.coded.uses(len(plan.varying))
    assert not {i for i in single & added if uses[i] == 1}
    for _ in range(5):
        row = [rng.choice([-1.0, 0.0, 0.5, rng.uniform(-1, 1)]) for _ in inputs]
        assert list(kernel.rows(row, 1, [])) == pytest.approx(eager(output, inputs, row), rel=1e-11, abs=1e-12)


def slopes_in_bytes(code, library):
    """The rows of bytes that the choices in a tape of lanes write."""
    arity = [int(word) for word in library.text("tape_operations").split()[1::2]]
    found, at = [], 0
    while at < len(code):
        instruction, first, second = code[at : at + 3]
        if instruction == schedule.LANES_CHOICE:
            found += code[at + 4 : at + 3 + 4 * second : 4]
        elementwise = instruction in (schedule.LANES_MAP, schedule.LANES_CHEAP)
        at += 3 + (arity[first] + 1) * second if elementwise else {
            schedule.LANES_CHOICE: 3 + 4 * second, schedule.LANES_SUM: 2 + 2 * first,
            schedule.LANES_TERMS: 6 + first * (1 + 2 * sum(code[at + 3 : at + 6])),
        }[instruction]  # fmt: skip
    return found


@pytest.mark.parametrize("set_", SETS)
def test_slopes_of_choices_wait_as_bytes(set_):
    """Eight slopes that wait for the way back take the room of one row; each is 1, 0 or a half, for nan as for ties."""
    x, y = Value(0.5), Value(0.25)
    u = total = x
    for k in range(64):
        u = (u * u + 1.5).log()
        total = total + u * (engine.maximum if k % 2 else engine.minimum)(u.log(), y)
    program = trace([total], [x, y], [x, y], marks=True)
    assert program.marked
    kernel = native.NativeKernel(program, set_, 1, 24)
    given = slopes_in_bytes(Lanes(Plan(kernel.program), kernel.library).code, kernel.library)
    assert len(given) == len(set(given)) == 64
    assert len({place >> 3 for place in given}) == 8
    points = [0.0, 0.5, math.log(1.5), math.log(math.log(1.75)), -1.0, math.nan, math.inf]
    rows = [v for a in points for b in points for v in (a, b)]
    n = len(rows) // 2
    found, masked = kernel.rows(rows, n, []), native.NativeKernel(program.plain, set_, 1, 0).rows(rows, n, [])
    for k in range(n):
        assert list(found[k::n]) == pytest.approx(list(masked[k::n]), rel=1e-13, nan_ok=True), rows[2 * k : 2 * k + 2]


MARKS = {
    "log": lambda x, y: where(x.gt(0.0), x.log() * y, x * y),
    "cube": lambda x, y: engine.maximum(x * x * x, y) + where(x.lt(100.0), x.exp() * y, x),
    "root": lambda x, y: (x.sqrt() - y).relu() * y + engine.minimum(1.0 / x, y).clip(-2.0, 2.0),
    "honest": lambda x, y: engine.maximum(x.sqrt() * x.sqrt(), y - 5.0) - (-y).maximum(x.log() * 2.0),
    "unreached": lambda x, y: where(x.gt(0.0), 3.0, x.sqrt()) - engine.where(y.lt(0.0), (0.0 * y).log(), x),
    "nested": lambda x, y: -where(x.gt(1.0), where(x.gt(2.0), (x - 2.0).sqrt() / y, -(x.log())), (1.0 - x) / (y * x)),
}


@pytest.mark.parametrize("set_", SETS)
@pytest.mark.parametrize("name", MARKS)
def test_marks_are_as_good_as_masks(set_, name):
    """Adjoints marked where they are not reached give the gradients of the masks, nan and infinities included: the
    same bits for a row alone, whose marks may not have been needed, and among others, whose were.
    """
    x, y = Value(1.5), Value(0.5)
    program = trace([MARKS[name](x, y)], [x, y], [x, y], marks=True)
    assert any(op.startswith("marked") for op in program.op)
    assert not any(op.startswith("marked") for op in program.plain.op)
    points = [0.0, -0.0, 1.0, 2.0, -1.0, 0.25, 3.0, 99.0, 1000.0, 1e200, -1e200, 1e-320, math.inf, -math.inf, math.nan]
    rows = [v for a in points for b in points for v in (a, b)]
    n = len(rows) // 2
    marked = native.NativeKernel(program, set_, 1, 0)
    masked = native.NativeKernel(program.plain, set_, 1, 0)
    assert marked.program is program
    assert masked.program is program.plain
    found, expected = marked.rows(rows, n, []), masked.rows(rows, n, [])
    for k in range(n):
        one, other = found[k::n], expected[k::n]
        assert list(one) == pytest.approx(list(other), rel=1e-13, nan_ok=True), rows[2 * k : 2 * k + 2]
        alone = native.NativeKernel(program, set_, 1, 0).rows(rows[2 * k : 2 * k + 2], 1, [])
        assert list(map(repr, alone)) == list(map(repr, one)), rows[2 * k : 2 * k + 2]


@pytest.mark.parametrize("set_", SETS)
@pytest.mark.parametrize("threads", [1, 2])
def test_rows_that_need_their_marks_among_rows_that_do_not(set_, threads):
    """A derivative that is infinite and not reached spoils neither its own row nor the sums, in whichever block it is;
    the other rows have the derivatives that they have without it.
    """
    rng = random.Random(5)
    x, y = Value(1.5), Value(0.5)
    program = trace([where(x.gt(0.0), x.log() * y, x * y)], [x, y], [x, y], marks=True)
    usual = [[rng.uniform(0.5, 2.0), rng.uniform(-2.0, 2.0)] for _ in range(40)]
    expected = native.NativeKernel(program, set_, threads, 8).rows([v for row in usual for v in row], 40, [])
    for odd in ([], [0], [17], [39], [5, 6, 30]):
        rows = [v for k, (a, b) in enumerate(usual) for v in (0.0 if k in odd else a, b)]
        kernel = native.NativeKernel(program, set_, threads, 8)
        found = kernel.rows(rows, 40, [])
        for k in range(40):
            wanted = [0.0, usual[k][1], 0.0] if k in odd else list(expected[k::40])
            assert list(found[k::40]) == pytest.approx(wanted, rel=1e-14)
        for one in (kernel, native.NativeKernel(program, set_, threads, 8)):  # which has met such rows, or has not yet
            value, (gradient,) = one.run(rows, 40, [])
            means = [math.fsum(found[r * 40 : r * 40 + 40]) / 40 for r in range(3)]
            assert [*value, *gradient] == pytest.approx(means, rel=1e-13)


def test_an_honest_zero_times_infinity_stays_nan():
    """Where a path is taken, 0 times an infinite derivative is nan; where nothing was reached the derivative is 0.0."""
    x, y = Value(0.0), Value(0.0)
    for output, expected in (
        (engine.maximum(x.sqrt() * x.sqrt(), y - 5.0), [math.nan, 0.0]),
        (engine.maximum(x.sqrt() * x.sqrt(), y + 5.0), [0.0, 1.0]),
        (engine.maximum(-(x.log()), y) * 0.0, [math.nan, 0.0]),
    ):
        program = trace([output], [x, y], [x, y], marks=True)
        assert program.marked
        kernel = native.NativeKernel(program)
        found = kernel.rows([0.0, 0.0], 1, [])[1:]
        assert list(found) == pytest.approx(expected, nan_ok=True)
        assert [math.copysign(1.0, g) for g in found if g == 0.0] == [1.0] * expected.count(0.0)


def test_what_has_layers_or_slopes_of_its_own_keeps_its_masks():
    """There are no marks in a network, nor where a slope of 0 does not say that another branch was taken."""
    x, w = Value(1.0), [Value(0.1 * k) for k in range(6)]
    hidden = [dot(w[k : k + 2], [x, x * x]).log().relu() for k in (0, 2)]
    assert not trace([dot(w[4:], hidden)], [x], w, marks=True).marked
    assert not trace([engine.leaky_relu(x.log(), x.sqrt())], [x], [x], marks=True).marked
    assert not trace([x.log() * x], [x], [x], marks=True).marked  # no choice, no mask


def test_masks_are_written_when_they_are_asked_for():
    """A kernel that runs with marks traces its graph once; its program, with masks, is traced when it is looked at."""
    x, y = Value(1.5), Value(0.5)
    z = MARKS["log"](x, y)
    kernel = engine.lower(z, [x, y], [x], backend="native")
    assert kernel([[1.5, 0.5]])[1] == pytest.approx([grad(z, [x])[0]])
    assert kernel.native.program.trace_plain is not None
    assert kernel.program.listing() == trace([z], [x, y], [x]).listing()
    assert kernel.native.program.trace_plain is None
    assert kernel.program is kernel.program.plain
    assert kernel.source == engine.lower(z, [x, y], [x], backend="source").source


def test_marked_sums_need_few_operands_that_do_not_vary():
    """With more parameters among the factors than have rows, the program with masks runs."""
    x = Value(1.0)
    w = [Value(0.01 * k + 0.5) for k in range(100)]
    y = x
    for k, weight in enumerate(w):
        y = engine.maximum(y * weight, x.log() + k)
    program = trace([y], [x], w, marks=True)
    kernel = native.NativeKernel(program)
    assert program.marked
    assert kernel.program is program.plain
    found = kernel.run([1.5], 1, [weight.data for weight in w])
    x.data = 1.5
    expected = eager(y, [x, *w], [1.5, *[weight.data for weight in w]])
    assert [*found[0], *found[1][0]] == pytest.approx([expected[0], *expected[2:]], rel=1e-12)


def test_a_sum_has_as_many_terms_as_there_are():
    """More than a million terms are a sum like any other."""
    x, n = Value(0.5), 2**20 + 1
    assert engine.lower(engine.sum([x] * n), [x], [], backend="native")([[1.0], [2.0]]) == (1.5 * n, [])
