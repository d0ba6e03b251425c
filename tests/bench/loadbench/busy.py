"""How long quick requests take, and how many there are, while others keep three of four workers busy.

The slow clients are there first. Where they keep their connections, the quick ones may be lucky for good, and connect
to the worker that is left; where they do not, any worker may become the busy one.
"""

import argparse
import math
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadbench import load
from loadbench.dispatch_rows import BUSY
from loadbench.measure import WARM_UP_S, Watch
from loadbench.parts import NOTHING, Figures, Line, Part, Processors
from loadbench.report import aligned
from loadbench.running import serving
from loadbench.servers import Server

SLOW: Final = 3
SLOW_MS: Final = 100
# How the slow clients ask: the conditions, and what the tables say of them.
_TITLES: Final = {"curl": "the slow ones on kept connections", load.NEW: "the slow ones each time on a new connection"}
_HEADS: Final = ("req/s", "of them slow", "p50 ms", "p90 ms", "p99 ms", "worst ms", "CPU", "noise", "errors")


@dataclass(frozen=True, slots=True)
class Busy(Figures):
    """What was found; the latencies, in microseconds, are those of the quick requests.

    Args:
        per_second: requests per second, slow ones among them.
        slow_per_second: the slow ones alone.
        cpu_share: CPU time of the server over the time that passed.
    """

    per_second: float
    slow_per_second: float
    p50_us: float
    p90_us: float
    p99_us: float
    max_us: float
    cpu_share: float


def measure(server: Server, condition: str, options: argparse.Namespace, cpus: Processors) -> Busy:
    """Start a server, have three clients ask for 100 ms of work without pause, and sixteen for none; end it.

    Raises: NotServing, LoadError.
    """
    # A server of several processes, one of them a listener, on one processor would be measured at nobody's use of it.
    everywhere = ",".join(str(cpu) for cpu in sorted(set(cpus)))
    with serving(server, everywhere) as target:
        # The slow ones begin before the warm-up, and end last.
        lasts_s = math.ceil(WARM_UP_S + options.seconds) + 1
        url = f"http://127.0.0.1:{target.port}/?ms={SLOW_MS}"
        command = ["taskset", "-c", everywhere, *load.wrk(url, condition, lasts_s, SLOW)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as others:
            try:
                load.warm_up(target.port, "curl", WARM_UP_S, everywhere)
                watch = Watch(target.pid, cpus)
                quick = load.run(target.port, "curl", options.seconds, everywhere)
                used_s, noise_s = watch.used()
                slow = load.parse(others.communicate(timeout=lasts_s + 15)[0])
            except subprocess.TimeoutExpired as error:
                raise load.LoadError("the slow clients did not end") from error
            finally:
                others.kill()
    if not quick.requests:
        raise load.LoadError("not one quick request was answered")
    return Busy(
        errors=quick.errors + slow.errors,
        noise=noise_s / quick.seconds,
        per_second=quick.per_second + slow.per_second,
        slow_per_second=slow.per_second,
        p50_us=quick.p50_us,
        p90_us=quick.p90_us,
        p99_us=quick.p99_us,
        max_us=quick.max_us,
        cpu_share=used_s / quick.seconds,
    )


def cells(found: Busy | None) -> list[str]:
    """Return the figures as text."""
    if found is None:
        return [NOTHING, *[""] * (len(_HEADS) - 1)]
    times = (found.p50_us, found.p90_us, found.p99_us, found.max_us)
    return [
        f"{found.per_second:,.0f}",
        f"{found.slow_per_second:.1f}",
        *(f"{time_us / 1000:.2f}" for time_us in times),
        f"{found.cpu_share:.0%}",
        f"{found.noise:.0%}",
        str(found.errors),
    ]


def tables(lines: Sequence[Line], _options: argparse.Namespace) -> Iterator[str]:
    """Yield a table for each kind of slow clients."""
    for condition, title in _TITLES.items():
        yield f"4 workers, 3 clients of 100 ms and 16 of hello, all without pause, {title}"
        found = [line.heads() + cells(line.found(condition, Busy)) for line in lines]
        yield aligned([("server", "version", *_HEADS), *found])


PART: Final = Part("busy", BUSY, 3, lambda _server, _options: tuple(_TITLES), measure, tables)
