"""A browser for the tests of what runs in one."""

from __future__ import annotations

import shutil
from collections import defaultdict

import pytest


@pytest.fixture(scope="session")
def browser():
    """Chromium from the system's packages, without a window; the test is skipped where it or playwright is absent."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright drives the browser: pip install playwright")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium on the PATH")
    switches = [
        "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync",
    ]  # fmt: skip
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=switches)
        yield running
        running.close()


@pytest.fixture(scope="session")
def _idle():
    """Tabs by the options of their context, to be used again: a new one, which is a new process, costs more than most
    tests do in it."""
    return defaultdict(list)


@pytest.fixture
def tab(browser, _idle):
    """Gives empty tabs, each for the rest of the test; what a page writes to the console, asks for or fails with is in
    ``heard``."""
    lent = []

    def lend(width: int = 1366, height: int = 768, color_scheme: str = "light", reduced_motion: str = "reduce", **kind):
        idle = _idle[tuple(kind.items())]
        page = idle.pop() if idle else _listened(browser.new_context(**kind).new_page())
        page.heard.clear()
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(media="screen", color_scheme=color_scheme, reduced_motion=reduced_motion)
        lent.append((page, idle))
        return page

    yield lend
    for page, idle in lent:
        page.goto("about:blank")
        page.mouse.move(-1, -1)  # else it would rest on the next page
        idle.append(page)


def _listened(page):
    page.set_default_timeout(180_000)  # a busy machine may take its time: the limit only ends what would never happen
    page.heard = []
    page.on("console", lambda message: page.heard.append(message.text))
    page.on("pageerror", lambda error: page.heard.append(str(error)))
    page.on("dialog", lambda dialog: (page.heard.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.on("request", lambda r: None if r.url.startswith("file:") else page.heard.append(r.url))
    return page
