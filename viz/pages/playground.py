"""A network that trains in the browser: one HTML file with data, controls and pictures, and nothing to fetch.

The page computes what nn computes. Its activations and losses are the rows of the table of operations, and its
optimisers nn's own rules, printed as JavaScript; its random numbers are Python's, so that a seed gives the same initial
weights and the same batches as ``MLP`` and ``fit``; and it shows the Python code that does the same. The scripts of the
page are in the folder ``train``.
"""

from __future__ import annotations

import argparse
import html
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import OPS, Value
from engine.expressions import JavaScript, rule
from nn import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Optimizer,
    RMSprop,
    binary_cross_entropy_with_logits,
    mean_squared_error,
)
from nn.activations import checked_activation, initial_bound
from nn.rule import read_rule
from viz.text import clean

from .document import Page, as_json, asset, filled, save
from .javascript import functions, primitives
from .playground_data import SETS, points
from .straight import operations, straight

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

ACTIVATIONS = (
    "tanh", "relu", "sigmoid", "linear", "leaky_relu", "elu", "silu", "gelu", "softplus", "atan", "erf", "sin",
)  # fmt: skip
# The scripts of the folder train, in an order in which each finds what it needs.
SCRIPTS = ("training", "state", "network", "maps", "curves", "chain", "frames", "link", "points", "python", "controls")
MOST_LAYERS, MOST_NEURONS, MOST_POINTS = 6, 64, 2000
_KINDS: dict[str, tuple[type[Optimizer], dict[str, Any], str]] = {
    "sgd": (SGD, {}, "SGD"), "momentum": (SGD, {"momentum": 0.9}, "SGD, momentum 0.9"), "adam": (Adam, {}, "Adam"),
    "adamw": (AdamW, {}, "AdamW"), "rmsprop": (RMSprop, {}, "RMSprop"), "adagrad": (Adagrad, {}, "Adagrad"),
}  # fmt: skip
OPTIMIZERS = tuple(_KINDS)
LOSSES = ("cross_entropy", "squared_error")


class Playground(Page):
    """A page made by ``playground``."""


def playground(
    path: str | os.PathLike[str] | None = None,
    *,
    data: str | Sequence[Any] = "moons",
    layers: Sequence[int] = (8, 8),
    activation: str = "tanh",
    loss: str = "cross_entropy",
    optimizer: str = "adam",
    learning_rate: float = 0.03,
    batch_size: int | None = None,
    seed: int = 0,
    model: MLP | None = None,
    title: str = "",
) -> Playground:
    """Write a page in which a network of two inputs and one output trains, live.

    path           the HTML file; folders are created as needed. None writes no file; the text is the result's ``.html``
    data           a data set by name: moons, circles, spirals, xor or blobs; or rows of (x1, x2, label), the label 0 or
                   1 (or between them), at most 2,000
    layers         the number of neurons of each hidden layer
    activation     of the hidden layers, as for ``MLP``: any operation of one argument
    loss           "cross_entropy", on the logit, or "squared_error", (σ(z) − label)²
    optimizer      "sgd", "momentum" (SGD with momentum 0.9), "adam", "adamw", "rmsprop" or "adagrad"
    learning_rate  η of the optimiser
    batch_size     rows a step; None: all of them
    seed           of the initial weights and of the batches, as for ``MLP`` and ``fit``
    model          a network to begin with, trained or not: an MLP with two inputs and one sigmoid output. ``layers``
                   and ``activation`` are then its own; where it standardises its inputs, that goes into the weights
                   of the first layer
    title          shown above

    All of these but the title can be changed in the page. Its address, after "Copy link", opens the same state again.

    Raises ValueError or TypeError for a setting that is not one of these, for rows that are not such points, and for a
    model of another shape.
    """
    weights = None
    if model is not None:
        layers, activation, weights = _of_model(model)
    sizes = _sizes(layers)
    for name, given, choices in (
        ("loss", loss, LOSSES), ("optimizer", optimizer, OPTIMIZERS),
    ):  # fmt: skip
        if given not in choices:
            raise ValueError(f"playground: {name} must be one of {', '.join(choices)}; got {given!r}")
    try:
        checked_activation(activation)
    except ValueError as error:
        raise ValueError(f"playground: {error}") from None
    if isinstance(learning_rate, bool) or not isinstance(learning_rate, (int, float)) or not 0 <= learning_rate < 1e300:
        raise ValueError(f"playground: learning_rate must be a number of at least 0, got {learning_rate!r}")
    name, rows = _data(data)
    setup: dict[str, object] = {
        "settings": {
            "layers": sizes, "activation": activation, "loss": loss, "optimizer": optimizer,
            "rate": float(learning_rate), "batch": _integer("batch_size", batch_size, 1) if batch_size else 0,
            "seed": _integer("seed", seed, 0),
        },
        "sets": {known: points(known) for known in SETS}, "data": name, "own": rows, "weights": weights,
    }  # fmt: skip
    heading = clean(title) or "A network that trains"
    script = "\n".join([primitives(), _arithmetic(activation), *(asset(f"train/{name}.js") for name in SCRIPTS)])
    parts = {"title": html.escape(heading), "data": as_json(setup)}
    text = filled(asset("train/page.html"), asset("train/page.css"), script, parts)
    shape = "-".join(map(str, (2, *sizes, 1)))
    return Playground(text, save(text, path), f"{shape}, {name}", height=900)


def _arithmetic(activation: str) -> str:
    """JavaScript for the activations, the losses and the optimisers, from nn's and the table's own."""
    z, t = Value(0.5, label="z"), Value(1.0, label="t")
    losses = {
        "cross_entropy": binary_cross_entropy_with_logits(z, t),
        "squared_error": mean_squared_error(z.sigmoid(), t),
    }
    named = [name for name in dict.fromkeys([*ACTIVATIONS, activation]) if name != "linear"]
    optimizers, called = _optimizers()
    used = list(dict.fromkeys([*named, "sigmoid", *operations(*losses.values()), *called]))
    lines = [functions(used), "let slope = 0; // what a loss leaves: its derivative with respect to z"]
    lines += [straight(f"loss_{name}", loss, [z, t]) for name, loss in losses.items()]
    lines.append(f"const LOSSES = {{ {', '.join(f'{name}: loss_{name}' for name in losses)} }};")
    lines.append("const ACTIVATIONS = {\n  linear: { value: (z) => z, slope: () => 1 },")
    for name in named:
        more = "".join(f", {x!r}" for x in OPS[name].defaults)
        value = f"OPS.{name}.forward" if not more else f"(z) => OPS.{name}.forward(z{more})"
        lines.append(f"  {name}: {{ value: {value}, slope: (z, a) => OPS.{name}.rules[0](z{more}, a) }},")
    lines.append("};")
    rectifiers = [name for name in named if initial_bound(name, 1, 1) != initial_bound("tanh", 1, 1)]
    lines.append(f"const RECTIFIERS = {json.dumps(rectifiers)};")
    lines.append(optimizers)
    return "\n".join(lines)


def _optimizers() -> tuple[str, list[str]]:
    """JavaScript for nn's optimisers, printed from their rules; and the operations that it calls."""
    lines, used = ["const OPTIMIZERS = {"], []
    for key, (kind, settings, title) in _KINDS.items():
        optimizer = kind([Value(0.0)], **settings)
        read = read_rule(optimizer.rule, optimizer.lists)
        given = "".join(f", {name}={value!r}" for name, value in settings.items())
        states = [f"s{k}" for k in range(len(read.state))]
        body = [f"const {name} = {float(getattr(optimizer, name))!r};" for name in read.needed if name != "lr"]
        body += [f"let {name} = {state}[i];" for name, state in zip(read.state, states)]
        known = {"w", "g", "t", *read.state}
        for name, expression in read.lines:
            tree = rule(expression)
            used += JavaScript().calls(tree)
            body.append(f"{'' if name in known else 'let '}{name} = {JavaScript().text(tree)};")
            known.add(name)
        body += [f"{state}[i] = {name};" for name, state in zip(read.state, states)]
        about = {"title": title, "states": read.state, "python": f"{kind.__name__}(model.parameters(), lr=RATE{given})"}
        lines.append(f"  {key}: {{ about: {json.dumps(about)}, step(w, g, lr, t, [{', '.join(states)}], i) {{")
        lines += [f"    {line}" for line in [*body, "return w;"]]
        lines.append("  } },")
    return "\n".join([*lines, "};"]), used


def _of_model(model: MLP) -> tuple[list[int], str, list[float]]:
    if not isinstance(model, MLP):
        raise TypeError(f"playground: model must be an MLP, got {model!r:.60} ({type(model).__name__})")
    if (model.nin, model.sizes[-1], model.output) != (2, 1, "sigmoid"):
        raise ValueError(
            f"playground: {model!r} must have 2 inputs and one sigmoid output, because the page shows a plane and two "
            "classes: build MLP(2, [..., 1])"
        )
    mean, scale = model.mean or [0.0, 0.0], model.scale or [1.0, 1.0]
    weights = []
    for layer in model.layers:
        for neuron in layer.neurons:
            w, b = [weight.data for weight in neuron.weights], neuron.bias.data
            if layer is model.layers[0]:  # (x - mean) / scale becomes a part of the first layer
                w = [w_j / s for w_j, s in zip(w, scale)]
                b -= sum(w_j * m for w_j, m in zip(w, mean))
            weights += [*w, b]
    return list(model.sizes[:-1]), model.activation, weights


def _sizes(layers: Sequence[int]) -> list[int]:
    if isinstance(layers, (int, str)) or not hasattr(layers, "__iter__"):
        raise TypeError(f"playground: layers must be a list of sizes such as [8, 8], got {layers!r}")
    sizes = [_integer(f"layers[{k}]", size, 1) for k, size in enumerate(layers)]
    if len(sizes) > MOST_LAYERS or max(sizes, default=1) > MOST_NEURONS:
        raise ValueError(
            f"playground: layers {sizes}: at most {MOST_LAYERS} hidden layers of {MOST_NEURONS} neurons can be shown"
        )
    return sizes


def _integer(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value < 2**53:
        raise ValueError(f"playground: {name} must be an integer of at least {least}, got {value!r}")
    return value


def _data(data: str | Sequence[Any]) -> tuple[str, list[list[float]]]:
    """The name of the data set, or "own" and its rows."""
    from engine.rows import read_rows

    if isinstance(data, str):
        if data not in SETS:
            raise ValueError(f"playground: data must be one of {', '.join(SETS)}, or rows; got {data!r:.60}")
        return data, []
    rows = [list(row) for row in read_rows(data, 3, "data")]
    if len(rows) > MOST_POINTS:
        raise ValueError(f"playground: data has {len(rows)} rows, and the page shows at most {MOST_POINTS}: take fewer")
    for i, row in enumerate(rows):
        if not 0 <= row[2] <= 1:
            raise ValueError(f"playground: data[{i}][2] is {row[2]!r}: the label must lie in [0, 1]")
    return "own", rows


def main(arguments: Sequence[str]) -> int:
    """``python -m viz playground [FILE]``; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m viz playground", description="Write a page in which a network trains: one file, no network."
    )
    parser.add_argument("file", nargs="?", default="playground.html", type=Path, help="default: playground.html")
    parser.add_argument("--data", default="moons", choices=tuple(SETS))
    parser.add_argument("--layers", default="8,8", help="neurons of the hidden layers (default: 8,8)")
    parser.add_argument("--activation", default="tanh", help="any operation of one argument (default: tanh)")
    parser.add_argument("--model", type=Path, metavar="FILE", help="begin with the network that nn.save wrote there")
    parser.add_argument("--seed", default=0, type=int)
    parser.add_argument("--open", action="store_true", help="show it in the browser")
    given = parser.parse_args(arguments)
    try:
        sizes = [int(size) for size in given.layers.split(",") if size.strip()]
    except ValueError:
        parser.error(f"--layers {given.layers}: sizes are whole numbers with commas, such as 8,8")
    try:
        model: Any = None
        if given.model:
            from nn import load

            model = load(given.model)
        made = playground(
            given.file, data=given.data, layers=sizes, activation=given.activation, seed=given.seed, model=model
        )
    except (OSError, TypeError, ValueError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(f"wrote {made.path}")
    if given.open and made.path:
        import webbrowser

        webbrowser.open(made.path.resolve().as_uri())
    return 0
