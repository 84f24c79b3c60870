"""Runs the notebooks of this folder and stores their outputs in them: ``python -m demos.store``.

So that a notebook shows its pictures wherever it is opened, on a page of a repository too, without being run. It needs
nbclient and ipykernel (the extra ``tests``). Of a frame that holds a whole page only the text is stored, which says
that running its cell brings the page.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
LARGEST = 100_000  # characters of an output that is stored


def executed(path: Path) -> Any:
    """The notebook after all its cells ran, with outputs fit to be stored. Raises what nbclient raises for an error."""
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    root = str(FOLDER.parent)
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([root, *filter(None, sys.path)])
    try:
        NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": root}}).execute()
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    numbers: dict[str, str] = {}  # of pictures: they grow with each picture that a process shows
    for cell in notebook.cells:
        cell.metadata.clear()
        for output in cell.get("outputs", ()):
            data = output.get("data", {})
            for kind, content in data.items():
                data[kind] = re.sub(r"<iframe[^>]*>(.*?)</iframe>", r"<p>\1</p>", content, flags=re.DOTALL)
            for kind in [kind for kind, content in data.items() if len(content) > LARGEST]:
                del data[kind]
            for kind, content in data.items():
                data[kind] = re.sub(r"\bpicture(\d+)-", lambda m: _renamed(m[1], numbers), content)
    return notebook


def _renamed(number: str, numbers: dict[str, str]) -> str:
    return f"picture{numbers.setdefault(number, str(len(numbers) + 1))}-"


def main(arguments: list[str] | None = None) -> int:
    import nbformat

    parser = argparse.ArgumentParser(prog="python -m demos.store", description="Run notebooks and store their outputs.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of the folder demos")
    for path in parser.parse_args(arguments).notebooks or sorted(FOLDER.glob("*.ipynb")):
        path.write_text(nbformat.writes(executed(path)) + "\n", encoding="utf-8")
        print(f"stored {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
