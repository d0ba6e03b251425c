"""A server in simulated time: requests come at random, workers boot and go, and a scaler says how many there are."""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from typing import Final

from heeler.plugins.scaler import EVERY_S, HISTORY_S, Observation, Scaler

_KEPT: Final = int(HISTORY_S / EVERY_S)


class SimulatedServer:
    """Workers that run requests, which wait in one queue, first in first out.

    Args:
        scaler: decides how many workers there are.
        bounds: the fewest and the most.
        slots: how many requests a worker runs at once.
        boot_s: how long it takes until a worker serves.
        service_s: how long a request takes on the average.
        seed: of all that is random.
    """

    def __init__(
        self,
        scaler: Scaler,
        bounds: tuple[int, int],
        *,
        slots: int = 1,
        boot_s: float = 2.0,
        service_s: float = 0.05,
        seed: int = 1,
    ) -> None:
        self._scaler = scaler
        self._bounds = bounds
        self._slots = slots
        self._boot_s = boot_s
        self._service_s = service_s
        self._random = random.Random(seed)
        self._history: deque[Observation] = deque(maxlen=_KEPT)
        self._booting: list[float] = []
        self._ends: list[float] = []
        self._queue = 0
        self._observe_at = 0.0
        self.now = 0.0
        self.workers = self._ready = bounds[0]
        self.changes: list[tuple[float, int]] = []
        """When the number changed, and to what."""
        self.longest_queue = 0

    def run(self, seconds: float, rate: float | Callable[[float], float]) -> None:
        """Let time pass, in which so many requests come each second; a rate may depend on the time."""
        until = self.now + seconds
        arrival = self._next_arrival(rate)
        while True:
            times = (arrival, self._observe_at, *self._ends[:1], *self._booting[:1])
            self.now = min(*times, until)
            if self.now >= until:
                return
            if self._booting and self._booting[0] <= self.now:
                self._booting.pop(0)
                self._ready += 1
            while self._ends and self._ends[0] <= self.now:
                heapq.heappop(self._ends)
            if arrival <= self.now:
                self._queue += 1
                arrival = self._next_arrival(rate)
            self._begin()
            if self._observe_at <= self.now:
                self._observe_at += EVERY_S
                self._observe()

    def changes_since(self, at: float) -> list[int]:
        """Return the numbers of workers that were chosen from then on."""
        return [workers for when, workers in self.changes if when >= at]

    def _next_arrival(self, rate: float | Callable[[float], float]) -> float:
        a_second = rate(self.now) if callable(rate) else rate
        return self.now + self._random.expovariate(a_second) if a_second else float("inf")

    def _begin(self) -> None:
        while self._queue and len(self._ends) < self._ready * self._slots:
            self._queue -= 1
            heapq.heappush(self._ends, self.now + self._random.expovariate(1 / self._service_s))
        self.longest_queue = max(self.longest_queue, self._queue)

    def _observe(self) -> None:
        slots = self._ready * self._slots
        seen = (self.workers, self._ready, slots, min(len(self._ends), slots), self._queue)
        self._history.append(Observation(self.now, *seen, 0.0, *self._bounds))
        wanted = max(self._bounds[0], min(self._scaler(tuple(self._history)), self._bounds[1]))
        if wanted != self.workers:
            self._change(wanted)

    def _change(self, wanted: int) -> None:
        for _ in range(wanted, self.workers):
            if self._booting:
                self._booting.pop()
            else:
                self._ready -= 1  # what it runs it ends
        self._booting += itertools.repeat(self.now + self._boot_s, wanted - self.workers)
        self.workers = wanted
        self.changes.append((self.now, wanted))
