"""The examples in the docstrings give what they print."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import engine
import nn
import viz
from engine.ieee import scalar
from engine.operations import FUNCTIONS

MODULES = [
    module.name
    for package in (engine, nn, viz)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.split(".")[-1].startswith("_")
]
NEEDS = {
    "nn.sklearn": "sklearn",
    "nn.export.numpy_function": "numpy",
    "nn.export.torch_module": "torch",
    "nn.export.onnx_file": "onnx",
    "nn.export.jax_function": "jax",
    "engine.lowering.jax_kernel": "jax",
}  # extras whose examples run where they are


@pytest.mark.parametrize("name", ["engine", "nn", "viz", *MODULES])
def test_examples_in_docstrings(name):
    """Every example in the docstrings of the module prints what it says."""
    for prefix, extra in NEEDS.items():
        if name.startswith(prefix):
            pytest.importorskip(extra)
    assert doctest.testmod(importlib.import_module(name)).failed == 0
    for defined in [op.name for op in engine.OPS.values() if op.defined]:  # by an example of define
        del engine.OPS[defined], FUNCTIONS[defined], scalar[defined]
        delattr(engine.Value, defined)


def test_there_are_examples():
    """The walk over the modules finds docstrings with examples."""
    found = [test for name in ("engine", "engine.value") for test in doctest.DocTestFinder().find(
        importlib.import_module(name)) if test.examples]  # fmt: skip
    assert len(found) >= 2
