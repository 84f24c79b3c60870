"""The shared object: found, loaded, and asked what it can do."""

from __future__ import annotations

import ctypes
import os
from zlib import crc32

FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCES = os.path.join(FOLDER, "c")
LIBRARY = os.path.join(FOLDER, "_tape.dll" if os.name == "nt" else "_tape.so")

MOST_THREADS = 64  # that a tape can have
_NEVER_WORTH_A_THREAD = 200_000  # values times samples of a step: some microseconds, not worth a measurement either
_USES = 3  # of a weight in a step, for each value that the program counts: forward, backward and in the outer product


def checksum() -> str:
    """A number that changes with the C files; build.py, which runs without this package, computes the same."""
    total = 0
    for name in sorted(os.listdir(SOURCES)):
        if name.endswith((".c", ".h")):
            with open(os.path.join(SOURCES, name), "rb") as file:
                total = crc32(file.read(), total)
    return f"{total:08x}"


class Library:
    """The shared object, loaded and found to fit."""

    def __init__(self) -> None:
        if not os.path.exists(LIBRARY):
            raise OSError("the compiled interpreter was not built when the package was installed")
        self.c = c = ctypes.CDLL(LIBRARY)
        pointer, int64 = ctypes.c_void_p, ctypes.c_int64
        for name, result, arguments in (
            ("tape_source", ctypes.c_char_p, ()),
            ("tape_compiler", ctypes.c_char_p, ()),
            ("tape_operations", ctypes.c_char_p, ()),
            ("tape_nary", ctypes.c_char_p, ()),
            ("tape_instruction_set", ctypes.c_char_p, (ctypes.c_int,)),
            ("tape_new", pointer, (pointer, pointer, int64, pointer, int64, pointer, pointer, pointer)),
            ("tape_free", None, (pointer,)),
            ("tape_parameters", pointer, (pointer,)),
            ("tape_run", None, (pointer, pointer, int64, int64, pointer)),
            ("tape_rows", None, (pointer, pointer, int64, int64, pointer)),
            ("tape_train", ctypes.c_int32, (pointer, int64, ctypes.c_double, pointer)),
            ("tape_gradient", None, (pointer, pointer, pointer)),
            ("take", None, (pointer, pointer, int64, pointer)),
            ("place_weights", None, (pointer, int64, int64, int64, int64, int64, pointer, pointer)),
            ("find_terms", ctypes.c_int32, (pointer, ctypes.c_int32)),
            ("plain_steps", int64, (pointer, int64, *[pointer] * 5, int64, pointer)),
            ("new_rows", None, (pointer, pointer, int64)),
            ("count_each", None, (pointer, int64, pointer)),
            ("gather_steps", None, (pointer, int64, int64, pointer)),
            ("find_last_uses", int64, (pointer, pointer, pointer, pointer)),
            ("write_steps", int64, (pointer, pointer, int64, pointer, pointer)),
            ("end_step", None, (pointer, pointer, int64)),
            ("tape_thread_seconds", ctypes.c_double, (ctypes.c_int32,)),
            ("tape_work_seconds", ctypes.c_double, (ctypes.c_int32,)),
        ):
            function = getattr(c, name)
            function.restype, function.argtypes = result, arguments
        if self.text("tape_source") != checksum():
            raise OSError("the compiled interpreter was built from other C files: reinstall the package")
        words = self.text("tape_operations").split()
        self.operations = {name: k for k, name in enumerate(words[::2])}
        self.nary = {name: k for k, name in enumerate(self.text("tape_nary").split())}
        self.sets = self._instruction_sets()

    def text(self, function: str, *arguments: int) -> str:
        found: bytes | None = getattr(self.c, function)(*arguments)
        return found.decode() if found else ""

    def _instruction_sets(self) -> list[str]:
        sets: list[str] = []
        while name := self.text("tape_instruction_set", len(sets)):
            sets.append(name)
        return sets


_loaded: Library | str | None = None


def loaded_library() -> Library:
    """The library. Raises OSError where it is missing or does not fit."""
    global _loaded
    if _loaded is None:
        try:
            _loaded = Library()
        except (OSError, AttributeError) as error:
            _loaded = str(error)
    if isinstance(_loaded, str):
        raise OSError(_loaded)
    return _loaded


def available() -> tuple[bool, str]:
    """Whether the compiled interpreter can be used, and what it is or why not."""
    try:
        found = loaded_library()
    except OSError as error:
        return False, str(error)
    return True, f"the compiled interpreter is built, and runs with {found.sets[choose_instruction_set()]} instructions"


def instruction_sets() -> list[str]:
    """The sets of vector instructions that the library has and this machine can run, best first."""
    return list(loaded_library().sets)


def compiler() -> str:
    """The compiler that built the library."""
    return loaded_library().text("tape_compiler")


def choose_instruction_set(name: str | None = None) -> int:
    """The index of the set to use: that of the environment variable ENGINE_INSTRUCTION_SET, or the best."""
    name = name or os.environ.get("ENGINE_INSTRUCTION_SET")
    if not name:
        return 0
    sets = loaded_library().sets
    if name not in sets:
        raise ValueError(f"native: the instruction set {name!r} is not one of this machine's: {', '.join(sets)}")
    return sets.index(name)


def choose_threads(work: float) -> int:
    """How many threads a step of so many values times samples is worth.

    Twice as many as before as long as that saves a fifth of the time, by what this machine was found to need for
    sharing a step out and for a product; both are measured once a process, in some milliseconds, before the first step
    that might be worth a second thread. The environment variable ENGINE_THREADS, a number from 1 to 64, overrides it.
    """
    asked = os.environ.get("ENGINE_THREADS", "").strip()
    if asked:
        if not (asked.isascii() and asked.isdigit() and 1 <= int(asked) <= MOST_THREADS):
            raise ValueError(f"native: ENGINE_THREADS is {asked!r:.60}: set it to a number from 1 to {MOST_THREADS}")
        return int(asked)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if usable < 2 or work < _NEVER_WORTH_A_THREAD:
        return 1
    alone = work * _USES * _seconds_of_work()
    best, least, n = 1, alone, 2
    while n <= min(usable, MOST_THREADS):
        seconds = alone / n + 2 * _seconds_of_threads(n)  # a step is shared out twice: all samples, then all weights
        if seconds > 0.8 * least:
            break
        best, least, n = n, seconds, 2 * n
    return best


_measured: dict[str | int, float] = {}


def _seconds_of_work() -> float:
    """Of one multiply-add in a product of layers, by one thread."""
    if "work" not in _measured:
        _measured["work"] = float(loaded_library().c.tape_work_seconds(choose_instruction_set()))
    return _measured["work"]


def _seconds_of_threads(n: int) -> float:
    """From sharing something out to n threads until all have answered."""
    if n not in _measured:
        _measured[n] = float(loaded_library().c.tape_thread_seconds(n))
    return _measured[n]
