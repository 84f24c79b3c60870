"""The benchmark's report holds what was measured, and fails where the contestants did different work."""

from __future__ import annotations

import json

import pytest

from demos import DemoError, benchmark
from demos.benchmark import peers
from demos.benchmark.eager import FORWARD_BACKWARD
from demos.tour import Tour


def measured(name: str, hidden: int, samples: int) -> dict[str, object]:
    if name == "PyTorch":
        return {"left out": "No module named 'torch'"}
    return {"full": 12e-6, "single": 1.5e-6, "first": 0.004, "import": 0.05, "loss": 0.5, "peak": 1e8}


def job_figures(job, rounds):
    peer = {"step": 20e-6, "first epoch": 0.5, "first epoch, cold": 0.7, "prediction": 1e-3, "loss": 0.5}
    return {
        "contestants": {"ours": peer | {"step": 10e-6}, "PyTorch": peer, "JAX, scanned": {"left out": "no jax"}},
        "roofline": 5e-6, "operations a second": 2e10, "bytes a second": 1e11,
    }  # fmt: skip


@pytest.fixture
def stubbed(monkeypatch):
    """The benchmark with figures that are made up, to look at the report alone."""
    key = FORWARD_BACKWARD
    eager = {key.format(state, name): 10.0 * scale for state in ("on", "off")
             for name, scale in (("ours", 1), ("micrograd", 8))}  # fmt: skip
    monkeypatch.setattr(benchmark, "eager_graphs", lambda: eager)
    graph = {"backend": "native", "nodes": 1000, "ratio": 2.25, "ns a node and sample": 0.25}
    monkeypatch.setattr(benchmark, "gradient_over_value", lambda nodes: graph)
    monkeypatch.setattr(benchmark, "compare", job_figures)
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
    assert "value and gradient over value alone 2.25, 0.25 ns a node and sample" in said
    assert "| PyTorch | 20 | 2.00 | 500.0 | 700 | 1.00 |" in said
    assert "| roofline of the core | 5 | 0.50 |" in said
    assert tour.written == [tmp_path / "benchmark.json"]
    found = json.loads((tmp_path / "benchmark.json").read_text())
    assert found["training"]["2-64-64-1, n=1000"]["hand-written C"]["full"] == 12e-6


def test_peers_that_do_other_work_are_found_out(stubbed, tmp_path):
    """If one peer's loss after three steps differs, its times mean nothing: the benchmark fails."""
    stubbed.setattr(peers, "run", lambda name, *size: measured(name, *size) | (
        {"loss": 0.6} if name == "NumPy by hand" else {}))  # fmt: skip
    with pytest.raises(DemoError, match="losses after three steps differ"):
        benchmark.main(Tour(tmp_path))


def test_one_job_alone_is_measured_where_it_is_asked_for(stubbed, tmp_path, capsys):
    """--job measures that shape and nothing else; the same figures as JSON can be compared with a later run."""
    benchmark.main(Tour(tmp_path), ["--job", "7-5-3", "--batch", "16", "--optimizer", "adam", "--activation", "relu"])
    said = capsys.readouterr().out
    assert "| 7-5-3 relu adam batch 16 | µs a step |" in said
    assert "eager" not in said
    earlier = tmp_path / "earlier.json"
    (tmp_path / "benchmark.json").rename(earlier)
    stubbed.setattr(benchmark, "compare", lambda job, rounds: job_figures(job, rounds) | {"roofline": 10e-6})
    benchmark.main(Tour(tmp_path), ["--job", "7-5-3", "--batch", "16", "--optimizer", "adam", "--activation", "relu",
                                    "--against", str(earlier)])  # fmt: skip
    said = capsys.readouterr().out
    assert "| jobs: 7-5-3 relu adam batch 16: roofline | 5e-06 | 1e-05 | 2.00 |" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--job", "7"], "takes the sizes"),
        (["--job", "7-x"], "takes the sizes"),
        (["--job", "7-0-1"], "takes the sizes"),
        (["--job", "7-1", "--batch", "2000"], "between 1 and the 1000 rows"),
        (["--against", "nowhere.json"], "nowhere.json"),
    ],
)
def test_a_job_that_makes_no_sense_is_refused(arguments, message, tmp_path, capsys):
    """A shape, a batch or a file that cannot be is named, before anything is measured."""
    with pytest.raises(SystemExit):
        benchmark.main(Tour(tmp_path), arguments)
    assert message in capsys.readouterr().err
