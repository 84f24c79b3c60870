"""How fast, beside what else there is: eager graphs, training jobs of any shape, prediction, graphs without structure.

    python -m demos benchmark                     everything, some minutes
    python -m demos benchmark --job 784-50-10 --batch 64 --optimizer adam --activation relu
    python -m demos benchmark --against out/benchmark.json      beside the figures of an earlier run

Peers that are not installed are left out; those of training run in processes of their own, on one processor. Every
figure is the median of several rounds, in which the contestants take turns. All figures are kept in benchmark.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from demos import DemoError
from demos.tour import Tour

from . import peers
from .eager import FORWARD_BACKWARD, eager_graphs, median
from .jobs import Job, compare, different_losses, table
from .unstructured import SIZES as GRAPHS
from .unstructured import gradient_over_value

clock = time.perf_counter
SIZES = ((16, 100), (64, 1000), (256, 1000))  # neurons of the two hidden layers, and points
PASSES = 3
JOBS = (
    Job("64-32-10", 32, "adam"), Job("784-50-10", 64), Job("784-50-10", 1), Job("20-64-64-1", 64, "adam", "relu"),
    Job("30-16-1", 16, "sgd", "tanh"),
)  # fmt: skip


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
    subprocess.run([sys.executable, "-c", SOLVE], cwd=Path(__file__).parents[2], check=True)
    return clock() - begun


def training(rounds: int = PASSES) -> dict[str, dict[str, Any]]:
    """For each size and peer the medians over the passes."""
    tables: dict[str, dict[str, Any]] = {}
    for hidden, samples in SIZES:
        runs: dict[str, list[dict[str, Any]]] = {}
        for number in range(rounds):
            for name in peers.PEERS:
                if hidden > 16 and name in peers.SMALL_ONLY or number and "left out" in runs[name][0]:
                    continue
                print(f"  2-{hidden}-{hidden}-1, round {number + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
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
    for nodes, graph in found["unstructured"].items():
        print(
            f"graph without structure of {nodes} nodes, {graph['backend']}: value and gradient over value alone "
            f"{graph['ratio']:.2f}, {graph['ns a node and sample']:.2f} ns a node and sample"
        )
    print(f"Python started to moons solved, whole process: {found['moons solved, s']:.2f} s")


def main(tour: Tour, arguments: list[str] | None = None) -> None:
    options = _options(arguments or [])
    found: dict[str, Any] = {"machine": machine()}
    if options.job:
        found["jobs"] = _jobs([options.job], options.rounds)
    else:
        # Eager graphs first: the collector's work grows with all that a process has imported.
        found["eager"] = eager_graphs()
        found["training"] = training(options.rounds)
        found["jobs"] = _jobs(list(JOBS), options.rounds)
        found["unstructured"] = {str(nodes): gradient_over_value(nodes) for nodes in GRAPHS}
        found["moons solved, s"] = median(solve_seconds, PASSES)
        print_tables(found)
    for title, job in found["jobs"].items():
        print(f"\n{table(title, job)}")
    if options.against:
        print(f"\n{comparison(options.against, found)}")
    tour.page("benchmark.json", _write_json, found)
    _check_losses(found.get("training", {}))
    for title, job in found["jobs"].items():
        if trouble := different_losses(job):
            raise DemoError(f"{title}: {trouble}")


def _options(arguments: list[str]) -> Any:
    parser = argparse.ArgumentParser(prog="python -m demos benchmark", description=str(__doc__).splitlines()[0])
    parser.add_argument("--job", metavar="SIZES", help="only this training job: inputs and layers, such as 784-50-10")
    parser.add_argument("--batch", type=int, default=32, help="rows a step (default: 32)")
    parser.add_argument("--optimizer", default="sgd", choices=["sgd", "adam"])
    parser.add_argument("--activation", default="sigmoid", choices=["sigmoid", "tanh", "relu"])
    parser.add_argument("--rows", type=int, default=1000, help="rows of the data set (default: 1000)")
    parser.add_argument("--rounds", type=int, default=PASSES, help="rounds in which the contestants take turns")
    parser.add_argument("--against", type=Path, metavar="FILE", help="an earlier benchmark.json to compare with")
    options = parser.parse_args(arguments)
    if options.job:
        try:
            options.job = Job(options.job, options.batch, options.optimizer, options.activation, options.rows)
        except ValueError as error:
            parser.error(str(error))
    if options.against:
        try:
            options.against = json.loads(options.against.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            parser.error(f"--against {options.against}: {getattr(error, 'strerror', None) or error}")
    return options


def _jobs(jobs: list[Job], rounds: int) -> dict[str, Any]:
    return {str(job): compare(job, rounds) for job in jobs}


def comparison(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Our own figures beside those of an earlier run; peers tell how much of a change is the machine's."""
    old, lines = dict(_figures(before)), [f"Compared with: {before.get('machine', 'an unknown machine')}\n"]
    lines += ["| figure | before | now | now over before |", "|---|---:|---:|---:|"]
    for name, figure in _figures(now):
        if old.get(name):
            lines.append(f"| {name} | {old[name]:.4g} | {figure:.4g} | {figure / old[name]:.2f} |")
    return "\n".join(lines) if len(lines) > 3 else "No figure is in both."


def _figures(found: Any, name: str = "") -> Iterator[tuple[str, float]]:
    if isinstance(found, dict):
        for key, value in found.items():
            yield from _figures(value, f"{name}: {key}" if name else key)
    elif isinstance(found, (int, float)):
        yield name, found


def _check_losses(tables: dict[str, dict[str, Any]]) -> None:
    """All peers must have done the same work."""
    for size, rows in tables.items():
        losses = {name: row["loss"] for name, row in rows.items() if "loss" in row}
        if not all(abs(loss - next(iter(losses.values()))) <= 1e-9 for loss in losses.values()):  # nan fails too
            raise DemoError(f"{size}: the losses after three steps differ: {losses}")


def _write_json(found: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
