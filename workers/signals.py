"""What the signals of people mean to a worker.

A handler only notes its signal; the loop is woken by the wake-up descriptor and obeys.
Those that must reach into a running request (INT, QUIT, ABRT, and the kernel's notice that the
arbiter is gone) act at once. So does USR2, which writes the stacks of all threads, tasks and greenlets to stderr.
`STACKS` writes those of the threads to the error log in C code, for a worker in which no Python code gets a turn any
more.
"""

import faulthandler
import signal
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages, orphan, unpatched
from heeler.workers.drain import PATIENCE_S
from heeler.workers.scoreboard import BEAT_AT
from heeler.workers.sources import SignalSource
from heeler.workers.stacks import all_stacks

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
        signal.siginterrupt(signal.SIGUSR1, False)
        # This one interrupts system calls: it is sent to see in which of them a worker waits. Python goes on with it.
        signal.signal(signal.SIGUSR2, self._show_stacks)
        faulthandler.register(STACKS, file=self._worker.boot.logs.descriptor, all_threads=True)

    def spare_calls(self) -> None:
        """Have TERM interrupt no system call any more: in its boot a worker ends in the midst of one."""
        signal.siginterrupt(signal.SIGTERM, False)

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

    def _abort(self, _number: int, frame: types.FrameType | None) -> None:
        if self._is_overdue():
            self._worker.see_off(frame)
        self._worker.call_hook("worker_abort", self._worker)
        self._worker.quit(ExitStatus.INTERNAL)

    def _is_overdue(self) -> bool:
        """Whether it is the arbiter that sends ABRT, for want of a heartbeat; others may send it too."""
        timeout_s, beat_ns = self._worker.config.timeout, self._worker.words[BEAT_AT]
        return bool(timeout_s and beat_ns) and time.monotonic_ns() - beat_ns > timeout_s * 1e9

    def _show_stacks(self, _number: int, frame: types.FrameType | None) -> None:
        """Write all stacks, the main thread's as it was interrupted, in faulthandler's form."""
        unpatched.write(2, (all_stacks(frame) + "\n").encode(errors="backslashreplace"))

    def _orphaned(self, _number: int, _frame: types.FrameType | None) -> None:
        self._worker.orphaned()
