"""What systemd is told, event by event; nothing is sent."""

from collections.abc import Sequence
from typing import Any, cast

import pytest

from heeler.arbiter import events
from heeler.arbiter.config.init_system import InitSystem
from heeler.arbiter.policy import Policy
from heeler.arbiter.service_manager import EXTENDED_EVERY_S, EXTENSION_S, ServiceManager
from heeler.workers import messages


class Told:
    """Stands for the socket: keeps what is sent."""

    is_heard = True

    def __init__(self, *, is_held: bool = False) -> None:
        self.is_held = is_held
        self.again_at: float | None = None
        self.datagrams: list[tuple[str, ...]] = []

    def send(self, *assignments: str, sockets: Sequence[Any] = (), must_arrive: bool = True) -> None:
        """Keep a datagram."""
        self.datagrams.append(assignments)

    def tick(self) -> None:
        """Nothing waits."""

    def release(self) -> None:
        """Hold nothing back."""
        self.is_held = False

    def deadline(self) -> float | None:
        """Return when what waits for room is sent again."""
        return self.again_at


class Service:
    """A policy, what systemd hears of it, and a clock that tests move."""

    def __init__(
        self,
        workers: int = 2,
        *,
        init: InitSystem | None = None,
        all_of_them: bool = False,
        is_held: bool = False,
        **limits: Any,
    ) -> None:
        self.policy = Policy(events.Limits(workers=workers, **limits))
        self.limits = self.policy.limits
        self.told = Told(is_held=is_held)
        notify = cast("Any", self.told)  # all of a NotifySocket that is used
        self.manager = ServiceManager(notify, init or InitSystem(pid=7), 7, waits_for_all=all_of_them)
        self.now = 100.0
        self.does(events.Begin())

    def does(self, *happened: events.Event) -> list[tuple[str, ...]]:
        """Let something happen in a turn of the loop; return what is said then."""
        before = len(self.told.datagrams)
        for event in happened:
            for action in self.policy.step(event, self.now):
                if isinstance(action, events.Spawn):
                    self.policy.step(events.Forked(action.age, 1000 + action.age), self.now)
                elif isinstance(action, events.ReloadStep):
                    self.manager.reload_went(action)
        self.manager.follow(self.policy, self.now)
        return self.told.datagrams[before:]

    def ready(self, *ages: int) -> list[tuple[str, ...]]:
        """Let children be ready."""
        return self.does(*(events.Heard(age, messages.Ready()) for age in ages))

    def after(self, seconds: float) -> list[tuple[str, ...]]:
        """Let time pass."""
        self.now += seconds
        return self.does(events.Tick())


def test_the_first_worker_makes_the_server_ready() -> None:
    """Once; the others change the status alone."""
    service = Service(3)
    assert service.told.datagrams == [("STATUS=starting, 0 of 3 workers",)]
    assert service.ready(2) == [("READY=1", "STATUS=serving, 1 of 3 workers")]
    assert service.ready(1) == [("STATUS=serving, 2 of 3 workers",)]
    assert service.ready(3) == [("STATUS=serving, 3 workers",)]
    assert service.does() == []


def test_all_workers_and_the_listener_make_the_server_ready() -> None:
    """`notify_ready = all`: before the listener accepts, nobody is served."""
    service = Service(2, all_of_them=True, listeners=1)
    assert service.ready(2, 3) == [("STATUS=serving, 2 workers",)]
    assert service.ready(1) == [("READY=1",)]


def test_a_process_that_systemd_did_not_start_names_itself() -> None:
    """In the same datagram as READY, so that nobody else is taken for it meanwhile."""
    service = Service(1, init=InitSystem(pid=6))
    assert service.ready(1) == [("MAINPID=7", "READY=1", "STATUS=serving, 1 worker")]


def test_a_worker_that_dies_changes_the_status_only() -> None:
    """The server has been ready since its first worker was."""
    service = Service(2)
    service.ready(1, 2)
    assert service.does(events.Exited(1, "exit 1")) == [("STATUS=serving, 1 of 2 workers",)]
    assert service.ready(3) == [("STATUS=serving, 2 workers",)]


def test_a_reload_ends_when_the_last_of_the_old_generation_is_gone() -> None:
    """One that is asked for meanwhile is told of too, and both end together."""
    service = Service(1)
    service.ready(1)
    service.told.datagrams.clear()
    service.manager.reload_asked(2.5)
    assert service.told.datagrams == [("RELOADING=1", "MONOTONIC_USEC=2500000")]
    assert service.does(events.Reload(service.limits)) == [("STATUS=reloading, 1 worker",)]
    service.manager.reload_asked(3)
    service.does(events.Reload(service.limits))
    assert service.does(events.Exited(2, "exit 0")) == []
    assert service.ready(3) == []
    assert service.does(events.Exited(1, "exit 0")) == [("READY=1", "STATUS=serving, 1 worker")]


def test_a_refused_reload_does_not_end_the_one_under_way() -> None:
    """READY is said once, when that one is over."""
    service = Service(1)
    service.ready(1)
    service.manager.reload_asked(1)
    service.does(events.Reload(service.limits))
    service.manager.reload_asked(2)
    failed = "; reload failed: a wrong setting"
    assert service.does(events.ReloadRefused("a wrong setting")) == [(f"STATUS=reloading, 1 worker{failed}",)]
    service.ready(2)
    assert service.does(events.Exited(1, "exit 0")) == [("READY=1", f"STATUS=serving, 1 worker{failed}")]


def test_why_a_reload_was_refused_stands_on_one_line() -> None:
    """A second line would be another assignment; a long text is cut."""
    service = Service(1)
    service.ready(1)
    service.manager.reload_asked(1)
    (said,) = service.does(events.ReloadRefused("wrong:\nREADY=0\t" + "x" * 5000))
    assert said[0] == "READY=1"
    assert said[1].startswith("STATUS=serving, 1 worker; reload failed: wrong: READY=0 xxx")
    assert "\n" not in said[1]
    assert len(said[1]) < 400


@pytest.mark.parametrize("is_stopping", [False, True])
def test_a_reload_before_the_start_or_in_a_stop_is_not_told(is_stopping: bool) -> None:
    """It is the start, or the stop, that systemd waits for and hears of."""
    service = Service(1)
    if is_stopping:
        service.ready(1)
        service.does(events.StopAsked(quick=False))
    service.told.datagrams.clear()
    service.manager.reload_asked(1)
    assert service.told.datagrams == []


def test_the_watchdog_is_fed_at_half_of_its_time() -> None:
    """Whatever else happens; and the loop is to wake for it."""
    service = Service(1, init=InitSystem(watchdog_s=10, pid=7))
    assert service.told.datagrams == [("STATUS=starting, 0 of 1 worker", "WATCHDOG=1")]
    assert service.manager.deadline() == 105.0
    assert service.after(4.9) == []
    assert service.after(0.1) == [("WATCHDOG=1",)]
    assert service.manager.deadline() == 110.0


def test_a_drain_asks_for_time_until_it_is_over() -> None:
    """Each time well before the last one is over; the loop wakes for it."""
    service = Service(1, graceful_timeout_s=60)
    service.ready(1)
    asked = f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}"
    assert service.manager.deadline() is None
    assert service.does(events.StopAsked(quick=False)) == [("STOPPING=1", "STATUS=stopping, 1 worker left", asked)]
    assert service.manager.deadline() == 100.0 + EXTENDED_EVERY_S
    assert EXTENDED_EVERY_S * 3 <= EXTENSION_S
    assert service.after(EXTENDED_EVERY_S / 2) == []
    assert service.after(EXTENDED_EVERY_S / 2) == [(asked,)]
    assert service.does(events.Exited(1, "exit 0")) == [("STATUS=stopping, 0 workers left",)]
    assert service.manager.deadline() is None


def test_a_delayed_drain_is_a_stop_from_its_beginning() -> None:
    """Of the stop systemd hears at once, and of the time that the delay takes as well."""
    service = Service(2, drain_delay_s=5.0)
    service.ready(1, 2)
    asked = f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}"
    told = service.does(events.StopAsked(quick=False))
    assert told == [("STOPPING=1", "STATUS=to drain in 5 s, 2 workers", asked)]
    assert service.after(EXTENDED_EVERY_S) == [(asked,)]
    assert service.after(5.0 - EXTENDED_EVERY_S) == [("STATUS=stopping, 2 workers left", asked)]


def test_a_drain_after_which_the_arbiter_stays_is_no_stop() -> None:
    """A service that says it stops and does not end would be killed; systemd hears of the stop at TERM."""
    service = Service(1, drain_delay_s=5.0)
    service.ready(1)
    told = service.does(events.StopAsked(quick=False, stays=True))
    assert told == [("STATUS=to drain in 5 s, 1 worker",)]
    assert service.after(5.0) == [("STATUS=draining, 1 worker left",)]
    assert service.does(events.Exited(1, "exit 0")) == [("STATUS=drained",)]
    told = service.does(events.StopAsked(quick=False))
    assert told[0][0] == "STOPPING=1"


def test_nothing_is_said_where_nobody_listens() -> None:
    """No time is to be kept for it either."""
    service = Service(1, init=InitSystem(watchdog_s=1, pid=7))
    service.told.is_heard = False
    assert service.ready(1) == []
    assert service.manager.deadline() is None


def test_a_new_arbiter_says_nothing_before_it_is_announced() -> None:
    """Then it says what it is by that time, and the watchdog is fed at once; until then no time is to be kept."""
    service = Service(1, init=InitSystem(watchdog_s=10, pid=7), is_held=True)
    assert service.ready(1) == []
    assert service.manager.deadline() is None
    service.manager.taken_over()
    assert service.does() == [("READY=1", "STATUS=serving, 1 worker", "WATCHDOG=1")]


def test_an_old_arbiter_names_the_new_one_and_says_nothing_after_that() -> None:
    """No stop, no reload, and the watchdog is another's to feed. The new one is told once MAINPID has found room."""
    service = Service(1, init=InitSystem(watchdog_s=10, pid=7))
    service.ready(1)
    service.told.datagrams.clear()
    service.told.again_at = 100.2
    announced: list[bool] = []
    service.manager.handed_over(8, lambda: announced.append(True))
    assert service.told.datagrams == [("MAINPID=8",)]
    assert service.does(events.StopAsked(quick=False, last=False)) == []
    assert (announced, service.manager.is_handing_over, service.manager.deadline()) == ([], True, 100.2)
    service.told.again_at = None
    service.manager.reload_asked(1)
    assert service.after(60) == []
    assert service.after(60) == []
    assert (announced, service.manager.is_handing_over, service.manager.deadline()) == ([True], False, None)
