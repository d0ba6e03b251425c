"""How many requests a worker may answer before it asks to be replaced."""

import itertools

_GOLDEN = 0.6180339887498949


def stagger(jitter: float, slot: int) -> float:
    """Return the share of `jitter` that a slot gets.

    It is no dice: slots are spread evenly (golden ratio), so that workers that
    started together never retire together.

    Args:
        jitter: is never reached.
        slot: which worker it is for, from 1.
    """
    return jitter * (slot * _GOLDEN % 1.0)


class Quota:
    """Counts down to a worker's retirement.

    Args:
        max_requests: requests until retirement, 0 for no limit.
        jitter: at most this many more; `stagger` says how many.
        slot: which worker this is, from 1.

    Process: the worker, any of its threads: `count_down` takes one step of C code to count.
    """

    __slots__ = ("_count", "limit")

    def __init__(self, max_requests: int, jitter: int, slot: int) -> None:
        self.limit = max_requests + int(stagger(jitter, slot)) if max_requests else -1
        """Requests that may be answered; negative without limit."""
        self._count = itertools.count(1).__next__

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self.limit >= 0

    def count_down(self) -> bool:
        """Count one request; True for the one that uses up the quota."""
        return self._count() == self.limit
