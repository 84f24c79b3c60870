"""Sums of rows and of products of rows: what a batch computes in one instruction in place of a dot or an adjoint.

Adjoints are such sums (adjoints.py), and so are dots and sums of what varies on both sides. An adjoint that is no more
than one product, and that is only added to others, is not computed by itself: its product goes into their sums. Of a
large graph that may be a million sums, so compiled code finds them (c/terms.h).
"""

from __future__ import annotations

import ctypes
from array import array
from itertools import chain

from engine.lowering.program import Program

from .library import loaded_library
from .plan import Plan
from .tape import address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Sequence

    # Whether marked, and how many pairs whose products are added: in all, those with slopes as numbers left out;
    # with slopes of choices as numbers; and as bytes.
    Shape = tuple[int, int, int, int]

_MOST_ALIKE = 64  # operands of marked sums that are the same for all samples
_PINNED, _OFTEN = 16, 16  # constants that have a row of their own, and how often one is used that has
_CHOICE, _BYTES = 4, 5  # kinds of terms, as in terms.h
_KEPT, _TOGETHER, _IS_PINNED = 1, 2, 4  # what is noted of values, as in terms.h


def _marked(program: Program) -> set[str]:
    if program.coded is not None:  # which compiled code wrote
        return set()
    first = program.parameter_range.stop  # there may be a million parameters in front
    return {op for op in set(program.core_op[first:]) if op.startswith("marked")}


def _alike(program: Program) -> dict[int, None]:
    """What is the same for all samples among the operands of marked sums."""
    marked, varying = _marked(program), program.core_varying
    if not marked:
        return {}
    used = set(chain.from_iterable([args for op, args in zip(program.core_op, program.core_args) if op in marked]))
    return {a: None for a in sorted(used) if not varying[a]}


def runs_marked(program: Program) -> bool:
    """Whether the marked sums of a program can be run: they vary, and few of their operands do not."""
    marked, varying = _marked(program), program.core_varying
    if not marked:
        return True
    if len(_alike(program)) > _MOST_ALIKE:
        return False
    return all(varies for op, varies in zip(program.core_op, varying) if op in marked)


class _Terms(ctypes.Structure):
    """Terms in terms.h."""

    _fields_ = [
        *((name, ctypes.c_void_p) for name in (
            "code", "from", "words", "needed", "uses", "marked", "varying", "has_row", "notes", "unit", "start", "end",
            "operands", "alike", "kinds", "folded",
        )),
        *((name, ctypes.c_int64) for name in ("first", "n", "n_needed", "backward")),
    ]  # fmt: skip


class Terms:
    """The sums of rows in a plan, and the operands of all its values.

    pinned    ids of what is the same for all samples and has a row all the same
    one       the id of a number 1.0, which stands behind the ids of the plan, if it is among what is pinned
    has_row   for each id, that of the 1.0 included, whether the value has a row: it varies, or is pinned
    first     the id of the first value that is not a leaf, from which on there are entries in:
    alike     the first sum that consists of as many pairs of each kind as a value does, or -1 for what is not a sum
    start, end, operands    the operands of each value, and where they are; those of sums are pairs. ~ stands before
              operands that are taken from 0, and slopes that are taken from 1
    folded    whether a value is not computed, because its terms have gone into sums
    kinds     of the pairs in ``operands``
    in_c      all of that, for compiled code
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        program, coded, n = plan.program, plan.coded, len(plan.varying)
        self.one, self.first, constant = n, coded.first, program.constant
        first, behind = self.first, n - self.first
        uses, marked = coded.uses(n), array("i")
        often = sorted([a for a in constant if uses[a] >= _OFTEN], key=uses.__getitem__, reverse=True)
        self.pinned = dict.fromkeys(chain(_alike(program), often[:_PINNED]))
        varying = array("B", bytearray(first) + bytearray(plan.varying[first:]) + b"\1")
        for i in program.inputs:
            varying[i] = True
        self.has_row, notes, unit = varying[:], self._notes(), array("b", bytes(n))
        for i in self.pinned:
            self.has_row[i] = True
            notes[i] |= _IS_PINNED
        for i, x in constant.items():
            if x in (1.0, -1.0):
                unit[i] = int(x)
        for name in coded.names:
            marked.extend(map(int, name.split()[1:]) if name.startswith("marked") else [-1] * 5)
        self.start, self.end, self.alike = (array("i", [-1]) * behind for _ in range(3))
        self.operands, self.kinds = array("i", [0]) * (2 * len(coded.words)), array("B", bytes(len(coded.words)))
        self.folded = array("B", bytes(behind))
        self._arrays = (
            coded.code, coded.start, coded.words, plan.needed, uses, marked, varying, self.has_row, notes, unit,
            self.start, self.end, self.operands, self.alike, self.kinds, self.folded,
        )  # fmt: skip
        self.in_c = ctypes.pointer(_Terms(*map(address, self._arrays), first, n, len(plan.needed), program.backward))
        found = loaded_library().c.find_terms(self.in_c, bool(_marked(program)))
        if not found:
            raise MemoryError
        if found == 2:
            self.pinned[self.one] = None

    def args(self, i: int) -> Sequence[int]:
        """The operands of a value."""
        return self.operands[self.start[i - self.first] : self.end[i - self.first]]

    def is_sum(self, i: int) -> bool:
        """Whether a value is a sum of rows."""
        return self.alike[i - self.first] >= 0

    def shape(self, i: int) -> Shape:
        """Whether a sum is marked, and of how many pairs it consists."""
        kinds = self.kinds[self.start[i - self.first] // 2 : self.end[i - self.first] // 2]
        choices, products = kinds.count(_CHOICE), sum([kind < _CHOICE for kind in kinds])
        marked = self.plan.coded.op(i).startswith("marked")
        return marked, products, choices, len(kinds) - products - choices

    def _notes(self) -> array[int]:
        """A mark for what is used otherwise than as an operand of an instruction, and for dots computed together."""
        plan, constant = self.plan, self.plan.program.constant
        notes = array("B", bytes(len(plan.varying)))
        kept = {i for _, i in plan.results}
        for outer in plan.outers:
            kept.update(outer.inputs, outer.adjoints)
        for a, d, _ in plan.scattered:
            kept.update(a, d)
        for dots in set(plan.dots.values()):
            kept.update(dots.inputs)
        for i in kept:
            notes[i] = _KEPT
        for i, dots in plan.dots.items():
            if dots.layer or not _all_in(constant, dots.weights):
                notes[i] |= _TOGETHER
        return notes


def _all_in(ids: Container[int], lists: Sequence[Sequence[int]]) -> bool:
    return all(i in ids for listed in lists for i in listed)
