"""The gradient of the mean loss of a batch: from its graph of Values, or from the lowered graph of one sample."""

from __future__ import annotations

import math
import warnings

from engine import Value, collector_paused, grad, mean
from engine import sum as sum_of
from engine.recording import recording
from nn.layers import MLP, one_or_all

from .job import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from engine.rows import Rows

    from .job import Job

_EAGER_ROWS = 64  # rows whose graph is in memory at a time


def choose_gradient(job: Job, backend: str) -> tuple[EagerGradient | LoweredGradient, str]:
    """The gradient as that backend computes it, and why this one was chosen."""
    if backend == "eager":
        return EagerGradient(job), "it was asked for"
    frozen = "" if job.built_in else _number_taken(job)
    if not frozen:
        lowered = LoweredGradient(job, backend)
        row = None if job.built_in else lowered.first_difference()
        if row is None:
            return lowered, lowered.kernel.backend_reason
        frozen = f"the graph of row {row} of X is not that of row 0"
    reason = (
        f"{name_of(job.loss)} or {type(job.model).__name__} decides in Python what it computes ({frozen}), and a "
        "lowered graph would freeze that: use engine.where for a decision, engine.exp and the like for a function"
    )
    if backend != "auto":
        raise ValueError(f'fit: {reason}; or backend="eager"')
    warnings.warn(f"fit runs on the eager backend: {reason}", stacklevel=5)
    return EagerGradient(job), reason


def _number_taken(job: Job) -> str:
    """Where the loss of a sample takes a number out of its graph; empty where it does not."""
    with collector_paused(), recording() as record:
        job.loss_of_row(0)
    return str(record.taken[0]) if record.taken else ""


class EagerGradient:
    """The gradient, from a graph of the batch built out of Values, as a learner would."""

    backend = "eager"

    def __init__(self, job: Job) -> None:
        self.job = job
        self.leaves = [job.leaves(x) for x in job.samples]

    def __call__(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        """(mean loss, its gradient with respect to the parameters) over these rows."""
        with collector_paused():
            total, gradients = 0.0, [0.0] * len(self.job.params)
            for start in range(0, len(batch), _EAGER_ROWS):
                loss, part = self._sum(batch[start : start + _EAGER_ROWS])
                total += loss
                gradients = [a + b for a, b in zip(gradients, part)]
            n = len(batch)
            return total / n, [g / n for g in gradients]

    def _sum(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        loss_of, leaves = self.job.loss_of, self.leaves
        total: Value = sum_of([loss_of(x, target, weight) for x, target, weight in map(leaves.__getitem__, batch)])
        return total.data, grad(total, self.job.params)

    def evaluate(self, samples: Rows) -> tuple[float, float | None]:
        """(mean loss, accuracy or None) over samples."""
        job = self.job
        with collector_paused():
            leaves = map(job.leaves, samples)
            scores = [[v.data for v in _scores(job, x, target)] for x, target, _ in leaves]
        means = [math.fsum(column) / len(samples) for column in zip(*scores)]
        return means[0], means[1] if job.classifies else None


class LoweredGradient:
    """The gradient, from the graph of one sample, lowered to a function of all rows."""

    def __init__(self, job: Job, backend: Any) -> None:
        # After all else of the engine: what never lowers need not load it.
        from engine.lowering.kernel import lower, lower_for_training

        self.job = job
        x, target, weight = job.leaves(job.samples[0])
        loss = job.loss_of(x, target, weight, numbers=not job.built_in)
        inputs = [*x, *target, *weight]
        groups = job.groups_trained_first()
        if groups is not None:
            self.kernel = lower_for_training(loss, inputs, job.params, groups, backend)
        else:
            self.kernel = lower(loss, inputs=inputs, wrt=job.params, backend=backend)
        self.backend: Any = self.kernel.backend
        self._scores: Any = None

    def __call__(self, batch: Sequence[int]) -> tuple[float, list[float]]:
        """(mean loss, its gradient with respect to the parameters) over these rows."""
        samples = self.job.samples
        loss, gradients = self.kernel(samples if len(batch) == len(samples) else samples.take(batch))
        return loss, list(gradients)

    def evaluate(self, samples: Rows) -> tuple[float, float | None]:
        """(mean loss, accuracy or None) over samples."""
        from engine.lowering.kernel import lower, lower_values

        if self._scores is None:
            x, target, weight = self.job.leaves(samples[0])
            scores, inputs = _scores(self.job, x, target, numbers=not self.job.built_in), [*x, *target, *weight]
            if self.job.groups is not None:
                self._scores = lower_values(scores, inputs, self.job.groups, self.backend)
            else:
                self._scores = lower(scores, inputs=inputs, wrt=[], backend=self.backend)
        values, _ = self._scores(samples)
        return values[0], values[1] if self.job.classifies else None

    def first_difference(self) -> int | None:
        """The first of up to 32 rows for which the lowered graph gives another loss than the graph made for it."""
        n = len(self.job.samples)
        for i in sorted({k * (n - 1) // 31 for k in range(32)}):
            expected = self.job.loss_of_row(i).data
            found, _ = self.kernel(self.job.samples.take([i]))
            if not math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-12) and math.isfinite(expected):
                return i
        return None


def _scores(job: Job, x: list[Value], target: list[Value], numbers: bool = True) -> list[Value]:
    """[loss] of one sample, or [loss, share of outputs that are right], as graphs."""
    model = job.model
    if type(model) is not MLP or model.output == "linear":
        return [job.loss_of_prediction(job.prediction(x), target)]
    z = model._logits(x, numbers)
    loss = job.loss_of_prediction(one_or_all(z if job.on_logits else model._outputs(z)), target)
    return [loss, _correct(model.output, z, target)]


def _correct(output: str, z: list[Value], target: list[Value]) -> Value:
    """MLP.accuracy for one sample, as a graph, which can be lowered."""
    if output == "softmax":
        best, right, largest = z[0], target[0], target[0]
        for z_k, t in zip(z[1:], target[1:]):
            right = z_k.gt(best).where(t, right)
            best, largest = z_k.maximum(best), largest.maximum(t)
        return right.eq(largest)
    half = 0.5 if output == "sigmoid" else 0.0
    right_outputs: Value = mean([z_k.ge(0.0).eq(t.ge(half)) for z_k, t in zip(z, target)])
    return right_outputs
