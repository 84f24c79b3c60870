"""The film of the decision boundary: its frames, the file, and what it does in a browser."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib

import pytest

from nn import MLP, SGD, fit
from viz.film import Snapshots, _border, _png, film

X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
Y = [0.0, 0.0, 1.0, 1.0]


def trained(path, **options):
    model = MLP(2, [1], seed=0)
    snapshots = Snapshots(model, every=2)
    history = fit(model, X, Y, optimizer=SGD(model.parameters(), lr=3.0), epochs=7, callback=snapshots, backend="eager")
    film(snapshots, X, Y, path, losses=history.loss, resolution=12, **options)
    return model, snapshots, history


def frames_of(path):
    text = path.read_text(encoding="utf-8")
    return json.loads(re.search(r"^const frames = (.*);$", text, re.MULTILINE)[1])


def test_snapshots_are_taken_at_the_start_and_after_every_so_many_epochs(tmp_path):
    """Seven epochs, every second one kept: the parameters before training and after 2, 4 and 6 epochs."""
    _, snapshots, _ = trained(tmp_path / "f.html")
    assert snapshots.epochs == [0, 2, 4, 6]
    assert [frame["epoch"] for frame in frames_of(tmp_path / "f.html")] == [0, 2, 4, 6]
    named = snapshots.named(["w1", "w2", "b"])
    assert list(named["b"]) == [0, 2, 4, 6]
    assert named["b"][0] == 0.0
    with pytest.raises(ValueError, match="1 or more; got 0"):
        Snapshots(MLP(2, [1]), every=0)


def test_a_frame_after_k_epochs_has_the_loss_of_epoch_k(tmp_path):
    """history.loss[k] is the loss before the update of epoch k, so it is that of the parameters after k epochs."""
    model, snapshots, history = trained(tmp_path / "f.html")
    captions = [frame["caption"] for frame in frames_of(tmp_path / "f.html")]
    assert captions[1].startswith(f"epoch 2 · loss {history.loss[2]:.4f} · ")
    kept = [p.data for p in model.parameters()]
    for parameter, data in zip(model.parameters(), snapshots.parameters[1]):
        parameter.data = data
    assert captions[1].endswith(f"{model.accuracy(X, Y):.0%} right")
    assert kept != snapshots.parameters[1], "the model had the last parameters back when the film was done"


def test_a_png_is_what_was_painted():
    """Read back by an independent decoder: size and pixels are those given."""
    rows = [[(1.0, 0.0, 0.0), (0.0, 1.0, 0.0)], [(0.0, 0.0, 1.0), (1.0, 1.0, 1.0)], [(0.0, 0.0, 0.0), (0.5, 0.5, 0.5)]]
    data = base64.b64decode(_png(rows).partition(",")[2])
    assert struct.unpack(">II", data[16:24]) == (2, 3)
    image = pytest.importorskip("PIL.Image")
    import io

    pixels = image.open(io.BytesIO(data)).convert("RGB")
    assert [pixels.getpixel((i, j)) for j in range(3) for i in range(2)] == [
        (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)
    ]  # fmt: skip
    assert zlib.crc32(data[12:29]) == struct.unpack(">I", data[29:33])[0]


def test_the_border_is_the_line_where_classes_are_equally_likely():
    """On a grid whose probability depends on the column alone, the border is the vertical line through one half."""
    from math import exp

    said = [[[1 - p, p] for p in (1 / (1 + exp(-(i - 3.25))) for i in range(9))] for _ in range(5)]
    ends = re.findall(r"[ML]([\d.]+) ([\d.]+)", _border(said))
    assert {float(x) for x, _ in ends} == {195.0}  # 3.25 of 8 columns, of 480
    assert min(float(y) for _, y in ends) == 0.0
    assert max(float(y) for _, y in ends) == 440.0


def test_labels_in_the_film_are_harmless(tmp_path):
    """Markup in the title or in the name of a class is shown as text."""
    path = tmp_path / "f.html"
    trained(path, title="</title><script>alert(1)</script>\x07", classes=["<b>", "&amp;</script>"])
    text = path.read_text(encoding="utf-8")
    assert text.count("<script>") == 1
    assert "&lt;b&gt;" in text
    assert "\x07" not in text


def test_labels_that_are_no_class_are_refused(tmp_path):
    """A fifth class and a soft label have no marker: the error names the label, and no file is left."""
    snapshots = Snapshots(MLP(2, [1]))
    for label in (4.0, 0.5):
        with pytest.raises(ValueError, match=re.escape(repr(label))):
            film(snapshots, X, [0.0, 0.0, 1.0, label], tmp_path / "f.html")
    assert list(tmp_path.iterdir()) == []


def test_the_film_in_a_browser(browser, tmp_path):
    """Slider, buttons and keys move through the frames; nothing is requested from elsewhere and nothing complains."""
    path = tmp_path / "f.html"
    trained(path)
    frames = frames_of(path)
    context = browser.new_context()
    page = context.new_page()
    troubles = []
    page.on("console", lambda message: troubles.append(message.text))
    page.on("pageerror", lambda error: troubles.append(str(error)))
    local = ("file:", "data:")
    page.on("request", lambda request: None if request.url.startswith(local) else troubles.append(request.url))
    page.goto(path.as_uri())

    def shown():
        return page.inner_text("#caption"), page.get_attribute("#border", "d"), page.get_attribute("#shading", "href")

    def of(k):
        return frames[k]["caption"], frames[k]["border"], frames[k]["image"]

    assert shown() == of(3)
    page.keyboard.press("ArrowLeft")
    assert shown() == of(2)
    page.click("#back")
    page.click("#back")
    page.click("#back")
    assert shown() == of(0)
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert shown() == of(1)
    page.click("#play")
    for _ in range(100):  # wait_for_function would need eval, which the page's policy forbids
        if page.inner_text("#play") == "Play":
            break
        page.wait_for_timeout(50)
    assert page.inner_text("#play") == "Play"
    assert shown() == of(3)
    assert troubles == []
    context.close()


def test_without_javascript_the_last_frame_stands(browser, tmp_path):
    """The file alone shows the finished boundary and says that there is more; dead controls are hidden."""
    path = tmp_path / "f.html"
    trained(path)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(path.as_uri())
    assert page.inner_text("#caption") == frames_of(path)[-1]["caption"]
    assert not page.is_visible("#controls")
    assert page.is_visible("noscript")
    context.close()
