"""Whose heartbeat has stopped.

A child is silent when it is found so twice, a moment apart: where all were stopped for a
while (SIGSTOP, a frozen container) the arbiter may be the first to run again, and those whose time
ran out meanwhile need a turn to beat.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from heeler.arbiter.herd import Member
from heeler.workers.scoreboard import BEAT_AT

SECOND_LOOK_S: Final = 0.5
"""From the first look that finds a child silent to the one that counts."""


class _Suspect(NamedTuple):
    beat_ns: int
    since_ns: int


class Heartbeats:
    """What the arbiter has seen of them. Times are of the monotonic clock."""

    def __init__(self) -> None:
        self._from_ns = 0
        self._suspects: dict[int, _Suspect] = {}

    def pardon(self, now_ns: int) -> None:
        """Nobody ran, the arbiter included: begin to count anew."""
        self._from_ns = now_ns

    def deadline(self, members: Iterable[Member]) -> float | None:
        """Return when to look next; None where nobody owes a heartbeat."""
        times = [self._due_ns(member) for member in members if member.loaded.config.timeout]
        return min(times) / 1e9 + 0.001 if times else None

    def silent(self, members: Iterable[Member], now_ns: int) -> list[tuple[Member, float]]:
        """Return those whose heartbeat has stopped, and for how many seconds."""
        before, self._suspects = self._suspects, {}
        found = []
        for member in members:
            beat_ns, timeout_s = member.row.words[BEAT_AT], member.loaded.config.timeout
            quiet_s = (now_ns - max(beat_ns, self._from_ns)) / 1e9
            if not timeout_s or not beat_ns or quiet_s <= timeout_s:
                continue
            suspect = before.get(member.age)
            if suspect is None or suspect.beat_ns != beat_ns:
                suspect = _Suspect(beat_ns, now_ns)
            self._suspects[member.age] = suspect
            if now_ns - suspect.since_ns >= SECOND_LOOK_S * 1e9:
                found.append((member, quiet_s))
        return found

    def _due_ns(self, member: Member) -> float:
        beat_ns = member.row.words[BEAT_AT]
        suspect = self._suspects.get(member.age)
        if suspect is not None and suspect.beat_ns == beat_ns:
            return suspect.since_ns + SECOND_LOOK_S * 1e9
        return float(max(beat_ns, self._from_ns) + member.loaded.config.timeout * 1e9)
