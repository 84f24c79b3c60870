"""How much of a graph is drawn: every operation, one box a neuron, or one box a layer.

What can be read decides: a picture is drawn in as much detail as fits the width of a laptop in type that can be read,
and two of its screens in height. A chain that is too long for one row goes on in the next.
"""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from engine import Value, toposort
from engine.weighted import roles
from viz.text import brief, shorten

from .collapsed import Layers, Neurons
from .dot import full
from .order import TALL, WIDE, Grid, columns, in_a_row, in_rows_with_operations
from .structure import Structure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from graphviz import Digraph

    from .showing import Picture

BOXES = 150  # layers that "auto" draws; more cannot be read however they are drawn
MOST = 4_000  # boxes and edges, where the reader insists; Graphviz would take a minute for more
LABEL, RESULT = 68.0, 27.0  # points between two columns: for the numbers on the edges, and for a bare edge
LEVELS = ("auto", "full", "neuron", "layer")


def draw(*outputs: Value, detail: str = "auto", model: Any = None, legend: bool = True) -> Digraph:
    """The graph behind one or several values, as a graphviz.Digraph.

    detail  "full": every value and operation, with the local derivative on each edge into an operation;
            "neuron": a box for each neuron; "layer": a box for each layer;
            "auto": the first of these that can be read on a laptop, where it is 1,280 pixels wide or less without
            type of less than 10 pixels, and no more than 1,600 pixels high
    model   a Module; its leaves are called by their names in ``named_parameters()``
    legend  whether the picture has a legend

    Raises ValueError for another detail, and where the picture would have too much in it: more than 150 layers for
    "auto"; otherwise more than 4,000 neurons or layers, or with "full" as many boxes and edges together.
    """
    for output in outputs:
        if not isinstance(output, Value):
            raise TypeError(f"draw takes Values, got {type(output).__name__}")
    if not outputs:
        raise TypeError("draw takes at least one Value")
    if detail not in LEVELS:
        raise ValueError(f"detail must be one of {', '.join(LEVELS)}; got {detail!r}")
    collecting = gc.isenabled()
    gc.disable()  # a large graph makes many small objects here, none of them in a cycle
    try:
        return _draw(outputs, detail, model, legend)
    finally:
        if collecting:
            gc.enable()


def _draw(outputs: Sequence[Value], detail: str, model: Any, legend: bool) -> Picture:
    order = toposort(*outputs)
    given = {p: name for name, p in model.named_parameters()} if model is not None else {}
    names = [given.get(node) or node.label for node in order]
    boxes = len(order) + sum([node.op is not None for node in order])
    if detail == "full":
        edges = sum([1 + len(node.parents) for node in order if node.op is not None])
        _refuse_above(MOST, boxes + edges, "values and operations", "boxes and edges")
    if detail == "full" or (detail == "auto" and boxes <= 4 * BOXES):
        picture = _Full(outputs, order, names)
        if detail == "full" or picture.fits():
            return picture.draw(legend)
    structure = Structure(outputs, order, names)
    boxes = len(structure.heads) + len(structure.inputs)
    if detail == "neuron":
        _refuse_above(MOST, boxes, "neurons")
    if detail == "neuron" or (detail == "auto" and boxes <= BOXES):
        neurons = Neurons(structure)
        width, height = neurons.size()
        if detail == "neuron" or (width <= WIDE and height <= TALL):
            return neurons.draw(legend)
    layers = Layers(structure)
    _refuse_above(BOXES if detail == "auto" else MOST, layers.boxes, "layers")
    return layers.draw(legend, WIDE)


def _refuse_above(limit: int, count: int, what: str, things: str = "boxes") -> None:
    if count > limit:
        remedy = "" if what == "layers" else 'detail="layer", or '
        raise ValueError(
            f"the picture would have {count:,} {things}, its {what}, and nobody could read it (the limit is "
            f"{limit:,}): try {remedy}a part of the graph, such as one of the values that the output is made of; "
            "step_through opens a graph part by part"
        )


class _Full:
    """The picture with every value and every operation, wrapped where it is a long chain."""

    def __init__(self, outputs: Sequence[Value], order: Sequence[Value], names: Sequence[str]) -> None:
        self.outputs, self.order, self.names = outputs, order, names
        index = {node: k for k, node in enumerate(order)}
        takes: dict[int, list[list[int]]] = {}
        for k, node in enumerate(order):
            if node.op is not None:
                groups = [node.parents]
                if node.op.name == "dot":  # weights above each other, and inputs, which may stand elsewhere
                    weights, inputs, bias = roles(node.parents)
                    groups = [(*weights, *(() if bias is None else (bias,))), tuple(inputs)]
                takes[k] = [[index[p] for p in group] for group in groups]
        self.columns = columns(takes, [index[output] for output in outputs])
        self.width = 20.0 + sum(self._value(c) + self._operation(c) for c in self.columns)
        self.width += (len(self.columns) - 1) * (LABEL + RESULT)
        self.height = max(map(self._height, self.columns)) + 40
        # In a wrapped picture edges run both ways through each gap, and so need room for their numbers in each.
        value, operation = max(map(self._value, self.columns)), max(map(self._operation, self.columns))
        self.most = max(2, int((WIDE - operation - 20) // (value + operation + 2 * LABEL)))
        self.wrapped = self.width > WIDE and max(map(len, self.columns)) <= 4 and len(self.columns) > self.most
        if self.wrapped:
            rows = [self.columns[k : k + self.most] for k in range(0, len(self.columns), self.most)]
            self.width = self.most * (value + operation + 2 * LABEL) + operation + 20
            self.height = sum(max(map(self._height, row)) for row in rows) + 40

    def fits(self) -> bool:
        # rows are read one after the other, as text is: more of them than would fit two screens do no harm
        return self.width <= WIDE and self.height <= (2 * TALL if self.wrapped else TALL)

    def _value(self, column: Sequence[int]) -> float:
        """The width of the widest value."""
        nodes = [self.order[k] for k in column]
        names = [brief(node.data) if node.is_constant else shorten(self.names[k]) for k, node in zip(column, nodes)]
        return max(max(7.2 * len(name) + 12, 40 if node.is_constant else 92) for name, node in zip(names, nodes))

    def _operation(self, column: Sequence[int]) -> float:
        """The width of the widest of the operations that give the values of the column; 0.0 for leaves."""
        symbols = [op.symbol for k in column if (op := self.order[k].op) is not None]
        return max([23.0 if len(symbol) < 3 else 7.5 * len(symbol) + 25 for symbol in symbols], default=0.0)

    def _height(self, column: Sequence[int]) -> float:
        nodes = [(self.order[k].is_constant, self.names[k]) for k in column]
        return sum(22.0 if constant else 49.0 if name else 36.0 for constant, name in nodes) + 9.0 * len(nodes)

    def draw(self, legend: bool) -> Picture:
        ids: list[list[str]] = []
        for column in self.columns:
            computed = [f"o{k}" for k in column if self.order[k].op is not None]
            ids += [computed, [f"v{k}" for k in column]] if ids else [[f"v{k}" for k in column]]
        places = in_rows_with_operations(len(ids), self.most) if self.wrapped else in_a_row(len(ids))
        return full(self.outputs, self.order, self.names, Grid(ids, places), legend)
