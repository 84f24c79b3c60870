"""operations.py, the generated module: fresh, and code to readers, editors, debuggers and type checkers."""

from __future__ import annotations

import importlib.util
import inspect
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

import engine
from engine import OPS, Value, generate, operations


def test_the_generated_module_is_fresh():
    """operations.py is what the table gives; where this fails, run python -m engine.generate."""
    assert generate.TARGET.read_text(encoding="utf-8") == generate.source()


def test_signatures_are_real():
    """Names, defaults and the order of arguments are those that callers use, in methods and functions alike."""
    assert str(inspect.signature(Value.clip)).startswith("(self, low: 'Operand' = -inf, high: 'Operand' = inf)")
    assert str(inspect.signature(engine.leaky_relu)).startswith("(a: 'Operand', negative_slope: 'Operand' = 0.01)")
    assert Value(-2.0).leaky_relu(negative_slope=0.5).data == -1.0
    assert engine.clip(3.0, high=2.0).data == 2.0
    assert engine.where(condition=1.0, then=2.0, otherwise=3.0).data == 2.0


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.arity])
def test_methods_have_source_and_say_their_derivative(name):
    """Every method can be read with its source, and its docstring gives the derivative."""
    method = getattr(Value, name)
    assert f"def {name}(self" in inspect.getsource(method)
    assert Path(inspect.getsourcefile(method)).name == "operations.py"
    assert "derivative" in method.__doc__
    assert "derivative" in operations.FUNCTIONS[name].__doc__


def test_docstrings_read_as_a_textbook():
    """tanh says what it is and how it is differentiated."""
    assert inspect.getdoc(operations.FUNCTIONS["exp"]) == "e to the power a. The derivative is y."
    assert inspect.getdoc(Value.tanh).startswith("The hyperbolic tangent. The derivative is 1 - y*y")


def test_tracebacks_show_the_operation():
    """An error inside an operation shows its line, as in any module."""
    with pytest.raises(AttributeError) as error:
        Value.tanh(3.0)
    frames = traceback.extract_tb(error.tb)
    assert (frames[-1].name, Path(frames[-1].filename).name) == ("tanh", "operations.py")
    assert frames[-1].line == "a = self.data"


@pytest.mark.skipif(not importlib.util.find_spec("mypy"), reason="needs mypy")
def test_types_catch_mistakes(tmp_path):
    """A misspelt method, a missing argument, a wrong keyword and a text are errors; results are Values, not Any."""
    lines = [
        ("from engine import Value, clip, mean, tanh", ""),
        ("import engine", ""),
        ("a = Value(2.0)", ""),
        ("a.tahn()", "attr-defined"),
        ("a.maximum()", "call-arg"),
        ("clip(a, lo=1.0)", "call-arg"),
        ("a + 'text'", "operator"),
        ("tanh('text')", "arg-type"),
        ("x: int = tanh(a)", "assignment"),
        ("y: str = a * 2 + 1 / a - 2 ** a", "assignment"),
        ("z: str = engine.softplus(a).clip(0, 1)", "assignment"),
        ("w: str = mean([a, 1.0])", "assignment"),
        ("good: Value = (2 - a).leaky_relu(negative_slope=0.2) / mean([a, 1.0]) + engine.where(a, 1, a) ** 2", ""),
        ("loss: Value = abs(-a) + engine.dot([a], [1.0], 2)", ""),
    ]
    path = tmp_path / "user.py"
    path.write_text("\n".join(text for text, _ in lines) + "\n")
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), str(path)]
    said = subprocess.run(command, cwd=Path(engine.__file__).parent.parent, capture_output=True, text=True).stdout
    found = {}
    for line in said.splitlines():
        if ": error: " in line:
            place, _, rest = line.partition(": error: ")
            found[int(place.rsplit(":", 1)[1])] = rest.rsplit("[", 1)[-1].rstrip("]")
    assert found == {k: code for k, (_, code) in enumerate(lines, 1) if code}, said


def test_the_command_writes_and_checks(tmp_path, monkeypatch, capsys):
    """python -m engine.generate writes the module; --check says whether it is up to date, and writes nothing."""
    from engine import generate

    target = tmp_path / "operations.py"
    monkeypatch.setattr(generate, "TARGET", target)
    monkeypatch.setattr("sys.argv", ["generate"])
    assert generate.main() == 0
    assert target.read_text(encoding="utf-8") == generate.source()
    assert capsys.readouterr().out.startswith("operations.py: ")
    monkeypatch.setattr("sys.argv", ["generate", "--check"])
    assert generate.main() == 0
    target.write_text("old", encoding="utf-8")
    assert generate.main() == 1
    assert target.read_text() == "old"
    assert capsys.readouterr().out.splitlines()[1] == "operations.py is old: run python -m engine.generate"
