"""The watcher's process: tells the arbiter when files of the project have changed, and are at rest again.

It runs no code of the application, and does nothing about a change: what follows is the arbiter's.
"""

import contextlib
import faulthandler
import importlib.util
import logging
import math
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.signals import SignalQueue
from heeler.arbiter.watcher.notices import Notices
from heeler.arbiter.watcher.project import Project
from heeler.arbiter.watcher.snapshot import Snapshot
from heeler.plugins.errors import ConfigError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages, privileges
from heeler.workers.boot import Boot
from heeler.workers.logs import event
from heeler.workers.scoreboard import BEAT_AT, State
from heeler.workers.signals import STACKS

POLL_S: Final = 0.25
"""How often files are looked at where nobody gives notice."""

NET_S: Final = 5.0
"""The same where somebody does: some file systems (of networks, of virtual machines) tell nothing."""

REST_S: Final = 0.1
"""How long files must stay as they are to be told of: editors write several, and some remove a file first."""

RESTLESS_S: Final = 1.0
"""After how long they are told of in any case."""

SHARE: Final = 10
"""Of its time the watcher looks at files for one part in so many, however many files there are."""

NAMED: Final = 3
"""How many files are told by name."""


def engine_of(named: str) -> str:
    """Return `watchfiles` or `poll`: what the value of `reload_engine` means here."""
    if named != "auto":
        return named
    return "watchfiles" if importlib.util.find_spec("watchfiles") else "poll"


class WatcherRole:
    """The watcher, in its own process.

    Args:
        boot: what the arbiter gives a child at its fork.
        project: what to watch.
    """

    def __init__(self, boot: Boot, project: Project) -> None:
        self._boot: Final = boot
        self._log: Final = boot.logs.worker
        self._project: Final = project
        self._poller: Final = select.poll()
        self._notices: Notices | None = None
        self._signals: SignalQueue
        self._told: Snapshot
        """How the files were when the arbiter was told last."""
        self._last: Snapshot
        """How they were at the last look."""
        self._look_at = 0.0
        self._looked_at = -math.inf
        self._cost_s = 0.0
        self._restless_since: float | None = None
        self._is_over = False
        self._beat_s: Final = boot.beat_s

    def main(self) -> int:
        """Live, from the fork to the exit.

        Returns:
            The exit status of the process.
        """
        self._signals = SignalQueue.install()
        faulthandler.register(STACKS, file=2, all_threads=True)
        signal.signal(signal.SIGABRT, signal.SIG_DFL)
        config = self._boot.config
        try:
            privileges.drop(config.user, config.group, config.initgroups)
        except ConfigError as error:
            self._boot.channel.send(messages.BootFailed(int(ExitStatus.BOOT), str(error)))
            return ExitStatus.BOOT
        self._poller.register(self._signals.fileno(), select.POLLIN)
        self._poller.register(self._boot.channel.fileno(), select.POLLIN)
        self._begin()
        while not self._is_over:
            self._turn()
        return ExitStatus.OK

    def _begin(self) -> None:
        self._told = self._last = self._take()
        engine = engine_of(self._boot.config.reload_engine)
        if engine == "watchfiles":
            self._notices = Notices()
            self._poller.register(self._notices.fileno(), select.POLLIN)
            self._notices.watch(self._last.directories)
        self._look_at = time.monotonic() + POLL_S
        row = self._boot.row
        row.words[BEAT_AT] = time.monotonic_ns()
        row.set("ready_at", time.monotonic_ns())
        row.set("state", State.READY)
        self._boot.channel.send(messages.Ready())
        files, roots = len(self._last.files), " ".join(self._project.roots)
        event(self._log, logging.INFO, "watching", files=files, engine=engine, directories=roots)
        if not self._last.is_whole:
            event(self._log, logging.WARNING, "project too large", directories=len(self._last.directories))

    def _turn(self) -> None:
        wait_s = min(self._beat_s, max(0.0, self._look_at - time.monotonic()))
        for fd, _ in self._poller.poll(math.ceil(wait_s * 1000)):
            if fd == self._boot.channel.fileno():
                self._hear()
            elif fd == self._signals.fileno():
                self._obey_signals()
            elif self._notices is not None:
                self._notices.take()
                self._look_soon(0.0)
        self._boot.row.words[BEAT_AT] = time.monotonic_ns()
        if not self._is_over and time.monotonic() >= self._look_at:
            self._look()

    # -- files

    def _take(self) -> Snapshot:
        began = time.monotonic()
        snapshot = Snapshot.take(self._project)
        self._looked_at = time.monotonic()
        self._cost_s = self._looked_at - began
        return snapshot

    def _look_soon(self, seconds: float) -> None:
        """Look in that many seconds, or once looking again is not too much."""
        earliest = self._looked_at + SHARE * self._cost_s
        self._look_at = min(self._look_at, max(earliest, time.monotonic() + seconds))

    def _look(self) -> None:
        before, self._last = self._last, self._take()
        self._look_at = math.inf
        self._look_soon(POLL_S if self._notices is None else NET_S)
        if self._notices is not None:
            self._watch(self._notices)
        changed = self._last.changes(self._told)
        if not changed:
            self._restless_since = None
            return
        now = time.monotonic()
        if self._restless_since is None:
            self._restless_since = now
        if self._last.files == before.files or now >= self._restless_since + RESTLESS_S:
            self._tell(changed)
        else:
            self._look_at = now + REST_S

    def _watch(self, notices: Notices) -> None:
        """Have new directories watched too; go over to polling where that cannot be."""
        failure = notices.failed(self._last.directories)
        if failure:
            self._poller.unregister(notices.fileno())
            self._notices = None
            event(self._log, logging.WARNING, "watching by polling", reason=failure)
            self._look_soon(POLL_S)
        elif notices.watch(self._last.directories):
            self._look_soon(POLL_S)  # something may have happened there before they were watched

    def _tell(self, changed: Sequence[str]) -> None:
        self._told, self._restless_since = self._last, None
        for path in changed:
            _forget_bytecode(path)
        names = ", ".join(self._project.name(path) for path in changed[:NAMED])
        self._boot.channel.send(messages.Changed(len(changed), names))

    # -- the arbiter and people

    def _hear(self) -> None:
        while True:
            try:
                message = self._boot.channel.receive()
            except EOFError:
                event(self._log, logging.WARNING, "arbiter gone", slot=self._boot.slot, pid=os.getpid())
                message = messages.Quit()
            match message:
                case None:
                    return
                case messages.Stop() | messages.Quit():
                    self._is_over = True
                    return
                case messages.ReopenLogs():
                    self._boot.logs.reopen()
                case _:
                    event(self._log, logging.WARNING, "message ignored", slot=0, message=type(message).__name__)

    def _obey_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGUSR1:
                self._boot.logs.reopen()
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._is_over = True


def _forget_bytecode(path: str) -> None:
    """Remove what Python has compiled of a file that has changed.

    Python takes it for current where the file has the same length and was written in the same second, and who
    saves twice in a second may have both.
    """
    if path.endswith(".py"):
        with contextlib.suppress(OSError, NotImplementedError, ValueError):
            os.unlink(importlib.util.cache_from_source(path))
