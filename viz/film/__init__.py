"""A film of the decision boundary as training goes: one HTML file with a slider, to mail or to show to a class.

Needs nothing but the standard library. Each frame is what the network said all over the plane after some epoch
(frames.py), on axes with a scale of confidence and the curve of the loss below (chart.py).
"""

from __future__ import annotations

import html
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

from viz.files import write
from viz.pages.document import as_json, filled
from viz.plots.plane import checked, class_names
from viz.plots.plane import extent as extent_of
from viz.text import shorten

from .chart import BOTTOM, LEFT, MARKED, RIGHT, TOP, axes, legend, loss_curve, points, scale
from .frames import HEIGHT, WIDTH, frame_of
from .snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Snapshots", "film"]


def film(
    snapshots: Snapshots,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    path: str | os.PathLike[str],
    *,
    title: str = "The decision boundary as training goes",
    classes: Sequence[str] | None = None,
    axes_labels: tuple[str, str] = ("x1", "x2"),
    losses: Sequence[float] | None = None,
    resolution: int = 64,
) -> Path:
    """Write the film to ``path``, an HTML file that needs nothing else. Returns the path.

    snapshots    the frames; the model has its own parameters back when the film is done
    X, y         points of the plane and their labels 0, 1, 2, 3
    classes      the name of each class that the model tells apart
    losses       the loss of each epoch, drawn under the picture with a mark at the frame shown
    resolution   points of the grid along each axis

    Raises ValueError where X, y, classes and the model do not fit each other, for labels other than 0 to 3, for points
    and losses that are not finite, and for a resolution below 2.
    """
    if not isinstance(snapshots, Snapshots):
        raise TypeError(f"film takes the Snapshots of a training, got {type(snapshots).__name__}")
    checked(X, y, resolution, "film")
    for label in y:
        if label >= len(MARKED):
            raise ValueError(f"a film shows classes 0 to {len(MARKED) - 1}, got the label {label!r}")
    for epoch, loss in enumerate(losses or ()):
        if not math.isfinite(loss):
            raise ValueError(f"film: losses[{epoch}] is {loss}: leave the losses from there on out")
    extent, model = extent_of(X), snapshots.model
    kept = [parameter.data for parameter in model.parameters()]
    frames = []
    try:
        for epoch, parameters in zip(snapshots.epochs, snapshots.parameters):
            for parameter, data in zip(model.parameters(), parameters):
                parameter.data = data
            frame, count = frame_of(model, epoch, X, y, extent, resolution, losses)
            frames.append(frame)
    finally:
        for parameter, data in zip(model.parameters(), kept):
            parameter.data = data
    names = class_names(classes, count, y, "film")
    last = frames[-1]
    # A point of the grid is the middle of a pixel, so half a pixel of the image lies outside the frame on each side.
    over_x, over_y = WIDTH / (resolution - 1) / 2, HEIGHT / (resolution - 1) / 2
    parts = {
        "title": html.escape(shorten(title, 200)),
        "width": f"{WIDTH}", "height": f"{HEIGHT}",
        "view": f"-{LEFT} -{TOP} {WIDTH + LEFT + RIGHT} {HEIGHT + TOP + BOTTOM}",
        "over_x": f"{-over_x:.2f}", "over_y": f"{-over_y:.2f}",
        "image_width": f"{WIDTH + 2 * over_x:.2f}", "image_height": f"{HEIGHT + 2 * over_y:.2f}",
        "image": last["image"], "border": last["border"], "caption": html.escape(last["caption"]),
        "axes": axes(extent, axes_labels), "points": points(X, y, extent), "scale": scale(count, names),
        "legend": legend(names), "loss": loss_curve(losses, last["epoch"]), "most": f"{len(frames) - 1}",
        "data": as_json(frames),
    }  # fmt: skip
    text = filled(_asset("film.html"), _asset("film.css"), _asset("film.js"), parts)
    target = Path(path)
    write(target, text.encode("utf-8"))
    return target


def _asset(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")
