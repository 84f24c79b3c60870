"""Where a demo's pictures go, and what happens when what draws them is not installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from viz import RenderError, plots, render


class Pictures:
    """The folder that a tour writes to, and the pictures written so far.

    A picture whose library is not installed is left out with a line that says how to get it; the demo goes on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written: list[Path] = []
        self.left_out: list[str] = []

    def plot(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Draw ``function(*args, **options)`` of viz.plots and save it as ``name``."""
        self._make(name, lambda path: plots.save(function(*args, **options), path))

    def graph(self, name: str, graph: Any, **options: Any) -> None:
        """Draw a graph: a Value or a Digraph."""
        self._make(name, lambda path: render(graph, path, **options))

    def page(self, name: str, function: Callable[..., Any], *args: Any, **options: Any) -> None:
        """Have ``function(*args, path, **options)`` write the page ``name``."""
        self._make(name, lambda path: function(*args, path, **options))

    def _make(self, name: str, make: Callable[[Path], object]) -> None:
        path = self.folder / name
        try:
            make(path)
        except (plots.MatplotlibMissing, RenderError) as error:
            print(f"{name} is left out: {error}")
            self.left_out.append(name)
        else:
            self.written.append(path)
