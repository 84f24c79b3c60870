"""Operations that users define: in every backend and every order, checked, and like any other."""

from __future__ import annotations

import copy
import inspect
import math
import pickle

import pytest

import engine
from engine import OPS, Value, define, grad, gradcheck, hessian, lower
from engine.expressions import ExpressionError
from engine.lowering import native

mp = pytest.importorskip("mpmath").mp


def softsign():
    return define("softsign", "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")


def swish():
    return define("swish", "a * sigmoid(a * b)", "sigmoid(a * b) + b * y * (1 - sigmoid(a * b))",
                  "a * y * (1 - sigmoid(a * b))", symbol="sw", defaults=(1.0,), doc="a times a sigmoid")  # fmt: skip


def test_it_is_an_operation_like_any_other():
    """Function, method, number, array, default, keyword, symbol, docstring, repr, copies and pickles."""
    np = pytest.importorskip("numpy")
    f, g = softsign(), swish()
    a = Value(2.0)
    assert f(a).data == a.softsign().data == f(2.0).data == engine.softsign(2).data == 2 / 3
    assert f(a).local_derivatives == (pytest.approx(1 / 9, rel=1e-15),)
    assert (f(a).op.name, f(a).op.symbol, g(a).op.symbol) == ("softsign", "softsign", "sw")
    assert len(g(a).parents) == 2
    assert g(a, b=2.0).data == a.swish(2.0).data
    assert [v.data for v in f(np.array([1.0, -1.0]))] == [0.5, -0.5]
    assert inspect.getdoc(g).startswith("a times a sigmoid")
    assert "def softsign(self)" in inspect.getsource(Value.softsign)
    assert pickle.loads(pickle.dumps(f(a))).op is OPS["softsign"]
    assert copy.deepcopy(f(a) * a).parents[0].op is OPS["softsign"]


def test_ieee_results_where_python_raises():
    """An exception of Python's becomes the IEEE result, in the value and in the rule."""
    f = define("xlogx", "a * log(a)", "1 + log(a)", domain=(0.1, 3.0))
    assert math.isnan(f(-1.0).data)
    assert f(0.0).local_derivatives[0] == -math.inf
    assert math.isnan(f(0.0).data)


@pytest.mark.parametrize("backend", ["source", "native"])
def test_every_backend_and_order(backend):
    """Lowered, alone and inside an other one that was defined, both derivatives are mpmath's, as on Values."""
    if backend == "native" and not native.available()[0]:
        pytest.skip(native.available()[1])
    softsign(), swish()
    nested = define(
        "nested",
        "swish(softsign(a), b)",
        "sigmoid(softsign(a)*b) * (1 + softsign(a)*b * (1 - sigmoid(softsign(a)*b))) / ((1 + abs(a)) * (1 + abs(a)))",
        "softsign(a) * y * (1 - sigmoid(softsign(a)*b))",
    )
    x, w = Value(0.7), Value(1.3)
    y = nested(x * w, w) + (x * w).softsign()

    def truth(at, v):
        s = at * v / (1 + abs(at * v))
        return s / (1 + mp.exp(-s * v)) + s

    kernel = lower(y, inputs=[x], wrt=[w], backend=backend)
    second = lower(grad(y, w, create_graph=True), inputs=[x], wrt=[w], backend=backend)
    assert not {"softsign", "swish", "nested"} & set(kernel.program.op)
    for at in (0.7, -2.0, 3.0):
        expected = [float(mp.diff(lambda v, at=at: truth(at, v), 1.3, n)) for n in (0, 1, 2)]
        for rows in ([[at]], [[at]] * 20):
            value, (slope,) = kernel(rows)
            assert [value, slope, second(rows)[1][0]] == pytest.approx(expected, rel=1e-12)
    assert hessian(y, [w])[0][0] == pytest.approx(float(mp.diff(lambda v: truth(0.7, v), 1.3, 2)), rel=1e-12)
    assert gradcheck(lambda a, b: nested(a, b), [0.4, 1.2], order=2).passed


@pytest.mark.parametrize("backend", ["source", "native"])
def test_three_arguments(backend):
    """An operation of three arguments, called with Values and with numbers, by place and by name."""
    if backend == "native" and not native.available()[0]:
        pytest.skip(native.available()[1])
    f = define("line", "a * b + c * c", "b", "a", "2 * c", defaults=(0.5,))
    x, w, c = Value(2.0), Value(3.0), Value(-4.0)
    y = f(x, w, c)
    assert (y.data, y.parents, grad(y, [x, w, c])) == (22.0, (x, w, c), [3.0, 2.0, -8.0])
    assert (f(x, 3.0).data, x.line(3.0, c=1.0).data, f(2.0, w, c).data) == (6.25, 7.0, 22.0)
    assert hessian(y, [x, w, c]) == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 2.0]]
    assert lower(y, inputs=[x], wrt=[w, c], backend=backend)([[2.0], [4.0]]) == (25.0, [3.0, -8.0])


def test_an_operation_that_chooses():
    """A defined relu reaches nothing through an operand that it does not choose."""
    define("relu6", "0.0 if a < 0 else 6.0 if a > 6 else a", "0.0 if a < 0 else 0.0 if a > 6 else 1.0", domain=(-9, 9))
    x = Value(0.0)
    assert grad(x.log().relu6() + x, x) == 1.0
    assert hessian(x.log().relu6() + x * x, [x]) == [[2.0]]
    kernel = lower(x.log().relu6() + x, inputs=[], wrt=[x], backend="source")
    assert kernel([[]])[1] == [1.0]


def test_a_network_is_trained_with_it():
    """MLP(activation="softsign"): the same losses on every backend."""
    from nn import MLP, SGD, fit

    softsign()
    losses = []
    for backend in ("eager", "source", *(["native"] if native.available()[0] else [])):
        model = MLP(2, [3, 1], activation="softsign", seed=1)
        rows, targets = [[0.0, 1.0], [1.0, 1.0], [0.5, -1.0]], [1.0, 0.0, 1.0]
        history = fit(model, rows, targets, optimizer=SGD(model.parameters(), lr=0.5), epochs=5, backend=backend)
        losses.append(history.loss)
    assert all(each == pytest.approx(losses[0], rel=1e-12) for each in losses)


def test_expressions_know_it():
    """The command line's language has the operation from its definition on."""
    from viz.expression import evaluate

    softsign()
    assert evaluate("softsign(a) + 1", {"a": -3.0})[0].data == 0.25


def test_it_can_be_defined_anew():
    """A cell that is run twice, or with another rule, defines the operation again; old graphs keep theirs."""
    x = Value(2.0)
    old = define("mine", "a * a", "2 * a")(x)
    new = define("mine", "a * a * a", "3 * a * a")(x)
    assert (new.data, grad(new, x, create_graph=True).data, hessian(new, [x])) == (8.0, 12.0, [[12.0]])
    assert hessian(new * 1.0, [x]) == [[12.0]]
    assert (grad(old, x), hessian(old, [x]), hessian(old * new, [x])) == (4.0, [[2.0]], [[160.0]])
    assert lower(old, inputs=[], wrt=[x], backend="source")([[]]) == (4.0, [4.0])


def test_what_an_operation_is_made_of_can_be_defined_anew():
    """An operation whose forward expression and rule call others stays as it was, lowered and in every order too."""
    x = Value(3.0)
    define("inner", "sum([a, b, a])", "2", "1")
    define("slope", "-a", "-1")
    f = define("outer", "sum([a * inner(a, slope(1 - a)), -(a > 9)])", "inner(a, slope(1 - a)) - 3 * slope(a)")
    define("inner", "a + b", "1", "1")
    define("slope", "a * a", "2 * a")
    y = f(x)  # a (2 a + a - 1)
    assert (y.data, grad(y, x), hessian(y, [x])) == (24.0, 17.0, [[6.0]])
    assert lower(y, inputs=[x], wrt=[x], backend="source")([[3.0]]) == (24.0, [17.0])
    assert lower(grad(y, x, create_graph=True), inputs=[x], wrt=[], backend="source")([[2.0]])[0] == 11.0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bad", "a * a", "a"), r"at a = .* the rule 'a' gives .* with respect to a, and differences give"),
        (("bad", "a * b", "b", "b"), r"at a = .*, b = .* the rule 'b' .* with respect to b"),
        (("bad", "sin(a)", "1.001 * cos(a)"), "differences give"),
        (("bad", "a * a"), "one derivative for each argument"),
        (("bad", "3", "0"), "of a, or a and b"),
        (("bad", "b * 2", "2"), "of a, or a and b"),
        (("tanh", "a", "1"), "something called tanh already"),
        (("data", "a", "1"), "something called data already"),
        (("2x", "a", "1"), "identifier"),
        (("lambda", "a", "1"), "identifier"),
        (("bad", "log(a - 9)", "1 / (a - 9)"), "give a domain"),
        (("rest", "a * a", "2 * a"), "rest is a name of the language"),
    ],
)
def test_mistakes_are_named(arguments, says):
    """What is wrong is said, with the point where a rule fails; nothing is defined."""
    with pytest.raises(ValueError, match=says):
        define(*arguments)
    assert "bad" not in OPS
    assert not hasattr(Value, "bad")


@pytest.mark.parametrize(
    ("forward", "rule", "place"),
    [("a * d", "1", "d"), ("sqr(a)", "1", "sqr(a)"), ("tanh(a, a)", "1", "tanh(a, a)"), ("a", "1 + z", "z"),
     ("a +", "1", ""), ("bad(a)", "1", "bad(a)")],
)  # fmt: skip
def test_expressions_that_cannot_be_understood_are_pointed_at(forward, rule, place):
    """An unknown name or operation, and a slip of the pen, are shown with a caret."""
    with pytest.raises(ExpressionError) as error:
        define("bad", forward, rule)
    assert error.value.text[error.value.start : error.value.end] == place
    with pytest.raises(ValueError, match="the domain is"):
        define("bad", "a", "1", domain=(3, 1))


def test_what_is_no_text_or_too_long_is_refused():
    """An expression that is not text, and one whose code Python could not read, are named; a long one can be had."""
    with pytest.raises(TypeError, match="define bad: an expression is text, got 3"):
        define("bad", "a", 3)
    for parts in (200, 5000):
        with pytest.raises(ExpressionError, match="define bad: more than 150 operations inside each other"):
            define("bad", "+".join(["a"] * parts), str(parts))
    x = Value(1.0)
    y = define("long", "+".join(["a * a"] * 140), "+".join(["2 * a"] * 140))(x)
    assert (y.data, grad(y, x), hessian(y, [x])) == (140.0, 280.0, [[280.0]])


@pytest.mark.parametrize(
    ("arguments", "domain", "drawn"),
    [
        (("bend", "a * a", "2 * a"), [(-2, -1), (1, 2)], (((-2.0, -1.0),), ((1.0, 2.0),))),
        (("bend", "a * b", "b", "a"), [(0, 1), (2, 3)], (((0.0, 1.0), (2.0, 3.0)),)),
        (("bend", "a * b", "b", "a"), [[(0, 1), (2, 3)], [(4, 5), (6, 7)]],
         (((0.0, 1.0), (2.0, 3.0)), ((4.0, 5.0), (6.0, 7.0)))),
    ],
)  # fmt: skip
def test_a_domain_is_one_box_or_several(arguments, domain, drawn):
    """Of one argument, intervals; of more, an interval for each, or a list of such boxes."""
    define(*arguments, domain=domain)
    assert OPS["bend"].domains == drawn


@pytest.mark.parametrize("domain", ["wide", [(1, 2, 3)], [(0, 1)], [[(0, 1)], [(2, 3)]], [(0, "1"), (2, 3)], []])
def test_a_domain_that_is_none_is_refused(domain):
    """Text, triples, and boxes of fewer intervals than there are arguments."""
    with pytest.raises(ValueError, match="define bad: the domain is"):
        define("bad", "a * b", "b", "a", domain=domain)


def test_a_default_for_every_argument_is_refused():
    """The first argument is what an operation is called on."""
    with pytest.raises(ValueError, match="the first argument has no default, got 1 defaults"):
        define("bad", "a * a", "2 * a", defaults=(1.0,))
