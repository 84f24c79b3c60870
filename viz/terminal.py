"""A graph as text for a terminal: the output above, what it is computed from below it, data and gradient beside.

>>> from engine import Value
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> c = a * b + a.tanh()
>>> c.label = "c"
>>> c.backward()
>>> print(tree(c, color=False, unicode=True))
               data      grad     local
c  +        −5.0360    1.0000
├─ ×        −6.0000    1.0000    1.0000
│  ├─ a      2.0000   −2.9293   −3.0000
│  └─ b     −3.0000    2.0000    2.0000
└─ tanh      0.9640    1.0000    1.0000
   └─ a ↑    2.0000   −2.9293    0.0707
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from engine import Value

from .text import number as written
from .text import shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = 200  # lines
DEPTH = 10  # levels that are indented; deeper ones are numbered
WIDTH = 34  # characters for the branches and the names

# What each kind is coloured with: leaf yellow, operation green, output red, as in the pictures; gradients blue.
_COLORS = {"leaf": "33", "inner": "32", "output": "1;31", "constant": "2", "grad": "34", "line": "2", "none": ""}
_BRANCHES = {True: ("├─ ", "└─ ", "│  ", "   "), False: ("|- ", "`- ", "|  ", "   ")}


class Tree(str):
    """The text of a tree; shown as it is where a session shows a result."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Row(NamedTuple):
    branch: str  # the lines that lead to it
    name: str
    kind: str
    node: Value | None
    local: float | None  # the derivative of the node above with respect to this one


def tree(output: Value, *, color: bool | None = None, unicode: bool | None = None, limit: int = LIMIT) -> Tree:
    """The graph behind ``output`` as indented text: each value with its operation, its data and its gradient.

    Below a value stand the operands that it is computed from. ``local`` is the derivative of the value above with
    respect to this one, so that each ``local`` times the ``grad`` above is what the line contributes to its own
    ``grad``. A value that is used again is shown with an arrow, and what it is computed from only the first time.

    color     colours and bold type by escape sequences; None: where standard output is a terminal that has them, and
              the environment variable NO_COLOR is not set
    unicode   σ, × and lines; None: where standard output can show them, else plain ASCII
    limit     lines; a last one says how many more values there are

    Raises TypeError where output is not a Value.
    """
    if not isinstance(output, Value):
        raise TypeError(f"tree takes a Value, the output of a graph, got {type(output).__name__}")
    fancy = _can_show("├└│─×σ−–↑") if unicode is None else unicode
    colored = _has_colors() if color is None else color
    rows = list(_rows(output, fancy, limit))
    width = max(len(row.branch + row.name) for row in rows) + 1
    lines = [" " * width + f"{'data':>9} {'grad':>9} {'local':>9}"]
    for row in rows:
        pad = " " * (width - len(row.branch + row.name))
        name = _painted(row.branch, "line", colored) + _painted(row.name, row.kind, colored) + pad
        if row.node is None:
            lines.append(name.rstrip())
            continue
        data = _number(row.node.data, fancy)
        grad = _number(row.node.grad, fancy) if row.node.has_grad else "–" if fancy else "-"
        local = "" if row.local is None else f" {_number(row.local, fancy):>9}"
        if row.kind == "constant":  # nobody asks how the output moves with the 2 of 2 * a
            lines.append(f"{name}{data:>9}")
        else:
            lines.append(f"{name}{data:>9} " + _painted(f"{grad:>9}", "grad", colored) + local)
    return Tree("\n".join(lines))


def _rows(output: Value, fancy: bool, limit: int) -> Iterator[_Row]:
    """A row for each line, from the top; iterative, because graphs are deeper than Python's stack."""
    fork, last, through, blank = _BRANCHES[fancy]
    seen: set[Value] = set()
    waiting: list[tuple[Value, str, str, float | None, int]] = [(output, "", "", None, 0)]
    count = 0
    while waiting:
        if count == limit:
            hidden = _left(waiting, seen)
            yield _Row("", f"{'…' if fancy else '...'} {hidden} more value{'s'[: hidden != 1]}", "none", None, None)
            return
        node, before, elbow, local, depth = waiting.pop()
        again = node in seen and node.op is not None
        shown_before = node in seen and not node.is_constant
        seen.add(node)
        count += 1
        kind = "constant" if node.is_constant else "leaf" if node.op is None else "output" if not depth else "inner"
        if depth > DEPTH:  # a chain would run out of the window: its levels are counted instead
            elbow = f"{depth} "
        yield _Row(before + elbow, _called(node, fancy) + ((" ↑" if fancy else " ^") if shown_before else ""),
                   kind, node, local)  # fmt: skip
        if again or node.op is None:
            continue
        inner = before + ({fork: through, last: blank}.get(elbow, "") if depth else "") if depth < DEPTH else before
        pairs = list(zip(node.parents, node.local_derivatives))
        for j in reversed(range(len(pairs))):
            parent, derivative = pairs[j]
            waiting.append((parent, inner, last if j == len(pairs) - 1 else fork, derivative, depth + 1))


def _left(waiting: list[tuple[Value, str, str, float | None, int]], seen: set[Value]) -> int:
    """How many values are not shown."""
    found: set[Value] = set()
    path = [item[0] for item in waiting]
    while path:
        node = path.pop()
        if node not in seen and node not in found:
            found.add(node)
            path += node.parents
    return len(found)


def _called(node: Value, fancy: bool) -> str:
    if node.op is None:
        name = node.label or ("" if not node.is_constant else f"{node.data:g}")
        return _shown(shorten(name, WIDTH - 10) or "leaf", fancy)
    symbol = _shown(node.op.symbol, fancy) if fancy else node.op.name
    label = _shown(shorten(node.label, WIDTH - 10), fancy)
    return f"{label}  {symbol}" if label else symbol


def _shown(text: str, fancy: bool) -> str:
    return text if fancy else text.encode("ascii", "backslashreplace").decode("ascii")


def _number(x: float, fancy: bool) -> str:
    text = written(x).replace("-", "−")
    return text if fancy else text.replace("−", "-")


def _painted(text: str, kind: str, colored: bool) -> str:
    return f"\x1b[{_COLORS[kind]}m{text}\x1b[0m" if colored and text and _COLORS[kind] else text


def _has_colors() -> bool:
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return sys.stdout is not None and sys.stdout.isatty()


def _can_show(text: str) -> bool:
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "ascii")
    except (UnicodeError, LookupError):
        return False
    return True
