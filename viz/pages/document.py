"""Pages as files: one HTML document with all that it needs inside, which fetches and sends nothing."""

from __future__ import annotations

import html
import json
import os
import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from viz.files import write

if TYPE_CHECKING:
    from collections.abc import Mapping


class Page:
    """A page; in a notebook it shows itself, in a frame without access to the notebook.

    html    the text of the page
    path    the file it was written to, or None
    """

    def __init__(self, text: str, path: Path | None, about: str, height: int = 720) -> None:
        self.html, self.path, self._about, self._height = text, path, about, height

    def _repr_html_(self) -> str:
        about = html.escape(self._about)
        # A notebook that is not trusted takes the frame away and leaves the text in it, which a frame never shows.
        return (
            f'<iframe sandbox="allow-scripts" title="{about}" srcdoc="{html.escape(self.html)}" '
            f'style="width:100%;height:{self._height}px;border:1px solid #888">'
            f"A page to act on ({about}): run this cell to see it.</iframe>"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._about}{f', {os.fspath(self.path)!r}' if self.path else ''}>"


def asset(name: str) -> str:
    """The text of a file in this folder, or in a folder in it."""
    return (Path(__file__).parent / name).read_text(encoding="utf-8")


def filled(template: str, style: str, script: str, parts: Mapping[str, str]) -> str:
    """The template with its places {{name}} filled: style, script, a policy that lets nothing else run, and parts."""
    policy = "default-src 'none'; base-uri 'none'; form-action 'none'"
    policy += f"; style-src '{digest(style)}'" + (f"; script-src '{digest(script)}'" if script else "")
    return fill(template, {"policy": policy, "style": style, "script": script, **parts})


def fill(template: str, parts: Mapping[str, str]) -> str:
    """The template with its places {{name}} filled; what is filled in is not looked at again."""
    return re.sub(r"\{\{(\w+)\}\}", lambda place: parts[place[1]], template)


def save(text: str, path: str | os.PathLike[str] | None) -> Path | None:
    """Write the text to the file, if there is one, and return its path."""
    if path is None:
        return None
    target = Path(path)
    write(target, text.encode("utf-8"))
    return target


def digest(text: str) -> str:
    """The text's hash, as a content security policy wants it."""
    return "sha256-" + b64encode(sha256(text.encode("utf-8")).digest()).decode("ascii")


def as_json(value: object) -> str:
    """JSON that can stand in a script element: ASCII only, and no < that could end it."""
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
