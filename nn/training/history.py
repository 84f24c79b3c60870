"""What a training leaves behind: its History, or the error that ended it."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from random import Random

    from engine import Value


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
    generator       what draws the order of the batches, as it is now; ``fit(history=...)`` goes on with it
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
        self.generator: Random | None = None
        self.best_parameters: list[float] = []  # those of best_epoch, for early stopping

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
