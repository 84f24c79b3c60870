"""The library: which is refused, what the environment chooses, and that its code is clean under sanitizers."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from native_runs import SETS, run

import engine
from engine import Value
from engine.lowering import native
from engine.lowering.native import library as native_library


def test_a_stale_library_is_refused(monkeypatch, tmp_path):
    """A library built from other C files is not used, whichever of them differs, and the reason says what to do."""
    for name in os.listdir(native_library.SOURCES):
        other = tmp_path / name / "c"
        shutil.copytree(native_library.SOURCES, other)
        with open(other / name, "ab") as file:
            file.write(b"\n")
        monkeypatch.setattr(native_library, "SOURCES", str(other))
        monkeypatch.setattr(native_library, "_loaded", None)
        available, reason = native.available()
        assert not available, name
        assert "other C files" in reason
    assert "reinstall" in reason


def test_without_the_library_source_is_used(monkeypatch, tmp_path):
    """auto falls back on generated Python, and says why; native asked for by name says what to install."""
    monkeypatch.setattr(native_library, "LIBRARY", str(tmp_path / "none.so"))
    monkeypatch.setattr(native_library, "_loaded", None)
    x, w = Value(1.0), Value(2.0)
    kernel = engine.lower(w * x, [x], [w])
    assert kernel.backend == "source"
    assert "not built" in kernel.backend_reason
    assert kernel([[3.0]]) == (6.0, [3.0])
    with pytest.raises(RuntimeError, match="compiler"):
        engine.lower(w * x, [x], [w], backend="native")


def test_the_sets_are_those_of_the_processor():
    """What Linux says the processor has, the best first, and behind it what every one has."""
    flags = set()
    if platform.machine() == "x86_64" and os.path.exists("/proc/cpuinfo"):
        flags = set(re.findall(r"\bflags\s*:(.*)", Path("/proc/cpuinfo").read_text())[0].split())
    if not flags:
        pytest.skip("only Linux on x86-64 says it in this way")
    expected = {"avx512": {"fma", "avx2", "avx512f", "avx512dq"}, "avx2": {"fma", "avx2"}}
    assert SETS[:-1] == [name for name, needed in expected.items() if needed <= flags]


def test_unknown_instruction_set(monkeypatch):
    """A misspelt instruction set is named, with those that there are."""
    monkeypatch.setenv("ENGINE_INSTRUCTION_SET", "avx1024")
    with pytest.raises(ValueError, match=r"avx1024.*" + SETS[-1]):
        run([Value(1.0) * 2], [], [], [[]])


def test_the_environment_chooses_the_threads(monkeypatch):
    """ENGINE_THREADS overrides what the work would be worth; without it a small step has one thread."""
    monkeypatch.delenv("ENGINE_THREADS", raising=False)
    assert native_library.choose_threads(1.0) == 1
    monkeypatch.setenv("ENGINE_THREADS", "3")
    assert native_library.choose_threads(1.0) == native_library.choose_threads(1e12) == 3
    monkeypatch.setenv("ENGINE_THREADS", "")
    assert native_library.choose_threads(1.0) == 1


@pytest.mark.parametrize("nonsense", ["many", "0", "-2", "1.5", "65", "²"])
def test_a_number_of_threads_that_is_none_is_refused(monkeypatch, nonsense):
    """What ENGINE_THREADS was set to is named, with what it may be."""
    monkeypatch.setenv("ENGINE_THREADS", nonsense)
    with pytest.raises(ValueError, match=rf"ENGINE_THREADS is '{nonsense}'.*from 1 to 64"):
        native_library.choose_threads(1.0)


def test_the_command_says_what_is_used():
    """python -m engine names the backend, the instruction sets and the compiler."""
    done = subprocess.run([sys.executable, "-m", "engine"], capture_output=True, text=True, check=True)
    assert "backend: native" in done.stdout
    assert all(name in done.stdout for name in SETS)
    assert native.compiler() in done.stdout


SANITIZED = """
import sys
from engine.lowering import native
native.loaded_library.__globals__['LIBRARY'] = sys.argv[1]
sys.path.insert(0, sys.argv[2])
import test_native as t
import test_native_operations as operations
from array import array
for instruction_set in native.instruction_sets():
    for op in operations.OPS.values():
        if op.arity:
            operations.test_operations_at_awkward_points(op, instruction_set)
    for n in t.ROWS:
        t.test_numbers_of_rows(n, instruction_set)
    for sizes in ([1, 1], [2, 7, 13, 1], [5, 3, 8, 11], [3, 50, 2]):
        t.test_layers_of_every_width.hypothesis.inner_test(sizes, instruction_set, "tanh", 33)
t.test_threads_give_the_same_sums_every_time(64)
t.malformed(7, 400)
print("clean")
"""


@pytest.mark.long
def test_the_compiled_code_is_clean_under_the_sanitizers(tmp_path):
    """No access outside an array, no use after free, no undefined behaviour: on the operations at awkward points, on
    odd sizes, on two threads, and on tapes with a word changed.
    """
    if not Path(native_library.FOLDER, "build.py").exists():
        pytest.skip("an installed package comes without the build hook")
    sys.path.insert(0, str(Path(native_library.FOLDER)))
    try:
        import build
    finally:
        sys.path.pop(0)
    command = build.system_compiler()
    if command is None:
        pytest.skip("no C compiler")
    library = str(tmp_path / "_tape.so")
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1", "-fno-omit-frame-pointer"]
    try:
        build.build(library, command, flags)
    except RuntimeError as error:
        pytest.skip(f"this compiler has no sanitizers: {error}")
    runtimes = []
    for name in ("libasan.so", "libubsan.so", "libstdc++.so.6"):
        found = subprocess.run([*command, f"-print-file-name={name}"], capture_output=True, text=True).stdout.strip()
        if os.path.isabs(found):
            runtimes.append(found)
    if not any("libasan" in name for name in runtimes):
        pytest.skip("this compiler's sanitizer cannot be loaded into Python")
    environment = {**os.environ, "LD_PRELOAD": " ".join(runtimes), "ASAN_OPTIONS": "detect_leaks=0"}
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, library, str(Path(__file__).parent)],
        capture_output=True, text=True, env=environment, cwd=Path(engine.__file__).parent.parent,
    )  # fmt: skip
    assert done.stdout.endswith("clean\n"), done.stdout + done.stderr
