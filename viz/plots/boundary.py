"""The plot of a decision boundary."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from viz.text import clean

from .looks import LOOKS, ON_SHADING
from .plane import checked, class_names, extent, leads, probabilities, shade
from .style import describe, legend_below, new_figure, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from .plane import Classifier


@styled
def boundary(
    model: Classifier,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    title: str = "Decision boundary",
    *,
    classes: Sequence[str] | None = None,
    axes_labels: tuple[str, str] = ("x1", "x2"),
    resolution: int = 100,
) -> Figure:
    """What ``model`` says all over the plane, with the points it was asked about.

    The shading is the class that is likeliest, paler where that is less certain, as the scale beside it says; the line
    is where it changes. With two classes thin lines show where the probability of class 1 is 0.1 and 0.9. Points that
    the model gets wrong have a ring around them.

    X, y         points of the plane and their labels 0, 1, 2 ...
    classes      names of the classes for the legend
    resolution   points of the grid along each axis

    Raises ValueError where X and y do not fit each other, the model or the plane.
    """
    from matplotlib.lines import Line2D

    checked(X, y, resolution, "boundary")
    frame = extent(X)
    said = probabilities(model, frame, resolution, resolution)
    count = len(said[0][0])
    names = class_names(classes, count, y, "boundary")
    figure = new_figure(title, height=5.0)
    axes, scale = figure.subplots(1, 2, width_ratios=[24, 1])
    _draw_scale(scale, count, names)
    shading = [[shade(p) for p in row] for row in said]
    left, right, bottom, top = frame
    dx, dy = (right - left) / (resolution - 1), (top - bottom) / (resolution - 1)
    # A point of the grid is the middle of a pixel, so half a pixel lies outside the frame on each side.
    axes.imshow(shading, extent=(left - dx / 2, right + dx / 2, bottom - dy / 2, top + dy / 2), origin="lower",
                interpolation="bilinear", aspect="auto")  # fmt: skip
    axes.set(xlim=(left, right), ylim=(bottom, top), xlabel=clean(axes_labels[0]), ylabel=clean(axes_labels[1]))
    xs, ys = [left + dx * i for i in range(resolution)], [bottom + dy * j for j in range(resolution)]
    for lead in leads(said):
        axes.contour(xs, ys, lead, levels=[0.0], colors=[ON_SHADING], linewidths=1.6)
        if count == 2:
            axes.contour(xs, ys, lead, levels=[-math.log(9), math.log(9)], colors=[ON_SHADING], linewidths=0.7,
                         linestyles="dotted")  # fmt: skip
    wrong = _draw_points(axes, model, X, y, names)
    if count == 2:
        label = f"probability of {names[1]}: 0.1, 0.9"
        axes.add_line(Line2D([], [], color=ON_SHADING, linewidth=0.9, linestyle="dotted", label=clean(label)))
    # on the colours of the plane, as in it: its lines are dark on a dark page too
    legend_below(figure, names, 2, frameon=True, facecolor="white", edgecolor="none", framealpha=1.0,
                 labelcolor=ON_SHADING)  # fmt: skip
    return describe(
        figure,
        f"{len(X)} points of {count} classes in the plane over the probability that the network gives each class; "
        f"{1 - wrong / len(X):.1%} of the points lie on the right side.",
    )


def _draw_scale(axes: Axes, count: int, names: Sequence[str]) -> None:
    """What the shading means: how likely the likeliest class is, for two classes from the one to the other."""
    steps = 50
    if count == 2:
        rows = [[shade([1 - k / steps, k / steps])] for k in range(steps + 1)]
        low, label = 0.0, f"probability of {names[1]}"
    else:
        low, label = 1 / count, "probability of the likeliest class"
        rows = []
        for k in range(steps + 1):
            p = low + (1 - low) * k / steps
            rest = (1 - p) / (count - 1)
            rows.append([shade([p if m == c else rest for m in range(count)]) for c in range(count)])
    axes.imshow(rows, extent=(0, 1, low, 1), origin="lower", interpolation="bilinear", aspect="auto")
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.yaxis.set_label_position("right")
    axes.set_ylabel(clean(label))
    axes.spines[["left", "bottom"]].set_visible(False)


def _draw_points(
    axes: Axes, model: Classifier, X: Sequence[Sequence[float]], y: Sequence[float], names: Sequence[str]
) -> int:
    """Points by class; returns how many the model gets wrong."""
    from matplotlib.lines import Line2D

    for k, (name, (color, marker, _)) in enumerate(zip(names, LOOKS)):
        members = [row for row, label in zip(X, y) if label == k]
        axes.scatter([row[0] for row in members], [row[1] for row in members], s=26, c=color, marker=marker,
                     edgecolors="white", linewidths=0.7, label=clean(name), zorder=3)  # fmt: skip
    said = [[p] if isinstance(p, (int, float)) else list(p) for p in model.predict_proba([list(row) for row in X])]
    chosen = [float(p[0] >= 0.5) if len(p) == 1 else float(p.index(max(p))) for p in said]
    missed = [row for row, label, choice in zip(X, y, chosen) if label != choice]
    if missed:
        axes.scatter([row[0] for row in missed], [row[1] for row in missed], s=110, facecolors="none",
                     edgecolors=ON_SHADING, linewidths=1.2, zorder=4)  # fmt: skip
        axes.add_line(Line2D([], [], color="none", marker="o", markersize=10, markerfacecolor="none",
                             markeredgecolor=ON_SHADING, label="wrong"))  # fmt: skip
    axes.add_line(Line2D([], [], color=ON_SHADING, linewidth=1.6, label="border"))
    return len(missed)
