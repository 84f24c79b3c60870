"""Expressions as people type them: what they mean, and what the errors say."""

from __future__ import annotations

import ast
import math
import operator
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import OPS, Value, toposort
from engine.expressions import DEPTH
from engine.ieee import scalar
from viz.expression import ExpressionError, evaluate, number

VALUES = {"a": 2.0, "b": -3.0, "c": 0.5}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a*b + tanh(c)", 2 * -3 + math.tanh(0.5)),
        ("a - b - c", 2 + 3 - 0.5),
        ("a / b * c", 2 / -3 * 0.5),
        ("-a**2", -4.0),
        ("2**-c**2", 2 ** -(0.5**2)),
        ("2**3**c", 2 ** (3**0.5)),
        ("(a + b) * c", -0.5),
        ("--a + +b", -1.0),
        (".5 + 1. + 1e-1 + 2E+1", 21.6),
        ("maximum(a, b) + minimum(a, b)", -1.0),
        ("clip(b, -1)", -1.0),
        ("sum(a, b, c) + sum([a, b, c])", -1.0),
        ("mean(a, b)", -0.5),
        ("dot([a, b], [c, 2], 1)", 2 * 0.5 - 3 * 2 + 1),
        ("where(gt(a, b), a, b)", 2.0),
        ("leaky_relu(b)", -0.03),
        ("a > b", 1.0),
        ("b if a < b else c", 0.5),
        (" a\n +\tb ", -1.0),
        ("sin(pi / 2) * log(e) * a", 2.0),
        ("3", 3.0),
    ],
)
def test_arithmetic_means_what_it_means_in_python(text, expected):
    """Precedence, associativity, signs, powers and calls: the value is the one of the same arithmetic in Python."""
    tree = ast.parse(" ".join(text.split()), mode="eval")
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - {"pi", "e"}
    used = {name: x for name, x in VALUES.items() if name in names}
    output, leaves = evaluate(text, used)
    assert output.data == pytest.approx(expected, rel=1e-15)
    assert list(leaves) == list(used)


def expressions():
    """Random expressions over a, b and c, as text that Python reads the same way."""
    leaf = st.sampled_from(["a", "b", "c", "2", "0.5", "1e-1"])

    def larger(smaller):
        return st.one_of(
            st.tuples(smaller, st.sampled_from([" + ", "-", "*", " / "]), smaller).map("".join),
            smaller.map(lambda x: f"({x})"),
            smaller.map(lambda x: f"-{x}"),
            st.tuples(st.sampled_from(["tanh", "sin", "exp"]), smaller).map(lambda x: f"{x[0]}({x[1]})"),
        )

    return st.recursive(leaf, larger, max_leaves=12)


@given(expressions())
@settings(max_examples=100)
def test_any_expression_has_the_value_that_python_gives_it(text):
    """Python's own parser, with the same scalar functions, is the witness for structure and precedence."""
    operators = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul}

    def value(node):
        if isinstance(node, ast.BinOp):
            left, right = value(node.left), value(node.right)
            return scalar["div"](left, right) if isinstance(node.op, ast.Div) else operators[type(node.op)](left, right)
        if isinstance(node, ast.UnaryOp):
            return -value(node.operand)
        if isinstance(node, ast.Call):
            return scalar[node.func.id](value(node.args[0]))
        return VALUES[node.id] if isinstance(node, ast.Name) else float(node.value)

    tree = ast.parse(text, mode="eval").body
    names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    output, _ = evaluate(text, {name: x for name, x in VALUES.items() if name in names})
    expected = value(tree)
    assert output.data == expected or (math.isnan(output.data) and math.isnan(expected))


def test_every_operation_of_the_table_can_be_called():
    """Each name of the table is a function of the language, with as many arguments as its row says."""
    for name, op in OPS.items():
        arguments = "[a], [b]" if name == "dot" else ", ".join(["a", "b", "c"][: op.arity or 2])
        used = {x: VALUES[x] for x in "abc" if x in arguments}
        output, _ = evaluate(f"{name}({arguments})", used)
        assert output.op is op


def test_nodes_are_labelled_with_their_part_of_the_text():
    """Leaves have their names, and intermediate nodes the text that they were read from."""
    output, leaves = evaluate("a*b + tanh( c )", VALUES)
    assert output.label == "a*b + tanh( c )"
    assert [parent.label for parent in output.parents] == ["a*b", "tanh( c )"]
    assert all(leaf.label == name for name, leaf in leaves.items())
    product, _ = evaluate("(a + b) * c", VALUES)
    assert product.parents[0].label == "a + b"


def test_a_name_is_one_leaf():
    """Where a name occurs twice both places are the same Value, so that its gradient adds up: (a*a)' = 2a."""
    output, leaves = evaluate("a*a", {"a": 3.0})
    output.backward()
    assert leaves["a"].grad == 6.0
    assert sum(not node.is_constant and node.is_leaf for node in toposort(output)) == 1


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a*b + tnah(c)", "tnah", "did you mean tanh"),
        ("a + d", "d", "d has no value: add d=NUMBER"),
        ("tanh", "tanh", "tanh is a function: write tanh(...)"),
        ("a **", "", "expected a number, a name or '(', found the end"),
        ("(a + b", "", "expected ')' to close the parenthesis, found the end"),
        ("a + b)", ")", "expected an operator or the end, found ')'"),
        ("2a", "2a", "a product is written 2*a"),
        ("a b", "b", "a product is written with *"),
        ("a ^ b", "^", "a power is written **"),
        ("a = 2", "=", "give values beside the expression"),
        ("1.2.3", "1.2.3", "1.2.3 is not a number"),
        ("tanh(a, b)", "tanh", "tanh takes 1 argument, got 2"),
        ("clip(a, b, c, a)", "clip", "clip takes 1 to 3 arguments, got 4"),
        ("tanh()", ")", "expected a number"),
        ("tanh([a])", "tanh", "tanh takes no list"),
        ("dot(a, b)", "dot", "two lists"),
        ("dot([a], [b, c])", "dot", "1 weights and 2 inputs"),
        ("mean([a], b)", "mean", "one list or several values"),
        ("[a]", "[", "expected a number, a name or '('"),
        ("", "", "the expression is empty"),
        ("   ", "", "the expression is empty"),
        ("a.real", ".", "unexpected '.'"),
        ("a; b", ";", "unexpected ';'"),
        ("__import__(a)", "__import__", "unknown function"),
        ("a < b < c", "a < b < c", "one comparison at a time"),
        ("a if b", "a if b", "expected else"),
        ("lambda: a", ":", "unexpected ':'"),
        ("'a'", "'", "unexpected"),
        ("a\x00", "\x00", "unexpected"),
        ("(" * 2000, "(", f"nested more than {DEPTH} deep"),
        ("-" * 2000 + "a", "-" * 60, f"nested more than {DEPTH} deep"),
        ("tanh(" * 2000, "(", f"nested more than {DEPTH} deep"),
        ("a**" * 2000 + "a", "a", f"nested more than {DEPTH} deep"),
    ],
)
def test_errors_name_the_mistake_and_point_at_it(text, place, says):
    """The message says what is wrong and what to do, and the caret stands under the place."""
    with pytest.raises(ExpressionError) as error:
        evaluate(text, VALUES)
    message, shown, carets = str(error.value).split("\n")
    assert says in message
    start = carets.index("^")
    under = shown[start : start + carets.count("^")]
    assert under.strip() == (place if place.isprintable() else "")


def test_a_value_without_a_name_in_the_expression_is_a_mistake():
    """A name that is given but not used is a typing mistake more often than not."""
    with pytest.raises(ExpressionError, match="b: a value is given, but the expression has no such name"):
        evaluate("a", {"a": 1.0, "b": 2.0})


@given(st.text(alphabet="ab2.+-*/()[], tanhsumdot'\"\\;=_e\n", max_size=30))
@settings(max_examples=200)
def test_no_text_does_anything_but_give_a_value_or_an_error(text):
    """Whatever is typed, the parser ends with a Value or an ExpressionError."""
    try:
        result = evaluate(text, {})[0]
    except ExpressionError as error:
        result = error
    assert isinstance(result, Value) or str(result).count("\n") == 2


def test_pi_and_e_are_constants_unless_they_are_given():
    """They need no value and get no gradient; e=2 makes e a name like any other."""
    output, leaves = evaluate("pi * e * a", {"a": 1.0})
    assert output.data == pytest.approx(math.pi * math.e, rel=1e-15)
    assert list(leaves) == ["a"]
    assert sum(node.is_constant for node in toposort(output)) == 2
    output, leaves = evaluate("e * e", {"e": 3.0})
    output.backward()
    assert (output.data, leaves["e"].grad) == (9.0, 6.0)


@pytest.mark.parametrize(
    ("text", "x"),
    [("2", 2.0), ("-1e-3", -1e-3), ("1/2", 0.5), ("2*pi", 2 * math.pi), ("-inf", -math.inf), ("sqrt(2)", 2**0.5),
     (" 1_000 ", 1000.0)],
)  # fmt: skip
def test_a_value_may_be_written_as_an_expression(text, x):
    """a=1/2 means what it says; so do constants and functions of them."""
    assert number(text) == x


@pytest.mark.parametrize("text", ["", "x", "1/", "1e400", "a=1", "2 3", "[1]"])
def test_what_is_not_a_number_is_refused(text):
    """Names have no value here, and 1e400 is not quietly made infinite."""
    with pytest.raises(ExpressionError):
        number(text)


def test_labels_of_a_long_expression_stay_short():
    """The labels of 20,000 nodes, of which each stands for a longer part of the text, take linear space in all."""
    output, _ = evaluate("+".join(["a"] * 20_000), {"a": 1.0})
    assert sum(len(node.label) for node in toposort(output)) < 20_000 * 200
    assert re.fullmatch(r"a\+a\+.*…[a+]*\+a", output.label)


def test_a_long_expression_is_no_problem():
    """Length is not depth: a sum of ten thousand terms is read in a loop."""
    output, leaves = evaluate("+".join(["a"] * 10_000), {"a": 1.0})
    output.backward()
    assert (output.data, leaves["a"].grad) == (10_000.0, 10_000.0)
