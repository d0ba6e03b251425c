"""The `sync` worker: one request runs at a time, any number of connections wait."""

import math
import signal
import time
import traceback
import types
from collections.abc import Callable
from typing import ClassVar, Final

from typing_extensions import override

from heeler.plugins.errors import RequestTimeout
from heeler.workers.access_entry import DONE, TIMEOUT
from heeler.workers.body import RequestBody
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.overrun import is_in_application, run_in
from heeler.workers.overruns import OBEY_S
from heeler.workers.reactor import ReactorWorker

Serve = Callable[[HttpConnection, Request, RequestBody | None, int], bool]

_AGAIN_S: Final = 0.02
"""How soon a request that cannot be interrupted where it is gets looked at again."""


class SyncWorker(ReactorWorker):
    """Runs each request in the loop itself."""

    name = "sync"
    can_refork: ClassVar[bool] = True
    keeps_connections = False

    @override
    @classmethod
    def workers_for(cls, cpus: float) -> int:
        return math.ceil(2 * cpus) + 1  # while one waits for a database, another has the CPU

    @override
    def setup(self) -> None:
        super().setup()
        self.row.set("capacity", 1)
        self._enter = self.row.enter_only
        self._leave = self.row.leave_only
        self._serve: Serve = self.gateway.serve
        if self.request_timeout < math.inf:
            signal.signal(signal.SIGALRM, self._on_alarm)
            self._serve = self._serve_within

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        if not self.free:
            connection.postpone(request, body)
            return
        self.free = 0
        connection.running = True
        what = request.line.what
        started_ns = time.monotonic_ns()
        self._enter(started_ns, len(what), what)
        keep_alive = self._serve(connection, request, body, started_ns)
        self._leave()
        connection.running = False
        self.free = 1
        if keep_alive and connection.calm and connection.home is None:
            connection.deadline = self.last_response_ns / 1e9 + self.keepalive
        else:
            connection.finish(keep_alive)

    def _serve_within(
        self, connection: HttpConnection, request: Request, body: RequestBody | None, started_ns: int
    ) -> bool:
        """Run a request for `request_timeout` at most."""
        signal.setitimer(signal.ITIMER_REAL, self.request_timeout, _AGAIN_S)
        try:
            return self.gateway.serve(connection, request, body, started_ns)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def _on_alarm(self, _number: int, frame: types.FrameType | None) -> None:
        if not self.free and is_in_application(frame):
            self._interrupt(frame)

    def _interrupt(self, frame: types.FrameType | None) -> None:
        """Raise RequestTimeout in the application, which `frame` is of; where it was told so before, answer for it.

        Raises:
            RequestTimeout: so it is told.
        """
        run = run_in(frame)
        assert run is not None, "an application that nobody has called"
        if run.response.outcome is DONE:
            signal.setitimer(signal.ITIMER_REAL, OBEY_S, _AGAIN_S)
            run.response.outcome = TIMEOUT
            self.overruns.begin(run.request, run.started_ns, self.overruns.stacks(frame))
            raise RequestTimeout(f"the request took longer than {self.request_timeout:g} s")
        signal.setitimer(signal.ITIMER_REAL, 0)
        self.overruns.stuck(run.request, run.started_ns, "".join(traceback.format_stack(frame)))
        self.gateway.see_to(run, 504)
        connection, has_begun = run.client, run.response.head is not None
        assert isinstance(connection, HttpConnection)
        if has_begun:
            self.cut()
        connection.give_up(504, has_begun=has_begun)
