"""What happens to a server while it is under load, each a line of `HAPPENINGS`: adding one is adding a line here.

Each waits by the server's log until it is over. It knows the server, and not what is made of the load.
"""

import os
import re
import signal
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.server import Server
from loadbench.steady_load import Span, SteadyLoad

CONFIG: Final = "heeler.conf.py"
_WAIT_S: Final = 60.0


@dataclass(slots=True)
class Scene:
    """A server, the load it is under, and what is known of those that were killed.

    Args:
        server: has `CONFIG`, empty, in its folder.
        load: asks it.
        calm: how many answers make an ordinary time, which comes after each thing that happens.
        settings: what is in `CONFIG` now.
    """

    server: Server
    load: SteadyLoad
    calm: int = 100
    settings: str = ""
    killed: dict[int, frozenset[int]] = field(default_factory=dict)
    """The clients' ports of the connections that a worker had when it was killed, by its process id."""
    successors: list[int] = field(default_factory=list)
    """The arbiters that took the place of the first one, one after another."""

    def end(self) -> None:
        """Stop the last arbiter, where it is not the first, which whoever has started the server stops."""
        for pid in self.successors:
            processes.kill(pid, signal.SIGTERM)
        left = processes.wait_ended(self.successors, _WAIT_S)
        assert not left, f"still running {_WAIT_S:g} s after TERM: {left}"
        for pid in self.successors:
            processes.reap(pid)

    def wait_for(self, *phrases: str, start: int, count: int = 1) -> None:
        """Wait until each of `phrases` stands in the log, from `start` on."""
        for phrase in phrases:
            self.server.wait_for_log(phrase, count, start=start, timeout_s=_WAIT_S)


@dataclass(frozen=True, slots=True)
class Happening:
    """One of them.

    Args:
        name: what tables call it.
        once: makes it happen, and returns when it is over.
        settings: what is in `CONFIG` meanwhile.
    """

    name: str
    once: Callable[[Scene], None]
    settings: str = ""


def _nothing(scene: Scene) -> None:
    scene.load.go_on(scene.calm)


def _reload(scene: Scene) -> None:
    start = scene.server.log_size()
    scene.server.signal(signal.SIGHUP)
    scene.wait_for("reload done", start=start)


def _resize(scene: Scene) -> None:
    start = scene.server.log_size()
    scene.server.signal(signal.SIGTTOU)
    scene.wait_for("worker exited", start=start)
    scene.server.signal(signal.SIGTTIN)
    scene.wait_for("worker ready", start=start)


def _stop_one(scene: Scene) -> None:
    start, pid = scene.server.log_size(), scene.server.worker_pids()[0]
    os.kill(pid, signal.SIGTERM)
    scene.wait_for(f"pid={pid} how=", "worker ready", start=start)


def _kill_one(scene: Scene) -> None:
    start, pid = scene.server.log_size(), scene.server.worker_pids()[0]
    os.kill(pid, signal.SIGSTOP)  # so that it has the same connections when it is looked at and when it dies
    wait_stopped(pid)
    inodes, table = sockets_of(pid), Path(f"/proc/{pid}/net/tcp").read_text()
    os.kill(pid, signal.SIGKILL)
    scene.killed[pid] = client_ports(inodes, table)
    scene.wait_for(f"pid={pid} how=", "worker ready", start=start)


def _recycle(scene: Scene) -> None:
    start = scene.server.log_size()
    scene.wait_for("worker retires", "worker exited", start=start, count=2)


def _reexec(scene: Scene) -> None:
    start = scene.server.log_size()
    os.kill(scene.successors[-1] if scene.successors else scene.server.pid, signal.SIGUSR2)
    scene.wait_for("stopping how=handed_over", start=start)
    found = re.search(r"successor started pid=(\d+)", scene.server.log(start))
    assert found is not None, "an arbiter has handed over to nobody"
    scene.successors.append(int(found[1]))


HAPPENINGS: Final = (
    Happening("nothing", _nothing),
    Happening("HUP", _reload),
    Happening("TTOU, TTIN", _resize),
    Happening("TERM of a worker", _stop_one),
    Happening("KILL of a worker", _kill_one),
    Happening("max_requests", _recycle, "max_requests = 20\nmax_requests_jitter = 20\n"),
    # Which each worker is above as soon as it is there.
    Happening("max_worker_memory", _recycle, "max_worker_memory = '1M'\nmin_worker_lifetime = 0.3\n"),
    Happening("USR2", _reexec),  # the last: the others are told to the first arbiter
)


def happen(happening: Happening, scene: Scene, times: int = 2) -> Span:
    """Make it happen so many times, with ordinary times in between, and return what came of the requests.

    Blocking: until it is over, and what was begun by then is answered or lost.
    """
    if happening.settings != scene.settings:
        scene.settings = happening.settings
        scene.server.write(CONFIG, scene.settings)
        _reload(scene)
    begin = time.monotonic()
    for _ in range(times):
        happening.once(scene)
        scene.load.go_on(scene.calm)
    end = time.monotonic()
    scene.load.settle(end)
    return Span.of(scene.load, begin, end, frozenset().union(*scene.killed.values()))


def wait_stopped(pid: int) -> None:
    """Wait until `pid`, which was sent SIGSTOP, has stopped."""
    until = time.monotonic() + _WAIT_S
    while (found := processes.look_up(pid)) is not None and found.state != "T":
        assert time.monotonic() < until, f"{found} does not stop"


def sockets_of(pid: int) -> set[str]:
    """Return the inode numbers of the sockets that a process has."""
    names = processes.open_descriptors(pid).values()
    return {name[len("socket:[") : -1] for name in names if name.startswith("socket:[")}


def client_ports(inodes: Collection[str], table: str) -> frozenset[int]:
    """Return the ports of the clients whose connections are among `inodes`.

    Args:
        inodes: of sockets.
        table: the text of /proc/PID/net/tcp; proc_pid_net(5).
    """
    lines = [line.split() for line in table.splitlines()[1:]]
    return frozenset(int(words[2].partition(":")[2], 16) for words in lines if words[9] in inodes) - {0}


def running(notes: Path, pid: int) -> set[str]:
    """Return the paths of the requests that the application in `pid` has noted as begun, and not as ended."""
    lines = [line.split() for line in notes.read_text().splitlines()]
    mine = [(what, path) for what, whose, path in lines if whose == str(pid)]
    return {path for what, path in mine if what == "begun"} - {path for what, path in mine if what == "ended"}
