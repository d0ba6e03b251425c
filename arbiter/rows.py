"""Hands out the pages of the scoreboard, and takes them back when a child is gone."""

import math
import time
from collections.abc import Mapping
from typing import Final

from heeler.arbiter import events
from heeler.arbiter.config.worker_count import most_workers
from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError
from heeler.workers.scoreboard import Role, Row, Scoreboard, State

ROLES: Final[Mapping[str, Role]] = {
    "worker": Role.WORKER,
    "listener": Role.LISTENER,
    "watcher": Role.WATCHER,
    "mold": Role.MOLD,
}
"""The policy's names of roles, and the scoreboard's numbers."""

_LEAST: Final = 64
_PER_WORKER: Final = 4
_OTHERS: Final = 5
"""A listener, a watcher, and molds: the one in force, one that comes, and one that ends."""


class Rows:
    """The pages of the scoreboard.

    There are four a worker and 64 at least, 4 KiB of address space each: one serves, one
    boots, others drain, and the number of workers may rise while the server runs.

    Args:
        workers: how many are wanted at the start.
        pid: the arbiter's process id.
    """

    def __init__(self, workers: int, pid: int) -> None:
        self.board: Final = Scoreboard.create(max(_LEAST, _PER_WORKER * workers))
        self.board.set("arbiter_pid", pid)
        self.board.set("started_at", time.monotonic_ns())
        self.board.set("generation", 1)

    def check(self, config: Config) -> None:
        """Refuse settings of a reload for whose workers, and those that replace them, there are not pages enough.

        Raises:
            ConfigError: so it is.
        """
        most, pages = most_workers(config), len(self.board.rows)
        least = math.ceil(most / 4) if config.max_surge is None else config.max_surge
        surge = most if config.reload_strategy == "surge" else min(least, most)
        if most + surge + _OTHERS > pages:
            name = "workers_max" if config.workers_max else "workers"
            reason = f"too many with their replacements for the {pages} pages of the scoreboard; USR2 makes it larger"
            raise ConfigError(name, config.source(name), reason, most)

    def take(self, spawn: events.Spawn) -> Row:
        """Return a page for a child that is about to be forked, with all that is known of it.

        Raises:
            OSError: all pages are taken.
        """
        row = next((row for row in self.board.rows if row.get("state") == State.FREE), None)
        if row is None:
            raise OSError(f"all {len(self.board.rows)} pages of the scoreboard are taken")
        row.clear()
        row.set("role", ROLES[spawn.role])
        row.set("slot", spawn.slot)
        row.set("generation", spawn.generation)
        row.set("age", spawn.age)
        row.set("boot_at", time.monotonic_ns())
        row.set("boot_deadline", int((spawn.deadline or 0) * 1e9))
        row.set("state", State.BOOTING)
        return row

    def give_back(self, row: Row) -> None:
        """Keep the counts of a child that is gone, and free its page."""
        row.fold_into(self.board.totals)
        row.clear()


def longest(row: Row) -> str:
    """Return the request that has run longest, as `GET /path`; empty if none is named."""
    return next((request.what for request in row.in_flight()), "")
