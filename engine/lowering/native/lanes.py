"""A plan written as a tape of lanes: one instruction over a block of samples.

terms.py says what is a sum of rows, schedule.py in which order the values are computed. Here each of them gets a row,
which is another one's as soon as nobody needs that any longer.
"""

from __future__ import annotations

import ctypes
from array import array
from itertools import chain

from .coded import joined
from .library import Library
from .plan import Plan
from .schedule import (
    LANES_DOT,
    LANES_GEMM,
    LANES_MAP,
    LANES_NARY,
    LANES_OUT,
    LANES_OUTER,
    LANES_SUM,
    Schedule,
    Step,
)
from .tape import address, numbered
from .tapes import Flat, Order
from .terms import Terms

_NEVER = 2**31 - 1  # beyond the number of any step
_HEAD = 8  # more words than an instruction and what a step makes take, beside its operands


class _Rows(ctypes.Structure):
    """Rows as they are given out (writing.h)."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("row", "last", "is_bytes", "free", "free_bytes")),
        *((name, ctypes.c_int64) for name in ("n_free", "n_free_bytes", "n_rows")),
    ]


class _Steps(ctypes.Structure):
    """The steps as compiled code reads them (writing.h)."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in (
            "makes", "start", "end", "operands", "kind", "slope", "made_start", "made", "head_start", "head", "order",
        )),
        *((name, ctypes.c_int64) for name in ("n", "n_objects", "first")),
    ]  # fmt: skip


class Lanes:
    """The program for a batch: a flat tape for what does not vary, and a tape of lanes for what does.

    order   of the parameters and of their gradients; that of the program, where it is left out
    rows    the number of rows: those of the inputs, of the constants that have one, and those of computed values
    """

    def __init__(self, plan: Plan, library: Library, order: Order | None = None) -> None:
        self.plan, self.library = plan, library
        program, varying = plan.program, plan.varying
        self.terms = Terms(plan)
        more = {self.terms.one: 1.0} if self.terms.one in self.terms.pinned else {}
        self.order = order = order or Order(program.parameter_range.start)
        self.flat = Flat(plan, library, order, with_inputs=False, more=more)
        self.flat.write([i for i in plan.needed if not varying[i]])
        self.uniform = array("i")
        for r, i in plan.results:
            if not varying[i]:
                self.uniform.extend((order.result(program, r), self.flat.at[i]))
        self.code = array("i")
        schedule = Schedule(plan, self.terms, library, order)
        self.ends_in_outer = bool(schedule.tail)
        self.rows = self._write(schedule)
        del self.terms, self._row  # there may be millions

    def _write(self, schedule: Schedule) -> int:
        """Write the tape, and return how many rows it takes."""
        code, at, c, pinned = self.code, self.flat.at, self.library.c, self.terms.pinned
        listed, objects, terms = schedule.order, schedule.steps, self.terms
        start, uses = joined([step.uses for step in objects])
        start, operands = array("i", map(len(terms.operands).__add__, start)), terms.operands
        start, end = start[:-1] + terms.start, start[1:] + terms.end
        operands += uses
        made_start, made = joined([step.makes for step in objects])
        head_start, head = joined(schedule.kinds)
        order = array("i", [0]) * len(listed)
        arrays = listed, start, end, operands, schedule.kind, schedule.slope, made_start, made, head_start, head, order
        steps = _Steps(*map(address, arrays), len(order), len(objects), terms.first)
        n = terms.one + 1  # and the number 1 (terms.py)
        parameters = self.plan.program.parameter_range  # there may be a million, and they have no rows
        most = n - len(parameters)
        self._row = row = numbered(n, parameters.stop, -1)
        last, is_bytes, free, free_bytes = (
            numbered(n, parameters.stop, -1),
            array("B", bytes(n)),
            array("i", [0]) * most,
            array("i", [0]) * (most + 8),
        )
        rows = _Rows(*map(address, (row, last, is_bytes, free, free_bytes)), 0, 0, 0)
        filled = array("i", [*self.plan.program.inputs, *pinned])  # once for all blocks, or for all steps
        at_rows, at_steps = ctypes.byref(rows), ctypes.byref(steps)
        turn = numbered(2 * n, 2 * parameters.stop)  # an int64 each
        c.gather_steps(at_steps, len(order) - schedule.tail, len(schedule.kinds), address(turn))
        c.new_rows(at_rows, address(filled), len(filled))
        without, has_row = numbered(n, parameters.stop), terms.has_row[:]
        for i in without[: c.find_last_uses(at_rows, at_steps, address(has_row), address(without))]:
            row[i] = ~at[i]
        for i in filled:
            last[i] = _NEVER
        if pinned:
            code.extend((LANES_MAP, self.library.operations["copy"], len(pinned)))
            for i in pinned:
                code.extend((row[i], ~at[i]))
        words, n_words = array("i", [0]) * (len(operands) + _HEAD * len(order)), ctypes.c_int64()
        k, sums = 0, -1  # where the instruction under way counts its sums, if it has any
        while k < len(order):
            i = listed[order[k]]
            if i >= 0:
                k, sums = c.write_steps(at_rows, at_steps, k, address(words), ctypes.byref(n_words)), -1
                code += words[: n_words.value]
                continue
            step = objects[~i]
            targets = array("i", step.makes)
            c.new_rows(at_rows, address(targets), len(targets))
            if step.kind not in (LANES_SUM, LANES_OUT):
                sums = -1
                self._write_step(step, [row[i] for i in targets])
            else:
                if sums < 0:
                    sums = len(code) + 1
                    code.extend((step.kind, 0))
                code[sums] += len(step.data)
                for i, r in step.data:
                    code.extend((row[i], r))
            c.end_step(at_rows, at_steps, k)
            k += 1
        return int(rows.n_rows)

    def _write_step(self, step: Step, targets: list[int]) -> None:
        """Write a step that is an instruction of its own, and makes these rows."""
        code, row, at = self.code, self._row, self.flat.at
        if step.kind == LANES_GEMM:
            biases = step.data.biases or [None] * len(targets)
            code.extend((LANES_GEMM, len(targets), len(step.uses), *self.flat.weights(step.data)))
            code.extend(map(row.__getitem__, step.uses))
            code.extend(targets)
            code.extend(-1 if b is None else at[b] for b in biases)
        elif step.kind == LANES_OUTER:
            a, d, places = step.data
            code.extend((LANES_OUTER, len(a), len(d), *(places if isinstance(places, tuple) else (-1, 0, 0))))
            code.extend(map(row.__getitem__, step.uses))
            if isinstance(places, list):
                code.extend(chain.from_iterable(places))
        elif step.kind == LANES_NARY:
            operands = [row[a] for a in step.uses]
            code.extend((LANES_NARY, step.data, len(operands), *targets, *operands))
        else:
            operands = [row[a] for a in step.uses]
            n, has_bias = divmod(len(operands), 2)
            bias = operands[-1] if has_bias else 0
            code.extend((LANES_DOT, n, *targets, has_bias, bias, *operands[: 2 * n]))
