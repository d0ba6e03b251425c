"""What happens to the supervised children, and what is to be done about it.

Values only: `heeler.arbiter.policy` turns events into actions, and
`heeler.arbiter.supervisor` meets the world. A child is named by its age (children are
counted from 1 since the start), since a pid may be used again.
"""

import dataclasses
import math
from typing import Literal

from heeler.plugins.exit_status import ExitStatus
from heeler.workers import messages

Level = Literal["debug", "info", "warning", "error"]


@dataclasses.dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say about supervision.

    Args:
        workers: how many slots are to be filled.
        boot_timeout_s: seconds from the fork to `Ready`; 0 is no limit.
        graceful_timeout_s: seconds a drain may take.
        drain_delay_s: seconds between the wish to stop and the drain, in which all is served as before.
        max_surge: how many children beyond one a slot there may be for replacements; None is 1, and a
            quarter of the slots during a reload.
        max_unavailable: how many slots may be vacant at a time because their workers are being replaced.
        surges: whether a reload has all new workers ready, beside the old ones, before one of these goes.
        max_lifetime_s: seconds after which a worker is replaced; 0 is never.
        lifetime_jitter_s: up to how many seconds are added to that; None is a share of it.
        min_lifetime_s: seconds that a worker serves at least before it is replaced; None depends on the reason.
        listeners: how many processes accept connections for the workers; 0 where these do it themselves.
        watchers: how many processes watch the project's files: 1 while it is being worked on, and then nothing
            that fails ends the server; else 0.
        workers_min: how few slots there may be, and
        workers_max: how many, where people or the load change their number.
        molds: how many processes load the application for the workers, which are forked from them: 1, or 0 where
            each worker loads it.
    """

    workers: int = 1
    boot_timeout_s: float = 60.0
    graceful_timeout_s: float = 30.0
    max_surge: int | None = None
    listeners: int = 0
    max_unavailable: int = 0
    max_lifetime_s: float = 0.0
    lifetime_jitter_s: float | None = None
    min_lifetime_s: float | None = None
    watchers: int = 0
    surges: bool = False
    drain_delay_s: float = 0.0
    workers_min: int = 1
    workers_max: float = math.inf
    molds: int = 0

    def after_reload(self, workers: int) -> int:
        """Return how many there are to be where there were `workers` before; a load does not end with a reload."""
        if not workers or self.workers_max == math.inf:
            return self.workers
        return int(max(self.workers_min, min(workers, self.workers_max)))


# -- Events ------------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Begin:
    """The sockets are bound: fill the slots."""


@dataclasses.dataclass(frozen=True, slots=True)
class Forked:
    """The child `age` exists and has the process id `pid`."""

    age: int
    pid: int


@dataclasses.dataclass(frozen=True, slots=True)
class ForkFailed:
    """The system refused to make the child `age`."""

    age: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """The child `age` said something."""

    age: int
    message: messages.Message


@dataclasses.dataclass(frozen=True, slots=True)
class Exited:
    """The child `age` is gone.

    Args:
        age: which child.
        how: for the log, `exit 3` or `signal SIGKILL`.
        cut: how much was lost with it; in a stop, since that began.
    """

    age: int
    how: str
    cut: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Silent:
    """The child `age` has given no heartbeat for `silent_s` seconds; `what` it was in, for the log."""

    age: int
    silent_s: float
    what: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Outgrown:
    """The child `age` is to be replaced, though it has not asked for it, and `why`."""

    age: int
    why: messages.Retire


@dataclasses.dataclass(frozen=True, slots=True)
class StopAsked:
    """Somebody wants the server to stop: drain first, or (`quick`) cut what is in flight.

    Args:
        quick: as above.
        last: False where another arbiter has taken over, and serves what waits in the backlog.
        stays: the arbiter itself is to stay when all has drained, until somebody stops it.
        delays: whether the drain may be put off for `drain_delay`.
    """

    quick: bool
    last: bool = True
    stays: bool = False
    delays: bool = True


@dataclasses.dataclass(frozen=True, slots=True)
class Reload:
    """The settings were read again and are good: bring up a new generation with them.

    Args:
        limits: what they say.
        at_once: nobody shall see the old code any more: its workers go first, and who asks meanwhile waits.
    """

    limits: Limits
    at_once: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadRefused:
    """The settings were read again and are not good."""

    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class Scale:
    """One worker more or fewer."""

    delta: int


@dataclasses.dataclass(frozen=True, slots=True)
class ScaleTo:
    """So many workers, and `why`, for the log."""

    workers: int
    why: tuple[tuple[str, object], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class StandBy:
    """No worker is wanted until a reload."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReopenAsked:
    """The log files were moved."""


@dataclasses.dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed, and all that had happened was told: deadlines may be held against children."""


@dataclasses.dataclass(frozen=True, slots=True)
class Overslept:
    """The arbiter itself did not run for the last `seconds`; perhaps nobody else did."""

    seconds: float


Event = (
    Begin
    | Forked
    | ForkFailed
    | Heard
    | Exited
    | Silent
    | Outgrown
    | StopAsked
    | Reload
    | ReloadRefused
    | Scale
    | ScaleTo
    | StandBy
    | ReopenAsked
    | Tick
    | Overslept
)


# -- Actions -----------------------------------------------------------------


@dataclasses.dataclass(frozen=True, slots=True)
class Spawn:
    """Have a child forked; it must be ready by `deadline` (None is never).

    Who forks it is the child `parent`, or the arbiter itself where that is None.
    """

    age: int
    role: str
    slot: int
    generation: int
    deadline: float | None
    parent: int | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Send:
    """Tell the child `age` something."""

    age: int
    message: messages.Message


@dataclasses.dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM: the child `age` is in its boot, where it reads nothing; one that is ready by now drains."""

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class Interrupt:
    """SIGQUIT: the child `age` is too busy to read that it is to quit."""

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class ShowStacks:
    """The child is to write its stacks, in C code: SIGABRT follows."""

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class Abort:
    """SIGABRT: the child is to say what it was stuck in, and to end."""

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """SIGKILL."""

    age: int


@dataclasses.dataclass(frozen=True, slots=True)
class Log:
    """Write a lifecycle line; `block` is a text of several lines that follows it."""

    level: Level
    phrase: str
    fields: tuple[tuple[str, object], ...] = ()
    block: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Serving:
    """The first worker is ready, of the class `worker_class`: tell whoever waits for it."""

    worker_class: str


@dataclasses.dataclass(frozen=True, slots=True)
class Complete:
    """Every slot is served, for the first time."""


@dataclasses.dataclass(frozen=True, slots=True)
class NotReady:
    """The server is about to stop: whoever asks is told that it is to be sent no more."""


@dataclasses.dataclass(frozen=True, slots=True)
class CloseListeners:
    """The server stops: close the arbiter's listening sockets."""


@dataclasses.dataclass(frozen=True, slots=True)
class Drained:
    """All children are gone, and the arbiter stays: tell whoever waits for it."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkersChanged:
    """The number of workers is another one now; `old` is None the first time."""

    new: int
    old: int | None


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadStep:
    """A reload is at this point.

    `under_way` begins it, `committed` says that the new generation has proven
    itself, `done` that nobody of an earlier one is left; `failed` that the old
    generation serves on, for that `reason`; `superseded` that another reload has come before it was done.
    """

    at: Literal["under_way", "committed", "done", "failed", "superseded"]
    generation: int
    reason: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Exit:
    """All children are gone: end with `status`, after showing `text`."""

    status: ExitStatus
    text: str = ""


Action = (
    Spawn
    | Send
    | Terminate
    | Interrupt
    | ShowStacks
    | Abort
    | Kill
    | Log
    | Serving
    | Complete
    | NotReady
    | CloseListeners
    | Drained
    | WorkersChanged
    | ReloadStep
    | Exit
)
