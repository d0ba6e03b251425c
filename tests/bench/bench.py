"""Measure Heeler's sync worker and its peers under the same load, in one go, and print how they compare.

Run: python tests/bench/bench.py [--quick] [--only NAME,..] [--seconds S] [--rounds N] [--json FILE]

It prepares what it needs (see loadbench/environment.py), then runs the servers in turn, round after round, so that
noise of the machine hits all alike; the figures are medians of the rounds. The server has one processor, the load
another. Rounds are many and short, since the speed of a shared machine drifts.
`browser` and `curl` send the same bytes for ever, which flatters a server that remembers; `varied` is what comes
through a proxy in production, no two requests alike.
Adding a server is one line in loadbench/servers.py.
"""

import argparse
import fcntl
import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from loadbench import environment, load, report
from loadbench.environment import EnvironmentUnfit, say
from loadbench.load import HEADERS, LoadError
from loadbench.measure import one_round
from loadbench.report import Row
from loadbench.running import NotServing
from loadbench.servers import SERVERS, SUBJECT, Server

# The whole run is to end in under five minutes, with half a minute to prepare.
BUDGET_S = 265.0


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare Heeler with its peers under the same load.")
    parser.add_argument("--quick", action="store_true", help="one round, browser-like headers alone")
    parser.add_argument("--only", metavar="NAME,..", help=f"of: {', '.join(server.name for server in SERVERS)}")
    parser.add_argument("--seconds", type=float, help="length of one run (2; whole seconds)")
    parser.add_argument("--rounds", type=int, help="how often each server is measured (4)")
    parser.add_argument("--headers", choices=HEADERS, help="one kind of headers alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="status 1 if a target is missed or a row is empty")
    options = parser.parse_args(argv)
    options.seconds = options.seconds or 2.0
    options.rounds = options.rounds or (1 if options.quick else 4)
    one_kind = options.headers or ("browser" if options.quick else None)
    options.kinds = (one_kind,) if one_kind else HEADERS
    try:
        options.servers = chosen(options.only)
    except KeyError as error:
        parser.error(f"--only: no server is named {error}")
    return options


def chosen(only: str | None) -> list[Server]:
    """Return the servers to measure: those named, or all that are not extra.

    Raises: KeyError for a name that no server has.
    """
    if only is None:
        return [server for server in SERVERS if not server.is_extra]
    by_name = {server.name: server for server in SERVERS}
    return [by_name[name.strip()] for name in only.split(",") if name.strip()]


def processors() -> tuple[int, int]:
    """Return the processor of the server and that of the load; the same one where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def prepare(servers: Sequence[Server]) -> dict[str, str]:
    """Install what is missing and return the versions of what is there.

    Raises: EnvironmentUnfit.
    """
    environment.install_debian_packages(("wrk", "taskset"))
    environment.prepare_venv()
    environment.install_requirements(environment.BENCH / "requirements.txt")
    if any(server.name == SUBJECT for server in servers):
        environment.install_heeler()
    return environment.installed_versions()


def measure(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Measure every row in turn, round after round. A server that fails is left out of later rounds.

    A round that would outlast BUDGET_S is not begun, except the first.
    """
    cpus = processors()
    begun = time.monotonic()
    for number in range(options.rounds):
        if number and (time.monotonic() - begun) * (number + 1) / number > BUDGET_S:
            say(f"{number} rounds instead of {options.rounds}: no more fit into {BUDGET_S:g} s")
            break
        for row in rows:
            if row.failure:
                continue
            try:
                found = one_round(row.server, options.kinds, options.seconds, cpus)
            except (NotServing, LoadError) as error:
                row.failure = f"{error} (its log: {environment.LOGS / row.server.name}.log)"
                say(f"{row.server.name}: {error}")
                continue
            for kind, one in found.items():
                row.rounds.setdefault(kind, []).append(one)
            figures = ", ".join(f"{kind} {one.per_second:,.0f}/s {one.cpu_us:.1f} µs" for kind, one in found.items())
            say(f"round {number + 1}/{options.rounds} {row.server.name}: {figures}")


def save(rows: Sequence[Row], options: argparse.Namespace, versions: dict[str, str]) -> None:
    """Write the JSON document into .bench/results and, if asked, where the caller wants it."""
    conditions = {
        "connections": load.CONNECTIONS,
        "seconds": options.seconds,
        "rounds": options.rounds,
        "processors": processors(),
    }
    body = json.dumps(report.document(rows, conditions, versions), indent=1) + "\n"
    environment.RESULTS.mkdir(parents=True, exist_ok=True)
    kept = environment.RESULTS / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
    for path in filter(None, (kept, options.json)):
        path.write_text(body)
        say(f"figures in {path}")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    options = arguments(argv)
    environment.HOME.mkdir(exist_ok=True)
    with (environment.HOME / "lock").open("w") as lock:
        # Two runs at once would measure each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            versions = prepare(options.servers)
        except EnvironmentUnfit as error:
            say(str(error))
            return 2
        rows = [Row(server, versions.get(server.distribution, "-")) for server in options.servers]
        measure(rows, options)
    print(report.text(rows, options.kinds))
    save(rows, options, versions)
    if options.check:
        return int(bool(report.missed_targets(rows, options.kinds[0])) or any(row.failure for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
