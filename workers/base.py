"""The base of every worker class: the life cycle.

A subclass chooses how requests run side by side; everything that no subclass may forget
is here and in `accepting`: booting, readiness, heartbeat, signals, messages, limits, drain, exit.
"""

import abc
import atexit
import logging
import math
import os
import time
import types
from collections.abc import Callable
from typing import ClassVar, Final, final

from typing_extensions import override

from heeler.plugins.errors import AppLoadError, HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.setting import Setting
from heeler.workers import at_fork, load_failure, messages, orphan, privileges, scoreboard
from heeler.workers.accepting import Accepting
from heeler.workers.application import Application, load, traceback_of
from heeler.workers.boot import Boot
from heeler.workers.drain import LINGER_S, ORPHAN_LINGER_S, RESTART_LINGER_S, Drain
from heeler.workers.interface import check_pair
from heeler.workers.logs import event
from heeler.workers.memory import Scales
from heeler.workers.quota import Quota
from heeler.workers.signals import WorkerSignals
from heeler.workers.sources import (
    ChannelSource,
    Connection,
    ListeningSource,
    SignalSource,
)
from heeler.workers.stacks import all_stacks
from heeler.workers.tally import Tally

__all__ = ["API_VERSION", "Boot", "Connection", "Drain", "Worker"]

API_VERSION: Final = 1
"""The version of this contract; a worker class names the one it was written against."""


class Worker(Accepting):
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
    can_refork: ClassVar[bool] = False
    """Whether a process that has served can become a mold: it has one thread, no hub and no event loop."""
    tally_class: ClassVar[type[Tally]] = Tally
    """What counts its requests; another one where several threads count."""

    @classmethod
    def patch(cls) -> None:
        """Patch the standard library, where the class works by patching.

        Process: the worker, before anything of the application is imported.
        """

    @classmethod
    def mend(cls) -> None:
        """Put right what `patch`, or the import of the application, has made and a fork breaks: an event loop, a hub.

        Process: a worker forked from the mold, where `patch` was called before; instead of that.
        """

    @classmethod
    def load_application(cls, target: str) -> Application:
        """Import the application.

        Process: the worker, or the mold.

        Raises:
            BaseException: it is not there, is of a kind that the class does not serve, or its import fails.
        """
        application = load(target, any_kind=not cls.interfaces)
        check_pair(target, application.interface, cls.name or cls.__name__, cls.interfaces)
        return application

    @classmethod
    def workers_for(cls, cpus: float) -> int:
        """Return how many workers make use of so many CPUs, for `workers = auto`; `cpus` may be less than 1.

        Process: the arbiter.
        """
        return math.ceil(cpus)

    @classmethod
    def becomes(cls, interface: str, threads: int) -> "type[Worker]":  # noqa: ARG003 - another class decides by them
        """Return the class that serves in the end: another one where the application decides.

        Args:
            interface: the application's, `wsgi` or `asgi`; empty where it is not known yet.
            threads: how many are asked for.
        """
        return cls

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.cfg: Final = boot.config
        self.tally = type(self).tally_class(boot.row)
        self.age: Final = boot.age
        self.pid = os.getpid()
        self.ppid = os.getppid()
        self.application: Application | None = None
        self.quota: Final = Quota(boot.config.max_requests, boot.config.max_requests_jitter, boot.slot)
        self.warmth: Final = Quota(_requests_to_warm(type(self), boot), 0, boot.slot)
        self._promotion: messages.Fork | None = None
        self.scales: Final = Scales(boot.config.worker_memory_kind, boot.config.max_worker_memory)
        self.last_response_ns = 0
        """When the last response was complete, CLOCK_MONOTONIC."""
        self.keep_alive = bool(boot.config.keepalive)
        """Whether connections may stay open after a response."""
        self._signals = WorkerSignals(self)
        self._is_quitting = False

    # -- what a subclass provides

    def setup(self) -> None:
        """Make what `run` needs; the application is loaded. An exception is a boot failure."""

    @abc.abstractmethod
    def run(self) -> None:
        """Serve until `self.draining` is set.

        Wait on `self.sources` for at most what `self.tick()` returned; call
        `self.accept` with each source that is readable.
        """

    def drain(self, drain: Drain) -> None:
        """Finish what is in flight, until `drain.deadline`; count what must be cut in `self.cut`.

        The listening sources are closed already unless `drain.last`; then call
        `accept_rest` before each turn, and go on while it returns True.
        """

    def teardown(self) -> None:
        """Let go of what `setup` made."""

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
        self._held.append(signals)
        at_fork.let_go_in_children(self._signals.handlers, self._held)
        if self.boot.molded is None:
            type(self).patch()
        else:
            type(self).mend()
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
        self._signals.spare_calls()
        self.tick()
        if self.home is not None:
            self._tell_home(self.home)
        self.boot.channel.send(messages.Ready(type(self).name))
        self.scales.begin()
        return True

    def _load(self) -> Application:
        try:
            return type(self).load_application(self.boot.application)
        except BaseException as error:  # whatever an import raises
            return self.stand_in(error)

    @final
    def stand_in(self, error: BaseException) -> Application:
        """Return what is served in the place of an application that does not boot: in development, its error.

        Raises:
            BaseException: `error`, where the setting `reload` is off, or the class serves neither WSGI nor ASGI.
        """
        if not self.config.reload or not type(self).interfaces:
            raise error
        text = _told(error)
        event(self.boot.logs.error, logging.ERROR, "application not loaded", block=text, slot=self.slot, pid=self.pid)
        return load_failure.application(self.boot.application, text, type(self).interfaces)

    def _boot_failed(self, error: BaseException) -> ExitStatus:
        """Tell the arbiter why; return the status to exit with."""
        failed = boot_failure(error)
        self.boot.channel.send(failed)
        return ExitStatus(failed.exit_status)

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
        if self._promotion is not None and self.boot.promote is not None and not drain.last:
            self.boot.promote(self._promotion)
        return drain.status

    # -- the heartbeat

    @final
    def tick(self) -> float:
        """Show that the loop turns; call it every turn.

        Returns:
            How many seconds the next wait may take at most.
        """
        now_ns = time.monotonic_ns()
        self.words[scoreboard.BEAT_AT] = now_ns
        if now_ns >= self.scales.due_ns:
            self.weigh(now_ns)
        self.tally.show()
        at_most_s = self._beat_interval_s
        if (home := self.home) is not None:
            at_most_s = min(at_most_s, self._tick_home(home, now_ns))
        if self._accept_again_at is None:
            return at_most_s
        wait = self._accept_again_at - time.monotonic()
        if wait <= 0:
            self.resume_accept()
            return at_most_s
        return min(wait, at_most_s)

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
    def retire(self, reason: str, reached: str = "", limit: str = "") -> None:
        """Ask the arbiter for a replacement; serve on until it says stop.

        Args:
            reason: a fixed phrase.
            reached: how much it was, for the log.
            limit: how much it may be.
        """
        self.boot.channel.send(messages.Retire(reason, reached, limit))

    @final
    def weigh(self, now_ns: int) -> None:
        """Retire if there is too much in memory; `tick` does that."""
        if (why := self.scales.weigh(now_ns)) is not None:
            self.retire(why.reason, why.reached, why.limit)

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
                self.stop(timeout_s, last=last, linger_s=RESTART_LINGER_S if self.config.reload else LINGER_S)
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
            case messages.Fork():
                self._promotion = message
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
        self.words[scoreboard.STATE] = scoreboard.State.GONE  # before the count, so that this is of the end
        self.cut(self.words[scoreboard.IN_FLIGHT])
        self.words[scoreboard.IN_FLIGHT] = 0
        self.tally.show()
        try:
            self.call_hook("worker_exit", self.boot.server, self)
            logging.shutdown()
        finally:  # a signal may have come while the very stream was being written that is to be flushed
            os._exit(status)

    def see_off(self, here: types.FrameType | None) -> None:
        """Tell what the worker is doing: its heartbeat has stopped for `timeout`, and it is about to end.

        Args:
            here: where it was interrupted.

        Process: the worker, in a signal handler; the arbiter kills it in `ABORT_GRACE_S`.
        """
        stacks = all_stacks(here)
        event(self.boot.logs.error, logging.ERROR, "worker stuck", block=stacks, slot=self.slot, pid=self.pid)

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


def _requests_to_warm(cls: type[Worker], boot: Boot) -> int:
    """Return after how many requests a worker is to become a mold; 0 is never."""
    counts = boot.config.refork_after if cls.can_refork and boot.promote is not None else ()
    return counts[min(boot.reforks, len(counts) - 1)] if counts else 0


def boot_failure(error: BaseException) -> messages.BootFailed:
    """Return what the arbiter is told of a boot that ended so."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]  # a nursery, or a task group, is around what happened in it
    status = ExitStatus.APP_LOAD if isinstance(error, AppLoadError) else ExitStatus.BOOT
    return messages.BootFailed(int(status), _told(error))


def _told(error: BaseException) -> str:
    """Return why a boot has failed: a line of ours, or the application's traceback."""
    return str(error) if isinstance(error, HeelerError) else traceback_of(error)
