"""Waiting for many descriptors at once: epoll(7) where there is one, poll(2) elsewhere."""

import select
from typing import Final

from heeler.plugins.errors import HeelerError
from heeler.workers import unpatched

READ: Final = select.POLLIN
WRITE: Final = select.POLLOUT
LEFT: Final = getattr(select, "EPOLLRDHUP", 0)
"""The other side has ended its side: told while nothing is read, too."""
# Both calls report hang-up and error unasked.

EXCLUSIVE: Final = getattr(select, "EPOLLEXCLUSIVE", 0)
"""Wake one of the processes that wait on a shared socket, not all."""


class _Poll:
    """poll(2) with epoll's face, for systems without epoll."""

    def __init__(self) -> None:
        self._poll = unpatched.poll()

    def register(self, fd: int, mask: int) -> None:
        self._poll.register(fd, mask)

    def modify(self, fd: int, mask: int) -> None:
        self._poll.modify(fd, mask)

    def unregister(self, fd: int) -> None:
        self._poll.unregister(fd)

    def poll(self, timeout_s: float) -> list[tuple[int, int]]:
        # Rounded up: a wait that ends early would spin until the deadline.
        return self._poll.poll(int(timeout_s * 1000) + 1)

    def fileno(self) -> int:
        raise HeelerError("a worker class with an event loop of its own needs epoll, which this system has not")

    def close(self) -> None:
        """Nothing to let go of."""


Poller = select.epoll if hasattr(select, "epoll") else _Poll
