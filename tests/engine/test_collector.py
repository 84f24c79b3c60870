"""The cyclic collector, paused around what makes no cycles."""

from __future__ import annotations

import gc

import pytest

from engine import Value, collector_paused, lower


@pytest.mark.parametrize("before", [True, False])
def test_the_collector_is_left_as_it_was(before):
    """Inside it is off; after a normal end, an exception, and nested use it is as before."""
    was = gc.isenabled()
    try:
        (gc.enable if before else gc.disable)()
        with collector_paused():
            with collector_paused():
                assert not gc.isenabled()
            assert not gc.isenabled()
        assert gc.isenabled() is before
        with pytest.raises(KeyboardInterrupt), collector_paused():
            raise KeyboardInterrupt
        assert gc.isenabled() is before
    finally:
        (gc.enable if was else gc.disable)()


def test_a_lowered_graph_is_not_gone_through():
    """Of the hundred thousand tuples of a large program none is left to the next collection of what is young."""
    w = y = Value(0.5)
    gc.unfreeze()  # what conftest.py has frozen: the collector is left alone where a program does that
    gc.collect(0)  # what was young before is old then, and not counted
    try:
        with collector_paused():
            for k in range(60_000):
                y = y * w if k % 2 else y.sin()
            kernel = lower(y, [], [w], backend="source")
            assert len(kernel.program) > 100_000
            assert len(gc.get_objects(generation=0)) < 1_000
    finally:
        gc.freeze()


def test_a_signal_leaves_the_collector_as_it_was(interrupted):
    """A signal handler that raises at any moment of entering, staying and leaving never leaves the collector off."""

    class Alarm(Exception):
        pass

    def entering_and_leaving(came):
        while not came:
            with collector_paused():
                with collector_paused():
                    pass
                assert not gc.isenabled()

    hits = 0
    try:
        for k in range(2000):
            hits += interrupted(entering_and_leaving, 2e-6 + (k % 100) * 4e-7, Alarm)
            assert gc.isenabled()
    finally:
        gc.enable()
    assert hits > 30
