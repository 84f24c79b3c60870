"""The bugs that planted.py plants: each is a program that differs from the right one, in the place that it names."""

from __future__ import annotations

import ast
import shutil
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from planted_bugs import candidates

from engine.lowering import native

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("path", ["engine/graph.py", "engine/reverse.py", "engine/ops.py", "engine/weighted.py"])
def test_a_planted_bug_is_a_program_that_differs(path):
    """Each changes what Python reads, and none breaks its syntax; no two are the same."""
    source = (ROOT / path).read_bytes()
    right, seen = ast.dump(ast.parse(source)), set()
    for bug in candidates(ROOT, [path])[::9]:
        wrong = bug.planted(source)
        assert ast.dump(ast.parse(wrong)) != right, bug
        before, after = bug.shown(source)
        assert before != after
        seen.add(wrong)
    assert len(seen) > 4


def test_all_kinds_are_planted_in_python_and_in_c():
    """Operators, comparisons, conditions, numbers, statements, results, arguments: in both languages where they can."""
    kinds = {"operator", "comparison", "and, or", "number", "condition", "statement", "arguments"}
    bugs = candidates(ROOT)
    assert {bug.kind for bug in bugs if bug.path.endswith((".c", ".h"))} == kinds
    assert {bug.kind for bug in bugs if bug.path.endswith(".py")} == kinds | {"result", "sign"}
    assert bugs == candidates(ROOT)


def test_words_are_left_alone():
    """The text of an error, a docstring and an annotation are not code."""
    source = (ROOT / "engine/reverse.py").read_text(encoding="utf-8")
    raises = {node.lineno: node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Raise)}
    for bug in candidates(ROOT, ["engine/reverse.py"]):
        if bug.line in raises:
            assert (bug.kind, bug.text) == ("statement", "pass")


def test_nothing_is_planted_in_code_of_other_processors():
    """A line that is compiled for none of the sets of instructions that can be run here is no place for a bug."""
    if not native.available()[0] or not shutil.which("cc"):
        pytest.skip("nothing says what is compiled here")
    path = "engine/lowering/native/c/vectors.h"
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    tiles = {k for k, line in enumerate(lines, 1) if line.startswith("#define MR ")}
    planted = {bug.line for bug in candidates(ROOT, [path])}
    assert len(tiles) == 5, "one for each kind of vectors"
    assert 0 < len(tiles & planted) <= len(native.instruction_sets())
