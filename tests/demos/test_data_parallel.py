"""The demo that trains over several devices with JAX's sharding."""

from __future__ import annotations

import pytest

from demos.__main__ import main

pytest.importorskip("jax")


def test_the_trajectories_agree(tmp_path, capfd):
    """Four simulated devices, one device and nn.fit take the same 200 steps to 1e-10, or the demo fails."""
    assert main(["data_parallel", "--out", str(tmp_path)]) == 0
    said = capfd.readouterr().out
    assert "4 devices, each holds 100 of 400 rows" in said
    assert "parameters at the end agree to" in said
