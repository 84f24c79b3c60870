"""The README is true: every block of code in it runs and prints what it shows, and everything it links to is there."""

from __future__ import annotations

import contextlib
import io
import math
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import viz
from engine import OPS

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"[-+]?\d+\.?\d*(?:e[-+]?\d+)?")


def same(shown: str, printed: str) -> bool:
    """Equal but for the last digits of numbers: the C library of another machine may round otherwise."""
    if NUMBER.sub("#", shown).split() != NUMBER.sub("#", printed).split():
        return False
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(printed))
    return all(math.isclose(float(a), float(b), rel_tol=1e-4, abs_tol=1e-8) for a, b in pairs)


def test_the_comparison_of_outputs_can_fail():
    """Another number, another word and a missing line are seen; rounding is not."""
    assert same("f = 0.2189 ok 1e-12", "f = 0.2189  ok 7e-12")
    assert not same("f = 0.2189", "f = 0.2199")
    assert not same("f = 0.2189", "g = 0.2189")
    assert not same("f = 0.2189\ng", "f = 0.2189")


def test_the_examples_print_what_is_shown(tmp_path, monkeypatch):
    """All python blocks, run in order as one program; the text block after one is what it prints."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(viz, "render", viz.render if viz.renderer() else lambda graph, path: Path(path))
    names: dict[str, object] = {"__name__": "readme"}
    ran = 0
    for (kind, code), (next_kind, shown) in zip(BLOCKS, [*BLOCKS[1:], ("", "")]):
        if kind != "python" or code.startswith("Op("):
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, "README.md", "exec"), names)
        expected = shown if next_kind == "text" else ""
        assert same(expected, printed.getvalue()), f"{code}\nprints\n{printed.getvalue()}\nshown is\n{expected}"
        ran += 1
    assert ran >= 4


def test_the_row_shown_is_a_row_of_the_table():
    """The README explains an operation by a row that stands in ops.py as it is shown."""
    (row,) = [code for kind, code in BLOCKS if kind == "python" and code.startswith("Op(")]
    source = " ".join((ROOT / "engine" / "ops.py").read_text(encoding="utf-8").split())
    assert " ".join(row.split()) in source


def test_every_operation_is_listed():
    """The list of operations in the README is the table's, in its order."""
    (listed,) = re.findall(r"^<!-- operations -->\n(.*?)^<!-- end -->$", TEXT, re.MULTILINE | re.DOTALL)
    assert re.findall(r"`(\w+)`", listed) == [name for name, op in OPS.items() if not op.helper]


def test_commands_are_right(tmp_path):
    """What the commands install exists; commands of the packages run; the modules they name are there."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    commands = [line for kind, code in BLOCKS if kind == "bash" for line in code.splitlines()]
    for command in commands:
        for extra in re.findall(r"\.\[([\w,]+)\]", command):
            assert set(extra.split(",")) <= set(extras), command
        for module in re.findall(r"python -m (\w+)", command):
            assert module in ("demos", "pytest", "viz", "engine", "nn"), command
        if command.startswith("python -m viz") and viz.renderer():
            arguments = [sys.executable, *shlex.split(command)[1:]]
            subprocess.run(arguments, cwd=tmp_path, check=True, capture_output=True, env=_environment())
    assert sum("-m pytest" in command for command in commands) == 1, "the check takes the test command from here"


def _environment() -> dict[str, str]:
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_links_lead_somewhere():
    """Every relative link and picture is a file of the project."""
    for target in re.findall(r"\]\(([^)#]+)\)|<img[^>]* src=\"([^\"]+)\"", TEXT):
        name = target[0] or target[1]
        if not name.startswith("http"):
            assert (ROOT / name).exists(), name


@pytest.mark.skipif(viz.renderer() is None, reason="no Graphviz")
def test_the_picture_of_the_expression_is_of_the_example():
    """The numbers in the README's first picture are those of its first example."""
    picture = (ROOT / "demos" / "pictures" / "expression.svg").read_text(encoding="utf-8")
    for shown in re.findall(r"-?\d\.\d{4}", next(code for kind, code in BLOCKS if kind == "text")):
        assert shown.replace("-", "−") in picture, shown


def test_pictures_are_small_and_made_by_the_demos():
    """Committed pictures have the name of a picture that a demo writes, and together stay under 300 KB."""
    written = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "demos").glob("*.py"))
    pictures = list((ROOT / "demos" / "pictures").iterdir())
    assert pictures
    for path in pictures:
        assert f'"{path.name}"' in written, path.name
    assert sum(path.stat().st_size for path in pictures) < 300_000
