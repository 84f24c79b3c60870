"""Activations and the initial weights that go with them.

Any operation of one argument is an activation: a row of the table (engine/ops.py) or one made by ``engine.define``. How
large its initial weights are follows from its slopes, so that there is nothing else to add for a new one.
"""

from __future__ import annotations

import math
from functools import cache

from engine import OPS, Value, grad

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_FAR = 3.0  # where the slopes are compared
_USUAL = ("sigmoid", "tanh", "relu", "linear")


def activation_names() -> tuple[str, ...]:
    """The names of all activations, the usual ones first; "linear" is none at all."""
    return (*_USUAL, *(name for name in OPS if _is_activation(name) and name not in _USUAL))


def _is_activation(name: str) -> bool:
    op = OPS.get(name)
    return name == "linear" if op is None else bool(op.arity and op.arity - len(op.defaults) == 1)


def checked_activation(name: object) -> str:
    """The name, where it is that of an activation. Raises ValueError that lists the usual ones and the nearest."""
    if isinstance(name, str) and _is_activation(name):  # asked for each neuron: without listing them all
        return name
    import difflib

    near = difflib.get_close_matches(str(name), activation_names(), 1)
    raise ValueError(
        f"activation must be one of {', '.join(_USUAL)} or another operation of one argument; got {name!r:.60}"
        + (f": did you mean {near[0]!r}?" if near else "")
    )


def initial_bound(activation: str, fan_in: int, fan_out: int) -> float:
    """The largest magnitude of an initial weight.

    An activation that is much flatter on one side, as relu is, passes about half of what it gets: sqrt(6 / fan_in), by
    He. Others are steepest around 0: sqrt(6 / (fan_in + fan_out)), by Glorot.
    """
    return math.sqrt(6 / fan_in) if _is_rectifier(activation) else math.sqrt(6 / (fan_in + fan_out))


@cache
def _is_rectifier(activation: str) -> bool:
    if activation == "linear":
        return False
    low, high = (abs(_slope(activation, z)) for z in (-_FAR, _FAR))
    return min(low, high) < 0.5 * max(low, high)


def _slope(activation: str, z: float) -> float:
    leaf = Value(z)
    return grad(apply(activation, leaf), [leaf])[0]


def apply(activation: str, z: Value) -> Value:
    """The activation of z."""
    a: Value = getattr(z, activation)()
    return a


def one_of(name: str, value: object, choices: Sequence[str]) -> str:
    """value, where it is among the choices. Raises ValueError that lists them."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}; got {value!r:.60}")
    return value
