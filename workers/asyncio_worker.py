"""The `asyncio` worker: ASGI on asyncio's loop, or uvloop's."""

import contextvars
import functools
import logging
import math
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, ClassVar, Final

from typing_extensions import override

from heeler.plugins.setting import Setting
from heeler.workers import scoreboard
from heeler.workers.asgi import AsgiGateway
from heeler.workers.asgi_settings import ASGI_SETTINGS
from heeler.workers.asgi_worker import AsgiWorker
from heeler.workers.base import Boot
from heeler.workers.event_loop import LOOP, new_loop
from heeler.workers.exchange import Exchange
from heeler.workers.logs import event
from heeler.workers.shared_tally import SharedTally
from heeler.workers.stacks import stack_of
from heeler.workers.wsgi import Gateway
from heeler.workers.wsgi_exchange import WsgiBridge, WsgiExchange

if TYPE_CHECKING:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

WIND_UP_S: Final = 1.0
"""How long tasks and generators that the application left may take to end."""

LEAST_THREADS: Final = 4
"""How many requests of a WSGI application run at once where `threads` does not say more."""


class AsyncioWorker(AsgiWorker):
    """Turns the reactor in an asyncio loop: its descriptor is one that the loop watches."""

    name = "asyncio"
    interfaces = frozenset({"asgi", "wsgi"})
    settings: ClassVar[tuple[Setting, ...]] = (*ASGI_SETTINGS, LOOP)

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self._loop: asyncio.AbstractEventLoop
        self._new_event: type[asyncio.Event]
        self._new_task: Callable[..., asyncio.Task[None]]
        self._is_over: Callable[[], bool] = bool
        self._over: asyncio.Event
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._threads: ThreadPoolExecutor
        self._is_shut = False
        """Whether no connection is accepted because all threads are at work."""

    @override
    def setup(self) -> None:
        import asyncio  # not before the fork: the arbiter has no use for it

        self._over, self._new_event = asyncio.Event(), asyncio.Event
        self._loop = new_loop(self.config.loop)
        # A task that begins at once, and does not wait, is never scheduled at all (Python 3.12).
        eager: dict[str, Any] = {"eager_start": True} if hasattr(asyncio, "eager_task_factory") else {}
        self._new_task = functools.partial(asyncio.Task, loop=self._loop, **eager)
        super().setup()
        if isinstance(self.gateway, WsgiBridge):
            self.row.set("capacity", self.gateway.threads)
            self.gateway.on_room = self._open_or_shut

    @override
    def run(self) -> None:
        # The loop is never closed: that would wait for whatever the application left in the default executor.
        self._complete(self.serve())
        self._loop.remove_reader(self.poll_fd)
        self._complete(self._wind_up())

    def _complete(self, work: Coroutine[Any, Any, None]) -> None:  # Any: as in AsgiWorker
        """Run `work` to its end, though the application may stop the loop, or raise SystemExit somewhere in it."""
        task = self._loop.create_task(work)
        while not task.done() and not self._loop.is_closed():
            try:
                self._loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt, RuntimeError) as error:
                if not task.done():
                    event(self.boot.logs.error, logging.ERROR, "event loop interrupted", exc_info=error)
        task.result()

    async def _wind_up(self) -> None:
        """End what the application left in the loop."""
        import asyncio

        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=self.time_left(WIND_UP_S))
        await self.within(self.time_left(WIND_UP_S), self._loop.shutdown_asyncgens())

    # -- the reactor in the loop

    @override
    async def turns(self, is_over: Callable[[], bool]) -> None:
        self._is_over = is_over
        self._over.clear()
        self._loop.add_reader(self.poll_fd, self._turn)
        self._turn()
        await self._over.wait()

    def _turn(self) -> None:
        self.turn(0.0)
        if self.draining is not None and self._is_over():
            self._over.set()
        due = time.monotonic() + self.wait_s()
        if due < self._timer_at:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = due
            self._timer = self._loop.call_later(due - time.monotonic(), self._on_timer)

    def _on_timer(self) -> None:
        self._timer, self._timer_at = None, math.inf
        self._turn()

    @override
    def nudge(self) -> None:
        self._loop.call_soon(self._turn)

    # -- WSGI

    @override
    def make_gateway(self) -> AsgiGateway | WsgiBridge:  # type: ignore[override]  # as in AsgiWorker
        application = self.application
        assert application is not None
        if application.interface == "asgi":
            return super().make_gateway()
        from concurrent.futures import ThreadPoolExecutor

        self.tally = SharedTally(self.row)
        gateway = Gateway(self, application.callable, multithread=True)
        threads = max(self.config.threads, LEAST_THREADS)
        self._threads = ThreadPoolExecutor(threads, "heeler-wsgi")
        return WsgiBridge(self, gateway, self._loop.call_soon_threadsafe, self._run_in_thread, threads)

    @override
    def wait_s(self) -> float:
        wait_s = super().wait_s()
        if isinstance(self.gateway, WsgiBridge):
            self.words[scoreboard.BEAT_AT] = self.gateway.heartbeat_ns(time.monotonic_ns())
            self._open_or_shut()
        return wait_s

    @override
    def room(self) -> int:
        if isinstance(self.gateway, WsgiBridge) and not self._open_or_shut():
            self.pause_accept()  # whoever had it resumed
            return 0
        return super().room()

    def _open_or_shut(self) -> bool:
        """Accept no connection while all threads are at work; return whether one is free."""
        assert isinstance(self.gateway, WsgiBridge)
        has_room = self.gateway.has_room
        if has_room == self._is_shut:
            self._is_shut = not has_room
            if self._is_shut:
                self.pause_accept()
            elif not self._full:
                self.resume_accept()
        return has_room

    def _run_in_thread(self, work: Callable[[], None], then: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                self._loop.call_soon_threadsafe(then)

        self._threads.submit(run)

    # -- tasks

    @override
    def event(self) -> "asyncio.Event":
        return self._new_event()

    @override
    def spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":  # Any: as in AsgiWorker
        return self._new_task(work, context=contextvars.Context())

    @override
    def cancel(self, exchange: Exchange) -> None:
        if isinstance(exchange, WsgiExchange):
            exchange.interrupt()
        else:
            super().cancel(exchange)

    @override
    def stack_of(self, exchange: Exchange) -> str:
        return exchange.stack() if isinstance(exchange, WsgiExchange) else stack_of(exchange.task)

    @override
    async def within(self, seconds: float, work: Awaitable[object]) -> bool:
        import asyncio

        try:
            await asyncio.wait_for(work, seconds)
        except TimeoutError:
            return False
        return True
