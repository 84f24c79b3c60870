"""Layers in a program: the neurons that share their inputs, kept together from the trace to the kernel.

A dense layer has three products, and each is one object here, however many weights it has: the weighted inputs of the
neurons (``Layer``), the derivatives with respect to the inputs, which take the same weights the other way round
(``Layer`` again, turned), and the derivatives with respect to the weights (``Outer``). What they are in scalars is
derived from them where someone asks.

The weights of a neuron are parameters that follow each other in ``wrt``, and so in the program: the place of the first
says where all of them are. ``Leaves`` finds that out, without looking at the weights one by one.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.value import Value

    Args = tuple[int, ...]


class Layer:
    """Weighted inputs z[j] = Σ w[j][k] inputs[k] + biases[j]; or turned, z[k] = Σ w[j][k] inputs[j].

    first    the id of the first result; the others follow
    rows     the id of the first weight w[j][0] of each neuron; the others follow
    width    the number of weights that are used of each row
    inputs   the ids of what the weights are multiplied with
    biases   the id of each bias; empty where there are none
    turned   whether the sums go over the neurons
    """

    __slots__ = ("first", "rows", "width", "inputs", "biases", "turned")

    def __init__(self, first: int, rows: Args, width: int, inputs: Args, biases: Args, turned: bool) -> None:
        self.first, self.rows, self.width, self.inputs = first, rows, width, inputs
        self.biases, self.turned = biases, turned

    def __len__(self) -> int:
        """The number of results."""
        return self.width if self.turned else len(self.rows)

    @property
    def results(self) -> range:
        """The ids of the results."""
        return range(self.first, self.first + len(self))

    def weights(self, i: int) -> Args:
        """The ids of the weights of result number i."""
        if self.turned:
            return tuple([first + i for first in self.rows])
        return tuple(range(self.rows[i], self.rows[i] + self.width))

    def dot(self, i: int) -> Args:
        """Result number i as a dot: its weights, the inputs, its bias."""
        return self.weights(i) + self.inputs + self.biases[i : i + 1]


class Outer:
    """Derivatives of an output with respect to the weights of a layer: adjoints[j] times inputs[k].

    output     the number of the output
    rows       for each j the place in ``wrt`` of the first weight; the others follow
    adjoints   the ids of the adjoints of the weighted inputs
    inputs     the ids of the inputs
    first      the id of the first product, which the others follow row by row; given when the program is finished
    """

    __slots__ = ("output", "rows", "adjoints", "inputs", "first")

    def __init__(self, output: int, rows: Args, adjoints: Args, inputs: Args, first: int = 0) -> None:
        self.output, self.rows, self.adjoints, self.inputs, self.first = output, rows, adjoints, inputs, first

    def __len__(self) -> int:
        """The number of products."""
        return len(self.rows) * len(self.inputs)

    def products(self) -> Iterator[tuple[int, int]]:
        """The factors of each product."""
        return ((d, a) for d in self.adjoints for a in self.inputs)


class Leaves(dict["Value", int]):
    """The ids of the nodes of a trace, those of the parameters included: these follow each other from ``first`` on.

    A group of parameters that stand one after the other in ``parameters`` is recognised by its first and compared as a
    whole; its members get an entry only when one of them is asked for. They are then ``elsewhere`` as well: used
    otherwise than as the weights of a layer.
    """

    def __init__(self, parameters: list[Value], first: int) -> None:
        self.parameters, self.first = parameters, first
        self.blocks: dict[int, tuple[int, int]] = {}  # id() of a group -> the place of its first, their number
        self.elsewhere: set[int] = set()
        self._held: list[Sequence[Value]] = []  # the groups, whose id() no other may get
        self._expected, self._lowest = 0, len(parameters)
        self._index: dict[Value, int] | None = None

    def know(self, groups: Sequence[tuple[Value, ...]]) -> None:
        """Claim these groups, of which the parameters consist, without a look at their members."""
        place = 0
        for group in groups:
            if len(group) > 1:
                self.blocks[id(group)] = place, len(group)
                self._held.append(group)
            place += len(group)

    def claims(self, group: Sequence[Value]) -> bool:
        """Whether these operands are parameters in a row, which need not be looked at one by one."""
        n, place, known = len(group), self._expected, self.parameters
        if id(group) in self.blocks:
            return True
        if n < 2 or not known or group[0].op is not None or group[0] in self:
            return False
        # Neuron after neuron: the weights stand where those of the neuron before ended, or behind its bias.
        if place >= len(known) or known[place] is not group[0]:
            place += 1
            if place >= len(known) or known[place] is not group[0]:
                found = self._first_neuron(group[0], n)
                if found is None:
                    return False
                place = found
        if known[place : place + n] != [*group]:
            return False
        self.blocks[id(group)] = place, n
        self._held.append(group)
        self._expected, self._lowest = place + n, min(place, self._lowest)
        return True

    def _first_neuron(self, weight: Value, n: int) -> int | None:
        """The place of a weight that begins the n of a neuron; it may be anywhere.

        A walk through a network meets its last layer first, and goes from each layer to the one before it: the first
        neuron of a layer begins a number of neurons in front of what is known.
        """
        if self._index is None:
            for size in (n + 1, n):  # with biases, or without
                for place in range(self._lowest - size, -1, -size):
                    if self.parameters[place] is weight:
                        return place
        return self._places().get(weight)

    def number_the_rest(self) -> None:
        """Enter the parameters that no group has claimed."""
        known = self.parameters
        claimed = bytearray(len(known))
        for place, n in self.blocks.values():
            claimed[place : place + n] = b"\1" * n
        for place in unmarked(claimed):
            self[known[place]] = self.first + place

    def __missing__(self, node: Value) -> int:
        place = self._places().get(node)
        if place is None:
            raise KeyError(node)
        self[node] = i = self.first + place
        self.elsewhere.add(i)
        return i

    def find(self, node: Value) -> int | None:
        """The id of a node, or None."""
        return self[node] if node in self or node in self._places() else None

    def _places(self) -> dict[Value, int]:
        if self._index is None:
            self._index = dict(zip(self.parameters, range(len(self.parameters))))
        return self._index


def unmarked(marks: bytearray) -> Iterator[int]:
    """The places of zeros."""
    place = marks.find(0)
    while place >= 0:
        yield place
        place = marks.find(0, place + 1)
