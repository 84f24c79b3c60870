"""What all tests share: long tests are run where they are asked for, and a browser's Python skips what it cannot do."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading

import pytest

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests that need it are skipped
    pass
else:
    # Time is not measured, and what passed passes again: the examples are the same each time. With
    # --hypothesis-profile=other they are others each time, and those of a seed with --hypothesis-seed=N as well.
    untimed = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("other", **untimed)
    settings.register_profile("same", **untimed, derandomize=True)
    settings.load_profile("same")

_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="run the long tests as well")


def pytest_configure(config):
    config.addinivalue_line("markers", "long: takes minutes; run with --long")
    config.addinivalue_line("markers", "deep: frees a very deep graph, for which the stack of WebAssembly is too small")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in what a shell runs in the background: no Ctrl-C
        signal.signal(signal.SIGINT, signal.default_int_handler)  # would end a training, and tests wait for that


def pytest_collection_finish(session):
    gc.freeze()  # the tests and the libraries they import: the collector would go through them again and again


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "long" in item.keywords and not config.getoption("--long"):
            item.add_marker(pytest.mark.skip(reason="a long test: run with --long"))
        if "deep" in item.keywords and sys.platform == "emscripten":
            item.add_marker(pytest.mark.skip(reason="the stack of WebAssembly is too small"))


@pytest.fixture
def double_precision():
    """JAX with every digit; its own default is single precision."""
    config = pytest.importorskip("jax").config
    before = config.jax_enable_x64
    config.update("jax_enable_x64", True)
    yield
    config.update("jax_enable_x64", before)


@pytest.fixture
def interrupted():
    """``interrupted(work, after, error)``: does the work, which a signal handler interrupts after so many seconds by
    raising the error. True if the work was interrupted, False if it was over by then.

    The work is given a list that is empty until the signal has come. A signal that is on its way when the work is over
    is waited for: a timer that has run out says nothing of when the handler is called. Inside a tracer, whose lock it
    would leave shut, the handler does not raise.
    """

    def interrupted(work, after, error):
        came, over = [], False

        def handler(number, frame):
            came.append(number)
            while frame is not None and not frame.f_code.co_filename.startswith(_ROOT):
                if f"{os.sep}coverage{os.sep}" in frame.f_code.co_filename:
                    return
                frame = frame.f_back
            raise error

        before = signal.signal(signal.SIGALRM, handler)
        try:
            signal.setitimer(signal.ITIMER_REAL, after)
            work(came)
            over = True
            while not came:
                pass
        except error:
            return not over
        finally:
            if not came:  # the work raised something else
                signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return False

    return interrupted


@pytest.fixture(autouse=True)
def _undefined():
    """An operation that a test defines is gone after it: other tests go through the table."""
    from engine import OPS, Value
    from engine.ieee import scalar
    from engine.operations import FUNCTIONS

    yield
    for name in [op.name for op in OPS.values() if op.defined]:
        del OPS[name], FUNCTIONS[name], scalar[name]
        delattr(Value, name)


@pytest.fixture(autouse=sys.platform == "emscripten")
def _one_process(monkeypatch):
    """In WebAssembly there is one process with one thread and no signals: a test that wants more is skipped."""

    def skip(*args, **kwargs):
        pytest.skip("WebAssembly has one process, one thread and no signals")

    monkeypatch.setattr(subprocess.Popen, "__init__", skip)
    monkeypatch.setattr(threading.Thread, "start", skip)
    monkeypatch.setattr("signal.setitimer", skip, raising=False)
    monkeypatch.setattr(os, "fork", skip, raising=False)
