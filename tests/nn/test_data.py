"""What users pass as targets: read from many kinds of container, and refused by row and column."""

from __future__ import annotations

import math

import pytest

from nn import data
from nn.data import positive_int


def read_targets(*arguments):
    return list(data.read_targets(*arguments))


def test_targets():
    """Bare numbers, columns and rows are read as lists; class indices become one-hot."""
    numpy = pytest.importorskip("numpy")
    assert read_targets([0, True, 0.5], 3, 1, "probability") == [[0.0], [1.0], [0.5]]
    assert read_targets([[0], [1]], 2, 1, "probability") == [[0.0], [1.0]]
    assert read_targets(numpy.array([[0], [1]]), 2, 1, "probability") == [[0.0], [1.0]]
    assert read_targets(list(numpy.array([0, 1])), 2, 1, "probability") == [[0.0], [1.0]]
    assert read_targets([2, 0.0], 2, 3, "class") == [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]
    assert read_targets([[0.5, 0.5, 0]], 1, 3, "class") == [[0.5, 0.5, 0.0]]
    assert read_targets([-5, 1e9], 2, 1, "real") == [[-5.0], [1e9]]
    assert read_targets([[1, 2], [3, 4]], 2, None, "real") == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("y", "outputs", "kind", "error", "message"),
    [
        ([0], 1, "probability", ValueError, "y has 1 labels and X has 2 rows: there must be one for each row"),
        ([0, 1.5], 1, "probability", ValueError, r"y\[1\] \(row 1\) is 1.5: labels must lie in \[0, 1\]"),
        ([0, -1], 1, "probability", ValueError, r"y\[1\] \(row 1\) is -1.0: labels must lie in \[0, 1\]"),
        ([0, math.nan], 1, "real", ValueError, r"y\[1\] \(row 1\) is nan"),
        ([0, "1"], 1, "probability", TypeError, r"y\[1\] \(row 1\) is '1' \(str\): it must be a number"),
        ([[0, 1], [1, 2]], 2, "probability", ValueError, r"y\[1\]\[1\] \(row 1\) is 2.0"),
        ([[0, 1], [1]], 2, "probability", ValueError, r"y\[1\] \(row 1\) has 1 numbers: the model has 2 outputs"),
        ([0, [0, 1]], 1, "real", ValueError, r"y\[1\] \(row 1\) has 2 numbers: the model has 1 output"),
        ([[0, 1], [0]], None, "real", ValueError, r"y\[1\] \(row 1\) has 1 numbers: the rows before have 2"),
        ([0, 3], 3, "class", ValueError, r"y\[1\] is 3: a class must be one of 0, 1, ..., 2"),
        ([0, 0.5], 3, "class", ValueError, r"y\[1\] is 0.5: a class must be"),
        ([0, [0.5, 0.2, 0.2]], 3, "class", ValueError, r"y\[1\] \(row 1\) sums to 0.9"),
        ("01", 1, "probability", TypeError, "y must be a list of labels"),
        (1, 1, "probability", TypeError, "y must be a list of labels"),
        ({0, 1}, 1, "probability", TypeError, "y must be a list of labels"),
    ],
)
def test_wrong_targets(y, outputs, kind, error, message):
    """Labels that the loss cannot use are refused with the row."""
    with pytest.raises(error, match=message):
        read_targets(y, 2, outputs, kind)


def test_positive_int():
    """Integers of at least 1 pass, NumPy's too; all else is refused by name."""
    numpy = pytest.importorskip("numpy")
    assert positive_int("epochs", numpy.int64(3)) == 3
    for value, error in ((0, ValueError), (2.0, TypeError), (True, TypeError), ("3", TypeError), (None, TypeError)):
        with pytest.raises(error, match="epochs must be"):
            positive_int("epochs", value)
