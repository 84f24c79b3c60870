"""Pages of the step-through, opened in a browser."""

from __future__ import annotations

import re

import pytest

from viz.pages import stepthrough
from viz.pages.stepthrough import StepThrough, step_through


@pytest.fixture
def opened(tab, tmp_path, monkeypatch):
    """Opens the page of a graph in the browser; at the end there was no message on the console, and no request."""
    tabs, most = [], stepthrough.MOST

    def open_page(output, hash: str = "", expected: str = "", made: dict | None = None, still: bool = False, **options):
        """expected: what may be heard; made: arguments of step_through; still: whether there is a picture for readers
        without JavaScript, for which Graphviz takes as long as the page takes to open; options: of the tab."""
        monkeypatch.setattr(stepthrough, "MOST", most if still else 0)
        page = (
            output if isinstance(output, StepThrough) else step_through(output, tmp_path / "page.html", **(made or {}))
        )
        shown = tab(**options)
        shown.made = page.path.as_uri()
        shown.goto(shown.made + hash)
        tabs.append((shown, expected))
        return shown

    yield open_page
    for page, expected in tabs:
        assert [said for said in page.heard if not expected or not re.search(expected, said)] == []
