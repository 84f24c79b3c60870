"""Whole epochs of training in compiled code."""

from __future__ import annotations

import ctypes
import math
from array import array

from .kernel import NativeKernel, placed
from .objects import start_of, zeros
from .tape import address

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from .objects import Doubles


class _Optimizer(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int32), ("flag", ctypes.c_int32),
        *((name, ctypes.c_double) for name in ("lr", "h0", "h1", "h2", "weight_decay")),
        ("step", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("s0", "s1", "s2")),
    ]  # fmt: skip


class _Training(ctypes.Structure):
    _fields_ = [
        ("tape", ctypes.c_void_p), ("X", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("row", "samples", "batch")),
        *((name, ctypes.c_void_p) for name in ("order", "generator", "keys", "l2")),
        ("n_trained", ctypes.c_int64), ("optimizer", _Optimizer),
        ("epoch", ctypes.c_int64), ("position", ctypes.c_int64),
        ("epoch_loss", ctypes.c_double), ("last_batch", ctypes.c_int64), ("sums", ctypes.c_void_p),
        ("largest", ctypes.c_double), ("largest_l2", ctypes.c_double), ("stale", ctypes.c_int64),
        ("measured", ctypes.c_int64), ("largest_input", ctypes.c_double),
    ]  # fmt: skip


OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")  # in the order in which kernels.h numbers them
DONE, TIME_IS_UP, NOT_FINITE = range(3)
_FEW = 2  # samples a step of layers that are computed one by one, at most


def _from_line(n: int) -> memoryview[float]:
    """n times 0.0, the first where a cache line begins: else each vector of them lies in two."""
    room = zeros(n + 7)
    first = -start_of(room) // 8 % 8
    return memoryview(room).cast("B").cast("d")[first : first + n]


class Trainer:
    """Whole epochs in compiled code: batches, gradient, penalty and update.

    kernel      of one output, the loss, and its gradient with respect to all of its first parameters
    rows, n     the samples: the inputs of the program, row after row
    batch       samples a step
    l2          a coefficient c a trained parameter, or None: adds c/2 p² to what is minimised, not to the losses
    generator   None: the rows keep their order. Else the state of a random.Random (``getstate()[1]``); each epoch takes
                the rows sorted by one ``random()`` each

    ``load`` parameters and optimiser, ``begin``, ``run``, and read ``parameters()``, ``state()`` and ``gradient()``.
    """

    def __init__(
        self, kernel: NativeKernel, rows: Sequence[float], n: int, batch: int,
        l2: Sequence[float] | None = None, generator: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        program = kernel.program
        self._trained = k = len(program.wrt_ids)
        wrt, first = program.wrt_ids, program.parameter_range[:k]
        trains = wrt == first if isinstance(wrt, range) else list(wrt) == list(first)
        if len(program.outputs) != 1 or not trains or len(program.entries) != 1:
            raise ValueError(
                "native: training needs one output and its gradient with respect to leaves that are parameters"
            )
        self._c = kernel.library.c
        if batch == 1 or (batch <= _FEW and program.layers):
            self._tape, self._order = kernel.flat_tape(batch)
        else:
            self._tape, self._order = kernel.tape(float(batch) * program.size, batch=batch)
        width = len(program.inputs)
        if n < 1 or batch < 1 or len(rows) != n * width or n >= 2**31:
            raise ValueError(f"native: {len(rows)} numbers are not {n} rows of {width} inputs")
        X, self._rows = placed(rows)
        self._l2 = None if l2 is None else self._permuted(l2)
        self._state: list[Doubles | None] = [None, None, None]
        self.permutation = array("i", range(n))
        self._keys = array("d", bytes(16 * n + 16))
        self._generator = None if generator is None else array("I", generator)
        self._job = job = _Training()
        job.tape, job.X = self._tape.pointer, X
        job.row, job.samples, job.batch, job.n_trained = width, n, batch, k
        job.keys = address(self._keys)
        if self._l2 is not None:
            job.l2 = start_of(self._l2)
        if self._generator is not None:
            job.order, job.generator = address(self.permutation), address(self._generator)

    def _permuted(self, numbers: Sequence[float] | float) -> Doubles:
        """One number a parameter, in the order of the tape; or one for all."""
        if isinstance(numbers, float):
            permuted = _from_line(self._trained)
            if numbers:
                permuted[:] = array("d", [numbers]) * self._trained
        else:
            permuted = _from_line(len(numbers))
            self._permute(numbers, start_of(permuted))
        return permuted

    def _permute(self, numbers: Sequence[float], target: int) -> None:
        if len(numbers) not in (self._trained, self._tape.n_parameters):
            raise ValueError(f"native: {len(numbers)} numbers for {self._trained} parameters")
        start, keeper = placed(numbers)
        self._move(start, len(numbers), self._order.given, target)
        del keeper

    def _restored(self, source: int) -> Doubles:
        """The trained parameters' numbers, which lie there in the order of the tape, in that of the program."""
        restored = zeros(self._trained)
        self._move(source, self._trained, self._order.placed, start_of(restored))
        return restored

    def _move(self, source: int, n: int, places: array[int] | None, target: int) -> None:
        """Copy n doubles: those at these places, or as they are."""
        if places is None:
            ctypes.memmove(target, source, 8 * n)
        else:
            self._c.take(source, address(places), n, target)

    def load(
        self, parameters: Sequence[float], optimizer: str, *, lr: float, flag: bool = False, h0: float = 0.0,
        h1: float = 0.0, h2: float = 0.0, weight_decay: float = 0.0, step: int = 0,
        state: Sequence[Sequence[float] | float | None] = (),
    ) -> None:  # fmt: skip
        """Parameters (of the whole program) and an optimiser, whose hyperparameters h0, h1, h2 and flag are, as is the
        meaning of its three lists of state, those that optimizers.h names beside its update. A list of one number may
        be that number.
        """
        self._permute(parameters, self._tape.parameters)
        lists = (*state, None, None, None)[:3]
        self._state = [None if numbers is None else self._permuted(numbers) for numbers in lists]
        kind = OPTIMIZERS.index(optimizer)
        pointers = [None if numbers is None else start_of(numbers) for numbers in self._state]
        self._job.largest = math.inf  # to be measured
        self._job.optimizer = _Optimizer(kind, flag, lr, h0, h1, h2, weight_decay, step, *pointers)

    def begin(self) -> None:
        """Count epochs and samples from 0."""
        self._job.epoch = self._job.position = 0

    def run(self, epochs: int, losses: array[float], seconds: float) -> int:
        """Train until ``epochs`` epochs are done since ``begin``, or for about so many seconds.

        The mean loss of each goes to ``losses``. Returns DONE, TIME_IS_UP, or NOT_FINITE: the step at ``position`` is
        not taken, because its loss, its gradient or the new parameters are not finite.
        """
        if len(losses) < epochs:
            raise ValueError(f"native: room for {len(losses)} losses, and {epochs} epochs")
        return int(self._c.tape_train(ctypes.byref(self._job), epochs, seconds, address(losses)))

    @property
    def epoch(self) -> int:
        """Whole epochs done since ``begin``."""
        return int(self._job.epoch)

    @property
    def position(self) -> int:
        """Samples of the current epoch that have been used."""
        return int(self._job.position)

    def skip(self, samples: int, loss: float) -> None:
        """Count so many samples of the current epoch as used, with this mean loss: a step taken elsewhere."""
        self._job.position += samples
        self._job.epoch_loss += loss * samples

    @property
    def steps(self) -> int:
        """Steps the optimiser has taken, those before ``load`` included."""
        return int(self._job.optimizer.step)

    @property
    def generator(self) -> tuple[int, ...]:
        """The state of the generator that orders the rows, as it is now; empty where they keep their order."""
        return () if self._generator is None else tuple(self._generator)

    def parameters(self) -> Doubles:
        """The trained parameters."""
        return self._restored(self._tape.parameters)

    def gradient(self) -> Doubles | None:
        """The gradient of the last step, penalty included; None before the first, and after one that was not taken."""
        if not self._job.sums:
            return None
        g = zeros(self._trained)
        placed = self._order.placed
        self._c.tape_gradient(ctypes.byref(self._job), None if placed is None else address(placed), start_of(g))
        return g

    def state(self) -> list[Doubles | None]:
        """The optimiser's lists of state."""
        return [None if numbers is None else self._restored(start_of(numbers)) for numbers in self._state]
