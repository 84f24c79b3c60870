"""Lowering: the graph of one sample becomes a fast function of many rows.

program.py      trace a graph and its gradient as a flat program, simplified as it is written
source.py       the program as Python that a learner can read;  c_source.py  as one C99 file
jax_kernel.py   to_jax, a kernel as a function on jax.numpy
native/         the program on the compiled interpreter
kernel.py       ``lower`` and ``Kernel``, in front of both
"""

from __future__ import annotations

from .kernel import Kernel, choose_backend, lower
from .program import Program
from .trace import trace

__all__ = ["Kernel", "Program", "choose_backend", "lower", "trace"]
