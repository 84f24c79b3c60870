"""fit, the training loop: gradient of a batch, step of the optimiser, again, until the epochs are over.

The gradient comes from one of three backends, which give the same numbers: "eager" builds the graph of the batch out of
Values, as a learner would; "source" and "native" trace the graph of one sample and lower it to a function of all rows
(engine.lower). All else is shared: the order of the batches, the penalty, the optimiser, validation, stopping.
"""

from __future__ import annotations

import math
import sys
from random import Random
from time import perf_counter

from engine import Value, collector_paused, first_nonfinite, grad, mean
from engine import sum as sum_of

from .data import positive_int, read_rows, read_targets
from .layers import MLP
from .losses import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, mean_squared_error
from .module import Module
from .optim import Adam, Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Loss = Callable[[Any, Any], Value]
    Gradient = Callable[[Sequence[int]], tuple[float, list[float]]]
    Rows = list[list[float]]

BACKENDS = ("auto", "native", "source", "eager")
_LOSS_OF_OUTPUT: dict[str, Loss] = {
    "sigmoid": binary_cross_entropy_with_logits,
    "softmax": cross_entropy,
    "linear": mean_squared_error,
}
_ON_LOGITS: tuple[Loss, ...] = (binary_cross_entropy_with_logits, cross_entropy)
_LABELS: dict[Loss, str] = {
    binary_cross_entropy: "probability",
    binary_cross_entropy_with_logits: "probability",
    cross_entropy: "class",
}
_EAGER_ROWS = 64  # rows whose graph is in memory at a time
_MOST_EPOCHS = 1 << 16  # epochs that a backend is asked for at a time


class History:
    """What happened during ``fit``.

    loss            loss[k] is the mean loss of epoch k, before its update or updates: loss[0] is where training starts.
                    With mini-batches, the mean over the rows of the losses that each batch had at its turn. Without the
                    l2 penalty, so that it compares with val_loss
    accuracy        accuracy on the training rows after the updates of each epoch, where ``fit`` was asked for it
    val_loss, val_accuracy      on the validation data, after the updates of each epoch
    best_epoch      the epoch with the lowest val_loss; None without validation data
    stopped         why training ended: "epochs" (all done), "early_stopping", "callback", "interrupted" or "nonfinite"
    backend         what computed the gradients: "native", "source" or "eager"
    backend_reason  why this one
    """

    def __init__(self) -> None:
        self.loss: list[float] = []
        self.accuracy: list[float] = []
        self.val_loss: list[float] = []
        self.val_accuracy: list[float] = []
        self.best_epoch: int | None = None
        self.stopped = ""
        self.backend = ""
        self.backend_reason = ""

    @property
    def epochs(self) -> int:
        """The number of epochs completed."""
        return len(self.loss)

    def __repr__(self) -> str:
        loss = f", loss {self.loss[0]:.4g} to {self.loss[-1]:.4g}" if self.loss else ""
        return f"<History of {self.epochs} epochs{loss}, stopped: {self.stopped}, backend: {self.backend}>"


class NonFiniteError(FloatingPointError):
    """Training met a loss, a gradient or a step that is nan or infinite; the parameters stay those of the step before.

    epoch, batch    where, both counted from 0
    row             the row of X with which it starts; None where it is the step or the mean that overflows
    node            the first non-finite node in the graph of that row's loss, or None
    history         the History of the epochs before
    """

    def __init__(self, message: str, epoch: int, batch: int, row: int | None = None, node: Value | None = None) -> None:
        super().__init__(message)
        self.epoch, self.batch, self.row, self.node = epoch, batch, row, node
        self.history: History | None = None


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
    seed: int = 0,
    l2: float = 0.0,
    validation_data: tuple[object, object] | None = None,
    early_stopping: int | None = None,
    accuracy: bool = False,
    callback: Callable[[int, History], object] | None = None,
    backend: str = "auto",
    progress: bool | None = None,
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
    validation_data (X, y), evaluated after each epoch
    early_stopping  stop after so many epochs without a lower val_loss; the model is then given back the parameters of
                    history.best_epoch
    accuracy        record the training accuracy after each epoch as well
    callback        called as callback(epoch, history) after each epoch, counted from 0; True as its result stops the
                    training. It may change optimizer.lr
    backend         "native", "source", "eager", or "auto": the fastest there is
    progress        a progress bar (needs tqdm); None: where standard error is a terminal and tqdm is installed

    Each parameter's ``grad`` is left as the last step used it. Ctrl-C leaves the model, and the optimiser, at the end
    of a whole step; the KeyboardInterrupt is raised again and carries the history so far as its ``history``. Raises
    NonFiniteError where a loss, a gradient or a step is not finite; ValueError and TypeError for data and settings that
    make no sense, naming row and column.
    """
    job = _Job(
        model, X, y, optimizer, loss, epochs, batch_size, shuffle, seed, l2, validation_data, early_stopping, accuracy,
        callback,
    )  # fmt: skip
    if backend not in BACKENDS:
        raise ValueError(f"fit: backend must be one of {', '.join(BACKENDS)}; got {backend!r}")
    history = History()
    bar = _progress_bar(progress, job.epochs)
    try:
        run, evaluate = _prepare(job, backend, history)
        watcher = _Watcher(job, history, evaluate)
        most = 1 if watcher.needed or bar is not None else _MOST_EPOCHS
        while not history.stopped:
            started = perf_counter()
            losses = run(history.epochs, min(most, job.epochs - history.epochs))
            history.loss += losses
            watcher.after_epoch()
            if bar is not None:
                bar.set_postfix_str(f"loss {losses[-1]:.4g}", refresh=False)
                bar.update(len(losses))
                if not watcher.needed:  # as many epochs as make the bar move ten times a second
                    most = max(1, min(_MOST_EPOCHS, int(len(losses) * 0.1 / (perf_counter() - started + 1e-9))))
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
    finally:
        if bar is not None:
            bar.close()
    return history


class _Job:
    """What ``fit`` was asked to do, checked."""

    def __init__(
        self,
        model: Module,
        X: object,
        y: object,
        optimizer: Optimizer | None,
        loss: str | Loss,
        epochs: int,
        batch_size: int | None,
        shuffle: bool,
        seed: int,
        l2: float,
        validation_data: tuple[object, object] | None,
        early_stopping: int | None,
        accuracy: bool,
        callback: Callable[[int, History], object] | None,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"fit trains a Module such as MLP, got {model!r:.60} ({type(model).__name__})")
        self.model = model
        self.loss = _loss_function(model, loss)
        self.nin: int | None = getattr(model, "nin", None)
        self.rows = read_rows(X, self.nin)
        self.nin = len(self.rows[0])
        self.targets = self._targets(y, len(self.rows), "y")
        self.optimizer = Adam(model.parameters(), lr=0.01) if optimizer is None else optimizer
        self._check_optimizer()
        self.params = self.optimizer.params
        self.epochs = positive_int("fit: epochs", epochs)
        n = len(self.rows)
        self.batch_size = n if batch_size is None else min(n, positive_int("fit: batch_size", batch_size))
        self.shuffle = bool(shuffle) and self.batch_size < n
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise TypeError(f"fit: seed must be an integer, got {seed!r} ({type(seed).__name__})")
        self.seed = seed
        if not (isinstance(l2, (int, float)) and 0 <= l2 < math.inf):
            raise ValueError(f"fit: l2 must be a finite number of at least 0, got {l2!r}")
        self.l2 = float(l2)
        number = {parameter: i for i, parameter in enumerate(self.params)}
        # the indices in params of what the penalty acts on
        self.regularised = [number[w] for w in model.regularised() if w in number] if l2 else []
        self.validation: tuple[Rows, Rows] | None = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError(f"fit: validation_data must be a pair (X, y), got {type(validation_data).__name__}")
            rows = read_rows(validation_data[0], self.nin, "validation X")
            self.validation = rows, self._targets(validation_data[1], len(rows), "validation y")
        self.early_stopping = None if early_stopping is None else positive_int("fit: early_stopping", early_stopping)
        if early_stopping is not None and self.validation is None:
            raise ValueError("fit: early_stopping watches the loss on validation_data, which is missing: pass (X, y)")
        self.accuracy = bool(accuracy)
        if accuracy and not self.classifies:
            raise ValueError(f"fit: accuracy=True needs an MLP with sigmoid or softmax output, got {model!r:.60}")
        if callback is not None and not callable(callback):
            raise TypeError(f"fit: callback must be callable as callback(epoch, history), got {callback!r:.60}")
        self.callback = callback

    @property
    def classifies(self) -> bool:
        return isinstance(self.model, MLP) and self.model.output != "linear"

    @property
    def built_in(self) -> bool:
        """Whether the graph of a sample is known to be the same for all rows."""
        return type(self.model) is MLP and self.loss in (*_LOSS_OF_OUTPUT.values(), binary_cross_entropy)

    def sample(self, x: Sequence[float], target: Sequence[float]) -> tuple[list[Value], list[Value]]:
        """The leaves of the graph of one sample."""
        t = [Value(v, "y" if len(target) == 1 else f"y{k}") for k, v in enumerate(target, 1)]
        return [Value(v, f"x{j}") for j, v in enumerate(x, 1)], t

    def loss_of(self, x: list[Value], target: list[Value]) -> Value:
        """The loss of one sample, as a graph."""
        model: Any = self.model
        on_logits = self.loss in _ON_LOGITS and hasattr(model, "logits")
        prediction = model.logits(x) if on_logits else model(x)
        return self.loss_of_prediction(prediction, target)

    def loss_of_prediction(self, prediction: Any, target: list[Value]) -> Value:
        loss = self.loss(prediction, target[0] if len(target) == 1 else target)
        if not isinstance(loss, Value):
            raise TypeError(f"fit: the loss must be a Value, {_name(self.loss)} returned {loss!r:.60}")
        return loss

    def _targets(self, y: object, n: int, name: str) -> Rows:
        outputs = None
        if self.loss in _LABELS or self.loss is mean_squared_error:
            outputs = self.model.sizes[-1] if isinstance(self.model, MLP) else None
        if self.loss is cross_entropy and outputs == 1:
            raise ValueError(f"fit: cross_entropy needs at least 2 outputs, one a class; {self.model!r} has 1")
        return read_targets(y, n, outputs, _LABELS.get(self.loss, "real"), name)

    def _check_optimizer(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"fit: optimizer must be one such as SGD(model.parameters(), lr=0.1), got {self.optimizer!r:.60}"
            )
        strangers = set(self.optimizer.params).difference(self.model.parameters())
        if strangers:
            raise ValueError(
                f"fit: {len(strangers)} of the optimizer's {len(self.optimizer.params)} parameters do not belong to "
                f"{self.model!r:.60}: build the optimizer with this model's parameters()"
            )


def _loss_function(model: Module, loss: str | Loss) -> Loss:
    if loss == "auto":
        if not isinstance(model, MLP):
            raise ValueError(f'fit: loss="auto" is for an MLP; pass a loss function for {type(model).__name__}')
        return _LOSS_OF_OUTPUT[model.output]
    if not callable(loss):
        raise TypeError(f'fit: loss must be "auto" or a function of a prediction and a target, got {loss!r:.60}')
    return loss


def _name(function: object) -> str:
    return getattr(function, "__name__", repr(function))


def epoch_order(n: int, rng: Random) -> list[int]:
    """The order of n rows in one epoch: a random permutation.

    Sorted by random keys: three times as fast as rng.shuffle, and given by rng.random alone, which Python promises to
    keep the same for a seed.
    """
    keys = [rng.random() for _ in range(n)]
    return sorted(range(n), key=keys.__getitem__)


# Backends. ``run(epoch, most)`` trains for at least one and at most ``most`` epochs and returns their losses.
# ``evaluate(rows, targets)`` gives (mean loss, accuracy or None).

if TYPE_CHECKING:
    Run = Callable[[int, int], list[float]]
    Evaluate = Callable[[Rows, Rows], tuple[float, float | None]]


def _prepare(job: _Job, backend: str, history: History) -> tuple[Run, Evaluate]:
    """The function that trains, and the one that evaluates; the history is told the backend."""
    gradient, history.backend_reason = _gradient(job, backend)
    history.backend = gradient.backend
    run = None
    if isinstance(gradient, _LoweredGradient) and gradient.backend == "native":
        run = _compiled_epochs(job, gradient, history)
    return run or _python_epochs(job, gradient), gradient.evaluate


def _gradient(job: _Job, backend: str) -> tuple[_EagerGradient | _LoweredGradient, str]:
    """The gradient by that backend, and why by this one."""
    if backend == "eager":
        return _EagerGradient(job), "it was asked for"
    lowered = _LoweredGradient(job, backend)
    row = None if job.built_in else lowered.first_difference()
    if row is None:
        return lowered, lowered.kernel.backend_reason
    reason = (
        f"the graph of row {row} of X is not that of row 0: {_name(job.loss)} or {type(job.model).__name__} decides in "
        "Python what it computes, and a lowered graph would freeze that decision"
    )
    if backend != "auto":
        raise ValueError(f'fit: {reason}. Use backend="eager", or engine.where for the decision')
    return _EagerGradient(job), reason


def _python_epochs(job: _Job, gradient: Gradient) -> Run:
    """Epochs in Python: the gradient from a backend, everything else here."""
    rng, n, size = Random(job.seed), len(job.rows), job.batch_size

    def run(epoch: int, most: int) -> list[float]:
        order: Sequence[int] = epoch_order(n, rng) if job.shuffle else range(n)
        total = 0.0
        for number, start in enumerate(range(0, n, size)):
            batch = order[start : start + size]
            total += _step(job, gradient, epoch, number, batch) * (len(batch) / n)
        return [total]

    return run


def _step(job: _Job, gradient: Gradient, epoch: int, number: int, batch: Sequence[int]) -> float:
    """Take one step on these rows; the loss before it. Raises NonFiniteError, and then nothing has changed."""
    loss, gradients = gradient(batch)
    for i in job.regularised:
        gradients[i] += job.l2 * job.params[i].data
    if not (math.isfinite(loss) and all(map(math.isfinite, gradients))):
        raise _explained(job, epoch, number, batch, loss)
    for parameter, g in zip(job.params, gradients):
        parameter.grad = g
    data, state = job.optimizer.update()
    if not all(map(math.isfinite, data)):
        raise _overflowing_step(job, epoch, number, data)
    job.optimizer.commit(data, state)
    return loss


def _compiled_epochs(job: _Job, gradient: _LoweredGradient, history: History) -> Run | None:
    """Whole epochs in compiled code; None for an optimiser that exists in Python alone."""
    from .compiled import compiled_epochs, runs_compiled

    if not runs_compiled(job.optimizer):
        return None
    regularised = set(job.regularised)
    return compiled_epochs(
        gradient.kernel.native,
        gradient.rows,
        job.batch_size,
        job.optimizer,
        [job.l2 * (i in regularised) for i in range(len(job.params))] if job.l2 else None,
        Random(job.seed) if job.shuffle else None,
        lambda epoch, number, batch: _step(job, gradient, epoch, number, batch),
        history.loss,
    )


class _EagerGradient:
    """The gradient of the mean loss of a batch, from its graph of Values."""

    backend = "eager"

    def __init__(self, job: _Job) -> None:
        self.job = job
        self.samples = [job.sample(x, t) for x, t in zip(job.rows, job.targets)]

    def __call__(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        with collector_paused():
            total, gradients = 0.0, [0.0] * len(self.job.params)
            for start in range(0, len(batch), _EAGER_ROWS):
                loss, part = self._sum(batch[start : start + _EAGER_ROWS])
                total += loss
                gradients = [a + b for a, b in zip(gradients, part)]
            n = len(batch)
            return total / n, [g / n for g in gradients]

    def _sum(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        loss_of, samples = self.job.loss_of, self.samples
        total: Value = sum_of([loss_of(*samples[i]) for i in batch])
        return total.data, grad(total, self.job.params)

    def evaluate(self, rows: Rows, targets: Rows) -> tuple[float, float | None]:
        job = self.job
        with collector_paused():
            scores = [[v.data for v in _scores(job, *job.sample(x, t))] for x, t in zip(rows, targets)]
        means = [math.fsum(column) / len(rows) for column in zip(*scores)]
        return means[0], means[1] if job.classifies else None


class _LoweredGradient:
    """The gradient of the mean loss of a batch, from the lowered graph of one sample."""

    def __init__(self, job: _Job, backend: str) -> None:
        from engine import lower  # after all else of the engine: what never lowers need not load it

        self.job = job
        self.rows = [x + t for x, t in zip(job.rows, job.targets)]
        x, target = job.sample(job.rows[0], job.targets[0])
        self.kernel = lower(job.loss_of(x, target), inputs=[*x, *target], wrt=job.params, backend=backend)
        self.backend: str = self.kernel.backend
        self._scores: Any = None

    def __call__(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        loss, gradients = self.kernel(self.rows if len(batch) == len(self.rows) else [self.rows[i] for i in batch])
        return loss, list(gradients)

    def evaluate(self, rows: Rows, targets: Rows) -> tuple[float, float | None]:
        from engine import lower

        if self._scores is None:
            x, target = self.job.sample(rows[0], targets[0])
            self._scores = lower(_scores(self.job, x, target), inputs=[*x, *target], wrt=[], backend=self.backend)
        values, _ = self._scores([x + t for x, t in zip(rows, targets)])
        return values[0], values[1] if self.job.classifies else None

    def first_difference(self) -> int | None:
        """The first of up to 32 rows for which the lowered graph gives another loss than the graph made for it."""
        job, n = self.job, len(self.rows)
        for i in sorted({k * (n - 1) // 31 for k in range(32)}):
            expected = job.loss_of(*job.sample(job.rows[i], job.targets[i])).data
            found, _ = self.kernel([self.rows[i]])
            if not math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12) and math.isfinite(expected):
                return i
        return None


def _scores(job: _Job, x: list[Value], target: list[Value]) -> list[Value]:
    """[loss] of one sample, or [loss, share of outputs that are right], as graphs."""
    if not job.classifies:
        return [job.loss_of(x, target)]
    model = job.model
    assert isinstance(model, MLP)
    z = model.logits(x)
    on_logits = job.loss in _ON_LOGITS
    loss = job.loss_of_prediction(z if on_logits else model(x), target)
    return [loss, _correct(model.output, [z] if isinstance(z, Value) else z, target)]


def _correct(output: str, z: list[Value], target: list[Value]) -> Value:
    """MLP.accuracy for one sample, as a graph, which can be lowered."""
    if output == "softmax":
        best, right, largest = z[0], target[0], target[0]
        for z_k, t in zip(z[1:], target[1:]):
            right = z_k.gt(best).where(t, right)
            best, largest = z_k.maximum(best), largest.maximum(t)
        return right.eq(largest)
    right_outputs: Value = mean([z_k.ge(0.0).eq(t.ge(0.5)) for z_k, t in zip(z, target)])
    return right_outputs


# After each epoch, and when something goes wrong.


class _Watcher:
    """Looks at the model after each epoch: validation, early stopping, the callback."""

    def __init__(self, job: _Job, history: History, evaluate: Evaluate) -> None:
        self.job, self.history, self.evaluate = job, history, evaluate
        self.best: list[float] = []
        self.needed = bool(job.validation or job.accuracy or job.callback)

    def after_epoch(self) -> None:
        job, history = self.job, self.history
        epoch = history.epochs - 1
        if job.accuracy:
            share = self.evaluate(job.rows, job.targets)[1]
            assert share is not None
            history.accuracy.append(share)
        if job.validation:
            self._validate(epoch, *job.validation)
        if job.callback and job.callback(epoch, history) is True:
            history.stopped = "callback"
        if not history.stopped and history.epochs >= job.epochs:
            history.stopped = "epochs"
        if history.stopped and job.early_stopping:
            for parameter, data in zip(job.params, self.best):
                parameter.data = data

    def _validate(self, epoch: int, rows: Rows, targets: Rows) -> None:
        job, history = self.job, self.history
        loss, share = self.evaluate(rows, targets)
        history.val_loss.append(loss)
        if share is not None:
            history.val_accuracy.append(share)
        best = math.nan if history.best_epoch is None else history.val_loss[history.best_epoch]
        if loss < best or history.best_epoch is None or math.isnan(best):
            history.best_epoch = epoch
            self.best = [parameter.data for parameter in job.params]
        elif job.early_stopping and epoch - history.best_epoch >= job.early_stopping:
            history.stopped = "early_stopping"


def _explained(job: _Job, epoch: int, number: int, batch: Sequence[int], loss: float) -> NonFiniteError:
    """The error for a loss or a gradient that is not finite: the first row, and the first node, where it starts."""
    where = f"fit: epoch {epoch}, batch {number}"
    kept = "the parameters are those of the last finite step"
    for i in batch:
        loss_of_row = job.loss_of(*job.sample(job.rows[i], job.targets[i]))
        loss_of_row.zero_grad()
        loss_of_row.backward()
        node = first_nonfinite(loss_of_row)
        used = loss_of_row.data, *(parameter.grad for parameter in job.params)
        # Only what training uses counts: an infinite gradient by an input alone stops nothing.
        if node is not None and not all(map(math.isfinite, used)):
            return NonFiniteError(
                f"{where}, row {i} of X: {_described(node)}; {kept}. A lower lr or standardised inputs may help",
                epoch, number, i, node,
            )  # fmt: skip
    what = f"the mean loss is {loss}" if not math.isfinite(loss) else "the mean gradient overflows"
    return NonFiniteError(f"{where}: {what}, though each row's is finite; {kept}. A lower lr may help", epoch, number)


def _described(node: Value) -> str:
    """The node's op, label and operands in words."""
    label = f" ({node.label})" if node.label else ""
    if node.op is None:
        what = f"the leaf{label}"
    else:
        operands = ", ".join(f"{p.label}={p.data:.6g}" if p.label else f"{p.data:.6g}" for p in node.parents[:8])
        more = f", ... {len(node.parents)} in all" if len(node.parents) > 8 else ""
        what = f"{node.op.name}{label} of ({operands}{more})"
    if math.isfinite(node.data):
        return f"the first gradient that is not finite is that of {what}: {node.grad}"
    return f"the first value that is not finite is {what} = {node.data}"


def _overflowing_step(job: _Job, epoch: int, number: int, data: list[float]) -> NonFiniteError:
    i = next(i for i, w in enumerate(data) if not math.isfinite(w))
    names = {parameter: name for name, parameter in job.model.named_parameters()}
    parameter = job.params[i]
    return NonFiniteError(
        f"fit: epoch {epoch}, batch {number}: the step of {type(job.optimizer).__name__} would make "
        f"{names[parameter]} {data[i]} (it is {parameter.data:.6g}, its gradient {parameter.grad:.6g}); "
        "it was not taken, the parameters are those of the last finite step. A lower lr may help",
        epoch, number,
    )  # fmt: skip


def _progress_bar(progress: bool | None, epochs: int) -> Any:
    if progress is False or (progress is None and not (sys.stderr and sys.stderr.isatty())):
        return None
    try:
        from tqdm import tqdm
    except ImportError:
        if progress is None:
            return None
        raise ImportError("fit: progress=True needs tqdm: pip install tqdm, or leave progress out") from None
    return tqdm(total=epochs, unit="epoch")
