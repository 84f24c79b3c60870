"""Pictures of training, drawn by matplotlib: curves, decision boundaries, weights and gradients.

Each function returns a matplotlib Figure, and ``save`` writes it as SVG or PNG by suffix. Only matplotlib's object
interface is used: no window, no global figure, no display needed. Class and series are told apart by marker or dash
as well as by colour, in colours that most people with a colour vision deficiency can tell apart (M. Okabe and
K. Ito, Color Universal Design, 2008).

>>> from viz import plots
>>> plots.save(plots.curves({"training": [0.7, 0.4, 0.2]}), "loss.svg")     # doctest: +SKIP
"""

from __future__ import annotations

import math
import os
import re
from html import escape
from io import BytesIO
from pathlib import Path

from viz.files import write
from viz.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, ParamSpec, Protocol

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    P = ParamSpec("P")

    class Classifier(Protocol):
        """What ``boundary`` needs of a model."""

        def predict_proba(self, X: Any, /) -> Sequence[Any]: ...

    # The value at each epoch from 0 on, or at the epochs that are the keys.
    Series = Sequence[float] | Mapping[int, float]


class MatplotlibMissing(ImportError):
    """matplotlib is not installed; the message says how to install it."""


# One class or series each: colour, marker, dash.
_LOOKS = [("#0072b2", "o", "-"), ("#d55e00", "^", "--"), ("#009e73", "s", "-."), ("#cc79a7", "D", ":"),
          ("#e69f00", "v", (0, (5, 1, 1, 1, 1, 1))), ("#56b4e9", "P", (0, (1, 1)))]  # fmt: skip
_INK, _INK_ON_DARK = "#2d3436", "#dfe6e9"
_ON_SHADING = "#2d3437"  # on the shading, which is light on a dark page too: a colour that does not change there
_STYLE: Any = {
    "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans"], "font.size": 10.0,
    "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "axes.titlecolor": _INK,
    "xtick.color": _INK, "ytick.color": _INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.facecolor": "none", "axes.titlesize": 10.0, "figure.titlesize": 12.0, "legend.frameon": False,
    "lines.linewidth": 1.8, "axes.grid": False, "figure.facecolor": "none",
    "text.parse_math": False,  # a label with dollar signs in it is not TeX
    "svg.fonttype": "none",      # text stays text: it can be searched, and read aloud
    "svg.hashsalt": "viz.plots",  # the ids in the file depend on its content alone
}  # fmt: skip


def _styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """The function with this module's style, whatever the user's matplotlib is set to."""
    from functools import wraps

    @wraps(function)
    def styled(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return function(*args, **kwargs)

    return styled


def _style() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MatplotlibMissing("plots need matplotlib, which is not installed: pip install matplotlib") from error
    return matplotlib.rc_context(_STYLE)


def _figure(title: str, width: float = 6.4, height: float = 4.0) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(clean(title))
    return figure


def _describe(figure: Figure, description: str) -> Figure:
    figure.set_label(description)  # the label of a figure is not drawn; save() makes the file's description of it
    return figure


def save(figure: Figure, path: str | os.PathLike[str]) -> Path:
    """Write ``figure`` to ``path``, as SVG or PNG by suffix, with its title and description; return the path.

    The same figure gives the same SVG, byte for byte. The SVG is transparent, and its text turns light where the
    viewer prefers dark. The file appears whole or not at all. Raises ValueError for another suffix.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".svg", ".png"):
        raise ValueError(f"a plot is saved as .svg or .png, by the suffix of the path; got {path.name!r}")
    title, description = figure.get_suptitle(), str(figure.get_label())
    content = BytesIO()
    with _style():
        for axes in figure.axes:
            for image in axes.images:
                # The viewer of an SVG smooths the shading; smoothed here it takes three times the space.
                image.set_interpolation("none" if kind == ".svg" else "bilinear")
        if kind == ".png":
            metadata = {"Title": title, "Description": description}
            figure.savefig(content, format="png", dpi=160, facecolor="white", metadata=metadata)
            write(path, content.getvalue())
        else:
            figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
            write(path, _finished_svg(content.getvalue().decode("utf-8"), title, description).encode("utf-8"))
    return path


def _finished_svg(text: str, title: str, description: str) -> str:
    """matplotlib's SVG with a title, a description, and colours for a dark page."""
    dark = (
        f"@media (prefers-color-scheme: dark) {{"
        f' [style*="fill: {_INK}"] {{ fill: {_INK_ON_DARK} !important }}'
        f' [style*="stroke: {_INK}"] {{ stroke: {_INK_ON_DARK} !important }} }}'
    )
    text = re.sub(r"image-rendering:[\w-]+;?", "", text)  # matplotlib asks the viewer not to smooth
    head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{dark}</style>"
    return re.sub(r"(<svg\b[^>]*)>", lambda tag: f'{tag[1]} role="img">\n {head}', text, count=1)


def _points(series: Series) -> tuple[list[int], list[float]]:
    pairs = series.items() if hasattr(series, "items") else enumerate(series)
    epochs, values = zip(*pairs)
    return list(epochs), list(values)


def _looks() -> Iterator[tuple[str, str, Any]]:
    while True:
        yield from _LOOKS


def _draw_series(axes: Axes, named: Mapping[str, Series]) -> None:
    for (name, series), (color, marker, dash) in zip(named.items(), _looks()):
        epochs, values = _points(series)
        axes.plot(epochs, values, color=color, linestyle=dash, marker=marker, markevery=max(1, len(epochs) // 8),
                  markersize=4.5, label=clean(name))  # fmt: skip
    axes.set_xlabel("epoch")
    if len(named) > 1:
        axes.legend()


@_styled
def curves(loss: Mapping[str, Series], accuracy: Mapping[str, Series] | None = None, title: str = "Training") -> Figure:
    """Loss by epoch, on a logarithmic axis, and beside it accuracy where it is given.

    loss, accuracy   name of a series -> its values: a list from epoch 0 on, or a dict epoch -> value. An accuracy is a
                     share in [0, 1]
    """
    from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter, PercentFormatter

    figure = _figure(title, 6.4 if accuracy is None else 8.6, 3.6)
    left, *right = figure.subplots(1, 1 if accuracy is None else 2, squeeze=False)[0]
    _draw_series(left, loss)
    left.set_ylabel("loss")
    if all(value > 0 for series in loss.values() for value in _points(series)[1]):
        left.set_yscale("log")
        left.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        left.yaxis.set_major_formatter(FormatStrFormatter("%g"))
        left.yaxis.set_minor_formatter(NullFormatter())
    parts = [f"Loss by epoch. {_summary(loss, '.4g')}"]
    for axes in right:
        named = accuracy or {}
        _draw_series(axes, named)
        axes.set_ylabel(f"{next(iter(named))} accuracy" if len(named) == 1 else "accuracy")
        axes.set_ylim(top=1.02)
        axes.set_yticks([tick for tick in axes.get_yticks() if axes.get_ylim()[0] <= tick <= 1])
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
        parts.append(f"Accuracy by epoch. {_summary(named, '.1%')}")
    return _describe(figure, " ".join(parts))


def _summary(named: Mapping[str, Series], form: str) -> str:
    texts = []
    for name, series in named.items():
        epochs, values = _points(series)
        first, last = f"{values[0]:{form}} at epoch {epochs[0]}", f"{values[-1]:{form}} at epoch {epochs[-1]}"
        texts.append(f"{clean(name)}: {first}, {last}.")
    return " ".join(texts)


@_styled
def lines(
    x: Sequence[float], named: Mapping[str, Sequence[float]], title: str, xlabel: str = "x", ylabel: str = ""
) -> Figure:
    """Functions of one variable: ``named`` is the name of each and its value at every x."""
    figure = _figure(title, 6.8, 4.2)
    axes = figure.subplots()
    for (name, values), (color, marker, dash) in zip(named.items(), _looks()):
        axes.plot(x, values, color=color, linestyle=dash, marker=marker, markevery=max(1, len(x) // 10),
                  markersize=4.5, label=clean(name))  # fmt: skip
    axes.axhline(0, color=_INK, linewidth=0.6)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return _describe(figure, f"{', '.join(map(clean, named))} for {xlabel} from {min(x):g} to {max(x):g}.")


def extent(rows: Sequence[Sequence[float]], margin: float = 0.12) -> tuple[float, float, float, float]:
    """left, right, bottom, top of a frame around points of the plane, with a margin."""
    frame: list[float] = []
    for column in zip(*rows):
        low, high = min(column), max(column)
        room = margin * ((high - low) or 1.0)
        frame += [low - room, high + room]
    if len(frame) != 4:
        raise ValueError(f"a boundary is drawn in the plane: two inputs expected, got rows of {len(frame) // 2}")
    left, right, bottom, top = frame
    return left, right, bottom, top


def probabilities(
    model: Classifier, frame: tuple[float, float, float, float], columns: int, rows: int
) -> list[list[list[float]]]:
    """What ``model`` says at the points of a grid over ``frame``, bottom row first: the probability of each class.

    A model with one output gives two classes.
    """
    left, right, bottom, top = frame
    grid = [[left + (right - left) * i / (columns - 1), bottom + (top - bottom) * j / (rows - 1)]
            for j in range(rows) for i in range(columns)]  # fmt: skip
    said = [[1 - float(p), float(p)] if isinstance(p, (int, float)) else [float(q) for q in p]
            for p in model.predict_proba(grid)]  # fmt: skip
    said = [[1 - p[0], p[0]] if len(p) == 1 else p for p in said]
    return [said[j * columns : (j + 1) * columns] for j in range(rows)]


def leads(said: list[list[list[float]]]) -> list[list[list[float]]]:
    """For each class how much likelier it is than the next best, all over the grid: zero on its border.

    As a difference of logarithms, which for a network is about straight from one point of the grid to the next, where
    probabilities jump from 0 to 1. Two classes share one border, so that class 1 stands for both.
    """
    count = len(said[0][0])
    logs = [[[math.log(max(q, 1e-300)) for q in p] for p in row] for row in said]
    return [
        [[p[k] - max(q for m, q in enumerate(p) if m != k) for p in row] for row in logs]
        for k in range(1 if count == 2 else 0, count)
    ]


def shade(p: Sequence[float]) -> tuple[float, float, float]:
    """The colour of a point whose classes have probabilities ``p``: that of the likeliest class, paler as it is less
    certain, white where classes are equally likely. Red, green and blue in [0, 1]."""
    likeliest = max(range(len(p)), key=p.__getitem__)
    certain = (p[likeliest] - 1 / len(p)) / (1 - 1 / len(p))
    color = _LOOKS[likeliest % len(_LOOKS)][0]
    strength = 0.55 * certain  # pale enough for the points to stand out at any certainty
    red, green, blue = (1 - strength * (1 - int(color[k : k + 2], 16) / 255) for k in (1, 3, 5))
    return red, green, blue


@_styled
def boundary(
    model: Classifier,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    title: str = "Decision boundary",
    *,
    classes: Sequence[str] | None = None,
    axes_labels: tuple[str, str] = ("x1", "x2"),
    resolution: int = 72,
) -> Figure:
    """What ``model`` says all over the plane, with the points it was asked about.

    The shading is the class that is likeliest, paler where that is less certain; the line is where it changes. With
    two classes thin lines show where the probability of class 1 is 0.1 and 0.9. Points that the model gets wrong have
    a ring around them.

    X, y         points of the plane and their labels 0, 1, 2 ...
    classes      names of the classes for the legend
    resolution   points of the grid along each axis
    """
    frame = extent(X)
    said = probabilities(model, frame, resolution, resolution)
    count = len(said[0][0])
    names = list(classes or (f"class {k}" for k in range(count)))
    if len(names) != count:
        raise ValueError(f"the model tells {count} classes apart, got {len(names)} names: {', '.join(names)}")
    figure = _figure(title, 5.6, 5.2)
    axes = figure.subplots()
    shading = [[shade(p) for p in row] for row in said]
    left, right, bottom, top = frame
    dx, dy = (right - left) / (resolution - 1), (top - bottom) / (resolution - 1)
    # A point of the grid is the middle of a pixel, so half a pixel lies outside the frame on each side.
    axes.imshow(shading, extent=(left - dx / 2, right + dx / 2, bottom - dy / 2, top + dy / 2), origin="lower",
                interpolation="bilinear", aspect="auto")  # fmt: skip
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=axes_labels[0], ylabel=axes_labels[1])
    xs, ys = [left + dx * i for i in range(resolution)], [bottom + dy * j for j in range(resolution)]
    for lead in leads(said):
        axes.contour(xs, ys, lead, levels=[0.0], colors=[_ON_SHADING], linewidths=1.6)
        if count == 2:
            axes.contour(xs, ys, lead, levels=[-math.log(9), math.log(9)], colors=[_ON_SHADING], linewidths=0.7,
                         linestyles="dotted")  # fmt: skip
    wrong = _draw_points(axes, model, X, y, names)
    figure.legend(loc="outside lower center", ncols=4 if count == 2 else 3)
    return _describe(
        figure,
        f"{len(X)} points of {count} classes in the plane over the probability that the network gives each class; "
        f"{1 - wrong / len(X):.1%} of the points lie on the right side.",
    )


def _draw_points(
    axes: Axes, model: Classifier, X: Sequence[Sequence[float]], y: Sequence[float], names: Sequence[str]
) -> int:
    """Points by class; returns how many the model gets wrong."""
    from matplotlib.lines import Line2D

    for k, (name, (color, marker, _)) in enumerate(zip(names, _looks())):
        members = [row for row, label in zip(X, y) if label == k]
        axes.scatter([row[0] for row in members], [row[1] for row in members], s=26, c=color, marker=marker,
                     edgecolors="white", linewidths=0.7, label=clean(name), zorder=3)  # fmt: skip
    said = [[p] if isinstance(p, (int, float)) else list(p) for p in model.predict_proba([list(row) for row in X])]
    chosen = [float(p[0] >= 0.5) if len(p) == 1 else float(p.index(max(p))) for p in said]
    missed = [row for row, label, choice in zip(X, y, chosen) if label != choice]
    if missed:
        axes.scatter([row[0] for row in missed], [row[1] for row in missed], s=110, facecolors="none",
                     edgecolors=_ON_SHADING, linewidths=1.2, zorder=4)  # fmt: skip
        axes.add_line(Line2D([], [], color="none", marker="o", markersize=10, markerfacecolor="none",
                             markeredgecolor=_INK, label="wrong"))  # fmt: skip
    axes.add_line(Line2D([], [], color=_INK, linewidth=1.6, label="border"))
    return len(missed)


@_styled
def weights(named: Mapping[str, Series], title: str = "Weights over time") -> Figure:
    """Each parameter by epoch. ``named`` is the name of each and its values; up to twelve get a legend."""
    figure = _figure(title, 7.2, 4.0)
    axes = figure.subplots()
    told_apart = len(named) <= 2 * len(_LOOKS)
    for k, ((name, series), (color, marker, dash)) in enumerate(zip(named.items(), _looks())):
        epochs, values = _points(series)
        axes.plot(epochs, values, color=color, linestyle=dash, linewidth=1.5 if told_apart else 1.0, label=clean(name),
                  marker=marker if told_apart else None, markevery=max(1, len(epochs) // 8), markersize=5,
                  markerfacecolor=color if k < len(_LOOKS) else "white")  # fmt: skip
    axes.axhline(0, color=_INK, linewidth=0.6)
    axes.set(xlabel="epoch", ylabel="value")
    if told_apart:
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return _describe(figure, f"{len(named)} parameters by epoch. {_summary(dict(list(named.items())[:6]), '.3g')}")


@_styled
def gradient_norms(
    named: Mapping[str, Sequence[float]], title: str = "Gradient norm by layer", ylabel: str = "norm of dJ/dW"
) -> Figure:
    """The size of the gradient at each layer, first layer left, on a logarithmic axis; a series a network."""
    from matplotlib.ticker import FormatStrFormatter, NullFormatter

    figure = _figure(title, 6.8, 4.2)
    axes = figure.subplots()
    for (name, norms), (color, marker, dash) in zip(named.items(), _looks()):
        shown = [norm if norm > 0 else math.nan for norm in norms]  # a logarithmic axis has no zero
        axes.plot(range(1, len(norms) + 1), shown, color=color, marker=marker, linestyle=dash, label=clean(name))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FormatStrFormatter("%.0e"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    longest = max(len(norms) for norms in named.values())
    axes.set_xticks(range(1, longest + 1))
    axes.set(xlabel="layer (1 is next to the input)", ylabel=ylabel)
    axes.legend()
    ratios = " ".join(
        f"{clean(name)}: layer 1 {norms[0]:.2g}, last layer {norms[-1]:.2g}." for name, norms in named.items()
    )
    return _describe(figure, f"Gradient norm by layer. {ratios}")
