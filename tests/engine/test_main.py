"""python -m engine: what runs here, and why; never a traceback for an output that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from engine.__main__ import main
from engine.lowering import native
from engine.lowering.kernel import choose_backend


def run(**options):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run([sys.executable, "-m", "engine"], stderr=subprocess.PIPE, env=environment, **options)


def test_it_names_the_backend_and_why(capsys):
    """The backend with its reason, then the instruction sets and the compiler where it is native, then the machine."""
    assert main([]) == 0
    backend, reason = choose_backend("auto")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"backend: {backend} ({reason})"
    assert lines[-1].startswith("machine: ")
    if backend == "native":
        assert lines[1].startswith(f"instructions: {native.instruction_sets()[0]}")
        assert lines[2] == f"compiled by: {native.compiler()}"
        assert lines[3] == f"library: {native.LIBRARY}"


def test_without_the_library_it_says_so(capsys, monkeypatch):
    """Where no library can be loaded the backend is source, and nothing is said of instruction sets."""
    monkeypatch.setattr(native, "available", lambda: (False, "it was not built"))
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("backend: source (")
    assert len(lines) == 2


def test_words_are_not_passed_over(capsys):
    """--help says what the command tells; any other word is an error, and no answer to another question."""
    with pytest.raises(SystemExit) as done:
        main(["--help"])
    assert (done.value.code, capsys.readouterr().out.splitlines()[0]) == (0, "usage: python -m engine [-h]")
    with pytest.raises(SystemExit) as done:
        main(["native"])
    assert done.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == "python -m engine: error: unrecognized arguments: native"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_output_is_one_line():
    """An output that cannot be written gives one line and the status 1."""
    with open("/dev/full", "wb") as full:
        done = run(stdout=full)
    assert done.returncode == 1
    assert done.stderr.decode().splitlines() == [
        "python -m engine: the output cannot be written: No space left on device"
    ]


@pytest.mark.skipif(os.name == "nt", reason="needs a shell")
def test_a_closed_output_is_no_error():
    """With no output at all there is nothing to say."""
    done = run(stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(1))
    assert (done.returncode, done.stderr) == (0, b"")
