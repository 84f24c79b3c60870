"""What the classifier and the regressor share: parameters, training, warm starts, stopping."""

from __future__ import annotations

import math
import warnings
from numbers import Integral, Real

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from nn.activations import checked_activation
from nn.layers import MLP
from nn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop
from nn.training import History
from nn.training.epochs import Training
from nn.training.fit import BACKENDS
from nn.training.interrupts import Interrupts
from nn.training.job import Job

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self

_OUR_NAME = {"identity": "linear", "logistic": "sigmoid"}  # scikit-learn's names of activations
_SOLVERS = ("adam", "adamw", "sgd", "rmsprop", "adagrad")


class Estimator(BaseEstimator):  # type: ignore[misc]
    """An estimator that trains an nn.MLP; its parameters are explained in MLPClassifier."""

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate_init: float = 0.001,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        backend: str = "auto",
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.backend = backend

    model_: MLP
    loss_curve_: list[float]

    # What differs between the two.

    def _output(self) -> tuple[str, int]:
        """The kind of output of the network, and how many there are."""
        raise NotImplementedError

    def _targets(self, y: Any) -> Any:
        """y as nn.fit takes it."""
        raise NotImplementedError

    def _weights(self, y: Any, sample_weight: Any) -> Any:
        """The weight of each row, or None where all weigh the same."""
        return sample_weight

    _loss_factor = 1.0  # of nn's loss, where scikit-learn's is smaller

    # Training.

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool = False) -> Self:
        self._check_parameters(incremental)
        fresh = not (hasattr(self, "model_") and (self.warm_start or incremental))
        if fresh or not incremental:
            self._rng = check_random_state(self.random_state)
        output, outputs = self._output()
        if fresh:
            self.model_ = MLP(X.shape[1], [*self._hidden(), outputs], self._activation(), output, seed=self._seed())
            self.t_, self.loss_curve_ = 0, []
        elif (self.model_.nin, self.model_.sizes) != (X.shape[1], (*self._hidden(), outputs)):
            raise ValueError(
                f"warm_start goes on with {self.model_!r}, and the data and hidden_layer_sizes="
                f"{self.hidden_layer_sizes!r} ask for {X.shape[1]} inputs and {outputs} outputs: set warm_start=False"
            )
        if fresh or not incremental:
            self._optimizer = self._new_optimizer()
            self.loss_curve_, self.n_iter_ = [], 0
            self.best_loss_ = math.inf
        weights = self._weights(y, sample_weight)
        if weights is not None and (weights == 0).any():
            if not (weights > 0).any():
                raise ValueError("sample_weight and class_weight leave no row with a weight above 0")
            kept = weights > 0
            X, y, weights = X[kept], y[kept], weights[kept]
        held = None
        if self.early_stopping and not incremental:
            inner, held = self._hold_out(y)
            held = X[held], self._targets(y[held]), y[held]
            X, y, weights = X[inner], y[inner], None if weights is None else weights[inner]
        with Interrupts() as interrupts:
            training = self._training(X, y, weights, held and held[:2], interrupts)
            if incremental:
                self._run(training, 1)
                converged = True
            elif held:
                converged = self._run_with_early_stopping(training, held[2])
            else:
                converged = self._run_until_no_improvement(training)
        self.n_iter_ = len(self.loss_curve_)
        self.loss_ = self.loss_curve_[-1]
        if not converged:
            warnings.warn(
                f"training stopped after max_iter={self.max_iter} epochs, and was still getting better: raise max_iter "
                "or learning_rate_init, or standardise the inputs", ConvergenceWarning, stacklevel=3,
            )  # fmt: skip
        return self

    def _hold_out(self, y: Any) -> Any:
        """The rows to train on and those to watch."""
        from sklearn.model_selection import train_test_split

        stratify = y if isinstance(self, ClassifierMixin) and y.ndim == 1 else None
        return train_test_split(np.arange(len(y)), test_size=self.validation_fraction, random_state=self._rng,
                                stratify=stratify)  # fmt: skip

    def _training(self, X: Any, y: Any, weights: Any, validation: Any, interrupts: Interrupts) -> Training:
        """The training, prepared."""
        n, mean = len(X), 1.0
        size = min(64, n) if self.batch_size == "auto" else min(int(self.batch_size), n)
        options: dict[str, Any] = {}
        if weights is not None:
            mean = float(weights.mean())
            options["sample_weight"] = weights / mean
        # scikit-learn divides the penalty by the weight of a batch
        job = Job(
            self.model_, X, self._targets(y), optimizer=self._optimizer, epochs=1, batch_size=size,
            shuffle=bool(self.shuffle), seed=self._seed(), l2=self._loss_factor * self.alpha / (size * mean),
            validation_data=validation, **options,
        )  # fmt: skip
        return Training(job, self.backend, History(), interrupts)

    def _run(self, training: Training, epochs: int, more: bool = False) -> list[float]:
        """Train for so many epochs; their losses."""
        before = len(training.history.loss)
        training.run(epochs, more)
        losses = [loss / self._loss_factor for loss in training.history.loss[before:]]
        if self.verbose:
            for k, loss in enumerate(losses, len(self.loss_curve_) + 1):
                print(f"Iteration {k}, loss = {loss:.8f}")
        self.loss_curve_ += losses
        self.best_loss_ = min(self.best_loss_, *losses)
        self.t_ += epochs * len(training.job.samples)
        return losses

    def _run_until_no_improvement(self, training: Training) -> bool:
        """Train until the loss has not fallen by ``tol`` for more than ``n_iter_no_change`` epochs in a row.

        Whether that was reached within ``max_iter`` epochs.
        """
        best, waited, left = math.inf, 0, int(self.max_iter)
        try:
            while left and waited <= self.n_iter_no_change:
                # so many epochs are to come at least, whatever their losses: there is no need to look in between
                portion = int(min(self.n_iter_no_change + 1 - waited, left))
                left -= portion
                for loss in self._run(training, portion, more=True):
                    waited = waited + 1 if loss > best - self.tol else 0
                    best = min(best, loss)
        finally:
            training.settle()
        return waited > self.n_iter_no_change

    def _run_with_early_stopping(self, training: Training, y: Any) -> bool:
        """Train until the score on the rows held out has not become better for some epochs; keep the best model."""
        validation, parameters = training.job.validation, self.model_.parameters()
        assert validation is not None
        variance = 0.0 if isinstance(self, ClassifierMixin) else float(((y - y.mean(axis=0)) ** 2).mean())
        best, waited, kept = -math.inf, 0, [p.data for p in parameters]
        self.validation_scores_: list[float] = []
        while len(self.loss_curve_) < self.max_iter and waited <= self.n_iter_no_change:
            self._run(training, 1)
            loss, accuracy = training.evaluate(validation)
            # R² for a regressor; where the targets do not vary, what grows as the loss falls
            score = accuracy if accuracy is not None else 1 - loss / variance if variance else -loss
            self.validation_scores_.append(score)
            waited = waited + 1 if score < best + self.tol else 0
            if score > best:
                best, kept = score, [p.data for p in parameters]
        for parameter, data in zip(parameters, kept):
            parameter.data = data
        self.best_validation_score_ = best
        return waited > self.n_iter_no_change

    @property
    def n_layers_(self) -> int:
        """The number of layers, the inputs counted as one."""
        check_is_fitted(self, "model_")
        return len(self.model_.layers) + 1

    @property
    def n_outputs_(self) -> int:
        """The number of outputs."""
        check_is_fitted(self, "model_")
        return self.model_.sizes[-1]

    @property
    def out_activation_(self) -> str:
        """The activation of the outputs, as scikit-learn calls it."""
        check_is_fitted(self, "model_")
        return {"linear": "identity", "sigmoid": "logistic"}.get(self.model_.output, self.model_.output)

    @property
    def coefs_(self) -> list[Any]:
        """The weights of each layer: coefs_[l][i, j] goes from input i to neuron j, as in scikit-learn."""
        check_is_fitted(self, "model_")
        return [np.array([[w.data for w in neuron.weights] for neuron in layer.neurons]).T
                for layer in self.model_.layers]  # fmt: skip

    @property
    def intercepts_(self) -> list[Any]:
        """The biases of each layer."""
        check_is_fitted(self, "model_")
        return [np.array([neuron.bias.data for neuron in layer.neurons]) for layer in self.model_.layers]

    # Parameters.

    def _new_optimizer(self) -> Optimizer:
        params, lr = self.model_.parameters(), self.learning_rate_init
        if self.solver == "sgd":
            lr /= self._loss_factor  # the others take steps that do not depend on the scale of the loss
            return SGD(params, lr, self.momentum, nesterov=bool(self.nesterovs_momentum and self.momentum))
        if self.solver == "rmsprop":
            return RMSprop(params, lr, eps=self.epsilon)
        if self.solver == "adagrad":
            return Adagrad(params, lr)
        kind = Adam if self.solver == "adam" else AdamW
        return kind(params, lr, (self.beta_1, self.beta_2), self.epsilon)

    def _seed(self) -> int:
        return int(self._rng.randint(2**31 - 1))

    def _hidden(self) -> list[int]:
        sizes: Any = self.hidden_layer_sizes
        return [int(sizes)] if isinstance(sizes, Integral) else [int(size) for size in sizes]

    def _activation(self) -> str:
        return _OUR_NAME.get(self.activation, self.activation)

    def _check_parameters(self, incremental: bool) -> None:
        sizes: Any = self.hidden_layer_sizes
        if not _is_count(sizes) and not (hasattr(sizes, "__iter__") and all(map(_is_count, sizes))):
            raise ValueError(f"hidden_layer_sizes must be a list of positive integers, got {sizes!r:.60}")
        checked_activation(self._activation())
        if self.solver not in _SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(_SOLVERS)}; got {self.solver!r}")
        if self.backend not in BACKENDS:
            raise ValueError(f"backend must be one of {', '.join(BACKENDS)}; got {self.backend!r}")
        if self.batch_size != "auto" and not _is_count(self.batch_size):
            raise ValueError(f'batch_size must be "auto" or a positive integer, got {self.batch_size!r}')
        if not _is_count(self.max_iter):
            raise ValueError(f"max_iter must be a positive integer, got {self.max_iter!r}")
        if self.n_iter_no_change != math.inf and not _is_count(self.n_iter_no_change):
            raise ValueError(f"n_iter_no_change must be a positive integer, got {self.n_iter_no_change!r}")
        for name, value in (("alpha", self.alpha), ("tol", self.tol)):
            if isinstance(value, bool) or not isinstance(value, Real) or not float(value) >= 0:
                raise ValueError(f"{name} must be a number of at least 0, got {value!r}")
        if self.early_stopping and incremental:
            raise ValueError("partial_fit sees a part of the data at a time: it does not go with early_stopping=True")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1
