"""Graphs that are not networks: gradient time over value time, which is the unit people in this field compare."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from random import Random
from typing import Any

from engine import Value, lower, toposort

clock = time.perf_counter
SIZES, SAMPLES, ROUNDS = (1_000, 10_000, 50_000), 1_000, 5


def random_graph(nodes: int, random: Random) -> tuple[Value, list[Value]]:
    """A graph of about so many nodes over 8 inputs, and these.

    An operation takes any older number and one of the last eight. What it makes stays between -1 and 1, so that no time
    goes into infinities.
    """
    inputs = [Value(random.uniform(-1, 1)) for _ in range(8)]
    made = list(inputs)
    while len(made) < nodes * 2 // 3:  # two of four operations are two nodes
        a, b = made[int(random.random() * len(made))], made[-1 - int(random.random() * 8)]
        choice = int(random.random() * 4)
        made.append(
            (a + b) * 0.5 if choice == 0 else (a - b) * 0.5 if choice == 1 else a * b if choice == 2 else a.maximum(b)
        )
    return made[-1], inputs


def gradient_over_value(nodes: int) -> dict[str, Any]:
    """Seconds for the value alone and for value and gradient over all samples, measured in turn, and their ratio."""
    random = Random(0)
    output, inputs = random_graph(nodes, random)
    rows = [[random.uniform(-1, 1) for _ in inputs] for _ in range(SAMPLES)]
    value, both = lower(output, inputs, []), lower(output, inputs, inputs)
    times: dict[str, list[float]] = {"value": [], "both": []}
    for _ in range(ROUNDS + 1):
        for name, kernel in (("value", value), ("both", both)):
            times[name].append(_timed(lambda kernel=kernel: kernel(rows)))
    seconds = {name: statistics.median(found[1:]) for name, found in times.items()}  # the first round builds
    reached = len(toposort(output))
    return {
        "backend": both.backend, "nodes": reached, "ratio": seconds["both"] / seconds["value"],
        "ns a node and sample": 1e9 * seconds["both"] / (reached * SAMPLES),
    }  # fmt: skip


def _timed(function: Callable[[], object]) -> float:
    begun = clock()
    function()
    return clock() - begun
