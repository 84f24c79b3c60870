"""Python's cyclic collector, out of the way.

While a graph grows, the collector goes through all of its nodes again and again, looking for cycles that are not there.
In a large graph this takes most of the time.
"""

from __future__ import annotations

import gc
from _io import _IOBase
from collections import deque
from operator import call


class collector_paused(_IOBase):
    """A context without the cyclic collector; on leaving it, by whatever way, the collector is as it was.

    >>> from engine import Value, collector_paused
    >>> with collector_paused():
    ...     y = Value(1.0)
    ...     for _ in range(1000):
    ...         y = y * 1.001
    """

    # Entering and leaving are calls of C functions, between whose steps no signal handler runs: written in Python, a
    # Ctrl-C inside either would leave the collector off for the rest of the process. The __exit__ that files have is
    # the one in C that calls a method without arguments, ``close``. Files are closed once more when they are freed,
    # unless they say that they are closed.
    closed = True
    __enter__ = staticmethod(gc.disable)  # type: ignore[assignment]
    close = staticmethod(gc.enable)

    def __new__(cls) -> collector_paused:
        return super().__new__(cls if gc.isenabled() else _paused_already)


def count_as_old() -> None:
    """Let the collector take all objects there are for old ones, which it rarely looks at.

    A network of a million parameters, made while the collector was paused, would be gone through as soon as it is back,
    and again a little later, for nothing. Objects that a program has frozen stay frozen, and nothing is done then.
    """
    if hasattr(gc, "freeze") and not gc.get_freeze_count():
        deque(map(call, (gc.freeze, gc.unfreeze)), maxlen=0)  # both, or neither: no signal handler runs between them


class _paused_already(collector_paused):
    """Inside another pause, or where the program runs without the collector: leaves it off."""

    close = staticmethod(gc.disable)
