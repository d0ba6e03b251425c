"""Count what is lost, and measure who waits, while workers come and go.

Run: python tests/bench/loss.py [--only NAME,..] [--boot-ms N] [--json FILE] [--check]

Eight clients keep their connections and ask ten times a second each, a hundred new connections come in a second; the
application takes 1 s to import and 20 ms for a request. All that is in loadbench/happenings.py happens to the server
twice, one after the other; `nothing` is the same load undisturbed, which tells how noisy the machine is. Times are
those of new connections, p50 / p99 / max in milliseconds. Other servers are sent HUP and nothing else. The server has
one processor, the load another. About a minute for each row of ours, a quarter of an hour for all.
"""

import argparse
import fcntl
import math
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import prepare, processors
from heeler.plugins.conformance.server import Server as Heeler
from loadbench import environment, report
from loadbench.environment import APPS, EnvironmentUnfit, say
from loadbench.happenings import CONFIG, HAPPENINGS, Scene, happen, running
from loadbench.loss_rows import OURS, PEERS
from loadbench.open_loop import on_processor
from loadbench.report import Row
from loadbench.running import NotServing, serving
from loadbench.steady_load import Kind, Span, SteadyLoad

_NAMES: Final = tuple(one.name for one in HAPPENINGS)
_KILL: Final = "KILL of a worker"
# How long after HUP another server has, which does not say when it has done: each has by then.
_PEER_S: Final = 10.0
# How long it has for its other workers, once one answers.
_PEER_BOOTS_S: Final = 2.0
NOTHING: Final = "-"
P99_MS: Final = 60.0
LONGEST_MS: Final = 150.0
"""What is promised to new connections, whatever happens, with a request of 20 ms."""


@dataclass(slots=True)
class Found:
    """What came of one row.

    Args:
        spans: by the name of what happened.
        killed_running: how many requests the application was running in workers when they were killed.
    """

    spans: dict[str, Span] = field(default_factory=dict)
    killed_running: int = 0

    def cells(self) -> list[str]:
        """Return its figures as text, in the order of `heads`."""
        spans = self.spans.values()
        asked = {
            kind: sum(
                len(one.new_s if kind is Kind.NEW else one.kept_s) + sum(loss.kind is kind for loss in one.lost)
                for one in spans
            )
            for kind in Kind
        }
        lost = {kind: sum(loss.kind is kind for one in spans for loss in one.lost) for kind in Kind}
        counts = [f"{lost[kind]} of {asked[kind]:,}" for kind in Kind]
        times = [self._times(name) for name in _NAMES]
        killed = f"{len(self.spans[_KILL].killed)} of {self.killed_running}" if _KILL in self.spans else NOTHING
        return [*counts, *times, killed, f"{1000 * max(one.late_s for one in spans):.0f}"]

    def missed(self) -> list[str]:
        """Return which promises were not kept, one line each."""
        found = [f"{len(span.lost)} lost by {name}" for name, span in self.spans.items() if span.lost]
        for name, span in self.spans.items():
            _, p99, longest = span.new_ms() or (0.0, 0.0, math.inf)
            if p99 > P99_MS or longest > LONGEST_MS:
                found.append(f"{p99:.0f} ms at p99 and {longest:.0f} ms at most by {name}")
        return found

    def _times(self, name: str) -> str:
        found = self.spans[name].new_ms() if name in self.spans else []
        return " / ".join(f"{one:.0f}" for one in found) or NOTHING

    def document(self) -> dict[str, Any]:
        """Return what a program wants to know."""
        return {
            name: {
                "new_ms": span.new_ms(),
                "new": len(span.new_s),
                "kept": len(span.kept_s),
                "unsaid": span.unsaid,
                "late_ms": span.late_s * 1000,
                "lost": [f"{one.kind.value}: {one.why}" for one in span.lost],
                "killed": [f"{one.kind.value}: {one.why}" for one in span.killed],
            }
            for name, span in self.spans.items()
        }


def heads() -> list[str]:
    """Return the heads of the table."""
    return ["server", "version", "new, lost", "kept, lost", *_NAMES, "killed, lost of running", "late"]


def measure_ours(row: Row, boot_ms: int) -> Found:
    """Start one of ours, make everything happen to it, end it.

    Raises: AssertionError, where it does not do as it should.
    """
    cpus = processors()
    found = Found()
    python = ("taskset", "-c", str(cpus[0]), str(environment.VENV / "bin" / "python"))
    env = {"PYTHONPATH": str(APPS), "BOOT_MS": str(boot_ms), "NOTES": "notes"}
    with (
        Heeler(None, *row.server.command.split(), python=python, env=env, files={CONFIG: "\n"}) as server,
        on_processor(cpus[1]),
    ):
        server.wait_for_log("worker ready", int(row.server.command.split("-w ")[1].split()[0]))
        with SteadyLoad(server.address) as load:
            scene = Scene(server, load)
            load.go_on(100)
            for happening in HAPPENINGS:
                found.spans[happening.name] = happen(happening, scene)
        scene.end()
        notes = server.directory / "notes"
        found.killed_running = sum(len(running(notes, pid)) for pid in scene.killed)
    return found


def measure_peer(row: Row) -> Found:
    """Start another server, have it reload twice, end it.

    Raises: NotServing.
    """
    cpus = processors()
    found = Found()
    with (
        serving(row.server, cpus[0]) as target,
        on_processor(cpus[1]),
        SteadyLoad(("127.0.0.1", target.port)) as load,
    ):
        time.sleep(_PEER_BOOTS_S)
        begin = time.monotonic()
        load.go_on(200)
        found.spans["nothing"] = _settled(load, begin)
        begin = time.monotonic()
        for _ in range(2):
            os.kill(target.pid, signal.SIGHUP)
            time.sleep(_PEER_S)
        found.spans["HUP"] = _settled(load, begin)
    return found


def _settled(load: SteadyLoad, begin: float) -> Span:
    end = time.monotonic()
    load.settle(end)
    return Span.of(load, begin, end)


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    names = [server.name for server in (*OURS, *PEERS)]
    parser = argparse.ArgumentParser(description="Count what is lost while workers come and go.")
    parser.add_argument("--only", metavar="NAME,..", default=",".join(names), help=f"of: {', '.join(names)}")
    parser.add_argument("--boot-ms", type=int, default=1000, help="how long the import takes (1000); ours alone")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--check", action="store_true", help="status 1 if one of ours misses a target")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(names):
        parser.error(f"--only: no row is named {', '.join(sorted(unknown))}")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the rows one after the other and print a table; return the exit status."""
    options = arguments(argv)
    environment.HOME.mkdir(exist_ok=True)
    lines: list[Sequence[str]] = [heads(), ("---", "---", *["---:"] * (len(heads()) - 2))]
    figures: dict[str, Any] = {}
    notes: list[str] = []
    missed: list[str] = []
    with (environment.HOME / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            rows = prepare([server for server in (*OURS, *PEERS) if server.name in options.only])
        except EnvironmentUnfit as error:
            say(str(error))
            return 2
        for row in rows:
            try:
                if row.failure:
                    raise NotServing(row.failure)
                found = measure_ours(row, options.boot_ms) if row.server.worker_class else measure_peer(row)
            except (NotServing, AssertionError, OSError) as error:
                say(f"{row.server.name}: {error}")
                missed += [f"{row.server.name}: not measured"] if row.server.worker_class else []
                lines.append((row.server.name, row.version, *[NOTHING] * (len(heads()) - 2)))
                continue
            figures[row.server.name] = found.document()
            missed += [f"{row.server.name}: {one}" for one in found.missed() if row.server.worker_class]
            if unsaid := sum(span.unsaid for span in found.spans.values()):
                notes.append(
                    f"{row.server.name} ended {unsaid} kept connections without a word: who asks just then, loses"
                )
            lines.append((row.server.name, row.version, *found.cells()))
            say("  ".join(lines[-1]))
    print("\n".join([*(f"| {' | '.join(line)} |" for line in lines), "", *notes, *missed]))
    document = {**report.machine(), "processors": processors(), "boot_ms": options.boot_ms, "rows": figures}
    report.save(document, "loss-", options.json)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
