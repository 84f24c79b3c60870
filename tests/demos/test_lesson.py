"""The lesson: what its notebook has stored is what it prints, and its three mistakes go as wrong as they should."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path

import pytest

import viz
from demos import lesson
from demos.exercises_checks import EXERCISES
from engine import grad
from nn import MLP, binary_cross_entropy
from tests.test_readme import same

NOTEBOOK = Path(lesson.__file__).with_suffix(".ipynb")


def printed(notebook) -> list[str]:
    """The text of each code cell's outputs."""
    return [
        "\n".join(output.text if "text" in output else output.data.get("text/plain", "") for output in cell.outputs)
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.skipif(viz.renderer() is None, reason="no Graphviz")
@pytest.mark.skipif(sys.platform == "emscripten", reason="starts a kernel")
def test_the_notebook_runs_and_prints_what_is_stored():
    """Every cell runs; the stored outputs are there, are those of this run, and hold no path of a machine."""
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    from demos.store import executed

    stored = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(stored)
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert not re.search(r"/home/|/tmp/|/root/|/work/|C:\\\\", text)
    assert len(text) < 300_000
    assert "<svg" in text
    assert "steps): run this cell to see it." in text  # in the place of the page, which is too large to store
    fresh = executed(NOTEBOOK)
    for old, new in zip(printed(stored), printed(fresh), strict=True):
        assert same(old, new), f"stored:\n{old}\nnow:\n{new}\nrun python -m demos.store"
    said = "\n".join(printed(fresh))
    assert said.count("✗ not yet") == len(EXERCISES)  # the learner has not written anything yet


def test_layer_by_layer_gives_the_gradients_of_the_graph(capsys):
    """The lesson's forward and backward of a layer have, for several networks, the loss and the gradients of engine."""
    for seed in range(5):
        model = MLP(2, [2, 1], seed=seed)
        activations, loss = lesson.forward_pass(model)
        found = lesson.backward_pass(model, activations)
        expected = binary_cross_entropy(model(lesson.X), lesson.Y)
        assert loss == pytest.approx(expected.data, rel=1e-12)
        flat = [
            g for number in (1, 2) for dW, db in zip(found[f"W{number}"], found[f"b{number}"][0]) for g in (*dW, db)
        ]
        assert flat == pytest.approx(grad(expected, model.parameters()), rel=1e-9, abs=1e-15)
    capsys.readouterr()


def test_what_goes_wrong_goes_wrong():
    """Without zero_grad the loss stays high; eight sigmoid layers lose the gradient, relu keeps more; σ saturates."""
    right, wrong = lesson.forgotten_zero_grad()
    assert right < 1e-6 < 0.5 < wrong
    first, last = lesson.vanishing()
    assert first < 1e-4 * last
    squared, entropy = lesson.saturated()
    a = 1 / (1 + math.exp(8))
    assert squared == pytest.approx(2 * (a - 1) * a * (1 - a), rel=1e-9)
    assert entropy == pytest.approx(a - 1, rel=1e-9)


def test_a_wrong_layer_formula_is_noticed(monkeypatch, tmp_path, capsys):
    """The demo compares its layers with the graph: a slope wrong by one part in a million fails it."""
    from demos.__main__ import main

    monkeypatch.setattr(lesson, "slope", lambda a: a * (1 - a) * 1.000001)
    assert main(["lesson", "--out", str(tmp_path)]) == 1
    assert "FAILED: layer 1: bprop has" in capsys.readouterr().out
