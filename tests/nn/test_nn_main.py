"""``python -m nn``: train, predict and show, what they print and write, exit codes, and terminals of all kinds."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest

from nn import commands, load
from nn.__main__ import main


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A table in which the class follows from two of its columns, and the working directory that it is in."""
    monkeypatch.chdir(tmp_path)
    rng = random.Random(0)
    lines = ["size,colour,weight,kind"]
    for _ in range(120):
        size, colour = rng.uniform(0, 1000), rng.choice(["réd", "blue"])
        weight = "" if rng.random() < 0.1 else f"{rng.gauss(0, 1):.3f}"
        lines.append(f"{size:.1f},{colour},{weight},{'big, red' if size > 500 and colour == 'réd' else 'other'}")
    text = "\n".join(lines).replace("big, red", '"big, red"') + "\n"
    (tmp_path / "data.csv").write_text(text, encoding="utf-8")
    return tmp_path


TRAIN = ["train", "data.csv", "--target", "kind", "--epochs", "30", "--lr", "0.03"]


def run(*words):
    """The exit code; argparse ends the process by an exception."""
    try:
        return main(list(words))
    except SystemExit as end:
        return end.code


def test_train_show_predict(data, capsys):
    """A model is trained, described and used; predictions come in the order of the rows, with probabilities."""
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 0
    said = capsys.readouterr().out
    for words in ("90 rows to train on, 30 to test on", "one-hot in 2 columns: blue, réd", "replaced by the mean",
                  "the target, 2 classes: 'big, red'", "test rows (30): accuracy ", "wrote m.json"):  # fmt: skip
        assert words in said, words
    assert load("m.json").mean is not None, "the standardisation is the model's own first step"

    assert run("show", "m.json") == 0
    said = capsys.readouterr().out
    assert "colour=réd" in said
    assert "90 rows for 30 epochs" in said

    assert run("predict", "m.json", "data.csv", "--out", "p.csv") == 0
    with open("p.csv", encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    with open("data.csv", encoding="utf-8", newline="") as file:
        true = [row["kind"] for row in csv.DictReader(file)]
    assert header == ["kind", "p(big, red)", "p(other)"]
    assert sum(row[0] == t for row, t in zip(rows, true, strict=True)) > 110
    assert all(abs(float(p) + float(q) - 1) < 1e-12 for _, p, q in rows)
    assert "accuracy" in capsys.readouterr().err, "where the answers are there, it says how good it is"


def test_the_same_seed_gives_the_same_file(data, capsys):
    """Split, weights and order follow from the seed: the same bytes twice, others with another seed."""
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        assert run(*TRAIN, "--seed", seed, "--out", f"{name}.json", "--picture", "none") == 0
    a, b, c = ((data / f"{name}.json").read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_regression(data, capsys):
    """A number is learned in its own units: the error is that of the model that the file holds."""
    rows = "".join(f"{x},{1e6 + 3e4 * x}\n" for x in range(50))
    (data / "line.csv").write_text("x,price\n" + rows)
    assert run("train", "line.csv", "--target", "price", "--out", "m.json", "--json", "--picture", "none") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["test"]["r2"] > 0.99
    assert load("m.json").predict([[20.0]])[0] == pytest.approx(1.6e6, rel=0.02)
    assert run("predict", "m.json", "line.csv", "--json") == 0
    predicted = json.loads(capsys.readouterr().out)
    assert predicted[20]["price"] == load("m.json").predict([[20.0]])[0]


def test_json_reports(data, capsys):
    """--json prints one JSON object and nothing else."""
    assert run(*TRAIN, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["classes"] == ["big, red", "other"]
    assert len(report["losses"]) == report["epochs"] == 30
    assert sum(map(sum, report["test"]["confusion"])) == report["test"]["rows"] == 30
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 0
    capsys.readouterr()
    assert run("show", "m.json", "--json") == 0
    assert json.loads(capsys.readouterr().out)["table"]["target"] == "kind"


def test_the_picture(data, capsys):
    """Beside the model comes a picture of the loss, where matplotlib is installed; or where it was asked for."""
    pytest.importorskip("matplotlib")
    assert run(*TRAIN, "--out", "m.json") == 0
    assert "<svg" in (data / "m.loss.svg").read_text(encoding="utf-8")
    assert "wrote m.json and m.loss.svg" in capsys.readouterr().out
    assert run(*TRAIN, "--picture", "loss.png") == 0
    assert (data / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert run(*TRAIN, "--picture", "loss.gif") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "data.csv"], "--target"),
        (["train", "none.csv", "--target", "kind"], "none.csv: No such file"),
        (["train", "data.csv", "--target", "kund"], "no column 'kund' (--target): did you mean 'kind'?"),
        (["train", "data.csv", "--target", "kind", "--layers", "4,x"], "'x' is not a whole number"),
        (["train", "data.csv", "--target", "kind", "--layers", "4,0"], "0 must be at least 1"),
        (["train", "data.csv", "--target", "kind", "--test", "1"], "below 1"),
        (["train", "data.csv", "--target", "kind", "--lr", "fast"], "'fast' is not a number"),
        (["train", "data.csv", "--target", "kind", "--lr", "0"], "0 must be above 0 and finite"),
        (["train", "data.csv", "--target", "kind", "--lr", "inf"], "inf must be above 0 and finite"),
        (["train", "data.csv", "--target", "kind", "--l2", "-1"], "-1 must be at least 0 and finite"),
        (["train", "data.csv", "--target", "kind", "--activation", "sigmod"], "did you mean 'sigmoid'"),
        (["train", "data.csv", "--target", "kind", "--json", "--out", "-"], "both write to standard output"),
        (["train", "data.csv", "--target", "kind", "--delimiter", "ab"], "one character"),
        (["train", "bad.csv", "--target", "y"], "bad.csv:4:1: 'foo' is not a finite number"),
        (["predict", "data.csv", "data.csv"], "data.csv"),
        (["predict", "bare.json", "data.csv"], "no table's columns in it"),
        (["show", "none.json"], "none.json: No such file"),
        ([], "train | predict | show"),
        (["prdict"], "invalid choice"),
    ],
)
def test_what_is_wrong_is_said_with_exit_code_2(data, capsys, words, said):
    """Wrong words, wrong data and wrong files: one message on standard error, exit code 2, nothing written."""
    from nn import MLP, save

    (data / "bad.csv").write_text("x,y\n1,a\n2,b\nfoo,a\n3,b\n")
    save(MLP(2, [1]), "bare.json")
    before = sorted(data.iterdir())
    assert run(*words) == 2
    printed = capsys.readouterr()
    assert said in printed.err
    assert "Traceback" not in printed.err
    assert sorted(data.iterdir()) == before


def test_semicolons_and_decimal_commas(data, capsys):
    """A table as spreadsheets of half of Europe write it is the same table, and so are its predictions."""
    text = "x;y\n" + "".join(f"{k},5;{'a' if k < 5 else 'b'}\n" for k in range(10))
    (data / "commas.csv").write_text(text)
    (data / "points.csv").write_text(text.replace(",", ".").replace(";", ","))
    found = []
    for name, delimiter in (("commas.csv", ";"), ("points.csv", ",")):
        options = ["--layers", "0", "--l2", "0.01", "--test", "0.3", "--out", "m.json", "--picture", "none"]
        assert run("train", name, "--target", "y", "--delimiter", delimiter, *options) == 0
        capsys.readouterr()
        assert run("predict", "m.json", name, "--out", "-") == 0
        found.append([line.replace(";", ",").split(",")[-3:] for line in capsys.readouterr().out.splitlines()])
    assert len(found[0]) == 11
    assert found[0] == found[1]


def test_what_cannot_be_done_has_exit_code_1(data, capsys):
    """A file that cannot be written, and a training that does not stay finite."""
    assert run(*TRAIN, "--out", "no/such/folder/m.json", "--picture", "none") == 1
    assert "no/such/folder/m.json could not be written" in capsys.readouterr().err
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 0
    assert run("predict", "m.json", "data.csv", "--out", "no/p.csv") == 1
    assert "no/p.csv: No such file" in capsys.readouterr().err
    assert run(*TRAIN, "--lr", "1e300", "--activation", "linear") == 1
    assert "lower lr" in capsys.readouterr().err


def python(*words, **options):
    """``python -m nn`` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **options.pop("environment", {})}
    return subprocess.Popen([sys.executable, "-m", "nn", *words], env=environment, **options)


def test_standard_input_and_output(data):
    """- reads the table from standard input and writes the model to standard output; the report goes beside it."""
    with open("data.csv", "rb") as file:
        training = python("train", "-", *TRAIN[2:], "--out", "-", stdin=file, stdout=-1, stderr=-1)
        model, report = training.communicate()
    assert training.returncode == 0
    assert b"test rows" in report
    (data / "m.json").write_bytes(model)
    predicting = python("predict", "m.json", "-", stdin=-1, stdout=-1, stderr=-1)
    predictions, _ = predicting.communicate("weight,size,colour\n1,900,réd\n1,100,réd\n".encode())
    _, *rows = csv.reader(io.StringIO(predictions.decode()))
    assert [row[0] for row in rows] == ["big, red", "other"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")
def test_a_full_disc_and_a_reader_that_goes_away(data):
    """A full standard output is exit code 1 in one line; a closed one ends quietly with 141, as by SIGPIPE."""
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 0
    with open("/dev/full", "wb") as full:
        process = python("show", "m.json", stdout=full, stderr=-1)
        _, said = process.communicate()
    assert process.returncode == 1
    assert said.decode().count("\n") == 1
    assert "No space left" in said.decode()
    rows = (data / "data.csv").read_text(encoding="utf-8").splitlines()
    (data / "long.csv").write_text("\n".join([rows[0], *rows[1:] * 60]), encoding="utf-8")
    process = python("predict", "m.json", "long.csv", stdout=-1, stderr=-1)
    process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read().decode()
    assert process.wait() == 141
    assert "Traceback" not in said
    assert "BrokenPipe" not in said


@pytest.mark.skipif(os.name == "nt", reason="preexec_fn is POSIX")
def test_an_output_that_was_closed(data):
    """Where standard output was closed before the start, results are dropped, and errors are the usual line."""
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 0
    for words, code in (("show", "m.json"), 0), (("show", "none.json"), 2), (("predict", "m.json", "data.csv"), 0):
        process = python(*words, stdout=-1, stderr=-1, preexec_fn=lambda: os.close(1))
        _, said = process.communicate()
        assert (process.returncode, b"Traceback" in said) == (code, False), words


def test_a_terminal_that_knows_no_such_letters(data):
    """With an ASCII or latin-1 output, names that it cannot show are escaped, and nothing fails."""
    text = (data / "data.csv").read_text(encoding="utf-8").replace("réd", "крáсный")
    (data / "data.csv").write_text(text, encoding="utf-8")
    for encoding in ("ascii", "latin-1"):
        process = python(*TRAIN, stdout=-1, stderr=-1, environment={"PYTHONIOENCODING": encoding})
        said, errors = process.communicate()
        assert process.returncode == 0, errors
        assert b"\\u043a" in said


def test_ctrl_c_keeps_the_model_so_far(data):
    """Interrupted, it says after how many epochs, writes the model so far, and ends with 130."""
    words = [*TRAIN, "--epochs", "100000000", "--out", "m.json", "--picture", "none"]
    # A shell's background jobs, and what they start, ignore Ctrl-C: this process shall not.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = python(*words, stdout=-1, stderr=-1)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        process.stdout.readline()
        time.sleep(1.0)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in said
    if b"the model so far is in m.json" in said:
        assert load("m.json").nin == 4
    else:  # before the first epoch
        assert b"interrupted" in said


@pytest.mark.parametrize("begun", [False, True])
def test_ctrl_c_before_the_first_epoch(begun, data, monkeypatch, capsys):
    """Also where the training had not begun, or was over before its first epoch, it ends in words and with 130."""

    def pressed(*args, **options):
        raise KeyboardInterrupt

    fitting = sys.modules["nn.training.fit"]
    monkeypatch.setattr(*(fitting, "Training") if begun else (commands, "fit"), pressed)
    assert run(*TRAIN, "--out", "m.json", "--picture", "none") == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux")
def test_a_progress_bar_on_a_terminal(data):
    """On a terminal there is a bar of epochs with the loss, and the report is whole below it."""
    pytest.importorskip("tqdm")
    command = f"{sys.executable} -m nn {' '.join(TRAIN)} --epochs 3000; echo exit code $?"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm"}
    name = f"nn-{os.getpid()}"
    tmux = ["tmux", "-L", name]
    try:
        subprocess.run([*tmux, "new-session", "-d", "-x", "150", "-y", "50", "-s", name, command + "; sleep 60"],
                       check=True, env=environment, cwd=data)  # fmt: skip
        screens, deadline = [], time.monotonic() + 60
        while time.monotonic() < deadline:
            shown = subprocess.run([*tmux, "capture-pane", "-p", "-t", name], capture_output=True, text=True).stdout
            screens.append(shown)
            if "exit code" in shown:
                break
            time.sleep(0.02)
    finally:
        subprocess.run([*tmux, "kill-server"], capture_output=True)
    assert "exit code 0" in screens[-1]
    assert "test rows (30): accuracy" in screens[-1]
    assert any("epoch/s" in screen or "epoch" in screen and "loss" in screen for screen in screens)
