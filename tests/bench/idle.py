"""Measure what idle connections cost: the memory of each, and how long other requests take beside 10,000 of them.

Run: python tests/bench/idle.py [--only NAME,..] [--count N] [--seconds S]

One worker of each class of Heeler, and of a few peers, holds connections that were served once and are silent since.
Memory is the growth of the proportional set size of the server's process tree, and idle CPU what that uses while nobody
asks for anything; where a listener keeps the connections, its part of both is told, too. Latency is that of requests
made one after the other, half of them on new connections; `before` is the same without the idle ones, which tells how
noisy it is.
"""

import argparse
import fcntl
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Self

from bench import chosen, prepare, processors
from loadbench import environment, processes
from loadbench.environment import EnvironmentUnfit, say
from loadbench.idle_connections import Idle, descriptors, latencies
from loadbench.report import Row
from loadbench.running import LISTENER, NotServing, serving

# What a server needs to hold as many connections for as long.
_OURS = "--worker-connections {count} --keep-alive 300 --backlog 4096"
_GUNICORN = "--worker-connections {count} --keep-alive 300"
OPTIONS = {
    "heeler-sync": _OURS,
    "heeler-thread": _OURS,
    "heeler-sync-request": _OURS,
    "heeler-thread-request": _OURS,
    "heeler-gevent": _OURS,
    "heeler-eventlet": _OURS,
    "heeler-asyncio": _OURS,
    "heeler-plain-loop": _OURS,
    "uvicorn": "--timeout-keep-alive 300",
    "granian-asgi": "--backpressure {count}",
    "gunicorn-gthread": _GUNICORN,
    "gunicorn-gevent": _GUNICORN,
    "gunicorn-eventlet": _GUNICORN,
}
BASELINE_S = 1.0
IDLE_S = 5.0
HEADS = (
    *("server", "version", "KiB each", "of it listener", "idle CPU ms/s", "of it listener"),
    *("lost", "median ms", "worst ms", "median before", "worst before"),
)


@dataclass(frozen=True, slots=True)
class Used:
    """What a server has used, or a part of it has: memory and processor time, all its processes or the listener."""

    all_kib: float
    listener_kib: float
    all_s: float
    listener_s: float

    @classmethod
    def now(cls, pid: int) -> Self:
        """Return what the tree under `pid` has used up to now."""
        listeners = processes.titled(pid, LISTENER)
        return cls(
            processes.pss_kib(pid),
            sum(processes.pss_kib_of(stat) for stat in listeners),
            processes.cpu_seconds(pid),
            sum(stat.ticks for stat in listeners) / processes.TICKS_PER_SECOND,
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured of one server; times in seconds, `idle_s` of processor time for each second of silence."""

    kib_each: float
    listener_kib_each: float
    idle_s: float
    listener_idle_s: float
    lost: int
    before_s: list[float]
    beside_s: list[float]

    def cells(self) -> list[str]:
        """Return its figures as text."""
        times = [f"{of(took) * 1000:.2f}" for took in (self.beside_s, self.before_s) for of in (median, max)]
        kib = [f"{of:.2f}" for of in (self.kib_each, self.listener_kib_each)]
        return [*kib, *(f"{of * 1000:.1f}" for of in (self.idle_s, self.listener_idle_s)), str(self.lost), *times]


def measure(row: Row, count: int, seconds: float) -> Found:
    """Start a server, hold `count` idle connections to it, end it.

    Raises: NotServing, OSError.
    """
    options = OPTIONS[row.server.name].format(count=count + count // 5)
    server = replace(row.server, command=f"{row.server.command} {options}")
    with serving(server, processors()[0]) as target:
        address = ("127.0.0.1", target.port)
        before_s = latencies(address, BASELINE_S)
        before = Used.now(target.pid)
        with Idle(address, count) as idle:
            full = Used.now(target.pid)
            time.sleep(IDLE_S)
            rested = Used.now(target.pid)
            beside_s = latencies(address, seconds)
            return Found(
                (full.all_kib - before.all_kib) / count,
                (full.listener_kib - before.listener_kib) / count,
                (rested.all_s - full.all_s) / IDLE_S,
                (rested.listener_s - full.listener_s) / IDLE_S,
                idle.lost(),
                before_s,
                beside_s,
            )


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Measure what idle connections cost.")
    parser.add_argument("--only", metavar="NAME,..", default=",".join(OPTIONS), help=f"of: {', '.join(OPTIONS)}")
    parser.add_argument("--count", type=int, default=10_000, help="how many connections (10000)")
    parser.add_argument("--seconds", type=float, default=5.0, help="how long others make requests (5)")
    options = parser.parse_args(argv)
    if unknown := set(options.only.split(",")) - set(OPTIONS):
        parser.error(f"--only: no row is named {', '.join(sorted(unknown))}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the rows one after the other and print a table; return the exit status."""
    options = arguments(argv)
    environment.HOME.mkdir(exist_ok=True)
    lines = [HEADS, ("---", "---", *["---:"] * (len(HEADS) - 2))]
    with (environment.HOME / "lock").open("w") as lock, descriptors(2 * options.count):
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            rows = prepare(chosen(options.only))
        except EnvironmentUnfit as error:
            say(str(error))
            return 2
        for row in rows:
            try:
                if row.failure:
                    raise NotServing(row.failure)
                found = measure(row, options.count, options.seconds).cells()
            except (NotServing, OSError) as error:
                say(f"{row.server.name}: {error}")
                found = ["-"] * (len(HEADS) - 2)
            lines.append((row.server.name, row.version, *found))
            say("  ".join(lines[-1]))
    print("\n".join(f"| {' | '.join(line)} |" for line in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
