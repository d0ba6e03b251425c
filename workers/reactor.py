"""The reactor: requests are read and responses flushed without blocking, for many connections.

The application only ever gets whole requests, and never waits for a client's socket: so
a slow client costs a descriptor, not a worker.
"""

import abc
import collections
import contextlib
import heapq
import math
import os
import sys
import time
import types
from collections.abc import Callable
from typing import ClassVar, Final

from typing_extensions import override

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers import scoreboard
from heeler.workers.access_entry import SEEN_TO, TIMEOUT
from heeler.workers.base import Boot, Drain, Worker
from heeler.workers.body import RequestBody
from heeler.workers.client_writer import ClientWriter
from heeler.workers.clock import http_date
from heeler.workers.dispatch_source import DispatchSource
from heeler.workers.handover import UNKNOWN, Tail
from heeler.workers.http.error_page import error_page
from heeler.workers.http.fields import FieldReader
from heeler.workers.http.limits import Limits
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.overrun import Run, run_in
from heeler.workers.overruns import Overruns
from heeler.workers.poller import EXCLUSIVE, READ, Poller
from heeler.workers.sources import AcceptingSource, Connection, Source
from heeler.workers.wsgi import Gateway

ABSENT: Final = -1
"""The mask of a client that the poller does not have."""

SHED_S: Final = 0.1
"""How often a worker that keeps connections compares itself with others."""

SHED_AT_MOST: Final = 64
"""How many idle connections it gives away at a time."""

SWEEP_S: Final = 0.25
"""Deadlines are looked at no more often than this, however many connections there are."""

FRESH_S: Final = 1.0
"""How long a new connection is kept for its first request, though another wants its place."""


class ReactorWorker(Worker):
    """Reads, parks and flushes connections; a subclass runs the requests.

    One loop turn: wait, handle every descriptor that is ready, run what waits, look
    after deadlines, beat.
    """

    connection_class: ClassVar[type[HttpConnection]] = HttpConnection
    """What a client's connection is."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        config = boot.config
        self.limits: Final = Limits(
            request_line=config.limit_request_line,
            fields=config.limit_request_fields,
            field_size=config.limit_request_field_size,
            body=config.limit_request_body,
        )
        self.field_reader: Final = FieldReader(self.limits, config.header_map)
        self.keepalive = float(config.keepalive)
        self.header_timeout: Final = float(config.header_timeout) or math.inf
        self.request_timeout: Final = float(config.request_timeout) or math.inf
        self.overruns: Final = Overruns(self)
        self.body_timeout: Final = float(config.body_timeout) or math.inf
        self.write_timeout: Final = float(config.write_timeout) or math.inf
        self.body_memory: Final[int] = config.body_memory
        self.response_memory: Final[int] = config.response_memory
        self.spool_dir: Final[str | None] = config.spool_dir
        self.connections: dict[int, HttpConnection] = {}
        self.ready: collections.deque[HttpConnection] = collections.deque()
        """Connections with a whole request that waits for its turn."""
        self.free = 1
        """How many more requests may start now."""
        self.returns_idle: Final = config.dispatch == "request"
        """Whether idle connections may go back to a listener."""
        self._sheds: Final = self._keeps and self.returns_idle
        self._shed_at = 0.0
        self.is_busier = False
        """Whether others have so much less to do that idle connections had better go there."""
        self._turns = 0
        """How often the loop was turned, turns within turns included."""
        self._sweep_at = math.inf
        self._tell_again_at = math.inf
        self._full = False
        self._makes_way_at = math.inf
        """When a connection that is too new to make way no longer is, while others wait for that."""
        self._poller = Poller()
        self._handlers: dict[int, Callable[[int], None]] = {}
        self._registered: dict[int, Source] = {}

    def make_gateway(self) -> Gateway:
        """Return what runs the application."""
        assert self.application is not None
        return Gateway(self, self.application.callable)

    @override
    def setup(self) -> None:
        self.gateway = self.make_gateway()
        os.register_at_fork(after_in_child=self._let_go_of_clients)

    def _let_go_of_clients(self) -> None:
        """In a process that the application forked: a client sees the end of its connection only when all copies close.

        The poller is left alone: it is the worker's, and shared.
        """
        for client in self.connections.values():
            client.sock.close()

    # -- the loop

    @override
    def run(self) -> None:
        while self.draining is None:
            self.turn(self.tick())

    def turn(self, timeout_s: float) -> None:
        """Wait for something to happen, at most `timeout_s`, and see to it."""
        if self.ready and self.free > 0:
            timeout_s = 0.0
        elif self._sweep_at < math.inf:
            timeout_s = min(timeout_s, max(0.0, self._sweep_at - time.monotonic()))
        handlers = self._handlers
        self._turns += 1
        turn = self._turns
        for fd, mask in self._poller.poll(timeout_s):
            handler = handlers.get(fd)
            # None: closed by another handler in this same turn.
            if handler is not None:
                handler(mask)
                if self._turns != turn:
                    break  # it waited for a client: what was to be done has been done since, or is told again
        if self.ready:
            self.run_ready()
        if self._sweep_at < math.inf:
            self._sweep()
        if self._sheds and time.monotonic() >= self._shed_at:
            self._shed()

    def run_ready(self) -> None:
        """Run what waits: one request of each connection that waits now, oldest first."""
        for _ in range(len(self.ready)):
            if self.free <= 0:
                return
            connection = self.ready.popleft()
            connection.queued = False
            if not connection.closed:
                connection.speed_up()
                self.take(connection, *connection.next_request())

    @abc.abstractmethod
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        """Run a whole request, the oldest of its connection; where that cannot be now, `postpone` it."""

    def overrun(self, connection: HttpConnection) -> None:
        """The application has been at work on a request for longer than `request_timeout`."""

    def queue(self, connection: HttpConnection) -> None:
        """Give `connection` a turn after those that wait already."""
        if not connection.queued and not connection.running:
            connection.queued = True
            self.ready.append(connection)

    # -- connections

    @override
    def handle(self, connection: Connection) -> None:
        client = self.connection_class(self, connection, self.gateway.connection_environ(connection))
        if super().room() <= 0:
            self._evict_idle()
        self.connections[client.fd] = client
        self.opened()
        # One that is to go on elsewhere is looked at after each response.
        client.calm = self.draining is None or not self.returns_idle or connection.home is not None
        if connection.home is not None:
            self._handle_handed(client)
            return
        client.mask = READ
        self._handlers[client.fd] = client.handler
        self._poller.register(client.fd, READ)
        client.came_at = now = time.monotonic()
        self.deadline_at(now + self.keepalive)  # of one that is served at once, as most are
        client.deadline = client.fresh_until = self.deadline_at(
            now + (self.header_timeout if self.draining is None else self.draining.linger_s)
        )
        # Most clients have sent their request by now.
        client.on_readable(READ)

    def _handle_handed(self, client: HttpConnection) -> None:
        """Serve a connection whose request has come; mostly it is answered, and gone, before it is waited for."""
        client.mask = ABSENT
        client.deadline = client.fresh_until = self.deadline_in(self.header_timeout)
        client.on_readable(READ)
        if client.mask == ABSENT and client.calm and not client.running and not client.closed:
            client.await_first()  # it had sent nothing

    def watch(self, client: ClientWriter, mask: int, timeout_s: float) -> float:
        """Wait for `mask` on `client`'s socket; return the deadline."""
        self._handlers[client.fd] = client.handler
        if mask != client.mask:
            if client.mask == ABSENT:
                self._poller.register(client.fd, mask)
            else:
                self._poller.modify(client.fd, mask)
            client.mask = mask
        return self.deadline_in(timeout_s)

    def let_go(self, client: ClientWriter) -> None:
        """Wait for nothing on `client`'s socket until it is taken back: another has it."""
        if client.mask != ABSENT:
            del self._handlers[client.fd]
            self._poller.unregister(client.fd)
            client.mask = ABSENT

    def take_back(self, client: ClientWriter) -> None:
        """Its socket is the reactor's again; it is waited for nothing yet."""
        client.mask = 0
        self._handlers[client.fd] = client.handler
        self._poller.register(client.fd, 0)

    def forget(self, client: HttpConnection) -> None:
        """`client` is about to close its socket."""
        del self.connections[client.fd]
        if self._handlers.pop(client.fd, None) is not None:
            self._poller.unregister(client.fd)
        self.closed()
        self.became_idle()

    # -- connections that a listener has handed over

    @override
    def busy(self) -> int:
        return sum(client.home is not None and not client.is_slow for client in self.connections.values())

    @override
    def home_changed(self) -> None:
        for client in list(self.connections.values()):
            if client.home is not None and client.idle:
                self.give_back(client)

    def slowed(self, client: HttpConnection, home: DispatchSource) -> None:
        """A connection that a listener knows of waits for its client, and no request of it runs."""
        if not home.slow(client.number):
            self._over_for_another(home)

    def _over_for_another(self, home: DispatchSource) -> None:
        """A request is over that was counted as `busy` for the listener after `home`."""
        if self.home is not None and self.home is not home:
            self.home.gone(UNKNOWN)

    def give_back(self, client: HttpConnection) -> bool:
        """Hand an idle connection back to the listener, from where another worker may get it.

        Returns:
            False where it stays: the listener is gone, or it is to stay.
        """
        home, ours = client.home, self.home
        quietly = self.draining is None and not client.goes_aloud and self.turns_soon(client)
        if home is not None and home.back(client.number, quietly=quietly):
            is_sent = True
        elif ours is not None and ours is not home and (home is not None or self._goes_on_elsewhere()):
            busy = int(home is not None and not client.is_slow)
            is_sent = ours.adopt(client.sock, Tail(*client.peer, str(client.address)), busy)
        else:
            is_sent = False
        if is_sent:
            client.home = None
            client.close()
        return is_sent

    def turns_soon(self, client: HttpConnection) -> bool:  # noqa: ARG002 - not everybody's turn is next
        """Whether who has served `client` turns the loop next, before it waits for anything."""
        return True

    def _goes_on_elsewhere(self) -> bool:
        """Whether an idle connection had better be with another worker."""
        return self.is_busier if self.draining is None else not self.draining.last

    def _shed(self) -> None:
        """Give idle connections back while another worker has much less to do."""
        self._shed_at = time.monotonic() + SHED_S
        mine = self.words[scoreboard.IN_FLIGHT]
        others = [
            row.words[scoreboard.IN_FLIGHT]
            for row in self.boot.pages
            if row.words[scoreboard.STATE] == scoreboard.State.READY
            and row.words[scoreboard.ROLE] == scoreboard.Role.WORKER
            and row.index != self.row.index
        ]
        self.is_busier = bool(others) and mine > 2 * min(others) + 2
        if self.is_busier:
            for client in [client for client in self.connections.values() if client.idle][:SHED_AT_MOST]:
                self.give_back(client)

    def lost(self, client: HttpConnection) -> None:
        """A connection is closed that a listener knows of."""
        home, client.home = client.home, None
        if home is not None and not home.gone(client.number) and not client.is_slow:
            self._over_for_another(home)

    def became_idle(self) -> None:
        """A connection is idle, or gone: it can make way for one that waits."""
        if self._full and self.accepting:
            self._full = False
            self.resume_accept()

    def deadline_in(self, timeout_s: float) -> float:
        """Return when `timeout_s` seconds will have passed, having made sure that it is looked at then."""
        deadline = time.monotonic() + timeout_s
        self._sweep_at = min(self._sweep_at, deadline)
        return deadline

    def deadline_at(self, when: float) -> float:
        """Return `when`, monotonic seconds, having made sure that it is looked at then."""
        self._sweep_at = min(self._sweep_at, when)
        return when

    def _sweep(self) -> None:
        """Expire what is overdue; find out when to look again."""
        now = time.monotonic()
        if now < self._sweep_at:
            return
        for client in [client for client in self.connections.values() if client.deadline <= now]:
            if not client.closed:
                client.expire(now)
        if now >= self._makes_way_at:
            self._makes_way_at = math.inf
            self.became_idle()
        earliest = min((client.deadline for client in self.connections.values()), default=math.inf)
        self._sweep_at = max(min(earliest, self._makes_way_at), now + SWEEP_S)

    def refused(self, client: HttpConnection, error: RemoteProtocolError) -> None:
        """Count and log a request that the application never saw."""
        self.words[scoreboard.REFUSED] += 1
        self.gateway.log_refusal(client.peer[0], error)

    # -- back-pressure

    def wait_for_client(self, client: ClientWriter) -> None:
        """Too much is pending for `client`: wait while nobody else waits for this worker.

        Once another request does, the rest of the response goes to a temporary file, so
        that the application can finish and make way.
        """
        assert isinstance(client, HttpConnection)
        client.slow_down()  # so that somebody comes for whom it is to make way
        with self.making_way_of(client):
            self._wait_for_room(client, self.response_memory // 2)

    def making_way_of(self, client: HttpConnection) -> contextlib.AbstractContextManager[None]:
        """Return what a request waits in for its client, so that a listener knows that another could run."""
        if client.home is None and self._keeps and self.home is not None:
            return self.making_way()
        return contextlib.nullcontext()

    def _wait_for_room(self, client: ClientWriter, low: int) -> None:
        while not client.closed and client.pending_memory() > low:
            if self.ready or (self.draining is not None and time.monotonic() > self.draining.deadline):
                client.spill()
                return
            self.turn(self.tick())

    # -- admission

    @override
    def room(self) -> int:
        if self.ready:
            return 0
        free = super().room()
        if free > 0:
            return free
        since = time.monotonic() - FRESH_S
        idle = [client for client in self.connections.values() if client.idle]
        if any(not self._is_spared(client, since) and client.is_silent for client in idle):
            return 1  # `handle` has one make way, once somebody has come
        if not all(client.is_silent for client in idle):
            return 0  # their bytes are read in this turn or the next: then it is seen who is idle
        self._full = True
        self.pause_accept()
        if idle:
            self._makes_way_at = self.deadline_at(min(client.came_at for client in idle) + FRESH_S)
        return 0

    def _evict_idle(self) -> None:
        """Close the connections that have been idle longest, for new ones to come in."""
        since = time.monotonic() - FRESH_S
        idle = [client for client in self.connections.values() if client.idle and not self._is_spared(client, since)]
        for client in heapq.nsmallest(max(1, len(idle) // 100), idle, key=self._idle_since):
            if client.is_silent:
                client.close()

    @staticmethod
    def _is_spared(client: HttpConnection, since: float) -> bool:
        """Whether its first request is on its way: its client would take the end for that of a request, and give up."""
        return client.came_at > since and client.is_fresh

    def _idle_since(self, client: HttpConnection) -> float:
        return client.came_at if client.is_fresh else client.deadline - self.keepalive

    @override
    def sources_changed(self) -> None:
        wanted = {source.fileno(): source for source in self.sources}
        for fd in [fd for fd in self._registered if fd not in wanted]:
            del self._registered[fd], self._handlers[fd]
            self._poller.unregister(fd)
        for fd, source in wanted.items():
            if fd not in self._registered:
                self._registered[fd] = source
                self._poller.register(fd, self._source_mask(source))
                self._handlers[fd] = self._source_handler(source)

    @staticmethod
    def _source_mask(source: Source) -> int:
        return READ | EXCLUSIVE if isinstance(source, AcceptingSource) and source.is_shared else READ

    def _source_handler(self, source: Source) -> Callable[[int], None]:
        if not EXCLUSIVE or not isinstance(source, AcceptingSource) or not source.is_shared:
            return lambda _mask: self.accept(source)

        def accept(_mask: int) -> None:
            self.accept(source)
            fd = source.fileno()
            if fd in self._registered:
                # The kernel wakes the newest waiter first; going to the end of the queue evens the load.
                self._poller.unregister(fd)
                self._poller.register(fd, READ | EXCLUSIVE)

        return accept

    # -- the end

    @override
    def see_off(self, here: types.FrameType | None) -> None:
        super().see_off(here)
        for frame in self.frames():
            with contextlib.suppress(Exception):  # whatever state it was interrupted in; the arbiter tells of the rest
                if (run := run_in(frame)) is not None:
                    self._answer_for(run)

    def frames(self) -> list[types.FrameType]:
        """Return the innermost frames of all that may run a request."""
        return list(sys._current_frames().values())  # noqa: SLF001 - the public way to threads' frames

    def _answer_for(self, run: Run) -> None:
        """Answer a request whose application will not any more."""
        request, response = run.request, run.response
        if response.outcome is SEEN_TO:
            return
        page = error_page(504, http_date()[0], head_only=request.method == "HEAD")
        if response.head is not None or run.client.last_word(page):
            self.overruns.ended(request, run.started_ns, is_counted=response.outcome is TIMEOUT)
            self.gateway.see_to(run, 504)
            self.row.strike(run.started_ns)

    @override
    def drain(self, drain: Drain) -> None:
        self.start_draining(drain)
        while not self.is_drained(drain):
            self.turn(min(self.tick(), max(0.0, drain.deadline - time.monotonic())))
        self.cut_rest()

    def start_draining(self, drain: Drain) -> None:
        """Tell every connection."""
        self.keepalive = min(self.keepalive, drain.linger_s)
        self._tell_again_at = (time.monotonic() + drain.deadline) / 2
        for client in list(self.connections.values()):
            if self.returns_idle and not drain.last:
                client.calm = False  # so that it is looked at once it is idle
                if client.idle and self.give_back(client):
                    continue
            client.stop(drain.linger_s, soon=True)

    def _give_back_rest(self) -> None:
        """Give back what the listener could not take before."""
        for client in list(self.connections.values()):
            if client.idle:
                self.give_back(client)

    def is_drained(self, drain: Drain) -> bool:
        """Do what a turn of the loop has to do besides while the worker drains; True where that is over.

        To be called again after each turn, and at `wait_s` at the latest.
        """
        now = time.monotonic()
        if now >= drain.deadline:
            return True
        if now >= self._tell_again_at:
            self._tell_again_at = math.inf
            for client in list(self.connections.values()):
                client.stop(drain.linger_s, soon=False)
        if drain.last and self.accepting:
            self._empty_backlog()
        if self.returns_idle and self.home is not None and not self.home.is_behind:
            self._give_back_rest()
        return not self.connections and not self.accepting

    def cut_rest(self) -> None:
        """The time is over: cut what is left, and count it."""
        for client in list(self.connections.values()):
            if not client.idle:
                self.words[client.cut_word] += 1
            client.close()

    def wait_s(self) -> float:
        """Beat; return for how many seconds at most may be waited for `poll_fd` to become readable.

        For loops other than the reactor's own.
        """
        now = time.monotonic()
        until = min(now + self.tick(), self._sweep_at, self._tell_again_at)
        if self.draining is not None and now < self.draining.deadline:
            until = min(until, self.draining.deadline)
        return 0.0 if self.ready and self.free > 0 else max(0.0, until - now)

    @property
    def poll_fd(self) -> int:
        """A descriptor that is readable while `turn` has something to do."""
        return self._poller.fileno()

    def _empty_backlog(self) -> None:
        """Take every connection that waits in the backlog; nobody else will."""
        if not self.ready:
            self.accept_rest()

    @override
    def teardown(self) -> None:
        for client in list(self.connections.values()):
            client.close()
        self._poller.close()
