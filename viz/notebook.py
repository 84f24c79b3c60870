"""Pictures show themselves in a notebook: a Value from the moment that viz is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import Value

from .graphs.detail import draw
from .graphs.showing import bundle

if TYPE_CHECKING:
    from collections.abc import Iterable


def mimebundle(
    value: Value, include: Iterable[str] | None = None, exclude: Iterable[str] | None = None
) -> dict[str, str]:
    """What a notebook shows of a Value, by media type; the protocol of IPython's ``_repr_mimebundle_``."""
    return bundle(repr(value), lambda: draw(value), include, exclude)


def install() -> None:
    """Give Value the methods by which notebooks ask for pictures; the engine itself knows nothing of them.

    A model, a History, a GradcheckReport and an Op get theirs from tables.py.
    """
    from . import tables

    tables.install()
    Value._repr_mimebundle_ = mimebundle  # type: ignore[attr-defined]
    Value._repr_html_ = lambda self: mimebundle(self)["text/html"]  # type: ignore[attr-defined]
