"""What users pass as rows: read from many kinds of container, and refused by row and column."""

from __future__ import annotations

import math
from array import array
from decimal import Decimal
from fractions import Fraction

import pytest

from engine import Value
from engine import rows as engine_rows
from engine.rows import read_rows


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
        rows = list(read_rows(X))
        assert rows == expected
        assert {type(x) for row in rows for x in row} == {float}


def test_arrays_are_not_copied():
    """Contiguous doubles are looked at where they lie; those that may only be read are copied in one piece."""
    numpy = pytest.importorskip("numpy")
    X = numpy.arange(12.0).reshape(4, 3)
    rows = read_rows(X)
    X[2, 1] = 50.0
    assert rows[2] == [6.0, 50.0, 8.0]
    X.flags.writeable = False
    rows = read_rows(X)
    assert isinstance(rows.numbers, array)
    assert list(rows) == X.tolist()


def test_tensors():
    """PyTorch's tensors of any number format, also those that are differentiated."""
    torch = pytest.importorskip("torch")
    expected = [[1.0, 2.0], [3.0, 4.5]]
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        assert list(read_rows(torch.tensor(expected, dtype=dtype))) == expected
    assert list(read_rows(torch.tensor(expected, requires_grad=True))) == expected
    assert list(read_rows(torch.tensor([[1, 2], [3, 4]]))) == [[1.0, 2.0], [3.0, 4.0]]
    with pytest.raises(ValueError, match=r"X\[1\]\[0\] \(row 1, column 0\) is nan"):
        read_rows(torch.tensor([[1.0, 2.0], [math.nan, 1.0]]))


@pytest.mark.parametrize("compiled", [False, True])
def test_many_rows(monkeypatch, compiled):
    """Rows read in compiled code and without it: the same floats, and the same words for what is wrong."""
    if compiled:
        pytest.importorskip("engine.lowering.native.objects")
    else:
        monkeypatch.setattr(engine_rows, "compiled", lambda n: None)
    table = [[i / 3, i, i % 2 == 0] if i % 3 else (i / 7, -i, True) for i in range(300)]
    rows = read_rows(table)
    assert list(rows) == [[float(x) for x in row] for row in table]
    assert {type(x) for row in rows for x in row} == {float}
    for odd, message in (
        (math.inf, "is inf"),
        ("3", r"is '3' \(str\)"),
        (10**400, "too large"),
        (Value(2.0) * 3, "mul"),
    ):
        table[250] = [1.0, odd, 2.0]
        with pytest.raises((TypeError, ValueError), match=rf"X\[250\]\[1\] \(row 250, column 1\) .*{message}"):
            read_rows(table)
    table[250] = [1.0, Value(2.5), Fraction(1, 2)]  # a leaf stands for its number
    assert read_rows(table)[250] == [1.0, 2.5, 0.5]
    table[250] = [1.7e308] * 3  # large, but finite
    assert read_rows(table)[250] == [1.7e308] * 3


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

    assert list(read_rows(Frame())) == [[1.0, 2.0], [3.0, 4.0]]


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
    """Everything that is not a table of finite numbers is refused with the row and the column."""
    with pytest.raises(error, match=message):
        read_rows(X, 2)


def test_ragged_rows_without_a_given_width():
    """Where no width is given, the first row sets it."""
    with pytest.raises(ValueError, match=r"X\[2\] \(row 2\) has 1 columns: every row must have 2"):
        read_rows([[1, 2], [3, 4], [5]])
    with pytest.raises(ValueError, match="a row needs at least one"):
        read_rows([[]])


@pytest.mark.parametrize("width", [1, 2, 31, 32, 100])
def test_rows_beside_and_taken(width):
    """Rows beside others are each row followed by the other's; taken rows come in the order asked for."""
    left = read_rows([[100.0 * i + j for j in range(width)] for i in range(4)])
    right = read_rows([[-i - 1.0, 0.5] for i in range(4)])
    joined = left.beside(right)
    assert (len(joined), joined.width) == (4, width + 2)
    assert list(joined) == [left[i] + right[i] for i in range(4)]
    assert list(left) == [[100.0 * i + j for j in range(width)] for i in range(4)]
    assert list(joined.take([2, 0, 2])) == [joined[2], joined[0], joined[2]]
