"""``lower``: a graph becomes a fast function of many rows, on the compiled interpreter or as generated Python."""

from __future__ import annotations

from array import array
from contextlib import suppress
from itertools import chain

from .collector import collector_paused
from .program import Program, trace
from .value import Value, real_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, Literal

    Backend = Literal["auto", "native", "source"]
    Reduce = Literal["mean", "sum"]


def lower(
    outputs: Value | Sequence[Value],
    inputs: Sequence[Value],
    wrt: Sequence[Value] | None = None,
    backend: Backend = "auto",
) -> Kernel:
    """A kernel that evaluates the graph of one sample, and its gradient, for many samples.

    outputs   the Value to compute, usually a loss, or a list of several
    inputs    the leaves that each row brings anew; an intermediate node given here is cut from its past
    wrt       the nodes to differentiate by; by default all leaves that are neither inputs nor plain numbers, which are
              then ``kernel.program.parameter_values``
    backend   "native", the compiled interpreter; "source", generated Python; "auto" takes native where it is built

    >>> from engine import Value, lower
    >>> w, x = Value(3.0, label="w"), Value(0.0, label="x")
    >>> kernel = lower(w * x * x, inputs=[x], wrt=[w], backend="source")
    >>> kernel([[1.0], [2.0]])
    (7.5, [2.5])

    Raises TypeError for what is no Value, ValueError for a repeated input or an unknown backend, and RuntimeError
    where the native backend is asked for and is not built.
    """
    if backend not in ("auto", "native", "source"):
        raise ValueError(f"lower: backend is 'auto', 'native' or 'source', got {backend!r}")
    listed = [outputs] if isinstance(outputs, Value) else outputs
    with collector_paused():  # lowering makes no garbage
        return Kernel(trace(listed, inputs, wrt), backend, single=isinstance(outputs, Value))


def choose_backend(backend: str) -> tuple[str, str]:
    """The backend to use for "auto", "native" or "source", and why. Raises RuntimeError where native is not built."""
    if backend == "source":
        return "source", "it was asked for"
    try:
        from . import native

        available, reason = native.available()
    except ImportError as error:
        available, reason = False, str(error)
    if available:
        return "native", reason
    if backend == "native":
        raise RuntimeError(
            f"lower: the native backend is not available: {reason}. Install a C compiler or the ziglang package, "
            "and reinstall this package; or use backend='source'"
        )
    return "source", f"the native backend is not available: {reason}"


class Kernel:
    """A lowered graph: ``value, gradient = kernel(rows)``.

    Called with n rows of inputs it returns the mean of the output over them and the gradient of the mean; with
    ``reduce="sum"``, the sum and its gradient (n times the mean, for each part of the graph). Of several outputs it
    returns a list of values and a list of gradients. Parameters are read from their Values at each call.

    program          the flat program
    backend          "native" or "source"
    backend_reason   why this backend was chosen
    """

    def __init__(self, program: Program, backend: str = "auto", single: bool = False) -> None:
        self.program = program
        self.backend, self.backend_reason = choose_backend(backend)
        self._single = single
        self._source: str | None = None
        self.native: Any = None
        if self.backend == "native":
            from . import native

            self.native = native.compile(program)
        else:
            from .source import load

            self._step = load(self.source)

    @property
    def source(self) -> str:
        """The program as Python that runs on its own, and that the "source" backend runs."""
        if self._source is None:
            from .source import generate  # which the native backend need not wait for

            self._source = generate(self.program)
        return self._source

    def __call__(self, rows: Iterable[Any] | None = None, reduce: Reduce = "mean") -> tuple[Any, Any]:
        """The output and its gradient over the rows.

        ``rows`` holds one sequence of numbers for each sample, one number for each input: lists, or a two-dimensional
        array of any library. Where there is one input a flat sequence will do, and where there is none, nothing.
        Raises ValueError or TypeError that name the row and the column.
        """
        if reduce not in ("mean", "sum"):
            raise ValueError(f"kernel: reduce is 'mean' or 'sum', got {reduce!r}")
        program = self.program
        labels = [program.names[i] or f"inputs[{k}]" for k, i in enumerate(program.inputs)]
        flat, n = read_rows([[]] if rows is None and not labels else rows, labels)
        parameters = self._parameters()
        if self.native is not None:
            values, gradients = self.native.run(flat, n, parameters, reduce)
        else:
            table = list(zip(*[iter(flat)] * len(labels), strict=True)) if labels else [()] * n
            values, gradients = self._step(table, parameters.tolist(), reduce)
        return (values[0], gradients[0]) if self._single else (values, gradients)

    def _parameters(self) -> array[float]:
        nodes = self.program.parameter_values
        try:
            return array("d", [node.data for node in nodes])
        except TypeError:
            for k, node in enumerate(nodes):
                real_number(node.data, f"kernel: the data of parameter {node.label or k!r}")
            raise

    def __repr__(self) -> str:
        program = self.program
        counts = {"input": len(program.inputs), "parameter": len(program.parameters), "output": len(program.outputs)}
        parts = ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items())
        return f"<Kernel of {sum(1 for _ in program)} instructions: {parts}; backend {self.backend!r}>"


def read_rows(rows: Any, labels: list[str]) -> tuple[Sequence[float], int]:
    """The numbers of all rows, one after another as doubles, and how many rows there are.

    A contiguous array of doubles is used as it is, without a copy.
    """
    width = len(labels)
    if isinstance(rows, (str, bytes, bytearray, Value)):
        raise TypeError(f"kernel: rows is {rows!r:.60} of type {type(rows).__name__}: pass a list of rows of numbers")
    try:
        view = memoryview(rows)
    except TypeError:
        view = None
    if view is not None and view.ndim == 2 and view.shape is not None and 0 not in view.shape:
        if view.shape[1] != width:
            raise ValueError(_wrong_width("each row", view.shape[1], labels))
        if view.format == "d" and view.c_contiguous:
            return view.cast("B").cast("d"), view.shape[0]
        with suppress(NotImplementedError):  # a number format that memoryview does not know; the array itself may
            rows = view.tolist()
    try:
        listed = list(rows)
    except (TypeError, NotImplementedError):
        raise TypeError(f"kernel: rows is of type {type(rows).__name__}: pass a list of rows of numbers") from None
    if not listed:
        raise ValueError("kernel: there are no rows, and no mean of nothing: pass at least one row")
    if width == 1 and not hasattr(listed[0], "__len__") and hasattr(listed[0], "__float__"):
        listed = [[x] for x in listed]
    try:
        table = [tuple(row) for row in listed]
        if all(len(row) == width for row in table) and not any(isinstance(row, (bytes, bytearray)) for row in listed):
            return array("d", chain.from_iterable(table)), len(table)
    except (TypeError, OverflowError):
        pass
    raise _first_error(listed, labels)


def _first_error(rows: list[Any], labels: list[str]) -> Exception:
    """What is wrong with the first row that is no row of as many numbers as there are labels."""
    for k, row in enumerate(rows):
        if isinstance(row, (str, bytes, bytearray)) or not hasattr(row, "__iter__"):
            return TypeError(f"kernel: rows[{k}] is {row!r:.60} of type {type(row).__name__}: pass a row of numbers")
        items = tuple(row)
        if len(items) != len(labels):
            return ValueError(_wrong_width(f"rows[{k}]", len(items), labels))
        for column, (x, label) in enumerate(zip(items, labels, strict=True)):
            try:
                array("d", [x])
            except (TypeError, OverflowError):
                try:
                    real_number(x, f"kernel: rows[{k}][{column}] ({label})")
                except (TypeError, OverflowError) as error:
                    return error
    return ValueError("kernel: rows changed while they were read")


def _wrong_width(which: str, width: int, labels: list[str]) -> str:
    names = ", ".join(labels[:6]) + (", ..." if len(labels) > 6 else "")
    return f"kernel: {which} has {width} numbers, and the kernel takes {len(labels)} inputs: {names or 'none'}"
