"""The `asyncio` worker: ASGI on asyncio's loop, or uvloop's."""

import contextvars
import math
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from heeler.plugins.setting import Setting
from heeler.workers.asgi_settings import ASGI_SETTINGS
from heeler.workers.asgi_worker import AsgiWorker
from heeler.workers.base import Boot
from heeler.workers.event_loop import LOOP, loop_factory
from heeler.workers.exchange import Exchange
from heeler.workers.lifespan import Lifespan

if TYPE_CHECKING:
    import asyncio


class AsyncioWorker(AsgiWorker):
    """Turns the reactor in an asyncio loop: its descriptor is one that the loop watches."""

    name = "asyncio"
    settings: ClassVar[tuple[Setting, ...]] = (*ASGI_SETTINGS, LOOP)

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self._loop: asyncio.AbstractEventLoop
        self._new_event: type[asyncio.Event]
        self._new_task: type[asyncio.Task[None]]
        self._is_over: Callable[[], bool] = bool
        self._over: asyncio.Event
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        self._tasks: set[asyncio.Task[None]] = set()

    @override
    def run(self) -> None:
        import asyncio  # not before the fork: the arbiter has no use for it

        self._over, self._new_event, self._new_task = asyncio.Event(), asyncio.Event, asyncio.Task
        runner = asyncio.Runner(loop_factory=loop_factory(self.config.loop))
        self._loop = runner.get_loop()
        runner.run(self.serve())
        self._loop.remove_reader(self.poll_fd)

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

    # -- tasks

    @override
    def event(self) -> "asyncio.Event":
        return self._new_event()

    @override
    def start(self, exchange: Exchange) -> None:
        exchange.task = self._task(self.live_through(exchange))

    @override
    def start_lifespan(self, lifespan: Lifespan) -> None:
        task = self._task(lifespan.run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _task(self, work: Any) -> "asyncio.Task[None]":  # Any: a coroutine
        return self._new_task(work, loop=self._loop, context=contextvars.Context())

    @override
    def cancel(self, exchange: Exchange) -> None:
        exchange.task.cancel()

    @override
    async def within(self, seconds: float, work: Awaitable[object]) -> bool:
        import asyncio

        try:
            await asyncio.wait_for(work, seconds)
        except TimeoutError:
            return False
        return True
