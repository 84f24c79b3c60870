"""The comparison with scikit-learn: both learn, on the same rows."""

from __future__ import annotations

import pytest

from demos.benchmark import estimators


def test_compare():
    """Iris by either is learned, and each share comes with an error and a time."""
    pytest.importorskip("sklearn")
    n, ours, theirs, error, *seconds = estimators.compare("iris", folds=2)
    assert n == 150
    assert min(ours, theirs) > 0.85
    assert 0 < error < 0.1
    assert min(seconds) > 0


def test_without_scikit_learn_it_says_what_to_install(monkeypatch):
    """Without scikit-learn there is nothing to compare with: a line, and status 1."""
    monkeypatch.setattr(estimators, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="scikit-learn is not installed: pip install scikit-learn"):
        estimators.main()
