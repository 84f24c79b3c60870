"""Training pictures: what is drawn is what the numbers say, and the files are fit to be shown."""

from __future__ import annotations

import math
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="plots are drawn by matplotlib")

from reading import faults, shown

from nn import History
from viz import plots
from viz.plots.looks import LOOKS

HOSTILE = '"}{|<script>\\N</svg>$x_{$ \x07]]>'
SVG = "{http://www.w3.org/2000/svg}"


class Plane:
    """A classifier whose border is known: the line x2 = 0.25, on either side of which it is ever surer."""

    def predict_proba(self, X):
        return [1 / (1 + math.exp(-8 * (row[1] - 0.25))) for row in X]


class Thirds:
    """Three classes, the likeliest the one whose direction is nearest."""

    def predict_proba(self, X):
        found = []
        for x, y in X:
            e = [math.exp(3 * (x * math.cos(t) + y * math.sin(t))) for t in (0, 2.0944, 4.1888)]
            found.append([v / sum(e) for v in e])
        return found


POINTS = [[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.2]]
LABELS = [0, 0, 1, 1, 1]  # the last lies on the wrong side


FIGURES = {
    "curves": lambda: plots.curves(
        {"training": [0.7, 0.3, 0.1], "test": {0: 0.8, 2: 0.2}}, {"training": [0.5, 0.9, 1.0]}
    ),
    "lines": lambda: plots.lines([0.0, 1.0, 2.0], {"f": [0.0, 1.0, 4.0], "g": [1.0, 1.0, 1.0]}, "Two functions"),
    "boundary": lambda: plots.boundary(Plane(), POINTS, LABELS, resolution=20),
    "three": lambda: plots.boundary(Thirds(), POINTS, [0, 0, 1, 1, 2], classes=["a", "b", "c"], resolution=20),
    "weights": lambda: plots.weights({f"w{k}": {0: 0.0, 5: float(k)} for k in range(9)}),
    "norms": lambda: plots.gradient_norms({"sigmoid": [1e-6, 1e-3, 1.0], "tanh": [0.5, 0.0, 1.0]}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_an_svg_is_well_formed_and_says_what_it_shows(name, tmp_path):
    """Each picture parses as XML, and carries a title and a description for those who cannot see it."""
    root = ElementTree.parse(plots.save(FIGURES[name](), tmp_path / "p.svg")).getroot()
    assert root.get("role") == "img"
    assert root.findtext(f"{SVG}title")
    assert len(root.findtext(f"{SVG}desc")) > 20
    assert root.find(f".//{SVG}text") is not None, "text is text, not outlines"


def test_the_same_figure_gives_the_same_bytes(tmp_path):
    """Two processes with different hash seeds write the same SVG."""
    code = (
        "import sys; from viz import plots; "
        "plots.save(plots.curves({'training': [0.7, 0.3, 0.1]}, {'training': [0.5, 0.9, 1.0]}), sys.argv[1])"
    )
    texts = []
    for seed in ("1", "2"):
        path = tmp_path / f"{seed}.svg"
        environment = {**__import__("os").environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, path], check=True, env=environment)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    assert b"20" + b"26" not in re.sub(rb"<path[^>]*>", b"", texts[0]), "no date"


def test_png_by_suffix(tmp_path):
    """A .png is a PNG on white, and another suffix is refused by name."""
    from PIL import Image

    with Image.open(plots.save(FIGURES["boundary"](), tmp_path / "p.png")) as image:
        assert image.getpixel((0, 0))[:3] == (255, 255, 255)
    with pytest.raises(ValueError, match=r"\.svg or \.png.*'p\.gif'"):
        plots.save(FIGURES["boundary"](), tmp_path / "p.gif")
    assert not (tmp_path / "p.gif").exists()


def test_text_turns_light_on_a_dark_page(tab, tmp_path):
    """In a browser that prefers dark the axis labels are light, and otherwise dark; measured in the rendered page."""
    path = plots.save(FIGURES["boundary"](), tmp_path / "p.svg")
    colors = {}
    page = tab()
    page.goto(path.as_uri())
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        colors[scheme] = page.evaluate("getComputedStyle(document.querySelector('text')).fill")
    brightness = {scheme: sum(map(int, re.findall(r"\d+", color)[:3])) for scheme, color in colors.items()}
    assert brightness["light"] < 200 < 550 < brightness["dark"]


def test_labels_arrive_intact_and_harmless(tmp_path):
    """Markup, TeX and control characters in a title or a name are shown as they are, and nothing of them acts."""
    figure = plots.curves({HOSTILE: [0.5, 0.2], "b": [0.4, 0.1]}, title=HOSTILE)
    root = ElementTree.parse(plots.save(figure, tmp_path / "p.svg")).getroot()
    shown = HOSTILE.replace("\x07", "")
    assert root.findtext(f"{SVG}title") == shown
    texts = ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]
    assert texts.count(shown) == 2
    assert not list(root.iter(f"{SVG}script"))


def test_the_border_lies_where_the_probability_is_one_half():
    """The zero line of ``leads`` is the border x2 = 0.25, and away from it the lead grows as the log odds do."""
    frame = (0.0, 1.0, 0.0, 1.0)
    said = plots.probabilities(Plane(), frame, 3, 101)
    (lead,) = plots.leads(said)
    heights = [row[1] for row in lead]
    crossing = next(k for k in range(100) if heights[k] < 0 <= heights[k + 1])
    assert crossing in (24, 25)
    assert abs(heights[35] - 0.8) < 1e-9, "the log odds rise by 8 a unit"


def test_probabilities_run_from_the_bottom_left():
    """The grid's first row is the bottom of the frame, its first column the left; one output stands for two classes."""

    class Corner:
        def predict_proba(self, X):
            return [0.1 * x + 0.01 * y for x, y in X]

    said = plots.probabilities(Corner(), (0.0, 2.0, 1.0, 5.0), 3, 2)
    assert [[round(p[1], 12) for p in row] for row in said] == [[0.01, 0.11, 0.21], [0.05, 0.15, 0.25]]
    assert all(math.isclose(sum(p), 1) for row in said for p in row)


def test_shading_is_white_where_nothing_is_known_and_strongest_where_it_is_certain():
    """Equally likely classes are white; a class is deeper in colour the more certain it is."""
    assert plots.shade([0.5, 0.5]) == (1.0, 1.0, 1.0)
    assert plots.shade([1 / 3, 1 / 3, 1 / 3]) == pytest.approx((1.0, 1.0, 1.0))
    assert sum(plots.shade([0.2, 0.8])) > sum(plots.shade([0.0, 1.0]))
    assert plots.shade([1.0, 0.0]) != plots.shade([0.0, 1.0])


def test_points_on_the_wrong_side_are_ringed_and_counted():
    """One of the five points is on the wrong side: the legend has an entry for it, the description the share."""
    figure = FIGURES["boundary"]()
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["class 0", "class 1", "wrong", "border", "probability of class 1: 0.1, 0.9"]
    assert "80.0%" in figure.get_label()
    right = plots.boundary(Plane(), POINTS[:4], LABELS[:4], resolution=10)
    assert "wrong" not in [text.get_text() for text in right.legends[0].get_texts()]


def test_classes_differ_in_marker_as_well_as_in_colour():
    """Colour is never the only sign: every class has a marker and every series a dash of its own."""
    assert len({marker for _, marker, _ in LOOKS}) == len(LOOKS)
    assert len({str(dash) for _, _, dash in LOOKS}) == len(LOOKS)


def test_a_boundary_needs_two_inputs_and_the_right_number_of_names():
    """Rows of three numbers, and names for another number of classes, are refused with what was received."""
    with pytest.raises(ValueError, match="rows of 3"):
        plots.boundary(Plane(), [[0.0, 0.0, 0.0]], [0])
    with pytest.raises(ValueError, match="2 classes apart, got 3 names"):
        plots.boundary(Plane(), POINTS, LABELS, classes=["a", "b", "c"])


def test_the_users_matplotlib_keeps_its_settings(tmp_path):
    """Drawing changes no setting, opens no figure of pyplot and loads no window system."""
    code = (
        "import sys, matplotlib; from viz import plots; "
        # copied without reading "backend", which would look for one
        "settings = lambda: {k: v for k, v in dict.items(matplotlib.rcParams) if k != 'backend'}; before = settings(); "
        "plots.save(plots.curves({'a': [1.0, 0.5]}), sys.argv[1]); "
        "assert settings() == before; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "p.svg"], check=True)


def test_without_matplotlib_the_error_names_the_remedy(monkeypatch):
    """Where matplotlib is missing, the first plot says how to install it; importing viz.plots still works."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(plots.MatplotlibMissing, match="pip install matplotlib"):
        plots.curves({"training": [0.7, 0.3]})


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("color", ["white", "black"])
def test_a_plot_paints_its_own_ground_and_no_other_picture(tab, tmp_path, scheme, color):
    """On a page of either colour ground and ink follow the reader's preference with a contrast of 4.5:1, and ink and
    lines of a picture of someone else's beside it stay as they were."""
    text = plots.save(FIGURES["boundary"](), tmp_path / "p.svg").read_text(encoding="utf-8")
    other = '<svg width="20" height="20"><text id="other" style="fill: #2d3436">x</text></svg>'
    page = tab(color_scheme=scheme)
    page.set_content(f'<body style="background:{color};color:{color}">{text[text.index("<svg") :]}{other}')
    inks, in_legend = page.evaluate(
        "[false, true].map(is => [...document.querySelectorAll('[role=img] text')]"
        ".filter(t => Boolean(t.closest('[id^=legend]')) === is).map(t => getComputedStyle(t).fill))"
    )
    white = page.evaluate("getComputedStyle(document.querySelector('[id^=legend] path')).fill")
    ground = page.evaluate("getComputedStyle(document.querySelector('.ground')).fill")
    fill, joins = page.evaluate(
        "(({ fill, strokeLinejoin }) => [fill, strokeLinejoin])(getComputedStyle(document.querySelector('#other')))"
    )
    own = page.evaluate("getComputedStyle(document.querySelector('[role=img] g path')).strokeLinejoin")
    assert (fill, joins, own) == ("rgb(45, 52, 54)", "miter", "round")
    assert len(inks) > 10
    assert all(contrast(ink, ground) >= 4.5 for ink in inks)
    assert len(in_legend) == 5
    assert all(contrast(ink, white) >= 4.5 for ink in in_legend)  # on the colours of the plane, which are light
    assert (luminance(ground) < 0.5) == (scheme == "dark")
    assert "#2d3436" not in re.sub(r"<style>.*?</style>|<svg[^>]*>", "", text[text.index("<svg") :])


def luminance(colour: str) -> float:
    channels = [int(c) / 255 for c in re.findall(r"\d+", colour)[:3]]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_transparent_on_request(tmp_path):
    """Without a ground the text still follows the reader's preference."""
    text = plots.save(FIGURES["curves"](), tmp_path / "p.svg", transparent=True).read_text(encoding="utf-8")
    assert 'class="ground"' not in text
    assert "prefers-color-scheme" in text


def test_control_characters_leave_the_svg_well_formed(tmp_path):
    """In the names of classes, series and axes, and in titles: XML has no place for any of them."""
    name = "a\x00\x07\x1b\ufffeb"
    for k, figure in enumerate((
        plots.boundary(Plane(), POINTS, LABELS, name, classes=[name, "c"], axes_labels=(name, name), resolution=5),
        plots.lines([0.0, 1.0], {name: [0.0, 1.0]}, name, name, name),
        plots.weights({name: [0.0, 1.0]}, name), plots.gradient_norms({name: [0.5, 1.0]}, name, name),
        plots.curves({name: [1.0, 0.5]}, {name: [0.1, 0.2]}, name),
    )):  # fmt: skip
        root = ElementTree.parse(plots.save(figure, tmp_path / f"{k}.svg")).getroot()
        assert any("ab" in "".join(element.itertext()) for element in root.iter(f"{SVG}text"))


@pytest.mark.parametrize(
    ("X", "y", "options", "says"),
    [
        (POINTS, LABELS[:3], {}, "X has 5 rows and y 3 labels"),
        ([], [], {}, "X has no rows"),
        (POINTS, LABELS, {"resolution": 1}, "2 or more; got 1"),
        ([[0.0, math.inf], *POINTS[1:]], LABELS, {}, r"X\[0\] is \(0.0, inf\)"),
        (POINTS, [0, 0, 1, 1, 2], {}, "y has the label 2, but the model tells 2 classes apart"),
        (POINTS, [0, 0, 1, 1, 0.5], {}, r"y\[4\] is 0.5"),
    ],
)
def test_what_cannot_be_drawn_is_named(X, y, options, says):
    """As the film does: what is wrong, and where."""
    with pytest.raises(ValueError, match=says):
        plots.boundary(Plane(), X, y, **options)


def test_the_scale_of_confidence_says_what_the_shading_means():
    """Beside the plane: from certain of the one class through white to certain of the other; with three, from 1/3."""
    two, three = (FIGURES[name]().axes[1] for name in ("boundary", "three"))
    assert (two.get_ylabel(), two.get_ylim()) == ("probability of class 1", (0.0, 1.0))
    (image,) = two.images
    assert tuple(image.get_array()[25][0]) == pytest.approx((1.0, 1.0, 1.0))
    assert three.get_ylabel() == "probability of the likeliest class"
    assert three.get_ylim()[0] == pytest.approx(1 / 3)


def test_the_epochs_of_a_history_agree():
    """loss[k] is that of the parameters after k epochs; accuracy and validation are measured after k + 1."""
    found = History()
    found.loss, found.accuracy, found.val_loss = [0.7, 0.5, 0.4], [0.6, 0.8, 0.9], [0.65, 0.55, 0.45]
    loss, accuracy = plots.history(found).axes
    assert [list(line.get_xdata()) for line in loss.lines] == [[0, 1, 2], [1, 2, 3]]
    assert [list(line.get_xdata()) for line in accuracy.lines] == [[1, 2, 3]]


def test_type_can_be_read_on_a_telephone_and_no_text_is_cut_off_or_covered(tab, tmp_path):
    """Every plot, as wide as a telephone: its type has 10 pixels or more, and each text lies inside the picture and on
    no other; a title of several lines and long names included."""
    drawn = [
        *(draw() for draw in FIGURES.values()),
        plots.lines([0.0, 1.0], {"a name as long as this one": [1, 2], "b": [0, 1]}, "T " * 60),
    ]
    for k, figure in enumerate(drawn):
        text = plots.save(figure, tmp_path / f"{k}.svg").read_text(encoding="utf-8")
        assert faults(shown(tab, text, 390), 10) == []


def test_names_of_any_length_are_shown_in_part(tmp_path):
    """A name of a million characters is cut in the middle, and takes no time."""
    name = "a" * 500_000 + "z" * 500_000
    path = plots.save(plots.curves({name: [1.0, 0.5], "b": [1.0, 0.4]}, title=name), tmp_path / "p.svg")
    text = path.read_text(encoding="utf-8")
    assert "a…z" in text
    assert len(text) < 100_000
