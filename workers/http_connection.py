"""One client's connection on the reactor: what was read, what is owed, what may happen next."""

import collections
import contextlib
import logging
import math
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.body import RequestBody
from heeler.workers.client import ClientGoneError
from heeler.workers.client_writer import ClientWriter, nothing, reset_at_close
from heeler.workers.clock import http_date
from heeler.workers.http.error_page import error_page
from heeler.workers.http.parser import Event, RequestParser
from heeler.workers.http.request import END, Request
from heeler.workers.http.response import CONTINUE
from heeler.workers.logs import event
from heeler.workers.poller import READ
from heeler.workers.queue_time import FIELD, proxied_ns
from heeler.workers.scoreboard import CUT, TIMEOUTS
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.reactor import ReactorWorker

RECEIVE_BYTES: Final = 65536
LINGER_CLOSE_S: Final = 2.0
"""How long a refused client may go on sending before its connection is closed."""

Waiting = tuple[Request, RequestBody | None]


class HttpConnection(ClientWriter):
    """A client's connection.

    At any time it waits for one thing only: to be read (a request is wanted), to be
    written (the client is owed bytes), or its turn (whole requests wait in `waiting`).

    Args:
        worker: whose connection it is.
        connection: the accepted socket.
        environ: what every request on it says of client and server.
    """

    __slots__ = (
        "_asks_on",
        "_body",
        "_feed",
        "_parser",
        "_quick",
        "_receive",
        "_request",
        "_tally",
        "address",
        "came_at",
        "closing",
        "environ",
        "fresh_until",
        "goes_aloud",
        "home",
        "is_slow",
        "number",
        "queued",
        "refusal",
        "run_until",
        "running",
        "since_ns",
        "trusted",
        "waiting",
    )

    def __init__(self, worker: "ReactorWorker", connection: Connection, environ: dict[str, object]) -> None:
        sock = connection.sock
        super().__init__(worker, sock, connection.peer)
        self.environ = environ
        self.address = connection.address
        self.home = connection.home
        """The listener that knows of it, and gets it back."""
        self.number = connection.number
        self.since_ns = connection.since_ns
        """Since when its first request waits, CLOCK_MONOTONIC; 0 where nobody knows."""
        self.is_slow = False
        """Whether that was told that it waits for its client, and no request of it runs."""
        self.goes_aloud = False
        """Whether that is to look when it gets it back: it was told so at any time, or there may be more to read."""
        self.trusted = worker.gateway.trusts(connection.peer[0])
        self._receive = sock.recv
        self._parser = RequestParser(worker.limits, worker.field_reader)
        self._feed = self._parser.feed
        self._quick = self._parser.quick
        self._tally = worker.tally
        self._request: Request | None = None
        self._body: RequestBody | None = None
        self._asks_on = False
        """Whether the client waits to be asked for its content."""
        self.waiting: collections.deque[Waiting] | None = None
        """Whole requests that have not run yet."""
        self.queued = False
        """Whether the worker has it in its queue of connections that wait for their turn."""
        self.running = False
        """Whether the application is at work on a request of it."""
        self.run_until = math.inf
        """Monotonic seconds at which that has taken too long."""
        self.refusal: RemoteProtocolError | None = None
        """What is answered last, before closing."""
        self.closing = False
        """Nothing more is read; closed once all is answered and sent."""
        self.came_at = 0.0
        """Monotonic seconds at which it was accepted."""
        self.fresh_until = 0.0
        """The deadline for its first request."""
        self.handler = self.on_readable

    def postpone(self, request: Request, body: RequestBody | None) -> None:
        """Keep a whole request until its turn comes."""
        self._enqueue(request, body)
        self._settle()

    @override
    def _wait_for(self, mask: int, handler: Callable[[int], None], timeout_s: float) -> None:
        if mask and self.home is not None and not self.running:  # without a mask, it waits for its turn
            self.slow_down()
        super()._wait_for(mask, handler, timeout_s)

    def slow_down(self) -> None:
        """From now on it has to wait for its client; the listener, where there is one, counts it no more."""
        if self.home is not None and not self.is_slow:
            self.is_slow = self.goes_aloud = True
            self.worker.slowed(self, self.home)

    def speed_up(self) -> None:
        """It has waited for its client, and its request runs now; the listener counts it again."""
        if self.home is not None and self.is_slow:
            self.is_slow = not self.home.runs(self.number)

    # -- reading

    def on_readable(self, _mask: int) -> None:
        """The socket has bytes, an end, or an error."""
        try:
            data = self._receive(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        count = len(data)
        self._tally.bytes_in += count
        if count == RECEIVE_BYTES:
            self.goes_aloud = True  # what was there before the listener knew of it, nobody tells again
        if self.calm:
            request = self._quick(data)
            if request is not None:
                if self.since_ns or (self.trusted and FIELD in request.fields.environ):
                    self._note_queue(request)
                self.worker.take(self, request, None)
                return
        if not data:
            self._ended()
            return
        events = self._feed(data)
        if events and self.calm and self._take_whole(events):
            return
        self._receive_events(events)

    def _take_whole(self, events: list[Event]) -> bool:
        """Run the one request that `events` are, with its content or without; False where they are anything else."""
        request = events[0]
        if type(request) is not Request:
            return False
        self._note_queue(request)
        if len(events) == 1 and request.complete:
            self.worker.take(self, request, None)
            return True
        content = events[1] if len(events) == 3 and events[2] is END else None
        if type(content) is not bytes or len(content) > self.worker.body_memory:
            return False
        body = RequestBody(self.worker.body_memory, self.worker.spool_dir)
        body.write(content)
        self.worker.take(self, request, body)
        return True

    def _receive_events(self, events: list[Event]) -> None:
        """Collect bodies; queue what is whole."""
        for item in events:
            if type(item) is bytes:
                self._keep(item)
            elif type(item) is Request:
                self._begin(item)
            elif item is END:
                request, body, self._request, self._body = self._request, self._body, None, None
                assert request is not None, "an end without a request"
                self._enqueue(request, body)
            else:
                assert isinstance(item, RemoteProtocolError), item
                self._refuse(item)
            if self.refusal is not None:
                break
        self._settle()

    def _begin(self, request: Request) -> None:
        """A head is complete."""
        self._note_queue(request)
        if request.complete:
            self._enqueue(request, None)
            return
        self._request = request
        self._body = RequestBody(self.worker.body_memory, self.worker.spool_dir)
        self._asks_on = request.expects_continue

    def _note_queue(self, request: Request) -> None:
        """Find out how long a request has waited, by the listener's word and by a proxy's."""
        waited_ns, self.since_ns = time.monotonic_ns() - self.since_ns if self.since_ns else 0, 0
        if self.trusted and FIELD in request.fields.environ:
            waited_ns += proxied_ns(request.fields.environ[FIELD])
        if waited_ns and not request.queue_ns:
            request.queue_ns = waited_ns
            self._tally.queued(waited_ns)

    def _keep(self, data: bytes) -> None:
        assert self._body is not None, "body bytes before a head"
        self._asks_on = False
        try:
            self._body.write(data)
        except OSError as error:
            event(self.worker.log, logging.ERROR, "request body lost", peer=self.peer[0], error=error.strerror)
            self._refuse(RemoteProtocolError("the body cannot be stored", 507))

    def _enqueue(self, request: Request, body: RequestBody | None) -> None:
        if self.waiting is None:
            self.waiting = collections.deque()
        self.waiting.append((request, body))

    def _refuse(self, error: RemoteProtocolError) -> None:
        """Answer what came before, then this, then close."""
        self.refusal = error
        self.closing = True
        self._drop_body()

    def _ended(self) -> None:
        """The client sends no more; it may still wait for answers."""
        try:
            self._parser.eof()
        except RemoteProtocolError as error:
            self._refuse(error)
        self.closing = True
        self._settle()

    @override
    def _settle(self) -> None:
        """Decide what to wait for next."""
        if self.closed:
            return
        worker = self.worker
        if self._outbox:
            self._await_room(self._outbox)
        elif self.running:
            self.hold()
        elif self.waiting:
            # Its turn: nothing is read before what was read is answered.
            self._wait_for(0, self.on_hang_up, math.inf)
            worker.queue(self)
        elif self.refusal is not None:
            self._answer_refusal(self.refusal)
        elif self.closing:
            if self.home is not None:  # which has a copy: the client shall not wait until that is closed, too
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_WR)
            self.close()
        else:
            self.waiting = None
            self._await_bytes()

    def _await_bytes(self) -> None:
        worker = self.worker
        if self._request is not None:
            if not self._asks_on or self._ask_on():
                self._wait_for(READ, self.on_head, worker.body_timeout)
        elif self._parser.phase == "head":
            # From the first byte on: what trickles in later does not push the deadline out.
            handler, deadline = self.handler, self.deadline
            self._wait_for(READ, self.on_head, worker.header_timeout)
            if handler == self.on_head:
                self.deadline = deadline
        else:
            if worker.returns_idle and worker.give_back(self):
                return
            self._wait_for(READ, self.on_readable, worker.keepalive)
            self.calm = True
            worker.became_idle()

    def _ask_on(self) -> bool:
        """Have the client send its content; False where that is not said yet, or nobody is there to hear it."""
        self._asks_on = False
        try:
            self.write(CONTINUE)
        except ClientGoneError:
            return False
        return self._outbox is None

    def await_first(self) -> None:
        """Nothing has come yet, though something was to be expected."""
        self._wait_for(READ, self.on_readable, self.worker.header_timeout)
        self.calm = True

    def on_head(self, mask: int) -> None:
        """More of a request that came in pieces."""
        self.on_readable(mask)

    # -- after a response

    def finish(self, keep_alive: bool) -> None:
        """The response is complete, though perhaps not sent; `running` is False by now."""
        if self.closed:
            return
        if not keep_alive:
            self.closing = True
            self.refusal = None
            self.drop_waiting()
        self._settle()

    def hold(self) -> None:
        """Read nothing while the application is at work on it and the loop goes on."""
        self._wait_for(0, self.on_hang_up, self.run_until - time.monotonic())

    def next_request(self) -> Waiting:
        """Take the oldest request that waits."""
        assert self.waiting, "no request waits"
        return self.waiting.popleft()

    def drop_waiting(self) -> None:
        """Forget the requests that wait: what is behind a close must never run."""
        while self.waiting:
            _, body = self.waiting.popleft()
            if body is not None:
                body.close()

    # -- deadlines and the end

    def stop(self, linger_s: float, *, soon: bool) -> None:
        """The worker drains: `soon` when it begins to, not `soon` when half of the time is over."""
        if soon and self.idle:
            is_fresh = self.is_fresh
            self.deadline = min(self.deadline, self.worker.deadline_in(linger_s))
            if is_fresh:
                self.fresh_until = self.deadline

    @property
    def is_fresh(self) -> bool:
        """Whether it has been idle since it was accepted; said of one that is idle."""
        return self.deadline == self.fresh_until

    @property
    def cut_word(self) -> int:
        """The word of the scoreboard that counts it where it is cut."""
        return CUT

    @property
    def idle(self) -> bool:
        """Whether no byte of a request has come and nothing is owed."""
        return (
            not self._outbox
            and not self.waiting
            and self._request is None
            and self._parser.phase in ("idle", "closed")
            and not self.running
        )

    @property
    def is_silent(self) -> bool:
        """Whether the client has sent nothing that was not read."""
        try:
            return not self.sock.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def expire(self, now: float) -> None:
        """What it waited for did not happen in time, unless it happened while the worker was busy."""
        self.handler(self.mask)
        if self.closed or self.deadline > now:
            return
        worker = self.worker
        if self.idle:
            self.close()
            return
        if self.running and not self._outbox:
            worker.overrun(self)
            return
        worker.words[TIMEOUTS] += 1
        if self._outbox or self.closing:
            self.close()
            return
        self._refuse(RemoteProtocolError("the client was too slow", 408))
        self._settle()

    def _answer_refusal(self, error: RemoteProtocolError) -> None:
        worker = self.worker
        self.refusal = None
        worker.refused(self, error)
        try:
            self.write(error_page(error.status_hint, http_date()[0]))
        except ClientGoneError:
            return
        if self._outbox is None:
            self.linger()

    def linger(self) -> None:
        """Close, but so that a client which is still sending sees the answer.

        Closing with bytes unread would reset the connection, and the answer with it.
        """
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self._wait_for(READ, self.on_lingering, LINGER_CLOSE_S)

    def give_up(self, status: int, *, has_begun: bool) -> None:
        """Answer for an application that does not, and close: with an error page, or a reset where it has begun."""
        client = self.sock.dup()
        with client:
            self.close()
            if has_begun:
                reset_at_close(client)
                return
            with contextlib.suppress(OSError):
                client.send(error_page(status, http_date()[0]))
                client.shutdown(socket.SHUT_WR)

    def last_word(self, page: bytes) -> bool:
        """Send `page` at once, or not at all: the process is about to end."""
        if self.closed or self._outbox is not None:
            return False
        try:
            self.sock.send(page, socket.MSG_DONTWAIT)
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            return False
        return True

    def on_lingering(self, _mask: int) -> None:
        """Read on and throw away, until the client has seen the end."""
        try:
            if self._receive(RECEIVE_BYTES):
                return
        except BlockingIOError:
            return
        except OSError:
            pass
        self.close()

    def on_hang_up(self, mask: int) -> None:
        """Both directions are closed while requests wait for their turn: nobody wants the answers."""
        if mask:  # else only the time is over
            self.close()

    def _drop_body(self) -> None:
        self._request = None
        if self._body is not None:
            self._body.close()
            self._body = None

    @override
    def close(self) -> None:
        """End the connection; what is pending is dropped. Harmless when already closed."""
        if self.closed:
            return
        self.closed = True
        self.worker.forget(self)
        self.sock.close()
        self.handler = nothing  # else it would hold itself, and be left to the garbage collector
        if self.home is not None:
            self.worker.lost(self)
        self._drop_body()
        self.drop_waiting()
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
