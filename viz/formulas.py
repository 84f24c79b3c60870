"""A graph as LaTeX: the expression that it stands for, and its derivative as the chain rule gives it.

>>> from engine import Value
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> c = a * b + a.tanh()
>>> print(latex(c))
a \\, b + \\tanh\\left(a\\right)
>>> print(latex(a * b, wrt=a))
\\frac{\\partial y}{\\partial a} = b
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine import Value, toposort

from .tex import Tex, derivative, name, number, operation, product, total
from .text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 400  # values; a longer listing of formulas is not read
LINE = 20  # symbols in a formula; beyond, its parts get lines of their own
LONGEST = 12  # steps of a path that is written out as a product
PATHS = 6  # paths from a node to the output that are written out as products


class Latex(str):
    """LaTeX for mathematics, without dollars; in a notebook it shows itself as the formula."""

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self}$"


def latex(output: Value, wrt: Value | None = None, *, limit: int = LIMIT) -> Latex:
    """The expression of ``output`` as LaTeX; with ``wrt``, its derivative with respect to that node.

    The expression is written in the labels of the leaves: ``layer1.neuron2.w3`` as w with the layer above and the
    neuron below, other labels as names; a leaf without a label is its number. A long expression becomes several lines,
    one for each value that has a label or is used more than once.

    The derivative comes in two lines: as the sum over the paths from ``wrt`` to the output of the products of local
    derivatives along each, and with the rules of the operations put in for these. Where there are more than a few
    paths, a line for each value on the way says how its derivative follows from those after it: what ``backward`` does.

    The result is a string that shows itself as a formula in a notebook. ``limit`` is the largest number of values in
    the graph. Raises TypeError where output or wrt is not a Value, ValueError for a graph of more values.
    """
    for what, node in (("output", output), ("wrt", wrt)):
        if not isinstance(node, Value) and not (what == "wrt" and node is None):
            raise TypeError(f"latex: {what} must be a Value, got {node!r:.60} of type {type(node).__name__}")
    order = toposort(output)
    if len(order) > limit:
        raise ValueError(
            f"latex: the graph has {len(order)} values, and the limit is {limit}: write a part of it, "
            f"or pass limit={len(order)}"
        )
    formulas = Formulas(order, output)
    if wrt is None:
        return Latex(_expression(formulas))
    return Latex(_derivative(formulas, wrt))


class Formulas:
    """What each node is called, and its formula.

    names     what a node is called where it has a line or a place of its own
    known     the texts by which formulas refer to nodes
    """

    def __init__(self, order: list[Value], output: Value) -> None:
        self.order, self.output = order, output
        self.names: dict[Value, Tex] = {}
        self.known: dict[Value, Tex] = {}
        self.taken = {node.label for node in order}
        for node in order:
            if node.op is None:
                self.known[node] = number(node.data) if node.is_constant or not clean(node.label) else name(node.label)
            elif re.fullmatch(r"[^\W\d][\w.]*", node.label):  # "a*b" is a fine label, but no name
                self.names[node] = name(node.label)

    def named(self, node: Value) -> Tex:
        """The name of a node, which is given one where it has none."""
        if node not in self.names:
            if node.op is None and clean(node.label):
                self.names[node] = name(node.label)
            else:
                self.names[node] = self._new("x" if node.op is None else "y" if node is self.output else "u")
        return self.names[node]

    def _new(self, letter: str) -> Tex:
        k, label = 0, letter
        while label in self.taken or (letter == "u" and k == 0):
            k += 1
            label = f"{letter}{k}"
        self.taken.add(label)
        return name(label)

    def formula(self, node: Value) -> Tex:
        """The operation of a node on what its operands are known as."""
        assert node.op is not None
        operands = [self.known[parent] for parent in node.parents]
        if node.op.name == "dot":
            n = len(operands) // 2
            return total([*map(product, zip(operands[:n], operands[n : 2 * n])), *operands[2 * n :]])
        return operation(node.op.name)(*operands)

    def size(self, node: Value, sizes: dict[Value, int]) -> int:
        return 1 + sum(sizes[parent] for parent in node.parents)

    def expand(self) -> None:
        """Every node is known by its whole expression in the leaves."""
        for node in self.order:
            if node.op is not None:
                self.known[node] = self.formula(node)

    def local(self, node: Value, j: int) -> Tex:
        """The derivative of a node with respect to its operand j, by the rule of its operation."""
        assert node.op is not None
        op, parents = node.op, node.parents
        y = self.known[node]
        if op.name == "dot":
            n = len(parents) // 2
            return number(1.0) if j == 2 * n else self.known[parents[j + n if j < n else j - n]]
        if op.arity is None:
            return derivative(op.name, 0, {"a": self.known[parents[j]], "y": y, "n": number(float(len(parents)))})
        operands = [self.known[parent] for parent in parents]
        return derivative(op.name, j, {**dict(zip(op.arguments, operands)), "y": y})


def _sizes(formulas: Formulas) -> dict[Value, int]:
    """The number of symbols in the whole expression of each node."""
    sizes: dict[Value, int] = {}
    for node in formulas.order:
        sizes[node] = 1 if node.op is None else formulas.size(node, sizes)
    return sizes


def _expression(formulas: Formulas) -> str:
    order, output = formulas.order, formulas.output
    if _sizes(formulas)[output] <= LINE:
        formulas.expand()
        return formulas.known[output].text
    lines, _ = _lines(formulas)
    return _aligned([f"{formulas.named(node).text} &= {text}" for node, text in lines]) if order else ""


def _lines(formulas: Formulas) -> tuple[list[tuple[Value, str]], dict[Value, int]]:
    """A formula for each node with a name, is used more than once or would be too long; others stand inside these."""
    uses: dict[Value, int] = {}
    for node in formulas.order:
        for parent in node.parents:
            uses[parent] = uses.get(parent, 0) + 1
    sizes: dict[Value, int] = {}
    lines = []
    for node in formulas.order:
        sizes[node] = 1 if node.op is None else formulas.size(node, sizes)
        if node.op is None:
            continue
        formula = formulas.formula(node)
        if node in formulas.names or uses.get(node, 0) > 1 or sizes[node] > LINE or node is formulas.output:
            lines.append((node, formula.text))
            formulas.known[node] = formulas.named(node)
            sizes[node] = 1
        else:
            formulas.known[node] = formula
    return lines, uses


def _derivative(formulas: Formulas, wrt: Value) -> str:
    output = formulas.output
    own_name = formulas.names.get(output)  # where it has one, rules may use it
    left = _partial(formulas, output, wrt)
    if wrt is output:
        return f"{left} = 1"
    between = _between(formulas.order, wrt)
    if output not in between:
        return f"{left} = 0"
    paths = _paths(between, output, wrt)
    if paths is None:
        return _by_values(formulas, between, wrt)
    definitions = [node for node in formulas.order if node in between and node not in (wrt, output)]
    unnamed = [node for node in definitions if node not in formulas.names]
    where = []
    longest = max(map(len, paths))
    if longest > 1:
        for node in unnamed:
            formulas.named(node)
    for node in formulas.order:  # a node with a name of its own is called by it, any other is written out
        if node.op is None:
            if node is wrt:
                formulas.known[node] = formulas.named(node)
            continue
        formula = formulas.formula(node)
        if node in unnamed:
            where.append((node, formula))
            formulas.known[node] = formula
        else:
            formulas.known[node] = formulas.names[node] if node in formulas.names and node is not output else formula
    if own_name is not None:
        formulas.known[output] = own_name
    rows = []
    if longest > 1:
        symbols = [" ".join(_partial(formulas, y, y.parents[j]) for y, j in path) for path in paths]
        rows.append(" + ".join(symbols))
    rows.append(total([product([formulas.local(y, j) for y, j in path]) for path in paths]).text)
    if len(rows) == 1:
        return f"{left} = {rows[0]}"
    note = r",\; ".join(f"{formulas.named(node).text} = {text.text}" for node, text in where)
    return _aligned([f"{left} &= {rows[0]}", f"&= {rows[1]}", *([rf"&\text{{where }} {note}"] if note else [])])


def _by_values(formulas: Formulas, between: set[Value], wrt: Value) -> str:
    """A line for each value between the output and wrt, from the output back."""
    output = formulas.output
    for node in formulas.order:
        if node.op is not None:
            named = node in between or node in formulas.names or node is output
            formulas.known[node] = formulas.named(node) if named else formulas.formula(node)
        elif node is wrt:
            formulas.known[node] = formulas.named(node)
    children: dict[Value, list[tuple[Value, int]]] = {}
    for node in formulas.order:
        if node in between:
            for j, parent in enumerate(node.parents):
                if parent in between:
                    children.setdefault(parent, []).append((node, j))
    rows = []
    for node in reversed(formulas.order):
        if node not in between or node is output:
            continue
        terms = [
            product([formulas.local(child, j)])
            if child is output
            else product([Tex(_partial(formulas, output, child)), formulas.local(child, j)])
            for child, j in children[node]
        ]
        rows.append(f"{_partial(formulas, output, node)} &= {total(terms).text}")
    return _aligned(rows)


def _between(order: Iterable[Value], wrt: Value) -> set[Value]:
    """wrt, and the nodes that depend on it."""
    found = {wrt}
    for node in order:
        if node not in found and not found.isdisjoint(node.parents):
            found.add(node)
    return found


def _paths(between: set[Value], output: Value, wrt: Value) -> list[list[tuple[Value, int]]] | None:
    """Every path from the output back to wrt, as (node, which of its operands is next); None for more than a few."""
    found: list[list[tuple[Value, int]]] = []
    unfinished: list[tuple[Value, list[tuple[Value, int]]]] = [(output, [])]
    while unfinished:
        if len(found) + len(unfinished) > PATHS:
            return None
        node, path = unfinished.pop()
        if node is wrt:
            found.append(path)
        elif len(path) == LONGEST:
            return None
        else:
            steps = [(parent, [*path, (node, j)]) for j, parent in enumerate(node.parents) if parent in between]
            unfinished += reversed(steps)
    return found


def _partial(formulas: Formulas, y: Value, x: Value) -> str:
    return rf"\frac{{\partial {formulas.named(y).text}}}{{\partial {formulas.named(x).text}}}"


def _aligned(rows: Sequence[str]) -> str:
    return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"
