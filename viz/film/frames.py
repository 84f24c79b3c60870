"""The frames of a film: the shading as a small PNG, which the browser smooths, and the border as an SVG path."""

from __future__ import annotations

import base64
import math
import struct
import zlib
from itertools import pairwise
from typing import TYPE_CHECKING

from viz.plots.plane import leads, probabilities, shade

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from viz.plots.plane import Frame

    from .snapshots import Network

WIDTH, HEIGHT = 480, 440  # of the plane, in the units of the page's viewBox


def frame_of(
    model: Network,
    epoch: int,
    X: Sequence[Sequence[float]],
    y: Sequence[float],
    extent: Frame,
    resolution: int,
    losses: Sequence[float] | None,
) -> tuple[dict[str, Any], int]:
    """What the page shows of the model as it is now, and how many classes it tells apart."""
    said = probabilities(model, extent, resolution, resolution)
    if not all(math.isfinite(q) for row in said for p in row for q in p):
        raise ValueError(
            f"film: after {epoch} epochs the model's probabilities are not finite: take the snapshots up to there"
        )
    right = 0
    for p, label in zip(model.predict_proba([list(row) for row in X]), y):
        each = [1 - p, p] if isinstance(p, (int, float)) else list(p)
        each = [1 - each[0], each[0]] if len(each) == 1 else each
        right += max(range(len(each)), key=each.__getitem__) == label
    caption = f"epoch {epoch}"
    if losses and epoch < len(losses):
        caption += f" · loss {losses[epoch]:.4f}"
    caption += f" · {right / len(X):.0%} right"
    image = png([[shade(p) for p in row] for row in reversed(said)])
    return {"epoch": epoch, "caption": caption, "image": image, "border": border(said)}, len(said[0][0])


def png(rows: list[list[tuple[float, float, float]]]) -> str:
    """The picture as a data URI: PNG with 8 bits a channel (W3C, Portable Network Graphics, 2003)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + bytes(round(255 * channel) for color in row for channel in color) for row in rows)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 9)) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def border(said: list[list[list[float]]]) -> str:
    """The line where the likeliest class changes, as an SVG path: marching squares, a triangle at a time.

    A square has ambiguous cases where its diagonals disagree; the two triangles of a square have none.
    """
    height, width = len(said), len(said[0])
    segments = []
    for lead in leads(said):
        negative = [[x < 0 for x in row] for row in lead]
        for j, (below, above) in enumerate(pairwise(negative)):
            for i in range(width - 1):
                if below[i] == below[i + 1] == above[i] == above[i + 1]:  # most squares have no border in them
                    continue
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
            ends.append(f"{x / (width - 1) * WIDTH:.1f} {(1 - y / (height - 1)) * HEIGHT:.1f}")
    return [f"M{ends[0]}L{ends[1]}"] if ends and ends[0] != ends[1] else []
