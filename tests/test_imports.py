"""The arrows between the packages point one way: engine <- nn <- viz <- demos, read from the source."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ALLOWED = {"engine": set(), "nn": {"engine"}, "viz": {"engine", "nn"}, "demos": {"engine", "nn", "viz"}}
# What may be imported from outside the standard library, and inside functions only unless it is required.
REQUIRED = {"engine": set(), "nn": set(), "viz": {"graphviz"}}
OPTIONAL = {
    "engine": {"jax", "numpy"},
    "nn": {"tqdm", "numpy", "torch", "jax", "onnx", "sklearn", "matplotlib"},
    "viz": {"matplotlib", "pygraphviz", "IPython", "anywidget", "traitlets"},
}
SLOW = {"dataclasses", "typing", "inspect", "ast", "re", "ctypes", "json", "random", "subprocess", "tempfile"}


def imports(text: str, package: str) -> list[tuple[str, bool, bool]]:
    """(top-level module, at module level, for the type checker only) of every import in a source text."""
    found = []

    def visit(node: ast.AST, top: bool, checking: bool) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.extend((alias.name.split(".")[0], top, checking) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                found.append((package if child.level else (child.module or "").split(".")[0], top, checking))
            elif isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
                visit(child, False, checking)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                for statement in child.body:
                    visit(ast.Module([statement], []), top, True)
                for statement in child.orelse:
                    visit(ast.Module([statement], []), top, checking)
            else:
                visit(child, top, checking)

    visit(ast.parse(text), True, False)
    return found


def sources(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_packages_before_it(package):
    """engine imports none of the others, nn only engine, viz only engine and nn; nothing but demos imports demos."""
    for path in sources(package):
        ours = {name for name, _, _ in imports(path.read_text(encoding="utf-8"), package) if name in ALLOWED}
        assert ours - {package} <= ALLOWED[package], path


@pytest.mark.parametrize("package", REQUIRED)
def test_a_package_needs_nothing_outside_the_standard_library(package):
    """Outside the standard library only what is required is imported with a module; extras wait for their function."""
    for path in sources(package):
        if path.name == "build.py":  # run by hatchling alone, and not installed
            continue
        for name, top, checking in imports(path.read_text(encoding="utf-8"), package):
            if checking or name in ALLOWED or name in sys.stdlib_module_names or name in REQUIRED[package]:
                continue
            assert name in OPTIONAL[package], f"{path}: {name}"
            if path.parent.name == "sklearn":  # for those alone who have it: nothing else of nn imports it
                continue
            assert not top, f"{path}: {name} is an extra and must be imported inside the function that needs it"


def test_importing_the_engine_imports_nothing_slow():
    """What engine's own modules import at import time is light: the modules named here cost more than the engine."""
    import subprocess

    code = "import sys; before = set(sys.modules); import engine; print(*sorted(set(sys.modules) - before))"
    # -I -S: neither the environment nor a .pth file of an installed package imports something first
    said = subprocess.run([sys.executable, "-I", "-S", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    loaded = set(said.stdout.split())
    assert "engine" in loaded
    assert not loaded & SLOW


def test_the_reader_of_imports_sees_every_kind():
    """The check can fail: an import in a function, a relative one and one for the type checker are all told apart."""
    text = (
        "import os.path\nfrom . import x\nTYPE_CHECKING = False\nif TYPE_CHECKING:\n    import numpy\n"
        "def f():\n    from viz import draw\n"
    )
    assert imports(text, "nn") == [
        ("os", True, False), ("nn", True, False), ("numpy", True, True), ("viz", False, False)
    ]  # fmt: skip


def test_the_top_level_holds_what_it_should_and_no_more():
    """Six folders and two files, besides dotfiles and the licence."""
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    top = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    visible = {name for name in top if not name.startswith(".")}
    assert visible == {"pyproject.toml", "README.md", "LICENSE", "engine", "nn", "viz", "tests", "demos"}
