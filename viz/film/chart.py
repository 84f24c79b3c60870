"""What does not move in the film's page: axes, points, legend, scale of confidence and the curve of the loss."""

from __future__ import annotations

import html
import math
from typing import TYPE_CHECKING

from viz.plots.looks import LOOKS, ON_SHADING
from viz.plots.plane import shade, ticks
from viz.text import brief, number, shorten

from .frames import HEIGHT, WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from viz.plots.plane import Frame

_MARKERS = {  # the markers of the plots, as SVG
    "o": '<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
    "^": '<path d="M{x:.1f} {y:.1f}m0-5l4.6 8.4h-9.2z"/>',
    "s": '<path d="M{x:.1f} {y:.1f}m-3.8-3.8h7.6v7.6h-7.6z"/>',
    "D": '<path d="M{x:.1f} {y:.1f}m0-5.4l5.4 5.4l-5.4 5.4l-5.4-5.4z"/>',
}
MARKED = [(color, _MARKERS[marker]) for color, marker, _ in LOOKS if marker in _MARKERS]
CURVE = 130  # height of the curve of the loss
# Around the plane, room for numbers in the large type of a telephone; the names of upright axes stand above them.
LEFT, RIGHT, TOP, BOTTOM = 76, 88, 32, 48


def points(X: Sequence[Sequence[float]], y: Sequence[float], extent: Frame) -> str:
    left, right, bottom, top = extent
    drawn = []
    for row, label in zip(X, y):
        color, marker = MARKED[int(label)]
        x, height = (row[0] - left) / (right - left) * WIDTH, (top - row[1]) / (top - bottom) * HEIGHT
        drawn.append(f'<g fill="{color}">{marker.format(x=x, y=height)}</g>')
    return "".join(drawn)


def axes(extent: Frame, labels: tuple[str, str]) -> str:
    """Ticks, their numbers and the names of both axes, outside the plane."""
    left, right, bottom, top = extent
    drawn = [f'<path d="M0 0V{HEIGHT}H{WIDTH}" fill="none" stroke="currentColor"/>']
    for tick in ticks(left, right):
        x = (tick - left) / (right - left) * WIDTH
        drawn.append(f'<path d="M{x:.1f} {HEIGHT}v5" stroke="currentColor"/>')
        drawn.append(f'<text x="{x:.1f}" y="{HEIGHT + 18}" text-anchor="middle">{brief(tick)}</text>')
    for tick in ticks(bottom, top):
        y = (top - tick) / (top - bottom) * HEIGHT
        drawn.append(f'<path d="M0 {y:.1f}h-5" stroke="currentColor"/>')
        drawn.append(f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{brief(tick)}</text>')
    x_name, y_name = (html.escape(shorten(label, 24)) for label in labels)
    drawn.append(f'<text x="{WIDTH / 2}" y="{HEIGHT + 38}" text-anchor="middle">{x_name}</text>')
    drawn.append(f'<text x="-{LEFT - 4}" y="-12">{y_name}</text>')
    return "".join(drawn)


def scale(count: int, names: Sequence[str]) -> str:
    """What the shading means: how likely the likeliest class is, for two classes from the one to the other."""
    steps, width = 24, 14.0 if count == 2 else 8.0 * count
    low = 0.0 if count == 2 else 1 / count
    cells = []
    for k in range(steps):
        p = low + (1 - low) * (k + 0.5) / steps
        top, height = HEIGHT * (1 - (k + 1) / steps), HEIGHT / steps + 0.3
        for c in range(1 if count == 2 else count):
            rest = (1 - p) / (count - 1)
            said = [1 - p, p] if count == 2 else [p if m == c else rest for m in range(count)]
            color = "#" + "".join(f"{round(255 * channel):02x}" for channel in shade(said))
            wide = width if count == 2 else 8.0
            cells.append(f'<path d="M{c * 8:g} {top:.1f}h{wide:g}v{height:.1f}h-{wide:g}z" fill="{color}"/>')
    for tick in ticks(low, 1.0, 5):
        y = HEIGHT * (1 - (tick - low) / (1 - low))
        cells.append(f'<text x="{width + 4:g}" y="{y + 4:.1f}">{brief(tick)}</text>')
    what = f"probability of {names[1]}" if count == 2 else "probability of the likeliest class"
    cells.append(f'<text x="{RIGHT - 20}" y="-12" text-anchor="end">{html.escape(shorten(what, 40))}</text>')
    return f'<g id="scale" transform="translate({WIDTH + 16} 0)">{"".join(cells)}</g>'


def legend(names: Sequence[str]) -> str:
    entries = [
        f'<span><svg viewBox="-7 -7 14 14" aria-hidden="true"><g fill="{color}">{marker.format(x=0.0, y=0.0)}</g></svg>'
        f"{html.escape(shorten(name, 60))}</span>"
        for name, (color, marker) in zip(names, MARKED)
    ]
    # as in the plane, which is light on a dark page too
    line = f'<path d="M-7-7h14v14h-14z" fill="#ffffff"/><path d="M-7 0H7" stroke="{ON_SHADING}" stroke-width="2"/>'
    entries.append(f'<span><svg viewBox="-7 -7 14 14" aria-hidden="true">{line}</svg>border between classes</span>')
    return "".join(entries)


def loss_curve(losses: Sequence[float] | None, epochs: int) -> str:
    """The loss by epoch as a small picture with axes of its own; the script moves its mark."""
    if not losses or len(losses) < 2:
        return ""
    shown = losses[: epochs + 1]
    last = max(epochs, len(shown) - 1)
    logarithmic = min(shown) > 0
    low, high = min(shown), max(shown)
    if logarithmic:
        marks = [m * 10.0**k for k in range(-12, 12) for m in (1, 2, 5)]
        marks = [mark for mark in marks if low <= mark <= high] or [low, high]
        marks = marks[:: max(1, -(-len(marks) // 4))]
    else:
        marks = ticks(low, high, 3) or [low]
    place = math.log if logarithmic else float
    bottom, top = place(low), place(high)

    def height(value: float) -> float:
        return CURVE - 4 - (CURVE - 12) * ((place(value) - bottom) / (top - bottom) if top > bottom else 0.5)

    every = max(1, len(shown) // 400)
    chosen = sorted({*range(0, len(shown), every), len(shown) - 1})
    line = " ".join(f"{k / last * WIDTH:.1f},{height(shown[k]):.1f}" for k in chosen)
    about = f"loss by epoch: {number(shown[0])} at epoch 0, {number(shown[-1])} at epoch {len(shown) - 1}"
    drawn = [f'<path d="M0 0V{CURVE}H{WIDTH}" fill="none" stroke="currentColor"/>']
    for mark in marks:
        y = height(mark)
        drawn.append(f'<path d="M0 {y:.1f}h-5" stroke="currentColor"/>')
        drawn.append(f'<text x="-8" y="{y + 4:.1f}" text-anchor="end">{brief(mark)}</text>')
    for tick in ticks(0, last):
        x = tick / last * WIDTH
        drawn.append(f'<path d="M{x:.1f} {CURVE}v5" stroke="currentColor"/>')
        drawn.append(f'<text x="{x:.1f}" y="{CURVE + 18}" text-anchor="middle">{brief(tick)}</text>')
    kind = "loss (logarithmic)" if logarithmic else "loss"
    drawn.append(f'<text x="-{LEFT - 4}" y="-12">{kind}</text>')
    drawn.append(f'<text x="{WIDTH / 2}" y="{CURVE + 38}" text-anchor="middle">epoch</text>')
    view = f"-{LEFT} -{TOP} {WIDTH + LEFT + RIGHT} {CURVE + TOP + BOTTOM}"
    return (
        f'<svg id="loss" viewBox="{view}" role="img" aria-label="{about}" '
        f'data-last="{last}" data-width="{WIDTH}">{"".join(drawn)}'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        f'<path id="now" d="M0 0V{CURVE}" transform="translate({WIDTH})" stroke="#d55e00" stroke-width="2"/></svg>'
    )
