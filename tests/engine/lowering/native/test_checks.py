"""The checks of a tape: each word may be what lies inside its array, up to the last place, and nothing beyond."""

from __future__ import annotations

from array import array

import pytest

from engine.lowering import native

if not native.available()[0]:
    pytest.skip("the compiled interpreter is not built", allow_module_level=True)

from engine.lowering.native import schedule, tape, tapes
from engine.lowering.native.library import loaded_library

N, R, RESULTS = 20, 12, 9  # values, rows of lanes, results
FIRST = 7  # of a flat tape: after 3 parameters, 2 constants and 2 inputs
FLAT = {
    "n_values": N,
    "n_parameters": 3,
    "n_constants": 2,
    "n_inputs": 2,
    "n_results": 1,
    "results": N - 1,
    "threads": 1,
}
LANES = {**FLAT, "n_rows": R, "n_results": RESULTS, "results": 0}
OPS = loaded_library().operations
NARY = loaded_library().nary


def accepted(layout, flat=(), code=(), uniform=()):
    """Whether the library takes the tape."""
    sizes = {**layout, "n_uniform": layout.get("n_uniform", len(uniform) // 2)}
    try:
        tape.Tape(tape.Layout(**sizes), array("i", flat), array("i", code), array("i", uniform), array("d", [1.0, 2.0]))
    except ValueError:
        return False
    return True


def span(low, high):
    """Of the words from low to high: the ends are taken, and what lies beyond is not."""
    return [low, high], [low - 1, high + 1]


# name: the words of a valid instruction; and for the place of a word, what may stand there and what may not.
FLAT_CASES = {
    "map": ([tapes.FLAT_MAP, OPS["add"], 3, FIRST, 0, 1, 4, 0, 0, 0],
            {1: span(0, len(OPS) - 1), 2: span(1, N - FIRST), 3: span(FIRST, N - 3), 4: span(0, N - 3), 5: span(0, 1),
             6: span(0, N - 1), 7: span(0, 1), 8: span(0, N - 1), 9: span(0, 1)}),
    "nary": ([tapes.FLAT_NARY, NARY["sum"], 2, FIRST, 0, 1],
             {1: span(0, len(NARY) - 1), 2: ([2], [1, 3, -1]), 3: span(FIRST, N - 1), 4: span(0, N - 1),
              5: span(0, N - 1)}),
    "empty sum": ([tapes.FLAT_NARY, NARY["sum"], 0, FIRST], {1: ([NARY["sum"]], [NARY["mean"]])}),
    "dot": ([tapes.FLAT_DOT, 2, FIRST, 1, 0, 1, 2, 3],
            {1: ([2], [1, 3, -1]), 2: span(FIRST, N - 1), 3: span(-1, N - 1),
             **dict.fromkeys(range(4, 8), span(0, N - 1))}),
    "empty dot": ([tapes.FLAT_DOT, 0, FIRST, -1], {}),
    "gemv": ([tapes.FLAT_GEMV, 2, 3, FIRST, 0, 0, 3, 1, -1],
             {1: span(1, 6), 2: span(1, 17), 3: span(FIRST, N - 2), 4: span(0, N - 3), 5: span(0, 14), 6: span(0, 17),
              7: span(0, 8), 8: span(-1, N - 2)}),
    "outer": ([tapes.FLAT_OUTER, 2, 3, FIRST, 3, 1, 0, 2],
              {1: span(1, 4), 2: span(1, 10), 3: span(FIRST, 14), 4: span(0, 10), 5: span(0, 4), 6: span(0, N - 2),
               7: span(0, N - 3)}),
    "gather": ([tapes.FLAT_GATHER, 2, FIRST, 0, 1],
               {1: ([2], [1, 3, -1]), 2: span(FIRST, N - 2), 3: span(0, N - 1), 4: span(0, N - 1)}),
    "empty gather": ([tapes.FLAT_GATHER, 0, FIRST], {}),
}  # fmt: skip
ANY = span(-N, R - 1)  # a row of lanes, or a value that is the same for all samples
ROW, MADE, RESULT = span(0, R - 1), span(2, R - 1), span(0, RESULTS - 1)
LANES_CASES = {
    "map": ([schedule.LANES_MAP, OPS["add"], 2, 2, -N, 0, 3, 1, 1],
            {1: ([OPS["sub"]], [-1, len(OPS), OPS["exp"]]), 2: ([2], [0, 1, 3]), 3: MADE, 4: ANY, 5: ANY, 6: MADE,
             7: ANY, 8: ANY}),
    "nary": ([schedule.LANES_NARY, NARY["sum"], 2, 2, 0, 1],
             {1: span(0, len(NARY) - 1), 2: ([2], [1, 3, -1]), 3: MADE, 4: ANY, 5: ANY}),
    "empty sum": ([schedule.LANES_NARY, NARY["sum"], 0, 2], {1: ([NARY["sum"]], [NARY["mean"]])}),
    "dot": ([schedule.LANES_DOT, 2, 2, 0, 1, -1, -2, 0, 1],
            {1: ([2], [1, 3, -1]), 2: MADE, 4: ANY, **dict.fromkeys(range(5, 9), ANY)}),
    "empty dot": ([schedule.LANES_DOT, 0, 2, 0, 1], {}),
    "gemm": ([schedule.LANES_GEMM, 2, 3, 0, 3, 1, 0, 1, 2, 2, 3, -1, 0],
             {1: ([2], [0, 1, 3]), 2: ([3], [0, 2, 4]), 3: span(0, 14), 4: span(0, 17), 5: span(0, 8), 6: ROW, 7: ROW,
              8: ROW, 9: MADE, 10: MADE, 11: span(-1, N - 1), 12: span(-1, N - 1)}),
    "outer": ([schedule.LANES_OUTER, 2, 3, 0, 3, 1, 0, 1, 2, 3, 4],
              {1: ([2], [0, 1, 3]), 2: ([3], [0, 2, 4]), 3: ([0, 3], [4]), 4: span(0, 6), 5: span(0, 2),
               **dict.fromkeys(range(6, 11), ROW)}),
    "outer with places": ([schedule.LANES_OUTER, 1, 2, -1, 0, 0, 0, 1, 2, 3, 4],
                          {3: ([-1], [0]), 6: ROW, 7: ROW, 8: ROW, 9: RESULT, 10: RESULT}),
    "pair": ([schedule.LANES_PAIR, 0, 1, 2, 3, 0], {1: span(0, 1), 2: ([1], [0, 2]), 3: MADE, 4: MADE, 5: ROW}),
    "cheap": ([schedule.LANES_CHEAP, OPS["add"], 2, 2, 0, 1, 3, 1, 0],
              {1: ([OPS["sub"]], [-1, len(OPS)]), 2: ([2], [0, 1, 3]), 3: MADE, 4: ROW, 5: ROW, 6: MADE,
               7: ROW, 8: ROW}),
    "choice": ([schedule.LANES_CHOICE, 0, 1, 2, 24, 0, -1],
               {1: span(0, 2), 2: ([1], [0, 2]), 3: MADE, 4: span(8 * 2, 8 * R - 1), 5: ANY, 6: ANY}),
    "terms": ([schedule.LANES_TERMS, 1, 1, 2, 1, 2, 2, 0, 1, 1, ~0, 0, 3, 1, 24, 0, ~25],
              {1: ([1], [0, 2]), 3: ([2], [-1, 1, 3]), 4: ([1], [-1, 0, 2]), 5: ([2], [-1, 1, 3]), 6: MADE, 7: ROW,
               8: span(-R, R - 1), 9: ROW, 10: span(-R, R - 1), 11: ROW, 12: ROW, 13: ROW,
               14: ([8 * 2, 8 * R - 1, -8 * R, -8 * 2 - 1], [8 * 2 - 1, 8 * R, -8 * R - 1, -8 * 2]), 15: ROW}),
    "sum": ([schedule.LANES_SUM, 2, 0, 0, 1, 1], {1: ([2], [-1, 1, 3]), 2: ROW, 3: RESULT, 4: ROW, 5: RESULT}),
    "out": ([schedule.LANES_OUT, 1, 0, 0], {1: ([1], [-1, 0, 2]), 2: ROW, 3: RESULT}),
    "empty out": ([schedule.LANES_OUT, 0], {}),
}  # fmt: skip


def changed(words, place, word):
    return [*words[:place], word, *words[place + 1 :]]


@pytest.mark.parametrize(
    ("layout", "where", "words", "places"),
    [pytest.param(FLAT, "flat", *case, id=f"flat {name}") for name, case in FLAT_CASES.items()]
    + [pytest.param(LANES, "code", *case, id=f"lanes {name}") for name, case in LANES_CASES.items()],
)
def test_each_word_of_an_instruction(layout, where, words, places):
    """Up to the last place of its array a word is taken, one further it is refused; so is a part of an instruction."""
    assert accepted(layout, **{where: words})
    assert accepted(layout, **{where: words + words})
    for place, (good, bad) in places.items():
        for word in good:
            assert accepted(layout, **{where: changed(words, place, word)}), (place, word)
        extremes = [2**31 - 1] if words[place] == -1 == good[0] and len(good) == 1 else [2**31 - 1, -(2**31)]
        for word in bad + extremes:
            assert not accepted(layout, **{where: changed(words, place, word)}), (place, word)
    for k in range(1, len(words)):
        assert not accepted(layout, **{where: words[:k]})
        assert not accepted(layout, **{where: [*words, *words[:k]]})
    assert not accepted(layout, **{where: [99, *words[1:]]})
    assert not accepted(layout, **{where: [-1, *words[1:]]})


@pytest.mark.parametrize(
    ("layout", "field", "good", "bad"),
    [
        (FLAT, "n_parameters", [0, 16], [-1, 17]), (FLAT, "n_inputs", [0, 15], [-1, 16]),
        (FLAT, "n_constants", [0], [-1]),
        (FLAT, "n_values", [20], [6, 19]), (FLAT, "n_results", [0, 1], [-1, 2]), (FLAT, "results", [0, 19], [-1, 20]),
        (FLAT, "threads", [1, 2], [0, 65]), (FLAT, "block", [0, 64], [-1, 2**20 + 1]),
        (FLAT, "set", [0], [-1, 8, 99]), (FLAT, "n_rows", [0], [-1]),
        (LANES, "n_rows", [2, 12], [1, -1]), (LANES, "n_inputs", [0, 12], [-1, 13]),
        (LANES, "n_parameters", [0, 18], [-1, 19]), (LANES, "n_results", [0, 9], [-1]), (LANES, "n_uniform", [0], [-1]),
    ],
)  # fmt: skip
def test_each_size(layout, field, good, bad):
    """The sizes fit each other: the leaves into the values, the results into them, the inputs into the rows."""
    for size in good:
        assert accepted({**layout, field: size}), size
    for size in bad:
        assert not accepted({**layout, field: size}), size


def test_results_that_are_the_same_for_all_samples():
    """Pairs of a result and a value, each inside its array."""
    assert accepted(LANES, uniform=[0, 0, RESULTS - 1, N - 1])
    for pair in ([RESULTS, 0], [-1, 0], [0, N], [0, -1]):
        assert not accepted(LANES, uniform=pair)
        assert not accepted(LANES, uniform=[0, 0, *pair])


def test_a_flat_tape_has_no_lanes():
    """A tape without rows takes no instruction on lanes."""
    assert not accepted(FLAT, code=[schedule.LANES_OUT, 0])


@pytest.mark.parametrize(
    ("cores", "work", "threads"), [(1, 1e12, 1), (2, 1e12, 2), (3, 1e12, 2), (64, 1e12, 64), (64, 1e3, 1), (64, 1e6, 2)]
)
def test_as_many_threads_as_pay(cores, work, threads, monkeypatch):
    """A large step has as many threads as the machine has cores, to the next power of two; one where sharing it out
    costs as much as a second thread saves has one.
    """
    monkeypatch.delenv("ENGINE_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(99 if pid else cores)), raising=False)
    monkeypatch.setattr(native.library, "_seconds_of_work", lambda: 0.05e-9)  # a step of 1e6: 150 microseconds
    monkeypatch.setattr(native.library, "_seconds_of_threads", lambda n: n * 8e-6)
    assert native.library.choose_threads(work) == threads


def test_threads_and_work_are_measured():
    """What the number of threads is chosen by is measured, in seconds that can be: a multiply-add is nanoseconds,
    and sharing out takes longer than that.
    """
    assert 0 < native.library._seconds_of_work() < 1e-7 < native.library._seconds_of_threads(2) < 1.0
