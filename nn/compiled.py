"""Epochs of ``fit`` on the compiled interpreter: batches, gradient, penalty and the optimiser's update in C.

Python is seen again when an epoch is over that someone looks at, when training ends, and every 20th of a second, so
that Ctrl-C is answered. Parameters, gradients and the optimiser's state then go back to where the other backends keep
them, so that nothing but the time differs.
"""

from __future__ import annotations

from array import array
from itertools import chain
from random import Random

from .optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from engine.native import NativeKernel

_BREATH = 0.05  # seconds between two looks at what Python has to say


def runs_compiled(optimizer: Optimizer) -> bool:
    """Whether this optimiser's update exists in C: nn's own, whose parameters have all taken as many steps."""
    return type(optimizer) in _SETTINGS and len(set(optimizer.state["step"])) == 1


def compiled_epochs(
    kernel: NativeKernel,
    rows: Sequence[Sequence[float]],
    batch_size: int,
    optimizer: Optimizer,
    l2: Sequence[float] | None,
    rng: Random | None,
    step: Callable[[int, int, Sequence[int]], float],
    losses: list[float],
) -> Callable[[int, int], list[float]]:
    """A function ``run(epoch, most)`` that trains for ``most`` epochs, and returns their losses.

    rows    inputs and targets of each sample; rng gives their order, None leaves it
    l2      the coefficient of the penalty, for each parameter of the optimiser
    step    takes one step in Python, on the rows given: called for the step that C refused because something is not
            finite, to say what
    losses  receives those of the epochs done when an exception ends the run
    """
    from engine.native import DONE, NOT_FINITE, Trainer

    n = len(rows)
    generator = None if rng is None else rng.getstate()[1]
    trainer = Trainer(kernel, array("d", chain.from_iterable(rows)), n, batch_size, l2, generator)

    def run(epoch: int, most: int) -> list[float]:
        room = array("d", bytes(8 * most))
        _load(trainer, kernel, optimizer)
        trainer.begin()
        try:
            while (state := trainer.run(most, room, _BREATH)) != DONE:
                if state == NOT_FINITE:
                    _store(trainer, optimizer)
                    start = trainer.position
                    batch = list(trainer.permutation[start : start + batch_size])
                    loss = step(epoch + trainer.epoch, start // batch_size, batch)
                    trainer.skip(len(batch), loss)  # it was finite in Python after all, by a rounding
                    _load(trainer, kernel, optimizer)
        except BaseException:
            losses.extend(room[: trainer.epoch])
            raise
        finally:
            if trainer.steps > optimizer.state["step"][0]:
                _store(trainer, optimizer)
        return room.tolist()

    return run


def _load(trainer: Any, kernel: NativeKernel, optimizer: Optimizer) -> None:
    name, settings, lists = _SETTINGS[type(optimizer)](optimizer)
    data = [parameter.data for parameter in kernel.program.parameter_values]
    state = [optimizer.state[key] if key else None for key in lists]
    trainer.load(data, name, lr=optimizer.lr, weight_decay=optimizer.weight_decay,
                 step=int(optimizer.state["step"][0]), state=state, **settings)  # fmt: skip


def _store(trainer: Any, optimizer: Optimizer) -> None:
    _, _, lists = _SETTINGS[type(optimizer)](optimizer)
    state = dict(optimizer.state)
    state["step"] = [float(trainer.steps)] * len(optimizer.params)
    state.update((key, numbers) for key, numbers in zip(lists, trainer.state()) if key)
    data = trainer.parameters()
    for parameter, g in zip(optimizer.params, trainer.gradient() or ()):
        parameter.grad = g
    optimizer.commit(data, state)


# For each optimiser: its name in engine.native, its hyperparameters there, and which of its lists are used.

if TYPE_CHECKING:
    Settings = tuple[str, dict[str, Any], tuple[str | None, ...]]


def _sgd(o: Any) -> Settings:
    settings = {"flag": o.nesterov, "h0": o.momentum, "h1": o.dampening}
    return "sgd", settings, ("momentum_buffer" if o.momentum else None,)


def _adam(o: Any) -> Settings:
    settings = {"flag": o.amsgrad, "h0": o.betas[0], "h1": o.betas[1], "h2": o.eps}
    name = "adamw" if o.decoupled else "adam"
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
