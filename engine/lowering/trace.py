"""A graph as a program: traced, differentiated and simplified in one pass.

``trace`` writes the graph of one sample, and the gradient of its outputs, as one list of instructions.

The gradient is made of instructions from the start: the derivative rules of the table are evaluated in an algebra whose
operations write instructions, where reverse.py evaluates them on floats and on Values.

A layer stays a layer. The dots that share their inputs, and whose weights stand one after the other in ``wrt``, are
written as one instruction; so is what they pass on to their inputs, and the gradient of their weights (layers.py).
Nothing looks at such a weight by itself. A dot of any other kind is an instruction like others.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from functools import partial
from itertools import chain
from operator import attrgetter

from engine.chain import Algebra, Joint, sweep
from engine.compiled import compiled
from engine.derivatives import checked_values
from engine.graph import toposort
from engine.ops import OPS
from engine.value import Value

from .adjoints import Marking, Masked, NoMark, OnProgram, Unmasked
from .layers import Leaves, Outer, unmarked
from .writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from engine.ops import Op

    from .layers import Args
    from .program import Program

    Passed = list[tuple[Value, int, int | None, int | None]]

_DOT = OPS["dot"]
_SIMPLE, _LARGE = 2000, 30_000  # nodes that compiled code writes where it is loaded; for which it is loaded


def trace(
    outputs: Sequence[Value],
    inputs: Sequence[Value],
    wrt: Sequence[Value] | None,
    gradient: bool = True,
    groups: Sequence[tuple[Value, ...]] | None = None,
    marks: bool = False,
) -> Program:
    """The program that computes ``outputs`` from ``inputs``, and with ``gradient`` their derivatives for ``wrt``.

    An input is usually a leaf. One that was computed is cut from its past: its values come from the rows, and what it
    was computed from is reached only along other ways. A node of ``wrt`` may be any node, as in ``grad``; an output
    that does not depend on it has the derivative 0.0. Plain numbers in expressions become constants of the program;
    all other leaves are parameters, and they are ``wrt`` where it is None. Raises TypeError for what is not a Value
    and ValueError for a repeated input.

    groups   where given, ``wrt`` is known to be a list of leaves, each once and none of them an input, which will not
             change: these tuples, one after the other. Tuples after those are parameters that are not differentiated
    marks    whether the program may have marks in place of masks, which the compiled interpreter runs in half the time;
             it has them where there are masks and no layers, and then the graph is kept for ``plain`` of the program
    """
    outputs, inputs = checked_values(outputs, "lower: outputs"), checked_values(inputs, "lower: inputs")
    if not outputs:
        raise ValueError("lower: outputs is an empty list: pass at least one Value")
    given: dict[Value, int] = {}
    for k, node in enumerate(inputs):
        if node in given:
            raise ValueError(f"lower: inputs[{k}]{_called(node)} is inputs[{inputs.index(node)}] again: list it once")
        given[node] = k
    cut = given.keys() if any(node.op for node in inputs) else ()
    if wrt is None:
        order = _order(outputs, cut)
        wrt = parameters = [node for node in order if node.op is None and not node.is_constant and node not in given]
    elif groups is not None and isinstance(wrt, list):
        parameters = wrt if len(wrt) == sum(map(len, groups)) else list(chain.from_iterable(groups))
    else:
        wrt = checked_values(wrt, "lower: wrt")
        parameters = _leaves(wrt, given)
    tracer = partial(_Tracer, given, cut, wrt, parameters, groups or ())
    if marks:
        with suppress(NoMark):
            program = tracer().program(outputs, gradient, marks)
            if program.marked:
                program.trace_plain = lambda: tracer().program(outputs, gradient)
            return program
    return tracer().program(outputs, gradient)


def _called(node: Value) -> str:
    return f" ({node.label!r})" if node.label else ""


def _order(outputs: list[Value], cut: Collection[Value], leaves: Leaves | None = None) -> list[Value]:
    """What the outputs depend on, parents first, without what lies only behind the nodes of ``cut``.

    Operands that ``leaves`` claims as a group are left out.
    """
    order = toposort(*outputs) if leaves is None else toposort(*outputs, skip=leaves.claims)
    if not cut:
        return order
    needed = set(outputs)
    for node in reversed(order):
        if node in needed and node not in cut:
            needed.update(node.parents)
    return [node for node in order if node in needed]


def _leaves(wrt: list[Value], inputs: dict[Value, int]) -> list[Value]:
    """The leaves of ``wrt`` that are not inputs, each once."""
    distinct = set(wrt)
    if len(distinct) == len(wrt) and inputs.keys().isdisjoint(distinct) and not any(map(attrgetter("op"), wrt)):
        return wrt
    return [*{node: None for node in wrt if node.op is None and node not in inputs}]


class _Tracer:
    """A trace under way.

    ids      the id of each node that has been written
    algebra  in which the chain rule is evaluated
    """

    def __init__(
        self, inputs: dict[Value, int], cut: Collection[Value], wrt: list[Value], parameters: list[Value],
        groups: Sequence[tuple[Value, ...]],
    ) -> None:  # fmt: skip
        self.inputs, self.cut, self.wrt = inputs, cut, wrt
        self.ids = Leaves(parameters, len(inputs))
        self.ids.update(inputs)
        self.ids.know(groups)
        # A place in wrt is one among the parameters, as far as they begin alike.
        n = len(parameters)
        self.in_place = (
            bool(groups)
            or parameters is wrt
            or (wrt[:n] == parameters and all(node.op or node in inputs for node in wrt[n:]))
        )
        self.layers: list[_Neurons] = []
        self.scattered: dict[int, int] = {}  # place in wrt -> id of a derivative that is in no outer product

    def program(self, outputs: list[Value], gradient: bool, marks: bool = False) -> Program:
        ids, wrt = self.ids, self.wrt
        order = _order(outputs, self.cut, ids)
        ids.number_the_rest()
        neurons = self._find_layers(order)
        others = self._other_parameters(order)
        self.writer = Writer([*self.inputs], ids.parameters + others if others else ids.parameters)
        self.algebra = Unmasked(self.writer, ids) if marks and not self.layers else OnProgram(self.writer, ids)
        in_c = self._in_c(outputs, order) if gradient else None
        if in_c is not None:
            forward, entries = in_c
        else:
            self._write(order, neurons)
            forward = len(self.writer.op)
            if gradient and self.in_place:
                _mark_lone(self.layers, ids, len(wrt))
            try:
                entries = self._gradients(outputs, order) if gradient else []
            except Masked:  # what has been written of them is not needed
                self.writer.adjoints.clear()
                self.algebra = Marking(self.writer, ids)
                entries = self._gradients(outputs, order)
        self.layers.clear()  # they refer to the tracer: such a cycle would keep the parameters in memory
        plain = len(wrt) <= len(ids.parameters) and self.in_place
        found = range(ids.first, ids.first + len(wrt)) if plain else [ids.find(node) for node in wrt]
        program = self.writer.program(
            tuple([ids[node] for node in outputs]), entries, found, len(ids.parameters), forward
        )  # fmt: skip
        program.marked = self.algebra.marking
        return program

    def _in_c(self, outputs: list[Value], order: list[Value]) -> tuple[int, list[dict[int, int]]] | None:
        """Write a large graph of simple operations, and its gradient, as the rest of this class would.

        Returns the number of values before the first derivative, and the derivatives; None for any other graph.
        """
        objects = compiled(len(order), _LARGE) if len(order) >= _SIMPLE else None
        if objects is None or len(outputs) > 1 or self.layers or self.cut or any(map(attrgetter("op"), self.wrt)):
            return None
        from .native.graphs import write_graph

        written = write_graph(self.writer, order, self.ids.find, self.wrt, len(self.ids.parameters))
        if written is None:
            return None
        forward, self.ids[outputs[0]], derivatives = written
        return forward, [dict(enumerate(derivatives))]

    def _gradients(self, outputs: list[Value], order: list[Value]) -> list[dict[int, int]]:
        """Write the gradient of each output."""
        if len(outputs) == 1:
            return [self._differentiate(0, order)]
        return [self._differentiate(k, _order([output], self.cut, self.ids)) for k, output in enumerate(outputs)]

    def _find_layers(self, order: list[Value]) -> dict[Value, _Neurons]:
        """The neurons that share their inputs, where their weights are parameters in a row."""
        blocks, found = self.ids.blocks, dict[tuple[int, bool], _Neurons]()
        for node in order:
            if node.op is _DOT and node not in self.cut:
                weights, inputs = node._a
                bias = node._b
                if id(weights) not in blocks or not (bias is None or (bias.op is None and bias not in self.inputs)):
                    continue
                key = id(inputs), bias is None
                if key not in found:
                    found[key] = _Neurons(self, inputs)
                found[key].add(node, blocks[id(weights)])
        self.layers = list(found.values())
        return {node: neurons for neurons in self.layers for node in neurons.places}

    def _other_parameters(self, order: list[Value]) -> list[Value]:
        """The leaves that are neither inputs nor in ``wrt``, which get their ids here."""
        ids, others = self.ids, list[Value]()
        first = ids.first + len(ids.parameters)
        for node in order:
            if node.op is None and not node.is_constant and ids.find(node) is None:
                ids[node] = first + len(others)
                others.append(node)
        return others

    def _write(self, order: list[Value], neurons: dict[Value, _Neurons]) -> None:
        """Write what computes the nodes."""
        writer, ids = self.writer, self.ids
        computing: dict[Op, Callable[[Args], int]] = {}
        for node in order:
            if node in ids:
                continue
            op = node.op
            if op is None:
                if node.is_constant:
                    found = ids.find(node)
                    ids[node] = writer.number(node.data) if found is None else found
                else:
                    ids[node]
            elif neurons and node in neurons:
                neurons[node].write()
            else:
                a, b = node._a, node._b
                if a.__class__ is tuple:
                    args = tuple([ids[parent] for parent in node.parents])
                else:
                    args = (ids[a],) if b is None else (ids[a], ids[b])
                compute = computing.get(op)
                if compute is None:
                    computing[op] = compute = partial(writer.computed, op) if op.defined else writer.emitters[op.name]
                ids[node] = compute(args)
                if not node._label:
                    continue
            if node.label:
                writer.labels.setdefault(ids[node], node.label)

    def _differentiate(self, k: int, order: list[Value]) -> dict[int, int]:
        """Write the gradient of the last node of ``order``, output ``k``: place in wrt -> id of the derivative.

        The weights of layers are left out where their derivatives make an outer product. The sweep goes by the nodes of
        the graph and not by instructions, because two nodes that compute the same number share an instruction but not
        an adjoint.
        """
        writer, ids, wrt = self.writer, self.ids, self.wrt
        present = set(order) if self.layers else set()
        layers = [layer for layer in self.layers if not present.isdisjoint(layer.places)]
        done = bytearray(len(wrt))
        lone: list[Value] = []
        self.scattered = {}
        for layer in layers:
            layer.output = k
            for node in layer.lone:
                if node in present:
                    lone.append(node)
                    place, n = layer.places[node]
                    done[place : place + n] = b"\1" * n
        rest = {place: wrt[place] for place in unmarked(done)}
        joint: dict[Value, Joint[int]] = {node: layer for layer in layers for node in layer.places}
        before = len(writer.outers)
        adjoints = sweep(order, order[-1], [*lone, *rest.values()], self.algebra, cut=self.cut, joint=joint)
        computed, values = array("i"), array("i")
        for node, i in adjoints.items():
            if node.op is not None and node not in self.cut:
                computed.append(i)
                values.append(ids[node])
        writer.adjoints.append((computed, values))
        for outer in writer.outers[before:]:
            for place in outer.rows:
                done[place] = 2
        if self.algebra.marking:  # what is not reached is 0.0 to the outside
            asked = set(rest.values())
            adjoints = {
                node: writer.emit("add", (i, writer.number(0.0))) for node, i in adjoints.items() if node in asked
            }
        entries = {p: adjoints[node] if node in adjoints else writer.number(0.0) for p, node in rest.items()}
        for layer in layers:
            for node in layer.lone:
                place, n = layer.places[node]
                if node in present and done[place] != 2:  # not reached, or no outer product
                    entries.update({p: self.scattered.get(p, -1) for p in range(place, place + n)})
        return {p: writer.number(0.0) if i < 0 else i for p, i in entries.items()}


class _Neurons(Joint[int]):
    """The dots that share their inputs: written together, and passing on together.

    places   for each of them the place of its first weight among the parameters, and the number of its weights
    lone     those whose weights nothing else uses
    """

    def __init__(self, tracer: _Tracer, inputs: tuple[Value, ...]) -> None:
        self.tracer, self.inputs, self.output = tracer, inputs, 0
        self.places: dict[Value, tuple[int, int]] = {}
        self.lone: dict[Value, None] = {}
        self._biases: set[tuple[int, Value | None]] = set()

    def add(self, node: Value, place: tuple[int, int]) -> None:
        """One more; a neuron that is there twice is left to be an instruction of its own."""
        if (place[0], node._b) not in self._biases:
            self._biases.add((place[0], node._b))
            self.places[node] = place

    def write(self) -> None:
        """Write the weighted inputs."""
        ids, writer = self.tracer.ids, self.tracer.writer
        inputs = tuple([ids[x] for x in self.inputs])
        biases = []
        for node in self.places:
            bias = node._b
            if bias is not None:
                found = ids.find(bias)
                biases.append(writer.number(bias.data) if found is None else found)
        rows = tuple([ids.first + place for place, _ in self.places.values()])
        layer = writer.layer(rows, len(inputs), inputs, tuple(biases))
        for node, i in zip(self.places, layer.results):
            ids[node] = i
            if node.label:
                writer.labels.setdefault(i, node.label)

    def passed_on(
        self, algebra: Algebra[int], adjoints: Mapping[Value, int], conditions: Mapping[Value, int | None],
        wanted: Collection[Value],
    ) -> Passed:  # fmt: skip
        """What the neurons pass on to weights, inputs and biases; those that depend on one condition together."""
        passed: Passed = []
        groups: dict[int | None, list[Value]] = {}
        for node in reversed(self.places):
            if node in adjoints and node in conditions:
                groups.setdefault(conditions[node], []).append(node)
        for condition, neurons in groups.items():
            d = tuple([adjoints[node] for node in neurons])
            self._to_weights(algebra, neurons, d, condition, wanted, passed)
            self._to_inputs(neurons, d, condition, wanted, passed)
            for node, adjoint in zip(neurons, d):
                if node._b is not None and node._b in wanted:
                    passed.append((node._b, adjoint, None, condition))
        return passed

    def _to_weights(
        self, algebra: Algebra[int], neurons: list[Value], d: Args, condition: int | None, wanted: Collection[Value],
        passed: Passed,
    ) -> None:  # fmt: skip
        ids, writer = self.tracer.ids, self.tracer.writer
        inputs = [ids[x] for x in self.inputs]
        if condition is not None:
            where = algebra.operations["where"]
            inputs = [a if algebra.is_finite(a, _DOT) else where(condition, a, 0.0) for a in inputs]
        lone = [(node, adjoint) for node, adjoint in zip(neurons, d) if node in self.lone]
        together = [(node, adjoint) for node, adjoint in lone if adjoint not in writer.constant]
        if together:  # in the order of the neurons
            rows = tuple([self.places[node][0] for node, _ in reversed(together)])
            factors = tuple([adjoint for _, adjoint in reversed(together)])
            writer.outers.append(Outer(self.output, rows, factors, tuple(inputs)))
        for node, adjoint in zip(neurons, d):
            if node not in self.lone and self.places[node][0] < len(self.tracer.wrt):
                passed += [(w, adjoint, a, condition) for w, a in zip(node._a[0], inputs) if w in wanted]
            elif node in self.lone and adjoint in writer.constant:
                place = self.places[node][0]
                self.tracer.scattered.update(
                    (place + k, writer.emit("mul", (adjoint, a))) for k, a in enumerate(inputs)
                )

    def _to_inputs(
        self, neurons: list[Value], d: Args, condition: int | None, wanted: Collection[Value], passed: Passed
    ) -> None:
        """The products with the transpose, for each run of inputs that are differentiated."""
        ids, writer = self.tracer.ids, self.tracer.writer
        rows = [ids.first + self.places[node][0] for node in neurons]
        flags = bytearray([x in wanted for x in self.inputs])
        start = flags.find(1)
        while start >= 0:
            stop = flags.find(0, start)
            if stop < 0:
                stop = len(flags)
            xs = self.inputs[start:stop]
            if len(rows) == 1:
                passed += [(x, d[0], rows[0] + start + k, condition) for k, x in enumerate(xs)]
            elif len(xs) == 1:
                passed += [(xs[0], adjoint, row + start, condition) for row, adjoint in zip(rows, d)]
            else:
                layer = writer.layer(tuple([row + start for row in rows]), len(xs), d, turned=True)
                passed += [(x, i, None, condition) for x, i in zip(xs, layer.results)]
            start = flags.find(1, stop)


def _mark_lone(layers: list[_Neurons], ids: Leaves, trained: int) -> None:
    """Find the neurons whose weights, among the first ``trained`` parameters, nothing else uses.

    Their derivatives are one product each.
    """
    places = sorted([(*layer.places[node], layer, node) for layer in layers for node in layer.places], key=_first_two)
    taken = sorted([i - ids.first for i in ids.elsewhere])
    shared: set[Value] = set()
    end, last = 0, None
    for place, n, _, node in places:
        if place < end and last is not None:
            shared.update((node, last))
        if place + n > end:
            end, last = place + n, node
    at = 0
    for place, n, layer, node in places:
        while at < len(taken) and taken[at] < place:
            at += 1
        if place < trained and node not in shared and not (at < len(taken) and taken[at] < place + n):
            layer.lone[node] = None


def _first_two(item: tuple[int, int, object, object]) -> tuple[int, int]:
    return item[:2]
