"""When to ask a WebSocket client for a sign of life, and when to give it up. Must not know frames or clocks."""

import enum
import math
from typing import Final


class Due(enum.Enum):
    """What is to be done at a deadline."""

    PING = "ask for a sign of life"
    DEAD = "give the client up"
    NOTHING = "wait on"


class Keepalive:
    """Pings at an interval; any byte from the client is a sign of life, not only a pong.

    A pong may stand behind a large message, or behind what we do not read because the
    application is slow: only a client of which nothing comes is dead.

    Args:
        interval_s: between pings; 0 for none.
        timeout_s: for a sign of life after a ping; 0 for any time.
        now: monotonic seconds.
    """

    __slots__ = ("_interval_s", "_pinged_at", "_timeout_s", "_waits", "deadline", "heard")

    def __init__(self, interval_s: float, timeout_s: float, now: float) -> None:
        self._interval_s: Final = interval_s or math.inf
        self._timeout_s: Final = timeout_s or math.inf
        self._pinged_at = now
        self._waits = False
        self.heard = False
        """Set it when bytes come."""
        self.deadline = now + self._interval_s
        """When to call `due`."""

    def due(self, now: float, *, is_excused: bool) -> Due:
        """Return what is to be done now, at the deadline or after it.

        Args:
            now: monotonic seconds.
            is_excused: whether it is not the client's fault that nothing was heard.
        """
        if self._waits:
            if not self.heard and not is_excused:
                if now >= self._pinged_at + self._timeout_s:
                    return Due.DEAD
                self.deadline = self._pinged_at + self._timeout_s
                return Due.NOTHING
            self._waits = False
            self.deadline = self._pinged_at + self._interval_s
            if self.deadline > now:
                return Due.NOTHING
        self._pinged_at = now
        self.heard = False
        self._waits = self._timeout_s < math.inf
        self.deadline = now + min(self._timeout_s, self._interval_s)
        return Due.PING
