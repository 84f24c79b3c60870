"""Model files: the same bits back, nothing half-written, and errors that name the file and what to do."""

from __future__ import annotations

import json
import math
import os

import pytest

from engine import Value
from nn import MLP, SGD, Module, fit, load, save
from nn.saving import to_text

MODELS = [
    MLP(2, [16, 16, 1], seed=3),
    MLP(3, [4], activation="tanh", output="softmax", seed=1),
    MLP(1, [5, 2], activation="leaky_relu", output="linear", seed=2),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_round_trip_gives_the_same_bits(model, tmp_path):
    """A loaded model has the same architecture, names, parameters and predictions, bit for bit."""
    awkward = [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3, -2.2250738585072014e-308]
    for parameter, data in zip(model.parameters(), awkward):
        parameter.data = data
    save(model, tmp_path / "model.json")
    twin = load(tmp_path / "model.json")
    assert repr(twin) == repr(model)
    assert [(name, p.data.hex()) for name, p in twin.named_parameters()] == [
        (name, p.data.hex()) for name, p in model.named_parameters()
    ]
    assert os.listdir(tmp_path) == ["model.json"]


def test_loaded_model_trains_on_as_the_saved_one(tmp_path):
    """Ten epochs, a file in between, and ten more give the bits of twenty epochs."""
    X, y = [[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]

    def train(model):
        fit(model, X, y, optimizer=SGD(model.parameters(), lr=1.0), epochs=10, backend="eager")

    whole = MLP(2, [4, 1], seed=1)
    train(whole)
    save(whole, str(tmp_path / "m.json"))
    rest = load(str(tmp_path / "m.json"))
    train(whole)
    train(rest)
    assert [p.data for p in rest.parameters()] == [p.data for p in whole.parameters()]
    assert rest.predict_proba(X) == whole.predict_proba(X)


def test_file_is_json_without_code(tmp_path):
    """The file is plain JSON that names its format and version."""
    save(MODELS[0], tmp_path / "m.json")
    content = json.loads((tmp_path / "m.json").read_text())
    assert (content["format"], content["version"], content["sizes"]) == ("scalar-backprop-model", 1, [16, 16, 1])


def test_saving_replaces_a_file_and_follows_a_link(tmp_path):
    """An existing file is replaced; where the path is a symbolic link, the file it points to is."""
    path = tmp_path / "m.json"
    save(MODELS[0], path)
    os.symlink(path, tmp_path / "link.json")
    save(MODELS[1], tmp_path / "link.json")
    assert os.path.islink(tmp_path / "link.json")
    assert repr(load(path)) == repr(MODELS[1])


@pytest.mark.parametrize("broken", ["fsync", "replace"])
def test_crash_while_saving_keeps_the_old_file(broken, tmp_path, monkeypatch):
    """A failure before the file is in place leaves the old one whole, and no temporary file."""
    path = tmp_path / "m.json"
    save(MODELS[0], path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, broken, fail)
    with pytest.raises(OSError, match="disk full"):
        save(MODELS[1], path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.json"]


def test_the_file_appears_whole(tmp_path, monkeypatch):
    """Until it is complete, nothing is seen under the file's name."""
    path, seen = tmp_path / "m.json", []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (seen.append(path.exists()), real(descriptor)))
    save(MODELS[0], path)
    assert seen == [False]
    load(path)


def test_saving_what_cannot_be_loaded_is_refused(tmp_path):
    """A model with nan in it, and what is not an MLP, are refused before any file is touched."""
    model = MLP(1, [1])
    model.layers[0].neurons[0].bias.data = math.nan
    with pytest.raises(ValueError, match=r"save: layer1.neuron1.b is nan; only a finite model is saved"):
        save(model, tmp_path / "m.json")
    with pytest.raises(TypeError, match="save takes an MLP or another Module, got int"):
        save(3, tmp_path / "m.json")
    assert os.listdir(tmp_path) == []


def test_missing_folder_and_missing_file_are_named(tmp_path):
    """A folder that is not there, and a file that is not there, are Python's own FileNotFoundError with the path."""
    with pytest.raises(FileNotFoundError, match="nowhere"):
        save(MODELS[0], tmp_path / "nowhere" / "m.json")
    with pytest.raises(FileNotFoundError, match=r"m\.json"):
        load(tmp_path / "m.json")


def edited(change):
    """A model file's text after ``change`` has edited its content."""
    content = {
        "format": "scalar-backprop-model", "version": 1, "nin": 2, "sizes": [2, 1], "activation": "sigmoid",
        "output": "sigmoid",
        "layers": [
            {"weights": [[1.0, 2.0], [3.0, 4.0]], "biases": [0.0, 0]},
            {"weights": [[5.0, 6.0]], "biases": [0.5]},
        ],
    }  # fmt: skip
    change(content)
    return json.dumps(content)


def test_an_unedited_file_loads(tmp_path):
    """The file from which the broken ones below are made is a good one."""
    (tmp_path / "m.json").write_text(edited(lambda c: None))
    assert [p.data for p in load(tmp_path / "m.json").parameters()] == [1.0, 2.0, 0.0, 3.0, 4.0, 0.0, 5.0, 6.0, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        (edited(lambda c: None)[:-40], "not valid JSON"),
        ("[1, 2]", 'this is not a model file \\("format" is not'),
        ("{}", "this is not a model file"),
        (edited(lambda c: c.update(format="other")), "this is not a model file"),
        (edited(lambda c: c.update(version=3)), "version 3, and this release reads versions 1 to 2"),
        (edited(lambda c: c.update(version=True)), "version True, and"),
        (edited(lambda c: c.update(version=1.0)), "version 1.0, and"),
        (edited(lambda c: c.update(version=2)), "'mean' is missing"),
        (edited(lambda c: c.update(version=2, mean=[0], scale=[1, 1])), "mean has 1 numbers, and the model 2 inputs"),
        (edited(lambda c: c.update(version=2, mean=[0, 0], scale=[1, 0])), "scale must be positive"),
        (edited(lambda c: c.pop("version")), "version None"),
        (edited(lambda c: c.pop("sizes")), "'sizes' is missing"),
        (edited(lambda c: c.update(nin=0)), "must be positive integers, found nin=0"),
        (edited(lambda c: c.update(sizes=[2, 1.5])), "must be positive integers"),
        (edited(lambda c: c.update(sizes=[])), "must be positive integers"),
        (edited(lambda c: c.update(activation="evil")), "activation is 'evil', which must be one of sigmoid"),
        (edited(lambda c: c.update(activation=[])), r"activation is \[\], which must be"),
        (edited(lambda c: c.update(output="softmax")), "softmax needs at least 2 outputs"),
        (edited(lambda c: c.update(sizes=[2])), "sizes names 1 layers, the file has 2"),
        (edited(lambda c: c.update(layers=3)), r"the file has no list \(int\)"),
        (
            edited(lambda c: c.update(sizes=[10**12, 1])),
            "layer1 has weights of 2 neurons, and sizes says 1000000000000",
        ),
        (edited(lambda c: c["layers"][0].pop("biases")), "layer1 has no weights or no biases"),
        (edited(lambda c: c["layers"][0]["biases"].pop()), "layer1 has biases of 1 neurons, and sizes says 2"),
        (
            edited(lambda c: c["layers"][1]["weights"][0].append(1)),
            "layer2.neuron1 has 3 weights, and its layer has 2 inputs",
        ),
        (edited(lambda c: c["layers"][0]["weights"][1].__setitem__(0, "3")), "layer1.neuron2.w1 is '3'"),
        (edited(lambda c: c["layers"][0]["weights"][1].__setitem__(0, None)), "layer1.neuron2.w1 is None"),
        (edited(lambda c: c["layers"][0]["weights"][1].__setitem__(0, True)), "layer1.neuron2.w1 is True"),
        (edited(lambda c: c["layers"][1]["biases"].__setitem__(0, 10**400)), "layer2.neuron1.b is 1000"),
        (edited(lambda c: c["layers"][1]["biases"].__setitem__(0, math.nan)), "NaN is not a finite number"),
        (
            edited(lambda c: None).replace("0.5", "1e999"),
            "layer2.neuron1.b is inf: a parameter must be a finite number",
        ),
    ],
)
def test_broken_files(text, message, tmp_path):
    """Whatever is wrong with a file, the error is a ValueError that names the file and what was found."""
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        load(tmp_path / "broken.json")
    assert "broken.json" in str(caught.value)


def test_binary_file_is_refused(tmp_path):
    """A file that is not text is refused like any other file that is not a model."""
    (tmp_path / "m.json").write_bytes(bytes(range(256)))
    with pytest.raises(ValueError, match=r"m\.json is not a model file"):
        load(tmp_path / "m.json")


class Line(Module):
    """A module of one's own."""

    def __init__(self, a=0.0, b=0.0):
        self.a, self.parts = Value(a), [Value(b)]

    def __call__(self, x):
        return self.a * x[0] + self.parts[0]


def test_a_module_of_ones_own(tmp_path):
    """Its parameters are saved by name, and set in a new one, which is returned; another class is refused."""
    path = tmp_path / "line.json"
    save(Line(0.1, 1 / 3), path)
    fresh = Line()
    assert load(path, fresh) is fresh
    assert (fresh.a.data, fresh.parts[0].data) == (0.1, 1 / 3)
    with pytest.raises(ValueError, match=r"line\.json: the file holds the parameters of a module of your own, 'Line'"):
        load(path)
    with pytest.raises(ValueError, match="MLP has no parameter 'a': it was saved from another 'Line'"):
        load(path, MLP(1, [1]))
    content = json.loads(path.read_text())
    content["parameters"]["a"] = "x"
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="a is 'x': a parameter must be a finite number"):
        load(path, fresh)
    assert (fresh.a.data, fresh.parts[0].data) == (0.1, 1 / 3)
    save(MODELS[0], path)
    with pytest.raises(ValueError, match="the file holds an MLP: load it without a Line"):
        load(path, fresh)


def test_text_is_what_is_saved(tmp_path):
    """to_text gives the content of the file."""
    save(MODELS[1], tmp_path / "m.json")
    assert to_text(MODELS[1]) == (tmp_path / "m.json").read_text()


@pytest.mark.parametrize("key", ["format", "version", "nin", "sizes", "activation", "output", "layers"])
def test_errors_quote_little_of_a_hostile_file(key, tmp_path):
    """Whatever stands in the file, a message is a line and not the file."""
    path = tmp_path / "m.json"
    for hostile in ("x" * 10**6, ["y" * 1000] * 1000, {"\n" * 10**5: 1}, int("9" * 4000)):
        path.write_text(edited(lambda c, hostile=hostile: c.update({key: hostile})))
        with pytest.raises(ValueError, match=r"m\.json") as caught:
            load(path)
        assert len(str(caught.value)) < 1200
        assert "\n" not in str(caught.value)
