"""The `sync` worker: one request runs at a time, any number of connections wait."""

import time

from typing_extensions import override

from heeler.workers.body import RequestBody
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.reactor import ReactorWorker


class SyncWorker(ReactorWorker):
    """Runs each request in the loop itself."""

    name = "sync"

    @override
    def setup(self) -> None:
        super().setup()
        self.row.set("capacity", 1)
        self._enter = self.row.enter_only
        self._leave = self.row.leave_only
        self._serve = self.gateway.serve

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
        if keep_alive and connection.calm:
            connection.deadline = self.last_response_ns / 1e9 + self.keepalive
        else:
            connection.finish(keep_alive)
