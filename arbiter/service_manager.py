"""What systemd is told of the server, and when (sd_notify(3), systemd.service(5)).

Looks at the policy after every turn of the arbiter's loop, and says what is new: nothing here
decides anything about the server. Must not know how a datagram is sent.
"""

from collections.abc import Callable
from typing import Final

from heeler.arbiter import events, succession
from heeler.arbiter.children import Life
from heeler.arbiter.config.init_system import InitSystem
from heeler.arbiter.notify_socket import NotifySocket
from heeler.arbiter.policy import WORKER, Phase, Policy
from heeler.arbiter.pool import Pool

EXTENSION_S: Final = 6.0
"""How much longer a drain is said to take, again and again. If the arbiter hangs, it is not."""
EXTENDED_EVERY_S: Final = 2.0
"""A datagram may find no room: there are three for each time that systemd would lose its patience."""
_A_MOMENT_S: Final = 1.0
"""A drain that may not take longer asks for no more time."""
_STATUS_MOST: Final = 300


class ServiceManager:
    """Keeps systemd informed.

    Args:
        notify: the way to it.
        init: what it has told this process.
        pid: of the arbiter.
        waits_for_all: whether the server is ready once all workers are, or once the first is.
    """

    def __init__(self, notify: NotifySocket, init: InitSystem, pid: int, *, waits_for_all: bool) -> None:
        self._notify: Final = notify
        self._pid: Final = pid if pid != init.pid else None
        self._waits_for_all: Final = waits_for_all
        self._fed_every_s: Final = init.watchdog_s / 2 if init.watchdog_s else None
        self._feed_at: float | None = 0.0 if self._fed_every_s else None
        self._extend_at: float | None = None
        self._is_ready = False
        self._is_reloading = False
        self._is_stopping = False
        self._has_handed_over = False
        self._then: Callable[[], None] | None = None
        self._status = ""
        self._failure = ""
        self._failed = 0

    def follow(self, policy: Policy, now: float) -> None:
        """Say what is new. A turn of the loop ends here, so the watchdog hears of a loop that turns, and of no other.

        Args:
            policy: what the server is at.
            now: monotonic seconds.
        """
        if not self._notify.is_heard or self._notify.is_held:
            return
        self._notify.tick()
        if self._has_handed_over:
            self._go_on()
            return
        news = self._news(policy)
        if (status := self._status_of(policy)) != self._status:
            self._status = status
            news.append(f"STATUS={status}")
        pulse = self._pulse(policy, now)
        if news or pulse:
            self._notify.send(*news, *pulse, must_arrive=bool(news))

    def deadline(self) -> float | None:
        """Return when `follow` must be called at the latest; None if time changes nothing."""
        if not self._notify.is_heard or self._notify.is_held or self._has_handed_over:
            return self._notify.deadline()
        times = (self._feed_at, self._extend_at, self._notify.deadline())
        return min((at for at in times if at is not None), default=None)

    def reload_asked(self, now: float) -> None:
        """Say that a reload begins, before anything is read: systemd waits for that since it has sent the signal."""
        if self._is_ready and not self._is_stopping:
            self._is_reloading = True
            # In one datagram: without the time systemd could take it for the answer to an earlier signal.
            self._notify.send("RELOADING=1", f"MONOTONIC_USEC={int(now * 1e6)}")

    def reload_went(self, step: events.ReloadStep) -> None:
        """Note how far a reload has come."""
        if step.at == "failed":
            self._failure, self._failed = f"; reload failed: {step.reason}", step.generation
        elif step.generation > self._failed:  # else an earlier one goes on
            self._failure = ""

    def reexec_went(self, step: succession.Show) -> None:
        """Note how a re-exec stands."""
        self._failure = f"; re-exec failed: {step.reason}" if step.at == "failed" else ""

    @property
    def is_handing_over(self) -> bool:
        """Whether systemd takes this process for the server still, though it is another one."""
        return self._then is not None

    def handed_over(self, pid: int, then: Callable[[], None]) -> None:
        """Say that another process is the server, and after that nothing more: it would not be believed.

        Args:
            pid: of that process.
            then: called once it is said; before, systemd would not listen to that process.
        """
        self._is_stopping = self._has_handed_over = True
        self._then = then
        self._notify.send(f"MAINPID={pid}")
        self._go_on()

    def taken_over(self) -> None:
        """Begin to speak: systemd takes this process for the server."""
        self._notify.release()

    def start_failed(self, reason: str) -> None:
        """Say why the server ends before it has served."""
        self._notify.send(f"STATUS={_one_line('start failed: ' + reason.rstrip().rpartition(chr(10))[2])}")

    def _go_on(self) -> None:
        if self._then is not None and self._notify.deadline() is None:
            then, self._then = self._then, None
            then()

    def _news(self, policy: Policy) -> list[str]:
        if policy.is_ending:
            is_new, self._is_stopping = not self._is_stopping, True
            return ["STOPPING=1"] if is_new else []
        if not self._is_ready:
            self._is_ready = self._may_be_ready(policy)
            # A daemon is not the process that systemd has started. Its pid file is written by now.
            main = [f"MAINPID={self._pid}"] if self._pid is not None else []
            return [*main, "READY=1"] if self._is_ready else []
        if self._is_reloading and not policy.is_reloading:
            self._is_reloading = False
            return ["READY=1"]
        return []

    def _may_be_ready(self, policy: Policy) -> bool:
        if policy.phase is not Phase.SERVING:
            return False
        pools = (policy.pool, policy.listeners) if self._waits_for_all else ()
        return all(_ready_slots(policy, pool) >= pool.target for pool in pools)

    def _pulse(self, policy: Policy, now: float) -> list[str]:
        """Return what is said again and again."""
        pulse = []
        if self._feed_at is not None and self._fed_every_s and now >= self._feed_at:
            self._feed_at = now + self._fed_every_s
            pulse.append("WATCHDOG=1")
        if self._is_stopping and _takes_long(policy):
            if self._extend_at is None or now >= self._extend_at:
                self._extend_at = now + EXTENDED_EVERY_S
                pulse.append(f"EXTEND_TIMEOUT_USEC={int(EXTENSION_S * 1e6)}")
        else:
            self._extend_at = None
        return pulse

    def _status_of(self, policy: Policy) -> str:
        left = f"{_workers(len(policy.children.with_role(WORKER)))} left"
        if policy.drain_at is not None:
            return f"to drain in {policy.limits.drain_delay_s:g} s, {_workers(policy.pool.target)}"
        if self._is_stopping:
            return f"stopping, {left}"
        if policy.phase is Phase.STOPPING:
            return f"draining, {left}" if len(policy.children) else "drained"
        ready, wanted = _ready_slots(policy, policy.pool), policy.pool.target
        what = "reloading" if policy.is_reloading else "serving" if policy.phase is Phase.SERVING else "starting"
        count = _workers(wanted) if ready == wanted else f"{ready} of {_workers(wanted)}"
        return _one_line(f"{what}, {count}{self._failure}")


def _takes_long(policy: Policy) -> bool:
    """Return whether a stop that is under way may take longer than a moment."""
    delays = policy.drain_at is not None
    return delays or (policy.phase is Phase.STOPPING and policy.limits.graceful_timeout_s > _A_MOMENT_S)


def _ready_slots(policy: Policy, pool: Pool) -> int:
    """Return how many slots have somebody who serves."""
    return len({child.slot for child in policy.children.with_role(pool.role) if child.life is Life.READY})


def _workers(count: int) -> str:
    return "1 worker" if count == 1 else f"{count} workers"


def _one_line(text: str) -> str:
    """Return a text as the value of an assignment, which ends with its line."""
    text = " ".join(text.split())
    return text if len(text) <= _STATUS_MOST else text[: _STATUS_MOST - 3] + "..."
