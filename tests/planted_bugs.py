"""The bugs that tests/planted.py plants: every small change that could be made to the files of engine/."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

GENERATED = "engine/operations.py"


class Bug(NamedTuple):
    """A change of the bytes from ``start`` to ``stop`` of a file into ``text``."""

    path: str
    line: int
    kind: str
    start: int
    stop: int
    text: str

    def planted(self, source: bytes) -> bytes:
        return source[: self.start] + self.text.encode() + source[self.stop :]

    def shown(self, source: bytes) -> tuple[str, str]:
        """The line before and after."""
        first = source.rfind(b"\n", 0, self.start) + 1
        end = source.find(b"\n", self.stop)
        before, planted = source[first:end], self.planted(source)
        after = planted[first : len(planted) - (len(source) - end)]
        return (" ".join(before.decode().split()), " ".join(after.decode().split()))


# Python.

_OPERATORS: dict[type[ast.AST], tuple[str, str]] = {
    ast.Add: ("+", "-"), ast.Sub: ("-", "+"), ast.Mult: ("*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: ("**", "*"), ast.BitOr: ("|", "&"), ast.BitAnd: ("&", "|"), ast.LShift: ("<<", ">>"),
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: ("is not", "is"), ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
}  # fmt: skip
_TURNED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_STATEMENTS = (ast.Expr, ast.Assign, ast.AugAssign, ast.Raise, ast.Delete, ast.Break, ast.Continue)


class _Python:
    """The bugs that can be planted in a Python file, or in an expression."""

    def __init__(self, path: str, source: bytes) -> None:
        self.path, self.source, self.bugs = path, source, list[Bug]()
        self.starts = [0]
        for line in source.splitlines(keepends=True):
            self.starts.append(self.starts[-1] + len(line))

    def at(self, node: Any) -> tuple[int, int]:
        return (
            self.starts[node.lineno - 1] + node.col_offset,
            self.starts[node.end_lineno - 1] + node.end_col_offset,
        )

    def text(self, node: Any) -> str:
        start, stop = self.at(node)
        return self.source[start:stop].decode()

    def add(self, node: Any, kind: str, text: str) -> None:
        self.bugs.append(Bug(self.path, node.lineno, kind, *self.at(node), text))

    def between(self, left: Any, right: Any, operator: ast.AST, kind: str) -> None:
        start, stop = self.at(left)[1], self.at(right)[0]
        old, new = _OPERATORS[type(operator)]
        gap = self.source[start:stop].decode()
        for replacement in [new, *([_TURNED[old]] if old in _TURNED else [])]:
            at = re.search(rf"(?<!\w){re.escape(old)}(?!\w)", gap)
            if at:
                text = gap[: at.start()] + replacement + gap[at.end() :]
                self.bugs.append(Bug(self.path, right.lineno, kind, start, stop, text))

    def walk(self, node: ast.AST, inside: str = "") -> None:
        """Adds the bugs of a node and of all below it. ``inside``: "function", "class" or nothing."""
        if isinstance(node, (ast.JoinedStr, ast.Import, ast.ImportFrom)):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for child in node.orelse:
                self.walk(child, inside)
            return
        if isinstance(node, (ast.FunctionDef, ast.Lambda)):
            if any("overload" in ast.dump(d) for d in getattr(node, "decorator_list", [])):
                return
            for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
                self.walk(default, inside)
            for child in node.body if isinstance(node.body, list) else [node.body]:
                self.walk(child, "function")
            return
        if isinstance(node, ast.ClassDef):
            for child in node.body:
                self.walk(child, "class")
            return
        if isinstance(node, ast.AnnAssign):
            if node.value is not None:
                self.walk(node.value, inside)
            return
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            return  # a docstring
        self.here(node, inside)
        if isinstance(node, ast.Raise):
            return  # the words of an error
        for child in ast.iter_child_nodes(node):
            self.walk(child, inside)

    def here(self, node: ast.AST, inside: str) -> None:
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            self.between(node.left, node.right, node.op, "operator")
        elif isinstance(node, ast.Compare):
            self.between(node.left, node.comparators[0], node.ops[0], "comparison")
        elif isinstance(node, ast.BoolOp):
            self.between(node.values[0], node.values[1], node.op, "and, or")
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            if not isinstance(node.operand, ast.Constant):
                self.add(node, "sign", f"({self.text(node.operand)})")
        elif isinstance(node, ast.Constant):
            if isinstance(node.value, bool):
                self.add(node, "number", str(not node.value))
            elif isinstance(node.value, int):
                self.add(node, "number", str(node.value + 1))
            elif isinstance(node.value, float):
                x = node.value
                self.add(node, "number", repr(2 * x if 0 < x < 1e-2 else x + 1) if x < 1e300 else "1.0")
        elif isinstance(node, ast.Call) and len(node.args) > 1:
            first, second = node.args[:2]
            if not any(isinstance(a, ast.Starred) for a in (first, second)) and self.text(first) != self.text(second):
                start, stop = self.at(first)[0], self.at(second)[1]
                gap = self.source[self.at(first)[1] : self.at(second)[0]].decode()
                text = self.text(second) + gap + self.text(first)
                self.bugs.append(Bug(self.path, node.lineno, "arguments", start, stop, text))
        elif isinstance(node, ast.Return) and node.value and self.text(node.value) not in ("None", "False"):
            self.add(node.value, "result", "None")
        if isinstance(node, (ast.If, ast.While, ast.IfExp)):
            self.add(node.test, "condition", f"(not ({self.text(node.test)}))")
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                self.add(test, "condition", f"(not ({self.text(test)}))")
        if isinstance(node, _STATEMENTS) and inside == "function":
            self.add(node, "statement", "pass")


def _python(path: str, source: bytes) -> list[Bug]:
    found = _Python(path, source)
    tree = ast.parse(source)
    if path != "engine/ops.py":
        for node in tree.body:
            found.walk(node)
        return found.bugs
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.walk(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Op":
            for cell in [node.args[3], *node.args[4].elts]:  # type: ignore[attr-defined]
                _expression(found, cell)
            for argument in [*node.args, *(k.value for k in node.keywords if k.arg == "chooses")]:
                if isinstance(argument, ast.Constant) and argument.value is True:
                    found.add(argument, "number", "False")
    return found.bugs


def _expression(found: _Python, cell: Any) -> None:
    """The bugs of an expression of the table, which is a string in the file."""
    inner = _Python(found.path, cell.value.encode())
    inner.walk(ast.parse(cell.value, mode="eval").body, "expression")
    for bug in inner.bugs:
        found.add(cell, bug.kind, json.dumps(bug.planted(inner.source).decode(), ensure_ascii=False))


# C.

_C = {
    "operator": (r" ([-+*/]) ", {"+": "-", "-": "+", "*": "/", "/": "*"}),
    "comparison": (r" (<=|>=|<|>|==|!=) ", {"<": "<=", "<=": "<", ">": ">=", ">=": ">", "==": "!=", "!=": "=="}),
    "and, or": (r" (&&|\|\|) ", {"&&": "||", "||": "&&"}),
    "number": (r"(?<![\w.])(\d+)(?![\w.])", None),
    "condition": (r"\bif (\((?:[^()]|\([^()]*\))*\))", None),
    "statement": (r"^ +((?:[\w.>\[\]*+-]+ [-+*/]?= |\w+\()[^;{}]*;)", None),
    "arguments": (r"\b\w+\((\w+, \w+)(?=[,)])", None),
}


def _c(path: str, source: bytes) -> list[Bug]:
    bugs = []
    text = source.decode()
    # Positions stay: what is not code becomes blanks. (These files are ASCII but for their comments.)
    blank = lambda found: re.sub(r"[^\n]", " ", found.group())  # noqa: E731
    encoded = source.decode("latin-1")
    code = re.sub(r"/\*.*?\*/|//[^\n]*|\"[^\"\n]*\"|^#(?!define)[^\n]*", blank, encoded, flags=re.S | re.M)
    assert len(encoded) >= len(text)
    for kind, (pattern, changes) in _C.items():
        for found in re.finditer(pattern, code, flags=re.M):
            start, stop = found.span(1)
            old = found.group(1)
            if changes:
                new = changes[old]
            elif kind == "number":
                new = str(int(old) + 1)
            elif kind == "condition":
                new = f"(!{old})"
            elif kind == "statement":
                new = ";"
            else:
                new = ", ".join(reversed(old.split(", ")))
            if new != old:
                bugs.append(Bug(path, code.count("\n", 0, start) + 1, kind, start, stop, new))
    return bugs


_CONDITIONAL = re.compile(rb"\s*#\s*(?:if|ifdef|ifndef|elif|else|endif)\b")


@cache
def instruction_sets(root: Path) -> list[str]:
    """The sets of kernels, as build.py names them, that are built and that this machine can run, best first."""
    # In a process of its own: one forked from this must not find engine imported.
    ask = "from engine.lowering import native; print(*native.instruction_sets() if native.available()[0] else ())"
    environment = {**os.environ, "PYTHONPATH": str(root)}
    asked = subprocess.run([sys.executable, "-c", ask], cwd=root, env=environment, capture_output=True, text=True)
    sets = asked.stdout.split()
    return [*(name for name in ("avx512", "avx2") if name in sets), "baseline"] if sets else []


@cache
def _left_out(root: Path) -> dict[str, set[int]]:
    """For each C file the lines that no processor like this one compiles: of AVX-512 where it has none, of Windows.

    The preprocessor says what is left between two conditionals, for each set of instructions that can be run here.
    """
    folder = root / "engine/lowering/native"
    spec = importlib.util.spec_from_file_location("build_hook", folder / "build.py")
    assert spec is not None and spec.loader is not None  # noqa: PT018
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    compiler, have = build.system_compiler(), instruction_sets(root)
    if compiler is None or not have:
        return {}
    defines = [f"-DTAPE_HAVE_{name.upper()}" for name in have]
    calls = [("kernels.c", [*build.X86[name][False], f"-DTAPE_KERNELS={name}"]) for name in have]
    seen: dict[str, set[int]] = {}
    for source, flags in [*calls, ("driver.c", ['-DTAPE_SOURCE=""', *defines])]:
        command = [*compiler, *flags, "-E", "-dD", str(folder / "c" / source)]
        file, line = "", 0
        for text in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
            place = re.match(r'# (\d+) "(.*?)"', text)
            if place:
                file, line = Path(place[2]).name, int(place[1])
                continue
            if text.strip():
                seen.setdefault(file, set()).add(line)
            line += 1
    found = {}
    for path in (folder / "c").iterdir():
        lines = path.read_bytes().splitlines()
        edges = [0, *(k for k, text in enumerate(lines, 1) if _CONDITIONAL.match(text)), len(lines) + 1]
        between = [range(a + 1, b) for a, b in pairwise(edges)]
        found[path.name] = {k for part in between if seen.get(path.name, set()).isdisjoint(part) for k in part}
    return found


def candidates(root: Path, wanted: Sequence[str] = ()) -> list[Bug]:
    """Every bug that can be planted in the files of engine, or in the wanted ones, where this machine would run it."""
    found = []
    left_out = _left_out(root)
    for file in sorted((root / "engine").rglob("*")):
        path = file.relative_to(root).as_posix()
        if path == GENERATED or file.suffix not in (".py", ".c", ".h"):
            continue
        if wanted and not any(path.startswith(w) for w in wanted):
            continue
        bugs = (_python if file.suffix == ".py" else _c)(path, file.read_bytes())
        found += [bug for bug in bugs if bug.line not in left_out.get(file.name, ())]
    return found
