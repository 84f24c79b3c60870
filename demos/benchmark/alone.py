"""A contestant in a process of its own, on one processor, which prints what it found as a line of JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any


def environment() -> dict[str, str]:
    """One thread for every library, and none of the settings that make a current NumPy slow."""
    kept = {k: v for k, v in os.environ.items() if k not in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "ENGINE_THREADS"), "1")
    return {**kept, **threads, "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"}


def run_alone(module: str, name: str, *arguments: object) -> dict[str, Any]:
    """What the contestant found; {"left out": why} where it is not installed. Raises RuntimeError where it fails."""
    done = subprocess.run(
        [sys.executable, "-m", module, name, *map(str, arguments)], env=environment(),
        cwd=Path(__file__).parents[2], capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{name} failed on {' '.join(map(str, arguments))}: {last}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def report(measure: Callable[[], dict[str, float]]) -> None:
    """Measure on one processor and print the findings: what runs in the contestant's process."""
    if hasattr(os, "sched_setaffinity"):  # whatever threads a library would like to start
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    try:
        found: dict[str, Any] = measure()
    except ImportError as error:
        found = {"left out": str(error)}
    print(json.dumps(found))
