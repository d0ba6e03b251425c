"""The worker class `trio`: ASGI on trio, each request in one nursery, with a cancel scope of its own."""

import contextvars
import signal
from collections.abc import Awaitable, Callable
from typing import Any

from heeler.workers.asgi_worker import AsgiWorker, Event, Task


class TrioWorker(AsgiWorker):
    """Turns the reactor in a trio task, which waits for its descriptor."""

    name = "trio"
    requires = ("trio",)

    def run(self) -> None:
        """Live in a loop of trio's."""
        import trio  # not before the fork: the arbiter has no use for it

        self.trio, self.waiting = trio, trio.CancelScope()
        signal.set_wakeup_fd(-1)  # trio sets its own
        trio.run(self.in_nursery)

    async def in_nursery(self) -> None:
        """Live, and then cancel what the application left behind."""
        async with self.trio.open_nursery() as self.nursery:
            await self.serve()
            self.nursery.cancel_scope.cancel()

    async def turns(self, is_over: Callable[[], bool]) -> None:
        """Turn the reactor until `is_over`."""
        while not is_over():
            with self.trio.move_on_after(self.wait_s()) as self.waiting:
                await self.trio.lowlevel.wait_readable(self.poll_fd)
            self.turn(0.0)

    def nudge(self) -> None:
        """Have the reactor turn soon."""
        self.waiting.cancel()

    def event(self) -> Event:
        """Return what requests wait for."""
        return self.trio.Event()

    def spawn(self, work: Awaitable[object]) -> Task:
        """Run `work` in the nursery, in a fresh context."""
        scope = self.trio.CancelScope()
        contextvars.Context().run(self.nursery.start_soon, self.complete, work, scope)
        return scope

    async def complete(self, work: Awaitable[object], scope: Any) -> bool:  # Any: a scope of trio's
        """Do `work` in `scope`; False where that was cancelled."""
        with scope:
            await work
        return not scope.cancelled_caught

    async def within(self, seconds: float, work: Awaitable[object]) -> bool:
        """Do `work` for so long at most."""
        return await self.complete(work, self.trio.move_on_after(seconds))
