"""What every demo is given: the seed, where files go, and what happens when what draws them is not installed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from nn import History
from viz import RenderError, plots, render


class Tour:
    """One run of the demos.

    seed      for data, initial weights and shuffling
    backend   of ``fit``: "auto", "native", "source" or "eager"
    folder    where files go
    written   the files so far

    A picture whose library is not installed is left out with a line that says how to get it; the demo goes on.
    """

    def __init__(self, folder: Path, seed: int = 0, backend: str = "auto") -> None:
        self.folder, self.seed, self.backend = folder, seed, backend
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


def print_training(history: History, every: int) -> None:
    """The loss, and the accuracy where it was recorded, at every so many epochs and at the last."""
    print(f"{'epoch':>6}{'loss':>12}" + (f"{'accuracy':>12}" if history.accuracy else ""))
    for epoch in sorted({*range(0, history.epochs, every), history.epochs - 1}):
        accuracy = f"{history.accuracy[epoch]:12.1%}" if history.accuracy else ""
        print(f"{epoch:6}{history.loss[epoch]:12.6f}{accuracy}")
    print(f"gradients of the backend {history.backend!r}")
