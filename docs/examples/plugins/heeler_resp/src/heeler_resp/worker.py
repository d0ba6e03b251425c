"""The worker class `resp`: Redis's protocol instead of HTTP, for many clients in one thread."""

import functools
import selectors
import time

from heeler.workers.base import Connection, Drain, Worker
from heeler.workers.sources import Source
from heeler_resp.client import Client


class RespWorker(Worker):
    """Waits for whom it listens to and for its clients; what those are told is the business of `Client`."""

    name = "resp"
    interfaces = frozenset()

    def setup(self) -> None:
        """Begin, with nobody to wait for yet."""
        self.selector = selectors.DefaultSelector()
        self.clients: set[Client] = set()
        self.watched: list[Source] = []
        self.row.set("capacity", 1)  # commands run one at a time, as they do in Redis

    def sources_changed(self) -> None:
        """Wait for the sources as they are now."""
        for source in self.watched:
            self.selector.unregister(source)
        self.watched = list(self.sources)
        for source in self.sources:
            self.selector.register(source, selectors.EVENT_READ, functools.partial(self.accept, source))

    def handle(self, connection: Connection) -> None:
        """Serve a client from now on; where it is the last that there is room for, accept no more."""
        self.opened()
        self.clients.add(Client(self, connection.sock))
        if self.room() <= 0:
            self.pause_accept()

    def run(self) -> None:
        """Serve until it is time to drain."""
        while self.draining is None:
            self.turn(self.tick())

    def turn(self, wait_s: float) -> None:
        """Wait, then see to all who are ready, and to those who were not in time."""
        due_s = min((client.deadline for client in self.clients), default=float("inf")) - time.monotonic()
        for key, _ in self.selector.select(max(0.0, min(wait_s, due_s))):
            key.data()
        for client in [client for client in self.clients if client.deadline <= time.monotonic()]:
            client.expire()

    def drain(self, drain: Drain) -> None:
        """Serve those who are at it, and who wait in the backlog; then cut what is left."""
        for client in self.clients:
            client.hurry()
        while (self.accept_rest() or self.clients) and (left_s := drain.deadline - time.monotonic()) > 0:
            self.turn(min(left_s, self.tick()))
        self.cut(sum(not client.is_idle for client in self.clients))
