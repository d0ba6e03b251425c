"""Soak: have everything happen to servers at once, by chance, and prove that what was lost is what was killed.

Run: python tests/bench/soak.py [--seconds N] [--seed N] [--only NAME,..] [--side-by-side N]

Each worker class with each dispatch in its turn, two side by side, shares the time. Under load workers are killed,
ended, stopped and continued, listeners are killed, good code and settings are reloaded and broken ones, workers become
more and fewer, another arbiter comes, and `max_requests` replaces workers all the while: at times that the seed
chooses, none waiting for the end of another. Every answer must be that of its request. What was lost must be what was
killed in flight (soaking/books.py), and descriptors, processes, memory, shared memory and files must be at the end
what they were at the start (soaking/census.py). A fault ends it with status 1.
"""

import argparse
import concurrent.futures
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from typing import Final, NoReturn

from heeler.plugins.conformance import processes
from soaking.course import WORDS, Course, Found
from soaking.plan import Deed

SECONDS: Final = 300.0
DISPATCHES: Final = ("kernel", "reuseport", "connection", "request")
NAMES: Final = tuple(f"{name}-{dispatch}" for name in WORDS for dispatch in DISPATCHES)
OVERHEAD_S: Final = 12.0
"""What a server takes of its share for its start, its end, and the looks before and after."""
_LEAST_S: Final = 5.0
_HEADS: Final = (
    "server",
    "answered",
    "events",
    "killed",
    "lost",
    "= running",
    "+ sent",
    "+ unwritten",
    "+ parked",
    "longest, s",
    "PSS, MiB",
    "arbiter's RSS, MiB",
    "faults",
)


def cells(found: Found) -> list[str]:
    """Return a row of the table, in the order of its heads."""
    sums = found.balance
    parts = (sums.running, sums.unbegun, sums.unwritten, sums.parked)
    pairs = [" to ".join(f"{kib / 1024:.1f}" for kib in pair) for pair in (found.pss_kib, found.arbiter_kib)]
    counts = (found.answered, found.done.total(), found.killed, found.lost, *parts)
    return [found.name, *(f"{count:,}" for count in counts), f"{found.longest_s:.2f}", *pairs, str(len(found.faults))]


def table(rows: Sequence[Found]) -> str:
    """Return the table, and what has happened in all."""
    lines: list[Sequence[str]] = [_HEADS, ("---", *["---:"] * (len(_HEADS) - 1)), *(cells(found) for found in rows)]
    done = {deed.value: sum(found.done[deed] for found in rows) for deed in Deed}
    events = ", ".join(f"{count} {name}" for name, count in done.items())
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", events])


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Have everything happen to servers, and count what is lost.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"how long in all ({SECONDS:g})")
    parser.add_argument("--seed", type=int, help="of the events (one by chance, which is printed)")
    parser.add_argument("--only", metavar="NAME,..", default=",".join(NAMES), help=f"of: {', '.join(NAMES)}")
    parser.add_argument("--side-by-side", type=int, default=2, metavar="N", help="servers at once (2)")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(NAMES):
        parser.error(f"--only: no server is named {', '.join(sorted(unknown))}")
    if options.seed is None:
        options.seed = random.randrange(1_000_000)
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Soak one server after another, print a table; return the exit status."""
    options = arguments(argv)
    rounds = -(-len(options.only) // options.side_by_side)
    seconds = max(_LEAST_S, options.seconds / rounds - OVERHEAD_S)
    print(f"seed {options.seed}: {len(options.only)} servers, {seconds:.1f} s of events each", flush=True)
    signal.signal(signal.SIGALRM, _over)
    signal.alarm(int(2 * options.seconds) + 120)
    begun_at, rows = time.monotonic(), []
    with concurrent.futures.ThreadPoolExecutor(options.side_by_side) as pool:
        courses = [(*name.split("-"), seconds, options.seed) for name in options.only]
        for found in pool.map(lambda words: Course(*words).run(), courses):
            rows.append(found)
            print(f"{time.monotonic() - begun_at:5.0f} s  {'  '.join(cells(found))}", flush=True)
            for fault in found.faults:
                print(f"  FAULT in {found.name}: {fault}", flush=True)
    signal.alarm(0)
    faults = sum(len(found.faults) for found in rows)
    print(f"\n{table(rows)}\n\nseed {options.seed}, {time.monotonic() - begun_at:.0f} s: {faults} faults")
    return 1 if faults else 0


def _over(number: int, frame: object) -> NoReturn:
    """End the servers, and itself: a wait has not kept its deadline."""
    every = processes.all_processes()
    sessions = {one.session for one in every if one.parent == os.getpid()} - {os.getsid(0)}
    for one in every:
        if one.session in sessions:
            processes.kill(one.pid)
    print("not over in twice its time", flush=True)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
