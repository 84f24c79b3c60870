"""What all tests share: long tests are run where they are asked for, and a browser's Python skips what it cannot do."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long tests as well")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; run with --long")
    config.addinivalue_line("markers", "deep: frees a very deep graph, for which the stack of WebAssembly is too small")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "long" in item.keywords and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="a long test: run with --long"))
        if "deep" in item.keywords and sys.platform == "emscripten":
            item.add_marker(pytest.mark.skip(reason="the stack of WebAssembly is too small"))


@pytest.fixture(autouse=sys.platform == "emscripten")
def _one_process(monkeypatch):
    """In WebAssembly there is one process with one thread and no signals: a test that wants more is skipped."""

    def skip(*args, **kwargs):
        pytest.skip("WebAssembly has one process, one thread and no signals")

    monkeypatch.setattr(subprocess.Popen, "__init__", skip)
    monkeypatch.setattr(threading.Thread, "start", skip)
    monkeypatch.setattr("signal.setitimer", skip, raising=False)
    monkeypatch.setattr(os, "fork", skip, raising=False)
