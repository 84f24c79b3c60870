"""Numbers out of Python's objects and into them in compiled code: the same as Python's own way, or none at all."""

from __future__ import annotations

import gc
import math
import random
import sys
import weakref
from array import array
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Value, dot
from engine import rows as engine_rows
from engine.compiled import write_numbers
from engine.lowering import native
from engine.lowering.native import objects
from engine.value import Beginning
from engine.weighted import uniform

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
    assert objects.object_reader() is not None


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


@pytest.mark.parametrize("width", [7, 8, 9, 16, 29])
@pytest.mark.parametrize("kind", [list, tuple])
def test_each_place_of_a_wide_row(width, kind):
    """Floats are read several at a time: a nan, an infinity, an int and what is no number are seen at any place."""
    floats = [x / 8 for x in range(2 * width)]
    floats[0], floats[-1] = sys.float_info.max, -sys.float_info.max
    for place in range(2 * width):
        for odd in (math.nan, -math.inf, 7, True, 10**300, "1", None, object()):
            flat = [*floats[:place], odd, *floats[place + 1 :]]
            read = objects.read_table([kind(flat[:width]), kind(flat[width:])], width)
            if isinstance(odd, (int, float)):
                assert same(read[0], map(float, flat))
                assert read[1] == math.isfinite(odd)
            else:
                assert read is None


@pytest.mark.parametrize(("n", "width"), [(300, 300), (7000, 10), (70_000, 1)])
def test_of_many_rows_those_ahead_may_be_odd(n, width):
    """Of many rows those ahead are looked at early: one of another kind or width is still left to Python."""
    table = [[float(i * width + k) for k in range(width)] for i in range(n)]
    assert list(objects.read_table(table, width)[0]) == [*map(float, range(n * width))]
    for place in (0, 1, n // 2, n - 1):
        for odd in ([1.0], [1.0] * (width + 1), "a" * width, 1.5, [*table[place][:-1], "1"]):
            if odd != [1.0] * width:
                assert objects.read_table([*table[:place], odd, *table[place + 1 :]], width) is None


def test_a_table_in_memory_that_is_given():
    """The numbers are put into the memory that is given for them, where it is enough, and nothing behind them."""
    room = memoryview(array("d", [7.0] * 6))
    for table in ([[1.0, 2], [True, -0.5]], [[3.0, 4.0]]):
        numbers, finite = objects.read_table(table, 2, room)
        assert finite
        assert same(numbers, [float(x) for row in table for x in row])
    assert same(objects.read_table([[9.0] * 7], 7, room)[0], [9.0] * 7)
    assert same(room, [3.0, 4.0, 1.0, -0.5, 7.0, 7.0])


@pytest.mark.parametrize("n", [0, 1, 262143, 262144, 700001])
def test_zeros(n):
    """Zeros can be written over, in small and in huge pages; what has been written stays there, and there alone."""
    numbers, others = objects.zeros(n), objects.zeros(n)
    assert len(numbers) == n
    assert not any(numbers)
    place = memoryview(numbers)
    for k in range(0, n, 1000):
        place[k] = float(k)
    assert numbers.tolist() == [0.0 if k % 1000 else float(k) for k in range(n)]
    assert not any(others)
    address = objects.start_of(numbers)
    assert n == 0 or address == objects.address_of(numbers)[0]


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


@pytest.mark.parametrize("name", ["data", "grad"])
def test_numbers_written_into_values(name):
    """Each Value gets its number as a float of its own, and the numbers that were there are let go."""
    before = [float(f"{k}.5") for k in range(100)]
    nodes = [Value(x) for x in before]
    for node, x in zip(nodes, before):
        node.grad = x
    holders = sys.getrefcount(before[7])
    numbers = array("d", [k / 7 for k in range(100)])
    objects.writing(nodes, name, numbers)()
    left, new = sys.getrefcount(before[7]), sys.getrefcount(getattr(nodes[7], name))
    assert (left, new) == (holders - 1, 2)
    assert [getattr(node, name) for node in nodes] == list(numbers)
    assert [getattr(node, "grad" if name == "data" else "data") for node in nodes] == before


def test_numbers_that_others_hold_stay():
    """A float that a Value alone holds is written over; one that another Value or anything else holds is not."""
    kept = [float(f"{k}.25") for k in range(100)]
    nodes = [Value(x) for x in kept] + [Value(x) for x in kept]
    for node in nodes[100:]:
        node.data = float(f"{node.data}")
    own, twos, threes = id(nodes[107].data), array("d", [2.0]) * 200, array("d", [3.0]) * 200
    objects.writing(nodes, "data", twos)()
    assert {node.data for node in nodes} == {2.0}
    assert kept == [k + 0.25 for k in range(100)]
    assert id(nodes[107].data) == own
    read = nodes[107].data
    objects.writing(nodes, "data", threes)()
    assert (read, nodes[107].data) == (2.0, 3.0)


@pytest.mark.parametrize("odd", [None, "1", Fraction(1, 3), math], ids=lambda x: type(x).__name__)
def test_where_one_is_odd_python_writes_all(odd):
    """A slot that is empty or holds no plain number, and a Value of a class of its own, are left to Python."""
    nodes = [Value(0.5) for _ in range(100)]

    def written(number):
        numbers = array("d", [number]) * 100
        done = objects.writing(nodes, "data", numbers)()
        write_numbers(nodes, "data", numbers)()
        assert {node.data for node in nodes} == {number}
        return done

    assert written(1.0)
    nodes[50].data = odd
    assert not written(2.0)
    del nodes[50].data
    assert not written(3.0)
    assert written(4.0)
    nodes[50] = type("Own", (Value,), {})(0.5)
    assert not written(5.0)
    assert objects.writing(nodes[:99], "data", array("d", [2.0]) * 100) is None


def test_leaves_that_are_marked():
    """Leaves, each there once, are told from a node that was computed, one that comes twice, and what is no Value."""
    nodes, mark = [Value(float(k)) for k in range(100)], object()
    holders = sys.getrefcount(mark)
    assert objects.mark_leaves(nodes, mark) is True
    assert sys.getrefcount(mark) == holders + 100
    for odd in (nodes[0], nodes[0] + 1, 1.0, type("Own", (Value,), {})(0.5)):
        assert objects.mark_leaves([*nodes, odd], object()) is False
    assert sys.getrefcount(mark) == holders


def test_a_list_that_consists_of_tuples():
    """The same objects in the same order and no more: equal ones, others, one too few or too many are told apart."""
    nodes = [Value(float(k)) for k in range(10)]
    groups = [tuple(nodes[:4]), (), (nodes[4],), tuple(nodes[5:])]
    assert objects.consists_of(nodes, groups) is True
    assert objects.consists_of([], []) is True
    for other in (nodes[:-1], [*nodes, nodes[0]], [], nodes[::-1], [*nodes[:9], Value(9.0)], [Value(0.0), *nodes[1:]]):
        assert objects.consists_of(other, groups) is False
    assert objects.consists_of(nodes, groups[:-1]) is False
    assert objects.consists_of(nodes, [*groups[:3], nodes[5:]]) is False  # not in a tuple
    assert objects.consists_of(tuple(nodes), groups) is False


def test_new_leaves():
    """Leaves made in compiled code differ in nothing from those that Value makes, and are freed as they are."""
    numbers, names = array("d", [k / 7 for k in range(100)]), tuple(f"w{k}" for k in range(100))
    made = objects.new_leaves(numbers, names, Beginning("neuron."))
    expected = [Value(x, f"neuron.{name}") for x, name in zip(numbers, names)]
    assert [repr(node) for node in made] == [repr(node) for node in expected]
    assert all(type(node) is Value and node.is_leaf and not node.is_constant and not node.has_grad for node in made)
    assert all(map(gc.is_tracked, made))
    y = dot(made, expected, made[0])
    y.backward()
    assert made[3].grad == expected[3].data
    del y
    kept, number = weakref.ref(made[50]), made[50].data
    holders = sys.getrefcount(number)
    del made
    left = sys.getrefcount(number)
    assert (kept(), left) == (None, holders - 1)


class OwnRandom(random.Random):
    def random(self):
        return 0.25


@pytest.mark.parametrize("n", [1, 311, 312, 313, 5000])
def test_random_numbers(n):
    """They are those of Python's generator, which goes on behind them; one of a class of its own is left to Python."""
    rng, expected = random.Random(7), random.Random(7)
    for r in (rng, expected):
        r.gauss(0, 1)  # which keeps a second number for the next call
    drawn = objects.draw(rng, -0.3, 0.7, n)
    assert list(drawn) == [-0.3 + 0.7 * expected.random() for _ in range(n)]
    assert (rng.gauss(0, 1), rng.random()) == (expected.gauss(0, 1), expected.random())
    assert objects.draw(OwnRandom(7), 0.0, 1.0, n) is None
    assert list(uniform(OwnRandom(7), 1.0, 2.0, n)) == [1.5] * n


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


@pytest.mark.parametrize(("field", "place"), [("_NUMBER", 8), ("_COUNT", 8), ("_COUNT", 16)])
def test_another_layout_is_not_read(field, place, monkeypatch):
    """Where objects are laid out in another way nothing is read, and rows come the other way, the same."""
    table = [[k / 7, float(k), k % 2 == 0] for k in range(100)]
    expected = engine_rows.read_rows(table).numbers
    monkeypatch.setattr(objects, field, place)
    monkeypatch.setattr(objects, "_found", None)
    assert objects.read_table(table, 3) is None
    assert objects.read_data([Value(1.0)]) is None
    assert objects.read_data_to([Value(1.0)], 0) is False
    assert objects.writing([Value(1.0)], "data", array("d", [2.0])) is None
    assert objects.mark_leaves([Value(1.0)], object()) is None
    assert objects.consists_of([], []) is None
    assert objects.new_leaves(array("d", [1.0]), ("w1",), "") is None
    assert objects.draw(random.Random(0), 0.0, 1.0, 1) is None
    assert engine_rows.read_rows(table).numbers == expected
