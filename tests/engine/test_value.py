"""Value: what it takes, what it refuses, how it compares, prints, copies and pickles."""

from __future__ import annotations

import copy
import gc
import inspect
import math
import pickle
import weakref
from decimal import Decimal
from fractions import Fraction

import pytest

import engine
from engine import OPS, Value, collector_paused, dot, grad, logsumexp, mean, toposort
from engine import sum as value_sum
from engine.weighted import dots, traced_dots

BINARY = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}  # fmt: skip


def test_a_node_records_its_parents_and_local_derivatives():
    """Parents and local derivatives are ordered tuples of the same length, an operand used twice counted twice."""
    a, b = Value(2.0), Value(-3.0)
    c = a * b
    assert (c.data, c.parents, c.local_derivatives) == (-6.0, (a, b), (-3.0, 2.0))
    assert (c.op.name, c.op.symbol) == ("mul", "×")
    assert (a.op, a.parents, a.local_derivatives) == (None, (), ())
    assert ((a + a).parents, (a + a).local_derivatives) == ((a, a), (1.0, 1.0))
    assert (a + b).op.symbol == "+"
    clipped = a.clip(0, 1)
    assert (len(clipped.parents), clipped.local_derivatives) == (3, (0.0, 0.0, 1.0))


def test_a_parent_that_is_zero_is_a_parent():
    """A node whose data is 0, hence false, is a parent like any other."""
    a = Value(0.0)
    y = a * 3.0
    z = y * 2.0
    z.backward()
    z.backward()
    assert z.parents[0] is y
    assert (a.grad, y.grad) == (12.0, 2.0)


@pytest.mark.parametrize("number", [3, True, 3.5, Fraction(1, 3), Decimal("0.1")])
@pytest.mark.parametrize("symbol", BINARY)
def test_real_numbers_mix_on_both_sides(number, symbol):
    """int, bool, float, Fraction and Decimal act as the float they convert to, left and right of every operator."""
    operator = BINARY[symbol]
    a = Value(1.5)
    assert operator(a, number).data == operator(1.5, float(number))
    assert operator(number, a).data == operator(float(number), 1.5)
    assert type(Value(number).data) is float
    made = operator(a, number).parents[1]
    assert made.is_constant
    assert not a.is_constant


def test_numpy_scalars_mix_on_both_sides():
    """A NumPy scalar on the left does not take over the operation, and becomes a float."""
    np = pytest.importorskip("numpy")
    a = Value(1.5)
    for number in (np.float64(2.0), np.float32(2.0), np.int64(2), np.bool_(True)):
        for operator in BINARY.values():
            for result in (operator(a, number), operator(number, a)):
                assert type(result) is Value
                assert type(result.data) is float
    with pytest.raises(TypeError, match=r"complex128|ufunc"):
        a * np.complex128(1j)
    with pytest.raises(TypeError, match=r"complex128|ufunc"):
        np.complex128(1j) * a


@pytest.mark.parametrize("wrong", ["abc", None, 1j, [1.0], (1.0,), {}, b"1", object(), Value(1.0)])
def test_what_is_no_real_number_is_refused(wrong):
    """The TypeError names what was received and its type."""
    with pytest.raises(TypeError, match=type(wrong).__name__):
        Value(wrong)
    if not isinstance(wrong, Value):
        for operator in BINARY.values():
            with pytest.raises(TypeError, match=f"{type(wrong).__name__}|sequence"):  # Python's word for a list times
                operator(Value(1.0), wrong)
            with pytest.raises(TypeError, match=f"{type(wrong).__name__}|sequence"):
                operator(wrong, Value(1.0))
        with pytest.raises(TypeError, match=type(wrong).__name__):
            _ = Value(1.0) < wrong


def test_a_number_too_large_for_a_float_is_refused():
    """An integer beyond 1.8e308 is an OverflowError that says so, even one too long to print."""
    for number in (10**400, 10**6000):
        with pytest.raises(OverflowError, match="fits a float"):
            Value(number)


def test_n_ary_operations_say_what_they_take():
    """A Value instead of a list, no values at all, and weights that do not match inputs are errors that say so."""
    with pytest.raises(TypeError, match="list"):
        value_sum(Value(1.0))
    with pytest.raises(TypeError, match="list"):
        mean(3)
    with pytest.raises(ValueError, match="at least one"):
        mean([])
    with pytest.raises(ValueError, match="at least one"):
        logsumexp([])
    with pytest.raises(ValueError, match="2 weights and 1 inputs"):
        dot([1, 2], [Value(3)])
    assert value_sum([]).data == 0.0
    assert dot([], [], 2.0).data == 2.0
    assert value_sum(Value(x) for x in (1.0, 2.0)).data == 3.0


def test_dot_is_one_node():
    """A neuron's weighted input has weights, inputs and bias as parents, and their partners' data as derivatives."""
    w, x, b = [Value(2.0), Value(3.0)], [Value(5.0), Value(7.0)], Value(11.0)
    z = dot(w, x, b)
    assert z.data == 42.0
    assert z.parents == (*w, *x, b)
    assert z.local_derivatives == (5.0, 7.0, 2.0, 3.0, 1.0)


@pytest.mark.parametrize("layer", [dots, traced_dots])
def test_the_neurons_of_a_layer_are_dots(layer):
    """One node for each row of weights, with its bias and its label; not as many of each is an error."""
    w, x, b = [(Value(1.0), Value(2.0)), (Value(-1.0), Value(0.5))], [Value(5.0), Value(7.0)], [Value(11.0), Value(3.0)]
    neurons = layer(w, x, b, ["z1", "z2"])
    for z, row, bias, label in zip(neurons, w, b, ("z1", "z2"), strict=True):
        assert (z.op, z.parents, z.label) == (OPS["dot"], (*row, *x, bias), label)
    for biases, labels in ((b[:1], ["z1", "z2"]), ([*b, b[0]], ["z1", "z2"]), (b, ["z1"]), (b, ["z1", "z2", "z3"])):
        with pytest.raises(ValueError, match=r"shorter|longer"):
            layer(w, x, biases, labels)


def test_equality_is_identity_and_order_is_by_data():
    """Nodes with equal data are different members of a set; < and friends compare numbers."""
    a, b = Value(1.0), Value(1.0)
    assert a != b
    assert len({a, b, a}) == 2
    for x in (0.5, 1.0, 2, math.nan, b, Value(2.0), Value(0.5), Value(math.nan)):
        one, number = float(a), float(x)
        assert [a < x, a <= x, a > x, a >= x] == [one < number, one <= number, one > number, one >= number]
    assert Value(math.nan) not in [a, b]
    assert sorted([Value(3.0), a, Value(2.0)], key=float)[0] is a


def test_a_value_reads_as_its_number():
    """float, int, bool, round, abs, format and unary plus work on data."""
    a = Value(-2.75)
    assert (float(a), int(a), bool(a), round(a), round(a, 1)) == (-2.75, -2, True, -3, -2.8)
    assert f"{a:.3f}|{a:+.1e}" == "-2.750|-2.8e+00"
    assert not Value(0.0)
    assert abs(a).data == 2.75
    assert (-a).data == 2.75
    assert +a is a


def test_repr_is_short():
    """The repr tells data, gradient, operation and label; a gradient never written is a dash."""
    a = Value(2.0, label="a")
    assert repr(a) == "Value(data=2.0, grad=–, label='a')"
    b = a * 3
    b.backward()
    assert repr(b) == "Value(data=6.0, grad=1.0, op='mul')"
    assert a.has_grad
    assert (Value(1.0).grad, Value(1.0).has_grad) == (0.0, False)


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if not op.helper])
def test_every_operation_is_a_function_with_a_docstring(name):
    """Each row of the table can be imported, and called as a method where it is not n-ary."""
    function = getattr(engine, name)
    assert function.__name__ == name
    assert function.__doc__
    if OPS[name].arity:
        method = getattr(Value, name)
        assert inspect.getdoc(method).split("\n")[0] == inspect.getdoc(function).split("\n")[0]
        xs = [0.5] * OPS[name].arity
        assert str(function(*xs).data) == str(method(*map(Value, xs)).data)  # str: acosh(0.5) is nan


def test_defaults_and_keyword():
    """leaky_relu, elu and clip have the defaults of their rows."""
    assert Value(-1.0).leaky_relu().data == -0.01
    assert Value(-1.0).leaky_relu(0.5).data == -0.5
    assert Value(-1.0).elu().data == math.expm1(-1.0)
    assert Value(-1.0).clip(0).data == 0.0
    assert Value(5.0).clip().data == 5.0


def test_a_dropped_graph_is_freed_at_once():
    """With the collector off, no node outlives the last reference: there are no cycles, before or after backward."""
    gc.collect()
    gc.disable()
    try:
        x = Value(0.5)
        y = dot([x, x], [x.tanh(), x.exp()], 1.0).clip(0, 9) + mean([x, x * 2])
        y.backward()
        z = grad(y, x, create_graph=True)
        nodes = [weakref.ref(node) for node in toposort(y, z)]
        del x, y, z
        assert [node() for node in nodes] == [None] * len(nodes)
    finally:
        gc.enable()


def chain(length):
    x = Value(1.0, label="x")
    y = x
    for _ in range(length):
        y = y + x
    return x, y


@pytest.mark.deep
def test_a_million_additions():
    """A chain of 1,000,000 nodes builds, differentiates and is freed, without recursion; one of 100,000 is copied."""
    with collector_paused():  # which would go through all of it again and again
        x, y = chain(1_000_000)
        y.backward()
        assert (y.data, x.grad) == (1_000_001.0, 1_000_001.0)
        kept = weakref.ref(y.parents[0])
        del y
        assert kept() is None
        x, y = chain(100_000)
        for twin in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
            assert twin.data == y.data


def test_copies_keep_the_graph():
    """deepcopy and pickle give a graph of its own, with the same numbers, labels and sharing."""
    a, b = Value(2.0, label="a"), Value(-3.0)
    c = dot([a, b], [b, a]) * (a * b).clip(-1, 1) + 2.0
    c.backward()
    for twin in (copy.deepcopy(c), pickle.loads(pickle.dumps(c))):
        before, after = toposort(c), toposort(twin)
        assert not set(before) & set(after)
        assert [repr(node) for node in before] == [repr(node) for node in after]
        assert [node.local_derivatives for node in before] == [node.local_derivatives for node in after]
        assert [[before.index(p) for p in node.parents] for node in before] == [
            [after.index(p) for p in node.parents] for node in after
        ]
        assert [node.is_constant for node in before] == [node.is_constant for node in after]
        twin.zero_grad()
        twin.backward()
        assert after[0].grad == a.grad
    pair = pickle.loads(pickle.dumps([a, a + b]))
    assert pair[1].parents[0] is pair[0]  # a leaf pickled beside its use stays one leaf
    outputs = copy.deepcopy([c, c * 2])
    assert outputs[1].parents[0] is outputs[0]


def test_a_shallow_copy_shares_its_parents():
    """copy.copy gives another node on the same operands."""
    a = Value(2.0, label="a")
    b = a * 3
    twin = copy.copy(b)
    assert twin is not b
    assert twin.parents[0] is a
    assert twin.local_derivatives == (3.0, 2.0)
    assert not copy.copy(a).has_grad


def test_a_label_of_a_kind_of_text_is_the_plain_text():
    """A subclass of str, as NumPy's and that of an enumeration, gives its text and nothing more, made or set."""

    class Loud(str):
        def __str__(self) -> str:
            return "LOUD"

    for label in (Loud("w"), type("np_str", (str,), {})("w")):
        given, later = Value(1.0, label), Value(1.0)
        later.label = label
        assert [type(node.label) for node in (given, later)] == [str, str]
        assert (given.label, later.label) == ("w", "w")
        assert repr(given) == "Value(data=1.0, grad=–, label='w')"


def test_messages_stay_short():
    """Lists nested 100,000 deep, a million characters and thousands of digits are named in a line."""
    nested: list = []
    for _ in range(100_000):
        nested = [nested]
    for wrong in (nested, "a" * 10**6, [0] * 10**5):
        with pytest.raises(TypeError, match="takes a real number") as error:
            Value(wrong)
        assert len(str(error.value)) < 250
        with pytest.raises(TypeError, match="takes a real number"):
            Value(1.0).maximum(wrong)
    with pytest.raises(OverflowError, match="thousands of digits"):
        Value(10**5000)


def test_a_tuple_of_operands_is_kept_and_a_list_is_copied():
    """Neurons that share a tuple of inputs share the walk through it; a list may change, and the graph does not."""
    a, b = Value(2.0), Value(3.0)
    kept, changing = (a, b), [a, b]
    assert dot([b, a], kept)._a[1] is kept
    total = dot([b, a], changing)
    changing.append(Value(4.0))
    assert total.parents == (b, a, a, b)
