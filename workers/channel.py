"""One end of the pair of sockets between the arbiter and a child."""

import socket
from typing import Self

from heeler.workers import messages


class Channel:
    """Sends and receives messages without blocking.

    Resource handling: whoever holds an end closes it. After a fork the child
    closes the arbiter's end and every other child's, since an end left open hides
    the end-of-file that tells of a death.
    """

    __slots__ = ("sock",)

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Return the two ends: the arbiter's, the child's."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(ours), cls(theirs)

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 when closed."""
        return self.sock.fileno()

    def send(self, message: messages.Message) -> bool:
        """Send `message`; False if the other end is gone or its queue is full."""
        try:
            self.sock.send(messages.encode(message))
        except (BlockingIOError, ConnectionError):
            return False
        return True

    def receive(self) -> messages.Message | None:
        """Return the next message, or None when there is none yet.

        Raises:
            EOFError: the other end is gone. A peer that closed with unread data
                is reported by the kernel as a reset; here both are end-of-file.
        """
        try:
            datagram = self.sock.recv(messages.MAX_BYTES)
        except BlockingIOError:
            return None
        except ConnectionError:
            datagram = b""
        if not datagram:
            raise EOFError("the other end of the channel is gone")
        return messages.decode(datagram)

    def close(self) -> None:
        """Close this end; harmless when already closed."""
        self.sock.close()
