"""Tests marked ``long`` are run where they are asked for: ``python -m pytest --long``."""

from __future__ import annotations

import pytest


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long tests as well")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; run with --long")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--long"):
        return
    skip = pytest.mark.skip(reason="a long test: run with --long")
    for item in items:
        if "long" in item.keywords:
            item.add_marker(skip)
