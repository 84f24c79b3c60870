"""The rooms of viz: which module imports which."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imports(path: Path) -> set[str]:
    """The modules of viz that a module imports, inside functions too, but not what is for the type checker alone."""
    package = list(path.relative_to(ROOT).parts[:-1])
    found = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            return
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                candidates = [f"{name}.{alias.name}", name]
                found.update(next(([c] for c in candidates if file_of(c)), []))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def file_of(module: str) -> Path | None:
    path = ROOT.joinpath(*module.split("."))
    if module.split(".")[0] != "viz":
        return None
    return next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()), None)


def test_no_module_imports_itself_round_a_circle():
    """From any module, following its imports, one never comes back to it."""
    graph = {}
    for path in sorted((ROOT / "viz").rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        graph[name] = imports(path)
    assert len(graph) > 20
    assert "viz.text" in graph["viz.graphs.dot"]
    for start in graph:
        seen, path = set(), list(graph[start])
        while path:
            name = path.pop()
            if name not in seen:
                seen.add(name)
                path += graph.get(name, ())
        assert start not in seen, f"{start} imports itself"


def test_graphs_know_nothing_of_pages_and_plots():
    """What draws graphs is used by pages and films, and uses neither."""
    for path in (ROOT / "viz" / "graphs").glob("*.py"):
        assert not {name.split(".")[1] for name in imports(path) if "." in name} & {"pages", "plots", "film"}, path


def test_rooms_are_reached_from_viz_and_loaded_when_asked_for():
    """``import viz`` is enough for viz.plots and viz.film, as the README names them, and loads neither."""
    code = "import sys, viz; m = sys.modules; print('viz.plots' in m, 'viz.film' in m, viz.plots.save, viz.film.film)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False False <function save at ")
