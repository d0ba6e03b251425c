"""A client's connection in a green worker: the application may wait in the midst of a request."""

import math
import threading
from typing import TYPE_CHECKING

from typing_extensions import override

from heeler.workers.http_connection import HttpConnection
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.green import GreenWorker
    from heeler.workers.green_runner import Runner


class GreenConnection(HttpConnection):
    """Knows what runs its request while that waits, and lets it wait for the client."""

    __slots__ = ("_room", "is_told", "runner")

    def __init__(self, worker: "GreenWorker", connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        self.runner: Runner | None = None
        """What runs its request, where that waits for something."""
        self.is_told = False
        """Whether the application was told that its time is over."""
        self._room: threading.Event | None = None

    def suspend(self, runner: "Runner", run_until: float) -> None:
        """Its request waits for something, and others go on: read nothing until it is answered."""
        self.runner = runner
        self.run_until = run_until
        if not self.closed:
            self._settle()

    def resume(self) -> None:
        """Its request is over."""
        self.runner = None
        self.is_told = False
        self.run_until = math.inf

    def wait_for_room(self) -> None:
        """Wait until the client has taken most of what is pending, or is gone.

        Blocking: the greenlet, and no other; `write_timeout` bounds it.
        """
        # Made where it is needed only, and so of the class that is patched in.
        self._room = room = threading.Event()
        try:
            room.wait()
        finally:
            self._room = None

    @override
    def on_writable(self, _mask: int) -> None:
        super().on_writable(_mask)
        if self._room is not None and self.pending_memory() <= self.worker.response_memory // 2:
            self._room.set()

    @override
    def close(self) -> None:
        super().close()
        if self._room is not None:
            self._room.set()
