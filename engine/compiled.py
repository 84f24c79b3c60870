"""Compiled code for many Values or numbers at once, where it is loaded: by a kernel that runs, or for very many."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SOME, _MANY = 64, 500_000  # items that compiled code is used for, where it is loaded; that it is loaded for


def compiled(n: int) -> Any:
    """The module for n items (lowering/native/objects.py), or None where it is not worth while.

    Its functions return None where Python's objects are not as they are expected to be.
    """
    module = sys.modules.get("engine.lowering.native.objects") if n >= _SOME else None
    if module is None and n >= _MANY:
        try:
            from .lowering.native import objects as module
        except ImportError:
            return None
    return module
