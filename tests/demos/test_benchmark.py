"""The benchmark: the graphs it times are the same for all, and its report holds what was measured."""

from __future__ import annotations

import gc
import json

import pytest

from demos import DemoError, benchmark, peers
from demos.tour import Tour
from engine import Value, toposort


def test_the_mixed_graph_has_ten_operations_a_unit():
    """Nodes that are computed, without the leaves: nine for each unit and one for each addition of two results."""
    computed = [node for node in toposort(benchmark.mixed_graph(Value, 64)) if node.op]
    assert len(computed) == 9 * 64 + 63


def test_both_engines_do_the_same_work():
    """Value and derivatives of the timed graph agree with micrograd's, leaf by leaf."""
    Micrograd = pytest.importorskip("micrograd.engine", reason="the rival of the benchmark").Value
    outputs = {kind: benchmark.mixed_graph(kind, 20) for kind in (Value, Micrograd)}
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
    assert benchmark.bytes_a_node(Value, lambda output: len(toposort(output))) <= 250


def test_the_collector_is_left_on():
    """Timing with the collector off puts it back, also when the timed code fails."""

    def fail():
        with benchmark.collector(False):
            assert not gc.isenabled()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gc.isenabled()


def measured(name: str, hidden: int, samples: int) -> dict[str, object]:
    if name == "PyTorch":
        return {"left out": "No module named 'torch'"}
    return {"full": 12e-6, "single": 1.5e-6, "first": 0.004, "import": 0.05, "loss": 0.5, "peak": 1e8}


@pytest.fixture
def stubbed(monkeypatch):
    """The benchmark with figures that are made up, to look at the report alone."""
    key = benchmark.FORWARD_BACKWARD
    eager = {key.format(state, name): 10.0 * scale for state in ("on", "off")
             for name, scale in (("ours", 1), ("micrograd", 8))}  # fmt: skip
    monkeypatch.setattr(benchmark, "eager", lambda: eager)
    monkeypatch.setattr(benchmark, "random_graph_seconds", lambda: ("native", 2.5e-10))
    monkeypatch.setattr(benchmark, "solve_seconds", lambda: 0.2)
    monkeypatch.setattr(peers, "run", measured)
    return monkeypatch


def test_the_report_has_every_figure_and_says_who_is_left_out(stubbed, tmp_path, capsys):
    """A table a size with a row a peer, the ratios, the machine; the same figures as JSON."""
    tour = Tour(tmp_path)
    benchmark.main(tour)
    said = capsys.readouterr().out
    for hidden, samples in benchmark.SIZES:
        assert f"| 2-{hidden}-{hidden}-1, n={samples} |" in said
    assert "| ours, native | 12.0 | 1.50 | 0.050 | 0.0040 | 0.5000000000 |" in said
    assert "| micrograd over ours, collector off | 8.0 |" in said
    assert "Left out: PyTorch (No module named 'torch')" in said
    assert "0.25 ns a node and sample" in said
    assert tour.written == [tmp_path / "benchmark.json"]
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert found["training"]["2-64-64-1, n=1000"]["hand-written C"]["full"] == 12e-6


def test_peers_that_do_other_work_are_found_out(stubbed, tmp_path):
    """If one peer's loss after three steps differs, its times mean nothing: the benchmark fails."""
    stubbed.setattr(peers, "run", lambda name, *size: measured(name, *size) | (
        {"loss": 0.6} if name == "NumPy by hand" else {}))  # fmt: skip
    with pytest.raises(DemoError, match="losses after three steps differ"):
        benchmark.main(Tour(tmp_path))
