"""A plan written as a tape of lanes: one instruction over a block of samples.

terms.py says what is a sum of rows, schedule.py in which order the values are computed. Here each of them gets a row,
which is another one's as soon as nobody needs that any longer.
"""

from __future__ import annotations

from array import array
from itertools import chain

from .library import Library
from .plan import Plan
from .schedule import (
    LANES_CHOICE,
    LANES_DOT,
    LANES_GEMM,
    LANES_MAP,
    LANES_NARY,
    LANES_OUT,
    LANES_OUTER,
    LANES_PAIR,
    LANES_SUM,
    LANES_TERMS,
    Schedule,
    Step,
)
from .tapes import Flat, Order
from .terms import Terms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


_NEVER = 1 << 62  # beyond the number of any step


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
        self.rows = 0
        schedule = Schedule(plan, self.terms, library, order)
        self.ends_in_outer = bool(schedule.tail)
        self._row = [-1] * (len(plan.op) + 1)  # of what has one
        self._free: list[int] = []
        self._is_bytes = bytearray(len(self._row))
        self._free_bytes: list[int] = []  # rows of bytes: eight lie in a row r, 8 r to 8 r + 7
        for i in chain(program.inputs, self.terms.pinned):
            self._new(i)
        self._write(schedule)
        del self.terms, self._row, self._is_bytes  # there may be millions

    def _new(self, i: int) -> int:
        """A row for value i."""
        if self._free:
            r = self._free.pop()
        else:
            r = self.rows
            self.rows += 1
        self._row[i] = r
        return r

    def _new_bytes(self, i: int) -> int:
        """A row of bytes for slope i."""
        if not self._free_bytes:
            r = self._new(i)
            self._free_bytes += range(8 * r + 7, 8 * r - 1, -1)
        self._is_bytes[i] = 1
        self._row[i] = s = self._free_bytes.pop()
        return s

    def _operands(self, i: int) -> list[int]:
        row, at = self._row, self.flat.at
        return [r if (r := row[a]) >= 0 else ~at[a] for a in self.terms.operands[i]]

    def _write(self, schedule: Schedule) -> None:
        code, row, new, at, is_bytes = self.code, self._row, self._new, self.flat.at, self._is_bytes
        free, free_bytes, turned = self._free, self._free_bytes, self.terms.turned
        operands, kind, kinds, slopes = self.terms.operands, schedule.kind, schedule.kinds, schedule.slopes
        last = self._last_uses(schedule)
        if self.terms.pinned:
            code.extend((LANES_MAP, self.library.operations["copy"], len(self.terms.pinned)))
            for i in self.terms.pinned:
                code.extend((row[i], ~at[i]))
        # The kind of the steps under way, and where their instruction counts them.
        run, instruction, count = -1, -1, 0
        for k, i in enumerate(chain(schedule.order, schedule.tail)):
            if i < 0:
                step = schedule.steps[~i]
                if step.kind in (LANES_SUM, LANES_OUT):
                    if run != ~step.kind:
                        run, count = ~step.kind, len(code) + 1
                        code.extend((step.kind, 0))
                    code[count] += len(step.data)
                else:
                    run = -1
                self._write_step(step, k, last)
                continue
            if kind[i] != run:
                run = kind[i]
                instruction, what = kinds[run]
                if instruction == LANES_TERMS:
                    code.extend((LANES_TERMS, 0, *what))
                    count = len(code) - len(what) - 1
                else:
                    code.extend((instruction, what, 0))
                    count = len(code) - 1
            code[count] += 1
            used = operands[i]
            rows = [r if (r := row[a]) >= 0 else ~at[a] for a in used]
            if i in turned:
                for place in turned[i]:
                    rows[place] = ~rows[place]
            if instruction == LANES_PAIR:  # one row is written before all operands have been read
                code.extend((new(i), new(slopes[i]), *rows))
                free += self._ended(used, k, last)
                free += [row[a] for a in (i, slopes[i]) if last[a] < 0]
                continue
            slope = self._new_bytes(slopes.get(i, i)) if instruction == LANES_CHOICE else -1
            for a in used:
                if last[a] == k and row[a] >= 0:
                    last[a] = -1
                    (free_bytes if is_bytes[a] else free).append(row[a])
            if slope < 0:
                code.append(new(i))
            else:
                code.extend((new(i) if i in slopes else slope >> 3, slope))
            code.fromlist(rows)
            if last[i] < 0:
                free.append(row[i])

    def _last_uses(self, schedule: Schedule) -> list[int]:
        """For each value the number of the last step that uses it; -1 where none does."""
        operands, steps = self.terms.operands, schedule.steps
        last = [-1] * len(self._row)
        for k, i in enumerate(chain(schedule.order, schedule.tail)):
            for a in operands[i] if i >= 0 else steps[~i].uses:
                last[a] = k
        for i in chain(self.plan.program.inputs, self.terms.pinned):  # filled once for all blocks, or for all steps
            last[i] = _NEVER
        return last

    def _ended(self, used: Sequence[int], k: int, last: list[int]) -> list[int]:
        """The rows of those values that step k is the last to use."""
        ended = []
        for a in used:
            if last[a] == k and self._row[a] >= 0:
                last[a] = -1
                ended.append(self._row[a])
        return ended

    def _write_step(self, step: Step, k: int, last: list[int]) -> None:
        code, row, at = self.code, self._row, self.flat.at
        made = [self._new(i) for i in step.makes]
        if step.kind == LANES_GEMM:
            biases = step.data.biases or [None] * len(made)
            code.extend((LANES_GEMM, len(made), len(step.uses), *self.flat.weights(step.data)))
            code.extend(map(row.__getitem__, step.uses))
            code.extend(made)
            code.extend(-1 if b is None else at[b] for b in biases)
        elif step.kind == LANES_OUTER:
            a, d, places = step.data
            code.extend((LANES_OUTER, len(a), len(d), *(places if isinstance(places, tuple) else (-1, 0, 0))))
            code.extend(map(row.__getitem__, step.uses))
            if isinstance(places, list):
                code.extend(chain.from_iterable(places))
        elif step.kind == LANES_NARY:
            operands = self._operands(step.makes[0])
            code.extend((LANES_NARY, step.data, len(operands), *made, *operands))
        elif step.kind == LANES_DOT:
            operands = self._operands(step.makes[0])
            n, has_bias = divmod(len(operands), 2)
            bias = operands[-1] if has_bias else 0
            code.extend((LANES_DOT, n, *made, has_bias, bias, *operands[: 2 * n]))
        else:
            for i, r in step.data:
                code.extend((row[i], r))
        self._free += self._ended(step.uses, k, last)
        self._free += [row[i] for i in step.makes if last[i] < 0]
