"""to_c: the file compiles without a warning, and its function gives the model's outputs."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from conftest_export import every_model, model_of, outputs_of, rows

from nn import to_c

ctypes = pytest.importorskip("ctypes")
CC = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
needs_compiler = pytest.mark.skipif(CC is None, reason="no C compiler")


def compiled(path, *options):
    library = path.with_suffix(".so")
    command = [CC, "-O3", "-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", *options, path]
    subprocess.run([*map(str, command), "-o", str(library), "-lm"], check=True, capture_output=True)
    return ctypes.CDLL(str(library))


@needs_compiler
def test_outputs_are_those_of_the_model(tmp_path):
    """For every activation and output, with and without standardisation, to the digits of the mathematical library."""
    models = [param.values[0] for param in every_model()]
    text = ""
    for k, model in enumerate(models):  # one file of all: compiling is what takes time
        path = tmp_path / "m.c"
        to_c(model, path, name=f"network{k}")
        part = path.read_text(encoding="utf-8")
        for name in ("W1", "W2", "W3", "b1", "b2", "b3", "mean", "scale"):
            part = part.replace(f" {name}[", f" {name}_{k}[").replace(f"({name}[", f"({name}_{k}[")
        for line in part.splitlines():
            if line.startswith("static double op_"):
                name = line.split()[2].split("(")[0]
                part = part.replace(f"{name}(", f"{name}_{k}(")
        text += part
    file = tmp_path / "all.c"
    file.write_text(text, encoding="utf-8")
    library = compiled(file)
    for k, model in enumerate(models):
        function = getattr(library, f"network{k}")
        for x, expected in zip(rows(), outputs_of(model, rows())):
            y = (ctypes.c_double * len(expected))()
            function((ctypes.c_double * 3)(*x), y)
            assert list(y) == pytest.approx(expected, rel=1e-13, abs=1e-300, nan_ok=True), model


@needs_compiler
def test_the_file_stands_alone(tmp_path):
    """One file compiles as it is, without a warning, and includes <math.h> alone."""
    model = model_of("gelu", "softmax", 3, standardized=True)
    path = tmp_path / "m.c"
    to_c(model, path)
    assert [line for line in path.read_text().splitlines() if line.startswith("#")] == ["#include <math.h>"]
    y = (ctypes.c_double * 3)()
    compiled(path).network((ctypes.c_double * 3)(1.0, 2.0, 3.0), y)
    assert list(y) == pytest.approx(outputs_of(model, [[1.0, 2.0, 3.0]])[0], rel=1e-13)


@pytest.mark.parametrize("name", ["2x", "int", "a b", "exp", "é", "", "W1", "mean"])
def test_the_name_must_be_one_in_c(tmp_path, name):
    """A name that C does not take, or that <math.h> has, is refused before anything is written."""
    with pytest.raises(ValueError, match="cannot be called"):
        to_c(model_of(), tmp_path / "m.c", name=name)
    assert not (tmp_path / "m.c").exists()
