"""Compiled code for many Values or numbers at once, where it is loaded: by a kernel that runs, or for very many."""

from __future__ import annotations

import sys
from collections import deque
from functools import partial
from itertools import repeat
from operator import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .value import Value

_SOME, _MANY = 64, 500_000  # items that compiled code is used for, where it is loaded; that it is usually loaded for


def compiled(n: int, many: int = _MANY) -> Any:
    """The module for n items (lowering/native/objects.py), or None where it is not worth while.

    many   items that it is loaded for, which takes about 40 ms

    Its functions return None where Python's objects are not as they are expected to be.
    """
    module = sys.modules.get("engine.lowering.native.objects") if n >= _SOME else None
    if module is None and n >= many:
        try:
            from .lowering.native import objects as module
        except ImportError:
            return None
    return module


def write_numbers(nodes: list[Value], name: str, numbers: Sequence[float]) -> Callable[[], object]:
    """A call that gives each Value its number as ``data`` or ``grad``; it runs in C and Python does not interrupt it.

    nodes and numbers   must be held, and stay as they are, until it is called
    """
    module = compiled(len(nodes))
    in_c: Callable[[], object] | None = module and module.writing(nodes, name, numbers)
    by_python: Callable[[], object] = partial(deque, map(setattr, nodes, repeat(name), numbers), maxlen=0)
    # Where the first cannot write all, the second does.
    return by_python if in_c is None else partial(any, map(call, (in_c, by_python)))
