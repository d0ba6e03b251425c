"""The requests of an open loop: which are due, which nobody has begun yet, and how long each waited.

They come when they come, however slow the server is, and a wait is counted from then: so no delay hides another
one. It opens no connection and reads no clock.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WARM_UP: Final = 0.1  # the share of requests, the first ones, that are not counted; balance_sim.py has the same


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value that `share` of the sorted ones are below."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


@dataclass(frozen=True, slots=True)
class Summary:
    """What came of the requests that count, in seconds; `late` is the load generator's own fault."""

    p50_s: float
    p99_s: float
    late_p99_s: float
    errors: int


class Schedule:
    """The requests, numbered as they come.

    Args:
        arrivals_s: when each comes, in seconds from the beginning, ascending.
        services_s: how long the application takes for each.
    """

    def __init__(self, arrivals_s: Sequence[float], services_s: Sequence[float]) -> None:
        self._arrivals_s, self._services_s = arrivals_s, services_s
        self._come = 0
        self._due: deque[int] = deque()
        self._late_s: list[float] = []
        self._waits_s: list[float | None] = [None] * len(arrivals_s)
        self._open = len(arrivals_s)

    @property
    def is_over(self) -> bool:
        """Whether all have been answered, or have failed."""
        return not self._open

    def advance(self, now: float) -> None:
        """Let those come that are due."""
        while self._come < len(self._arrivals_s) and self._arrivals_s[self._come] <= now:
            self._late_s.append(now - self._arrivals_s[self._come])
            self._due.append(self._come)
            self._come += 1

    def until_next(self, now: float, longest_s: float) -> float:
        """Return how long it is till another comes, at most `longest_s`."""
        if self._come == len(self._arrivals_s):
            return longest_s
        return min(max(0.0, self._arrivals_s[self._come] - now), longest_s)

    def take(self) -> int | None:
        """Return the first that is due and that nobody has taken, or None."""
        return self._due.popleft() if self._due else None

    def service_ms(self, request: int) -> int:
        """Return how long the application is to take for a request."""
        return round(self._services_s[request] * 1000)

    def answered(self, request: int, now: float) -> None:
        """The response is there: all that is not service was waiting."""
        self._waits_s[request] = max(0.0, now - self._arrivals_s[request] - self._services_s[request])
        self._open -= 1

    def failed(self, _request: int) -> None:
        """There will be no response."""
        self._open -= 1

    def summary(self) -> Summary:
        """Return the figures; what was never answered is an error.

        Raises: ValueError, where nothing that counts was answered.
        """
        counted = self._waits_s[int(len(self._waits_s) * WARM_UP) :]
        waits_s = sorted(wait for wait in counted if wait is not None)
        if not waits_s:
            raise ValueError("not one request was answered")
        late_s = sorted(self._late_s)
        errors = sum(wait is None for wait in self._waits_s)
        return Summary(percentile(waits_s, 0.5), percentile(waits_s, 0.99), percentile(late_s, 0.99), errors)
