"""A client's connection whose requests run in a thread of their own, while another thread reads and flushes it.

Decides what of it needs the worker's `state`: all but an attempt to send while nothing is owed.
Its descriptor keeps its number until the thread is done with it, even if the connection ends
before: else the thread might write into another client's.
"""

import contextlib
import os
import select
import socket
from typing import TYPE_CHECKING

from typing_extensions import override

from heeler.workers.client import ClientGoneError
from heeler.workers.client_writer import reset_at_close
from heeler.workers.clock import http_date
from heeler.workers.http.error_page import error_page
from heeler.workers.lendable_connection import LendableConnection
from heeler.workers.outbox import Outbox
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.hands import Hand
    from heeler.workers.lent_socket import LentSocket
    from heeler.workers.thread_worker import ThreadWorker


class ThreadedConnection(LendableConnection):
    """A connection of the worker class `thread`.

    What the leader calls is called with `state` held; `write`, `write_file`, `abort`, `lend`,
    `take_back` and what comes of them are called by the thread that runs the application, without.

    Args:
        worker: whose connection it is.
        connection: the accepted socket.
        environ: what every request on it says of client and server.
    """

    __slots__ = ("_state", "hand", "is_stalled", "is_told", "writes")

    worker: "ThreadWorker"

    def __init__(self, worker: "ThreadWorker", connection: Connection, environ: dict[str, object]) -> None:
        super().__init__(worker, connection, environ)
        self._state = worker.state
        self.hand: Hand | None = None
        """What runs its request."""
        self.writes = 0
        """How often its application has written in this request, at the least."""
        self.is_stalled = False
        """Whether its application waits for the client to take something."""
        self.is_told = False
        """Whether its application was told that its time is over."""

    @property
    def is_awaited(self) -> bool:
        """Whether its application is at work on it for as long as the client likes."""
        return self.is_stalled or self.is_switched

    # -- called by the thread that runs the application

    @override
    def write(self, data: bytes) -> None:
        # Nobody but this thread begins to owe something, so whether something is owed is seen without a lock.
        if self._outbox is not None:
            with self._state:
                self.writes += 1
                super().write(data)
            return
        self.writes += 1
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        except OSError as error:
            raise self._gone() from error
        if sent < len(data):
            self._owe(memoryview(data)[sent:])

    def _owe(self, data: memoryview) -> None:
        with self._state:
            if self.closed:
                raise ClientGoneError("the client is gone")
            self._outbox = Outbox(self.worker.spool_dir)
            self._outbox.append(data)
            self._await_room(self._outbox)

    @override
    def write_file(self, fd: int, offset: int, count: int) -> None:
        with self._state:
            self.writes += 1
            super().write_file(fd, offset, count)

    @override
    def abort(self) -> None:
        with self._state:
            super().abort()

    @override
    def lend(self) -> "LentSocket":
        with self._state:
            if self.closed:
                raise ClientGoneError("the client is gone")
            return super().lend()

    @override
    def take_back(self) -> None:
        with self._state:
            super().take_back()

    # -- the end

    @override
    def close(self) -> None:
        if self.worker.is_copy:
            self.closed = True  # the poller is the worker's
            return
        with self._state:
            if not self.running or self.closed:
                super().close()
                return
            if self.lent is not None:
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)
            self._leave_dead()

    def _leave_dead(self) -> None:
        """Close it for the client, and leave a dead socket to the thread that is still at work on it."""
        self.closed = True
        self.calm = False
        self.worker.forget(self)
        if self.home is not None:
            self.worker.lost(self)
        os.dup2(self.worker.dead.fileno(), self.fd, inheritable=False)
        self._drop_body()
        self.drop_waiting()
        if self._outbox is not None:
            self._outbox.close()
            self._outbox = None
        self.worker.moved.notify_all()

    @override
    def finish(self, keep_alive: bool) -> None:
        if self.closed:
            self.sock.close()
        super().finish(keep_alive)

    def answer_for(self, status: int) -> None:
        """Answer for an application that does not, and close: with an error page, or a reset where it has begun."""
        client = self.sock.dup()
        with client:
            self.close()
            # From here on its thread writes to nobody: so what it has written by now is all that the client gets.
            if self.writes:
                reset_at_close(client)
                return
            with contextlib.suppress(OSError):
                client.send(error_page(status, http_date()[0]))
                client.shutdown(socket.SHUT_WR)

    # -- called by the leader

    @override
    def on_writable(self, mask: int) -> None:
        if self._outbox is not None:  # else it is an event of before
            super().on_writable(mask)
            self.worker.moved.notify_all()

    @override
    def on_hang_up(self, mask: int) -> None:
        # The event may be of another connection, whose descriptor had the same number.
        poll = select.poll()
        poll.register(self.fd, 0)
        if mask and poll.poll(0):
            self.close()
