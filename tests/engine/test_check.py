"""The gradient checker: it agrees with right gradients, and catches what is wrong."""

from __future__ import annotations

import math
import random
import sys
from pathlib import Path

import pytest

import engine
from engine import OPS, GradcheckError, Value, chain, gradcheck

sys.path.insert(0, str(Path(__file__).parent))
from gradient_corpus import (
    CASES,
    called,
    check_engine,
    check_jax,
    check_torch,
    drawn,
    noticed,
    of_engine,
    off,
    wanted,
)  # fmt: skip


def test_the_report_prints_both_gradients_side_by_side():
    """Each line names the derivative after label or argument, and shows the two numbers and their difference."""
    report = gradcheck(lambda a, b: a * b + a.tanh(), [2.0, -3.0])
    text = str(report)
    assert report.passed
    assert text.splitlines()[0].split() == ["derivative", "backpropagation", "central", "difference", "±", "error"]
    assert text.splitlines()[1].startswith("∂f/∂a ")
    assert "-2.929349175146" in text
    assert text.splitlines()[-1] == "all 2 agree"
    derivative = report.derivatives[0]
    assert derivative.analytic == pytest.approx(-3 + 1 / math.cosh(2) ** 2, rel=1e-14)
    assert derivative.numerical == pytest.approx(derivative.analytic, rel=1e-9)


@pytest.mark.parametrize(
    ("function", "left", "right"),
    [(engine.relu, 0, 1), (engine.abs, -1, 1), (lambda x: engine.maximum(x, 2 * x), 1, 2)],
)
def test_a_kink_is_named_a_kink(function, left, right):
    """Where the one-sided slopes differ, the report says kink and shows both, instead of calling the rule wrong."""
    with pytest.raises(GradcheckError, match="kink") as error:
        gradcheck(function, [0.0])
    (line,) = error.value.report.failures
    assert line.status == "kink"
    assert (line.left, line.right) == pytest.approx((left, right))


@pytest.mark.parametrize("function", [lambda x: 1e4 * x * x, lambda x: engine.exp(8 * x), lambda x: engine.sin(50 * x)])
def test_curvature_is_no_kink(function):
    """A strongly curved function has slopes that differ at any finite step, but no kink."""
    assert gradcheck(function, [1.0]).passed


def test_a_function_that_is_not_finite_does_not_pass():
    """nan or infinity at the point is its own failure."""
    report = gradcheck(lambda x: x.log(), [-1.0], raise_exception=False)
    assert not report.passed
    assert report.derivatives[0].status == "not finite"
    assert gradcheck(lambda x: x.sqrt(), [0.0], raise_exception=False).derivatives[0].status == "not finite"


def test_second_order_covers_every_pair():
    """Order 2 checks the gradient, and each entry of the Hessian."""
    report = gradcheck(lambda a, b: a.exp() * b.sin(), [0.3, 0.7], order=2)
    assert [d.name for d in report.derivatives] == ["∂f/∂a", "∂f/∂b", "∂²f/∂a²", "∂²f/∂a∂b", "∂²f/∂b∂a", "∂²f/∂b²"]
    assert report.derivatives[3].analytic == pytest.approx(math.exp(0.3) * math.cos(0.7), rel=1e-14)


def test_a_wrong_second_derivative_is_caught(monkeypatch):
    """The rule cos(a) of sin replaced by an expression of equal value but without a gradient fails in order 2 only."""
    sin = engine.OPS["sin"]
    monkeypatch.setattr(sin, "rules", ("cos(a) + 0.001 * sin(a)",))  # what create_graph sees; the method keeps cos(a)
    for kept in ("_slopes", "simple_slopes"):  # not what was kept of the right rule
        monkeypatch.setattr(chain, kept, getattr(chain, kept).__wrapped__)
    assert gradcheck(lambda a: a.sin(), [0.5]).passed
    with pytest.raises(GradcheckError):
        gradcheck(lambda a: a.sin(), [0.5], order=2)


def test_values_are_moved_in_place_and_restored():
    """The function may close over its inputs, as a model over its parameters; data is restored even if it raises."""
    w, b = Value(0.5, label="w"), Value(-1.0, label="b")
    report = gradcheck(lambda *_: (w * 3 + b).sigmoid(), [w, b])
    assert [d.name for d in report.derivatives] == ["∂f/∂w", "∂f/∂b"]
    assert (w.data, b.data, w.has_grad) == (0.5, -1.0, False)

    def fails(*_):
        if w.data != 0.5:
            raise ZeroDivisionError
        return w * b

    with pytest.raises(ZeroDivisionError):
        gradcheck(fails, [w])
    assert w.data == 0.5


def test_several_outputs():
    """A function of several outputs is checked output by output."""
    report = gradcheck(lambda a: [a.sin(), a * a], [0.4], order=2)
    assert [d.name for d in report.derivatives] == ["∂f0/∂a", "∂f1/∂a", "∂²f0/∂a²", "∂²f1/∂a²"]


def test_wrong_arguments_are_named():
    """No inputs, a wrong order, a wrong type, an input twice, or a function that returns no Value: each is named."""
    a = Value(1.0)
    with pytest.raises(ValueError, match="no inputs"):
        gradcheck(lambda: a, [])
    with pytest.raises(ValueError, match="order is 1 or 2, got 3"):
        gradcheck(lambda x: x, [1.0], order=3)
    with pytest.raises(TypeError, match="str"):
        gradcheck(lambda x: x, ["1"])
    for inputs in (1.0, None, a, "1"):
        with pytest.raises(TypeError, match="inputs takes a list of numbers or Values, got "):
            gradcheck(lambda x: x, inputs)
    with pytest.raises(TypeError, match="must return a Value"):
        gradcheck(lambda x: x.data, [1.0])
    with pytest.raises(ValueError, match="twice"):
        gradcheck(lambda x, y: x, [a, a])


def test_the_error_carries_the_report():
    """The exception is an AssertionError whose text is the table; without the exception the report is false."""
    with pytest.raises(AssertionError, match="1 of 1 disagree") as error:
        gradcheck(engine.relu, [0.0])
    assert not error.value.report
    assert not gradcheck(engine.relu, [0.0], raise_exception=False)


@pytest.mark.parametrize("case", CASES, ids=repr)
def test_the_verdict_is_right(case):
    """Of 87 functions, right and wrong, each is called what it is: ok, wrong, kink, jump, not finite, random."""
    assert check_engine(case) == case.status


@pytest.mark.long
@pytest.mark.parametrize(("peer", "check"), [("torch", check_torch), ("jax", check_jax)])
def test_no_peer_judges_better(peer, check):
    """PyTorch's and JAX's checkers, on the same functions, judge fewer of them rightly."""
    pytest.importorskip(peer)
    assert sum(wanted(case, check(case)) for case in CASES) < len(CASES)


CHECKED = [name for name, op in OPS.items() if op.domains]


@pytest.mark.parametrize("name", CHECKED)
def test_no_false_alarm_on_any_operation(name):
    """Every operation passes at orders 1 and 2, all over its domain."""
    for xs in drawn(name, 15 * len(OPS[name].domains)):
        report = gradcheck(called(name), xs, order=2, raise_exception=False)
        assert report.passed, f"{xs}\n{report}"


@pytest.mark.parametrize("name", CHECKED)
def test_a_gradient_a_little_wrong_is_noticed_in_any_operation(name):
    """Wrong by 1 %, by 1e-3 and by 1e-6, relative: each is called wrong, wherever the derivative is not 0."""
    for relative in (1e-2, 1e-3, 1e-6):
        assert all(noticed(name, relative, 4))


@pytest.mark.parametrize(
    ("name", "xs"),
    [
        ("hypot", [3.2e-13, 5.9e-13]), ("hypot", [-2.9e-16, -7.9e-3]), ("abs", [4.7e-298]), ("floor", [-1.4e-18]),
        ("maximum", [8.2e-34, -2.6e-33]), ("cbrt", [5.6e-243]), ("cbrt", [-1.5e-16]), ("reciprocal", [-2.6e-42]),
        ("reciprocal", [1e-29]), ("log", [2.2e-19]), ("div", [-9.1e-14, -5.2e-16]), ("div", [1e29, 1e-29]),
        ("leaky_relu", [4.6e-162, 0.5]), ("atanh", [-0.99999]), ("sin", [-9.7e9]), ("exp", [133.0]), ("pow", [1e29, 2]),
        ("logsumexp", [-2.5e-9, -0.18, -734.7, -3.0]),
    ],
)  # fmt: skip
def test_no_false_alarm_at_any_scale(name, xs):
    """Arguments, values and derivatives of the size 1e-298 or 1e58; kinks and poles that lie a tiny step away."""
    report = gradcheck(called(name), xs, raise_exception=False)
    assert report.passed, report


def test_a_kink_at_a_tiny_number_is_still_a_kink():
    """A kink or a jump exactly at the point is named, however small the number, and under another number too."""
    for x in (1e-13, 1e-100):
        assert gradcheck(lambda v, x=x: abs(v - x), [x], raise_exception=False).failures[0].status == "kink"
        jump = gradcheck(lambda v, x=x: engine.where(v > x, v + 1, v), [x], raise_exception=False)
        assert jump.failures[0].status == "jump"
    assert gradcheck(lambda v: 1 + abs(v - 1e-13), [1e-13], raise_exception=False).failures[0].status == "kink"


def test_dropout_is_random_whatever_is_drawn():
    """A function that is right half of the time is called random, not by luck."""
    chance = random.Random(5)
    for _ in range(60):
        report = gradcheck(lambda a, b: a * float(chance.random() > 0.5) + b, [1.0, 2.0], raise_exception=False)
        assert {d.status for d in report.derivatives} == {"random"}


def test_uncertainty_is_what_the_difference_may_be_off():
    """The numerical derivative is right to its uncertainty, under a large number as without one."""
    for size in (0.0, 1e3, 1e6, 1e9):
        (line,) = gradcheck(lambda x, c=size: c + x.sin(), [0.5]).derivatives
        assert abs(line.numerical - math.cos(0.5)) <= line.uncertainty <= 1e-7 * max(1.0, size / 1e5)


def test_a_kink_and_a_jump_say_what_to_do():
    """The line of the report names the kind of trouble and the next step."""
    m = of_engine()
    jump = gradcheck(lambda x: m.where(x > 0, x + 1, x), [0.0], raise_exception=False)
    assert "not continuous" in str(jump)
    assert "move the input off the kink" in str(gradcheck(abs, [0.0], raise_exception=False))
    noise = random.Random(1)
    unsteady = gradcheck(lambda x: x + noise.random(), [0.0], raise_exception=False)
    assert "fix its seed" in str(unsteady)


def test_a_tolerance_allows_what_it_says():
    """rtol is relative to the derivative and atol absolute; neither grows with the function."""
    m = of_engine()
    wrong = lambda x: 1e3 + off(m, m.sin(x), 1e-4)  # noqa: E731
    assert not gradcheck(wrong, [0.5], raise_exception=False)
    assert gradcheck(wrong, [0.5], rtol=2e-4)
    assert gradcheck(wrong, [0.5], atol=2e-4)
    assert not gradcheck(wrong, [0.5], atol=5e-5, raise_exception=False)


@pytest.mark.parametrize("off_by", [1e-3, 0.5, 3.0])
def test_an_error_as_large_as_the_tolerance_is_allowed(off_by):
    """Where the difference is exact, an error of atol passes, and one of the next larger number does not."""
    zero = lambda x: (x - x.detach()) * off_by  # noqa: E731  0 at each x, its gradient is not
    assert gradcheck(zero, [1.5], rtol=0, atol=off_by)
    assert not gradcheck(zero, [1.5], rtol=0, atol=math.nextafter(off_by, 0), raise_exception=False)


def test_three_steps_do_for_an_ordinary_function():
    """A smooth function is evaluated at the point and at three steps to either side of each input, no more."""
    calls = []

    def counted(a, b):
        calls.append((a.data, b.data))
        return a.sin() * b.exp()

    assert gradcheck(counted, [0.5, -0.25]).passed
    assert len([x for x in calls if x[0] != 0.5]) == len([x for x in calls if x[1] != -0.25]) == 6


def test_a_slope_without_bound_is_not_finite():
    """The difference of a cube root at 0 grows as the step shrinks: no finite gradient can be right there."""
    hidden = lambda x: Value(x.cbrt().data) + 2.0 * x - 2.0 * Value(x.data)  # noqa: E731  its gradient says 2
    (line,) = gradcheck(hidden, [0.0], raise_exception=False).failures
    assert (line.analytic, line.status) == (2.0, "not finite")


def test_a_kink_tells_its_slopes():
    """The slopes reported are those beside the point, to the digits that rounding leaves."""
    m = of_engine()
    (line,) = gradcheck(lambda x: m.exp(x) + 3.0 * abs(x - 1), [1.0], raise_exception=False).failures
    assert (line.left, line.right) == pytest.approx((math.e - 3, math.e + 3), abs=1e-3)


def test_lines_and_reports_are_short_to_look_at():
    """The repr of a line names the derivative and both numbers, that of a report counts them."""
    report = gradcheck(lambda x: x * x, [3.0])
    line = report.derivatives[0]
    assert repr(line) == f"<Derivative ∂f/∂x analytic=6.0 numerical={line.numerical!r} ok>"
    assert repr(report) == "<GradcheckReport passed, 1 derivatives>"
    assert repr(gradcheck(abs, [0.0], raise_exception=False)) == "<GradcheckReport failed, 1 derivatives>"
    assert line.error <= 1e-12


def test_where_the_input_is_not_finite_nothing_is_finite():
    """At infinity and at nan there is no step to take."""
    for x in (math.inf, -math.inf, math.nan):
        report = gradcheck(lambda v: v * 2, [x], raise_exception=False)
        assert [d.status for d in report.derivatives] == ["not finite"]
