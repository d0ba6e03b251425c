"""Which request goes to which worker, and which wait: the books of the listener.

Hands out only where there is room. What waits, waits here and in the kernel's backlog, first in first out;
what a worker has not received is taken back from it once it is dead, wants no more, or does not move.
"""

import collections
import math
import time
from collections.abc import Callable
from typing import Final

from heeler.arbiter.listener.client import Client
from heeler.arbiter.listener.place import Place
from heeler.plugins.balancer import Balancer
from heeler.plugins.balancers import least_busy

RECALL_NS: Final = 20_000_000
"""What a worker has not received for so long is taken back, and goes to another."""
QUICK_NS: Final = 2_000_000
"""A worker that has ended a request within this time is about to end another."""
AHEAD: Final = 3
"""How many more requests than it can run at once a quick worker is handed."""
LOOK_NS: Final = 50_000_000
"""How often it is seen whether a suspect moves again."""


class Dispatcher:
    """Hands requests to workers.

    Args:
        balancer: chooses.
        key_of: tells clients apart, for balancers that ask.
        limit: how many requests may wait; more are refused.
        refuse: answers a request that is not to wait any longer; the client is its then.
        complain: told what is wrong with the balancer, each time that it fails.

    Process: the listener.
    """

    def __init__(
        self,
        balancer: Balancer,
        key_of: Callable[[Client], bytes],
        limit: int | None,
        refuse: Callable[[Client], None],
        complain: Callable[[str], None],
    ) -> None:
        self._balancer: Final = balancer
        self._key_of: Final = key_of
        self._limit: Final = math.inf if limit is None else limit
        self._refuse: Final = refuse
        self._complain: Final = complain
        self.places: list[Place] = []
        """The workers that serve, in the order of their slots."""
        self.keeps = False
        """Whether some worker keeps connections, and so does not report when it has room again."""
        self.latest_ns = 0
        """When the request came that came last of those that were handed out, CLOCK_MONOTONIC."""
        self._queue: collections.deque[Client] = collections.deque()
        self._ahead_ns = 0
        """When it is to be seen whether what was handed ahead still stands there; 0 where nothing does."""
        self._waiting = 0
        self._turn = 0
        self._look_ns = 0

    # -- requests

    def has_room(self) -> bool:
        """Whether a request could be handed out now, and none waits before it for any worker."""
        return not self._queue and self._has_room()

    def _has_room(self) -> bool:
        if self.keeps:
            for place in self.places:
                place.refresh()  # all of them: the balancer looks at them next
        for place in self.places:  # noqa: SIM110 - several times a request, and `any` with a generator costs twice that
            if place.in_flight < place.capacity and not place.is_suspect:
                return True
        return False

    def offer(self, client: Client, now_ns: int) -> None:
        """A request has come; it is handed out, or waits, or is refused."""
        client.since_ns = now_ns
        client.key = self._key_of(client)
        if self.has_room():
            self._place(client, now_ns)
        elif not self._queue and not client.key and (place := self._quick(now_ns)) is not None:
            self._hand_ahead(place, client, now_ns)
        elif self._waiting < self._limit:
            self._waiting += 1
            self._queue.append(client)
        else:
            self._refuse(client)

    def _place(self, client: Client, now_ns: int) -> None:
        """Hand a request to the worker that is chosen, or have it wait for that one."""
        place = self._choose(client)
        if place.in_flight < place.capacity and not place.is_suspect:
            self._hand(place, client, now_ns)
        elif self._waiting < self._limit:
            self._waiting += 1
            place.waiting.append(client)
        else:
            self._refuse(client)

    def _choose(self, client: Client) -> Place:
        self._turn += 1
        able = self._able(client)
        try:
            place = self._balancer(able, self._turn, client.key)
            if isinstance(place, Place) and place in able:
                return place
            self._complain(f"it returned {place!r}")
        except Exception as error:  # a third party's may raise anything; its clients are served all the same
            self._complain(f"{type(error).__name__}: {error}")
        least = least_busy(able, self._turn, client.key)
        assert isinstance(least, Place), "one of those it was shown"
        return least

    def _quick(self, now_ns: int) -> Place | None:
        """Return a worker that is about to end a request, as far as can be told, and has little ahead."""
        for place in self.places:
            if (
                place.took_ns < QUICK_NS
                and now_ns - place.told_ns < QUICK_NS
                and place.capacity <= place.in_flight < place.capacity + AHEAD
                and not place.keeps
                and not place.is_suspect
            ):
                return place
        return None

    def _hand_ahead(self, place: Place, client: Client, now_ns: int) -> bool:
        """Hand a request to a quick worker while all are at work, so that it need not wait for the next one.

        If another is idle first, it is taken back.
        """
        self._ahead_ns = self._ahead_ns or place.told_ns + QUICK_NS
        return self._hand(place, client, now_ns)

    def runs_again(self, place: Place, number: int) -> None:
        """A worker runs a request that waited for its client: another may have been handed to it in its place."""
        place.runs(number)
        if place.in_flight > place.capacity:
            self._ahead_ns = self._ahead_ns or place.told_ns + QUICK_NS

    def _reclaim(self, now_ns: int) -> None:
        """Take back what waits ahead at a worker that is not quick after all, or at any while another is idle."""
        is_idle = not self._queue and self._has_room()
        next_ns = math.inf
        for place in [place for place in self.places if place.in_flight > place.capacity]:
            if is_idle or now_ns - place.told_ns >= QUICK_NS:
                self._put_back(place.recall())
            else:
                next_ns = min(next_ns, place.told_ns + QUICK_NS)
        self._ahead_ns = 0 if next_ns == math.inf else int(next_ns)

    def _able(self, client: Client) -> list[Place]:
        """Return the workers that a balancer may choose from: all, where it is to find the client's own."""
        if not client.key and any(place.is_suspect for place in self.places):
            return [place for place in self.places if not place.is_suspect]
        return self.places

    def _hand(self, place: Place, client: Client, now_ns: int) -> bool:
        """Hand a request to a worker; False where that cannot be, and it waits on."""
        try:
            place.hand(client, now_ns)
        except OSError:
            self._suspect(place)
            self._put_back([client])
            return False
        client.is_fresh = False
        self.latest_ns = max(self.latest_ns, client.since_ns)
        if not self._look_ns:
            self._look_ns = now_ns + RECALL_NS
        return True

    def _put_back(self, clients: list[Client]) -> None:
        """They take their old places in the queue again."""
        self._queue = collections.deque(sorted([*clients, *self._queue], key=_waits_since))
        self._waiting += len(clients)

    def dispatch(self) -> None:
        """There may be room again: hand out what waits for it."""
        if not self._waiting and not self._ahead_ns:
            return
        now_ns = time.monotonic_ns()
        if self._ahead_ns:
            self._reclaim(now_ns)
        for place in [place for place in self.places if place.waiting]:
            place.refresh()
            while place.waiting and place.in_flight < place.capacity and not place.is_suspect:
                self._waiting -= 1
                self._hand(place, place.waiting.popleft(), now_ns)
        while self._queue and self._has_room():
            self._waiting -= 1
            self._place(self._queue.popleft(), now_ns)
        while self._queue and not self._queue[0].key and (quick := self._quick(now_ns)) is not None:
            self._waiting -= 1
            if not self._hand_ahead(quick, self._queue.popleft(), now_ns):
                break

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return self._waiting

    @property
    def handed(self) -> int:
        """How many connections workers have, of which there is a copy here."""
        return sum(len(place.held) for place in self.places)

    def refuse_older(self, than_ns: int) -> None:
        """Refuse the requests that have waited since before then, those too that a worker has not received."""
        for place in self.places:
            if place.handed_ns and place.handed_ns <= than_ns:
                client = place.oldest()
                if client is not None and client.since_ns <= than_ns:
                    self._put_back(place.recall())
        for queue in (self._queue, *(place.waiting for place in self.places)):
            while queue and queue[0].since_ns <= than_ns:
                self._waiting -= 1
                self._refuse(queue.popleft())

    def oldest_ns(self) -> int:
        """Return since when the request waits that has waited longest; 0 where none does."""
        heads = (queue[0].since_ns for queue in (self._queue, *(place.waiting for place in self.places)) if queue)
        return min(heads, default=0)

    # -- workers

    def add(self, place: Place) -> None:
        """A worker serves from now on."""
        if place not in self.places:
            self.places.append(place)
        self.places.sort(key=lambda each: (each.slot, each.age))
        self._note_keeps()

    def remove(self, place: Place) -> None:
        """A worker serves no more: what it has not received goes to others."""
        if place not in self.places:
            return
        self.places.remove(place)
        self._note_keeps()
        freed = sorted([*place.recall(), *place.waiting], key=lambda client: client.since_ns)
        self._waiting -= len(place.waiting)
        place.waiting.clear()
        self._put_back(freed)

    def _note_keeps(self) -> None:
        self.keeps = any(place.keeps for place in self.places)

    # -- workers that do not move

    def look_at(self) -> float:
        """Return when `look` is to be called next, monotonic seconds."""
        first_ns = min(self._look_ns or math.inf, self._ahead_ns or math.inf)
        return first_ns / 1e9

    def look(self) -> None:
        """Take back what was not received in time, where another might."""
        now_ns = time.monotonic_ns()
        if self._ahead_ns and now_ns >= self._ahead_ns:
            self.dispatch()  # what is taken back waits, so that whoever is idle says so
        if not self._look_ns or now_ns < self._look_ns:
            return
        next_ns = 0
        for place in list(self.places):
            place.forgive()
            if place.handed_ns and now_ns - place.handed_ns >= RECALL_NS:
                self._look_at(place, now_ns)
            if place.handed_ns or place.is_suspect:
                next_ns = now_ns + (LOOK_NS if place.is_suspect and not next_ns else RECALL_NS)
        self._look_ns = next_ns
        self.dispatch()

    def _look_at(self, place: Place, now_ns: int) -> None:
        client = place.oldest()
        if client is None or now_ns - client.handed_ns < RECALL_NS:
            return
        if not place.keeps and place.in_flight > place.capacity:
            self._put_back(place.recall())  # it was handed ahead, and the worker is not as quick as it was
        elif self._has_room_beside(place):
            found = place.recall()
            self._suspect(place)
            # Whoever has a worker of its own waits for that, as long as it lives.
            own = [client for client in found if client.key]
            place.waiting.extendleft(reversed(own))
            self._waiting += len(own)
            self._put_back([client for client in found if not client.key])

    def _has_room_beside(self, place: Place) -> bool:
        others = (other for other in self.places if other is not place and not other.is_suspect)
        return any(other.in_flight < other.capacity for other in others)

    def _suspect(self, place: Place) -> None:
        place.suspect()
        # Those who are to wait for it wait on: it may move again, or its replacement has the same slot.
        self._look_ns = self._look_ns or time.monotonic_ns() + LOOK_NS


def _waits_since(client: Client) -> int:
    return client.since_ns
