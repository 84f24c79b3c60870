"""What lowering makes of some graphs must not become more: instructions, operands, rows, words of generated code.

The values are the same however a program is simplified, planned and ordered; only these numbers tell whether it still
is. budget.json has them as they are; after a change that is worth more of one of them:

    python tests/engine/lowering/test_budget.py
"""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import pytest
from test_random_programs import random_outputs

import engine
from engine import Value, dot, lower
from engine.lowering import native
from engine.lowering.trace import trace
from engine.weighted import dots

if not native.available()[0]:
    pytest.skip(native.available()[1], allow_module_level=True)

from engine.lowering.native import NativeKernel, schedule, tapes
from engine.lowering.native.lanes import Lanes
from engine.lowering.native.plan import Plan

BUDGET = Path(__file__).with_name("budget.json")
LIBRARY = native.loaded_library()


def mixed(seed):
    """Sums and dots of parameters and inputs."""
    rng = random.Random(seed)
    inputs, parameters = ([Value(rng.uniform(-1, 1)) for _ in range(n)] for n in (9, 13))
    return random_outputs(seed, inputs, parameters), inputs, parameters[: rng.choice([13, 13, 5])]


TANGLES = [
    lambda a, b, c: a + b, lambda a, b, c: a - b, lambda a, b, c: 0.5 * a * b, lambda a, b, c: engine.maximum(a, b),
    lambda a, b, c: engine.minimum(a, c), lambda a, b, c: a.tanh(), lambda a, b, c: (0.1 * a).exp() - b.relu(),
    lambda a, b, c: engine.where(a.gt(b), a * b, b.sin()), lambda a, b, c: a - (b + c) * (b - c),
    lambda a, b, c: engine.sum([a, b, -c]), lambda a, b, c: dot([a, b], [b, c]), lambda a, b, c: (a * b).log().abs(),
]  # fmt: skip


def tangled(seed, nodes=150):
    """Each node takes any older one and recent ones; choices are marked. Half of the leaves are parameters."""
    rng = random.Random(seed)
    leaves = [Value(rng.uniform(0.5, 1)) for _ in range(6)]
    made = list(leaves)
    tangles = rng.sample(TANGLES, rng.randrange(3, len(TANGLES)))
    while len(made) < nodes:
        a, b, c = rng.choice(made), made[-1 - int(rng.random() * 5)], rng.choice(made[-9:])
        made.append(rng.choice(tangles)(a, b, c))
    n = rng.choice([3, 6])
    return made[-1], leaves[:n], leaves[n - 3 :]


def layered(seed):
    """A network, with biases or without, whose outputs go into a loss; in some, other things use its weights too."""
    rng = random.Random(seed)
    sizes = rng.choice([(3, 5, 2), (20, 60, 3), (70, 64, 1), (300, 9, 2), (4, 40, 40, 1), (9, 8, 16, 8), (33, 1)])
    inputs, parameters, a = [Value(rng.uniform(-1, 1)) for _ in range(sizes[0])], [], None
    for n_in, n_out in zip(sizes, sizes[1:]):
        rows = [tuple(Value(rng.uniform(-1, 1)) for _ in range(n_in)) for _ in range(n_out)]
        biases = [Value(0.1) if seed % 2 else None for _ in rows]
        for row, bias in zip(rows, biases):
            parameters += [*row, bias] if bias is not None else row
        activation = rng.choice([engine.tanh, engine.relu, engine.sigmoid, engine.gelu])
        a = [activation(z) for z in dots(rows, a or inputs, biases, [""] * n_out)]
    loss = engine.sum([(y - x) ** 2 for x, y in zip(inputs, a)])
    loss += rng.choice([0.0, parameters[0] * 2.0, engine.sum([p * p for p in parameters[::5]])])
    return loss, inputs, parameters[: rng.choice([len(parameters), len(parameters) - 2])]


def scattered(seed):
    """Gradients that are products of inputs: of few by subsets of many others, one way round or the other."""
    rng = random.Random(seed)
    few, many = ([Value(rng.uniform(-1, 1)) for _ in range(n)] for n in (2 + seed // 2, 7))
    pairs = [(x, y) for y in many for x in rng.sample(few, rng.randrange(1, len(few)))]
    parameters = [Value(rng.uniform(-1, 1)) for _ in pairs]
    terms = [(w * y) * x if seed % 2 else (w * x) * y for w, (x, y) in zip(parameters, pairs)]
    return engine.sum(terms), [*few, *many], parameters


def often(seed):
    """Constants that are used as often as one that gets a row of its own, about as many as get one."""
    x, y = Value(0.5), Value(0.2)
    made = x
    for k in range(15 + seed // 3):
        for c in range(15 + seed % 3):
            made = made * (c / 64 + 0.1) + (y if k % 2 else x)
    return made, [x, y], [x]


FAMILIES = {mixed: 8, tangled: 16, layered: 12, scattered: 6, often: 6}
PROGRAMS = {f"{make.__name__} {seed}": (make, seed) for make, n in FAMILIES.items() for seed in range(n)}
FLAT = {tapes.FLAT_MAP: lambda c: 10, tapes.FLAT_NARY: lambda c: 4 + c[2], tapes.FLAT_DOT: lambda c: 4 + 2 * c[1],
        tapes.FLAT_GEMV: lambda c: 9, tapes.FLAT_OUTER: lambda c: 8, tapes.FLAT_GATHER: lambda c: 3 + c[1]}  # fmt: skip
ARITY = [int(word) for word in LIBRARY.text("tape_operations").split()[1::2]]
LANES = {
    **dict.fromkeys((schedule.LANES_MAP, schedule.LANES_CHEAP), lambda c: 3 + (ARITY[c[1]] + 1) * c[2]),
    schedule.LANES_NARY: lambda c: 4 + c[2], schedule.LANES_DOT: lambda c: 5 + 2 * c[1],
    schedule.LANES_GEMM: lambda c: 6 + 2 * c[1] + c[2],
    schedule.LANES_OUTER: lambda c: 6 + c[1] + c[2] + (c[1] * c[2] if c[3] < 0 else 0),
    **dict.fromkeys((schedule.LANES_SUM, schedule.LANES_OUT), lambda c: 2 + 2 * c[1]),
    schedule.LANES_PAIR: lambda c: 3 + 3 * c[2], schedule.LANES_CHOICE: lambda c: 3 + 4 * c[2],
    schedule.LANES_TERMS: lambda c: 6 + c[1] * (1 + 2 * sum(c[3:6])),
}  # fmt: skip


def words_of(code, sizes):
    """How many words there are of each instruction, and how many instructions."""
    found, many = Counter(), 0
    while code:
        size = sizes[code[0]](code)
        found[code[0]] += size
        code, many = code[size:], many + 1
    return found, many


def cost(name):
    """What the program is made of, by name."""
    make, seed = PROGRAMS[name]
    outputs, inputs, wrt = make(seed)
    program = trace(outputs if isinstance(outputs, list) else [outputs], inputs, wrt, marks=True)
    found = {"instructions": len(program.op) - program.op.count(None), "operands": sum(map(len, program.args))}
    source = lower(outputs, inputs, wrt, backend="source")
    found["words of Python"], found["words of C"] = len(source.source.split()), len(source.c_source.split())
    flat, many = words_of(tapes.flat_tape(Plan(program.plain), LIBRARY)[0].code, FLAT)
    found |= {"flat": sum(flat.values()), "flat instructions": many,
              "flat, one by one": flat[tapes.FLAT_DOT] + flat[tapes.FLAT_GATHER] + flat[tapes.FLAT_NARY]}  # fmt: skip
    program = NativeKernel(program).program
    for sums, key in ((True, ""), (False, "each sample: ")):
        lanes = Lanes(Plan(program, sums), LIBRARY)
        words, many = words_of(lanes.code, LANES)
        slow = words[schedule.LANES_MAP] + words[schedule.LANES_NARY] + words[schedule.LANES_DOT]
        found |= {f"{key}lanes": sum(words.values()), f"{key}rows": lanes.rows}
        if sums:
            found |= {"lanes instructions": many, "lanes, slow ones": slow, "values": lanes.flat.size,
                      "in front of lanes": len(lanes.flat.code)}  # fmt: skip
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_cost_no_more_than_they_did(name):
    """Each of these numbers is at most the recorded one."""
    recorded = json.loads(BUDGET.read_text())[name]
    found = cost(name)
    assert found.keys() == recorded.keys()
    assert {key: n for key, n in found.items() if n > recorded[key]} == {}, recorded


if __name__ == "__main__":
    lines = [f' "{name}": {json.dumps(cost(name))}' for name in PROGRAMS]
    BUDGET.write_text("{\n" + ",\n".join(lines) + "\n}\n")
