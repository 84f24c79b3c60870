from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from array import array
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pytest

from engine import Value, grad, lower
from engine.lowering import kernel


def product() -> tuple[Any, list[Value]]:
    """A kernel of w * a * b for rows of (a, b)."""
    a, b, w = Value(0.0, label="a"), Value(0.0, label="b"), Value(2.0, label="w")
    return lower(w * a * b, inputs=[a, b], wrt=[w], backend="source"), [a, b, w]


def test_a_kernel_returns_the_mean_and_the_gradient_of_the_mean() -> None:
    """One output gives a float and a list of floats; reduce="sum" gives n times as much."""
    kernel, _ = product()
    assert kernel([[1.0, 2.0], [3.0, 4.0]]) == (14.0, [7.0])
    assert kernel([[1.0, 2.0], [3.0, 4.0]], reduce="sum") == (28.0, [14.0])


def test_several_outputs_give_a_list_of_values_and_a_list_of_gradients() -> None:
    """Also where the list has one output."""
    a, w = Value(0.0), Value(2.0)
    assert lower([w * a, a], [a], [w, a], backend="source")([[3.0]]) == ([6.0, 3.0], [[3.0, 2.0], [0.0, 1.0]])
    assert lower([w * a], [a], [w], backend="source")([[3.0]]) == ([6.0], [[3.0]])


def test_parameters_are_read_at_each_call() -> None:
    """A step of an optimiser, which changes data, is seen by the next call; so is a parameter outside wrt."""
    a, w, v = Value(0.0), Value(2.0), Value(5.0)
    kernel = lower(w * a + v, [a], [w], backend="source")
    assert kernel([[1.0]]) == (7.0, [1.0])
    w.data, v.data = 3, 7.0
    assert kernel([[1.0]]) == (10.0, [1.0])


def test_wrt_is_by_default_every_leaf_that_is_no_input_and_no_plain_number() -> None:
    """In topological order, as the program lists its parameters."""
    a, w, v = Value(2.0), Value(3.0), Value(5.0)
    y = (w * a + v) * 4.0
    kernel = lower(y, [a], backend="source")
    assert kernel.program.parameter_values == [w, v]
    assert kernel([[2.0]]) == (y.data, grad(y, [w, v]))


@pytest.mark.parametrize(
    "rows",
    [
        [[1.0, 2.0], [3.0, 4.0]],
        ((1, 2), (3, 4)),
        [array("d", [1, 2]), array("f", [3, 4])],
        [[True, Fraction(2)], [Decimal(3), 4]],
        iter([[1, 2], [3, 4]]),
        [iter([1, 2]), range(3, 5)],
        memoryview(array("d", [1, 2, 3, 4])).cast("B").cast("d", (2, 2)),
        memoryview(array("f", [1, 2, 3, 4])).cast("B").cast("f", (2, 2)),
        memoryview(bytes([1, 2, 3, 4])).cast("B", (2, 2)),
    ],
)
def test_rows_are_any_sequences_or_buffers_of_numbers(rows: Any) -> None:
    """Lists, tuples, arrays, iterators and two-dimensional buffers of any number type give the same."""
    assert product()[0](rows) == (14.0, [7.0])


def test_numpy_arrays_are_rows() -> None:
    """Of any number type, order of axes and byte order, as arrays or as rows of arrays."""
    numpy = pytest.importorskip("numpy")
    kernel, _ = product()
    rows = numpy.array([[1.0, 2.0], [3.0, 4.0]])
    variants = [rows, rows.T.copy().T, numpy.repeat(rows, 2, axis=0)[::2], list(rows), [list(row) for row in rows]]
    variants += [rows.astype(kind) for kind in ("f2", "f4", ">f8", "i4", "u1", "O")]
    for variant in variants:
        assert kernel(variant) == (14.0, [7.0])


def test_one_input_takes_a_flat_sequence() -> None:
    """n numbers are n rows of one."""
    a = Value(0.0)
    kernel = lower(a * 2, [a], [], backend="source")
    for rows in ([1.0, 2.0], array("d", [1, 2]), [[1.0], [2.0]], range(1, 3)):
        assert kernel(rows) == (3.0, [])


@pytest.mark.parametrize("rows", [1.0, None, "1", {}, Value(1.0), memoryview(bytes(8)).cast("d", ())])
def test_one_input_takes_nothing_but_a_sequence(rows: Any) -> None:
    """One number, also an array without dimensions, is no sequence of rows, and is named."""
    x = Value(1.0)
    with pytest.raises(TypeError, match="rows must be a list of rows, one a sample, got"):
        lower(x * 2, inputs=[x])(rows)


def test_no_input_takes_no_rows() -> None:
    """A graph of parameters alone is evaluated once, or for rows without numbers."""
    w = Value(3.0)
    kernel = lower(w * w, [], [w], backend="source")
    assert kernel() == (9.0, [6.0])
    assert kernel([[], []], reduce="sum") == (18.0, [12.0])


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        ([[1.0, 2.0], [3.0]], ValueError, r"rows\[1\] \(row 1\) has 1 columns: every row must have 2: a, b"),
        ([[1.0, 2.0, 3.0]], ValueError, r"rows\[0\] \(row 0\) has 3 columns: every row must have 2: a, b"),
        ([[1.0, 2.0], [3.0, "x"]], TypeError, r"rows\[1\]\[1\] \(row 1, column 1, b\) is .x. \(str\)"),
        ([[None, 2.0]], TypeError, r"rows\[0\]\[0\] \(row 0, column 0, a\) is None"),
        ([[1j, 2.0]], TypeError, r"rows\[0\]\[0\] \(row 0, column 0, a\) .* \(complex\)"),
        ([[[1.0], 2.0]], TypeError, r"rows\[0\]\[0\] \(row 0, column 0, a\) is \[1.0\]"),
        ([[10**400, 2.0]], ValueError, r"rows\[0\]\[0\] \(row 0, column 0, a\) is too large for a float"),
        ([1.0, 2.0], TypeError, r"rows\[0\] must be a row, a list of numbers, got 1.0 \(float\)"),
        (["ab"], TypeError, r"rows\[0\] must be a row, a list of numbers, got 'ab' \(str\)"),
        ([b"ab"], TypeError, r"rows\[0\] must be a row, a list of numbers, got b'ab' \(bytes\)"),
        ("ab", TypeError, "rows must be a list of rows, one a sample, got 'ab'"),
        (b"ab", TypeError, "rows must be a list of rows, one a sample, got b'ab'"),
        (Value(1.0), TypeError, "rows must be a list of rows, one a sample, got Value"),
        (5, TypeError, r"rows must be a list of rows, one a sample, got 5 \(int\)"),
        (None, TypeError, "rows must be a list of rows, one a sample, got None"),
        ([], ValueError, "rows is empty: give at least one row"),
        (array("d"), ValueError, "rows is empty: give at least one row"),
        (memoryview(bytes(6)).cast("B", (2, 3)), ValueError, "has 3 columns: every row must have 2"),
    ],
)
def test_wrong_rows_are_named(rows: Any, error: type[Exception], message: str) -> None:
    """The error says which row and column, the name of the input, and what was there."""
    with pytest.raises(error, match=message):
        product()[0](rows)


def test_wrong_arguments_are_refused() -> None:
    """An unknown backend or reduction, and a parameter whose data is no number, say so."""
    kernel, (a, _, w) = product()
    with pytest.raises(ValueError, match="backend is 'auto', 'native' or 'source', got 'cuda'"):
        lower(w * a, [a], [w], backend="cuda")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reduce is 'mean', 'sum' or 'none', got 'max'"):
        kernel([[1.0, 2.0]], reduce="max")
    w.data = "3"  # type: ignore[assignment]
    with pytest.raises(TypeError, match="data of parameter 'w' takes a real number, got '3'"):
        kernel([[1.0, 2.0]])


def test_without_the_native_backend_auto_is_source_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    """And asking for native is an error that names the remedy."""
    monkeypatch.setitem(sys.modules, "engine.lowering.native", None)
    monkeypatch.delattr("engine.lowering.native", raising=False)
    a, w = Value(0.0), Value(2.0)
    chosen = lower(w * a, [a], [w])
    assert chosen.backend == "source"
    assert "native backend is not available" in chosen.backend_reason
    assert chosen([[3.0]]) == (6.0, [3.0])
    with pytest.raises(RuntimeError, match=r"not available: .* Install a C compiler .* backend='source'"):
        lower(w * a, [a], [w], backend="native")


def test_auto_takes_the_native_backend_where_it_is_built() -> None:
    """And its numbers are those of the source backend, whose text it can still show."""
    native = pytest.importorskip("engine.lowering.native")
    if not native.available()[0]:
        pytest.skip("not built here")
    a, w = Value(0.5), Value(2.0)
    y = (w * a).tanh() * w
    chosen = lower(y, [a], [w])
    assert chosen.backend == "native"
    value, gradient = chosen([[0.5], [-0.7]])
    expected_value, expected_gradient = lower(y, [a], [w], backend="source")([[0.5], [-0.7]])
    assert value == pytest.approx(expected_value, rel=1e-14)
    assert gradient == pytest.approx(expected_gradient, rel=1e-14)
    assert "tanh(" in chosen.source


@pytest.mark.parametrize("backend", ["source", "native"])
def test_a_kernel_is_not_copied(backend: Literal["source", "native"]) -> None:
    """Copies and pickles are refused with what to do; those of the graph, lowered, give the same numbers."""
    from engine.lowering import native

    if backend == "native" and not native.available()[0]:
        pytest.skip("not built here")
    a, w = Value(0.5), Value(2.0)
    kernel = lower((w * a).tanh(), [a], [w], backend=backend)
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="neither copied nor pickled: do that with the Values, and lower the copy"):
            copied(kernel)
    y, a, w = pickle.loads(pickle.dumps(((w * a).tanh(), a, w)))
    assert lower(y, [a], [w], backend=backend)([[0.25]]) == kernel([[0.25]])


def test_repr_is_short() -> None:
    """A line that says how large the kernel is and what runs it."""
    assert repr(product()[0]) == "<Kernel of 3 instructions: 2 inputs, 1 parameter, 1 output; backend 'source'>"


def test_lowering_is_loaded_when_it_is_first_used() -> None:
    """Importing the engine loads neither lowering nor the parser of rules."""
    code = "import sys, engine; k = 'engine.lowering.kernel'; print(k in sys.modules, engine.lower, k in sys.modules)"
    path = {"PYTHONPATH": ":".join(sys.path)}
    run = subprocess.run([sys.executable, "-c", code], env=path, capture_output=True, text=True, check=True)
    assert run.stdout.split()[:: len(run.stdout.split()) - 1] == ["False", "True"]


def test_the_module_is_reached_by_its_name() -> None:
    """engine.lowering.kernel is the module, engine.Kernel the class."""
    assert isinstance(product()[0], kernel.Kernel)


@pytest.mark.parametrize("backend", ["source", "native"])
def test_each_row_has_a_value_and_a_gradient_of_its_own(backend: str) -> None:
    """reduce="none" gives what the kernel gives for each row alone, on both backends, also where nothing varies."""
    if backend == "native" and kernel.choose_backend("auto")[0] != "native":
        pytest.skip("not built")
    x, y, w, v = Value(0.0), Value(0.0), Value(2.0), Value(0.5)
    rows = [[0.1 * i, 1 - 0.2 * i] for i in range(300)]
    each = lower((w * x + v).tanh() * y + v * v, [x, y], [w, v, x], backend=backend)  # type: ignore[arg-type]
    values, gradients = each(rows, reduce="none")
    alone = [each([row]) for row in rows]
    assert values == pytest.approx([value for value, _ in alone], rel=1e-14)
    for found, (_, expected) in zip(gradients, alone, strict=True):
        assert found == pytest.approx(expected, rel=1e-12, abs=1e-15)
    several = lower([w * x, v * v], [x], [v], backend=backend)  # type: ignore[arg-type]
    assert several([1.0, 2.0], reduce="none") == ([[2.0, 4.0], [0.25, 0.25]], [[[0.0], [0.0]], [[1.0], [1.0]]])


@pytest.mark.parametrize("backend", ["source", "auto"])
def test_a_kernel_without_wrt_is_the_value_alone(backend: str) -> None:
    """wrt=[] asks for no derivative, and the program computes none."""
    x, w = Value(0.0), Value(3.0)
    value = lower(w * x * x, [x], [], backend=backend)  # type: ignore[arg-type]
    assert value([1.0, 2.0], reduce="none") == ([3.0, 12.0], [[], []])
    assert value([1.0, 2.0]) == (7.5, [])
    assert len(value.program) == 2
