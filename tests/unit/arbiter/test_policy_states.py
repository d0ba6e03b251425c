"""Whatever happens in whatever order, the policy keeps its promises."""

import math
from collections import deque
from collections.abc import Mapping

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from heeler.arbiter import events
from heeler.arbiter.children import Child, Life
from heeler.arbiter.policy import ABORT_GRACE_S, BOOTING_GRACE_S, KILL_MARGIN_S, QUIT_GRACE_S, Phase, Policy
from heeler.workers import messages

_GRACEFUL_S = 10.0
_BOOT_S = 5.0
_LIFETIME_S = 60.0
_LEAST_S = 4.0
_WHYS = (messages.Retire("max_requests"), messages.Retire(messages.TOO_LARGE, "2G", "1G"))

_SPARE = strategies.sampled_from([(None, 0), (None, 1), (0, 1), (0, 3), (1, 0), (1, 1), (2, 0), (2, 2)])
"""What `max_surge` and `max_unavailable` may be together."""


class World(RuleBasedStateMachine):
    """An operating system as bad as one can be: it forks, kills and loses children as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.alive: dict[int, events.Spawn] = {}
        self.orders: dict[int, float] = {}
        """The earliest time at which a child may be killed."""
        self.killed: set[int] = set()
        self.exit: events.Exit | None = None
        self.pending: deque[events.Event] = deque()
        self.overslept_s = 0.0
        self.sent_away: set[int] = set()
        """Those who drain for nobody: their slots are filled again as those of the dead are."""
        self.reloads: dict[int, str] = {}
        """How each reload stands, by its number."""

    @initialize(
        workers=strategies.integers(1, 6),
        spare=_SPARE,
        delay_s=strategies.sampled_from([0.0, 1.0, 20.0]),
        molds=strategies.integers(0, 1),
    )
    def begin(self, workers: int, spare: tuple[int | None, int], delay_s: float, molds: int) -> None:
        """Start a server."""
        self.delay_s, self.molds = delay_s, molds
        self.policy = Policy(self.limits(workers, spare))
        self.step(events.Begin())

    def limits(self, workers: int, spare: tuple[int | None, int], *, surges: bool = False) -> events.Limits:
        """What the settings say."""
        return events.Limits(
            workers,
            _BOOT_S,
            _GRACEFUL_S,
            max_surge=spare[0],
            max_unavailable=spare[1],
            max_lifetime_s=_LIFETIME_S,
            min_lifetime_s=_LEAST_S,
            surges=surges,
            drain_delay_s=self.delay_s,
            molds=self.molds,
        )

    def step(self, event: events.Event) -> None:
        """Have the policy take an event, and do what it says at once; then what follows from that."""
        self.pending.append(event)
        while self.pending:
            before = {child.age: child.life for child in self.policy.children}
            for action in self.policy.step(self.pending.popleft(), self.now):
                self.do(action, before)

    def do(self, action: events.Action, before: Mapping[int, Life]) -> None:
        """Check an action against the promises, and follow it."""
        match action:
            case events.Log(_, "worker retires", fields):
                self.check_age(dict(fields))
            case events.Spawn(age, role, slot, generation):
                assert self.policy.phase in (Phase.STARTING, Phase.SERVING), "forked in a stop"
                assert generation in (self.policy.pool.serving.number, self.newest()), "old code was forked"
                self.alive[age] = action
                if role == "worker":
                    assert 1 <= slot <= max(self.policy.pool.target, self.beside())
                    self.check_surge(slot)
                    self.check_parent(generation, action.parent)
                self.pending.append(events.Forked(age, 5000 + age))
            case events.Send(age, messages.Stop()):
                if self.policy.phase is Phase.SERVING and before[age] is Life.READY:
                    self.check_replaced(age)
                self.orders[age] = self.now + BOOTING_GRACE_S
            case events.Send(age, messages.Quit()):
                self.orders[age] = min(self.orders.get(age, self.now), self.now + BOOTING_GRACE_S)
            case events.Interrupt(age):
                assert age in self.orders and age in self.alive, "interrupted without being told to quit"
            case events.Abort(age):
                assert age in self.orders and age in self.alive, "aborted without being told to show its stacks"
            case events.ShowStacks(age):
                self.orders[age] = self.now + ABORT_GRACE_S
            case events.Kill(age):
                assert age not in self.killed, "killed twice"
                if self.policy._failure is None:
                    assert age in self.orders, "killed without being asked first"
                    assert self.now >= self.orders[age], "killed before its deadline"
                self.killed.add(age)
            case events.ReloadStep(at, number):
                self.check_reload(at, number)
                self.reloads[number] = at
            case events.Exit():
                assert not self.alive, "ended while children live"
                assert self.exit is None, "ended twice"
                self.exit = action
            case _:
                pass

    def check_surge(self, slot: int) -> None:
        """A replacement for one that serves, or that drains to make room for it, is begun only within the surge."""
        pool = self.policy.pool
        if self.beside():
            return  # two a slot, which is checked after each step
        if any(child.life is Life.READY or child.makes_room for child in self.here(slot)):
            most = max(1, math.ceil(pool.target / 4)) if pool.max_surge is None else pool.max_surge
            slots = [self.here(number) for number in range(1, pool.target + 1)]
            living = sum(child.age not in self.sent_away for slot_mates in slots for child in slot_mates)
            assert living <= pool.target + most - slots.count([]), "more children than the surge allows"

    def check_parent(self, generation: int, parent: int | None) -> None:
        """Where there are molds, a worker is forked from one that lives, is ready, and has its generation's code."""
        mold = None if parent is None else self.policy.children.get(parent)
        assert (mold is not None) == bool(self.molds)
        if mold is not None:
            assert (mold.role, mold.generation, mold.life) == ("mold", generation, Life.READY)

    def check_mold(self, mold: Child) -> None:
        """A mold that serves goes only when another takes its place, or its generation is over."""
        molds = self.policy.molds
        wanted = [each.number for each in (molds.serving, molds.coming) if each is not None]
        successor = molds.ready(mold.generation)
        assert mold.generation not in wanted or (successor is not None and successor.age > mold.age)

    def check_replaced(self, age: int) -> None:
        """Who serves is drained only once another serves in its place, or as many as may be missing are."""
        pool = self.policy.pool
        child = self.policy.children.get(age)
        assert child is not None
        if child.role == "mold":
            self.check_mold(child)
            return
        ready = [other for other in self.policy.children.with_role("worker") if other.life is Life.READY]
        missing = set(range(1, pool.target + 1)) - {other.slot for other in ready}
        if child.slot > pool.target:
            assert len(ready) >= pool.target, "fewer serve than are wanted, and another goes"
        elif self.beside():
            assert child.generation > pool.serving.number, "an old one goes before all new ones are ready"
        elif not any(other.slot == child.slot and other.generation <= pool.serving.number for other in ready):
            assert child.makes_room
            assert len(missing) <= pool.max_unavailable, "more are missing than may be"
            assert ready or pool.target == 1, "all were drained at once"

    def check_reload(self, at: str, number: int) -> None:
        """Each has its own number, and ends once; only one that has proven itself and was overtaken may yet be done."""
        before = self.reloads.get(number)
        if at == "under_way":
            assert number > max(self.reloads, default=1), "a number is taken twice"
        elif at == "committed":
            assert before == "under_way"
        elif at == "done":
            assert before in ("committed", "superseded")
            assert number == self.policy.pool.serving.number
        elif at == "failed":
            assert before in (None, "under_way")
            assert number != self.policy.pool.serving.number
        else:
            assert before in ("under_way", "committed")

    def beside(self) -> int:
        """In how many slots a generation comes beside the one that serves."""
        coming = self.policy.pool.coming
        return coming.beside if coming is not None else 0

    def newest(self) -> int:
        """The generation that comes, or serves."""
        return (self.policy.pool.coming or self.policy.pool.serving).number

    def check_age(self, fields: Mapping[str, object]) -> None:
        """Nobody retires before it has served for as long as it has to, or of age before its time."""
        (child,) = (child for child in self.policy.children if child.pid == fields["pid"])
        served_s = self.now - (child.ready_at or 0.0)
        assert served_s >= _LEAST_S
        assert served_s >= _LIFETIME_S or fields["reason"] != "max_worker_lifetime"

    def here(self, slot: int) -> list[Child]:
        """The workers of a slot."""
        return self.policy.children.in_slot("worker", slot)

    # -- what may happen

    def some(self, data: strategies.DataObject) -> int:
        """Pick a living child."""
        return data.draw(strategies.sampled_from(sorted(self.alive)))

    @rule(seconds=strategies.floats(1.0, 100.0))
    def oversleeps(self, seconds: float) -> None:
        """The machine is suspended: every deadline moves."""
        self.now += seconds
        self.overslept_s += seconds
        self.orders = {age: at + seconds for age, at in self.orders.items()}
        self.step(events.Overslept(seconds))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def becomes_ready(self, data: strategies.DataObject) -> None:
        """A child says that it is ready, perhaps late, perhaps twice."""
        self.step(events.Heard(self.some(data), messages.Ready()))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def warms(self, data: strategies.DataObject) -> None:
        """A child says that it may become a mold, wherever it comes from."""
        self.step(events.Heard(self.some(data), messages.Warm()))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def fails_to_boot(self, data: strategies.DataObject) -> None:
        """A child says that it cannot boot; it is about to end, and may be killed if it does not."""
        age = self.some(data)
        self.orders.setdefault(age, self.now + ABORT_GRACE_S)
        self.step(events.Heard(age, messages.BootFailed(3, "no")))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data(), why=strategies.sampled_from(_WHYS))
    def retires(self, data: strategies.DataObject, why: messages.Retire) -> None:
        """A child asks for a replacement."""
        self.step(events.Heard(self.some(data), why))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def outgrows(self, data: strategies.DataObject) -> None:
        """A child is seen to use too much memory."""
        self.step(events.Outgrown(self.some(data), _WHYS[1]))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data(), cut=strategies.integers(0, 1))
    def dies(self, data: strategies.DataObject, cut: int) -> None:
        """A child is gone, for whatever reason."""
        age = self.some(data)
        del self.alive[age]
        self.step(events.Exited(age, "signal SIGSEGV", cut))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def falls_silent(self, data: strategies.DataObject) -> None:
        """A child gives no heartbeat any more."""
        self.step(events.Silent(self.some(data), 31.0))

    @rule(delta=strategies.sampled_from([-1, 1]))
    def scales(self, delta: int) -> None:
        """Somebody wants one more or one fewer."""
        if self.policy.pool.target < 8 or delta < 0:
            self.step(events.Scale(delta))

    @rule(workers=strategies.integers(1, 8))
    def scales_to(self, workers: int) -> None:
        """Somebody, or the load, wants another number."""
        self.step(events.ScaleTo(workers))

    @rule(
        workers=strategies.integers(1, 6), spare=_SPARE, surges=strategies.booleans(), times=strategies.integers(1, 3)
    )
    def reload(self, workers: int, spare: tuple[int | None, int], *, surges: bool, times: int) -> None:
        """Somebody reloads, perhaps in the midst of another reload, perhaps again and again."""
        for _ in range(times):
            self.step(events.Reload(self.limits(workers, spare, surges=surges)))

    @rule()
    def reload_wrongly(self) -> None:
        """Somebody reloads settings that are wrong."""
        self.step(events.ReloadRefused("wrong"))

    @rule()
    def send_away(self) -> None:
        """Somebody wants no worker until a reload."""
        self.sent_away |= self.alive.keys()
        self.step(events.StandBy())

    @precondition(lambda self: self.policy.phase in (Phase.STARTING, Phase.SERVING) and self.policy.drain_at is None)
    @rule()
    def all_goes_well(self) -> None:
        """Whatever was before: where all boot, and end when told, a reload ends and every slot is served."""
        for _ in range(100):
            if self.is_calm():
                assert self.policy.is_reloading or not {"under_way", "committed"} & set(self.reloads.values())
                return
            for child in self.policy.children:
                if child.life is Life.BOOTING:
                    self.step(events.Heard(child.age, messages.Ready()))
                elif not child.is_active:
                    del self.alive[child.age]
                    self.step(events.Exited(child.age, "exit 0"))
            self.sleep(1.0)
        raise AssertionError("a slot stays vacant, or a reload does not end")

    def is_calm(self) -> bool:
        """Whether all is as it is wanted."""
        pool = self.policy.pool
        served = {child.slot for child in self.policy.children.with_role("worker") if child.life is Life.READY}
        return served == set(range(1, pool.target + 1)) and pool.coming is None and pool.is_uniform()

    @rule(seconds=strategies.sampled_from([0.01, 0.5, 3.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        """The arbiter sleeps."""
        self.sleep(seconds)

    def sleep(self, seconds: float) -> None:
        """Sleep, but never past a deadline of the policy."""
        until = self.now + seconds
        for _ in range(200):
            deadline = self.policy.deadline()
            if deadline is None or deadline > until:
                break
            self.now = max(self.now, deadline)
            self.step(events.Tick())
            assert (self.policy.deadline() or self.now + 1) > self.now, "a deadline that never passes"
        self.now = until

    @rule(quick=strategies.booleans())
    def stop(self, quick: bool) -> None:
        """Somebody wants it to stop."""
        self.step(events.StopAsked(quick))

    @rule()
    def drain(self) -> None:
        """Somebody wants it to drain, and to stay."""
        self.step(events.StopAsked(quick=False, stays=True))

    # -- the promises

    @invariant()
    def no_slot_is_taken_twice(self) -> None:
        """A slot has one that boots and one that serves at most, and two living children at most."""
        for number in range(1, 9):
            here = self.policy.children.in_slot("worker", number)
            assert len(here) <= 2
            ready = [child for child in here if child.life is Life.READY]
            coming = [child for child in ready if self.beside() and child.generation == self.newest()]
            assert len(coming) <= 1
            assert len(ready) - len(coming) <= 1
            assert sum(child.life is Life.BOOTING for child in here) <= 2

    @invariant()
    def molds_are_few(self) -> None:
        """There is one mold for each generation that is wanted, and one at most that a worker is to become."""
        active = [child for child in self.policy.children.with_role("mold") if child.is_active]
        assert len(active) <= 3 * self.molds
        assert sum(child.parent is not None and child.life is Life.BOOTING for child in active) <= 1

    @invariant()
    def nobody_serves_for_ever(self) -> None:
        """Who has reached its lifetime, jitter and all, is about to be replaced, idle or not."""
        if self.policy.phase is Phase.SERVING:
            for child in self.policy.children.with_role("worker"):
                if child.life is Life.READY and child.ready_at is not None:
                    served_s = self.now - child.ready_at - self.overslept_s
                    assert child.retire or served_s < _LIFETIME_S * 1.1

    @invariant()
    def the_books_are_right(self) -> None:
        """The policy knows exactly those who live."""
        assert {child.age for child in self.policy.children} == set(self.alive)

    @override
    def teardown(self) -> None:
        """TERM always ends it: those who obey nothing are killed, and then nobody is left."""
        if not hasattr(self, "policy"):
            return
        self.step(events.StopAsked(quick=False))
        self.sleep(self.delay_s + _GRACEFUL_S + KILL_MARGIN_S + QUIT_GRACE_S)
        for age in list(self.alive):
            assert age in self.killed, "lives on after TERM and its deadline"
            del self.alive[age]
            self.step(events.Exited(age, "signal SIGKILL", 1))
        assert self.exit is not None
        assert self.policy.phase is Phase.DONE


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
