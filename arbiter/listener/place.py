"""A worker as the listener sees it: what it was handed, and what it may still be handed."""

import collections
import contextlib
import os
import socket
from typing import Final

from heeler.arbiter.listener.client import Client
from heeler.plugins.balancer import SlotView
from heeler.workers.channel import CLOEXEC, ROOM, descriptors
from heeler.workers.handover import HAND_BYTES, MAX_BYTES, UNKNOWN, pack_hand, unpack_hand
from heeler.workers.scoreboard import BEAT_AT, CAPACITY, CONNECTIONS, IN_FLIGHT, Row

_QUESTION: Final = pack_hand(UNKNOWN, 0)


class Place(SlotView):
    """A worker.

    What was handed to it and not received yet stands in the pair of sockets. The listener holds a copy
    of the worker's end as well: so it can take back exactly that, from a worker that is stuck or dead.

    Args:
        age: its name.
        slot: its place.
        page: its page of the scoreboard.
        ours: the listener's end of the pair.
        theirs: a copy of the worker's.

    Resource handling: `close`.
    """

    __slots__ = (
        "_beat_ns",
        "_page",
        "_theirs",
        "age",
        "handed_ns",
        "held",
        "keeps",
        "ours",
        "quiet",
        "slow",
        "told_ns",
        "took_ns",
        "waiting",
    )

    def __init__(self, age: int, slot: int, page: Row, ours: int, theirs: int) -> None:
        super().__init__(slot, 0)
        self.age: Final = age
        self._page: Final = page
        self.ours: Final = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, ours)
        self._theirs: Final = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, theirs)
        for sock in (self.ours, self._theirs):
            sock.setblocking(False)
        self.quiet: socket.socket | None = None
        """Where it gives connections back without waking the listener."""
        self.keeps = False
        """Whether it keeps connections."""
        self.held: dict[int, Client] = {}
        """What it was handed and has not given back, by number."""
        self.slow: set[int] = set()
        """Those of them that wait for their client, and count as no request."""
        self.took_ns = 0
        """How long it has had the connection that it was done with last."""
        self.told_ns = 0
        """When it last said that a request is over."""
        self.waiting: collections.deque[Client] = collections.deque()
        """Those that are to wait for this worker and no other."""
        self.handed_ns = 0
        """Since when it may have something that it has not received; 0 once it was seen that it has received all."""
        self._beat_ns = -1

    def refresh(self) -> None:
        """Count anew what a worker that keeps connections runs: of that it reports nothing."""
        if self.keeps:
            words = self._page.words
            self.capacity = words[CAPACITY] or self.capacity
            self.in_flight = len(self.held) + words[IN_FLIGHT]
            self.connections = words[CONNECTIONS]

    @property
    def is_suspect(self) -> bool:
        """Whether it did not receive what it was handed, and has shown no sign of life since."""
        return self._beat_ns >= 0

    def forgive(self) -> None:
        """Think better of it where it has beaten since."""
        if self._page.words[BEAT_AT] != self._beat_ns:
            self._beat_ns = -1

    def hand(self, client: Client, now_ns: int) -> None:
        """Hand it a connection.

        Raises:
            OSError: it has received nothing for so long that there is no more room, or the system has none. Of a
                worker that is gone nothing is seen here, since there is a copy of its end.
        """
        self.ours.sendmsg([pack_hand(client.number, client.since_ns), client.tail], client.rights)
        self.held[client.number] = client
        client.is_held = True
        self.in_flight += 1
        client.handed_ns = now_ns
        self.handed_ns = self.handed_ns or now_ns

    def oldest(self) -> Client | None:
        """Return what it has not received, of that which was handed to it first; None where it has received all."""
        try:
            head = self._theirs.recv(HAND_BYTES, socket.MSG_PEEK)
        except OSError:
            head = b""
        if len(head) < HAND_BYTES:
            self.handed_ns = 0
            return None
        number = unpack_hand(head)[0]
        # A question that stands before them is as old as they are.
        return self.held.get(number) if number else min(self.held.values(), key=_handed_at, default=None)

    def ended(self, number: int, now_ns: int) -> Client | None:
        """It has done with a connection; return that, None where it is not known here."""
        self.told_ns = now_ns
        client = self.held.pop(number, None)
        if client is not None:
            client.is_held = client.comes_aloud = False
            self.took_ns = now_ns - client.handed_ns
        if number in self.slow:
            self.slow.remove(number)
        elif client is not None or number == UNKNOWN:
            self.in_flight = max(0, self.in_flight - 1)
        return client

    def slows(self, number: int) -> None:
        """One of its connections waits for the client, and takes no place."""
        if number in self.held and number not in self.slow:
            self.slow.add(number)
            self.in_flight -= 1

    def runs(self, number: int) -> None:
        """One of those that waited for the client takes a place again."""
        if number in self.slow:
            self.slow.remove(number)
            self.in_flight += 1

    def recall(self) -> list[Client]:
        """Take back what was handed to it and not received, oldest first."""
        found = []
        while True:
            try:
                data, ancillary, _, _ = self._theirs.recvmsg(MAX_BYTES, ROOM, CLOEXEC)
            except OSError:  # nothing, or a reset
                break
            if len(data) < HAND_BYTES:
                break
            for fd in descriptors(ancillary):
                os.close(fd)
            client = self.held.pop(unpack_hand(data)[0], None)
            if client is not None:
                client.is_held = False
                self.in_flight -= 1
                found.append(client)
        self.handed_ns = 0
        return found

    def suspect(self) -> None:
        """It is handed nothing until it shows a sign of life; it is asked for one, for it may have no other reason."""
        self._beat_ns = self._page.words[BEAT_AT]
        with contextlib.suppress(OSError):
            self.ours.send(_QUESTION)

    def heard(self) -> None:
        """It has said something."""
        self._beat_ns = -1

    def end(self) -> None:
        """Tell it that nothing more comes."""
        with contextlib.suppress(OSError):
            self.ours.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close all of them."""
        self.ours.close()
        self._theirs.close()
        if self.quiet is not None:
            self.quiet.close()


def _handed_at(client: Client) -> int:
    return client.handed_ns
