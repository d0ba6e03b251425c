"""The arbiter from its start to its end: what is made in which order, and given back.

The loop in between is `heeler.arbiter.supervisor`.
"""

import contextlib
import dataclasses
import logging
import os
import resource
import sys
from collections.abc import Sequence
from typing import Final, Protocol

import setproctitle

from heeler.arbiter import daemon, events, process_one, sockets, tcp_migration
from heeler.arbiter.config import init_system
from heeler.arbiter.config.init_system import InitSystem
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.config.worker_count import most_workers
from heeler.arbiter.fd_store import FdStore
from heeler.arbiter.generations import Generations
from heeler.arbiter.inheritance import Inheritance
from heeler.arbiter.launch import Launch
from heeler.arbiter.notify_socket import NotifySocket
from heeler.arbiter.pidfile import PidFile
from heeler.arbiter.predecessor import Predecessor
from heeler.arbiter.ready_fd import ReadyFd
from heeler.arbiter.reexec import Means
from heeler.arbiter.server_view import Hooks, ServerView
from heeler.arbiter.service_manager import ServiceManager
from heeler.arbiter.signals import SignalQueue
from heeler.arbiter.spawner import HANDED, title
from heeler.arbiter.supervisor import Supervisor
from heeler.plugins.config import Config
from heeler.plugins.errors import HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.logs import Logs, event

_SPARE_FDS: Final = 256
"""Descriptors a worker needs besides those of its connections: files of the application, logs, channels."""


def run(loaded: Loaded, launch: Launch | None = None, predecessor: Predecessor | None = None) -> ExitStatus:
    """Serve until somebody stops it.

    Args:
        loaded: the settings.
        launch: how the command was started; without it there is no re-exec.
        predecessor: the arbiter whose place this one takes; it is in the background already where it is to be.

    Process: the one that becomes the arbiter; with `daemon` it forks, and returns in the
    foreground once the server is ready or has failed.

    Raises:
        HeelerError: the server could not be started; nothing is left behind.
    """
    init = init_system.take()
    if predecessor is not None:
        init = dataclasses.replace(init, passed=predecessor.inheritance.activated)
    ready_fd = ReadyFd(loaded.config, is_used=predecessor is not None)
    report: Report = predecessor or daemon.Report()
    if loaded.config.daemon and predecessor is None:
        way = daemon.detach(keeps_output=bool(getattr(loaded.config, "enable_stdio_inheritance", False)))
        if isinstance(way, ExitStatus):
            return way
        report = way
    try:
        return Arbiter(loaded, init, report, ready_fd, launch=launch, predecessor=predecessor).run()
    except HeelerError as error:
        if report.failed(error.exit_status, str(error)):
            return error.exit_status
        raise


class Report(Protocol):
    """Whoever waits for the server to be ready."""

    def ready(self, addresses: Sequence[str], /) -> None:
        """The first worker is ready; the server listens at `addresses`."""

    def failed(self, status: ExitStatus, text: str, /) -> bool:
        """The start has failed; False if nobody waits to hear of it."""

    def close(self) -> None:
        """Say nothing more. Process: a child."""


class Arbiter:
    """What lives as long as the server.

    Args:
        loaded: the settings.
        init: what the init system says.
        report: whom to tell how the start went.
        ready_fd: where to say where it listens.
        lifeline: a descriptor that is readable once whoever started the server is gone.
        has_others: whether this process has children that are not the arbiter's.
        launch: as of `run`.
        predecessor: as of `run`.
    """

    def __init__(
        self,
        loaded: Loaded,
        init: InitSystem,
        report: Report,
        ready_fd: ReadyFd,
        *,
        lifeline: int | None = None,
        has_others: bool = False,
        launch: Launch | None = None,
        predecessor: Predecessor | None = None,
    ) -> None:
        self._loaded: Final = loaded
        self._config: Final = loaded.config
        self._init: Final = init
        self._notify: Final = NotifySocket(init.notify_socket, self._say_unheard, is_held=predecessor is not None)
        left = predecessor.inheritance if predecessor else Inheritance(parent=0, channel=-1)
        self._store: Final = FdStore(self._notify, init.passed, is_wanted=self._config.fd_store, kept=left.stored)
        self._sockets: Final = sockets.Sockets(self._store, left.handed)
        self._report: Final = report
        self._ready_fd: Final = ready_fd
        self._lifeline: Final = lifeline
        self._has_others: Final = has_others
        self._launch: Final = launch
        self._predecessor: Final = predecessor
        self._pidfile: PidFile | None = None
        self._logs: Logs
        self._server: ServerView
        self._generations: Generations | None = None
        waits_for_all = self._config.notify_ready == "all"
        self._manager: Final = ServiceManager(self._notify, init, os.getpid(), waits_for_all=waits_for_all)

    def run(self) -> ExitStatus:
        """Make everything, supervise, give everything back.

        Raises:
            HeelerError: the server could not be started; nothing is left behind.
        """
        _prepare_process(self._loaded)
        self._logs = Logs.setup(self._config)
        with contextlib.ExitStack() as stack:
            stack.callback(self._close_logs)
            stack.callback(self._notify.close)
            for note in self._loaded.notes:
                event(self._logs.arbiter, logging.WARNING, "setting without effect", note=note)
            self._server = ServerView(self._config, self._logs.error, os.getpid(), self._config.workers, [])
            Hooks(self._logs).call(self._config, "on_starting", self._server)
            # Before anything is made that others see: a stop that comes now is obeyed once all is there.
            signals = SignalQueue.install()
            stack.callback(signals.close)
            stack.callback(self._sockets.close)
            self._sockets.open(self._config)
            self._server.LISTENERS = self._sockets.listeners
            if self._config.pidfile:
                self._pidfile = PidFile(self._config.pidfile)
                if self._predecessor is None:  # else it names that one until this one takes over
                    self._pidfile.create()
                stack.callback(self._pidfile.remove)
            return self._supervise(signals)

    def _supervise(self, signals: SignalQueue) -> ExitStatus:
        self._generations = generations = Generations(self._loaded, self._logs, self._sockets, self._server)
        supervisor = Supervisor(
            generations,
            self._sockets,
            signals,
            self._server,
            self._manager,
            self._serving,
            self._close_in_child,
            lifeline=self._lifeline,
            has_others=self._has_others,
            means=Means(self._launch, self._pidfile, self._manager.reexec_went, self._manager.handed_over),
            predecessor=self._predecessor,
            take_over=self._take_over,
        )
        try:
            end = supervisor.run()
        except Exception as error:  # a fault of ours: the children notice that we are gone, and drain
            event(generations.logs.error, logging.CRITICAL, "arbiter failed", exc_info=error)
            self._store.freeze()
            return ExitStatus.INTERNAL
        finally:
            supervisor.close()
        if end.text:
            self._show_failure(end)
        elif end.status is ExitStatus.FORCED:
            cut = dataclasses.asdict(supervisor.cut)
            event(generations.logs.arbiter, logging.WARNING, "stopped", cut=supervisor.cut.total, **cut)
        else:
            event(generations.logs.arbiter, logging.INFO, "stopped")
        generations.call_hook("on_exit", self._server)
        signals.close()
        return end.status

    def _say_sharing(self) -> None:
        """Say what sockets do not do as one may think with `reuseport`."""
        bound = self._sockets.bound
        shared = [str(one.listener.address) for one in bound if not one.own]
        if self._config.dispatch == "reuseport" and shared:
            level = logging.INFO if len(shared) < len(bound) else logging.WARNING
            event(self._logs.arbiter, level, "sockets shared", dispatch="reuseport", addresses=" ".join(shared))
        has_tcp = any(one.listener.address.kind == "tcp" for one in bound)
        if self._config.reuse_port and has_tcp and tcp_migration.is_off():
            # Of sockets of our own none is closed before all are; but another server's may be there.
            event(self._logs.arbiter, logging.WARNING, "queues not migrated", sysctl=tcp_migration.NAME, value=0)

    def _show_failure(self, end: events.Exit) -> None:
        """Show why the first start failed: one line of ours, or the application's own words and nothing else."""
        text = end.text.rstrip("\n")
        self._manager.start_failed(text)
        if not self._report.failed(end.status, text):
            sys.stderr.write(daemon.as_shown(text) + "\n")
            sys.stderr.flush()
        if self._config.errorlog not in (None, "-"):
            event(self._logs.error, logging.ERROR, "start failed", block=end.text)

    def _serving(self, worker_class: str) -> None:
        """The first worker is ready: tell all who wait for it."""
        addresses = " ".join(listener.address.url for listener in self._sockets.listeners)
        event(
            self._logs.arbiter,
            logging.INFO,
            "serving",
            url=addresses,
            workers=self._server.num_workers,
            worker_class=worker_class or self._loaded.plugin.name,
            pid=os.getpid(),
        )
        self._say_inherited()
        self._say_shell()
        self._say_choice(worker_class)
        if self._loaded.choice is not None:
            event(self._logs.arbiter, logging.INFO, "workers chosen", **self._loaded.choice.fields())
        self._say_sharing()
        # Before anybody is told: who waits for readiness may count on what the hook does.
        Hooks(self._logs).call(self._config, "when_ready", self._server)
        self._ready_fd.announce(self._sockets.listeners)
        self._report.ready([str(listener.address) for listener in self._sockets.listeners])

    def _take_over(self) -> None:
        """The arbiter before this one needs nothing more of what it has left.

        Raises:
            HeelerError: the pid file cannot be written, and that arbiter can serve on.
        """
        before = self._predecessor
        assert before is not None, "there is nobody to take over from"
        try:
            if self._pidfile is not None:
                self._pidfile.create(before=before.inheritance.parent)
        except HeelerError as error:
            if before.fileno() != -1:
                raise
            event(self._logs.arbiter, logging.ERROR, "pid file not written", reason=error)
        self._sockets.take_over()

    def _say_inherited(self) -> None:
        """Say which sockets others have bound, and which of them nobody serves."""
        for one in self._sockets.bound:
            if one.is_inherited:
                where, name = one.listener.address, one.name or "-"
                event(self._logs.arbiter, logging.INFO, "socket inherited", address=where, name=name)
        for name in self._sockets.unserved:
            event(self._logs.arbiter, logging.WARNING, "socket not served", name=name)

    def _say_shell(self) -> None:
        """Say that nobody can stop the server by the process that is said to be it."""
        if self._predecessor is None and not self._config.daemon and (shell := process_one.shell_in_front()):
            event(self._logs.arbiter, logging.WARNING, "signals not passed on", by=shell, instead="exec heeler ...")

    def _say_choice(self, worker_class: str) -> None:
        """Say that threads made another worker class of the one that was named."""
        asked, threads = self._config.worker_class, self._config.threads
        if threads > 1 and asked not in (worker_class, self._loaded.worker_class, self._loaded.plugin.target):
            event(
                self._logs.arbiter,
                logging.INFO,
                "worker class chosen",
                worker_class=worker_class,
                asked=asked,
                threads=threads,
            )

    def _close_in_child(self) -> None:
        """Close, in a child, what only the arbiter uses: a reader would wait for its end for ever."""
        self._report.close()
        self._ready_fd.close()
        self._notify.close()

    def _say_unheard(self, reason: str) -> None:
        logs = self._generations.logs if self._generations else self._logs
        event(logs.arbiter, logging.WARNING, "systemd not told", reason=reason)

    def _close_logs(self) -> None:
        logs = self._generations.logs if self._generations else self._logs
        logs.close()


def _prepare_process(loaded: Loaded) -> None:
    config = loaded.config
    loaded.enter()
    if config.source("umask") != "default":
        os.umask(config.umask)
    _raise_descriptor_limit(config)
    setproctitle.setproctitle(title("arbiter", config.proc_name))


def _raise_descriptor_limit(config: Config) -> None:
    """Raise the soft limit so far that a worker, or a listener for all of them, can hold what it may accept."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    holders = most_workers(config) if config.dispatch in HANDED else 1
    wanted = config.worker_connections * holders + _SPARE_FDS
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
