"""Python's cyclic collector, out of the way.

While a graph grows, the collector goes through all of its nodes again and again, looking for cycles that are not there.
In a large graph this takes most of the time.
"""

from __future__ import annotations

import gc


class collector_paused:
    """A context without the cyclic collector; on leaving it, by whatever way, the collector is as it was.

    >>> from engine import Value, collector_paused
    >>> with collector_paused():
    ...     y = Value(1.0)
    ...     for _ in range(1000):
    ...         y = y * 1.001
    """

    def __enter__(self) -> None:
        self.was_enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *exception: object) -> None:
        if self.was_enabled:
            gc.enable()
