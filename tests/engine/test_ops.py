"""The table of operations: every row against mpmath, central differences, the complex step, and special points."""

from __future__ import annotations

import json
import math
import random
import re
from pathlib import Path

import pytest

import engine
from engine import OPS, Value, grad, gradcheck, hessian
from engine.expressions import function as compile_rule
from engine.generate import load
from engine.ieee import scalar
from engine.operations import FUNCTIONS
from engine.ops import Op
from engine.weighted import dot

mp = pytest.importorskip("mpmath").mp
mp.dps = 60


def _mp_logsumexp(*values):
    return mp.log(sum(mp.exp(v) for v in values))


def _mp_bce(a, b):
    return -(b * mp.log(a) + (1 - b) * mp.log(1 - a))


def _mp_sigmoid(a):
    return 1 / (1 + mp.exp(-a))


# What each operation means, in mpmath's words.
MEANING = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "neg": lambda a: -a, "pow": lambda a, b: a**b, "abs": lambda a: a if mp.re(a) > 0 else -a,
    "exp": mp.exp, "expm1": mp.expm1, "exp2": lambda a: mp.mpf(2) ** a, "log": mp.log, "log1p": lambda a: mp.log(1 + a),
    "log2": lambda a: mp.log(a) / mp.log(2), "log10": lambda a: mp.log(a) / mp.log(10), "sqrt": mp.sqrt,
    "cbrt": lambda a: mp.cbrt(a) if mp.re(a) > 0 else -mp.cbrt(-a), "reciprocal": lambda a: 1 / a,
    "sin": mp.sin, "cos": mp.cos, "tan": mp.tan, "asin": mp.asin, "acos": mp.acos, "atan": mp.atan,
    "atan2": lambda a, b: mp.arg(mp.mpc(b, a)), "sinh": mp.sinh, "cosh": mp.cosh, "tanh": mp.tanh,
    "asinh": mp.asinh, "acosh": mp.acosh, "atanh": mp.atanh,
    "sigmoid": _mp_sigmoid, "logsigmoid": lambda a: mp.log(_mp_sigmoid(a)), "softplus": lambda a: mp.log(1 + mp.exp(a)),
    "relu": lambda a: a if mp.re(a) > 0 else 0 * a, "leaky_relu": lambda a, b: a if mp.re(a) > 0 else a * b,
    "elu": lambda a, b: a if mp.re(a) > 0 else b * (mp.exp(a) - 1), "silu": lambda a: a * _mp_sigmoid(a),
    "gelu": lambda a: a * mp.ncdf(a) if not isinstance(a, mp.mpc) else a * (1 + mp.erf(a / mp.sqrt(2))) / 2,
    "floor": mp.floor, "ceil": mp.ceil, "round": mp.nint, "sign": lambda a: mp.mpf(a > 0) - (a < 0),
    "mod": lambda a, b: a - b * mp.floor(a / b),
    "erf": mp.erf, "erfc": lambda a: 1 - mp.erf(a),
    "sigmoid_slope": lambda a: 1 / (mp.exp(a / 2) + mp.exp(-a / 2)) ** 2, "tanh_slope": lambda a: mp.sech(a) ** 2,
    "hypot_slope": lambda a, b: a / mp.sqrt(a * a + b * b),
    "maximum": lambda a, b: max(a, b), "minimum": lambda a, b: min(a, b),
    "clip": lambda a, b, c: min(max(a, b), c), "hypot": lambda a, b: mp.sqrt(a * a + b * b),
    "logaddexp": _mp_logsumexp, "where": lambda a, b, c: b if a != 0 else c,
    "gt": lambda a, b: mp.mpf(a > b), "ge": lambda a, b: mp.mpf(a >= b), "lt": lambda a, b: mp.mpf(a < b),
    "le": lambda a, b: mp.mpf(a <= b), "eq": lambda a, b: mp.mpf(a == b), "ne": lambda a, b: mp.mpf(a != b),
    "bce": _mp_bce, "bce_with_logits": lambda a, b: _mp_bce(_mp_sigmoid(a), b),
    "amax": lambda *v: max(v), "amin": lambda *v: min(v), "ties": lambda *v: mp.mpf(sum(a == v[0] for a in v[1:])),
    "sum": lambda *v: sum(v), "mean": lambda *v: sum(v) / len(v), "logsumexp": _mp_logsumexp,
    "dot": lambda w, v, x, u: w * x + v * u,
}  # fmt: skip
STEPS = {
    "amax",
    "amin",
    "ties",
    "floor",
    "ceil",
    "round",
    "sign",
    "mod",
    "maximum",
    "minimum",
    "clip",
    "where",
    "gt",
    "ge",
    "lt",
    "le",
    "eq",
    "ne",
    "atan2",
}  # not for complex numbers


def call(name):
    """The free function, taking its arguments one by one."""
    function = dot if name == "dot" else FUNCTIONS[name]
    if name == "dot":
        return lambda w, v, x, u: function([w, v], [x, u])
    return function if OPS[name].arity else lambda *values: function(values)


def points(op, count):
    """count points inside each of the boxes of the row."""
    draw = random.Random(op.name)
    return [[draw.uniform(*interval) for interval in box] for box in op.domains for _ in range(count)]


def close(actual, expected, tolerance):
    return abs(actual - expected) <= tolerance * max(1, abs(expected))


def test_every_operation_has_a_meaning():
    """No row of the table escapes the tests of this file."""
    assert set(MEANING) == set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_forward_is_mpmaths(name):
    """The result agrees with 60-digit arithmetic to a few units in the last place."""
    for xs in points(OPS[name], 20):
        assert close(call(name)(*map(Value, xs)).data, MEANING[name](*map(mp.mpf, xs)), 1e-15), xs


@pytest.mark.parametrize("name", OPS)
def test_first_and_second_derivatives_are_mpmaths(name):
    """Local derivatives, grad and hessian agree with derivatives that mpmath takes numerically with 60 digits."""
    for xs in points(OPS[name], 3):
        values = [Value(x) for x in xs]
        y = call(name)(*values)
        second = hessian(y, values)
        moving = [k for k, x in enumerate(xs) if not (name == "where" and k == 0)]  # where steps at condition 0
        for i in moving:
            order = [int(k == i) for k in range(len(xs))]
            expected = mp.diff(MEANING[name], tuple(map(mp.mpf, xs)), tuple(order))
            assert close(y.local_derivatives[i], expected, 1e-13), (xs, i)
            assert close(grad(y, values)[i], expected, 1e-13), (xs, i)
            for j in moving:
                order[j] += 1
                expected = mp.diff(MEANING[name], tuple(map(mp.mpf, xs)), tuple(order))
                assert close(second[i][j], expected, 1e-12), (xs, i, j)
                order[j] -= 1


@pytest.mark.parametrize("name", sorted(set(OPS) - STEPS))
def test_first_derivatives_are_the_complex_steps(name):
    """The derivative is Im f(x + ih) / h, which has no difference to cancel (Squire and Trapp, 1998)."""
    h = mp.mpf("1e-40")
    for xs in points(OPS[name], 3):
        derivatives = call(name)(*map(Value, xs)).local_derivatives
        for k, derivative in enumerate(derivatives):
            shifted = [mp.mpc(x, h if i == k else 0) for i, x in enumerate(xs)]
            assert close(derivative, mp.im(MEANING[name](*shifted)) / h, 1e-13), (xs, k)


@pytest.mark.parametrize("name", sorted(set(OPS) - {"where"}))
def test_gradcheck_passes_over_the_domain(name):
    """Central differences agree with both orders of derivatives, by the checker that users have."""
    for xs in points(OPS[name], 3):
        assert gradcheck(call(name), xs, order=2).passed


@pytest.mark.parametrize("name", [op.name for op in OPS.values() if op.arity and set(op.rules) != {"0"}])
def test_gradcheck_catches_a_rule_that_is_wrong_by_a_thousandth(name, monkeypatch):
    """A derivative rule multiplied by 1.001 does not pass, whichever rule of the row it is."""
    op = OPS[name]
    for k, rule in enumerate(op.rules):
        if rule == "0":
            continue
        wrong = tuple(f"1.001 * ({r})" if i == k else r for i, r in enumerate(op.rules))
        domains = " ".join(op.arguments)
        names = " ".join(op.names)
        method, _, _ = load(
            Op(name, op.symbol, domains, op.forward, wrong, op.domains, op.doc, op.defaults, op.chooses, names)
        )
        monkeypatch.setattr(Value, name, method)
        caught = 0
        for xs in points(op, 1):
            derivative = method(*map(Value, xs)).local_derivatives[k]
            fixed = xs[:1] if name == "where" else []  # its condition is a step at 0, not to be differenced
            report = gradcheck(
                lambda *v, m=method, f=fixed: m(*map(Value, f), *v), xs[len(fixed) :], raise_exception=False
            )
            if abs(derivative) < 1e-5:  # a branch on which the derivative is 0, where 1.001 changes nothing
                continue
            assert [d.status for d in report.failures] == ["wrong"]
            caught += 1
        assert caught
        monkeypatch.undo()


ROWS = json.loads(Path(__file__).with_name("special_points.json").read_text())["rows"]
EXPRESSIONS = {
    "clip(x,0,1)": lambda x: engine.clip(x, 0, 1),
    "leaky_relu(0.01)": engine.leaky_relu,
    "gelu_exact": engine.gelu,
    "maximum(x,x)": lambda x: engine.maximum(x, x),
    "atan2(y,x)": engine.atan2,
    "logsumexp2": lambda a, b: engine.logsumexp([a, b]),
    "pow(x,y)": lambda a, b: a**b,
    "x*x": lambda x: x * x,
    "bce(p,y) torch F.binary_cross_entropy | jax composite": engine.bce,
    "bce_with_logits(z,y)": engine.bce_with_logits,
    "where_safe(x>0,log(where(x>0,x,1)),0)": lambda x: engine.where(
        engine.gt(x, 0), engine.log(engine.where(engine.gt(x, 0), x, 1)), 0
    ),
    "relu_as_where(x>0,x,0)": lambda x: engine.where(engine.gt(x, 0), x, 0),
    "sqrt(x**2+1e-12)": lambda x: engine.sqrt(x**2 + 1e-12),
    "softmax2[0]": lambda a, b: engine.exp(a - engine.logsumexp([a, b])),
    "rsqrt": lambda x: x**-0.5,
    "ce2(z0,z1;target0)": lambda a, b: engine.logsumexp([a, b]) - a,
    "mse (a-b)^2": lambda a, b: (a - b) ** 2,
    "l1 |a-b|": lambda a, b: abs(a - b),
}


def expression(name):
    if name in EXPRESSIONS:
        return EXPRESSIONS[name]
    if found := re.fullmatch(r"pow\(x,(.+)\)", name):
        return lambda x: x ** float(found[1])
    if found := re.fullmatch(r"pow\((.+),y\)", name):
        return lambda y: float(found[1]) ** y
    return getattr(engine, name)


def agree(actual, expected):
    if math.isnan(expected) or math.isinf(expected):
        return actual == expected or (math.isnan(actual) and math.isnan(expected))
    return abs(actual - expected) <= 1e-12 * abs(expected) + 2.3e-16


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row['op']}-{row['inputs']}")
def test_special_points(row):
    """At zeros, infinities, nan, overflow and kinks, values and gradients are those of PyTorch and C."""
    values = [Value(float(x)) for x in row["inputs"]]
    y = expression(row["op"])(*values)
    expected = float(row["value"])
    if row["op"] == "bce_with_logits(z,y)" and row["inputs"] == ["-inf", 1.0]:
        expected = math.inf  # -log(sigmoid(-inf)), and JAX's value; PyTorch's formula meets 0 times inf and gives nan
    assert agree(y.data, expected)
    for actual, wanted in zip(grad(y, values), row["grad"]):
        if wanted not in ("any", None):
            assert agree(actual, float(wanted))


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity])
def test_nothing_raises(name):
    """No operation raises a Python exception or gives a complex number, whatever floats it is given."""
    special = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 710.0, -745.2, 5e-324, 1e308, -1e308, math.inf, -math.inf]
    special.append(math.nan)
    arity = OPS[name].arity
    draw = random.Random(1)
    cases = [[x] * arity for x in special] + [[draw.choice(special) for _ in range(arity)] for _ in range(300)]
    for case in cases:
        y = getattr(Value, name)(*map(Value, case))
        assert type(y.data) is float
        assert all(type(d) is float for d in y.local_derivatives), case
        assert agree(y.data, scalar[name](*case)), case  # inlined in the method and as a scalar function: one result


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity])
def test_rules_mean_the_same_in_every_algebra(name):
    """A rule compiled as it stands, by calls of scalar functions, and applied to Values gives the same derivative."""
    op = OPS[name]
    for xs in points(op, 5):
        y = getattr(Value, name)(*map(Value, xs))
        for k, rule in enumerate(op.rules):
            by_calls = compile_rule(rule, (*op.arguments, "y"), scalar)(*xs, y.data)
            assert float(by_calls) == y.local_derivatives[k]


def test_a_row_is_unique():
    """Copying or pickling an operation gives the row itself."""
    import copy
    import pickle

    tanh = OPS["tanh"]
    assert copy.deepcopy(tanh) is tanh
    assert pickle.loads(pickle.dumps(tanh)) is tanh
    assert repr(tanh) == "<Op tanh>"


@pytest.mark.parametrize("backend", ["eager", "source", "native"])
def test_the_largest_of_many_shares_its_gradient_among_ties(backend):
    """amax and amin, and maximum and minimum of a list or of several values, have PyTorch's values and gradients."""
    torch = pytest.importorskip("torch")
    from engine.lowering import lower, native

    if backend == "native" and not native.available()[0]:
        pytest.skip(native.available()[1])
    cases = [[1.0, 3.0, 2.0, 3.0], [2.0, 2.0, 2.0, 2.0], [-1.0, -5.0, 0.0, -0.0], [math.inf, 1.0, math.inf, -math.inf],
             [4.0, 1.0, 1.0, 2.0]]  # fmt: skip
    for many, two, peer in [(engine.amax, engine.maximum, torch.amax), (engine.amin, engine.minimum, torch.amin)]:
        for case in cases:
            xs = [Value(x) for x in case]
            t = torch.tensor(case, dtype=torch.float64, requires_grad=True)
            expected = peer(t, 0)
            (slopes,) = torch.autograd.grad(expected, t)
            for y in (many(xs), two(xs), two(*xs)):
                assert y.op.name == many.__name__
                if backend == "eager":
                    assert (y.data, grad(y, xs)) == (expected.item(), slopes.tolist())
                    assert [g.data for g in grad(y, xs, create_graph=True)] == slopes.tolist()
                else:
                    kernel = lower(y * 1.0, inputs=[], wrt=xs, backend=backend)
                    assert kernel([[]]) == (expected.item(), slopes.tolist())
                    w = Value(1.0)
                    kernel = lower(y * w, inputs=xs, wrt=[*xs, w], backend=backend)
                    for rows in ([case], [case] * 9):
                        assert kernel(rows)[1][:4] == slopes.tolist()
    assert engine.maximum(1.0, 2.0).op.name == "maximum"
    assert math.isnan(engine.amax([1.0, math.nan, 3.0]).data)


def test_steps_are_pythons_and_pytorchs():
    """floor, ceil, round, sign and mod at every kind of number, zeros with their signs, as PyTorch has them."""
    torch = pytest.importorskip("torch")
    special = [0.0, -0.0, 0.5, -0.5, 1.5, 2.5, -2.5, 3.0, 1e300, -1e17, 5e-324, math.inf, -math.inf, math.nan]
    for name in ("floor", "ceil", "round", "sign"):
        for x in special:
            y, expected = (
                getattr(Value(x), name)().data,
                getattr(torch, name)(torch.tensor(x, dtype=torch.float64)).item(),
            )
            assert agree(y, expected), (name, x)
            assert y != 0 or name == "sign" or math.copysign(1, y) == math.copysign(1, expected)
            assert grad(getattr(Value(x), name)(), [Value(x)]) == [0.0]
    for a in special:
        for b in special:
            x, y = Value(a), Value(b)
            ta, tb = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (a, b))
            expected = torch.remainder(ta, tb)
            assert agree((x % y).data, expected.item()), (a, b)
            if math.isfinite(a) and math.isfinite(b) and b and abs(a / b) < 1e15:
                slopes = torch.autograd.grad(expected, [ta, tb])
                assert grad(x % y, [x, y]) == [slope.item() for slope in slopes], (a, b)
    assert (7 % Value(-3.0)).data == 7 % -3.0
    assert (Value(-7.5) % 2).data == -7.5 % 2
