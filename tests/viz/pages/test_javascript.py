"""The table of operations in JavaScript, run by a browser, against the engine."""

from __future__ import annotations

import ast
import itertools
import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import Value
from engine.expressions import function as compile_rule
from engine.ieee import scalar
from engine.operations import FUNCTIONS
from engine.ops import OPS, Op
from viz.pages import javascript as module
from viz.pages.javascript import functions, javascript, primitives

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 5.9, 6.5, -20.0, 40.0, -745.2, 710.0, 1e-8, -1e-300, 1e300,
           math.inf, -math.inf, math.nan]  # fmt: skip

# All travels as one text, which the driver does not look into; numbers that JSON lacks are texts in it.
EVALUATE = """
(text) => {
  const [source, cases] = JSON.parse(text);
  const OPS = new Function(source + '; return OPS;')();
  const read = (x) => Number(String(x).replace('inf', 'Infinity'));
  const special = (x) => Object.is(x, -0) ? '-0.0' : Number.isFinite(x) ? x : String(x).replace('Infinity', 'inf');
  const write = (x) => special(x ?? 0);
  return JSON.stringify(cases.map(([name, fixed, points]) => points.map((texts) => {
    const point = texts.map(read);
    const row = OPS[name];
    const y = fixed ? row.forward(...point) : row.forward(point);
    return [y, ...(fixed ? row.rules.map((rule) => rule(...point, y)) : row.rules[0](point, y))].map(write);
  })));
}"""


@pytest.fixture(scope="module")
def page(browser):
    """An empty page, in which JavaScript can be run."""
    empty = browser.new_page()
    yield empty
    empty.close()


def points_of(op: Op) -> list[tuple[float, ...]]:
    """Points inside the domains of the row, and special values in every combination that is not too many."""
    chance = random.Random(op.name)
    count = op.arity or 5
    special = list(itertools.product(SPECIAL, repeat=count)) if count < 3 else [
        *((x,) * count for x in SPECIAL), *(tuple(chance.choice(SPECIAL) for _ in range(count)) for _ in range(200))
    ]  # fmt: skip
    inside = [
        tuple(chance.uniform(*interval) for interval in (box if op.arity else box[:1] * count))
        for box in op.domains for _ in range(20)
    ]  # fmt: skip
    return special + inside


def in_python(op: Op, point: tuple[float, ...]) -> list[float]:
    """The result and the local derivatives, from the engine's own functions."""
    if op.name == "dot":
        n = len(point) // 2
        y = scalar["dot"](point[:n], point[n : 2 * n], *point[2 * n :])
        return [y, *point[n : 2 * n], *point[:n], *[1.0] * (len(point) % 2)]
    if not op.arity:
        node = FUNCTIONS[op.name]([Value(x) for x in point])
        return [node.data, *node.local_derivatives]
    y = scalar[op.name](*point)
    return [y, *(float(compile_rule(rule, (*op.arguments, "y"), scalar)(*point, y)) for rule in op.rules)]


def agree(a: float, b: float, relative: float = 1e-12) -> bool:
    """The same special value, with its sign, or numbers within ``relative``."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if a == b:
        return math.copysign(1, a) == math.copysign(1, b)
    return math.isfinite(a) and math.isfinite(b) and abs(a - b) <= relative * max(abs(a), abs(b))


def differences(page, source: str, ops: list[Op]) -> list[str]:
    """Where JavaScript and the engine do not agree."""
    cases = [[op.name, bool(op.arity), [[repr(x) for x in point] for point in points_of(op)]] for op in ops]
    results = json.loads(page.evaluate(EVALUATE, json.dumps([source, cases])))
    found = []
    for op, of_op in zip(ops, results):
        for point, result in zip(points_of(op), of_op):
            expected, actual = in_python(op, point), [float(x) for x in result]
            if len(expected) != len(actual) or not all(map(agree, expected, actual)):
                found.append(f"{op.name}{point}: {expected} in Python, {actual} in JavaScript")
    return found


def test_every_operation_gives_the_same_numbers_in_javascript(page):
    """Forward and local derivatives of every row agree to 1e-12, at special values bit for bit in kind and sign."""
    assert differences(page, primitives() + functions(OPS), list(OPS.values())) == []


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("log2", "1.4426950408889634 / a", "1.44269505 / a"),
        ("pow", "return a === 1", "return false"),
        ("maximum", "a !== a ? a : b", "b"),
        ("erf", "a * a", "a * a * 1.0000000001"),
        ("sum", "v.length ? v.reduce((total, a) => total + a) : 0", "v.reduce((total, a) => total + a, 0)"),
    ],
)
def test_the_comparison_notices_a_planted_mistake(page, name, right, wrong):
    """A rule off by 1e-8, a special case left out, or a lost sign of zero is found."""
    source = primitives() + functions([name])
    assert right in source
    assert differences(page, source, [OPS[name]]) == []
    assert differences(page, source.replace(right, wrong), [OPS[name]])


def test_erf_is_exact_to_a_few_units_in_the_last_place(page):
    """erf, which JavaScript lacks, agrees with 50-digit arithmetic to 4 ulp from 1e-300 to the tail."""
    mpmath = pytest.importorskip("mpmath")
    xs = [1e-300, 1e-9, *(k / 64 for k in range(1, 420))]
    ys = page.evaluate("([source, xs]) => xs.map(new Function(source + '; return op_erf;')())", [primitives(), xs])
    with mpmath.workdps(50):
        exact = [mpmath.erf(mpmath.mpf(x)) for x in xs]
    assert max(abs(mpmath.mpf(y) - e) / math.ulp(float(e)) for y, e in zip(ys, exact)) <= 4


def expression(chance: random.Random, depth: int) -> str:
    """Any expression of the table's language, with all brackets."""
    if depth == 0:
        return chance.choice(["2", "0.5", "3.0", "a", "b", "y"])
    x, y, z, w = (expression(chance, chance.randrange(depth)) for _ in range(4))
    return chance.choice([
        f"({x} {chance.choice('+-*/')} {y})",
        f"(-{x})",
        f"({x} if {y} {chance.choice(['<', '<=', '>', '>=', '==', '!='])} {z} else {w})",
        f"abs({x})",
        f"maximum({x}, {y})",
    ])  # fmt: skip


@settings(max_examples=10)
@given(st.integers(0, 10**9))
def test_any_expression_of_the_language_means_the_same_in_javascript(page, seed):
    """Brackets fall where the precedence of JavaScript needs them: random expressions have the same value in both."""
    chance = random.Random(seed)
    # ast.unparse leaves out the brackets that Python does not need
    texts = [ast.unparse(ast.parse(expression(chance, 5), mode="eval")) for _ in range(50)]
    a, b, y = 1.25, -0.75, 0.3
    source = primitives() + functions(["abs", "maximum"])
    bodies = ", ".join(javascript(text) for text in texts)
    results = page.evaluate(
        "(source) => new Function(source)().map(String)",
        f"{source}; const [a, b, y] = [{a}, {b}, {y}]; return [{bodies}];",
    )
    for text, result in zip(texts, results):
        expected = compile_rule(text, ("a", "b", "y"), scalar)(a, b, y)
        assert agree(expected + 0.0, float(result.replace("Infinity", "inf"))), text


def test_only_what_is_needed_is_emitted():
    """A page carries the functions that its operations call, and no others."""
    source = functions(["softplus"])
    assert "function op_log1p" in source
    assert "function op_sigmoid" in source, "its rule calls sigmoid"
    assert "op_tan(" not in source


def test_an_operation_that_javascript_lacks_is_named(monkeypatch):
    """A new row whose forward the platform does not have is refused with the place where to write it."""
    monkeypatch.setitem(OPS, "gamma", Op("gamma", "Γ", "a", "gamma(a)", ("1",), (), "the gamma function"))
    with pytest.raises(NotImplementedError, match=r"op_gamma in viz/pages/primitives\.js"):
        functions(["gamma"])


def test_what_the_language_of_the_table_does_not_have_is_refused():
    """Subscripts, attributes, lambdas and the like raise a ValueError that shows the expression."""
    for text in ("a[0]", "a.b", "lambda: a", "a @ b"):
        with pytest.raises(ValueError, match="\n"):
            javascript(text)


def test_an_operand_that_was_not_chosen_has_no_derivative(page):
    """The rules of an operation that chooses give null for what it did not choose, and only there."""
    source = primitives() + functions(["where", "maximum", "relu", "clip", "mul", "gt"])
    found = page.evaluate(
        """(source) => {
            const OPS = new Function(source + "; return OPS;")();
            const at = (name, ...point) => OPS[name].rules.map((rule) => rule(...point, OPS[name].forward(...point)));
            return [at("where", 1, 2, 3), at("where", 0, 2, 3), at("maximum", 1, 2), at("maximum", 2, 2), at("relu", 0),
                    at("clip", 5, 0, 1), at("mul", 0, 2), at("gt", 1, 2)];
        }""",
        source,
    )
    assert found == [
        [None, 1, None],
        [None, None, 1],
        [None, 1],
        [0.5, 0.5],
        [None],
        [None, None, 1],
        [2, 0],
        [None, None],
    ]


def test_the_hand_written_functions_are_all_used():
    """primitives.js holds nothing that the table does not call."""
    called = {name for op in OPS.values() for text in (op.forward, *op.rules) for name in module._calls(text)}
    assert {name.removesuffix("_rule") for name in module._by_hand()} <= called
