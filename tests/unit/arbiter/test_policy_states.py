"""Whatever happens in whatever order, the policy keeps its promises."""

import math

from hypothesis import settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from typing_extensions import override

from heeler.arbiter import events
from heeler.arbiter.children import Life
from heeler.arbiter.policy import ABORT_GRACE_S, BOOTING_GRACE_S, KILL_MARGIN_S, QUIT_GRACE_S, Phase, Policy
from heeler.workers import messages

_GRACEFUL_S = 10.0
_BOOT_S = 5.0


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
        self.stop_asked_at: float | None = None

    @initialize(workers=strategies.integers(1, 6))
    def begin(self, workers: int) -> None:
        """Start a server."""
        self.policy = Policy(events.Limits(workers, _BOOT_S, _GRACEFUL_S))
        self.step(events.Begin())

    def step(self, event: events.Event) -> None:
        """Have the policy take an event, and do what it says at once."""
        for action in self.policy.step(event, self.now):
            self.do(action)

    def do(self, action: events.Action) -> None:
        """Check an action against the promises, and follow it."""
        match action:
            case events.Spawn(age, _, slot):
                assert self.policy.phase in (Phase.STARTING, Phase.SERVING), "forked in a stop"
                assert self.stop_asked_at is None
                assert 1 <= slot <= self.policy.pool.target
                self.alive[age] = action
                self.check_surge(slot)
                self.step(events.Forked(age, 5000 + age))
            case events.Send(age, messages.Stop()):
                self.orders[age] = self.now + BOOTING_GRACE_S
            case events.Send(age, messages.Quit()):
                self.orders[age] = min(self.orders.get(age, self.now), self.now + BOOTING_GRACE_S)
            case events.Interrupt(age):
                assert age in self.orders and age in self.alive, "interrupted without being told to quit"
            case events.Abort(age):
                self.orders[age] = self.now + ABORT_GRACE_S
            case events.Kill(age):
                assert age not in self.killed, "killed twice"
                if self.policy._failure is None:
                    assert age in self.orders, "killed without being asked first"
                    assert self.now >= self.orders[age], "killed before its deadline"
                self.killed.add(age)
            case events.Exit():
                assert not self.alive, "ended while children live"
                assert self.exit is None, "ended twice"
                self.exit = action
            case _:
                pass

    def check_surge(self, slot: int) -> None:
        """A replacement for one that serves is begun only within the surge."""
        pool = self.policy.pool
        if any(child.life is Life.READY for child in self.policy.children.in_slot("worker", slot)):
            assert pool.excess() <= max(1, math.ceil(pool.target / 4)), "more children than the surge allows"

    # -- what may happen

    def some(self, data: strategies.DataObject) -> int:
        """Pick a living child."""
        return data.draw(strategies.sampled_from(sorted(self.alive)))

    @rule(seconds=strategies.floats(1.0, 100.0))
    def oversleeps(self, seconds: float) -> None:
        """The machine is suspended: every deadline moves."""
        self.now += seconds
        self.orders = {age: at + seconds for age, at in self.orders.items()}
        self.step(events.Overslept(seconds))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def becomes_ready(self, data: strategies.DataObject) -> None:
        """A child says that it is ready, perhaps late, perhaps twice."""
        self.step(events.Heard(self.some(data), messages.Ready()))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def fails_to_boot(self, data: strategies.DataObject) -> None:
        """A child says that it cannot boot; it is about to end, and may be killed if it does not."""
        age = self.some(data)
        self.orders.setdefault(age, self.now + ABORT_GRACE_S)
        self.step(events.Heard(age, messages.BootFailed(3, "no")))

    @precondition(lambda self: self.alive)
    @rule(data=strategies.data())
    def retires(self, data: strategies.DataObject) -> None:
        """A child asks for a replacement."""
        self.step(events.Heard(self.some(data), messages.Retire("max_requests")))

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

    @rule(workers=strategies.integers(1, 6))
    def reloads(self, workers: int) -> None:
        """Somebody reloads, perhaps in the midst of another reload."""
        self.step(events.Reload(events.Limits(workers, _BOOT_S, _GRACEFUL_S)))

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
        self.stop_asked_at = self.stop_asked_at or self.now
        self.step(events.StopAsked(quick))

    # -- the promises

    @invariant()
    def no_slot_is_taken_twice(self) -> None:
        """A slot has one that boots and one that serves at most, and two living children at most."""
        for number in range(1, 9):
            here = self.policy.children.in_slot("worker", number)
            assert len(here) <= 2
            ready = [child for child in here if child.life is Life.READY]
            assert len(ready) <= 1
            assert sum(child.life is Life.BOOTING for child in here) <= 2

    @invariant()
    def the_books_are_right(self) -> None:
        """The policy knows exactly those who live."""
        assert {child.age for child in self.policy.children} == set(self.alive)

    @override
    def teardown(self) -> None:
        """TERM always ends it: those who obey nothing are killed, and then nobody is left."""
        if not hasattr(self, "policy"):
            return
        self.stop_asked_at = self.stop_asked_at or self.now
        self.step(events.StopAsked(quick=False))
        self.sleep(_GRACEFUL_S + KILL_MARGIN_S + QUIT_GRACE_S)
        for age in list(self.alive):
            assert age in self.killed, "lives on after TERM and its deadline"
            del self.alive[age]
            self.step(events.Exited(age, "signal SIGKILL", 1))
        assert self.exit is not None
        assert self.policy.phase is Phase.DONE


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
