"""A WSGI application behind a connection that streams: it runs in a thread, and its response goes out in the loop.

Decides what crosses from the thread to the loop and back. Must not know how a response is made.
"""

import contextlib
import logging
import math
import os
import sys
import threading
import time
import traceback
import types
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.access_entry import SEEN_TO, TIMEOUT
from heeler.workers.body import RequestBody
from heeler.workers.client import ClientGoneError
from heeler.workers.clock import http_date
from heeler.workers.http.error_page import error_page
from heeler.workers.http.request import Request
from heeler.workers.interruption import Interruption
from heeler.workers.logs import event
from heeler.workers.overrun import Run, is_in_application, run_in
from heeler.workers.overruns import OBEY_S
from heeler.workers.scoreboard import CAPACITY
from heeler.workers.sources import Connection
from heeler.workers.wsgi import Gateway

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import AsgiWorker, Event
    from heeler.workers.streaming_connection import StreamingConnection

_AGAIN_S: Final = 0.02

Post = Callable[..., object]
"""Calls a function with arguments in the loop, soon; from any thread."""

RunInThread = Callable[[Callable[[], None], Callable[[], None]], object]
"""Runs the first in a thread, then calls the second in the loop."""


class WsgiBridge:
    """What a worker that streams needs of a gateway, for a WSGI application.

    Args:
        worker: whose requests they are.
        gateway: runs the application.
        post: see `Post`.
        run: see `RunInThread`.
        threads: how many run at once.
    """

    def __init__(self, worker: "AsgiWorker", gateway: Gateway, post: Post, run: RunInThread, threads: int) -> None:
        self.worker: Final = worker
        self.gateway: Final = gateway
        self.post: Final = post
        self.run: Final = run
        self.trusts: Final = gateway.trusts
        self.log_refusal: Final = gateway.log_refusal
        self.threads: Final = threads
        self.on_room: Callable[[], object] = bool
        """Called in the loop when `has_room` may have become another."""
        self._free = threads
        self._coming = 0
        """Requests that are whole, and begin as soon as their tasks have a turn."""
        self._running: Final[set[WsgiExchange]] = set()
        self._slow: Final[set[WsgiExchange]] = set()
        """Those whose thread waits for the client."""

    def connection_environ(self, connection: Connection) -> dict[str, Any]:
        """Return what `connection` adds to the environ of every request on it."""
        return self.gateway.connection_environ(connection)

    def exchange(self, connection: "StreamingConnection", request: Request, started_ns: int) -> "WsgiExchange":
        """Return who answers `request`, which has come in at `started_ns`."""
        self._coming += request.complete
        return WsgiExchange(self, connection, request, started_ns)

    @property
    def has_room(self) -> bool:
        """Whether another request could run at once, if one that waits for its client makes way."""
        return self._free - self._coming + len(self._slow) > 0

    def turn_came(self) -> None:
        """The task of a request that was whole has its turn."""
        self._coming -= 1

    def begin(self, exchange: "WsgiExchange") -> None:
        """Have the application run. Where all threads are taken, those that wait for a client make way."""
        self._free -= 1
        self._running.add(exchange)
        self.run(exchange.serve, exchange.served)
        if self._free < 0:
            for slow in list(self._slow):
                slow.make_way()

    def end(self, exchange: "WsgiExchange") -> None:
        """One of those that ran is over."""
        self._free += 1
        self._running.discard(exchange)
        self.on_room()

    def heartbeat_ns(self, now_ns: int) -> int:
        """Return the heartbeat of the worker: where all threads are at work, that of the one that came on last.

        So the arbiter replaces a worker in which all are stuck. Where requests have a deadline, they are
        stuck once they do not obey it; who waits for a client is not stuck.
        """
        if self._free > 0 or self._slow:
            return now_ns
        latest_ns = max(exchange.progress_ns for exchange in self._running)
        timeout_s = self.worker.request_timeout
        if timeout_s < math.inf and now_ns - latest_ns < (timeout_s + OBEY_S) * 1e9:
            return now_ns
        return latest_ns

    def wait_for_clients(self, more: int) -> None:
        """So many more requests need no thread before their client has done something: as many others can run."""
        self.worker.words[CAPACITY] += more
        if more > 0 and self.worker.home is not None:
            self.worker.tell_room()

    @contextlib.contextmanager
    def slow(self, exchange: "WsgiExchange") -> Iterator[None]:
        """Meanwhile the thread of `exchange` waits for the client."""
        self._slow.add(exchange)
        self.post(self.on_room)
        self.post(self.wait_for_clients, 1)
        try:
            if self._free < 0:
                exchange.make_way()
            yield
        finally:
            self._slow.discard(exchange)
            self.post(self.wait_for_clients, -1)


class WsgiExchange:
    """One request with a WSGI application: an `Exchange` to the connection, a `Client` to the gateway."""

    # Set by the worker.
    entry: int
    task: Any  # Any: of the worker's event loop

    def __init__(
        self, bridge: WsgiBridge, connection: "StreamingConnection", request: Request, started_ns: int
    ) -> None:
        worker = bridge.worker
        self._bridge = bridge
        self._connection = connection
        self.request = request
        self.started_ns = started_ns
        self._body = None if request.complete else RequestBody(worker.body_memory, worker.spool_dir)
        self._whole: Event | None = None
        self._over: Event = worker.event()
        self._is_whole = request.complete
        self._is_cut = False
        self._keep_alive = False
        self._has_room = threading.Event()
        self._interruption: Interruption | None = None
        self._thread = 0
        self.progress_ns = started_ns
        """When the application began, or was seen to come on."""
        self._limit = worker.response_memory
        self._written = 0
        """Bytes that the thread has sent to the loop..."""
        self._taken = 0
        """... and how many of them have arrived there. Each is added to on one side only."""
        self._pending = 0
        """Bytes pending in the loop when that was last seen."""
        self.environ = connection.environ
        self.peer = connection.peer
        self.trusted = connection.trusted
        self.deadline = math.inf
        self.has_begun = False
        self.timed_out = False
        if self._body is not None:
            self._whole = worker.event()

    # -- in the loop

    async def run(self) -> None:
        """Have the application run once the request is whole, and wait for its end."""
        if self._whole is None:
            self._bridge.turn_came()
        else:
            self._connection.limit_run(math.inf)  # the client's time is not the application's
            self._connection.ask_on()
            self._bridge.wait_for_clients(1)
            try:
                await self._whole.wait()
            finally:
                self._bridge.wait_for_clients(-1)
            self.started_ns = time.monotonic_ns()
            self._connection.limit_run(self._bridge.worker.request_timeout)
        if self._is_cut:
            self._end()
            return
        self._bridge.begin(self)
        await self._over.wait()

    def served(self) -> None:
        """The thread is done, and all it has written was taken over."""
        self._bridge.end(self)
        self._end()
        self._connection.finish(self._keep_alive)
        self._over.set()

    def _end(self) -> None:
        if self._body is not None:
            self._body.close()
        self._bridge.worker.response_done(self)

    def on_content(self, data: bytes) -> bool:
        """Keep it until it is whole."""
        assert self._body is not None, "content of a request that has none"
        try:
            self._body.write(data)
        except OSError as error:
            event(self._bridge.worker.log, logging.ERROR, "request body lost", peer=self.peer[0], error=error.strerror)
            self._connection.refuse(RemoteProtocolError("the body cannot be stored", 507))
        return True

    def on_end(self) -> None:
        """The request is whole."""
        self._is_whole = True
        if self._whole is not None:
            self._whole.set()

    def on_data(self, data: bytes) -> bool:  # noqa: ARG002
        """Never called: nothing switches the connection."""
        raise AssertionError("raw bytes in a WSGI exchange")

    def on_drained(self) -> None:
        """The client takes what it is sent."""
        self._pending = 0 if self._connection.is_spilling else self._connection.pending_memory()
        self._has_room.set()

    def on_gone(self, *, cut: bool) -> None:
        """A client that ended its side may still read; one that is cut does not."""
        if cut:
            self._is_cut = True
            self._has_room.set()
            if self._body is not None and not self._is_whole:
                self._body.close()  # now: the turn of the task may be behind that of a request that needs the disk
            if self._whole is not None:
                self._whole.set()

    def on_deadline(self, now: float) -> None:
        """Never called: there is no deadline."""

    def on_stop(self, *, soon: bool) -> None:
        """It ends by itself, or is cut."""

    def interrupt(self) -> None:
        """Raise RequestTimeout in the application; where it is not at work just now, look again soon."""
        if self._interruption is None:
            return
        run = self._run()
        if run is not None and is_in_application(self._frame()):
            run.response.outcome = TIMEOUT
            self._interruption.interrupt()
        else:
            self._bridge.worker.cancel_later(self, _AGAIN_S)

    def give_up(self) -> bool:
        """The application goes on though its time is over: answer for it."""
        run = self._run()
        if run is None:
            return False
        self._bridge.gateway.see_to(run, 504)
        if self.has_begun:
            self._connection.abort()
            return True
        with contextlib.suppress(ClientGoneError):
            self._connection.write(error_page(504, http_date()[0], head_only=self.request.method == "HEAD"))
        self.on_gone(cut=True)
        self._connection.finish(keep_alive=False)
        return True

    def stack(self) -> str:
        """Return the stack of its thread, for the log."""
        return "".join(traceback.format_stack(self._frame())) if self._run() is not None else ""

    def _run(self) -> Run | None:
        """Return what its thread runs; None where that has not begun, or is over."""
        run = run_in(self._frame()) if self._interruption is not None else None
        return run if run is not None and run.client is self and run.response.outcome is not SEEN_TO else None

    def _frame(self) -> types.FrameType | None:
        return sys._current_frames().get(self._thread)  # noqa: SLF001 - the public way to threads' frames

    # -- in the thread

    def serve(self) -> None:
        """Take the request through the application."""
        bridge = self._bridge
        self._thread = threading.get_ident()
        self.progress_ns = time.monotonic_ns()
        self._interruption = interruption = Interruption()
        interruption.allow()
        try:
            self._keep_alive = bridge.gateway.serve(self, self.request, self._body, self.started_ns)
        finally:
            interruption.forbid()

    def write(self, data: bytes) -> None:
        """Send `data` in the loop.

        Raises:
            ClientGoneError: nobody reads it any more.
        Blocking: while more than `response_memory` bytes are pending.
        """
        if self._is_cut:
            raise ClientGoneError("the client is gone")
        self.has_begun = True
        self._has_room.clear()
        self.progress_ns = time.monotonic_ns()
        self._written += len(data)
        self._bridge.post(self._send, data)
        if self._is_full():
            with self._bridge.slow(self):
                while self._is_full() and not self._is_cut:
                    self._has_room.wait()
                    self._has_room.clear()

    def _is_full(self) -> bool:
        return self._written - self._taken + self._pending > self._limit

    def make_way(self) -> None:
        """Write the rest of what is pending to a temporary file, so that the application can finish."""
        self._bridge.post(self._spill)

    def _spill(self) -> None:
        self._connection.spill()
        self.on_drained()

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(ClientGoneError):
            if not self._is_cut:
                self._connection.write(data)
        self._taken += len(data)
        self.on_drained()

    def write_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file, which may be closed as soon as this returns.

        Raises:
            ClientGoneError: nobody reads it any more.
        """
        if self._is_cut:
            raise ClientGoneError("the client is gone")
        self.has_begun = True
        self._bridge.post(self._send_file, os.dup(fd), offset, count)

    def _send_file(self, fd: int, offset: int, count: int) -> None:
        with contextlib.suppress(ClientGoneError):
            if not self._is_cut:
                self._connection.write_file(fd, offset, count)
        os.close(fd)

    def last_word(self, page: bytes) -> bool:
        """As of a connection."""
        return self._connection.last_word(page)

    def abort(self) -> None:
        """Cut the connection so that the client cannot take what it has for the whole."""
        self._is_cut = True
        self._bridge.post(self._connection.abort)
