"""Measure what idle connections cost: the memory of each, and how long other requests take beside 10,000 of them.

Run: python tests/bench/idle.py [--only NAME,..] [--count N] [--seconds S]

One worker of each class of Heeler, and of a few peers, holds connections that were served once and are silent since.
Memory is the growth of the proportional set size of the server's process tree, latency that of requests made one after
the other, half of them on new connections; `before` is the same without the idle ones, which tells how noisy it is.
"""

import argparse
import fcntl
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from bench import chosen, prepare, processors
from loadbench import environment, processes
from loadbench.environment import EnvironmentUnfit, say
from loadbench.idle_connections import Idle, descriptors, latencies
from loadbench.report import Row
from loadbench.running import NotServing, serving

# What a server needs to hold as many connections for as long.
_OURS = "--worker-connections {count} --keep-alive 300 --backlog 4096"
_GUNICORN = "--worker-connections {count} --keep-alive 300"
OPTIONS = {
    "heeler-sync": _OURS,
    "heeler-thread": _OURS,
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
HEADS = ("server", "version", "KiB each", "lost", "median ms", "worst ms", "median before", "worst before")


@dataclass(frozen=True, slots=True)
class Found:
    """What was measured of one server; latencies in seconds."""

    kib_each: float
    lost: int
    before_s: list[float]
    beside_s: list[float]

    def cells(self) -> list[str]:
        """Return its figures as text."""
        times = [f"{of(took) * 1000:.2f}" for took in (self.beside_s, self.before_s) for of in (median, max)]
        return [f"{self.kib_each:.2f}", str(self.lost), *times]


def measure(row: Row, count: int, seconds: float) -> Found:
    """Start a server, hold `count` idle connections to it, end it.

    Raises: NotServing, OSError.
    """
    options = OPTIONS[row.server.name].format(count=count + count // 5)
    server = replace(row.server, command=f"{row.server.command} {options}")
    with serving(server, processors()[0]) as target:
        address = ("127.0.0.1", target.port)
        before_s = latencies(address, BASELINE_S)
        before_kib = processes.pss_kib(target.pid)
        with Idle(address, count) as idle:
            grown_kib = processes.pss_kib(target.pid) - before_kib
            beside_s = latencies(address, seconds)
            return Found(grown_kib / count, idle.lost(), before_s, beside_s)


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
