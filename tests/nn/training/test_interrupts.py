"""Ctrl-C, once and several times in quick succession: whole steps, and a history that is neither ahead nor behind."""

from __future__ import annotations

import contextlib
import gc
import os
import random
import signal
import sys
import threading
import time

import pytest
from fit_cases import XOR, cloud, data_of

from nn import MLP, SGD, Adam, binary_cross_entropy_with_logits, fit
from nn.training import epoch_order, interrupts
from nn.training.interrupts import Interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX signals")


def press(times, delay, between):
    """Ctrl-C so many times, from another thread, once fit has begun. All have come when that thread has ended."""
    before, pressed = signal.getsignal(signal.SIGINT), threading.get_ident()

    def pressing():
        while signal.getsignal(signal.SIGINT) is before:
            time.sleep(0.001)
        time.sleep(delay)
        for _ in range(times):
            signal.pthread_kill(pressed, signal.SIGINT)
            time.sleep(between)

    thread = threading.Thread(target=pressing)
    thread.start()
    return thread


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_two_in_quick_succession(backend):
    """However close together: the exception carries the history, whose epochs are the steps of the optimiser."""
    rng, inside, python = random.Random(0), [False], signal.getsignal(signal.SIGINT)

    def handler(number, frame):
        if inside[0]:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, handler)
    try:
        for trial in range(20):
            model = MLP(2, [2, 1], seed=1)
            optimizer = SGD(model.parameters(), lr=0.1)
            thread = press(2, rng.uniform(0.0, 0.01), rng.uniform(0.0, 0.0005))
            inside[0] = True
            try:
                try:
                    fit(model, *XOR, optimizer=optimizer, epochs=10**9, backend=backend, progress=False)
                finally:
                    inside[0] = False
            except KeyboardInterrupt as interrupt:
                caught = interrupt
                while not hasattr(caught, "history"):  # the second came between fit and the line after it
                    caught = caught.__context__
            thread.join()
            assert signal.getsignal(signal.SIGINT) is handler
            assert caught.history.stopped == "interrupted"
            assert optimizer.state["step"][0] == caught.history.epochs, trial
            assert gc.isenabled()
    finally:
        signal.signal(signal.SIGINT, python)


def test_while_fit_reads_and_prepares():
    """An interrupt before the first step carries an empty history."""

    def rows():
        yield [0, 1]
        signal.raise_signal(signal.SIGINT)
        yield [1, 0]

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(MLP(2, [1]), rows(), [0, 1])
    assert (caught.value.history.epochs, caught.value.history.stopped) == (0, "interrupted")


def test_a_callback_that_swallows_it():
    """A callback may catch KeyboardInterrupt and go on; the next one works as ever."""
    epochs = []

    def callback(epoch, history):
        epochs.append(epoch)
        if epoch == 1:
            with contextlib.suppress(KeyboardInterrupt):
                signal.raise_signal(signal.SIGINT)
        if epoch == 3:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(MLP(2, [1]), *XOR, epochs=9, callback=callback)
    assert epochs == [0, 1, 2, 3]


def test_a_handler_of_ones_own_is_asked():
    """A program's own handler is called between steps, as Python would call it, and is there again afterwards."""
    called = []
    model = MLP(2, [1])
    optimizer = Adam(model.parameters())

    def handler(number, frame):
        called.append((number, optimizer.state["step"][0]))

    before = signal.signal(signal.SIGINT, handler)
    try:
        thread = press(1, 0.05, 0)
        fit(model, *XOR, optimizer=optimizer, epochs=10**9, callback=lambda e, h: bool(called), backend="eager")
        thread.join()
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert len(called) == 1
    assert called[0][0] == signal.SIGINT


def test_in_another_thread():
    """fit in a thread, where Python delivers no signals, leaves the handler alone."""
    before, histories = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: histories.append(fit(MLP(2, [1]), *XOR, epochs=3)))
    thread.start()
    thread.join()
    assert histories[0].epochs == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_what_came_while_held_takes_effect_at_the_end():
    """A signal inside a held context is raised when it ends, once, and not where an exception ends it."""
    order = []

    def press_while_held(fail):
        with Interrupts() as interrupts, interrupts.held():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            order.append("whole")
            if fail:
                raise LookupError

    with pytest.raises(KeyboardInterrupt):
        press_while_held(fail=False)
    with pytest.raises(LookupError):
        press_while_held(fail=True)
    assert order == ["whole", "whole"]


def test_at_every_moment_of_entering_and_leaving():
    """Wherever Python looks for signals while the context is entered and left, after each call from C and at the start
    of each function, a Ctrl-C takes effect, once, and what it did before is as it was.
    """
    own = signal.getsignal(signal.SIGINT)

    def handler(number, frame):
        raise KeyboardInterrupt

    def pressed_at(moment):
        moments = 0

        def at(frame, event, argument):
            nonlocal moments
            if event in ("call", "c_return") and frame.f_code.co_filename in (interrupts.__file__, signal.__file__):
                moments += 1
                if moments == moment:
                    sys.setprofile(None)
                    signal.getsignal(signal.SIGINT)(signal.SIGINT, frame)

        signal.signal(signal.SIGINT, handler)
        sys.setprofile(at)
        try:
            with Interrupts():
                pass
        except KeyboardInterrupt:
            came = 1
        else:
            came = 0
        finally:
            sys.setprofile(None)
        return moments, came, signal.getsignal(signal.SIGINT)

    try:
        last = pressed_at(None)[0]
        assert last > 10
        assert [pressed_at(k) for k in range(1, last + 1)] == [(k, 1, handler) for k in range(1, last + 1)]
    finally:
        signal.signal(signal.SIGINT, own)


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
@pytest.mark.parametrize("batch_size", [None, 3])
def test_interrupt_leaves_the_model_at_the_end_of_a_whole_step(backend, batch_size):
    """SIGINT at any moment: KeyboardInterrupt with the history, and parameters that a number of whole steps gives."""
    X, y = cloud(7)
    for delay in (0.05, 0.11, 0.17):
        model = MLP(2, [4, 1], seed=1)
        optimizer = Adam(model.parameters(), lr=1e-3)
        thread = press(1, delay, 0.0)
        with pytest.raises(KeyboardInterrupt) as caught:
            fit(model, X, y, optimizer=optimizer, epochs=10**9, batch_size=batch_size, backend=backend)
        thread.join()
        history = caught.value.history
        assert history.stopped == "interrupted"
        assert "whole step" in caught.value.__notes__[0]
        (steps,) = set(optimizer.state["step"])
        whole, rest = divmod(int(steps), 1 if batch_size is None else 3)
        assert history.epochs <= whole  # what was just over may not be in the history yet
        assert backend == "auto" or history.epochs >= whole - 1
        assert data_of(model) == pytest.approx(
            replayed(X, y, whole, rest, batch_size, backend), rel=1e-9 if rest else 0
        )
    assert gc.isenabled()


def replayed(X, y, epochs, rest, batch_size, backend):
    """The parameters after so many whole epochs of the same training, and then ``rest`` steps of the next."""
    model = MLP(2, [4, 1], seed=1)
    optimizer = Adam(model.parameters(), lr=1e-3)
    if epochs:
        fit(model, X, y, optimizer=optimizer, epochs=epochs, batch_size=batch_size, backend=backend)
    if not rest:
        return data_of(model)
    rng = random.Random(0)
    for _ in range(epochs + 1):
        order = epoch_order(len(X), rng)
    for k in range(rest):
        batch = order[k * batch_size : (k + 1) * batch_size]
        optimizer.zero_grad()
        binary_cross_entropy_with_logits([model.logits(X[i]) for i in batch], [y[i] for i in batch]).backward()
        optimizer.step()
    return data_of(model)


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_interrupt_in_the_callback(backend):
    """KeyboardInterrupt raised while the callback runs carries the history with that epoch."""

    def callback(epoch, history):
        if epoch == 2:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt) as caught:
        fit(MLP(2, [1]), *XOR, epochs=10, callback=callback, backend=backend)
    assert caught.value.history.epochs == 3


@pytest.mark.parametrize("backend", ["eager", "source", "auto"])
def test_one_inside_a_finalizer(backend, monkeypatch):
    """Python drops what is raised inside a finalizer: a Ctrl-C that comes there ends the training all the same."""
    dropped = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: dropped.append(what.exc_type))

    class Dropped:
        def __del__(self):
            signal.raise_signal(signal.SIGINT)

    def schedule(epoch):
        if epoch == 3:
            Dropped()
        return 0.1

    model = MLP(2, [2, 1], seed=1)
    with pytest.raises(KeyboardInterrupt) as caught:
        fit(model, *XOR, epochs=50, backend=backend, progress=False, schedule=schedule)
    assert dropped == [KeyboardInterrupt]
    assert len(caught.value.history.loss) == 3
