"""The base of every worker class: the accept loop and the life cycle.

A subclass chooses how requests run side by side; everything that no subclass may forget
is here: booting, readiness, admission, heartbeat, signals, messages, limits, drain, exit.
"""

import abc
import atexit
import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Iterator
from typing import ClassVar, Final, final

from typing_extensions import override

from heeler.plugins.errors import AppLoadError, HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.setting import Setting
from heeler.workers import at_fork, messages, orphan, privileges, scoreboard
from heeler.workers.application import Application, load, traceback_of
from heeler.workers.boot import Boot
from heeler.workers.channel import OUT_OF_DESCRIPTORS
from heeler.workers.dispatch_source import DispatchSource
from heeler.workers.drain import LINGER_S, ORPHAN_LINGER_S, Drain
from heeler.workers.interface import check_pair
from heeler.workers.loan import received
from heeler.workers.logs import event
from heeler.workers.quota import Quota
from heeler.workers.signals import WorkerSignals
from heeler.workers.sources import (
    EXHAUSTED,
    AcceptingSource,
    ChannelSource,
    Connection,
    ListeningSource,
    SignalSource,
    Source,
)
from heeler.workers.tally import Tally

__all__ = ["API_VERSION", "Boot", "Connection", "Drain", "Worker"]

API_VERSION: Final = 1
"""The version of this contract; a worker class names the one it was written against."""

ACCEPT_PAUSE_S: Final = 0.1
"""How long accepting stops after the system ran out of descriptors or memory."""

CATCH_UP_S: Final = 0.05
"""How soon a listener that was too busy to hear a worker is told again."""

ACCEPT_BURST: Final = 16
"""Connections accepted in a row before others get a turn."""


class Worker(abc.ABC):
    """A process that serves.

    The life of a worker, in its own process, each step once and in this order:

    1. `patch()`: nothing else has been imported for the application yet.
    2. the hook `post_fork`, then privileges are dropped.
    3. the application is loaded.
    4. `setup()`: make what `run` needs; may raise.
    5. the hook `post_worker_init`; then the arbiter is told that the worker is ready.
    6. `run()`: until `self.draining` is set.
    7. `drain()`: until nothing is in flight, or the deadline.
    8. `teardown()`, the hook `worker_exit`, the exit.

    A boot that is not ready by `boot_timeout`, or a loop that does not call `tick` for
    `timeout` seconds, is killed by the arbiter.
    """

    name: ClassVar[str] = ""
    """As it is named in logs; the entry point's name where empty."""
    api_version: ClassVar[int] = API_VERSION
    interfaces: ClassVar[frozenset[str]] = frozenset({"wsgi"})
    """What kinds of application it serves: `wsgi`, `asgi`; empty where any callable will do, and none need be named."""
    settings: ClassVar[tuple[Setting, ...]] = ()
    """Settings of its own; they join the core's once the class is chosen."""
    requires: ClassVar[tuple[str, ...]] = ()
    """Modules that must be installed; checked before any fork."""
    ready_after_setup: ClassVar[bool] = True
    """False where `run` calls `announce` itself, once it can serve: for loops that can be entered only once."""
    keeps_connections: ClassVar[bool] = True
    """False where a connection that a listener has handed over goes back to it after each response."""
    tally_class: ClassVar[type[Tally]] = Tally
    """What counts its requests; another one where several threads count."""

    @classmethod
    def patch(cls) -> None:
        """Patch the standard library, where the class works by patching.

        Process: the worker, before anything of the application is imported.
        """

    def __init__(self, boot: Boot) -> None:
        self.boot: Final = boot
        self.config: Final = boot.config
        self.cfg: Final = boot.config
        self.log: Final = boot.logs.worker
        self.row: Final = boot.row
        self.words: Final = boot.row.words
        self.tally = type(self).tally_class(boot.row)
        self.slot: Final = boot.slot
        self.age: Final = boot.age
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.application: Application | None = None
        self.draining: Drain | None = None
        self.sources: list[Source] = []
        """What to wait on for reading; each that is readable goes to `accept`."""
        self.quota: Final = Quota(boot.config.max_requests, boot.config.max_requests_jitter, boot.slot)
        self.last_response_ns = 0
        """When the last response was complete, CLOCK_MONOTONIC."""
        self.keep_alive = bool(boot.config.keepalive)
        """Whether connections may stay open after a response."""
        self._signals = WorkerSignals(self)
        self._is_set_up = False
        self._is_orphan = False
        self._is_quitting = False
        self.home: DispatchSource | None = None
        """Where connections come from that a listener hands over."""
        self._keeps = type(self).keeps_connections or boot.config.dispatch == "connection"
        self._listening: list[AcceptingSource] = []
        self._held: list[at_fork.Closable] = [*boot.listeners, boot.channel]
        """What no process may keep that the application forks."""
        self._accept_again_at: float | None = None
        timeout = float(boot.config.timeout)
        self._beat_interval_s = timeout / 2 if timeout else 15.0

    # -- what a subclass provides

    def setup(self) -> None:
        """Make what `run` needs; the application is loaded. An exception is a boot failure."""

    @abc.abstractmethod
    def run(self) -> None:
        """Serve until `self.draining` is set.

        Wait on `self.sources` for at most what `self.tick()` returned; call
        `self.accept` with each source that is readable.
        """

    @abc.abstractmethod
    def handle(self, connection: Connection) -> None:
        """Serve an accepted connection: here, in a thread, in a greenlet, in a task.

        The subclass closes the socket, and counts with `opened` and `closed`.
        """

    def drain(self, drain: Drain) -> None:
        """Finish what is in flight, until `drain.deadline`; count what must be cut in `self.cut`.

        The listening sources are closed already unless `drain.last`; then call
        `accept_rest` before each turn, and go on while it returns True.
        """

    def teardown(self) -> None:
        """Let go of what `setup` made."""

    def room(self) -> int:
        """Return how many more connections may be accepted now."""
        free: int = self.config.worker_connections - self.words[scoreboard.CONNECTIONS]
        return free

    def sources_changed(self) -> None:
        """`self.sources` was changed; those who registered them somewhere do so again.

        First called after `setup`, before `run`.
        """

    # -- the life cycle

    @final
    def main(self) -> int:
        """Live, from the fork to the exit.

        Returns:
            The exit status of the process.

        Process: the worker, called by the arbiter's child right after the fork.
        """
        status = ExitStatus.INTERNAL
        try:
            self._start()
            if type(self).ready_after_setup and not self.announce():
                return ExitStatus.OK
            self.run()
            status = ExitStatus.OK if self.is_booting and self.draining else self._finish()
        except BaseException as error:  # whatever an import raises: trying again would not help
            if self.is_booting:
                status = self._boot_failed(error)
            elif isinstance(error, Exception):
                self.boot.logs.error.exception("worker failed slot=%d pid=%d", self.slot, self.pid)
            else:
                raise
        finally:
            self.tally.show()
            self.words[scoreboard.STATE] = scoreboard.State.GONE
            self.call_hook("worker_exit", self.boot.server, self)
            # What the application registered; the process itself ends in os._exit.
            atexit._run_exitfuncs()
        return status

    def _start(self) -> None:
        """Boot, as far as every class does it in the same way."""
        signals = SignalSource(self._signals.obey)
        self._signals.wake(signals)
        self._signals.install()
        self.sources = [ChannelSource(self.boot.channel, self._obey), signals]
        at_fork.let_go_in_children(self._signals.handlers, self._held)
        type(self).patch()
        self.call_hook("post_fork", self.boot.server, self)
        privileges.drop(self.config.user, self.config.group, self.config.initgroups)
        orphan.ask_for_notice()
        self.accept(self.sources[0])  # the arbiter may have been gone before that
        self.application = self.boot.given
        if self.application is None and self.boot.application:  # it may be left out where `interfaces` is empty
            self.application = self._load()
        self.setup()
        self._is_set_up = True

    @final
    def announce(self) -> bool:
        """Say that the worker is ready, and begin to accept; False where a stop came before.

        `main` calls it after `setup`, unless the class sets `ready_after_setup` to False:
        then `run` does, once, and returns where it is told False.
        """
        self.call_hook("post_worker_init", self)
        for source in list(self.sources):
            self.accept(source)
        if self.draining is not None:
            return False
        self._listening = [ListeningSource(listener) for listener in self.boot.listeners]
        if self.home is not None:
            self._listening.append(self.home)
        self.sources += self._listening
        self._announce_sources()
        self.words[scoreboard.READY_AT] = time.monotonic_ns()
        self.words[scoreboard.STATE] = scoreboard.State.READY
        self.tick()
        if self.home is not None:
            self._tell_home(self.home)
        self.boot.channel.send(messages.Ready(type(self).name))
        return True

    def _load(self) -> Application:
        cls = type(self)
        application = load(self.boot.application, any_kind=not cls.interfaces)
        check_pair(self.boot.application, application.interface, cls.name or cls.__name__, cls.interfaces)
        return application

    def _boot_failed(self, error: BaseException) -> ExitStatus:
        """Tell the arbiter why; return the status to exit with."""
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # a nursery, or a task group, is around what happened in it
        if isinstance(error, HeelerError):
            status = ExitStatus.APP_LOAD if isinstance(error, AppLoadError) else ExitStatus.BOOT
            text = str(error)
        else:
            status, text = ExitStatus.BOOT, traceback_of(error)
        self.boot.channel.send(messages.BootFailed(int(status), text))
        return status

    @final
    def begin_drain(self, drain: Drain) -> None:
        """Show that the worker drains; let go of where connections come from, unless it is the last to use them."""
        self.words[scoreboard.STATE] = scoreboard.State.DRAINING
        if not drain.last:
            for source in list(self._listening):
                if source.is_shared:
                    self._drop(source)
                elif time.monotonic() >= drain.leave_at:
                    source.leave()

    def _finish(self) -> ExitStatus:
        drain = self.draining
        if drain is None:
            self.log.error("worker class %s returned from run() unasked", type(self).__name__)
            return ExitStatus.INTERNAL
        self.begin_drain(drain)
        self.drain(drain)
        if self._is_orphan:  # told by the kernel; where there was nothing to finish, the loop has not seen it yet
            for source in [source for source in self.sources if isinstance(source, ChannelSource)]:
                source.read()
        self.close_listeners()
        self.teardown()
        return drain.status

    # -- the accept loop

    @final
    def accept(self, source: Source) -> None:
        """A source is readable: take what it has.

        Connections are accepted while there is room, and handed to `handle`; messages
        and signals are obeyed.
        """
        if isinstance(source, ChannelSource | SignalSource):
            source.read()
            return
        assert isinstance(source, AcceptingSource), source
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
            self.words[scoreboard.ACCEPTED] += source.is_shared  # else the listener has counted it
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
        """Accept no more, for good."""
        self._accept_again_at = None
        for source in list(self._listening):
            self._drop(source)

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
        return int(self.words[scoreboard.CAPACITY]) or int(self.config.worker_connections)

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

    # -- the heartbeat

    @final
    def tick(self) -> float:
        """Show that the loop turns; call it every turn.

        Returns:
            How many seconds the next wait may take at most.
        """
        self.words[scoreboard.BEAT_AT] = time.monotonic_ns()
        self.tally.show()
        home = self.home
        if home is not None and home.is_behind:
            home.flush()
            return CATCH_UP_S
        if home is not None and self.draining is not None and not home.is_leaving:
            return self._tick_in_patience(home, self.draining)
        if home is not None:
            self.tell_room()
        if self._accept_again_at is None:
            return self._beat_interval_s
        wait = self._accept_again_at - time.monotonic()
        if wait <= 0:
            self.resume_accept()
            return self._beat_interval_s
        return min(wait, self._beat_interval_s)

    def _tick_in_patience(self, home: DispatchSource, drain: Drain) -> float:
        """Wait for word whether the whole server stops: what its last workers leave, nobody would serve."""
        wait_s = drain.leave_at - time.monotonic()
        if drain.last or wait_s > 0:
            return min(self._beat_interval_s, wait_s if wait_s > 0 else self._beat_interval_s)
        home.leave()
        return self._beat_interval_s

    @final
    def tell_room(self) -> None:
        """Tell the listener that there is room, where it waits for that.

        `tick` does; a class calls it after a request where the next `tick` may not be soon.
        """
        home = self.home
        if self._keeps and home is not None and home.is_awaited and self.words[scoreboard.IN_FLIGHT] < self._capacity():
            home.has_room()

    # -- connections and requests

    @final
    def opened(self) -> None:
        """Count an open connection."""
        self.words[scoreboard.CONNECTIONS] += 1

    @final
    def closed(self) -> None:
        """A connection is closed."""
        self.words[scoreboard.CONNECTIONS] -= 1

    @final
    def cut(self, count: int = 1) -> None:
        """Count requests that were cut short by us."""
        self.words[scoreboard.CUT] += count

    @final
    def retire(self, reason: str) -> None:
        """Ask the arbiter for a replacement; serve on until it says stop."""
        self.boot.channel.send(messages.Retire(reason))

    # -- messages and signals

    def _obey(self, message: messages.Message | None) -> None:
        match message:
            case None:
                # The arbiter is gone: end-of-file stays readable, so stop waiting on it.
                self.sources = [source for source in self.sources if not isinstance(source, ChannelSource)]
                self._announce_sources()
                event(self.log, logging.WARNING, "arbiter gone", slot=self.slot, pid=self.pid)
                self.orphaned()
            case messages.Stop(timeout_s, last):
                self.stop(timeout_s, last=last)
            case messages.Quit():
                self.quit()
            case messages.ReopenLogs():
                self.boot.logs.reopen()
            case messages.Attach():
                self._attach(message)
            case messages.Lend():
                self._borrow(message)
            case messages.TakeBack(numbers):
                self._give_back(numbers)
            case _:
                event(self.log, logging.WARNING, "message ignored", slot=self.slot, message=type(message).__name__)

    @final
    def stop(self, timeout_s: float, *, last: bool, linger_s: float = LINGER_S, patience_s: float = 0.0) -> None:
        """Begin to drain; a second call can only shorten it.

        Args:
            timeout_s: how long it may take.
            last: as of `Drain`.
            linger_s: as of `Drain`.
            patience_s: how long a listener is still served, until somebody says that this is `last`.
        """
        deadline = time.monotonic() + timeout_s
        if last or self.config.dispatch != "request":  # else connections go on in another worker
            self.keep_alive = False
        if self.draining is None:
            leave_at = time.monotonic() + min(patience_s, timeout_s)
            self.draining = Drain(deadline, last, min(linger_s, timeout_s), leave_at)
        else:
            self.draining.deadline = min(self.draining.deadline, deadline)
            self.draining.last = self.draining.last or last

    @final
    def orphaned(self) -> None:
        """The arbiter is gone: drain, and be gone for certain a moment after the deadline.

        Process: the worker; in its loop, or in a signal handler in the midst of a request.
        """
        if self.is_booting:
            self.quit()
        timeout_s = float(self.config.graceful_timeout)
        if not self._is_orphan:
            self._is_orphan = True
            orphan.set_limit(timeout_s + orphan.MARGIN_S)
        self.stop(timeout_s, last=True, linger_s=ORPHAN_LINGER_S)

    @final
    def quit(self, status: ExitStatus = ExitStatus.OK) -> None:
        """End at once: what is in flight is cut and counted.

        Process: the worker; from a message, or in a signal handler in the midst of a request
        or of this very method, which then goes on.
        """
        if self._is_quitting:
            return
        self._is_quitting = True
        self.cut(self.words[scoreboard.IN_FLIGHT])
        self.words[scoreboard.IN_FLIGHT] = 0
        self.tally.show()
        self.words[scoreboard.STATE] = scoreboard.State.GONE
        self.call_hook("worker_exit", self.boot.server, self)
        logging.shutdown()
        os._exit(status)

    @property
    def is_booting(self) -> bool:
        """True until it is ready: nothing has been accepted yet."""
        return bool(self.words[scoreboard.STATE] == scoreboard.State.BOOTING)

    @property
    def alive(self) -> bool:
        """False once the worker drains."""
        return self.draining is None

    @final
    def call_hook(self, name: str, *arguments: object) -> None:
        """Call the operator's hook, if there is one; what it raises is logged.

        Raises:
            SystemExit: by it, in the boot: the operator refuses to begin.
        """
        hook: Callable[..., object] | None = getattr(self.config, name, None)
        if hook is None:
            return
        try:
            hook(*arguments)
        except BaseException as error:
            if isinstance(error, SystemExit) and self.is_booting:
                raise
            self.boot.logs.error.exception("hook failed hook=%s slot=%d", name, self.slot)

    @override
    def __str__(self) -> str:
        return f"worker {self.slot} (pid {self.pid})"
