"""Graphs to step through, and how their pages are read: shared by the tests of this folder."""

from __future__ import annotations

import math
import random
import re

from engine import OPS, Value, dot, grad, tanh, toposort
from engine.operands import constant
from engine.operations import FUNCTIONS
from nn import MLP, binary_cross_entropy

HOSTILE = ['"}{|<script>alert(1)</script>\\N</svg>', "</script><script>alert(2)</script>", "\u2028🎉'`${alert(3)}",
           "]]>&amp;<!--"]  # fmt: skip


def fan_out() -> Value:
    """a*a*b + tanh(a): three paths lead from a to the output."""
    a, b = Value(2.0, label="a"), Value(-3.0, label="b")
    c = a * a
    c.label = "c"
    result = c * b + tanh(a)
    result.label = "L"
    return result


def neuron() -> Value:
    """A sigmoid neuron with binary cross-entropy; w1 reaches 0.1966 = σ′(1)."""
    w1, w2, b = Value(0.5, label="w1"), Value(0.25, label="w2"), Value(0.0, label="b")
    z = dot([w1, w2], [Value(1.0, label="x1"), Value(2.0, label="x2")], b)
    z.label = "z"
    a = z.sigmoid()
    a.label = "a"
    loss = binary_cross_entropy(a, 0.0)
    loss.label = "J"
    return loss


def network(*sizes: int, **options) -> Value:
    loss = binary_cross_entropy(MLP(sizes[0], list(sizes[1:]), seed=0, **options)([0.5, -1.0]), 1.0)
    loss.label = "J"
    return loss


def loop(rounds: int = 40) -> Value:
    """y ← tanh(y·x), again and again."""
    x, y = Value(0.5, label="x"), Value(0.3, label="y")
    for _ in range(rounds):
        y = (y * x).tanh()
    y.label = "out"
    return y


def hostile() -> Value:
    leaves = [Value(float(k + 1), label=label) for k, label in enumerate(HOSTILE)]
    output = leaves[0] * leaves[1] + dot(leaves[2:3], [leaves[3]]) * 2.0
    output.label = "]]></text></svg><img src=x onerror=alert(4)>"
    return output


def random_graph(chance: random.Random) -> Value:
    """Operations of the table on each other's results, some of them used again."""
    pool = [Value(chance.uniform(-2, 2), label=chance.choice(["", "a", "layer1.neuron1.w1"])) for _ in range(4)]
    operations = [op for op in OPS.values() if not op.helper]
    for _ in range(chance.choice([3, 8, 20, 60])):
        op = chance.choice(operations)
        if op.name == "dot":
            n = chance.randrange(1, 4)
            weights, inputs = chance.choices(pool, k=n), chance.choices(pool, k=n)
            node = dot(weights, inputs, chance.choice([None, chance.choice(pool)]))
        elif op.arity:
            node = FUNCTIONS[op.name](*chance.choices([*pool, constant(2.0)], k=op.arity))
        else:
            node = FUNCTIONS[op.name](chance.choices(pool, k=chance.randrange(1, 6)))
        pool = [*pool, node][-6:]
    return pool[-1]


def title_of(page) -> str:
    return page.text_content("#caption .title")


def caption_of(page) -> str:
    """The caption without any white space: formulas are elements, between which there is none."""
    return squeezed(page.text_content("#caption"))


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def exact(page) -> list[tuple[str, str]]:
    """Data and gradient of every node, as the table has them: all digits, – where there is none yet."""
    rows = page.evaluate("""[...document.querySelectorAll('#numbers tr[data-node]')].map(
        (row) => [row.cells[2].textContent, row.cells[3].textContent])""")
    return [tuple(row) for row in rows]


def set_leaf(page, k: int, text: str) -> None:
    set_leaves(page, {k: text})


def set_leaves(page, texts: dict[int, str]) -> None:
    page.evaluate("""(texts) => {
        for (const [k, text] of texts) {
            const field = document.getElementById(`leaf${k}`);
            field.value = text;
            field.dispatchEvent(new Event("input", { bubbles: true }));
        }
    }""", [[k, text] for k, text in texts.items()])  # fmt: skip


def walk(page):
    """Goes from the first step to the last by the right arrow key, and yields the title of each."""
    page.focus("#picture")
    page.keyboard.press("Home")
    last = int(page.get_attribute("#step", "max"))
    for step in range(last + 1):
        at, place, title = page.evaluate("""[document.getElementById("step").value,
            document.getElementById("place").textContent, document.querySelector("#caption .title").textContent]""")
        assert (at, place) == (str(step), f"{step} / {last}")
        yield title
        page.keyboard.press("ArrowRight")
    assert page.input_value("#step") == str(last)


def step_to(page, step: int) -> None:
    page.fill("#step", str(step))


def titles(page, until: str | None = None) -> list[str]:
    """The titles of the steps from the first to the last, or to the one with that title, where the page then is; by
    the slider, moved within the page: several times as fast as keys."""
    return page.evaluate("""(until) => {
        const slider = document.getElementById("step"), titles = [];
        do {
            slider.value = titles.length;
            slider.dispatchEvent(new Event("input", { bubbles: true }));
            titles.push(document.querySelector("#caption .title").textContent);
        } while (titles.at(-1) !== until && titles.length <= slider.max);
        return titles;
    }""", until)  # fmt: skip


def index_of(output: Value, label: str) -> int:
    """The place of the node with that label in the topological order."""
    return next(k for k, node in enumerate(toposort(output)) if node.label == label)


def passes(output: Value, data: dict[int, float]) -> tuple[list[float], list[float]]:
    """Data and gradients of the same graph with other numbers in its leaves, from the engine."""
    order = toposort(output)
    index = {node: k for k, node in enumerate(order)}
    values: list[Value] = []
    for k, node in enumerate(order):
        parents = [values[index[parent]] for parent in node.parents]
        x = data.get(k, node.data)
        if node.op is None:
            values.append(constant(x) if node.is_constant else Value(x))
        elif node.op.name == "dot":
            n = len(parents) // 2
            values.append(dot(parents[:n], parents[n : 2 * n], *parents[2 * n :]))
        else:
            values.append(FUNCTIONS[node.op.name](*(parents if node.op.arity else [parents])))
    return [value.data for value in values], grad(values[-1], values)


def agree(text: str, number: float, relative: float = 1e-12) -> bool:
    shown = float(text)
    if math.isnan(number):
        return math.isnan(shown)
    return shown == number or abs(shown - number) <= relative * max(1.0, abs(number))
