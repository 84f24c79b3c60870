"""Writes programs: each instruction simplified as it is written, and found again if it was written before.

A simplification is made only where it gives the same bits for every number there is: ``x * 1`` is x, but ``x * 0`` is
not 0 (x may be nan or infinite), and ``x + 0`` is not x (it is 0.0 where x is -0.0; adding -0.0 does give x).
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from functools import partial
from itertools import accumulate, chain, compress

from engine.expressions import evaluate, rule
from engine.ieee import scalar
from engine.ops import OPS, Op

from .layers import Layer, Outer
from .program import Program
from .simplify import SIMPLIFY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from engine.value import Value

    from .layers import Args

_COMMUTATIVE = frozenset({"add", "mul", "eq", "ne"})  # the same bits in either order


class Writer:
    """Writes instructions: each simplified, and each once. The leaves are given; their ids are the first.

    values    the Values behind the parameters, whose ids follow those of the inputs
    adjoints  for each output the ids of adjoints, and of the values whose adjoints they are
    """

    def __init__(self, inputs: Sequence[Value], values: list[Value]) -> None:
        n, k = len(inputs), len(values)
        self.values, self.inputs, self.parameters = values, range(n), range(n, n + k)
        self.op = ["input"] * n + ["parameter"] * k
        self.args: list[Args] = [()] * (n + k)
        self.varying = [True] * n + [False] * k
        self.labels = {i: node.label for i, node in enumerate(inputs) if node.label}
        self.constant: dict[int, float] = {}
        self.adjoints: list[tuple[array[int], array[int]]] = []
        self.layers: list[Layer] = []
        self.outers: list[Outer] = []
        self._numbers: dict[float | str, int] = {}
        self._known: defaultdict[str, dict[Args, int]] = defaultdict(dict)
        self._known_layers: dict[tuple[Args, int, Args, Args, bool], Layer] = {}
        self.algebra: dict[str, Callable[..., int]] = {name: self._function(op) for name, op in OPS.items()}

    def layer(self, rows: Args, width: int, inputs: Args, biases: Args = (), turned: bool = False) -> Layer:
        """The products of a layer, which are an earlier layer's where they can be."""
        key = rows, width, inputs, biases, turned
        layer = self._known_layers.get(key)
        if layer is None:
            self._known_layers[key] = layer = Layer(len(self.op), *key)
            self.layers.append(layer)
            n = len(layer)
            varying = any(map(self.varying.__getitem__, inputs))
            self.op += ["layer"] * n
            self.args += [()] * n
            self.varying += [varying] * n
        return layer

    def number(self, x: float) -> int:
        """The id of a constant. Zeros, which are equal, are told apart by their repr, and so is nan, which is not."""
        key = x if x == x and x != 0.0 else repr(x)
        i = self._numbers.get(key)
        if i is None:
            self._numbers[key] = i = len(self.op)
            self.op.append("constant")
            self.args.append(())
            self.varying.append(False)
            self.constant[i] = x
        return i

    def emit(self, op: str, args: Args) -> int:
        """The id of an instruction that gives ``op`` of ``args``, which is an earlier one where it can be."""
        known = self._known[op]
        key = args[::-1] if op in _COMMUTATIVE and args[0] > args[1] else args
        i = known.get(key)
        if i is None:
            if not args or args[0] in self.constant:
                i = self._folded(op, args)
            if i is None and op in SIMPLIFY:
                i = SIMPLIFY[op](self, args)
            if i is None:
                varying = self.varying
                i = len(varying)
                self.op.append(op)
                self.args.append(args)
                n = len(args)
                varying.append(
                    varying[args[0]] if n == 1 else varying[args[0]] or varying[args[1]] if n == 2
                    else any(map(varying.__getitem__, args))
                )  # fmt: skip
            known[key] = i
        return i

    def computed(self, op: Op, args: Args) -> int:
        """The id of ``op`` of ``args``; an operation that a user defined is computed by its forward expression."""
        if not op.defined:
            return self.emit(op.name, args)
        result: Any = evaluate(rule(op.forward), self.algebra, dict(zip(op.arguments, args)))
        return self.number(result) if type(result) is float else result

    def _function(self, op: Op) -> Callable[..., int]:
        """The operation on ids and numbers: that of one or two operands, as most are, without a detour."""
        name, emit, number = op.name, self.emit, self.number

        def one(a: int | float) -> int:
            return emit(name, (number(a) if a.__class__ is float else a,))  # type: ignore[arg-type]

        def two(a: int | float, b: int | float) -> int:
            return emit(name, (number(a) if a.__class__ is float else a, number(b) if b.__class__ is float else b))  # type: ignore[arg-type]

        if op.defined or op.arity not in (1, 2):
            return partial(self._operation, op)
        return one if op.arity == 1 else two

    def _operation(self, op: Op, *arguments: Any) -> int:
        if not op.arguments:
            arguments = tuple([x for part in arguments for x in (part if isinstance(part, list) else [part])])
        return self.computed(op, tuple([self.number(x) if type(x) is float else x for x in arguments]))

    def _folded(self, op: str, args: Args) -> int | None:
        """The id of the result where all operands are constants."""
        constant = self.constant
        if not all(map(constant.__contains__, args)):
            return None
        numbers = [constant[a] for a in args]
        if op == "dot":
            n = len(args) // 2
            return self.number(scalar[op](numbers[:n], numbers[n : 2 * n], *numbers[2 * n :]))
        return self.number(scalar[op](*numbers) if OPS[op].arity else scalar[op](numbers))

    def program(
        self, outputs: Args, entries: list[dict[int, int]], wrt: Sequence[int | None], trained: int, forward: int
    ) -> Program:
        """What has been written, without the instructions that nothing needs, and numbered anew; the writer is done.

        entries   for each output, the derivatives that are in no outer product
        trained   the number of parameters that are kept although nothing needs them
        forward   the number of values that were written before the first derivative
        """
        live = self._live([*outputs, *chain.from_iterable([row.values() for row in entries])], wrt, trained)
        stay = live.find(0)  # ids below it do not change
        if stay < 0:
            stay = len(live)
        after = live[stay:]
        numbers = [*accumulate(after, initial=stay)]

        def new(i: int) -> int:
            return i if i < stay else numbers[i - stay]

        def moved(ids: Args) -> Args:
            return ids if not ids or max(ids) < stay else tuple([i if i < stay else numbers[i - stay] for i in ids])

        program = Program()
        program.adjoints_written = self.adjoints, forward, live
        self.op[stay:] = compress(self.op[stay:], after)  # in place: the leaves in front may be a million
        self.args[stay:] = map(moved, compress(self.args[stay:], after))
        self.varying[stay:] = compress(self.varying[stay:], after)
        program.core_op, program.core_args = self.op, self.args
        program.core_varying = self.varying
        program.core_names = [""] * len(self.op)
        for i, label in self.labels.items():
            if live[i]:
                program.core_names[new(i)] = label
        program.constant = {new(i): x for i, x in self.constant.items() if live[i]}
        program.backward = live[:forward].count(1)
        program.inputs = list(self.inputs)
        program.outputs = list(moved(outputs))
        program.entries = [dict(zip(row, moved(tuple(row.values())))) for row in entries]
        program.wrt_ids = wrt if isinstance(wrt, range) else [None if i is None else new(i) for i in wrt]
        at, values = self.parameters, self.values
        program.parameter_range = range(at.start, new(at.stop))
        program.parameter_values = values if stay >= at.stop else list(compress(values, live[at.start : at.stop]))
        for layer in self.layers:
            if live[layer.first]:
                program.layers.append(
                    Layer(new(layer.first), moved(layer.rows), layer.width, moved(layer.inputs), moved(layer.biases),
                          layer.turned)
                )  # fmt: skip
        first = len(program.core_op)
        for outer in sorted(self.outers, key=lambda outer: (outer.output, outer.rows)):
            d, a = moved(outer.adjoints), moved(outer.inputs)
            program.outers.append(Outer(outer.output, outer.rows, d, a, first))
            first += len(outer)
        self.algebra.clear()  # its functions refer to the writer: such a cycle would keep the parameters in memory
        return program

    def _live(self, roots: list[int], wrt: Sequence[int | None], trained: int) -> bytearray:
        """A mark for each value that is needed."""
        live, leaves = bytearray(len(self.op)), self.parameters.stop
        kept = len(self.inputs) + trained
        live[:kept] = b"\1" * kept
        for root in roots:
            live[root] = True
        if not isinstance(wrt, range):
            for i in wrt:
                if i is not None:
                    live[i] = True
        for outer in self.outers:
            for i in outer.adjoints + outer.inputs:
                live[i] = True
        of = {i: layer for layer in self.layers for i in layer.results}
        for k in range(len(live) - 1, leaves - 1, -1):
            if not live[k]:
                continue
            layer = of.get(k)
            if layer is None:
                for a in self.args[k]:
                    live[a] = True
            elif k == layer.first + len(layer) - 1 or not live[k + 1]:  # the first of its results that is met
                n = len(layer)
                live[layer.first : layer.first + n] = b"\1" * n
                for a in layer.inputs + layer.biases:
                    live[a] = True
                for row in layer.rows:
                    live[row : row + layer.width] = b"\1" * layer.width
        return live

    def is_number(self, i: int, *numbers: str) -> bool:
        """Whether value i is a constant whose repr is one of ``numbers``."""
        return i in self.constant and repr(self.constant[i]) in numbers
