"""What ``fit`` was asked to do, checked before anything is trained."""

from __future__ import annotations

import math
from array import array
from itertools import chain
from random import Random

from engine import Value
from engine.compiled import compiled
from engine.operands import shortened
from engine.rows import Rows, is_real, read_rows, real
from nn.data import checked_seed, positive_int, read_targets
from nn.layers import MLP, one_or_all
from nn.losses import binary_cross_entropy, binary_cross_entropy_with_logits, cross_entropy, hinge, mean_squared_error
from nn.module import Module
from nn.optim import Adam, Optimizer
from nn.standardize import mean_and_scale, standardized

from .weights import row_weights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
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
    hinge: "sign",
}


class Job:
    """A training, checked: the arguments of ``fit``, which says what each means.

    samples     the inputs of each row, as the first layer gets them, its targets, and its weight where rows have one
    params      the parameters that the optimiser holds
    parameters  those of the model; groups, of an MLP, are the same in tuples such as the weights of a neuron
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
        class_weight: Any = None,
        sample_weight: object = None,
        validation_data: tuple[object, object] | None = None,
        validation_split: float = 0.0,
        standardize: bool = False,
        schedule: Callable[[int], float] | None = None,
        early_stopping: int | None = None,
        accuracy: bool = False,
        callback: Callable[[int, History], object] | None = None,
    ) -> None:
        if not isinstance(model, Module):
            raise TypeError(f"fit trains a Module such as MLP, got {model!r:.60} ({type(model).__name__})")
        self.model = model
        self.loss = _loss_function(model, loss)
        rows = read_rows(X, getattr(model, "nin", None))
        targets = self._targets(y, len(rows), "y")
        weights = row_weights(sample_weight, class_weight, targets)
        self.nin, self.outputs, self.weighted = rows.width, targets.width, weights is not None
        self.groups = model._groups() if type(model) is MLP else None
        if self.groups is not None and isinstance(optimizer, Optimizer) and _consists_of(optimizer.params, self.groups):
            self.parameters = optimizer.params  # another list of a million would cost as much as the comparison
        else:
            self.parameters = model.parameters()
        self.optimizer = Adam(self.parameters, lr=0.01) if optimizer is None else optimizer
        self._check_optimizer()
        self.params, self._state = self.optimizer.params, self.optimizer.kept.keys()
        self.epochs = positive_int("fit: epochs", epochs)
        self.rng = checked_seed("fit: seed", seed)
        self.early_stopping = None if early_stopping is None else positive_int("fit: early_stopping", early_stopping)
        self.accuracy, self.callback, self.schedule = bool(accuracy), callback, schedule
        self._check_settings(standardize)
        samples = rows.beside(targets) if weights is None else rows.beside(targets).beside(weights)
        samples, self.validation = self._validation(samples, validation_data, validation_split, seed)
        if early_stopping is not None and self.validation is None:
            raise ValueError(
                "fit: early_stopping watches the loss on validation data, which is missing: pass "
                "validation_data=(X, y) or validation_split"
            )
        n = len(samples)
        self.batch_size = n if batch_size is None else min(n, positive_int("fit: batch_size", batch_size))
        self.shuffle = bool(shuffle) and self.batch_size < n
        self.l2 = _penalty(l2)
        penalised = set(model.regularised()) if self.l2 else set()
        self.regularised = [i for i, parameter in enumerate(self.params) if parameter in penalised] if self.l2 else []
        self.samples = self._as_the_first_layer_gets_them(samples, standardize)

    @property
    def classifies(self) -> bool:
        return isinstance(self.model, MLP) and self.model.output != "linear"

    @property
    def built_in(self) -> bool:
        """Whether the graph of a sample is known to be the same for all rows."""
        return type(self.model) is MLP and self.loss in (*_LOSS_OF_OUTPUT.values(), binary_cross_entropy, hinge)

    @property
    def labels(self) -> str:
        """What kind of targets the loss takes: "probability", "class", "sign" or "real"."""
        return _LABELS.get(self.loss, "real")

    @property
    def on_logits(self) -> bool:
        """Whether the loss takes the model's logits rather than its output."""
        return self.loss in _ON_LOGITS and hasattr(self.model, "logits")

    def groups_trained_first(self) -> list[tuple[Value, ...]] | None:
        """The groups, those that the optimiser holds first and in its order; None where it holds parts of them."""
        if self.groups is None or self.params is self.parameters or self.params == self.parameters:
            return self.groups
        trained = set(self.params)  # each is there once, which the optimiser has looked at
        first = [group for group in self.groups if group[0] in trained]
        others = [group for group in self.groups if group[0] not in trained]
        whole = _consists_of(self.params, first) and trained.isdisjoint(chain.from_iterable(others))
        return first + others if whole else None

    def leaves(self, sample: Sequence[float]) -> list[list[Value]]:
        """The leaves of the graph of one sample: its inputs, its targets, its weight or nothing."""
        end = self.nin + self.outputs
        x, target, weight = sample[: self.nin], sample[self.nin : end], sample[end:]
        t = [Value(v, "y" if len(target) == 1 else f"y{k}") for k, v in enumerate(target, 1)]
        return [[Value(v, f"x{j}") for j, v in enumerate(x, 1)], t, [Value(v, "weight") for v in weight]]

    def loss_of_row(self, i: int) -> Value:
        """The loss of row i, as a graph."""
        x, target, weight = self.leaves(self.samples[i])
        return self.loss_of(x, target, weight)

    def loss_of(self, x: list[Value], target: list[Value], weight: list[Value], numbers: bool = True) -> Value:
        """The loss of one sample, as a graph, times its weight; where it is only to be lowered, without numbers."""
        loss = self.loss_of_prediction(self.prediction(x, numbers), target)
        return loss * weight[0] if weight else loss

    def prediction(self, x: list[Value], numbers: bool = True) -> Any:
        """What the loss is to judge: the output of the model, or its logits, for inputs as in ``samples``."""
        model: Any = self.model
        if type(model) is MLP:  # the rows have gone through its first step already
            z = model._logits(x, numbers)
            return one_or_all(z if self.on_logits else model._outputs(z))
        return model.logits(x) if self.on_logits else model(x)

    def loss_of_prediction(self, prediction: Any, target: list[Value]) -> Value:
        """The loss of a prediction, as a graph."""
        loss = self.loss(prediction, target[0] if len(target) == 1 else target)
        if not isinstance(loss, Value):
            raise TypeError(f"fit: the loss must be a Value, {name_of(self.loss)} returned {loss!r:.60}")
        return loss

    def check_parameters(self, epoch: int) -> None:
        """Raises TypeError or ValueError where a callback has left model or optimiser in no state to go on from."""
        broken = f"fit: after the callback of epoch {epoch}"
        if self.model.parameters() != self.parameters or self.optimizer.params is not self.params:
            raise ValueError(f"{broken} the model or the optimizer has other parameters: start another fit with them")
        for parameter in self.params:
            if type(parameter.data) is not float:
                parameter.data = real(parameter.data, f"{broken}, {shortened(parameter)}", "a parameter", finite=False)
        state: Any = self.optimizer.state
        if not isinstance(state, dict) or state.keys() != self._state:
            raise ValueError(f"{broken} optimizer.state is not what it was made of: {', '.join(sorted(self._state))}")
        for name, numbers in state.items():
            try:
                right = len(numbers) == len(self.params) and all(map(is_real, set(map(type, numbers))))
            except TypeError:
                right = False
            if not right:
                raise ValueError(f"{broken} optimizer.state[{name!r}] is not a list of a number for each parameter")

    def _targets(self, y: object, n: int, name: str) -> Rows:
        outputs = None
        if self.loss in _LABELS or self.loss is mean_squared_error:
            outputs = self.model.sizes[-1] if isinstance(self.model, MLP) else None
        if self.loss is cross_entropy and outputs == 1:
            raise ValueError(f"fit: cross_entropy needs at least 2 outputs, one a class; {self.model!r} has 1")
        return read_targets(y, n, outputs, self.labels, name)

    def _check_settings(self, standardize: bool) -> None:
        if self.accuracy and not self.classifies:
            raise ValueError(f"fit: accuracy=True needs an MLP with an output for classes, got {shortened(self.model)}")
        for name in ("callback", "schedule"):
            function = getattr(self, name)
            if function is not None and not callable(function):
                call = "callback(epoch, history)" if name == "callback" else "schedule(epoch), which gives lr"
                raise TypeError(f"fit: {name} must be callable as {call}, got {shortened(function)}")
        if standardize and type(self.model) is not MLP:
            raise ValueError(
                f"fit: standardize=True needs an MLP, which keeps mean and scale; got {shortened(self.model)}"
            )

    def _validation(
        self, samples: Rows, data: tuple[object, object] | None, split: float, seed: object
    ) -> tuple[Rows, Rows | None]:
        """(the samples to train on, those to validate with, or None)."""
        if isinstance(split, bool) or not is_real(type(split)) or not 0 <= split < 1:
            raise ValueError(f"fit: validation_split is a share of the rows in [0, 1), got {shortened(split)}")
        if data is None:
            if not split:
                return samples, None
            n = len(samples)
            held = round(split * n)
            if not 0 < held < n:
                raise ValueError(f"fit: validation_split={split:g} of {n} rows leaves none to train on, or to validate")
            # With a seed that is a number the same rows are held out whenever the training is continued.
            rng = self.rng if seed is None or isinstance(seed, Random) else Random(f"validation_split {seed}")
            order = sorted(range(n), key=[rng.random() for _ in range(n)].__getitem__)
            return samples.take(sorted(order[held:])), samples.take(sorted(order[:held]))
        if split:
            raise ValueError("fit: pass validation_data or validation_split, not both")
        if not isinstance(data, (tuple, list)) or len(data) != 2:
            raise TypeError(f"fit: validation_data must be a pair (X, y), got {type(data).__name__}")
        rows = read_rows(data[0], self.nin, "validation X")
        valid = rows.beside(self._targets(data[1], len(rows), "validation y"))
        return samples, valid.beside(Rows(array("d", [1.0]) * len(rows), 1)) if self.weighted else valid

    def _as_the_first_layer_gets_them(self, samples: Rows, standardize: bool) -> Rows:
        """The samples after the model's own first step, which is found here where ``standardize`` asks for it."""
        model = self.model
        if type(model) is not MLP:
            return samples
        if model.mean is None and standardize:
            mean, scale = mean_and_scale(samples, self.nin)
            model.mean, model.scale = mean, scale
        if model.mean is None or model.scale is None:
            return samples
        if self.validation is not None:
            self.validation = standardized(self.validation, model.mean, model.scale)
        return standardized(samples, model.mean, model.scale)

    def _check_optimizer(self) -> None:
        if not isinstance(self.optimizer, Optimizer):
            raise TypeError(
                f"fit: optimizer must be one such as SGD(model.parameters(), lr=0.1), got {self.optimizer!r:.60}"
            )
        if self.optimizer.params == self.parameters:
            return
        strangers = set(self.optimizer.params).difference(self.parameters)
        if strangers:
            raise ValueError(
                f"fit: {len(strangers)} of the optimizer's {len(self.optimizer.params)} parameters do not belong to "
                f"{self.model!r:.60}: build the optimizer with this model's parameters()"
            )


def _consists_of(listed: list[Value], groups: list[tuple[Value, ...]]) -> bool:
    """Whether the list holds these groups, one after the other, and nothing else."""
    reading = compiled(len(listed))
    found: bool | None = reading and reading.consists_of(listed, groups)
    if found is not None:
        return found
    start = 0
    for group in groups:
        stop = start + len(group)
        if tuple(listed[start:stop]) != group:
            return False
        start = stop
    return start == len(listed)


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
