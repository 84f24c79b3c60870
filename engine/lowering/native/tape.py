"""A tape in the library's memory: written by tapes.py or lanes.py, checked when it is made, freed with its object."""

from __future__ import annotations

import ctypes

from .library import loaded_library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from array import array
    from typing import Any


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


def address(numbers: array[Any]) -> int:
    return numbers.buffer_info()[0]
