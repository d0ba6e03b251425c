"""The writing half of a client's connection: what the client is owed, and until when it must take it."""

import abc
import errno
import logging
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from heeler.workers.client import ClientGoneError
from heeler.workers.logs import event
from heeler.workers.outbox import Outbox
from heeler.workers.poller import WRITE

if TYPE_CHECKING:
    from heeler.workers.reactor import ReactorWorker

_RESET: Final = struct.pack("ii", 1, 0)


def nothing(_mask: int) -> None:
    """Handle no event: none is waited for."""


def reset_at_close(sock: socket.socket) -> None:
    """Have the end of the connection be a reset: what was sent must not pass for the whole."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)


class ClientWriter(abc.ABC):
    """Sends what it can at once, and keeps the rest until the client takes it.

    Args:
        worker: whose connection it is.
        sock: the client's socket.
        peer: address and port, ("", 0) on a Unix socket.
    """

    __slots__ = (
        "_outbox",
        "_send",
        "_taken",
        "calm",
        "closed",
        "deadline",
        "fd",
        "handler",
        "mask",
        "peer",
        "sock",
        "worker",
    )

    def __init__(self, worker: "ReactorWorker", sock: socket.socket, peer: tuple[str, int]) -> None:
        self.worker = worker
        self.sock = sock
        self.fd = sock.fileno()
        self.peer = peer
        self._send = sock.send
        self._outbox: Outbox | None = None
        self._taken = 0
        """What the client had taken of the outbox when the deadline was last set."""
        self.closed = False
        self.calm = False
        """Whether it waits for the first byte of a request, and for nothing else."""
        self.deadline = 0.0
        """Monotonic seconds by which what it waits for must have happened."""
        self.handler: Callable[[int], None]
        self.mask = 0

    @abc.abstractmethod
    def close(self) -> None:
        """End the connection; what is pending is dropped. Harmless when already closed."""

    @abc.abstractmethod
    def _settle(self) -> None:
        """Decide what to wait for next."""

    def _wait_for(self, mask: int, handler: Callable[[int], None], timeout_s: float) -> None:
        self.calm = False
        self.handler = handler
        self.deadline = self.worker.watch(self, mask, timeout_s)

    def write(self, data: bytes) -> None:
        """Send `data`, now or as the client takes it.

        Raises:
            ClientGoneError: nobody reads it any more.
        Blocking: never for the socket; where too much is pending, other connections are
            looked after meanwhile, and the rest goes to a temporary file once another
            request waits for the worker.
        """
        outbox = self._outbox
        if outbox is None:
            try:
                sent = self._send(data)
            except BlockingIOError:
                sent = 0
            except OSError as error:
                raise self._gone() from error
            if sent == len(data):
                return
            outbox = self._outbox = Outbox(self.worker.spool_dir)
            outbox.append(memoryview(data)[sent:])
            self._await_room(outbox)
            return
        if outbox.memory >= self.worker.response_memory and not outbox.spilling:
            self.worker.wait_for_client(self)
        if self.closed:
            raise ClientGoneError("the client is gone")
        if self._outbox is None:
            self.write(data)
            return
        try:
            outbox.append(data)
        except OSError as error:
            event(self.worker.log, logging.ERROR, "response lost", peer=self.peer[0], error=error.strerror)
            self.abort()
            raise ClientGoneError("the rest of the response has no place to wait") from error

    def write_file(self, fd: int, offset: int, count: int) -> None:
        """Send a part of a file, now or as the client takes it; the file may be closed at once.

        Raises:
            ClientGoneError: nobody reads it any more.
        """
        if self.closed:
            raise ClientGoneError("the client is gone")
        if self._outbox is None:
            self._outbox = Outbox(self.worker.spool_dir)
        self._outbox.append_file(fd, offset, count)
        self.on_writable(WRITE)
        if self.closed:
            raise ClientGoneError("the client is gone")
        if self._outbox:
            self._await_room(self._outbox)

    def _await_room(self, outbox: Outbox) -> None:
        """Wait until the client takes more."""
        self._taken = outbox.taken(self.sock)
        self._wait_for(WRITE, self.on_writable, self.worker.write_timeout)

    def pending_memory(self) -> int:
        """Return how many bytes wait in memory for the client."""
        return self._outbox.memory if self._outbox else 0

    @property
    def is_spilling(self) -> bool:
        """Whether new bytes go to a temporary file."""
        return self._outbox is not None and self._outbox.spilling

    def spill(self) -> None:
        """From now on, until all is sent, new bytes go to a temporary file."""
        if self._outbox:
            self._outbox.spilling = True

    def on_writable(self, _mask: int) -> None:
        """The client takes more."""
        outbox = self._outbox
        assert outbox is not None, "writable, but nothing is owed"
        try:
            done = outbox.flush(self.sock)
        except OSError as error:
            if error.errno == errno.EIO:
                event(self.worker.log, logging.ERROR, "response lost", peer=self.peer[0], error=error.strerror)
            self.close()
            return
        if done:
            self._outbox = None
            self._settle()
            return
        taken = outbox.taken(self.sock)
        if taken > self._taken:
            self._taken = taken
            self._taking()

    def _taking(self) -> None:
        """The client has taken some of it: its time begins anew."""
        self.deadline = time.monotonic() + self.worker.write_timeout

    def _gone(self) -> ClientGoneError:
        self.close()
        return ClientGoneError("the client is gone")

    def abort(self) -> None:
        """Cut the connection with a reset: what was sent must not pass for the whole."""
        if not self.closed:
            reset_at_close(self.sock)
            self.close()
