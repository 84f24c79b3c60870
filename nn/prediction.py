"""What a network predicts for rows of numbers: probabilities, classes, the share that is right.

The graph of one row is lowered once and kept with the model, so that a thousand rows cost little more than one.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from operator import add, eq

from engine import Value, collector_paused
from engine.rows import read_rows, room_for

from .data import TARGET_KINDS, read_targets
from .standardize import standardized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.lowering import Kernel
    from engine.rows import Rows

    from .layers import MLP

_PORTION, _ROWS = 250_000, 256  # numbers of a long list that are read at once: so many rows, or a multiple of that


def probabilities(model: MLP, X: object) -> list[float] | list[list[float]]:
    """MLP.predict_proba."""
    if model.output not in ("sigmoid", "softmax"):
        raise ValueError(f"{model!r} has a {model.output} output, which is not a probability: use predict")
    columns = _columns(model, X, "_outputs")
    with collector_paused():  # which so many new lists would call in
        return columns[0].tolist() if len(columns) == 1 else list(map(list, zip(*columns)))


def predictions(model: MLP, X: object) -> list[int] | list[float] | list[list[int]] | list[list[float]]:
    """MLP.predict."""
    columns: list[Any] = [column.tolist() for column in _columns(model, X, "_decisions")]
    if model.output != "linear":
        columns = [list(map(int, column)) for column in columns]
    return columns[0] if len(columns) == 1 else list(map(list, zip(*columns)))


def accuracy(model: MLP, X: object, y: object) -> float:
    """MLP.accuracy."""
    if model.output == "linear":
        raise ValueError(f"{model!r} has a linear output, for which right and wrong mean nothing: look at the loss")
    decisions = [column.tolist() for column in _columns(model, X, "_decisions")]
    n, outputs = len(decisions[0]), model.sizes[-1]
    targets = read_targets(y, n, outputs, TARGET_KINDS[model.output])
    if model.output == "softmax":  # right where no class has a larger target than the one that was decided for
        numbers = targets.numbers
        found = map(numbers.__getitem__, map(add, range(0, n * outputs, outputs), map(int, decisions[0])))
        return float(sum(map(eq, found, map(max, zip(*[iter(numbers)] * outputs))))) / n
    low, half = (0.0, 0.5) if model.output == "sigmoid" else (-1.0, 0.0)
    right = 0
    for k, decided in enumerate(decisions):
        right += sum(map(eq, decided, [1.0 if t >= half else low for t in targets.numbers[k::outputs]]))
    return right / (n * outputs)


def _decisions(model: MLP, z: list[Value]) -> list[Value]:
    """What MLP.predict says, as graphs of the logits: numbers that stand for the classes."""
    if model.output == "linear":
        return z
    if model.output == "softmax":
        best, index = z[0], Value(0.0)
        for k, z_k in enumerate(z[1:], 1):  # the first of equals
            larger = z_k.gt(best)
            best, index = larger.where(z_k, best), larger.where(float(k), index)
        return [index]
    return [z_k.ge(0.0).where(1.0, -1.0 if model.output == "tanh" else 0.0) for z_k in z]


def _columns(model: MLP, X: object, what: str) -> list[array[float]]:
    """For each of the model's outputs, or of its decisions, the numbers at all rows of X.

    A long list is taken in portions: one after the other is read into the same memory, which stays cached.
    """
    step = max(1, _PORTION // model.nin // _ROWS) * _ROWS
    if isinstance(X, list) and len(X) >= 2 * step:
        kernel = _kernel(model, what)
        parameters, room = kernel.parameters(), room_for(step * model.nin)
        with suppress(TypeError, ValueError):  # which name a row as counted in its portion: below as counted in X
            starts = range(0, len(X), step)
            portions = [kernel.columns(_read(model, X[i : i + step], room), parameters) for i in starts]
            return [array("d", b"".join(parts)) for parts in zip(*portions)]
    rows = _read(model, X)
    return _kernel(model, what).columns(rows)


def _read(model: MLP, X: object, room: memoryview[float] | None = None) -> Rows:
    rows = read_rows(X, model.nin, room=room)
    if model.mean is None or model.scale is None:
        return rows
    return standardized(rows, model.mean, model.scale)


def _kernel(model: MLP, what: str) -> Kernel:
    # Tuples of weights are compared by identity before anything in them is looked at.
    made_for = model.output, [(n.activation, n.weights, n.bias) for layer in model.layers for n in layer.neurons]
    known = model._kernels.get(what)
    if known is None or known[0] != made_for:
        from engine.lowering.kernel import lower_values

        x = [Value(0.0, f"x{j}") for j in range(1, model.nin + 1)]
        z = model._logits(x, numbers=False)
        results = model._outputs(z) if what == "_outputs" else _decisions(model, z)
        model._kernels[what] = known = made_for, lower_values(results, x, model._groups())
    kernel: Kernel = known[1]
    return kernel
