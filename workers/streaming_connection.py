"""A connection whose requests are answered while they come in: content and response stream both ways."""

import collections
import math
import time
from typing import TYPE_CHECKING, Final

from typing_extensions import override

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.exchange import Exchange
from heeler.workers.http.parser import Event
from heeler.workers.http.request import END, Request
from heeler.workers.http_connection import RECEIVE_BYTES, HttpConnection
from heeler.workers.outbox import Outbox
from heeler.workers.poller import LEFT, READ, WRITE
from heeler.workers.queue_time import FIELD
from heeler.workers.scoreboard import CUT, CUT_WEBSOCKETS, TIMEOUTS
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import AsgiWorker

HIGH_WATER: Final = 65536
"""Bytes pending for the client above which an exchange should wait before it sends more."""

DISCARD_BYTES: Final = 1 << 20
"""How much content that nobody read is taken in to keep a connection; above that it is closed."""


class StreamingConnection(HttpConnection):
    """Hands a request over as soon as its head is there, and passes on what follows.

    While an exchange is at work the socket is read on, unless the exchange has enough of it:
    so the end of the client is noticed.
    """

    __slots__ = (
        "_behind",
        "_content",
        "_discarded",
        "_has_told",
        "_heard_end",
        "_is_lingering",
        "_is_paused",
        "_is_raw",
        "_quiet_until",
        "_write_until",
        "exchange",
    )

    worker: "AsgiWorker"

    def __init__(self, worker: "AsgiWorker", connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        self.exchange: Exchange | None = None
        """Who answers the request; None between requests."""
        self._content = False
        """Whether content of the last request is still to come."""
        self._behind: collections.deque[Event] | None = None
        """What came behind the request that is being answered."""
        self._is_paused = False
        self._is_raw = False
        """Whether another protocol is spoken by now."""
        self._heard_end = False
        self._has_told = False
        """Whether the exchange knows that its client ended its side, though there is more to be read."""
        self._is_lingering = False
        """Whether all is said, and nothing that still comes is looked at."""
        self._discarded = 0
        self._quiet_until = math.inf
        self._write_until = math.inf

    # -- reading

    @override
    def on_readable(self, mask: int) -> None:
        if self.calm and self.exchange is None:
            try:
                data = self._receive(RECEIVE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                self.close()
                return
            self._tally.bytes_in += len(data)
            request = self._quick(data)
            if request is not None:
                self.deadline = math.inf
                if self.since_ns or (self.trusted and FIELD in request.fields.environ):
                    self._note_queue(request)
                self.worker.take(self, request, None)
            elif data:
                self.calm = False
                self._receive_events(self._feed(data))
            else:
                self._ended()
            return
        self._read_on(mask)

    def _read_on(self, _mask: int) -> None:
        """More of a request, or what comes while it is answered."""
        try:
            data = self._receive(RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        self._tally.bytes_in += len(data)
        self.calm = False
        if self._content:
            self._quiet_until = time.monotonic() + self.worker.body_timeout
        if self._is_raw:
            self._read_raw(data)
        elif not data:
            self._ended()
        else:
            self._receive_events(self._feed(data))

    def _read_raw(self, data: bytes) -> None:
        exchange = self.exchange
        if not data or exchange is None:
            self.close()
            return
        if not exchange.on_data(data):
            self._is_paused = True
            self._settle()
        elif exchange.deadline < self.deadline:
            self.rearm()  # one that has moved further off is found out when the old one passes

    @override
    def _receive_events(self, events: list[Event]) -> None:
        for position, item in enumerate(events):
            if self.closed or self.refusal is not None or self._is_lingering:
                break
            if type(item) is bytes:
                self._pass_on(item)
            elif item is END:
                self._content = False
                if self.exchange is not None:
                    self.exchange.on_end()
            elif not self._content and (self.exchange is not None or self._outbox):
                self._behind = collections.deque(events[position:])  # a request, or what is none
                break
            elif type(item) is Request:
                self._begin(item)
            else:
                assert isinstance(item, RemoteProtocolError), item
                self._refuse(item)
                break
        self._settle()

    @override
    def _begin(self, request: Request) -> None:
        """A head is complete: somebody is to answer it."""
        self.calm = False
        self._note_queue(request)
        self._content = not request.complete
        self._asks_on = request.expects_continue
        self._has_told = False
        self._discarded = 0
        self._quiet_until = self.deadline = math.inf
        self.worker.take(self, request, None)

    def _pass_on(self, data: bytes) -> None:
        self._asks_on = False
        if self.exchange is None:
            self._discarded += len(data)
            if self._discarded > DISCARD_BYTES:
                self.closing = True
        elif not self.exchange.on_content(data):
            self._is_paused = True

    @override
    def _refuse(self, error: RemoteProtocolError) -> None:
        exchange = self.exchange
        self.closing = True
        self._behind = None
        if exchange is None and self._content:
            return  # the request was answered: a second answer would pass for that of the next
        self._content = False
        if exchange is None:
            self.refusal = error
            return
        # The application is at work on a request that will never be whole.
        has_begun = exchange.has_begun
        self._let_go()
        if has_begun:
            self.abort()
        else:
            self.refusal = error

    @override
    def _ended(self) -> None:
        if self.exchange is None:
            super()._ended()
            return
        if self._content:
            self._refuse(RemoteProtocolError("the client ended within the content"))
        else:
            self.closing = self._heard_end = True
            self.exchange.on_gone(cut=False)
        self._settle()

    # -- what an exchange asks for

    def ask_on(self) -> None:
        """Have the client send its content, where it waits to be asked."""
        if not self._asks_on or not self._content:
            return
        self._quiet_until = time.monotonic() + self.worker.body_timeout
        if self.exchange is not None and self.exchange.has_begun:
            # Too late: it would stand within the response. A client that sends all the same is heard.
            self._asks_on = False
            self.closing = True
        else:
            self._ask_on()
        self._settle()

    def read_on(self) -> None:
        """The exchange has room for more."""
        if self._is_paused:
            self._is_paused = False
            self._quiet_until = time.monotonic() + self.worker.body_timeout
            if not self.closed:
                self._settle()

    def refuse(self, error: RemoteProtocolError) -> None:
        """Answer with an error instead, and close."""
        self._refuse(error)

    def limit_run(self, seconds: float) -> None:
        """From now on the application may be at work on the request for `seconds`."""
        self.run_until = time.monotonic() + seconds
        self.rearm()

    def switch(self) -> None:
        """From now on bytes go to the exchange as they are."""
        if self._behind is not None or self._parser.phase == "head":
            self.close()  # nobody may send before the answer is there
            return
        self._is_raw = True
        self._settle()

    @property
    @override
    def cut_word(self) -> int:
        return CUT_WEBSOCKETS if self._is_raw else CUT

    def rearm(self) -> None:
        """The exchange's deadline has changed."""
        if self.exchange is not None and not self.closed:
            self.deadline = self.worker.deadline_at(self._busy_until())

    @override
    def finish(self, keep_alive: bool) -> None:
        if self.exchange is None:
            return
        self.exchange = None
        self.running = False
        self.run_until = math.inf
        if self.closed:
            return
        if keep_alive and self.calm and not self.closing:
            self.deadline = self.worker.last_response_ns / 1e9 + self.worker.keepalive
            self.worker.became_idle()
            return
        self._is_paused = False
        if not keep_alive or self._asks_on:
            self.closing = True
            self._behind = None
        self._settle()

    # -- deciding what to wait for

    @override
    def _settle(self) -> None:
        if self.closed or self._is_lingering:
            return
        if self.exchange is not None or (self._content and not self.closing):
            self._await_anything()
        elif self._outbox:
            super()._await_room(self._outbox)
        elif self._behind is not None:
            behind, self._behind = self._behind, None
            self._receive_events(list(behind))
        elif self._content and self.refusal is None:
            # Closing with bytes unread would reset the connection, and the answer with it.
            self._content = False
            self.linger()
        else:
            super()._settle()

    def _await_anything(self) -> None:
        """Wait for whatever may happen while an exchange is at work, or content comes that nobody wants."""
        mask = WRITE if self._outbox else 0
        if not self._is_paused and self._behind is None and not self._heard_end:
            mask |= READ
        elif self._behind is not None and not self._has_told:
            mask |= LEFT
        if self._content and self._quiet_until == math.inf:
            self._quiet_until = time.monotonic() + self.worker.body_timeout
        self._wait_for(mask, self.on_busy, math.inf)
        self.deadline = self.worker.deadline_at(self._busy_until())

    def _busy_until(self) -> float:
        until = self.run_until if not self._is_raw else math.inf
        if self.exchange is not None:
            until = min(until, self.exchange.deadline)
        if self._content and not self._is_paused and not self._asks_on:
            until = min(until, self._quiet_until)
        if self._outbox:
            until = min(until, self._write_until)
        return until

    @override
    def _await_room(self, outbox: Outbox) -> None:
        self._taken = outbox.taken(self.sock)
        self._write_until = time.monotonic() + self.worker.write_timeout
        self._settle()

    def on_busy(self, mask: int) -> None:
        """Something happened while an exchange is at work."""
        if mask & WRITE and self._outbox:
            self.on_writable(mask)
            exchange = self.exchange
            if exchange is not None and not self.closed and self.pending_memory() < HIGH_WATER // 2:
                exchange.on_drained()
        if self.closed or self._is_lingering or not mask & ~WRITE:
            return
        if self._is_paused or self._behind is not None or self._heard_end:
            if mask & ~(READ | WRITE | LEFT):
                self.close()  # both directions are closed
            elif mask & LEFT and self.exchange is not None:
                self._has_told = True
                self.exchange.on_gone(cut=False)
                self._settle()
            return
        self._read_on(mask)

    @override
    def _taking(self) -> None:
        self._write_until = time.monotonic() + self.worker.write_timeout
        if self.exchange is None:
            super()._taking()

    # -- deadlines and the end

    @property
    @override
    def idle(self) -> bool:
        return not self._content and self._behind is None and super().idle

    @override
    def stop(self, linger_s: float, *, soon: bool) -> None:
        if self.exchange is not None:
            self.exchange.on_stop(soon=soon)
        else:
            super().stop(linger_s, soon=soon)

    @override
    def expire(self, now: float) -> None:
        if self.exchange is None and (not self._content or self.closing):
            super().expire(now)
            return
        self.handler(self.mask & (READ | WRITE))
        if self.closed or self._is_lingering:
            return
        if self._busy_until() > now:
            if self.exchange is not None or self._content:
                self.deadline = self.worker.deadline_at(self._busy_until())
            return
        worker, exchange = self.worker, self.exchange
        if exchange is not None and exchange.deadline <= now:
            exchange.on_deadline(now)
            self.rearm()
        elif self._outbox and self._write_until <= now:
            worker.words[TIMEOUTS] += 1
            self.close()
        elif self._content and self._quiet_until <= now:
            worker.words[TIMEOUTS] += 1
            self._refuse(RemoteProtocolError("the client was too slow", 408))
            self._settle()
        else:
            worker.overrun(self)
            self.rearm()

    @override
    def linger(self) -> None:
        self._is_lingering = True
        super().linger()

    def _let_go(self) -> None:
        """Nothing more of the exchange reaches the client."""
        exchange, self.exchange = self.exchange, None
        self.running = False
        if exchange is not None:
            exchange.on_gone(cut=True)

    @override
    def close(self) -> None:
        if not self.closed:
            super().close()
            self._behind = None
            self._let_go()
