"""Files are written whole or not at all."""

from __future__ import annotations

import os

import pytest

from viz.files import write


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    """When writing fails halfway the old file stays, and no temporary file is left behind."""
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(KeyboardInterrupt):
        write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_folders_are_made(tmp_path):
    """A picture may go to a folder that does not exist yet."""
    write(tmp_path / "new" / "folder" / "file", b"content")
    assert (tmp_path / "new" / "folder" / "file").read_bytes() == b"content"
