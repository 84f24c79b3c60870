"""Writes programs: each instruction simplified as it is written, and found again if it was written before.

A simplification is made only where it gives the same bits for every number there is: ``x * 1`` is x, but ``x * 0`` is
not 0 (x may be nan or infinite), and ``x + 0`` is not x (it is 0.0 where x is -0.0; adding -0.0 does give x).
"""

from __future__ import annotations

from array import array
from functools import partial
from itertools import accumulate, chain, compress

from engine.expressions import evaluate, rule
from engine.ieee import scalar
from engine.ops import OPS, Op

from .layers import Layer, Outer
from .program import Program
from .simplify import BY_ODD, SIMPLIFY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from engine.value import Value

    from .layers import Args
    from .native.coded import Coded

    T = TypeVar("T")

_COMMUTATIVE = frozenset({"add", "mul", "eq", "ne"})  # the same bits in either order


class _Emitters(dict[str, "Callable[[Args], int]"]):
    """``emit`` for each operation, made when it is first asked for."""

    def __init__(self, make: Callable[[str], Callable[[Args], int]]) -> None:
        self.make = make

    def __missing__(self, op: str) -> Callable[[Args], int]:
        self[op] = made = self.make(op)
        return made


def _growing(x: T, n: int) -> list[T]:
    """n times x, in a list with room for an eighth more: what a network adds to its parameters does not move it."""
    made = [x] * (n + n // 8)
    del made[n:]
    return made


class Writer:
    """Writes instructions: each simplified, and each once. The leaves are given; their ids are the first.

    values    the Values behind the parameters, whose ids follow those of the inputs
    emitters  ``emit`` for each operation: what writes a million instructions asks for it once
    adjoints  for each output the ids of adjoints, and of the values whose adjoints they are
    written   where compiled code has written all (native/graphs.py), and left out what nobody needs: what it wrote, a
              mark for each value that was not left out, and for each of these whether it varies
    """

    def __init__(self, inputs: Sequence[Value], values: list[Value]) -> None:
        n, k = len(inputs), len(values)
        self.values, self.inputs, self.parameters = values, range(n), range(n, n + k)
        self.op = _growing("parameter", n + k)  # of which there may be a million: no list is made twice
        self.op[:n] = ["input"] * n
        self.odd = bytearray(n + k)  # what is a constant, or the negative of something (simplify.py)
        self.args: list[Args] = _growing((), n + k)
        self.varying = _growing(False, n + k)
        self.varying[:n] = [True] * n
        self.labels = {i: node.label for i, node in enumerate(inputs) if node.label}
        self.constant: dict[int, float] = {}
        self.adjoints: list[tuple[array[int], array[int]]] = []
        self.written: tuple[Coded, bytearray, bytearray] | None = None
        self.layers: list[Layer] = []
        self.outers: list[Outer] = []
        self._numbers: dict[float | str, int] = {}
        self.emitters = _Emitters(self._emitter)
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
            self.odd += bytes(n)
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
            self.odd.append(True)
            self.constant[i] = x
        return i

    def emit(self, op: str, args: Args) -> int:
        """The id of an instruction that gives ``op`` of ``args``, which is an earlier one where it can be."""
        return self.emitters[op](args)

    def _emitter(self, op: str) -> Callable[[Args], int]:
        """``emit`` for one operation, which knows what it has written."""
        known: dict[Args, int] = {}
        find, commutative, simpler, negative = known.get, op in _COMMUTATIVE, self._simpler, op == "neg"
        always = op in SIMPLIFY and op not in BY_ODD
        ops, operands, varying, odd = self.op, self.args, self.varying, self.odd

        def emit(args: Args) -> int:
            key = args[::-1] if commutative and args[0] > args[1] else args
            i = find(key)
            if i is None:
                if always or not args or odd[args[0]] or odd[args[-1]]:
                    i = simpler(op, args)
                if i is None:
                    i = len(odd)
                    ops.append(op)
                    operands.append(args)
                    odd.append(negative)
                    varies = varying[args[0]] or varying[args[-1]]
                    varying.append(varies or (len(args) > 2 and any(map(varying.__getitem__, args))))
                known[key] = i
            return i

        return emit

    def _simpler(self, op: str, args: Args) -> int | None:
        """The id of an equal value, where constants can be computed with, or an operation be simplified."""
        i = self._folded(op, args) if not args or args[0] in self.constant else None
        return SIMPLIFY[op](self, args) if i is None and op in SIMPLIFY else i

    def computed(self, op: Op, args: Args) -> int:
        """The id of ``op`` of ``args``; an operation that a user defined is computed by its forward expression."""
        if not op.defined:
            return self.emit(op.name, args)
        result: Any = evaluate(rule(op.forward), self.algebra, dict(zip(op.arguments, args)))
        return self.number(result) if type(result) is float else result

    def _function(self, op: Op) -> Callable[..., int]:
        """The operation on ids and numbers: that of one or two operands, as most are, without a detour."""
        name, number, emitters = op.name, self.number, self.emitters

        def one(a: int | float) -> int:
            return emitters[name]((number(a) if a.__class__ is float else a,))  # type: ignore[arg-type]

        def two(a: int | float, b: int | float) -> int:
            return emitters[name]((number(a) if a.__class__ is float else a, number(b) if b.__class__ is float else b))  # type: ignore[arg-type]

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
        program = Program()
        if self.written is None:
            live = self._live([*outputs, *chain.from_iterable([row.values() for row in entries])], wrt, trained)
        else:
            program.coded, live, program.core_varying = self.written
        stay = live.find(0)  # ids below it do not change
        if stay < 0:
            stay = len(live)
        after = live[stay:]
        numbers = [*accumulate(after, initial=stay)]

        def new(i: int) -> int:
            return i if i < stay else numbers[i - stay]

        def moved(ids: Args) -> Args:
            if len(ids) == 2:
                a, b = ids
                return a if a < stay else numbers[a - stay], b if b < stay else numbers[b - stay]
            return ids if not ids or max(ids) < stay else tuple([i if i < stay else numbers[i - stay] for i in ids])

        program.adjoints_written = self.adjoints, forward, live
        if self.written is None:
            self.op[stay:] = compress(self.op[stay:], after)  # in place: the leaves in front may be a million
            self.args[stay:] = map(moved, compress(self.args[stay:], after))
            self.varying[stay:] = compress(self.varying[stay:], after)
            self.constant = {new(i): x for i, x in self.constant.items() if live[i]}
            program.core, program.core_varying = (self.op, self.args), self.varying
        program.core_names = {new(i): label for i, label in self.labels.items() if live[i]}
        program.constant = self.constant
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
        first = len(program.core_varying)
        for outer in sorted(self.outers, key=lambda outer: (outer.output, outer.rows)):
            d, a = moved(outer.adjoints), moved(outer.inputs)
            program.outers.append(Outer(outer.output, outer.rows, d, a, first))
            first += len(outer)
        del self.emitters  # the functions refer to the writer: such a cycle would keep the parameters in memory
        self.algebra.clear()
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
