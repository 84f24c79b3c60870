"""The epochs of a training: batches in their order, and steps of the optimiser."""

from __future__ import annotations

import math

from .compiled import CompiledEpochs, runs_compiled
from .explain import not_finite, overflowing_step
from .gradients import LoweredGradient, choose_gradient
from .guards import look_for_mistakes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

    from engine.rows import Rows

    from .history import History
    from .interrupts import Interrupts
    from .job import Job


def epoch_order(n: int, rng: Random) -> list[int]:
    """The order of n rows in one epoch: a random permutation.

    Sorted by random keys: three times as fast as rng.shuffle, and given by rng.random alone, which Python promises to
    keep the same for a seed.
    """
    keys = [rng.random() for _ in range(n)]
    return sorted(range(n), key=keys.__getitem__)


class Training:
    """A training that is prepared: ``run(most)`` trains for so many epochs, and adds their losses to the history.

    Whole epochs run in compiled code where the gradient is native and the optimiser's update is one of nn's; otherwise
    each step is made here. A step changes parameters, optimiser and history together, or not at all.
    """

    def __init__(self, job: Job, backend: str, history: History, interrupts: Interrupts) -> None:
        self.job, self.history, self.interrupts = job, history, interrupts
        look_for_mistakes(job)
        self.gradient, history.backend_reason = choose_gradient(job, backend)
        history.backend = self.gradient.backend
        self.rng = job.rng if history.generator is None else history.generator
        history.generator = self.rng
        self._compiled: CompiledEpochs | None = None
        if isinstance(self.gradient, LoweredGradient) and runs_compiled(job.optimizer):
            trainer = self.gradient.kernel.trainer(
                job.samples,
                job.batch_size,
                self._penalties(),
                self.rng.getstate()[1] if job.shuffle else None,
            )
            if trainer is not None:
                self._compiled = CompiledEpochs(trainer, self.gradient.kernel, job, history, interrupts)

    def run(self, most: int, more: bool = False) -> None:
        """Train for ``most`` epochs, or until Ctrl-C is pressed.

        more   another portion follows, or ``settle``, and nobody looks at model or optimiser before: they may wait
        """
        self.interrupts.check()
        if self._compiled is not None:
            self._compiled.run(most, self.step, more)
        else:
            for _ in range(most):
                self._epoch()
                self.interrupts.check()

    def settle(self) -> None:
        """Let model and optimiser be where the training is, after portions of which more were to follow."""
        if self._compiled is not None:
            self._compiled.settle()

    def _epoch(self) -> None:
        job, n = self.job, len(self.job.samples)
        order: Sequence[int] = epoch_order(n, self.rng) if job.shuffle else range(n)
        total = 0.0
        for number, start in enumerate(range(0, n, job.batch_size)):
            batch = order[start : start + job.batch_size]
            loss, commit = self.step(self.history.epochs, number, batch)
            total += loss * (len(batch) / n)
            with self.interrupts.held():
                commit()
                if start + len(batch) == n:
                    self.history.loss.append(total)

    def step(self, epoch: int, number: int, batch: Sequence[int]) -> tuple[float, Callable[[], None]]:
        """(the loss on these rows, a function that takes the step). Raises NonFiniteError; nothing has changed yet."""
        job = self.job
        loss, gradients = self.gradient(batch)
        for i in job.regularised:
            gradients[i] += job.l2 * job.params[i].data
        if not (math.isfinite(loss) and all(map(math.isfinite, gradients))):
            raise not_finite(job, epoch, number, batch, loss)
        for parameter, g in zip(job.params, gradients):
            parameter.grad = g
        data, state = job.optimizer.update()
        if not all(map(math.isfinite, data)):
            raise overflowing_step(job, epoch, number, data)
        return loss, lambda: job.optimizer.commit(data, state)

    def evaluate(self, samples: Rows) -> tuple[float, float | None]:
        """(mean loss, accuracy or None) over samples."""
        return self.gradient.evaluate(samples)

    def _penalties(self) -> list[float] | None:
        """The coefficient of the penalty for each parameter; None without one."""
        job = self.job
        regularised = set(job.regularised)
        return [job.l2 * (i in regularised) for i in range(len(job.params))] if job.l2 else None
