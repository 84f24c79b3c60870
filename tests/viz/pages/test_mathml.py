"""The formulas of pages: MathML from the LaTeX of the table's rules."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from opening import squeezed

from engine import Value
from engine.ops import OPS
from nn import MLP, binary_cross_entropy
from viz import latex
from viz.pages.mathml import mathml, template
from viz.tex import Tex, derivative, operation


def said(markup: str) -> str:
    """MathML as a line of text: fractions with /, powers with ^, roots and cases by signs."""

    def read(element: ElementTree.Element) -> str:
        children = [read(child) for child in element]
        match element.tag:
            case "mfrac":
                return f"[{children[0]}/{children[1]}]"
            case "msup":
                return f"{children[0]}^{children[1]}"
            case "msqrt":
                return f"√[{''.join(children)}]"
            case "mtr":
                return "".join(children) + "; "
        return (element.text or "") + "".join(children)

    return read(ElementTree.fromstring(f"<math>{markup}</math>")).replace("\u00a0", " ")


def known(op: str) -> dict[str, Tex]:
    return {letter: Tex(letter) for letter in (*(OPS[op].arguments or ("a", "n", "w", "x")), "y")}


@pytest.mark.parametrize(
    ("op", "k", "expected"),
    [
        ("sigmoid", 0, "y(1−y)"),
        ("tanh", 0, "1−y^2"),
        ("reciprocal", 0, "−y^2"),
        ("cbrt", 0, "[1/3·y^2]"),
        ("div", 1, "−[y/b]"),
        ("gelu", 0, "[1/2](1+erf(a·[1/√[2]]))+a·e^−[1/2]·a^2·[1/√[2π]]"),
        ("exp2", 0, "y·ln2"),
        ("leaky_relu", 0, "{1if a>0; botherwise; "),
        ("clip", 0, "{0if a>c; 0if b>c; 0if a<b; 1otherwise; "),
        ("bce_with_logits", 0, "σ(a)−b"),
        ("pow", 0, "b·a^b−1"),
        ("asin", 0, "[1/√[1−a^2]]"),
        ("mean", 0, "[1/n]"),
        ("mod", 1, "−⌊[a/b]⌋"),
    ],
)
def test_rules_read_like_a_textbook(op, k, expected):
    """Products, squares, fractions, roots, named constants and cases are written as one writes them by hand."""
    assert said(template(derivative(op, k, known(op)).text)) == expected


@pytest.mark.parametrize("op", OPS)
def test_every_row_can_be_shown(op):
    """Each operation has well-formed MathML for itself and for each rule, with its arguments as names in it."""
    for k in range(len(OPS[op].rules)):
        ElementTree.fromstring(f"<math>{template(derivative(op, k, known(op)).text)}</math>")
    if OPS[op].arity:
        written = template(operation(op)(*map(Tex, OPS[op].arguments)).text)
        ElementTree.fromstring(f"<math>{written}</math>")
        assert {letter for letter in "abc" if f"<mi>{letter}</mi>" in written} == set(OPS[op].arguments)


def test_a_number_beside_a_number_has_a_sign_between():
    """Numbers take the places of letters in a page: 2a would be read as 23, and so products have their signs there."""
    assert said(template(r"2 \, a \, b")) == "2·a·b"
    assert said(mathml(r"2 \, a \, b")) == "2ab"
    assert said(template(r"a \, \left(1 - a\right)")) == "a(1−a)"
    assert "leaky relu" in said(template(operation("leaky_relu")(Tex("a"), Tex("b")).text))


def test_mathml_of_what_latex_writes():
    """Fractions, both scripts, roots, cases and Greek letters; every formula of a network's derivative."""
    assert mathml(r"\frac{a}{b}") == "<math><mfrac><mi>a</mi><mi>b</mi></mfrac></math>"
    assert mathml(r"w^{2}_{1,3}") == (
        "<math><msubsup><mi>w</mi><mrow><mn>1</mn><mo>,</mo><mn>3</mn></mrow><mn>2</mn></msubsup></math>"
    )
    assert mathml(r"\sqrt[3]{\alpha}") == "<math><mroot><mi>α</mi><mn>3</mn></mroot></math>"
    a, b = Value(1.0, label="a"), Value(2.0, label="b")
    cases = mathml(latex(a.maximum(b), wrt=a))
    assert cases.count("<mtr>") == 3
    loss = binary_cross_entropy(MLP(2, [2, 1], seed=0)([0.5, -1.0]), 1.0)
    assert "\\" not in mathml(latex(loss))


def test_a_rule_is_the_same_in_the_page_and_in_the_notebook(opened):
    """The page's caption of a step writes the rule that the table of a notebook writes, with the names of its graph."""
    a = Value(0.5, label="a")
    y = a.asin()
    y.label = "y"
    page = opened(y)
    page.fill("#step", "3")
    caption = squeezed(page.text_content("#caption"))
    assert squeezed("".join(ElementTree.fromstring(mathml(r"\frac{1}{\sqrt{1 - a^{2}}}")).itertext())) in caption
    page.fill("#step", "1")
    assert "arcsin(a)" in squeezed(page.text_content("#caption"))


def test_cases_are_one_line_where_there_is_one(opened):
    """On an edge of the picture cases are written after each other; in the caption beneath each other."""
    a = Value(2.0, label="a")
    y = a.relu()
    y.label = "y"
    page = opened(y)
    edges = page.evaluate("[...document.querySelectorAll('#picture text')].map((t) => t.textContent).join(' | ')")
    assert "relu′(a) = 1 if a > 0, else 0" in edges.replace("\u00a0", " ")
    page.fill("#step", "3")
    assert page.evaluate("document.querySelectorAll('#caption mtable').length") == 2


def test_an_exponent_needs_no_brackets(opened):
    """A negative number has brackets as a factor and as a base, and none as an exponent."""
    a, b = Value(-2.0, label="a"), Value(-3.0, label="b")
    y = a**b
    y.label = "y"
    page = opened(y)
    page.fill("#step", "1")
    assert "(−2.0000)−3.0000" in squeezed(page.text_content("#caption"))
