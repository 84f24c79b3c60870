from __future__ import annotations

import itertools
import math
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import OPS, Value, dot, grad, hessian
from engine.ieee import scalar
from engine.lowering.program import Program, split_dot
from engine.lowering.simplify import BY_ODD, SIMPLIFY
from engine.lowering.trace import trace
from engine.lowering.writer import Writer
from engine.ops import Op

SPECIAL = [math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -1.0, 0.5, -2.5, 5e-324, -1e308]


def evaluate(program: Program, row: list[float]) -> tuple[list[float], list[list[float]]]:
    """A reader of programs that knows nothing of the backends: each instruction by the scalar function of its name."""
    values = [math.nan] * len(program.op)
    for i, x in program.constant.items():
        values[i] = x
    for i, x in zip(program.inputs, row, strict=True):
        values[i] = x
    for i, node in zip(program.parameters, program.parameter_values, strict=True):
        values[i] = node.data
    for i, op, args in program:
        if op == "dot":
            weights, inputs, bias = split_dot(args)
            rest = [] if bias is None else [values[bias]]
            values[i] = scalar[op]([values[a] for a in weights], [values[a] for a in inputs], *rest)
        elif OPS[op].arity is None:
            values[i] = scalar[op]([values[a] for a in args])
        else:
            values[i] = scalar[op](*[values[a] for a in args])
    return [values[i] for i in program.outputs], [[values[i] for i in row] for row in program.gradients]


def network(sizes: tuple[int, ...], seed: int = 0) -> tuple[Value, list[Value], list[Value]]:
    """The loss, the inputs and the parameters of a sigmoid network for one sample."""
    r = random.Random(seed)
    inputs = [Value(r.gauss(0, 1)) for _ in range(sizes[0])]
    label, parameters, a = Value(1.0), [], inputs
    for width, (fan_in, fan_out) in enumerate(itertools.pairwise(sizes)):
        z = []
        for _ in range(fan_out):
            weights, bias = [Value(r.gauss(0, 1)) for _ in range(fan_in)], Value(r.gauss(0, 1))
            parameters += [*weights, bias]
            z.append(dot(weights, a, bias))
        a = [v.sigmoid() for v in z] if width < len(sizes) - 2 else z
    return a[0].bce_with_logits(label), [*inputs, label], parameters


def ops(program: Program) -> list[str]:
    return [op for _, op, _ in program]


def test_values_and_gradients_are_those_of_the_eager_engine() -> None:
    """A traced network gives the bits of the eager forward pass and of grad."""
    loss, inputs, parameters = network((2, 5, 4, 1))
    values, gradients = evaluate(trace([loss], inputs, parameters), [x.data for x in inputs])
    assert values == [loss.data]
    assert gradients == [grad(loss, parameters)]


def test_operands_come_first_and_ids_are_indices() -> None:
    """A program is in topological order, and its lists have one entry for each value."""
    loss, inputs, parameters = network((2, 4, 1))
    program = trace([loss], inputs, parameters)
    assert len(program.op) == len(program.args) == len(program.varying) == len(program.names)
    assert len(program) == len(list(program)) < len(program.op)  # what is computed, which leaves are not
    assert all(a < i for i, args in enumerate(program.args) for a in args)
    assert [program.op[i] for i in program.inputs] == ["input"] * 3
    assert [program.op[i] for i in program.parameters] == ["parameter"] * len(parameters)
    assert program.parameter_values == parameters
    assert program.wrt == program.parameters


def test_the_gradient_of_a_network_is_dots_and_rows_of_products() -> None:
    """Two dense layers need one product for each weight, dots with the uniform weights first, and nothing twice."""
    loss, inputs, parameters = network((3, 4, 1))
    program = trace([loss], inputs, parameters)
    assert ops(program).count("dot") == 5  # one a neuron; with one output no adjoint has two contributions
    # the products: 16 weights, 4 adjoints of activations, 4 times sigmoid' with the adjoint, 2 for the loss's own rule
    assert ops(program).count("mul") == 16 + 4 + 4 + 2
    assert ops(program).count("sigmoid_slope") == 4
    assert ops(program).count("sub") == 2  # (1 - y) σ(z) - y σ(-z)
    loss, inputs, parameters = network((3, 4, 2, 1))
    program = trace([loss], inputs, parameters)
    for i, op, args in program:
        if op == "dot":
            weights, others, _ = split_dot(args)
            assert not any(program.varying[w] for w in weights), i
            assert all(program.varying[x] for x in others), i


def test_derivatives_by_leaves_follow_each_other_in_the_order_of_wrt() -> None:
    """Gradients of weights stand at the end, one after the other, as backends that batch them need."""
    loss, inputs, parameters = network((2, 3, 2, 1))
    program = trace([loss], inputs, parameters)
    used = {a for args in program.args for a in args}
    products = [i for i in program.gradients[0] if i not in used]
    assert products == list(range(len(program.op) - 14, len(program.op)))  # 2*3 + 3*2 + 2 weights


def test_varying_marks_what_depends_on_an_input() -> None:
    """Values made of parameters alone are uniform, all others vary from row to row."""
    x, w = Value(2.0), Value(3.0)
    uniform, varying = w * w, w * w + x
    program = trace([uniform, varying], [x], [w])
    assert [program.varying[i] for i in program.outputs] == [False, True]
    assert [program.varying[i] for row in program.gradients for i in row] == [False, False]


# Simplification. Each rule holds for every operand, or it is not made.


def unchanged(expression: object, count: int) -> list[str]:
    """The operations left of an expression, after its value was compared with the eager one on all special values."""
    for row in itertools.product(SPECIAL, repeat=count):
        leaves = [Value(x) for x in row]
        y = expression(*leaves)  # type: ignore[operator]
        program = trace([y], leaves, leaves, gradient=False)
        assert repr(evaluate(program, list(row))[0][0]) == repr(y.data), (row, program.listing())
    return ops(program)


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        (lambda x: x * 1.0, []),
        (lambda x: 1.0 * x, []),
        (lambda x: x / 1.0, []),
        (lambda x: x + -0.0, []),
        (lambda x: -0.0 + x, []),
        (lambda x: x - 0.0, []),
        (lambda x: engine.neg(-x), []),
        (lambda x: x**1.0, []),
        (lambda x: x**0.0, []),
        (lambda x: engine.where(1.0, x, 2.0), []),
        (lambda x: engine.where(0.0, 2.0, x), []),
        (lambda x: engine.where(math.nan, x, 2.0), []),
        (lambda x: engine.maximum(x, x), []),
        (lambda x: engine.minimum(x, x), []),
        (lambda x: engine.mean([x]), []),
        (lambda x: engine.FUNCTIONS["sum"]([x]), []),
        (lambda x: dot([x], [1.0]), []),
        (lambda x: dot([1.0], [x], -0.0), []),
        (lambda x: x * -1.0, ["neg"]),
        (lambda x: x / -1.0, ["neg"]),
        (lambda x: -0.0 - x, ["neg"]),
        (lambda x: -x * 3.0, ["mul"]),
        (lambda x: engine.ne(x > 0, 0.0), []),
        (lambda x: engine.ne(engine.gt(x, 0.5), 0.0), ["gt"]),
        (lambda x: engine.where(engine.gt(x, 0.5), 1.0, 0.0), ["gt"]),
        (lambda x: engine.where(engine.ne(x, 0.0), 2.0, 3.0), ["where"]),
        # what looks the same but is not: nan, inf and the sign of zero would be lost
        (lambda x: x + 0.0, ["add"]),
        (lambda x: x - -0.0, ["sub"]),
        (lambda x: 0.0 - x, ["sub"]),
        (lambda x: x * 0.0, ["mul"]),
        (lambda x: x - x, ["sub"]),
        (lambda x: x / x, ["div"]),
        (lambda x: engine.eq(x, x), ["eq"]),
        (lambda x: dot([1.0], [x], 0.0), ["add"]),
        (lambda x: dot([], [], x), ["add"]),
        (lambda x: engine.where(engine.ne(x, 1.0), 1.0, 0.0), ["ne"]),
        (lambda x: -(x - 1.0), ["sub", "neg"]),
        (lambda x: engine.logsumexp([x]), ["logsumexp"]),
    ],
)
def test_a_simplification_of_one_operand_keeps_every_bit(expression: object, left: list[str]) -> None:
    """With nan, infinities and signed zeros put in, the simplified program gives the bits of the eager engine."""
    assert unchanged(expression, 1) == left


@pytest.mark.parametrize(
    ("expression", "left"),
    [
        (lambda x, y: x + -y, ["sub"]),
        (lambda x, y: -x + y, ["sub"]),
        (lambda x, y: x - -y, ["add"]),
        (lambda x, y: -x * -y, ["mul"]),
        (lambda x, y: dot([x], [y]), ["mul"]),
        (lambda x, y: dot([x], [y], 2.0), ["mul", "add"]),
        (lambda x, y: dot([1.0, 1.0], [x, y]), ["add"]),
        (lambda x, y: dot([x, y], [1.0, 1.0], y), ["sum"]),
        (lambda x, y: dot([1.0, -1.0], [x, y]), ["sub"]),
        (lambda x, y: dot([x, y], [-1.0, 1.0]), ["sub"]),
        (lambda x, y: dot([1.0, -1.0], [x, y], 0.0), ["dot"]),
        (lambda x, y: dot([-1.0, -1.0], [x, y]), ["dot"]),
        (lambda x, y: engine.where(x, y, y), []),
        (lambda x, y: x * y + y * x, ["mul", "add"]),
        (lambda x, y: (x + y) * (y + x), ["add", "mul"]),
        (lambda x, y: engine.eq(x, y) + engine.eq(y, x), ["eq", "add"]),
        (lambda x, y: (x - y) * (y - x), ["sub", "sub", "mul"]),
        (lambda x, y: engine.maximum(x, y) * engine.maximum(y, x), ["maximum", "maximum", "mul"]),
        (lambda x, y: -x + -y, ["neg", "sub"]),
    ],
)
def test_a_simplification_of_two_operands_keeps_every_bit(expression: object, left: list[str]) -> None:
    """The same for pairs; operands are exchanged only where the result does not depend on their order."""
    assert unchanged(expression, 2) == left


def test_constants_are_folded_by_ieee_arithmetic() -> None:
    """What depends on plain numbers alone becomes one constant, poles and overflow included."""
    x = Value(1.0)
    three = engine.operands.constant(3.0)
    y = x * ((three / 0.0) + (three * 1e308 * 10).exp() + engine.logsumexp([1.0, 2.0]) + dot([2.0], [3.0], 1.0))
    program = trace([y], [x], [x])
    assert ops(program) == ["mul"]
    assert math.inf in program.constant.values()


def test_zeros_of_both_signs_are_different_constants() -> None:
    """0.0 and -0.0 are equal as floats, and must not be taken for one another."""
    x = Value(-0.0)
    program = trace([x + 0.0, x + -0.0], [x], [x])
    assert [repr(v) for v in evaluate(program, [-0.0])[0]] == ["0.0", "-0.0"]


def test_what_nothing_needs_is_left_out() -> None:
    """Dead code disappears: a branch that is never taken, and a value that only the gradient would have needed."""
    x, w = Value(2.0), Value(3.0)
    y = engine.where(1.0, x * w, (x + w).exp())
    assert ops(trace([y], [x], [w], gradient=False)) == ["mul"]
    assert ops(trace([(x + w).silu()], [x], [w])).count("silu") == 1
    assert ops(trace([(x + w).relu()], [x], [w])) == ["add", "relu", "gt"]  # 1 * relu' needs no product


# Any graph, any inputs, any wrt.


def test_an_output_may_be_a_leaf() -> None:
    """An input, a parameter and a plain number are outputs like others."""
    x, w, number = Value(2.0), Value(3.0), engine.operands.constant(4.0)
    program = trace([x, w, number], [x], [x, w])
    assert evaluate(program, [7.0]) == ([7.0, 3.0, 4.0], [[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])


def test_wrt_may_be_inputs_intermediates_outputs_and_constants() -> None:
    """Derivatives by any node are those of grad, also where two nodes compute the same number."""
    x, w = Value(0.3), Value(0.7)
    first, second = x * w, x * w  # one instruction, two adjoints
    one = first * 1.0  # no instruction
    number = engine.operands.constant(2.0)
    y = first.sin() + second * second * number + one
    wrt = [first, second, one, number, x, w, y, first]
    values, gradients = evaluate(trace([y], [x], wrt), [0.3])
    assert values == [y.data]
    assert gradients == [grad(y, wrt)]


def test_what_an_output_does_not_depend_on_has_the_derivative_zero() -> None:
    """A node outside the graph gives the constant 0.0; a leaf there is a parameter all the same."""
    x, w, absent = Value(2.0), Value(3.0), Value(5.0)
    program = trace([x * w], [x], [w, absent, absent * 2])
    assert program.gradients[0][1:] == [i for i, v in program.constant.items() if v == 0.0] * 2
    assert program.parameter_values == [w, absent]
    assert program.wrt == [*program.parameters, None]


def test_an_unused_input_has_an_id() -> None:
    """Rows bring a number for each input, whether the outputs need it or not."""
    x, unused, w = Value(2.0), Value(0.0), Value(3.0)
    program = trace([x * w], [unused, x], [w])
    assert evaluate(program, [9.0, 4.0]) == ([12.0], [[4.0]])


def test_an_intermediate_input_is_cut_from_its_past() -> None:
    """Its value comes from the row, and what lies behind it is reached only by other ways."""
    w, v = Value(3.0), Value(5.0)
    hidden = w * v
    y = hidden * w
    program = trace([y], [hidden], [w, v, hidden])
    assert evaluate(program, [10.0]) == ([30.0], [[10.0, 0.0, 3.0]])
    assert program.parameter_values == [w, v]
    assert trace([hidden.exp()], [hidden], []).parameters == []
    deep = (hidden.tanh() + w).exp()  # nodes between the input and the output are not cut
    value, [derivatives] = evaluate(trace([deep], [hidden], [hidden, w]), [0.5])
    assert value == pytest.approx([math.exp(math.tanh(0.5) + 3.0)])
    assert derivatives == pytest.approx([value[0] / math.cosh(0.5) ** 2, value[0]])


def test_several_outputs_share_their_work() -> None:
    """Outputs have a gradient each, and what they have in common is computed once."""
    x, w = Value(0.3), Value(0.7)
    common = (x * w).tanh()
    program = trace([common * 2, common * 3], [x], [w])
    assert ops(program).count("tanh") == 1
    assert evaluate(program, [0.3])[1] == [grad(common * 2, [w]), grad(common * 3, [w])]


def test_operands_that_are_the_same_node_count_twice() -> None:
    """x + x and x * x and a dot with a repeated weight have all their contributions."""
    x = Value(3.0)
    for y in (x + x, x * x, dot([x, x], [x, 2.0], x), engine.where(x, x, x), engine.logsumexp([x, x])):
        assert evaluate(trace([y], [x], [x]), [3.0])[1] == [grad(y, [x])]


def test_higher_derivatives_lower_like_any_graph() -> None:
    """A gradient graph differentiated again gives the Hessian, and it agrees with differences of gradients."""
    a, b, c = leaves = [Value(0.3), Value(0.7), Value(-0.4)]
    y = dot([a, b], [b, c], a * c).tanh() * (a / (b + 2)).exp() + engine.logaddexp(a, b * c).softplus() + a**3
    program = trace(grad(y, leaves, create_graph=True), leaves, leaves)
    point = [v.data for v in leaves]
    second = evaluate(program, point)[1]
    for row, expected in zip(second, hessian(y, leaves), strict=True):
        assert row == pytest.approx(expected, rel=1e-12)
    step = 1e-5
    for k in range(3):
        up, down = list(point), list(point)
        up[k] += step
        down[k] -= step
        differences = [(p - m) / (2 * step) for p, m in zip(evaluate(program, up)[0], evaluate(program, down)[0])]
        assert [row[k] for row in second] == pytest.approx(differences, rel=1e-7, abs=1e-8)


def test_depth_is_no_limit() -> None:
    """A chain of 20,000 operations is traced and differentiated without recursion."""
    x, w = Value(0.5), Value(1e-6)
    y = x
    for _ in range(10_000):
        y = (y + w) * w.cos()
    program = trace([y], [x], [w])
    assert len(ops(program)) > 30_000
    assert evaluate(program, [0.5])[1] == [grad(y, [w])]


def test_errors_say_what_was_received() -> None:
    """Wrong outputs, inputs and wrt are refused with the place and the next step."""
    x = Value(1.0, label="height")
    with pytest.raises(ValueError, match=r"inputs\[1\] \('height'\) is inputs\[0\] again"):
        trace([x], [x, x], [])
    with pytest.raises(TypeError, match=r"wrt: item 1 is 2.0 of type float: pass Values"):
        trace([x], [x], [x, 2.0])  # type: ignore[list-item]
    with pytest.raises(TypeError, match="inputs takes a list of Values, got one Value"):
        trace([x], x, [x])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="outputs takes a list of Values, got int"):
        trace(3, [x], [x])  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outputs is an empty list"):
        trace([], [x], [x])


def test_names_are_labels_and_adjoints_tell_what_they_belong_to() -> None:
    """A program keeps the labels, and says which value is the derivative of which."""
    x, w = Value(2.0, label="x"), Value(3.0, label="w")
    z = w * x
    z.label = "z"
    y = z.tanh() * z
    y.label = "y"
    program = trace([y], [x], [w])
    assert [program.names[i] for i in (*program.inputs, *program.parameters, *program.outputs)] == ["x", "w", "y"]
    by_name = {program.names[of]: i for i, (k, of) in program.adjoints.items() if k == 0}
    assert program.args[program.gradients[0][0]] == (by_name["z"], program.inputs[0])  # dy/dw = dy/dz * x
    assert all(i >= program.backward for i in program.adjoints)


def test_the_program_does_not_depend_on_the_hash_seed() -> None:
    """Two runs of Python write the same program, so that sources can be compared."""
    code = (
        "from engine import *; from engine.lowering.trace import trace\n"
        "a, b, c = Value(0.3), Value(0.7), Value(0.2)\n"
        "y = logsumexp([a * b, b.tanh(), c / a]) + dot([a, b], [c, a], b)\n"
        "print(trace([y, y * a], [a], [c, b]).listing())"
    )
    listings = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }  # fmt: skip
    assert len(listings) == 1
    assert "dot" in listings.pop()


def test_a_wrong_rule_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The rules of the table are what is lowered: a rule that is wrong by 0.1 % gives another gradient."""
    x = Value(0.3)
    y = x.tanh()
    right = evaluate(trace([y], [x], [x]), [0.3])[1]
    assert right == [grad(y, [x])]
    tanh = OPS["tanh"]
    wrong = Op(tanh.name, tanh.symbol, "a", tanh.forward, ("1.001 * (1 - y * y)",), tanh.domains, tanh.doc)
    monkeypatch.setattr(y, "op", wrong)
    assert evaluate(trace([y], [x], [x]), [0.3])[1][0][0] == pytest.approx(right[0][0] * 1.001, rel=1e-15)


@pytest.mark.parametrize("op", sorted(BY_ODD))
def test_operands_that_a_rule_is_not_asked_for_leave_it_nothing_to_do(op: str) -> None:
    """A rule of BY_ODD simplifies no pair of leaves, nor of what any operation but neg gives."""
    writer = Writer([Value(0.5)], [Value(2.0)])
    made = [
        writer.emit(name, (0, 1)[: row.arity]) for name, row in OPS.items() if row.arity in (1, 2) and name != "neg"
    ]
    for args in itertools.product([0, 1, *made], repeat=OPS[op].arity or 0):
        assert SIMPLIFY[op](writer, args) is None


@settings(max_examples=60)
@given(st.data())
def test_a_program_is_simplified_to_a_fixed_point(data: st.DataObject) -> None:
    """No instruction of a random program is constant, or written twice."""
    leaves = [Value(0.3), Value(0.7), *map(engine.operands.constant, (1.0, 0.0, 2.0))]
    nodes = list(leaves)
    for _ in range(data.draw(st.integers(1, 25))):
        op = data.draw(st.sampled_from(["add", "sub", "mul", "div", "neg", "tanh", "maximum", "where", "gt"]))
        arity = OPS[op].arity or 0
        nodes.append(engine.FUNCTIONS[op](*[data.draw(st.sampled_from(nodes)) for _ in range(arity)]))
    program = trace(nodes[-2:], leaves[:1], leaves[:2])
    instructions = [(op, args) for _, op, args in program]
    assert len(set(instructions)) == len(instructions)
    assert not any(all(a in program.constant for a in args) for _, args in instructions)


def test_a_program_says_how_large_it_is() -> None:
    """Its repr counts what is computed, the inputs and the parameters; leaves and constants are not instructions."""
    x, w, u = Value(0.5), Value(2.0), Value(3.0)
    program = trace([x * w + u * 2.0], [x], [w, u])
    assert len(list(program)) == len(program)
    assert repr(program) == f"<Program of {len(program)} instructions, 1 inputs, 2 parameters>"


def test_a_listing_has_a_line_for_each_value() -> None:
    """Ids, operations, operands and labels; constants by their numbers; then the outputs and the gradients."""
    x, w = Value(0.5, "x"), Value(2.0, "w")
    y = (x * w).exp()
    y.label = "y"
    program = trace([y + 3.0], [x], [w])
    lines = program.listing().splitlines()
    assert len(lines) == len(program.op) + 2
    assert [line.split()[0] for line in lines[:-2]] == [f"%{i}" for i in range(len(program.op))]
    assert any(line.endswith("# 'y'") and "= exp %" in line for line in lines)
    assert any(line.endswith("= constant 3.0") for line in lines)
    assert lines[0] == "%0 = input  # 'x'"
    assert lines[-2] == f"outputs %{program.outputs[0]}"
    assert lines[-1] == f"gradients %{program.gradients[0][0]}"
