"""Ctrl-C between the steps of a training, and never inside one."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any


class Interrupts:
    """A context in which Ctrl-C waits while it is held.

    While a step is written (model, optimiser and history together), the signal is only noted, in ``pending``; it takes
    effect when the step is whole. Once it has taken effect, a second one in quick succession cannot cut off what the
    first has to clean up. Outside the main thread, where Python delivers no signals, nothing is changed.

    Python drops an exception that is raised inside a finalizer, and so a Ctrl-C that comes there: ``check``, which the
    loop calls where it could not be if the exception were on its way, raises it again.
    """

    def __init__(self) -> None:
        self.is_held = self.pending = self._raised = False
        self._previous: Any = None

    def __enter__(self) -> Interrupts:
        import signal  # which takes a millisecond to import, with the enumerations behind it

        previous = signal.getsignal(signal.SIGINT)
        if callable(previous):
            self._previous = previous
            try:
                signal.signal(signal.SIGINT, self._arrived)
            except ValueError:  # not the main thread
                self._previous = None
            except BaseException:  # a Ctrl-C at this very moment: there will be no __exit__
                signal.signal(signal.SIGINT, previous)
                raise
        return self

    def __exit__(self, *exception: object) -> None:
        self.is_held = True
        if self._previous is not None:
            import signal

            signal.signal(signal.SIGINT, self._previous)
            if self.asked and exception[0] is None:
                self._previous(signal.SIGINT, None)

    def _arrived(self, number: int, frame: FrameType | None) -> None:
        leaving = frame is not None and frame.f_code is Interrupts.__exit__.__code__  # and has not come to hold it yet
        if self.is_held or leaving:
            self.pending = True
            return
        self.is_held = self._raised = True  # until what the exception interrupts has been cleaned up
        self._previous(number, frame)
        self.is_held = self._raised = False

    @property
    def asked(self) -> bool:
        """Whether a Ctrl-C has come that did not end the training yet."""
        return self.pending or self._raised

    def check(self) -> None:
        """Raise a Ctrl-C whose exception got lost."""
        if self._raised:
            self.forget()
            self._arrived(2, None)

    def forget(self) -> None:
        """What was raised has been caught on purpose."""
        self.is_held = self._raised = False

    def held(self) -> _Held:
        """A context whose statements are not interrupted; what came meanwhile takes effect at its end."""
        return _Held(self)


class _Held:
    def __init__(self, interrupts: Interrupts) -> None:
        self.interrupts = interrupts

    def __enter__(self) -> None:
        self.interrupts.is_held = True

    def __exit__(self, *exception: object) -> None:
        interrupts = self.interrupts
        if exception[0] is None:
            interrupts.is_held = False
            if interrupts.pending:
                interrupts.pending = False
                interrupts._arrived(2, None)
