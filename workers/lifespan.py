"""The application's lifespan: what is said to it before the first request and after the last (ASGI lifespan 2.0).

Decides what counts as support, and as failure. Must not know the event loop: it waits
for events that the worker makes; deadlines are the worker's.
"""

import enum
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from heeler.plugins.errors import BootError, LocalProtocolError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.logs import event

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import AsgiWorker

Message = dict[str, Any]  # Any: what ASGI puts into it
Application = Callable[..., Awaitable[None]]


class _State(enum.Enum):
    NEW = "before it was asked to start"
    STARTING = "while it starts"
    SERVING = "while it serves"
    STOPPING = "while it stops"
    OVER = "after the end of its lifespan"


_ANSWERS: Final = {
    "lifespan.startup.complete": (_State.STARTING, _State.SERVING),
    "lifespan.startup.failed": (_State.STARTING, _State.OVER),
    "lifespan.shutdown.complete": (_State.STOPPING, _State.OVER),
    "lifespan.shutdown.failed": (_State.STOPPING, _State.OVER),
}
"""What the application may say: when, and what comes then."""


class Lifespan:
    """One application's lifespan in one worker.

    Args:
        worker: gives events and logs; its `state` is what the application fills.
        application: the ASGI callable.
        mode: `auto`: an exception before its answer says that it has no lifespan; `on`: that
            the boot failed; `off`: it is not asked.
    """

    def __init__(self, worker: "AsgiWorker", application: Application, mode: str) -> None:
        self._worker = worker
        self._application = application
        self._mode = mode
        self._state = _State.OVER if mode == "off" else _State.NEW
        self._failure: BaseException | None = None
        self._has_asked = False
        """Whether the application was asked to stop."""
        self._has_failed = False
        """Whether it said itself that it failed."""
        self._news = worker.event()
        """Set when the state has changed, and made anew then."""

    # -- the worker's side

    async def run(self) -> None:
        """Run the application for its lifespan: a task of the worker's; raises nothing but cancellation."""
        if self._mode == "off":
            return
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self._worker.state,
        }
        try:
            await self._application(scope, self._receive, self._send)
            self._returned()
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raised(error)
        finally:
            self._become(_State.OVER)

    async def startup(self) -> None:
        """Wait until the application has started, or has shown that it does not care.

        Raises:
            BootError: it says that it failed, with its message.
            BaseException: what it raised instead of an answer, where it had to give one.
        """
        while self._state in (_State.NEW, _State.STARTING):
            await self._news.wait()
        if self._failure is not None:
            raise self._failure

    async def shutdown(self) -> None:
        """Have the application stop, and wait until it has; what goes wrong is logged."""
        if self._state is _State.SERVING:
            self._become(_State.STOPPING)
        while self._state is _State.STOPPING:
            await self._news.wait()

    # -- the application's side

    async def _receive(self) -> Message:
        """ASGI's receive: startup, and once the worker stops, shutdown."""
        if self._state is _State.NEW:
            self._state = _State.STARTING
            return {"type": "lifespan.startup"}
        while self._state is not _State.STOPPING or self._has_asked:
            await self._news.wait()  # once it is over nobody sets it: nothing more will ever come
        self._has_asked = True
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        """ASGI's send."""
        kind = message["type"]
        expected, following = _ANSWERS.get(kind, (None, _State.OVER))
        if expected is None:
            raise LocalProtocolError(f"{kind!r} is no message of a lifespan")
        if self._state is _State.NEW and expected is _State.STARTING:
            self._state = _State.STARTING  # it does not wait to be asked
        if self._state is not expected:
            raise LocalProtocolError(f"the application said {kind} {self._state.value}")
        if kind == "lifespan.startup.failed":
            reason = str(message.get("message", "")) or "the application's lifespan startup failed"
            self._failure = BootError(self._worker.slot, ExitStatus.BOOT, reason)
            self._has_failed = True
        elif kind == "lifespan.shutdown.failed":
            self._log(logging.ERROR, "lifespan shutdown failed", block=str(message.get("message", "")))
            self._has_failed = True
        self._become(following)

    # -- how it ends

    def _returned(self) -> None:
        if self._state in (_State.NEW, _State.STARTING):
            reason = "the application's lifespan returned without lifespan.startup.complete"
            if self._mode == "on":
                self._failure = BootError(self._worker.slot, ExitStatus.BOOT, reason)
            else:
                self._log(logging.DEBUG, "lifespan not supported", reason=reason)
        elif self._state is _State.SERVING:
            self._log(logging.DEBUG, "lifespan returned")

    def _raised(self, error: BaseException) -> None:
        if self._has_failed:
            return
        if self._state in (_State.NEW, _State.STARTING):
            if self._mode == "on":
                self._failure = error
            else:
                self._log(logging.DEBUG, "lifespan not supported", reason=f"{type(error).__name__}: {error}")
        else:
            self._log(logging.ERROR, "lifespan failed", error)

    def _become(self, state: _State) -> None:
        self._state = state
        news, self._news = self._news, self._worker.event()
        news.set()

    def _log(
        self, level: int, phrase: str, error: BaseException | None = None, *, block: str = "", reason: str = ""
    ) -> None:
        fields = {"reason": reason} if reason else {}
        logger, slot = self._worker.boot.logs.error, self._worker.slot
        event(logger, level, phrase, exc_info=error, block=block, slot=slot, **fields)
