"""A graph as a flat program: trace, differentiate, simplify.

``trace`` writes the graph of one sample, and the gradient of its outputs, as one list of instructions. The same list is
then evaluated for every sample: as Python (source.py), by the compiled interpreter (native/), or in a browser.

The gradient is made of instructions from the start: the derivative rules of the table are evaluated in an algebra whose
operations write instructions, where reverse.py evaluates them on floats and on Values. Each instruction is simplified
as it is written, and found again if it was written before, so that all three steps are one pass.

A simplification is made only where it gives the same bits for every number there is: ``x * 1`` is x, but ``x * 0`` is
not 0 (x may be nan or infinite), and ``x + 0`` is not x (it is 0.0 where x is -0.0; adding -0.0 does give x).
"""

from __future__ import annotations

from functools import partial
from itertools import accumulate, chain, repeat
from math import isfinite

from engine.chain import Algebra, doubtful, sweep
from engine.expressions import evaluate, rule
from engine.graph import toposort
from engine.ieee import scalar
from engine.ops import OPS, Op
from engine.value import Value
from engine.weighted import roles

from .simplify import SIMPLIFY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from typing import Any

    Args = tuple[int, ...]

LEAVES = frozenset({"input", "parameter", "constant"})  # what a program has values of, but does not compute
split_dot = roles  # of the operands of an instruction
_COMMUTATIVE = frozenset({"add", "mul", "eq", "ne"})  # the same bits in either order


class Program:
    """The instructions that compute outputs and gradients from one row of inputs and the parameters.

    Every value has an id: its index in ``op``, ``args``, ``varying`` and ``names``. Operands have smaller ids.

    op                the name of an operation of the table, or "input", "parameter" or "constant"
    args              the ids of the operands, in the order of ``Value.parents``
    constant          the number of each constant
    inputs            ids of the inputs, whose values each row brings; one that is not used has an id as well
    parameters        ids of the leaves that are the same for all rows: first those of ``wrt`` in its order, then others
    parameter_values  the Values behind ``parameters``, whose data is read at each call
    outputs           the id of each output
    gradients         for each output, the id of its derivative by each node of ``wrt``
    wrt               the id of each node of ``wrt``; None for a node on which no output depends and that is no leaf
    varying           whether the value depends on an input, and so differs from row to row
    names             the label, or ""
    adjoints          id -> (k, i) where that value is the derivative of output k by value i, between outputs and wrt
    backward          the id from which on values are computed for the gradient alone
    products          (adjoint, inputs, first): the values from ``first`` on are the adjoint times each of the inputs:
                      the derivatives by the weights of a neuron, which are results and nothing else
    """

    __slots__ = ("op", "args", "constant", "inputs", "parameters", "parameter_values", "outputs", "gradients", "wrt",
                 "varying", "names", "adjoints", "backward", "products")  # fmt: skip

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[Args] = []
        self.constant: dict[int, float] = {}
        self.inputs: list[int] = []
        self.parameters: list[int] = []
        self.parameter_values: list[Value] = []
        self.outputs: list[int] = []
        self.gradients: list[list[int]] = []
        self.wrt: list[int | None] = []
        self.varying: list[bool] = []
        self.names: list[str] = []
        self.adjoints: dict[int, tuple[int, int]] = {}
        self.backward = 0
        self.products: list[tuple[int, Args, int]] = []

    def __len__(self) -> int:
        """The number of values that are computed: leaves are not."""
        return sum(op not in LEAVES for op in self.op)

    def __iter__(self) -> Iterator[tuple[int, str, Args]]:
        """(id, op, args) of every value that is computed, operands first."""
        return ((i, op, args) for i, (op, args) in enumerate(zip(self.op, self.args, strict=True)) if op not in LEAVES)

    def __repr__(self) -> str:
        return f"<Program of {len(self)} instructions, {len(self.inputs)} inputs, {len(self.parameters)} parameters>"

    def listing(self) -> str:
        """The program as text, an instruction a line."""
        lines = []
        for i, (op, args) in enumerate(zip(self.op, self.args, strict=True)):
            operands = repr(self.constant[i]) if op == "constant" else " ".join(f"%{a}" for a in args)
            name = f"  # {self.names[i]!r}" if self.names[i] else ""
            lines.append(f"%{i} = {op} {operands}".rstrip() + name)
        lines.append("outputs " + " ".join(f"%{i}" for i in self.outputs))
        lines += [" ".join(["gradients", *(f"%{i}" for i in row)]) for row in self.gradients]
        return "\n".join(lines)


def trace(
    outputs: Sequence[Value], inputs: Sequence[Value], wrt: Sequence[Value] | None, gradient: bool = True
) -> Program:
    """The program that computes ``outputs`` from ``inputs``, and with ``gradient`` their derivatives by ``wrt``.

    An input is usually a leaf. One that was computed is cut from its past: its values come from the rows, and what it
    was computed from is reached only along other ways. A node of ``wrt`` may be any node, as in ``grad``; an output
    that does not depend on it has the derivative 0.0. Plain numbers in expressions become constants of the program;
    all other leaves are parameters, and they are ``wrt`` where it is None. Raises TypeError for what is no Value and
    ValueError for a repeated input.
    """
    outputs, inputs = _values(outputs, "outputs"), _values(inputs, "inputs")
    if not outputs:
        raise ValueError("lower: outputs is an empty list: pass at least one Value")
    writer = Writer()
    ids: dict[Value, int] = {}
    for k, node in enumerate(inputs):
        if node in ids:
            raise ValueError(f"lower: inputs[{k}]{_called(node)} is inputs[{inputs.index(node)}] again: list it once")
        ids[node] = writer.leaf("input", node.label)
    cut = set(inputs) if any(node.op for node in inputs) else None
    order = _order(outputs, cut)
    if wrt is None:
        wrt = [node for node in order if node.op is None and not node.is_constant and node not in ids]
    else:
        wrt = _values(wrt, "wrt")
    parameters = {node: None for node in wrt if node.op is None and node not in ids}
    ids.update(zip(parameters, writer.parameters([node.label for node in parameters])))
    for node in order:
        if node in ids:
            continue
        if node.op is not None:
            ids[node] = i = writer.computed(node.op, tuple([ids[parent] for parent in node.parents]))
            if node.label and not writer.names[i]:
                writer.names[i] = node.label
        elif node.is_constant:
            ids[node] = writer.number(node.data)
        else:
            ids[node] = writer.leaf("parameter", node.label)
            parameters[node] = None
    gradients = []
    forward = len(writer.op)
    if gradient:
        for k, output in enumerate(outputs):
            past = order if len(outputs) == 1 else _order([output], cut)
            gradients.append(_differentiate(writer, k, past, set(inputs), ids, wrt))
    return writer.program(
        [ids[node] for node in inputs], [ids[node] for node in outputs], gradients,
        [ids.get(node) for node in wrt], {ids[node]: node for node in parameters}, forward,
    )  # fmt: skip


def _values(nodes: Iterable[Value], what: str) -> list[Value]:
    if isinstance(nodes, Value):
        raise TypeError(f"lower: {what} takes a list of Values, got one Value: put it in a list")
    try:
        listed = list(nodes)
    except TypeError:
        raise TypeError(f"lower: {what} takes a list of Values, got {type(nodes).__name__}") from None
    for k, node in enumerate(listed):
        if not isinstance(node, Value):
            raise TypeError(f"lower: {what}[{k}] is {node!r:.60} of type {type(node).__name__}: pass a Value")
    return listed


def _called(node: Value) -> str:
    return f" ({node.label!r})" if node.label else ""


def _order(outputs: list[Value], cut: set[Value] | None) -> list[Value]:
    """What the outputs depend on, parents first, without what lies only behind the nodes of ``cut``."""
    order = toposort(*outputs)
    if cut is None:
        return order
    needed = set(outputs)
    for node in reversed(order):
        if node in needed and node not in cut:
            needed.update(node.parents)
    return [node for node in order if node in needed]


def _differentiate(
    writer: Writer, k: int, order: list[Value], cut: set[Value], ids: dict[Value, int], wrt: list[Value]
) -> list[int]:
    """Write the gradient of the last node of ``order``, output ``k``, and return the id of each derivative.

    The sweep goes by the nodes of the graph and not by instructions, because two nodes that compute the same number
    share an instruction but not an adjoint.
    """

    def seen(node: Value, adjoint: int) -> None:
        writer.adjoints.setdefault(adjoint, (k, ids[node]))

    neurons = _lone_neurons(order, cut, wrt)
    weights = set().union(*[neuron._a[0] for neuron in neurons])
    rest = [node for node in wrt if node not in weights]
    adjoints = sweep(order, order[-1], [*neurons, *rest], _OnProgram(writer, ids), cut=cut, seen=seen)
    found = {node: adjoints[node] for node in rest if node in adjoints}
    for neuron in neurons:
        group, inputs = neuron._a
        if neuron in adjoints:
            found.update(zip(group, writer.products(adjoints[neuron], tuple([ids[x] for x in inputs]))))
    return [found[node] if node in found else writer.number(0.0) for node in wrt]


def _lone_neurons(order: list[Value], cut: set[Value], wrt: list[Value]) -> list[Value]:
    """The dots whose weights are leaves of ``wrt`` that nothing else uses.

    The derivatives by such weights are the adjoint of the dot times each of its inputs, and are written in one go: most
    of the derivatives of a network. None where a choice may mask them.
    """
    inner = [node for node in order if node.op is not None and node not in cut]
    doubt = doubtful(inner)
    for node in inner:
        op = node.op
        assert op is not None
        if op.name == "where" or (op.chooses and not doubt.isdisjoint(node.parents)):
            return []
    wanted = set(wrt)
    if len(wanted) < len(wrt):
        return []
    neurons = [
        node
        for node in inner
        if node.op.name == "dot"  # type: ignore[union-attr]
        and wanted.issuperset(node._a[0])
        and node not in wanted
    ]
    chosen = set(neurons)
    others: set[Value] = set()
    groups: set[int] = set()
    for node in inner:
        if node in chosen:
            inputs, bias = node._a[1], node._b
            if id(inputs) not in groups:
                groups.add(id(inputs))
                others.update(inputs)
            if bias is not None:
                others.add(bias)
        else:
            others.update(node.parents)
    alone: list[Value] = []
    for node in neurons:
        group = node._a[0]
        if len(group) > 7 and others.isdisjoint(group) and not any(w.op for w in group):
            alone.append(node)
        others.update(group)
    used: set[Value] = set()  # by a neuron after it
    for node in reversed(alone):
        group = node._a[0]
        if not used.isdisjoint(group) or len(set(group)) < len(group):
            return []
        used.update(group)
    return alone


class _OnProgram(Algebra[int]):
    """Elements are ids of values, and operations write instructions."""

    def __init__(self, writer: Writer, ids: dict[Value, int]) -> None:
        super().__init__(writer.algebra)
        self.writer, self.ids = writer, ids

    def number(self, x: float) -> int:
        return self.writer.number(x)

    def element(self, node: Value) -> int:
        return self.ids[node]

    def is_finite(self, x: int, op: Op) -> bool:
        """A parameter that is not finite is met by training that has failed; the layers need no care for it."""
        number = self.writer.constant.get(x)
        if number is not None:
            return isfinite(number)
        return op.name == "dot" and self.writer.op[x] == "parameter"

    def shares(self, elements: Sequence[int], y: int) -> list[int]:
        """exp(a - y) over their sum: the rounding of y, which is in all of them, is not in the quotients."""
        emit = self.writer.emit
        exponentials = [emit("exp", (emit("sub", (a, y)),)) for a in elements]
        total = emit("sum", tuple(exponentials))
        total = emit("where", (emit("eq", (total, total)), total, self.number(1.0)))  # nan where y is infinite
        return [emit("div", (x, total)) for x in exponentials]

    def weighted_sum(self, terms: Sequence[tuple[int, int | None]]) -> int:
        """One product, or one dot."""
        if len(terms) == 1:
            adjoint, derivative = terms[0]
            return adjoint if derivative is None else self.writer.emit("mul", (adjoint, derivative))
        derivatives = [self.number(1.0) if derivative is None else derivative for _, derivative in terms]
        return self.writer.emit("dot", (*derivatives, *[adjoint for adjoint, _ in terms]))


class Writer:
    """Writes instructions: each simplified, and each once."""

    def __init__(self) -> None:
        self.op: list[str] = []
        self.args: list[Args] = []
        self.varying: list[bool] = []
        self.names: list[str] = []
        self.constant: dict[int, float] = {}
        self.adjoints: dict[int, tuple[int, int]] = {}
        self.blocks: list[tuple[int, Args, int]] = []  # what products() wrote
        self._numbers: dict[str, int] = {}
        self._known: dict[tuple[str, Args], int] = {}
        self.algebra: dict[str, Callable[..., int]] = {name: partial(self._operation, name) for name in OPS}

    def leaf(self, kind: str, name: str) -> int:
        return self._append(kind, (), kind == "input", name)

    def parameters(self, names: list[str]) -> range:
        """The ids of parameters of these names."""
        first, n = len(self.op), len(names)
        self.op += ["parameter"] * n
        self.args += [()] * n
        self.varying += [False] * n
        self.names += names
        return range(first, first + n)

    def products(self, adjoint: int, inputs: Args) -> Sequence[int]:
        """The ids of the adjoint times each of the inputs, which nothing but the result will need."""
        plain = adjoint not in self.constant and self.op[adjoint] != "neg" and self.constant.keys().isdisjoint(inputs)
        if not plain or "neg" in map(self.op.__getitem__, inputs):
            return [self.emit("mul", (adjoint, x)) for x in inputs]
        first, n = len(self.op), len(inputs)
        self.op += ["mul"] * n
        self.args += zip(repeat(adjoint), inputs)
        self.varying += [True] * n if self.varying[adjoint] else map(self.varying.__getitem__, inputs)
        self.names += [""] * n
        self.blocks.append((adjoint, inputs, first))
        return range(first, first + n)

    def number(self, x: float) -> int:
        """The id of a constant. Numbers are told apart by their repr, which 0.0 and -0.0 do not share."""
        key = repr(x)
        i = self._numbers.get(key)
        if i is None:
            self._numbers[key] = i = self._append("constant", (), False, "")
            self.constant[i] = x
        return i

    def emit(self, op: str, args: Args) -> int:
        """The id of an instruction that gives ``op`` of ``args``, which is an earlier one where it can be."""
        key = op, args[::-1] if op in _COMMUTATIVE and args[0] > args[1] else args
        i = self._known.get(key)
        if i is None:
            if not args or args[0] in self.constant:
                i = self._folded(op, args)
            if i is None and op in SIMPLIFY:
                i = SIMPLIFY[op](self, args)
            if i is None:
                i = self._append(op, args, any(map(self.varying.__getitem__, args)), "")
            self._known[key] = i
        return i

    def computed(self, op: Op, args: Args) -> int:
        """The id of ``op`` of ``args``; an operation that a user defined is computed by its forward expression."""
        if not op.defined:
            return self.emit(op.name, args)
        result: Any = evaluate(rule(op.forward), self.algebra, dict(zip(op.arguments, args)))
        return self.number(result) if type(result) is float else result

    def _operation(self, op: str, *arguments: Any) -> int:
        arguments = tuple([x for part in arguments for x in (part if isinstance(part, list) else [part])])
        return self.computed(OPS[op], tuple([self.number(x) if type(x) is float else x for x in arguments]))

    def _append(self, op: str, args: Args, varying: bool, name: str) -> int:
        self.op.append(op)
        self.args.append(args)
        self.varying.append(varying)
        self.names.append(name)
        return len(self.op) - 1

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
        self, inputs: list[int], outputs: list[int], gradients: list[list[int]], wrt: list[int | None],
        parameters: dict[int, Value], forward: int,
    ) -> Program:  # fmt: skip
        """What has been written, without the instructions that nothing needs, and numbered anew."""
        live = bytearray(len(self.op))
        for root in {*inputs, *outputs, *wrt, *chain.from_iterable(gradients)} - {None}:
            live[root] = True  # type: ignore[index]
        stop = len(live)
        for adjoint, factors, first in [*reversed(self.blocks), (0, (), -1)]:
            for k in range(stop - 1, first + len(factors) - 1, -1):
                if live[k]:
                    for a in self.args[k]:
                        live[a] = True
            stop = first
            if first >= 0:
                live[adjoint] = True
                for a in factors:
                    live[a] = True
        program = Program()
        kept = [k for k, needed in enumerate(live) if needed]
        new = list(accumulate(live, initial=0))
        unmoved = live.find(0) if len(kept) < len(live) else len(live)  # ids below it stay
        if len(kept) == len(live):  # nothing is left out: nothing moves
            new = kept
        program.op = [self.op[i] for i in kept]
        program.products = [(new[a], tuple([new[x] for x in factors]), new[i]) for a, factors, i in self.blocks]
        program.args, start = [], 0
        for (_, factors, first), block in zip([*self.blocks, (0, (), len(live))], [*program.products, (0, (), 0)]):
            program.args += [
                args if not args or max(args) < unmoved else tuple([new[a] for a in args])
                for k, args in enumerate(self.args[start:first], start) if live[k]
            ]  # fmt: skip
            program.args += zip(repeat(block[0]), block[1])
            start = first + len(factors)
        program.varying = [self.varying[i] for i in kept]
        program.names = [self.names[i] for i in kept]
        program.constant = {new[i]: x for i, x in self.constant.items() if live[i]}
        program.backward = sum(live[:forward])
        program.inputs = [new[i] for i in inputs]
        program.outputs = [new[i] for i in outputs]
        program.gradients = [[new[i] for i in row] for row in gradients]
        program.wrt = [None if i is None else new[i] for i in wrt]
        program.parameters = [new[i] for i in parameters if live[i]]
        program.parameter_values = [node for i, node in parameters.items() if live[i]]
        program.adjoints = {
            new[i]: (k, new[of]) for i, (k, of) in self.adjoints.items()
            if i >= forward and self.args[i] and live[i] and live[of]
        }  # fmt: skip
        return program

    def is_number(self, i: int, *numbers: str) -> bool:
        """Whether value i is a constant whose repr is one of ``numbers``."""
        return i in self.constant and repr(self.constant[i]) in numbers
