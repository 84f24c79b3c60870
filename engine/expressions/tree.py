"""The tree of an expression."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

COMPARISONS = frozenset({"gt", "ge", "lt", "le", "eq", "ne"})


# The tree. ``start`` and ``end`` are the place in the text, in characters.


class Node:
    """A part of an expression."""

    __slots__ = ("start", "end")

    def __init__(self, start: int = 0, end: int = 0) -> None:
        self.start, self.end = start, end

    def __repr__(self) -> str:
        from .printers import CALLS

        return f"<{type(self).__name__} {CALLS.text(self)}>"


class Number(Node):
    """A number, its sign included."""

    __slots__ = ("value",)

    def __init__(self, value: float, start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.value = value


class Name(Node):
    """A name: an argument of the operation, its result ``y``, or a variable of the user."""

    __slots__ = ("name",)

    def __init__(self, name: str, start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.name = name


class Call(Node):
    """An operation applied to operands, whether written with a sign, as a condition or as a call."""

    __slots__ = ("op", "operands")

    def __init__(self, op: str, operands: tuple[Node, ...], start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.op, self.operands = op, operands


class List(Node):
    """A list of expressions, as an argument of an n-ary operation."""

    __slots__ = ("items",)

    def __init__(self, items: tuple[Node, ...], start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.items = items


class Spread(Node):
    """``*rest`` in a list: the items of a list of that name."""

    __slots__ = ("name",)

    def __init__(self, name: str, start: int = 0, end: int = 0) -> None:
        super().__init__(start, end)
        self.name = name


def children(node: Node) -> tuple[Node, ...]:
    """The parts of a node, from left to right."""
    return node.operands if isinstance(node, Call) else node.items if isinstance(node, List) else ()


def walk(tree: Node) -> Iterator[Node]:
    """Every node of the tree, parts before what they are parts of, from left to right."""
    path: list[tuple[Node, bool]] = [(tree, False)]
    while path:
        node, entered = path.pop()
        parts = children(node)
        if entered or not parts:
            yield node
        else:
            path.append((node, True))
            path += [(part, False) for part in reversed(parts)]


def names(tree: Node) -> list[str]:
    """The names in the tree, each once, in the order in which they are written."""
    return list(dict.fromkeys(node.name for node in walk(tree) if isinstance(node, (Name, Spread))))


def operations(tree: Node) -> list[str]:
    """The operations in the tree, each once, in the order in which they are computed."""
    return list(dict.fromkeys(node.op for node in walk(tree) if isinstance(node, Call)))
