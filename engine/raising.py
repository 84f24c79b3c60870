"""Where the code of an expression may raise an exception in Python: there generate.py writes a guard, and nowhere else.

``math.exp(-abs(a))`` raises for no number, ``math.exp(a)`` does above 709.8. Which arguments a function may get is
found on intervals (bounds.py), through conditions too: ``expm1(a)`` where ``a > 0`` does not hold.
"""

from __future__ import annotations

import math
import sys

from .bounds import ANY, computed, evaluated
from .expressions import Node, names
from .ieee import MATH, NEVER_RAISE, RAISED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .bounds import Bound

_LARGEST = sys.float_info.max


def may_raise(tree: Node, known: Mapping[str, Node]) -> bool:
    """Whether an expression raises for some numbers.

    known   the expressions behind names in it that are computed before; all other names may be any number
    """
    return any(_raises(op.name, operands) for op, operands, _ in computed(tree, _values(tree, known)))


def _values(tree: Node, known: Mapping[str, Node]) -> dict[str, Bound | list[Bound]]:
    values: dict[str, Bound | list[Bound]] = {"n": (1.0, math.inf, False), "rest": [ANY, ANY]}
    for name in names(tree):
        if name in known:
            values[name] = evaluated(known[name], _values(known[name], known), [])
        else:
            values.setdefault(name, ANY)
    return values


def _raises(name: str, operands: tuple[Bound, ...]) -> bool:
    """Whether the Python code of an operation raises somewhere in these intervals."""
    if name in ("div", "mod"):
        low, high, _ = operands[1]
        return low <= 0 <= high
    if name not in MATH or name in NEVER_RAISE:  # by an IEEE function, or by one that has its own guard
        return False
    if len(operands) > 1:  # pow
        return True
    function = getattr(math, MATH[name])
    low, high, _ = operands[0]
    for x in (low, high, max(low, -_LARGEST), min(high, _LARGEST)):  # what raises does so at an end
        try:
            function(x)
        except RAISED:
            return True
    return False
