"""The line of arbiters: the one before this one, whose place it takes, and the one after it, which takes its own.

Decides when neither workers nor settings may change because of them. How a new arbiter is made
is known to `heeler.arbiter.reexec`, what it says and hears to `heeler.arbiter.predecessor`.
"""

from collections.abc import Callable
from typing import Final

from heeler.arbiter import events
from heeler.arbiter.generations import Generations
from heeler.arbiter.policy import Phase, Policy
from heeler.arbiter.predecessor import Predecessor
from heeler.arbiter.reexec import Reexec, Watch
from heeler.arbiter.service_manager import ServiceManager
from heeler.plugins.errors import HeelerError
from heeler.workers.scoreboard import Scoreboard


class Line:
    """The arbiters next to this one.

    Args:
        reexec: makes the next one.
        predecessor: the arbiter whose place this one is to take; None where there is none.
        take_over: called when it does; may be called twice.
        generations: whose logs tell of it.
        manager: begins to speak then.
        board: goes on with what that one has counted.
        watch: the loop's.
        stop: has this arbiter stop, where it cannot take over.
    """

    def __init__(
        self,
        reexec: Reexec,
        predecessor: Predecessor | None,
        take_over: Callable[[], None],
        generations: Generations,
        manager: ServiceManager,
        board: Scoreboard,
        watch: Watch,
        stop: Callable[[], None],
    ) -> None:
        self._reexec: Final = reexec
        self._predecessor = predecessor
        """None, too, once this arbiter has taken over."""
        self._take_over: Final = take_over
        self._generations: Final = generations
        self._manager: Final = manager
        self._board: Final = board
        self._watch: Final = watch
        self._stop: Final = stop
        if predecessor is not None:
            watch(predecessor.fileno(), lambda: self._hear(predecessor))

    @property
    def is_changing(self) -> bool:
        """Whether one is about to take the place of another, so that a reload, say, has to wait."""
        return self._reexec.has_child or self._predecessor is not None

    @property
    def is_successor(self) -> bool:
        """Whether this one is about to take the place of another, and has not yet."""
        return self._predecessor is not None

    def ask(self, policy: Policy) -> None:
        """Have another arbiter take the place of this one, unless what the server is at forbids it."""
        self._reexec.ask(self._why_not(policy))

    def complete(self) -> None:
        """All workers are ready: the arbiter before this one may go."""
        if self._predecessor is not None:
            self._predecessor.complete()

    def _why_not(self, policy: Policy) -> str:
        if policy.phase is Phase.STARTING or self._predecessor is not None:
            return "the server is about to start"
        if policy.phase is not Phase.SERVING or policy.drain_at is not None:
            return "the server stops"
        return "a reload is under way" if policy.pool.coming is not None else ""

    def _hear(self, predecessor: Predecessor) -> None:
        fd = predecessor.fileno()
        try:
            predecessor.hear(self._succeed, self._manager.taken_over, self._board.totals.add)
        except HeelerError as error:
            self._generations.log(events.Log("error", "not taken over", (("reason", error),)))
            if predecessor.failed(error.exit_status, str(error)):
                self._stop()
        if predecessor.fileno() == -1:
            self._watch(fd, None)

    def _succeed(self) -> None:
        if self._predecessor is not None:
            self._take_over()
            self._predecessor = None
            self._generations.log(events.Log("info", "taken over"))
