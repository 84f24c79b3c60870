"""Pictures of training, drawn by matplotlib: curves, decision boundaries, weights and gradients.

Each function returns a matplotlib Figure, and ``save`` writes it as SVG or PNG by suffix. Only matplotlib's object
interface is used: no window, no global figure, no display needed.

>>> from viz import plots
>>> plots.save(plots.curves({"training": [0.7, 0.4, 0.2]}), "loss.svg")     # doctest: +SKIP
"""

from .boundary import boundary
from .plane import extent, leads, probabilities, shade
from .series import curves, gradient_norms, history, lines, weights
from .style import MatplotlibMissing, save

__all__ = [
    "MatplotlibMissing", "boundary", "curves", "extent", "gradient_norms", "history", "leads", "lines", "probabilities",
    "save", "shade", "weights",
]  # fmt: skip
