"""What each signal must lead to in each state of the arbiter, or of a worker: the model that servers are held against.

Pure: it knows no process. What stands here is what docs/reference/signals.md promises.
"""

import dataclasses
import enum
import signal
from typing import Final


class State(enum.Enum):
    """What a server of one worker is at; but for the first two, and for `DRAINING`, it serves a request meanwhile."""

    BOOTING = "booting"
    """Its first start: the application's import waits."""
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    """It was sent `TERM`, and a request is not answered yet."""
    RELOADING = "reloading"
    """The import of the new code waits."""
    REEXECUTING = "re-executing"
    """There is a new arbiter, in whose worker the import of the new code waits."""


class Kind(enum.Enum):
    """A signal of the matrix; `STOP` is followed by `CONT`."""

    HUP = signal.SIGHUP
    TERM = signal.SIGTERM
    INT = signal.SIGINT
    QUIT = signal.SIGQUIT
    USR1 = signal.SIGUSR1
    USR2 = signal.SIGUSR2
    WINCH = signal.SIGWINCH
    TTIN = signal.SIGTTIN
    TTOU = signal.SIGTTOU
    ABRT = signal.SIGABRT
    KILL = signal.SIGKILL
    STOP = signal.SIGSTOP


QUICK: Final = (Kind.INT, Kind.QUIT)
DEADLY: Final = (Kind.ABRT, Kind.KILL)
"""They end the arbiter before it can do anything."""
ENDING: Final = (Kind.TERM, *QUICK, *DEADLY)
LASTING: Final = (Kind.USR1, Kind.WINCH, Kind.TTIN, Kind.TTOU, Kind.STOP, Kind.HUP, Kind.USR2)
"""After these the server serves on. One after another, in an order in which `TTOU` finds a worker too many."""
HOLDING: Final = (State.BUSY, State.DRAINING, State.RELOADING, State.REEXECUTING)
"""The states in which a request is in flight."""
IMPORTING: Final = (State.BOOTING, State.RELOADING, State.REEXECUTING)
"""The states in which an import waits."""


PID_FILE: Final = "x.pid"
SOCKET_FILE: Final = "x.sock"


@dataclasses.dataclass(frozen=True, slots=True)
class End:
    """How a server ends.

    Args:
        status: of the arbiter; negative is the signal that ended it.
        answers: whether the request in flight, and those that wait, are answered before.
        leaves: the files that are left, of the pid file and the socket's.
        is_survived: whether a new arbiter serves on.
    """

    status: int
    answers: bool = True
    leaves: frozenset[str] = frozenset()
    is_survived: bool = False


def end(state: State, kind: Kind) -> End:
    """Return how a server in that state ends by one of `ENDING`."""
    if kind in DEADLY:
        is_survived = state is State.REEXECUTING
        # Those who wait for the first worker wait in vain; what the sockets held before a stop was served by it.
        answers = state is not State.BOOTING
        leaves = {PID_FILE} if state is State.DRAINING else {PID_FILE, SOCKET_FILE}
        return End(-kind.value, answers, frozenset() if is_survived else frozenset(leaves), is_survived)
    is_quick = kind in QUICK or state is State.DRAINING  # the second TERM
    is_cut = is_quick and state in HOLDING
    return End(75 if is_cut else 0, answers=not is_quick and state is not State.BOOTING)


@dataclasses.dataclass(frozen=True, slots=True)
class Change:
    """What a signal changes in a server that serves on.

    Args:
        says: what then stands in the log; nothing is logged where empty.
        workers: how many more workers serve.
        begun: how many more imports wait.
        ended: how many that waited are ended.
        renews: whether other workers serve from then on; the request in flight is answered first.
        succeeds: whether there is another arbiter from then on.
    """

    says: str = ""
    workers: int = 0
    begun: int = 0
    ended: int = 0
    renews: bool = False
    succeeds: bool = False


_REFUSED: Final = {
    State.BOOTING: "the server is about to start",
    State.DRAINING: "the server stops",
    State.RELOADING: "a reload is under way",
    State.REEXECUTING: "one is under way",
}
"""Why there is no re-exec."""


def change(state: State, kind: Kind) -> Change:
    """Return what one of `LASTING` changes in a server in that state."""
    match kind:
        case Kind.USR1:
            return Change("logs reopened")
        case Kind.USR2 if state in _REFUSED:
            return Change(f're-exec refused reason="{_REFUSED[state]}"')
        case Kind.USR2:
            return Change("stopping how=handed_over", renews=True, succeeds=True)
        case Kind.HUP:
            return _reload(state)
        case Kind.TTIN:
            return _scale(state, +1)
        case Kind.TTOU:
            return _scale(state, -1)
        case _:
            return Change()


def _reload(state: State) -> Change:
    match state:
        case State.IDLE | State.BUSY:
            return Change("worker ready", renews=True)
        case State.BOOTING:
            return Change(begun=1, ended=1)
        case State.RELOADING:
            return Change("reload superseded", begun=1, ended=1)
        case State.REEXECUTING:
            return Change('reason="a re-exec is under way"')
        case State.DRAINING:
            return Change()


def _scale(state: State, delta: int) -> Change:
    match state:
        case State.IDLE | State.BUSY:
            return Change("worker ready" if delta > 0 else "worker exited", workers=delta)
        case State.BOOTING | State.RELOADING:
            says = "workers changed" if state is State.RELOADING else ""
            return Change(says, begun=int(delta > 0), ended=int(delta < 0))
        case State.REEXECUTING:
            return Change('workers not changed reason="a re-exec is under way"')
        case State.DRAINING:
            return Change()


# -- signals to a worker


class WorkerState(enum.Enum):
    """What a worker is at."""

    BOOTING = "booting"
    """The application's import waits, while another worker serves."""
    IDLE = "idle"
    BUSY = "busy"
    DRAINING = "draining"
    """It was sent `TERM`, and its request is not answered yet."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerEnd:
    """How a worker ends.

    Args:
        how: as the log has it.
        answers: whether its request is answered before; else it is cut.
    """

    how: str
    answers: bool


def worker_end(state: WorkerState, kind: Kind) -> WorkerEnd:
    """Return how a worker in that state ends by one of `ENDING`."""
    is_idle = state in (WorkerState.BOOTING, WorkerState.IDLE)
    match kind:
        case Kind.KILL:
            return WorkerEnd("signal SIGKILL", is_idle)
        case Kind.ABRT:
            return WorkerEnd("exit 1", is_idle)
        case _:
            return WorkerEnd("exit 0", is_idle or kind is Kind.TERM)


def worker_says(state: WorkerState, kind: Kind) -> str:
    """Return what then stands in the log of a worker in that state that one of `LASTING` reaches."""
    match kind:
        case Kind.USR2 if state is WorkerState.IDLE:
            return "(most recent call first)"
        case Kind.USR2:
            return "app.py"
        case Kind.USR1 if state is WorkerState.IDLE:
            return "logs reopened"
        case _:  # who is in a request, or in an import, may open its files only after it
            return ""
