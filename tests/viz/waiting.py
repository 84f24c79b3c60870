"""Waiting for a page, and letting its time pass: shared by the tests of what runs in a browser."""

from __future__ import annotations

from time import monotonic


def eventually(page, condition) -> None:
    """Waits until the condition holds, a function or JavaScript; by looking again and again, as the page forbids the
    browser to wait in it. How long it takes is the machine's affair: the limit only ends what would never happen.
    """
    end = monotonic() + 60
    while not (page.evaluate(condition) if isinstance(condition, str) else condition()):
        assert monotonic() < end, f"it did not happen within a minute: {condition}"
        page.wait_for_timeout(20)


def stop_time(page) -> None:
    """From now on the timers and the frames of this page come when ``let_pass`` says so."""
    page.evaluate("""() => {
        let now = 0, count = 0;
        const waiting = new Map();
        window.setTimeout = (f, delay) => { waiting.set(++count, [now + delay, () => f()]); return count; };
        window.requestAnimationFrame = (f) => { waiting.set(++count, [now + 16, () => f(now)]); return count; };
        window.clearTimeout = window.cancelAnimationFrame = (key) => waiting.delete(key);
        window.letPass = (duration) => {
            for (const end = now + duration; ; ) {
                const [first] = [...waiting].filter(([, [at]]) => at <= end).sort((a, b) => a[1][0] - b[1][0]);
                if (!first) { now = end; return; }
                waiting.delete(first[0]);
                now = first[1][0];
                first[1][1]();
            }
        };
    }""")  # fmt: skip


def let_pass(page, milliseconds: float) -> None:
    """Let time pass in a page whose time was stopped, and do what comes in it."""
    page.evaluate("(duration) => letPass(duration)", milliseconds)
