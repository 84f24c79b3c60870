"""The structure of a program, found: layers, outer products, patterns of several operations that are one."""

from __future__ import annotations

from collections import Counter
from itertools import chain

from engine.lowering.program import Program, split_dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    Args = tuple[int, ...]


class Plan:
    """A program with the structure found in it.

    op, args   as in the program, with patterns of several operations replaced by one
    sums       whether the results are added up over the rows, or each row's are wanted
    results    the ids of outputs and then of gradients
    needed     ids that are computed: not a leaf, not a part of a pattern, and not a product of an outer product
    outer      blocks of gradients that are products: (ids a_k, ids d_j, result numbers [k][j])
    dots       id -> the group of dots it belongs to; the members of a group share their inputs
    """

    def __init__(self, program: Program, sums: bool = True) -> None:
        self.program, self.sums = program, sums
        self.op, self.args = list(program.op), list(program.args)
        self.results = [*program.outputs, *chain.from_iterable(program.gradients)]
        uses = Counter(chain.from_iterable(self.args))
        uses.update(self.results)
        self.hidden: set[int] = set()
        self._find_patterns(uses)
        self.outer: list[tuple[list[int], list[int], list[list[int]]]] = []
        if sums:  # a product that each row asks for is computed like any other value
            self._find_outer_products(uses)
        leaves = {"input", "parameter", "constant"}
        self.needed = [i for i, op in enumerate(self.op) if op not in leaves and i not in self.hidden]
        self.dots: dict[int, list[int]] = {}
        self._find_dots()

    def _find_patterns(self, uses: Counter[int]) -> None:
        """x * (s * (1 - s)) and x * (1 - t * t), the adjoints behind a sigmoid and a tanh."""
        op, args, constant = self.op, self.args, self.program.constant
        subs = [i for i, name in enumerate(op) if name == "sub" and uses[i] == 1]
        from_one = {i for i in subs if constant.get(args[i][0]) == 1.0}
        if not from_one:
            return
        products = [i for i, name in enumerate(op) if name == "mul"]
        slopes: dict[int, tuple[str, int, int]] = {}  # id of s * (1 - s) or 1 - t * t -> (operation, s or t, inner id)
        for i in from_one:
            square = args[i][1]
            if op[square] == "mul" and uses[square] == 1 and args[square][0] == args[square][1]:
                slopes[i] = "tanh_adjoint", args[square][0], square
        for i in products:
            for s, rest in (args[i], args[i][::-1]):
                if rest in from_one and args[rest][1] == s and uses[i] == 1:
                    slopes[i] = "sigmoid_adjoint", s, rest
        for i in products:
            for x, slope in (args[i], args[i][::-1]):
                if slope in slopes and op[i] == "mul" and i not in slopes:
                    op[i], s, inner = slopes[slope]
                    args[i] = x, s
                    self.hidden.update((slope, inner))

    def _find_outer_products(self, uses: Counter[int]) -> None:
        op, args, varying = self.op, self.args, self.program.varying
        place = {i: r for r, i in enumerate(self.results)}
        layers: dict[Args, tuple[list[int], list[list[int]]]] = {}
        for d, inputs, first in self.program.products:
            start, n = place[first], len(inputs)
            if self.results[start : start + n] != list(range(first, first + n)) or not varying[d]:
                continue
            if all(map(varying.__getitem__, inputs)):
                ds, rows = layers.setdefault(inputs, ([], []))
                ds.append(d)
                rows.append(list(range(start, start + n)))
                self.hidden.update(range(first, first + n))
        self.outer = [(list(a), ds, [list(column) for column in zip(*rows)]) for a, (ds, rows) in layers.items()]
        products = [
            (args[i][0], args[i][1], r) for r, i in enumerate(self.results)
            if op[i] == "mul" and uses[i] == 1 and i not in self.hidden and varying[args[i][0]] and varying[args[i][1]]
        ]  # fmt: skip
        self.hidden.update([self.results[r] for _, _, r in products])
        if not products:
            return
        blocks = _blocks(products)
        if 4 * len(blocks) > len(products):
            turned = _blocks([(b, a, r) for a, b, r in products])
            if len(turned) < len(blocks):
                blocks = turned
        self.outer += blocks

    def _find_dots(self) -> None:
        """Groups of dots with the same inputs, whose weights and bias do not vary where the inputs do."""
        varying = self.program.varying
        groups: dict[Args, list[int]] = {}
        for i in self.needed:
            if self.op[i] != "dot":
                continue
            weights, inputs, bias = split_dot(self.args[i])
            if any(map(varying.__getitem__, weights)) or (bias is not None and varying[bias]):
                continue
            if len(inputs) > 1 and all(map(varying.__getitem__, inputs)):
                groups.setdefault(inputs, []).append(i)
        for members in groups.values():
            for i in members:
                self.dots[i] = members


def _blocks(products: list[tuple[int, int, int]]) -> list[tuple[list[int], list[int], list[list[int]]]]:
    """Products (d, a, result) as blocks: the d that have the same a, all by all."""
    partners: dict[int, tuple[list[int], list[int]]] = {}
    for d, a, r in products:
        known = partners.get(d)
        if known is None:
            partners[d] = known = [], []
        known[0].append(a)
        known[1].append(r)
    together: dict[Args, tuple[list[int], list[list[int]]]] = {}
    for d, (a_of_d, results) in partners.items():
        ds, rows = together.setdefault(tuple(a_of_d), ([], []))
        ds.append(d)
        rows.append(results)
    return [(list(a), ds, [list(column) for column in zip(*rows)]) for a, (ds, rows) in together.items()]
