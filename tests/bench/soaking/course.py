"""The course of a soak of one server, from its start to its end, and what was found.

Load and warmth, a look; everything at once; the same load and warmth, another look, which must be like the first.
"""

import os
import re
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.server import Server
from heeler.plugins.exit_status import ExitStatus
from loadbench.environment import APPS
from loadbench.happenings import CONFIG
from loadbench.steady_load import SteadyLoad
from soaking import census
from soaking.books import Balance, Notes, balance
from soaking.census import Shape
from soaking.disturbance import EDITION, PIDFILE, QUIET, SOUND, Disturbance
from soaking.plan import Deed, plan

WORDS: Final = {
    "sync": ("-w", "6", "tells_who:app"),
    "thread": ("-w", "3", "--threads", "3", "tells_who:app"),
    "gevent": ("-w", "3", "tells_who:app"),
    "eventlet": ("-w", "3", "tells_who:app"),
    "asyncio": ("-w", "3", "tells_who:asgi_app"),
}
"""What a class is started with: so many that somebody serves whoever is away."""

PSS_SHARE: Final = 0.05
PSS_KIB: Final = 2048
"""By how much the memory of all may have grown: a share, and KiB. Each process is a new one by then, as it was."""
ARBITER_KIB: Final = 1024
"""By how much the resident memory of the last arbiter may grow from the middle to the end."""
CALM_S: Final = 20.0
_WAIT_S: Final = 60.0
_WARM: Final = 150
_MANY: Final = 1_000_000
"""More than a load asks: each begins with numbers of its own."""
_ENV: Final = {
    "PYTHONPATH": str(APPS),
    "BOOT_MS": "200",
    "SERVICE_MS": "20",
    "NOTES": "notes",
    "TMPDIR": "tmp",
    "PYTHONDONTWRITEBYTECODE": "1",  # two editions may be of the same second and length
}


@dataclass(slots=True)
class Found:
    """What came of one server."""

    name: str
    answered: int = 0
    done: Counter[Deed] = field(default_factory=Counter)
    killed: int = 0
    lost: int = 0
    longest_s: float = 0.0
    balance: Balance = field(default_factory=lambda: Balance(0, 0, 0, 0, ()))
    pss_kib: tuple[int, int] = (0, 0)
    arbiter_kib: tuple[int, int] = (0, 0)
    faults: list[str] = field(default_factory=list)


class Course:
    """A soak of one server.

    Args:
        worker_class: one of `WORDS`.
        seconds: how long things happen to it.
        seed: by which they are chosen.
    """

    def __init__(self, worker_class: str, dispatch: str, seconds: float, seed: int) -> None:
        self.found = Found(f"{worker_class}-{dispatch}")
        self._seconds = seconds
        self._dispatch = dispatch
        has_listener = dispatch in ("connection", "request")
        self._plan = plan(f"{seed} {self.found.name}", seconds, has_listener=has_listener)
        args = ("-k", worker_class, "--dispatch", dispatch, "--pid", PIDFILE, "--boot-timeout", "20")
        files = {CONFIG: QUIET, EDITION: "EDITION = 1\n", "tmp/.keep": ""}
        # The arbiters end with what `_end` looks at, and broken code has tracebacks.
        self._workers = int(WORDS[worker_class][1])
        self._server = Server(
            None, *args, *WORDS[worker_class], env=_ENV, files=files, tracebacks=True, exit_status=None
        )
        self._temporary = self._server.directory / "tmp"
        self._disturbance = Disturbance(self._server)
        self._strangers = census.shared_names()
        self._is_under_way = True
        self._weighed = 0
        self._loads = 0
        self._editions: dict[str, bytes] = {}
        """The edition that has answered a request, by path."""

    def run(self) -> Found:
        """Return what was found.

        Blocking: for `seconds`, and about ten more; each wait has a deadline.
        """
        try:
            with self._server:
                self._soak()
                assert not self.found.faults, "the log of this server is kept"
        except (AssertionError, OSError) as error:
            notes = "".join(getattr(error, "__notes__", ())).partition("\n")[0]
            self.found.faults.append(f"{error} {notes}\n{self._disturbance.story()}")
        return self.found

    def _soak(self) -> None:
        found = self.found
        self._wait_for_log("worker ready", self._workers)
        self._reach_most_workers()
        self._heal()  # the first reload has its price in memory, once
        self._warm()
        before, pss = self._look(None)
        load = self._disturb()
        self._heal()
        first = self._warm()
        stale = {path: one for path, one in self._editions.items() if int(path[1:]) >= first}
        if set(stale.values()) != {b"%d" % self._disturbance.edition}:
            found.faults.append(f"answered by {set(stale.values())} after a reload to {self._disturbance.edition}")
        after, left_kib = self._look(before)
        found.pss_kib = (pss, left_kib)
        found.faults += before.differences(after)
        if found.pss_kib[1] > pss * (1 + PSS_SHARE) + PSS_KIB:
            found.faults.append(f"{found.pss_kib[1]} KiB of memory in all, {pss} at the start")
        arbiter = self._disturbance.arbiter
        found.arbiter_kib = (found.arbiter_kib[0], processes.memory_kib(arbiter, "Rss"))
        # In the middle the last one may not have been there yet, on a machine that is busy with other things.
        if arbiter == self._weighed and found.arbiter_kib[1] > found.arbiter_kib[0] + ARBITER_KIB:
            found.faults.append(f"the arbiter has grown from {found.arbiter_kib[0]} to {found.arbiter_kib[1]} KiB")
        self._end(arbiter)
        self._close_books(load)

    # -- the steps

    def _reach_most_workers(self) -> None:
        """Have as many as there may be at most, once: the socket of a slot stays when the slot is vacant again."""
        # A reload in between takes back what was fewer, and not what is to be more.
        most = sum(entry.deed is Deed.MORE for entry in self._plan)
        if self._dispatch == "reuseport":
            for number in range(1, most + 1):
                start = self._server.log_size()
                processes.kill(self._disturbance.arbiter, signal.SIGTTIN)
                self._wait_for_log(f"workers changed workers={self._workers + number}", start=start)

    def _disturb(self) -> SteadyLoad:
        """Do all of the plan, under load; return the load, which has ended."""
        disturbance, begun_at = self._disturbance, time.monotonic()
        end, middle = begun_at + self._seconds, begun_at + self._seconds * 0.6
        with SteadyLoad(self._server.address, first=self._first(), is_answer=self._take) as load:
            disturbance.reload(SOUND)
            for entry in self._plan:
                time.sleep(max(0.0, min(begun_at + entry.at_s, end) - time.monotonic()))
                if time.monotonic() >= middle and not self._weighed:
                    self._weigh_arbiter()
                disturbance.do(entry)
                self.found.done[entry.deed] += 1
            time.sleep(max(0.0, end - time.monotonic()))
            if not self._weighed:
                self._weigh_arbiter()
        self.found.killed = len(disturbance.kills)
        return load

    def _weigh_arbiter(self) -> None:
        self._weighed = self._disturbance.arbiter
        self.found.arbiter_kib = (processes.memory_kib(self._weighed, "Rss"), 0)

    def _heal(self) -> None:
        """Have what is broken mended, and as many workers as at the start, all of them new."""
        self._wait("one arbiter", lambda: self._arbiters() == [self._disturbance.arbiter])
        start = self._server.log_size()
        self._disturbance.reload(QUIET)
        self._wait("a reload", lambda: re.search(r" reload generation=\d+", self._server.log(start)) is not None)
        (generation,) = re.findall(r" reload generation=(\d+)", self._server.log(start))
        self._wait_for_log(f"reload done generation={generation}", start=start)

    def _arbiters(self) -> list[int]:
        """Return the arbiters, and whatever else is no worker and no listener; those that have ended are reaped."""
        us = os.getpid()
        for one in census.family(self._server.pid):
            if one.is_zombie and one.parent == us:
                self._reap(one.pid)
        family = [one.pid for one in census.family(self._server.pid) if not one.is_zombie]
        return [pid for pid in family if census.role_of(pid) not in ("worker", "listener")]

    def _reap(self, pid: int) -> None:
        """Look at the exit status of an arbiter that has ended."""
        is_first = pid == self._server.pid
        # Not the server's own `wait`, which waits for the end of its log, too: its successor writes there.
        status = self._server._popen.wait() if is_first else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        # A worker may have been killed while its arbiter, which had handed over, ended.
        if status not in ((0, ExitStatus.FORCED) if self._is_under_way else (0,)):
            self.found.faults.append(f"arbiter {pid} has ended with status {status}")

    def _warm(self) -> int:
        """Have a while without disturbance, which makes of each process what it is in use.

        Returns:
            The number of its first request.
        """
        first = self._first()
        with SteadyLoad(self._server.address, first=first, is_answer=self._take) as load:
            load.go_on(_WARM, _WAIT_S)
        if load.losses:
            self.found.faults.append(f"lost while nothing happened: {load.losses}")
        return first

    def _look(self, wanted: Shape | None) -> tuple[Shape, int]:
        """Wait until nothing moves any more, or all is as it was; return what there is, and the memory it takes.

        A worker that happens to have had no request has not opened all that it will: there is another load then.
        """
        until, before = time.monotonic() + CALM_S, None
        again_at = time.monotonic() + CALM_S / 4
        while True:
            self._arbiters()
            shape = census.shape_of(self._server.pid, self._temporary, self._strangers)
            now = time.monotonic()
            if shape == (wanted or before) or now >= until:
                return shape, census.pss_kib(self._server.pid)
            if now >= again_at:
                self._warm()
                again_at = time.monotonic() + CALM_S / 4
            before = shape
            time.sleep(0.3)

    def _end(self, arbiter: int) -> None:
        self._is_under_way = False
        self.found.answered = len(self._editions)
        processes.kill(arbiter, signal.SIGTERM)
        left = processes.wait_ended([arbiter], _WAIT_S)
        assert not left, f"arbiter {left} still runs {_WAIT_S:g} s after TERM"
        self._reap(arbiter)

    def _close_books(self, load: SteadyLoad) -> None:
        notes = Notes.read((self._server.directory / "notes").read_text(encoding="ascii"))
        answered = [one.path for one in load.answers]
        self.found.lost, self.found.longest_s = len(load.losses), max(one.took_s for one in load.answers)
        self.found.balance = balance(answered, load.losses, self._disturbance.kills, notes, self._server.log())
        self.found.faults += self.found.balance.faults

    # -- helpers

    def _first(self) -> int:
        """Return the number of the first request of another load."""
        self._loads += 1
        return self._loads * _MANY

    def _take(self, path: str, body: bytes) -> bool:
        """Take in an answer; say whether it is that of this request, and whole."""
        line = body.partition(b"\n")[0] + b"\n"
        words = line.split()
        if len(words) != 3 or words[0] != path.encode() or body != line * (len(body) // len(line)):
            return False
        self._editions[path] = words[1]
        return True

    def _wait_for_log(self, phrase: str, count: int = 1, *, start: int = 0) -> None:
        self._server.wait_for_log(phrase, count, start=start, timeout_s=_WAIT_S)

    def _wait(self, what: str, is_so: Callable[[], bool]) -> None:
        until = time.monotonic() + _WAIT_S
        while not is_so():
            family = [processes.title(one.pid) for one in census.family(self._server.pid)]
            assert time.monotonic() < until, f"no {what} in {_WAIT_S:g} s: {family}\n{self._server.log()[-4000:]}"
            time.sleep(0.1)
