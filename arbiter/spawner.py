"""Forks a child, and takes it from the fork to its own main."""

import gc
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import setproctitle

from heeler.arbiter import events, forking, signals
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.generations import Settings
from heeler.arbiter.herd import Member
from heeler.arbiter.listener.role import ListenerRole
from heeler.arbiter.mold.pool import MOLD
from heeler.arbiter.mold.role import MoldRole
from heeler.arbiter.policy import LISTENER, WATCHER, WORKER
from heeler.arbiter.rows import Rows
from heeler.arbiter.server_view import Hooks, ServerView, WorkerView
from heeler.arbiter.watcher.project import Project, forget_modules
from heeler.arbiter.watcher.role import WatcherRole
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages
from heeler.workers.base import Boot
from heeler.workers.channel import Channel
from heeler.workers.logs import Logs, event
from heeler.workers.scoreboard import Row
from heeler.workers.sources import Listener

HANDED: Final = ("connection", "request")
"""The values of `dispatch` with which a listener accepts, and workers are handed connections."""


def title(role: str, name: str | None) -> str:
    """Return a process title: `heeler: worker 1 [shop]`."""
    return f"heeler: {role} [{name}]" if name else f"heeler: {role}"


def accepts(role: str, dispatch: str) -> bool:
    """Whether a child of that role accepts connections from the listening sockets itself."""
    return role == (LISTENER if dispatch in HANDED else WORKER)


class Spawner:
    """Makes children.

    Args:
        rows: where a child gets its page.
        server: what its hooks see.
        let_go: closes, in a child, all that is not for it: what is the arbiter's alone, and
            all listening sockets but those it is given.
    """

    def __init__(self, rows: Rows, server: ServerView, let_go: Callable[[Sequence[Listener]], None]) -> None:
        self._rows: Final = rows
        self._server: Final = server
        self._let_go: Final = let_go

    def spawn(self, spawn: events.Spawn, settings: Settings) -> Member:
        """Fork a child; in the child this never returns.

        Raises:
            OSError: the system refused.
        """
        loaded, logs = settings.loaded, settings.logs
        is_worker = spawn.role == WORKER
        listeners = settings.listeners_of(spawn.slot) if accepts(spawn.role, loaded.config.dispatch) else []
        view = WorkerView(spawn.age, spawn.slot, spawn.generation, loaded.config, logs.worker)
        row = self._rows.take(spawn)
        try:
            ours, theirs = Channel.pair()
        except OSError:
            self._rows.give_back(row)
            raise
        if is_worker:
            Hooks(logs).call(loaded.config, "pre_fork", self._server, view)
        with signals.held_back() as mask:
            try:
                pid = forking.fork()
            except OSError:
                ours.close()
                theirs.close()
                self._rows.give_back(row)
                raise
            if pid == 0:
                ours.close()
                self._live(spawn, settings, listeners, row, theirs, mask)
        theirs.close()
        view.pid = pid
        row.set("pid", pid)
        return Member(spawn.age, pid, spawn.role, ours, row, loaded, view, listeners)

    def order(self, spawn: events.Spawn, settings: Settings, parent: Member | None) -> Member:
        """Have another child fork one; its process id it will say itself.

        Raises:
            OSError: that child takes no orders.
        """
        loaded, logs = settings.loaded, settings.logs
        listeners = settings.listeners_of(spawn.slot) if accepts(spawn.role, loaded.config.dispatch) else []
        row = self._rows.take(spawn)
        ours: Channel | None = None
        try:
            ours, theirs = Channel.pair()
            with theirs.sock:
                order = messages.Fork(
                    age=spawn.age,
                    slot=spawn.slot,
                    generation=spawn.generation,
                    page=row.index,
                    addresses=tuple(str(listener.address) for listener in listeners),
                    numbers=tuple(listener.number for listener in listeners),
                    fds=(theirs.fileno(), *(listener.fileno() for listener in listeners)),
                )
                if parent is None or parent.channel.fileno() == -1 or not parent.channel.send(order):
                    raise OSError("the mold takes no orders")
        except OSError:
            if ours is not None:
                ours.close()
            self._rows.give_back(row)
            raise
        view = WorkerView(spawn.age, spawn.slot, spawn.generation, loaded.config, logs.worker)
        return Member(spawn.age, 0, spawn.role, ours, row, loaded, view, listeners, parent=parent)

    def _live(
        self,
        spawn: events.Spawn,
        settings: Settings,
        listeners: Sequence[Listener],
        row: Row,
        channel: Channel,
        mask: set[int],
    ) -> NoReturn:
        """Be the child, until its end. Whatever happens, no code of the arbiter runs in it."""
        loaded, logs = settings.loaded, settings.logs

        def be_born() -> Boot:
            self._let_go(listeners)
            signals.reset_in_child(mask)
            forking.forget_exit_handlers()
            return Boot(
                config=loaded.config,
                application=loaded.application,
                slot=spawn.slot,
                generation=spawn.generation,
                age=spawn.age,
                row=row,
                channel=channel,
                pages=self._rows.board.rows,
                listeners=listeners,
                logs=logs,
                server=self._server,
                given=loaded.given,
            )

        live(spawn.role, loaded, logs, be_born)


def live(role: str, loaded: Loaded, logs: Logs, be_born: Callable[[], Boot]) -> NoReturn:
    """Live as a child of that role, until its end. Process: the child, right after the fork.

    Args:
        role: of the child.
        loaded: the settings it is born with.
        logs: its logs.
        be_born: lets go of what is its parent's alone; returns what it is born with.
    """
    status: int = ExitStatus.INTERNAL
    slot = 0
    try:
        boot = be_born()
        slot = boot.slot
        setproctitle.setproctitle(title(f"{role} {slot}", loaded.config.proc_name))
        status = _main(role, loaded, boot)
    except BaseException as error:
        event(logs.error, logging.CRITICAL, "worker failed", exc_info=error, slot=slot, pid=os.getpid())
    finally:
        flush()
        os._exit(status)


def _main(role: str, loaded: Loaded, boot: Boot) -> int:
    """Live as a child of that role; return its exit status."""
    if role == LISTENER:
        return ListenerRole(boot).main()
    if role == MOLD:
        return MoldRole(boot, loaded.worker_class, lambda born, bear: live(born, loaded, boot.logs, bear)).main()
    if loaded.config.reload:
        project = Project.of(loaded.config, str(loaded.sources.directory), sys.path)
        if role == WATCHER:
            return WatcherRole(boot, project).main()
        forget_modules(project, {base.__module__ for base in loaded.worker_class.__mro__})
    return (boot.molded or loaded.worker_class)(boot).main()


def flush() -> None:
    """Write what the application has printed: os._exit throws it away."""
    forking.flush_streams()
    logging.shutdown()


def settle_memory() -> None:
    """Keep the collector of every child off the arbiter's objects.

    It would write to each of them, and so copy the pages they share.
    """
    gc.collect()
    gc.freeze()
