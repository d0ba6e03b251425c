"""How long requests wait that come at random, whatever the server does, and are served by eight slots."""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from balance_sim import MIXES, make_plan
from loadbench.dispatch_rows import WAITING
from loadbench.load import LoadError
from loadbench.open_loop import OpenLoop, on_processor
from loadbench.parts import NOTHING, Figures, Line, Part, Processors
from loadbench.report import aligned
from loadbench.running import serving
from loadbench.schedule import WARM_UP, Schedule, percentile
from loadbench.servers import Server
from queueing import Plan, Site, central_queue

SLOTS: Final = 8
CONNECTIONS: Final = 64
# How late the load itself may be, at its 99th percentile, before waits say little.
LATE_LIMIT_MS: Final = 2.0
NEW: Final = "new"
KEPT: Final = "kept"
_TITLES: Final = {NEW: "a connection for each request", KEPT: f"{CONNECTIONS} kept connections"}
_MIX: Final = MIXES["web"]


@dataclass(frozen=True, slots=True)
class Waits(Figures):
    """What was found, in milliseconds; `late_p99_ms` is how late the load generator itself was."""

    p50_ms: float
    p99_ms: float
    late_p99_ms: float


def plan_of(load: float, options: argparse.Namespace) -> Plan:
    """Return the requests for a load: the same for each server, in milliseconds."""
    rng = random.Random(options.seed)
    return make_plan(_MIX, load * SLOTS / _MIX.mean, options.requests, 1, rng)


def schedule_of(plan: Plan) -> Schedule:
    """Return the requests as the open loop takes them."""
    return Schedule([at / 1000 for at in plan.arrivals], [took / 1000 for took in plan.services])


def measure(server: Server, condition: str, options: argparse.Namespace, cpus: Processors) -> Waits:
    """Start a server, make all the requests, end it.

    Raises: NotServing, LoadError.
    """
    kind, load = condition.split()
    plan = plan_of(float(load), options)
    schedule = schedule_of(plan)
    with serving(server, cpus[0]) as target, on_processor(cpus[1]):
        connections = CONNECTIONS if kind == KEPT else 0
        OpenLoop(("127.0.0.1", target.port), schedule, connections, random.Random(1)).run(plan.arrivals[-1] / 1000)
    try:
        found = schedule.summary()
    except ValueError as error:
        raise LoadError(str(error)) from error
    # Others may well have had the processor: it shows in how late requests were made.
    return Waits(found.errors, 0.0, found.p50_s * 1000, found.p99_s * 1000, found.late_p99_s * 1000)


def simulated(plan: Plan) -> str:
    """Return the waits of the same requests in one queue, handed out in no time."""
    waits = sorted(central_queue(plan, Site(SLOTS))[int(len(plan.arrivals) * WARM_UP) :])
    return f"{percentile(waits, 0.5):.1f} / {percentile(waits, 0.99):.1f}"


def conditions(_server: Server, options: argparse.Namespace) -> tuple[str, ...]:
    """Return each kind of connections at each load."""
    return tuple(f"{kind} {load:g}" for kind in _TITLES for load in options.loads)


def cells(line: Line, kind: str, loads: Sequence[float]) -> list[str]:
    """Return the figures as text."""
    each = [line.found(f"{kind} {load:g}", Waits) for load in loads]
    waits = [f"{found.p50_ms:.1f} / {found.p99_ms:.1f}" if found else NOTHING for found in each]
    known = [found for found in each if found]
    if not known:
        return [*waits, "", ""]
    return [*waits, f"{max(found.late_p99_ms for found in known):.1f}", str(sum(found.errors for found in known))]


def lateness(lines: Sequence[Line], options: argparse.Namespace) -> float:
    """Return how late the load was at worst, if that is too much, in milliseconds; else 0."""
    found = [line.found(one, Waits) for line in lines for one in conditions(line.row.server, options)]
    worst = max((one.late_p99_ms for one in found if one), default=0.0)
    return worst if worst > LATE_LIMIT_MS else 0.0


def tables(lines: Sequence[Line], options: argparse.Namespace) -> Iterator[str]:
    """Yield a table for each kind of connections."""
    loads: list[float] = options.loads
    central = ["central queue, simulated", NOTHING, *(simulated(plan_of(load, options)) for load in loads), "", ""]
    heads = ("server", "version", *(f"load {load:g}" for load in loads), "late p99", "errors")
    for kind, title in _TITLES.items():
        yield f"Waits in ms, p50 / p99: {_MIX.title}, on {SLOTS} slots, {options.requests:,} requests, {title}"
        yield aligned([heads, central, *(line.heads() + cells(line, kind, loads) for line in lines)])
    if late := lateness(lines, options):
        yield f"NOISY: the load was {late:.0f} ms late at its p99, which counts as waiting; measure on a quiet machine"


PART: Final = Part("waiting", WAITING, 1, conditions, measure, tables)
