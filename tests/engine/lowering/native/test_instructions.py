"""Each instruction of the compiled interpreter alone, beside what its words say, done in Python on small whole numbers:
their sums are exact in any order, so that every value must be equal, also those that nothing should have written.
"""

from __future__ import annotations

import ctypes
import math
import random
from array import array
from operator import mul

import pytest
from native_runs import SETS, close

from engine.lowering import native
from engine.lowering.native import schedule, tape, tapes

LIBRARY = native.loaded_library()
OPS, NARY = LIBRARY.operations, LIBRARY.nary


def exp(a):
    return math.exp(min(a, 700.0))


ELEMENTWISE = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "neg": lambda a: -a,
    "copy": lambda a: a, "relu": lambda a: max(a, 0.0), "gt": lambda a, b: float(a > b), "maximum": max, "minimum": min,
    "where": lambda a, b, c: b if a else c,
}  # fmt: skip
ARITY = {name: 3 if name == "where" else 1 if name in ("neg", "copy", "relu") else 2 for name in ELEMENTWISE}
SMOOTH = {
    "sigmoid": lambda a: 1 / (1 + exp(-a)), "tanh": math.tanh, "neg": lambda a: -a,
    "sigmoid_slope": lambda a: 1 / (2 + exp(a) + exp(-a)), "tanh_slope": lambda a: 4 / (2 + exp(2 * a) + exp(-2 * a)),
    "exp": exp, "div": lambda a, b: a / b if b else a * math.copysign(math.inf, b), "eq": lambda a, b: float(a == b),
    "bce_with_logits": lambda a, b: max(a, 0.0) - a * b + math.log1p(exp(-abs(a))),
}  # fmt: skip
MANY = {"sum": sum, "mean": lambda x: sum(x) / len(x), "amax": max, "amin": min,
        "ties": lambda x: x[1:].count(x[0]), "logsumexp": lambda x: math.log(sum(map(math.exp, x)))}  # fmt: skip
# Of as many operands: what almost is a loss is none.
OTHERS = {"logsumexp": "amax", "sum": "mean", "exp": "neg", "eq": "gt", "sigmoid": "tanh", "neg": "copy", "div": "sub",
          "sub": "add", "mul": "sub"}  # fmt: skip
PARAMETERS, CONSTANTS, INPUTS = 1000, 5, 70  # of the flat tapes; each value is a whole number
LEAVES = PARAMETERS + CONSTANTS + INPUTS
VALUES = LEAVES + 500
SIZES = [1, 2, 3, 4, 5, 7, 8, 9, 11, 15, 16, 17, 19, 24, 31, 33]
WHOLE = [*map(float, range(-9, 10)), *[0.0] * 6]  # zeros often: where one is the condition, the other operand is taken


def dot_of(a, b):
    return sum(map(mul, a, b))


def maps_of(U, maps, made=()):
    """The words of operations (name, how many, target, operands with their steps), and what these make in turn."""
    made, words = dict(made), []
    for name, n, target, *operands in maps:
        places = [[a + step * i for i in range(n)] for a, step in operands]
        columns = [[U[a] if a < LEAVES else made.get(a, 0.0) for a in column] for column in places]
        if name == "dot":
            made[target] = dot_of(*columns)
            words += tapes.FLAT_DOT, n, target, -1, *places[0], *places[1]
        elif name in MANY:
            made[target] = MANY[name](*columns)
            words += tapes.FLAT_NARY, NARY[name], n, target, *places[0]
        else:
            made |= {target + i: (ELEMENTWISE | SMOOTH)[name](*row) for i, row in enumerate(zip(*columns))}
            words += tapes.FLAT_MAP, OPS[name], n, target, *sum((operands * 3)[:3], ())
    return words, made


def taking(rng, n, z):
    """What may take n values to others: mostly products, or a choice between them and a number."""
    other, number = (rng.randrange(500), rng.choice([1, 1, 1, 0])), (rng.randrange(500), rng.choice([0, 0, 0, 1]))
    operands = [z, other] if rng.randrange(2) else [other, z]
    name = rng.choice(["mul", "mul", "where", "where", "sub"])
    return name, n, LEAVES + 220, *operands, *([number] if name == "where" else [])


def loss_of(rng, U, z):
    """A binary cross-entropy and its derivative, mostly as a training writes it."""
    at, other, t = LEAVES + 400, rng.randrange(LEAVES), rng.choice([i for i in range(LEAVES) if U[i] in (0, 1)])
    a, b = rng.choice([(other, t), (other, t), (at, t), (other, at), (other, at + 3)])  # or the loss is a factor itself
    maps = [["bce_with_logits", z, t], ["sigmoid", z], ["neg", z], ["mul", a, at + 1], ["sigmoid", at + 2],
            ["mul", b, at + 4], ["sub", at + 3, at + 5]]  # fmt: skip
    if rng.randrange(2):
        k = rng.randrange(1, len(maps))
        if rng.randrange(4) == 0:
            maps[k][0] = OTHERS[maps[k][0]]
        else:
            maps[k][rng.randrange(1, len(maps[k]))] = rng.choice([z, t, other, *range(at, at + k)])
    return [(name, 1, at + k, *[(a, 0) for a in operands]) for k, (name, *operands) in enumerate(maps)]


def softmax_of(rng, U):
    """logsumexp and its derivative less what is wanted, mostly as a training writes it; some leaves are set for it."""
    n, (z, wanted, at) = rng.choice([2, *SIZES[2:], 64, 65]), (rng.randrange(LEAVES // 2), LEAVES // 2 + 100, LEAVES)
    U[z : z + n], U[wanted : wanted + n] = rng.choices([0.0, 1.0], k=n), rng.choices([2.0, 3.0], k=n)
    U[7] = 5.0
    u, e, share, end = at + 10, at + 80, at + 150, at + 220
    most, total = rng.choice([*[("logsumexp", "sum")] * 4, ("amax", "mean"), ("logsumexp", "mean"), ("amax", "sum")])
    parts = [[most, n, at, (z, 1)], ["dot", n, at + 1, (wanted, 1), (z, 1)], ["sub", n, u, (z, 1), (at, 0)],
             ["sub", 1, at + 2, (at, 0), (at + 1, 0)], ["exp", n, e, (u, 1)], [total, n, at + 3, (e, 1)],
             ["eq", 1, at + 4, (at + 3, 0), (at + 3, 0)], ["where", 1, at + 5, (at + 4, 0), (at + 3, 0), (7, 0)],
             ["div", n, share, (e, 1), (at + 5, 0)], ["sub", n, end, (share, 1), (wanted, 1)]]  # fmt: skip
    if rng.randrange(3) == 0:
        wrong = rng.choice(parts)
        k = rng.randrange(len(wrong))
        if k == 0:
            wrong[0] = OTHERS.get(wrong[0], wrong[0])
        elif k == 1:
            wrong[1] = max(1, wrong[1] - 1)
        elif k > 2:
            wrong[k] = (wanted + n if wrong[k][0] == wanted else wanted, wrong[k][1])
    return parts


def flat_case(rng, kind, U):
    """(the words of an instruction, {the place of a value: the value that it makes})."""
    place = lambda n: rng.randrange(LEAVES - n + 1)  # noqa: E731
    run = lambda first, n: U[first : first + n]  # noqa: E731
    n, target = rng.choice(SIZES), LEAVES + rng.randrange(60)
    if kind == "map":
        name, operands = rng.choice([*ELEMENTWISE, "where", "where"]), [(place(n), rng.randrange(2)) for _ in range(3)]
        made = [ELEMENTWISE[name](*(U[a + step * i] for a, step in operands[: ARITY[name]])) for i in range(n)]
        return [tapes.FLAT_MAP, OPS[name], n, target, *sum(operands, ())], dict(enumerate(made, target))
    if kind == "pair":  # an activation and a slope, which become one instruction where they belong together
        n, at, number = min(n, 18), place(19), rng.choice([PARAMETERS - 1, PARAMETERS, PARAMETERS, LEAVES - INPUTS])
        U[PARAMETERS] = rng.choice([0.0, 0.0, 1.0])
        seldom = lambda usual, other: rng.choice([*[usual] * 5, other])  # noqa: E731
        maps = []
        for target, names in ((LEAVES, ["sigmoid", "tanh", "relu", "relu", "neg"]),
                              (LEAVES + 50, ["sigmoid_slope", "tanh_slope", "gt", "gt"])):  # fmt: skip
            z = (at + seldom(0, 1), seldom(1, 0))
            maps.append((rng.choice(names), seldom(n, 1), target, z, (number, seldom(0, 1))))
        return maps_of(U, [operands if operands[0] == "gt" else operands[:-1] for operands in maps])
    if kind == "products":  # the second takes the first, or almost
        first = [(place(n), rng.randrange(2)) for _ in range(2)]
        z = (LEAVES + rng.choice([0, 0, 0, 1]), rng.choice([1, 1, 1, 0]))
        return maps_of(U, [("mul", n, LEAVES, *first), taking(rng, rng.choice([n, n, 1]), z)])
    if kind == "softmax":
        return maps_of(U, softmax_of(rng, U))
    if kind == "loss":
        return maps_of(U, loss_of(rng, U, place(1)))
    if kind == "layer":  # and what takes its outputs
        U[PARAMETERS] = rng.choice([0.0, 0.0, 1.0])
        words, made = flat_case(rng, "gemv", U)
        J, target = words[1], words[3]
        n, z, step = rng.choice([J, J, J, 1]), target + rng.choice([0, 0, 0, J > 1]), rng.choice([1, 1, 1, 0])
        name, n = rng.choice(["sigmoid", "tanh", "relu"]), min(n, J - (z - target))
        pair = [(name, n, LEAVES + 200, (z, step)), (name + "_slope", n, LEAVES + 300, (z, step))]
        if name == "relu":
            pair[1] = ("gt", n, LEAVES + 300, (z, step), (PARAMETERS, 0))
        maps = rng.choice([pair, [taking(rng, n, (z, step))], loss_of(rng, U, z) if J == 1 else pair])
        after, made = maps_of(U, maps, made)
        return words + after, made
    if kind == "nary":
        name, operands = rng.choice([*MANY]), [place(1) for _ in range(n)]
        return [tapes.FLAT_NARY, NARY[name], n, target, *operands], {target: MANY[name]([U[a] for a in operands])}
    if kind == "dot":
        n, bias = rng.choice([0, *SIZES]), rng.choice([-1, place(1)])
        weights, others = [place(1) for _ in range(n)], [place(1) for _ in range(n)]
        made = dot_of([U[a] for a in weights], [U[a] for a in others]) + (0.0 if bias < 0 else U[bias])
        return [tapes.FLAT_DOT, n, target, bias, *weights, *others], {target: made}
    if kind == "gather":
        n = rng.choice([0, *SIZES])
        places = [place(1) for _ in range(n)]
        return [tapes.FLAT_GATHER, n, target, *places], {target + k: U[a] for k, a in enumerate(places)}
    J, K = rng.choice([*SIZES, 63, 64, 65]), rng.choice(SIZES)
    if kind == "gemv":
        J, K = (J, K) if J * K < 400 else (K, min(J, 12))
        so, si = rng.choice([(1, J), (K, 1), (1, J + 1), (K + 2, 1), (2, 2 * J), (0, 1), (1, 0), (3, 5)])
        first, a, bias = rng.randrange(LEAVES - (J - 1) * so - (K - 1) * si), place(K), rng.choice([-1, place(J)])
        made = [dot_of([U[first + j * so + k * si] for k in range(K)], run(a, K)) + (0.0 if bias < 0 else U[bias + j])
                for j in range(J)]  # fmt: skip
        return [tapes.FLAT_GEMV, J, K, target, a, first, so, si, bias], dict(enumerate(made, target))
    K = min(K, 400 // J) or 1
    dk, dj = rng.choice([(J, 1), (J + 3, 1), (1, K), (1, K + 1), (2, 2 * K)])
    a, b = place(K), place(J)
    target = VALUES - 1 - (K - 1) * dk - (J - 1) * dj if (K - 1) * dk + (J - 1) * dj > 400 else target
    made = {target + k * dk + j * dj: U[a + k] * U[b + j] for k in range(K) for j in range(J)}
    return [tapes.FLAT_OUTER, K, J, target, dk, dj, a, b], made


@pytest.mark.parametrize("kind", ["map", "pair", "products", "loss", "softmax", "layer", "nary", "dot",
                                  "gather", "gemv", "outer"])  # fmt: skip
@pytest.mark.parametrize("instruction_set", SETS)
def test_flat(kind, instruction_set):
    """One sample: the instruction makes its values, and no other value changes; what follows it is done too."""
    rng = random.Random(kind)
    for _ in range({"pair": 400, "loss": 400, "softmax": 400, "nary": 40, "dot": 40, "gather": 40}.get(kind, 150)):
        U = rng.choices(WHOLE, k=LEAVES)
        words, made = flat_case(rng, kind, U)
        if max(made, default=0) >= VALUES - 1:
            continue
        last = rng.randrange(LEAVES)
        code = [*words, tapes.FLAT_MAP, OPS["neg"], 1, VALUES - 1, *[last, 0] * 3]
        layout = tape.Layout(VALUES, PARAMETERS, CONSTANTS, INPUTS, 0, VALUES, 0, 0, SETS.index(instruction_set), 1, 0)
        x = [0.5, *U[PARAMETERS + CONSTANTS :], 0.5]  # a row of more numbers than there are inputs
        found = run(layout, code, [], U[:PARAMETERS], U[PARAMETERS : PARAMETERS + CONSTANTS], x[1:], len(x), 1)
        expected = [*U, *[0.0] * (VALUES - LEAVES)]
        for k, value in made.items():
            expected[k] = value
        expected[-1] = -U[last]
        lost = 1e-12 if kind == "softmax" else 1e-300  # where shares are taken from each other
        assert all(close(a, b, 1e-12, lost) for a, b in zip(found, expected)), words


def run(layout, flat, lanes, parameters, constants, rows, width, samples, out=False):
    """The results of a tape: sums, or those of each sample."""
    made = tape.Tape(layout, array("i", flat), array("i", lanes), array("i"), array("d", constants))
    results = array("d", bytes(8 * layout.n_results * (samples if out else 1)))
    call = LIBRARY.c.tape_rows if out else LIBRARY.c.tape_run
    for sign in (-1, 1):  # the second run begins from nothing, as the first did: what that left is of other numbers
        numbers, data = array("d", [sign * x for x in rows]), array("d", [sign * x for x in parameters])
        ctypes.memmove(made.parameters, tape.address(data), 8 * len(data))
        call(made.pointer, tape.address(numbers), width, samples, tape.address(results))
    return results.tolist()


ROWS = 12  # inputs of the tapes of lanes: each a row of samples
UNREACHED = -0.0


def lanes_case(rng, kind, U, L):
    """(words, {row: the samples that it holds after them}, {number of a result: its sum over the samples})."""
    n = len(L[0])
    row, either = lambda: rng.randrange(ROWS), lambda: rng.randrange(-len(U), ROWS)
    held = lambda x: L[x] if x >= 0 else [U[~x]] * n  # noqa: E731
    count = rng.choice([1, 2, 3])
    if kind in ("map", "cheap"):
        name = rng.choice([x for x in ELEMENTWISE if kind == "map" or x in schedule.CHEAP])
        words, made = [schedule.LANES_MAP if kind == "map" else schedule.LANES_CHEAP, OPS[name], count], {}
        for k in range(count):
            operands = [either() if kind == "map" else row() for _ in range(ARITY[name])]
            words += ROWS + k, *operands
            made[ROWS + k] = [ELEMENTWISE[name](*values) for values in zip(*map(held, operands))]
        return words, made, {}
    if kind == "pair":
        name, made, words = rng.choice([*schedule.PAIRS]), {}, []
        for k in range(count):
            a = row()
            words += ROWS + k, ROWS + 9 + k, a
            made[ROWS + k], made[ROWS + 9 + k] = [[SMOOTH[f](x) for x in L[a]] for f in (name, name + "_slope")]
        return [schedule.LANES_PAIR, schedule.PAIRS[name], count, *words], made, {}
    m = rng.choice(SIZES)
    if kind == "nary":
        name, operands = rng.choice([*MANY]), [either() for _ in range(m)]
        made = {ROWS: [MANY[name](values) for values in zip(*map(held, operands))]}
        return [schedule.LANES_NARY, NARY[name], m, ROWS, *operands], made, {}
    if kind == "dot":
        m, biased, bias = rng.choice([0, *SIZES]), rng.randrange(2), either()
        weights, others = [either() for _ in range(m)], [either() for _ in range(m)]
        made = [float(b * biased) for b in held(bias)]
        for a, b in zip(weights, others):
            made = [s + x * y for s, x, y in zip(made, held(a), held(b))]
        return [schedule.LANES_DOT, m, ROWS, biased, bias, *weights, *others], {ROWS: made}, {}
    if kind == "gemm":
        J, K = rng.choice([*SIZES, 47, 48, 49, 97]), rng.choice([1, 2, 3, 8])
        so, si = rng.choice([(1, J), (K, 1), (2, 1), (0, 3)])
        first = rng.randrange(len(U) - (J - 1) * so - (K - 1) * si)
        ins, biases = [row() for _ in range(K)], [rng.choice([-1, rng.randrange(len(U))]) for _ in range(J)]
        made = {}
        for j, bias in enumerate(biases):
            s = [0.0 if bias < 0 else U[bias]] * n
            for k, a in enumerate(ins):
                s = [x + U[first + j * so + k * si] * y for x, y in zip(s, L[a])]
            made[ROWS + j] = s
        return [schedule.LANES_GEMM, J, K, first, so, si, *ins, *made, *biases], made, {}
    if kind == "outer":
        K, J = rng.choice(SIZES), rng.choice(SIZES)
        K *= rng.choice([1, 1, 1, 4])
        a, d = [row() for _ in range(K)], [row() for _ in range(J)]
        way = rng.choice(["by input", "by output", "apart", "places"])
        sk, sj = {"by input": (J, 1), "by output": (1, K), "apart": (1, K + 2), "places": (0, 0)}[way]
        places = list(range(3, 3 + K * J))
        rng.shuffle(places)
        where = [places[k * J + j] if way == "places" else 3 + k * sk + j * sj for k in range(K) for j in range(J)]
        sums = dict(zip(where, [dot_of(L[x], L[y]) for x in a for y in d]))
        words = [schedule.LANES_OUTER, K, J, -1 if way == "places" else 3, sk, sj, *a, *d]
        return words + (places if way == "places" else []), {}, sums
    if kind == "sum":
        pairs = [(row(), r) for r in range(1, 1 + m)]
        return [schedule.LANES_SUM, m, *sum(pairs, ())], {}, {r: sum(L[i]) for i, r in pairs}
    assert kind == "terms"
    choice, words, made, slopes = rng.choice([*schedule.CHOICES]), [], {}, {}
    marked = rng.randrange(2)
    for k in range(3):
        x, y, i = either(), either(), rng.randrange(8)
        byte = 8 * (ROWS + k) + i
        words += ROWS + 3 + k, byte, x, y
        first, second = (held(y), held(x)) if choice == "minimum" else (held(x), held(y))
        slopes[byte] = [0.5 if p == q else float(p > q) for p, q in zip(first, second)]
        if choice != "maximum_slope":
            made[ROWS + 3 + k] = [ELEMENTWISE[choice](p, q) for p, q in zip(held(x), held(y))]
    words = [schedule.LANES_CHOICE, schedule.CHOICES[choice], 3, *words]
    products, choices, as_bytes = rng.choice([0, 1, 2, 3, 5]), rng.choice([0, 0, 1, 2]), rng.choice([0, 1, 2, 3])
    if not marked:
        choices = as_bytes = 0
    words += schedule.LANES_TERMS, count, marked, products, choices, as_bytes
    for k in range(count):
        target = ROWS + 6 + k
        words.append(target)
        s = [UNREACHED] * n
        for i in range(products + choices + as_bytes):
            g, x, turned = row(), row(), rng.randrange(2)
            if i < products:
                factor = [-v if turned else v for v in L[x]]
            elif i < products + choices:
                factor, turned = L[x], 0
            else:
                x = rng.choice([*slopes])
                factor = [1 - v if turned else v for v in slopes[x]]
            words += g, ~x if turned else x
            for j, (a, f) in enumerate(zip(L[g], factor)):
                reached = math.copysign(1, a) > 0 or a != 0
                if not marked or (reached and (i < products or f != 0)):
                    s[j] += a * f + (0.0 if marked else -0.0)  # reached, it is never -0.0
        made[target] = s
    return words, made, {}


@pytest.mark.parametrize("kind", ["map", "cheap", "pair", "nary", "dot", "gemm", "outer", "sum", "terms"])
@pytest.mark.parametrize("instruction_set", SETS)
def test_lanes(kind, instruction_set):
    """Samples in blocks of any size: each row holds what the instruction says for each sample, and each sum is that
    over all samples, on any number of threads; results that are not named stay 0. Where a result is not finite, marks
    are kept, and the signs of zeros with them.
    """
    rng = random.Random(kind)
    for _ in range({"outer": 60, "gemm": 40, "terms": 300}.get(kind, 30)):
        samples, block = rng.choice([1, 2, 5, 8, 9, 12, 16, 23, 31, 40, 66, 100]), rng.choice([8, 16, 24, 32, 64, 208])
        U = rng.choices(WHOLE, k=1000)
        L = [[rng.choice([UNREACHED, *map(float, range(-9, 10))]) for _ in range(samples)] for _ in range(ROWS)]
        words, made, sums = lanes_case(rng, kind, U, L)
        infinite = kind == "terms" and rng.randrange(2)
        if infinite:
            words += schedule.LANES_MAP, OPS["reciprocal"], 1, ROWS + 99, ~U.index(0.0)
            made[ROWS + 99] = [math.inf] * samples
        results = max([*sums, *made], default=0) + 2
        layout = [
            len(U),
            len(U),
            0,
            ROWS,
            ROWS + 100,
            results,
            0,
            0,
            SETS.index(instruction_set),
            rng.choice([1, 1, 2, 3]),
            block,
        ]
        x = [value for column in zip(*L) for value in (*column, 0.5)]
        out = [schedule.LANES_OUT, len(made), *sum([(r, r) for r in made], ())]
        if made:
            found = run(tape.Layout(*layout), [], words + out, U, [], x, ROWS + 1, samples, out=True)
            for r, expected in made.items():
                values = found[r * samples : (r + 1) * samples]
                assert all(map(close, values, expected)), words
                if infinite:
                    assert [math.copysign(1, v) for v in values] == [math.copysign(1, v) for v in expected], words
        summing = [schedule.LANES_SUM, len(made), *sum([(r, r) for r in made], ())]
        found = run(tape.Layout(*layout), [], words + summing, U, [], x, ROWS + 1, samples)
        expected = [0.0] * results
        for r, value in (sums | {r: sum(values) for r, values in made.items()}).items():
            expected[r] = value
        assert all(map(close, found, expected)), words
