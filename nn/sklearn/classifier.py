"""MLPClassifier: classes by numbers or words, several labels a row, probabilities."""

from __future__ import annotations

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from .base import Estimator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Self


class MLPClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A network of neurons that tells classes apart, as an estimator of scikit-learn.

    Two classes: one sigmoid output. More: softmax. A matrix of zeros and ones as y (several labels a row, which do not
    exclude each other): a sigmoid output for each. Classes may be numbers or words.

    hidden_layer_sizes  number of neurons in each hidden layer
    activation          of the hidden layers: scikit-learn's names, or any that nn.MLP takes
    solver              "adam", "sgd", "adamw", "rmsprop" or "adagrad"
    alpha               strength of the L2 penalty, divided by the number of rows in a batch as in scikit-learn
    batch_size          rows a step; "auto" is min(64, number of rows), and not 200: more steps an epoch
    learning_rate_init  the learning rate
    max_iter            epochs at most
    shuffle             whether to draw a new order of the rows for each epoch
    random_state        for initial weights, order and hold-out: an int, a RandomState, or None for other ones each time
    tol, n_iter_no_change   stop when the loss has not fallen by tol for more than so many epochs in a row
    verbose             print the loss of each epoch
    warm_start          ``fit`` goes on from the weights of the last ``fit``
    momentum, nesterovs_momentum    of "sgd";   beta_1, beta_2, epsilon   of "adam"
    early_stopping, validation_fraction     watch the accuracy on held-out rows in place of the loss, and keep the best
    class_weight        {class: weight} or "balanced"
    backend             of nn.fit: "auto", "native", "source" or "eager"

    classes_    the classes in sorted order, which is that of the columns of predict_proba
    model_      the nn.MLP
    loss_curve_, loss_, best_loss_, n_iter_, n_features_in_, n_outputs_, n_layers_, coefs_, intercepts_, out_activation_
                as in scikit-learn; losses are without the penalty

    ``solver="lbfgs"`` and changing learning rates are not there.
    """

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
        class_weight: Any = None,
        backend: str = "auto",
    ) -> None:
        super().__init__(
            hidden_layer_sizes, activation, solver=solver, alpha=alpha, batch_size=batch_size,
            learning_rate_init=learning_rate_init, max_iter=max_iter, shuffle=shuffle, random_state=random_state,
            tol=tol, verbose=verbose, warm_start=warm_start, momentum=momentum, nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping, validation_fraction=validation_fraction, beta_1=beta_1, beta_2=beta_2,
            epsilon=epsilon, n_iter_no_change=n_iter_no_change, backend=backend,
        )  # fmt: skip
        self.class_weight = class_weight

    classes_: Any
    _multilabel: bool

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X and their classes y; sample_weight says how much each row counts."""
        X, y, sample_weight = self._validated(X, y, sample_weight, reset=True)
        classes = self._classes_of(y)
        if self.warm_start and hasattr(self, "model_") and not np.array_equal(classes, self.classes_):
            raise ValueError(f"warm_start: the classes were {self.classes_}, and y has {classes}: set warm_start=False")
        self.classes_ = classes
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Take one pass over these rows, from where the model is. ``classes``: all there will be, at the first call."""
        first = not hasattr(self, "model_")
        X, y, sample_weight = self._validated(X, y, sample_weight, reset=first)
        if first:
            if classes is None:
                raise ValueError("partial_fit: classes must be passed on the first call, all there will be")
            self.classes_ = np.unique(np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise ValueError(f"partial_fit: classes={classes!r} is not as at the first call: {self.classes_}")
        self._multilabel = y.ndim == 2
        strangers: Any = [] if self._multilabel else np.setdiff1d(y, self.classes_)
        if len(strangers):
            raise ValueError(f"partial_fit: y has {strangers!r}, which is not among the classes {self.classes_}")
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """The most probable class of each row; a row of zeros and ones where there are several labels."""
        p = self._probabilities(X)
        if self._multilabel:
            return (p >= 0.5).astype(int)
        if p.shape[1] == 1:
            return self.classes_[(p[:, 0] >= 0.5).astype(int)]
        return self.classes_[p.argmax(axis=1)]

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class: one row a row of X, one column a class, in the order of ``classes_``."""
        p = self._probabilities(X)
        if p.shape[1] == 1 and not self._multilabel:
            return np.hstack([1 - p, p])
        return p

    def predict_log_proba(self, X: Any) -> Any:
        """The natural logarithm of ``predict_proba``."""
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def _probabilities(self, X: Any) -> Any:
        check_is_fitted(self, "model_")
        X = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        p = np.array(self.model_.predict_proba(X))
        return p if p.ndim == 2 else p[:, None]

    def _validated(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Any, Any, Any]:
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", multi_output=True, reset=reset)
        check_classification_targets(y)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.ndim == 2 and type_of_target(y) != "multilabel-indicator":
            raise ValueError("y has several columns, which must hold zeros and ones: one column a label")
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, y, sample_weight

    def _classes_of(self, y: Any) -> Any:
        self._multilabel = y.ndim == 2
        if self._multilabel:
            return np.arange(y.shape[1])
        classes = np.unique(y)
        if len(classes) < 2:
            raise ValueError(f"y has only one class, {classes[0]!r}: a classifier needs rows of at least 2 classes")
        return classes

    def _output(self) -> tuple[str, int]:
        n = len(self.classes_)
        if self._multilabel:
            return "sigmoid", n
        return ("softmax", n) if n > 2 else ("sigmoid", 1)

    def _targets(self, y: Any) -> Any:
        return y.tolist() if self._multilabel else np.searchsorted(self.classes_, y).tolist()

    def _weights(self, y: Any, sample_weight: Any) -> Any:
        if self.class_weight is None:
            return sample_weight
        weights = compute_sample_weight(self.class_weight, y)
        return weights if sample_weight is None else weights * sample_weight

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
