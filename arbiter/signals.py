"""Signals from people and init systems, as a queue.

A handler only notes its signal; the kernel's wake-up byte ends the arbiter's sleep.
What a signal means is said in `heeler.arbiter.supervisor` alone.
"""

import contextlib
import os
import signal
import types
from collections.abc import Iterator
from typing import Final, Self

from heeler.workers.signals import IGNORED

DRAIN: Final[int | None] = getattr(signal, "SIGPWR", None)
"""What `heeler drain` sends; Linux has it. A worker drains at it, too, which gets it when the arbiter is gone."""

OBEYED: Final = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGWINCH,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGURG,
    signal.SIGCHLD,
    *((DRAIN,) if DRAIN is not None else ()),
)
_LET_PASS: Final = (signal.SIGPIPE,)
"""Their default would end the process."""


class SignalQueue:
    """The signals that came, in their order.

    Resource handling: `close` gives the pipe back and leaves the signals ignored.
    """

    def __init__(self) -> None:
        self._pending: list[int] = []
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    @classmethod
    def install(cls) -> Self:
        """Take over the signals of this process."""
        queue = cls()
        signal.set_wakeup_fd(queue._writer, warn_on_full_buffer=False)
        for number in OBEYED:
            signal.signal(number, queue._note)
        for number in _LET_PASS:
            signal.signal(number, signal.SIG_IGN)
        return queue

    def fileno(self) -> int:
        """Return the descriptor that is readable once a signal has come."""
        return self._reader

    def take(self) -> list[int]:
        """Return the signals that came since the last time, and forget them."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass
        # The byte is written before the handler runs: what comes after this line writes another.
        pending, self._pending = self._pending, []
        return pending

    def close(self) -> None:
        """Ignore all further signals: the server has come to its end. Harmless when done twice."""
        if self._reader == -1:
            return
        signal.set_wakeup_fd(-1)
        for number in OBEYED:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGCHLD else signal.SIG_IGN)
        self.close_descriptors()

    def close_descriptors(self) -> None:
        """Close the pipe and nothing else. Process: a child, whose signals are its own."""
        os.close(self._reader)
        os.close(self._writer)
        self._reader = self._writer = -1

    def _note(self, number: int, _frame: types.FrameType | None) -> None:
        # A reload that has not begun will read what is newest then: another one would read the same.
        if number != signal.SIGHUP or self._pending[-1:] != [number]:
            self._pending.append(number)


@contextlib.contextmanager
def given_back() -> Iterator[None]:
    """Have the signals mean, in the end, what they meant to this process before."""
    before = [(number, signal.getsignal(number)) for number in (*OBEYED, *_LET_PASS)]
    wake_up = signal.set_wakeup_fd(-1)
    signal.set_wakeup_fd(wake_up)
    try:
        yield
    finally:
        signal.set_wakeup_fd(wake_up)
        for number, handler in before:
            if handler is not None:  # else it was not set by Python, and cannot be set by it
                signal.signal(number, handler)


@contextlib.contextmanager
def held_back() -> Iterator[set[int]]:
    """Hold all signals back: between a fork and the child's own handlers none may be delivered."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield {int(number) for number in before}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def reset_in_child(mask: set[int]) -> None:
    """Forget the arbiter's handlers, and let signals in again.

    What a worker will ignore or handle gently is ignored from here on: a reload
    sent to the whole process group must not end a worker that was just forked.

    Process: a child, right after the fork.
    """
    signal.set_wakeup_fd(-1)
    for number in OBEYED:
        signal.signal(number, signal.SIG_DFL)
    for number in (*IGNORED, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda _number, _frame: os._exit(0))  # the default of QUIT would leave a core
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
