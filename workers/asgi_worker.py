"""The base of worker classes that serve ASGI: every request is a task in an event loop of the subclass's choice."""

import abc
import contextlib
import logging
import math
import time
import types
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any, ClassVar, Final, Protocol

from typing_extensions import override

from heeler.plugins.setting import Setting
from heeler.workers.asgi import AsgiGateway
from heeler.workers.asgi_settings import ASGI_SETTINGS
from heeler.workers.base import Boot, Drain, Worker
from heeler.workers.body import RequestBody
from heeler.workers.client_writer import ClientWriter
from heeler.workers.exchange import Exchange
from heeler.workers.http.request import Request
from heeler.workers.http_connection import HttpConnection
from heeler.workers.in_flight import UNNAMED, InFlight
from heeler.workers.lifespan import Lifespan
from heeler.workers.logs import event
from heeler.workers.overruns import OBEY_S
from heeler.workers.reactor import SWEEP_S, ReactorWorker
from heeler.workers.scoreboard import CUT_TASKS, IN_FLIGHT
from heeler.workers.streaming_connection import StreamingConnection
from heeler.workers.wsgi_exchange import WsgiBridge

BEYOND_S: Final = 0.6
"""How long beyond the deadline of a drain the end may take; the arbiter kills after a second."""

LEAST_S: Final = 0.1
"""How long each step of the end may take in any case."""


class Event(Protocol):
    """Something to wait for, once: what `asyncio.Event` and `trio.Event` have in common."""

    def set(self) -> None:
        """Wake those who wait."""

    async def wait(self) -> Any:  # Any: loops differ in what it returns
        """Return once `set` was called."""


class Task(Protocol):
    """What runs by itself: an `asyncio.Task`, or a scope of trio's around something in a nursery."""

    def cancel(self) -> object:
        """Have it end; it is thrown an exception of the loop's."""


class AsgiWorker(ReactorWorker):
    """Serves ASGI on the reactor, turned by an event loop.

    A subclass provides the loop: `run`, which runs `serve` in it; `turns` and `nudge`, which
    turn the reactor; `spawn` for tasks; `event`; and `within`.
    """

    interfaces: ClassVar[frozenset[str]] = frozenset({"asgi"})
    settings: ClassVar[tuple[Setting, ...]] = ASGI_SETTINGS
    connection_class = StreamingConnection
    gateway: AsgiGateway | WsgiBridge  # type: ignore[assignment]  # it has what the reactor asks of one
    ready_after_setup = False

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.state: dict[str, Any] = {}  # Any: the application's
        """What the application's lifespan put there."""
        self.live: set[Exchange] = set()
        """Exchanges whose task runs, perhaps for work behind the response."""
        self._cancel_at: dict[Exchange, float] = {}
        self._in_flight = InFlight(self.row)
        self._lifespan_task: Task

    # -- what a subclass provides

    @abc.abstractmethod
    def event(self) -> Event:
        """Return a new event of the loop."""

    @abc.abstractmethod
    def spawn(self, work: Coroutine[Any, Any, None]) -> Task:  # Any: what loops and coroutines tell each other
        """Run `work` as a task of its own, in a fresh context; it raises nothing but cancellation."""

    @abc.abstractmethod
    async def turns(self, is_over: Callable[[], bool]) -> None:
        """Turn the reactor until `is_over`, to be asked after each turn and each `nudge`."""

    @abc.abstractmethod
    def nudge(self) -> None:
        """Have `is_over` asked again soon."""

    @abc.abstractmethod
    async def within(self, seconds: float, work: Awaitable[object]) -> bool:
        """Await `work` for at most `seconds`; False where it was not done by then, and was cancelled."""

    # -- life

    @override
    def setup(self) -> None:
        super().setup()
        self.free = self.config.worker_connections
        self.row.set("capacity", self.free)

    @override
    def make_gateway(self) -> AsgiGateway | WsgiBridge:  # type: ignore[override]
        assert self.application is not None
        return AsgiGateway(self, self.application.callable)

    async def serve(self) -> None:
        """Live from the lifespan's startup to its shutdown; `run` has it run in the loop.

        Raises:
            BootError: the application refused to start.
        """
        assert self.application is not None
        is_asgi = self.application.interface == "asgi"
        lifespan = Lifespan(self, self.application.callable, self.config.lifespan if is_asgi else "off")
        self._lifespan_task = self.spawn(lifespan.run())
        try:
            await lifespan.startup()
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self.application = self.stand_in(error)
            self.gateway = self.make_gateway()
        if self.announce():
            await self.turns(lambda: self.draining is not None)
            assert self.draining is not None
            self.begin_drain(self.draining)
            self.start_draining(self.draining)
            await self.turns(lambda: self.is_drained(self.draining))
            self.cut_rest()
            self.close_listeners()
        if not await self.within(self.time_left(self.config.lifespan_shutdown_timeout), lifespan.shutdown()):
            event(self.log, logging.WARNING, "lifespan shutdown cut", slot=self.slot)

    def time_left(self, at_most_s: float) -> float:
        """Return how much of `at_most_s` there is for a step of the end, once the worker has drained."""
        assert self.draining is not None
        return min(at_most_s, max(LEAST_S, self.draining.deadline + BEYOND_S - time.monotonic()))

    @override
    def drain(self, drain: Drain) -> None:
        """`serve` has drained."""
        # What threads still run, of a WSGI application, is counted by that; its entries stay, for the arbiter to tell.
        self.words[IN_FLIGHT] = 0

    @override
    def is_drained(self, drain: Drain | None) -> bool:
        assert drain is not None
        done = super().is_drained(drain)
        return done and (not self.live or time.monotonic() >= drain.deadline)

    @override
    def cut_rest(self) -> None:
        self.words[CUT_TASKS] += len(self.live - {client.exchange for client in self._streams()})
        super().cut_rest()
        if self.live:
            event(self.log, logging.WARNING, "background work cut", slot=self.slot, tasks=len(self.live))
            for exchange in list(self.live):
                self.cancel(exchange)

    def _streams(self) -> Iterator[StreamingConnection]:
        for client in self.connections.values():
            assert isinstance(client, StreamingConnection)
            yield client

    # -- requests

    @override
    def take(self, connection: HttpConnection, request: Request, body: RequestBody | None) -> None:
        assert isinstance(connection, StreamingConnection)
        started_ns = time.monotonic_ns()
        exchange = self.gateway.exchange(connection, request, started_ns)
        connection.exchange = exchange
        connection.running = True
        exchange.entry = self._in_flight.enter(started_ns, request.line.what)
        if self.request_timeout < math.inf:
            connection.run_until = started_ns / 1e9 + self.request_timeout
            connection.rearm()
        self.live.add(exchange)
        exchange.task = self.spawn(self._live_through(exchange))

    async def _live_through(self, exchange: Exchange) -> None:
        try:
            await exchange.run()
        except BaseExceptionGroup:
            pass  # what became of a cancellation in the application's own tasks: it is reported
        finally:
            self.live.discard(exchange)
            if self._cancel_at:
                self._cancel_at.pop(exchange, None)
            if self.draining is not None:
                self.nudge()

    def cancel(self, exchange: Exchange) -> None:
        """Cancel the task of `exchange`."""
        exchange.task.cancel()

    def response_done(self, exchange: Exchange) -> None:
        """The response is complete, or cut; the application may go on."""
        self._in_flight.leave(exchange.entry)
        if self.home is not None:
            self.tell_room()
        self.deadline_at(self.last_response_ns / 1e9 + SWEEP_S)  # the turn that shows what was counted

    @override
    def deadline_in(self, timeout_s: float) -> float:
        return self.deadline_at(time.monotonic() + timeout_s)

    @override
    def deadline_at(self, when: float) -> float:
        # Tasks set deadlines while the loop sleeps already: it has to ask again for how long.
        if when < self._sweep_at:
            self._sweep_at = when
            self.nudge()
        return when

    @override
    def overrun(self, connection: HttpConnection) -> None:
        assert isinstance(connection, StreamingConnection)
        exchange = connection.exchange
        if exchange is None:
            return
        if exchange.timed_out:
            self.overruns.stuck(exchange.request, exchange.started_ns, self.stack_of(exchange))
            if exchange.has_begun:
                self.cut()
            if not exchange.give_up():
                connection.abort()
            return
        self.overruns.begin(exchange.request, exchange.started_ns, self.overruns.stacks())
        exchange.timed_out = True
        connection.run_until = time.monotonic() + OBEY_S
        self.cancel(exchange)

    def stack_of(self, exchange: Exchange) -> str:  # noqa: ARG002 - for those who know their tasks
        """Return where the task of `exchange` waits, for the log; empty where nobody knows."""
        return ""

    @override
    def see_off(self, here: types.FrameType | None) -> None:
        Worker.see_off(self, here)
        for exchange in list(self.live):
            with contextlib.suppress(Exception):  # as in the reactor
                request, started_ns, entry = exchange.request, exchange.started_ns, exchange.entry
                has_overrun = exchange.timed_out
                if exchange.give_up():
                    self.overruns.ended(request, started_ns, is_counted=has_overrun)
                    if entry != UNNAMED:
                        self.row.leave(entry)

    def cancel_later(self, exchange: Exchange, grace_s: float) -> None:
        """Cancel the task of `exchange` if it still runs in `grace_s` seconds."""
        self._cancel_at[exchange] = self.deadline_in(grace_s)

    @override
    def _sweep(self) -> None:
        now = time.monotonic()
        is_due = now >= self._sweep_at
        super()._sweep()
        if is_due and self._cancel_at:
            for exchange in [exchange for exchange, when in self._cancel_at.items() if when <= now]:
                del self._cancel_at[exchange]
                self.cancel(exchange)
            self.deadline_at(min(self._cancel_at.values(), default=math.inf))

    @override
    def wait_for_client(self, client: ClientWriter) -> None:
        """An exchange waits by itself."""
