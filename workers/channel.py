"""One end of the pair of sockets between the arbiter and a child."""

import array
import errno
import os
import socket
import struct
from typing import Final, Self

from heeler.workers import messages

CLOEXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_INT_BYTES: Final = array.array("i").itemsize
_unpack_one: Final = struct.Struct("i").unpack_from
ROOM: Final = socket.CMSG_SPACE(messages.MAX_FDS * _INT_BYTES)
"""Bytes of ancillary data that may come with a message."""


FULL: Final = frozenset({errno.EAGAIN, errno.ENOBUFS, errno.ENOMEM, errno.ETOOMANYREFS})
"""Why something cannot be sent now, though there is somebody at the other end."""

OUT_OF_DESCRIPTORS: Final = "this process may not have so many open files"
"""Why descriptors do not arrive."""


def descriptors(ancillary: list[tuple[int, int, bytes]]) -> tuple[int, ...]:
    """Return the descriptors that recvmsg(2) has brought: fewer than were sent where this process has too many.

    They are closed on exec.
    """
    fds: tuple[int, ...] = ()
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            count = len(data) // _INT_BYTES
            fds += _unpack_one(data) if count == 1 else struct.unpack_from(f"{count}i", data)
    if not CLOEXEC:
        for fd in fds:
            os.set_inheritable(fd, False)
    return fds


class Channel:
    """Sends and receives messages without blocking.

    Args:
        sock: one of the pair.
        takes_fds: whether descriptors are taken in. The arbiter's end does not: what a child
            sends there is nothing to fill the arbiter's table with.

    Resource handling: whoever holds an end closes it. After a fork the child
    closes the arbiter's end and every other child's, since an end left open hides
    the end-of-file that tells of a death.
    """

    __slots__ = ("sock", "takes_fds")

    def __init__(self, sock: socket.socket, *, takes_fds: bool = False) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.takes_fds = takes_fds

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Return the two ends: the arbiter's, the child's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs, takes_fds=True)

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 when closed."""
        return self.sock.fileno()

    def send(self, message: messages.Message) -> bool:
        """Send `message` and its descriptors; False if the other end is gone or its queue is full."""
        fds = array.array("i", messages.fds_of(message))
        try:
            if fds:
                self.sock.sendmsg([messages.encode(message)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
            else:
                self.sock.send(messages.encode(message))
        except OSError as error:
            if error.errno not in FULL and not isinstance(error, ConnectionError):
                raise
            return False
        return True

    def receive(self) -> messages.Message | None:
        """Return the next message, or None when there is none yet.

        Raises:
            EOFError: the other end is gone. A peer that closed with unread data
                is reported by the kernel as a reset; here both are end-of-file.
        """
        fds: tuple[int, ...] = ()
        try:
            if self.takes_fds:
                datagram, ancillary, _, _ = self.sock.recvmsg(messages.MAX_BYTES, ROOM, CLOEXEC)
                fds = descriptors(ancillary)
            else:
                datagram = self.sock.recv(messages.MAX_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            datagram = b""
        if not datagram:
            raise EOFError("the other end of the channel is gone")
        return messages.decode(datagram, fds)

    def close(self) -> None:
        """Close this end; harmless when already closed."""
        self.sock.close()
