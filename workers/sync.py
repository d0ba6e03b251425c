"""The `sync` worker: one request runs at a time, any number of connections wait."""

from typing_extensions import override

from heeler.workers.body import RequestBody
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.reactor import ReactorWorker
from heeler.workers.scoreboard import IN_FLIGHT


class SyncWorker(ReactorWorker):
    """Runs each request in the loop itself."""

    name = "sync"

    @override
    def setup(self) -> None:
        super().setup()
        self.row.set("capacity", 1)

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        if self.running is None:
            self.serve(connection, request, body)
        else:
            connection.postpone(request, body)

    @override
    def serve(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        self.running = connection
        self.words[IN_FLIGHT] = 1
        keep_alive = self.gateway.serve(connection, request, body)
        self.running = None
        self.words[IN_FLIGHT] = 0
        if keep_alive and connection.calm:
            connection.deadline = self.last_response_at + self.keepalive
        else:
            connection.finish(keep_alive)
