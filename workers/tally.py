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

    __slots__ = ("_bytes_out", "_latency", "_latency_ns", "_requests", "_row", "_shown", "_statuses", "bytes_in")

    def __init__(self, row: Row) -> None:
        self._row = row
        self._requests = 0
        self._shown = 0
        self.bytes_in = 0
        """Bytes read from clients; add to it."""
        self._bytes_out = 0
        self._latency_ns = 0
        self._statuses = [0] * 6
        self._latency = [0] * (len(_BUCKETS_NS) + 1)

    def answered(self, status: int, sent: int, duration_ns: int) -> None:
        """Count one request.

        Args:
            status: its status code, 0 where the client was gone before there was one.
            sent: bytes of its response's body.
            duration_ns: from the whole request to the whole response.
        """
        self._requests += 1
        self._bytes_out += sent
        self._latency_ns += duration_ns
        self._statuses[status // 100 if status < 600 else 5] += 1
        self._latency[bisect.bisect_left(_BUCKETS_NS, duration_ns)] += 1
        if duration_ns > _PROMPT_NS:
            self.show()

    def show(self) -> None:
        """Write the counts to the scoreboard, if there are new ones."""
        if self._shown != self._requests:
            self._shown = self._requests
            self._row.show(
                self._requests,
                self.bytes_in,
                self._bytes_out,
                self._latency_ns,
                *self._statuses[1:],
                *self._latency,
            )
