"""MLPClassifier and MLPRegressor for scikit-learn: pipelines, grid search, cross-validation, clone and pickle.

They take the arguments of scikit-learn's own estimators of these names, as far as they have a meaning here, and pass
its ``check_estimator``. Only the work is done by this package: ``model_`` is an nn.MLP, whose graph can be drawn, whose
derivatives can be checked, and which can be saved.

>>> from sklearn.datasets import load_iris
>>> from sklearn.pipeline import make_pipeline
>>> from sklearn.preprocessing import StandardScaler
>>> from nn.sklearn import MLPClassifier
>>> X, y = load_iris(return_X_y=True)
>>> flowers = make_pipeline(StandardScaler(), MLPClassifier([10], learning_rate_init=0.03, random_state=0)).fit(X, y)
>>> flowers.score(X, y) > 0.95
True
>>> flowers[-1].model_
MLP(4, 10, 3, activation='relu', output='softmax')
"""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(f"nn.sklearn needs scikit-learn 1.6 or newer ({error}): pip install scikit-learn") from error

from .classifier import MLPClassifier
from .regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
