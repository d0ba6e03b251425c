"""A worker class that speaks no HTTP: it sends each line back.

It shows how little a worker class is: accepting, limits, heartbeat, signals, reload and
drain are the base class's. Run it with

    heeler --worker-class echo_worker:EchoWorker
"""

import selectors
import socket
import time

from typing_extensions import override

from heeler.workers.base import Drain, Worker
from heeler.workers.sources import Connection, Source


class EchoWorker(Worker):
    """Serves many clients at once in one thread."""

    name = "echo"
    interfaces = frozenset()  # there need be no application

    @override
    def setup(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.row.set("capacity", 1)

    @override
    def sources_changed(self) -> None:
        for key in list(self.selector.get_map().values()):
            if isinstance(key.data, Source):
                self.selector.unregister(key.fileobj)
        for source in self.sources:
            self.selector.register(source, selectors.EVENT_READ, source)

    @override
    def run(self) -> None:
        while self.draining is None:
            self.turn(self.tick())

    def turn(self, timeout_s: float) -> None:
        """Wait, then see to whatever is readable."""
        for key, _ in self.selector.select(timeout_s):
            if isinstance(key.data, Source):
                self.accept(key.data)
            else:
                self.echo(key.data)

    @override
    def handle(self, connection: Connection) -> None:
        self.opened()
        self.selector.register(connection.sock, selectors.EVENT_READ, connection.sock)

    def echo(self, sock: socket.socket) -> None:
        """Send back what came; an empty read is the client's goodbye."""
        try:
            data = sock.recv(65536)
            sock.sendall(data)
        except OSError:
            data = b""
        if not data:
            self.selector.unregister(sock)
            sock.close()
            self.closed()

    @override
    def drain(self, drain: Drain) -> None:
        while self.row.get("connections") and (left := drain.deadline - time.monotonic()) > 0:
            self.turn(min(left, self.tick()))

    @override
    def teardown(self) -> None:
        self.selector.close()
