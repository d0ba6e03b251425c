"""What is told of a child that is gone: the requests that were lost with it.

All that is left of a request is what stands on the scoreboard: method and path, and since when it ran.
"""

import dataclasses
import logging
import time
from types import SimpleNamespace
from typing import Final, Self

from heeler.workers.access_entry import LOST, TIMEOUT, AccessEntry
from heeler.workers.logs import Logs, event
from heeler.workers.scoreboard import CUT, IN_FLIGHT, OVERRUNS, InFlight, Row

NO_STATUS: Final = 0
"""The status in the access log of a request that nobody answered."""


@dataclasses.dataclass(frozen=True, slots=True)
class Cut:
    """How much was cut.

    Args:
        requests: that were in flight, or waited for a worker.
        websockets: that were still open.
        connections: that waited in the backlog.
        tasks: of work that requests had left behind.
    """

    requests: int = 0
    websockets: int = 0
    connections: int = 0
    tasks: int = 0

    @classmethod
    def of(cls, row: Row) -> Self:
        """Return what a child says that it has cut."""
        return cls(row.get("cut"), row.get("cut_websockets"), row.get("cut_connections"), row.get("cut_tasks"))

    @property
    def total(self) -> int:
        """How much that is in all."""
        return sum(dataclasses.astuple(self))

    def __add__(self, other: Self) -> Self:
        ours, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return type(self)(*(one + more for one, more in zip(ours, theirs, strict=True)))

    def __sub__(self, other: Self) -> Self:
        ours, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return type(self)(*(one - less for one, less in zip(ours, theirs, strict=True)))


def lost_with(row: Row, logs: Logs, slot: int, pid: int, *, timed_out: bool = False) -> Cut:
    """Log by name what a child that is gone was serving; return what was cut in all.

    Args:
        row: its page.
        logs: where to.
        slot: its place.
        pid: its process id.
        timed_out: whether it was ended for want of a heartbeat; then these are the requests that it has not seen to.

    The page's only writer is gone, so the arbiter may write it now.
    """
    now = time.monotonic()
    for request in row.in_flight():
        seconds = round(now - request.started, 3)
        event(logs.error, logging.ERROR, "request lost", slot=slot, pid=pid, request=request.what, seconds=seconds)
        if logs.access is not None:
            logs.access.write(entry_of(request, now, TIMEOUT if timed_out else LOST))
        row.words[OVERRUNS] += timed_out
    row.words[CUT] += row.words[IN_FLIGHT]
    return Cut.of(row)


def entry_of(lost: InFlight, now: float, outcome: str) -> AccessEntry:
    """Return the entry that the worker could not write: what nobody knows any more is empty."""
    method, _, path = lost.what.partition(" ")
    fields = SimpleNamespace(environ={})
    request = SimpleNamespace(method=method, target=path, path=path, query="", minor=1, fields=fields, queue_ns=0)
    return AccessEntry(request, NO_STATUS, "lost", [], 0, int((now - lost.started) * 1e9), "", None, outcome)
