"""LaTeX of graphs: read back by a reader of its own, an expression and a derivative have the engine's numbers."""

from __future__ import annotations

import math
import random
import re

import pytest

from engine import OPS, Value, dot, grad, sigmoid, where
from engine.operations import FUNCTIONS
from nn import MLP, binary_cross_entropy
from viz import latex
from viz.tex import name, number

# A reader of the LaTeX that is written: recursive descent over its tokens, giving numbers.

TOKEN = re.compile(r"\\left\\lfloor|\\left\\lceil|\\left.|\\right\\rfloor|\\right\\rceil|\\right.|\\begin\{\w+\}|"
                   r"\\end\{\w+\}|\\\\|\\,|\\;|\\[A-Za-z]+|\d+\.?\d*|[A-Za-z]|\S")  # fmt: skip

FUNCTION = {
    r"\sin": math.sin, r"\cos": math.cos, r"\tan": math.tan, r"\sinh": math.sinh, r"\cosh": math.cosh,
    r"\tanh": math.tanh, r"\arcsin": math.asin, r"\arccos": math.acos, r"\arctan": math.atan, r"\ln": math.log,
    r"\sigma": lambda a: 1 / (1 + math.exp(-a)), r"\max": max, r"\min": min,
    "arsinh": math.asinh, "arcosh": math.acosh, "artanh": math.atanh, "atan2": math.atan2, "erf": math.erf,
    "erfc": math.erfc, "relu": lambda a: max(a, 0.0), "softplus": lambda a: math.log1p(math.exp(a)),
    "silu": lambda a: a / (1 + math.exp(-a)), "gelu": lambda a: a / 2 * (1 + math.erf(a / math.sqrt(2))),
    "leakyrelu": lambda a, b: a if a > 0 else a * b, "elu": lambda a, b: a if a > 0 else b * math.expm1(a),
    "clip": lambda a, low, high: min(max(a, low), high), "sign": lambda a: (a > 0) - (a < 0),
    "ties": lambda first, *others: others.count(first), "round": round, "log2": math.log2, "log10": math.log10,
}  # fmt: skip


class Reader:
    def __init__(self, text: str, names: dict[str, float]) -> None:
        self.tokens = [token for token in TOKEN.findall(text) if token not in (r"\,", r"\;")]
        self.names = names

    @property
    def next(self) -> str:
        return self.tokens[0] if self.tokens else ""

    def take(self, *expected: str) -> str:
        token = self.tokens.pop(0)
        assert not expected or token in expected, f"{token} where {expected} was expected"
        return token

    def comparison(self) -> float:
        left = self.sum()
        signs = {">": "gt", "<": "lt", r"\ge": "ge", r"\le": "le", "=": "eq", r"\ne": "ne"}
        if self.next in signs:
            return getattr(left, f"__{signs[self.take()]}__")(self.sum())
        return left

    def sum(self) -> float:
        value = -self.product() if self.next == "-" and self.take() else self.product()
        while self.next in ("+", "-"):
            value = value + self.product() if self.take() == "+" else value - self.product()
        return value

    def product(self) -> float:
        value = self.power()
        while self.next and (self.next in (r"\cdot", r"\times", r"\bmod") or self.begins_a_factor()):
            sign = self.take() if self.next in (r"\cdot", r"\times", r"\bmod") else ""
            value = value % self.power() if sign == r"\bmod" else value * self.power()
        return value

    def begins_a_factor(self) -> bool:
        return self.next not in ("+", "-", "}", "&", r"\\", ",", ">", "<", "=", r"\ge", r"\le", r"\ne", r"\cdots",
                                 ) and not self.next.startswith((r"\right", r"\end"))  # fmt: skip

    def group(self) -> float:
        self.take("{")
        value = self.comparison()
        self.take("}")
        return value

    def power(self) -> float:
        value = self.atom()
        if self.next == "^":
            self.take()
            value = value ** self.group()
        return value

    def atom(self) -> float:
        token = self.take()
        if token[0].isdigit():
            return float(token)
        if token in (r"\frac", r"\sqrt"):
            if token == r"\frac":
                return self.group() / self.group()
            if self.next == "[":
                self.take(), self.take("3"), self.take("]")
                return math.cbrt(self.group())
            return math.sqrt(self.group())
        if token.startswith(r"\left"):
            value = self.comparison()
            closing = self.take()
            assert closing.startswith(r"\right")
            if token == r"\left|":
                return abs(value)
            return math.floor(value) if "lfloor" in token else math.ceil(value) if "lceil" in token else value
        if token == r"\begin{cases}":
            return self.cases()
        if token == r"\log":
            self.take("_"), self.take("{")
            token = "log" + self.take()
            self.take("}")
        elif token == r"\operatorname":
            token = ""
            self.take("{")
            while self.next != "}":
                token += self.take()
            self.take()
        elif token == r"\pi":
            return math.pi
        elif token == "e":
            return math.e
        if token in FUNCTION:
            return self.applied(FUNCTION[token])
        if self.next == "_" and token.isalpha():
            self.take(), self.take("{")
            token += self.take()
            self.take("}")
        return self.names[token]

    def applied(self, function) -> float:
        exponent = 1.0
        if self.next == "^":
            self.take()
            exponent = self.group()
        if self.next != r"\left(":  # ln 2
            return function(self.power()) ** exponent
        self.take()
        arguments = [self.comparison()]
        while self.next == ",":
            self.take()
            arguments.append(self.comparison())
        self.take(r"\right)")
        return float(function(*arguments)) ** exponent

    def cases(self) -> float:
        found = None
        while True:
            value = self.comparison()
            self.take("&")
            word = ""
            self.take(r"\text"), self.take("{")
            while self.next != "}":
                word += self.take()
            self.take()
            holds = self.comparison() if word == "if" else True
            found = value if holds and found is None else found
            if self.take(r"\\", r"\end{cases}") != r"\\":
                return found


def read(text: str, names: dict[str, float]) -> float:
    reader = Reader(text, names)
    value = reader.comparison()
    assert not reader.tokens, reader.tokens
    return float(value)


def test_the_reader_sees_a_wrong_sign_and_a_wrong_grouping():
    """The check can fail: one sign, one parenthesis, one exponent otherwise, and the number is another."""
    names = {"a": 0.7, "b": -1.2}
    assert read(r"1 - \tanh^{2}\left(a\right)", names) == pytest.approx(1 - math.tanh(0.7) ** 2)
    assert read(r"a \, \left(1 - b\right)", names) != pytest.approx(read(r"a \, 1 - b", names))
    assert read(r"-\frac{a}{b}", names) == pytest.approx(0.7 / 1.2)


def operands(op, draw: random.Random) -> tuple[Value, list[Value]]:
    """The operation applied to leaves a, b, c inside its domain."""
    box = draw.choice(op.domains)
    leaves = [Value(draw.uniform(low, high), label) for (low, high), label in zip(box, "abcd")]
    if op.arity:
        return FUNCTIONS[op.name](*leaves), leaves
    return FUNCTIONS[op.name](*((leaves[:2], leaves[2:]) if op.name == "dot" else (leaves,))), leaves


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.domains], ids=lambda op: op.name)
def test_every_operation_reads_back(op):
    """The LaTeX of every operation and of each of its derivatives has, read back, the engine's numbers."""
    draw = random.Random(op.name)
    for _ in range(5):
        y, leaves = operands(op, draw)
        names = {leaf.label: leaf.data for leaf in leaves}
        assert read(latex(y), names) == pytest.approx(y.data, rel=1e-9, abs=1e-9)
        for leaf, expected in zip(leaves, grad(y, leaves)):
            left, _, right = latex(y, wrt=leaf).partition(" = ")
            assert left == rf"\frac{{\partial y}}{{\partial {leaf.label}}}"
            assert read(right, names) == pytest.approx(expected, rel=1e-5, abs=1e-9)


def test_operations_inside_each_other_read_back():
    """Random expressions, whose operands are sums, products, negatives and powers, keep their grouping."""
    draw = random.Random(5)
    for _ in range(300):
        leaves = [Value(draw.uniform(0.3, 2.0), label) for label in "abc"]
        nodes = list(leaves)
        for _ in range(5):
            p, q = draw.choice(nodes), draw.choice(nodes)
            kinds = [lambda p, q: p + q, lambda p, q: p - q, lambda p, q: p * q, lambda p, q: p / (q * q + 1),
                     lambda p, q: -p, lambda p, q: p**2, lambda p, q: p * -q, lambda p, q: (p * 0.25).tanh(),
                     lambda p, q: p * 3.0, lambda p, q: 2.0 - p, lambda p, q: p.maximum(q),
                     lambda p, q: (p * p + 1).log()]  # fmt: skip
            nodes.append(draw.choice(kinds)(p, q))
        y = nodes[-1]
        names = {leaf.label: leaf.data for leaf in leaves}
        text = latex(y)
        if "aligned" not in text:
            assert read(text, names) == pytest.approx(y.data, rel=1e-4, abs=1e-7), text


def test_the_example():
    """An expression in the labels of the leaves, and the derivative as a sum over two paths."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * b + a.tanh()
    c.label = "c"
    assert latex(c) == r"a \, b + \tanh\left(a\right)"
    rows = latex(c, wrt=a).splitlines()
    assert rows[1].count(r"\frac{\partial c}{\partial") == 3
    assert rows[2] == r"&= b + 1 - \tanh^{2}\left(a\right) \\"
    assert r"u_{1} = a \, b" in rows[3]
    assert latex(c)._repr_latex_() == rf"$\displaystyle {latex(c)}$"


def test_the_chain_of_the_lecture():
    """∂J/∂w¹ of a network is the lecture's product, in the lecture's names, and has the gradient's number."""
    model = MLP(1, [1, 1, 1], seed=3)
    loss = binary_cross_entropy(model([0.5]), 1.0)
    loss.label = "J"
    w = model.layers[0].neurons[0].weights[0]
    first, second = (row.split("&= ")[1] for row in latex(loss, wrt=w).splitlines()[1:3])
    assert re.findall(r"\\partial (\S+)\}\{\\partial (\S+)\}", first.replace("_{1}", "").replace("_{1,1}", "")) == [
        ("J", "a^{3}"), ("a^{3}", "z^{3}"), ("z^{3}", "a^{2}"), ("a^{2}", "z^{2}"), ("z^{2}", "a^{1}"),
        ("a^{1}", "z^{1}"), ("z^{1}", "w^{1}")]  # fmt: skip
    from engine import toposort

    numbers, text = {}, second.removesuffix(r" \\")
    for k, node in enumerate(sorted(toposort(loss), key=lambda node: -len(name(node.label).text))):
        if node.label:
            numbers[f"q_{k}"] = node.data
            text = text.replace(name(node.label).text, f"q_{{{k}}}")
    assert read(text, {key.replace("_", ""): v for key, v in numbers.items()}) == pytest.approx(grad(loss, w), rel=1e-9)


def test_many_paths_become_a_line_for_each_value():
    """Where there are more than a few paths, each value on the way has a line, from the output back."""
    x = Value(1.5, label="x")
    y = x
    for _ in range(5):
        y = y * y
    y.label = "y"
    rows = latex(y, wrt=x).splitlines()[1:-1]
    assert len(rows) == 5
    assert rows[-1].startswith(r"\frac{\partial y}{\partial x} &= \frac{\partial y}{\partial u_{1}} \, x + ")


def test_long_expressions_have_lines_for_what_is_named_or_shared():
    """A network is written layer by layer in the lecture's names, not as one line of nested sigmoids."""
    loss = binary_cross_entropy(MLP(2, [2, 1])([0.5, -1.0]), 1.0)
    loss.label = "J"
    rows = latex(loss).splitlines()
    assert rows[1] == r"z^{1}_{1} &= w^{1}_{1,1} \, x_{1} + w^{1}_{1,2} \, x_{2} + b^{1}_{1} \\"
    assert rows[-2] == r"J &= -\ln\left(a^{2}_{1}\right)"


def test_shared_values_do_not_multiply_the_text():
    """Doubling sixty times over is sixty lines, not 2**60 symbols."""
    y = Value(1.0, label="x")
    for _ in range(60):
        y = y + y
    assert len(latex(y)) < 3000


@pytest.mark.parametrize("label", ["$x$", "\\input{/etc/passwd}", "a_b^c", "50 %", "{", "}", "a & b", "#1", "x\n\\end",
                                   "~", "<script>", "\x00\x07", "‮abc", "$$", "\\"])  # fmt: skip
def test_a_label_cannot_be_a_command(label):
    """Hostile labels keep braces balanced and hold no command, dollar, comment or cell of their own."""
    a = Value(1.0, label=label)
    text = latex(a * 2)
    bare = re.sub(r"\\[{}$&#%_]", "", text)
    assert bare.count("{") == bare.count("}")
    assert not re.search(r"[$&#%~\x00-\x1f‮]", bare)
    commands = set(re.findall(r"\\([a-zA-Z]+)", text))
    assert commands <= {"text", "left", "right", "cdot", "backslash", "wedge", "sim", "grave", "prime", "mathit"}


def test_constants_and_zero_derivatives():
    """A node that the output does not depend on has the derivative 0, the output itself 1."""
    a, b = Value(2.0, label="a"), Value(3.0, label="b")
    y = a * 2
    assert latex(y, wrt=b) == r"\frac{\partial y}{\partial b} = 0"
    assert latex(y, wrt=y) == r"\frac{\partial y}{\partial y} = 1"
    assert latex(sigmoid(a) + dot([a], [b])) == r"\sigma\left(a\right) + a \, b"
    assert r"\text{if } a > 0" in latex(where(a.gt(0), a, b))
    assert r"\text{if } a > 0 \\" in latex(where(a.gt(0), a * b, b), wrt=a).splitlines()[2]  # not "[a > 0] is not 0"
    assert r"\text{if } a \ne 0" in latex(where(a, a * b, b), wrt=b)
    assert number(-0.5).text == r"-\frac{1}{2}"


def test_wrong_arguments_are_named():
    """What is not a Value, and a graph too large to read, are refused with the next step."""
    with pytest.raises(TypeError, match="output must be a Value, got 2"):
        latex(2)
    with pytest.raises(TypeError, match="wrt must be a Value, got 'a'"):
        latex(Value(1.0) * 2, wrt="a")
    y = Value(1.0)
    for _ in range(500):
        y = y + 1
    with pytest.raises(ValueError, match="1001 values, and the limit is 400"):
        latex(y)


@pytest.fixture
def own():
    """An operation of the user's own."""
    import engine

    return engine.define("bend", "a / (1 + abs(a))", "1 / ((1 + abs(a)) * (1 + abs(a)))")


def test_an_operation_of_ones_own_is_written_by_its_name(own):
    """An operation made by define has its name, and its derivative is written from the rule it was given."""
    a = Value(0.5, label="a")
    assert latex(own(a) * a) == r"\operatorname{bend}\left(a\right) \, a"
    right = latex(own(a), wrt=a).partition(" = ")[2]
    assert read(right, {"a": 0.5}) == pytest.approx(1 / 1.5**2)
