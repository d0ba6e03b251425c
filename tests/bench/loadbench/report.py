"""What people and programs get from a run of the benchmark: Markdown tables and a JSON document."""

import json
import platform
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from loadbench import environment
from loadbench.measure import Measure, medians
from loadbench.servers import GROUPS, Group, Server, group_of

# Share of a processor that others may take before the rates say little.
NOISE_LIMIT = 0.05


@dataclass(slots=True)
class Row:
    """What is known of one server: its rounds by kind of load, or why there are none."""

    server: Server
    version: str
    rounds: dict[str, list[Measure]] = field(default_factory=dict)
    failure: str = ""

    def measure(self, kind: str) -> Measure | None:
        """Return the medians for one kind of load, or None where it was never measured."""
        return medians(self.rounds[kind]) if self.rounds.get(kind) else None


def columns(group: Group) -> tuple[str, ...]:
    """Return the heads of the columns of a group's tables."""
    figures = (f"{group.unit}/s", "spread", f"CPU µs/{group.unit}", "CPU", "noise", "p50 ms", "p99 ms", "PSS MiB")
    return ("server", "version", *figures, "errors", f"{group.subject} / it", "by CPU")


def subject_of(rows: Iterable[Row], row: Row) -> Row | None:
    """Return the row of Heeler that `row` is compared with, or None where that is not measured."""
    name = group_of(row.server).subject
    return next((other for other in rows if other.server.name == name), None)


def ratio(rows: Iterable[Row], row: Row, kind: str) -> float | None:
    """Return Heeler's rate over that of `row`, or None where either is missing.

    It is the median of the rounds' ratios: the speed of a shared machine drifts, and a round is short.
    """
    subject = subject_of(rows, row)
    ours = subject.rounds.get(kind, []) if subject else []
    # A server that failed later on has fewer rounds than the other.
    pairs = zip(ours, row.rounds.get(kind, []), strict=False)
    ratios = [our.per_second / their.per_second for our, their in pairs]
    return median(ratios) if ratios else None


def cpu_ratio(rows: Iterable[Row], row: Row, kind: str) -> float | None:
    """Return the CPU time per request of `row` over Heeler's: less disturbed by other processes."""
    subject = subject_of(rows, row)
    ours, theirs = subject.measure(kind) if subject else None, row.measure(kind)
    return theirs.cpu_us / ours.cpu_us if ours and theirs and ours.cpu_us else None


def cells(rows: Sequence[Row], row: Row, kind: str) -> list[str]:
    """Return one line of the table as text."""
    measure = row.measure(kind)
    if measure is None:
        return [row.server.name, row.version, "-", *[""] * (len(columns(group_of(row.server))) - 3)]
    ratios = (ratio(rows, row, kind), cpu_ratio(rows, row, kind))
    return [
        row.server.name,
        row.version,
        f"{measure.per_second:,.0f}",
        f"{measure.spread:.0%}",
        f"{measure.cpu_us:.1f}",
        f"{measure.cpu_share:.0%}",
        f"{measure.noise:.0%}",
        f"{measure.p50_us / 1000:.2f}",
        f"{measure.p99_us / 1000:.2f}",
        f"{measure.pss_kib / 1024:.1f}",
        str(measure.errors),
        *("" if over is None else f"{over:.2f}" for over in ratios),
    ]


def table(rows: Sequence[Row], kind: str) -> str:
    """Return a Markdown table of one group under one kind of load, readable as plain text too."""
    return aligned([columns(group_of(rows[0].server)), *(cells(rows, row, kind) for row in rows)])


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first line has the heads, the first two columns are words, the others figures."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    rule = ["-" * width if at < 2 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    padded = (
        [text.ljust(widths[at]) if at < 2 else text.rjust(widths[at]) for at, text in enumerate(line)]
        for line in (lines[0], rule, *lines[1:])
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def missed_targets(rows: Sequence[Row]) -> list[str]:
    """Return a sentence for each target that Heeler does not reach under the first kind of load."""
    missed = []
    for row in rows:
        group = group_of(row.server)
        over = ratio(rows, row, group.kinds[0])
        if row.server.target is not None and over is not None and over < row.server.target:
            missed.append(f"{group.subject} is {over:.2f} times {row.server.name}, the target is {row.server.target:g}")
    return missed


def text(rows: Sequence[Row]) -> str:
    """Return the whole report for people: a table for each group and each kind of load that it was under."""
    parts = []
    for group in GROUPS:
        members = [row for row in rows if row.server.group == group.name]
        measured = {kind for row in members for kind in row.rounds}
        # A group of which nothing could be measured has a table too, of empty rows.
        kinds = [kind for kind in group.kinds if kind in measured] or group.kinds[: len(members)][:1]
        parts += [f"{group.title}, {kind}\n\n{table(members, kind)}" for kind in kinds]
    notes = [f"{row.server.name}: {row.server.note}" for row in rows if row.server.note]
    notes += [f"{row.server.name}: NOT MEASURED: {row.failure}" for row in rows if row.failure]
    noise = max((medians(rounds).noise for row in rows for rounds in row.rounds.values()), default=0.0)
    if noise > NOISE_LIMIT:
        notes.append(f"NOISY: others took up to {noise:.0%} of a processor; measure again on a quiet machine")
    return "\n\n".join([*parts, "\n".join([*notes, *missed_targets(rows)])])


def cpu_model() -> str:
    """Return the name of the processor, or nothing where the kernel does not tell."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""


def machine() -> dict[str, str]:
    """Return what a measurement was made on, and when."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processor": cpu_model(),
    }


def document(rows: Sequence[Row], load: Mapping[str, object], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole report for programs, every round in it."""
    return {
        **machine(),
        "load": dict(load),
        "versions": dict(versions),
        "servers": {row.server.name: entry(rows, row) for row in rows},
    }


def save(body: Mapping[str, Any], prefix: str, also: Path | None) -> None:
    """Write a document into .bench/results and, if asked, where the caller wants it."""
    environment.RESULTS.mkdir(parents=True, exist_ok=True)
    kept = environment.RESULTS / f"{prefix}{time.strftime('%Y%m%d-%H%M%S')}.json"
    for path in filter(None, (kept, also)):
        path.write_text(json.dumps(body, indent=1) + "\n")
        environment.say(f"figures in {path}")


def entry(rows: Sequence[Row], row: Row) -> dict[str, Any]:
    """Return one server's part of the document."""
    kinds: dict[str, Any] = {}
    for kind, rounds in row.rounds.items():
        middle = medians(rounds)
        kinds[kind] = {
            "median": middle.as_dict(),
            "heeler_ratio": ratio(rows, row, kind),
            "heeler_ratio_by_cpu": cpu_ratio(rows, row, kind),
            "rounds": [measure.as_dict() for measure in rounds],
        }
    return {
        "group": row.server.group,
        "version": row.version,
        "command": row.server.command,
        "note": row.server.note,
        "failure": row.failure or None,
        "loads": kinds,
    }
