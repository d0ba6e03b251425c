"""The client of an open loop: it makes the requests of a schedule, each on a new connection or on one of a pool.

It is meant for some hundred requests a second; `Schedule` tells how late it was itself.
"""

import errno
import gc
import os
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from loadbench.idle_connections import BODY, Address
from loadbench.schedule import Schedule

# How long after the last arrival the rest may still be answered.
PATIENCE_S: Final = 30.0
_LONGEST_S: Final = 0.5


@contextmanager
def on_processor(cpu: int) -> Iterator[None]:
    """Run this process on processor `cpu`, without pauses of the garbage collector."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        os.sched_setaffinity(0, before)


class Client:
    """A connection, or the place of one; `request` is None while it is idle."""

    __slots__ = ("received", "request", "served", "sock")

    def __init__(self) -> None:
        self.sock: socket.socket | None = None
        self.request: int | None = None
        self.received = b""
        self.served = 0


class OpenLoop:
    """Makes the requests of a schedule, and tells the schedule what came of them.

    Args:
        address: of the server.
        schedule: what is to be asked.
        connections: how many are kept and used again; 0 = each request is on a new one.
        rng: chooses among those that are idle.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        address: Address,
        schedule: Schedule,
        connections: int,
        rng: random.Random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._schedule, self._rng, self._clock = address, schedule, rng, clock
        self._is_kept = connections > 0
        self._idle = [Client() for _ in range(connections)]
        self._open: dict[int, Client] = {}  # by descriptor
        self._begun_at = 0.0

    def run(self, last_arrival_s: float) -> None:
        """Make all the requests.

        Blocking: till all are over, or `PATIENCE_S` after the last has come.
        """
        self._begun_at = self._clock()
        with select.epoll() as poll:
            self._poll = poll
            try:
                while not self._schedule.is_over and self._now() < last_arrival_s + PATIENCE_S:
                    self._turn()
            finally:
                for client in list(self._open.values()):
                    self._close(client)

    def _turn(self) -> None:
        """Begin what is due, and see what has come, or wait for either."""
        self._schedule.advance(self._now())
        while self._idle or not self._is_kept:
            request = self._schedule.take()
            if request is None:
                break
            self._begin(self._chosen(), request)
        # select(2) takes microseconds, epoll_wait(2) whole milliseconds.
        select.select([self._poll], [], [], self._schedule.until_next(self._now(), _LONGEST_S))
        for fd, events in self._poll.poll(0):
            client = self._open.get(fd)
            if client:
                self._happened(client, events)

    def _now(self) -> float:
        return self._clock() - self._begun_at

    def _chosen(self) -> Client:
        """Return any idle one: were it the last one used, few would ever be."""
        if not self._is_kept:
            return Client()
        at = self._rng.randrange(len(self._idle))
        self._idle[at], self._idle[-1] = self._idle[-1], self._idle[at]
        return self._idle.pop()

    def _begin(self, client: Client, request: int) -> None:
        client.request, client.received = request, b""
        if client.sock:
            self._ask(client)
        else:
            self._connect(client)

    def _connect(self, client: Client) -> None:
        client.sock, client.served = socket.socket(), 0
        client.sock.setblocking(False)
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._open[client.sock.fileno()] = client
        self._poll.register(client.sock, select.EPOLLOUT)
        if client.sock.connect_ex(self._address) not in {0, errno.EINPROGRESS}:
            self._lost(client)

    def _ask(self, client: Client) -> None:
        assert client.sock is not None and client.request is not None
        connection = "keep-alive" if self._is_kept else "close"
        path = f"/?ms={self._schedule.service_ms(client.request)}"
        try:
            client.sock.send(f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: {connection}\r\n\r\n".encode())
        except OSError:
            self._lost(client)
        else:
            self._poll.modify(client.sock, select.EPOLLIN)

    def _happened(self, client: Client, events: int) -> None:
        assert client.sock is not None
        if events & select.EPOLLOUT and not events & (select.EPOLLERR | select.EPOLLHUP):
            self._ask(client)
            return
        try:
            data = client.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(client)
            return
        client.received += data
        if client.received.endswith(BODY):
            self._answered(client)

    def _answered(self, client: Client) -> None:
        request, client.request = client.request, None
        if request is None or client.received[9:12] != b"200":
            self._close(client)
            if request is not None:
                self._schedule.failed(request)
        else:
            self._schedule.answered(request, self._now())
            client.served += 1
            head = client.received.lower()
            if not self._is_kept or head.startswith(b"http/1.0") or b"\r\nconnection: close\r\n" in head:
                self._close(client)
        if self._is_kept:
            self._idle.append(client)

    def _lost(self, client: Client) -> None:
        """The server has closed: nobody's loss while it is idle, and one that was kept may be just that."""
        was_kept = client.served and not client.received
        self._close(client)
        if client.request is None:
            return
        if was_kept:
            self._connect(client)
            return
        self._schedule.failed(client.request)
        client.request = None
        if self._is_kept:
            self._idle.append(client)

    def _close(self, client: Client) -> None:
        if client.sock:
            del self._open[client.sock.fileno()]
            client.sock.close()
            client.sock = None
