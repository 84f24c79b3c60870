"""Epochs on the compiled interpreter: batches, gradient, penalty and the optimiser's update in C.

Python is seen again when the epochs asked for are over, and every 20th of a second, so that Ctrl-C is answered.
Parameters, gradients and the optimiser's state then go back to where the other backends keep them, so that nothing but
the time differs.
"""

from __future__ import annotations

from array import array

from engine.compiled import write_numbers
from nn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop, Same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from engine.lowering import Kernel

    from .history import History
    from .interrupts import Interrupts
    from .job import Job

    Step = Callable[[int, int, Sequence[int]], tuple[float, Callable[[], None]]]

DONE, TIME_IS_UP, NOT_FINITE = range(3)  # what Trainer.run returns
_BREATH = 0.05  # seconds between two looks at what Python has to say


def runs_compiled(optimizer: Optimizer) -> bool:
    """Whether this optimiser's update exists in C: nn's own, whose parameters have all taken as many steps."""
    steps = optimizer.kept["step"]
    return type(optimizer) in _SETTINGS and (type(steps) is Same or steps.count(steps[0]) == len(steps))


def _steps(optimizer: Optimizer) -> float:
    """How many steps the parameters of such an optimiser have taken."""
    steps = optimizer.kept["step"]
    number: float = steps.number if type(steps) is Same else steps[0]
    return number


class CompiledEpochs:
    """``run(most, step)`` trains for so many epochs, and adds their losses to the history."""

    def __init__(self, trainer: Any, kernel: Kernel, job: Job, history: History, interrupts: Interrupts) -> None:
        self.trainer, self.kernel, self.optimizer, self.batch_size = trainer, kernel, job.optimizer, job.batch_size
        self.history, self.interrupts = history, interrupts
        self.rng = history.generator if job.shuffle else None
        self._ahead = False  # whether compiled code has gone on from what Python's objects hold

    def run(self, most: int, step: Step, more: bool = False) -> None:
        """Train for ``most`` epochs, or until Ctrl-C is pressed.

        step   computes one step in Python, on the rows given: called for the step that C refused because something is
               not finite, to say what. Not kept, since it belongs to what holds this object: a cycle would keep the
               model in memory when its training is over
        more   another portion follows, or ``settle``, and nobody looks at model or optimiser before: they may wait
        """
        trainer, losses = self.trainer, array("d", bytes(8 * most))
        with self.interrupts.held():
            if not self._ahead:
                self._load()
            trainer.begin()
            self._ahead = False
            try:
                while (state := trainer.run(most, losses, _BREATH)) != DONE and not self.interrupts.asked:
                    if state == NOT_FINITE:
                        self._step_in_python(step)
                self._ahead = more and not self.interrupts.asked
            finally:
                if not self._ahead:
                    self._store()
                self.history.loss.extend(losses[: trainer.epoch])
                if self.rng is not None:
                    self.rng.setstate((3, trainer.generator, None))

    def settle(self) -> None:
        """Let model and optimiser be where the training is, after portions of which more were to follow."""
        if self._ahead:
            with self.interrupts.held():
                self._ahead = False
                self._store()

    def _step_in_python(self, step: Step) -> None:
        """Take the step that C refused, or raise what says why not."""
        self._store()
        trainer, start = self.trainer, self.trainer.position
        batch = list(trainer.permutation[start : start + self.batch_size])
        loss, commit = step(self.history.epochs + trainer.epoch, start // self.batch_size, batch)
        commit()
        trainer.skip(len(batch), loss)  # it was finite in Python after all, by a rounding
        self._load()

    def _load(self) -> None:
        optimizer = self.optimizer
        name, settings, lists = _SETTINGS[type(optimizer)](optimizer)
        data = self.kernel.parameters()
        state = [optimizer.kept[key] if key else None for key in lists]
        state = [numbers.number if type(numbers) is Same else numbers for numbers in state]
        self.trainer.load(data, name, lr=optimizer.lr, weight_decay=optimizer.weight_decay,
                          step=int(_steps(optimizer)), state=state, **settings)  # fmt: skip

    def _store(self) -> None:
        trainer, optimizer = self.trainer, self.optimizer
        if trainer.steps <= _steps(optimizer):
            return
        _, _, lists = _SETTINGS[type(optimizer)](optimizer)
        state = {**optimizer.kept, "step": Same(float(trainer.steps), len(optimizer.params))}
        state.update((key, numbers) for key, numbers in zip(lists, trainer.state()) if key)
        gradient = trainer.gradient()
        if gradient is not None:
            write_numbers(optimizer.params, "grad", gradient)()
        optimizer.commit(trainer.parameters(), state)


# For each optimiser: its name in compiled code, its hyperparameters there, and which of its lists are used.

if TYPE_CHECKING:
    Settings = tuple[str, dict[str, Any], tuple[str | None, ...]]


def _sgd(o: Any) -> Settings:
    settings = {"flag": o.nesterov, "h0": o.momentum, "h1": o.dampening}
    return "sgd", settings, ("momentum_buffer" if o.momentum else None,)


def _adam(o: Any) -> Settings:
    settings = {"flag": o.amsgrad, "h0": o.betas[0], "h1": o.betas[1], "h2": o.eps}
    name = type(o).__name__.lower()
    return name, settings, ("exp_avg", "exp_avg_sq", "max_exp_avg_sq" if o.amsgrad else None)


def _rmsprop(o: Any) -> Settings:
    settings = {"flag": o.centered, "h0": o.alpha, "h1": o.momentum, "h2": o.eps}
    return "rmsprop", settings, (
        "square_avg", "grad_avg" if o.centered else None, "momentum_buffer" if o.momentum else None
    )  # fmt: skip


def _adagrad(o: Any) -> Settings:
    return "adagrad", {"h0": o.lr_decay, "h2": o.eps}, ("sum",)


_SETTINGS: dict[type[Optimizer], Callable[[Any], Settings]] = {
    SGD: _sgd, Adam: _adam, AdamW: _adam, RMSprop: _rmsprop, Adagrad: _adagrad
}  # fmt: skip
