"""Measure Heeler's worker classes and their peers under the same load, side by side, and print how they compare.

Run: python tests/bench/bench.py [GROUP ...] [--quick] [--only NAME,..] [--seconds S] [--rounds N] [--json FILE]

It prepares what it needs (see loadbench/environment.py), then takes group after group: wsgi, thread, gevent, eventlet,
asgi, websocket; one that is named alone takes under a minute, once all is installed. The servers of a group run in
turn, round after round, so that noise of the machine hits all alike; the figures are medians of the rounds. The server
has one processor, the load another. Rounds are many and short, since the speed of a shared machine drifts.
`browser` and `curl` send the same bytes for ever, which flatters a server that remembers; `varied` is what comes
through a proxy in production, no two requests alike. A group that is named is measured with `browser` alone.
Adding a server is one line in loadbench/servers.py. `dispatch` or `loss`, before all else, is another comparison:
dispatch.py, loss.py.
"""

import argparse
import fcntl
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
from loadbench.servers import GROUPS, SERVERS, Group, Server

# What a group may take for one kind of load.
BUDGET_S = 45.0


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    groups = [group.name for group in GROUPS]
    parser = argparse.ArgumentParser(description="Compare Heeler with its peers under the same load.")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=f"of: {', '.join(groups)} (all)")
    parser.add_argument("--quick", action="store_true", help="one round, browser-like headers alone")
    parser.add_argument("--only", metavar="NAME,..", help=f"of: {', '.join(server.name for server in SERVERS)}")
    parser.add_argument("--seconds", type=float, default=1.0, help="length of one run (1; whole seconds)")
    parser.add_argument("--rounds", type=int, help="how often each is measured (6, or what fits)")
    parser.add_argument("--headers", choices=HEADERS, help="one kind of headers alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="status 1 if a target is missed or a row is empty")
    options = parser.parse_args(argv)
    if unknown := set(options.groups) - set(groups):
        parser.error(f"no group is named {', '.join(sorted(unknown))}; there are {', '.join(groups)}")
    try:
        options.servers = chosen(options.only, options.groups)
    except KeyError as error:
        parser.error(f"--only: no server is named {error}")
    return options


def chosen(only: str | None, groups: Sequence[str] = ()) -> list[Server]:
    """Return the servers to measure: those named, or all of the groups (all groups when none is given) but the extra.

    Raises: KeyError for a name that no server has.
    """
    if only is None:
        return [server for server in SERVERS if not server.is_extra and server.group in (groups or {server.group})]
    by_name = {server.name: server for server in SERVERS}
    return [by_name[name.strip()] for name in only.split(",") if name.strip()]


def kinds_of(group: Group, options: argparse.Namespace) -> tuple[str, ...]:
    """Return the kinds of load that a group is put under: the first alone unless the whole is measured."""
    if options.headers in group.kinds:
        return (options.headers,)
    is_part = options.quick or options.groups or options.only
    return group.kinds[:1] if is_part else group.kinds


def processors() -> tuple[int, int]:
    """Return the processor of the server and that of the load; the same one where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return usable[0], usable[-1]


def prepare(servers: Sequence[Server]) -> list[Row]:
    """Install what is missing and return a row for each server, with why it cannot be measured where that is known.

    Raises: EnvironmentUnfit.
    """
    environment.install_debian_packages(("wrk", "taskset"))
    versions = {}
    for name in sorted({server.environment for server in servers} | {environment.VENV.name}):
        venv = environment.HOME / name
        environment.prepare_venv(venv)
        environment.install_requirements(environment.REQUIREMENTS[name], venv)
        if venv == environment.VENV and any(server.worker_class for server in servers):
            environment.install_heeler()
        versions[name] = environment.installed_versions(venv)
    no_wsload = environment.compile_wsload() if any(server.group == "websocket" for server in servers) else ""
    classes = environment.worker_classes()
    rows = []
    for server in servers:
        row = Row(server, versions[server.environment].get(server.distribution, "-"))
        if row.version == "-":
            row.failure = f"not installed: {server.distribution}"
        elif server.worker_class and server.worker_class not in classes:
            row.failure = f"not installed: Heeler's worker class {server.worker_class!r}"
        elif server.group == "websocket":
            row.failure = no_wsload
        rows.append(row)
    return rows


def measure(rows: Sequence[Row], group: Group, options: argparse.Namespace) -> None:
    """Measure every row of a group in turn, round after round. A server that fails is left out of later rounds.

    A round that would outlast the budget is not begun, except the first.
    """
    kinds = kinds_of(group, options)
    rounds = options.rounds or (1 if options.quick else 6)
    budget_s = float("inf") if options.rounds else BUDGET_S * len(kinds)
    begun = time.monotonic()
    for number in range(rounds):
        if number and (time.monotonic() - begun) * (number + 1) / number > budget_s:
            say(f"{group.name}: {number} rounds instead of {rounds}: no more fit into {budget_s:g} s")
            break
        for row in rows:
            if not row.failure:
                measure_row(row, kinds, options.seconds, f"round {number + 1}/{rounds}")


def measure_row(row: Row, kinds: tuple[str, ...], seconds: float, when: str) -> None:
    """Measure one server once, or note why that failed."""
    try:
        found = one_round(row.server, kinds, seconds, processors())
    except (NotServing, LoadError) as error:
        row.failure = f"{error} (its log: {environment.LOGS / row.server.name}.log)"
        say(f"{row.server.name}: {error}")
        return
    for kind, one in found.items():
        row.rounds.setdefault(kind, []).append(one)
    figures = ", ".join(f"{kind} {one.per_second:,.0f}/s {one.cpu_us:.1f} µs" for kind, one in found.items())
    say(f"{when} {row.server.name}: {figures}")


def save(rows: Sequence[Row], options: argparse.Namespace) -> None:
    """Write the JSON document into .bench/results and, if asked, where the caller wants it."""
    conditions = {
        "connections": load.CONNECTIONS,
        "websockets": load.WEBSOCKETS,
        "seconds": options.seconds,
        "processors": processors(),
    }
    report.save(report.document(rows, conditions, environment.installed_versions()), "", options.json)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmark; return the exit status."""
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["dispatch"]:
        import dispatch

        return dispatch.main(argv[1:])
    if argv[:1] == ["loss"]:
        import loss

        return loss.main(argv[1:])
    options = arguments(argv)
    environment.HOME.mkdir(exist_ok=True)
    with (environment.HOME / "lock").open("w") as lock:
        # Two runs at once would measure each other.
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            rows = prepare(options.servers)
        except EnvironmentUnfit as error:
            say(str(error))
            return 2
        for group in GROUPS:
            measure([row for row in rows if row.server.group == group.name], group, options)
    print(report.text(rows))
    save(rows, options)
    if options.check:
        return int(bool(report.missed_targets(rows)) or any(row.failure for row in rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
