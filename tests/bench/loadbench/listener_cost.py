"""What it costs to hand out: the processor time that the listener and the workers take for a request of hello."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from loadbench import load, processes
from loadbench.dispatch_rows import LISTENING
from loadbench.measure import WARM_UP_S, Watch
from loadbench.parts import NOTHING, Figures, Line, Part, Processors
from loadbench.report import aligned
from loadbench.running import LISTENER, serving
from loadbench.servers import Server

KEPT: Final = "curl"
_TITLES: Final = {KEPT: "kept connections", load.NEW: "a connection for each request"}
_HEADS: Final = ("listener µs/req", "workers µs/req", "all µs/req", "all / kernel's", "req/s", "noise", "errors")


@dataclass(frozen=True, slots=True)
class Cost(Figures):
    """What was found: microseconds of processor time for a request, and requests per second."""

    listener_us: float
    workers_us: float
    all_us: float
    per_second: float


def spent(root: int) -> dict[str, float]:
    """Return the seconds of processor time that each kind of process under `root` has used."""
    of = {"listener": processes.titled(root, LISTENER), "workers": processes.titled(root, "heeler: worker")}
    return {name: sum(stat.ticks for stat in stats) / processes.TICKS_PER_SECOND for name, stats in of.items()}


def measure(server: Server, condition: str, options: argparse.Namespace, cpus: Processors) -> Cost:
    """Start a server, load it by sixteen clients, end it.

    Raises: NotServing, LoadError.
    """
    with serving(server, cpus[0]) as target:
        load.warm_up(target.port, condition, WARM_UP_S, cpus[1])
        watch, before = Watch(target.pid, cpus), spent(target.pid)
        result = load.run(target.port, condition, options.seconds, cpus[1])
        (used_s, noise_s), after = watch.used(), spent(target.pid)
    if not result.requests:
        raise load.LoadError("not one request was answered")
    return Cost(
        errors=result.errors,
        noise=noise_s / result.seconds,
        listener_us=(after["listener"] - before["listener"]) / result.requests * 1e6,
        workers_us=(after["workers"] - before["workers"]) / result.requests * 1e6,
        all_us=used_s / result.requests * 1e6,
        per_second=result.per_second,
    )


def conditions(server: Server, _options: argparse.Namespace) -> tuple[str, ...]:
    """Return the kinds of load: where connections are handed out, those that are kept cost the listener nothing."""
    return (load.NEW,) if "--dispatch connection" in server.command else (KEPT, load.NEW)


def cells(found: Cost | None, kernel: Cost | None) -> list[str]:
    """Return the figures as text; the ratio is to the row of `--dispatch kernel`."""
    if found is None:
        return [NOTHING, *[""] * (len(_HEADS) - 1)]
    return [
        *(f"{time_us:.1f}" for time_us in (found.listener_us, found.workers_us, found.all_us)),
        f"{found.all_us / kernel.all_us:.2f}" if kernel and kernel.all_us else "",
        f"{found.per_second:,.0f}",
        f"{found.noise:.0%}",
        str(found.errors),
    ]


def tables(lines: Sequence[Line], options: argparse.Namespace) -> Iterator[str]:
    """Yield a table for each kind of load."""
    for condition, title in _TITLES.items():
        members = [line for line in lines if condition in conditions(line.row.server, options)]
        kernel = next((line.found(condition, Cost) for line in members if line.row.server == LISTENING[0]), None)
        found = [line.heads() + cells(line.found(condition, Cost), kernel) for line in members]
        yield f"What handing out costs: hello, 4 workers of class sync, {title}"
        yield aligned([("server", "version", *_HEADS), *found])


PART: Final = Part("listener", LISTENING, 3, conditions, measure, tables)
