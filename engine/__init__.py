"""A scalar reverse-mode automatic differentiation engine: numbers that remember how they were computed.

>>> from engine import Value, tanh
>>> a, b = Value(2.0, label="a"), Value(-3.0, label="b")
>>> c = a * b + tanh(a)
>>> c.backward()
>>> a.grad, b.grad
(-2.9293491751468355, 2.0)
"""

from __future__ import annotations

from .check import GradcheckError, GradcheckReport, gradcheck
from .collector import collector_paused
from .derivatives import grad, hessian, hvp, jacobian, vjp
from .forward import jvp
from .graph import first_nonfinite, toposort
from .operations import *  # noqa: F403  one free function for each row of the table
from .operations import FUNCTIONS
from .ops import OPS, Op
from .value import Value
from .weighted import dot

__version__ = "0.2.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .definition import define
    from .lowering import Kernel as Kernel
    from .lowering import lower
    from .lowering.jax_kernel import to_jax

# sum, abs, pow and round are left out of the star import only: there they would hide Python's own.
__all__ = [
    "GradcheckError", "GradcheckReport", "OPS", "Op", "Value", "collector_paused", "first_nonfinite", "grad",
    "gradcheck", "hessian", "hvp", "jacobian", "jvp", "vjp", "define", "dot", "lower",
    "to_jax", "toposort",
    *(name for name in FUNCTIONS if name not in ("sum", "abs", "pow", "round") and not OPS[name].helper),
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in ("lower", "Kernel"):  # lowering is loaded when it is first asked for
        from . import lowering

        return getattr(lowering, name)
    if name == "define":
        from .definition import define

        return define
    if name in FUNCTIONS:  # defined by a user
        return FUNCTIONS[name]
    if name == "to_jax":
        from .lowering.jax_kernel import to_jax

        return to_jax
    if name == "no_grad":
        raise AttributeError("engine has no no_grad: a graph is gone when it is dropped; predict builds none")
    raise AttributeError(f"module 'engine' has no attribute {name!r}")
