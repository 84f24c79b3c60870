"""Graphs of Values beside micrograd's: time of the forward and backward pass, memory, and cost as the graph grows."""

from __future__ import annotations

import gc
import importlib.util
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path
from random import Random
from typing import Any

from engine import Value, toposort

clock = time.perf_counter
ROUNDS = 5
_random = Random(0)  # the mixed graph's leaves and operands, drawn before the clock runs
LEAVES = [_random.uniform(-1, 1) for _ in range(100)]
PICKS = [tuple([_random.randrange(100) for _ in range(5)]) for _ in range(1000)]
FORWARD_BACKWARD = "100,000 operations forward and backward, collector {}, {}, ms"


def mixed_graph(kind: type, units: int) -> Any:
    """Ten operations a unit, every operator that ours and micrograd have in common, added up pairwise."""
    leaves = [kind(value) for value in LEAVES]
    results = []
    for i, j, k, m, n in islice(cycle(PICKS), units):
        p, q, r, s, t = leaves[i], leaves[j], leaves[k], leaves[m], leaves[n]
        a = p * q - r
        b = (s + t / 1.5).relu()
        results.append(-(a * b) + b**2)
    while len(results) > 1:
        results = [x + y for x, y in zip(results[::2], results[1::2])] + results[len(results) & ~1 :]
    return results[0]


@contextmanager
def collector(on: bool) -> Any:
    """Python's cyclic collector on or off, from a clean start."""
    gc.collect()
    (gc.enable if on else gc.disable)()
    try:
        yield
    finally:
        gc.enable()


def build_and_backward(kind: type, units: int, collecting: bool) -> float:
    """Seconds for the forward and the backward pass together."""
    with collector(collecting):
        begun = clock()
        output = mixed_graph(kind, units)
        output.backward()
        return clock() - begun


def bytes_a_node(kind: type, nodes: Callable[[Any], int]) -> float:
    tracemalloc.start()
    output = mixed_graph(kind, 10_000)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return used / nodes(output)


def import_seconds() -> float:
    """Seconds that ``import engine`` takes in a new process."""
    code = "import time; t = time.perf_counter(); import engine; print(time.perf_counter() - t)"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


def eager_graphs() -> dict[str, float]:
    """Graphs of Values against micrograd's."""
    found: dict[str, float] = {"import engine, ms": 1000 * median(import_seconds, 7)}
    rivals: dict[str, type] = {"ours": Value}
    if importlib.util.find_spec("micrograd"):
        from micrograd.engine import Value as Micrograd

        rivals["micrograd"] = Micrograd
    times: dict[tuple[str, bool], list[float]] = {}
    for _ in range(ROUNDS):
        for collecting in (True, False):
            for name, kind in rivals.items():
                times.setdefault((name, collecting), []).append(build_and_backward(kind, 10_000, collecting))
    for (name, collecting), seconds in times.items():
        state = "on" if collecting else "off"
        found[FORWARD_BACKWARD.format(state, name)] = 1000 * statistics.median(seconds)

    found["memory of a node, ours, bytes"] = bytes_a_node(Value, lambda output: len(toposort(output)))
    if "micrograd" in rivals:
        found["memory of a node, micrograd, bytes"] = bytes_a_node(rivals["micrograd"], _count_micrograd)
    for collecting in (False, True):
        small = median(lambda on=collecting: build_and_backward(Value, 1_000, on), ROUNDS)
        large = median(lambda on=collecting: build_and_backward(Value, 100_000, on), 3)
        state = "on" if collecting else "off"
        found[f"cost of a node at 1,000,000 operations over that at 10,000, collector {state}"] = large / small / 100
    return found


def _count_micrograd(output: Any) -> int:
    seen, waiting = {output}, [output]
    while waiting:
        new = waiting.pop()._prev - seen
        seen |= new
        waiting += new
    return len(seen)


def median(measure: Callable[[], float], rounds: int) -> float:
    return statistics.median(measure() for _ in range(rounds))
