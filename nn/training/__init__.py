"""Training: ``fit``, and what it is made of.

fit.py         fit itself: the loop over the epochs
job.py         what fit was asked to do, checked
gradients.py   the gradient of a batch, by eager Values or by a lowered graph, and which of the two
epochs.py      the epochs of a training: batches and steps in Python
compiled.py    the same in compiled code
watch.py       what is looked at after an epoch: validation, early stopping, the callback
explain.py     what is said where a number is not finite
interrupts.py  Ctrl-C, between steps and never inside one
history.py     what a training leaves behind
"""

from __future__ import annotations

from .epochs import epoch_order
from .fit import fit
from .history import History, NonFiniteError

__all__ = ["History", "NonFiniteError", "epoch_order", "fit"]
