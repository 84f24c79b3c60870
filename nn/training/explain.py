"""What is said where a loss, a gradient or a step is not finite: the epoch, the batch, the row and the first node."""

from __future__ import annotations

import math

from engine import first_nonfinite

from .history import NonFiniteError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine import Value

    from .job import Job


def not_finite(job: Job, epoch: int, number: int, batch: Sequence[int], loss: float) -> NonFiniteError:
    """The error for a loss or a gradient that is not finite: the first row, and the first node, where it starts."""
    where = f"fit: epoch {epoch}, batch {number}"
    kept = "the parameters are those of the last finite step"
    for i in batch:
        loss_of_row = job.loss_of_row(i)
        loss_of_row.zero_grad()
        loss_of_row.backward()
        node = first_nonfinite(loss_of_row)
        used = loss_of_row.data, *(parameter.grad for parameter in job.params)
        # Only what training uses counts: an infinite derivative with respect to an input alone stops nothing.
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


def overflowing_step(job: Job, epoch: int, number: int, data: list[float]) -> NonFiniteError:
    """The error for a step that would make a parameter infinite."""
    i = next(i for i, w in enumerate(data) if not math.isfinite(w))
    names = {parameter: name for name, parameter in job.model.named_parameters()}
    parameter = job.params[i]
    return NonFiniteError(
        f"fit: epoch {epoch}, batch {number}: the step of {type(job.optimizer).__name__} would make "
        f"{names[parameter]} {data[i]} (it is {parameter.data:.6g}, its gradient {parameter.grad:.6g}); "
        "it was not taken, the parameters are those of the last finite step. A lower lr may help",
        epoch, number,
    )  # fmt: skip
