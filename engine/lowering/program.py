"""A program: instructions, one after the other, that compute outputs and their gradients for one row of inputs.

trace.py writes it; it is then evaluated for every sample: as Python (source.py), by the compiled interpreter (native/),
or in a browser. A program has two views. In the first, a layer is one instruction (layers.py); this is what is stored,
and what costs no more than the layers do. In the other everything is scalars: ``op``, ``args`` and all else that has an
entry for each value; it is made when it is first asked for.
"""

from __future__ import annotations

from array import array
from itertools import accumulate

from engine.collector import collector_paused
from engine.operands import real_number
from engine.weighted import roles

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.value import Value

    from .layers import Args, Layer, Outer
    from .native.coded import Coded

LEAVES = frozenset({"input", "parameter", "constant"})  # what a program has values of, but does not compute
split_dot = roles  # of the operands of an instruction


class Program:
    """The instructions that compute outputs and gradients from one row of inputs and the parameters.

    Every value has an id. The inputs come first, then the parameters, then what is computed; last, in the scalar view
    alone, the products of which the derivatives of a layer's weights consist. Operands have smaller ids.

    The scalar view, lists with an entry for each value, whose index is its id:

    op                the name of an operation of the table, or "input", "parameter" or "constant"
    args              the ids of the operands, in the order of ``Value.parents``
    varying           whether the value depends on an input, and so differs from row to row
    names             the label, or ""

    and what has an entry for each parameter:

    parameters        ids of the leaves that are the same for all rows: first those of ``wrt`` in its order, then others
    parameter_values  the Values behind ``parameters``, whose data is read at each call
    wrt               the id of each node of ``wrt``; None for a node on which no output depends and that is not a leaf
    gradients         for each output, the id of its derivative for each node of ``wrt``

    In both views:

    constant          the number of each constant
    inputs            ids of the inputs, whose values each row brings; one that is not used has an id as well
    outputs           the id of each output
    adjoints          id -> (k, i) where that value is the adjoint of value i for output k, between outputs and wrt
    backward          the id from which on values are computed for the gradient alone

    What is stored in place of the lists:

    core_op, core_args, core_varying    the lists without the products at the end. A result of a layer is a "layer" in
                      core_op, and has no operands there
    core_names        the labels of what is not a parameter, by id
    layers, outers    the products of layers
    entries           for each output, place in ``wrt`` -> id of the derivative, where it is in no outer product
    parameter_range   the ids of the parameters
    wrt_ids           the same as ``wrt``
    coded             the first two in arrays, where compiled code has written them; they become lists when asked for
    marked            whether there are marks in place of masks (adjoints.py), which only the compiled interpreter knows
    adjoints_written  of which ``adjoints`` are made: for each output the ids of adjoints and of their values, as they
                      were before those of which nothing is needed were left out; the first id of a derivative; and a
                      mark for each that is needed
    trace_plain       traces the program without marks (``plain``); None where that is this one, or is there
    """

    __slots__ = ("coded", "core_varying", "core_names", "layers", "outers", "entries", "constant",
                 "inputs", "outputs", "backward", "parameter_range", "parameter_values", "wrt_ids", "marked",
                 "trace_plain", "adjoints_written", "_core", "_plain", "_adjoints", "_op", "_args", "_varying",
                 "_names", "_parameters", "_wrt", "_gradients")  # fmt: skip

    def __init__(self) -> None:
        self.coded: Coded | None = None
        self.core_varying: Sequence[int] = []
        self.core_names: dict[int, str] = {}
        self.layers: list[Layer] = []
        self.outers: list[Outer] = []
        self.entries: list[dict[int, int]] = []
        self.constant: dict[int, float] = {}
        self.inputs: list[int] = []
        self.outputs: list[int] = []
        self.adjoints_written: tuple[list[tuple[array[int], array[int]]], int, bytearray] = [], 0, bytearray()
        self._adjoints: dict[int, tuple[int, int]] | None = None
        self.backward = 0
        self.parameter_range = range(0)
        self.parameter_values: list[Value] = []
        self.wrt_ids: Sequence[int | None] = ()
        self.marked = False
        self.trace_plain: Callable[[], Program] | None = None
        self._core: tuple[list[str], list[Args]] | None = None
        self._plain: Program | None = None
        self._op: list[str] | None = None
        self._args: list[Args] | None = None
        self._varying: list[bool] | None = None
        self._names: list[str] | None = None
        self._parameters: list[int] | None = None
        self._wrt: list[int | None] | None = None
        self._gradients: list[list[int]] | None = None

    @property
    def plain(self) -> Program:
        """The program without marks: itself, or one that is traced when it is first asked for."""
        trace_plain = self.trace_plain
        if trace_plain is not None:
            with collector_paused():
                self._plain = trace_plain()
            self.trace_plain = None
        return self._plain or self

    @property
    def core(self) -> tuple[list[str], list[Args]]:
        """``core_op`` and ``core_args``."""
        if self._core is None:
            assert self.coded is not None
            leaves = ["input"] * len(self.inputs) + ["parameter"] * len(self.parameter_range)
            self._core = self.coded.lists(leaves)
        return self._core

    @core.setter
    def core(self, lists: tuple[list[str], list[Args]]) -> None:
        self._core = lists

    @property
    def core_op(self) -> list[str]:
        return self.core[0]

    @property
    def core_args(self) -> list[Args]:
        return self.core[1]

    @property
    def adjoints(self) -> dict[int, tuple[int, int]]:
        """What is the adjoint of which value."""
        if self._adjoints is None:
            outputs, backward, live = self.adjoints_written
            first: dict[int, tuple[int, int]] = {}
            for k, (adjoints, values) in enumerate(outputs):
                for i, of in zip(adjoints, values):
                    first.setdefault(i, (k, of))
            new = list(accumulate(live, initial=0))
            self._adjoints = {
                new[i]: (k, new[of]) for i, (k, of) in first.items()
                if i >= backward and live[i] and live[of] and self.core_op[new[i]] not in LEAVES
            }  # fmt: skip
        return self._adjoints

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.core_varying) + sum(map(len, self.outers))

    @property
    def op(self) -> list[str]:
        """The operation of each value."""
        if self._op is None:
            self._op = list(self.core_op)
            for layer in self.layers:
                self._op[layer.first : layer.first + len(layer)] = ["dot"] * len(layer)
            self._op += ["mul"] * (self.size - len(self._op))
        return self._op

    @property
    def args(self) -> list[Args]:
        """The operands of each value."""
        if self._args is None:
            self._args = list(self.core_args)
            for layer in self.layers:
                self._args[layer.first : layer.first + len(layer)] = map(layer.dot, range(len(layer)))
            for outer in self.outers:
                self._args += outer.products()
        return self._args

    @property
    def varying(self) -> list[bool]:
        """Whether each value differs from row to row."""
        if self._varying is None:
            known = self.core_varying
            self._varying = list(map(bool, known))
            for outer in self.outers:
                self._varying += [bool(known[d] or known[a]) for d, a in outer.products()]
        return self._varying

    @property
    def names(self) -> list[str]:
        """The label of each value."""
        if self._names is None:
            at = self.parameter_range
            self._names = [self.core_names.get(i, "") for i in range(self.size)]
            self._names[at.start : at.stop] = [node.label for node in self.parameter_values]
        return self._names

    @property
    def parameters(self) -> list[int]:
        """The id of each parameter."""
        if self._parameters is None:
            self._parameters = list(self.parameter_range)
        return self._parameters

    def parameter_data(self) -> array[float]:
        """The data of ``parameter_values``. Raises TypeError that names one that is not a number."""
        try:
            return array("d", [node.data for node in self.parameter_values])
        except TypeError:
            for k, node in enumerate(self.parameter_values):
                real_number(node.data, f"kernel: the data of parameter {node.label or k!r}")
            raise

    @property
    def wrt(self) -> list[int | None]:
        """The id of each node of ``wrt``."""
        if self._wrt is None:
            self._wrt = list(self.wrt_ids)
        return self._wrt

    @property
    def gradients(self) -> list[list[int]]:
        """For each output, the id of its derivative for each node of ``wrt``."""
        if self._gradients is None:
            self._gradients = rows = [[0] * len(self.wrt_ids) for _ in self.entries]
            for row, entries in zip(rows, self.entries):
                for place, i in entries.items():
                    row[place] = i
            for outer in self.outers:
                n = len(outer.inputs)
                for j, place in enumerate(outer.rows):
                    rows[outer.output][place : place + n] = range(outer.first + j * n, outer.first + (j + 1) * n)
        return self._gradients

    def __len__(self) -> int:
        """The number of values that are computed: leaves are not."""
        return self.size - len(self.inputs) - len(self.parameter_range) - len(self.constant)

    def __iter__(self) -> Iterator[tuple[int, str, Args]]:
        """(id, op, args) of every value that is computed, operands first."""
        return ((i, op, args) for i, (op, args) in enumerate(zip(self.op, self.args, strict=True)) if op not in LEAVES)

    def __repr__(self) -> str:
        inputs, parameters = len(self.inputs), len(self.parameter_range)
        return f"<Program of {len(self)} instructions, {inputs} inputs, {parameters} parameters>"

    def listing(self) -> str:
        """The program as text, an instruction a line."""
        lines = []
        for i, (op, args, name) in enumerate(zip(self.op, self.args, self.names, strict=True)):
            operands = repr(self.constant[i]) if op == "constant" else " ".join(f"%{a}" for a in args)
            lines.append(f"%{i} = {op} {operands}".rstrip() + (f"  # {name!r}" if name else ""))
        lines.append("outputs " + " ".join(f"%{i}" for i in self.outputs))
        lines += [" ".join(["gradients", *(f"%{i}" for i in row)]) for row in self.gradients]
        return "\n".join(lines)

    def results(self) -> list[tuple[int, int]]:
        """(number, id) of each result that is not a product of a layer; numbers go over outputs, then gradients."""
        found = list(enumerate(self.outputs))
        for k, entries in enumerate(self.entries):
            first = len(self.outputs) + k * len(self.wrt_ids)
            found += [(first + place, i) for place, i in entries.items()]
        return found

    @property
    def n_results(self) -> int:
        """The number of results: outputs, and for each of them a derivative for each node of ``wrt``."""
        return len(self.outputs) + len(self.entries) * len(self.wrt_ids)

    def scalar(self, layer: Layer) -> Iterator[tuple[int, Args]]:
        """(id, operands) of each result of a layer, as a dot."""
        return zip(layer.results, map(layer.dot, range(len(layer))))
