"""The command line, ``python -m viz``."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import webbrowser
from pathlib import Path
from xml.etree import ElementTree

import pytest

import viz
from viz.__main__ import main

needs_graphviz = pytest.mark.skipif(viz.renderer() is None, reason="no Graphviz")


def run(capsys, *words: str) -> tuple[int, str, str]:
    """The exit status of the command line, and what it wrote to both streams."""
    try:
        status = main(words)
    except SystemExit as exit:  # argparse
        status = int(exit.code or 0)
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_an_expression_prints_its_value_and_gradients(capsys):
    """The result, then each name with its value and derivative; here the gradients are b, a and 1 - tanh²(0.5)."""
    status, out, err = run(capsys, "a*b + tanh(c)", "a=2", "b=-3", "c=0.5")
    assert status == 0
    assert err == ""
    first, *rest = out.splitlines()
    assert first == "a*b + tanh(c) = -5.537882843"
    assert [line.split() for line in rest] == [
        ["a", "=", "2", "grad", "=", "-3"], ["b", "=", "-3", "grad", "=", "2"],
        ["c", "=", "0.5", "grad", "=", "0.786447733"],
    ]  # fmt: skip


def test_pictures_are_written(capsys, tmp_path):
    """--out may be given several times; folders are made, and the file says what the expression is."""
    files = [tmp_path / "new" / name for name in ("graph.dot", "graph.svg")]
    status, out, _ = run(capsys, "a*b", "a=2", "b=3", "--out", str(files[0]), "--out", str(files[1]))
    assert status == 0
    assert all(f"wrote {file}" in out for file in files)
    assert all("a*b" in file.read_text(encoding="utf-8") for file in files)


def test_a_page_is_written(capsys, tmp_path):
    """.html gives the page that steps through backpropagation."""
    path = tmp_path / "page.html"
    status, _, err = run(capsys, "a*b", "a=2", "b=3", "--out", str(path))
    assert (status, err) == (0, "")
    assert "<!doctype html>" in path.read_text(encoding="utf-8").lower()


def test_an_expression_may_begin_with_a_minus(capsys):
    """ "-a" is an expression and no option, wherever it stands."""
    assert run(capsys, "-a*2", "a=1")[1].startswith("-a*2 = -2")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["a*b + tnah(c)", "a=1", "b=1", "c=1"], "did you mean tanh"),
        (["a*b", "a=1"], "b has no value: add b=NUMBER"),
        (["a", "a=1", "b=1"], "b: a value is given"),
        (["a", "a=x"], "'x' is not a number"),
        (["a", "a"], "'a' is the expression; a value is given as name=number"),
        (["a=1"], "an expression is missing"),
        (["a", "a=1", "a=2"], "a already has the value 1"),
        (["a", "1=2"], "a value is given as name=number"),
        (["a", "a=1", "--out", "graph.gif"], "the suffix must be one of .svg, .png, .pdf, .dot, .html"),
        ([], "expression"),
    ],
)
def test_mistakes_end_with_status_2(capsys, tmp_path, monkeypatch, words, says):
    """The error is one message on stderr, without a traceback; nothing is printed or written."""
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *words)
    assert status == 2
    assert says in err
    assert "Traceback" not in err
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_picture_that_cannot_be_made_ends_with_status_1(capsys, tmp_path, monkeypatch):
    """Without Graphviz the numbers are still printed, and the error names the remedies."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys.modules["viz.graphs.layout"], "_embedded_works", lambda: False)
    status, out, err = run(capsys, "a", "a=1", "--out", str(tmp_path / "graph.svg"))
    assert status == 1
    assert "a = 1" in out
    assert "pip install" in err


def test_a_path_that_cannot_be_written_ends_with_status_1(capsys, tmp_path):
    """A file where a folder is needed is reported, not raised."""
    (tmp_path / "file").write_text("")
    status, _, err = run(capsys, "a", "a=1", "--out", str(tmp_path / "file" / "graph.dot"))
    assert status == 1
    assert "graph.dot" in err


def test_help_lists_the_operations_and_examples(capsys):
    """--help shows how values are given, what --out takes, and every operation but those that only rules call."""
    from engine import OPS

    status, out, _ = run(capsys, "--help")
    assert status == 0
    assert 'python -m viz "a*b + tanh(c)" a=2 b=-3 c=0.5 --out graph.svg' in out
    listed = re.split(r",\s+", out[out.index("add, sub") : out.index("Exit status")].strip())
    assert listed == [op.name for op in OPS.values() if not op.helper]


def test_it_runs_as_a_module():
    """python -m viz is the command line."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", "viz", "2*a", "a=21"], env=environment, capture_output=True, encoding="utf-8"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("2*a = 42\n")


@pytest.mark.parametrize(
    "words",
    [["a*b", "--out", "x.dot", "a=2", "b=3"], ["--out", "x.dot", "a*b", "a=2", "b=3"],
     ["a*b", "a=2", "--detail", "full", "b=3", "--out=x.dot"], ["a=2", "--out", "x.dot", "a*b", "b = 3"],
     ["a=2", "b=3", "--out", "x.dot", "a*b"]],
)  # fmt: skip
def test_words_may_come_in_any_order(capsys, tmp_path, monkeypatch, words):
    """Options and values may stand before, between and after the expression."""
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *words)
    assert (status, err) == (0, "")
    assert "a*b = 6" in out
    assert [path.name for path in tmp_path.iterdir()] == ["x.dot"]


def test_a_file_may_begin_with_a_minus(capsys, tmp_path, monkeypatch):
    """--out -.dot writes the file of that very name."""
    monkeypatch.chdir(tmp_path)
    assert run(capsys, "-a", "a=2", "--out", "-.dot")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["-.dot"]


@needs_graphviz
def test_a_picture_on_the_output(capsys):
    """--out - prints the SVG and nothing else, so that it can be piped; the numbers go to the other stream."""
    status, out, err = run(capsys, "a*b", "a=2", "b=3", "--out", "-")
    assert status == 0
    assert ElementTree.fromstring(out).tag.endswith("svg")
    assert err.startswith("a*b = 6")


def test_open_shows_what_was_written(capsys, tmp_path, monkeypatch):
    """--open passes the file on to the browser; without --out that is the page, in a folder for temporary files."""
    shown = []
    monkeypatch.setattr(webbrowser, "open", shown.append)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "x.dot"
    assert run(capsys, "a*b", "a=2", "b=3", "--open", "--out", str(path))[0] == 0
    assert shown.pop() == path.as_uri()
    if viz.renderer():
        assert run(capsys, "a*b", "a=2", "b=3", "--open")[0] == 0
        assert "<!doctype html>" in Path(shown[0].removeprefix("file://")).read_text(encoding="utf-8").lower()


def test_values_may_be_fractions_and_constants(capsys):
    """a=1/2 and b=2*pi are numbers; so are pi and e in the expression."""
    assert run(capsys, "a*b/pi", "a=1/2", "b=2*pi")[1].startswith("a*b/pi = 1\n")


def test_a_number_too_large_is_not_quietly_infinite(capsys):
    """1e400 is refused; inf is taken as meant."""
    status, _, err = run(capsys, "a", "a=1e400")
    assert status == 2
    assert "more than a float holds" in err
    assert run(capsys, "a", "a=inf")[1].startswith("a = inf")


def test_the_usage_line_is_exact(capsys):
    """It shows how the words may be ordered, and nothing that does not work."""
    usage = run(capsys, "--help")[1].splitlines()[0]
    assert usage == (
        "usage: python -m viz EXPRESSION [NAME=NUMBER ...] [--out FILE ...] [--detail LEVEL] [--open] [--quiz] "
        "[--tree] [--latex]"
    )


def test_a_comparison_is_an_expression(capsys):
    """a == b has two signs of equality, and gives no value to a."""
    assert run(capsys, "a=2", "a==b", "b=2")[1].startswith("a==b = 1\n")


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no pseudo-terminals here")
def test_the_quiz_in_a_terminal():
    """In a terminal of 60 columns: the words of the right and the wrong answers, no line broken inside a word, and the
    numbers at the end."""
    ours, theirs = os.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "utf-8", "COLUMNS": "60"}
    running = subprocess.Popen([sys.executable, "-m", "viz", "a*b", "a=2", "b=-3", "--quiz"], env=environment,
                               stdin=theirs, stdout=theirs, stderr=theirs)  # fmt: skip
    os.close(theirs)
    late = threading.Timer(60, running.kill)
    late.start()
    said, place = b"", 0

    def until(words: bytes) -> None:
        nonlocal said, place
        while words not in said[place:]:
            said += os.read(ours, 4096)
        place = said.index(words, place) + len(words)

    for question, answer in ((b"1 of 2", b"3"), (b"Not quite", b"-3"), (b"2 of 2", b"=")):
        until(question)
        until(b"\n> ")
        os.write(ours, answer + b"\n")
    with contextlib.suppress(OSError):  # as a terminal ends
        until(b"never said")
    late.cancel()
    os.close(ours)
    assert running.wait() == 0
    lines = said.decode("utf-8").replace("\r", "").split("\n")
    assert "0 of 2 right at once." in lines
    assert "a*b = -6" in lines
    assert any(line.startswith("  a = 2") and line.endswith("grad = -3") for line in lines)
    assert max(map(len, lines)) < 60
    assert "Answer with a number" in " ".join(lines)


def module(*words: str, encoding: str = "utf-8", **streams) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-m", "viz", *words], env=environment, encoding=encoding,
                          stderr=subprocess.PIPE, **streams)  # fmt: skip


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_a_full_output_is_one_line():
    """Where the output cannot be written the status is 1 and the reason is a line, not a traceback."""
    with open("/dev/full", "w") as full:
        done = module("a*b", "a=2", "b=3", stdout=full)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "cannot be written" in done.stderr


def test_a_closed_output_is_no_traceback():
    """A reader that has seen enough, such as head, and an output closed from the start, end it without a word."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        assert module("a*b", "a=2", "b=3", stdout=broken).stderr == ""
    if os.name == "posix":
        command = f"{shlex.quote(sys.executable)} -m viz 'a*b' a=2 b=3 >&-"
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        assert subprocess.run(command, shell=True, stderr=subprocess.PIPE, text=True, env=environment).stderr == ""


def test_a_terminal_that_lacks_a_character_shows_its_escape():
    """In latin-1 there is no ŷ: it is written as an escape, and nothing fails."""
    done = module("ŷ*2", "ŷ=2", encoding="latin-1", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("\\u0177*2 = 4")


def test_the_tree_and_the_formulas_are_printed(capsys):
    """--tree shows the graph as text, --latex the expression and a derivative for each leaf."""
    status, out, err = run(capsys, "a*b + tanh(a)", "a=2", "b=-3", "--tree", "--latex")
    assert (status, err) == (0, "")
    assert "├─ a*b  ×" in out
    assert "−2.9293" in out
    assert r"a \, b + \tanh\left(a\right)" in out
    assert r"&= b + 1 - \tanh^{2}\left(a\right)" in out
    assert out.count(r"\begin{aligned}") == 2
