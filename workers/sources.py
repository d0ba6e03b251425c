"""Where a worker's connections come from, behind one face.

A worker class waits until a source is readable and calls `Worker.accept` with it; it
never learns which kind it was.
"""

import abc
import contextlib
import errno
import os
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from heeler.workers import unpatched
from heeler.workers.address import Address
from heeler.workers.channel import Channel
from heeler.workers.messages import Message

if TYPE_CHECKING:
    from heeler.workers.dispatch_source import DispatchSource

EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""accept(2) failed for want of something that may come back: pause, then go on."""


class Listener:
    """A bound, listening, non-blocking socket, made by the arbiter and shared by fork.

    Args:
        sock: the socket.
        address: where it listens.
        number: its name in messages, where it is one of several for an address; 0 where all workers share it.
        is_ours: whether nobody else holds it, or another one at its address, so that who waits there when it is
            closed is lost.

    Resource handling: the arbiter closes its copy when the server stops, a worker its
    own when it drains.
    """

    __slots__ = ("address", "is_ours", "number", "sock")

    def __init__(self, sock: socket.socket, address: Address, number: int = 0, *, is_ours: bool = False) -> None:
        self.sock = sock
        self.address = address
        self.number = number
        self.is_ours = is_ours

    def fileno(self) -> int:
        """Return the descriptor, -1 when closed."""
        return self.sock.fileno()

    def close(self) -> None:
        """Close this process's copy."""
        self.sock.close()


class Connection:
    """An accepted connection, before anybody has read from it.

    Args:
        sock: the client's socket, non-blocking.
        peer: the client's (address, port), ("", 0) on a Unix socket.
        address: the listening address it came in by.
        home: the source to which it goes back, or which hears that it is closed; None where nobody does.
        number: what it is called there.
        since_ns: when its request was there to be read, CLOCK_MONOTONIC; 0 where nobody knows.

    Resource handling: who handles the connection closes the socket.
    """

    __slots__ = ("address", "home", "number", "peer", "since_ns", "sock")

    def __init__(
        self,
        sock: socket.socket,
        peer: tuple[str, int],
        address: Address,
        home: "DispatchSource | None" = None,
        number: int = 0,
        since_ns: int = 0,
    ) -> None:
        self.sock = sock
        self.peer = peer
        self.address = address
        self.home = home
        self.number = number
        self.since_ns = since_ns


def reset(sock: socket.socket) -> None:
    """Close a socket with a reset."""
    # A client that has left already, or that is on a Unix socket, is closed like any other.
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Source(abc.ABC):
    """Something to wait on for reading."""

    @abc.abstractmethod
    def fileno(self) -> int:
        """Return the descriptor to wait on."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close this process's copy."""


class AcceptingSource(Source):
    """Where connections come from."""

    is_shared: ClassVar[bool]
    """Whether other processes wait on the same socket."""

    @abc.abstractmethod
    def accept(self) -> Connection | None:
        """Return the next connection, or None where nobody waits.

        Raises:
            OSError: one of `EXHAUSTED` means try again later.
        """

    @property
    def is_ours(self) -> bool:
        """Whether who still waits is lost when it is closed."""
        return False

    @property
    @abc.abstractmethod
    def is_over(self) -> bool:
        """Whether nothing more comes, so that a worker that is the last to use it may close it."""

    def leave(self) -> None:
        """Take no more, where that has to be said; what is under way still comes, until it `is_over`."""


class ListeningSource(AcceptingSource):
    """Connections straight from the kernel: accept(2) on a shared socket."""

    is_shared = True

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        sock = listener.sock
        self._kind = sock.family, sock.type, sock.proto
        # What `accept` calls before it makes a socket of the class that is patched in.
        self._accept: Callable[[], tuple[int, object]] = sock._accept  # type: ignore[attr-defined]  # noqa: SLF001

    @override
    def fileno(self) -> int:
        return self.listener.fileno()

    @override
    def close(self) -> None:
        self.listener.close()

    @property
    @override
    def is_ours(self) -> bool:
        return self.listener.is_ours

    @property
    @override
    def is_over(self) -> bool:
        """Whether nobody waits in the backlog, or it is closed."""
        return self.fileno() < 0 or not is_readable(self.fileno())

    @override
    def accept(self) -> Connection | None:
        while True:
            try:
                fd, peer = self._accept()
            except (BlockingIOError, InterruptedError):
                return None
            except OSError as error:
                if error.errno in EXHAUSTED or error.errno in (errno.EBADF, errno.EINVAL):
                    raise
                # ECONNABORTED and the network errors accept(2) passes on belong to a client that is gone.
                continue
            sock = unpatched.Socket(*self._kind, fd)
            sock.setblocking(False)
            # A Unix peer has no address, an IPv6 one has four parts.
            return Connection(sock, peer[:2] if isinstance(peer, tuple) else ("", 0), self.listener.address)


def is_readable(fd: int) -> bool:
    """Whether something can be read from `fd`, or accepted there, now."""
    poll = unpatched.poll()
    poll.register(fd, 1)
    return bool(poll.poll(0))


class ChannelSource(Source):
    """Word from the arbiter."""

    def __init__(self, channel: Channel, obey: Callable[[Message | None], None]) -> None:
        self.channel = channel
        self.obey = obey

    @override
    def fileno(self) -> int:
        return self.channel.fileno()

    @override
    def close(self) -> None:
        self.channel.close()

    def read(self) -> None:
        """Pass on each message that has come, and None when the arbiter is gone."""
        while True:
            try:
                message = self.channel.receive()
            except EOFError:
                self.obey(None)
                return
            if message is None:
                return
            self.obey(message)


class SignalSource(Source):
    """Wakes the loop when a signal has come: the read end of signal.set_wakeup_fd."""

    def __init__(self, obey: Callable[[], None]) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self.writer, False)
        self.obey = obey

    @override
    def fileno(self) -> int:
        return self.reader

    @override
    def close(self) -> None:
        if self.reader != -1:
            unpatched.close(self.reader)
            unpatched.close(self.writer)
            self.reader = self.writer = -1

    def wake(self) -> None:
        """Make it readable. Process: the worker, in a signal handler."""
        try:
            unpatched.write(self.writer, b"\0")
        except BlockingIOError:
            pass

    def read(self) -> None:
        """Empty the pipe, then have the queued signals obeyed."""
        try:
            while len(unpatched.read(self.reader, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass
        self.obey()
