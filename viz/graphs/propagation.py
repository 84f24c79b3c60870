"""The lecture's figure of forward and backward propagation, with the numbers of a real run.

The upper row propagates forwards, a⁰ → z¹ → a¹ → … → ŷ → J; the row below takes the derivatives back, from dJ/dJ = 1 to
da⁰, and leaves dW and db at each layer. Dashed arrows carry what the forward pass has cached for the backward pass.
Where these rows would be wider than can be read on a laptop, they are columns, and the figure goes on downwards.
Every number is read from the graph after ``backward()``: nothing is computed a second time.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from engine import Value, dot, log, toposort
from engine.weighted import roles
from nn import MLP, binary_cross_entropy, mean_squared_error
from nn.data import TARGET_KINDS, read_targets
from viz.colors import FREE, FUNCTION, INK, INNER, INPUT, KINDS, OUTPUT
from viz.text import exact, markup, number, tooltip

from .dot import digraph
from .order import WIDE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from graphviz import Digraph

    Matrix = Sequence[Sequence[float]]

WRITTEN_OUT = 4  # rows and columns of the largest matrix that is written out; larger ones show shape and norm

_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_STYLES = {**KINDS, "function": {"style": "filled", "fillcolor": FUNCTION, "penwidth": "1.6"}}
_SQUARED = ("linear", "tanh")  # outputs whose loss is the mean squared error
# f(z) and f′(z) in terms of z and a = f(z), for the activations that a reader will know by heart
_ACTIVATIONS = {
    "sigmoid": ("σ(z)", "a(1 − a)"),
    "tanh": ("tanh(z)", "1 − (a)²"),
    "relu": ("max(0, z)", "1 for z > 0"),
    "linear": ("z", "1"),
}


def draw_propagation(model: MLP, x: Sequence[float], y: Any) -> Digraph:
    """The figure for one sample: inputs x and target y. ``render`` and ``svg`` take what it returns.

    model  an MLP with any activations. The loss is the one that belongs to its output: binary cross-entropy for
           "sigmoid", the cross-entropy of the classes for "softmax", mean squared error for "linear" and "tanh"
    y      a number, or a list of them where there are several outputs; for "softmax", the index of the class or the
           probability of each

    The model is left as it was, gradients included. Raises TypeError and ValueError where x and y do not fit the model.
    """
    if not isinstance(model, MLP):
        raise TypeError(f"draw_propagation takes an nn.MLP, got {type(model).__name__}")
    parameters = model.parameters()
    before = [p.grad for p in parameters]
    try:
        for p in parameters:
            p.grad = 0.0
        run = _Run(model, x, y)
    finally:
        for p, grad in zip(parameters, before):
            p.grad = grad
    return _figure(model, run)


class _Layer:
    """What one layer computed, as columns of numbers: matrices have a row a neuron."""

    def __init__(self, zs: Sequence[Value], outputs: Sequence[Value]) -> None:
        inputs = roles(zs[0].parents)[1]
        weights = [roles(z.parents)[0] for z in zs]
        self.weights = [[w.data for w in row] for row in weights]
        self.bias = [[z.parents[-1].data] for z in zs]
        self.z = _data(zs)
        self.a = _data(outputs)
        self.a_before = _data(inputs)
        self.slope = [[a.local_derivatives[0]] for a in outputs] if outputs[0] is not zs[0] else [[1.0] for _ in zs]
        self.da = _grads(outputs)
        self.dz = _grads(zs)
        self.d_weights = [[w.grad for w in row] for row in weights]
        self.d_bias = [[z.parents[-1].grad] for z in zs]
        self.da_before = _grads(inputs)


class _Run:
    """One forward and one backward pass."""

    def __init__(self, model: MLP, x: Sequence[float], y: Any) -> None:
        output = model(x)
        predictions = output if isinstance(output, list) else [output]
        self.y = read_targets([y], 1, model.sizes[-1], TARGET_KINDS[model.output])[0]
        if model.output == "softmax":
            loss = -dot(self.y, [log(p) for p in predictions])
        else:
            criterion = mean_squared_error if model.output in _SQUARED else binary_cross_entropy
            loss = criterion(predictions, self.y)
        loss.backward()
        weighted = {node.parents[0]: node for node in toposort(loss) if node.op is not None and node.op.name == "dot"}
        zs = [[weighted[neuron.weights[0]] for neuron in layer.neurons] for layer in model.layers]
        after = [roles(z[0].parents)[1] for z in zs[1:]]
        self.layers = [_Layer(z, a) for z, a in zip(zs, [*after, predictions])]
        self.loss = loss.data
        self.d_loss = loss.grad


def _data(nodes: Sequence[Value]) -> Matrix:
    return [[node.data] for node in nodes]


def _grads(nodes: Sequence[Value]) -> Matrix:
    return [[node.grad] for node in nodes]


def _figure(model: MLP, run: _Run) -> Digraph:
    last = len(run.layers)
    names = [f"a{_superscript(k)}" for k in range(last)] + ["ŷ"]
    tall = _width(run) > WIDE
    there, back = (
        ("Left, downwards", "Right, upwards") if tall else ("Upper row, left to right", "Lower row, right to left")
    )
    graph = digraph(
        f"Forward and backward propagation through {model!r}",
        f"{there}: the inputs a⁰ pass through {last} layers to the prediction ŷ and the loss J = {number(run.loss)}. "
        f"{back}: the derivatives of J, down to dW and db of each layer. Dashed arrows carry values that the forward "
        "pass has cached.",
        rankdir="TB" if tall else "LR", ranksep="0.3", nodesep="0.5" if tall else "0.35",
    )  # fmt: skip
    graph.attr("node", fontsize="10", margin="0.12,0.05")
    graph.attr("edge", penwidth="1.3", arrowsize="0.7")
    columns: list[list[str]] = []

    def node(name: str, kind: str, title: str, lines: Sequence[str], *quantities: tuple[str, Matrix]) -> str:
        told = "\n".join([title, *lines, *(f"{symbol} = {_spelt(matrix)}" for symbol, matrix in quantities)])
        graph.node(name, _label(title, lines, quantities), id=name, tooltip=tooltip(told.strip()), **_STYLES[kind],
                   **{"class": kind})  # fmt: skip
        return name

    first = run.layers[0]
    standardized = [] if model.mean is None else ["x standardized"]
    columns.append([node("a0", "input", "", standardized, (names[0], first.a_before)),
                    node("da0", "output", "", [], (f"d{names[0]}", first.da_before))])  # fmt: skip
    for k, layer in enumerate(run.layers, 1):
        up, activation = _superscript(k), model.layers[k - 1].activation
        softmax = model.output == "softmax" and k == last
        forward = node(
            f"forward{k}", "function", f"layer {k}, forward",
            [f"z{up} = W{up} {names[k - 1]} + b{up}", f"{names[k]} = {_activation(activation, softmax, up)}"],
            (f"W{up}", layer.weights), (f"b{up}", layer.bias), (f"z{up}", layer.z),
        )  # fmt: skip
        backward = node(
            f"backward{k}", "function", f"layer {k}, backward",
            [*_slope(activation, softmax, up, names[k]), f"dW{up} = dz{up} ({names[k - 1]})ᵀ",
             f"db{up} = dz{up}", f"d{names[k - 1]} = (W{up})ᵀ dz{up}"],
            *([] if softmax else [(f"f′(z{up})", layer.slope)]), (f"dz{up}", layer.dz),
        )  # fmt: skip
        gradients = node(f"gradients{k}", "output", "", [], (f"dW{up}", layer.d_weights), (f"db{up}", layer.d_bias))
        columns.append([forward, backward, gradients])
        columns.append([node(f"a{k}", "output" if k == last else "inner", "", [], (names[k], layer.a)),
                        node(f"da{k}", "inner", "", [], (f"d{names[k]}", layer.da))])  # fmt: skip
    forward_loss, backward_loss = _loss_formulas(model)
    target = [("y", [[t] for t in run.y])] if len(run.y) > 1 else []
    if not target:
        forward_loss.append(f"y = {number(run.y[0])}")
    columns.append([node("loss", "function", "loss, forward", forward_loss, *target),
                    node("dloss", "function", "loss, backward", backward_loss)])  # fmt: skip
    columns.append([node("J", "output", "", [], ("J", [[run.loss]])),
                    node("dJ", "input", "", [], ("dJ/dJ", [[run.d_loss]]))])  # fmt: skip
    _connect(graph, columns, names)
    graph.attr(label=_legend(), labelloc="b")
    return graph


def _width(run: _Run) -> float:
    """Of the figure in rows, in points, about."""

    def layer(weights: Matrix) -> float:
        columns = len(weights[0])
        written = max(len(weights), columns) <= WRITTEN_OUT
        return max(170.0, 50.0 * (columns + 2 if written else 3.5) + 30) + 113

    return 330 + sum(layer(layer_.weights) for layer_ in run.layers)


def _connect(graph: Digraph, columns: list[list[str]], names: Sequence[str]) -> None:
    for left, right in pairwise(columns):
        graph.edge(left[0], right[0], weight="100")
        graph.edge(left[1], right[1], dir="back", weight="100")  # drawn backwards so that the columns stay in order
    for column in columns:
        with graph.subgraph() as rank:
            rank.attr(rank="same")
            for name in column:
                rank.node(name)
        upper, lower = column[:2]
        if upper.startswith("forward"):
            k = int(upper.removeprefix("forward"))
            graph.edge(upper, lower, style="dashed", label=f"  z{_superscript(k)}  ", **{"class": "cached"})
            graph.edge(lower, column[2])
        elif upper == "loss":
            graph.edge(upper, lower, style="dashed", label="  y  ", **{"class": "cached"})
        else:
            graph.edge(upper, lower, style="invis")
    for k, column in enumerate(columns[:-2:2]):
        consumer = columns[2 * k + 1][1]
        graph.edge(column[0], consumer, style="dashed", constraint="false", taillabel=names[k],
                   labelangle="-35", labeldistance="2.4", **{"class": "cached"})  # fmt: skip


def _label(title: str, lines: Sequence[str], quantities: Sequence[tuple[str, Matrix]]) -> str:
    rows = []
    if title:
        rows.append(f"<tr><td><b>{markup(title)}</b></td></tr>")
    rows += [f"<tr><td>{markup(line)}</td></tr>" for line in lines]
    if quantities:
        cells = "".join(f'<td valign="top">{_quantity(symbol, matrix)}</td>' for symbol, matrix in quantities)
        # the empty cells take up what the row is wider than its numbers
        inner = f'<table border="0" cellspacing="3" cellpadding="0"><tr><td></td>{cells}<td></td></tr></table>'
        rows.append(f"<tr><td>{inner}</td></tr>")
    return f'<<table border="0" cellspacing="0" cellpadding="1">{"".join(rows)}</table>>'


def _quantity(symbol: str, matrix: Matrix) -> str:
    """A symbol over its numbers; a large matrix as shape and norm."""
    columns = len(matrix[0])
    if len(matrix) <= WRITTEN_OUT and columns <= WRITTEN_OUT:
        rows = "".join("<tr>" + "".join(f'<td align="right">{number(x)}</td>' for x in row) + "</tr>" for row in matrix)
    else:
        norm = math.hypot(*(x for row in matrix for x in row))
        rows = f"<tr><td>{len(matrix)} × {columns}</td></tr><tr><td>norm {number(norm)}</td></tr>"
    inside = f'border="1" cellborder="0" cellspacing="0" cellpadding="3" color="{INK}" bgcolor="#ffffff66"'
    head = f"<tr><td><b>{markup(symbol)}</b></td></tr>"
    body = f"<tr><td><table {inside}>{rows}</table></td></tr>"
    return f'<table border="0" cellborder="0" cellspacing="0" cellpadding="1">{head}{body}</table>'


def _spelt(matrix: Matrix) -> str:
    """All numbers, for the tooltip."""
    if len(matrix) * len(matrix[0]) > 64:
        return f"{len(matrix)} × {len(matrix[0])}, norm {number(math.hypot(*(x for row in matrix for x in row)))}"
    return "[" + "; ".join(" ".join(map(exact, row)) for row in matrix) + "]"


def _activation(name: str, softmax: bool, up: str) -> str:
    if softmax:
        return f"softmax(z{up})"
    f, _ = _ACTIVATIONS.get(name, (f"{name}(z)", ""))
    return f.replace("z", f"z{up}")


def _slope(name: str, softmax: bool, up: str, a: str) -> list[str]:
    if softmax:
        return [f"dz{up} = (∂{a}/∂z{up})ᵀ d{a}"]
    _, slope = _ACTIVATIONS.get(name, ("", ""))
    formula = [f"f′(z{up}) = {slope.replace('z', f'z{up}').replace('a', a)}"] if slope else []
    return [f"dz{up} = d{a} ⊙ f′(z{up})", *formula]


def _loss_formulas(model: MLP) -> tuple[list[str], list[str]]:
    n = model.sizes[-1]
    if model.output == "softmax":
        return ["J = −Σ y log ŷ"], ["dŷ = −y / ŷ"]
    mean, share = ("mean of ", f" / {n}") if n > 1 else ("", "")
    if model.output in _SQUARED:
        return [f"J = {mean}(ŷ − y)²"], [f"dŷ = 2 (ŷ − y){share}"]
    if n > 1:
        return (["J = mean of", "−y log ŷ", "− (1 − y) log(1 − ŷ)"], ["dŷ = (−y / ŷ", f"+ (1 − y) / (1 − ŷ)){share}"])
    return ["J = −y log ŷ", "− (1 − y) log(1 − ŷ)"], ["dŷ = −y / ŷ", "+ (1 − y) / (1 − ŷ)"]


def _superscript(k: int) -> str:
    return str(k).translate(_SUPERSCRIPTS)


def _legend() -> str:
    cell = f'border="1" color="{FREE}" cellpadding="4"'
    words = [
        (f'{cell} bgcolor="{FUNCTION}"', "function"),
        (f'{cell} style="rounded" bgcolor="{INPUT}"', "input of forward and backward propagation"),
        (f'{cell} bgcolor="{INNER}"', "output of an inner function"),
        (f'{cell} bgcolor="{OUTPUT}"', "output of forward and backward propagation"),
    ]
    cells = "".join(f'<td {style}><font color="{INK}">{word}</font></td>' for style, word in words)
    return f'<<table border="0" cellspacing="6"><tr>{cells}<td>dashed: cached by the forward pass</td></tr></table>>'
