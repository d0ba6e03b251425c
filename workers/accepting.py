"""The accept loop of every worker: where its connections come from, and when they are taken.

From listening sockets of its own or shared with others, from sockets that the arbiter lends, or from a
listener that hands them over. Must not know what is done with a connection.
"""

import abc
import contextlib
import logging
import math
import time
from collections.abc import Collection, Iterator
from typing import ClassVar, Final, final

from heeler.workers import at_fork, messages, scoreboard
from heeler.workers.boot import Boot
from heeler.workers.channel import OUT_OF_DESCRIPTORS
from heeler.workers.dispatch_source import DispatchSource
from heeler.workers.drain import Drain
from heeler.workers.loan import received
from heeler.workers.logs import event
from heeler.workers.sources import (
    EXHAUSTED,
    AcceptingSource,
    ChannelSource,
    Connection,
    ListeningSource,
    SignalSource,
    Source,
    reset,
)

ACCEPT_PAUSE_S: Final = 0.1
"""How long accepting stops after the system ran out of descriptors or memory."""

CATCH_UP_S: Final = 0.05
"""How soon a listener that was too busy to hear a worker is told again."""

ACCEPT_BURST: Final = 16
"""Connections accepted in a row before others get a turn."""


class Accepting(abc.ABC):
    """What accepts connections.

    Args:
        boot: what it is born with.
    """

    keeps_connections: ClassVar[bool] = True
    """False where a connection that a listener has handed over goes back to it after each response."""

    def __init__(self, boot: Boot) -> None:
        self.boot: Final = boot
        self.config: Final = boot.config
        self.log: Final = boot.logs.worker
        self.row: Final = boot.row
        self.words: Final = boot.row.words
        self.slot: Final = boot.slot
        self.draining: Drain | None = None
        self.sources: list[Source] = []
        """What to wait on for reading; each that is readable goes to `accept`."""
        self._is_set_up = False
        self._is_orphan = False
        """Whether the arbiter is gone, so that nobody knows who else serves what waits."""
        self.home: DispatchSource | None = None
        """Where connections come from that a listener hands over."""
        self._most_connections: Final[int] = boot.config.worker_connections
        self._keeps = type(self).keeps_connections or boot.config.dispatch == "connection"
        self._listening: list[AcceptingSource] = []
        self._held: list[at_fork.Closable] = [*boot.listeners, boot.channel]
        """What no process may keep that the application forks."""
        self._accept_again_at: float | None = None
        self._beat_interval_s = boot.beat_s

    # -- what a subclass provides

    @abc.abstractmethod
    def handle(self, connection: Connection) -> None:
        """Serve an accepted connection: here, in a thread, in a greenlet, in a task.

        The subclass closes the socket, and counts with `opened` and `closed`.
        """

    def room(self) -> int:
        """Return how many more connections may be accepted now."""
        return self._most_connections - self.words[scoreboard.CONNECTIONS]

    def sources_changed(self) -> None:
        """`self.sources` was changed; those who registered them somewhere do so again.

        First called after `setup`, before `run`.
        """

    @property
    def is_booting(self) -> bool:
        """True until it is ready: nothing has been accepted yet."""
        return bool(self.words[scoreboard.STATE] == scoreboard.State.BOOTING)

    # -- the accept loop

    @final
    def accept(self, source: Source) -> None:
        """A source is readable: take what it has.

        Connections are accepted while there is room, and handed to `handle`; messages
        and signals are obeyed.
        """
        if not isinstance(source, AcceptingSource):
            assert isinstance(source, ChannelSource | SignalSource), source
            source.read()
            return
        for _ in range(ACCEPT_BURST):
            if self.room() <= 0:
                return
            try:
                connection = source.accept()
            except OSError as error:
                self._accept_failed(error)
                return
            if connection is None:
                if not source.is_shared and source.is_over:
                    self._drop(source)
                return
            if source.is_shared:  # else the listener has counted it
                self.words[scoreboard.ACCEPTED] += 1
            if connection.home is not None:
                self._was_handed(connection, connection.home)
            self.handle(connection)

    def _announce_sources(self) -> None:
        if self._is_set_up:
            self.sources_changed()

    def _accept_failed(self, error: OSError) -> None:
        if error.errno not in EXHAUSTED:
            raise error
        event(self.log, logging.WARNING, "accept paused", slot=self.slot, error=error.strerror, seconds=ACCEPT_PAUSE_S)
        self._accept_again_at = time.monotonic() + ACCEPT_PAUSE_S
        self.pause_accept()

    @final
    def pause_accept(self) -> None:
        """Stop waiting on the listening sources; the backlog keeps what comes."""
        self.sources = [source for source in self.sources if source not in self._listening]
        self._announce_sources()

    @final
    def resume_accept(self) -> None:
        """Wait on the listening sources again."""
        self._accept_again_at = None
        self.sources = [source for source in self.sources if source not in self._listening] + list(self._listening)
        self._announce_sources()

    @final
    def close_listeners(self) -> None:
        """Accept no more, for good: where that is too early for those who still wait, they are cut."""
        self._accept_again_at = None
        if self.draining is not None and self.draining.last and not self._is_orphan:
            self._reset_waiting()
        for source in list(self._listening):
            self._drop(source)

    def _reset_waiting(self) -> None:
        """Count who waits in the backlog, whom nobody will serve; the kernel would reset them without a word."""
        for source in self._listening:
            for _ in range(self.config.backlog + 1 if source.is_ours else 0):
                try:
                    connection = source.accept()
                except OSError:
                    break
                if connection is None:
                    break
                reset(connection.sock)
                self.words[scoreboard.CUT_CONNECTIONS] += 1

    def _drop(self, source: AcceptingSource) -> None:
        if source not in self._listening:
            return  # in a turn of the loop within this one
        self._listening.remove(source)
        if source in self.sources:
            self.sources.remove(source)
            self._announce_sources()
        if source is not self.home:  # over which connections still go back
            source.close()

    # -- the listener that hands over connections

    def _was_handed(self, connection: Connection, home: DispatchSource) -> None:
        if self._keeps:
            home.taken(connection.number)
            connection.home = None
        elif home is not self.home and self.home is not None and not self.home.is_leaving:
            self.home.late()

    def busy(self) -> int:
        """Return how many requests a listener knows of that are not over yet."""
        return 0

    def home_changed(self) -> None:
        """There is another listener: what the one before it knew of may go there."""

    def _attach(self, message: messages.Attach) -> None:
        """There is a listener, the first or another one; of an earlier one there may still be something to read."""
        if not message.fds:
            event(self.log, logging.ERROR, "listener not reached", slot=self.slot, reason=OUT_OF_DESCRIPTORS)
            return
        (fd,) = message.fds
        if self.home is not None and self.home not in self._listening:
            self.home.close()
        self.home = home = DispatchSource(fd, self.boot.pages[message.page], self.log)
        for earlier in [held for held in self._held if isinstance(held, DispatchSource)]:
            self._held.remove(earlier)
        self._held.append(home)
        if self.is_booting:
            return
        self._listening.append(home)
        if self.draining is None:
            self._tell_home(home)
        else:
            home.leave()
        self.resume_accept()

    def _tell_home(self, home: DispatchSource) -> None:
        home.serves(self._capacity(), keeps=self._keeps, busy=self.busy())
        self.home_changed()

    @contextlib.contextmanager
    def making_way(self) -> Iterator[None]:
        """Meanwhile a request only waits for its client, and makes way where a listener has another.

        For classes that run few at once and keep connections; the others say that a connection is slow.
        """
        self.words[scoreboard.CAPACITY] += 1
        self.tell_room()
        try:
            yield
        finally:
            self.words[scoreboard.CAPACITY] -= 1

    def _capacity(self) -> int:
        """Return how many requests run at once; the class has said so on the scoreboard, or sets no other limit."""
        return int(self.words[scoreboard.CAPACITY]) or self._most_connections

    @final
    def accept_rest(self) -> bool:
        """Accept what waits in the backlog, and close the listening sources once nothing does.

        To be called before each turn of a drain: where `drain.last`, nobody else will serve
        what waits.

        Returns:
            Whether they are still open.
        """
        for source in list(self._listening):
            self.accept(source)
        self.drop_ended()
        return self.accepting

    @final
    def drop_ended(self) -> None:
        """Close the sources from which nothing more comes."""
        for source in [source for source in self._listening if source.is_over]:
            self._drop(source)

    # -- sockets that the arbiter lends

    def _borrow(self, loan: messages.Lend) -> None:
        """Accept from the sockets of vacant slots, too."""
        lent = received(loan)
        if len(lent) < len(loan.numbers):
            event(
                self.log, logging.WARNING, "sockets not borrowed", slot=self.slot, count=len(loan.numbers) - len(lent)
            )
        if self.draining is not None or not self._listening:
            for listener in lent:
                listener.close()
            return
        is_paused = not any(source in self._listening for source in self.sources)
        self._held += lent
        self._listening += [ListeningSource(listener) for listener in lent]
        if not is_paused:
            self.resume_accept()

    def _give_back(self, numbers: Collection[int]) -> None:
        """Accept no more from sockets that were lent: their slots have workers again."""
        for source in list(self._listening):
            if isinstance(source, ListeningSource) and source.listener.number in numbers:
                self._held.remove(source.listener)
                self._drop(source)

    @property
    def accepting(self) -> bool:
        """Whether the listening sources are open."""
        return bool(self._listening)

    def _tick_home(self, home: DispatchSource, now_ns: int) -> float:
        """Tell the listener what it waits for; return in how many seconds to look again."""
        wait_s = math.inf
        if home.is_behind:
            home.flush()
            return CATCH_UP_S
        if home.is_owed:
            wait_s = home.settle(now_ns)
        if self.draining is not None and not home.is_leaving:
            return min(wait_s, self._tick_in_patience(home, self.draining))
        self.tell_room()
        return wait_s

    @staticmethod
    def _tick_in_patience(home: DispatchSource, drain: Drain) -> float:
        """Wait for word whether the whole server stops: what its last workers leave, nobody would serve."""
        wait_s = drain.leave_at - time.monotonic()
        if wait_s > 0:
            return wait_s
        if not drain.last:
            home.leave()
        return math.inf

    @final
    def tell_room(self) -> None:
        """Tell the listener that there is room, where it waits for that.

        `tick` does; a class calls it after a request where the next `tick` may not be soon.
        """
        home = self.home
        if self._keeps and home is not None and home.is_awaited and self.words[scoreboard.IN_FLIGHT] < self._capacity():
            home.has_room()
