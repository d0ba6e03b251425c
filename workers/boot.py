"""What the arbiter gives a worker at its fork."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from heeler.plugins.config import Config
from heeler.workers import messages
from heeler.workers.application import Application
from heeler.workers.channel import Channel
from heeler.workers.logs import Logs
from heeler.workers.scoreboard import Row
from heeler.workers.sources import Listener

if TYPE_CHECKING:
    from heeler.workers.base import Worker

_IDLE_BEAT_S: Final = 15.0
"""The same where `timeout` is 0, and nobody looks after it."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """What a worker is born with.

    Args:
        config: the settings in force.
        application: the application as it was named.
        reforks: how many workers have become molds, one after another, before the fork.
        promote: has this worker forked as a mold, where it can be.
        given: the application itself, where a program gave it and not its name, or it was loaded before the fork.
        molded: the class of a worker that the mold has forked, which has patched what it patches; else None.
        slot: which worker this is, from 1; its replacement has the same.
        generation: counts reloads, from 1.
        age: counts children since the start, from 1.
        row: the worker's page of the scoreboard.
        channel: the worker's end.
        pages: all pages of the scoreboard.
        listeners: the listening sockets it accepts from, in the order of `bind`.
        logs: set up before the fork.
        server: what hooks get as `server`.
    """

    config: Config
    application: str
    slot: int
    generation: int
    age: int
    row: Row
    channel: Channel
    pages: Sequence[Row]
    listeners: Sequence[Listener]
    logs: Logs
    server: object
    given: Application | None = None
    molded: "type[Worker] | None" = None
    reforks: int = 0
    promote: "Callable[[messages.Fork], None] | None" = None

    @property
    def beat_s(self) -> float:
        """How often the child shows at least that it is not stuck, in seconds: twice within `timeout`."""
        timeout_s = float(self.config.timeout)
        return timeout_s / 2 if timeout_s else _IDLE_BEAT_S
