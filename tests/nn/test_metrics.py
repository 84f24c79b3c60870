"""nn.metrics: the numbers are scikit-learn's, and wrong input is refused by name."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nn import metrics

checked = settings(max_examples=40)
sklearn_metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture(autouse=True)
def quiet():
    """scikit-learn warns about shares of nothing; here only its numbers count."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def pairs_of(labels):
    return st.lists(st.tuples(labels, labels), min_size=1, max_size=40).map(lambda pairs: tuple(zip(*pairs)))


anything = st.one_of(
    pairs_of(st.integers(-2, 3)), pairs_of(st.sampled_from(["a", "b", "c d", "é"])), pairs_of(st.booleans())
)
some_equal = st.sampled_from([0.1, 0.2, 0.25, 0.5, 3.0]) | st.floats(-9, 9)
two_classes = pairs_of(st.integers(0, 1))


@checked
@given(anything)
def test_accuracy_and_confusion(pairs):
    """Accuracy and confusion matrix are scikit-learn's for numbers, words and booleans."""
    true, predicted = map(list, pairs)
    assert metrics.accuracy(true, predicted) == pytest.approx(sklearn_metrics.accuracy_score(true, predicted), abs=0)
    assert metrics.confusion_matrix(true, predicted) == sklearn_metrics.confusion_matrix(true, predicted).tolist()


@checked
@given(pairs_of(st.integers(0, 4)), st.permutations(range(5)).map(lambda order: order[:3]))
def test_confusion_of_some_labels(pairs, labels):
    """With ``labels``, rows and columns are these and in this order, as in scikit-learn."""
    true, predicted = pairs
    if set(true).isdisjoint(labels):
        return  # scikit-learn refuses this
    expected = sklearn_metrics.confusion_matrix(true, predicted, labels=labels).tolist()
    assert metrics.confusion_matrix(true, predicted, labels) == expected


@checked
@given(anything, st.sampled_from(["macro", "micro", "weighted", None]))
def test_precision_recall_f1(pairs, average):
    """Precision, recall and F1 of any number of labels are scikit-learn's for each average."""
    true, predicted = map(list, pairs)
    expected = sklearn_metrics.precision_recall_fscore_support(true, predicted, average=average, zero_division=0)[:3]
    found = metrics.precision_recall_f1(true, predicted, average)
    if average is None:
        expected, found = list(zip(*expected)), found
        assert all(f == pytest.approx(e, rel=1e-12) for f, e in zip(found, expected, strict=True))
    else:
        assert found == pytest.approx(expected, rel=1e-12)


@checked
@given(two_classes)
def test_precision_recall_f1_of_two_classes(pairs):
    """By default they are those of the label 1, as in scikit-learn."""
    true, predicted = map(list, pairs)
    expected = sklearn_metrics.precision_recall_fscore_support(true, predicted, average="binary", zero_division=0)[:3]
    assert metrics.precision_recall_f1(true, predicted) == pytest.approx(expected, rel=1e-12)


@checked
@given(st.lists(st.tuples(st.integers(0, 1), some_equal), min_size=2, max_size=50))
def test_roc_auc(rows):
    """The area is scikit-learn's, equal scores included; with one label only it is nan in both."""
    true, scores = map(list, zip(*rows))
    expected = sklearn_metrics.roc_auc_score(true, scores)
    assert metrics.roc_auc(true, scores) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@checked
@given(st.lists(st.tuples(st.integers(0, 2), *[st.floats(0.01, 1)] * 3), max_size=30))
def test_roc_auc_of_several_classes(rows):
    """With a row of probabilities for three classes the area is scikit-learn's for one against the rest."""
    rows = [(0, 0.5, 0.2, 0.3), (1, 0.3, 0.3, 0.4), (2, 0.1, 0.8, 0.1), *rows]
    true = [row[0] for row in rows]
    scores = [[p / math.fsum(row[1:]) for p in row[1:]] for row in rows]
    expected = sklearn_metrics.roc_auc_score(true, scores, multi_class="ovr")
    assert metrics.roc_auc(true, scores) == pytest.approx(expected, rel=1e-12)


@checked
@given(st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=40))
def test_r2(rows):
    """R² is scikit-learn's, for constant targets and single rows too."""
    true, predicted = map(list, zip(*rows))
    if len({round(t, 6) for t in true}) < len(set(true)):
        return  # a variance of rounding errors
    expected = sklearn_metrics.r2_score(true, predicted)
    assert metrics.r2_score(true, predicted) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_r2_of_several_outputs_and_of_constants():
    """Several columns are averaged; a constant target gives 1 or 0, never an infinity."""
    true, predicted = [[1.0, 2.0], [2.0, 5.0], [4.0, 7.0]], [[1.0, 2.5], [2.5, 5.0], [4.0, 6.0]]
    assert metrics.r2_score(true, predicted) == pytest.approx(sklearn_metrics.r2_score(true, predicted), rel=1e-12)
    assert metrics.r2_score([2.0, 2.0], [2.0, 2.0]) == 1.0
    assert metrics.r2_score([2.0, 2.0], [2.0, 3.0]) == 0.0
    assert math.isnan(metrics.r2_score([2.0], [2.0]))


def test_arrays_columns_and_rows():
    """Arrays and columns are read as lists; rows of labels must be right as a whole, as in scikit-learn."""
    numpy = pytest.importorskip("numpy")
    true, predicted = numpy.array([[0], [1], [1]]), numpy.array([0, 1, 0])
    assert metrics.accuracy(true, predicted) == pytest.approx(2 / 3)
    assert metrics.confusion_matrix(true, predicted) == [[1, 0], [1, 1]]
    rows, said = [[0, 1], [1, 1]], [[0, 1], [1, 0]]
    assert metrics.accuracy(rows, said) == sklearn_metrics.accuracy_score(numpy.array(rows), numpy.array(said))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: metrics.accuracy([1], [1, 2]), "y_true has 1 labels and y_pred 2"),
        (lambda: metrics.accuracy([], []), "y_true is empty"),
        (lambda: metrics.accuracy("ab", "ab"), "y_true must be a list of labels"),
        (lambda: metrics.accuracy([1, math.nan], [1, 1]), r"y_true\[1\] is nan"),
        (lambda: metrics.confusion_matrix([1, "a"], [1, 1]), "different kinds"),
        (lambda: metrics.confusion_matrix([[1, 0]], [[1, 0]]), "one output at a time"),
        (lambda: metrics.confusion_matrix([1], [1], labels=[1, 1]), "a label twice"),
        (lambda: metrics.precision_recall_f1([0, 1, 2], [0, 1, 2]), 'average="macro"'),
        (lambda: metrics.precision_recall_f1(["a", "b"], ["a", "b"]), "positive=1 is not among"),
        (lambda: metrics.precision_recall_f1([0], [0], "mean"), "average must be one of"),
        (lambda: metrics.roc_auc([0, 1, 2], [0.1, 0.2, 0.3]), "a score for each"),
        (lambda: metrics.roc_auc([0, 1], [[0.1, 0.2, 0.7]] * 2), "2 labels occur"),
        (lambda: metrics.roc_auc([0, 1], [0.1]), "y_score has 1"),
        (lambda: metrics.r2_score([0.0, 1.0], [0.1, math.inf]), r"y_pred\[1\]"),
    ],
)
def test_errors_name_what_is_wrong(call, words):
    """An error names the function or the list, what was found, and what to pass instead."""
    with pytest.raises((ValueError, TypeError), match=words):
        call()
