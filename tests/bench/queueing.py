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


class IdleOnly:
    """As Heeler's listener does: a balancer is asked while a worker has room, and else requests wait in one queue.

    What it sends to a worker without room waits in that one's own queue. A worker that gets room takes
    what has waited longer, the head of its own queue or of the common one.
    """

    def __init__(self, plan: Plan, workers: list[Worker], balancer: Balancer) -> None:
        self._plan, self._workers, self._balancer = plan, workers, balancer
        self._views = [worker.view for worker in workers]
        self._free = sum(view.capacity for view in self._views)
        self._turns = count()
        self._waiting: deque[int] = deque()
        self._bound: list[deque[int]] = [deque() for _ in workers]

    def come(self, now: float, request: int) -> Iterator[Worker]:
        """Give it to a worker, or put it at the end of a queue."""
        if self._free:
            yield from self._ask(now, request)
        else:
            self._waiting.append(request)

    def over(self, now: float, worker: Worker) -> Iterator[Worker]:
        """Take what has waited longest of what the worker may have."""
        self._free += 1
        bound = self._bound[worker.view.slot - 1]
        if bound:  # it came before all that wait in the common queue, or it would still be one of them
            yield self._begin(now, bound.popleft(), worker)
        while self._free and self._waiting:
            yield from self._ask(now, self._waiting.popleft())

    def _ask(self, now: float, request: int) -> Iterator[Worker]:
        view = self._balancer(self._views, next(self._turns), self._plan.keys[request])
        if not any(view is one for one in self._views):
            raise BrokenBalancer(f"returns {view!r}, which is none of the slots it was given")
        if view.has_room:
            yield self._begin(now, request, self._workers[view.slot - 1])
        else:
            self._bound[view.slot - 1].append(request)

    def _begin(self, now: float, request: int, worker: Worker) -> Worker:
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
    return waits


def balanced(plan: Plan, site: Site, balancer: Balancer) -> list[float]:
    """Return the waits where a balancer chooses while there is a worker with room."""
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
