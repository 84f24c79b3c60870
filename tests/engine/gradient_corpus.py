"""Functions with right and with wrong gradients, on which gradient checkers can be put to the test.

Each is written over a namespace ``m`` of functions, so that the same one runs here, in PyTorch and in JAX, and says
what a checker should find. A gradient is made wrong by a term that is 0 but is differentiated, or by a part that counts
in the number and is hidden from differentiation (``m.stop``).

    python tests/engine/gradient_corpus.py        how many each checker judges rightly; and, for every operation over
                                                  its domain: false alarms, and how many errors are noticed
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


def off(m: Any, y: Any, relative: float) -> Any:
    """y, with its gradient wrong by a relative error."""
    return y + relative * (y - m.stop(y))


def _walk(m: Any, x: Any) -> Any:
    y = x
    for _ in range(40):
        y = m.sin(y) + 0.5 * y
    return y


def _of_twelve(m: Any, *v: Any) -> Any:
    return sum(x * x for x in v) + off(m, v[7] * v[3], 1e-4)


class Case:
    def __init__(self, name: str, function: Callable[..., Any], inputs: list[float], status: str, order: int = 1):
        self.name, self.function, self.inputs, self.status, self.order = name, function, inputs, status, order

    def __repr__(self) -> str:
        return self.name


_DRAWN = random.Random(3)
R, W = "ok", "wrong"
CASES = [
    # Right: ordinary functions.
    Case("a product", lambda m, a, b: a * b + m.tanh(a), [2.0, -3.0], R),
    Case("a polynomial at 0", lambda m, x: x * x * x - 2 * x, [0.0], R),
    Case("a maximum", lambda m, x: m.cos(x), [0.0], R),
    Case("a constant", lambda m, x: 0 * x + 3.0, [1.5], R),
    Case("an identity written twice", lambda m, x: m.sin(x) * m.sin(x) + m.cos(x) * m.cos(x), [0.7], R),
    Case("a quotient", lambda m, a, b: a / (b * b + 1), [3.0, 0.2], R),
    Case("powers", lambda m, a, b: a**b, [1.7, -2.3], R),
    Case("a neuron", lambda m, w, x, b: m.sigmoid(w * x + b), [0.3, -1.2, 0.1], R),
    Case("a saturated sigmoid", lambda m, x: m.sigmoid(x), [30.0], R),
    Case("a saturated tanh", lambda m, x: m.tanh(x), [-17.0], R),
    Case("softplus far below", lambda m, x: m.log1p(m.exp(x)), [-25.0], R),
    Case("a long composition", lambda m, x: _walk(m, x), [0.4], R),
    Case("arc tangents", lambda m, a, b: m.atan2(a, b), [-1.0, -2.0], R),
    # Right: large, small, steep, or near the end of the domain.
    Case("large and flat", lambda m, x: 1e6 + m.sin(x), [0.5], R),
    Case("larger and flatter", lambda m, x: 1e9 + m.sin(x), [0.5], R),
    Case("large terms that cancel", lambda m, x: (1e7 + m.sin(x)) - 1e7, [0.5], R),
    Case("tiny", lambda m, x: 1e-12 * m.sin(x), [0.5], R),
    Case("huge", lambda m, x: 1e200 * m.sin(x), [0.5], R),
    Case("a fast wave", lambda m, x: m.sin(1000 * x), [1.0], R),
    Case("a faster wave", lambda m, x: m.sin(1e5 * x), [1.0], R),
    Case("a reciprocal near its pole", lambda m, x: 1 / x, [1e-3], R),
    Case("a reciprocal nearer", lambda m, x: 1 / x, [-1e-7], R),
    Case("a logarithm near 0", lambda m, x: m.log(x), [1e-4], R),
    Case("a logarithm at a tiny number", lambda m, x: m.log(x), [1e-12], R),
    Case("a logarithm near 1", lambda m, x: m.log(x), [1 + 1e-9], R),
    Case("a square root near 0", lambda m, x: m.sqrt(x), [1e-6], R),
    Case("a tangent near its pole", lambda m, x: m.tan(x), [1.57], R),
    Case("exp far out", lambda m, x: m.exp(x), [300.0], R),
    Case("exp far below", lambda m, x: m.exp(x), [-300.0], R),
    Case("a steep exponential", lambda m, x: m.exp(50 * x), [1.0], R),
    Case("a bell, narrow", lambda m, x: m.exp(-1e6 * (x - 1) * (x - 1)), [1.0005], R),
    Case("a large argument", lambda m, x: x * x, [1e8], R),
    Case("arguments of two sizes", lambda m, a, b: a * b, [1e-9, 1e9], R),
    Case("strong curvature", lambda m, x: 1e4 * x * x, [1.0], R),
    Case("a steep cubic at its root", lambda m, x: 1e6 * (x - 1) * (x - 1) * (x - 1), [1.0], R),
    Case("arcsine near 1", lambda m, x: m.asin(x), [1 - 1e-6], R),
    # Right: beside a kink or a jump, not on it.
    Case("beside a kink", lambda m, x: m.relu(x), [1e-3], R),
    Case("close beside a kink", lambda m, x: abs(x - 1), [1 + 1e-7], R),
    Case("a smooth join", lambda m, x: m.where(x > 1, x * x, 2 * x - 1), [1.0], R),
    Case("beside a jump", lambda m, x: m.where(x > 1, x + 5, 2 * x), [1.001], R),
    Case("|x|^3 at 0", lambda m, x: abs(x) * x * x, [0.0], R),
    # Wrong.
    Case("a factor forgotten", lambda m, x: off(m, m.sin(3 * x), -2 / 3), [0.4], W),
    Case("a sign", lambda m, x: off(m, m.cos(x), -2), [0.4], W),
    Case("a gradient that is 0", lambda m, x: m.stop(m.exp(x)) + 0 * x, [0.4], W),
    Case("a gradient that is not 0", lambda m, x: 3.0 + 1e-3 * (x - m.stop(x)), [0.4], W),
    Case("one of two arguments", lambda m, a, b: a * m.stop(b) + b * 0, [2.0, 3.0], W),
    Case("an accumulation forgotten", lambda m, x: x * m.stop(x), [3.0], W),
    Case("wrong by 1 %", lambda m, x: off(m, m.exp(x), 1e-2), [1.0], W),
    Case("wrong by 0.1 %", lambda m, a, b: off(m, a * b, 1e-3), [1.0, 2.0], W),
    Case("wrong by 1e-5", lambda m, x: off(m, m.tanh(x), 1e-5), [0.3], W),
    Case("wrong by 1e-6", lambda m, x: off(m, m.sin(x), 1e-6), [0.3], W),
    Case("wrong by -1e-6 and steep", lambda m, x: off(m, m.exp(8 * x), -1e-6), [1.0], W),
    Case("wrong by 1 % under a large number", lambda m, x: 1e6 + off(m, m.sin(x), 1e-2), [0.5], W),
    Case("wrong by 1e-4 under a large number", lambda m, x: 1e7 + off(m, m.sin(x), 1e-4), [0.5], W),
    Case("wrong by 1 % and tiny", lambda m, x: off(m, 1e-12 * m.sin(x), 1e-2), [0.5], W),
    Case("wrong by 0.1 % in a saturated sigmoid", lambda m, x: off(m, m.sigmoid(x), 1e-3), [-30.0], W),
    Case("wrong by 1e-5 in a fast wave", lambda m, x: off(m, m.sin(1000 * x), 1e-5), [1.0], W),
    Case("wrong by 1e-5 near a pole", lambda m, x: off(m, 1 / x, 1e-5), [1e-3], W),
    Case("wrong by 1e-5 near 0", lambda m, x: off(m, m.log(x), 1e-5), [1e-4], W),
    Case("wrong by 1e-3 in the smaller part", lambda m, x: m.exp(x) + off(m, 1e-2 * m.sin(x), 1e-3), [1.0], W),
    Case("the threshold of a softplus", lambda m, x: m.where(x > 8, x, m.log1p(m.exp(x))), [9.0], R),
    Case("a softplus cut in its gradient alone", lambda m, x: m.log1p(m.exp(m.stop(x))) + x - m.stop(x), [9.0], W),
    Case("the other branch", lambda m, x: m.where(x > 0, m.stop(x * x) + x - m.stop(x), -x), [2.0], W),
    Case("a wrong one of many", _of_twelve, [0.1 * k for k in range(1, 13)], W),
    Case("clipped in its gradient", lambda m, x: m.stop(5 * x) + x - m.stop(x), [0.3], W),
    Case("wrong by 0.1 % beside a kink", lambda m, x: off(m, m.relu(x), 1e-3), [1e-3], W),
    Case("wrong by 0.1 % close beside a kink", lambda m, x: off(m, abs(x - 1), 1e-3), [1 + 1e-6], W),
    # No derivative.
    Case("a kink", lambda m, x: m.relu(x), [0.0], "kink"),
    Case("a kink whose slopes cancel", lambda m, x: abs(x), [0.0], "kink"),
    Case("a kink on a slope", lambda m, x: m.exp(x) + 1e-3 * abs(x - 1), [1.0], "kink"),
    Case("a kink on a curve", lambda m, x: 100 * (x - 1) * (x - 1) + abs(x - 1), [1.0], "kink"),
    Case("a jump", lambda m, x: m.where(x > 0, x + 1, x), [0.0], "jump"),
    Case("a jump that keeps the slope", lambda m, x: m.where(x > 2, 3 * x - 1, 3 * x), [2.0], "jump"),
    Case("a small jump", lambda m, x: m.sin(x) + m.where(x >= 1, 1e-5 + 0 * x, 0 * x), [1.0], "jump"),
    Case("a value of its own at one point", lambda m, x: m.where((x - 1) * (x - 1) > 0, x, x + 1), [1.0], "jump"),
    Case("the edge of the domain", lambda m, x: m.sqrt(x), [0.0], "not finite"),
    Case("outside the domain", lambda m, x: m.log(x), [-1.0], "not finite"),
    Case("a pole", lambda m, x: 1 / x, [0.0], "not finite"),
    Case("an overflow", lambda m, x: m.exp(x), [800.0], "not finite"),
    # Not a function.
    Case("noise", lambda m, x: m.sin(x) + 1e-3 * _DRAWN.random(), [1.0], "random"),
    Case("dropout", lambda m, a, b: a * float(_DRAWN.random() > 0.5) + b, [1.0, 2.0], "random"),
    # Second order.
    Case("two orders", lambda m, a, b: m.exp(a) * m.sin(b), [0.3, 0.7], R, 2),
    Case("two orders, large and flat", lambda m, a, b: 1e5 + m.sin(a * b), [0.3, 0.7], R, 2),
    Case("two orders of a fast wave", lambda m, x: m.sin(300 * x), [0.2], R, 2),
    Case("two orders near a pole", lambda m, x: 1 / x, [1e-3], R, 2),
    Case("a wrong second derivative", lambda m, x: m.exp(x) + 0.5e-4 * (x - m.stop(x)) ** 2, [1.0], W, 2),
    Case("a kink in the slope", lambda m, x: m.relu(x) * x, [0.0], "kink", 2),
]  # fmt: skip


def wanted(case: Case, passed: bool) -> bool:
    """Whether a checker that says no more than passed or failed judged rightly."""
    return passed == (case.status == "ok")


def of_engine() -> Any:
    import engine

    names = ("sin", "cos", "tan", "exp", "log", "log1p", "sqrt", "tanh", "sigmoid", "relu", "asin", "atan2")
    found = SimpleNamespace(**{name: getattr(engine, name) for name in names})
    found.stop = lambda x: engine.Value(x.data) if isinstance(x, engine.Value) else x
    found.where = lambda condition, a, b: engine.where(float(condition), a, b)
    return found


def check_engine(case: Case) -> str:
    from engine import gradcheck

    m = of_engine()
    report = gradcheck(lambda *x: case.function(m, *x), case.inputs, order=case.order, raise_exception=False)
    failed = [d.status for d in report.failures]
    return failed[0] if failed else "ok"


def check_torch(case: Case) -> bool:
    import torch

    m = SimpleNamespace(**{n: getattr(torch, n) for n in ("sin", "cos", "tan", "exp", "log", "log1p", "sqrt", "tanh")})
    m.sigmoid, m.relu, m.asin, m.atan2 = torch.sigmoid, torch.relu, torch.asin, torch.atan2
    m.stop = lambda x: x.detach() if isinstance(x, torch.Tensor) else x
    m.where = torch.where
    inputs = tuple(torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in case.inputs)
    check = torch.autograd.gradcheck if case.order == 1 else torch.autograd.gradgradcheck
    function = lambda *x: case.function(m, *x)  # noqa: E731
    return bool(
        torch.autograd.gradcheck(function, inputs, raise_exception=False)
        and (case.order == 1 or check(function, inputs, raise_exception=False))
    )


def check_jax(case: Case) -> bool:
    import jax
    import jax.numpy as jnp
    from jax.test_util import check_grads

    jax.config.update("jax_enable_x64", True)
    m = SimpleNamespace(**{n: getattr(jnp, n) for n in ("sin", "cos", "tan", "exp", "log", "log1p", "sqrt", "tanh")})
    m.sigmoid, m.relu, m.asin, m.atan2 = jax.nn.sigmoid, jax.nn.relu, jnp.arcsin, jnp.arctan2
    m.stop, m.where = jax.lax.stop_gradient, jnp.where
    try:
        check_grads(
            lambda *x: case.function(m, *x), tuple(map(jnp.array, case.inputs)), order=case.order, modes=["rev"]
        )
    except AssertionError:
        return False
    return True


def called(name: str) -> Callable[..., Any]:
    """An operation of the table as a function of Values, n-ary ones too."""
    import engine
    from engine.operations import FUNCTIONS

    if name == "dot":
        return lambda w, v, x, u: engine.dot([w, v], [x, u])
    if name == "where":  # which jumps where the condition becomes 0
        return lambda c, a, b: engine.where(c.data > 0.05, a, b) + 0 * c
    return FUNCTIONS[name] if engine.OPS[name].arity else lambda *values: FUNCTIONS[name](list(values))


def drawn(name: str, count: int, seed: int = 0) -> list[list[float]]:
    """Points of the operation's domain."""
    from engine import OPS

    chance, boxes = random.Random(f"{name} {seed}"), OPS[name].domains
    return [[chance.uniform(*interval) for interval in chance.choice(boxes)] for _ in range(count)]


def noticed(name: str, relative: float, count: int, seed: int = 0) -> list[bool]:
    """Whether a gradient of the operation with that relative error is called wrong, at points where it is not 0."""
    from engine import Value, grad, gradcheck

    m, function, found = of_engine(), called(name), []
    for xs in drawn(name, count, seed):
        leaves = [Value(x) for x in xs]
        if any(grad(function(*leaves), leaves)):
            report = gradcheck(lambda *v: off(m, function(*v), relative), xs, raise_exception=False)
            found.append(any(d.status == "wrong" for d in report.failures))
    return found


def _over_all_operations(points: int) -> None:
    from engine import OPS, gradcheck

    names = [name for name, op in OPS.items() if op.domains]
    checks = [gradcheck(called(name), xs, order=2, raise_exception=False).passed
              for name in names for xs in drawn(name, points)]  # fmt: skip
    print(f"every operation over its domain, orders 1 and 2: {checks.count(False)} false alarms in {len(checks)}")
    for relative in (1e-2, 1e-3, 1e-6):
        found = [seen for name in names for seen in noticed(name, relative, points)]
        print(f"wrong by {relative:g}: noticed in {sum(found)} of {len(found)}")


def main() -> int:
    from importlib.util import find_spec

    mine = [check_engine(case) for case in CASES]
    rows = [("engine.gradcheck", [wanted(c, s == "ok") for c, s in zip(CASES, mine)])]
    if find_spec("torch"):
        rows.append(("torch.autograd.gradcheck", [wanted(case, check_torch(case)) for case in CASES]))
    if find_spec("jax"):
        rows.append(("jax.test_util.check_grads", [wanted(case, check_jax(case)) for case in CASES]))
    for name, right in rows:
        print(f"{name:28} {sum(right)} of {len(CASES)} judged rightly")
        for case, judged in zip(CASES, right):
            if not judged:
                print(f"    not: {case.name} ({case.status})")
    named = sum(s == c.status for c, s in zip(CASES, mine))
    print(f"engine.gradcheck names what is wrong, or that nothing is, in {named} of {len(CASES)}")
    for case, status in zip(CASES, mine):
        if status != case.status:
            print(f"    {case.name}: {status}, should be {case.status}")
    _over_all_operations(40)
    return int(named < len(CASES))


if __name__ == "__main__":
    sys.exit(main())
