"""A tape in the library's memory: written by tapes.py or lanes.py, checked when it is made, freed with its object."""

from __future__ import annotations

import ctypes
from array import array
from contextlib import suppress
from ctypes import addressof, c_char

from .library import loaded_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Numbered: TypeAlias = "array[int] | memoryview[int]"

_MANY = 100_000  # leaves


class Layout(ctypes.Structure):
    """The sizes of a tape: Layout in tape.h."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("n_values", "n_parameters", "n_constants", "n_inputs", "n_rows", "n_results",
                     "n_uniform", "results", "set", "threads", "block")
    ]  # fmt: skip


class Tape:
    """A tape in the library's memory."""

    pointer: int | None = None

    def __init__(
        self, layout: Layout, flat: array[int], lanes: array[int], uniform: array[int], constants: array[float]
    ) -> None:
        self._c = loaded_library().c
        error = ctypes.c_int32()
        self.pointer = self._c.tape_new(
            ctypes.byref(layout), address(flat), len(flat), address(lanes), len(lanes), address(uniform),
            address(constants), ctypes.byref(error),
        )  # fmt: skip
        if not self.pointer:
            if error.value == 1:
                raise ValueError("native: the tape is malformed: an instruction refers to what is not there")
            raise MemoryError(f"native: no memory for {layout.n_values} values and {layout.n_rows} rows")
        self.n_parameters = layout.n_parameters
        self.parameters: int = self._c.tape_parameters(self.pointer)

    def __del__(self) -> None:
        if self.pointer:
            self._c.tape_free(self.pointer)


def numbered(n: int, leaves: int, x: int = 0) -> Numbered:
    """An int for each of n ids: x. Those of so many leaves in front, of which a million may be parameters, are not used
    before they are written to, and may be 0: memory that nobody touches costs nothing.
    """
    if leaves >= _MANY:
        import mmap

        with suppress(OSError, AttributeError):  # where there is no such memory
            made = memoryview(mmap.mmap(-1, 4 * n, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)).cast("i")
            if x:
                made[leaves:] = array("i", [x]) * (n - leaves)
            return made
    return array("i", [x]) * n


def address(numbers: array[Any] | memoryview[int]) -> int:
    """Where they lie, as long as they are held."""
    return numbers.buffer_info()[0] if isinstance(numbers, array) else addressof(c_char.from_buffer(numbers))
