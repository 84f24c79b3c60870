"""Do the tests notice? One small bug at a time is planted in engine/, and its own tests must fail.

Its own are tests/engine, and those of compiled training, whose steps in C are seen through nn.fit alone.

    python tests/planted.py --seed 1 --count 100          a sample of all the bugs that could be planted
    python tests/planted.py engine/check.py --count 20    in these files only
    python tests/planted.py --seed 1 --list               what would be planted, and where

What is planted: an operator or a comparison changed, a condition negated, a number off by one, a statement removed, a
result changed to None, two arguments exchanged. In ops.py the expressions of the rows are changed and operations.py is
generated again; C files are changed and built again. Never in texts of errors, annotations and the boxes that tests
sample. All of it happens in a copy of the tree.

A bug is put before the tests that run its line first, then before those that start processes, whose lines cannot be
seen, and before all the others where these do not notice (--quick: not). Which test runs which line is measured once,
and kept in --map. A test that takes two minutes hangs, which is noticed. The same seed plants the same bugs in the same
tree. A change that no test can see, because nothing changes, stands with its reason in planted_equal.json; those are
counted apart.
"""

from __future__ import annotations

import argparse
import ast
import faulthandler
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from planted_bugs import GENERATED, Bug, candidates, instruction_sets

ROOT = Path(__file__).resolve().parent.parent
EQUAL = Path(__file__).with_name("planted_equal.json")
# They compile with sanitizers, or ask mypy: minutes, for bugs that other tests see.
TESTS = ("tests/engine", "tests/nn/training/test_compiled.py")
LONGEST = 120  # seconds: the longest takes some ten, where nothing else runs
APART = ("test_the_compiled_code_is_clean_under_the_sanitizers", "test_types_catch_mistakes")


class _Chosen:
    """A plugin of pytest: runs the chosen tests only, in this order; new ones, unknown to the map, first."""

    def __init__(self, order: Sequence[str] | None, known: set[str], left_out: set[str]) -> None:
        self.order, self.known, self.left_out = order, known, left_out
        self.failed = ""

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        items[:] = [i for i in items if i.name not in APART and i.nodeid not in self.left_out]
        if self.order is not None:
            rank = {name: k for k, name in enumerate(self.order)}
            items[:] = [i for i in items if i.nodeid in rank or i.nodeid not in self.known]
            items.sort(key=lambda i: rank.get(i.nodeid, -1))

    def pytest_sessionstart(self) -> None:
        faulthandler.dump_traceback_later(LONGEST, exit=True, file=sys.__stderr__)  # what waits uses no time of the CPU

    def pytest_runtest_setup(self) -> None:
        self.pytest_sessionstart()

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed = self.failed or report.nodeid


class _Measured:
    """A plugin of pytest: which test runs which lines, which start processes, and how long each takes."""

    def __init__(self, coverage: Any) -> None:
        self.coverage, self.seconds, self.failed = coverage, dict[str, float](), set[str]()
        self.test, self.processes = "", set[str]()

    def pytest_sessionstart(self) -> None:
        sys.addaudithook(self.audit)

    def audit(self, event: str, _: object) -> None:
        if event in ("subprocess.Popen", "os.fork"):
            self.processes.add(self.test)

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        items[:] = [i for i in items if i.name not in APART]

    def pytest_runtest_setup(self, item: Any) -> None:
        self.test = item.nodeid
        self.coverage.switch_context(self.test)

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.add(report.nodeid)


class Room:
    """A copy of the tree in which bugs are planted, and its tests run."""

    def __init__(self, folder: Path, map_file: Path) -> None:
        self.folder, self.map_file = folder, map_file
        for name in ("engine", "nn", "viz", "demos", "tests", ".github", "README.md", "LICENSE", "pyproject.toml"):
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "out"))
            else:
                shutil.copy2(ROOT / name, folder / name)
        self.clock = int(time.time())
        self.map: dict[str, Any] = {}

    def write(self, path: str, content: bytes) -> None:
        """Changes a file; each time with another date, so that no compiled form of it counts as fresh."""
        self.clock += 2
        (self.folder / path).write_bytes(content)
        os.utime(self.folder / path, (self.clock, self.clock))

    def run(self, files: Sequence[str], plugin: Any, cpu: int, quiet: bool = True) -> int | str:
        """pytest's exit status, in a process forked from this one; "hangs" where it waits for ever."""
        report = self.folder / "failed"
        report.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                os.chdir(self.folder)
                signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background ignores
                resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
                resource.setrlimit(resource.RLIMIT_DATA, (6 << 30, 6 << 30))
                log = os.open(self.folder / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
                os.dup2(log, 1)
                os.dup2(log, 2)
                os.environ["PYTHONPATH"] = str(self.folder)
                sys.path[:] = [
                    str(self.folder),
                    *(p for p in sys.path if Path(p).resolve() not in (ROOT, ROOT / "tests")),
                ]
                import pytest

                options = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider"]
                status = int(pytest.main([*(["-x"] if quiet else []), *options, *files], plugins=[plugin]))
                if isinstance(plugin, _Measured):
                    self.keep(plugin)
                else:
                    report.write_text(plugin.failed)
                os._exit(status)
            except BaseException:  # a fork must not go on as its parent
                os._exit(77)
        deadline = time.monotonic() + 10 * cpu
        while time.monotonic() < deadline:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                with suppress(ProcessLookupError):
                    os.killpg(child, signal.SIGKILL)  # what a test that hung has started
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
        return "hangs"

    def failed(self) -> str:
        report = self.folder / "failed"
        return report.read_text() if report.exists() else ""

    def keep(self, plugin: _Measured) -> None:
        plugin.coverage.stop()
        data = plugin.coverage.get_data()
        tests = list(plugin.seconds)
        number = {name: k for k, name in enumerate(tests)}
        lines = {}
        for file in data.measured_files():
            path = Path(file).relative_to(self.folder).as_posix()
            lines[path] = {
                str(line): [] if "" in contexts else sorted({number[c] for c in contexts if c in number})
                for line, contexts in data.contexts_by_lineno(file).items()
            }
        found = {"tests": tests, "seconds": list(plugin.seconds.values()), "lines": lines, "sums": self.sums(),
                 "failed": sorted(plugin.failed), "processes": sorted(plugin.processes)}  # fmt: skip
        self.map_file.parent.mkdir(parents=True, exist_ok=True)
        self.map_file.write_text(json.dumps(found))

    def sums(self) -> dict[str, str]:
        return {
            p.relative_to(self.folder).as_posix(): hashlib.md5(p.read_bytes()).hexdigest()
            for p in (self.folder / "engine").rglob("*.py")
        }

    def measure(self) -> None:
        """Which tests run which lines: from the map that is kept, or measured now."""
        if not self.map_file.exists():
            import coverage

            print("measuring which test runs which line", flush=True)
            measured = coverage.Coverage(data_file=None, source=[str(self.folder / "engine")], config_file=False)
            measured.start()
            self.run(TESTS, _Measured(measured), cpu=3600, quiet=False)
            measured.stop()
            if not self.map_file.exists():
                sys.exit(f"the tests could not be run:\n{(self.folder / 'log').read_text()[-3000:]}")
        self.map = json.loads(self.map_file.read_text())
        for name in self.map["failed"]:
            print(f"left out, because it fails without any bug: {name}")

    def order(self, bug: Bug) -> list[str]:
        """The tests that run the line, the quick ones first."""
        lines = self.map["lines"].get(bug.path, {})
        seconds = self.map["seconds"]
        if bug.path.endswith(".py") and self.map["sums"].get(bug.path) == self.sums_before.get(bug.path):
            run = [lines[str(k)] for k in _statement(self.before[bug.path], bug.line) if str(k) in lines]
            # What runs before the first test, as when a module is imported, may be seen by any test.
            numbers = set(range(len(seconds))) if [] in run else {k for found in run for k in found}
        elif bug.path.endswith(".py"):  # changed since
            found = self.map["lines"].get(bug.path)
            numbers = {k for one in found.values() for k in one} if found else set(range(len(seconds)))
        else:  # what uses the library
            found = [lines for path, lines in self.map["lines"].items() if path.startswith("engine/lowering/native/")]
            numbers = {k for lines in found for one in lines.values() for k in one}
        own = Path(bug.path).stem
        if not numbers:  # run in processes of its own, which are not measured
            numbers = {k for k, name in enumerate(self.map["tests"]) if f"/test_{own}.py::" in name}
        mirrored = lambda k: f"test_{own}.py" not in self.map["tests"][k]  # noqa: E731
        return [
            self.map["tests"][k] for k in sorted(numbers, key=lambda k: (seconds[k] > 0.5, mirrored(k), seconds[k]))
        ]

    def prepare(self, bugs: Sequence[Bug]) -> None:
        self.before = {path: (self.folder / path).read_bytes() for path in {bug.path for bug in bugs} | {GENERATED}}
        self.sums_before = self.sums()
        self.libraries = {p: p.read_bytes() for p in (self.folder / "engine/lowering/native").glob("*.so")}

    def build(self) -> bool:
        """Builds the library from the changed C files, quickly."""
        return subprocess.run([sys.executable, "-c", _BUILD], cwd=self.folder, capture_output=True).returncode == 0

    def notices(self, bug: Bug, quick: bool) -> str | None:
        """The test that notices the bug, or "" where none does; None where what is planted is no program."""
        before = self.before[bug.path]
        planted = bug.planted(before)
        self.write(bug.path, planted)
        try:
            if bug.path.endswith(".py"):
                try:
                    ast.parse(planted)
                except SyntaxError:
                    return None
            elif not self.build():
                return None
            if bug.path == "engine/ops.py":
                environment = {**os.environ, "PYTHONPATH": str(self.folder)}
                done = subprocess.run([sys.executable, "-m", "engine.generate"], cwd=self.folder, env=environment,
                                      capture_output=True)  # fmt: skip
                if done.returncode:
                    return "python -m engine.generate"
            known, order = set(self.map["tests"]), self.order(bug)
            files = list(dict.fromkeys(name.split("::")[0] for name in order))
            files += [p for p in self.tests() if not any(name.startswith(f"{p}::") for name in known)]  # new ones
            seconds = dict(zip(self.map["tests"], self.map["seconds"]))
            apart = [name for name in self.map["processes"] if name in known and name not in order]
            # Most are noticed at once, before slow peers are imported.
            for chosen, some in ((order, files[:3]), (order, files[3:]), (apart, {n.split("::")[0] for n in apart})):
                if not some:
                    continue
                usual = sum(seconds[name] for name in chosen if name.split("::")[0] in some)
                cpu = 20 + int(2 * usual)  # what goes round for ever is noticed soon
                status = self.run(sorted(some), _Chosen(chosen, known, set(self.map["failed"])), cpu)
                if status not in (0, 5):
                    return self.failed() or f"status {status}"
            if quick:
                return ""
            rest = sorted(self.tests(), key=lambda p: Path(bug.path).stem not in p)
            status = self.run(rest, _Chosen(None, known, {*order, *apart, *self.map["failed"]}), cpu=300)
            return (self.failed() or f"status {status}") if status not in (0, 5) else ""
        finally:
            self.write(bug.path, before)
            self.write(GENERATED, self.before[GENERATED])
            if not bug.path.endswith(".py"):
                for path, content in self.libraries.items():
                    path.write_bytes(content)

    def tests(self) -> list[str]:
        found = [[path] if path.is_file() else path.rglob("test_*.py") for path in (self.folder / t for t in TESTS)]
        return sorted(p.relative_to(self.folder).as_posix() for paths in found for p in paths)


# What a change does not touch is not compiled again: most C files belong to the driver alone, or to the kernels.
_BUILD = """
import hashlib, os, shutil, subprocess, sys
sys.path.insert(0, "engine/lowering/native")
import build

def kept(words):
    if "-c" not in words:
        return run(words)
    flags, (source, _, target) = words[: words.index("-c")], words[words.index("-c") + 1 :]
    text = subprocess.run([*flags, "-E", "-P", source], capture_output=True, check=True).stdout
    object_file = "objects/" + hashlib.md5(repr(flags).encode() + text).hexdigest()
    if not os.path.exists(object_file):
        run(words)
        os.makedirs("objects", exist_ok=True)
        shutil.copyfile(target, object_file)
    shutil.copyfile(object_file, target)

run, build._run = build._run, kept
build.build("engine/lowering/native/_tape.so", build.system_compiler() or build.zig(), ["-O1"])
"""


def _statement(source: bytes, line: int) -> Iterable[int]:
    """The lines of the simple statement around a line: any of them may be where it is counted as run."""
    for node in ast.walk(ast.parse(source)):
        last = getattr(node, "end_lineno", None)
        if isinstance(node, ast.stmt) and not hasattr(node, "body") and last and node.lineno <= line <= last:
            return range(node.lineno, last + 1)
    return (line,)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", help="files or folders of engine; all by default")
    parser.add_argument("--count", type=int, default=100, help="how many bugs (100)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="name the bugs, plant none")
    parser.add_argument("--quick", action="store_true", help="only the tests that run the changed line")
    parser.add_argument("--map", type=Path, default=ROOT / "out/planted.json", help="where the map of tests is kept")
    options = parser.parse_args(arguments)
    bugs = candidates(ROOT, options.files)
    total = len(bugs)
    random.Random(options.seed).shuffle(bugs)
    bugs = bugs[: options.count]
    if options.list:
        for bug in bugs:
            before, after = bug.shown((ROOT / bug.path).read_bytes())
            print(f"{bug.path}:{bug.line} {bug.kind}\n    {before}\n    {after}")
        print(f"{len(bugs)} of {total}")
        return 0
    if not instruction_sets(ROOT):  # the tests of compiled code would be skipped, and notice nothing
        sys.exit("the compiled interpreter cannot be loaded: python engine/lowering/native/build.py")
    known = (
        {(e["file"], e["before"], e["after"]): e["why"] for e in json.loads(EQUAL.read_text())}
        if EQUAL.exists()
        else {}
    )
    with tempfile.TemporaryDirectory() as folder:
        room = Room(Path(folder).resolve(), options.map.resolve())
        import hypothesis  # noqa: F401  once, before all the forks
        import mpmath  # noqa: F401
        import numpy  # noqa: F401
        import pytest  # noqa: F401

        room.measure()
        room.prepare(bugs)
        noticed, missed, equal, broken = 0, [], 0, 0
        for bug in bugs:
            before, after = bug.shown(room.before[bug.path])
            why = known.get((bug.path, before, after))
            if why is not None:
                equal += 1
                print(f"equal    {bug.path}:{bug.line} {after}: {why}", flush=True)
                continue
            started = time.monotonic()
            by = room.notices(bug, options.quick)
            seconds = time.monotonic() - started
            if by is None:
                broken += 1
                print(f"broken   {bug.path}:{bug.line} {bug.kind}", flush=True)
            elif by:
                noticed += 1
                print(f"noticed  {bug.path}:{bug.line} {bug.kind} ({seconds:.0f} s) by {by}", flush=True)
            else:
                missed.append(bug)
                print(
                    f"MISSED   {bug.path}:{bug.line} {bug.kind} ({seconds:.0f} s)\n    {before}\n    {after}",
                    flush=True,
                )
    counted = noticed + len(missed)
    rate = 100 * noticed / max(counted, 1)
    print(f"{noticed} of {counted} planted bugs noticed ({rate:.1f} %), seed {options.seed}")
    print(f"apart from these: {equal} change nothing, {broken} do not compile; {total} could be planted")
    return int(noticed < 0.95 * counted)


if __name__ == "__main__":
    sys.exit(main())
