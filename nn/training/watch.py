"""What is looked at after an epoch: validation, early stopping, the callback."""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.rows import Rows

    from .history import History
    from .interrupts import Interrupts
    from .job import Job

    Evaluate = Callable[[Rows], tuple[float, float | None]]


class Watcher:
    """Looks at the model after each epoch, and says in ``history.stopped`` when the training is over.

    needed    whether there is anything to look at after each single epoch
    """

    def __init__(self, job: Job, history: History, interrupts: Interrupts, evaluate: Evaluate) -> None:
        self.job, self.history, self.interrupts, self.evaluate = job, history, interrupts, evaluate
        self.until = history.epochs + job.epochs
        self.needed = bool(job.validation or job.accuracy or job.callback or job.schedule)

    def before_epoch(self) -> None:
        """Set the learning rate where there is a schedule."""
        if self.job.schedule:
            self.job.optimizer.lr = self.job.schedule(self.history.epochs)

    def after_epoch(self) -> None:
        """Record what was asked for, and decide whether to stop."""
        job, history = self.job, self.history
        share = self.evaluate(job.samples)[1] if job.accuracy else None
        valid = self.evaluate(job.validation) if job.validation else None
        with self.interrupts.held():
            if share is not None:
                history.accuracy.append(share)
            if valid is not None:
                self._validated(*valid)
        if job.callback:
            answer = job.callback(history.epochs - 1, history)
            self.interrupts.forget()  # a callback may catch KeyboardInterrupt
            job.check_parameters(history.epochs - 1)
            if is_true(answer):
                history.stopped = "callback"
        if not history.stopped and history.epochs >= self.until:
            history.stopped = "epochs"
        if history.stopped and job.early_stopping:
            with self.interrupts.held():
                for parameter, data in zip(job.params, history.best_parameters):
                    parameter.data = data

    def _validated(self, loss: float, share: float | None) -> None:
        job, history = self.job, self.history
        history.val_loss.append(loss)
        if share is not None:
            history.val_accuracy.append(share)
        best = math.nan if history.best_epoch is None else history.val_loss[history.best_epoch]
        if loss < best or history.best_epoch is None or math.isnan(best):
            history.best_epoch = history.epochs - 1
            history.best_parameters = [parameter.data for parameter in job.params]
        elif job.early_stopping and history.epochs - 1 - history.best_epoch >= job.early_stopping:
            history.stopped = "early_stopping"


def is_true(answer: object) -> bool:
    """Whether a callback's answer is True, Python's or NumPy's; a list or a number that happens to be true is not."""
    return answer is True or (type(answer).__name__ in ("bool", "bool_") and bool(answer))
