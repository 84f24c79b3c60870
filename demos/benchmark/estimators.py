"""nn.sklearn beside scikit-learn's own estimator, on its own data sets: accuracy out of the fold, and the time of fit.

    python -m demos.benchmark.estimators

Both have the same settings and the same folds, and take turns. The standard error is that of the difference of two
shares of so many rows.
"""

from __future__ import annotations

import math
import sys
import time
import warnings
from importlib.util import find_spec


def compare(name: str, folds: int = 5) -> tuple[int, float, float, float, float, float]:
    """(rows, our accuracy, theirs, standard error of the difference, our seconds in fit, theirs), over all folds."""
    from sklearn import datasets
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import StratifiedKFold
    from sklearn.neural_network import MLPClassifier as Theirs
    from sklearn.preprocessing import StandardScaler

    from nn.sklearn import MLPClassifier as Ours

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    right, seconds = {Ours: 0, Theirs: 0}, {Ours: 0.0, Theirs: 0.0}
    for k, (train, test) in enumerate(StratifiedKFold(folds, shuffle=True, random_state=0).split(X, y)):
        scaler = StandardScaler().fit(X[train])
        for kind in (Ours, Theirs) if k % 2 else (Theirs, Ours):
            model = kind(max_iter=300, random_state=k)
            started = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                model.fit(scaler.transform(X[train]), y[train])
            seconds[kind] += time.perf_counter() - started
            right[kind] += int((model.predict(scaler.transform(X[test])) == y[test]).sum())
    n = len(y)
    shares = [right[kind] / n for kind in (Ours, Theirs)]
    error = math.sqrt(sum(p * (1 - p) for p in shares) / n)
    return n, shares[0], shares[1], error, seconds[Ours], seconds[Theirs]


def main() -> None:
    """Print the table."""
    if find_spec("sklearn") is None:
        sys.exit("scikit-learn is not installed: pip install scikit-learn")
    print("| data | rows | accuracy, ours | scikit-learn's | difference, standard errors | fit, ours, s | "
          "scikit-learn's, s | ours over theirs |")  # fmt: skip
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name in ("iris", "wine", "breast_cancer", "digits"):
        n, ours, theirs, error, mine, their = compare(name)
        apart = (ours - theirs) / error if error else 0.0
        cells = (f"{ours:.4f}", f"{theirs:.4f}", f"{apart:+.2f}", f"{mine:.2f}", f"{their:.2f}", f"{mine / their:.2f}")
        print(f"| {name.replace('_', ' ')} | {n} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
