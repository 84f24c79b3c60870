"""The style of the plots, and how they become files."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from viz.colors import FREE, FREE_ON_DARK, GROUND, GROUND_ON_DARK
from viz.files import write
from viz.text import TOLD, shorten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, ParamSpec

    from matplotlib.figure import Figure

    P = ParamSpec("P")


class MatplotlibMissing(ImportError):
    """matplotlib is not installed; the message says how to install it."""


_STYLE: Any = {
    "font.family": ["sans-serif"], "font.sans-serif": ["DejaVu Sans"], "font.size": 10.0,
    "text.color": FREE, "axes.labelcolor": FREE, "axes.edgecolor": FREE, "axes.titlecolor": FREE,
    "xtick.color": FREE, "ytick.color": FREE, "axes.spines.top": False, "axes.spines.right": False,
    "axes.facecolor": "none", "axes.titlesize": 10.0, "figure.titlesize": 12.0, "legend.frameon": False,
    "lines.linewidth": 1.8, "axes.grid": False, "figure.facecolor": "none",
    "text.parse_math": False,  # a label with dollar signs in it is not TeX
    "svg.fonttype": "none",      # text stays text: it can be searched, and read aloud
    "svg.hashsalt": "viz.plots",  # the ids in the file depend on its content alone
}  # fmt: skip


LONGEST = 46  # characters of a line of text
WIDE = 5.1  # inches: type of 10 points has 10 pixels where the plot is as wide as a telephone


def styled(function: Callable[P, Figure]) -> Callable[P, Figure]:
    """The function with this module's style, whatever the user's matplotlib is set to."""
    from functools import wraps

    @wraps(function)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with _style():
            return function(*args, **kwargs)

    return drawn


def _style() -> Any:
    try:
        import matplotlib
    except ImportError as error:
        raise MatplotlibMissing("plots need matplotlib, which is not installed: pip install matplotlib") from error
    return matplotlib.rc_context(_STYLE)


def new_figure(title: str, height: float) -> Figure:
    from textwrap import wrap

    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDE, height), layout="constrained")
    figure.suptitle("\n".join(wrap(shorten(title, 3 * LONGEST), LONGEST)))
    return figure


def legend_below(figure: Figure, names: Iterable[str], most: int = 3, **options: Any) -> None:
    """A legend under the plot, in as many columns, up to ``most``, as the longest of the names has room for."""
    longest = max([len(shorten(name, LONGEST)) for name in names], default=0)
    figure.legend(loc="outside lower center", ncols=max(1, min(most, 2 * LONGEST // (longest + 10))), **options)


def describe(figure: Figure, description: str) -> Figure:
    figure.set_label(description)  # the label of a figure is not drawn; save() makes the file's description of it
    return figure


def save(figure: Figure, path: str | os.PathLike[str], *, transparent: bool = False) -> Path:
    """Write ``figure`` to ``path``, as SVG or PNG by suffix, with its title and description; return the path.

    The same figure gives the same SVG, byte for byte. The SVG is light or dark as its viewer prefers, ground and text
    alike, and as wide as its container at most; ``transparent`` leaves the ground out. The file appears whole or not at
    all. Raises ValueError for another suffix.
    """
    from matplotlib.text import Text

    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (".svg", ".png"):
        raise ValueError(f"a plot is saved as .svg or .png, by the suffix of the path; got {path.name!r}")
    title, description = (
        shorten(" ".join(figure.get_suptitle().split()), 3 * LONGEST),
        shorten(str(figure.get_label()), TOLD),
    )
    content = BytesIO()
    with _style():
        for text in figure.findobj(Text):  # control characters would make an SVG that is not XML
            text.set_text("\n".join([shorten(line, LONGEST) for line in text.get_text()[:TOLD].split("\n")]))
        for axes in figure.axes:
            for image in axes.images:
                # The viewer of an SVG smooths the shading; smoothed here it takes three times the space.
                image.set_interpolation("none" if kind == ".svg" else "bilinear")
        if kind == ".png":
            metadata = {"Title": title, "Description": description}
            ground = "none" if transparent else GROUND
            figure.savefig(content, format="png", dpi=160, facecolor=ground, metadata=metadata)
            write(path, content.getvalue())
        else:
            figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
            drawn = content.getvalue().decode("utf-8")
            write(path, _finished_svg(drawn, title, description, transparent).encode("utf-8"))
    return path


def _finished_svg(text: str, title: str, description: str, transparent: bool) -> str:
    """matplotlib's SVG with a title, a description, a ground, and styles that touch no other picture on a page."""
    text = re.sub(r"image-rendering:[\w-]+;?", "", text)  # matplotlib asks the viewer not to smooth
    own = f"plot-{sha256(text.encode('utf-8')).hexdigest()[:8]}"
    text = text.replace(f": {FREE}", ": currentColor").replace('<style type="text/css">*{', f"<style>.{own} *{{")
    light, dark = f"color: {FREE}", f"color: {FREE_ON_DARK}"
    ground = ""
    if not transparent:
        light, dark = f"{light}; background: {GROUND}", f"{dark}; background: {GROUND_ON_DARK}"
        ground = f'<path class="ground" d="M0 0H9999V9999H0Z" fill="{GROUND}"/>'
    style = (
        f".{own} {{ {light} }} @media (prefers-color-scheme: dark) {{ .{own} {{ {dark} }}"
        f" .{own} .ground {{ fill: {GROUND_ON_DARK} }} }}"
    )
    head = f"<title>{escape(title)}</title><desc>{escape(description)}</desc><style>{style}</style>{ground}"
    attributes = f'role="img" color="{FREE}" class="{own}" style="max-width:100%;height:auto"'
    return re.sub(r"(<svg\b[^>]*)>", lambda tag: f"{tag[1]} {attributes}>\n {head}", text, count=1)
