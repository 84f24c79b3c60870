"""How good predictions are: accuracy, confusion matrix, precision, recall, F1, area under the ROC curve, R².

Plain functions of what is true and what was predicted, in this order; their results are scikit-learn's. Labels may be
numbers or words; lists, tuples and arrays will do.

>>> from nn import metrics
>>> true, predicted = ["cat", "cat", "dog", "dog"], ["cat", "dog", "dog", "dog"]
>>> metrics.accuracy(true, predicted)
0.75
>>> metrics.confusion_matrix(true, predicted)      # a row for each true label, a column for each predicted one
[[1, 1], [0, 2]]
>>> precision, recall, f1 = metrics.precision_recall_f1(true, predicted, positive="dog")
>>> print(f"{precision:.3f} {recall:.3f} {f1:.3f}")
0.667 1.000 0.800
>>> metrics.roc_auc([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
0.75
>>> metrics.r2_score([3.0, -0.5, 2.0, 7.0], [3.0, -0.5, 2.0, 6.0])
0.9657387580299786
"""

from __future__ import annotations

import math

from .data import read_targets

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal

    Average = Literal["binary", "macro", "micro", "weighted"] | None
    Scores = tuple[float, float, float]

_AVERAGES = ("binary", "macro", "micro", "weighted", None)


def accuracy(y_true: object, y_pred: object) -> float:
    """The share of predictions that are right.

    Where a label is a row of several, as of a model with several outputs, all of the row must be right.
    Raises ValueError for lists that are empty or not of the same length, TypeError for what is not a list of labels.
    """
    true, predicted = _pairs(y_true, y_pred, "accuracy")
    right = [t == p for t, p in zip(true, predicted)].count(True)
    return right / len(true)


def confusion_matrix(y_true: object, y_pred: object, labels: object = None) -> list[list[int]]:
    """How often each label was predicted as each: entry [i][j] counts the rows of label i that were predicted as j.

    labels  the labels in the order of rows and columns; by default all that occur, sorted. A row with a label that is
            not among them is not counted.
    """
    true, predicted = _pairs(y_true, y_pred, "confusion_matrix")
    if labels is None:
        ordered = _sorted({*true, *predicted}, "confusion_matrix")
    else:
        ordered = _labels(labels, "labels", "confusion_matrix")
        if len(set(ordered)) != len(ordered):
            raise ValueError(f"confusion_matrix: labels names a label twice: {ordered!r:.80}")
    place = {label: k for k, label in enumerate(ordered)}
    matrix = [[0] * len(ordered) for _ in ordered]
    for t, p in zip(true, predicted):
        if t in place and p in place:
            matrix[place[t]][place[p]] += 1
    return matrix


def precision_recall_f1(
    y_true: object, y_pred: object, average: Average = "binary", *, positive: object = 1
) -> Scores | list[Scores]:
    """(precision, recall, F1): the share of right ones among those predicted positive, the share of the positive ones
    that were found, and the harmonic mean of the two.

    average  "binary": for the label ``positive`` of two. For any number of labels: "macro", the mean over the labels;
             "weighted", the mean weighted by how often each occurs; "micro", counted over all of them together; None,
             a list with the three numbers of each label, in sorted order
    A share of nothing is 0.0, as where a label was never predicted.
    """
    name = "precision_recall_f1"
    if average not in _AVERAGES:
        raise ValueError(f"{name}: average must be one of {', '.join(map(repr, _AVERAGES))}; got {average!r}")
    true, predicted = _pairs(y_true, y_pred, name)
    labels = _sorted({*true, *predicted}, name)
    if average == "binary":
        if len(labels) > 2:
            raise ValueError(
                f'{name}: there are {len(labels)} labels, and average="binary" is for two: pass average="macro", '
                '"micro" or "weighted", or None for the numbers of each label'
            )
        if positive not in labels and (len(labels) == 2 or not isinstance(labels[0], (int, float))):
            raise ValueError(f"{name}: positive={positive!r} is not among the labels {labels!r:.80}: name one of them")
        labels = [positive]
    # right ones, predicted ones and true ones of each label
    counts = [
        (sum(t == p == label for t, p in zip(true, predicted)), predicted.count(label), true.count(label))
        for label in labels
    ]
    if average == "micro":
        right, said, there = map(sum, zip(*counts))
        return _scores(right, said, there)
    each = [_scores(*count) for count in counts]
    if average is None:
        return each
    weights = [there for _, _, there in counts] if average == "weighted" else [1] * len(counts)
    total = sum(weights)
    precision, recall, f1 = (
        math.fsum(weight * score for weight, score in zip(weights, scores)) / total if total else 0.0
        for scores in zip(*each)
    )
    return precision, recall, f1


def roc_auc(y_true: object, y_score: object) -> float:
    """The area under the ROC curve: the probability that a positive row has a higher score than a negative one.

    Of two equal scores each counts half. ``y_true`` holds two different labels, of which the larger is the positive
    one; ``y_score`` the probability of the positive one, or any number that grows with it. With a row of scores for
    each of several classes, in the sorted order of the labels, it is the mean over the classes of each against the
    rest. nan where only one label occurs, as there is nothing to tell apart.
    """
    true = _labels(y_true, "y_true", "roc_auc")
    scores = read_targets(y_score, len(true), None, "real", "y_score")
    labels = _sorted(set(true), "roc_auc")
    classes = len(scores[0])
    if classes == 1:
        if len(labels) > 2:
            raise ValueError(f"roc_auc: there are {len(labels)} labels: pass a score for each of them in every row")
        return _area([t == labels[-1] for t in true], [s for (s,) in scores]) if len(labels) == 2 else math.nan
    if len(labels) != classes:
        raise ValueError(f"roc_auc: {len(labels)} labels occur in y_true, and y_score has {classes} scores a row")
    if classes == 2:
        return _area([t == labels[1] for t in true], [s[1] for s in scores])
    return math.fsum(_area([t == label for t in true], [s[k] for s in scores])
                     for k, label in enumerate(labels)) / classes  # fmt: skip


def r2_score(y_true: object, y_pred: object) -> float:
    """R², the share of the variance of ``y_true`` that the predictions explain; 1.0 is perfect, the mean scores 0.0.

    Negative where the mean would predict better. Where ``y_true`` is constant: 1.0 if every prediction is right, else
    0.0. With several numbers a row it is the mean over the columns. nan for a single row, which has no variance.
    """
    items = _labels(y_true, "y_true", "r2_score")
    true = read_targets(y_true, len(items), None, "real", "y_true")
    predicted = read_targets(y_pred, len(items), len(true[0]), "real", "y_pred")
    if len(true) < 2:
        return math.nan
    columns = []
    for ts, ps in zip(zip(*true), zip(*predicted)):
        mean = math.fsum(ts) / len(ts)
        residual = math.fsum((t - p) ** 2 for t, p in zip(ts, ps))
        spread = math.fsum((t - mean) ** 2 for t in ts)
        columns.append(1 - residual / spread if spread else float(residual == 0))
    return math.fsum(columns) / len(columns)


def _scores(right: int, said: int, there: int) -> Scores:
    return (
        right / said if said else 0.0,
        right / there if there else 0.0,
        2 * right / (said + there) if said + there else 0.0,
    )


def _area(positive: list[bool], scores: list[float]) -> float:
    """The area under the ROC curve from the sum of the ranks of the positive rows (H. B. Mann, D. R. Whitney 1947, "On
    a test of whether one of two random variables is stochastically larger than the other").

    Twice the sum is counted, so that the mean rank of equal scores is an integer and nothing is rounded.
    """
    order = sorted(range(len(scores)), key=scores.__getitem__)
    total = start = 0
    while start < len(order):
        stop = start
        while stop < len(order) and scores[order[stop]] == scores[order[start]]:
            stop += 1
        total += (start + stop + 1) * sum(positive[i] for i in order[start:stop])
        start = stop
    ones = sum(positive)
    zeros = len(positive) - ones
    return (total - ones * (ones + 1)) / (2 * ones * zeros)


def _pairs(y_true: object, y_pred: object, name: str) -> tuple[list[Any], list[Any]]:
    """Both lists of labels, of the same length."""
    true, predicted = _labels(y_true, "y_true", name), _labels(y_pred, "y_pred", name)
    if len(true) != len(predicted):
        raise ValueError(f"{name}: y_true has {len(true)} labels and y_pred {len(predicted)}: there must be as many")
    return true, predicted


def _labels(y: Any, what: str, name: str) -> list[Any]:
    """y as a list of labels that can be compared and counted; a column of them is read as a list, a row as a tuple."""
    if isinstance(y, (str, bytes, dict)) or not hasattr(y, "__iter__"):
        raise TypeError(f"{name}: {what} must be a list of labels, got {y!r:.60} ({type(y).__name__})")
    for method in ("to_numpy", "tolist"):  # DataFrames and Series; arrays, for Python's own numbers
        if hasattr(y, method):
            y = getattr(y, method)()
    labels = []
    for k, item in enumerate(y):
        if isinstance(item, (list, tuple)) or (hasattr(item, "tolist") and hasattr(item, "__len__")):
            row = tuple(item.tolist() if hasattr(item, "tolist") else item)
            item = row[0] if len(row) == 1 else row
        if item is None or item != item:
            raise ValueError(f"{name}: {what}[{k}] is {item!r}: every row needs a label")
        labels.append(item)
    if not labels:
        raise ValueError(f"{name}: {what} is empty: give at least one label")
    return labels


def _sorted(labels: set[Any], name: str) -> list[Any]:
    if any(isinstance(label, tuple) for label in labels):
        raise ValueError(f"{name}: a label is a row of several: pass one output at a time")
    try:
        return sorted(labels)
    except TypeError:
        kinds = ", ".join(sorted({type(label).__name__ for label in labels}))
        raise TypeError(f"{name}: labels of different kinds cannot be put in order ({kinds}): use one kind") from None
