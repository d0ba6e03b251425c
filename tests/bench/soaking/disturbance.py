"""Does to a server what the plan says, at once and without waiting for what comes of it.

So everything meets everything: a kill a reload, a re-exec broken code, `max_requests` all of them.
"""

import os
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, assert_never

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.server import Server
from loadbench.happenings import CONFIG, client_ports, sockets_of
from soaking import census
from soaking.books import Kill
from soaking.plan import Deed, Entry

PIDFILE: Final = "arbiter.pid"
EDITION: Final = "edition.py"
_ALWAYS: Final = "max_requests = 60\nmax_requests_jitter = 60\n"
_SETTINGS: Final = (
    "",
    "max_surge = 2\n",
    "max_surge = 0\nmax_unavailable = 1\n",
    # Which each worker is above as soon as it is there.
    "max_worker_memory = '1M'\nmin_worker_lifetime = 1\n",
)
SOUND: Final = _ALWAYS + _SETTINGS[0]
QUIET: Final = "max_requests = 0\n"
"""Before and after: no worker is replaced while they are looked at."""
_HELD_S: Final = (0.05, 0.6)
_END_S: Final = 10.0


@dataclass(slots=True)
class Disturbance:
    """A server to which things happen.

    Args:
        server: has the files `CONFIG` and `EDITION` in its folder, and writes `PIDFILE` there.
    """

    server: Server
    kills: list[Kill] = field(default_factory=list)
    edition: int = 1
    deeds: list[tuple[float, str]] = field(default_factory=list)
    """What was done, and when, monotonic seconds."""

    @property
    def arbiter(self) -> int:
        """The process id of the arbiter that serves."""
        return int((self.server.directory / PIDFILE).read_text())

    def do(self, entry: Entry) -> None:
        """Do it, where it can be done now."""
        self._note(entry.deed.value)
        match entry.deed:
            case Deed.KILL_WORKER:
                self._kill_worker(entry.pick)
            case Deed.KILL_LISTENER:
                self._kill_listener(entry.pick)
            case Deed.TERM_WORKER:
                self._signal_one("worker", entry.pick, signal.SIGTERM)
            case Deed.HOLD_WORKER:
                self._hold("worker", entry.pick)
            case Deed.RELOAD:
                self.reload(_ALWAYS + _SETTINGS[int(entry.pick * len(_SETTINGS))])
            case Deed.BREAK_CODE:
                self.server.write(EDITION, "raise RuntimeError('broken, as the soak has it')\n")
                self._tell(signal.SIGHUP)
            case Deed.BREAK_SETTINGS:
                self.server.write(CONFIG, "max_requests = 'many'\n")
                self._tell(signal.SIGHUP)
            case Deed.MEND:
                self.mend(SOUND)
            case Deed.MORE:
                self._tell(signal.SIGTTIN)
            case Deed.FEWER:
                self._tell(signal.SIGTTOU)
            case Deed.REEXEC:
                self._tell(signal.SIGUSR2)
            case _:
                assert_never(entry.deed)

    def reload(self, settings: str) -> None:
        """Have another edition of the code, and these settings."""
        self.edition += 1
        self.mend(settings)
        self._tell(signal.SIGHUP)

    def mend(self, settings: str) -> None:
        """Have settings and code in the files that are good: whole ones, at any time."""
        for name, text in ((CONFIG, settings), (EDITION, f"EDITION = {self.edition}\n")):
            os.replace(self.server.write(f"{name}.new", text), self.server.directory / name)

    def story(self) -> str:
        """Return what was done, a line each."""
        return "\n".join(f"  {at:.3f} {what}" for at, what in self.deeds)

    def _note(self, what: str) -> None:
        self.deeds.append((time.monotonic(), what))

    def _tell(self, number: signal.Signals) -> None:
        processes.kill(self.arbiter, number)

    def _signal_one(self, role: str, pick: float, number: signal.Signals) -> int | None:
        """Send a signal to one of this role, whether it boots, serves or drains; return its process id."""
        found = census.with_role(self.server.pid, role)
        if not found:
            return None
        pid = found[int(pick * len(found))]
        title = processes.title(pid)
        processes.kill(pid, number)
        self._note(f"{number.name} to {pid}, {title}")
        return pid

    def _hold(self, role: str, pick: float) -> None:
        pid = self._signal_one(role, pick, signal.SIGSTOP)
        if pid is not None:
            time.sleep(_HELD_S[0] + pick * (_HELD_S[1] - _HELD_S[0]))
            processes.kill(pid, signal.SIGCONT)

    def _kill_worker(self, pick: float) -> None:
        """Kill one, and note which connections it had: it is stopped first, so that they are still the same then."""
        begun_at = time.monotonic()
        pid = self._signal_one("worker", pick, signal.SIGSTOP)
        if pid is not None and _is_stopped(pid):
            self._kill(pid, "worker", client_ports(sockets_of(pid), _table()), begun_at)

    def _kill_listener(self, pick: float) -> None:
        """Kill one, and note which connections nobody else had.

        Those count that are on their way back to it: it is stopped first, and the workers then, for a moment.
        """
        begun_at = time.monotonic()
        pid = self._signal_one("listener", pick, signal.SIGSTOP)
        if pid is None or not _is_stopped(pid):
            return
        workers = census.with_role(self.server.pid, "worker")
        for one in workers:
            processes.kill(one, signal.SIGSTOP)
        stopped = [one for one in workers if _is_stopped(one)]
        others = [*stopped, *(one for one in census.with_role(self.server.pid, "listener") if one != pid)]
        table = _table()
        had = _accepted(table, self.server.address[1]).difference(*map(sockets_of, others))
        self._kill(pid, "listener", client_ports(had, table), begun_at)
        for one in stopped:
            processes.kill(one, signal.SIGCONT)

    def _kill(self, pid: int, role: str, ports: frozenset[int], begun_at: float) -> None:
        processes.kill(pid, signal.SIGKILL)
        left = processes.wait_ended([pid], _END_S)
        assert not left, f"{role} {pid} lives on after KILL"
        self.kills.append(Kill(pid, role, ports, begun_at, time.monotonic()))


def _table() -> str:
    """Return the TCP connections of this machine; proc_pid_net(5)."""
    return Path("/proc/self/net/tcp").read_text(encoding="ascii")


def _accepted(table: str, port: int) -> set[str]:
    """Return the inode numbers of the sockets on the server's side that somebody has accepted, or has listen."""
    lines = [line.split() for line in table.splitlines()[1:]]
    return {words[9] for words in lines if int(words[1].partition(":")[2], 16) == port} - {"0"}


def _is_stopped(pid: int) -> bool:
    """Wait until a process that was sent SIGSTOP has stopped, all threads; False where it has ended instead."""
    until = time.monotonic() + _END_S
    while (found := processes.look_up(pid)) is not None and not found.is_zombie:
        try:
            threads = [_state(Path(f"/proc/{pid}/task/{one}/stat")) for one in os.listdir(f"/proc/{pid}/task")]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if set(threads) == {"T"}:
            return True
        assert time.monotonic() < until, f"{found} does not stop"
    return False


def _state(stat: Path) -> str:
    return stat.read_text(encoding="latin-1").rpartition(")")[2].split()[0]
