"""How much each row counts: weights of samples and of classes."""

from __future__ import annotations

import math
from array import array
from collections import Counter

from engine.operands import shortened
from engine.rows import Rows, read_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def row_weights(sample_weight: object, class_weight: Any, targets: Rows) -> Rows | None:
    """The weight of each row, as a column whose mean is 1; None where every row counts alike.

    sample_weight   None or n numbers of at least 0
    class_weight    None, "balanced", or a dictionary from labels to numbers

    Weights of mean 1 make the mean of the weighted losses the weighted mean of the losses: a weight of 2 is as good as
    the row twice, and 0 as good as no row. Raises TypeError and ValueError for anything else.
    """
    if sample_weight is None and class_weight is None:
        return None
    weights = [1.0] * len(targets)
    if sample_weight is not None:
        weights = _checked([[w] for w in _listed(sample_weight)], "sample_weight")
        if len(weights) != len(targets):
            raise ValueError(f"fit: sample_weight has {len(weights)} numbers and X has {len(targets)} rows")
    if class_weight is not None:
        labels = [_label(target) for target in targets]
        of = _of_classes(class_weight, Counter(labels))
        weights = [w * of.get(label, 1.0) for w, label in zip(weights, labels)]
    mean = math.fsum(weights) / len(weights)
    if not mean > 0:
        raise ValueError("fit: all weights are 0: nothing would be learnt")
    return Rows(array("d", [w / mean for w in weights]), 1)


def _listed(weights: Any) -> list[Any]:
    if isinstance(weights, (str, bytes, dict)) or not hasattr(weights, "__iter__"):
        raise TypeError(f"fit: sample_weight must be a list of numbers, one a row of X, got {shortened(weights)}")
    return list(weights.tolist() if hasattr(weights, "tolist") else weights)


def _checked(column: list[list[Any]], name: str) -> list[float]:
    numbers = list(read_rows(column, 1, f"fit: {name}").numbers)
    for i, w in enumerate(numbers):
        if w < 0:
            raise ValueError(f"fit: {name}[{i}] is {w}: a weight must be at least 0")
    return numbers


def _label(target: list[float]) -> float:
    """The class of a target: the number itself, the half that it is in, or the index of the largest of several."""
    return target[0] if len(target) == 1 else float(target.index(max(target)))


def _of_classes(class_weight: Any, counts: Mapping[float, int]) -> dict[float, float]:
    if class_weight == "balanced":
        total = sum(counts.values())
        return {label: total / (len(counts) * count) for label, count in counts.items()}
    if not isinstance(class_weight, dict):
        raise TypeError(
            'fit: class_weight must be a dictionary from labels to numbers, or "balanced", '
            f"got {shortened(class_weight)}"
        )
    for label in class_weight:
        if label not in counts:
            known = ", ".join(f"{known:g}" for known in sorted(counts)[:10])
            raise ValueError(f"fit: class_weight has the label {shortened(label)}, and y has {known}")
    weights = _checked([[w] for w in class_weight.values()], "class_weight") if class_weight else []
    return dict(zip(map(float, class_weight), weights))
