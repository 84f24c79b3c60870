"""A film of the decision boundary as training goes: one HTML file with a slider, to mail or to show to a class.

Needs nothing but the standard library. Each frame is what the network said all over the plane after some epoch: the
shading as a small PNG, which the browser smooths, and the line where the likeliest class changes as an SVG path.
"""

from __future__ import annotations

import base64
import html
import json
import os
import struct
import zlib
from pathlib import Path

from viz.files import write
from viz.plots import extent, leads, probabilities, shade
from viz.text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    from engine import Value

    class Network(Protocol):
        """What the film needs of a model."""

        def parameters(self) -> list[Value]: ...
        def predict_proba(self, X: Any, /) -> Sequence[Any]: ...


_WIDTH, _HEIGHT = 480, 440  # of the picture, in the units of its viewBox
_MARKERS = (
    ("#0072b2", '<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>'),
    ("#d55e00", '<path d="M{x:.1f} {y:.1f}m0-5l4.6 8.4h-9.2z"/>'),
    ("#009e73", '<path d="M{x:.1f} {y:.1f}m-3.8-3.8h7.6v7.6h-7.6z"/>'),
    ("#cc79a7", '<path d="M{x:.1f} {y:.1f}m0-5.4l5.4 5.4l-5.4 5.4l-5.4-5.4z"/>'),
)


class Snapshots:
    """The parameters of a model as training goes, gathered by ``fit(..., callback=snapshots)``.

    every       how many epochs lie between two snapshots
    epochs      after how many epochs the parameters were kept, 0 first
    parameters  the parameters at each of them, in the order of ``model.parameters()``
    """

    def __init__(self, model: Network, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"Snapshots: every is a number of epochs, 1 or more; got {every!r}")
        self.model, self.every = model, every
        self.epochs: list[int] = []
        self.parameters: list[list[float]] = []
        self.keep(0)

    def keep(self, epochs: int) -> None:
        """Keep the parameters as they are now, after so many epochs."""
        self.epochs.append(epochs)
        self.parameters.append([parameter.data for parameter in self.model.parameters()])

    def __call__(self, epoch: int, *_: object) -> None:
        if (epoch + 1) % self.every == 0:  # fit calls after epoch 0 first
            self.keep(epoch + 1)

    def named(self, names: Sequence[str]) -> dict[str, dict[int, float]]:
        """For ``plots.weights``: each name with the value of that parameter by epoch."""
        return {
            name: {epoch: kept[k] for epoch, kept in zip(self.epochs, self.parameters)} for k, name in enumerate(names)
        }


def film(
    snapshots: Snapshots,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    path: str | os.PathLike[str],
    *,
    title: str = "The decision boundary as training goes",
    classes: Sequence[str] | None = None,
    losses: Sequence[float] | None = None,
    resolution: int = 40,
) -> Path:
    """Write the film to ``path``, an HTML file that needs nothing else. Returns the path.

    snapshots    the frames; the model has its own parameters back when the film is done
    X, y         points of the plane and their labels 0, 1, 2, 3
    losses       the loss of each epoch, drawn under the picture with a mark at the frame shown
    resolution   points of the grid along each axis

    Raises ValueError for labels other than 0 to 3, and for rows that are not two numbers.
    """
    frame = extent(X)
    points = _points(X, y, frame)
    model = snapshots.model
    kept = [parameter.data for parameter in model.parameters()]
    frames = []
    try:
        for epoch, parameters in zip(snapshots.epochs, snapshots.parameters):
            for parameter, data in zip(model.parameters(), parameters):
                parameter.data = data
            frames.append(_frame(model, epoch, X, y, frame, resolution, losses))
    finally:
        for parameter, data in zip(model.parameters(), kept):
            parameter.data = data
    count = len(set(y))
    names = list(classes or (f"class {k}" for k in range(count)))
    write(Path(path), _page(title, frames, points, names, losses, resolution).encode("utf-8"))
    return Path(path)


def _points(X: Sequence[Sequence[float]], y: Sequence[float], frame: tuple[float, float, float, float]) -> str:
    left, right, bottom, top = frame
    drawn = []
    for row, label in zip(X, y):
        if not 0 <= label < len(_MARKERS) or label != int(label):
            raise ValueError(f"a film shows classes 0 to {len(_MARKERS) - 1}, got the label {label!r}")
        color, marker = _MARKERS[int(label)]
        x, height = (row[0] - left) / (right - left) * _WIDTH, (top - row[1]) / (top - bottom) * _HEIGHT
        drawn.append(f'<g fill="{color}">{marker.format(x=x, y=height)}</g>')
    return "".join(drawn)


def _frame(
    model: Network,
    epoch: int,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    frame: tuple[float, float, float, float],
    resolution: int,
    losses: Sequence[float] | None,
) -> dict[str, Any]:
    said = probabilities(model, frame, resolution, resolution)
    right = 0
    for p, label in zip(model.predict_proba([list(row) for row in X]), y):
        each = [1 - p, p] if isinstance(p, (int, float)) else list(p)
        each = [1 - each[0], each[0]] if len(each) == 1 else each
        right += max(range(len(each)), key=each.__getitem__) == label
    caption = f"epoch {epoch}"
    if losses and epoch < len(losses):
        caption += f" · loss {losses[epoch]:.4f}"
    caption += f" · {right / len(X):.0%} right"
    image = _png([[shade(p) for p in row] for row in reversed(said)])
    return {"epoch": epoch, "caption": caption, "image": image, "border": _border(said)}


def _png(rows: list[list[tuple[float, float, float]]]) -> str:
    """The picture as a data URI: PNG with 8 bits a channel (W3C, Portable Network Graphics, 2003)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(round(255 * channel) for color in row for channel in color) for row in rows)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def _border(said: list[list[list[float]]]) -> str:
    """The line where the likeliest class changes, as an SVG path: marching squares, a triangle at a time.

    A square has ambiguous cases where its diagonals disagree; the two triangles of a square have none.
    """
    height, width = len(said), len(said[0])
    segments = []
    for lead in leads(said):
        for j in range(height - 1):
            for i in range(width - 1):
                for corners in (((i, j), (i + 1, j), (i, j + 1)), ((i + 1, j), (i + 1, j + 1), (i, j + 1))):
                    segments += _crossing(corners, lead, width, height)
    return "".join(segments)


def _crossing(corners: tuple[tuple[int, int], ...], lead: list[list[float]], width: int, height: int) -> list[str]:
    """The piece of the zero line in a triangle: none, or one segment between two of its sides."""
    ends = []
    for (i, j), (m, n) in zip(corners, (*corners[1:], corners[0])):
        here, there = lead[j][i], lead[n][m]
        if (here < 0) != (there < 0):
            t = here / (here - there)
            x, y = i + (m - i) * t, j + (n - j) * t
            ends.append(f"{x / (width - 1) * _WIDTH:.1f} {(1 - y / (height - 1)) * _HEIGHT:.1f}")
    return [f"M{ends[0]}L{ends[1]}"] if ends and ends[0] != ends[1] else []


def _loss_curve(losses: Sequence[float] | None, epochs: int) -> str:
    """The loss by epoch as a small picture of its own; the script moves its mark."""
    if not losses or len(losses) < 2:
        return ""
    shown = losses[: epochs + 1]
    highest = max(shown) or 1.0
    last = len(shown) - 1
    points = " ".join(
        f"{k / last * _WIDTH:.1f},{62 - 56 * shown[k] / highest:.1f}" for k in range(0, last + 1, max(1, last // 240))
    )
    about = f"loss by epoch: {shown[0]:.4f} at epoch 0, {shown[-1]:.4f} at epoch {last}"
    return (
        f'<svg id="loss" viewBox="-2 0 {_WIDTH + 4} 78" role="img" aria-label="{about}" data-last="{last}">'
        f'<path d="M0 62.5H{_WIDTH}" stroke="currentColor" stroke-width=".5"/>'
        f'<polyline points="{points}" fill="none" stroke="currentColor" stroke-width="1.5"/>'
        f'<path id="now" d="M0 2V62" transform="translate({_WIDTH})" stroke="#d55e00" stroke-width="2"/>'
        f'<text x="{_WIDTH}" y="75" font-size="11" fill="currentColor" text-anchor="end">{about}</text></svg>'
    )


def _page(
    title: str,
    frames: list[dict[str, Any]],
    points: str,
    names: list[str],
    losses: Sequence[float] | None,
    resolution: int,
) -> str:
    last = frames[-1]
    legend = "".join(
        f'<span><svg viewBox="-7 -7 14 14" aria-hidden="true"><g fill="{color}">{marker.format(x=0.0, y=0.0)}</g></svg>'
        f"{html.escape(clean(name))}</span>"
        for name, (color, marker) in zip(names, _MARKERS)
    )
    # "</" would end the script element wherever it stands
    data = json.dumps(frames, ensure_ascii=True).replace("</", "<\\/")
    # A point of the grid is the middle of a pixel, so half a pixel of the image lies outside the frame on each side.
    over_x, over_y = _WIDTH / (resolution - 1) / 2, _HEIGHT / (resolution - 1) / 2
    return _TEMPLATE.format(
        over_x=f"{-over_x:.2f}", over_y=f"{-over_y:.2f}", image_width=f"{_WIDTH + 2 * over_x:.2f}",
        image_height=f"{_HEIGHT + 2 * over_y:.2f}", title=html.escape(clean(title)), width=_WIDTH, height=_HEIGHT,
        image=last["image"], border=last["border"],
        points=points, caption=html.escape(last["caption"]), legend=legend, most=len(frames) - 1, data=data,
        loss=_loss_curve(losses, last["epoch"]),
    )  # fmt: skip


_TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; --ink: #2d3436; --page: #ffffff }}
@media (prefers-color-scheme: dark) {{ :root {{ --ink: #dfe6e9; --page: #14181b }} }}
body {{ margin: 1rem auto; max-width: 34rem; padding: 0 1rem; color: var(--ink); background: var(--page);
  font: 16px/1.45 system-ui, sans-serif }}
h1 {{ font-size: 1.25rem }}
#plane {{ width: 100%; border-radius: 6px; display: block }}
#caption {{ font-variant-numeric: tabular-nums; margin: .6rem 0 }}
#controls {{ display: none; gap: .5rem; align-items: center }}
.live #controls {{ display: flex }}
#slider {{ flex: 1; accent-color: #d55e00 }}
button {{ font: inherit; min-width: 2.6rem; min-height: 2.2rem }}
#loss {{ width: 100%; display: block; margin-top: .6rem }}
#legend span {{ margin-right: 1.2rem }}
#legend svg {{ width: 1em; height: 1em; margin-right: .35em; vertical-align: -.1em }}
</style>
</head>
<body>
<h1>{title}</h1>
<svg id="plane" viewBox="0 0 {width} {height}" role="img" aria-labelledby="caption">
<image id="shading" href="{image}" x="{over_x}" y="{over_y}" width="{image_width}" height="{image_height}" \
preserveAspectRatio="none"/>
<path id="border" d="{border}" fill="none" stroke="#2d3437" stroke-width="2" stroke-linecap="round"/>
<g stroke="#ffffff" stroke-width="1">{points}</g>
</svg>
<p id="caption" role="status">{caption}</p>
<div id="controls">
<button id="back" type="button" aria-label="previous frame" title="previous frame (left arrow)">◀</button>
<button id="play" type="button" title="play or pause (space)">Play</button>
<button id="forward" type="button" aria-label="next frame" title="next frame (right arrow)">▶</button>
<input id="slider" type="range" min="0" max="{most}" value="{most}" step="1" aria-label="frame">
</div>
{loss}
<p id="legend">{legend}</p>
<noscript><p>The last frame is shown. With JavaScript a slider moves through the others.</p></noscript>
<script>
"use strict";
const frames = {data};
const find = id => document.getElementById(id);
const slider = find("slider"), loss = find("loss");
let timer = 0;
function show(k) {{
  k = Math.max(0, Math.min(frames.length - 1, k));
  const frame = frames[k];
  slider.value = k;
  slider.setAttribute("aria-valuetext", frame.caption);
  find("shading").setAttribute("href", frame.image);
  find("border").setAttribute("d", frame.border);
  find("caption").textContent = frame.caption;
  if (loss) {{
    const x = Math.min(1, frame.epoch / loss.dataset.last) * {width};
    find("now").setAttribute("transform", `translate(${{x}})`);
  }}
}}
function stop() {{ clearInterval(timer); timer = 0; find("play").textContent = "Play"; }}
function play() {{
  if (timer) return stop();
  if (+slider.value === frames.length - 1) show(0);
  find("play").textContent = "Pause";
  timer = setInterval(() => {{
    show(+slider.value + 1);
    if (+slider.value === frames.length - 1) stop();
  }}, 150);
}}
slider.addEventListener("input", () => {{ stop(); show(+slider.value); }});
find("back").addEventListener("click", () => {{ stop(); show(+slider.value - 1); }});
find("forward").addEventListener("click", () => {{ stop(); show(+slider.value + 1); }});
find("play").addEventListener("click", play);
document.addEventListener("keydown", event => {{
  if (event.target.tagName === "INPUT" || event.target.tagName === "BUTTON" && event.key === " ") return;
  if (event.key === "ArrowLeft") {{ stop(); show(+slider.value - 1); }}
  else if (event.key === "ArrowRight") {{ stop(); show(+slider.value + 1); }}
  else if (event.key === " ") {{ event.preventDefault(); play(); }}
}});
document.body.classList.add("live");
show(frames.length - 1);
</script>
</body>
</html>
"""
