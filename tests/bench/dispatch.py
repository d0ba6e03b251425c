"""Measure what the dispatch is for: how long requests wait beside slow ones; and what it costs.

Run: python tests/bench/dispatch.py [busy|waiting|listener ..] [--only NAME,..] [--quick] [--rounds N] [--json FILE]

busy: three clients keep three of four workers busy, sixteen ask for hello; six minutes. waiting: requests come at
random, whatever the server does, on new connections and on kept ones; eight minutes. listener: the processor time of
the listener and of the workers for a request; one minute. As in bench.py, which prepares what is needed, the servers
run in turn, on one processor with all their workers, the load on another; figures are medians of the rounds.
"""

import argparse
import fcntl
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from bench import prepare, processors
from loadbench import busy, environment, listener_cost, report, waiting
from loadbench.environment import EnvironmentUnfit, say
from loadbench.idle_connections import descriptors
from loadbench.load import LoadError
from loadbench.parts import Line, Part
from loadbench.running import NotServing

PARTS: Final = {part.name: part for part in (busy.PART, waiting.PART, listener_cost.PART)}
# A server that lets requests queue may have thousands of them at once.
_DESCRIPTORS: Final = 16_384


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = {server.name for part in PARTS.values() for server in part.servers}
    parser = argparse.ArgumentParser(description="Measure what hands requests to workers.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of: {', '.join(PARTS)} (all)")
    parser.add_argument("--only", metavar="NAME,..", help=f"of: {', '.join(sorted(names))}")
    parser.add_argument("--quick", action="store_true", help="one round of one second, 300 requests for `waiting`")
    parser.add_argument("--seconds", type=float, help="length of a run of `busy` and `listener` (2; whole seconds)")
    parser.add_argument("--rounds", type=int, help="how often each is measured (3; for `waiting` 1)")
    parser.add_argument("--requests", type=int, help="how many requests `waiting` makes at each load (3000)")
    parser.add_argument("--loads", type=float, nargs="+", metavar="F", default=[0.5, 0.8], help="of `waiting`")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="another one gives other requests (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    options = parser.parse_args(argv)
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part is named {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    options.only = [name.strip() for name in options.only.split(",")] if options.only else sorted(names)
    if unknown := set(options.only) - names:
        parser.error(f"--only: no row is named {', '.join(sorted(unknown))}")
    if not all(0 < load < 1 for load in options.loads):
        parser.error("--loads: each is more than 0 and less than 1")
    options.seconds = options.seconds or (1.0 if options.quick else 2.0)
    options.requests = options.requests or (300 if options.quick else 3000)
    return options


def measure(part: Part, lines: Sequence[Line], options: argparse.Namespace) -> None:
    """Measure each row in turn, round after round; one that fails is left out from then on."""
    rounds = options.rounds or (1 if options.quick else part.rounds)
    for number in range(rounds):
        for line in lines:
            measure_line(part, line, options, f"round {number + 1}/{rounds}")


def measure_line(part: Part, line: Line, options: argparse.Namespace, when: str) -> None:
    """Measure one row once under each of its conditions, or note why that failed."""
    server = line.row.server
    for condition in part.conditions(server, options):
        if line.row.failure:
            return
        try:
            found = part.measure(server, condition, options, processors())
        except (NotServing, LoadError, OSError) as error:
            line.row.failure = f"{error} (its log: {environment.LOGS / server.name}.log)"
            say(f"{part.name}: {server.name}: {error}")
            return
        line.rounds.setdefault(condition, []).append(found)
        figures = ", ".join(f"{name} {value:,.1f}" for name, value in asdict(found).items())
        say(f"{when} {part.name}: {server.name}, {condition}: {figures}")


def text(found: dict[str, list[Line]], options: argparse.Namespace) -> str:
    """Return the report for people."""
    paragraphs = [one for name, lines in found.items() for one in PARTS[name].tables(lines, options)]
    rows = {(name, line.row.server.name): line.row for name, lines in found.items() for line in lines}
    notes = [f"{row.server.name}: {row.server.note}" for row in rows.values() if row.server.note]
    notes += [f"{part}: {name}: NOT MEASURED: {row.failure}" for (part, name), row in rows.items() if row.failure]
    rounds = [one for lines in found.values() for line in lines for some in line.rounds.values() for one in some]
    noise = max((one.noise for one in rounds), default=0.0)
    if noise > report.NOISE_LIMIT:
        notes.append(f"NOISY: others took up to {noise:.0%} of a processor; measure again on a quiet machine")
    return "\n\n".join([*paragraphs, "\n".join(dict.fromkeys(notes))])


def document(found: dict[str, list[Line]], options: argparse.Namespace) -> dict[str, Any]:
    """Return the report for programs, every round in it."""
    asked = {name: getattr(options, name) for name in ("seconds", "requests", "loads", "seed")}
    parts = {
        name: {
            line.row.server.name: {
                "version": line.row.version,
                "command": line.row.server.command,
                "failure": line.row.failure or None,
                "rounds": {condition: [asdict(one) for one in rounds] for condition, rounds in line.rounds.items()},
            }
            for line in lines
        }
        for name, lines in found.items()
    }
    return {**report.machine(), "processors": processors(), **asked, "parts": parts}


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the parts one after the other and print their tables; return the exit status."""
    options = arguments(argv)
    environment.HOME.mkdir(exist_ok=True)
    with (environment.HOME / "lock").open("w") as lock, descriptors(_DESCRIPTORS):
        fcntl.flock(lock, fcntl.LOCK_EX)
        found: dict[str, list[Line]] = {}
        for name in options.parts or PARTS:
            servers = [server for server in PARTS[name].servers if server.name in options.only]
            try:
                found[name] = [Line(row) for row in prepare(servers)]
            except EnvironmentUnfit as error:
                say(str(error))
                return 2
            measure(PARTS[name], found[name], options)
    print(text(found, options))
    report.save(document(found, options), "dispatch-", options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
