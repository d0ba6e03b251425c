"""A client's connection in a green worker: its request may wait, in a greenlet, while others go on."""

import math
import threading
from typing import TYPE_CHECKING

from typing_extensions import override

from heeler.workers.lendable_connection import LendableConnection
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.green import GreenWorker
    from heeler.workers.green_runner import Runner


class GreenConnection(LendableConnection):
    """Knows what runs its request, and lets that wait for the client.

    Args:
        worker: whose connection it is.
        connection: the accepted socket.
        environ: what every request on it says of client and server.
    """

    __slots__ = ("_room", "has_begun", "is_told", "runner")

    def __init__(self, worker: "GreenWorker", connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        self.runner: Runner | None = None
        """What runs its request, where that has waited for something."""
        self.has_begun = False
        """Whether anything was written in answer to the running request."""
        self.is_told = False
        """Whether its application was told that its time is over."""
        self._room: threading.Event | None = None

    def begin_wait(self, runner: "Runner", run_until: float) -> None:
        """Its request waits for something, and others go on: read nothing until it is answered."""
        self.runner = runner
        self.run_until = run_until
        if self.closed:
            return
        if self.lent is None:
            self._settle()
        else:
            self.deadline = self.worker.deadline_at(run_until)

    def end_request(self, keep_alive: bool) -> None:
        """Its request is over, after it has waited."""
        self.runner = None
        self.is_told = False
        self.run_until = math.inf
        self.finish(keep_alive)

    # -- called by the application

    @override
    def write(self, data: bytes) -> None:
        self.has_begun = True
        super().write(data)

    @override
    def write_file(self, fd: int, offset: int, count: int) -> None:
        self.has_begun = True
        super().write_file(fd, offset, count)

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

    # -- called by the reactor

    @override
    def on_writable(self, mask: int) -> None:
        super().on_writable(mask)
        if self._room is not None and self.pending_memory() <= self.worker.response_memory // 2:
            self._room.set()

    @override
    def close(self) -> None:
        super().close()
        if self._room is not None:
            self._room.set()
