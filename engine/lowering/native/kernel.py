"""A program on the compiled interpreter, for batches of rows."""

from __future__ import annotations

import ctypes
from _thread import allocate_lock  # threading itself takes a millisecond to import
from array import array

from engine.collector import collector_paused
from engine.lowering.program import Program

from .lanes import Lanes
from .library import choose_instruction_set, choose_threads, loaded_library
from .objects import address_of, read_data_to
from .plan import Plan
from .tape import Layout, Tape, address
from .tapes import Order, flat_tape, layer_order
from .terms import runs_marked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_ROOM = 500_000  # doubles that a block may take for the sake of an update without a stored gradient: 4 MB


class NativeKernel:
    """A program on the compiled interpreter, for batches of rows.

    instruction_set, threads, block    override what is chosen by the machine, the work and the cache; for tests
    """

    def __init__(
        self, program: Program, instruction_set: str | None = None, threads: int | None = None, block: int = 0
    ) -> None:
        self.program = program if runs_marked(program) else program.plain
        self.threads, self.block = threads, block
        self.library = loaded_library()
        self.set = choose_instruction_set(instruction_set)
        self.plan = Plan(self.program)
        self._lanes: dict[tuple[bool, bool], Lanes] = {}  # (for sums, for training); else for each row
        self._tapes: dict[tuple[bool, int], Tape] = {}
        self._lock = allocate_lock()  # the tape holds the values of the call under way

    def tape(self, work: float, sums: bool = True, batch: int = 0) -> tuple[Tape, Order]:
        """A new tape of lanes, with as many threads as a step of so much work is worth, and the order of the parameters
        in it: that of the program, if it is not for training.

        batch   samples a step of training, which becomes one block where that leaves the rows in the cache; or 0
        """
        lanes = self._lanes.get((sums, batch > 0))
        if lanes is None:
            with collector_paused():  # writing tapes makes no garbage
                plan = self.plan if sums else Plan(self.program, sums=False)
                order = layer_order(plan, self.library, by_input=False) if batch else None
                self._lanes[sums, batch > 0] = lanes = Lanes(plan, self.library, order)
        program = self.program
        layout = Layout(
            lanes.flat.size, len(program.parameter_range), len(lanes.flat.constants), len(program.inputs),
            max(lanes.rows, 1), program.n_results, len(lanes.uniform) // 2, 0, self.set,
            self.threads or choose_threads(work),
            self.block or (batch if lanes.ends_in_outer and batch <= 256 and batch * lanes.rows <= _ROOM else 0),
        )  # fmt: skip
        return Tape(layout, lanes.flat.code, lanes.code, lanes.uniform, lanes.flat.constants), lanes.order

    def flat_tape(self, batch: int) -> tuple[Tape, Order]:
        """A new tape for one sample at a time, ``batch`` a step, and the order of the parameters in it."""
        program = self.program.plain  # for one sample alone masks are as good as marks
        with collector_paused():
            flat, results = flat_tape(self.plan if program is self.program else Plan(program), self.library)
        layout = Layout(
            flat.size, len(program.parameter_range), len(program.constant), len(program.inputs), 0,
            program.n_results, 0, results, self.set, 1, batch,
        )  # fmt: skip
        return Tape(layout, flat.code, array("i"), array("i"), flat.constants), flat.order

    def run(
        self, rows: Sequence[float], n: int, parameters: Sequence[float], reduce: str = "mean"
    ) -> tuple[list[float], list[list[float]]]:
        """(outputs, the gradients of each) over n rows, given as doubles one after another."""
        program = self.program
        results = array("d", bytes(8 * program.n_results))
        self._run(rows, n, parameters, results, True)
        values = [r / n for r in results] if reduce == "mean" else results.tolist()
        first = len(program.outputs)
        gradients = []
        for _ in program.entries:
            gradients.append(values[first : first + len(program.wrt_ids)])
            first += len(program.wrt_ids)
        return values[: len(program.outputs)], gradients

    def rows(self, rows: Sequence[float], n: int, parameters: Sequence[float] | None = None) -> array[float]:
        """Outputs, then the gradients of each, row by row: number r of row i lies at r * n + i.

        parameters   None: those that the Values hold
        """
        results = array("d", bytes(8 * self.program.n_results * n))
        self._run(rows, n, parameters, results, False)
        return results

    def _run(
        self, rows: Sequence[float], n: int, parameters: Sequence[float] | None, results: array[float], sums: bool
    ) -> None:
        program, width, most = self.program, len(self.program.inputs), len(self.program.parameter_range)
        given = most if parameters is None else len(parameters)
        if len(rows) < width * n or given != most or n < 1:
            raise ValueError(
                f"native: {len(rows)} numbers and {given} parameters do not fit {n} rows of {width} inputs "
                f"and {most} parameters"
            )
        numbers, keeper = placed(rows)
        work = float(n) * program.size
        threads = self.threads or choose_threads(work)
        with self._lock:
            tape = self._tapes.get((sums, threads))
            if tape is None:
                self._tapes[sums, threads] = tape = self.tape(work, sums)[0]
            if parameters is not None or not read_data_to(program.parameter_values, tape.parameters):
                data, keeper_of_data = placed(program.parameter_data() if parameters is None else parameters)
                ctypes.memmove(tape.parameters, data, 8 * most)
                del keeper_of_data
            run = self.library.c.tape_run if sums else self.library.c.tape_rows
            run(tape.pointer, numbers, width, n, address(results))
        del keeper  # of the numbers, until here


def placed(numbers: Sequence[float]) -> tuple[int, object]:
    """Where the numbers lie as doubles, and what keeps them there; in an array of their own, if they are in none."""
    return address_of(numbers) or address_of(array("d", numbers)) or (0, None)
