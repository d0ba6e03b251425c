"""Who of a worker's threads waits for events: one leads, the others run requests or rest.

Decides when the leader runs a request itself, when it hands the lead on before, and when
the lead is taken from it. Must not know what a request is. To hand on costs two switches of
threads, which is more than a small request costs: so while requests are quick the leader
keeps the lead and runs them, and the watcher looks whether one waits for something.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

from heeler.workers.hands import Hand

LOOK_NS: Final = 2_000_000
"""How often the watcher looks while requests come; those that are further apart are not worth watching."""

SLOW_NS: Final = 1_000_000
"""A leader that waits within a request for longer than this loses the lead; one that computes..."""

TOO_SLOW_NS: Final = 10_000_000
"""... does so after this: to another thread it would have to lend the interpreter, too."""

EAGER_REQUESTS: Final = 32
"""So many requests after a slow one the lead is handed on before each.

It costs as much to hand on so often as a request that waits for a slow one waits."""

_QUIET_LOOKS: Final = 5
"""After so many looks that found the leader waiting for events, the watcher sleeps."""


class Leadership:
    """The lead, and those who rest.

    All but `look` is called with `state` held.

    Args:
        state: guards the reactor and all that is here.
        call_watcher: has `look` called soon, and from then on as often as it asks for.
    """

    def __init__(self, state: threading.RLock, call_watcher: Callable[[], None]) -> None:
        self._state: Final = state
        self._call_watcher: Final = call_watcher
        self.leader: Hand | None = None
        self.eager = 0
        """Before so many requests the lead is handed on."""
        self.busy_since_ns = 0
        """When the leader began to run a request and kept the lead; 0 while it does not."""
        self._is_watched = False
        self._began_ns = 0  # the last request
        self._quiet = 0
        self._resting: list[Hand] = []

    def rest(self, hand: Hand) -> None:
        """Wait until there is something for `hand` to do; `state` is free meanwhile."""
        self._resting.append(hand)
        self._state.release()
        hand.rest()
        self._state.acquire()

    def begins(self, now_ns: int) -> None:
        """The leader begins to run a request: it keeps the lead or hands it on."""
        if self._is_watched and not self.eager:
            self.busy_since_ns = now_ns
            return
        if self.eager:
            self.eager -= 1
        elif now_ns - self._began_ns < LOOK_NS:
            self._have_watched()
        self._began_ns = now_ns
        self.hand_on(now_ns)

    def hand_on(self, now_ns: int) -> None:
        """Give the lead to the one that has rested least; where nobody rests yet, have that tried again soon."""
        if self._resting:
            self.busy_since_ns = 0
            self.leader = self._resting.pop()
            self.leader.wake()
        else:
            self.busy_since_ns = now_ns
            self._have_watched()

    def _have_watched(self) -> None:
        if not self._is_watched:
            self._is_watched = True
            self._quiet = 0
            self._call_watcher()

    def ended(self, hand: Hand, took_ns: int) -> None:
        """A request is over that `hand` ran."""
        if self.leader is hand:
            self.busy_since_ns = 0
        elif took_ns > SLOW_NS:
            self.eager = EAGER_REQUESTS

    def look(self) -> float | None:
        """See whether the leader keeps the lead for too long.

        Returns:
            In how many seconds to look again; None: when called.
        Process: the watcher, `state` not held.
        """
        if not self._is_watched:
            return None
        leader, since_ns, now_ns = self.leader, self.busy_since_ns, time.monotonic_ns()
        self._quiet = 0 if since_ns else self._quiet + 1
        took_ns = now_ns - since_ns
        if since_ns and leader and took_ns > SLOW_NS and (took_ns > TOO_SLOW_NS or leader.is_waiting()):
            with self._state:
                if self.busy_since_ns == since_ns:
                    self.eager = EAGER_REQUESTS
                    self.hand_on(now_ns)
        elif self._quiet >= _QUIET_LOOKS:
            with self._state:
                if not self.busy_since_ns:
                    self._is_watched = False
                    return None
        return LOOK_NS / 1e9
