"""Runs of the compiled interpreter for its tests, and how their results are compared."""

from __future__ import annotations

import math
from array import array

import pytest

from engine.lowering import native
from engine.lowering.trace import trace

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

SETS = native.instruction_sets()


def run(outputs, inputs, wrt, rows, instruction_set=None, reduce="mean", threads=1, block=0):
    """Values and gradients from the compiled interpreter."""
    program = trace(outputs, inputs, wrt, marks=True)
    kernel = native.NativeKernel(program, instruction_set, threads, block)
    numbers = array("d", [x for row in rows for x in row])
    return kernel.run(numbers, len(rows), [node.data for node in kernel.program.parameter_values], reduce)


def ulps(x, y):
    """How many doubles lie between x and y; 0 for two nans, and for equal numbers of any sign."""
    if x == y or (x != x and y != y):
        return 0
    if not (math.isfinite(x) and math.isfinite(y)):
        return math.inf
    return abs(x - y) / math.ulp(max(abs(x), abs(y)))


def close(x, y, relative=1e-12, absolute=1e-300):
    return (x != x and y != y) or x == y or abs(x - y) <= max(relative * max(abs(x), abs(y)), absolute)
