"""``python -m demos``: the tour, or the demos that are named."""

from __future__ import annotations

import argparse
import difflib
import importlib
import os
import sys
import time
from pathlib import Path

from . import DemoError
from .tour import Tour

TOUR = ["expression", "derivatives", "lecture", "lesson", "propagation", "backprop", "xor", "moons", "circles",
        "spirals", "breast_cancer", "iris", "vanishing", "table"]  # fmt: skip
ON_REQUEST = ["benchmark", "data_parallel"]  # takes minutes; needs JAX


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m demos",
        description="Runs the demos: prints what they show, writes pictures and pages. Without a name, the tour.",
        epilog="The benchmark has options of its own: python -m demos benchmark --help",
        add_help=False,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="demos to run; --list shows them")
    parser.add_argument("-h", "--help", action="store_true", help="show this help message and exit")
    parser.add_argument("--list", action="store_true", help="show the demos, a line each, and stop")
    parser.add_argument("--out", default="out", type=Path, metavar="FOLDER", help="where files go (default: out)")
    parser.add_argument("--seed", default=0, type=int, help="for data, initial weights and shuffling (default: 0)")
    parser.add_argument("--backend", default="auto", choices=["auto", "native", "source", "eager"],
                        help="what computes gradients in training (default: auto, the fastest there is)")  # fmt: skip
    options, more = parser.parse_known_args(arguments)
    if options.names == ["benchmark"]:  # which has options of its own
        more += ["--help"] * options.help
    elif options.help:
        parser.print_help()
        return 0
    elif more:
        parser.error(f"unrecognized arguments: {' '.join(more)}")

    if options.list:
        for name in TOUR + ON_REQUEST:
            note = "" if name in TOUR else " (not part of the tour)"
            print(f"{name:<14} {_headline(name)}{note}")
        return 0
    for name in options.names:
        if name not in TOUR + ON_REQUEST:
            near = difflib.get_close_matches(name, TOUR + ON_REQUEST, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            parser.error(f"there is no demo {name!r}{hint} (--list shows all)")
    problem = _cannot_write(options.out)
    if problem:
        parser.error(problem)
    return _run(options.names or TOUR, Tour(options.out, options.seed, options.backend), more)


def _headline(name: str) -> str:
    return (importlib.import_module(f".{name}", __package__).__doc__ or "").splitlines()[0]


def _cannot_write(folder: Path) -> str | None:
    """Why no picture could be written to ``folder``, found out before minutes are spent on it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        return f"--out {folder}: the folder cannot be made: {error.strerror}"
    if not os.access(folder, os.W_OK | os.X_OK):
        return f"--out {folder}: the folder is not writable; choose another"
    return None


def _run(names: list[str], tour: Tour, more: list[str]) -> int:
    failed = []
    started = time.perf_counter()
    for name in names:
        print(f"{'' if name == names[0] else chr(10)}=== {name}: {_headline(name)}\n", flush=True)
        try:
            demo = importlib.import_module(f".{name}", __package__)
            demo.main(tour, more) if more else demo.main(tour)
        except DemoError as error:
            print(f"FAILED: {error}", flush=True)
            failed.append(name)
    seconds = time.perf_counter() - started
    print(f"\n{len(names)} demo{'s'[: len(names) != 1]} in {seconds:.1f} s")
    if tour.written:
        print("Written:")
        for path in tour.written:
            print(f"  {path}")
    if tour.left_out:
        print(f"Left out, for want of a library: {', '.join(tour.left_out)}")
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
