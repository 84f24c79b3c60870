"""fit, the training loop: gradient of a batch, step of the optimiser, again, until the epochs are over.

The gradient comes from one of three backends, which give the same numbers: "eager" builds the graph of the batch out of
Values, as a learner would; "source" and "native" trace the graph of one sample and lower it to a function of all rows
(engine.lower). All else is shared: the order of the batches, the penalty, the optimiser, validation, stopping.
"""

from __future__ import annotations

import sys
from time import perf_counter

from engine.collector import collector_paused, count_as_old

from .epochs import Training
from .history import History, NonFiniteError
from .interrupts import Interrupts
from .job import Job
from .watch import Watcher

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random
    from typing import Any

    from nn.module import Module
    from nn.optim import Optimizer

    from .job import Loss

BACKENDS = ("auto", "native", "source", "eager")
_MANY = 10_000  # parameters
_MOST_EPOCHS = 1 << 16  # epochs that are asked for at a time


def fit(
    model: Module,
    X: object,
    y: object,
    *,
    optimizer: Optimizer | None = None,
    loss: str | Loss = "auto",
    epochs: int = 100,
    batch_size: int | None = None,
    shuffle: bool = True,
    seed: int | Random | None = 0,
    l2: float = 0.0,
    class_weight: dict[Any, float] | str | None = None,
    sample_weight: object = None,
    validation_data: tuple[object, object] | None = None,
    validation_split: float = 0.0,
    standardize: bool = False,
    schedule: Callable[[int], float] | None = None,
    early_stopping: int | None = None,
    accuracy: bool = False,
    callback: Callable[[int, History], object] | None = None,
    backend: str = "auto",
    progress: bool | None = None,
    history: History | None = None,
) -> History:
    """Train the model on rows X and targets y; return the History.

    X, y            rows of numbers and a target for each; lists, tuples, arrays or buffers. Targets in [0, 1] for
                    sigmoid outputs; class indices or rows of probabilities for softmax; any numbers for linear outputs
    optimizer       default Adam(model.parameters(), lr=0.01). It may hold some of the parameters only; the others then
                    stay as they are
    loss            "auto" follows the model's output: binary cross-entropy on logits, softmax cross-entropy, or mean
                    squared error. Or a function of one prediction (the model's output) and one target, both Values (or
                    lists of them), that returns a Value; nn's own losses on logits get the logits
    epochs          how often each row is used
    batch_size      rows a step; None: all of them (full batch), to which ``shuffle`` makes no difference
    shuffle, seed   mini-batches follow a new permutation each epoch, drawn from random.Random(seed): see epoch_order
    l2              adds l2/2 times the sum of the squared weights to what is minimised (not the biases of nn's layers:
                    Module.regularised says which), and so l2 * w to the gradient; history.loss leaves it out
    class_weight    a number for each label of y, {0: 1.0, 1: 5.0}, by which losses of its rows count; or "balanced"
    sample_weight   a number of at least 0 for each row, by which its loss counts. The weights are scaled to a mean of
                    1: a weight of 2 is as good as the row twice, 0 as good as no row
    validation_data (X, y), evaluated after each epoch, every row with weight 1
    validation_split    or a share of the rows, drawn at random with the seed, that is held out for it
    standardize     make (x - mean) / scale of the training rows the model's own first step, which applies in every call
                    and is saved with it. A model that has such a step keeps it
    schedule        called as schedule(epoch) before each epoch, gives its learning rate: see nn.schedules
    early_stopping  stop after so many epochs without a lower val_loss; the model is then given back the parameters of
                    history.best_epoch
    accuracy        record the training accuracy after each epoch as well
    callback        called as callback(epoch, history) after each epoch, counted from 0; True as its result stops the
                    training. It may change optimizer.lr
    backend         "native", "source", "eager", or "auto": the fastest there is
    progress        a progress bar (needs tqdm); None: where standard error is a terminal and tqdm is installed
    history         that of an earlier training, which this one continues for ``epochs`` more: epochs count on, the
                    order of batches goes on where it was, and the best epoch stays the best

    Each parameter's ``grad`` is left as the last step used it. Ctrl-C leaves the model, and the optimiser, at the end
    of a whole step; the KeyboardInterrupt is raised again and carries the history so far as its ``history``. Raises
    NonFiniteError where a loss, a gradient or a step is not finite; ValueError and TypeError for data and settings that
    make no sense, naming row and column.

    >>> from nn import MLP, schedules
    >>> X, y = [[1000 * (k % 7), 0.1 * (k % 3)] for k in range(60)], [int(k % 7 > 4) for k in range(60)]
    >>> model = MLP(2, [4, 1])
    >>> history = fit(model, X, y, standardize=True, class_weight="balanced", validation_split=0.2, batch_size=8,
    ...               schedule=schedules.cosine(0.2, epochs=100), epochs=100)
    >>> len(history.val_loss), model.accuracy(X, y)
    (100, 1.0)
    """
    if backend not in BACKENDS:
        raise ValueError(f"fit: backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    history = History() if history is None else history
    if not isinstance(history, History):
        raise TypeError(f"fit: history must be that of an earlier training, got {type(history).__name__}")
    history.stopped = ""
    try:
        with Interrupts() as interrupts:
            with collector_paused():
                job = Job(
                    model, X, y, optimizer=optimizer, loss=loss, epochs=epochs, batch_size=batch_size, shuffle=shuffle,
                    seed=seed, l2=l2, class_weight=class_weight, sample_weight=sample_weight,
                    validation_data=validation_data, validation_split=validation_split, standardize=standardize,
                    schedule=schedule, early_stopping=early_stopping, accuracy=accuracy, callback=callback,
                )  # fmt: skip
            bar = _ProgressBar(progress, job.epochs)
            try:
                _train(job, backend, history, interrupts, bar)
            finally:
                bar.close()
    except KeyboardInterrupt as interrupt:
        history.stopped = "interrupted"
        interrupt.history = history  # type: ignore[attr-defined]
        interrupt.add_note(
            f"fit was interrupted in epoch {history.epochs}: the model is at the end of a whole step, "
            "and this exception's .history holds the epochs before"
        )
        raise
    except NonFiniteError as error:
        history.stopped = "nonfinite"
        error.history = history
        raise
    return history


def _train(job: Job, backend: str, history: History, interrupts: Interrupts, bar: _ProgressBar) -> None:
    """The loop. It ends when the history says why."""
    with collector_paused():
        training = Training(job, backend, history, interrupts)
        if len(job.params) > _MANY:
            count_as_old()  # what lists them would be gone through again and again
    watcher = Watcher(job, history, interrupts, training.evaluate)
    most = 1 if watcher.needed or bar.shown else _MOST_EPOCHS
    while not history.stopped:
        started, before = perf_counter(), history.epochs
        watcher.before_epoch()
        training.run(min(most, watcher.until - before))
        watcher.after_epoch()
        bar.update(history)
        if bar.shown and not watcher.needed:  # as many epochs as make the bar move ten times a second
            most = max(1, min(_MOST_EPOCHS, int(most * 0.1 / (perf_counter() - started + 1e-9))))


class _ProgressBar:
    """tqdm's bar of epochs with the loss beside it, where it was asked for, or where there is a terminal to see it."""

    def __init__(self, progress: bool | None, epochs: int) -> None:
        self._bar: Any = None
        if progress is False or (progress is None and not (sys.stderr and sys.stderr.isatty())):
            return
        try:
            from tqdm import tqdm
        except ImportError:
            if progress is None:
                return
            raise ImportError("fit: progress=True needs tqdm: pip install tqdm, or leave progress out") from None
        self._bar = tqdm(total=epochs, unit="epoch")

    @property
    def shown(self) -> bool:
        return self._bar is not None

    def update(self, history: History) -> None:
        if self._bar is not None:
            self._bar.set_postfix_str(f"loss {history.loss[-1]:.4g}", refresh=False)
            self._bar.update(history.epochs - self._bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
