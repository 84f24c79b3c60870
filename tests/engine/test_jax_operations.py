from __future__ import annotations

from math import isfinite

import pytest

import engine
from engine import OPS, Value, grad
from engine.jax_operations import harmless_point


@pytest.mark.parametrize("op", [op for op in OPS.values() if op.name != "dot"], ids=lambda op: op.name)
def test_an_operation_is_finite_at_its_harmless_point(op):
    """So are its first and second derivatives: what is computed there, and then not chosen, spoils nothing."""
    point, function = harmless_point(op.name), getattr(engine, op.name)
    leaves = [Value(x) for x in (point if op.arity else point * 4)]
    y = function(*leaves) if op.arity else function(leaves)
    assert isfinite(y.data)
    for first in grad(y, leaves, create_graph=True):
        assert isfinite(first.data)
        assert all(map(isfinite, grad(first, leaves)))
