"""The loop of the arbiter: it alone kills and waits, and has children forked.

Turns what happens into events for `heeler.arbiter.policy`, and does what the policy
answers. One loop, no thread; it sleeps until the policy's next deadline, the next possible
silence, a message, or a signal.
"""

import dataclasses
import math
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, assert_never

from heeler.arbiter import events, scale_wish
from heeler.arbiter.children import Life
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.config.worker_count import most_workers
from heeler.arbiter.generations import Generations
from heeler.arbiter.heartbeats import Heartbeats
from heeler.arbiter.herd import Herd, Member
from heeler.arbiter.introductions import Introductions
from heeler.arbiter.line import Line
from heeler.arbiter.loans import Loans
from heeler.arbiter.memory_watch import MemoryWatch
from heeler.arbiter.mold import subreaper
from heeler.arbiter.mold.pool import MOLD
from heeler.arbiter.mold.subreaper import Subreaper
from heeler.arbiter.policy import WATCHER, WORKER, Phase, Policy
from heeler.arbiter.post_mortem import Cut, lost_with
from heeler.arbiter.predecessor import Predecessor
from heeler.arbiter.reexec import Means, Reexec
from heeler.arbiter.rows import Rows, longest
from heeler.arbiter.scaling import Scaling
from heeler.arbiter.server_view import ServerView
from heeler.arbiter.service_manager import ServiceManager
from heeler.arbiter.signals import DRAIN, SignalQueue
from heeler.arbiter.sockets import Sockets
from heeler.arbiter.spawner import HANDED, Spawner, settle_memory
from heeler.plugins.errors import HeelerError
from heeler.workers.messages import Born, Changed, Leaving, Message
from heeler.workers.scoreboard import BEAT_AT
from heeler.workers.signals import STACKS
from heeler.workers.sources import Listener

_NO_MEANS: Final = Means()
_AGAIN_S: Final = 0.1
"""How soon children that could not be told of each other are told again."""
_ASLEEP_S: Final = 1.0
"""Woken this much too late, the arbiter was not running either: nobody is to blame for the time."""


def limits_of(loaded: Loaded) -> events.Limits:
    """Return what the settings say about supervision."""
    config = loaded.config
    listeners, watchers = int(config.dispatch in HANDED), int(config.reload)
    return events.Limits(
        workers=config.workers,
        boot_timeout_s=config.boot_timeout,
        graceful_timeout_s=config.graceful_timeout,
        max_surge=config.max_surge,
        listeners=listeners,
        watchers=watchers,
        max_unavailable=config.max_unavailable,
        max_lifetime_s=config.max_worker_lifetime,
        lifetime_jitter_s=config.max_worker_lifetime_jitter,
        min_lifetime_s=config.min_worker_lifetime,
        workers_min=config.workers_min or 1,
        workers_max=config.workers_max or math.inf,
        surges=config.reload_strategy == "surge",
        drain_delay_s=config.drain_delay,
        molds=int(has_mold(loaded)),
    )


def has_mold(loaded: Loaded) -> bool:
    """Whether a mold loads the application for the workers."""
    config = loaded.config
    is_loadable = bool(loaded.application) and loaded.given is None
    return bool(config.preload_app) and not config.reload and is_loadable and subreaper.is_possible()


class Supervisor:
    """The arbiter's loop.

    Args:
        generations: the settings and logs of each generation.
        sockets: bound already.
        signals: installed already.
        server: what hooks see.
        manager: is kept informed.
        on_serving: called once, when the first worker is ready, with the name of its class.
        close_in_child: called in each child; closes what is the arbiter's alone.
        lifeline: a descriptor that is readable once whoever started the server is gone.
        has_others: whether this process has children that are not the arbiter's, for others to wait for.
        means: what a re-exec needs; the default can do none.
        predecessor: the arbiter whose place this one is to take.
        take_over: called when it does; may be called twice.

    Resource handling: `close` at the end.
    """

    def __init__(
        self,
        generations: Generations,
        sockets: Sockets,
        signals: SignalQueue,
        server: ServerView,
        manager: ServiceManager,
        on_serving: Callable[[str], None],
        close_in_child: Callable[[], None],
        *,
        lifeline: int | None = None,
        has_others: bool = False,
        means: Means = _NO_MEANS,
        predecessor: Predecessor | None = None,
        take_over: Callable[[], None] = lambda: None,
    ) -> None:
        loaded = generations.loaded
        self._generations: Final = generations
        self._sockets: Final = sockets
        self._signals: Final = signals
        self._server: Final = server
        self._manager: Final = manager
        self._on_serving: Final = on_serving
        self._close_in_child: Final = close_in_child
        limits = limits_of(loaded)
        if predecessor is not None:  # the load is what it was
            limits = dataclasses.replace(limits, workers=limits.after_reload(predecessor.inheritance.workers))
        self._policy: Final = Policy(limits)
        self._rows: Final = Rows(most_workers(loaded.config), os.getpid())
        self._rows.board.set("listeners", self._policy.limits.listeners)
        self._herd: Final = Herd()
        self._spawner: Final = Spawner(self._rows, server, self._let_go)
        self._poll: Final = select.poll()
        self._poll.register(signals.fileno(), select.POLLIN)
        self._lifeline: Final = lifeline
        self._watched: Final[dict[int, Callable[[], None]]] = {}
        if lifeline is not None:
            self._poll.register(lifeline, select.POLLIN)
        self._has_others: Final = has_others
        self._listening: dict[int, Member] = {}
        self._happened: deque[events.Event] = deque()
        self._is_stepping = False
        self._ran_at = time.monotonic()
        self._heartbeats: Final = Heartbeats()
        self._memory: Final = MemoryWatch()
        self._introductions: Final = Introductions()
        self._loans: Final = Loans()
        self._scaling: Final = Scaling(generations, sockets, self._herd, self._rows.board)
        self._exit: events.Exit | None = None
        self.cut = Cut()
        """What was cut since the stop began."""
        self._adopts: Final = Subreaper.become() if has_mold(loaded) else None
        self._reexec: Final = Reexec(
            means,
            generations,
            sockets,
            server,
            self._rows.board,
            self._watch,
            lambda: self._step(events.StopAsked(quick=False, last=False)),
        )
        self._line: Final = Line(
            self._reexec,
            predecessor,
            take_over,
            generations,
            manager,
            self._rows.board,
            self._watch,
            lambda: self._stop(quick=False),
        )
        self._on_signal: Final[dict[int, Callable[[], None]]] = {
            signal.SIGTERM: lambda: self._stop(quick=False),
            signal.SIGINT: lambda: self._stop(quick=True),
            signal.SIGQUIT: lambda: self._stop(quick=True),
            signal.SIGHUP: self._reload,
            signal.SIGUSR1: self._reopen_logs,
            signal.SIGUSR2: lambda: self._line.ask(self._policy),
            signal.SIGWINCH: self._stand_by,
            signal.SIGTTIN: lambda: self._scale(events.Scale(+1)),
            signal.SIGTTOU: lambda: self._scale(events.Scale(-1)),
            scale_wish.BELL: self._scale_as_asked,
            signal.SIGCHLD: self._reap,
        }
        if DRAIN is not None:
            self._on_signal[DRAIN] = lambda: self._stop(quick=False, stays=True)

    def run(self) -> events.Exit:
        """Supervise until all children are gone; return how to end."""
        settle_memory()
        self._step(events.Begin())
        self._manager.follow(self._policy, time.monotonic())
        while self._exit is None or self._reexec.has_child or self._manager.is_handing_over:
            wake_at = self._wake_at()
            self._rows.board.set("wake_at", int((wake_at or 0.0) * 1e9))
            ready = self._poll.poll(_milliseconds(wake_at))
            if wake_at is None or time.monotonic() - wake_at <= _ASLEEP_S:
                self._ran_at = time.monotonic()  # it waited for as long as it meant to
            self._pardon()
            for fd, what in ready:
                if fd in self._listening:
                    if what & select.POLLOUT and self._listening[fd].tell_rest():
                        self._poll.modify(fd, select.POLLIN)
                    self._hear(self._listening[fd])
                elif fd == self._lifeline:
                    self._poll.unregister(fd)
                    self._stop(quick=True)
                elif fd in self._watched:
                    self._watched[fd]()
            for number in self._signals.take():
                self._on_signal[number]()
            self._find_silent()
            for member, why in self._memory.outgrown(self._serving(), time.monotonic()):
                self._step(events.Outgrown(member.age, why))
            self._scale_by_load()
            self._step(events.Tick())
            self._reexec.tick()
            if self._introductions.is_behind:
                self._introduce()
            self._manager.follow(self._policy, time.monotonic())
        return self._exit

    def close(self) -> None:
        """Let go of the scoreboard, and of the children if any are left: they notice, and drain."""
        for member in self._herd:
            self._close_channel(member)
        self._reexec.close()
        self._rows.board.close()
        if self._adopts is not None:
            self._adopts.close()

    # -- time

    def _wake_at(self) -> float | None:
        again_at = time.monotonic() + _AGAIN_S if self._introductions.is_behind else None
        look_at = self._memory.deadline(self._serving(), time.monotonic())
        silence_at = self._heartbeats.deadline(self._beating())
        own = (self._policy.deadline(), self._reexec.deadline, self._manager.deadline(), self._scaling.deadline())
        times = (*own, silence_at, look_at, again_at)
        return min((at for at in times if at is not None), default=None)

    def _beating(self) -> list[Member]:
        """Those who owe a heartbeat."""
        lives = {child.age: child.life for child in self._policy.children}
        return [
            member
            for member in self._herd
            if lives.get(member.age) in (Life.READY, Life.STOPPING) and member.row.words[BEAT_AT]
        ]

    def _serving(self) -> list[Member]:
        """The workers that serve."""
        lives = {child.age: child.life for child in self._policy.children if child.role == WORKER}
        return [member for member in self._herd if lives.get(member.age) is Life.READY]

    def _find_silent(self) -> None:
        self._pardon()
        for member, quiet_s in self._heartbeats.silent(self._beating(), time.monotonic_ns()):
            member.is_silent = True
            self._step(events.Silent(member.age, quiet_s, longest(member.row)))

    def _pardon(self) -> None:
        """Blame nobody for the time in which the arbiter did not run: it was stopped, or a hook took that long.

        With the whole machine suspended, or its container frozen, nobody ran.
        """
        before, self._ran_at = self._ran_at, time.monotonic()
        if self._ran_at - before > _ASLEEP_S:
            self._heartbeats.pardon(time.monotonic_ns())
            self._reexec.put_off(self._ran_at - before)
            self._happened.appendleft(events.Overslept(self._ran_at - before))
            if not self._is_stepping:
                self._deal()

    # -- what happens

    def _hear(self, member: Member) -> None:
        """Take in all that a child has said."""
        try:
            while member.channel.fileno() != -1 and (message := member.channel.receive()) is not None:
                if isinstance(message, Leaving):
                    member.leaves = True
                    self._lend()
                elif isinstance(message, Changed) and member.role == WATCHER:
                    self._generations.log(
                        events.Log("info", "files changed", (("count", message.count), ("files", message.names)))
                    )
                    self._reload(at_once=True)
                elif isinstance(message, Born):
                    self._born(member, message.pid)
                else:
                    self._step(events.Heard(member.age, message))
        except ValueError as error:
            self._generations.log(events.Log("warning", "unreadable message", (("pid", member.pid), ("reason", error))))
        except EOFError:
            self._close_channel(member)
            if not member.pid:
                self._lost(member)

    def _close_channel(self, member: Member) -> None:
        fd = member.channel.fileno()
        if self._listening.pop(fd, None) is not None:
            self._poll.unregister(fd)
        member.channel.close()

    def _reap(self) -> None:
        """Wait for all that have ended. As process 1 this finds children of others too; they are none of ours."""
        self._hear_unborn()
        wanted = [member.pid for member in self._herd if member.pid] if self._has_others else [-1]
        for pid in wanted:
            while ended := _wait(pid):
                self._hear_unborn()  # who is gone may have been born a moment ago
                member = self._herd.with_pid(ended[0])
                if member is not None:
                    self._bury(member, ended[1])
                else:
                    self._reexec.reaped(ended[0], _how(ended[1]))

    # -- children that others fork

    def _hear_unborn(self) -> None:
        for member in self._herd.unborn():
            self._hear(member)

    def _born(self, member: Member, pid: int) -> None:
        """A child that another was to fork says that it is there."""
        if member.pid or self._herd.with_pid(pid) is not None or not _is_child(pid):
            self._generations.log(events.Log("warning", "birth not believed", (("pid", pid),)))
            if not member.pid:
                self._lost(member)  # it notices, and ends
            return
        self._herd.born(member, pid)
        self._enter(member)

    def _lost(self, member: Member) -> None:
        """Nobody has the other end of its channel: it was not forked, or died before it could say a word."""
        self._close_channel(member)
        self._herd.remove(member)
        self._rows.give_back(member.row)
        self._introductions.bury(member, self._herd)
        self._step(events.Exited(member.age, "not forked"))

    def _bury(self, member: Member, status: int) -> None:
        if member.channel.fileno() != -1:
            self._hear(member)  # its last words say why
        self._close_channel(member)
        self._herd.remove(member)
        logs, slot = self._generations.logs, member.view.slot
        cut = lost_with(member.row, logs, slot, member.pid, timed_out=member.is_silent) - member.cut_before
        self._rows.give_back(member.row)
        self._introductions.bury(member, self._herd)
        if member.role == WORKER:
            self._server.WORKERS.pop(member.pid, None)
            self._generations.call_hook("child_exit", self._server, member.view)
        if self._policy.phase is Phase.STOPPING:
            self.cut += cut
        self._step(events.Exited(member.age, _how(status), cut.total))

    def _stop(self, *, quick: bool, stays: bool = False) -> None:
        self._reexec.stop(quick=quick)
        # Nobody sends to one that is about to take over: the arbiter before it serves on, and does not wait for it.
        self._step(events.StopAsked(quick, stays=stays, delays=not self._line.is_successor))

    def _reload(self, *, at_once: bool = False) -> None:
        if self._policy.phase is Phase.STOPPING or self._policy.drain_at is not None:
            return  # what it would bind nobody would serve
        self._manager.reload_asked(time.monotonic())
        self._rows.board.reloads.asked(time.monotonic_ns())
        if self._line.is_changing:
            self._step(events.ReloadRefused("a re-exec is under way"))
            return
        try:
            loaded = self._generations.prepare(self._rows.check)
        except HeelerError as error:
            self._step(events.ReloadRefused(str(error)))
        else:
            self._step(events.Reload(limits_of(loaded), at_once))

    def _scale(self, wish: events.Scale | events.StandBy) -> None:
        """Have other workers, unless there is a new arbiter: it would know neither of them nor of their sockets."""
        if self._line.is_changing:
            self._generations.log(events.Log("warning", "workers not changed", (("reason", "a re-exec is under way"),)))
        else:
            self._scaling.rest()
            self._step(wish)

    def _scale_as_asked(self) -> None:
        refusal = scale_wish.Answer.REEXEC if self._line.is_changing else None
        if self._policy.phase is Phase.STOPPING:
            refusal = scale_wish.Answer.STOPPING
        self._scaling.take_wish(refusal, self._step)

    def _scale_by_load(self) -> None:
        wish = self._scaling.look(self._policy, self._serving, time.monotonic())
        if wish is not None and not self._line.is_changing:
            self._step(wish)

    def _stand_by(self) -> None:
        if self._generations.loaded.config.daemon:  # a terminal sends it whenever its window changes
            self._scale(events.StandBy())

    def _watch(self, fd: int, heard: Callable[[], None] | None) -> None:
        if heard is not None:
            self._watched[fd] = heard
            self._poll.register(fd, select.POLLIN)
        elif self._watched.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def _reopen_logs(self) -> None:
        self._generations.logs.reopen()
        self._step(events.ReopenAsked())
        self._reexec.reopen_logs()

    # -- what is to be done

    def _step(self, happened: events.Event) -> None:
        """Have an event dealt with; one that an action gives rise to waits for its turn."""
        self._happened.append(happened)
        if not self._is_stepping:
            self._deal()

    def _deal(self) -> None:
        self._is_stepping = True
        while self._happened:
            self._pardon()
            for action in self._policy.step(self._happened.popleft(), self._ran_at):
                self._do(action)
        self._is_stepping = False
        self._lend()

    def _lend(self) -> None:
        """Have sockets of vacant slots served by others."""
        listeners = self._generations.own_listeners()
        if not listeners or self._policy.phase is not Phase.SERVING:
            return
        ready = [member for member in self._serving() if not member.leaves and member.channel.fileno() != -1]
        self._loans.settle(listeners, ready, self._generations.loaded)

    def _do(self, action: events.Action) -> None:
        match action:
            case events.Spawn():
                self._spawn(action)
            case events.Send(age, message):
                self._send(age, message)
            case events.Terminate(age):
                self._kill(age, signal.SIGTERM)
            case events.Interrupt(age):
                self._kill(age, signal.SIGQUIT)
            case events.ShowStacks(age):
                self._kill(age, STACKS)  # it writes them to the error log
            case events.Abort(age):
                self._kill(age, signal.SIGABRT)
            case events.Kill(age):
                self._kill(age, signal.SIGKILL)
            case events.Log():
                self._generations.log(action)
            case events.Serving(worker_class):
                self._on_serving(worker_class)
            case events.Complete():
                self._line.complete()
            case events.NotReady():
                self._rows.board.set("unready_at", time.monotonic_ns())
            case events.CloseListeners():
                for member in self._herd:
                    member.note_cut()
                self._sockets.close()
            case events.Drained() | events.Exit():
                self._show_end(action)
            case events.WorkersChanged(new, old):
                self._workers_changed(new, old)
            case events.ReloadStep():
                self._manager.reload_went(action)
                self._generations.step(action, self._rows.board)
                if action.at == "committed":
                    config = self._generations.loaded.config
                    self._scaling.follow()
                    self._introductions.tell_settings(self._generations.listeners, config, self._herd)
            case _:
                assert_never(action)

    def _show_end(self, end: events.Drained | events.Exit) -> None:
        """All children are gone: tell `heeler drain`."""
        self._rows.board.set("cut", self.cut.total)
        self._rows.board.set("drained_at", time.monotonic_ns())
        if isinstance(end, events.Exit):
            self._exit = end

    def _spawn(self, spawn: events.Spawn) -> None:
        settings = self._generations.of(spawn.generation)
        try:
            if spawn.parent is None:
                member = self._spawner.spawn(spawn, settings)
            else:
                member = self._spawner.order(spawn, settings, self._herd.get(spawn.parent))
        except OSError as error:
            self._step(events.ForkFailed(spawn.age, error.strerror or str(error)))
            return
        self._herd.add(member)
        self._listening[member.channel.fileno()] = member
        self._poll.register(member.channel.fileno(), select.POLLIN)
        self._introduce()
        if member.pid:
            self._enter(member)

    def _enter(self, member: Member) -> None:
        """Its process id is known."""
        if member.role == WORKER:
            self._server.WORKERS[member.pid] = member.view
        self._step(events.Forked(member.age, member.pid))

    def _introduce(self) -> None:
        was_behind = self._introductions.is_behind
        try:
            self._introductions.introduce(self._herd)
        except OSError as error:  # tried again soon
            if not was_behind:
                self._generations.log(events.Log("error", "worker not introduced", (("reason", error.strerror),)))

    def _send(self, age: int, message: Message) -> None:
        member = self._herd.get(age)
        if member is not None and member.channel.fileno() != -1 and not member.tell(message):
            self._poll.modify(member.channel.fileno(), select.POLLIN | select.POLLOUT)

    def _kill(self, age: int, number: signal.Signals) -> None:
        """A child is ours until it is reaped, so its process id cannot be another's."""
        member = self._herd.get(age)
        if member is None:
            return
        if member.pid:
            os.kill(member.pid, number)
        elif number == signal.SIGKILL:
            self._lost(member)
        elif number in (STACKS, signal.SIGABRT) and member.parent is not None and member.parent.role == MOLD:
            self._kill(member.parent.age, number)  # it was to fork it, and has not

    def _workers_changed(self, new: int, old: int | None) -> None:
        self._server.num_workers = new
        self._rows.board.set("workers", new)
        self._generations.call_hook("nworkers_changed", self._server, new, old)

    # -- in a child

    def _let_go(self, listeners: Sequence[Listener]) -> None:
        """Close what is not for a child that serves `listeners`. Process: a child, right after the fork.

        The other children's channels above all: an end left open would hide from them
        that the arbiter is gone.
        """
        for member in self._herd:
            member.channel.close()
        self._sockets.keep_only(listeners)
        self._signals.close_descriptors()
        self._reexec.close_in_child()
        self._close_in_child()


def _is_child(pid: int) -> bool:
    """Whether it is a process that this one may wait for, and nobody has yet."""
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _wait(pid: int) -> tuple[int, int] | None:
    """Return the process id and the status of a child that has ended; None if there is none.

    Args:
        pid: of the child; -1 for any.
    """
    try:
        ended = os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return None
    return ended if ended[0] else None


def _milliseconds(wake_at: float | None) -> float | None:
    """Rounded up: poll(2) must not return before the deadline."""
    if wake_at is None:
        return None
    return max(0, min(math.ceil((wake_at - time.monotonic()) * 1000), 2**31 - 1))


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exit {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"  # a real-time signal has no name
