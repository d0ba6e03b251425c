"""The requests a worker runs side by side, named on the scoreboard."""

import functools
import struct
from typing import Final

from heeler.workers.scoreboard import IN_FLIGHT, IN_FLIGHT_ENTRIES, Row

UNNAMED: Final = -1
"""The entry of a request for which there is no room on the scoreboard: counted, not named."""
_FIRST: Final = 0
"""The entry of a request that finds nobody else running: it is written together with the count."""


class InFlight:
    """Enters requests on the scoreboard; not for several threads at once.

    Args:
        row: where; nobody else writes its entries.
    """

    __slots__ = ("_count", "_enter", "_enter_first", "_free", "_leave", "_leave_last", "_show")

    def __init__(self, row: Row) -> None:
        self._count = 0
        self._free = list(range(IN_FLIGHT_ENTRIES - 1, _FIRST, -1))
        self._enter = row.enter
        self._enter_first = row.enter_only
        self._leave = row.leave
        self._leave_last = row.leave_only
        self._show = functools.partial(struct.Struct("Q").pack_into, row.page, IN_FLIGHT * 8)

    def enter(self, started_ns: int, what: bytes) -> int:
        """Count a request, and name it where there is room; return its entry."""
        if not self._count:
            self._count = 1
            self._enter_first(started_ns, len(what), what)
            return _FIRST
        self._count += 1
        self._show(self._count)
        if not self._free:
            return UNNAMED
        entry = self._free.pop()
        self._enter(entry, started_ns, what)
        return entry

    def leave(self, entry: int) -> None:
        """The request of `entry` is over."""
        self._count -= 1
        if entry == _FIRST:
            if self._count:
                self._show(self._count)
                self._leave(entry)
            else:
                self._leave_last()
            return
        self._show(self._count)
        if entry != UNNAMED:
            self._leave(entry)
            self._free.append(entry)

    @property
    def count(self) -> int:
        """How many are running."""
        return self._count
