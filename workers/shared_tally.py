"""The tally of a worker whose threads count at the same time."""

import threading

from typing_extensions import override

from heeler.workers.scoreboard import Row
from heeler.workers.tally import Tally


class SharedTally(Tally):
    """Counts requests that several threads answer.

    Args:
        row: where the counts are shown.

    Process: the worker, any thread; `bytes_in` is added to by one at a time.
    """

    __slots__ = ("_lock",)

    def __init__(self, row: Row) -> None:
        super().__init__(row)
        self._lock = threading.RLock()

    @override
    def answered(self, status_class: int, sent: int, duration_ns: int) -> None:
        with self._lock:
            Tally.answered(self, status_class, sent, duration_ns)

    @override
    def show(self) -> None:
        with self._lock:
            Tally.show(self)
