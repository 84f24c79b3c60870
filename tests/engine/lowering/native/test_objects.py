"""Numbers read out of Python's objects in compiled code: the same as Python reads, or none at all."""

from __future__ import annotations

import math
from array import array
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value
from engine import rows as engine_rows
from engine.lowering import native
from engine.lowering.native import objects

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

NUMBERS = st.one_of(st.floats(), st.integers(-(2**70), 2**70), st.booleans())


def same(a, b):
    return array("d", a).tobytes() == array("d", b).tobytes() or all(
        x == y or (x != x and y != y) for x, y in zip(a, b, strict=True)
    )


def test_the_fields_are_found():
    """On CPython with its global lock the objects are as the C file expects them."""
    assert objects._as_expected()
    assert objects._reader() is not None


@given(st.lists(st.one_of(*[st.tuples(*[NUMBERS] * 3), st.lists(NUMBERS, min_size=3, max_size=3)]), min_size=1))
def test_tables(table):
    """Lists and tuples of floats, ints and bools become what float() makes of them; nan and infinities are told of."""
    numbers, finite = objects.read_table(table, 3)
    expected = [float(x) for row in table for x in row]
    assert same(numbers, expected)
    assert finite == all(map(math.isfinite, expected))


@pytest.mark.parametrize(
    "odd",
    [
        "1",
        None,
        1j,
        10**400,
        -(10**400),
        Value(1.0),
        Fraction(1, 2),
        Decimal(1),
        [1.0],
        math,
        type("F", (float,), {})(1.0),
    ],
    ids=lambda x: type(x).__name__,
)
@pytest.mark.parametrize("place", range(4))
def test_what_is_no_plain_number_is_left_to_python(odd, place):
    """Anything else anywhere, and no exception is left behind."""
    flat = [1.0, 2, True, -1]
    flat[place] = odd
    assert objects.read_table([flat[:2], flat[2:]], 2) is None
    assert objects.read_table([[1.0, 2.0]], 2) is not None


@pytest.mark.parametrize("row", [[1.0], [1.0, 2.0, 3.0], array("d", [1, 2]), "ab", {1: 1, 2: 2}, 1.5])
def test_rows_of_another_kind_or_width(row):
    """Rows that are not lists or tuples of the width asked for are left to Python."""
    assert objects.read_table([[1.0, 2.0], row], 2) is None


def test_minus_one_is_a_number():
    """-1, which Python's own conversion also returns for an error, is read."""
    assert list(objects.read_table([[-1, -1.0], [-1, -1]], 2)[0]) == [-1.0] * 4


def test_data_of_values():
    """The data of Values, also ints put there by hand; anything that is not a plain number is left to Python."""
    nodes = [Value(k / 3) for k in range(100)]
    assert list(objects.read_data(nodes)) == [node.data for node in nodes]
    nodes[3].data = 7  # type: ignore[assignment]
    assert objects.read_data(nodes)[3] == 7.0
    for data in ("1", None, Fraction(1, 3), 10**400):
        nodes[5].data = data  # type: ignore[assignment]
        assert objects.read_data(nodes) is None
    del nodes[5].data
    assert objects.read_data(nodes) is None
    assert objects.read_data([*nodes[:3], 1.0]) is None  # type: ignore[list-item]


@pytest.mark.parametrize("place", [0, 1, 7, 8, 999])
@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_all_finite(place, odd):
    """One nan or infinity anywhere is found, in an array and in a memoryview; the largest double is finite."""
    numbers = array("d", [1.7976931348623157e308]) * 1000
    assert objects.all_finite(numbers) is True
    numbers[place] = odd
    assert objects.all_finite(numbers) is False
    assert objects.all_finite(memoryview(numbers)) is False
    assert objects.all_finite(memoryview(numbers.tobytes()).cast("d")) is None  # only to be read: where is not told


def test_another_layout_is_not_read(monkeypatch):
    """Where objects are laid out in another way nothing is read, and rows come the other way, the same."""
    table = [[k / 7, float(k), k % 2 == 0] for k in range(100)]
    expected = engine_rows.read_rows(table).numbers
    monkeypatch.setattr(objects, "_NUMBER", 8)
    monkeypatch.setattr(objects, "_found", None)
    assert objects.read_table(table, 3) is None
    assert objects.read_data([Value(1.0)]) is None
    assert engine_rows.read_rows(table).numbers == expected
