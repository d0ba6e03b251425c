"""One end of the pair of sockets between the arbiter and a child."""

import array
import dataclasses
import os
import socket
from typing import Final, Self

from heeler.workers import messages

MAX_FDS: Final = 64
"""The most descriptors that one message may bring; the kernel takes 253."""

_ROOM_FOR_FDS: Final = socket.CMSG_SPACE(MAX_FDS * array.array("i").itemsize)
_CLOSE_ON_EXEC: Final = getattr(socket, "MSG_CMSG_CLOEXEC", 0)


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
        """Send `message`, with the descriptors it names; False if the other end is gone or its queue is full."""
        beside = []
        if isinstance(message, messages.Lend):
            beside.append((socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", message.fds)))
        try:
            self.sock.sendmsg([messages.encode(message)], beside)
        except (BlockingIOError, ConnectionError):
            return False
        return True

    def receive(self) -> messages.Message | None:
        """Return the next message, or None when there is none yet.

        Raises:
            EOFError: the other end is gone. A peer that closed with unread data
                is reported by the kernel as a reset; here both are end-of-file.
        """
        fds: list[int] = []
        try:
            if self.takes_fds:
                datagram, fds = self._receive_with_fds()
            else:
                datagram = self.sock.recv(messages.MAX_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            datagram = b""
        if not datagram:
            raise EOFError("the other end of the channel is gone")
        message = messages.decode(datagram)
        if isinstance(message, messages.Lend):
            return dataclasses.replace(message, fds=fds)
        for fd in fds:
            os.close(fd)
        return message

    def _receive_with_fds(self) -> tuple[bytes, list[int]]:
        datagram, beside, _flags, _address = self.sock.recvmsg(messages.MAX_BYTES, _ROOM_FOR_FDS, _CLOSE_ON_EXEC)
        fds = array.array("i")
        for level, kind, data in beside:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        return datagram, fds.tolist()

    def close(self) -> None:
        """Close this end; harmless when already closed."""
        self.sock.close()
