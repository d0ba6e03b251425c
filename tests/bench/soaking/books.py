"""The books of a soak: whether what was lost is what was killed in flight, and nothing else.

A killed worker takes with it what the application was running: each of these requests is lost, none twice begun. It
takes, too, what stood on the connections it had: sent to it and not begun, or ended and not yet written. A killed
listener takes what stood on those that it alone had: nothing that the application has begun. Pure.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Self

from loadbench.steady_load import Loss

_SEEN_S: Final = 5.0
"""How long after the end of a process its client may notice: the load is a thread among others, on a busy machine."""


@dataclass(frozen=True, slots=True)
class Kill:
    """A process that was killed.

    Args:
        role: `worker` or `listener`.
        ports: of the clients whose connections it had, by which it is known what was lost with it.
        begun_at: when it was stopped to be looked at, monotonic seconds.
        gone_at: when it had ended.
    """

    pid: int
    role: str
    ports: frozenset[int]
    begun_at: float
    gone_at: float

    def explains(self, loss: Loss) -> bool:
        """Whether the request was lost with this process: a port may soon be another client's."""
        return loss.port in self.ports and self.begun_at <= loss.lost_at <= self.gone_at + _SEEN_S


@dataclass(slots=True)
class Notes:
    """What the application has noted: who has begun a request, and ended it, by path."""

    begun: dict[str, list[int]] = field(default_factory=dict)
    ended: dict[str, list[int]] = field(default_factory=dict)

    @classmethod
    def read(cls, text: str) -> Self:
        """Read lines `begun PID PATH` and `ended PID PATH`."""
        notes = cls()
        for line in text.splitlines():
            what, pid, path = line.split()
            book = notes.begun if what == "begun" else notes.ended
            book.setdefault(path, []).append(int(pid))
        return notes

    def running(self) -> dict[str, int]:
        """Return the requests that were begun and not ended, each with the process that has begun it."""
        return {path: pids[-1] for path, pids in self.begun.items() if len(self.ended.get(path, ())) < len(pids)}


@dataclass(frozen=True, slots=True)
class Balance:
    """What the books say.

    Args:
        running: how many requests the application was running in processes when they were killed; all are lost.
        unbegun: how many more were lost that had been sent to a killed worker, and not begun.
        unwritten: and how many that had been ended there, and not written.
        parked: and how many with a killed listener.
        faults: what may not be.
    """

    running: int
    unbegun: int
    unwritten: int
    parked: int
    faults: Sequence[str]


def balance(
    answered: Collection[str], losses: Sequence[Loss], kills: Sequence[Kill], notes: Notes, log: str
) -> Balance:
    """Close the books.

    Args:
        answered: the paths of the requests that were answered.
        losses: all there were.
        kills: those of one server.
        notes: its application's.
        log: the server's, which names each request that was lost while it ran.
    """
    faults: list[str] = []
    count: Counter[str] = Counter()
    lost = {loss.path for loss in losses}
    killed = {kill.pid for kill in kills}
    running = notes.running()
    for loss in losses:
        roles = {kill.role for kill in kills if kill.explains(loss)}
        if not roles:
            faults.append(f"lost, and nobody was killed who had it: {loss}, {_history(loss.path, notes)}")
        elif loss.path in running:
            count["running"] += 1
        elif loss.path in notes.begun and "worker" not in roles:
            faults.append(f"lost with the listener, and a worker had it: {loss}, {_history(loss.path, notes)}")
        else:
            count["parked" if "worker" not in roles else "unwritten" if loss.path in notes.begun else "unbegun"] += 1
    faults += [f"answered, though {pid} was killed in it: {path}" for path, pid in running.items() if path not in lost]
    faults += [f"not ended in {pid}, which nobody killed: {path}" for path, pid in running.items() if pid not in killed]
    faults += [f"begun {len(pids)} times, in {pids}: {path}" for path, pids in notes.begun.items() if len(pids) > 1]
    faults += [f"answered, and never begun: {path}" for path in answered if path not in notes.begun]
    named = _named(log)
    faults += [f"lost while it ran, and not logged: {path}" for path in running if f"GET {path}" not in named]
    return Balance(count["running"], count["unbegun"], count["unwritten"], count["parked"], faults)


def _history(path: str, notes: Notes) -> str:
    return f"begun in {notes.begun.get(path, [])}, ended in {notes.ended.get(path, [])}"


def _named(log: str) -> set[str]:
    """Return the requests that the log says were lost."""
    lines = [line for line in log.splitlines() if "request lost" in line]
    return {line.partition('request="')[2].partition('"')[0] for line in lines}
