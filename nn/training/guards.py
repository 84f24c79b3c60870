"""What would train, and learn nothing or something else than was meant: refused, or warned about in one line."""

from __future__ import annotations

import warnings
from operator import mul

from engine import collector_paused, toposort
from nn.layers import MLP

from .job import name_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine import Value

    from .job import Job

_SPREAD = 100.0  # times as much as another column's is too much
_SATURATED = 10.0  # where sigmoid and tanh have no slope left that matters
_LOOKED_AT = 20_000  # numbers of X, at most, that are looked at


def look_for_mistakes(job: Job) -> None:
    """Refuse and warn before the training starts."""
    if not job.built_in:
        with collector_paused():
            _check_dependence(job, job.loss_of_row(0))
    model = job.model
    if type(model) is MLP:
        if job.labels in ("real", "sign"):
            _warn_about_targets(job, model)
        if model.mean is None:
            _warn_about_scales(job, model)


def _check_dependence(job: Job, loss: Value) -> None:
    """Raises ValueError where the loss depends on no parameter that is trained."""
    if set(job.params).isdisjoint(toposort(loss)):
        raise ValueError(
            f"fit: the loss does not depend on any parameter: {name_of(job.loss)} returned a number that no longer "
            "knows what it was computed from. Compute it from the prediction with the operations of engine"
        )


def _warn_about_targets(job: Job, model: MLP) -> None:
    """Warn where targets of -1 meet an output that is never below 0."""
    samples = job.samples
    lowest = min([min(samples.numbers[job.nin + k :: samples.width]) for k in range(job.outputs)])
    if model.output in ("sigmoid", "softmax") and lowest < 0:
        _warn(
            f"y goes down to {lowest:g}, and a {model.output} output never goes below 0: make the model "
            'with output="linear", or output="tanh" for labels of -1 and 1'
        )


def _warn_about_scales(job: Job, model: MLP) -> None:
    """Warn where the columns of X differ so much in scale, or are so large, that training will crawl."""
    rows = job.samples
    seen = rows.take(range(0, len(rows), max(1, len(rows) * rows.width // _LOOKED_AT)))
    spreads = []
    for j in range(job.nin):
        column = seen.numbers[j :: rows.width]
        spreads.append(max(column) - min(column))
    large, small = max(spreads), min((s for s in spreads if s > 0), default=0.0)
    if small and large > _SPREAD * small:
        _warn(
            f"column {spreads.index(large)} of X spreads over {large:.3g} and column {spreads.index(small)} over "
            f"{small:.3g}: pass standardize=True"
        )
    elif model.layers[0].activation in ("sigmoid", "tanh"):
        some = [seen[i][: job.nin] for i in range(0, len(seen), max(1, len(seen) // 8))]
        first = [([w.data for w in neuron.weights], neuron.bias.data) for neuron in model.layers[0].neurons[:8]]
        z = [sum(map(mul, weights, x)) + b for weights, b in first for x in some]
        if sum(abs(z_k) > _SATURATED for z_k in z) > len(z) / 2:
            _warn(
                "X is so large that the neurons of the first layer are saturated, where they have no slope to learn "
                "by: pass standardize=True"
            )


def _warn(message: str) -> None:
    warnings.warn(f"fit: {message}", stacklevel=7)  # where fit is called
