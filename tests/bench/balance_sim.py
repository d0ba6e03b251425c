"""Simulate how long requests wait, by what hands them to the workers; no process is started, and no time passes.

Run: python tests/bench/balance_sim.py [--balancer NAME].. [--mix NAME].. [--loads F..] [--workers N] [--capacity N]

Judges balancers by their own code, which is found as `heeler` finds it: so `--balancer` takes the names of
third parties', and `module:function`. Requests come at random (Poisson); one that no worker has room for waits in
one queue, first in first out. Three rows beside them need no balancer: a central queue is the best that can be done
in the order of arrival, and the two others hand out at once and let requests queue at the workers.

A wait is all the time that a request takes beyond its own service: in the queue, and by sharing a processor.
Printed are the median and the 99th percentile. The same arguments give the same table.
"""

import argparse
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, count
from typing import Final

from heeler.plugins.balancer import Balancer, load_balancer
from heeler.plugins.errors import PluginError
from heeler.plugins.registry import find_balancer
from queueing import BrokenBalancer, Plan, Site, balanced, central_queue, eager

OWN: Final = ("least-busy", "random-two", "round-robin", "sticky")
_WARM_UP: Final = 0.1  # the share of requests that come before the queues are as long as they get


@dataclass(frozen=True, slots=True)
class Mix:
    """How long requests take: a draw, its mean, and what the numbers are."""

    title: str
    mean: float
    draw: Callable[[random.Random], float]


MIXES: Final = {
    "exp": Mix("exponential, mean 1", 1.0, lambda rng: rng.expovariate(1.0)),
    "bimodal": Mix("95 % 0.5, 5 % 10.5, mean 1", 1.0, lambda rng: 0.5 if rng.random() < 0.95 else 10.5),
    "web": Mix("95 % 10 ms, 5 % 210 ms", 20.0, lambda rng: 10.0 if rng.random() < 0.95 else 210.0),
}


def make_plan(mix: Mix, rate: float, requests: int, clients: int, rng: random.Random) -> Plan:
    """Draw requests; `rate` of them come in a unit of time, each from any of the clients."""
    arrivals = list(accumulate(rng.expovariate(rate) for _ in range(requests)))
    services = [mix.draw(rng) for _ in range(requests)]
    keys = [b"10.%d.%d.%d" % (n >> 16, n >> 8 & 255, n & 255) for n in (rng.randrange(clients) for _ in arrivals)]
    return Plan(arrivals, services, keys)


def rows(balancers: dict[str, Balancer], site: Site, seed: int) -> dict[str, Callable[[Plan], list[float]]]:
    """Return what is compared: the name of each, and what tells the waits of a plan."""
    turns, rng = count(), random.Random(seed)
    # Each lambda gets the balancer of its own turn of the loop by a default.
    own = {name: lambda plan, one=one: balanced(plan, site, one) for name, one in balancers.items()}
    return {
        "central queue": lambda plan: central_queue(plan, site),
        **own,
        "eager round robin": lambda plan: eager(plan, site, lambda: next(turns) % site.workers),
        "random (reuseport)": lambda plan: eager(plan, site, lambda: rng.randrange(site.workers)),
    }


def cell(waits: Sequence[float]) -> str:
    """Return the median and the 99th percentile as text."""
    ordered = sorted(waits[int(len(waits) * _WARM_UP) :])
    return " / ".join(f"{ordered[int(len(ordered) * share)]:.2f}" for share in (0.5, 0.99))


def table(mix: Mix, options: argparse.Namespace, balancers: dict[str, Balancer]) -> Iterator[str]:
    """Yield the lines of a table in Markdown: a row for each way to hand out, a column for each load."""
    site = Site(options.workers, options.capacity, options.shared)
    found: dict[str, list[str]] = {}
    for load in options.loads:
        rng = random.Random(options.seed)  # the same requests at each load, only closer together
        plan = make_plan(mix, load * site.servers / mix.mean, options.requests, options.clients, rng)
        for name, waits in rows(balancers, site, options.seed).items():
            try:
                found.setdefault(name, []).append(cell(waits(plan)))
            except BrokenBalancer as error:
                raise BrokenBalancer(f"{name} {error}") from None
    heads = [mix.title, *(f"load {load:g}" for load in options.loads)]
    lines = [heads, *([name, *cells] for name, cells in found.items())]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    ruler = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    for line in [heads, ruler, *lines[1:]]:
        rest = [text.rjust(width) for text, width in zip(line[1:], widths[1:], strict=True)]
        yield f"| {' | '.join([line[0].ljust(widths[0]), *rest])} |"


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Simulate how long requests wait, by what hands them to the workers.")
    parser.add_argument("--balancer", action="append", metavar="NAME", help=f"repeatable ({', '.join(OWN)})")
    parser.add_argument(
        "--mix", action="append", choices=MIXES, help="how long requests take; repeatable (exp, bimodal)"
    )
    parser.add_argument("--loads", type=float, nargs="+", metavar="F", default=[0.5, 0.7, 0.8, 0.9])
    parser.add_argument("--workers", type=int, default=8, metavar="N", help="how many workers (8)")
    parser.add_argument("--capacity", type=int, default=1, metavar="N", help="requests that each runs at once (1)")
    parser.add_argument("--shared", action="store_true", help="those of a worker share one processor, as threads do")
    parser.add_argument("--clients", type=int, default=10_000, metavar="N", help="how many keys there are (10000)")
    parser.add_argument("--requests", type=int, default=30_000, metavar="N", help="for each cell (30000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one gives other requests (1)")
    options = parser.parse_args(argv)
    if not all(0 < load < 1 for load in options.loads):
        parser.error("--loads: each is more than 0 and less than 1")
    if min(options.workers, options.capacity, options.clients, options.requests) < 1:
        parser.error("there is at least one worker, request and client, and a capacity of 1")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each mix; return the exit status."""
    options = arguments(argv)
    try:
        balancers = {name: load_balancer(find_balancer(name)) for name in options.balancer or OWN}
        for mix in options.mix or ("exp", "bimodal"):
            print(*table(MIXES[mix], options, balancers), "", sep="\n", flush=True)
    except (PluginError, BrokenBalancer) as error:
        print(f"balance_sim: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
