"""How many digits are right: every operation over the whole range of doubles, beside arithmetic with 60 digits.

For each operation the value, the first and the second derivatives (mixed ones too) are computed at random points of
wide distributions: log-uniform to the ends of the doubles, near 0, near 1, near each pole, equal and opposite
arguments. Each is compared with the exact number (exact_numbers.py). An error counts in ulp, divided by 1 + the
condition number of that quantity: what rounding the arguments would do to it anyway is no fault of the operation.
Subnormal and overflowing numbers are left out.

    python tests/engine/exactness.py                      every operation, every backend, the table of worst errors
    python tests/engine/exactness.py tanh pow --points 500
    python tests/engine/exactness.py --write              the table into exactness.md
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from exact_numbers import Undefined, arity, exact, quantities
from exactness_peers import peers
from mpmath import mp, mpf

import engine
from engine import OPS, Value, grad, hessian, lower
from engine.operations import FUNCTIONS

LIMIT = 4.0  # ulp: what the tests allow
SMALLEST, LARGEST = sys.float_info.min, sys.float_info.max
# bce keeps PyTorch's bounds on the logarithm and on the denominator, which the formula has not: it is left out.
LEFT_OUT = {"bce"}


def error(actual: float, expected: mpf, condition: mpf) -> float:
    """The error in ulp over 1 + the condition number; 0 for what is left out."""
    if mp.isnan(expected) or abs(expected) > LARGEST:
        return 0.0
    if expected == 0:
        return 0.0 if actual == 0 or condition == mp.inf else math.inf
    if abs(expected) < SMALLEST * 1.0000001:
        return 0.0
    if not math.isfinite(actual):
        return math.inf
    return float(abs(mpf(actual) - expected) / math.ulp(float(expected)) / (1 + condition))


# Points.

_POLES = {
    "log1p": (-1.0,), "asin": (-1.0, 1.0), "acos": (-1.0, 1.0), "atanh": (-1.0, 1.0), "acosh": (1.0,), "log": (1.0,),
    "log2": (1.0,), "log10": (1.0,), "tan": (math.pi / 2, 3 * math.pi / 2), "sin": (math.pi, 2 * math.pi),
    "cos": (math.pi / 2,), "tanh": (19.0,), "sigmoid": (37.0,), "gelu": (-8.4, -0.7517915246935645), "erfc": (26.0,),
    "silu": (-1.2784645427610738,), "pow": (0.0, 1.0, 2.0),
}  # fmt: skip
_POSITIVE = {"log", "log2", "log10", "sqrt", "pow"}  # of these the first argument is taken positive, mostly


def _one(name: str, rng: random.Random) -> float:
    sign = rng.choice((1.0, -1.0))
    kind = rng.randrange(9)
    if kind == 0:
        return sign * 10 ** rng.uniform(-307.5, 308.2)
    if kind == 1:
        return sign * 10 ** rng.uniform(-20, 3)
    if kind == 2:
        return sign * 10 ** rng.uniform(-3, 1.5)
    if kind == 3:
        return rng.uniform(-3, 3)
    if kind == 4:
        return rng.uniform(-45, 45)
    if kind == 5:
        return rng.uniform(-760, 760)
    if kind == 6:
        return sign * (1 + rng.choice((1, -1)) * 10 ** rng.uniform(-16, -0.5))
    if kind == 7 and name in _POLES:
        return rng.choice(_POLES[name]) + sign * 10 ** rng.uniform(-17, 0)
    return sign * rng.choice((1.0, 2.0, 0.5, 3.0, float(rng.randint(1, 60))))


def points(name: str, count: int, seed: int = 0) -> Iterator[tuple[float, ...]]:
    """Points of wide distributions at which the operation is defined."""
    rng = random.Random(f"{name} {seed}")
    n, found, tried = arity(name), 0, 0
    while found < count and tried < 60 * count:
        tried += 1
        point = [_one(name, rng) for _ in range(n)]
        if n > 1:
            kind = rng.randrange(6)
            if kind == 0:  # equal, nearly equal or opposite arguments
                i, j = rng.sample(range(n), 2)
                point[j] = point[i] * rng.choice((1, -1)) * (1 + rng.choice((0, 1)) * 10 ** rng.uniform(-16, -1))
            elif kind == 1:  # all of one size
                size = 10 ** rng.uniform(-150, 150)
                point = [size * rng.uniform(-2, 2) for _ in range(n)]
            elif kind == 2:  # moderate
                point = [rng.uniform(-40, 40) for _ in range(n)]
        if name in _POSITIVE and rng.random() < 0.9:
            point[0] = abs(point[0])
        if name in ("asin", "acos", "atanh") and not abs(point[0]) < 1:
            point[0] = 1 / point[0]
        if name == "bce_with_logits":
            point[1] = rng.choice((0.0, 1.0, rng.random(), 10 ** rng.uniform(-20, 0)))
        if name == "clip" and rng.random() < 0.7:
            point[1], point[2] = sorted(point[1:])
        if all(math.isfinite(x) and (x == 0 or abs(x) >= SMALLEST) for x in point):
            found += 1
            yield tuple(point)


# What is measured: functions from a name and points to rows of quantities.

Rows = list[list[float]]


def _function(name: str) -> Callable[..., Value]:
    op = OPS[name]
    function = getattr(engine, name, None) or FUNCTIONS[name]
    if name == "dot":
        return lambda w, v, x, u, b: function([w, v], [x, u], b)
    return function if op.arity else lambda *values: function(list(values))


def eager(name: str, where: Sequence[Sequence[float]]) -> Rows:
    rows = []
    for point in where:
        leaves = [Value(x) for x in point]
        y = _function(name)(*leaves)
        rows.append([y.data, *grad(y, leaves), *(x for row in hessian(y, leaves) for x in row)])
    return rows


def _graph(name: str) -> tuple[list[Value], list[Value]]:
    """The leaves; the value and its first derivatives as graphs."""
    leaves = [Value(0.5) for _ in range(arity(name))]
    y = _function(name)(*leaves)
    return leaves, [y, *grad(y, leaves, create_graph=True)]


def lowered(backend: str) -> Callable[[str, Sequence[Sequence[float]]], Rows]:
    def measured(name: str, where: Sequence[Sequence[float]]) -> Rows:
        leaves, outputs = _graph(name)
        kernel = lower(outputs, inputs=leaves, wrt=leaves, backend=backend)  # type: ignore[arg-type]
        rows = []
        for point in where:
            values, gradients = kernel([point], reduce="sum")
            rows.append([values[0], *gradients[0], *(x for row in gradients[1:] for x in row)])
        return rows

    return measured


def native(instruction_set: str) -> Callable[[str, Sequence[Sequence[float]]], Rows]:
    def measured(name: str, where: Sequence[Sequence[float]]) -> Rows:
        kept = os.environ.get("ENGINE_INSTRUCTION_SET")
        os.environ["ENGINE_INSTRUCTION_SET"] = instruction_set
        try:
            return lowered("native")(name, where)
        finally:
            del os.environ["ENGINE_INSTRUCTION_SET"]
            if kept is not None:
                os.environ["ENGINE_INSTRUCTION_SET"] = kept

    return measured


_RUN = """
const read = (x) => x === "inf" ? Infinity : x === "-inf" ? -Infinity : x === "nan" ? NaN : x;
const write = (x) => Number.isFinite(x) ? x : String(x);
const results = ROWS.map((row) => {
  const v = [];
  PROGRAM.forEach(([op, args]) => {
    if (op === "input") v.push(read(row[args]));
    else if (op === "constant") v.push(read(args));
    else {
      const operands = args.map((i) => v[i]);
      v.push(OPS[op].arity ? OPS[op].forward(...operands) : OPS[op].forward(operands));
    }
  });
  return RESULTS.map((i) => write(v[i]));
});
console.log(JSON.stringify(results));
"""


def page(name: str, where: Sequence[Sequence[float]]) -> Rows:
    """The JavaScript of the pages, run by node: the same program as the backends', instruction by instruction."""
    from viz.pages.javascript import functions, primitives

    leaves, outputs = _graph(name)
    program = lower(outputs, inputs=leaves, wrt=leaves, backend="source").program
    listed = []
    for i, (op, args) in enumerate(zip(program.op, program.args)):
        if op == "input":
            listed.append([op, program.inputs.index(i)])
        elif op == "constant":
            x = program.constant[i]
            listed.append([op, x if math.isfinite(x) else repr(x)])
        else:
            listed.append([op, list(args)])
    used = {op for _, op, _ in program}
    results = [program.outputs[0], *program.gradients[0], *(i for row in program.gradients[1:] for i in row)]
    script = "\n".join([
        primitives(), functions(used),
        *(f"OPS.{op}.arity = {OPS[op].arity or 0};" for op in used),
        f"const PROGRAM = {json.dumps(listed)}, RESULTS = {json.dumps(results)}, ROWS = {json.dumps(where)};", _RUN,
    ])  # fmt: skip
    done = subprocess.run(["node", "-"], input=script, capture_output=True, text=True, check=True, timeout=120)
    return [[float(x) for x in row] for row in json.loads(done.stdout.replace("Infinity", "inf"))]


def ours() -> dict[str, Callable[[str, Sequence[Sequence[float]]], Rows]]:
    """Every way in which the engine computes, on this machine."""
    found: dict[str, Callable[[str, Sequence[Sequence[float]]], Rows]] = {"eager": eager, "source": lowered("source")}
    from engine.lowering import native as interpreter

    if interpreter.available()[0]:
        found |= {f"native {name}": native(name) for name in interpreter.instruction_sets()}
    if shutil.which("node"):
        found["page"] = page
    return found


# Measuring.


class Worst:
    """The worst error of each quantity, and the point where it is."""

    def __init__(self) -> None:
        self.found: dict[str, tuple[float, tuple[float, ...], float]] = {}

    def take(self, quantity: str, error: float, point: tuple[float, ...], actual: float) -> None:
        if error > self.found.get(quantity, (-1.0,))[0]:
            self.found[quantity] = error, point, actual

    def of(self, kind: str) -> float:
        """The worst of the value ("y"), of the first ("∂") or of the second derivatives ("∂²")."""
        order = {"y": 0, "∂": 1, "∂²": 2}[kind]
        return max([e for q, (e, *_) in self.found.items() if _order(q) == order], default=0.0)

    def missed(self) -> dict[str, tuple[float, tuple[float, ...], float]]:
        return {q: worst for q, worst in self.found.items() if worst[0] > LIMIT}


def _order(quantity: str) -> int:
    return 0 if quantity == "y" else 2 if "²" in quantity else 1


def measure(
    name: str,
    count: int,
    ways: dict[str, Callable[[str, Sequence[Sequence[float]]], Any]],
    seed: int = 0,
    forgiving: bool = True,
) -> dict[str, Worst]:
    """The worst errors of an operation for each way of computing it; ways that do not have it are left out. Where it
    is not forgiving, an error counts in full however large the condition number is: the arguments are exact.
    """
    where, truths = [], []
    for point in points(name, count, seed):
        try:
            truth = exact(name, point)
        except Undefined:
            continue
        if not abs(truth[0][0]) > LARGEST:  # where the value itself overflows, so may what is computed from it
            truths.append(truth)
            where.append(point)
    found = {}
    for way, function in ways.items():
        rows = function(name, where)
        if rows is None:
            continue
        found[way] = worst = Worst()
        for point, truth, row in zip(where, truths, rows, strict=True):
            for quantity, (expected, condition), actual in zip(quantities(name), truth, row, strict=True):
                if _order(quantity) == 2 and OPS[name].helper:
                    continue  # the third derivative of the operation that it helps
                off = error(actual, expected, condition if forgiving else mpf(0))
                worst.take(quantity, off, point, actual)
    return found


def names() -> list[str]:
    return [name for name in OPS if name not in LEFT_OUT]


# The table.


def _number(x: float) -> str:
    if math.isinf(x):
        return "∞"
    if x == 0:
        return "0"
    return f"{x:.1f}" if x < 100 else f"{x:.0e}".replace("e+0", "e").replace("e+", "e")


def table(results: dict[str, dict[str, Worst]], count: int) -> str:
    """The results as markdown."""
    ways = list(dict.fromkeys(way for worst in results.values() for way in worst))
    missed = {way: sum(len(worst[way].missed()) for worst in results.values() if way in worst) for way in ways}
    measured = {way: sum(len(w[way].found) for w in results.values() if way in w) for way in ways}
    lines = [
        "# Every digit",
        "",
        "The worst error of each operation over the whole range of doubles, in ulp over 1 + the condition number,",
        f"at up to {count} random points each: of the value, the first and the second derivatives (mixed ones too).",
        "Written by `python tests/engine/exactness.py --write`, which says at its head how it measures. `bce`, binary",
        "cross-entropy of a probability, keeps PyTorch's bounds on the logarithm and is left out.",
        "",
        f"| | {' | '.join(ways)} |",
        f"|---|{'---|' * len(ways)}",
        f"| quantities measured | {' | '.join(str(measured[way]) for way in ways)} |",
        f"| off by more than {LIMIT:g} ulp | {' | '.join(str(missed[way]) for way in ways)} |",
        "",
        "Value / first / second derivatives; – where there is no such operation.",
        "",
        f"| operation | {' | '.join(ways)} |",
        f"|---|{'---|' * len(ways)}",
    ]
    for name, worst in results.items():
        cells = [
            " / ".join(_number(worst[way].of(kind)) for kind in ("y", "∂", "∂²")) if way in worst else "–"
            for way in ways
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("operations", nargs="*", help="names of operations; all by default")
    parser.add_argument("--points", type=int, default=300, help="points for each operation (300)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ways", help="a comma-separated choice of eager, source, native, page, JAX, PyTorch")
    parser.add_argument("--write", action="store_true", help="write the table into exactness.md beside this file")
    options = parser.parse_args(arguments)
    ways: dict[str, Callable[[str, Sequence[Sequence[float]]], Any]] = {**ours(), **peers()}
    if options.ways:
        wanted = options.ways.split(",")
        ways = {way: function for way, function in ways.items() if way.split()[0] in wanted}
    results = {}
    for name in options.operations or names():
        results[name] = measure(name, options.points, ways, options.seed)
        for way, worst in results[name].items():
            for quantity, (size, point, actual) in worst.missed().items():
                print(f"{name:16} {way:14} {quantity:6} {size:8.2g} at {point} got {actual!r}", file=sys.stderr)
    text = table(results, options.points)
    if options.write:
        Path(__file__).with_name("exactness.md").write_text(text, encoding="utf-8")
    print(text)
    engine_ways = set(ours())
    return int(any(w.missed() for worst in results.values() for way, w in worst.items() if way in engine_ways))


if __name__ == "__main__":
    sys.exit(main())
