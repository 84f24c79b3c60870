"""Files are written whole: modes, links, pipes and devices stay what they are, and nothing is left behind."""

from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
import threading
import time

import pytest

from engine.files import write_whole

posix = pytest.mark.skipif(os.name != "posix" or sys.platform == "emscripten", reason="modes and pipes of POSIX")


def test_text_and_bytes(tmp_path):
    """Text is written as UTF-8, bytes as they are; an existing file is replaced; nothing else is there afterwards."""
    path = tmp_path / "a.txt"
    write_whole(path, "σ(z)\n")
    assert path.read_bytes() == "σ(z)\n".encode()
    write_whole(str(path), b"\x00\r\n")
    assert path.read_bytes() == b"\x00\r\n"
    assert os.listdir(tmp_path) == ["a.txt"]


@posix
def test_a_new_file_has_the_mode_of_the_umask_and_an_old_one_keeps_its_own(tmp_path):
    """As for any new file; and the umask of the process, which other threads rely on, is never changed."""
    path = tmp_path / "a"
    before = os.umask(0o027)
    try:
        write_whole(path, "new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        write_whole(path, "old")
    finally:
        assert os.umask(before) == 0o027
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


def test_the_umask_is_not_asked_for(tmp_path, monkeypatch):
    """Asking means setting it for a moment, in which other threads' files would be open to the world."""
    monkeypatch.setattr(os, "umask", None)
    write_whole(tmp_path / "a", "x")
    write_whole(tmp_path / "a", "y")


@posix
def test_links_are_followed(tmp_path):
    """A symbolic link stays one, also one whose file is not there yet, or that goes through another."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("deep/file")
    for text in ("first", "second"):
        write_whole(tmp_path / "one", text)
        assert (tmp_path / "one").is_symlink()
        assert (tmp_path / "two").is_symlink()
        assert (tmp_path / "deep" / "file").read_text() == text


@posix
def test_a_pipe_is_written_to(tmp_path):
    """A named pipe stays one, and its reader gets the content."""
    path, got = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reader.start()
    write_whole(path, "through")
    reader.join()
    assert got == [b"through"]
    assert stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_a_device_is_written_to(tmp_path):
    """/dev/null stays a device, /dev/stdout is standard output also where that is a file."""
    write_whole("/dev/null", "nothing")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    code = "from engine.files import write_whole; write_whole('/dev/stdout', 'out')"
    with open(tmp_path / "out", "wb") as out:
        subprocess.run([sys.executable, "-c", code], stdout=out, check=True, env={"PYTHONPATH": ":".join(sys.path)})
    assert (tmp_path / "out").read_bytes() == b"out"


@posix
def test_what_cannot_be_written_says_so(tmp_path):
    """A folder, a missing folder and a write-protected file are Python's own errors with the path in them."""
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError, match="folder"):
        write_whole(tmp_path / "folder", "x")
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "a", "x")
    path = tmp_path / "protected"
    path.write_text("mine")
    path.chmod(0o444)
    if not os.access(path, os.W_OK):  # not for the superuser
        with pytest.raises(PermissionError, match="protected"):
            write_whole(path, "x")
        assert path.read_text() == "mine"


def test_long_names(tmp_path):
    """A name as long as the system allows can be written: the temporary file's is shorter."""
    path = tmp_path / ("n" * 255)
    write_whole(path, "x")
    assert path.read_text() == "x"


@posix
def test_a_later_write_clears_what_a_killed_one_left(tmp_path):
    """Temporary files of dead processes go; those of living ones, and other files, stay."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    leftover, living, other = f".a.{gone.pid}-00.tmp", f".a.{os.getppid()}-00.tmp", f".b.{gone.pid}-00.tmp"
    for name in (leftover, living, other, ".a.x-1.tmp"):
        (tmp_path / name).write_text("half")
    write_whole(tmp_path / "a", "x")
    assert set(os.listdir(tmp_path)) == {"a", living, other, ".a.x-1.tmp"}


def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    """A missing folder, and a place that cannot be taken, are told with the name given, not with the temporary one."""
    with pytest.raises(FileNotFoundError) as missing:
        write_whole(tmp_path / "no" / "a", "x")
    assert str(missing.value).endswith(f"directory: {str(tmp_path / 'no' / 'a')!r}")

    def refuse(source, target):
        raise PermissionError(errno.EACCES, "refused", source, None, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError) as refused:
        write_whole(tmp_path / "a", "x")
    assert str(refused.value) == f"[Errno {errno.EACCES}] refused: {str(tmp_path / 'a')!r}"


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_told_to_end_finishes_the_file_first(number, tmp_path):
    """The signal arrives while the file is being written: the file is whole, and there is no temporary file."""
    code = (
        "import os, signal, sys, time; from engine.files import write_whole; real = os.fsync\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # which a process in the background ignores\n"
        "def slow(fd): print('now', flush=True); time.sleep(0.3); real(fd)\n"
        "os.fsync = slow; write_whole(sys.argv[1], 'whole' * 1000); time.sleep(60)\n"
    )
    path = tmp_path / "a"
    process = subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert process.stdout.readline() == b"now\n"
    process.send_signal(number)
    assert process.wait(20) != 0
    process.stdout.close()
    assert path.read_text() == "whole" * 1000
    assert os.listdir(tmp_path) == ["a"]


@posix
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="needs files without a name")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_process_ended_while_another_thread_writes_leaves_the_old_file_alone(number, tmp_path):
    """The signal ends the process in the middle of writing: the old file is whole, and no temporary file is left."""
    code = (
        "import os, sys, threading, time; from engine.files import write_whole\n"
        "def slow(fd): print('now', flush=True); time.sleep(60)\n"
        "os.fsync = slow; threading.Thread(target=write_whole, args=(sys.argv[1], 'new')).start(); time.sleep(60)\n"
    )
    path = tmp_path / "a"
    path.write_text("old")
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": ":".join(sys.path)},
    ) as process:  # fmt: skip
        assert process.stdout.readline() == b"now\n"
        process.send_signal(number)
        assert process.wait(20) == -number
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@posix
def test_a_file_system_without_nameless_files_is_written_all_the_same(tmp_path, monkeypatch):
    """Where the system refuses a file without a name, the file has a temporary one; a full disk stays an error."""
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(0o640)
    real = os.link
    monkeypatch.setattr(os, "link", lambda *a, **k: (_ for _ in ()).throw(OSError(errno.EOPNOTSUPP, "no")))
    write_whole(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "new"
    assert stat.S_IMODE(os.stat(tmp_path / "a").st_mode) == 0o640
    monkeypatch.setattr(os, "link", real)
    monkeypatch.setattr(os, "fsync", lambda fd: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
    with pytest.raises(OSError, match="full"):
        write_whole(tmp_path / "a", "newer")
    assert os.listdir(tmp_path) == ["a"]
    assert (tmp_path / "a").read_text() == "new"


@posix
@pytest.mark.parametrize("nameless", [True, False])
def test_the_mode_of_a_new_file_is_that_of_any_new_file(nameless, tmp_path, monkeypatch):
    """Readable and writable for all but whom the umask leaves out, never executable."""
    if not nameless:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    before = os.umask(0)
    try:
        write_whole(tmp_path / "a", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666


@posix
def test_signals_wait_while_a_file_is_written(tmp_path, monkeypatch):
    """INT, TERM and HUP are blocked from before the file is made until it has its place, and not after."""
    ends = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    seen, replace = [], os.replace
    blocked = lambda: signal.pthread_sigmask(signal.SIG_BLOCK, ())  # noqa: E731
    monkeypatch.setattr(os, "fsync", lambda fd: seen.append(blocked()))
    monkeypatch.setattr(os, "replace", lambda a, b: (seen.append(blocked()), replace(a, b)))
    before = blocked()
    write_whole(tmp_path / "a", "x")
    assert [ends <= mask for mask in seen] == [True, True]
    assert blocked() == before


def test_readers_see_the_old_file_or_the_new_one(tmp_path):
    """While it is replaced again and again, whoever reads it finds one whole content."""
    path, stop = tmp_path / "a", time.monotonic() + 0.3
    contents = ["x" * 10_000, "y" * 20_000]
    write_whole(path, contents[0])
    seen = set()
    writer = threading.Thread(target=lambda: [write_whole(path, contents[k % 2]) for k in range(40)])
    writer.start()
    while writer.is_alive() and time.monotonic() < stop:
        seen.add(path.read_text())
    writer.join()
    assert seen <= set(contents)
