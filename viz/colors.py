"""The colours of every picture and page, and the kinds of values that they stand for."""

from __future__ import annotations

# The lecture's colours.
FUNCTION, INPUT, INNER, OUTPUT = "#74b9ff", "#fdefc4", "#55efc4", "#ff7675"
INK = "#1e272e"  # on the colours above; its contrast with each is at least 5.5
FREE, FREE_ON_DARK = "#2d3436", "#dfe6e9"  # text and lines on the ground; in SVG FREE becomes currentColor
GROUND, GROUND_ON_DARK = "#ffffff", "#14181b"
FONT = "Helvetica,Arial,sans-serif"

# How each kind of value is drawn. The kinds differ in outline as well as in colour.
KINDS = {
    "constant": {"style": "rounded,dashed", "color": FREE, "fontcolor": FREE},
    "input": {"style": "rounded,filled", "fillcolor": INPUT},
    "inner": {"style": "filled", "fillcolor": INNER},
    "output": {"style": "filled", "fillcolor": OUTPUT, "peripheries": "2"},
}
