"""What a worker has answered, in plain integers, shown on the scoreboard from time to time."""

import bisect
from typing import Final

from heeler.workers.scoreboard import BUCKETS_S, Row

_BUCKETS_NS: Final = tuple(int(bound * 1e9) for bound in BUCKETS_S)
_PROMPT_NS: Final = 1_000_000
"""A request that took longer is shown at once; shorter ones once a turn of the loop."""


class Tally:
    """Counts requests.

    Adding in shared memory costs more than everything else about a count, so quick
    requests are added here and shown together by `Worker.tick`; a worker that is killed
    takes with it at most those of the last turn.

    Args:
        row: where the counts are shown; nobody else writes those words.

    Process: the worker, one thread at a time.
    """

    __slots__ = (
        "_bytes_out",
        "_changed",
        "_latency",
        "_latency_ns",
        "_prompt",
        "_queue",
        "_queue_ns",
        "_row",
        "_statuses",
        "bytes_in",
    )

    def __init__(self, row: Row) -> None:
        self._row = row
        self._changed = False
        self._prompt = 0  # prompt requests, all of the first bucket
        self.bytes_in = 0
        """Bytes read from clients; add to it."""
        self._bytes_out = 0
        self._latency_ns = 0
        self._statuses = [0] * 6
        self._latency = [0] * (len(_BUCKETS_NS) + 1)
        self._queue: list[int] = []  # made by the first that waited
        self._queue_ns = 0

    def answered(self, status_class: int, sent: int, duration_ns: int) -> None:
        """Count one request.

        Args:
            status_class: 1 to 5; 0 where the client was gone before there was a status.
            sent: bytes of its response's body.
            duration_ns: from the whole request to the whole response.
        """
        self._bytes_out += sent
        self._latency_ns += duration_ns
        self._statuses[status_class] += 1
        self._changed = True
        if duration_ns < _PROMPT_NS:
            self._prompt += 1
        else:
            self._latency[bisect.bisect_left(_BUCKETS_NS, duration_ns)] += 1
            self.show()

    def queued(self, waited_ns: int) -> None:
        """Count how long a request has waited for a worker."""
        if not self._queue:
            self._queue = [0] * (len(_BUCKETS_NS) + 1)
        self._queue_ns += waited_ns
        self._queue[bisect.bisect_left(_BUCKETS_NS, waited_ns)] += 1

    def show(self) -> None:
        """Write the counts to the scoreboard, if there are new ones."""
        if not self._changed:
            return
        self._changed = False
        if self._queue:
            self._row.show_queue(self._queue_ns, *self._queue)
        first, *others = self._latency
        self._row.show(
            sum(self._statuses),
            self.bytes_in,
            self._bytes_out,
            self._latency_ns,
            *self._statuses[1:],
            first + self._prompt,
            *others,
        )
