"""What the arbiter does about what happens: events in, actions out.

Decides everything about the life of children: when they are forked, replaced,
stopped, aborted and killed, when a reload has failed, and how the server ends. Pure:
it reads no clock and knows no system call; `now` is monotonic seconds.
"""

import enum
import math
from collections.abc import Mapping
from typing import Final

from heeler.arbiter import events, retirement
from heeler.arbiter.children import Child, Children, Life
from heeler.arbiter.mold.pool import MOLD, SLOT, MoldPool, is_promised
from heeler.arbiter.pool import UNPROVEN_BOOTS, Generation, Pool
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages

ABORT_GRACE_S: Final = 2.0
"""From SIGABRT to SIGKILL: time to write the stacks."""

STACKS_S: Final = 0.1
"""From the signal that has a child write its stacks to SIGABRT. A signal that comes while the main thread has not
handled another is given to some other thread of the child, and wakes the main one from no system call."""
QUIT_GRACE_S: Final = 2.0
"""From `Quit` to SIGKILL."""
INTERRUPT_GRACE_S: Final = 0.25
"""From `Quit` to SIGQUIT: a worker that is about to answer should not be caught between its last byte and its books."""
KILL_MARGIN_S: Final = 1.0
"""Beyond `graceful_timeout`: a worker cuts and counts by itself what is left then."""
BOOTING_GRACE_S: Final = 0.5
"""A child stopped in its boot has nothing to drain, and may be deaf in its import."""
REPEAT_S: Final = 0.25
"""A second TERM so soon is the same wish: timeout(1), for one, sends it to the process and to its group."""
AT_ONCE_S: Final = 1.0
"""How long a drain may take where new code is to be seen at once."""
BOOT_DEATHS: Final = 2
"""So many deaths without a word end a reload; one may be chance (out of memory)."""

WORKER: Final = "worker"
LISTENER: Final = "listener"
WATCHER: Final = "watcher"

REFORK: Final = "refork_after"
"""Why a worker is replaced that becomes a mold, and those whose mold is not the newest."""


class Phase(enum.Enum):
    """What the whole server is at."""

    STARTING = "starting"
    """No child has ever been ready."""
    SERVING = "serving"
    STOPPING = "stopping"
    DONE = "done"


TRANSITIONS: Final[Mapping[Phase, frozenset[Phase]]] = {
    Phase.STARTING: frozenset({Phase.SERVING, Phase.STOPPING}),
    Phase.SERVING: frozenset({Phase.STOPPING}),
    Phase.STOPPING: frozenset({Phase.DONE}),
    Phase.DONE: frozenset(),
}
"""From each phase, the phases that may follow. A reload is no phase: a stop is obeyed in it."""


class Policy:
    """The supervision of all children.

    Args:
        limits: what the settings say.
    """

    def __init__(self, limits: events.Limits) -> None:
        self.phase = Phase.STARTING
        self.children: Final = Children()
        self.limits = limits
        self.pool = Pool(WORKER, limits.workers, limits.max_surge, self.children, limits.max_unavailable)
        # A reload leaves a listener alone: it holds the clients' connections, and no code of the application.
        self.listeners: Final = Pool(LISTENER, limits.listeners, 0, self.children)
        watchers = Pool(WATCHER, limits.watchers, 0, self.children)
        self.molds: Final = MoldPool(limits.molds, self.children)
        if limits.molds:
            self.pool.may_boot = lambda generation: self.molds.ready(generation.number) is not None
        pools = (watchers, self.molds, self.listeners, self.pool)
        self._pools: Final[Mapping[str, Pool]] = {pool.role: pool for pool in pools}
        self._generations = 1
        self._coming_limits = limits
        self._rolling = False
        self._overtaken = 0
        self._quick = False
        self._is_complete = False
        self._stands_down = False
        self._stays = False
        self._is_drained = False
        self.drain_at: float | None = None
        """When the drain begins that was asked for; None where none is, or it has begun."""
        self._stopping_at = 0.0
        self._cut = False
        self._failure: tuple[ExitStatus, str] | None = None
        self._out: list[events.Action] = []

    def step(self, event: events.Event, now: float) -> list[events.Action]:
        """Take in an event; return what is to be done, in this order."""
        self._out = []
        if self.phase is not Phase.DONE:
            self._take(event, now)
            self._settle(now)
        return self._out

    @property
    def is_ending(self) -> bool:
        """True once the arbiter is to end; a drain after which it stays is no end."""
        return not self._stays and (self.drain_at is not None or self.phase in (Phase.STOPPING, Phase.DONE))

    @property
    def is_reloading(self) -> bool:
        """True from a reload that is under way until every slot is served by the new generation, or it has failed."""
        return self.pool.coming is not None or self._rolling

    def deadline(self) -> float | None:
        """Return when `step` must be called with a `Tick` at the latest; None if time changes nothing."""
        times = [at for child in self.children for at in (child.interrupt_at, child.kill_at) if at is not None]
        if self.drain_at is not None:
            times.append(self.drain_at)
        times += [
            child.boot_deadline
            for child in self.children
            if child.life is Life.BOOTING and child.boot_deadline is not None
        ]
        if self._keeps_filling():
            times += [at for pool in self._pools.values() if (at := pool.wake_at()) is not None]
            times += [at for child in self.children if (at := child.replace_at) is not None]
        return min(times, default=None)

    # -- events

    def _take(self, event: events.Event, now: float) -> None:
        match event:
            case events.Begin():
                self._do(events.WorkersChanged(self.pool.target, None))
            case events.Forked(age, pid):
                self._child(age).pid = pid
            case events.Heard(age, message):
                self._heard(age, message, now)
            case events.ForkFailed(age, reason):
                self._fork_failed(self._child(age), reason, now)
            case events.Exited(age, how, cut):
                self._exited(self._child(age), how, cut, now)
            case events.Silent(age, silent_s, what):
                self._silent(self._child(age), silent_s, what, now)
            case events.Outgrown(age, why):
                self._asks_to_retire(self._child(age), why, now)
            case events.StopAsked(quick, last, stays, delays):
                self._stop_asked(quick, now, last=last, stays=stays, delays=delays)
            case events.Reload(limits, at_once):
                self._reload(limits, at_once)
                if at_once:
                    self._make_room(now)
            case events.ReloadRefused(reason):
                self._reload_refused(reason)
            case events.Scale(delta):
                self._scale(self._bounded(max(1, self.pool.target + delta)))
            case events.ScaleTo(workers, why):
                self._scale(self._bounded(workers), why)
            case events.StandBy():
                self._give_up_coming("all workers are sent away")
                self._scale(0)
            case events.ReopenAsked():
                for child in self.children:
                    self._do(events.Send(child.age, messages.ReopenLogs()))
            case events.Tick():
                self._expire(now)
            case events.Overslept(seconds):
                for child in self.children:
                    child.put_off(seconds)
                if self.drain_at is not None:
                    self.drain_at += seconds

    def _child(self, age: int) -> Child:
        child = self.children.get(age)
        assert child is not None, f"an event of child {age}, which is gone"
        return child

    def _heard(self, age: int, message: messages.Message, now: float) -> None:
        child = self.children.get(age)
        if child is None:
            return
        match message:
            case messages.Ready(worker_class):
                self._ready(child, worker_class, now)
            case messages.BootFailed(status, text):
                self._boot_failed(child, status, text, now)
            case messages.Retire():
                self._asks_to_retire(child, message, now)
            case messages.Warm():
                self._warm(child, now)
            case _:
                self._log("warning", "unexpected message", child, message=type(message).__name__)

    def _ready(self, child: Child, worker_class: str, now: float) -> None:
        if child.life is Life.STOPPING and child.drain_by is not None:
            child.kill_at = max(child.kill_at or now, child.drain_by)
        if child.life is not Life.BOOTING:
            return
        child.move(Life.READY)
        child.ready_at = now
        generation = self._pool_of(child).generation_of(child)
        if generation is not None:
            generation.proven()
        if child.role == WORKER:
            child.retire_at = retirement.end_of_life(now, child.slot, self._limits_of(generation))
        if self.phase is Phase.STARTING and child.role == WORKER:
            self._enter(Phase.SERVING)
            self._do(events.Serving(worker_class))
        self._log("info", "worker ready", child)
        if child.role == MOLD and child.parent is not None:
            self._renew(child, now)
        if generation is not None and generation is self.pool.coming and self.pool.has_come(generation):
            self._commit(generation)

    def _renew(self, mold: Child, now: float) -> None:
        """A worker has become a mold: have the others replaced by what is forked from it."""
        for worker in self.children.with_role(WORKER):
            if worker.generation == mold.generation:
                self._asks_to_retire(worker, messages.Retire(REFORK), now)

    def _asks_to_retire(self, child: Child, why: messages.Retire, now: float) -> None:
        if child.life is not Life.READY or child.retire or child.wish is not None:
            return
        assert child.ready_at is not None, "a child is ready since when?"
        not_before = retirement.not_before(child.ready_at, why.reason, self.limits)
        if now >= not_before:
            self._retire(child, why, now)
            return
        child.wish = why
        child.retire_at = min(not_before, child.retire_at or not_before)
        least_s = round(not_before - child.ready_at, 3)
        self._log("warning", "worker retires too soon", child, **retirement.told(why), min_worker_lifetime=least_s)

    def _retire(self, child: Child, why: messages.Retire, now: float) -> None:
        child.retire, child.retire_at = why.reason, None
        self._log("info", "worker retires", child, **retirement.told(why))
        if child.is_warm and self._may_refork(child):
            self._promote(child, now)

    def _warm(self, child: Child, now: float) -> None:
        """A worker is warm: have it replaced, and become the next mold once it has drained."""
        if child.life is Life.READY and not child.retire and self._may_refork(child):
            child.is_warm = True
            self._asks_to_retire(child, messages.Retire(REFORK), now)

    def _may_refork(self, child: Child) -> bool:
        """Whether it comes from the newest mold, and nothing is under way that makes another."""
        mold = self.molds.ready(self.pool.serving.number)
        is_current = mold is not None and child.parent == mold.age
        return is_current and self.pool.coming is None and not self.molds.is_promised()

    def _promote(self, child: Child, now: float) -> None:
        # Its replacement boots first, then it drains; then the mold boots.
        longest_s = 2 * self.limits.boot_timeout_s + self.limits.graceful_timeout_s
        deadline = now + longest_s if self.limits.boot_timeout_s else None
        heir = self.children.add(MOLD, SLOT, child.generation, deadline, child.age)
        self._do(events.Spawn(heir.age, MOLD, SLOT, heir.generation, deadline, child.age))

    def _boot_failed(self, child: Child, status: int, text: str, now: float) -> None:
        """The child says that trying again would not help."""
        if child.life is not Life.BOOTING:
            return
        self._end(child, now + ABORT_GRACE_S)
        if self._ends_with_a_boot():
            self._give_up(ExitStatus(status), text, now)
        else:
            self._log("error", "worker boot failed", child, block=text)
        self._failed_to_boot(child, text.rstrip().rpartition("\n")[2], now, is_final=True)

    def _fork_failed(self, child: Child, reason: str, now: float) -> None:
        self._log("error", "fork failed", child, reason=reason)
        self.children.remove(child)
        self._failed_to_boot(child, f"fork: {reason}", now)

    def _exited(self, child: Child, how: str, cut: int, now: float) -> None:
        self.children.remove(child)
        self._cut = self._cut or (cut > 0 and self.phase is Phase.STOPPING)
        if is_promised(child):
            self._log("warning", "refork failed", child, how=how)
        elif child.life is Life.BOOTING:
            self._log("error", "worker died in its boot", child, how=how)
            self._failed_to_boot(child, f"died in its boot: {how}", now)
        elif child.life is Life.READY:
            self._log("warning", "worker died", child, how=how, cut=cut)
            self._crashed(child, now)
        else:
            self._log("info", "worker exited", child, how=how)

    def _silent(self, child: Child, silent_s: float, what: str, now: float) -> None:
        if child.life not in (Life.READY, Life.STOPPING):
            return
        self._log("error", "worker timeout", child, silent_s=round(silent_s, 1), request=what)
        if child.life is Life.READY:
            self._crashed(child, now)
        self._abort(child, now)

    def _crashed(self, child: Child, now: float) -> None:
        served_s = now - (now if child.ready_at is None else child.ready_at)
        self._pool_of(child).slot(child.slot).crashed(served_s, now)
        generation = self._pool_of(child).generation_of(child)
        if generation is not None and generation is self.pool.coming:
            self._failed_to_boot(child, "a new worker died before all were ready", now)

    def _scale(self, workers: int, why: tuple[tuple[str, object], ...] = ()) -> None:
        if self.phase is not Phase.STOPPING and workers != self.pool.target:
            self._log("info", "workers changed", None, "", workers=workers, before=self.pool.target, **dict(why))
            self._do(events.WorkersChanged(workers, self.pool.target))
            self.pool.target = workers

    def _bounded(self, workers: int) -> int:
        """Return how many workers there may be, where so many are wanted; say why if that is no change."""
        least, most = self.limits.workers_min, self.limits.workers_max
        bounded = int(max(least, min(workers, most)))
        if bounded != workers and bounded == self.pool.target:
            bound = f"workers_max = {most}" if workers > bounded else f"workers_min = {least}"
            self._log("warning", "workers not changed", None, reason=bound)
        return bounded

    # -- boots that fail

    def _failed_to_boot(self, child: Child, reason: str, now: float, *, is_final: bool = False) -> None:
        generation = self._pool_of(child).generation_of(child)
        if generation is None:
            return
        generation.failed(now)
        if generation is self._pool_of(child).coming and (is_final or generation.deaths >= BOOT_DEATHS):
            self._give_up_coming(reason)

    def _boot_overdue(self, child: Child, now: float) -> None:
        self._log("error", "worker boot timeout", child, boot_timeout=self.limits.boot_timeout_s)
        self._abort(child, now)
        reason = f"not ready within boot_timeout = {self.limits.boot_timeout_s:g} s"
        if self._ends_with_a_boot():
            self._give_up(ExitStatus.BOOT, f"the application did not boot: {reason}", now)
        self._failed_to_boot(child, reason, now, is_final=True)

    def _ends_with_a_boot(self) -> bool:
        """Whether a boot that fails is the server's failure: at its start, unless the code is being worked on."""
        return self.phase is Phase.STARTING and not self.limits.watchers

    def _give_up(self, status: ExitStatus, text: str, now: float) -> None:
        """The first start has failed; the other children would only say the same."""
        self._failure = (status, text)
        self._stop_asked(quick=True, now=now)
        for child in self.children:
            if child.life is Life.STOPPING:
                self._end(child, None)
                self._do(events.Kill(child.age))

    # -- reload

    def _reload(self, limits: events.Limits, at_once: bool) -> None:
        if self.phase is Phase.STOPPING or self.drain_at is not None:
            return
        self._generations += 1
        if self.is_reloading:
            self._superseded((self.pool.coming or self.pool.serving).number)
        self._coming_limits = limits
        self._do(events.ReloadStep("under_way", self._generations))
        self._log("info", "reload", None, generation=self._generations)
        beside = limits.after_reload(self.pool.target) if limits.surges and not at_once else 0
        self.pool.coming = Generation(self._generations, UNPROVEN_BOOTS if beside else 1, waits=at_once, beside=beside)
        self.molds.coming = Generation(self._generations, first_boots=1)
        if at_once or self.phase is Phase.STARTING or not self.pool.target:
            self._commit(self.pool.coming)

    def _superseded(self, generation: int) -> None:
        """A newer one takes its place, though it may not have been in every slot yet."""
        if generation <= self._overtaken:
            return  # by one that has failed
        self._overtaken = generation
        self._do(events.ReloadStep("superseded", generation))
        self._log("info", "reload superseded", None, generation=generation)

    def _make_room(self, now: float) -> None:
        """Have all workers go, so that the new generation may come."""
        if self.phase is Phase.STOPPING or self.drain_at is not None:
            return
        self.pool.forgive()
        gone_by = now + AT_ONCE_S + KILL_MARGIN_S
        for child in self.children.with_role(WORKER):
            if child.life is Life.STOPPING and child.kill_at is not None and child.kill_at > gone_by:
                child.kill_at = gone_by
                self._do(events.Send(child.age, messages.Stop(AT_ONCE_S, last=False)))
            self._stop(child, now, at_most_s=AT_ONCE_S)

    def _commit(self, generation: Generation) -> None:
        """The new generation has proven itself; the other slots follow one after another."""
        for pool in (self.pool, self.molds):
            assert pool.coming is not None, "a generation is committed that nobody prepared"
            pool.serving, pool.coming = pool.coming, None
        self.limits = self._coming_limits
        self.pool.max_surge = self.limits.max_surge
        self.pool.max_unavailable = self.limits.max_unavailable
        self._rolling = True
        self._do(events.ReloadStep("committed", generation.number))
        self._scale(self.limits.after_reload(self.pool.target))

    def _give_up_coming(self, reason: str) -> None:
        coming, self.pool.coming, self.molds.coming = self.pool.coming, None, None
        if coming is not None:
            self._reload_failed(coming.number, reason)

    def _reload_failed(self, generation: int, reason: str) -> None:
        # First what it changed is taken back: all that is said of it belongs into the log that is in force.
        self._out.insert(0, events.ReloadStep("failed", generation, reason))
        self._log("error", "reload failed", None, generation=generation, reason=reason)

    def _reload_refused(self, reason: str) -> None:
        """Nothing has been changed; a reload that is under way goes on, and will say how it ended."""
        if self.phase is not Phase.STOPPING:
            self._generations += 1
            self._reload_failed(self._generations, reason)

    # -- stop

    def _stop_asked(
        self, quick: bool, now: float, *, last: bool = True, stays: bool = False, delays: bool = True
    ) -> None:
        is_under_way = self.phase is Phase.STOPPING or self.drain_at is not None
        if not is_under_way:
            self._stays = stays
            self._stands_down = not last
            self._do(events.NotReady())
        elif stays:
            return
        elif (self._stands_down or self._stays) and not quick:
            # Many send TERM to all processes of a service: for this arbiter, which drains already, it is the first.
            # So it is after `heeler drain`, which is to come before it.
            self._stands_down = self._stays = False
            self._stopping_at = now
            return
        elif not quick and last and now < self._stopping_at + REPEAT_S:
            return
        self._stays = self._stays and not quick
        if not is_under_way and delays and self._may_put_off(quick, last):
            self._stopping_at = now
            self.drain_at = now + self.limits.drain_delay_s
            self._log("info", "drain delayed", None, seconds=self.limits.drain_delay_s)
        elif self.phase is not Phase.STOPPING or not self._quick:
            self._begin_stop(quick or self.phase is Phase.STOPPING, now, last=last)

    def _may_put_off(self, quick: bool, last: bool) -> bool:
        """Whether a stop leaves time for others to hear of it, and to send their requests elsewhere."""
        return self.phase is Phase.SERVING and last and not quick and self.limits.drain_delay_s > 0

    def _begin_stop(self, quick: bool, now: float, *, last: bool = True) -> None:
        is_first = self.phase is not Phase.STOPPING
        if is_first:
            self._enter(Phase.STOPPING)
            self._stopping_at = now
            self.drain_at = None
            self.pool.coming = None
            self._do(events.CloseListeners())
        self._quick = quick
        # Those in their boot first: they hold the listening sockets open, and would serve nobody who comes.
        for child in sorted(self.children, key=lambda child: child.life is not Life.BOOTING):
            if quick:
                self._quit(child, now)
            else:
                # What a listener hands out is served by its own workers: they end after it.
                self._stop(child, now, last=last or (child.role == WORKER and self.limits.listeners > 0))
        # Whoever waits for this line knows that all have been told.
        self._log("info" if is_first else "warning", "stopping", None, how=_way(quick, last))

    # -- the three ways to end a child, and the one deadline they share

    def _stop(self, child: Child, now: float, *, last: bool = False, at_most_s: float = math.inf) -> None:
        """Drain it."""
        if not child.is_active:
            return
        timeout_s = 0.0 if child.role == MOLD else min(self.limits.graceful_timeout_s, at_most_s)
        child.drain_by = now + timeout_s + KILL_MARGIN_S
        is_booting = child.life is Life.BOOTING
        child.kill_at = now + BOOTING_GRACE_S if is_booting else child.drain_by
        child.move(Life.STOPPING)
        self._do(events.Send(child.age, messages.Stop(timeout_s, last)))
        if is_booting:
            self._do(events.Terminate(child.age))

    def _quit(self, child: Child, now: float) -> None:
        """Have it cut what is in flight."""
        if child.life is Life.ENDING:
            return
        grace_s = BOOTING_GRACE_S if child.life is Life.BOOTING else QUIT_GRACE_S
        if child.is_active:
            child.move(Life.STOPPING)
        child.kill_at = min(child.kill_at or now + grace_s, now + grace_s)
        child.drain_by = None
        child.interrupt_at = now + INTERRUPT_GRACE_S
        self._do(events.Send(child.age, messages.Quit()))

    def _abort(self, child: Child, now: float) -> None:
        """Have it write its stacks, and end."""
        self._end(child, now + ABORT_GRACE_S)
        child.interrupt_at = now + STACKS_S
        self._do(events.ShowStacks(child.age))

    def _end(self, child: Child, kill_at: float | None) -> None:
        if child.life is not Life.ENDING:
            child.move(Life.ENDING)
        child.kill_at = kill_at
        child.interrupt_at = None

    def _expire(self, now: float) -> None:
        if self.drain_at is not None and now >= self.drain_at:
            self._begin_stop(quick=False, now=now)
        for child in self.children:
            if child.kill_at is not None and now >= child.kill_at:
                self._log("warning", "worker killed", child, was=child.life.value)
                self._end(child, None)
                self._do(events.Kill(child.age))
            elif child.interrupt_at is not None and now >= child.interrupt_at:
                child.interrupt_at = None
                self._do((events.Abort if child.life is Life.ENDING else events.Interrupt)(child.age))
            elif child.life is Life.BOOTING and child.boot_deadline is not None and now >= child.boot_deadline:
                self._boot_overdue(child, now)
            elif child.replace_at is not None and now >= child.replace_at:
                self._retire(child, child.wish or retirement.old_age(child, now), now)

    # -- bring about what is wanted

    def _keeps_filling(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.SERVING)

    def _settle(self, now: float) -> None:
        if not self._keeps_filling():
            if not len(self.children):
                self._end_all()
            return
        for pool in self._pools.values():
            for child in pool.surplus():
                self._stop(child, now)
            while (wish := pool.next_spawn(now)) is not None:
                self._spawn(pool.role, wish.slot, wish.generation, now)
        is_renewed = all(pool.is_renewed() for pool in self._pools.values())
        if not self._is_complete and self.phase is Phase.SERVING and is_renewed:
            self._is_complete = True
            self._do(events.Complete())
        if self._rolling and self.pool.coming is None and self.pool.is_renewed():
            self._rolling = False
            self._do(events.ReloadStep("done", self.pool.serving.number))
            self._log("info", "reload done", None, generation=self.pool.serving.number)

    def _spawn(self, role: str, slot: int, generation: Generation, now: float) -> None:
        limits = self._limits_of(generation)
        deadline = now + limits.boot_timeout_s if limits.boot_timeout_s else None
        mold = self.molds.ready(generation.number) if role == WORKER else None
        parent = mold.age if mold is not None else None
        child = self.children.add(role, slot, generation.number, deadline, parent)
        self._do(events.Spawn(child.age, child.role, slot, generation.number, deadline, parent))

    def _limits_of(self, generation: Generation | None) -> events.Limits:
        is_coming = generation is not None and generation in (self.pool.coming, self.molds.coming)
        return self._coming_limits if is_coming else self.limits

    def _end_all(self) -> None:
        if not self._stays:
            self._enter(Phase.DONE)
            self._do(self._ending())
        elif not self._is_drained:
            self._is_drained = True
            self._log("info", "drained", None)
            self._do(events.Drained())

    def _ending(self) -> events.Exit:
        if self._failure is not None:
            return events.Exit(*self._failure)
        return events.Exit(ExitStatus.FORCED if self._cut else ExitStatus.OK)

    # -- small help

    def _pool_of(self, child: Child) -> Pool:
        return self._pools[child.role]

    def _enter(self, phase: Phase) -> None:
        assert phase in TRANSITIONS[self.phase], f"a server that is {self.phase.value} cannot become {phase.value}"
        self.phase = phase

    def _do(self, action: events.Action) -> None:
        self._out.append(action)

    def _log(self, level: events.Level, phrase: str, child: Child | None, block: str = "", **fields: object) -> None:
        if level == "info" and (self.phase is Phase.STARTING or self._failure is not None):
            level = "debug"  # a first start that fails shows the application's error and nothing else
        if child is not None and child.role != WORKER:
            phrase = phrase.replace(WORKER, child.role)
        named = child.fields() if child is not None else ()
        self._do(events.Log(level, phrase, named + tuple(fields.items()), block))


def _way(quick: bool, last: bool) -> str:
    if quick:
        return "quick"
    return "graceful" if last else "handed_over"
