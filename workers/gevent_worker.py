"""The `gevent` worker: requests run in greenlets, and the standard library waits by switching."""

import contextlib
import types
from collections.abc import Callable
from typing import Any, ClassVar

from typing_extensions import override

from heeler.workers.green import GreenWorker


class GeventWorker(GreenWorker):
    """Has gevent's hub turn the reactor."""

    name = "gevent"
    requires: ClassVar[tuple[str, ...]] = ("gevent",)

    @classmethod
    @override
    def patch(cls) -> None:
        from gevent import monkey

        monkey.patch_all()
        with contextlib.suppress(ImportError):
            _patch_psycopg2()

    @classmethod
    @override
    def mend(cls) -> None:
        import gevent

        gevent.reinit()  # what the application's import has had a hub for goes on in each worker

    @override
    def open_hub(self) -> None:
        import gevent

        self._hub = hub = gevent.get_hub()
        self._new_greenlet: Callable[[Callable[[], None]], Any] = gevent.Greenlet
        self._reinit = gevent.reinit
        self._watcher = hub.loop.io(self.poll_fd, 1)
        self.to_hub = hub.switch
        hub.print_exception = self._log
        # What ends the hub ends the worker: that an application raises SystemExit somewhere must not.
        hub.SYSTEM_ERROR = SystemError

    def _log(
        self,
        context: object,
        kind: type[BaseException],
        error: BaseException | str | None,
        traceback: types.TracebackType | None,
    ) -> None:
        raised = error if isinstance(error, BaseException) else kind(*[error] if error else [])
        self.log_failure(raised.with_traceback(traceback), repr(context))

    @override
    def watch_poller(self) -> None:
        self._watcher.start(self.on_events)

    @override
    def leave_hub(self) -> None:
        if self.is_child:
            self._reinit(self._hub)  # or else the worker would no longer watch, either: the loop's poller is shared
            del self._hub.SYSTEM_ERROR, self._hub.print_exception
        self._watcher.stop()
        self._cancel_timer()

    @override
    def call_soon(self, callback: Callable[[], object]) -> None:
        self._hub.loop.run_callback(callback)

    @override
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], object]:
        timer = self._hub.loop.timer(seconds)
        timer.start(callback, update=True)
        return timer.close  # type: ignore[no-any-return]

    @override
    def new_greenlet(self, main: Callable[[], None]) -> Any:
        return self._new_greenlet(main)


def _patch_psycopg2() -> None:
    """Have psycopg2 wait by switching; psycopg 3 sees by itself that it is to."""
    from gevent.socket import wait_read, wait_write
    from psycopg2 import OperationalError, extensions

    def wait(connection: Any, _timeout: float | None = None) -> None:
        while (state := connection.poll()) != extensions.POLL_OK:
            if state == extensions.POLL_READ:
                wait_read(connection.fileno())
            elif state == extensions.POLL_WRITE:
                wait_write(connection.fileno())
            else:
                raise OperationalError(f"poll() returned {state!r}")

    extensions.set_wait_callback(wait)
