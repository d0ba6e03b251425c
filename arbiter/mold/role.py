"""The mold's process: loads the application once, and has workers forked from itself.

It serves nobody, and holds no socket but its channel: those of a worker come with the order, and go with the fork.
What is the application's is loaded as the user that the workers run as, and by the worker class's rules.
"""

import dataclasses
import faulthandler
import gc
import logging
import math
import os
import time
from collections.abc import Callable
from typing import Final, NoReturn

from heeler.arbiter import forking, signals
from heeler.arbiter.mold import birth, threads
from heeler.arbiter.mold.pool import MOLD
from heeler.arbiter.policy import WORKER
from heeler.arbiter.server_view import Hooks, WorkerView
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import at_fork, messages, orphan, privileges, unpatched
from heeler.workers.address import Address
from heeler.workers.application import Application
from heeler.workers.base import Worker, boot_failure
from heeler.workers.boot import Boot
from heeler.workers.channel import Channel
from heeler.workers.logs import event
from heeler.workers.scoreboard import BEAT_AT, State
from heeler.workers.sources import Listener

Live = Callable[[str, Callable[[], Boot]], NoReturn]
"""Lives in a role, with what the function makes for it; this is called in the new process, before all else."""


class MoldRole:
    """The mold, in its own process.

    Args:
        boot: what the arbiter gives a child at its fork.
        worker_class: of the workers.
        live: the life of a worker, or of the next mold.
    """

    def __init__(self, boot: Boot, worker_class: type[Worker], live: Live) -> None:
        self._boot: Final = boot
        self._class: Final = worker_class
        self._live: Final = live
        self._log: Final = boot.logs.worker
        self._application: Application
        self._chosen: type[Worker]
        self._has_told_threads = False
        self._is_over = False
        self._beat_s: Final = boot.beat_s

    def main(self) -> int:
        """Live, from the fork to the exit.

        Returns:
            The exit status of the process.
        """
        # Signals stay as they are right after a fork: those that end a mold do so even in the midst of an import.
        faulthandler.disable()  # in one that was a worker, it would think that all is as it has left it
        faulthandler.enable(file=2, all_threads=True)  # the arbiter aborts one that is stuck
        at_fork.let_go_in_children((), [self._boot.channel])
        try:
            self._load()
            self._settle()
        except BaseException as error:  # whatever an import raises: trying again would not help
            failed = boot_failure(error)
            self._boot.channel.send(failed)
            return failed.exit_status
        self._announce()
        poll = unpatched.poll()
        poll.register(self._boot.channel.fileno(), 1)
        while not self._is_over:
            self._boot.row.words[BEAT_AT] = time.monotonic_ns()
            if poll.poll(math.ceil(self._beat_s * 1000)):
                self._hear()
        if not self._boot.config.refork_after:  # else the next mold has what this one has made
            forking.run_exit_handlers()
        return ExitStatus.OK

    def _load(self) -> None:
        config, given = self._boot.config, self._boot.given
        if given is None:
            self._class.patch()
        privileges.drop(config.user, config.group, config.initgroups)
        orphan.ask_for_notice()
        self._application = given or self._class.load_application(self._boot.application)
        self._chosen = self._class.becomes(self._application.interface or "", config.threads)
        if config.refork_after and not self._chosen.can_refork:
            note = f"refork_after: a worker of the class {self._chosen.name!r} cannot become a mold"
            event(self._log, logging.WARNING, "setting without effect", note=note)

    def _settle(self) -> None:
        """Put what was loaded out of the collectors' sight, so that they do not write to it: workers share it."""
        gc.collect()
        gc.freeze()
        self._tell_threads()

    def _announce(self) -> None:
        row = self._boot.row
        row.words[BEAT_AT] = time.monotonic_ns()
        row.set("ready_at", time.monotonic_ns())
        row.set("state", State.READY)
        self._boot.channel.send(messages.Ready())

    def _tell_threads(self) -> None:
        if self._has_told_threads:
            return
        names, others = threads.besides_this()
        if names or others:
            self._has_told_threads = True
            event(
                self._log,
                logging.WARNING,
                "threads stay in the mold",
                threads=", ".join(names),
                unnamed=others,
                pid=os.getpid(),
            )

    # -- the arbiter

    def _hear(self) -> None:
        while not self._is_over:
            try:
                message = self._boot.channel.receive()
            except EOFError:
                event(self._log, logging.WARNING, "arbiter gone", slot=self._boot.slot, pid=os.getpid())
                message = messages.Quit()
            match message:
                case None:
                    return
                case messages.Fork():
                    self._fork(message)
                case messages.Stop() | messages.Quit():
                    self._is_over = True
                case messages.ReopenLogs():
                    self._boot.logs.reopen()
                case _:
                    event(self._log, logging.WARNING, "message ignored", slot=0, message=type(message).__name__)

    def _fork(self, order: messages.Fork) -> None:
        boot = self._boot
        sockets = [unpatched.Socket(fileno=fd) for fd in order.fds]
        try:
            self._tell_threads()
            view = WorkerView(order.age, order.slot, order.generation, boot.config, boot.logs.worker)
            Hooks(boot.logs).call(boot.config, "pre_fork", boot.server, view)
            birth.bear(lambda mask: self._live(WORKER, lambda: self._born(order, sockets, mask)))
        except OSError as error:  # the arbiter finds that nobody has the other end of the channel
            event(boot.logs.error, logging.ERROR, "fork failed", slot=order.slot, reason=error.strerror)
        finally:
            for sock in sockets:
                sock.close()

    def _born(self, order: messages.Fork, sockets: list[unpatched.Socket], mask: set[int]) -> Boot:
        """Be no mold any more; return what the worker is born with. Process: the worker, right after the fork."""
        signals.reset_in_child(mask)
        forking.forget_possessions()
        channel = Channel(sockets[0], takes_fds=True)
        if not channel.send(messages.Born(os.getpid())):
            os._exit(ExitStatus.OK)  # nobody waits for it any more, and its page may be another's
        for sock in sockets[1:]:
            sock.setblocking(False)
        return Boot(
            config=self._boot.config,
            application=self._boot.application,
            slot=order.slot,
            generation=order.generation,
            age=order.age,
            row=self._boot.pages[order.page],
            channel=channel,
            pages=self._boot.pages,
            listeners=[
                Listener(sock, Address.parse(text), number)
                for sock, text, number in zip(sockets[1:], order.addresses, order.numbers, strict=True)
            ],
            logs=self._boot.logs,
            server=self._boot.server,
            given=self._application,
            molded=self._chosen,
            reforks=self._boot.reforks,
            promote=self._promote,
        )

    def _promote(self, order: messages.Fork) -> None:
        """Have the next mold forked. Process: a worker, at the end of its life."""
        sock = unpatched.Socket(fileno=order.fds[0])
        try:
            names, others = threads.besides_this()
            if names or others:
                event(self._log, logging.WARNING, "refork refused", threads=", ".join(names), unnamed=others)
                return
            birth.bear(lambda mask: self._live(MOLD, lambda: self._reborn(order, sock, mask)))
        except OSError as error:
            event(self._boot.logs.error, logging.ERROR, "fork failed", slot=order.slot, reason=error.strerror)
        finally:
            sock.close()

    def _reborn(self, order: messages.Fork, sock: unpatched.Socket, mask: set[int]) -> Boot:
        """Return what a mold is born with that was a worker. Process: that mold, right after the fork."""
        born = self._born(order, [sock], mask)
        return dataclasses.replace(born, reforks=self._boot.reforks + 1, molded=None, promote=None)
