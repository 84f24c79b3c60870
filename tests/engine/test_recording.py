"""Numbers taken out of a graph while it is recorded are noticed, wherever and however that happens."""

from __future__ import annotations

import math
import threading

import pytest

import engine
from engine import Value, grad, where
from engine.recording import recording

WAYS = {
    "data": lambda v: v.data,
    "float": float,
    "int": int,
    "bool": lambda v: 1 if v else 0,
    "not": lambda v: not v,
    "round": round,
    "comparison": lambda v: v <= 1,
    "reflected": lambda v: v >= 1,
    "between": lambda v: Value(1.0) > v,
    "max": lambda v: max(v, 0.5),
    "sorted": lambda v: sorted([v, v * 2]),
    "math.exp": math.exp,
    "format of data": lambda v: f"{v.data}",
    "detach": lambda v: v.detach(),
    "grad": lambda v: grad(v * v, v),
    "backward": lambda v: (v * v).backward(),
    "jvp": lambda v: engine.jvp([v * v], [v], [1.0]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", [lambda: Value(0.7), lambda: Value(0.7) * 2, lambda: engine.dot([Value(1.0)], [0.5])])
def test_every_way_is_noticed(way, make):
    """A leaf's number and a computed one: the place is the line that took it."""
    v = make()
    with recording() as record:
        WAYS[way](v)
    assert record.taken
    assert record.taken[0].file == __file__
    assert record.taken[0].text in ("WAYS[way](v)", f'"{way}": {record.taken[0].text.partition(": ")[2]}')


def test_arithmetic_takes_nothing():
    """Operations, comparisons in the graph, constants, printing and gradients as graphs do not read numbers."""
    x, w = Value(0.5, label="x"), Value(2.0)
    with recording() as record:
        y = where(engine.gt(x, 0), engine.dot([w, x], [x, 1.0], 2).tanh(), engine.mean([x, w]) ** 2) / 3
        y = y + grad(y, [w], create_graph=True)[0] + engine.clip(x, 0, 1) + abs(-x) + 2**w
        assert repr(y)
        assert f"{y}"
        assert engine.operands.constant(3.0).data == 3.0
        assert y is not x
        assert len({x, y}) == 2
    assert not record.taken
    assert y.data == y.data


def test_afterwards_all_is_as_before():
    """Recordings nest, end with an exception too, and leave the slot behind; other threads are not watched."""
    slot = vars(Value)["data"]
    x = Value(1.0)

    def interrupted():
        with outer:
            with inner:
                assert x.data == 1.0
                other = threading.Thread(target=lambda: x.data)
                other.start()
                other.join()
                x.data = 3.0
            assert x.data == 3.0
            raise KeyError

    outer, inner = recording(), recording()
    with pytest.raises(KeyError):
        interrupted()
    assert (len(inner.taken), len(outer.taken)) == (1, 2)
    assert vars(Value)["data"] is slot
    assert x.data == 3.0
    assert "x.data == 1.0" in str(inner.taken[0])
    assert str(inner.taken[0]).startswith("line ")
