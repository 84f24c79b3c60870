"""Forward-mode differentiation: tangents, from the leaves on to the outputs, in one sweep for one direction."""

from __future__ import annotations

from .derivatives import checked_values, numbers_for
from .graph import toposort
from .operands import NOTHING
from .reverse import numbers_taken

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .value import Value


def jvp(outputs: Sequence[Value], wrt: Sequence[Value], tangents: Iterable[float]) -> list[float]:
    """J·v, the Jacobian times the vector v of ``tangents``, one for each node of ``wrt``.

    How each output moves while the nodes of ``wrt`` move with these speeds. An output that does not depend on them
    gives 0.0. Raises ValueError where there are not as many tangents as nodes.

    >>> from engine import Value
    >>> a, b = Value(2.0), Value(3.0)
    >>> jvp([a * b, a + b], [a, b], [1.0, 10.0])
    [23.0, 11.0]
    """
    rows, columns = checked_values(outputs, "jvp: outputs"), checked_values(wrt, "jvp: wrt")
    numbers_taken(rows)
    moving: dict[Value, float] = {}
    for node, tangent in zip(columns, numbers_for(tangents, columns, "jvp", "tangents", "nodes of wrt")):
        if tangent:  # what does not move passes nothing on, whatever its derivative
            moving[node] = moving.get(node, 0.0) + tangent
    # As grad has it, a node of wrt that depends on another moves by itself alone with its tangent, and with the other.
    for node in toposort(*rows):
        for parent, derivative in zip(node.parents, node.local_derivatives):
            if derivative is not NOTHING and parent in moving:
                moving[node] = moving.get(node, 0.0) + derivative * moving[parent]
    return [moving.get(node, 0.0) for node in rows]
