"""``python -m demos``: every demo shows what it promises, and says so when it does not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="most demos plot")

import viz
from demos import breast_cancer, lecture
from demos.__main__ import ON_REQUEST, TOUR, main

needs_graphviz = pytest.mark.skipif(viz.renderer() is None, reason="no Graphviz")


@needs_graphviz
@pytest.mark.parametrize("name", TOUR)
def test_a_demo_runs_and_writes_its_pictures(name, tmp_path, capsys):
    """It ends with status 0, every picture it lists is there and well-formed, and none of them is empty."""
    assert main([name, "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    listed = [Path(line.strip()) for line in said.partition("\nWritten:\n")[2].splitlines()]
    assert listed
    assert sorted(listed) == sorted(tmp_path.iterdir())
    for path in listed:
        assert path.stat().st_size > 1000
        if path.suffix == ".svg":
            ElementTree.parse(path)


@needs_graphviz
def test_the_same_seed_gives_the_same_pictures(tmp_path):
    """Run twice with one seed, xor writes the same bytes; with another seed it does not."""
    for folder, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main(["xor", "--out", str(tmp_path / folder), "--seed", seed, "--backend", "source"]) == 0
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        assert path.read_bytes() != (tmp_path / "c" / path.name).read_bytes()


def test_the_list_has_a_line_for_every_demo(capsys):
    """--list shows each demo with what it is about, and marks what is not part of the tour."""
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == TOUR + ON_REQUEST
    assert all(len(line.split()) > 5 for line in lines)
    assert [line.split()[0] for line in lines if "not part of the tour" in line] == ON_REQUEST


def test_help_is_of_what_is_asked(capsys):
    """--help is of the demos; with benchmark, of the benchmark, whose options those are."""
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: python -m demos [-h]")
    with pytest.raises(SystemExit) as exit:
        main(["benchmark", "--help"])
    assert exit.value.code == 0
    assert "--job SIZES" in capsys.readouterr().out


def test_an_unknown_demo_is_named_with_near_ones(capsys):
    """A misspelt name ends with status 2 and what was probably meant; nothing runs."""
    with pytest.raises(SystemExit) as exit:
        main(["mons"])
    assert exit.value.code == 2
    assert "there is no demo 'mons'; did you mean moons" in capsys.readouterr().err


def test_a_folder_that_cannot_be_made_is_found_out_first(tmp_path, capsys):
    """--out below a file: the message names the folder and why, before any demo runs."""
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as exit:
        main(["xor", "--out", str(tmp_path / "file" / "out")])
    assert exit.value.code == 2
    captured = capsys.readouterr()
    assert "the folder cannot be made" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("seed", range(5))
def test_the_three_ways_of_the_lecture_agree(seed):
    """Graph and layer formulas agree to rounding, differences to 1e-8, for random parameters, inputs and labels."""
    from random import Random

    random = Random(seed)
    shapes = {"W1": (2, 2), "b1": (2, 1), "W2": (1, 2), "b2": (1, 1)}
    p = {name: [[random.uniform(-2, 2) for _ in range(m)] for _ in range(n)] for name, (n, m) in shapes.items()}
    x, y = [random.uniform(-2, 2), random.uniform(-2, 2)], float(seed % 2)
    _, graph = lecture.by_graph(x, y, p)
    formulas, differences = lecture.by_layer_formulas(x, y, p), lecture.by_differences(x, y, p)
    for name, rows in graph.items():
        for row, formula_row, difference_row in zip(rows, formulas[name], differences[name]):
            assert row == pytest.approx(formula_row, rel=1e-12, abs=1e-14)
            assert row == pytest.approx(difference_row, rel=0, abs=1e-8)


def test_a_wrong_formula_fails_the_lecture(tmp_path, capsys, monkeypatch):
    """The lecture demo can fail: one gradient off by a ten-millionth ends the tour with status 1 and says so."""
    right = lecture.by_layer_formulas

    def wrong(x, y, p):
        found = right(x, y, p)
        found["W1"][1][0] += 1e-7
        return found

    monkeypatch.setattr(lecture, "by_layer_formulas", wrong)
    assert main(["lecture", "--out", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert "FAILED: the three ways disagree by 1.0e-07" in captured.out
    assert "Failed: lecture" in captured.err


def test_a_classifier_that_is_not_good_enough_fails(tmp_path, capsys, monkeypatch):
    """The promise of the real-data demo is checked: asked for the impossible, it fails and gives the figure."""
    monkeypatch.setattr(breast_cancer, "WANTED", 1.01)
    assert main(["breast_cancer", "--out", str(tmp_path)]) == 1
    assert "FAILED: mean test accuracy is 9" in capsys.readouterr().out


def test_without_matplotlib_the_demo_goes_on(tmp_path, capsys, monkeypatch):
    """A plot that cannot be drawn is left out with the remedy; numbers are still printed, and the status is 0."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["derivatives", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "derivatives.svg is left out: plots need matplotlib" in said
    assert "pip install matplotlib" in said
    assert "Left out, for want of a library: derivatives.svg" in said
    assert list(tmp_path.iterdir()) == []


def test_a_demo_needs_no_library_that_is_not_its_own(tmp_path):
    """With NumPy and matplotlib out of reach, expression, lecture and moons still run to the end."""
    code = (
        "import sys; sys.modules.update(dict.fromkeys(['numpy', 'matplotlib', 'tqdm', 'scipy', 'pandas']));"
        "from demos.__main__ import main; sys.exit(main(['expression', 'lecture', 'moons', '--out', sys.argv[1]]))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=Path(__file__).parents[2], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "moons-film.html").exists()


def test_the_file_names_of_pictures_are_their_demos():
    """A picture begins with the name of its demo, so that what wrote it can be found."""
    folder = Path(lecture.__file__).parent
    for name in TOUR:
        text = (folder / f"{name}.py").read_text(encoding="utf-8")
        for kind in ("plot", "graph", "page"):
            for piece in text.split(f"tour.{kind}(")[1:]:
                assert piece.startswith(f'"{name}'), piece[:40]
