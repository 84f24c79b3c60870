"""The cyclic collector, paused around what makes no cycles."""

from __future__ import annotations

import gc

import pytest

from engine import collector_paused


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
