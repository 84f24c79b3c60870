"""The playground as a file: small, closed to the network, made by a function and by a command that refuse nonsense."""

from __future__ import annotations

import json
import re

import pytest

import nn
import viz
from nn import MLP
from viz.__main__ import main
from viz.pages.playground import playground
from viz.pages.playground_data import SETS, points


def test_it_is_one_small_file_that_fetches_nothing(tmp_path):
    """Under 300 KB with everything inside: no address, and a policy under which nothing could be fetched."""
    made = playground(tmp_path / "deep" / "page.html")
    text = made.path.read_text(encoding="utf-8")
    assert text == made.html
    assert len(text.encode()) < 300_000
    assert "default-src 'none'" in text
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"<(?:link|img|iframe|object)\b|@import|url\(", text)
    assert viz.playground is playground


def test_the_data_sets_are_what_they_say():
    """Each has 200 points in two equal classes, the same in every run, as four decimals."""
    for name in SETS:
        found = points(name)
        assert found == points(name)
        assert sorted(p[2] for p in found) == [0.0] * 100 + [1.0] * 100
        assert all(x == round(x, 4) and abs(x) < 3 for p in found for x in p)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "moon"}, "data must be one of moons, circles"),
        ({"data": [[1, 2]]}, "columns"),
        ({"data": [[1, 2, 3]]}, "label must lie in"),
        ({"layers": 8}, "list of sizes"),
        ({"layers": [0]}, "at least 1"),
        ({"layers": [2] * 7}, "at most 6 hidden layers"),
        ({"activation": "step"}, "activation must be one of"),
        ({"loss": "hinge"}, "loss must be one of"),
        ({"optimizer": "lbfgs"}, "optimizer must be one of"),
        ({"learning_rate": float("nan")}, "learning_rate must be"),
        ({"batch_size": -1}, "batch_size must be"),
        ({"seed": 1.5}, "seed must be"),
        ({"model": "model.json"}, "model must be an MLP"),
        ({"model": MLP(3, [1])}, "2 inputs and one sigmoid output"),
        ({"model": MLP(2, [4, 2])}, "2 inputs and one sigmoid output"),
    ],
)
def test_a_wrong_setting_is_named(options, message):
    """The error names the setting, what was received, and what is possible."""
    with pytest.raises((ValueError, TypeError), match=message):
        playground(**options)


def test_the_command_writes_the_page(tmp_path, capsys):
    """python -m viz playground writes the file; a model file is where it begins; errors end with status 1 or 2."""
    model = MLP(2, [3, 1], seed=9)
    nn.save(model, tmp_path / "model.json")
    target = tmp_path / "page.html"
    assert main(["playground", str(target), "--data", "xor", "--model", str(tmp_path / "model.json")]) == 0
    assert capsys.readouterr().out == f"wrote {target}\n"
    text = target.read_text(encoding="utf-8")
    setup = json.loads(re.search(r'id="setup">(.*?)</script>', text)[1])
    assert setup["data"] == "xor"
    assert setup["weights"] == [parameter.data for parameter in model.parameters()]
    assert main(["playground", str(target), "--model", str(tmp_path / "none.json")]) == 1
    with pytest.raises(SystemExit) as error:
        main(["playground", "--layers", "a,b"])
    assert error.value.code == 2


def test_it_shows_itself_in_a_notebook():
    """In a notebook the page is a frame that may run scripts and reach nothing else."""
    shown = playground(data="xor", layers=[2])._repr_html_()
    assert shown.startswith('<iframe sandbox="allow-scripts"')
    assert "&lt;canvas" in shown
    assert repr(playground(data="xor", layers=[2])) == "<Playground 2-2-1, xor>"
