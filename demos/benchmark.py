"""How fast, beside what else there is: eager graphs against micrograd, and training against C, NumPy, JAX and PyTorch.

Takes some minutes. Peers that are not installed are left out; those of training run in processes of their own, on one
processor. Every figure is the median of several rounds, in which the contestants take turns.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import platform
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

from engine import Value, lower, toposort

from . import DemoError, peers
from .tour import Tour

clock = time.perf_counter
SIZES = ((16, 100), (64, 1000), (256, 1000))  # neurons of the two hidden layers, and points
ROUNDS, PASSES = 5, 3
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
    root = Path(__file__).parent.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return float(done.stdout)


def eager() -> dict[str, float]:
    """Graphs of Values against micrograd's."""
    found: dict[str, float] = {"import engine, ms": 1000 * _median(import_seconds, 7)}
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
        small = _median(lambda on=collecting: build_and_backward(Value, 1_000, on), ROUNDS)
        large = _median(lambda on=collecting: build_and_backward(Value, 100_000, on), 3)
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


def _median(measure: Callable[[], float], rounds: int) -> float:
    return statistics.median(measure() for _ in range(rounds))


def random_graph_seconds(nodes: int = 10_000, samples: int = 1000) -> tuple[str, float]:
    """The backend, and seconds a node and sample for value and gradient of a graph without structure."""
    random = Random(0)
    inputs = [Value(random.uniform(-1, 1)) for _ in range(8)]
    made = list(inputs)
    while len(made) < nodes:
        a, b = made[int(random.random() * len(made))], made[-1 - int(random.random() * 8)]
        choice = int(random.random() * 4)
        made.append(a + b if choice == 0 else a - b if choice == 1 else 0.5 * a * b if choice == 2 else a.maximum(b))
    kernel = lower(made[-1], inputs, inputs)
    rows = [[random.uniform(-1, 1) for _ in inputs] for _ in range(samples)]
    kernel(rows)

    def once() -> float:
        begun = clock()
        kernel(rows)
        return clock() - begun

    reached = len(toposort(made[-1]))
    return kernel.backend, _median(once, ROUNDS) / (reached * samples)


SOLVE = """
from demos.datasets import moons
from nn import MLP, Adam, fit
X, y = moons(100)
model = MLP(2, [16, 16, 1], activation="tanh")
history = fit(model, X, y, optimizer=Adam(model.parameters(), lr=0.05), epochs=80)
assert history.loss[-1] < 0.01, history
"""


def solve_seconds() -> float:
    """From the start of Python to moons solved (loss under 0.01), the whole process."""
    begun = clock()
    subprocess.run([sys.executable, "-c", SOLVE], cwd=Path(__file__).parent.parent, check=True)
    return clock() - begun


def training() -> dict[str, dict[str, Any]]:
    """For each size and peer the medians over the passes."""
    tables: dict[str, dict[str, Any]] = {}
    for hidden, samples in SIZES:
        runs: dict[str, list[dict[str, Any]]] = {}
        for number in range(PASSES):
            for name in peers.PEERS:
                if hidden > 16 and name in peers.SMALL_ONLY or number and "left out" in runs[name][0]:
                    continue
                print(f"  2-{hidden}-{hidden}-1, round {number + 1} of {PASSES}: {name}", file=sys.stderr, flush=True)
                runs.setdefault(name, []).append(peers.run(name, hidden, samples))
        tables[f"2-{hidden}-{hidden}-1, n={samples}"] = {
            name: found[0] if "left out" in found[0]
            else {key: statistics.median(run[key] for run in found) for key in found[0]}
            for name, found in runs.items()
        }  # fmt: skip
    return tables


def machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
        flags = next((line.split() for line in lines if line.startswith("flags")), [])
        name += "".join(f", {label}" for flag, label in (("avx512f", "AVX-512"), ("avx2", "AVX2")) if flag in flags)
    except (OSError, StopIteration):
        name = platform.processor() or platform.machine()
    return f"{name}; {os.cpu_count()} processors; {platform.system()}; Python {platform.python_version()}"


def print_tables(found: dict[str, Any]) -> None:
    print(f"Machine: {found['machine']}\n\n| eager graphs | |\n|---|---:|")
    eager_found = found["eager"]
    for name, figure in eager_found.items():
        print(f"| {name} | {figure:.3g} |" if figure < 100 else f"| {name} | {figure:.0f} |")
    for state in ("on", "off"):
        rival = eager_found.get(FORWARD_BACKWARD.format(state, "micrograd"))
        if rival:
            ratio = rival / eager_found[FORWARD_BACKWARD.format(state, "ours")]
            print(f"| micrograd over ours, collector {state} | {ratio:.1f} |")
    for size, rows in found["training"].items():
        print(f"\n| {size} | full batch, µs a step | batch 1, µs a step | import, s | first step, s | loss after 3 |"
              "\n|---|---:|---:|---:|---:|---:|")  # fmt: skip
        for name, row in rows.items():
            if "left out" not in row:
                loss = f"{row['loss']:.10f}" if "loss" in row else ""
                first = f"{row['first']:.4f}" if "first" in row else ""
                imported = f"{row['import']:.3f}" if row["import"] > 1e-3 else ""
                full, single = 1e6 * row["full"], 1e6 * row["single"]
                print(f"| {name} | {full:.1f} | {single:.2f} | {imported} | {first} | {loss} |")
        left_out = [f"{name} ({row['left out']})" for name, row in rows.items() if "left out" in row]
        if left_out:
            print(f"\nLeft out: {'; '.join(left_out)}")
    small = found["training"][f"2-{SIZES[0][0]}-{SIZES[0][0]}-1, n={SIZES[0][1]}"]
    if "full" in small.get("micrograd", {}):
        ratio = small["micrograd"]["full"] / small["ours, eager"]["full"]
        print(f"\neager step of fit, micrograd over ours: {ratio:.0f}")
    graph, backend = found["random graph, ns a node and sample"], found["random graph, backend"]
    print(f"random graph of 10,000 nodes, value and gradient, {backend}: {graph:.2f} ns a node and sample")
    print(f"Python started to moons solved, whole process: {found['moons solved, s']:.2f} s")


def main(tour: Tour) -> None:
    # Eager graphs first: the collector's work grows with all that a process has imported.
    found: dict[str, Any] = {"machine": machine(), "eager": eager(), "training": training()}
    backend, seconds = random_graph_seconds()
    found |= {"random graph, backend": backend, "random graph, ns a node and sample": 1e9 * seconds,
              "moons solved, s": _median(solve_seconds, ROUNDS)}  # fmt: skip
    print_tables(found)
    tour.page("benchmark.json", _write_json, found)
    _check_losses(found["training"])


def _check_losses(tables: dict[str, dict[str, Any]]) -> None:
    """All peers must have done the same work."""
    for size, rows in tables.items():
        losses = {name: row["loss"] for name, row in rows.items() if "loss" in row}
        if not all(abs(loss - next(iter(losses.values()))) <= 1e-9 for loss in losses.values()):  # nan fails too
            raise DemoError(f"{size}: the losses after three steps differ: {losses}")


def _write_json(found: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
