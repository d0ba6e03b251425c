"""The way to an init system that wants to hear how the server is (sd_notify(3)).

Sends datagrams, and never waits. Must not know what they say.
"""

import errno
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

_AGAIN_S: Final = 0.2
"""How soon what found no room is sent again."""
_MOST_UNSENT: Final = 1024
"""How many datagrams wait for room; of more, the oldest are lost."""


class NotifySocket:
    """The socket to it.

    Args:
        address: a path, or `@NAME` for an abstract name; None where nobody wants to hear.
        on_failure: called with the reason, once, when something does not arrive.
        clock: monotonic seconds.
        is_held: whether nothing is to be sent before `release`: whoever listens would not believe this process yet.

    Resource handling: `close` at the end, and in every child.
    """

    def __init__(
        self,
        address: str | None,
        on_failure: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        *,
        is_held: bool = False,
    ) -> None:
        self.is_held = is_held
        self._address: Final = address
        self._on_failure: Final = on_failure
        self._clock: Final = clock
        self._socket: socket.socket | None = None
        self._unsent: Final[deque[tuple[bytes, Sequence[socket.socket]]]] = deque(maxlen=_MOST_UNSENT)
        self._again_at = 0.0
        self._has_failed = False

    @property
    def is_heard(self) -> bool:
        """Whether anybody wants to hear."""
        return self._address is not None

    def send(self, *assignments: str, sockets: Sequence[socket.socket] = (), must_arrive: bool = True) -> None:
        """Send a datagram; one that finds no room is sent later, in its turn.

        Args:
            assignments: `NAME=value`, a line each.
            sockets: what goes along.
            must_arrive: False where another of its kind follows soon, so that this one need not wait.
        """
        if self._address is None or (self._unsent and not must_arrive):
            return
        self._unsent.append(("\n".join(assignments).encode("utf-8", "replace"), sockets))
        if len(self._unsent) == 1:
            self._send_waiting()

    def release(self) -> None:
        """Send what was held back, and from now on at once."""
        self.is_held = False
        self._send_waiting()

    def tick(self) -> None:
        """Send what waits, if it is time."""
        if self._unsent and self._clock() >= self._again_at:
            self._send_waiting()

    def deadline(self) -> float | None:
        """Return when `tick` must be called at the latest; None if nothing waits for room."""
        return self._again_at if self._unsent and not self.is_held else None

    def close(self) -> None:
        """Close it. Process: a child too, right after the fork; it has nothing to say."""
        self._unsent.clear()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send_waiting(self) -> None:
        while self._unsent and not self.is_held:
            try:
                self._send(*self._unsent[0])
            except BlockingIOError:
                self._again_at = self._clock() + _AGAIN_S
                return
            except OSError as error:
                self._fail(error.strerror or str(error))
            self._unsent.popleft()

    def _send(self, text: bytes, sockets: Sequence[socket.socket]) -> None:
        assert self._address is not None, "there is nobody to send to"
        if not self._address.startswith(("/", "@")):
            raise OSError(errno.EAFNOSUPPORT, f"neither a path nor an abstract name: {self._address}")
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)
        where = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        fds = [one.fileno() for one in sockets]
        if -1 in fds:  # closed while it waited
            return
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, sys.byteorder) for fd in fds))]
        self._socket.sendmsg([text], ancillary if fds else [], socket.MSG_NOSIGNAL, where)

    def _fail(self, reason: str) -> None:
        if not self._has_failed:
            self._has_failed = True
            self._on_failure(reason)
