"""What a network predicts for rows of numbers: probabilities, classes, the share that is right.

The graph of one row is lowered once and kept with the model, so that a thousand rows cost little more than one.
"""

from __future__ import annotations

from engine import Value
from engine.rows import read_rows

from .data import read_targets
from .standardize import standardized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from collections.abc import Callable, Sequence
    from typing import Any

    from .layers import MLP


def probabilities(model: MLP, X: object) -> list[float] | list[list[float]]:
    """MLP.predict_proba."""
    if model.output not in ("sigmoid", "softmax"):
        raise ValueError(f"{model!r} has a {model.output} output, which is no probability: use predict")
    columns = _columns(model, X, "_outputs")
    return columns[0].tolist() if len(columns) == 1 else list(map(list, zip(*columns)))


def predictions(model: MLP, X: object) -> list[int] | list[float] | list[list[int]] | list[list[float]]:
    """MLP.predict."""
    logits = _columns(model, X, "_logits")
    if model.output == "softmax":
        return [z.index(max(z)) for z in zip(*logits)]
    if model.output == "linear":
        columns: list[Any] = [column.tolist() for column in logits]
    else:
        low = -1 if model.output == "tanh" else 0
        columns = [[1 if z >= 0 else low for z in column] for column in logits]
    return columns[0] if len(columns) == 1 else list(map(list, zip(*columns)))


def accuracy(model: MLP, X: object, y: object) -> float:
    """MLP.accuracy."""
    if model.output == "linear":
        raise ValueError(f"{model!r} has a linear output, for which right and wrong mean nothing: look at the loss")
    logits = list(zip(*_columns(model, X, "_logits")))
    kind = {"softmax": "class", "sigmoid": "probability"}.get(model.output, "real")
    targets = read_targets(y, len(logits), model.sizes[-1], kind)
    return sum(map(_right(model.output), logits, targets)) / len(logits)


def _right(output: str) -> Callable[[Sequence[float], Sequence[float]], float]:
    if output == "softmax":
        return lambda z, t: float(t[z.index(max(z))] == max(t))
    half = 0.5 if output == "sigmoid" else 0.0
    return lambda z, t: sum((z_k >= 0) == (t_k >= half) for z_k, t_k in zip(z, t)) / len(z)


def _columns(model: MLP, X: object, what: str) -> list[array[float]]:
    """For each output of ``model._logits`` or ``model._outputs``, its numbers at all rows of X."""
    rows = read_rows(X, model.nin)
    if model.mean is not None and model.scale is not None:
        rows = standardized(rows, model.mean, model.scale)
    made_for = (model.parameters(), [layer.activation for layer in model.layers], model.output)
    known = model._kernels.get(what)
    if known is None or known[0] != made_for:
        from engine import lower

        x = [Value(0.0, f"x{j}") for j in range(1, model.nin + 1)]
        z = model._logits(x)
        model._kernels[what] = known = made_for, lower(z if what == "_logits" else model._outputs(z), inputs=x, wrt=[])
    columns: list[array[float]] = known[1].columns(rows)
    return columns
