"""The graph as DOT text."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import graphviz
import pytest

import engine
from engine import OPS, Value
from viz import draw
from viz.colors import FUNCTION, INK, INNER, INPUT, KINDS, OUTPUT
from viz.graphs.dot import order_matters


def example():
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    c.label = "c"
    return a, b, c


def statements(graph: graphviz.Digraph, pattern: str) -> list[str]:
    return [line.strip() for line in graph.body if re.match(pattern, line.strip())]


def test_every_value_and_operation_is_drawn_once():
    """Values and operations are nodes; an edge runs from each parent to the operation, and one on to the result."""
    *_, c = example()
    graph = draw(c)
    assert isinstance(graph, graphviz.Digraph)
    assert len(statements(graph, r"v\d+ \[")) == 5
    assert len(statements(graph, r"o\d+ \[")) == 3
    assert len(statements(graph, r"v\d+ -> o\d+")) == 5
    assert len(statements(graph, r"o\d+ -> v\d+")) == 3
    assert "rankdir=LR" in graph.source


def test_values_show_label_data_and_gradient():
    """The gradient reads – before any backward pass, and its number after; zero is not the same as not yet."""
    a, _, c = example()
    assert draw(c).source.count('<td align="right">–</td>') == 5
    assert "<b>c</b>" in draw(c).source
    assert "−5.0360" in draw(c).source
    c.backward()
    assert "–</td>" not in draw(c).source
    assert "−2.9293" in draw(c).source
    a.zero_grad()
    assert '<td align="left">grad&#160; </td><td align="right">0.0000</td>' in draw(c).source


def test_edges_carry_local_derivatives():
    """An edge into an operation shows the local derivative for that operand: here b, a, 1 - tanh² and 1."""
    *_, c = example()
    labels = sorted(re.findall(r'v\d+ -> o\d+ \[label=" ([^"]*) "', draw(c).source))
    assert labels == sorted(["−3.0000", "2.0000", "0.0707", "1.0000", "1.0000"])


def test_the_edge_of_a_constant_shows_no_derivative():
    """c ** 2: the 2 is not a variable, and a number on its edge would not be a derivative. Its tooltip says so."""
    c = Value(3.0, label="c")
    source = draw(c**2).source
    labels = re.findall(r'v\d+ -> o\d+ \[label="([^"]*)"', source)
    assert labels == [" ① 6.0000 ", " ② "]
    assert "2 is a constant" in source


def test_the_same_operand_twice_is_two_edges():
    """x + x has two paths, whose derivatives add up; both are drawn."""
    x = Value(1.0)
    assert len(statements(draw(x + x), r"v0 -> o1 ")) == 2


@pytest.mark.parametrize(
    ("make", "numbered"),
    [(lambda a, b: a + b, False), (lambda a, b: a * b, False), (lambda a, b: a - b, True), (lambda a, b: a / b, True),
     (lambda a, b: a**b, True), (lambda a, b: a.maximum(b), False), (lambda a, b: engine.where(a, a, b), True)],
)  # fmt: skip
def test_operands_are_numbered_where_their_order_matters(make, numbered):
    """In a - b one must see which is which; in a + b numbers would be noise."""
    assert ("①" in draw(make(Value(1.5), Value(0.5))).source) == numbered


def test_order_matters_is_known_for_every_operation():
    """The question is decided by the table's own arithmetic, and answered the way algebra knows it."""
    commutative = {"add", "mul", "maximum", "minimum", "hypot", "logaddexp", "eq", "ne"}
    binary = {name for name, op in OPS.items() if op.arity == 2}
    assert {name for name in binary if not order_matters(name)} == commutative


def test_the_lectures_colours_and_a_second_sign():
    """Inputs, inner results, outputs, operations and constants differ in colour, and in outline or shape as well."""
    *_, c = example()
    source = draw(c * 2).source
    assert (FUNCTION, INPUT, INNER, OUTPUT) == ("#74b9ff", "#fdefc4", "#55efc4", "#ff7675")
    for colour in (FUNCTION, INPUT, INNER, OUTPUT):
        assert f'fillcolor="{colour}"' in source
    outlines = [(kind["style"].replace("filled", ""), kind.get("peripheries")) for kind in KINDS.values()]
    assert len(set(outlines)) == len(outlines)
    assert "shape=circle" in source
    assert 'style="rounded,dashed"' in source


def luminance(colour: str) -> float:
    channels = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [FUNCTION, INPUT, INNER, OUTPUT])
def test_text_is_legible_on_every_colour(colour):
    """The contrast of text with its box is at least 4.5:1, by the formula of WCAG 2."""
    assert (luminance(colour) + 0.05) / (luminance(INK) + 0.05) >= 4.5


def test_several_outputs():
    """Two outputs share what they have in common, and both are drawn as outputs."""
    a = Value(1.0)
    source = draw(a * 2, a * 3).source
    assert source.count('class="value output"') == 2
    assert source.count('class="value input"') == 1


def test_a_leaf_alone_is_a_picture():
    """A value that depends on nothing is drawn as the one box that it is."""
    assert len(statements(draw(Value(1.0)), r"v0 \[")) == 1


def test_parameters_get_their_names_from_the_model():
    """With ``model=`` the leaves are called as in named_parameters()."""
    from nn import Neuron

    neuron = Neuron(2)
    neuron.weights[0].label = ""
    assert "<b>w1</b>" in draw(neuron([1.0, 2.0]), model=neuron).source


def test_no_label_becomes_a_node_id_a_file_name_or_a_link():
    """Node ids are numbers, the file name is fixed, and no attribute makes a link."""
    x = Value(1.0, label='../../evil" URL="javascript:alert(1)')
    y = x * 2
    y.label = "/etc/passwd"
    graph = draw(y)
    assert graph.filename == "graph.gv"
    assert graph.name == "graph"
    for line in graph.body:
        assert re.match(r"(v\d+|o\d+)( ->|\b)|node|edge|label|bgcolor|[a-z]+=|$", line.strip())
    unquoted = re.sub(r'"(\\.|[^"\\])*"|<<table.*?</table>>', "", graph.source)
    assert not re.search(r"url|href|target", unquoted, re.IGNORECASE)


@pytest.mark.parametrize("hash_seed", ["0", "1", "31337"])
def test_the_text_is_the_same_in_every_process(hash_seed):
    """Neither ids nor order depend on Python's hash seed or on addresses."""
    program = (
        "from engine import Value; from viz import draw\n"
        "from nn import MLP, binary_cross_entropy\n"
        "import hashlib\n"
        "J = binary_cross_entropy(MLP(2, [3, 1], seed=1)([0.5, -1.0]), 1.0)\n"
        "J.backward()\n"
        "text = ''.join(draw(J, detail=d).source for d in ('full', 'neuron', 'layer'))\n"
        "print(hashlib.sha256(text.encode()).hexdigest())\n"
    )

    def digest(seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert digest(hash_seed) == digest("42")


@pytest.mark.parametrize("wrong", [1.0, "a", None, [Value(1.0)]])
def test_only_values_are_drawn(wrong):
    """Anything else is named in the error."""
    with pytest.raises(TypeError, match=f"draw takes Values, got {type(wrong).__name__}"):
        draw(wrong)


def test_nothing_is_not_drawn():
    """draw() without a value says what is missing."""
    with pytest.raises(TypeError, match="at least one Value"):
        draw()
