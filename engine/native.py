"""A program for the compiled interpreter in _tape.c: layout, tape, and the kernel and the trainer that run it.

The interpreter knows two kinds of tape (see the head of _tape.c), and this module writes both from one plan:

- the plan finds the structure that a flat program has lost. Dots that share their inputs are one blocked product; the
  products of gradients that are only summed over the samples, ``dz_j * a_k``, are one outer product that never needs to
  be stored for a sample; ``x * (s * (1 - s))`` is one operation.
- a tape of lanes, for batches: a row of samples for each value. A row is used again once its value is dead, so that the
  rows of a block stay in the cache.
- a flat tape, for what is the same for all samples, and for training on one sample at a time: the values of a layer
  side by side, so that one instruction takes a whole layer, and the parameters permuted to suit.

Nothing is compiled here: the shared object is built when the package is installed (_build.py).
"""

from __future__ import annotations

import ctypes
import os
from _thread import allocate_lock  # threading itself takes a millisecond to import
from array import array
from collections import Counter
from itertools import chain
from zlib import crc32

from .program import Program, split_dot

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Args = tuple[int, ...]

_FOLDER = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.join(_FOLDER, "_tape.c")
LIBRARY = os.path.join(_FOLDER, "_tape.so")

# The instructions, in the order of the enumerations in _tape.c.
FLAT_MAP, FLAT_NARY, FLAT_DOT, FLAT_GEMV, FLAT_OUTER, FLAT_GATHER, FLAT_PACK = range(7)
LANES_MAP, LANES_NARY, LANES_DOT, LANES_GEMM, LANES_OUTER, LANES_SUM = range(6)
_MAX_TILE = 8  # MAX_MR of _tape.c: room that a blocked product's packed weights need beyond their number

# Below this many instructions times samples in a step, starting a second thread costs more than it saves.
_WORTH_A_THREAD = 4_000_000


class Layout(ctypes.Structure):
    """The sizes of a tape: Layout in _tape.c."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("n_values", "n_parameters", "n_constants", "n_inputs", "n_rows", "n_packed", "n_results",
                     "n_uniform", "results", "set", "threads", "block")
    ]  # fmt: skip


class _Optimizer(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_int32), ("flag", ctypes.c_int32),
        *((name, ctypes.c_double) for name in ("lr", "h0", "h1", "h2", "weight_decay")),
        ("step", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("s0", "s1", "s2")),
    ]  # fmt: skip


class _Training(ctypes.Structure):
    _fields_ = [
        ("tape", ctypes.c_void_p), ("X", ctypes.c_void_p),
        *((name, ctypes.c_int64) for name in ("row", "column", "samples", "batch")),
        *((name, ctypes.c_void_p) for name in ("order", "generator", "keys", "l2", "before")),
        ("n_trained", ctypes.c_int64), ("optimizer", _Optimizer),
        ("epoch", ctypes.c_int64), ("position", ctypes.c_int64),
        ("epoch_loss", ctypes.c_double), ("last_batch", ctypes.c_int64), ("sums", ctypes.c_void_p),
    ]  # fmt: skip


class _Library:
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
            ("tape_run", None, (pointer, pointer, int64, int64, int64, pointer)),
            ("tape_train", ctypes.c_int32, (pointer, int64, ctypes.c_double, pointer)),
            ("tape_gradient", None, (pointer, pointer)),
        ):
            function = getattr(c, name)
            function.restype, function.argtypes = result, arguments
        with open(SOURCE, "rb") as file:
            checksum = f"{crc32(file.read()):08x}"
        if self.text("tape_source") != checksum:
            raise OSError("the compiled interpreter was built from another version of _tape.c: reinstall the package")
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


_loaded: _Library | str | None = None


def _library() -> _Library:
    """The library. Raises OSError where it is missing or does not fit."""
    global _loaded
    if _loaded is None:
        try:
            _loaded = _Library()
        except (OSError, AttributeError) as error:
            _loaded = str(error)
    if isinstance(_loaded, str):
        raise OSError(_loaded)
    return _loaded


def available() -> tuple[bool, str]:
    """Whether the compiled interpreter can be used, and what it is or why not."""
    try:
        library = _library()
    except OSError as error:
        return False, str(error)
    return True, f"the compiled interpreter is built, and runs with {library.sets[_instruction_set()]} instructions"


def instruction_sets() -> list[str]:
    """The sets of vector instructions that the library has and this machine can run, best first."""
    return list(_library().sets)


def compiler() -> str:
    """The compiler that built the library."""
    return _library().text("tape_compiler")


def _instruction_set(name: str | None = None) -> int:
    """The index of the set to use: that of the environment variable ENGINE_INSTRUCTION_SET, or the best."""
    name = name or os.environ.get("ENGINE_INSTRUCTION_SET")
    if not name:
        return 0
    sets = _library().sets
    if name not in sets:
        raise ValueError(f"native: the instruction set {name!r} is not one of this machine's: {', '.join(sets)}")
    return sets.index(name)


def _threads(work: float) -> int:
    """How many threads a step of so many instructions times samples is worth: two where they pay, else one."""
    asked = os.environ.get("ENGINE_THREADS")
    if asked:
        return max(1, min(64, int(asked)))
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return 2 if usable > 1 and work >= _WORTH_A_THREAD else 1


# The plan.


class _Plan:
    """A program with the structure found in it.

    op, args   as in the program, with patterns of several operations replaced by one
    results    the ids of outputs and then of gradients
    needed     ids that are computed: not a leaf, not a part of a pattern, and not a product of an outer product
    outer      blocks of gradients that are products: (ids a_k, ids d_j, result numbers [k][j])
    dots       id -> the group of dots it belongs to; the members of a group share their inputs
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.op, self.args = list(program.op), list(program.args)
        self.results = [*program.outputs, *chain.from_iterable(program.gradients)]
        uses = Counter(chain.from_iterable(self.args))
        uses.update(self.results)
        self.hidden: set[int] = set()
        self._find_patterns(uses)
        self.outer: list[tuple[list[int], list[int], list[list[int]]]] = []
        self._find_outer_products(uses)
        leaves = {"input", "parameter", "constant"}
        self.needed = [i for i, op in enumerate(self.op) if op not in leaves and i not in self.hidden]
        self.dots: dict[int, list[int]] = {}
        self._find_dots()

    def _find_patterns(self, uses: Counter[int]) -> None:
        """x * (s * (1 - s)) and x * (1 - t * t), the adjoints behind a sigmoid and a tanh."""
        op, args, constant = self.op, self.args, self.program.constant
        subs = [i for i, name in enumerate(op) if name == "sub" and uses[i] == 1]
        from_one = {i for i in subs if constant.get(args[i][0]) == 1.0}
        if not from_one:
            return
        products = [i for i, name in enumerate(op) if name == "mul"]
        slopes: dict[int, tuple[str, int, int]] = {}  # id of s * (1 - s) or 1 - t * t -> (operation, s or t, inner id)
        for i in from_one:
            square = args[i][1]
            if op[square] == "mul" and uses[square] == 1 and args[square][0] == args[square][1]:
                slopes[i] = "tanh_adjoint", args[square][0], square
        for i in products:
            for s, rest in (args[i], args[i][::-1]):
                if rest in from_one and args[rest][1] == s and uses[i] == 1:
                    slopes[i] = "sigmoid_adjoint", s, rest
        for i in products:
            for x, slope in (args[i], args[i][::-1]):
                if slope in slopes and op[i] == "mul" and i not in slopes:
                    op[i], s, inner = slopes[slope]
                    args[i] = x, s
                    self.hidden.update((slope, inner))

    def _find_outer_products(self, uses: Counter[int]) -> None:
        op, args, varying = self.op, self.args, self.program.varying
        products = [
            (args[i][0], args[i][1], r) for r, i in enumerate(self.results)
            if op[i] == "mul" and uses[i] == 1 and varying[args[i][0]] and varying[args[i][1]]
        ]  # fmt: skip
        self.hidden.update([self.results[r] for _, _, r in products])
        if not products:
            return
        blocks = _blocks(products)
        if 4 * len(blocks) > len(products):
            turned = _blocks([(b, a, r) for a, b, r in products])
            if len(turned) < len(blocks):
                blocks = turned
        self.outer = blocks

    def _find_dots(self) -> None:
        """Groups of dots with the same inputs, whose weights and bias do not vary where the inputs do."""
        varying = self.program.varying
        groups: dict[Args, list[int]] = {}
        for i in self.needed:
            if self.op[i] != "dot":
                continue
            weights, inputs, bias = split_dot(self.args[i])
            if any(map(varying.__getitem__, weights)) or (bias is not None and varying[bias]):
                continue
            if len(inputs) > 1 and all(map(varying.__getitem__, inputs)):
                groups.setdefault(inputs, []).append(i)
        for members in groups.values():
            for i in members:
                self.dots[i] = members


def _blocks(products: list[tuple[int, int, int]]) -> list[tuple[list[int], list[int], list[list[int]]]]:
    """Products (d, a, result) as blocks: the d that have the same a, all by all."""
    partners: dict[int, tuple[list[int], list[int]]] = {}
    for d, a, r in products:
        known = partners.get(d)
        if known is None:
            partners[d] = known = [], []
        known[0].append(a)
        known[1].append(r)
    together: dict[Args, tuple[list[int], list[list[int]]]] = {}
    for d, (a_of_d, results) in partners.items():
        ds, rows = together.setdefault(tuple(a_of_d), ([], []))
        ds.append(d)
        rows.append(results)
    return [(list(a), ds, [list(column) for column in zip(*rows)]) for a, (ds, rows) in together.items()]


# Flat tapes.


class _Flat:
    """A flat tape in the making: where each value lies in U, and the instructions."""

    def __init__(self, plan: _Plan, library: _Library, parameters: Sequence[int], with_inputs: bool) -> None:
        self.plan, self.library = plan, library
        program = plan.program
        self.code = array("i")
        self.constants = array("d", program.constant.values())
        self.at: dict[int, int] = {}  # id -> index in U
        leaves = [*parameters, *program.constant, *(program.inputs if with_inputs else ())]
        for k, i in enumerate(leaves):
            self.at[i] = k
        self.size = len(leaves)

    def room(self, n: int) -> int:
        """The first of n new places."""
        first = self.size
        self.size += n
        return first

    def write(self, ids: Sequence[int]) -> None:
        """Compute these values: level by level, and in a level all of one operation together."""
        op, args, dots = self.plan.op, self.plan.args, self.plan.dots
        level: dict[int, int] = {}
        groups: dict[tuple[int, str, Args], list[int]] = {}
        for i in ids:
            level[i] = depth = 1 + max([level.get(a, 0) for a in args[i]], default=0)
            key: tuple[int, str, Args] = depth, op[i], ()
            if i in dots:
                weights, inputs, bias = split_dot(args[i])
                if not any(map(level.__contains__, weights)) and bias not in level:
                    key = depth, "gemv", inputs
            groups.setdefault(key, []).append(i)
        for (_, name, inputs), members in sorted(groups.items(), key=lambda item: item[0][0]):
            if name == "gemv":
                self._gemv(members, inputs)
            elif name == "dot":
                for i in members:
                    self._dot(i)
            elif name in self.library.nary:
                for i in members:
                    self.at[i] = self.room(1)
                    operands = [self.at[a] for a in args[i]]
                    self.code.extend((FLAT_NARY, self.library.nary[name], len(operands), self.at[i], *operands))
            else:
                self._map(name, members)

    def _map(self, name: str, members: list[int]) -> None:
        at, args = self.at, self.plan.args
        operands = sorted([(*(at[a] for a in args[i]), i) for i in members])
        first = self.room(len(members))
        for k, (*_, i) in enumerate(operands):
            at[i] = first + k
        self.runs(name, [(first + k, *item[:-1]) for k, item in enumerate(operands)])

    def runs(self, name: str, rows: Sequence[tuple[int, ...]]) -> None:
        """Instructions for (target, operands), each over the longest run of neighbours."""
        code, start, n = self.library.operations[name], 0, len(rows)
        while start < n:
            head = rows[start]
            end = start + 1
            steps = [0] * (len(head) - 1)
            if end < n and rows[end][0] == head[0] + 1:
                steps = [b - a for a, b in zip(head[1:], rows[end][1:])]
                if all(step in (0, 1) for step in steps):
                    while end < n and all(x == h + s * (end - start) for x, h, s in zip(rows[end], head, (1, *steps))):
                        end += 1
                else:
                    steps = [0] * (len(head) - 1)
            operands = [x for pair in zip(head[1:], steps) for x in pair]
            operands += operands[:2] * (3 - len(steps))
            self.code.extend((FLAT_MAP, code, end - start, head[0], *operands))
            start = end

    def _dot(self, i: int) -> None:
        weights, inputs, bias = split_dot(self.plan.args[i])
        at = self.at
        at[i] = self.room(1)
        self.code.extend((FLAT_DOT, len(weights), at[i], -1 if bias is None else at[bias]))
        self.code.extend(map(at.__getitem__, weights + inputs))

    def _gemv(self, members: list[int], inputs: Args) -> None:
        at, args, n = self.at, self.plan.args, len(inputs)
        order = sorted(range(n), key=lambda k: at[inputs[k]])
        weights = {i: [at[args[i][k]] for k in order] for i in members}
        members = sorted(members, key=lambda i: weights[i][0])
        first = weights[members[0]]
        so = weights[members[1]][0] - first[0] if len(members) > 1 else 1
        si = first[1] - first[0]
        regular = (
            so >= 0
            and si > 0
            and all(
                weights[i] == list(range(first[0] + j * so, first[0] + j * so + n * si, si))
                for j, i in enumerate(members)
            )
        )
        if not regular:
            for i in members:
                self._dot(i)
            return
        biases = [split_dot(args[i])[2] for i in members]
        if any(b is None for b in biases) and not all(b is None for b in biases):
            for i in members:
                self._dot(i)
            return
        a = self.contiguous([at[inputs[k]] for k in order])
        bias = -1 if biases[0] is None else self.contiguous([at[b] for b in biases if b is not None])
        target = self.room(len(members))
        for j, i in enumerate(members):
            at[i] = target + j
        self.code.extend((FLAT_GEMV, len(members), n, target, a, first[0], so, si, bias))

    def contiguous(self, places: list[int]) -> int:
        """Where these places lie side by side; they are copied there unless they do already."""
        if places == list(range(places[0], places[0] + len(places))):
            return places[0]
        target = self.room(len(places))
        self.code.extend((FLAT_GATHER, len(places), target, *places))
        return target


def _flat_tape(plan: _Plan, library: _Library) -> tuple[_Flat, list[int], int]:
    """The whole program for one sample: the tape, the order of the parameters in it, and the first result.

    Results are outputs, then the gradients by the parameters in that order.
    """
    program = plan.program
    order = _layer_order(plan)
    flat = _Flat(plan, library, [program.parameters[k] for k in order], with_inputs=True)
    flat.write(plan.needed)
    at, outputs = flat.at, len(program.outputs)
    first = flat.room(len(plan.results))
    place = list(range(first, first + outputs))  # of each result
    position = [0] * len(order)
    for k, p in enumerate(order):
        position[p] = k
    for g in range(len(program.gradients)):
        offset = first + outputs + g * len(order)
        place += [offset + position[p] for p in range(len(program.gradients[g]))]
    for a, d, results in plan.outer:
        _flat_outer(flat, [at[k] for k in a], [at[j] for j in d], [[place[r] for r in row] for row in results])
    hidden = plan.hidden
    copies = sorted([(place[r], at[i]) for r, i in enumerate(plan.results) if i not in hidden])
    flat.runs("copy", copies)
    return flat, order, first


def _layer_order(plan: _Plan) -> list[int]:
    """The parameters in an order that suits blocked products: for each, the weights input by input, then the biases.

    The first len(wrt) stay in front, because only their gradients are results.
    """
    program, args = plan.program, plan.args
    number = {i: k for k, i in enumerate(program.parameters[: len(program.wrt)])}
    order: list[int] = []
    placed: set[int] = set()
    seen: set[int] = set()
    for i in plan.needed:
        members = plan.dots.get(i)
        if members is None or members[0] in seen:
            continue
        seen.add(members[0])
        split = [split_dot(args[m]) for m in members]
        weights = [w for column in zip(*[s[0] for s in split]) for w in column]
        biases = [s[2] for s in split if s[2] is not None]
        block = [number[w] for w in (*weights, *biases) if w in number]
        if len(block) == len(weights) + len(biases) and placed.isdisjoint(block) and len(set(block)) == len(block):
            order += block
            placed.update(block)
    order += [k for k in range(len(program.parameters)) if k not in placed]
    return order


def _flat_outer(flat: _Flat, a: list[int], d: list[int], places: list[list[int]]) -> None:
    """The products of a[k] and d[j] into places[k][j]."""
    ks, js = sorted(range(len(a)), key=a.__getitem__), sorted(range(len(d)), key=d.__getitem__)
    target = places[ks[0]][js[0]]
    dk = places[ks[1]][js[0]] - target if len(ks) > 1 else 1
    dj = places[ks[0]][js[1]] - target if len(js) > 1 else 1
    if (
        dk >= 0
        and dj > 0
        and all(
            [places[k][j] for j in js] == list(range(target + n * dk, target + n * dk + len(js) * dj, dj))
            for n, k in enumerate(ks)
        )
    ):
        side_a, side_d = flat.contiguous([a[k] for k in ks]), flat.contiguous([d[j] for j in js])
        if dj == 1 or len(js) == 1 or dk != 1:
            flat.code.extend((FLAT_OUTER, len(ks), len(js), target, dk, dj, side_a, side_d))
        else:
            flat.code.extend((FLAT_OUTER, len(js), len(ks), target, dj, dk, side_d, side_a))
    else:
        flat.runs("mul", sorted((places[k][j], a[k], d[j]) for k in ks for j in js))


# Tapes of lanes.


class _Step:
    """One step of the schedule: what it defines, what it uses, and how it is written once rows are known."""

    __slots__ = ("defines", "uses", "kind", "data")

    def __init__(self, kind: int, defines: Sequence[int], uses: Sequence[int], data: Any) -> None:
        self.kind, self.defines, self.uses, self.data = kind, defines, uses, data


_WINDOW = 512  # steps among which those of one operation are brought together


def _gathered(steps: list[_Step]) -> list[_Step]:
    """The steps with those of one operation brought together, as far as they do not need each other.

    A run of one operation is one instruction, and the processor then knows where to jump. Only neighbours change
    places: values are to be used soon after they are made, while they are in the cache.
    """
    ordered: list[_Step] = []
    for start in range(0, len(steps), _WINDOW):
        window = steps[start : start + _WINDOW]
        depth: dict[int, int] = {}
        keys = []
        for step in window:
            d = 1 + max([depth.get(i, 0) for i in step.uses], default=0)
            for i in step.defines:
                depth[i] = d
            keys.append((d, step.kind, step.data if step.kind == LANES_MAP else -1))
        ordered += [window[k] for k in sorted(range(len(window)), key=keys.__getitem__)]
    return ordered


class _Lanes:
    """The program for a batch: a flat tape for what does not vary, and a tape of lanes for what does."""

    def __init__(self, plan: _Plan, library: _Library) -> None:
        self.plan, self.library = plan, library
        program, varying = plan.program, plan.program.varying
        self.flat = _Flat(plan, library, program.parameters, with_inputs=False)
        self.flat.write([i for i in plan.needed if not varying[i]])
        self.uniform = array("i")
        for r, i in enumerate(plan.results):
            if not varying[i]:
                self.uniform.extend((r, self.flat.at[i]))
        self.packed = 0
        self.code = array("i")
        self.row: dict[int, int] = {i: k for k, i in enumerate(program.inputs)}
        self.rows = len(self.row)
        self._write(self._schedule())

    def _schedule(self) -> list[_Step]:
        """The steps in the order of the program; sums over the samples come as soon as what they need is there."""
        plan = self.plan
        op, args, varying = plan.op, plan.args, plan.program.varying
        steps: list[_Step] = []
        made: dict[int, int] = dict.fromkeys(plan.program.inputs, -1)
        for i in plan.needed:
            if not varying[i] or i in made:
                continue
            members = plan.dots.get(i)
            if members is not None:
                made.update(dict.fromkeys(members, len(steps)))
                steps.append(_Step(LANES_GEMM, members, split_dot(args[i])[1], None))
                continue
            made[i] = len(steps)
            uses = [a for a in args[i] if varying[a]]
            if op[i] == "dot":
                steps.append(_Step(LANES_DOT, (i,), uses, None))
            elif op[i] in self.library.nary:
                steps.append(_Step(LANES_NARY, (i,), uses, self.library.nary[op[i]]))
            else:
                steps.append(_Step(LANES_MAP, (i,), uses, self.library.operations[op[i]]))
        steps = _gathered(steps)
        made.update((i, k) for k, step in enumerate(steps) for i in step.defines)
        after: dict[int, list[_Step]] = {}
        for a, d, results in plan.outer:
            uses = [*a, *d]
            after.setdefault(max(map(made.__getitem__, uses)), []).append(_Step(LANES_OUTER, (), uses, (a, d, results)))
        sums: dict[int, list[tuple[int, int]]] = {}
        for r, i in enumerate(plan.results):
            if varying[i] and i not in plan.hidden:
                sums.setdefault(made[i], []).append((i, r))
        for k, pairs in sums.items():
            after.setdefault(k, []).append(_Step(LANES_SUM, (), [i for i, _ in pairs], pairs))
        ordered = after.get(-1, [])
        for k, step in enumerate(steps):
            ordered.append(step)
            ordered += after.get(k, ())
        return ordered

    def _write(self, steps: list[_Step]) -> None:
        last: dict[int, int] = {}
        for k, step in enumerate(steps):
            last.update(dict.fromkeys(step.uses, k))
        last.update(dict.fromkeys(self.plan.program.inputs, len(steps)))  # their rows are filled once for all blocks
        row, free = self.row, list[int]()
        run: tuple[int, int] | None = None  # (operation, place of the count) of a run of elementwise instructions
        for k, step in enumerate(steps):
            dying = {i for i in step.uses if last[i] == k}
            if step.kind == LANES_MAP:
                operands = self._operands(step.defines[0])
                free += [row[i] for i in dying]
                self._allocate(step.defines, free)
                if run is None or run[0] != step.data:
                    self.code.extend((LANES_MAP, step.data, 0))
                    run = step.data, len(self.code) - 1
                self.code[run[1]] += 1
                self.code.extend((row[step.defines[0]], *operands))
            else:
                run = None
                self._allocate(step.defines, free)
                self._emit(step)
                free += [row[i] for i in dying]
            free += [row[i] for i in step.defines if i not in last]

    def _allocate(self, ids: Sequence[int], free: list[int]) -> None:
        for i in ids:
            if free:
                self.row[i] = free.pop()
            else:
                self.row[i] = self.rows
                self.rows += 1

    def _operands(self, i: int) -> list[int]:
        varying, row, at = self.plan.program.varying, self.row, self.flat.at
        return [row[a] if varying[a] else ~at[a] for a in self.plan.args[i]]

    def _emit(self, step: _Step) -> None:
        code, row, at, args = self.code, self.row, self.flat.at, self.plan.args
        if step.kind == LANES_GEMM:
            members, inputs = step.defines, step.uses
            J, K = len(members), len(inputs)
            self.flat.code.extend((FLAT_PACK, J, K, self.packed))
            for i in members:
                self.flat.code.extend(map(at.__getitem__, args[i][:K]))
            biases = [args[i][2 * K] if len(args[i]) % 2 else None for i in members]
            code.extend((LANES_GEMM, J, K, self.packed))
            code.extend(map(row.__getitem__, inputs))
            code.extend(map(row.__getitem__, members))
            code.extend(-1 if b is None else at[b] for b in biases)
            self.packed += (J + _MAX_TILE) * K
        elif step.kind == LANES_OUTER:
            a, d, results = step.data
            code.extend((LANES_OUTER, len(a), len(d)))
            code.extend(map(row.__getitem__, a))
            code.extend(map(row.__getitem__, d))
            code.extend(chain.from_iterable(results))
        elif step.kind == LANES_SUM:
            code.extend((LANES_SUM, len(step.data)))
            for i, r in step.data:
                code.extend((row[i], r))
        elif step.kind == LANES_NARY:
            (i,) = step.defines
            code.extend((LANES_NARY, step.data, len(args[i]), row[i], *self._operands(i)))
        else:
            (i,) = step.defines
            operands = self._operands(i)
            n = len(operands) // 2
            has_bias = len(operands) % 2
            bias = operands[-1] if has_bias else 0
            code.extend((LANES_DOT, n, row[i], has_bias, bias, *operands[: 2 * n]))


class _Tape:
    """A tape in the library's memory."""

    pointer: int | None = None

    def __init__(
        self, layout: Layout, flat: array[int], lanes: array[int], uniform: array[int], constants: array[float]
    ) -> None:
        self._c = _library().c
        error = ctypes.c_int32()
        self.pointer = self._c.tape_new(
            ctypes.byref(layout), _address(flat), len(flat), _address(lanes), len(lanes), _address(uniform),
            _address(constants), ctypes.byref(error),
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


def _address(numbers: array[Any]) -> int:
    return numbers.buffer_info()[0]


class NativeKernel:
    """A program on the compiled interpreter, for batches of rows.

    instruction_set, threads, block    override what is chosen by the machine, the work and the cache; for tests
    """

    def __init__(
        self, program: Program, instruction_set: str | None = None, threads: int | None = None, block: int = 0
    ) -> None:
        self.program, self.threads, self.block = program, threads, block
        self.library = _library()
        self.set = _instruction_set(instruction_set)
        self.plan = _Plan(program)
        self._lanes: _Lanes | None = None
        self._tapes: dict[int, _Tape] = {}
        self._lock = allocate_lock()  # the tape holds the values of the call under way

    def tape(self, work: float) -> _Tape:
        """A new tape of lanes, with as many threads as a step of so much work is worth."""
        lanes = self._lanes
        if lanes is None:
            self._lanes = lanes = _Lanes(self.plan, self.library)
        program = self.program
        layout = Layout(
            lanes.flat.size, len(program.parameters), len(program.constant), len(program.inputs), max(lanes.rows, 1),
            lanes.packed, len(self.plan.results), len(lanes.uniform) // 2, 0, self.set,
            self.threads or _threads(work), self.block,
        )  # fmt: skip
        return _Tape(layout, lanes.flat.code, lanes.code, lanes.uniform, lanes.flat.constants)

    def flat_tape(self) -> tuple[_Tape, list[int]]:
        """A new tape for one sample at a time, and the order of the parameters in it."""
        flat, order, results = _flat_tape(self.plan, self.library)
        program = self.program
        layout = Layout(
            flat.size, len(program.parameters), len(program.constant), len(program.inputs), 0, 0,
            len(self.plan.results), 0, results, self.set, 1, 0,
        )  # fmt: skip
        return _Tape(layout, flat.code, array("i"), array("i"), flat.constants), order

    def run(
        self, rows: Sequence[float], n: int, parameters: Sequence[float], reduce: str = "mean"
    ) -> tuple[list[float], list[list[float]]]:
        """(outputs, gradients by output) over n rows, given as doubles one after another."""
        program, width = self.program, len(self.program.inputs)
        numbers, data = _doubles(rows), _doubles(parameters)
        if len(numbers) < width * n or len(data) != len(program.parameters) or n < 1:
            raise ValueError(
                f"native: {len(numbers)} numbers and {len(data)} parameters do not fit {n} rows of {width} inputs and "
                f"{len(program.parameters)} parameters"
            )
        work = float(n) * len(program)
        threads = self.threads or _threads(work)
        results = array("d", bytes(8 * len(self.plan.results)))
        with self._lock:
            tape = self._tapes.get(threads)
            if tape is None:
                self._tapes[threads] = tape = self.tape(work)
            ctypes.memmove(tape.parameters, _address(data), 8 * len(data))
            self.library.c.tape_run(tape.pointer, _address(numbers), width, 1, n, _address(results))
        values = [r / n for r in results] if reduce == "mean" else results.tolist()
        first = len(program.outputs)
        gradients = []
        for row in program.gradients:
            gradients.append(values[first : first + len(row)])
            first += len(row)
        return values[: len(program.outputs)], gradients


def _doubles(numbers: Sequence[float]) -> array[float]:
    if isinstance(numbers, array) and numbers.typecode == "d":
        return numbers
    if isinstance(numbers, memoryview) and numbers.format == "d":
        copy = array("d")
        copy.frombytes(numbers.cast("B"))
        return copy
    return array("d", numbers)


OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad")  # in the order in which _tape.c numbers them
DONE, TIME_IS_UP, NOT_FINITE = range(3)


class Trainer:
    """Whole epochs in compiled code: batches, gradient, penalty and update.

    kernel      of one output, the loss, and its gradient by all of its first parameters
    rows, n     the samples: the inputs of the program, row after row
    batch       samples a step
    l2          a coefficient c a trained parameter, or None: adds c/2 p² to what is minimised, not to the losses
    generator   None: the rows keep their order. Else the state of a random.Random (``getstate()[1]``); each epoch takes
                the rows sorted by one ``random()`` each

    ``load`` parameters and optimiser, ``begin``, ``run``, and read ``parameters()``, ``state()`` and ``gradient()``.
    """

    def __init__(
        self, kernel: NativeKernel, rows: Sequence[float], n: int, batch: int,
        l2: Sequence[float] | None = None, generator: Sequence[int] | None = None,
    ) -> None:  # fmt: skip
        program = kernel.program
        self._trained = k = len(program.wrt)
        if len(program.outputs) != 1 or program.wrt != program.parameters[:k] or len(program.gradients) != 1:
            raise ValueError("native: training needs one output and its gradient by leaves that are parameters")
        self._c = kernel.library.c
        if batch == 1:
            self._tape, self._order = kernel.flat_tape()
        else:
            self._tape, self._order = kernel.tape(float(batch) * len(program)), list(range(len(program.parameters)))
        self._rows = _doubles(rows)
        width = len(program.inputs)
        if n < 1 or batch < 1 or len(self._rows) != n * width or n >= 2**31:
            raise ValueError(f"native: {len(self._rows)} numbers are not {n} rows of {width} inputs")
        self._l2 = None if l2 is None else self._permuted(l2)
        self._before = array("d", bytes(32 * k))
        self._state: list[array[float] | None] = [None, None, None]
        self.permutation = array("i", range(n))
        self._keys = array("d", bytes(16 * n + 16))
        self._generator = None if generator is None else array("I", generator)
        self._job = job = _Training()
        job.tape, job.X = self._tape.pointer, _address(self._rows)
        job.row, job.column, job.samples, job.batch, job.n_trained = width, 1, n, batch, k
        job.keys, job.before = _address(self._keys), _address(self._before)
        if self._l2 is not None:
            job.l2 = _address(self._l2)
        if self._generator is not None:
            job.order, job.generator = _address(self.permutation), _address(self._generator)

    def _permuted(self, numbers: Sequence[float]) -> array[float]:
        """One number a trained parameter, in the order of the tape."""
        return array("d", map(numbers.__getitem__, self._order[: self._trained]))

    def _restored(self, numbers: array[float]) -> list[float]:
        restored = [0.0] * len(numbers)
        for k, x in zip(self._order, numbers):
            restored[k] = x
        return restored

    def load(
        self, parameters: Sequence[float], optimizer: str, *, lr: float, flag: bool = False, h0: float = 0.0,
        h1: float = 0.0, h2: float = 0.0, weight_decay: float = 0.0, step: int = 0,
        state: Sequence[Sequence[float] | None] = (),
    ) -> None:  # fmt: skip
        """Parameters (of the whole program) and an optimiser, whose hyperparameters h0, h1, h2 and flag are, as is the
        meaning of its three lists of state, those that _tape.c names beside its update.
        """
        data = array("d", map(parameters.__getitem__, self._order))
        ctypes.memmove(self._tape.parameters, _address(data), 8 * len(data))
        lists = (*state, None, None, None)[:3]
        self._state = [None if numbers is None else self._permuted(numbers) for numbers in lists]
        kind = OPTIMIZERS.index(optimizer)
        pointers = [None if numbers is None else _address(numbers) for numbers in self._state]
        self._job.optimizer = _Optimizer(kind, flag, lr, h0, h1, h2, weight_decay, step, *pointers)

    def begin(self) -> None:
        """Count epochs and samples from 0."""
        self._job.epoch = self._job.position = 0

    def run(self, epochs: int, losses: array[float], seconds: float) -> int:
        """Train until ``epochs`` epochs are done since ``begin``, or for about so many seconds.

        The mean loss of each goes to ``losses``. Returns DONE, TIME_IS_UP, or NOT_FINITE: the step at ``position`` is
        not taken, because its loss, its gradient or the new parameters are not finite.
        """
        if len(losses) < epochs:
            raise ValueError(f"native: room for {len(losses)} losses, and {epochs} epochs")
        return int(self._c.tape_train(ctypes.byref(self._job), epochs, seconds, _address(losses)))

    @property
    def epoch(self) -> int:
        """Whole epochs done since ``begin``."""
        return int(self._job.epoch)

    @property
    def position(self) -> int:
        """Samples of the current epoch that have been used."""
        return int(self._job.position)

    def skip(self, samples: int, loss: float) -> None:
        """Count so many samples of the current epoch as used, with this mean loss: a step taken elsewhere."""
        self._job.position += samples
        self._job.epoch_loss += loss * samples

    @property
    def steps(self) -> int:
        """Steps the optimiser has taken, those before ``load`` included."""
        return int(self._job.optimizer.step)

    def parameters(self) -> list[float]:
        """The trained parameters."""
        data = array("d", bytes(8 * self._trained))
        ctypes.memmove(_address(data), self._tape.parameters, 8 * self._trained)
        return self._restored(data)

    def gradient(self) -> list[float] | None:
        """The gradient of the last step, penalty included; None before the first, and after one that was not taken."""
        if not self._job.sums:
            return None
        g = array("d", bytes(8 * self._trained))
        self._c.tape_gradient(ctypes.byref(self._job), _address(g))
        return self._restored(g)

    def state(self) -> list[list[float] | None]:
        """The optimiser's lists of state."""
        return [None if numbers is None else self._restored(numbers) for numbers in self._state]


def compile(program: Program) -> NativeKernel:
    """The program on the compiled interpreter. Raises OSError where that is not built."""
    return NativeKernel(program)
