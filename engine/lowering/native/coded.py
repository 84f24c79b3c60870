"""The operations and operands of a program in arrays, as compiled code reads and writes them."""

from __future__ import annotations

from array import array
from itertools import accumulate, chain, pairwise

from .library import loaded_library
from .tape import address, numbered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.lowering.layers import Args

    from .tape import Numbered

NAMES = ("leaf", "constant", "add", "sub", "mul", "div", "neg", "dot", "sum", "maximum_slope")  # as in terms.h


class Codes(dict[str, int]):
    """The codes of operations, which they get when they are asked for."""

    def __init__(self) -> None:
        super().__init__(zip(NAMES, range(len(NAMES))))

    def __missing__(self, name: str) -> int:
        self[name] = code = len(self)
        return code


class Coded:
    """What the values behind the leaves are computed by.

    first   the id of the first of them
    names   the operations, by their codes
    code    the operation of each value
    start   where its operands start; and where those of the last end
    words   the operands of all
    """

    __slots__ = ("first", "names", "code", "start", "words")

    def __init__(self, first: int, names: list[str], code: array[int], start: array[int], words: array[int]) -> None:
        self.first, self.names, self.code, self.start, self.words = first, names, code, start, words

    def op(self, i: int) -> str:
        """The operation of value i."""
        return self.names[self.code[i - self.first]]

    def args(self, i: int) -> Args:
        """The operands of value i."""
        k = i - self.first
        return tuple(self.words[self.start[k] : self.start[k + 1]])

    def of(self, *names: str) -> list[int]:
        """The values that these operations give."""
        codes = {k for k, name in enumerate(self.names) if name in names}
        return [i for i, code in enumerate(self.code, self.first) if code in codes] if codes else []

    def uses(self, n: int) -> Numbered:
        """How often each of n ids is an operand."""
        counts = numbered(n, self.first)
        loaded_library().c.count_each(address(self.words), len(self.words), address(counts))
        return counts

    def lists(self, leaves: list[str]) -> tuple[list[str], list[Args]]:
        """The operation and the operands of each value, leaves in front."""
        words = tuple(self.words)
        args = [words[start:end] for start, end in pairwise(self.start)]
        return [*leaves, *map(self.names.__getitem__, self.code)], [*[()] * len(leaves), *args]


def coded(op: Sequence[str], args: Sequence[Args], first: int) -> Coded:
    """The same of lists, whose first is that of the first value that is not a leaf."""
    codes = Codes()
    code = array("i", map(codes.__getitem__, op))
    return Coded(first, [*codes], code, *joined(args))


def joined(lists: Sequence[Sequence[int]]) -> tuple[array[int], array[int]]:
    """Where each of the lists starts, and ends, in one of them all; and that one."""
    return array("i", accumulate(map(len, lists), initial=0)), array("i", chain.from_iterable(lists))
