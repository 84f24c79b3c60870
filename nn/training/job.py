"""What ``fit`` was asked to do, checked before anything is trained."""

from __future__ import annotations

import math

from engine import Value
from engine.rows import Rows, is_real, read_rows
from nn.data import checked_seed, positive_int, read_targets
from nn.layers import MLP
from nn.losses import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, mean_squared_error
from nn.module import Module
from nn.optim import Adam, Optimizer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random
    from typing import Any

    from .history import History

    Loss = Callable[[Any, Any], Value]

_LOSS_OF_OUTPUT: dict[str, Loss] = {
    "sigmoid": binary_cross_entropy_with_logits,
    "softmax": cross_entropy,
    "linear": mean_squared_error,
    "tanh": mean_squared_error,
}
_ON_LOGITS: tuple[Loss, ...] = (binary_cross_entropy_with_logits, cross_entropy)
_LABELS: dict[Loss, str] = {
    binary_cross_entropy: "probability",
    binary_cross_entropy_with_logits: "probability",
    cross_entropy: "class",
}


class Job:
    """A training, checked: the arguments of ``fit``, which says what each means.

    samples     the inputs of each row followed by its targets
    params      the parameters that the optimiser holds
    regularised the indices in params of those that the penalty acts on
    """

    def __init__(
        self,
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
        validation_data: tuple[object, object] | None = None,
        early_stopping: int | None = None,
        accuracy: bool = False,
        callback: Callable[[int, History], object] | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"fit trains a Module such as MLP, got {model!r:.60} ({type(model).__name__})")
        self.model = model
        self.loss = _loss_function(model, loss)
        rows = read_rows(X, getattr(model, "nin", None))
        self.nin = rows.width
        self.samples = rows.beside(self._targets(y, len(rows), "y"))
        self.optimizer = Adam(model.parameters(), lr=0.01) if optimizer is None else optimizer
        self._check_optimizer()
        self.params = self.optimizer.params
        self.epochs = positive_int("fit: epochs", epochs)
        n = len(rows)
        self.batch_size = n if batch_size is None else min(n, positive_int("fit: batch_size", batch_size))
        self.shuffle = bool(shuffle) and self.batch_size < n
        self.rng = checked_seed("fit: seed", seed)
        self.l2 = _penalty(l2)
        number = {parameter: i for i, parameter in enumerate(self.params)}
        self.regularised = [number[w] for w in model.regularised() if w in number] if self.l2 else []
        self.validation: Rows | None = None
        if validation_data is not None:
            if not isinstance(validation_data, (tuple, list)) or len(validation_data) != 2:
                raise TypeError(f"fit: validation_data must be a pair (X, y), got {type(validation_data).__name__}")
            rows = read_rows(validation_data[0], self.nin, "validation X")
            self.validation = rows.beside(self._targets(validation_data[1], len(rows), "validation y"))
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

    @property
    def on_logits(self) -> bool:
        """Whether the loss takes the model's logits rather than its output."""
        return self.loss in _ON_LOGITS and hasattr(self.model, "logits")

    def leaves(self, sample: Sequence[float]) -> tuple[list[Value], list[Value]]:
        """The leaves of the graph of one sample: its inputs and its targets."""
        x, target = sample[: self.nin], sample[self.nin :]
        t = [Value(v, "y" if len(target) == 1 else f"y{k}") for k, v in enumerate(target, 1)]
        return [Value(v, f"x{j}") for j, v in enumerate(x, 1)], t

    def loss_of_row(self, i: int) -> Value:
        """The loss of row i, as a graph."""
        return self.loss_of(*self.leaves(self.samples[i]))

    def loss_of(self, x: list[Value], target: list[Value]) -> Value:
        """The loss of one sample, as a graph."""
        model: Any = self.model
        return self.loss_of_prediction(model.logits(x) if self.on_logits else model(x), target)

    def loss_of_prediction(self, prediction: Any, target: list[Value]) -> Value:
        """The loss of a prediction, as a graph."""
        loss = self.loss(prediction, target[0] if len(target) == 1 else target)
        if not isinstance(loss, Value):
            raise TypeError(f"fit: the loss must be a Value, {name_of(self.loss)} returned {loss!r:.60}")
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


def _penalty(l2: Any) -> float:
    if isinstance(l2, bool) or not is_real(type(l2)) or not 0 <= l2 < math.inf:
        raise ValueError(f"fit: l2 must be a finite number of at least 0, got {l2!r:.60}")
    return float(l2)


def name_of(function: object) -> str:
    """What messages call a function."""
    return getattr(function, "__name__", repr(function))
