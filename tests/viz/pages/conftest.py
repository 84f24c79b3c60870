"""Pages of the step-through, opened in a browser."""

from __future__ import annotations

import pytest

from viz.pages.stepthrough import StepThrough, step_through


@pytest.fixture
def opened(browser, tmp_path):
    """Opens the page of a graph in the browser; at the end there was no message on the console, and no request."""
    contexts, troubles = [], []

    def open_page(output, hash: str = "", expected: str = "", made: dict | None = None, **options):
        """made: arguments of step_through; options: of the browser's context."""
        page = (
            output if isinstance(output, StepThrough) else step_through(output, tmp_path / "page.html", **(made or {}))
        )
        context = browser.new_context(**{"viewport": {"width": 1366, "height": 768}, **options})
        context.set_default_timeout(5000)
        contexts.append(context)
        tab = context.new_page()
        tab.on(
            "console",
            lambda message: troubles.append(message.text) if not expected or expected not in message.text else None,
        )
        tab.on("pageerror", lambda error: troubles.append(str(error)))
        tab.on("dialog", lambda dialog: (troubles.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        tab.on(
            "request",
            lambda request: None if expected or request.url.startswith("file:") else troubles.append(request.url),
        )
        tab.made = page.path.as_uri()
        tab.goto(tab.made + hash)
        return tab

    yield open_page
    for context in contexts:
        context.close()
    assert troubles == []
