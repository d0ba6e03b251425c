"""How an arbiter has another one take its place (`USR2`): events in, actions out.

Decides when the command is checked, when the new arbiter is started, when it is given up, and when the
old one may go. Pure: `heeler.arbiter.reexec` does what it says; `now` is monotonic seconds.
"""

import dataclasses
import enum
from collections.abc import Mapping
from typing import Final, Literal

from heeler.arbiter.events import Log
from heeler.workers import messages

MARGIN_S: Final = 4.0
"""Beyond `boot_timeout`: the new arbiter finds out by itself that its workers hang, kills them where they do not end
within 2 s, and tells more of it."""
END_S: Final = 5.0
"""From TERM to KILL for one that serves nobody; one that does has `graceful_timeout` besides."""


class Step(enum.Enum):
    """What a re-exec is at."""

    IDLE = "idle"
    CHECKING = "checking"
    """The command is run as `--check-config` would."""
    STARTING = "starting"
    """The new arbiter boots, and serves beside the old one as soon as it can."""
    HANDING_OVER = "handing_over"
    """It serves with all its workers, and was told to take over."""
    ENDING = "ending"
    """It was given up, and is not gone yet."""
    DONE = "done"
    """It has taken over."""


TRANSITIONS: Final[Mapping[Step, frozenset[Step]]] = {
    Step.IDLE: frozenset({Step.CHECKING}),
    Step.CHECKING: frozenset({Step.STARTING, Step.ENDING, Step.IDLE}),
    Step.STARTING: frozenset({Step.HANDING_OVER, Step.ENDING, Step.IDLE}),
    Step.HANDING_OVER: frozenset({Step.DONE, Step.ENDING, Step.IDLE}),
    Step.ENDING: frozenset({Step.IDLE}),
    Step.DONE: frozenset(),
}
"""From each step, the steps that may follow."""


@dataclasses.dataclass(frozen=True, slots=True)
class Check:
    """Run the check."""


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """Start the new arbiter."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tell:
    """Tell the new arbiter something."""

    message: messages.Message


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """Have the child of this step end."""

    how: Literal["graceful", "quick", "kill"]


@dataclasses.dataclass(frozen=True, slots=True)
class TakeBack:
    """The new arbiter is gone: what it may have taken already is the old one's again."""


@dataclasses.dataclass(frozen=True, slots=True)
class HandOver:
    """The new arbiter has all it needs: stop, and not as the last."""


@dataclasses.dataclass(frozen=True, slots=True)
class Show:
    """Have the status say how it stands, and why it has `failed`."""

    at: Literal["under_way", "failed", "none", "done"]
    reason: str = ""


Action = Check | Start | Tell | End | TakeBack | HandOver | Show | Log


class Succession:
    """One re-exec after another.

    Args:
        boot_timeout_s: seconds that the check may take, and the new arbiter from its start to its first worker
            and from there to the last; 0 is no limit.
        graceful_timeout_s: seconds that a drain may take.
    """

    def __init__(self, boot_timeout_s: float, graceful_timeout_s: float) -> None:
        self.step = Step.IDLE
        self.boot_timeout_s = boot_timeout_s
        self.graceful_timeout_s = graceful_timeout_s
        self.deadline: float | None = None
        """When `tick` must be called at the latest; None if time changes nothing."""
        self._serves = False
        self._told = ""
        self._out: list[Action] = []

    @property
    def has_child(self) -> bool:
        """Whether there is a process to wait for."""
        return self.step not in (Step.IDLE, Step.DONE)

    def asked(self, now: float, refusal: str = "") -> list[Action]:
        """Somebody wants a new arbiter; `refusal` says why there cannot be one now."""
        if self.has_child:
            refusal = "one is under way"
        if refusal:
            self._log("warning", "re-exec refused", reason=refusal)
            return self._done()
        self._enter(Step.CHECKING, now)
        self._serves, self._told = False, ""
        self._log("info", "re-exec")
        self._out += [Show("under_way"), Check()]
        return self._done()

    def heard(self, message: messages.Message, now: float) -> list[Action]:
        """The new arbiter has said something."""
        match message:
            case messages.Ready() if self.step is Step.STARTING:
                self._serves = True
                self._enter(Step.STARTING, now)
            case messages.BootFailed(_, text):
                self._told = text
            case messages.Complete() if self.step is Step.STARTING:
                self._enter(Step.HANDING_OVER, now)
                self._out.append(Tell(messages.TakeOver()))
            case messages.TakenOver() if self.step is Step.HANDING_OVER:
                self._enter(Step.DONE, now)
                self._out.append(Show("done"))
                self._log("info", "re-exec done")
                self._out.append(HandOver())
            case _:
                pass  # it comes too late, or from a version that says more
        return self._done()

    def gone(self, how: str, said: str, now: float) -> list[Action]:
        """The child of this step is gone.

        Args:
            how: `exit 0`, `signal SIGKILL`, or why there never was one.
            said: what it wrote to its standard error, of a check.
            now: monotonic seconds.
        """
        if self.step is Step.CHECKING and how == "exit 0":
            self._enter(Step.STARTING, now)
            self._out.append(Start())
            return self._done()
        if self.step is Step.DONE:
            self._log("error", "successor died", how=how)
            return self._done()
        self._out.append(TakeBack())
        text = self._told or said
        if self.step is Step.CHECKING:
            self._failed(f"the check of the new command: {_last_line(text) or how}", text)
        elif self.step in (Step.STARTING, Step.HANDING_OVER):
            self._failed(f"the new arbiter: {_last_line(text) or how}", text)
        elif self.step is Step.ENDING:
            self._log("info", "re-exec over", how=how)
        self._enter(Step.IDLE, now)
        return self._done()

    def stop(self, *, quick: bool, now: float) -> list[Action]:
        """The whole server stops, and what has come of a re-exec with it."""
        if not self.has_child:
            return self._done()
        if self.step is not Step.ENDING:
            self._log("info", "re-exec given up", reason="the server stops")
            self._out.append(Show("none"))
            self._end("quick" if quick else "graceful", now)
        elif quick:
            self.deadline = min(self.deadline or now, now + END_S)
            self._out.append(End("quick"))
        return self._done()

    def tick(self, now: float) -> list[Action]:
        """Time has passed."""
        if self.deadline is None or now < self.deadline:
            return self._done()
        self.deadline = None
        if self.step is Step.ENDING:
            self._out.append(End("kill"))
            return self._done()
        who = "the check of the new command" if self.step is Step.CHECKING else "the new arbiter"
        self._failed(f"{who}: not done within boot_timeout = {self.boot_timeout_s:g} s", self._told)
        self._end("kill" if self.step is Step.CHECKING else "graceful", now)
        return self._done()

    def put_off(self, seconds: float) -> None:
        """Move the deadline: the time was nobody's."""
        if self.deadline is not None:
            self.deadline += seconds

    def _end(self, how: Literal["graceful", "quick", "kill"], now: float) -> None:
        if self.step is Step.CHECKING:
            how = "kill"  # it has nothing to finish
        self._enter(Step.ENDING, now)
        drain_s = self.graceful_timeout_s if self._serves and how == "graceful" else 0.0
        self.deadline = now + drain_s + END_S
        self._out.append(End(how))

    def _failed(self, reason: str, block: str) -> None:
        # First the status: who waits for the line may look at it.
        self._out.append(Show("failed", reason))
        self._log("error", "re-exec failed", block=block if "\n" in block.strip() else "", reason=reason)

    def _enter(self, step: Step, now: float) -> None:
        assert step is self.step or step in TRANSITIONS[self.step], f"a re-exec at {self.step} cannot be at {step}"
        self.step = step
        is_timed = self.has_child and self.boot_timeout_s
        margin_s = 0.0 if step is Step.CHECKING else MARGIN_S
        self.deadline = now + self.boot_timeout_s + margin_s if is_timed else None

    def _log(self, level: Literal["info", "warning", "error"], phrase: str, block: str = "", **fields: object) -> None:
        self._out.append(Log(level, phrase, tuple(fields.items()), block))

    def _done(self) -> list[Action]:
        out, self._out = self._out, []
        return out


def _last_line(text: str) -> str:
    return text.rstrip().rpartition("\n")[2].removeprefix("heeler: error: ")
