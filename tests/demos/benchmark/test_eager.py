"""The eager benchmark: the graphs it times are the same for both engines, and it leaves Python as it was."""

from __future__ import annotations

import gc

import pytest

from demos.benchmark import eager
from engine import Value, toposort


def test_the_mixed_graph_has_ten_operations_a_unit():
    """Nodes that are computed, without the leaves: nine for each unit and one for each addition of two results."""
    computed = [node for node in toposort(eager.mixed_graph(Value, 64)) if node.op]
    assert len(computed) == 9 * 64 + 63


def test_both_engines_do_the_same_work():
    """Value and derivatives of the timed graph agree with micrograd's, leaf by leaf."""
    Micrograd = pytest.importorskip("micrograd.engine", reason="the rival of the benchmark").Value
    outputs = {kind: eager.mixed_graph(kind, 20) for kind in (Value, Micrograd)}
    leaves = {}
    for kind, output in outputs.items():
        output.backward()
        if kind is Value:
            given = [node for node in toposort(output) if node.op is None and not node.is_constant]
            leaves[kind] = {node.data: node.grad for node in given}
        else:
            found, waiting = {output}, [output]
            while waiting:
                new = waiting.pop()._prev - found
                found |= new
                waiting += new
            leaves[kind] = {node.data: node.grad for node in found if not node._prev}
    assert outputs[Value].data == pytest.approx(outputs[Micrograd].data, rel=1e-12)
    assert len(leaves[Value]) > 50
    theirs = {data: leaves[Micrograd][data] for data in leaves[Value]}  # without the numbers its operators bring in
    assert leaves[Value] == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_a_node_takes_at_most_250_bytes():
    """Memory of a graph by tracemalloc, which counts the same on a busy machine."""
    assert eager.bytes_a_node(Value, lambda output: len(toposort(output))) <= 250


def test_the_collector_is_left_on():
    """Timing with the collector off puts it back, also when the timed code fails."""

    def fail():
        with eager.collector(False):
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gc.isenabled()
