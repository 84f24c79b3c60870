"""The comparison with scikit-learn: both learn, on the same rows."""

from __future__ import annotations

import pytest


def test_compare():
    """Iris by either is learned, and each share comes with an error and a time."""
    pytest.importorskip("sklearn")
    from demos.benchmark.estimators import compare

    n, ours, theirs, error, *seconds = compare("iris", folds=2)
    assert n == 150
    assert min(ours, theirs) > 0.85
    assert 0 < error < 0.1
    assert min(seconds) > 0
