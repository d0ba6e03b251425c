"""Connections on which the next request is awaited, and until when.

A connection stays in the poller, edge-triggered, while a worker has it: to park it again is no call at all,
and its next request is told even if it is there before the worker has said that the connection is idle.
"""

import heapq
import math
import select
import time
from typing import Final

from heeler.arbiter.listener.client import Client

SWEEP_S: Final = 0.25
"""Deadlines are looked at no more often than this, however many connections there are."""

NEW_S: Final = 1.0
"""How long a new connection is left in peace, however many come."""

MUTE_AT: Final = 2
"""So many times it is told that something comes for a worker: it may be a long content, in many pieces."""

_AWAITED: Final = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET
_MUTED: Final = select.EPOLLET | select.EPOLLONESHOT


class Parking:
    """The parked connections, by descriptor.

    Args:
        poller: tells which of them has become readable; it has other descriptors, too.
    """

    def __init__(self, poller: select.epoll) -> None:
        self._poller: Final = poller
        self.clients: Final[dict[int, Client]] = {}
        self._away: Final[dict[int, Client]] = {}
        """Those that were parked, and are handed out or wait for that."""
        self._sweep_at = math.inf

    def park(self, client: Client, now: float, deadline: float, *, afresh: bool = False) -> None:
        """Wait from `now` on for the next request of `client`, until `deadline` (monotonic seconds).

        Args:
            client: the connection.
            now: monotonic seconds.
            deadline: monotonic seconds.
            afresh: whether something may be there that was told before, and that nobody has read.
        """
        client.idle_since = now
        client.deadline = deadline
        client.stirs = 0
        self._sweep_at = min(self._sweep_at, deadline)
        self._away.pop(client.fd, None)
        self.clients[client.fd] = client
        if not client.is_watched:
            client.is_watched = True
            self._poller.register(client.fd, _AWAITED)
        elif client.is_muted or afresh:
            client.is_muted = False
            self._poller.modify(client.fd, _AWAITED)  # which tells what has come meanwhile

    def leave(self, client: Client) -> None:
        """It has a request, and is parked no more."""
        del self.clients[client.fd]
        self._away[client.fd] = client

    def stirred(self, fd: int) -> Client | None:
        """Something has come on a descriptor that is not parked; return the client, None where it is none of ours."""
        client = self._away.get(fd)
        if client is not None:
            client.stirs += 1
            if client.stirs >= MUTE_AT and not client.is_muted:
                client.is_muted = True
                self._poller.modify(fd, _MUTED)
        return client

    def release(self, client: Client) -> None:
        """It is another's to watch from now on."""
        self.clients.pop(client.fd, None)
        self._away.pop(client.fd, None)

    def forget(self, client: Client) -> None:
        """Close the listener's copy of a connection, parked or not."""
        self.release(client)
        if client.is_watched:
            # Closing alone would not do: a worker may hold another copy.
            self._poller.unregister(client.fd)
        client.close()

    def oldest(self) -> list[Client]:
        """Return some of those that have been idle longest and have sent nothing: the hundredth part, one at least.

        A new one has a second to send its request.
        """
        latest = time.monotonic() - NEW_S
        old = [client for client in self.clients.values() if not client.is_fresh or client.idle_since < latest]
        found = heapq.nsmallest(max(1, len(old) // 100), old, key=lambda client: client.idle_since)
        return [client for client in found if client.is_silent]

    def hurry(self, deadline: float) -> None:
        """Have none wait for longer than until `deadline`."""
        for client in self.clients.values():
            client.deadline = min(client.deadline, deadline)
        self._sweep_at = min(self._sweep_at, deadline)

    def wake_at(self) -> float:
        """Return when `overdue` must be asked next."""
        return self._sweep_at

    def overdue(self) -> list[Client]:
        """Return those whose time is over."""
        now = time.monotonic()
        if now < self._sweep_at:
            return []
        late = [client for client in self.clients.values() if client.deadline <= now]
        left = min((client.deadline for client in self.clients.values() if client.deadline > now), default=math.inf)
        self._sweep_at = max(left, now + SWEEP_S)
        return late
