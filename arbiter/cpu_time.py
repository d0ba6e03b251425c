"""How much CPU time processes take, by their CPU-time clocks (clock_getcpuclockid(3))."""

import sys
import time
from collections.abc import Iterable
from typing import Final

from heeler.arbiter.herd import Member

_TELLS: Final = sys.platform == "linux"
_SCHED: Final = 2
"""The clock of what a process and all its threads have run."""


class CpuTime:
    """What was known of each process when it was looked at last."""

    def __init__(self) -> None:
        self._seen: dict[int, float] = {}

    def taken_since(self, members: Iterable[Member]) -> float:
        """Return how many seconds those have taken since the last time who were there then, too."""
        before, self._seen = self._seen, {}
        for member in members:
            if (taken := _taken(member.pid)) is not None:
                self._seen[member.age] = taken
        return sum(taken - before.get(age, taken) for age, taken in self._seen.items())


def _taken(pid: int) -> float | None:
    if not _TELLS:
        return None
    try:
        return time.clock_gettime((~pid << 3) | _SCHED)
    except OSError:  # it is gone
        return None
