"""Which workers use too much memory and do not say so.

A worker weighs itself between requests. The arbiter looks more rarely, and at those that idle or are stuck too.
"""

import math
from collections.abc import Iterable
from typing import Final

from heeler.arbiter.herd import Member
from heeler.workers.memory import retirement
from heeler.workers.messages import Retire

LOOK_S: Final = {"rss": 2.0, "pss": 30.0}
"""From one look at a worker to the next. PSS is dear, and a worker of another user may not be asked for it."""


class MemoryWatch:
    """When each worker is looked at. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}

    def deadline(self, members: Iterable[Member], now: float) -> float | None:
        """Return when to look next; None where nobody's memory is limited."""
        limited = [member for member in members if member.loaded.config.max_worker_memory]
        self._due = {member.age: self._due.get(member.age, now + _look_s(member)) for member in limited}
        return min(self._due.values(), default=None)

    def outgrown(self, members: Iterable[Member], now: float) -> list[tuple[Member, Retire]]:
        """Return those whose time has come and who use too much, and why they are to be replaced.

        One whose memory the arbiter may not see, since it has another user, is left to weigh itself.
        """
        found = []
        for member in members:
            if self._due.get(member.age, math.inf) <= now:
                self._due[member.age] = now + _look_s(member)
                config = member.loaded.config
                why = retirement(config.worker_memory_kind, config.max_worker_memory, member.pid)
                if why is not None:
                    found.append((member, why))
        return found


def _look_s(member: Member) -> float:
    return LOOK_S[member.loaded.config.worker_memory_kind]
