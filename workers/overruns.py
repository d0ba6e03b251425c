"""What becomes known of requests that take too long: the error log, the scoreboard, the operator's hook.

Decides what is said of them, how often all stacks are written, and where the hook runs. Must not
know how a request is interrupted, or answered.
"""

import _thread  # by its name: a worker class may patch it, and a thread is a greenlet then
import logging
import math
import time
import types
from typing import TYPE_CHECKING, Any, Final

from heeler.workers.http.request import Request
from heeler.workers.logs import event
from heeler.workers.scoreboard import OVERRUNS
from heeler.workers.stacks import all_stacks

if TYPE_CHECKING:
    from heeler.workers.base import Worker

OBEY_S: Final = 5.0
"""How long an application may still take once it was told that its request took too long."""

STACKS_EVERY_S: Final = 10.0
"""How often all stacks are written at most: a slow database lets many requests overrun within a moment."""

HOOKS_AT_MOST: Final = 8
"""How many calls of the hook may run at once; others are left out, and the log says so."""


class Overruns:
    """Tells of the requests of one worker that take too long.

    Args:
        worker: whose requests they are.

    Process: the worker, one thread at a time; in a signal handler too.
    """

    __slots__ = ("_calls", "_is_wanted", "_log", "_stacks", "_stacks_at", "_worker")

    def __init__(self, worker: "Worker") -> None:
        self._worker = worker
        self._log = worker.boot.logs.error
        self._is_wanted = worker.config.on_request_timeout is not None
        self._stacks = ""
        self._stacks_at = -math.inf
        self._calls: list[None] = []
        """One for each call of the hook that has not ended."""

    def stacks(self, here: types.FrameType | None = None) -> str:
        """Return all stacks as they are now, for `begin`; empty where they were written a moment ago.

        Args:
            here: as of `all_stacks`.
        """
        now = time.monotonic()
        if now - self._stacks_at < STACKS_EVERY_S:
            return ""
        self._stacks_at = now
        self._stacks = all_stacks(here)
        return self._stacks

    def begin(self, request: Request, started_ns: int, stacks: str) -> None:
        """A request has taken longer than `request_timeout`, and is about to be interrupted.

        Args:
            request: which.
            started_ns: since when it runs, CLOCK_MONOTONIC.
            stacks: what all did meanwhile.
        """
        worker = self._worker
        worker.words[OVERRUNS] += 1
        event(self._log, logging.ERROR, "request overran", block=stacks, **_told(request, started_ns))
        if not self._is_wanted:
            return
        reason = self._start_hook(request) if len(self._calls) < HOOKS_AT_MOST else f"{HOOKS_AT_MOST} calls still run"
        if reason:
            hook = "on_request_timeout"
            event(worker.log, logging.WARNING, "hook left out", hook=hook, slot=worker.slot, reason=reason)

    def stuck(self, request: Request, started_ns: int, stack: str) -> None:
        """It was interrupted, and goes on; somebody else is about to answer it."""
        event(self._log, logging.ERROR, "request stuck", block=stack, **_told(request, started_ns))

    def ended(self, request: Request, started_ns: int, *, is_counted: bool) -> None:
        """It is answered because the worker ends, whose heartbeat has stopped for `timeout`.

        Args:
            request: which.
            started_ns: since when it runs, CLOCK_MONOTONIC.
            is_counted: whether it has taken longer than `request_timeout` before that.
        """
        self._worker.words[OVERRUNS] += not is_counted
        event(self._log, logging.ERROR, "request timed out", **_told(request, started_ns))

    def _start_hook(self, request: Request) -> str:
        """Have the hook called; return why it cannot be."""
        self._calls.append(None)
        try:
            _thread.start_new_thread(self._call_hook, (request, self._stacks))
        except RuntimeError as error:  # threads that hang may be all there may be; the request must end all the same
            self._calls.pop()
            return str(error)
        return ""

    def _call_hook(self, request: Request, stacks: str) -> None:
        """Process: the worker, in a thread of its own, or a greenlet."""
        try:
            self._worker.call_hook("on_request_timeout", self._worker, request, stacks)
        finally:
            self._calls.pop()


def _told(request: Request, started_ns: int) -> dict[str, Any]:  # Any: what `event` takes
    """Return what is said of a request: nothing that may hold a secret."""
    seconds = round((time.monotonic_ns() - started_ns) / 1e9, 3)
    return {"method": request.method, "path": request.path, "seconds": seconds}
