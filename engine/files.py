"""Files are written whole, or not at all: the one writer of files, for models, pictures and pages."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager, suppress
from errno import EDQUOT, EIO, ENOSPC

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_LONGEST = 40  # characters of the file's name in that of its temporary file, so that no name becomes too long


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write the content, text as UTF-8, so that no reader and no crash ever sees half of it.

    It is written beside its destination, and put in its place by one step. An existing file keeps its mode; where the
    path is a symbolic link, the file it points to is replaced. A pipe or a device is written to, and stays what it is.
    A signal that would end the process waits until the file is there.

    Raises OSError where the file cannot be written, and then an existing file is as it was.
    """
    path, data = os.fsdecode(path), content.encode() if isinstance(content, str) else content
    target = os.path.realpath(path)
    mode = _mode(path)
    if (mode is not None and not stat.S_ISREG(mode)) or os.path.abspath(path).startswith(("/dev/", "/proc/")):
        with open(path, "wb") as file:
            file.write(data)
        return
    if mode is not None and not os.access(target, os.W_OK):
        raise PermissionError(13, "the file is write-protected", path)
    folder, name = os.path.split(target)
    _clear_leftovers(folder, name)
    temporary = os.path.join(folder, f"{_prefix(name)}{os.getpid()}-{os.urandom(4).hex()}.tmp")
    with _signals_wait():
        try:
            if not _written_nameless(folder, temporary, data, mode):
                with open(os.open(temporary, _NEW, 0o666), "wb") as file:
                    _fill(file, data, mode)
            os.replace(temporary, target)
        except BaseException as error:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
            if isinstance(error, OSError) and error.filename == temporary:
                raise OSError(error.errno, error.strerror, path) from None  # the name that the caller knows
            raise


_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)  # the last is Windows' own


def _fill(file: BinaryIO, data: bytes, mode: int | None) -> None:
    # The mode of a new file is what the process's umask leaves of 0o666; to read the umask one must set it.
    if mode is not None and hasattr(os, "fchmod"):
        os.fchmod(file.fileno(), stat.S_IMODE(mode))
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _written_nameless(folder: str, temporary: str, data: bytes, mode: int | None) -> bool:
    """Write a file that gets its temporary name only when it is whole; False where the system has no such files.

    The end of the process at any moment, by a signal to another thread or by SIGKILL, then leaves nothing behind.
    """
    try:
        with open(os.open(folder or ".", os.O_WRONLY | os.O_TMPFILE, 0o666), "wb") as file:
            _fill(file, data, mode)
            # With a folder given, Python asks for the link to be followed.
            os.link(f"/proc/self/fd/{file.fileno()}", temporary, src_dir_fd=file.fileno(), follow_symlinks=True)
    except (AttributeError, NotImplementedError):
        return False
    except OSError as error:
        if error.errno in (ENOSPC, EDQUOT, EIO):
            raise
        return False
    return True


def _mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return None


def _prefix(name: str) -> str:
    return f".{name[:_LONGEST]}."


def _clear_leftovers(folder: str, name: str) -> None:
    """Remove the temporary files of writers of this file that were killed."""
    if os.name == "nt":  # where asking whether a process lives would end it
        return
    prefix = _prefix(name)
    with suppress(OSError):
        for entry in os.listdir(folder or "."):
            pid = entry[len(prefix) :].partition("-")[0]
            if entry.startswith(prefix) and entry.endswith(".tmp") and pid.isdecimal() and not _lives(int(pid)):
                with suppress(OSError):
                    os.unlink(os.path.join(folder, entry))


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


@contextmanager
def _signals_wait() -> Iterator[None]:
    """A context in which the signals that end a process wait, where the system can make them wait."""
    import signal

    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
