"""A program for a differentiator that is not ours, in which a branch not taken contributes nothing.

JAX multiplies the derivative of a branch that was not taken by 0, which gives nan where that derivative is infinite.
The remedy that its users know is to choose twice: the result, and before it the operands, so that what is not reached
is computed at a harmless point. ``harmless`` does that to a program. What it makes computes plainly, first, all that a
choice depends on; from that, what is reached, by the rules of engine/chain.py; and then the outputs, with a harmless
operand wherever an operation that may be infinite or nan is not reached.
"""

from __future__ import annotations

from engine.bounds import always_safe
from engine.chain import choosing, doubtful
from engine.expressions import evaluate, rule
from engine.jax_operations import harmless_point
from engine.ops import OPS
from engine.value import Value

from .program import LEAVES, Program
from .writer import Writer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

STOP = "stop"  # an instruction of such programs only: the value of its operand, and no derivative


def harmless(program: Program) -> Program:
    """The program with the same outputs, in which what is not reached is computed at harmless points; no gradients.

    The program itself where nothing in it needs care: no layer of a network does.
    """
    conditional = _conditional(program)
    if all(always_safe(OPS[program.op[i]]) for i in conditional):
        return program
    return _Careful(program, conditional).made()


def _reaching(program: Program, i: int) -> list[int]:
    """The operands of value i, by their places, through which a derivative passes."""
    op = OPS[program.op[i]]
    if op.name == "dot":
        return list(range(len(program.args[i])))
    return [k for k in range(len(program.args[i])) if op.rules[k if op.arity else 0] != "0"]


def _doubtful(program: Program) -> set[int]:
    """The values behind which a derivative may be infinite or nan."""
    computed = [(i, OPS[op], args) for i, op, args in program]
    wanted = set(range(len(program.op))) - program.constant.keys()
    return doubtful(computed, wanted, program.constant.get)


def _chooses(program: Program, doubt: set[int], i: int, k: int) -> bool:
    """Whether value i may leave its operand k unreached, and it matters."""
    op = OPS[program.op[i]]
    return choosing(op, k) is not None and (op.name == "where" or program.args[i][k] in doubt)


def _conditional(program: Program) -> dict[int, list[tuple[int, int]]]:
    """The values that are not always reached, and by which values, at which of their places, they are."""
    doubt = _doubtful(program)
    used: dict[int, list[tuple[int, int]]] = {}
    always, conditional = set(program.outputs), dict[int, list[tuple[int, int]]]()
    for i in range(len(program.op) - 1, -1, -1):
        if program.op[i] in LEAVES or (i not in always and i not in used):
            continue
        if i not in always:
            conditional[i] = used[i]
        for k in _reaching(program, i):
            a = program.args[i][k]
            used.setdefault(a, []).append((i, k))
            if i in always and not _chooses(program, doubt, i, k):
                always.add(a)
    return conditional


class _Careful:
    """Writes the program anew."""

    def __init__(self, program: Program, conditional: dict[int, list[tuple[int, int]]]) -> None:
        self.p, self.conditional, self.doubt = program, conditional, _doubtful(program)
        inputs = [Value(0.0, program.names[i]) for i in program.inputs]
        self.writer = writer = Writer(inputs, program.parameter_values)
        self.leaf = dict(zip(program.inputs, writer.inputs)) | dict(zip(program.parameters, writer.parameters))
        # What only decides has no derivative, not even 0 times another: its leaves are cut off from theirs.
        self.plain = {i: writer.emit(STOP, (leaf,)) for i, leaf in self.leaf.items()}
        for i, x in program.constant.items():
            self.leaf[i] = self.plain[i] = writer.number(x)
        for i, op, args in program:
            self.plain[i] = writer.emit(op, tuple([self.plain[a] for a in args]))
        self.reached: dict[int, int] = {}  # of values that are conditional: not 0 where they are reached
        for i in sorted(conditional, reverse=True):
            self.reached[i] = self._either([self._through(use, k) for use, k in conditional[i]])

    def _either(self, conditions: list[int]) -> int:
        either, *others = dict.fromkeys(conditions)
        for condition in others:
            either = self.writer.emit("maximum", (either, condition))
        return either

    def _through(self, i: int, k: int) -> int:
        """Not 0 where operand k of value i is reached through it."""
        reached = self.reached.get(i, self.writer.number(1.0))
        if not _chooses(self.p, self.doubt, i, k):
            return reached
        return self.writer.emit("where", (reached, self._chosen(i, k), self.writer.number(0.0)))

    def _chosen(self, i: int, k: int) -> int:
        """1.0 where value i chooses its operand k, else 0.0."""
        op, operands, y = OPS[self.p.op[i]], [self.plain[a] for a in self.p.args[i]], self.plain[i]
        choice = choosing(op, k)
        assert choice is not None
        values: dict[str, Any] = dict(zip((*op.arguments, "y"), (*operands, y)))
        if not op.arity:
            values = {"a": operands[k], "y": y, "rest": operands[:k] + operands[k + 1 :]}
        found: Any = evaluate(rule(choice[1]), self.writer.algebra, values)
        return self.writer.number(found) if isinstance(found, float) else found

    def made(self) -> Program:
        p, writer, careful = self.p, self.writer, dict(self.leaf)
        for i, op, args in p:
            passing = _reaching(p, i)
            operands = []
            for k, a in enumerate(args):
                x = careful[a] if k in passing else self.plain[a]  # what only decides is as it is
                if op != "where" and k in passing and _chooses(p, self.doubt, i, k):
                    x = writer.emit("where", (self._chosen(i, k), x, self.plain[a]))  # not to be chosen now
                if i in self.reached and not always_safe(OPS[op]):
                    point = harmless_point(op)[k if OPS[op].arity else 0]
                    x = writer.emit("where", (self.reached[i], x, writer.number(point)))
                operands.append(x)
            careful[i] = writer.emit(op, tuple(operands))
        outputs = tuple([careful[i] for i in p.outputs])
        return writer.program(outputs, [], writer.parameters, len(p.parameters), len(writer.op))
