"""What a program has to be computed of: layers and outer products, as its trace has kept them, and single instructions.

Graphs that were not made of layers may have such structure too: dots with the same inputs are a layer, products of all
by all an outer product. These are found here.
"""

from __future__ import annotations

from array import array
from itertools import chain, compress

from engine.lowering.layers import Layer
from engine.lowering.program import Program, split_dot

from .coded import Coded, coded

TYPE_CHECKING = False
if TYPE_CHECKING:
    Args = tuple[int, ...]


class Dots:
    """Weighted inputs that are computed together: a layer of the program, or dots with the same inputs.

    members   the ids of the results
    inputs    the ids of what the weights are multiplied with
    biases    the ids of the biases, None where there is none; empty where no member has one
    layer     the layer of the program, if it is one; its sums go over the neurons in the order of their weights
    weights   the ids of the weights of each member, if it is not
    """

    __slots__ = ("members", "inputs", "biases", "layer", "weights")

    def __init__(
        self, members: list[int], inputs: Args, biases: list[int | None], layer: Layer | None, weights: list[Args]
    ) -> None:
        self.members, self.inputs, self.biases, self.layer, self.weights = members, inputs, biases, layer, weights


class Plan:
    """A program with the structure in it.

    coded      operations and operands as in the program, as far as there are single instructions
    sums       whether the results are added up over the rows, or each row's are wanted
    results    (number, id) of the results that are not in an outer product; outputs come first, then gradients
    needed     ids that are computed: neither a leaf nor a product of an outer product
    dots       id -> the weighted inputs that it is computed with
    outers     the gradients of the weights of layers
    scattered  blocks of other gradients that are products of all by all: (ids a_k, ids d_j, result numbers [k][j])
    """

    def __init__(self, program: Program, sums: bool = True) -> None:
        self.program, self.sums = program, sums
        varying = program.core_varying
        self.results = program.results()
        # An outer product of lanes needs rows for all its factors, and adds up; other products are values like others.
        self.outers = [
            outer for outer in program.outers
            if sums and all(map(varying.__getitem__, outer.adjoints)) and all(map(varying.__getitem__, outer.inputs))
        ]  # fmt: skip
        single = [outer for outer in program.outers if outer not in self.outers]
        self.varying = program.varying if single else varying
        first = program.parameter_range.stop
        self.dots: dict[int, Dots] = {}
        self.coded = self._take_layers(bool(single))
        shown = bytearray(b"\1") * len(self.varying)  # what is computed
        shown[:first] = bytes(first)
        for i in program.constant:
            shown[i] = False
        for outer in self.outers if single else ():
            shown[outer.first : outer.first + len(outer)] = bytes(len(outer))
        for outer in single:
            n, at = len(outer.inputs), len(program.outputs) + outer.output * len(program.wrt_ids)
            for j, row in enumerate(outer.rows):
                products = range(outer.first + j * n, outer.first + (j + 1) * n)
                self.results += zip(range(at + row, at + row + n), products)
        self.scattered: list[tuple[list[int], list[int], list[list[int]]]] = []
        if sums:  # a product that each row asks for is computed like any other value
            self._find_products(shown)
        self.needed = array("i", compress(range(first, len(shown)), shown[first:]))
        self._find_dots()

    def _take_layers(self, scalars: bool) -> Coded:
        """Operations and operands: those of the program, with the layers that are instructions of their own."""
        program, varying, layers = self.program, self.varying, self.program.layers
        if program.coded is not None:  # compiled code writes no layers
            return program.coded
        first = program.parameter_range.stop
        mixed = [layer for layer in layers if varying[layer.first] and not all(map(varying.__getitem__, layer.inputs))]
        op, args = (program.op, program.args) if scalars else program.core
        op, args = op[first:], args[first:]  # there may be a million parameters in front
        for layer in layers:
            if layer in mixed:
                for i, operands in program.scalar(layer):
                    op[i - first], args[i - first] = "dot", operands
                continue
            if layer.turned:
                pairs = sorted(zip(layer.rows, layer.inputs))
                rows, inputs = tuple([row for row, _ in pairs]), tuple([x for _, x in pairs])
                layer = Layer(layer.first, rows, layer.width, inputs, layer.biases, True)
            dots = Dots([*layer.results], layer.inputs, [*layer.biases], layer, [])
            self.dots.update(dict.fromkeys(dots.members, dots))
            if scalars:
                op[layer.first - first : layer.first - first + len(layer)] = ["layer"] * len(layer)
        return coded(op, args, first)

    def _find_products(self, shown: bytearray) -> None:
        """Gradients that are products of two values that vary, and nothing else."""
        varying, found = self.varying, self.coded
        candidates = [r for r, (_, i) in enumerate(self.results) if i >= found.first and found.op(i) == "mul"]
        if not candidates:
            return
        uses = found.uses(len(varying))
        for i in chain(
            [i for _, i in self.results],
            *[layer.inputs + layer.biases for layer in self.program.layers],
            *[outer.adjoints + outer.inputs for outer in self.program.outers],
        ):
            uses[i] += 1
        products = [
            (*found.args(self.results[r][1]), r) for r in candidates
            if uses[self.results[r][1]] == 1 and all(varying[a] for a in found.args(self.results[r][1]))
        ]  # fmt: skip
        if not products:
            return
        numbered = [(a, b, self.results[r][0]) for a, b, r in products]
        taken = {r for _, _, r in products}
        for r in taken:
            shown[self.results[r][1]] = False
        self.results = [result for r, result in enumerate(self.results) if r not in taken]
        blocks = _blocks(numbered)
        if 4 * len(blocks) > len(products):
            turned = _blocks([(b, a, r) for a, b, r in numbered])
            if len(turned) < len(blocks):
                blocks = turned
        self.scattered = blocks

    def _find_dots(self) -> None:
        """Groups of dots with the same inputs, whose weights and bias do not vary where the inputs do."""
        varying, found = self.varying, self.coded
        groups: dict[Args, list[int]] = {}
        for i in found.of("dot"):
            args = found.args(i)
            if varying[args[0]] or varying[args[len(args) // 2 - 1]]:  # the first weight and the last, as in most sums
                continue
            weights, inputs, bias = split_dot(args)
            if any(map(varying.__getitem__, weights)) or (bias is not None and varying[bias]):
                continue
            if len(inputs) > 1 and all(map(varying.__getitem__, inputs)):
                groups.setdefault(inputs, []).append(i)
        for inputs, members in groups.items():
            parts = [split_dot(found.args(i)) for i in members]
            biases = [bias for _, _, bias in parts]
            together = Dots(members, inputs, [] if biases == [None] * len(biases) else biases, None,
                            [weights for weights, _, _ in parts])  # fmt: skip
            self.dots.update(dict.fromkeys(members, together))


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
