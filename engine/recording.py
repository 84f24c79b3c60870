"""Noticing when a number is taken out of a graph while it is recorded.

A graph that is recorded once and evaluated for many samples has no place for ``if d.data <= 1``, ``float(p)`` or
``math.exp(z)``: what the program decides by the number of one sample would be decided for all. ``recording`` notices
it and says where. The eager path pays nothing: only while a recording is open, ``Value.data`` is a property.
"""

from __future__ import annotations

import sys
from _thread import get_ident

from .graph import alone
from .value import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

_SWEEPS = ("engine.reverse", "engine.derivatives", "engine.forward", "engine.recording")
_OURS = ("engine", "nn")  # what reads a number there does not decide by it
_slot: Any = vars(Value)["data"]
_open: dict[int, list[recording]] = {}  # by thread


class NumberTaken:
    """A number that was taken out of a node.

    node        the Value
    file, line  where, in the code that did it
    """

    def __init__(self, node: Value, file: str, line: int) -> None:
        self.node, self.file, self.line = node, file, line

    @property
    def text(self) -> str:
        """The line of code, stripped; "" where there is none."""
        import linecache

        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        place = f"line {self.line} of {self.file.replace(chr(92), '/').rpartition('/')[2]}"
        return f"{place}: {self.text}" if self.text else place


class recording:
    """A context in which taking a number out of a node is noticed: .data, float, int, bool, round, a comparison, grad.

    Everything works as usual meanwhile; ``taken`` lists what was noticed, at most a hundred times. Constants may be
    looked at, and the engine and nn look at numbers without notice (they decide nothing by them); so do repr and
    format. Other threads are not watched.

    >>> x = Value(0.5)
    >>> with recording() as record:
    ...     y = x * 2 if x.data > 0 else x
    >>> [(number.node is x) for number in record.taken]
    [True]
    """

    def __init__(self) -> None:
        self.taken: list[NumberTaken] = []

    def __enter__(self) -> recording:
        with alone:
            _open.setdefault(get_ident(), []).append(self)
            type.__setattr__(Value, "data", property(_read, _slot.__set__))
        return self

    def __exit__(self, *exception: object) -> None:
        with alone:
            records = _open[get_ident()]
            records.remove(self)
            if not records:
                del _open[get_ident()]
            if not _open:
                type.__setattr__(Value, "data", _slot)


def notice(node: Value) -> None:
    """Tell the open recordings of this thread that a number is being taken out of the node."""
    records = _open.get(get_ident())
    if not records:
        return
    frame: FrameType | None = sys._getframe(2)
    # float(v) and v < 1 read v.data in a method of Value, grad and backward read it too: the place is their caller's.
    while frame is not None and (frame.f_code in _CONVERSIONS or frame.f_globals.get("__name__") in _SWEEPS):
        frame = frame.f_back
    if frame is None or frame.f_globals.get("__name__", "").partition(".")[0] in _OURS:
        return
    for record in records:
        if len(record.taken) < 100:
            record.taken.append(NumberTaken(node, frame.f_code.co_filename, frame.f_lineno))


def _read(node: Value) -> float:
    if not node.is_constant:
        notice(node)
    data: float = _slot.__get__(node)
    return data


_CONVERSIONS = {
    vars(Value)[name].__code__
    for name in (
        "__float__", "__int__", "__bool__", "__round__", "__lt__", "__le__", "__gt__", "__ge__", "detach", "backward",
    )
}  # fmt: skip
