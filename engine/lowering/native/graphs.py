"""A large graph of simple operations written as a program, with its gradient, in compiled code (c/graphs.h).

It writes the instructions that trace.py would write, at a tenth of the time. It knows operations of one or two operands
whose local derivatives are made of such operations, and none that chooses; what else there may be is left to Python.
"""

from __future__ import annotations

import ctypes
from array import array
from functools import cache, partial
from itertools import compress

from engine.chain import simple_slopes
from engine.expressions import evaluate, rule
from engine.lowering.layers import unmarked
from engine.lowering.simplify import SIMPLIFY
from engine.ops import OPS, Op
from engine.value import Value

from .coded import NAMES, Coded, Codes, joined
from .objects import object_reader
from .tape import address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from engine.lowering.writer import Writer

    Rule = list[Any]  # the steps, tuples of an operation and its operands, and at the end the result: graphs.h

_ONE, _NOTHING, _MOST_STEPS = 2**31 - 1, -(2**31), 16


class _Graph(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("op", "a", "b", "id", "adjoint", "number", "unlabelled", "wanted",
                                               "rule_start", "rules", "numbers")),
        ("n", ctypes.c_int64),
    ]  # fmt: skip


class _Written(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("op", "start", "operands", "table", "odd", "varying")),
        *((name, ctypes.c_int64) for name in ("n", "room", "words", "room_for_words", "size")),
    ]


def write_graph(
    writer: Writer, order: list[Value], find: Callable[[Value], int | None], wrt: list[Value], trained: int
) -> tuple[int, int, array[int]] | None:
    """Write the nodes, and the derivatives of the last with respect to ``wrt``: leaves, whose ids ``find`` knows.

    What nobody needs is left out, but for inputs and ``trained`` parameters. Returns the number of values before the
    first derivative, the id of the last node, and those of the derivatives. None where nothing was written.
    """
    reader, ops = object_reader(), [op for op in {node.op for node in order} if op]
    if reader is None or any(op.defined or _rules(op) is None for op in ops):
        return None
    n, leaves = len(order), {node: k for k, node in enumerate(order) if node.op is None}
    op_of, a, b, ids, adjoints = (array("i", [-1]) * n for _ in range(5))
    data, unlabelled, wanted = array("d", bytes(8 * n)), array("B", bytes(n)), array("B", bytes(n))
    for node, k in leaves.items():
        found = find(node)
        ids[k] = -1 if found is None else found
    places = array("i", [leaves.get(node, -1) for node in wrt])
    results = array("i", places)
    for node in wrt:
        if node in leaves:
            wanted[leaves[node]] = True
    codes, starts, words, numbers = _rule_words(ops)
    arrays: Sequence[array[Any]] = (
        op_of, a, b, ids, adjoints, data, unlabelled, wanted, starts, words, numbers
    )  # fmt: skip
    graph = _Graph(*map(address, arrays), n)
    slots = array("q", map(reader.slots.__getitem__, ("op", "_a", "_b", "data", "_label")))
    at_ops, op_codes = array("Q", map(id, ops)), array("i", [codes[op.name] for op in ops])
    written, c = _Written(), reader.c
    at, to = ctypes.byref(graph), ctypes.byref(written)
    found_so = reader.at, id(order), at, id(Value), address(slots), id(None), id(""), address(at_ops), address(op_codes)
    try:
        if not c.read_graph(*found_so, len(ops)) or not c.write_graph(to, at, len(writer.op), len(writer.inputs)):
            return None
        forward = written.n
        if not c.differentiate_graph(to, at, address(places), len(places), address(results)):
            return None
        roots, live = array("i", [ids[-1], *results, *[ids[k] for k in places if k >= 0]]), array("B", bytes(written.n))
        if not c.leave_out(to, address(roots), len(roots), len(writer.inputs) + trained, address(live)):
            return None
        _take(writer, written, [*codes], bytearray(live))
    finally:
        c.free_written(to)
    for k in unmarked(bytearray(unlabelled)):
        if order[k].label:
            writer.labels.setdefault(ids[k], order[k].label)
    inner = wanted[::-1]
    writer.adjoints.append((array("i", compress(adjoints[::-1], inner)), array("i", compress(ids[::-1], inner))))
    return forward, ids[-1], results


def _take(writer: Writer, written: _Written, names: list[str], live: bytearray) -> None:
    """Give the writer all that is written; of its leaves fewer may be left."""
    n = written.n
    code, starts, operands, numbers = array("i"), array("i"), array("i"), array("d")
    code.frombytes(ctypes.string_at(written.op, 4 * n))
    starts.frombytes(ctypes.string_at(written.start, 4 * (n + 1)))
    operands.frombytes(ctypes.string_at(written.operands, 4 * written.words))
    leaves, constant = code.count(0), NAMES.index("constant")
    numbers.frombytes(ctypes.string_at(written.table, 8 * code.count(constant)))
    writer.constant = dict(zip([i for i, of in enumerate(code) if of == constant], numbers))
    varying = bytearray(ctypes.string_at(written.varying, n))
    writer.written = Coded(leaves, names, code[leaves:], starts[leaves:], operands), live, varying


@cache
def _rules(op: Op) -> list[Rule] | None:
    """The local derivatives of an operation by its operands, or None where they are not simple."""
    slopes = simple_slopes(op)
    if slopes is None or not _is_simple(op):
        return None
    rules: list[Rule] = [[], []]
    for k, slope in slopes:
        steps: Rule = []

        def step(name: str, *operands: int | float, steps: Rule = steps) -> int:
            steps.append((name, *operands))
            return 2 + len(steps)

        try:
            found = evaluate(rule(slope.text), {name: partial(step, name) for name in OPS if _is_simple(OPS[name])},
                             {"a": 0, "b": 1, "y": 2})  # fmt: skip
        except KeyError:  # of another operation
            return None
        rules[k] = [*steps, _ONE if slope.text == "1" else found]
    return rules if max(map(len, rules)) <= _MOST_STEPS else None


def _is_simple(op: Op) -> bool:
    """Whether an operation is simplified as graphs.h says, if at all."""
    return op.name in NAMES[2:7] or (
        op.arity in (1, 2) and not op.defined and not op.chooses and op.name not in SIMPLIFY and op.name != "eq"
    )


def _rule_words(ops: Sequence[Op]) -> tuple[Codes, array[int], array[int], array[float]]:
    """The codes of operations; and their rules as graphs.h reads them: where each starts, the words, the numbers."""
    codes, numbers = Codes(), array("d")
    rules: list[Sequence[int]] = [()] * (2 * len(NAMES) + 2 * len(OPS))

    def word(operand: int | float) -> int:
        if not isinstance(operand, float):
            return operand
        numbers.append(operand)
        return -len(numbers)

    for op in ops:
        for k, steps in enumerate(_rules(op) or ()):
            words = array("i")
            for name, *operands in steps[:-1]:
                words.extend((codes[name], *map(word, operands), *[_NOTHING] * (2 - len(operands))))
            words.extend(map(word, steps[-1:]))
            rules[2 * codes[op.name] + k] = words
    return codes, *joined(rules), numbers
