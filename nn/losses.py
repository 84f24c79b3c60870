"""Losses: one number that says how far predictions are from what they should be, as a Value to differentiate.

Each takes one prediction and its target, or lists of both, of which it gives the mean. Targets are numbers, or Values
where a graph is to be lowered. Binary cross-entropy comes on probabilities, which is the lecture's formula, and on
logits, which is what ``fit`` uses: past z = 37 the probability rounds to 1 and its formula knows nothing more.
"""

from __future__ import annotations

from engine import Value, bce, bce_with_logits, dot, logsumexp, mean, softplus
from engine.operands import real_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Number = float | Value


def binary_cross_entropy(probability: Value | Sequence[Any], label: Number | Sequence[Any]) -> Value:
    """-(y log a + (1 - y) log(1 - a)) of the probability a for the label y, which may be soft; in nats.

    The logarithms are at least -100, as in torch.nn.BCELoss, so that a certain error costs 100 and not infinity. The
    derivative with respect to a is (a - y) / (a (1 - a)), the lecture's -y/a + (1 - y)/(1 - a). Raises ValueError for
    a probability or a label outside [0, 1].
    """

    def one(a: Value, y: Number) -> Value:
        if not (0 <= a.data <= 1 or a.data != a.data):
            raise ValueError(
                f"binary_cross_entropy takes a probability in [0, 1], got {a.data!r}: "
                "for logits use binary_cross_entropy_with_logits"
            )
        loss: Value = bce(a, _label(y, "binary_cross_entropy"))
        return loss

    return _mean_of(one, probability, label, "binary_cross_entropy")


def binary_cross_entropy_with_logits(logit: Value | Sequence[Any], label: Number | Sequence[Any]) -> Value:
    """The binary cross-entropy of the probability σ(z), for the logit z: y softplus(-z) + (1 - y) softplus(z).

    Exact for every z, and so is its derivative σ(z) - y, the lecture's dz = a - y. Raises ValueError for a label
    outside [0, 1], and for the result of a sigmoid, which is not a logit.
    """

    def one(z: Value, y: Number) -> Value:
        if z.op is not None and z.op.name == "sigmoid":
            raise ValueError(
                "binary_cross_entropy_with_logits takes a logit, and got the probability that a sigmoid gives: pass "
                'model.logits(x), or a model with output="linear"; for probabilities there is binary_cross_entropy'
            )
        loss: Value = bce_with_logits(z, _label(y, "binary_cross_entropy_with_logits"))
        return loss

    return _mean_of(one, logit, label, "binary_cross_entropy_with_logits")


def mean_squared_error(prediction: Value | Sequence[Any], target: Number | Sequence[Any]) -> Value:
    """The mean of (prediction - target)²."""

    def one(p: Value, t: Number) -> Value:
        error = p - (t if isinstance(t, Value) else real_number(t, "mean_squared_error: target"))
        return error * error

    return _mean_of(one, prediction, target, "mean_squared_error")


def hinge(prediction: Value | Sequence[Any], target: Number | Sequence[Any]) -> Value:
    """max(0, 1 - y p) of the prediction p, any number, for the label y, -1 or 1: no loss from a margin of 1 on.

    The loss of a support vector machine, for a model with output="linear". Raises ValueError for other labels.

    >>> hinge(Value(0.25), -1).data, hinge(Value(3.0), 1).data
    (1.25, 0.0)
    """

    def one(p: Value, y: Number) -> Value:
        number = y.data if isinstance(y, Value) else real_number(y, "hinge: label")
        if number not in (-1.0, 1.0):
            raise ValueError(f"hinge takes a label of -1 or 1, got {number!r}")
        return (1 - y * p).relu()

    return _mean_of(one, prediction, target, "hinge")


def cross_entropy(logits: Sequence[Any], target: Any) -> Value:
    """The cross-entropy of softmax(logits) for several classes, -Σ t_k log p_k; in nats.

    target: the index of the class, counted from 0, or a probability for each class. Computed as logsumexp(z) - Σ t_k
    z_k, which neither overflows nor takes the logarithm of 0; for an index as log(1 + exp(logsumexp of the others -
    z)), which keeps its digits, and those of its gradient, however sure the network is. A list of rows of logits with a
    list of targets gives the mean. Raises ValueError for a class that is not there, and for probabilities outside
    [0, 1] or whose sum is not 1.
    """
    if isinstance(logits, Value) or not hasattr(logits, "__len__") or len(logits) == 0:
        raise TypeError(f"cross_entropy takes a list of logits, one a class, got {logits!r:.60}")
    if not isinstance(logits[0], Value):
        rows = _same_length(logits, target, "cross_entropy")
        return _mean([cross_entropy(row, t) for row, t in rows])
    _refuse_probabilities(logits)
    classes = len(logits)
    if isinstance(target, Value) or not hasattr(target, "__len__"):
        k = _class_index(target, classes)
        others = [*logits[:k], *logits[k + 1 :]]
        return softplus(logsumexp(others) - logits[k]) if others else logsumexp(logits) - logits[k]
    if len(target) != classes:
        raise ValueError(f"cross_entropy: the target has {len(target)} probabilities for {classes} logits")
    targets = [_label(t, "cross_entropy") for t in target]
    weight = sum(float(t) for t in targets)
    if abs(weight - 1) > 1e-6:
        raise ValueError(f"cross_entropy: the target's probabilities must sum to 1, they sum to {weight!r}")
    return logsumexp(logits) - dot(targets, logits)


def _refuse_probabilities(logits: Sequence[Value]) -> None:
    """ValueError where the logits are the results of a softmax: their softmax would be almost flat."""
    if all(z.op is not None and z.op.name in ("exp", "div", "mul") for z in logits):
        p = [z.data for z in logits]
        if len(p) > 1 and all(0 <= p_k <= 1 for p_k in p) and abs(sum(p) - 1) < 1e-9:
            raise ValueError(
                "cross_entropy takes logits, and got probabilities: pass model.logits(x), or a model with linear output"
            )


def _label(y: Number, name: str) -> Number:
    number = y.data if isinstance(y, Value) else real_number(y, f"{name}: label")
    if not 0 <= number <= 1:
        raise ValueError(f"{name} takes a label in [0, 1], got {number!r}")
    return y


def _class_index(target: object, classes: int) -> int:
    index = getattr(target, "__index__", None)
    if index is None or isinstance(target, bool):
        raise TypeError(f"cross_entropy takes a class index or a list of probabilities, got {target!r:.60}")
    k: int = index()
    if not 0 <= k < classes:
        raise ValueError(f"cross_entropy: class {k} does not exist, there are 0 to {classes - 1}")
    return k


def _mean_of(
    one: Callable[[Value, Number], Value],
    predictions: Value | Sequence[Any],
    targets: Number | Sequence[Any],
    name: str,
) -> Value:
    """one(prediction, target), or its mean over lists, which may be nested."""
    if isinstance(predictions, Value):
        if hasattr(targets, "__len__") and not isinstance(targets, str):
            raise ValueError(f"{name}: one prediction but several targets, {targets!r:.60}: pass one number")
        return one(predictions, targets)  # type: ignore[arg-type]
    if isinstance(predictions, (int, float)):
        return one(Value(predictions), targets)  # type: ignore[arg-type]
    return _mean([_mean_of(one, p, t, name) for p, t in _same_length(predictions, targets, name)])


def _same_length(predictions: Any, targets: Any, name: str) -> list[tuple[Any, Any]]:
    for what, given in (("predictions", predictions), ("targets", targets)):
        if not hasattr(given, "__len__") or isinstance(given, (str, bytes, dict)):
            kind = type(given).__name__
            raise TypeError(f"{name}: {what} must be a Value or a list of them, got {given!r:.60} ({kind})")
    if len(predictions) != len(targets):
        raise ValueError(f"{name}: {len(predictions)} predictions but {len(targets)} targets")
    if not len(predictions):
        raise ValueError(f"{name} of an empty list has no mean: pass at least one prediction")
    return list(zip(predictions, targets))


def _mean(losses: list[Value]) -> Value:
    if len(losses) == 1:
        return losses[0]
    average: Value = mean(losses)
    return average
