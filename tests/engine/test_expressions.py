"""The language of the table: read, evaluated and printed, with Python itself as the witness."""

from __future__ import annotations

import ctypes
import math
import random
import shutil
import subprocess

import pytest

from engine import OPS
from engine.expressions import (
    DEPTH,
    C,
    Call,
    ExpressionError,
    JavaScript,
    Number,
    Python,
    evaluate,
    function,
    names,
    operations,
    parse,
    rule,
    walk,
)
from engine.ieee import scalar

TABLE = sorted({text for op in OPS.values() for text in (op.forward, *op.rules)})
POINTS = [0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 3.0, 710.0, 1e-9, -1e300, math.inf, -math.inf, math.nan]


def same(x, y):
    return x == y or (math.isnan(x) and math.isnan(y))


N_ARY = {name for name, op in OPS.items() if not op.arity}  # their functions take lists
RULES = [
    text for text in TABLE if not ({"n", "w", "x", "rest"} & {*names(rule(text))} or N_ARY & {*operations(rule(text))})
]


@pytest.mark.parametrize("text", RULES)
def test_an_expression_means_what_it_means_in_python(text):
    """Read, evaluated on floats, and printed as Python and evaluated again: the value is that of the text itself."""
    draw, tree = random.Random(text), parse(text)
    for _ in range(200):
        values = {name: draw.choice([*POINTS, draw.uniform(-3, 3)]) for name in "abcy"}
        try:
            expected = float(eval(text, dict(scalar), values))
        except (ZeroDivisionError, OverflowError):
            expected = None  # where Python raises, the algebra of IEEE floats does not
        found = evaluate(tree, scalar, values)
        if expected is not None:
            assert same(found, expected), values
            assert same(float(eval(Python().text(tree), dict(scalar), values)), expected)
        assert same(found, function(text, ("a", "b", "c", "y"), scalar)(*values.values()))


def test_precedence_is_pythons():
    """Signs, powers, products and conditions bind as Python binds them, and print with no needless parentheses."""
    for text in ["-2**2", "2**-1", "2**3**2", "(2**3)**2", "1-2-3", "1-(2-3)", "8/4/2", "8/(4/2)", "-(2+3)*4",
                 "2*-3", "1 if 2>3 else 4 if 5<6 else 7", "(1 if 2>3 else 4)*5",
                 "-(1 if 0>1 else 2)", "1e-3-2"]:  # fmt: skip
        assert evaluate(parse(text), scalar, {}) == float(eval(text)), text
        assert repr(parse(Python().text(parse(text)))) == repr(parse(text)), text
    assert Python().text(parse("((a*b))+(c)")) == "a * b + c"
    assert Python().text(parse("a-(b-c)")) == "a - (b - c)"


def test_places_are_characters():
    """Every node knows its place in the text, in characters also where the text is not ASCII."""
    text = "  β*tanh( ñ + 2 )\n- x "
    found = {text[node.start : node.end] for node in walk(parse(text))}
    assert found == {"β", "ñ", "2", "ñ + 2", "tanh( ñ + 2 )", "β*tanh( ñ + 2 )", "x", "β*tanh( ñ + 2 )\n- x"}
    assert names(parse(text)) == ["β", "ñ", "x"]
    assert operations(parse(text)) == ["add", "tanh", "mul", "sub"]


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        ("a **", "", "expected a number, a name or '(', found the end"),
        ("(a + b", "", "expected ')' to close the parenthesis, found the end"),
        ("a + b)", ")", "expected an operator or the end, found ')'"),
        ("2a", "2a", "a product is written 2*a"),
        ("1 + 2ab - a", "2ab", "2ab is not a number: a product is written 2*ab"),
        ("a b", "b", "a product is written with *"),
        ("a b == 2", "b", "a product is written with *"),
        ("a ^ b", "^", "a power is written **"),
        ("a = 2", "=", "give values beside the expression"),
        ("a < b < c", "a < b < c", "one comparison at a time"),
        ("a and b", "a and b", "write where(condition, a, b)"),
        ("1.2.3", "1.2.3", "1.2.3 is not a number"),
        ("1e999", "1e999", "more than a float holds"),
        ("tanh()", ")", "expected a number"),
        ("f(x=2)", "f(x=2)", "without names"),
        ("[a]", "[", "expected a number, a name or '('"),
        ("", "", "the expression is empty"),
        ("   ", "", "the expression is empty"),
        ("a.real", ".", "unexpected '.'"),
        ("a[0]", "a[0]", "expected numbers, names"),
        ("'a'", "'", "unexpected"),
        ("a\x00", "\x00", "unexpected"),
        ("a if b", "a if b", "expected else"),
        ("(" * 2000, "(", f"nested more than {DEPTH} deep"),
        ("tanh(" * 2000, "(", f"nested more than {DEPTH} deep"),
        ("a**" * 200 + "a", None, f"nested more than {DEPTH} deep"),
        ("a + " * 300_000 + "a", None, "the limit"),
        # In the middle of a text: no more is marked than the mistake.
        ("a + b) * c", ")", "expected an operator or the end, found ')'"),
        ("a] + b", "]", "expected an operator or the end, found ']'"),
        ("a + tanh() - b", ")", "expected a number, a name or '(', found ')'"),
        ("b + [a] - b", "[", "expected a number, a name or '(', found '['"),
        ("a - a.real + b", ".", "unexpected '.'"),
        ("a + * b + c", "*", "expected a number, a name or '(', found '*'"),
        ("a + b c - a", "c", "found 'c' (a product is written with *)"),
        ("a + True * b", "True", "True is not a number"),
        ("a + 1e999 - b", "1e999", "more than a float holds"),
        ("a - (b, c) + a", "(b, c)", "found several"),
        ("b + a[0] - 1", "a[0]", "expected numbers, names"),
        ("a + 2(b + c) - a", "2(b + c)", "expected an operator, found '('"),
        ("a + (b if c) - a", "b if c", "expected else"),
    ],
)  # fmt: skip
def test_errors_name_the_mistake_and_point_at_it(text, place, says):
    """The message says what is wrong and what to do, and the caret stands under the place."""
    with pytest.raises(ExpressionError) as error:
        parse(text)
    message, shown, carets = str(error.value).split("\n")
    assert says in message
    assert len(message) < 200
    assert len(shown) < 200
    start = carets.index("^")
    under = shown[start : start + carets.count("^")]
    if place is not None:
        assert under.strip() == (place if place.isprintable() else "")


def test_length_is_not_depth():
    """A sum of 20,000 terms is read, where Python's own parser takes some thousands, and evaluated."""
    terms = ["a", "1e-5", "b*2", "(a-b)", "-c"]
    text = " + ".join(terms * 4000).replace("+ (", "- (")
    tree = parse(text)
    values = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert evaluate(tree, scalar, values) == pytest.approx(4000 * (1 + 1e-5 + 4 + 1 - 3))
    assert isinstance(tree, Call)


@pytest.mark.parametrize("terms", [3, DEPTH + 2, 5 * DEPTH])
def test_terms_are_no_depth_and_parentheses_are(terms):
    """However many terms, a sum is not nested, and each partial sum knows its place; parentheses around each nest."""
    text = " + ".join(["a"] * terms)
    tree = parse(text)
    assert evaluate(tree, scalar, {"a": 1.0}) == terms
    for k in range(terms, 1, -1):
        assert text[tree.start : tree.end] == " + ".join(["a"] * k)
        tree = tree.operands[0]
    around = "(" * (terms - 1) + "a" + " + a)" * (terms - 1)
    if terms <= DEPTH:
        assert repr(parse(around)) == repr(parse(text))
    else:
        with pytest.raises(ExpressionError, match=f"nested more than {DEPTH} deep"):
            parse(around)


@pytest.mark.deep  # Pyodide's parser is given more room, and finds no end
def test_depth_is_refused():
    """A product of 20,000 factors nests as deep: more than can be read, and that is said, and where in a sum it is."""
    product = "*".join(["a"] * 20_000)
    for text, start in ((product, 0), (f"a + b - {product}", 8)):
        with pytest.raises(ExpressionError, match="nested too deep") as error:
            parse(text)
        assert error.value.start == start


def test_evaluate_tells_what_it_made():
    """The callback gets each result with its node, so that it can be labelled with its part of the text."""
    text, made = "a*b + 1", []
    evaluate(
        parse(text), scalar, {"a": 2.0, "b": 3.0}, made=lambda x, node: made.append((x, text[node.start : node.end]))
    )
    assert made == [(6.0, "a*b"), (7.0, "a*b + 1")]


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_c_computes_the_same(tmp_path):
    """Expressions printed as C, compiled, give the numbers that Python gives."""
    texts = ["a - (b - a)", "-(a + b) * a", "a / b / a", "(a if a > b else b) * 2", "1.0 if a == b else -1e-3", "a > b",
             "abs(a) + exp(-b)", "pow(a, 2)", "tanh(a) if a else b"]  # fmt: skip
    lines = [f"double f{k}(double a, double b) {{ return {C().text(parse(text))}; }}" for k, text in enumerate(texts)]
    (tmp_path / "f.c").write_text("#include <math.h>\n" + "\n".join(lines))
    subprocess.run(["cc", "-shared", "-fPIC", "-o", tmp_path / "f.so", tmp_path / "f.c", "-lm"], check=True)
    library = ctypes.CDLL(str(tmp_path / "f.so"))
    for k, text in enumerate(texts):
        compiled = getattr(library, f"f{k}")
        compiled.restype, compiled.argtypes = ctypes.c_double, [ctypes.c_double] * 2
        for a, b in [(1.5, -0.5), (0.5, 2.0), (-3.0, -3.0)]:
            assert compiled(a, b) == pytest.approx(evaluate(parse(text), scalar, {"a": a, "b": b}), rel=1e-15), text


def test_javascript():
    """JavaScript is written as people write it."""
    assert JavaScript().text(parse("a if a != b else -tanh(b) / 2")) == "a !== b ? a : -op_tanh(b) / 2"
    assert JavaScript().calls(parse("a if a > 0 else pow(b, 2) + exp(a)")) == ["pow", "exp"]
    numbers = [JavaScript().text(Number(x)) for x in (2.0, 0.5, -0.0, 1e15, math.inf, -math.inf, math.nan)]
    assert numbers == ["2", "0.5", "-0.0", "1000000000000000.0", "Infinity", "-Infinity", "NaN"]


def test_a_list_takes_the_items_of_another():
    """[y, *rest] is Python's, in evaluation and in print."""
    tree = parse("sum([a, *rest, 2])")
    assert evaluate(tree, scalar, {"a": 1.0, "rest": [3.0, 4.0]}) == 10.0
    assert Python().text(tree) == "sum([a, *rest, 2.0])"
    assert JavaScript().text(tree) == "op_sum([a, ...rest, 2])"
    assert names(tree) == ["a", "rest"]


REFUSED = {
    "a b": "expected an operator or the end, found 'b' (a product is written with *)", "a.b": "unexpected '.'",
    "a and b": "and, or and not are not part", "not a": "and, or and not are not part",
    "f(a)(b)": "expected an operator, found '('", "[a]": "found '['", "a, b": "expected one expression, found several",
    "True": "True is not a number", "'x'": "unexpected", "1e999": "more than a float holds",
    "9" * 400: "more than a float holds", "a = 2": "a comparison is written ==", "a ^ b": "a power is written **",
    "a // b": "unexpected '//'", "a & b": "unexpected '&'", "2a": "2a is not a number: a product is written 2*a",
    "1.2.3": "1.2.3 is not a number", "07": "07 is not a number", "a if b": "expected else",
    "a if b else": "found the end", "(a": "expected ')' to close", "sum([a": "expected ']' to close", "": "is empty",
    ")a": "expected an operator or the end, found ')'", "a < b < c": "one comparison at a time",
    "a[0]": "expected numbers, names", "*a": "found '*'", "sin(a b)": "found 'b'", "sin()": "found ')'",
    "sin(x=a)": "by place", "~a": "unexpected '~'", "1j": "1j is not a number", "a # b": "unexpected '#'",
    "(" * 200 + "a" + ")" * 200: f"nested more than {DEPTH} deep", "...": "is not a number",
    "+".join(["a"] * 3000) + "+" + "(" * 200 + "a" + ")" * 200: f"nested more than {DEPTH} deep",
}  # fmt: skip


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:20])
def test_what_is_no_expression_is_refused_where_it_goes_wrong(text):
    """The message says what was expected and what was found, and the place lies in the text or at its end."""
    with pytest.raises(ExpressionError) as error:
        parse(text)
    assert REFUSED[text] in str(error.value).splitlines()[0]
    picture = str(error.value).splitlines()
    if text:
        assert set(picture[-1].strip()) == {"^"}
        assert all(len(line) < 200 for line in picture)


def test_a_condition_around_a_long_sum_is_the_whole_sum_or_refused():
    """Whether Python's parser takes 3,000 terms depends on its stack; the last term alone is never what is chosen."""
    try:
        tree, refusal = parse("+".join(["a"] * 3000) + "+b if b else a"), ""
    except ExpressionError as error:
        tree, refusal = None, str(error)
    if tree is None:
        assert "put the condition in parentheses" in refusal
    else:
        assert [evaluate(tree, scalar, {"a": 1.0, "b": b}) for b in (2.0, 0.0)] == [3002.0, 1.0]


def test_numbers_may_be_written_as_in_python():
    """Underscores and hexadecimal digits; signs in front of a number belong to it, before a name they negate."""
    assert [parse(text).value for text in ("1_000", "0x10", "-2.5", "+3", "--4")] == [1000.0, 16.0, -2.5, 3.0, 4.0]
    assert repr(parse("-a")) == "<Call neg(a)>"
    assert repr(parse("+a")) == "<Name a>"
