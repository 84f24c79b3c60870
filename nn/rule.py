"""The update of one parameter, written in the table's language, as a function of floats or of Values.

A rule is a few lines ``name = expression`` over the parameter ``w``, its gradient ``g``, the number ``t`` of the step
(1 for the first), the state by its names and the hyperparameters by theirs:

    momentum_buffer = g if t == 1 else momentum * momentum_buffer + g
    w = w - lr * momentum_buffer

A line may use what the lines before it have assigned. Written once, it is evaluated in Python, and can be lowered as
any other graph.
"""

from __future__ import annotations

from functools import cache

from engine.expressions import Python, evaluate, function, names, rule
from engine.ieee import RAISED, scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from engine import Value

_GIVEN = ("w", "g", "t")


class Rule:
    """A rule, read.

    text    the lines
    state   names of what is kept for each parameter from step to step
    needed  names of the hyperparameters
    """

    def __init__(self, text: str, state: Sequence[str]) -> None:
        self.text, self.state = text, tuple(state)
        self.lines = [_line(line) for line in text.strip().splitlines()]
        known, self.needed = {*_GIVEN, *self.state}, list[str]()
        for name, expression in self.lines:
            self.needed += [n for n in names(rule(expression)) if n not in known and n not in self.needed]
            known.add(name)

    def step(self, columns: Sequence[Sequence[float]], numbers: Mapping[str, float]) -> list[list[float]]:
        """The columns of the new w and of each new state, from those of w, g, t and each state."""
        python, careful = self._functions(tuple(self.needed))
        values = [numbers[name] for name in self.needed]
        try:
            new: list[list[float]] = python(zip(*columns), *values)
            return new
        except RAISED:  # where the IEEE result is wanted, which Python's own arithmetic refuses
            return list(map(list, zip(*[careful(values, *row) for row in zip(*columns)])))

    def graph(self, w: Value, g: Value, t: Value, state: Sequence[Value], numbers: Mapping[str, Any]) -> list[Value]:
        """The new w and the new state as Values, to be lowered."""
        from engine.operations import FUNCTIONS

        known: dict[str, Any] = {"w": w, "g": g, "t": t, **dict(zip(self.state, state)), **numbers}
        for name, expression in self.lines:
            known[name] = evaluate(rule(expression), FUNCTIONS, known)
        return [known[name] for name in ("w", *self.state)]

    def _functions(self, needed: tuple[str, ...]) -> tuple[Callable[..., Any], Callable[..., Any]]:
        return _compiled(self.text, self.state, needed)


@cache
def read_rule(text: str, state: tuple[str, ...]) -> Rule:
    """The rule, read once."""
    return Rule(text, state)


@cache
def _compiled(
    text: str, state: tuple[str, ...], needed: tuple[str, ...]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """(the rule as a loop over rows in plain Python, the rule on one row with IEEE operations)."""
    read, given = read_rule(text, state), (*_GIVEN, *state)
    printer, arguments = Python(), ", ".join(given)
    source = [
        f"def step({', '.join(['rows', *needed])}):",
        *(f"    new_{name} = []" for name in ("w", *state)),
        f"    for {arguments} in rows:",
    ]
    source += [f"        {name} = {printer.text(rule(expression))}" for name, expression in read.lines]
    results = ("w", *state)
    source += [f"        new_{name}.append({name})" for name in results]
    source += [f"    return [{', '.join(f'new_{name}' for name in results)}]"]
    namespace: dict[str, Any] = dict(scalar)
    exec("\n".join(source), namespace)

    everything = (*dict.fromkeys((*given, *needed, *(name for name, _ in read.lines))),)
    functions = [(name, function(expression, everything, scalar)) for name, expression in read.lines]

    def careful(numbers: Sequence[float], *row: float) -> tuple[float, ...]:
        known = dict.fromkeys(everything, 0.0) | dict(zip(given, row)) | dict(zip(needed, numbers))
        for name, compute in functions:
            known[name] = compute(*known.values())
        return tuple([known[name] for name in ("w", *state)])

    return namespace["step"], careful


def _line(line: str) -> tuple[str, str]:
    name, assigned, expression = line.partition("=")
    if not assigned or not name.strip().isidentifier() or expression.startswith("="):
        raise ValueError(f"a line of an optimiser's rule is 'name = expression', got {line.strip()!r:.60}")
    return name.strip(), expression.strip()
