"""The worker class for those who name none: it becomes the one that serves the application's interface.

The choice is made in the worker, once the application is there: the arbiter runs none of
its code, and nothing is imported twice.
"""

from typing import ClassVar, Final

from typing_extensions import override

from heeler.plugins.registry import find_worker
from heeler.plugins.setting import Setting
from heeler.workers.asgi_settings import ASGI_SETTINGS
from heeler.workers.base import Connection, Worker
from heeler.workers.event_loop import LOOP

_KEPT: Final = ("sources", "application", "draining", "keep_alive", "home", "_signals", "_is_orphan", "_held")
"""What the boot has done to the object so far."""


def class_for(interface: str, threads: int) -> str:
    """Return the name of the worker class for an interface, `wsgi` or `asgi`."""
    if interface == "asgi":
        return "asyncio"
    return "thread" if threads > 1 else "sync"


class AutoWorker(Worker):
    """Is a worker of another class from `setup` on: its type changes, and the hooks see one object throughout.

    None of the classes it may become has a `patch` of its own: it would come too late.
    """

    name = "auto"
    can_refork: ClassVar[bool] = True
    interfaces: ClassVar[frozenset[str]] = frozenset({"wsgi", "asgi"})
    settings: ClassVar[tuple[Setting, ...]] = (*ASGI_SETTINGS, LOOP)
    """Those of every class that it may become."""

    @override
    @classmethod
    def becomes(cls, interface: str, threads: int) -> type[Worker]:
        found: type[Worker] = find_worker(class_for(interface, threads)).load()
        return found

    @override
    def setup(self) -> None:
        assert self.application is not None
        assert self.application.interface is not None
        chosen = self.becomes(self.application.interface, self.config.threads)
        kept = {name: getattr(self, name) for name in _KEPT}
        self.__class__ = chosen  # type: ignore[assignment]
        chosen.__init__(self, self.boot)  # what the class adds to an object of its own
        vars(self).update(kept)
        self.setup()

    @override
    def run(self) -> None:
        raise AssertionError("another class does it")

    @override
    def handle(self, connection: Connection) -> None:
        raise AssertionError("another class does it")
