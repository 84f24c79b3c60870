"""How classes and series are told apart, in plots as in films: by marker and dash as well as by colour.

The colours are those that most people with a colour vision deficiency can tell apart (M. Okabe and K. Ito, Color
Universal Design, 2008).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

# One class or series each: colour, marker of matplotlib, dash.
LOOKS: list[tuple[str, str, Any]] = [
    ("#0072b2", "o", "-"), ("#d55e00", "^", "--"), ("#009e73", "s", "-."), ("#cc79a7", "D", ":"),
    ("#e69f00", "v", (0, (5, 1, 1, 1, 1, 1))), ("#56b4e9", "P", (0, (1, 1))),
]  # fmt: skip
ON_SHADING = "#2d3437"  # on the shading, which is light on a dark page too: a colour that does not change there
