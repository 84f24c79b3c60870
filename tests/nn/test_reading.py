"""What users pass as X and y: read from many kinds of container, and refused by row and column."""

from __future__ import annotations

import math
from array import array
from decimal import Decimal
from fractions import Fraction

import pytest

from nn.data import positive_int, read_rows, read_targets


def test_containers():
    """Lists, tuples, arrays, memoryviews, NumPy arrays and generators of rows give the same lists of floats."""
    numpy = pytest.importorskip("numpy")
    expected = [[1.0, 2.0], [3.0, 4.5]]
    flat = memoryview(array("d", [1, 2, 3, 4.5])).cast("B").cast("d", shape=[2, 2])
    for X in (
        [[1, 2], [3, 4.5]], ((1, 2), (3, 4.5)), [array("d", [1, 2]), array("d", [3, 4.5])], flat, numpy.array(expected),
        numpy.array(expected, dtype=numpy.float32), list(numpy.array(expected)), ([a, b] for a, b in expected),
        [[True, Fraction(2)], [Decimal(3), numpy.float64(4.5)]], numpy.asfortranarray(expected),
    ):  # fmt: skip
        rows = read_rows(X)
        assert rows == expected
        assert {type(x) for row in rows for x in row} == {float}


def test_data_frames():
    """What has to_numpy, such as a DataFrame, is read by it."""
    numpy = pytest.importorskip("numpy")

    class Frame:
        def __len__(self):
            return 2

        def __iter__(self):
            return iter(["column a", "column b"])

        def to_numpy(self):
            return numpy.array([[1.0, 2.0], [3.0, 4.0]])

    assert read_rows(Frame()) == [[1.0, 2.0], [3.0, 4.0]]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([], ValueError, "X is empty: give at least one row"),
        ([[]], ValueError, r"X\[0\] \(row 0\) has 0 columns: every row must have 2"),
        ([[1, 2], [1, 2, 3]], ValueError, r"X\[1\] \(row 1\) has 3 columns: every row must have 2"),
        ([[1], [1]], ValueError, r"X\[0\] \(row 0\) has 1 columns: every row must have 2"),
        ([[1, 2], [1, math.nan]], ValueError, r"X\[1\]\[1\] \(row 1, column 1\) is nan"),
        ([[1, 2], [-math.inf, 1]], ValueError, r"X\[1\]\[0\] \(row 1, column 0\) is -inf"),
        ([[1, 2], [1, "2"]], TypeError, r"X\[1\]\[1\] \(row 1, column 1\) is '2' \(str\): it must be a number"),
        ([[1, None]], TypeError, r"X\[0\]\[1\] \(row 0, column 1\) is None"),
        ([[1, 1j]], TypeError, "is 1j"),
        ([[1, [2]]], TypeError, r"X\[0\]\[1\] \(row 0, column 1\) is \[2\] \(list\)"),
        ([[1, 10**400]], ValueError, r"X\[0\]\[1\] \(row 0, column 1\) is too large for a float"),
        ([1, 2], TypeError, r"X\[0\] must be a row, a list of numbers, got 1 \(int\)"),
        (["ab", "cd"], TypeError, r"X\[0\] must be a row, a list of numbers, got 'ab'"),
        ("ab", TypeError, "X must be a list of rows, one a sample, got 'ab'"),
        (3.0, TypeError, r"X must be a list of rows, one a sample, got 3.0 \(float\)"),
        ({1: [1, 2]}, TypeError, "X must be a list of rows"),
        ([{1, 2}], TypeError, r"X\[0\] must be a row"),
    ],
)
def test_wrong_rows(X, error, message):
    """Everything that is no table of finite numbers is refused with the row and the column."""
    with pytest.raises(error, match=message):
        read_rows(X, 2)


def test_ragged_rows_without_a_given_width():
    """Where no width is given, the first row sets it."""
    with pytest.raises(ValueError, match=r"X\[2\] \(row 2\) has 1 columns: every row must have 2"):
        read_rows([[1, 2], [3, 4], [5]])
    with pytest.raises(ValueError, match="a row needs at least one"):
        read_rows([[]])


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
