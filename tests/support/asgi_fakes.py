r"""A worker and a connection that are none, to run ASGI exchanges without a loop, a socket or a clock of their own.

    exchange = Exchanging(app, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    exchange.step()
    assert exchange.connection.sent == ...

A step runs the application until it waits for something that has not happened.
"""

import logging
import os
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from typing import Any, cast

from heeler.workers.access_entry import AccessEntry
from heeler.workers.address import Address
from heeler.workers.asgi import AsgiGateway
from heeler.workers.asgi_http import HttpExchange
from heeler.workers.client import ClientGoneError
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import END, Request
from heeler.workers.poller import READ, WRITE

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n"


class FakeEvent:
    """An event; `wait` gives way to the caller of the coroutine until it is set."""

    def __init__(self) -> None:
        self.is_set = False

    def set(self) -> None:
        """Let those go on who wait."""
        self.is_set = True

    async def wait(self) -> None:
        """Return once it is set."""
        while not self.is_set:
            await _Pause()


class _Pause:
    def __await__(self) -> Generator[None, None, None]:
        yield


class Stepped:
    """A coroutine that is run by hand."""

    def __init__(self, coroutine: Coroutine[Any, None, None]) -> None:
        self._coroutine = coroutine
        self.is_done = False

    def step(self) -> bool:
        """Run it until it waits, or ends; True where it has ended."""
        try:
            self._coroutine.send(None)
        except StopIteration:
            self.is_done = True
        return self.is_done

    def throw(self, error: BaseException) -> None:
        """Have `error` raised where it waits; what it raises itself passes through."""
        try:
            self._coroutine.throw(error)
        except StopIteration:
            self.is_done = True

    def close(self) -> None:
        """Drop it."""
        self._coroutine.close()


class Heard:
    """Takes the access log's entries, and the tally's counts."""

    def __init__(self) -> None:
        self.entries: list[AccessEntry] = []
        self.counts: list[tuple[int, int]] = []

    def write(self, entry: AccessEntry) -> None:
        """Take an entry of the access log."""
        self.entries.append(entry)

    def answered(self, status_class: int, sent: int, duration_ns: int) -> None:
        """Take a count of the tally."""
        assert duration_ns >= 0
        self.counts.append((status_class, sent))


class FakeWorker:
    """What exchanges and lifespans need of a worker."""

    def __init__(self, **settings: object) -> None:
        config: dict[str, object] = {
            "pre_request": None,
            "post_request": None,
            "disconnect_grace": 30,
            "forwarded_allow_ips": ("10.0.0.1",),
            "secure_scheme_headers": {"X-FORWARDED-PROTO": "https"},
            "forwarder_headers": ("SCRIPT_NAME", "PATH_INFO"),
            "script_name": "",
            "loglevel": "info",
        }
        self.heard = Heard()
        self.config = types.SimpleNamespace(**config | settings)
        logs = types.SimpleNamespace(error=logging.getLogger("heeler.error"), access=self.heard)
        self.boot = types.SimpleNamespace(logs=logs)
        self.quota = types.SimpleNamespace(is_limited=False, count_down=lambda: False)
        self.warmth = self.quota
        self.tally = self.heard
        self.slot = 3
        self.keep_alive = True
        self.last_response_ns = 0
        self.state: dict[str, object] = {}
        self.done: list[object] = []
        self.cancelling: list[float] = []

    def event(self) -> FakeEvent:
        """Return an event."""
        return FakeEvent()

    def response_done(self, exchange: object) -> None:
        """Take note."""
        self.done.append(exchange)

    def cancel_later(self, exchange: object, grace_s: float) -> None:
        """Take note."""
        self.cancelling.append(grace_s)


class FakeConnection:
    """A connection to a client that takes what it is given, or does not."""

    def __init__(self, environ: dict[str, object], peer: tuple[str, int], *, trusted: bool) -> None:
        self.environ = environ
        self.peer = peer
        self.trusted = trusted
        self.exchange: HttpExchange
        self.writes: list[bytes] = []
        self.pending = 0
        self.is_gone = False
        self.finished: list[bool] = []
        self.asked = self.resumed = 0
        self.is_aborted = False
        self.owes_file = False

    @property
    def sent(self) -> bytes:
        """All that was written."""
        return b"".join(self.writes)

    @property
    def mask(self) -> int:
        """What the poller is asked for."""
        return READ | WRITE if self.pending or self.owes_file else READ

    def write(self, data: bytes) -> None:
        """Take bytes."""
        assert type(data) is bytes and data, "nothing to write"
        assert not self.finished, "bytes after the end"
        if self.is_gone:
            self.exchange.on_gone(cut=True)
            raise ClientGoneError("the client is gone")
        self.writes.append(data)

    def write_file(self, fd: int, offset: int, count: int) -> None:
        """Take a part of a file."""
        self.write(os.pread(fd, count, offset))

    def pending_memory(self) -> int:
        """Return what waits."""
        return self.pending

    def ask_on(self) -> None:
        """Take note."""
        self.asked += 1

    def read_on(self) -> None:
        """Take note."""
        self.resumed += 1

    def finish(self, keep_alive: bool) -> None:
        """Take note of the end."""
        assert not self.finished and not self.is_aborted, "finished again"
        self.finished.append(keep_alive)

    def abort(self) -> None:
        """Cut the connection."""
        self.is_aborted = True
        self.exchange.on_gone(cut=True)


def parse(data: bytes) -> Request:
    """Return the one request that `data` begins with."""
    request = RequestParser(Limits()).feed(data)[0]
    assert isinstance(request, Request), request
    return request


class Exchanging(Stepped):
    """An exchange at work.

    Args:
        application: the application.
        data: the request, with as much of its content as is there at once.
        worker: made anew when None.
        peer: the client's address.
        address: where it came in.
        before: an exchange that was asked the same: gateway and request are taken from it.
    """

    def __init__(
        self,
        application: Callable[..., Any],  # Any: an ASGI application
        data: bytes = GET,
        *,
        worker: FakeWorker | None = None,
        peer: tuple[str, int] = ("192.0.2.1", 50000),
        address: str = "127.0.0.1:8000",
        before: "Exchanging | None" = None,
    ) -> None:
        self.worker = cast("Any", worker or FakeWorker())  # Any: only what is needed of a worker
        self.gateway: AsgiGateway = before.gateway if before else AsgiGateway(self.worker, application)
        accepted: Any = types.SimpleNamespace(peer=peer, address=Address.parse(address), sock=None)
        environ = self.gateway.connection_environ(accepted)
        connection = FakeConnection(environ, peer, trusted=self.gateway.trusts(peer[0]))
        self.connection = cast("Any", connection)  # Any: only what is needed of a connection
        parser = RequestParser(Limits())
        request, *content = parser.feed(data)
        assert isinstance(request, Request), request
        if before:  # what was learnt of it is kept with it
            request = before.exchange.request
        exchange = self.gateway.exchange(self.connection, request, 1)
        assert isinstance(exchange, HttpExchange)
        self.exchange: HttpExchange = exchange
        connection.exchange = exchange
        super().__init__(exchange.run())
        for item in content:
            if item is END:
                exchange.on_end()
            else:
                assert isinstance(item, bytes)
                exchange.on_content(item)

    @property
    def sent(self) -> bytes:
        """All that was written, without the fields that the server adds."""
        text: bytes = self.connection.sent
        lines = text.split(b"\r\n")
        return b"\r\n".join(line for line in lines if not line.startswith((b"Date: ", b"Server: ")))

    @property
    def entry(self) -> AccessEntry:
        """The one entry of the access log."""
        heard: Sequence[AccessEntry] = self.worker.heard.entries
        assert len(heard) == len(self.worker.heard.counts) == len(self.worker.done) == 1, heard
        return heard[0]
