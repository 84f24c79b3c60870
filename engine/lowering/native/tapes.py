"""A plan written as a flat tape, for one sample."""

from __future__ import annotations

from array import array
from itertools import chain

from engine.lowering.layers import Layer, unmarked
from engine.lowering.program import Program, split_dot

from .library import Library
from .plan import Dots, Plan
from .tape import address, numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    Args = tuple[int, ...]

# The instructions, in the order of the enumeration in kernels.h.
FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER = range(6)


_VECTOR = 8  # numbers of the widest vectors
_LARGE = 4096  # weights of a layer of few neurons that lie input by input


class Order:
    """Where the parameters lie in U: in the order of the program, or layer by layer as it suits blocked products.

    first    the id of the first parameter
    given    the number, in the order of the program, of the parameter at each place; None: they keep that order
    placed   the place of each parameter
    rows     the number of the first of parameters that lie evenly -> (its place, the step to the next, how many)
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self.given: array[int] | None = None
        self.placed: array[int] | None = None
        self.rows: dict[int, tuple[int, int, int]] = {}

    def place(self, i: int) -> int:
        """The place of the parameter with this id."""
        return i - self.first if self.placed is None else self.placed[i - self.first]

    def result(self, program: Program, r: int) -> int:
        """The number of a result where gradients are numbered as the parameters are placed."""
        outputs, trained = len(program.outputs), len(program.wrt_ids)
        if r < outputs or self.placed is None:
            return r
        entry, k = divmod(r - outputs, trained)
        return outputs + entry * trained + self.placed[k]

    def row(self, i: int, n: int) -> tuple[int, int] | None:
        """(the place of the first, the step to the next) of n parameters from this id on; None: not evenly spaced."""
        k = i - self.first
        if self.placed is None:
            return k, 1
        start, step, many = self.rows.get(k, (0, 0, 0))
        if n <= many:
            return start, step if n > 1 else 1
        places = self.placed[k : k + n]
        step = places[1] - places[0] if n > 1 else 1
        even = step > 0 and places == array("i", range(places[0], places[0] + n * step, step))
        return (places[0], step) if even else None

    def block(self, rows: Sequence[int], n: int) -> tuple[int, int, int] | None:
        """(the place of the first, the step from row to row, the step along a row) of rows of n parameters."""
        found = [self.row(row, n) for row in rows]
        if None in found:
            return None
        starts, steps = zip(*[pair for pair in found if pair is not None])
        down = starts[1] - starts[0] if len(rows) > 1 else 0
        even = down >= 0 and all(start == starts[0] + j * down for j, start in enumerate(starts))
        return (starts[0], down, steps[0]) if even and len(set(steps)) == 1 else None


class _Places(dict[int, int]):
    """id -> index in U. Parameters get an entry when they are asked for."""

    def __init__(self, order: Order) -> None:
        self.order = order

    def __missing__(self, i: int) -> int:
        self[i] = place = self.order.place(i)
        return place


class Flat:
    """A flat tape in the making: where each value lies in U, and the instructions.

    more   constants beyond those of the program, by ids beyond its own
    """

    def __init__(
        self, plan: Plan, library: Library, order: Order, with_inputs: bool, more: dict[int, float] | None = None
    ) -> None:
        self.plan, self.library, self.order = plan, library, order
        program = plan.program
        self.code = array("i")
        constants = program.constant if more is None else program.constant | more
        self.constants = array("d", constants.values())
        self.at = _Places(order)
        leaves = [*constants, *(program.inputs if with_inputs else ())]
        first = len(program.parameter_range)
        for k, i in enumerate(leaves):
            self.at[i] = first + k
        self.size = first + len(leaves)

    def room(self, n: int) -> int:
        """The first of n new places; of a vector or more where a cache line begins, or each would lie in two."""
        first = self.size if n < _VECTOR else -(-self.size // _VECTOR) * _VECTOR
        self.size = first + n
        return first

    def write(self, ids: Sequence[int]) -> None:
        """Compute these values: level by level, and in a level all of one operation together."""
        coded, dots = self.plan.coded, self.plan.dots
        args, names, code, start, words, behind = (
            coded.args, coded.names, coded.code, coded.start, coded.words, coded.first
        )  # fmt: skip
        level = numbered(len(self.plan.varying), behind)  # of each value, from 1 on
        levels: list[list[int]] = [[]]
        first: set[int] = set()  # of dots that are computed together the one that stands for them
        deepest = 0
        for i in ids:
            if level[i]:
                continue
            together = dots.get(i) if dots else None
            if together is not None and not self._there(together):
                together = None
            depth = 0
            k = i - behind
            for a in words[start[k] : start[k + 1]] if together is None else together.inputs:
                below = level[a]
                if below > depth:
                    depth = below
            depth += 1
            if depth > deepest:
                deepest = depth
                levels.append([i])
            else:
                levels[depth].append(i)
            level[i] = depth
            if together is not None:
                for k in together.members:
                    level[k] = depth
                first.add(i)
        grouped = {"dot", "layer", *self.library.nary}
        for members in levels:
            name = names[code[members[0] - behind]] if members else ""
            if len(members) == 1 and name not in grouped:  # as in a chain, in which every level is one value
                self._map(name, members)
                continue
            groups: dict[str | int, list[int]] = {}
            for i in members:
                groups.setdefault(i if i in first else names[code[i - behind]], []).append(i)
            # Layers last, so that what takes their outputs, in the next level, comes at once.
            for of, members in sorted(groups.items(), key=lambda group: group[0] in first):
                if not isinstance(of, str):
                    self._gemv(dots[of])
                elif of == "dot":
                    for i in members:
                        self._dot(i, args(i))
                elif of in self.library.nary:
                    for i in members:
                        self.at[i] = self.room(1)
                        operands = [self.at[a] for a in args(i)]
                        self.code.extend((FLAT_NARY, self.library.nary[of], len(operands), self.at[i], *operands))
                else:
                    self._map(of, members)

    def _there(self, dots: Dots) -> bool:
        """Whether all weights and biases are leaves, so that the dots can be computed at one time."""
        first = self.plan.program.parameter_range.stop
        return all(b is None or b < first or b in self.at for b in dots.biases) and all(
            w < first or w in self.at for weights in dots.weights for w in weights
        )

    def _map(self, name: str, members: list[int]) -> None:
        at, args = self.at, self.plan.coded.args
        if len(members) == 1:
            [i] = members
            mine, place = args(i), self.room(1)
            a, b, c = at[mine[0]], at[mine[1 % len(mine)]], at[mine[2 % len(mine)]]
            self.code.fromlist([FLAT_MAP, self.library.operations[name], 1, place, a, 0, b, 0, c, 0])
            at[i] = place
            return
        operands = sorted([(*(at[a] for a in args(i)), i) for i in members])
        first = self.room(len(members))
        for k, (*_, i) in enumerate(operands):
            at[i] = first + k
        self.runs(name, [(first + k, *item[:-1]) for k, item in enumerate(operands)])

    def runs(self, name: str, rows: Sequence[tuple[int, ...]]) -> None:
        """Instructions for (target, operands), each over the longest run of neighbours."""
        code, start, n = self.library.operations[name], 0, len(rows)
        while start < n:
            head = rows[start]
            end = start + 1
            steps = [0] * (len(head) - 1)
            if end < n and rows[end][0] == head[0] + 1:
                steps = [b - a for a, b in zip(head[1:], rows[end][1:])]
                if all(step in (0, 1) for step in steps):
                    while end < n and all(x == h + s * (end - start) for x, h, s in zip(rows[end], head, (1, *steps))):
                        end += 1
                else:
                    steps = [0] * (len(head) - 1)
            self._instruction(code, end - start, head[0], [x for pair in zip(head[1:], steps) for x in pair])
            start = end

    def _instruction(self, code: int, n: int, target: int, operands: list[int]) -> None:
        """An operation on n neighbours; of each operand the place of the first, and the step to the next."""
        self.code.extend((FLAT_MAP, code, n, target, *operands, *operands[:2] * (3 - len(operands) // 2)))

    def _dot(self, i: int, args: Args) -> None:
        weights, inputs, bias = split_dot(args)
        at = self.at
        at[i] = self.room(1)
        self.code.extend((FLAT_DOT, len(weights), at[i], -1 if bias is None else at[bias]))
        self.code.extend(map(at.__getitem__, weights + inputs))

    def _gemv(self, dots: Dots) -> None:
        at, members, inputs, biases = self.at, dots.members, dots.inputs, dots.biases
        layer = dots.layer
        if layer is not None:
            found = self.regular(layer)
        else:  # regular perhaps by the places of the weights
            along = sorted(range(len(inputs)), key=lambda k: at[dots.weights[0][k]])
            rows = [[at[weights[k]] for k in along] for weights in dots.weights]
            down = sorted(range(len(rows)), key=lambda j: rows[j][0])
            found = regular([rows[j] for j in down])
            inputs, members = tuple([inputs[k] for k in along]), [members[j] for j in down]
            biases = [biases[j] for j in down] if biases else []
        if found is None or found[2] == 0 or None in biases:
            for j, i in enumerate(dots.members):
                self._dot(i, self.plan.coded.args(i) if layer is None else layer.dot(j))
            return
        first, so, si = found
        a = self.contiguous([at[x] for x in inputs])
        bias = self.contiguous([at[b] for b in biases if b is not None]) if biases else -1
        target = self.room(len(members))
        at.update(zip(members, range(target, target + len(members))))
        self.code.extend((FLAT_GEMV, len(members), len(inputs), target, a, first, so, si, bias))

    def regular(self, layer: Layer) -> tuple[int, int, int] | None:
        """The place of the first weight, and the steps from result to result and from input to input, if regular."""
        found = self.order.block(layer.rows, layer.width)
        return (found[0], found[2], found[1]) if found and layer.turned else found

    def weights(self, dots: Dots) -> tuple[int, int, int]:
        """The same for any dots; weights that are not regular are copied."""
        found = None if dots.layer is None else self.regular(dots.layer)
        if found is not None:
            return found
        layer = dots.layer
        weights = dots.weights if layer is None else [layer.weights(j) for j in range(len(layer))]
        return self.matrix([[self.at[w] for w in row] for row in weights])

    def outer(self, a: list[int], d: list[int], target: int, dk: int, dj: int) -> None:
        """The products of a[k] and d[j] into target + k * dk + j * dj."""
        side_a, side_d = self.contiguous(a), self.contiguous(d)
        if dj == 1 or dk != 1:
            self.code.extend((FLAT_OUTER, len(a), len(d), target, dk, dj, side_a, side_d))
        else:  # what lies side by side comes last
            self.code.extend((FLAT_OUTER, len(d), len(a), target, dj, dk, side_d, side_a))

    def matrix(self, places: list[list[int]]) -> tuple[int, int, int]:
        """The first of these places, and the steps down and along; they are copied where they are not regular."""
        steps = regular(places)
        if steps is None:
            return self.contiguous(list(chain.from_iterable(places))), len(places[0]), 1
        return steps

    def contiguous(self, places: list[int]) -> int:
        """Where these places lie side by side; they are copied there unless they do already."""
        if places == list(range(places[0], places[0] + len(places))):
            return places[0]
        target = self.room(len(places))
        self.code.extend((FLAT_GATHER, len(places), target, *places))
        return target


def regular(rows: list[list[int]]) -> tuple[int, int, int] | None:
    """first, down and along where rows[j][k] is first + j * down + k * along, neither below 0; else None."""
    first = rows[0][0]
    down = rows[1][0] - first if len(rows) > 1 else 0
    along = rows[0][1] - first if len(rows[0]) > 1 else 0
    if down < 0 or along < 0:
        return None
    n = len(rows[0])
    line = [first] * n if along == 0 else list(range(first, first + n * along, along))
    if down == 0:
        return (first, down, along) if all(row == line for row in rows) else None
    for j, row in enumerate(rows):
        start = first + j * down
        if row != ([start] * n if along == 0 else list(range(start, start + n * along, along))):
            return None
    return first, down, along


def flat_tape(plan: Plan, library: Library) -> tuple[Flat, int]:
    """The whole program for one sample: the tape, and the place of the first result.

    Results are outputs, then the gradients of the parameters, in the order that these have in the tape.
    """
    program = plan.program
    order = layer_order(plan, library, by_input=True)
    flat = Flat(plan, library, order, with_inputs=True)
    flat.write(plan.needed)
    at, outputs, first = flat.at, len(program.outputs), flat.room(program.n_results)

    def place(result: int) -> int:
        """The place of a result."""
        return first + order.result(program, result)

    for outer in plan.outers:
        start = first + outputs + outer.output * len(program.wrt_ids)
        a, d = [at[k] for k in outer.inputs], [at[j] for j in outer.adjoints]
        block = order.block([order.first + row for row in outer.rows], len(a))
        if block is None:
            places = [[start + order.place(order.first + row + k) for row in outer.rows] for k in range(len(a))]
            _flat_outer(flat, a, d, places)
        else:
            flat.outer(a, d, start + block[0], block[2], block[1])
    for a, d, results in plan.scattered:
        _flat_outer(flat, [at[k] for k in a], [at[j] for j in d], [list(map(place, row)) for row in results])
    flat.runs("copy", sorted([(place(r), at[i]) for r, i in plan.results]))
    return flat, first


def layer_order(plan: Plan, library: Library, by_input: bool) -> Order:
    """The parameters in an order that suits blocked products: of each layer the weights, input by input or neuron by
    neuron, then the biases. Layers of few neurons, whose weights for one input do not fill vectors, go by neuron.

    Those that are trained stay in front, because only their gradients are results.
    """
    program = plan.program
    at, trained = program.parameter_range, len(program.wrt_ids)
    order, n = Order(at.start), len(at)
    if not isinstance(program.wrt_ids, range):
        return order
    taken, given, placed, place = bytearray(n), array("i", [0]) * n, array("i", [0]) * n, 0
    for layer in program.layers:
        rows, K, J = [row - at.start for row in layer.rows], layer.width, len(layer.rows)
        ordered = sorted(rows)
        if layer.turned or any(row + K > trained or any(taken[row : row + K]) for row in rows):
            continue
        if any(after < row + K for row, after in zip(ordered, ordered[1:])):  # a weight comes twice
            continue
        together = by_input and (J % _VECTOR == 0 or J > 2 * _VECTOR or (J > _VECTOR and J * K >= _LARGE))
        down, along = (1, J) if together else (K, 1)
        numbers = array("i", rows if together else ordered)
        library.c.place_weights(address(numbers), J, K, place, down, along, address(given), address(placed))
        for j, row in enumerate(numbers):
            order.rows[row] = place + j * down, along, K
            taken[row : row + K] = b"\1" * K
        place += J * K
        for b in layer.biases:
            k = b - at.start
            if k < trained and not taken[k]:
                taken[k], placed[k], given[place] = 1, place, k
                place += 1
    for k in unmarked(taken):
        placed[k], given[place] = place, k
        place += 1
    order.given, order.placed = given, placed
    return order


def _flat_outer(flat: Flat, a: list[int], d: list[int], places: list[list[int]]) -> None:
    """The products of a[k] and d[j] into places[k][j]."""
    ks = sorted(range(len(a)), key=lambda k: places[k][0])
    js = sorted(range(len(d)), key=places[0].__getitem__)
    target = places[ks[0]][js[0]]
    dk = places[ks[1]][js[0]] - target if len(ks) > 1 else 1
    dj = places[ks[0]][js[1]] - target if len(js) > 1 else 1
    if (
        dk >= 0
        and dj > 0
        and all(
            [places[k][j] for j in js] == list(range(target + n * dk, target + n * dk + len(js) * dj, dj))
            for n, k in enumerate(ks)
        )
    ):
        flat.outer([a[k] for k in ks], [d[j] for j in js], target, dk, dj)
    else:
        flat.runs("mul", sorted((places[k][j], a[k], d[j]) for k in ks for j in js))
