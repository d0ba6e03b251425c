"""The `eventlet` worker: requests run in green threads, and the standard library waits by switching.

Its maintainers advise against eventlet; this is for applications that cannot leave it yet.
"""

import functools
import logging
import threading
import warnings
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar

from typing_extensions import override

from heeler.workers.green import GreenWorker
from heeler.workers.logs import event

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]


class EventletWorker(GreenWorker):
    """Has eventlet's hub turn the reactor."""

    name = "eventlet"
    requires: ClassVar[tuple[str, ...]] = ("eventlet",)

    @classmethod
    @override
    def patch(cls) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import eventlet

        eventlet.monkey_patch()

    @classmethod
    @override
    def mend(cls) -> None:
        from eventlet import hubs

        hubs.use_hub(hubs.get_default_hub())  # its poller would be shared by all workers

    @override
    def open_hub(self) -> None:
        from eventlet import greenthread, hubs

        # A mold comes before the first worker, and so does a listener.
        if self.age == 1 + (self.boot.molded is not None) + (not self.boot.listeners):
            event(self.log, logging.WARNING, "worker class deprecated", worker_class=self.name, instead="gevent")
        self._hub: Any = hubs.get_hub()
        self._renew_hub = functools.partial(hubs.use_hub, hubs.get_default_hub())
        self._green_thread: Callable[[object], Any] = greenthread.GreenThread
        self.to_hub = self._hub.switch
        self._hub.squelch_exception = self._descriptor_failed
        self._hub.squelch_timer_exception = lambda timer, raised: self.log_failure(raised[1], repr(timer))
        self._hub.squelch_generic_exception = lambda raised: self.log_failure(raised[1], "hub")
        # What ends the hub ends the worker: that an application raises SystemExit somewhere must not.
        self._hub.SYSTEM_EXCEPTIONS = ()

    def _descriptor_failed(self, fd: int, raised: ExcInfo) -> None:
        self.log_failure(raised[1], f"descriptor {fd}")
        self._hub.remove_descriptor(fd)

    @override
    def watch_poller(self) -> None:
        self._listener = self._hub.add(self._hub.READ, self.poll_fd, lambda _fd: self.on_events(), bool, None)

    @override
    def leave_hub(self) -> None:
        if self.is_child:
            self._renew_hub()  # the old one's poller is the worker's, and shared
            # Whoever forks is the main thread of the child, but eventlet does not let threading know (its own
            # copy of it): the end of the child would wait for a thread that it has not got.
            main_thread = threading._shutdown.__globals__["_main_thread"]  # type: ignore[attr-defined]  # noqa: SLF001
            main_thread._ident = threading.get_ident()  # noqa: SLF001
        else:
            self._hub.remove(self._listener)
            self._cancel_timer()

    @override
    def call_soon(self, callback: Callable[[], object]) -> None:
        self._hub.schedule_call_global(0, callback)

    @override
    def call_later(self, seconds: float, callback: Callable[[], object]) -> Callable[[], object]:
        cancel: Callable[[], object] = self._hub.schedule_call_global(seconds, callback).cancel
        return cancel

    @override
    def new_greenlet(self, main: Callable[[], None]) -> Any:
        greenlet = self._green_thread(self._hub.greenlet)
        greenlet.run = functools.partial(greenlet.main, main, (), {})
        return greenlet
