"""What a network predicts for rows of numbers: probabilities, classes, the share that is right."""

from __future__ import annotations

from engine import OPS
from engine.ieee import scalar
from engine.rows import read_rows

from .data import read_targets
from .standardize import standardized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from .layers import MLP


def probabilities(model: MLP, X: object) -> list[float] | list[list[float]]:
    """MLP.predict_proba."""
    if model.output not in ("sigmoid", "softmax"):
        raise ValueError(f"{model!r} has a {model.output} output, which is no probability: use predict")
    rows = []
    for z in logits_of_rows(model, X):
        if model.output == "softmax":
            total = scalar["logsumexp"](z)
            rows.append([scalar["exp"](z_k - total) for z_k in z])
        else:
            rows.append([scalar["sigmoid"](z_k) for z_k in z])
    probabilities: list[float] | list[list[float]] = _unwrapped(rows)
    return probabilities


def predictions(model: MLP, X: object) -> list[int] | list[float] | list[list[int]] | list[list[float]]:
    """MLP.predict."""
    logits = logits_of_rows(model, X)
    if model.output == "softmax":
        return [z.index(max(z)) for z in logits]
    low = -1 if model.output == "tanh" else 0
    rows = logits if model.output == "linear" else [[1 if z_k >= 0 else low for z_k in z] for z in logits]
    predictions: list[int] | list[float] | list[list[int]] | list[list[float]] = _unwrapped(rows)
    return predictions


def accuracy(model: MLP, X: object, y: object) -> float:
    """MLP.accuracy."""
    if model.output == "linear":
        raise ValueError(f"{model!r} has a linear output, for which right and wrong mean nothing: look at the loss")
    logits = logits_of_rows(model, X)
    kind = {"softmax": "class", "sigmoid": "probability"}.get(model.output, "real")
    targets = read_targets(y, len(logits), model.sizes[-1], kind)
    return sum(map(_right(model.output), logits, targets)) / len(logits)


def _right(output: str) -> Callable[[list[float], list[float]], float]:
    if output == "softmax":
        return lambda z, t: float(t[z.index(max(z))] == max(t))
    half = 0.5 if output == "sigmoid" else 0.0
    return lambda z, t: sum((z_k >= 0) == (t_k >= half) for z_k, t_k in zip(z, t)) / len(z)


def logits_of_rows(model: MLP, X: object) -> list[list[float]]:
    """The logits of each row, on floats: the arithmetic of the graph, and its bits."""
    rows = read_rows(X, model.nin)
    if model.mean is not None and model.scale is not None:
        rows = standardized(rows, model.mean, model.scale)
    weighted = scalar["dot"]
    layers = [
        (None if layer.activation == "linear" else _on_floats(layer.activation), list(zip(layer.W, layer.b)))
        for layer in model.layers
    ]
    logits = []
    for a in rows:
        for function, neurons in layers[:-1]:
            a = [weighted(w, a, b) for w, b in neurons]
            if function:
                a = [function(z) for z in a]
        logits.append([weighted(w, a, b) for w, b in layers[-1][1]])
    return logits


def _on_floats(activation: str) -> Callable[[float], float]:
    """The activation as a function of one float, with the defaults of its row for further arguments."""
    function, defaults = scalar[activation], OPS[activation].defaults
    return (lambda z: function(z, *defaults)) if defaults else function


def _unwrapped(rows: list[list[Any]]) -> Any:
    """The rows; where each holds one number, these numbers."""
    return [row[0] for row in rows] if rows and len(rows[0]) == 1 else rows
