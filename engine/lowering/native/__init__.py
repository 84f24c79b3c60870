"""The compiled interpreter: a program laid out as a tape, and the kernel and the trainer that run it.

The interpreter (the C files in ``c/``) knows two kinds of tape, and both are written from one plan:

- plan.py finds the structure that a flat program has lost. Dots that share their inputs are one blocked product; the
  products of gradients that are only summed over the samples, ``dz_j * a_k``, are one outer product that never needs to
  be stored for a sample; ``x * (s * (1 - s))`` is one operation.
- a tape of lanes (lanes.py), for batches: a row of samples for each value. A row is used again once its value is dead,
  so that the rows of a block stay in the cache. terms.py says what is a sum of rows and their products, schedule.py in
  which order values are computed.
- a flat tape, for what is the same for all samples, and for training on one sample at a time: the values of a layer
  side by side, so that one instruction takes a whole layer, and the parameters permuted to suit.

graphs.py goes before both: of a large graph of simple operations it writes the program itself in compiled code. What
compiled code reads or writes of a program are arrays (coded.py).

Nothing is compiled here: the shared object is built when the package is installed (build.py), and library.py loads it.
"""

from __future__ import annotations

from .kernel import NativeKernel
from .library import LIBRARY, available, compiler, instruction_sets, loaded_library
from .trainer import DONE, NOT_FINITE, OPTIMIZERS, TIME_IS_UP, Trainer

__all__ = [
    "DONE", "LIBRARY", "NOT_FINITE", "NativeKernel", "OPTIMIZERS", "TIME_IS_UP", "Trainer", "available", "compiler",
    "instruction_sets", "loaded_library",
]  # fmt: skip
