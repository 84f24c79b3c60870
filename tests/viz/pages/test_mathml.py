"""The expressions of the table as MathML."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from engine.ops import OPS
from viz.pages.mathml import mathml, operation, rules


def said(markup: str) -> str:
    """MathML as a line of text: fractions with /, powers with ^, all operands in brackets."""

    def read(element: ElementTree.Element) -> str:
        children = [read(child) for child in element]
        match element.tag:
            case "mfrac":
                return f"[{children[0]}/{children[1]}]"
            case "msup":
                return f"{children[0]}^{children[1]}"
            case "msqrt":
                return f"√[{''.join(children)}]"
        return (element.text or "") + "".join(children)

    return read(ElementTree.fromstring(f"<math>{markup}</math>"))


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("y * (1 - y)", "y(1−y)"),
        ("1 - y * y", "1−y^2"),
        ("-y * y", "−y^2"),
        ("1 / (3 * y * y)", "[1/3·y^2]"),
        ("-(y / b)", "−[y/b]"),
        ("a - (b - c)", "a−(b−c)"),
        ("(a + b) * (a + b)", "(a+b)^2"),
        ("exp(-0.5 * a * a)", "e^−0.5·a^2"),
        ("y * 0.6931471805599453", "y·ln2"),
        ("1.0 if a > 0 else b", "1\u00a0if\u00a0a>0, else\u00a0b"),
        ("sigmoid(a) - b", "σ(a)−b"),
        ("b * pow(a, b - 1)", "b·a^b−1"),
        ("sqrt((1 - a) * (1 + a))", "√[(1−a)(1+a)]"),
        ("1 / n", "[1/n]"),
        ("a * (b + -c)", "a(b+(−c))"),
    ],
)
def test_formulas_read_like_a_textbook(expression, expected):
    """Products, squares, fractions, roots, named constants and conditions are written as one writes them by hand."""
    assert said(mathml(expression)) == expected


@pytest.mark.parametrize("name", OPS)
def test_every_row_can_be_shown(name):
    """Each operation has well-formed MathML for itself and for each rule, with its arguments as names in it."""
    op = OPS[name]
    texts = rules(op)
    assert len(texts) == len(op.rules)
    for text in [*texts, operation(op)]:
        ElementTree.fromstring(f"<math>{text}</math>")
    named = re.findall("<mi>([abc])</mi>", operation(op))
    assert sorted(set(named)) == sorted(op.arguments)


def test_what_has_no_formula_is_refused():
    """A subscript raises a ValueError that shows the expression."""
    with pytest.raises(ValueError, match=r"a\[0\]"):
        mathml("a[0]")
