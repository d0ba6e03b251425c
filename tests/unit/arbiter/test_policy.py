"""What the policy does about each thing that may happen; no process is made."""

import dataclasses
import itertools

import pytest

from heeler.arbiter import events
from heeler.arbiter.children import Child, IllegalTransition, Life
from heeler.arbiter.policy import (
    ABORT_GRACE_S,
    BOOTING_GRACE_S,
    INTERRUPT_GRACE_S,
    KILL_MARGIN_S,
    QUIT_GRACE_S,
    REPEAT_S,
    STACKS_S,
    Phase,
    Policy,
)
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages


class Arena:
    """A policy, a clock that tests move, and all it has done so far."""

    def __init__(self, workers: int = 2, **limits: float) -> None:
        self.limits = events.Limits(workers=workers, **limits)  # type: ignore[arg-type]  # numbers, all of them
        self.policy = Policy(self.limits)
        self.now = 100.0
        self.done: list[events.Action] = []
        self.step(events.Begin())

    def step(self, event: events.Event) -> list[events.Action]:
        """Take in an event, confirm the forks it causes, return the actions."""
        actions = self.policy.step(event, self.now)
        self.done += actions
        for action in actions:
            if isinstance(action, events.Spawn):
                self.policy.step(events.Forked(action.age, 1000 + action.age), self.now)
        return actions

    def after(self, seconds: float) -> list[events.Action]:
        """Let time pass, without an event."""
        self.now += seconds
        return self.step(events.Tick())

    def ready(self, *ages: int) -> list[events.Action]:
        """Let children say that they are ready."""
        return [action for age in ages for action in self.step(events.Heard(age, messages.Ready()))]

    def exits(self, *ages: int, how: str = "exit 0", cut: int = 0) -> list[events.Action]:
        """Let children be gone."""
        return [action for age in ages for action in self.step(events.Exited(age, how, cut))]

    def lives(self) -> dict[int, Life]:
        """What each child is at, by age."""
        return {child.age: child.life for child in self.policy.children}


def spawned(actions: list[events.Action]) -> list[tuple[int, int]]:
    """The (slot, generation) of the children that are to be forked."""
    return [(action.slot, action.generation) for action in actions if isinstance(action, events.Spawn)]


def sent(actions: list[events.Action]) -> dict[int, messages.Message]:
    """What is to be said, by child."""
    return {action.age: action.message for action in actions if isinstance(action, events.Send)}


def killed(actions: list[events.Action]) -> list[int]:
    """Who is to be killed."""
    return [action.age for action in actions if isinstance(action, events.Kill)]


def aborted(actions: list[events.Action]) -> list[int]:
    """Who is to write its stacks, and to end."""
    return [action.age for action in actions if isinstance(action, events.ShowStacks)]


def phrases(actions: list[events.Action]) -> list[str]:
    """The lifecycle phrases that are to be logged, at INFO or above."""
    return [action.phrase for action in actions if isinstance(action, events.Log) and action.level != "debug"]


def steps(actions: list[events.Action]) -> list[str]:
    """The points that a reload comes to."""
    return [action.at for action in actions if isinstance(action, events.ReloadStep)]


def ending(actions: list[events.Action]) -> ExitStatus | None:
    """The exit status, if the server is to end."""
    return next((action.status for action in actions if isinstance(action, events.Exit)), None)


# -- start


def test_the_boot_deadline_stands_before_the_fork() -> None:
    """A child is forked with its deadline already set, so that a hang in its boot has an end."""
    arena = Arena(workers=1, boot_timeout_s=7.0)
    (spawn,) = [action for action in arena.done if isinstance(action, events.Spawn)]
    assert spawn.deadline == arena.now + 7.0
    assert arena.policy.deadline() == arena.now + 7.0


def test_few_boot_until_one_has_been_ready() -> None:
    """Unproven code is booted by few workers at first; once one is ready, by all."""
    arena = Arena(workers=16)
    assert len(spawned(arena.done)) == 4
    assert len(spawned(arena.ready(1))) == 12


def test_the_first_ready_worker_opens_the_server_once() -> None:
    """Serving is announced with the first worker that is ready, and never again."""
    arena = Arena(workers=2)
    assert sum(isinstance(action, events.Serving) for action in arena.ready(1)) == 1
    assert not any(isinstance(action, events.Serving) for action in arena.ready(2))


def test_an_application_that_does_not_load_ends_the_first_start_once() -> None:
    """Several workers that fail at the same moment give one text, one status, and nothing in the log."""
    arena = Arena(workers=3)
    actions = arena.step(events.Heard(1, messages.BootFailed(4, "no such module")))
    assert set(killed(actions)) == {2, 3}
    assert phrases(actions) == []
    actions = arena.step(events.Heard(2, messages.BootFailed(4, "no such module")))
    actions += arena.exits(1, 2, how="exit 4") + arena.exits(3, how="signal SIGKILL")
    assert [action for action in actions if isinstance(action, events.Exit)] == [
        events.Exit(ExitStatus.APP_LOAD, "no such module")
    ]
    assert phrases(actions) == []


@pytest.mark.parametrize("workers", [1, 4, 64])
def test_a_crash_in_the_import_boots_at_most_ten_times_in_six_seconds(workers: int) -> None:
    """An import that kills the interpreter is retried with growing pauses, however many workers are wanted."""
    arena = Arena(workers=workers)
    start = arena.now
    while (deadline := _crash_all_and_sleep(arena)) <= start + 6.0:
        arena.now = deadline
        arena.step(events.Tick())
    assert 3 <= len(spawned(arena.done)) <= 10
    assert arena.policy.phase is Phase.STARTING


def _crash_all_and_sleep(arena: Arena) -> float:
    for child in list(arena.policy.children):
        arena.exits(child.age, how="signal SIGSEGV")
    deadline = arena.policy.deadline()
    assert deadline is not None
    return deadline


def test_a_hang_in_the_first_boot_ends_the_server_at_the_deadline() -> None:
    """No worker has ever been ready: one writes its stacks, all end, and the status is that of a failed boot."""
    arena = Arena(workers=2, boot_timeout_s=5.0)
    assert not aborted(arena.after(4.99))
    actions = arena.after(0.01)
    assert aborted(actions) == [1]
    assert killed(actions) == [2]
    assert killed(arena.after(ABORT_GRACE_S)) == [1]
    assert ending(arena.exits(1, 2, how="signal SIGKILL")) is ExitStatus.BOOT


def test_abrt_comes_once_the_other_signal_is_handled() -> None:
    """Two at a time may go to two threads, and the main one sleeps on in its system call."""
    arena = Arena(workers=2, boot_timeout_s=5.0)
    arena.ready(1)
    assert aborted(arena.after(5.0)) == [2]
    assert arena.after(STACKS_S / 2) == []
    assert arena.after(STACKS_S / 2) == [events.Abort(2)]
    assert killed(arena.after(ABORT_GRACE_S - STACKS_S)) == [2]


def test_a_fork_that_is_refused_is_tried_again_later() -> None:
    """EAGAIN from fork(2) is an event like others: it is logged, and the fork comes after a pause."""
    arena = Arena(workers=1)
    actions = arena.step(events.ForkFailed(1, "Resource temporarily unavailable"))
    assert phrases(actions) == ["fork failed"]
    assert spawned(actions) == []
    assert spawned(arena.after(0.25)) == [(1, 1)]


# -- crashes


def test_a_crash_is_pardoned_once() -> None:
    """A worker that served and crashed is replaced at once; if that repeats quickly, after growing pauses."""
    arena = Arena(workers=1)
    pauses = []
    for age in range(1, 5):
        arena.ready(age)
        actions = arena.exits(age, how="signal SIGKILL")
        if spawned(actions):
            pauses.append(0.0)
            continue
        deadline = arena.policy.deadline()
        assert deadline is not None
        pauses.append(deadline - arena.now)
        arena.after(pauses[-1])
    assert pauses == [0.0, 0.25, 0.5, 1.0]


def test_a_crash_after_long_service_is_pardoned_again() -> None:
    """Who served long enough is replaced at once, whatever came before."""
    arena = Arena(workers=1)
    for age in range(1, 6):
        arena.ready(age)
        arena.after(10)
        assert spawned(arena.exits(age, how="signal SIGSEGV")) == [(1, 1)]


def test_a_silent_worker_writes_its_stacks_then_dies() -> None:
    """No heartbeat: SIGABRT now, SIGKILL two seconds later, a replacement at once."""
    arena = Arena(workers=1)
    arena.ready(1)
    actions = arena.step(events.Silent(1, 30.5, "GET /slow"))
    assert phrases(actions) == ["worker timeout"]
    assert aborted(actions) == [1]
    assert spawned(actions) == [(1, 1)]
    assert killed(arena.after(ABORT_GRACE_S - 0.01)) == []
    assert killed(arena.after(0.01)) == [1]
    assert arena.step(events.Silent(1, 33.0)) == []


def test_a_later_boot_that_fails_is_tried_again() -> None:
    """Once the server has served, an application that no longer loads stops nobody."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.exits(1, how="signal SIGKILL")
    actions = arena.step(events.Heard(3, messages.BootFailed(3, "Traceback\nOops")))
    assert phrases(actions) == ["worker boot failed"]
    assert arena.lives()[2] is Life.READY
    arena.exits(3, how="exit 3")
    assert spawned(arena.after(0.25)) == [(1, 1)]


# -- renewal


def test_a_worker_that_retires_serves_until_its_replacement_is_ready() -> None:
    """The replacement boots first; only when it is ready is the old one stopped."""
    arena = Arena(workers=1, graceful_timeout_s=9.0)
    arena.ready(1)
    actions = arena.step(events.Heard(1, messages.Retire("max_requests")))
    assert spawned(actions) == [(1, 1)]
    assert sent(actions) == {}
    assert sent(arena.ready(2)) == {1: messages.Stop(9.0, last=False)}


def test_workers_retire_one_at_a_time() -> None:
    """However many want to go at once, one replacement is made at a time."""
    arena = Arena(workers=4)
    arena.ready(1, 2, 3, 4)
    actions = [a for age in range(1, 5) for a in arena.step(events.Heard(age, messages.Retire("max_requests")))]
    assert spawned(actions) == [(1, 1)]
    assert spawned(arena.ready(5)) == []
    assert spawned(arena.exits(1)) == [(2, 1)]


def test_workers_that_retire_again_wait_for_those_that_have_not_had_a_turn() -> None:
    """Where each new worker wants to go as soon as it is ready, all slots get their turn all the same."""
    arena = Arena(workers=4)
    arena.ready(1, 2, 3, 4)
    for age in range(1, 5):
        arena.step(events.Heard(age, messages.Retire("max_requests")))
    for old in range(1, 5):
        arena.ready(old + 4)
        arena.step(events.Heard(old + 4, messages.Retire("max_requests")))
        arena.exits(old)
    assert [slot for slot, _ in spawned(arena.done)[4:]] == [1, 2, 3, 4, 1]


def test_workers_that_make_room_again_wait_for_those_that_have_not_had_a_turn() -> None:
    """The same where a worker ends before its replacement begins."""
    arena = Arena(workers=4, max_surge=0, max_unavailable=1)
    arena.ready(1, 2, 3, 4)
    for age in range(1, 5):
        arena.step(events.Heard(age, messages.Retire("max_requests")))
    for old in range(1, 5):
        arena.exits(old)
        arena.ready(old + 4)
        arena.step(events.Heard(old + 4, messages.Retire("max_requests")))
    assert [slot for slot, _ in spawned(arena.done)[4:]] == [1, 2, 3, 4]


# -- how long a worker serves


def retirements(actions: list[events.Action]) -> list[dict[str, object]]:
    """What is logged of workers that are to be replaced, now or later."""
    return [dict(action.fields) for action in actions if isinstance(action, events.Log) and "retires" in action.phrase]


def test_a_worker_that_has_served_its_time_is_replaced_first_then_drained() -> None:
    """It need not ask, nor be busy: the policy wants to be woken then."""
    arena = Arena(workers=1, max_lifetime_s=60.0, lifetime_jitter_s=0.0)
    arena.ready(1)
    assert arena.policy.deadline() == arena.now + 60.0
    assert arena.after(59.9) == []
    actions = arena.after(0.1)
    assert [line["reason"] for line in retirements(actions)] == ["max_worker_lifetime"]
    assert retirements(actions)[0]["reached"] == retirements(actions)[0]["limit"] == "60.0s"
    assert spawned(actions) == [(1, 1)]
    assert sent(actions) == {}
    assert arena.policy.deadline() == arena.now + 60.0  # the boot's
    assert list(sent(arena.ready(2))) == [1]


def test_the_lifetimes_of_slots_are_spread() -> None:
    """Eight workers that were ready at once reach their ends at eight times, all within the jitter."""
    arena = Arena(workers=8, max_lifetime_s=100.0, lifetime_jitter_s=80.0)
    arena.ready(*range(1, 9))
    ends = sorted(child.retire_at or 0.0 for child in arena.policy.children)
    assert arena.now + 100.0 <= ends[0]
    assert ends[-1] < arena.now + 180.0
    assert min(later - sooner for sooner, later in itertools.pairwise(ends)) > 4.0


def test_the_jitter_of_a_lifetime_is_a_tenth_unless_given() -> None:
    """So an operator who has not thought of it gets a stagger too."""
    arena = Arena(workers=2, max_lifetime_s=100.0)
    arena.ready(1, 2)
    first, second = (child.retire_at or 0.0 for child in arena.policy.children)
    assert arena.now + 100.0 < second < first < arena.now + 110.0


def test_a_worker_that_was_seen_to_use_too_much_is_replaced() -> None:
    """The arbiter need not be asked: the worker may be stuck. The log has the figures."""
    arena = Arena(workers=1, min_lifetime_s=0.0)
    arena.ready(1)
    actions = arena.step(events.Outgrown(1, messages.Retire(messages.TOO_LARGE, "600M", "512M")))
    (line,) = retirements(actions)
    assert (line["reason"], line["reached"], line["limit"]) == ("max_worker_memory", "600M", "512M")
    assert spawned(actions) == [(1, 1)]


def test_a_worker_that_is_too_large_at_once_is_replaced_after_a_while() -> None:
    """A limit below what the application takes does not make workers boot all the time; one warning says so."""
    arena = Arena(workers=1)
    arena.ready(1)
    why = messages.Retire(messages.TOO_LARGE, "600M", "512M")
    actions = arena.step(events.Heard(1, why)) + arena.after(5.0) + arena.step(events.Outgrown(1, why))
    assert phrases(actions) == ["worker retires too soon"]
    assert retirements(actions)[0]["min_worker_lifetime"] == 10.0
    assert spawned(actions) == []
    assert arena.policy.deadline() == arena.now + 5.0
    actions = arena.after(5.0)
    assert phrases(actions) == ["worker retires"]
    assert retirements(actions)[0]["reached"] == "600M"
    assert spawned(actions) == [(1, 1)]


def test_max_requests_is_held_back_only_if_so_wanted() -> None:
    """As in Gunicorn, a worker may live for one request only, unless `min_worker_lifetime` was given."""
    arena = Arena(workers=1)
    arena.ready(1)
    assert spawned(arena.step(events.Heard(1, messages.Retire("max_requests")))) == [(1, 1)]
    arena = Arena(workers=1, min_lifetime_s=3.0)
    arena.ready(1)
    assert spawned(arena.step(events.Heard(1, messages.Retire("max_requests")))) == []
    assert spawned(arena.after(3.0)) == [(1, 1)]


def test_a_stop_is_not_held_up_by_a_lifetime() -> None:
    """In a stop nobody is replaced any more, and no deadline for that is left."""
    arena = Arena(workers=1, max_lifetime_s=5.0, graceful_timeout_s=50.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert arena.policy.deadline() == arena.now + 50.0 + KILL_MARGIN_S
    assert retirements(arena.after(10.0)) == []


# -- how many at a time


def retire(arena: Arena, *ages: int) -> list[events.Action]:
    """Let workers ask to be replaced."""
    return [a for age in ages for a in arena.step(events.Heard(age, messages.Retire("max_requests")))]


def test_as_many_are_replaced_side_by_side_as_the_surge_allows() -> None:
    """Two replacements at a time with `max_surge = 2`, in a reload too."""
    arena = Arena(workers=16, max_surge=2)
    arena.ready(*range(1, 17))
    assert spawned(retire(arena, *range(1, 17))) == [(1, 1), (2, 1)]
    arena = Arena(workers=16, max_surge=2)
    arena.ready(*range(1, 17))
    arena.step(events.Reload(arena.limits))
    assert len(spawned(arena.ready(17))) == 1  # beside the predecessor in slot 1, which drains


def test_without_a_surge_a_worker_makes_room_for_its_replacement() -> None:
    """The old one is gone before the new one is begun, and the next one waits until that is ready."""
    arena = Arena(workers=3, max_surge=0, max_unavailable=1)
    arena.ready(1, 2, 3)
    actions = retire(arena, 1, 2)
    assert list(sent(actions)) == [1]
    assert spawned(actions) == []
    actions = arena.exits(1)
    assert spawned(actions) == [(1, 1)]
    assert sent(actions) == {}
    assert list(sent(arena.ready(4))) == [2]


def test_without_a_surge_a_reload_proves_itself_in_one_slot() -> None:
    """One worker makes room for the new code; where that does not boot, its slot is served by the old code again."""
    arena = Arena(workers=2, max_surge=0, max_unavailable=1)
    arena.ready(1, 2)
    actions = arena.step(events.Reload(arena.limits))
    assert list(sent(actions)) == [1]
    assert spawned(actions) == []
    assert spawned(arena.exits(1)) == [(1, 2)]
    actions = arena.step(events.Heard(3, messages.BootFailed(3, "no")))
    assert steps(actions) == ["failed"]
    assert spawned(actions + arena.exits(3)) == [(1, 1)]
    assert arena.lives()[2] is Life.READY


def test_without_a_surge_a_reload_goes_from_slot_to_slot() -> None:
    """Once the new code has proven itself, the others follow, one after another."""
    arena = Arena(workers=2, max_surge=0, max_unavailable=1)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    arena.exits(1)
    actions = arena.ready(3)
    assert steps(actions) == ["committed"]
    assert list(sent(actions)) == [2]
    assert spawned(arena.exits(2)) == [(2, 2)]
    assert steps(arena.ready(4)) == ["done"]


def test_who_can_be_replaced_beside_itself_makes_no_room() -> None:
    """`max_unavailable` is for those for whom the surge has no place left."""
    arena = Arena(workers=3, max_surge=1, max_unavailable=1)
    arena.ready(1, 2, 3)
    actions = retire(arena, 1)
    assert spawned(actions) == [(1, 1)]
    assert sent(actions) == {}
    assert list(sent(retire(arena, 2, 3))) == [2]


def test_never_do_all_make_room_at_once() -> None:
    """Whatever `max_unavailable` says, somebody serves, unless there is but one."""
    arena = Arena(workers=3, max_surge=0, max_unavailable=9)
    arena.ready(1, 2, 3)
    assert list(sent(retire(arena, 1, 2, 3))) == [1, 2]
    arena = Arena(workers=1, max_surge=0, max_unavailable=9)
    arena.ready(1)
    assert list(sent(retire(arena, 1))) == [1]


def test_who_is_one_too_many_serves_until_the_others_do() -> None:
    """A worker is taken away while another one boots: that is ready first."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.exits(1, how="signal SIGKILL")
    actions = arena.step(events.Scale(-1))
    assert sent(actions) == {}
    assert list(sent(arena.ready(3))) == [2]


# -- reload


def test_a_reload_proves_itself_on_one_slot_then_rolls() -> None:
    """One worker boots the new code; when it is ready a quarter of the slots at a time follow."""
    arena = Arena(workers=8)
    arena.ready(*range(1, 9))
    actions = arena.step(events.Reload(arena.limits))
    assert spawned(actions) == [(1, 2)]
    assert steps(actions) == ["under_way"]
    actions = arena.ready(9)
    assert steps(actions) == ["committed"]
    assert sent(actions).keys() == {1}
    assert spawned(actions) == [(2, 2)]
    seen: list[events.Action] = []
    while arena.policy.children and not steps(seen):
        seen += _let_one_round_pass(arena)
    assert steps(seen) == ["done"]
    assert {child.generation for child in arena.policy.children} == {2}


def test_new_workers_that_retire_do_not_keep_a_reload_from_its_end() -> None:
    """However soon each of the new generation wants to go, those of the old one are replaced before it."""
    arena = Arena(workers=4)
    arena.ready(1, 2, 3, 4)
    arena.step(events.Reload(arena.limits))
    for old in range(1, 5):
        arena.ready(old + 4)
        arena.step(events.Heard(old + 4, messages.Retire("max_requests")))
        arena.exits(old)
    assert "done" in steps(arena.done)


def _let_one_round_pass(arena: Arena) -> list[events.Action]:
    actions: list[events.Action] = []
    for age, life in arena.lives().items():
        if life is Life.STOPPING:
            actions += arena.exits(age)
        elif life is Life.BOOTING:
            actions += arena.ready(age)
    assert len(arena.policy.children) <= 10
    return actions


def test_a_reload_that_does_not_boot_leaves_the_old_ones_serving() -> None:
    """The first worker of the new code fails: no old one has been touched, and the log says why."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    actions = arena.step(events.Heard(3, messages.BootFailed(3, "Traceback ...\nSyntaxError: invalid syntax\n")))
    assert phrases(actions) == ["worker boot failed", "reload failed"]
    (line,) = [a for a in actions if isinstance(a, events.Log) and a.phrase == "reload failed"]
    assert dict(line.fields)["reason"] == "SyntaxError: invalid syntax"
    assert steps(actions) == ["failed"]
    assert sent(arena.exits(3, how="exit 3")) == {}
    assert [arena.lives()[age] for age in (1, 2)] == [Life.READY, Life.READY]
    assert spawned(arena.after(60)) == []


def test_a_reload_survives_one_death_without_a_word() -> None:
    """A new worker that is killed in its boot gets a second chance; the second death ends the reload."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.Reload(arena.limits))
    assert steps(arena.exits(2, how="signal SIGKILL")) == []
    assert spawned(arena.after(0.25)) == [(1, 2)]
    assert steps(arena.exits(3, how="signal SIGKILL")) == ["failed"]


def test_a_reload_that_hangs_fails_at_the_boot_deadline() -> None:
    """The new worker is given up at its deadline; the old one serves on."""
    arena = Arena(workers=1, boot_timeout_s=5.0)
    arena.ready(1)
    arena.step(events.Reload(arena.limits))
    actions = arena.after(5.0)
    assert aborted(actions) == [2]
    assert steps(actions) == ["failed"]
    assert arena.lives()[1] is Life.READY


def test_a_second_reload_takes_the_place_of_the_first() -> None:
    """The child of the reload that was under way is stopped, and the newest code is tried."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.Reload(arena.limits))
    actions = arena.step(events.Reload(arena.limits))
    assert list(sent(actions)) == [2]
    actions += arena.exits(2)
    assert spawned(actions) == [(1, 3)]
    assert steps(arena.ready(3)) == ["committed"]
    assert steps(arena.exits(1)) == ["done"]


def test_a_reload_may_be_superseded_while_it_goes_from_slot_to_slot() -> None:
    """What boots beside those who serve is given up; nobody else goes before the newest code has proven itself."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    arena.ready(3)
    assert spawned(arena.exits(1)) == [(2, 2)]
    actions = arena.step(events.Reload(arena.limits))
    assert steps(actions) == ["superseded", "under_way"]
    assert phrases(actions) == ["reload superseded", "reload"]
    assert list(sent(actions)) == [4]
    assert spawned(arena.exits(4)) == [(1, 3)]
    assert steps(arena.ready(5)) == ["committed"]
    assert spawned(arena.exits(3)) == [(2, 3)]
    arena.ready(6)
    assert steps(arena.exits(2)) == ["done"]


def test_a_reload_that_fails_goes_back_to_what_was_proven_last() -> None:
    """That may be a reload which had not come to every slot yet: it does so now, and says that it is done."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    arena.ready(3)
    arena.exits(1)
    arena.step(events.Reload(arena.limits))
    arena.exits(4)
    actions = arena.step(events.Heard(5, messages.BootFailed(3, "no")))
    assert steps(actions) == ["failed"]
    assert arena.policy.is_reloading
    assert spawned(actions + arena.exits(5)) == [(2, 2)]
    arena.ready(6)
    (done,) = [action for action in arena.exits(2) if isinstance(action, events.ReloadStep)]
    assert done == events.ReloadStep("done", 2)
    assert not arena.policy.is_reloading


def test_a_hundred_reloads_in_a_row_boot_one_at_a_time() -> None:
    """Each is given up for the next; there is never more than one child beside those who serve."""
    arena = Arena(workers=3)
    arena.ready(1, 2, 3)
    for _ in range(100):
        arena.step(events.Reload(arena.limits))
        assert len(arena.policy.children) <= 4
        for age, life in arena.lives().items():
            if life is Life.STOPPING:
                arena.exits(age)
    assert steps(arena.ready(max(arena.lives()))) == ["committed"]
    while "done" not in steps(arena.done):
        _let_one_round_pass(arena)
    assert {child.generation for child in arena.policy.children} == {101}
    assert steps(arena.done).count("superseded") == 99


def test_a_crash_during_a_reload_is_replaced_by_proven_code() -> None:
    """While the new code has not proven itself, an old worker that dies is replaced by one of the old settings."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    assert spawned(arena.exits(2, how="signal SIGKILL")) == [(2, 1)]


def test_a_refused_reload_changes_nothing() -> None:
    """Wrong settings are logged and shown; no child is touched."""
    arena = Arena(workers=1)
    arena.ready(1)
    actions = arena.step(events.ReloadRefused("workers = 'many'"))
    assert phrases(actions) == ["reload failed"]
    assert steps(actions) == ["failed"]
    assert spawned(actions) == []


def test_a_refused_reload_has_a_number_of_its_own() -> None:
    """Whoever asked for it is not told of another one; that goes on."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.Reload(arena.limits))
    assert events.ReloadStep("failed", 3, "wrong") in arena.step(events.ReloadRefused("wrong"))
    arena.ready(2)
    assert events.ReloadStep("done", 2) in arena.exits(1)
    assert events.ReloadStep("under_way", 4) in arena.step(events.Reload(arena.limits))


def test_a_reload_brings_its_own_number_of_workers() -> None:
    """The new number holds once the new code has proven itself."""
    arena = Arena(workers=1)
    arena.ready(1)
    assert spawned(arena.step(events.Reload(dataclasses.replace(arena.limits, workers=3)))) == [(1, 2)]
    actions = arena.ready(2)
    assert events.WorkersChanged(3, 1) in actions
    assert sorted(spawned(actions)) == [(2, 2), (3, 2)]


# -- a reload that comes to all slots at once


def surging(workers: int = 3, **limits: float) -> Arena:
    """A server that reloads in this way, all of whose workers are ready."""
    arena = Arena(workers, surges=True, **limits)
    arena.ready(*range(1, workers + 1))
    return arena


def test_a_surge_drains_the_old_ones_once_all_new_ones_are_ready() -> None:
    """All boot beside those who serve, whatever `max_surge` is for; these go together."""
    arena = surging(3, max_surge=1)
    assert spawned(arena.step(events.Reload(arena.limits))) == [(1, 2), (2, 2), (3, 2)]
    told = arena.ready(4, 5)
    assert steps(told) == []
    assert sent(told) == {}
    told = arena.ready(6)
    assert steps(told) == ["committed"]
    assert list(sent(told)) == [1, 2, 3]
    assert steps(arena.exits(1, 2, 3)) == ["done"]


def test_few_boot_in_a_surge_until_one_has_been_ready() -> None:
    """Code that does not boot is tried by few."""
    arena = surging(9)
    assert len(spawned(arena.step(events.Reload(arena.limits)))) == 4
    assert len(spawned(arena.ready(10))) == 5


@pytest.mark.parametrize("ready", [0, 2])
def test_one_that_does_not_boot_ends_a_surge(ready: int) -> None:
    """Those of the new code who serve already drain, the others are stopped, and no old one has been touched."""
    arena = surging(3)
    arena.step(events.Reload(arena.limits))
    arena.ready(*range(4, 4 + ready))
    told = arena.step(events.Heard(6, messages.BootFailed(3, "no")))
    assert steps(told) == ["failed"]
    assert list(sent(told)) == [4, 5]
    assert spawned(arena.exits(4, 5, 6)) == []
    assert [arena.lives()[age] for age in (1, 2, 3)] == [Life.READY] * 3


def test_new_ones_that_die_before_all_are_ready_end_a_surge() -> None:
    """The first is replaced, and the second ends it: it may be the memory that is not there twice."""
    arena = surging(3)
    arena.step(events.Reload(arena.limits))
    arena.ready(4)
    assert steps(arena.exits(4, how="signal SIGKILL")) == []
    assert spawned(arena.ready(5)) == [(1, 2)]
    told = arena.exits(5, how="signal SIGKILL")
    assert steps(told) == ["failed"]
    assert list(sent(told)) == [6, 7]


def test_an_old_one_that_dies_in_a_surge_is_replaced_by_proven_code() -> None:
    """Until all new ones are ready, they may all have to go again."""
    arena = surging(2)
    arena.step(events.Reload(arena.limits))
    assert spawned(arena.exits(1, how="signal SIGKILL")) == [(1, 1)]
    assert sent(arena.ready(5, 3)) == {}
    assert sorted(sent(arena.ready(4))) == [2, 5]


def test_a_surge_brings_its_own_number_of_workers() -> None:
    """More than before are all ready before an old one goes; of fewer, none is beside what is not wanted any more."""
    arena = surging(2)
    told = arena.step(events.Reload(dataclasses.replace(arena.limits, workers=3)))
    assert spawned(told) == [(1, 2), (2, 2), (3, 2)]
    assert sent(arena.ready(3, 4)) == {}
    assert list(sent(arena.ready(5))) == [1, 2]
    arena.exits(1, 2)
    assert spawned(arena.step(events.Reload(dataclasses.replace(arena.limits, workers=1)))) == [(1, 3)]
    assert sorted(sent(arena.ready(6))) == [3, 4, 5]
    assert steps(arena.exits(3, 4, 5)) == ["done"]


@pytest.mark.parametrize(("before", "coming"), [(4, 4), (1, 1), (8, 6)])
def test_a_surge_brings_as_many_as_the_load_wants(before: int, coming: int) -> None:
    """Where the number follows the load, that many come beside the old ones, within the new bounds; not `workers`."""
    arena = surging(2, workers_min=1, workers_max=8)
    arena.step(events.ScaleTo(before))
    arena.ready(*(age for age, life in arena.lives().items() if life is Life.BOOTING))
    arena.exits(*(age for age, life in arena.lives().items() if life is Life.STOPPING))
    arena.step(events.Reload(dataclasses.replace(arena.limits, workers_max=6)))
    new: set[int] = set()
    while booting := [child.age for child in arena.policy.children if child.life is Life.BOOTING]:
        assert sent(arena.ready(*booting[:-1])) == {}
        new |= set(booting)
        actions = arena.ready(booting[-1])
    assert len(new) == coming
    assert len(sent(actions)) == before, "all old ones go once the last new one is ready, and nobody else"


def test_a_surge_may_be_superseded() -> None:
    """Its workers go at once, ready or not; those of the newest come as room is made, and the old ones stay."""
    arena = surging(2)
    arena.step(events.Reload(arena.limits))
    arena.ready(3)
    told = arena.step(events.Reload(arena.limits))
    assert steps(told) == ["superseded", "under_way"]
    assert sorted(sent(told)) == [3, 4]
    assert spawned(arena.exits(4)) == [(2, 3)]
    assert spawned(arena.exits(3)) == [(1, 3)]
    assert sorted(sent(arena.ready(5, 6))) == [1, 2]


def test_one_of_a_surge_that_was_given_up_serves_where_nobody_else_does() -> None:
    """The old one has died meanwhile: who is to go waits for a replacement."""
    arena = surging(2)
    arena.step(events.Reload(arena.limits))
    arena.ready(3)
    arena.exits(1, how="signal SIGKILL")
    told = arena.step(events.Heard(4, messages.BootFailed(3, "no")))
    assert steps(told) == ["failed"]
    assert sent(told) == {}
    assert spawned(told + arena.exits(4)) == [(1, 1)]
    assert list(sent(arena.ready(5))) == [3]


def test_workers_that_are_sent_away_end_a_reload() -> None:
    """Nobody is wanted: there is nothing to prove."""
    arena = surging(2)
    arena.step(events.Reload(arena.limits))
    arena.ready(3)
    told = arena.step(events.StandBy())
    assert steps(told) == ["failed"]
    assert sorted(sent(told)) == [1, 2, 3, 4]


# -- scale


def test_workers_are_added_and_taken_away_but_for_the_last() -> None:
    """TTIN adds a slot, TTOU drains the highest, and one always remains."""
    arena = Arena(workers=1)
    arena.ready(1)
    assert spawned(arena.step(events.Scale(+1))) == [(2, 1)]
    arena.ready(2)
    assert list(sent(arena.step(events.Scale(-1)))) == [2]
    assert arena.step(events.Scale(-1)) == []


def test_people_move_the_number_within_its_bounds() -> None:
    """One more than `workers_max`, or one fewer than `workers_min`, is told and not done."""
    arena = Arena(workers=2, workers_min=2, workers_max=3)
    arena.ready(1, 2)
    assert phrases(arena.step(events.Scale(-1))) == ["workers not changed"]
    assert spawned(arena.step(events.Scale(+1))) == [(3, 1)]
    (line,) = arena.step(events.Scale(+1))
    assert isinstance(line, events.Log)
    assert (line.phrase, line.fields) == ("workers not changed", (("reason", "workers_max = 3"),))
    assert arena.policy.pool.target == 3


def test_a_reload_keeps_the_number_within_bounds() -> None:
    """The load is what it was; where there are no bounds, the setting counts."""
    for limits, kept in (
        (events.Limits(workers=2, workers_min=1, workers_max=4), 3),
        (events.Limits(workers=2, workers_min=1, workers_max=2), 2),
        (events.Limits(workers=2), 2),
    ):
        arena = Arena(workers=2, workers_max=4)
        arena.ready(1, 2)
        arena.step(events.Scale(+1))
        arena.ready(3)
        arena.step(events.Reload(limits))
        arena.ready(4)
        assert arena.policy.pool.target == kept


def test_a_reload_brings_workers_back_where_none_were_wanted() -> None:
    """As many as at the start."""
    arena = Arena(workers=2, workers_min=1, workers_max=4)
    arena.step(events.StandBy())
    arena.step(events.Reload(arena.limits))
    assert arena.policy.pool.target == 2


# -- stop


def test_a_stop_drains_all_and_ends_with_success() -> None:
    """Every worker is told that nobody comes after it; when the last is gone, the server ends."""
    arena = Arena(workers=2, graceful_timeout_s=20.0)
    arena.ready(1, 2)
    actions = arena.step(events.StopAsked(quick=False))
    assert sent(actions) == {age: messages.Stop(20.0, last=True) for age in (1, 2)}
    assert events.CloseListeners() in actions
    assert ending(arena.exits(1)) is None
    assert ending(arena.exits(2)) is ExitStatus.OK


def test_a_drain_that_is_overdue_is_cut_and_told() -> None:
    """Who has not drained in time is killed, and the exit status says that something was cut."""
    arena = Arena(workers=1, graceful_timeout_s=20.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert killed(arena.after(20.0 + KILL_MARGIN_S - 0.01)) == []
    assert killed(arena.after(0.01)) == [1]
    assert ending(arena.exits(1, how="signal SIGKILL", cut=1)) is ExitStatus.FORCED


@pytest.mark.parametrize("quick", [False, True])
def test_a_second_stop_signal_makes_it_quick(quick: bool) -> None:
    """TERM again, or INT, in a drain: what is in flight is cut now."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    arena.now += REPEAT_S
    assert sent(arena.step(events.StopAsked(quick=quick))) == {1: messages.Quit()}
    assert events.Interrupt(1) not in arena.after(INTERRUPT_GRACE_S - 0.01)
    assert events.Interrupt(1) in arena.after(0.01)
    assert events.Interrupt(1) not in arena.after(0.01), "once is enough"
    assert killed(arena.after(QUIT_GRACE_S)) == [1]


def test_the_same_term_twice_is_one_wish() -> None:
    """TERM that comes by two ways at the same moment does not cut what is in flight."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert arena.step(events.StopAsked(quick=False)) == []


def test_one_who_stands_down_leaves_the_backlog_to_another() -> None:
    """A re-exec: nobody is told to be the last; TERM, which may come to all, is no second wish, and INT is."""
    arena = Arena(workers=1, graceful_timeout_s=20.0)
    arena.ready(1)
    actions = arena.step(events.StopAsked(quick=False, last=False))
    assert sent(actions) == {1: messages.Stop(20.0, last=False)}
    arena.now += REPEAT_S
    assert arena.step(events.StopAsked(quick=False)) == []
    assert sent(arena.step(events.StopAsked(quick=True))) == {1: messages.Quit()}


def test_workers_of_a_listener_that_stands_down_end_after_it() -> None:
    """They serve what it still hands out; it alone leaves what waits to another."""
    arena = Arena(workers=1, listeners=1, graceful_timeout_s=20.0)
    listener, worker = sorted(arena.policy.children, key=lambda child: child.role)
    arena.ready(listener.age, worker.age)
    actions = arena.step(events.StopAsked(quick=False, last=False))
    assert sent(actions) == {
        listener.age: messages.Stop(20.0, last=False),
        worker.age: messages.Stop(20.0, last=True),
    }


def test_a_delayed_drain_serves_on_and_then_drains() -> None:
    """TERM with `drain_delay`: not ready at once, every worker serves on, one that dies is replaced; then all drain."""
    arena = Arena(workers=2, drain_delay_s=5.0, graceful_timeout_s=20.0)
    arena.ready(1, 2)
    actions = arena.step(events.StopAsked(quick=False))
    assert events.NotReady() in actions
    assert sent(actions) == {}
    assert arena.policy.is_ending
    assert arena.policy.deadline() == arena.now + 5.0
    assert spawned(arena.exits(1, how="signal SIGSEGV")) == [(1, 1)]
    arena.ready(3)
    assert sent(arena.after(4.9)) == {}
    actions = arena.after(0.1)
    assert sent(actions) == {age: messages.Stop(20.0, last=True) for age in (2, 3)}
    assert events.CloseListeners() in actions
    assert arena.done.count(events.NotReady()) == 1
    assert ending(arena.exits(2, 3)) is ExitStatus.OK


def test_a_second_term_shortens_the_delay_and_a_third_the_drain() -> None:
    """The same wish by two ways counts once; nothing is cut by the second TERM, and all by the third."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert arena.step(events.StopAsked(quick=False)) == []
    arena.now += REPEAT_S
    assert sent(arena.step(events.StopAsked(quick=False))) == {1: messages.Stop(30.0, last=True)}
    assert arena.step(events.StopAsked(quick=False)) == []
    arena.now += REPEAT_S
    assert sent(arena.step(events.StopAsked(quick=False))) == {1: messages.Quit()}


def test_int_in_the_delay_is_quick() -> None:
    """INT or QUIT waits for nobody."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert sent(arena.step(events.StopAsked(quick=True))) == {1: messages.Quit()}
    assert arena.policy.drain_at is None


@pytest.mark.parametrize("quick", [False, True])
def test_nobody_waits_for_a_delay_that_serves_nobody(quick: bool) -> None:
    """Before the first worker is ready, and with INT, there is no delay."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    if quick:
        arena.ready(1)
    assert list(sent(arena.step(events.StopAsked(quick=quick)))) == [1]


def test_one_that_is_about_to_take_over_does_not_delay() -> None:
    """The arbiter before it serves on, and kills whoever drains for longer than `graceful_timeout`."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    assert sent(arena.step(events.StopAsked(quick=False, delays=False))) == {1: messages.Stop(30.0, last=True)}


def test_a_reload_in_the_delay_is_none() -> None:
    """What it would bring would be stopped at once."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    assert arena.step(events.Reload(arena.limits)) == []


def test_after_a_drain_the_arbiter_stays_until_it_is_stopped() -> None:
    """`heeler drain`: it says once that all has drained, and ends at TERM, with what was cut."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False, stays=True))
    assert not arena.policy.is_ending, "the arbiter does not end yet"
    assert list(sent(arena.after(5.0))) == [1]
    actions = arena.exits(1, cut=1)
    assert events.Drained() in actions
    assert ending(actions) is None
    assert arena.step(events.StopAsked(quick=False, stays=True)) == []
    assert arena.policy.deadline() is None
    assert ending(arena.step(events.StopAsked(quick=False))) is ExitStatus.FORCED
    assert arena.done.count(events.Drained()) == 1


def test_term_after_a_drain_is_the_first_one() -> None:
    """It cuts neither the delay nor the drain short, and has the arbiter end; only the one after it is a second one."""
    arena = Arena(workers=1, drain_delay_s=5.0)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False, stays=True))
    arena.now += 1.0
    assert arena.step(events.StopAsked(quick=False)) == []
    assert arena.policy.is_ending
    assert list(sent(arena.after(4.0))) == [1]
    assert ending(arena.exits(1)) is ExitStatus.OK

    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False, stays=True))
    arena.now += 1.0
    assert arena.step(events.StopAsked(quick=False)) == []
    arena.now += REPEAT_S
    assert sent(arena.step(events.StopAsked(quick=False))) == {1: messages.Quit()}


def test_a_drain_in_a_stop_changes_nothing() -> None:
    """The server ends all the same."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False))
    arena.now += REPEAT_S
    assert arena.step(events.StopAsked(quick=False, stays=True)) == []
    assert ending(arena.exits(1)) is ExitStatus.OK


def test_int_ends_an_arbiter_that_has_drained() -> None:
    """As TERM does; there is nobody to quit."""
    arena = Arena(workers=1)
    arena.ready(1)
    arena.step(events.StopAsked(quick=False, stays=True))
    arena.exits(1)
    assert ending(arena.step(events.StopAsked(quick=True))) is ExitStatus.OK


def test_all_slots_are_served_once() -> None:
    """It is said when the last worker of the start is ready, and never again."""
    arena = Arena(workers=2)
    assert events.Complete() not in arena.ready(1)
    assert events.Complete() in arena.ready(2)
    arena.exits(1, how="signal SIGSEGV")
    arena.ready(3)
    assert arena.done.count(events.Complete()) == 1


def test_without_workers_a_reload_brings_them_back() -> None:
    """WINCH: all drain, none is forked; HUP brings as many as the settings say."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    assert sent(arena.step(events.StandBy())).keys() == {1, 2}
    assert spawned(arena.exits(1, 2)) == []
    assert spawned(arena.step(events.Reload(arena.limits))) == [(1, 2)]
    assert spawned(arena.ready(3)) == [(2, 2)]


def test_a_stop_is_obeyed_while_all_boot() -> None:
    """A child that is deaf in its import does not hold up the end."""
    arena = Arena(workers=2)
    arena.step(events.StopAsked(quick=False))
    assert sorted(killed(arena.after(BOOTING_GRACE_S))) == [1, 2]
    assert ending(arena.exits(1, 2, how="signal SIGKILL")) is ExitStatus.OK


def test_a_stop_ends_a_reload() -> None:
    """A stop in the midst of a reload ends old and new alike, and nobody is forked any more."""
    arena = Arena(workers=2)
    arena.ready(1, 2)
    arena.step(events.Reload(arena.limits))
    actions = arena.step(events.StopAsked(quick=False))
    assert sent(actions).keys() == {1, 2, 3}
    actions = arena.exits(3, how="signal SIGKILL") + arena.exits(1, 2)
    assert spawned(actions) == []
    assert ending(actions) is ExitStatus.OK


def test_a_worker_that_turns_out_ready_in_a_stop_may_drain() -> None:
    """It was told to stop in its boot, but has begun to serve: it gets the time that all get."""
    arena = Arena(workers=1, graceful_timeout_s=20.0)
    arena.step(events.StopAsked(quick=False))
    arena.ready(1)
    assert killed(arena.after(BOOTING_GRACE_S)) == []
    assert killed(arena.after(20.0 + KILL_MARGIN_S)) == [1]


def test_a_stop_before_any_child_ends_at_once() -> None:
    """Nothing to wait for, nothing waited for."""
    policy = Policy(events.Limits())
    assert ending(policy.step(events.StopAsked(quick=False), 1.0)) is ExitStatus.OK
    assert policy.step(events.Tick(), 2.0) == []


def test_an_illegal_transition_names_all_concerned() -> None:
    """A fault of the policy says which child was to go from where to where."""
    child = Child(1, "worker", 1, 1)
    child.move(Life.ENDING)
    with pytest.raises(IllegalTransition, match="a worker that is ending cannot become ready"):
        child.move(Life.READY)


# -- the arbiter's own sleep


def test_no_deadline_is_held_against_a_child_whose_word_has_not_been_heard() -> None:
    """Two children were ready in time, and the arbiter learns of one after the other: neither is given up."""
    arena = Arena(workers=2, boot_timeout_s=5.0)
    arena.now += 6.0
    actions = arena.ready(1, 2) + arena.step(events.Tick())
    assert not aborted(actions)
    assert set(arena.lives().values()) == {Life.READY}


def test_the_sleep_of_the_arbiter_is_nobodys_time() -> None:
    """After a suspension a boot and a drain have as much time left as before."""
    arena = Arena(workers=2, boot_timeout_s=5.0, graceful_timeout_s=7.0)
    arena.ready(1)
    arena.step(events.Heard(1, messages.Retire("max_requests")))
    arena.ready(2)
    arena.ready(3)
    assert arena.lives()[1] is Life.STOPPING
    arena.step(events.Scale(+1))
    arena.now += 100.0
    actions = arena.step(events.Overslept(100.0)) + arena.after(4.9)
    assert not aborted(actions) and not killed(actions)
    assert aborted(arena.after(0.1)) == [4]
    assert killed(arena.after(7.0 + KILL_MARGIN_S - 5.0)) == [1, 4]


# -- development


def at_once(arena: Arena) -> list[events.Action]:
    """Let files of the project have changed."""
    return arena.step(events.Reload(arena.limits, at_once=True))


def developing(workers: int = 1) -> Arena:
    """A server that serves, and whose watcher is ready."""
    arena = Arena(workers=workers, watchers=1)
    for action in list(arena.done):
        if isinstance(action, events.Spawn):
            arena.ready(action.age)
    return arena


def roles(actions: list[events.Action]) -> list[str]:
    """What the children are for that are to be forked."""
    return [action.role for action in actions if isinstance(action, events.Spawn)]


def test_a_watcher_is_kept_in_development() -> None:
    """It comes first, so that it sees what changes while the workers boot, and again when it dies."""
    arena = Arena(workers=1, watchers=1)
    assert roles(arena.done) == ["watcher", "worker"]
    arena.ready(1, 2)
    assert roles(arena.exits(1, how="signal SIGKILL")) == ["watcher"]
    assert "watcher died" in phrases(arena.done)


def test_a_change_has_nobody_served_by_old_code() -> None:
    """The old worker goes first, soon; its slot is filled once it is gone, and not before."""
    arena = developing()
    told = at_once(arena)
    assert sent(told) == {2: messages.Stop(1.0, last=False)}
    assert spawned(told) == []
    assert steps(told) == ["under_way", "committed"]
    assert spawned(arena.exits(2)) == [(1, 2)]
    assert "done" in steps(arena.ready(3))


def test_a_worker_that_does_not_go_holds_a_change_up_for_two_seconds() -> None:
    """One that is stuck in the application is killed then."""
    arena = developing()
    at_once(arena)
    assert killed(arena.after(1.0 + KILL_MARGIN_S)) == [2]
    assert spawned(arena.exits(2, how="signal SIGKILL")) == [(1, 2)]


def test_a_change_shortens_a_drain_that_has_begun() -> None:
    """A long response to a worker that was retired does not hold new code up."""
    arena = developing()
    arena.step(events.Heard(2, messages.Retire("max_requests")))
    arena.ready(3)
    assert arena.lives()[2] is Life.STOPPING
    assert sent(at_once(arena)) == {2: messages.Stop(1.0, last=False), 3: messages.Stop(1.0, last=False)}
    assert sorted(killed(arena.after(1.0 + KILL_MARGIN_S))) == [2, 3]


def test_changes_in_a_row_leave_the_last_one_serving() -> None:
    """What boots code that is old already is ended at once."""
    arena = developing()
    at_once(arena)
    arena.exits(2)
    assert killed([*at_once(arena), *arena.after(BOOTING_GRACE_S)]) == [3]
    assert spawned(arena.exits(3, how="signal SIGKILL")) == [(1, 3)]
    assert steps(arena.ready(4)) == ["done"]


def test_a_change_is_not_held_up_by_earlier_crashes() -> None:
    """Code that crashes is backed off from; code that may have been mended is not."""
    arena = developing()
    for age in (2, 3, 4):
        arena.exits(age, how="signal SIGSEGV")
        arena.after(1.0)
        arena.ready(age + 1)
    arena.exits(5, how="signal SIGSEGV")
    assert spawned(at_once(arena)) == [(1, 2)]


def test_nothing_that_fails_ends_a_server_in_development() -> None:
    """Neither a boot that fails at the first start, nor one that hangs; a change is tried at once."""
    arena = Arena(workers=1, watchers=1, boot_timeout_s=5.0)
    arena.ready(1)
    failed = arena.step(events.Heard(2, messages.BootFailed(65, "no room")))
    assert arena.policy.phase is Phase.STARTING
    assert "worker boot failed" in phrases(failed)
    assert killed(failed) == []
    arena.exits(2)
    assert spawned(at_once(arena)) == [(1, 2)]
    assert aborted(arena.after(5.0)) == [3]
    assert arena.policy.phase is Phase.STARTING
    arena.exits(3)
    assert spawned(at_once(arena)) == [(1, 3)]
    assert any(isinstance(action, events.Serving) for action in arena.ready(4))


def test_a_change_during_a_stop_changes_nothing() -> None:
    """The server ends all the same."""
    arena = developing()
    arena.step(events.StopAsked(quick=False))
    assert at_once(arena) == []
    arena.exits(1, 2)
    assert ending(arena.done) is ExitStatus.OK


# -- molds


def parents(actions: list[events.Action]) -> list[tuple[str, int, int | None]]:
    """The (role, generation, parent) of the children that are to be forked."""
    return [(each.role, each.generation, each.parent) for each in actions if isinstance(each, events.Spawn)]


def molded(workers: int = 2) -> Arena:
    """A server whose mold (1) is ready, and so are its workers (2, ...)."""
    arena = Arena(workers=workers, molds=1)
    assert parents(arena.done) == [("mold", 1, None)]
    assert parents(arena.ready(1)) == [("worker", 1, 1)] * workers
    arena.ready(*range(2, 2 + workers))
    return arena


def reload(arena: Arena) -> list[events.Action]:
    """Somebody reloads."""
    return arena.step(events.Reload(arena.limits))


def test_a_reload_makes_a_mold_of_the_new_code_first() -> None:
    """Its workers come from it, one to prove it; then the old mold goes, and at once, since it serves nobody."""
    arena = molded()
    assert parents(reload(arena)) == [("mold", 2, None)]
    assert parents(arena.ready(4)) == [("worker", 2, 4)]
    committed = arena.ready(5)
    assert "committed" in steps(committed)
    assert sent(committed)[1] == messages.Stop(0.0, last=False)
    assert parents(arena.exits(1)) == []
    assert killed(arena.after(KILL_MARGIN_S)) == []


def test_code_that_does_not_load_fails_in_its_mold() -> None:
    """The old mold and all workers stay, and what dies later comes from the old mold."""
    arena = molded()
    reload(arena)
    failed = arena.step(events.Heard(4, messages.BootFailed(3, "Traceback\nNameError: x")))
    assert {"mold boot failed", "reload failed"} <= set(phrases(failed))
    assert sent(failed) == {}
    arena.exits(4, how="exit 3")
    assert parents(arena.exits(2, how="signal SIGSEGV")) == [("worker", 1, 1)]
    assert parents(arena.after(100.0)) == []


def test_a_mold_that_hangs_in_its_import_fails_the_reload() -> None:
    """At boot_timeout it writes its stacks, and the old code serves on."""
    arena = molded()
    reload(arena)
    overdue = arena.after(60.0)
    assert aborted(overdue) == [4]
    assert "reload failed" in phrases(overdue)
    assert arena.policy.pool.coming is None


def test_a_mold_that_cannot_load_ends_the_first_start() -> None:
    """With the application's own words, as a worker's failure does."""
    arena = Arena(workers=2, molds=1)
    arena.step(events.Heard(1, messages.BootFailed(3, "NameError: x")))
    (end,) = [each for each in arena.exits(1, how="exit 3") if isinstance(each, events.Exit)]
    assert (end.status, end.text) == (3, "NameError: x")


def test_a_mold_that_is_killed_is_replaced_and_nobody_else() -> None:
    """A worker that dies meanwhile waits for the next mold."""
    arena = molded()
    assert parents(arena.exits(1, how="signal SIGKILL")) == [("mold", 1, None)]
    assert parents(arena.exits(2, how="signal SIGKILL")) == []
    assert parents(arena.ready(4)) == [("worker", 1, 4)]


def test_a_reload_that_is_superseded_takes_its_mold_along() -> None:
    """The mold of the reload before is stopped, in its boot as well."""
    arena = molded()
    reload(arena)
    again = reload(arena)
    assert parents(again) == [("mold", 3, None)]
    assert 4 in sent(again)


def test_a_stop_does_not_wait_for_a_mold() -> None:
    """A mold has nothing to finish: one that hangs is killed long before graceful_timeout."""
    arena = molded()
    stopping = arena.step(events.StopAsked(quick=False))
    assert sent(stopping)[1] == messages.Stop(0.0, last=True)
    arena.exits(2, 3)
    assert killed(arena.after(KILL_MARGIN_S)) == [1]
    assert ending(arena.exits(1, how="signal SIGKILL")) is ExitStatus.OK


def warm(arena: Arena, age: int) -> list[events.Action]:
    """A worker has served as many requests as it takes."""
    return arena.step(events.Heard(age, messages.Warm()))


def test_a_warm_worker_is_replaced_and_becomes_the_next_mold() -> None:
    """Its replacement is ready before it drains; then all workers are replaced by some that the new mold forks."""
    arena = molded()
    assert parents(warm(arena, 2)) == [("mold", 1, 2), ("worker", 1, 1)]
    assert 2 in sent(arena.ready(5))
    renewed = arena.ready(4)
    assert sent(renewed)[1] == messages.Stop(0.0, last=False)
    assert [phrase for phrase in phrases(renewed) if phrase == "worker retires"] == ["worker retires"] * 2
    assert parents(arena.exits(2)) == [("worker", 1, 4)]


def test_one_worker_becomes_a_mold_at_a_time() -> None:
    """Neither a second one, nor one of an older mold, nor one in a reload."""
    arena = molded()
    warm(arena, 2)
    assert parents(warm(arena, 3)) == []
    arena.ready(5)
    arena.ready(4)
    assert parents(warm(arena, 3)) == []
    other = molded()
    reload(other)
    assert parents(warm(other, 2)) == []


def test_a_warm_worker_that_becomes_no_mold_changes_nothing() -> None:
    """It has died in its drain: the mold that there is serves on, and another may become warm."""
    arena = molded()
    warm(arena, 2)
    arena.ready(5)
    arena.exits(2, how="signal SIGKILL")
    assert "refork failed" in phrases(arena.exits(4, how="not forked"))
    assert parents(arena.after(100.0)) == []
    assert parents(warm(arena, 3)) == [("mold", 1, 3), ("worker", 1, 1)]


def test_nobody_waits_for_a_mold_that_a_worker_is_to_become() -> None:
    """The mold dies meanwhile: another is made at once, since the worker needs it for its replacement."""
    arena = molded()
    warm(arena, 2)
    assert parents(arena.exits(1, how="signal SIGKILL")) == [("mold", 1, None)]
