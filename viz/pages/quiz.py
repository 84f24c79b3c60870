"""A quiz on the backward pass in the terminal: for each edge, what is the gradient after this step?

>>> from engine import Value
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> answers = iter(["2", "-3", "2"])
>>> score = quiz(a * b, ask=lambda prompt: next(answers))
Backward through 1 operation: 2 questions. Answer with a number; ? is a hint, = shows the answer, q ends.
<BLANKLINE>
  a = 2.0000, b = −3.0000
  L = a × b = −6.0000
  L.grad = 1.0000, the seed
<BLANKLINE>
1 of 2: from L to a. a.grad is 0.0000; what is it after this step?
Not quite. The upstream gradient is right, the other factor is not: this is the derivative with respect to b.
Right, with 2 tries. a.grad = 0.0000 + 1.0000 × (−3.0000) = −3.0000
2 of 2: from L to b. b.grad is 0.0000; what is it after this step?
Right. b.grad = 0.0000 + 1.0000 × 2.0000 = 2.0000
<BLANKLINE>
1 of 2 right at once.
>>> score
(1, 2)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.expressions import Python, function, names, rule
from engine.ieee import scalar
from engine.operands import NOTHING
from engine.ops import OPS
from viz.tex import rule as textbook

from .mistakes import ARGUMENTS, MISTAKES
from .steps import StepGraph, flat

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine import Value


def quiz(output: Value, ask: Callable[[str], str] = input, tell: Callable[[str], None] = print) -> tuple[int, int]:
    """Ask for the gradient after each backward step of the graph of ``output``; returns how many answers were right at
    once, and how many were given.

    ask   takes a prompt and returns a line; EOFError and KeyboardInterrupt end the quiz
    tell  is given each line that is shown
    """
    graph = StepGraph([output], None)
    graph.units()
    steps = [(step[1], step[2]) for step in flat(graph.outline()) if step[0] == "backward"]
    state = _Pass(graph)
    operations = sum(1 for node in graph.order if node.op)
    tell(
        f"Backward through {_count(operations, 'operation')}: {_count(len(steps), 'question')}. "
        "Answer with a number; ? is a hint, = shows the answer, q ends."
    )
    tell("")
    leaves = [k for k, node in enumerate(graph.order) if node.is_leaf and not node.is_constant]
    tell("  " + ", ".join(f"{state.called(k)} = {narrow(graph.values[k].data)}" for k in leaves))
    for k, node in enumerate(graph.order):
        if node.op:
            tell(f"  {state.called(k)} = {state.formula(k)} = {narrow(graph.values[k].data)}")
    tell(f"  {state.called(graph.outputs[0])}.grad = 1.0000, the seed")
    tell("")
    right = asked = 0
    try:
        for number, (k, j) in enumerate(steps, 1):
            tries, hints, done = _question(state, k, j, f"{number} of {len(steps)}", ask, tell)
            asked += tries > 0
            right += tries == 1 and not hints and done
            state.step(k, j)
    except (EOFError, KeyboardInterrupt, StopIteration):
        tell("")
    tell("")
    tell(f"{right} of {asked} right at once.")
    return right, asked


def _question(
    state: _Pass, k: int, j: int, number: str, ask: Callable[[str], str], tell: Callable[[str], None]
) -> tuple[int, int, bool]:
    """Ask until the answer is right or shown. Returns the tries, the hints, and whether the answer was found."""
    p = state.graph.parents[k][j]
    x, y = state.called(p), state.called(k)
    before, g, d = state.grads[p], state.grads[k], state.local(k, j)
    after = before + state.product(k, j)
    sum_text = f"{x}.grad = {narrow(before)} + {_signed(g)} × {_signed(d)} = {narrow(after)}"
    if not state.passes(k, j):
        sum_text = f"{x}.grad stays {narrow(before)}: nothing flows back here, as {state.output} does not depend on it."
    tell(f"{number}: from {y} to {x}. {x}.grad is {narrow(before)}; what is it after this step?")
    tries = hints = 0
    while True:
        text = ask("> ").strip().replace("−", "-")
        if text == "q":
            raise EOFError
        if text == "=":
            tell(sum_text)
            return max(tries, 1), hints, False
        if text == "?":
            hints += 1
            if hints == 1:
                tell(f"It is {narrow(before)} + ∂{state.output}/∂{y} × ∂{y}/∂{x}, and ∂{y}/∂{x} = {state.rule(k, j)}.")
            else:
                tell(f"It is {narrow(before)} + {_signed(g)} × {_signed(d)}.")
            continue
        try:
            given = float(text)
        except ValueError:
            tell(f"{text!r} is not a number: type one such as -0.25, or ? for a hint.")
            continue
        tries += 1
        if close(given, after):
            how = "Right." if tries == 1 and not hints else f"Right, with {_count(tries, 'try')}."
            if hints:
                how = f"{how[:-1]} and {_count(hints, 'hint')}."
            tell(f"{how} {sum_text}")
            return tries, hints, True
        tell(f"Not quite. {state.judged(given, k, j)}")


class _Pass:
    """A backward pass that is under way."""

    def __init__(self, graph: StepGraph) -> None:
        self.graph = graph
        self.grads = [0.0] * len(graph.order)
        self.grads[graph.outputs[0]] = 1.0
        self.reached = set(graph.outputs)
        self.output = self.called(graph.outputs[0])

    def called(self, k: int) -> str:
        return self.graph.called[k].short or f"{self.graph.values[k].data:g}"

    def local(self, k: int, j: int) -> float:
        return self.graph.values[k].local_derivatives[j]

    def product(self, k: int, j: int) -> float:
        """What the step adds."""
        return self.grads[k] * self.local(k, j) if self.passes(k, j) else 0.0

    def passes(self, k: int, j: int) -> bool:
        """Whether anything flows: the output depends on the node, and the operation chose the operand."""
        return k in self.reached and self.local(k, j) is not NOTHING

    def step(self, k: int, j: int) -> None:
        if self.passes(k, j):
            self.grads[self.graph.parents[k][j]] += self.product(k, j)
            self.reached.add(self.graph.parents[k][j])

    def formula(self, k: int) -> str:
        """The operation of a node, with the names of its operands."""
        op, operands = self.graph.order[k].op, [self.called(p) for p in self.graph.parents[k]]
        assert op is not None
        if op.name == "dot":
            n = len(operands) // 2
            products = [f"{w}·{x}" for w, x in zip(operands[:n], operands[n : 2 * n])]
            return " + ".join([*products, *operands[2 * n :]])
        if op.arity == 2 and not op.symbol[0].isalpha():
            return f"{operands[0]} {op.symbol} {operands[1]}"
        if op.arity == 1 and not op.symbol[0].isalpha():
            return f"{op.symbol}{operands[0]}"
        return f"{op.symbol}({', '.join(operands)})"

    def rule(self, k: int, j: int) -> str:
        """The rule of a local derivative, with the names of the operands."""
        op = self.graph.order[k].op
        assert op is not None
        n = len(self.graph.parents[k]) // 2
        at = (2 if j == 2 * n else j // n) if op.name == "dot" else j if op.arity else 0
        return self._named(textbook(op.name, at), k, j)

    def _named(self, text: str, k: int, j: int) -> str:
        parents = self.graph.parents[k]
        op = self.graph.order[k].op
        assert op is not None
        given = {name: self.called(p) for name, p in zip(op.arguments, parents)}
        if op.name == "dot":
            n = len(parents) // 2
            partner = self.called(parents[(j + n) % (2 * n)]) if n else ""
            given = {"w": partner, "x": partner}
        elif not op.arity:
            given = {"a": self.called(parents[j]), "n": str(len(parents))}
        printer = _Named({**given, "y": self.called(k)})
        return printer.text(rule(text)).replace("-", "−")

    def judged(self, given: float, k: int, j: int) -> str:
        """What a wrong answer says about how it was found."""
        p = self.graph.parents[k][j]
        before, g, d = self.grads[p], self.grads[k], self.local(k, j)
        wrong = self._wrong_factors(k, j)
        for mistake in MISTAKES:
            if mistake.about != "number":
                continue
            answer = function(mistake.answer, ARGUMENTS, scalar)
            if "w" not in names(rule(mistake.answer)):
                if close(given, answer(before, g, d, 0.0, g * d)):
                    return f"{mistake.says}."
                continue
            for w, says in wrong:
                if close(given, answer(before, g, d, w, g * d)):
                    return f"{mistake.says}: {says}."
        return "Take one factor after the other: the upstream gradient, the local derivative, what is there already."

    def _wrong_factors(self, k: int, j: int) -> list[tuple[float, str]]:
        """The local derivatives that one might take by mistake: of another operand, or at another point."""
        op, parents = self.graph.order[k].op, self.graph.parents[k]
        assert op is not None
        data = [self.graph.values[p].data for p in parents]
        y = self.graph.values[k].data
        x, result = self.called(parents[j]), self.called(k)
        found = []
        if op.arity:
            texts = [textbook(op.name, i) for i in range(len(op.rules))]  # as a learner knows them
            rules = [function(text, (*op.arguments, "y"), scalar) for text in texts]
            for i, other in enumerate(rules):
                if i != j:
                    found.append((other(*data, y), f"this is the derivative with respect to {self.called(parents[i])}"))
            if op.arity == 1:
                at = "the local derivative is taken at the wrong point"
                found.append((rules[0](y, y), f"{at}: at {result}, and not at {x}"))
                found.append((rules[0](data[0], data[0]), f"{at}: its {result} is the result, and not {x}"))
        found.append((data[j], f"this is {x} itself, not the derivative with respect to it"))
        found.append((y, f"this is {result} itself, not its derivative"))
        return [(w, says) for w, says in found if not close(w, self.local(k, j))]


class _Named(Python):
    """Expressions with other names for the arguments."""

    def __init__(self, given: dict[str, str]) -> None:
        self.given = given

    def name(self, name: str) -> str:
        return self.given.get(name, name)

    def number(self, value: float) -> str:
        return f"{value:g}"

    def function(self, op: str) -> str:
        return OPS[op].symbol if OPS[op].symbol[0].isalpha() else op


def close(x: float, y: float) -> bool:
    """Whether an answer is right: to half a percent, or to the four digits that are shown."""
    if x != x or y != y:
        return x != x and y != y
    return x == y or abs(x - y) <= max(6e-5, 0.005 * abs(y))


def narrow(x: float) -> str:
    """x in at most ten characters, as the page writes it.

    >>> [narrow(x) for x in (0.5, -1.73414, 1234.5, -1.2e-7, -0.0, float("nan"), float("-inf"))]
    ['0.5000', '−1.7341', '1.23e3', '−1.20e−7', '0.0000', 'nan', '−inf']
    """
    if not math.isfinite(x):
        text = str(x)
    elif x == 0 or 1e-3 <= abs(x) < 999.99995:
        text = f"{abs(x) if x == 0 else x:.4f}"
    else:
        digits, exponent = f"{x:.2e}".split("e")
        text = f"{digits}e{int(exponent)}"
    return text.replace("-", "−")


def _signed(x: float) -> str:
    text = narrow(x)
    return f"({text})" if text.startswith("−") else text


def _count(n: int, word: str) -> str:
    return f"{n} {word if n == 1 else 'tries' if word == 'try' else word + 's'}"
