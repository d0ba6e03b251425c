"""Requests, workers and queues in simulated time: what tells how long requests wait.

A wait is all the time that a request takes beyond its own service: in a queue, and by sharing a processor.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush, heapreplace
from itertools import count
from typing import Protocol

from heeler.plugins.balancer import Balancer, SlotView


@dataclass(frozen=True, slots=True)
class Site:
    """The workers: how many, what each can run at once, and whether its requests share one processor."""

    workers: int = 8
    capacity: int = 1
    shared: bool = False

    @property
    def servers(self) -> int:
        """How many requests can be served at full speed."""
        return self.workers if self.shared else self.workers * self.capacity


@dataclass(frozen=True, slots=True)
class Plan:
    """The requests: when each comes, how long it takes, and whose it is."""

    arrivals: list[float]
    services: list[float]
    keys: list[bytes]


class BrokenBalancer(Exception):
    """A balancer does what the contract forbids."""


class Worker:
    """A worker that runs requests, all of them at full speed or sharing one processor."""

    def __init__(self, slot: int, site: Site) -> None:
        self.view = SlotView(slot, site.capacity)
        self.version = 0  # of what is known of its next end
        self._running: list[tuple[float, int]] = []  # how much each will have got at its end, and the request
        self._got = self._now = 0.0  # how much each has got that has been there from the beginning
        self._shared = site.shared

    def begin(self, now: float, request: int, service: float) -> None:
        """Run a request."""
        self._advance(now)
        heappush(self._running, (self._got + service, request))
        self._count(1)

    def end(self, now: float) -> int:
        """Return the request that is over, and is the first to be."""
        self._advance(now)
        self._count(-1)
        return heappop(self._running)[1]

    def next_end(self) -> float | None:
        """Return when the next request is over, if none begins before."""
        return self._now + (self._running[0][0] - self._got) * self._slowness() if self._running else None

    def _advance(self, now: float) -> None:
        self._got += (now - self._now) / self._slowness()
        self._now = now

    def _slowness(self) -> int:
        return len(self._running) or 1 if self._shared else 1

    def _count(self, change: int) -> None:
        self.view.in_flight += change
        self.view.connections += change
        self.version += 1


class HandOut(Protocol):
    """What hands requests to workers."""

    def come(self, now: float, request: int) -> Iterator[Worker]:
        """A request comes; yields the workers that begin one."""

    def over(self, now: float, worker: Worker) -> Iterator[Worker]:
        """A request of the worker is over; yields the workers that begin one."""

    def check_end(self) -> None:
        """Nothing comes or runs any more."""


class IdleOnly:
    """As Heeler's listener does: a balancer chooses among those with room, and else requests wait in one queue."""

    def __init__(self, plan: Plan, workers: list[Worker], balancer: Balancer) -> None:
        self._plan, self._workers, self._balancer = plan, workers, balancer
        self._views = [worker.view for worker in workers]
        self._free = sum(view.capacity for view in self._views)
        self._turns = count()
        self._waiting: list[int] = []

    def come(self, now: float, request: int) -> Iterator[Worker]:
        """Give it to a worker, or put it at the end of the queue."""
        worker = self._give(now, request)
        if worker is None:
            self._waiting.append(request)
        else:
            yield worker

    def over(self, now: float, _worker: Worker) -> Iterator[Worker]:
        """Ask for those that wait, in their order; of each client once, unless it gets a worker."""
        self._free += 1
        place, refused = 0, set[bytes]()
        while self._free and place < len(self._waiting):
            request = self._waiting[place]
            key = self._plan.keys[request]
            worker = None if key in refused else self._give(now, request)
            if worker is None:
                refused.add(key)
                place += 1
            else:
                del self._waiting[place]
                yield worker

    def check_end(self) -> None:
        """Nobody may wait for ever."""
        if self._waiting:
            raise BrokenBalancer(f"lets requests wait for ever, {len(self._waiting)} of them")

    def _give(self, now: float, request: int) -> Worker | None:
        if not self._free:
            return None
        view = self._balancer(self._views, next(self._turns), self._plan.keys[request])
        if view is None:
            return None
        if not any(view is one for one in self._views):
            raise BrokenBalancer(f"returns {view!r}, which is none of the slots it was given")
        if view.in_flight >= view.capacity:
            raise BrokenBalancer(f"returns {view!r}, which has no room")
        worker = self._workers[view.slot - 1]
        worker.begin(now, request, self._plan.services[request])
        self._free -= 1
        return worker


class Eager:
    """Hands out at once, whoever is busy: each worker has a queue of its own."""

    def __init__(self, plan: Plan, workers: list[Worker], choose: Callable[[], int]) -> None:
        self._plan, self._workers, self._choose = plan, workers, choose
        self._queues: list[deque[int]] = [deque() for _ in workers]

    def come(self, now: float, request: int) -> Iterator[Worker]:
        """Put it at the end of a worker's queue."""
        worker = self._workers[self._choose()]
        self._queues[worker.view.slot - 1].append(request)
        return self.over(now, worker)

    def over(self, now: float, worker: Worker) -> Iterator[Worker]:
        """Have the worker begin the next of its own."""
        queue = self._queues[worker.view.slot - 1]
        if queue and worker.view.has_room:
            request = queue.popleft()
            worker.begin(now, request, self._plan.services[request])
            yield worker

    def check_end(self) -> None:
        """Nothing is left: a worker begins the next whenever one is over."""


def simulate(plan: Plan, workers: list[Worker], hand_out: HandOut) -> list[float]:
    """Return how long each request waits.

    Raises:
        BrokenBalancer: the balancer breaks its contract.
    """
    waits = [0.0] * len(plan.arrivals)
    ends: list[tuple[float, int, int]] = []  # when, the worker's place, and the version that this was known for

    def began(some: Iterator[Worker]) -> None:
        for worker in some:
            expect(worker)

    def expect(worker: Worker) -> None:
        when = worker.next_end()
        if when is not None:
            heappush(ends, (when, worker.view.slot - 1, worker.version))

    for request, arrival in enumerate([*plan.arrivals, float("inf")]):
        while ends and ends[0][0] <= arrival:
            now, place, version = heappop(ends)
            worker = workers[place]
            if version == worker.version:
                done = worker.end(now)
                waits[done] = max(0.0, now - plan.arrivals[done] - plan.services[done])
                expect(worker)
                began(hand_out.over(now, worker))
        if request < len(waits):
            began(hand_out.come(arrival, request))
    hand_out.check_end()
    return waits


def balanced(plan: Plan, site: Site, balancer: Balancer) -> list[float]:
    """Return the waits where a balancer chooses among the workers that have room."""
    workers = [Worker(slot, site) for slot in range(1, site.workers + 1)]
    return simulate(plan, workers, IdleOnly(plan, workers, balancer))


def eager(plan: Plan, site: Site, choose: Callable[[], int]) -> list[float]:
    """Return the waits where requests are handed out at once."""
    workers = [Worker(slot, site) for slot in range(1, site.workers + 1)]
    return simulate(plan, workers, Eager(plan, workers, choose))


def central_queue(plan: Plan, site: Site) -> list[float]:
    """Return the waits of one queue before all servers: M/G/c, first in first out."""
    free_at = [0.0] * site.servers
    waits = []
    for arrival, service in zip(plan.arrivals, plan.services, strict=True):
        start = max(arrival, free_at[0])
        heapreplace(free_at, start + service)
        waits.append(start - arrival)
    return waits
