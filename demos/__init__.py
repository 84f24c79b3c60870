"""The tour of this project, one short file a subject: ``python -m demos``."""

from __future__ import annotations


class DemoError(Exception):
    """A demo did not show what it is there to show; the message says what came out instead."""
