"""A client's connection, as far as the listener knows it: a descriptor, where it came from, and since when it waits."""

import array
import os
import socket
from typing import Final

from heeler.workers.handover import Tail

Rights = tuple[int, int, "array.array[int]"]


class Client:
    """A connection of which the listener holds a copy.

    Args:
        number: its name in what is said to workers.
        fd: the descriptor; this object owns it.
        host: the client's address, "" on a Unix socket.
        tail: what workers are told of it.

    Resource handling: `close`.
    """

    __slots__ = (
        "_sock",
        "comes_aloud",
        "deadline",
        "fd",
        "handed_ns",
        "host",
        "idle_since",
        "is_fresh",
        "is_held",
        "is_muted",
        "is_watched",
        "key",
        "number",
        "rights",
        "since_ns",
        "stirs",
        "tail",
    )

    def __init__(self, number: int, fd: int, host: str, tail: bytes) -> None:
        self.number: Final = number
        self.fd: Final = fd
        self.host: Final = host
        self.tail: Final = tail
        self.rights: Final[list[Rights]] = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self._sock: socket.socket | None = None
        """The same descriptor; made by the first look."""
        self.since_ns = 0
        """Since when a request waits, CLOCK_MONOTONIC."""
        self.handed_ns = 0
        """When it was last handed to a worker, CLOCK_MONOTONIC."""
        self.deadline = 0.0
        """Until when the next request must be there; monotonic seconds."""
        self.idle_since = 0.0
        """Since when the next request is awaited; monotonic seconds."""
        self.is_fresh = True
        """Whether it has not been handed out yet."""
        self.is_held = False
        """Whether a worker has it."""
        self.comes_aloud = False
        """Whether the worker that has it will say aloud when that is over, having said that it is slow."""
        self.is_watched = False
        """Whether the poller has it."""
        self.is_muted = False
        """Whether the poller tells nothing of it."""
        self.stirs = 0
        """How often something has come on it since it was parked last, and was no more."""
        self.key = b""
        """What tells it from others."""

    @classmethod
    def accepted(cls, number: int, fd: int, peer: object, address: str) -> "Client":
        """Return a connection that accept(2) has given, non-blocking from now on."""
        os.set_blocking(fd, False)
        host, port = (str(peer[0]), int(peer[1])) if isinstance(peer, tuple) else ("", 0)
        return cls(number, fd, host, Tail(host, port, address).encode())

    def peek(self, count: int) -> bytes | None:
        """Return up to so many bytes that have come, and leave them where they are.

        Returns:
            Nothing at all where the connection has ended, or failed; None where nothing has come yet.
        """
        if self._sock is None:
            # Of what kind it is matters to nothing that is done with it here, and to ask costs three calls.
            self._sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, self.fd)
        try:
            # An application may have made the socket a blocking one, for all who have it.
            return self._sock.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    @property
    def is_silent(self) -> bool:
        """Whether there is nothing to be read; it may have ended."""
        return not self.peek(1)

    @property
    def has_ended(self) -> bool:
        """Whether there is nothing to be read, and never will be."""
        return self.peek(1) == b""

    def close(self) -> None:
        """Close this copy."""
        if self._sock is not None:
            self._sock.detach()
        os.close(self.fd)
