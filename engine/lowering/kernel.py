"""``lower``: a graph becomes a fast function of many rows, on the compiled interpreter or as generated Python."""

from __future__ import annotations

from array import array
from functools import partial

from engine.collector import collector_paused, count_as_old
from engine.rows import Rows, is_row, read_rows
from engine.value import Value

from .program import Program
from .trace import trace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, Literal, NoReturn

    from .native import Trainer
    from .native.objects import Doubles

    Backend = Literal["auto", "native", "source"]
    Reduce = Literal["mean", "sum", "none"]

_MANY = 100_000  # values of a program that the collector is not to go through when it is back


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

    Raises TypeError for what is not a Value, ValueError for a repeated input or an unknown backend, and RuntimeError
    where the native backend is asked for and is not built.
    """
    if backend not in ("auto", "native", "source"):
        raise ValueError(f"lower: backend is 'auto', 'native' or 'source', got {backend!r}")
    listed = [outputs] if isinstance(outputs, Value) else outputs
    with collector_paused():  # lowering makes no garbage
        return Kernel(partial(trace, listed, inputs, wrt), backend, single=isinstance(outputs, Value))


def lower_for_training(
    loss: Value, inputs: Sequence[Value], parameters: list[Value], groups: Sequence[tuple[Value, ...]], backend: Backend
) -> Kernel:
    """``lower`` for parameters that are known to be leaves, each once and none an input, and stay those of the list.

    groups   the same parameters as tuples, one after the other, such as the weights of a neuron; and after those tuples
             of others, which are not trained

    Nothing looks at each of them again, which counts where there are a million.
    """
    with collector_paused():
        return Kernel(partial(trace, [loss], inputs, parameters, groups=groups), backend, single=True)


def lower_values(
    outputs: list[Value], inputs: Sequence[Value], groups: Sequence[tuple[Value, ...]], backend: Backend = "auto"
) -> Kernel:
    """``lower`` without gradients, for parameters in ``groups`` as ``lower_for_training`` takes them."""
    with collector_paused():
        return Kernel(partial(trace, outputs, inputs, [], gradient=False, groups=groups), backend)


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
    ``reduce="sum"``, the sum and its gradient (n times the mean, for each part of the graph); with ``reduce="none"``, a
    list of n values and a list of n gradients, one a row. Of several outputs it returns a list of values and a list of
    gradients; with ``reduce="none"`` for each output the list of its n values, and that of its n gradients. Parameters
    are read from their Values at each call.

    backend          "native" or "source"
    backend_reason   why this backend was chosen
    """

    def __init__(self, traced: Callable[..., Program], backend: str, single: bool = False) -> None:
        self.backend, self.backend_reason = choose_backend(backend)
        self._program = traced(marks=self.backend == "native")
        self._single = single
        self._source: str | None = None
        self._each_row: Any = None  # the generated function for reduce="none"
        self.native: Any = None
        if self.backend == "native":
            from . import native

            self.native = native.NativeKernel(self._program)
            self._program = self.native.program
        if len(self._program.core_varying) > _MANY:
            count_as_old()
        self._step: Any = None  # the generated function; a long one is compiled when it is called, and may never be

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Kernel is neither copied nor pickled: do that with the Values, and lower the copy")

    @property
    def program(self) -> Program:
        """The flat program."""
        return self._program.plain

    @property
    def source(self) -> str:
        """The program as Python that runs on its own, and that the "source" backend runs."""
        if self._source is None:
            from .source import generate  # which the native backend need not wait for

            self._source = generate(self.program)
        return self._source

    @property
    def c_source(self) -> str:
        """The program as one C99 file with a function for one sample, which needs <math.h> and nothing else::

            void kernel(const double *inputs, const double *parameters, double *outputs, double *gradients)

        inputs and parameters in the order of ``program.inputs`` and ``program.parameter_values``; gradients holds one
        row of derivatives for each output. ``cc -O3`` and no more.
        """
        from .c_source import generate

        return generate(self.program)

    def __call__(self, rows: Iterable[Any] | None = None, reduce: Reduce = "mean") -> tuple[Any, Any]:
        """The output and its gradient over the rows.

        ``rows`` holds one sequence of numbers for each sample, one number for each input: lists, or a two-dimensional
        array of any library. Where there is one input a flat sequence will do, and where there is none, nothing.
        Raises ValueError or TypeError that name the row and the column.
        """
        if reduce not in ("mean", "sum", "none"):
            raise ValueError(f"kernel: reduce is 'mean', 'sum' or 'none', got {reduce!r}")
        program = self._program
        labels = [program.core_names.get(i) or f"inputs[{k}]" for k, i in enumerate(program.inputs)]
        table = _read_rows(rows, labels)
        n = len(table)
        parameters = self.parameters()
        values: Any
        gradients: Any
        if reduce == "none":
            values, gradients = self._each(table, parameters)
        elif self.native is not None:
            values, gradients = self.native.run(table.numbers, n, parameters, reduce)
        else:
            if self._step is None:
                from .source import load

                self._step = load(self.source)
            values, gradients = self._step(self._tuples(table), parameters.tolist(), reduce)
        return (values[0], gradients[0]) if self._single else (values, gradients)

    def _each(self, table: Rows, parameters: Doubles) -> tuple[list[list[float]], list[list[list[float]]]]:
        """For each output, its value and its gradient at each row."""
        columns = self.columns(table, parameters)
        values = [column.tolist() for column in columns[: len(self._program.outputs)]]
        gradients: list[list[list[float]]] = []
        first = len(values)
        width = len(self._program.wrt_ids)
        for _ in self._program.entries:
            lists = [column.tolist() for column in columns[first : first + width]]
            gradients.append([list(g) for g in zip(*lists)] if lists else [[] for _ in range(len(table))])
            first += width
        return values, gradients

    def columns(self, table: Rows, parameters: Doubles | None = None) -> list[array[float]]:
        """For each output, then for each derivative of each output, its numbers at all rows: the quick way to many."""
        n, results = len(table), self._program.n_results
        if self.native is not None:
            numbers = self.native.rows(table.numbers, n, parameters)
            return [numbers[r * n : (r + 1) * n] for r in range(results)]
        if parameters is None:
            parameters = self.parameters()
        if self._each_row is None:
            from .source import generate, load

            self._each_row = load(generate(self.program, each=True))
        listed = self._each_row(self._tuples(table), parameters.tolist())
        return [array("d", column) for column in zip(*listed)]

    def _tuples(self, table: Rows) -> list[tuple[float, ...]]:
        width = table.width
        return list(zip(*[iter(table.numbers)] * width)) if width else [()] * len(table)

    def trainer(
        self, rows: Rows, batch: int, l2: Sequence[float] | None = None, generator: Sequence[int] | None = None
    ) -> Trainer | None:
        """What trains the parameters in compiled code, whole epochs at a time (see Trainer); None on "source"."""
        if self.native is None:
            return None
        from .native import Trainer

        return Trainer(self.native, rows.numbers, len(rows), batch, l2, generator)

    def parameters(self) -> Doubles:
        if self.native is not None:
            from .native.objects import read_data

            data = read_data(self._program.parameter_values)
            if data is not None:
                return data
        return self._program.parameter_data()

    def __repr__(self) -> str:
        program = self.program
        counts = {
            "input": len(program.inputs),
            "parameter": len(program.parameter_range),
            "output": len(program.outputs),
        }
        parts = ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for what, n in counts.items())
        return f"<Kernel of {len(program)} instructions: {parts}; backend {self.backend!r}>"


def _read_rows(rows: Any, labels: Sequence[str]) -> Rows:
    """The rows that a kernel takes: where there is one input also n bare numbers, where there is none nothing."""
    if rows is None and not labels:
        rows = [[]]
    if len(labels) == 1 and not isinstance(rows, Rows) and is_row(rows):
        listed = list(rows)
        if listed and not is_row(listed[0]):
            rows = [[x] for x in listed]
    return read_rows(rows, len(labels), "kernel: rows", labels, finite=False)
