"""MLPRegressor: numbers, one or several a row."""

from __future__ import annotations

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from .base import Estimator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self


class MLPRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A network of neurons that predicts numbers, as an estimator of scikit-learn: linear output, squared error.

    Parameters and attributes as in MLPClassifier, without those on classes; ``early_stopping`` watches R². y may have
    several columns. ``loss_curve_`` holds half the mean squared error, as in scikit-learn.
    """

    _loss_factor = 2.0

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on rows X and their targets y; sample_weight says how much each row counts."""
        return self._fit(*self._validated(X, y, sample_weight, reset=True))

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Take one pass over these rows, from where the model is."""
        first = not hasattr(self, "model_")
        return self._fit(*self._validated(X, y, sample_weight, reset=first), incremental=True)

    def predict(self, X: Any) -> Any:
        """The prediction for each row, with a column for each output where there are several."""
        check_is_fitted(self, "model_")
        X = validate_data(self, X, dtype=np.float64, order="C", reset=False)
        return np.array(self.model_.predict(X))

    def _validated(self, X: Any, y: Any, sample_weight: Any, reset: bool) -> tuple[Any, Any, Any]:
        X, y = validate_data(self, X, y, dtype=np.float64, order="C", multi_output=True, y_numeric=True, reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if sample_weight is not None:
            sample_weight = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
        return X, y, sample_weight

    def _output(self) -> tuple[str, int]:
        return "linear", self._columns

    def _targets(self, y: Any) -> Any:
        return np.asarray(y, dtype=np.float64).tolist()

    def _fit(self, X: Any, y: Any, sample_weight: Any, incremental: bool = False) -> Self:
        self._columns = y.shape[1] if y.ndim == 2 else 1
        return super()._fit(X, y, sample_weight, incremental)
