"""The film of the decision boundary: its frames, the file, and what it does in a browser."""

from __future__ import annotations

import base64
import json
import math
import re
import struct
import zlib

import pytest
from reading import faults
from waiting import eventually

from nn import MLP, SGD, fit
from viz.film import Snapshots, film
from viz.film.frames import border, png

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
    return json.loads(re.search(r'<script type="application/json" id="frames">(.*?)</script>', text)[1])


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
    data = base64.b64decode(png(rows).partition(",")[2])
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
    ends = re.findall(r"[ML]([\d.]+) ([\d.]+)", border(said))
    assert {float(x) for x, _ in ends} == {195.0}  # 3.25 of 8 columns, of 480
    assert min(float(y) for _, y in ends) == 0.0
    assert max(float(y) for _, y in ends) == 440.0


def test_labels_in_the_film_are_harmless(tmp_path):
    """Markup in the title or in the name of a class is shown as text."""
    path = tmp_path / "f.html"
    trained(path, title="</title><script>alert(1)</script>\x07", classes=["<b>", "&amp;</script>"])
    text = path.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert "&lt;b&gt;" in text
    assert "\x07" not in text


def test_labels_of_any_length_are_shown_in_part(tmp_path):
    """A title and a name of a million characters are cut in the middle."""
    path = tmp_path / "f.html"
    trained(path, title="t" * 1_000_000, classes=["c" * 1_000_000, "b"])
    assert path.stat().st_size < 100_000


def test_labels_that_are_no_class_are_refused(tmp_path):
    """A fifth class and a soft label have no marker: the error names the label, and no file is left."""
    snapshots = Snapshots(MLP(2, [1]))
    for label in (4.0, 0.5):
        with pytest.raises(ValueError, match=re.escape(repr(label))):
            film(snapshots, X, [0.0, 0.0, 1.0, label], tmp_path / "f.html")
    assert list(tmp_path.iterdir()) == []


def test_the_film_in_a_browser(tab, tmp_path):
    """Slider, buttons and keys move through the frames; nothing is requested from elsewhere and nothing complains."""
    path = tmp_path / "f.html"
    trained(path)
    frames = frames_of(path)
    page = tab()
    page.goto(path.as_uri())

    def shown():
        return page.inner_text("#caption"), page.get_attribute("#border", "d"), page.get_attribute("#shading", "href")

    def of(k):
        return frames[k]["caption"], frames[k]["border"], frames[k]["image"]

    assert shown() == of(0), "the film opens at its start"
    page.click("#forward")
    page.keyboard.press("ArrowRight")
    assert shown() == of(2)
    page.click("#forward")
    page.click("#forward")
    assert shown() == of(3)
    page.keyboard.press("ArrowLeft")
    page.click("#back")
    page.click("#back")
    page.click("#back")
    assert shown() == of(0)
    page.focus("#slider")
    page.keyboard.press("ArrowRight")
    assert shown() == of(1)
    page.click("#play")
    eventually(page, lambda: page.inner_text("#play") == "Play")
    assert shown() == of(3)
    assert [said for said in page.heard if not said.startswith("data:")] == []  # its frames are in the file


def test_without_javascript_the_last_frame_stands(tab, tmp_path):
    """The file alone shows the finished boundary and says that there is more; dead controls are hidden."""
    path = tmp_path / "f.html"
    trained(path)
    page = tab(java_script_enabled=False)
    page.goto(path.as_uri())
    assert page.inner_text("#caption") == frames_of(path)[-1]["caption"]
    assert not page.is_visible("#controls")
    assert page.is_visible("noscript")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"y": Y[:3]}, "X has 4 rows and y 3 labels"),
        ({"X": [], "y": []}, "X has no rows"),
        ({"resolution": 1}, "resolution is the number of points along an axis, 2 or more; got 1"),
        ({"X": [[0.0, 0.0], [1.0, math.inf], *X[2:]]}, r"X\[1\] is \(1.0, inf\)"),
        ({"losses": [0.7, math.nan]}, r"losses\[1\] is nan"),
        ({"classes": ["a"]}, "the model tells 2 classes apart, got 1 names: a"),
        ({"y": [0.0, 0.0, 1.0, 2.0]}, "y has the label 2, but the model tells 2 classes apart"),
        ({"y": [0.0, 0.0, 1.0, math.nan]}, r"y\[3\] is nan"),
    ],
)
def test_what_cannot_be_filmed_is_named(tmp_path, changes, says):
    """Rows and labels that do not fit, a grid of one point, places and losses that are not finite: each is named, and
    no file is left."""
    options = {"X": X, "y": Y, "resolution": 5, **changes}
    with pytest.raises(ValueError, match=says):
        film(Snapshots(MLP(2, [1])), path=tmp_path / "f.html", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_finite_is_named(tmp_path):
    """A training that diverged gives no picture: the error says at which snapshot."""
    model = MLP(2, [1])
    snapshots = Snapshots(model)
    snapshots.epochs.append(3)
    snapshots.parameters.append([math.nan] * 3)
    with pytest.raises(ValueError, match="after 3 epochs the model's probabilities are not finite"):
        film(snapshots, X, Y, tmp_path / "f.html")


def test_every_class_is_in_the_legend(tmp_path):
    """Also one that no point has: the model tells it apart, and it has its shading."""
    model = MLP(2, [3], seed=0, output="softmax")
    path = film(Snapshots(model), X, [0, 0, 2, 2], tmp_path / "f.html", resolution=5)
    text = path.read_text(encoding="utf-8")
    assert all(f"class {k}</span>" in text for k in range(3))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axes_and_scales_can_be_read(tab, tmp_path, width, scheme):
    """Both axes, the scale of confidence and the axes of the loss have numbers; no text is cut off or too small, and
    its contrast with the page is at least 4.5:1."""
    path = tmp_path / "f.html"
    trained(path, axes_labels=("width", "height"))
    page = tab(width, 800, color_scheme=scheme)
    page.goto(path.as_uri())
    texts = page.evaluate(
        """() => [...document.querySelectorAll('#plane text, #loss text')].map(t => {
            const b = t.getBoundingClientRect(), s = t.ownerSVGElement.getBoundingClientRect();
            const scale = s.width / t.ownerSVGElement.viewBox.baseVal.width;
            return [t.textContent, b.left, b.right, parseFloat(getComputedStyle(t).fontSize) * scale];
        })"""
    )
    ink = page.evaluate("getComputedStyle(document.querySelector('#plane text')).fill")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    overflow = page.evaluate("document.documentElement.scrollWidth")
    assert faults(page, 10) == []
    shown = [text for text, *_ in texts]
    assert {"width", "height", "probability of class 1", "epoch", "0.5"} <= set(shown)
    assert any(text.startswith("loss") for text in shown)
    assert all(left >= 0 and right <= width for _, left, right, _ in texts)
    assert min(size for *_, size in texts) >= 10
    assert overflow <= width
    light, dark = sorted((luminance(ink), luminance(ground)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_only_snapshots_make_a_film(tmp_path):
    """A history or a model is not a film, and is named."""
    for wrong in (MLP(2, [1]), [0.5]):
        with pytest.raises(TypeError, match=f"film takes the Snapshots of a training, got {type(wrong).__name__}"):
            film(wrong, [[0, 1]], [1], tmp_path / "film.html")
