"""Sums of rows and of products of rows: what a batch computes in one instruction in place of a dot or an adjoint.

Adjoints are such sums (adjoints.py), and so are dots and sums of what varies on both sides. An adjoint that is no more
than one product, and that is only added to others, is not computed by itself: its product goes into their sums.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from functools import cache
from itertools import chain

from engine.lowering.program import Program, split_dot

from .library import loaded_library
from .plan import Plan
from .tape import address, numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from .tape import Numbered
    from .tapes import Args

    # Whether marked, and how many operands of each kind there are: added, taken away; and pairs whose products are
    # added, taken away, and added with the slope of a choice as second factor, as numbers, as bytes, or 1 less that.
    Shape = tuple[int, ...]

_ADDED, _TAKEN, _PRODUCT, _PRODUCT_TAKEN, _CHOICE, _BYTES, _OTHER = range(7)  # kinds of terms, as shapes have them
_MOST_ALIKE = 64  # operands of marked sums that are the same for all samples
_PINNED, _OFTEN = 16, 16  # constants that have a row of their own, and how often one is used that has
_FOLDED = 2  # sums into which one product goes: with more, it costs less to compute it once


@cache
def _marked_shape(op: str) -> Shape:
    """The shape of the instruction "marked p m q c t"; slopes are numbers, unless they are taken from 1."""
    p, m, q, c, t = map(int, op.split()[1:])
    return 1, p, m, q, 0, c, 0, t


def _marked(program: Program) -> set[str]:
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


class Terms:
    """The sums of rows in a plan.

    pinned    ids of what is the same for all samples and has a row all the same
    one       the id of a number 1.0, which stands behind the ids of the plan, if it is among what is pinned
    has_row   for each id, that of the 1.0 included, whether the value has a row: it varies, or is pinned
    shape     id -> whether the sum is marked, and how many pairs it consists of: products; products with the slope of a
              choice, as numbers; and as bytes
    operands  the operands of each value; those of sums are such pairs
    turned    id -> the places of those operands that are taken from 0, and of slopes that are taken from 1
    folded    ids that are not computed, because their terms have gone into sums
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.operands: list[Args] = list(plan.args)
        self.shape: dict[int, Shape] = {}
        self.folded: set[int] = set()
        first = plan.program.parameter_range.stop
        uses = self._counted(chain.from_iterable(plan.args[first:]))
        often = sorted([a for a in plan.program.constant if uses[a] >= _OFTEN], key=uses.__getitem__, reverse=True)
        self.pinned = dict.fromkeys(chain(_alike(plan.program), often[:_PINNED]))
        self.has_row = bytearray(first) + bytearray(plan.varying[first:]) + b"\1"
        for i in chain(plan.program.inputs, self.pinned):
            self.has_row[i] = True
        self._find()
        if self.shape:
            self._fold(uses)
        self.one = len(plan.op)
        self.turned: dict[int, list[int]] = {}
        self._pair()

    def _find(self) -> None:
        plan = self.plan
        op, args, varying = plan.op, plan.args, plan.varying
        constant = plan.program.constant
        marked = _marked(plan.program)
        together = {i for i, dots in plan.dots.items() if dots.layer or not _all_in(constant, dots.weights)}
        sums = {"dot", "sum"} | marked
        for i in [i for i in plan.needed if op[i] in sums and varying[i]]:
            name = op[i]
            if name in marked:
                self.shape[i] = shape = _marked_shape(name)
                if shape[1 + _CHOICE]:
                    self._slopes_as_bytes(i)
            elif name == "dot" and i not in together:
                weights, inputs, bias = split_dot(args[i])
                self._sum(i, zip(weights, inputs), () if bias is None else (bias,))
            elif name == "sum" and len(args[i]) > 1:
                self._sum(i, (), args[i])

    def _sum(self, i: int, pairs: Iterable[tuple[int, int]], alone: Args) -> None:
        """Make value i a sum of rows, unless something in it has no row."""
        varying, constant, has_row = self.plan.varying, self.plan.program.constant, self.has_row
        plus, minus, products = list(alone), list[int](), list[int]()
        for a in alone:
            if not has_row[a]:
                return
        for a, b in pairs:
            if not varying[b]:
                return
            x = None if varying[a] else constant.get(a)
            if x == 1.0:
                plus.append(b)
            elif x == -1.0:
                minus.append(b)
            elif has_row[a]:
                products += a, b
            else:
                return
        self.shape[i] = 0, len(plus), len(minus), len(products) // 2, 0, 0, 0, 0
        self.operands[i] = (*plus, *minus, *products)

    def _slopes_as_bytes(self, i: int) -> None:
        """Tell the slopes that are kept as bytes from the others."""
        op, (marked, p, m, q, u, c, _, t) = self.plan.op, self.shape[i]
        mine = self.operands[i]
        first = p + m + 2 * q
        pairs = list(zip(mine[first : first + 2 * c : 2], mine[first + 1 : first + 2 * c : 2]))
        pairs.sort(key=lambda pair: op[pair[1]] == "maximum_slope")
        s = sum([op[slope] == "maximum_slope" for _, slope in pairs])
        self.shape[i] = marked, p, m, q, u, c - s, s, t
        self.operands[i] = (*mine[:first], *chain.from_iterable(pairs), *mine[first + 2 * c :])

    def _fold(self, uses: Numbered) -> None:
        """Leave out adjoints of one term that are only added to others, and to few: the term goes there."""
        plan, shapes, operands = self.plan, self.shape, self.operands
        op, varying, kept, has_row = plan.op, plan.varying, self._kept(), self.has_row.__getitem__
        marks = bool(_marked(plan.program))
        added, taken, scaled = array("i"), array("i"), array("i")
        for i, (_, p, m, q, *_) in shapes.items():
            mine = operands[i]
            added.extend(mine[:p])
            taken.extend(mine[p : p + m])
            scaled.extend(mine[p + m : p + m + 2 * q : 2])
        times_added, times_taken, times_scaled = map(self._counted, (added, taken, scaled))
        lone: dict[int, tuple[int, Args]] = {}
        for i in plan.needed[bisect_left(plan.needed, plan.program.backward) :]:
            shape = shapes.get(i)
            if shape is not None:
                if not lone.keys().isdisjoint(operands[i]):
                    shapes[i], operands[i] = shape, _ = _with_terms(lone, shape, operands[i])
                if sum(shape) - shape[0] != 1:
                    continue
                kind = shape.index(1, 1) - 1
            elif (
                marks or op[i] != "mul" or times_added[i] + times_taken[i] != uses[i]
                or not varying[i] or not all(map(has_row, operands[i]))
            ):  # fmt: skip
                continue
            else:
                kind = _PRODUCT
            if kind == _ADDED or i in kept:
                continue
            fitting = times_added[i]
            if kind <= _PRODUCT_TAKEN:
                fitting += times_taken[i]
            if kind == _TAKEN:
                fitting += times_scaled[i]
            n = uses[i]
            if fitting == n and (n <= _FOLDED or kind == _TAKEN or operands[i][1] in self.pinned):
                lone[i] = kind, operands[i]
        self.folded.update(lone)

    def _pair(self) -> None:
        """Make pairs of all terms: what is added or taken away as it is has the factor 1."""
        operands, one = self.operands, self.one
        for i, (marked, p, m, q, u, c, s, t) in self.shape.items():
            products, choices = p + m + q + u, c + s + t
            if p or m:
                operands[i] = (*[x for a in operands[i][: p + m] for x in (a, one)], *operands[i][p + m :])
                self.pinned[one] = None
            if m or u or t:
                places = [
                    *range(p, p + m),
                    *range(products - u, products),
                    *range(products + choices - t, products + choices),
                ]
                self.turned[i] = [2 * k + 1 for k in places]
            self.shape[i] = marked, products, c, s + t

    def _counted(self, ids: Iterable[int]) -> Numbered:
        """How often each id of the plan is there."""
        listed, counts = array("i", ids), numbered(len(self.plan.op), self.plan.program.parameter_range.stop)
        loaded_library().c.count_each(address(listed), len(listed), address(counts))
        return counts

    def _kept(self) -> set[int]:
        """What is used otherwise than as an operand of an instruction."""
        plan = self.plan
        kept = {i for _, i in plan.results}
        for outer in plan.outers:
            kept.update(outer.inputs, outer.adjoints)
        for a, d, _ in plan.scattered:
            kept.update(a, d)
        for dots in set(plan.dots.values()):
            kept.update(dots.inputs)
        return kept


def _with_terms(lone: Mapping[int, tuple[int, Args]], shape: Shape, operands: Args) -> tuple[Shape, Args]:
    """The sum with the terms themselves in place of what is ``lone``, a value of one term of this kind."""
    marked, p, m, *_ = shape
    kinds: list[list[int]] = [[] for _ in shape[1:]]
    for k, a in enumerate(operands[: p + m]):
        kind, term = lone.get(a, (_ADDED, (a,)))
        kinds[kind if k < p else kind ^ 1] += term
    at = p + m
    for kind, n in enumerate(shape[3:], _PRODUCT):
        for _ in range(n):
            g, d = operands[at : at + 2]
            if g in lone:  # the adjoint is 0 - g
                kinds[kind ^ 1] += *lone[g][1], d
            else:
                kinds[kind] += g, d
            at += 2
    counts = [len(part) // (1 if kind <= _TAKEN else 2) for kind, part in enumerate(kinds)]
    return (marked, *counts), tuple(chain.from_iterable(kinds))


def _all_in(ids: Container[int], lists: Sequence[Sequence[int]]) -> bool:
    return all(i in ids for listed in lists for i in listed)
