"""Which workers use too much memory and do not say so.

A worker weighs itself between requests. The arbiter looks more rarely, and at those that idle or are stuck too.
It looks at the resident set alone: for PSS the kernel takes a lock that a stuck worker may hold.
"""

import math
from collections.abc import Iterable
from typing import Final

from heeler.arbiter.herd import Member
from heeler.workers.memory import retirement
from heeler.workers.messages import Retire

LOOK_S: Final = 2.0
"""From one look at a worker to the next."""


class MemoryWatch:
    """When each worker is looked at. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}

    def deadline(self, members: Iterable[Member], now: float) -> float | None:
        """Return when to look next; None where nobody's memory is limited."""
        limited = [member for member in members if _is_looked_at(member)]
        self._due = {member.age: self._due.get(member.age, now + LOOK_S) for member in limited}
        return min(self._due.values(), default=None)

    def outgrown(self, members: Iterable[Member], now: float) -> list[tuple[Member, Retire]]:
        """Return those whose time has come and who use too much, and why they are to be replaced."""
        found = []
        for member in members:
            if self._due.get(member.age, math.inf) <= now:
                self._due[member.age] = now + LOOK_S
                config = member.loaded.config
                why = retirement(config.worker_memory_kind, config.max_worker_memory, member.pid)
                if why is not None:
                    found.append((member, why))
        return found


def _is_looked_at(member: Member) -> bool:
    config = member.loaded.config
    return bool(config.max_worker_memory) and config.worker_memory_kind == "rss"
