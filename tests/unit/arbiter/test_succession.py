"""What a re-exec does at each of its steps; no process is made."""

import pytest

from heeler.arbiter import events, succession
from heeler.arbiter.succession import (
    END_S,
    MARGIN_S,
    Check,
    End,
    HandOver,
    Show,
    Start,
    Step,
    Succession,
    TakeBack,
    Tell,
)
from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages

_BOOT_S = 10.0
_GRACEFUL_S = 20.0


def _at(step: Step) -> Succession:
    """A re-exec that has come as far as `step` without a fault, at the time 0."""
    found = Succession(_BOOT_S, _GRACEFUL_S)
    if step is not Step.IDLE:
        found.asked(0.0)
    if step not in (Step.IDLE, Step.CHECKING):
        found.gone("exit 0", "", 0.0)
    if step in (Step.HANDING_OVER, Step.DONE):
        found.heard(messages.Ready(), 0.0)
        found.heard(messages.Complete(), 0.0)
    if step is Step.DONE:
        found.heard(messages.TakenOver(), 0.0)
    assert found.step is step
    return found


def _without_lines(actions: list[succession.Action]) -> list[succession.Action]:
    return [action for action in actions if not isinstance(action, events.Log)]


def _failures(actions: list[succession.Action]) -> list[str]:
    """Why it has failed, as the log says."""
    lines = [action for action in actions if isinstance(action, events.Log)]
    return [str(dict(line.fields)["reason"]) for line in lines if line.phrase == "re-exec failed"]


def test_all_goes_well() -> None:
    """The check, the new arbiter, its workers, the pid file, and only then does the old one go."""
    one = Succession(_BOOT_S, _GRACEFUL_S)
    assert _without_lines(one.asked(0.0)) == [Show("under_way"), Check()]
    assert _without_lines(one.gone("exit 0", "", 1.0)) == [Start()]
    assert one.heard(messages.Ready(), 2.0) == []
    assert one.heard(messages.Complete(), 3.0) == [Tell(messages.TakeOver())]
    assert _without_lines(one.heard(messages.TakenOver(), 4.0)) == [Show("done"), HandOver()]
    assert one.deadline is None
    assert not one.has_child


@pytest.mark.parametrize("step", [Step.CHECKING, Step.STARTING, Step.HANDING_OVER])
def test_a_second_wish_is_refused(step: Step) -> None:
    """One at a time: what is under way goes on."""
    one = _at(step)
    (line,) = one.asked(1.0)
    assert isinstance(line, events.Log)
    assert line.phrase == "re-exec refused"
    assert one.step is step


def test_a_check_that_fails_ends_it() -> None:
    """Its last line is the reason, and all of it stands in the log."""
    one = _at(Step.CHECKING)
    actions = one.gone("exit 3", "Traceback\n  ...\nValueError: no\n", 1.0)
    assert _failures(actions) == ["the check of the new command: ValueError: no"]
    assert one.step is Step.IDLE
    assert Start() not in actions


def test_what_the_new_arbiter_has_said_is_why_it_failed() -> None:
    """It says so itself before it ends; its exit status would say less."""
    one = _at(Step.STARTING)
    assert one.heard(messages.BootFailed(int(ExitStatus.BIND), "cannot listen"), 1.0) == []
    actions = one.gone("exit 69", "", 1.0)
    assert _failures(actions) == ["the new arbiter: cannot listen"]
    assert _without_lines(actions) == [TakeBack(), Show("failed", *_failures(actions))]
    assert one.asked(2.0), "another may be begun"
    assert one.step is Step.CHECKING


@pytest.mark.parametrize(
    ("step", "limit_s", "how"),
    [
        (Step.CHECKING, _BOOT_S, "kill"),
        (Step.STARTING, _BOOT_S + MARGIN_S, "graceful"),
        (Step.HANDING_OVER, _BOOT_S + MARGIN_S, "graceful"),
    ],
)
def test_each_step_has_a_deadline(step: Step, limit_s: float, how: str) -> None:
    """What takes too long is ended, and killed if it does not end; the failure is told once, at once."""
    one = _at(step)
    assert one.deadline == limit_s
    assert one.tick(limit_s - 0.1) == []
    actions = one.tick(limit_s)
    assert len(_failures(actions)) == 1
    assert _without_lines(actions) == [Show("failed", *_failures(actions)), End(how)]  # type: ignore[arg-type]  # one of three
    assert one.deadline is not None
    assert one.tick(one.deadline) == [End("kill")]
    assert one.has_child
    assert _without_lines(one.gone("signal SIGKILL", "", 99.0)) == [TakeBack()]
    assert not one.has_child


def test_the_first_worker_starts_the_clock_anew() -> None:
    """More workers than boot side by side may take a second round."""
    one = _at(Step.STARTING)
    one.heard(messages.Ready(), 8.0)
    assert one.deadline == 8.0 + _BOOT_S + MARGIN_S


def test_without_a_limit_nothing_ends_it() -> None:
    """`boot_timeout = 0`."""
    one = Succession(0.0, _GRACEFUL_S)
    one.asked(0.0)
    assert one.deadline is None
    assert one.tick(1e9) == []


@pytest.mark.parametrize("step", [Step.STARTING, Step.HANDING_OVER])
def test_a_stop_ends_it_too(step: Step) -> None:
    """One that serves may drain; a quick stop is quick for it as well; no failure is told."""
    one = _at(step)
    actions = one.stop(quick=False, now=1.0)
    assert _failures(actions) == []
    assert _without_lines(actions) == [Show("none"), End("graceful")]
    drain_s = _GRACEFUL_S if step is Step.HANDING_OVER else 0.0
    assert one.deadline == 1.0 + drain_s + END_S
    assert one.stop(quick=False, now=2.0) == []
    assert one.stop(quick=True, now=2.0) == [End("quick")]
    assert one.deadline == min(1.0 + drain_s, 2.0) + END_S


@pytest.mark.parametrize("step", [Step.IDLE, Step.DONE])
def test_a_stop_without_one_does_nothing(step: Step) -> None:
    """Nothing has begun, or the new arbiter is on its own."""
    assert _at(step).stop(quick=True, now=1.0) == []


def test_what_comes_too_late_changes_nothing() -> None:
    """The new arbiter says that it serves when it was given up already: it is not told to take over."""
    one = _at(Step.STARTING)
    one.tick(_BOOT_S + MARGIN_S)
    for message in (messages.Ready(), messages.Complete(), messages.TakenOver()):
        assert one.heard(message, 13.0) == []
    assert one.step is Step.ENDING


def test_time_in_which_nobody_ran_is_nobodys() -> None:
    """The deadline moves."""
    one = _at(Step.STARTING)
    one.put_off(100.0)
    assert one.tick(_BOOT_S + MARGIN_S) == []
