"""Files of pictures and pages: written whole or not at all, in folders made as needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path


def write(path: Path, content: bytes) -> None:
    """Replace the file at ``path`` in one step, so that no reader ever sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content)
