"""The peers of the benchmark do the work they are timed for."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demos.benchmark import peers
from nn import MLP, SGD, fit


@pytest.mark.parametrize("name", ["hand-written C", "NumPy by hand", "PyTorch", "micrograd"])
def test_the_peers_of_the_benchmark_do_the_same_work(name, monkeypatch):
    """After three steps each peer has the loss that our eager engine has."""
    if name == "hand-written C" and not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("no C compiler")
    monkeypatch.setattr(peers, "_median_time", lambda step: math.nan)  # the times are not wanted here
    try:
        found = peers.PEERS[name](8, 20)
    except ImportError as error:
        pytest.skip(str(error))
    X, y, _ = peers.problem(8, 20)
    model = MLP(2, [8, 8, 1])
    history = fit(model, X, y, optimizer=SGD(model.parameters(), lr=peers.FULL_RATE), epochs=4, backend="eager")
    assert found["loss"] == pytest.approx(history.loss[3], abs=1e-12)


def test_a_peer_that_is_not_installed_is_left_out(monkeypatch):
    """The process of a missing peer answers with the reason instead of times."""
    found = subprocess.run(
        [sys.executable, "-c", "import sys; sys.modules['micrograd'] = None; from demos.benchmark import alone, peers;"
         "alone.report(lambda: peers.with_import('micrograd', 8, 20))"],
        cwd=Path(__file__).parents[3], capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "micrograd" in json.loads(found.stdout)["left out"]
