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


def test_a_written_file_is_readable_as_any_other(tmp_path):
    """The permissions are those that open() would give, not those of a temporary file."""
    (tmp_path / "plain").write_bytes(b"")
    write(tmp_path / "file", b"")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode
