"""What the signals of people mean to a worker.

A handler only notes its signal; the loop is woken by the wake-up descriptor and obeys.
Those that must reach into a running request (INT, QUIT, ABRT, and the kernel's notice that the
arbiter is gone) act at once. So does USR2, which writes the stack of every thread to stderr.
`STACKS` does the same in C code, for a worker in which no Python code gets a turn any more.
"""

import faulthandler
import signal
import sys
import threading
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages, orphan, unpatched
from heeler.workers.drain import PATIENCE_S
from heeler.workers.sources import SignalSource

if TYPE_CHECKING:
    from heeler.workers.base import Worker

IGNORED: Final = (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGWINCH, signal.SIGPIPE)
"""Meant for the arbiter: `pkill -HUP heeler` must not end a worker."""


STACKS: Final = signal.SIGURG
"""What the arbiter sends before ABRT to a worker that is stuck; who does not know it ignores it.

The C code looks at threads while they run, and may crash on what changes under its eyes: so it is not for
a worker that goes on afterwards.
"""


class WorkerSignals:
    """The signal table of a worker.

    Args:
        worker: whom the signals are for.
    """

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._source: SignalSource
        self._pending: list[int] = []
        self._is_quitting = False

    def install(self) -> None:
        """Set every handler. Process: the worker, right after the fork."""
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._note)
        signal.signal(signal.SIGUSR1, self._note)
        signal.signal(signal.SIGINT, self._quit)
        signal.signal(signal.SIGQUIT, self._quit)
        signal.signal(signal.SIGABRT, self._abort)
        if orphan.NOTICE is not None:
            signal.signal(orphan.NOTICE, self._orphaned)
        for number in (signal.SIGTERM, signal.SIGUSR1):
            signal.siginterrupt(number, False)
        signal.signal(signal.SIGUSR2, self._show_stacks)
        signal.siginterrupt(signal.SIGUSR2, False)
        faulthandler.register(STACKS, file=2, all_threads=True)

    @property
    def handlers(self) -> tuple[Callable[..., object], ...]:
        """What was set: a process that the application forks must not act on them."""
        return (self._note, self._quit, self._abort, self._orphaned, self._show_stacks)

    def wake(self, source: SignalSource) -> None:
        """Have the kernel's wake-up byte written to `source`."""
        self._source = source
        signal.set_wakeup_fd(source.writer, warn_on_full_buffer=False)

    def obey(self) -> None:
        """Do what the noted signals ask for."""
        pending, self._pending = self._pending, []
        for number in pending:
            if number == signal.SIGUSR1:
                self._worker.boot.logs.reopen()
            elif number == signal.SIGTERM:
                self._worker.boot.channel.send(messages.Leaving())
                self._worker.stop(float(self._worker.config.graceful_timeout), last=False, patience_s=PATIENCE_S)

    def _note(self, number: int, _frame: types.FrameType | None) -> None:
        self._pending.append(number)
        self._source.wake()  # an event loop may have taken the wake-up descriptor for itself
        if number == signal.SIGTERM and self._worker.is_booting:
            self._worker.quit()  # nothing is in flight, and the import may take long

    def _quit(self, _number: int, _frame: types.FrameType | None) -> None:
        # Ctrl-C reaches the worker twice: by the terminal, and by the arbiter.
        if not self._is_quitting:
            self._is_quitting = True
            self._worker.call_hook("worker_int", self._worker)
            self._worker.quit()

    def _abort(self, _number: int, _frame: types.FrameType | None) -> None:
        self._worker.call_hook("worker_abort", self._worker)
        self._worker.quit(ExitStatus.INTERNAL)

    def _show_stacks(self, _number: int, frame: types.FrameType | None) -> None:
        """Write the stack of every thread, the main one's as it was interrupted, in faulthandler's form."""
        main = threading.main_thread().ident
        for thread, innermost in sys._current_frames().items():  # noqa: SLF001 - the public way to threads' frames
            name = "Current thread" if thread == main else "Thread"
            lines = [f"{name} {thread:#018x} (most recent call first):"]
            at = frame if thread == main else innermost
            while at is not None:
                lines.append(f'  File "{at.f_code.co_filename}", line {at.f_lineno} in {at.f_code.co_name}')
                at = at.f_back
            unpatched.write(2, ("\n".join(lines) + "\n\n").encode(errors="backslashreplace"))

    def _orphaned(self, _number: int, _frame: types.FrameType | None) -> None:
        self._worker.orphaned()
