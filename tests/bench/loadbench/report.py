"""What people and programs get from a run of the benchmark: Markdown tables and a JSON document."""

import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loadbench.measure import Measure, medians
from loadbench.servers import SUBJECT, Server

COLUMNS = (
    "server",
    "version",
    "req/s",
    "spread",
    "CPU µs/req",
    "CPU",
    "noise",
    "p50 ms",
    "p99 ms",
    "PSS MiB",
    "errors",
)


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


def ratio(rows: Iterable[Row], row: Row, kind: str) -> float | None:
    """Return Heeler's requests per second over those of `row`, or None where either is missing."""
    subject = next((other.measure(kind) for other in rows if other.server.name == SUBJECT), None)
    peer = row.measure(kind)
    return subject.per_second / peer.per_second if subject and peer else None


def cells(rows: Sequence[Row], row: Row, kind: str) -> list[str]:
    """Return one line of the table as text."""
    measure = row.measure(kind)
    if measure is None:
        return [row.server.name, row.version, "-", *[""] * (len(COLUMNS) - 2)]
    over = ratio(rows, row, kind)
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
        f"{over:.2f}" if over is not None else "",
    ]


def table(rows: Sequence[Row], kind: str) -> str:
    """Return a Markdown table of one kind of load, readable as plain text too."""
    lines = [[*COLUMNS, f"{SUBJECT} / it"]] + [cells(rows, row, kind) for row in rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]

    # The first two columns are words and stand to the left; the others are figures.
    rule = ["-" * width if at < 2 else "-" * (width - 1) + ":" for at, width in enumerate(widths)]
    lines.insert(1, rule)
    padded = (
        [text.ljust(widths[at]) if at < 2 else text.rjust(widths[at]) for at, text in enumerate(line)] for line in lines
    )
    return "\n".join(f"| {' | '.join(line)} |" for line in padded)


def missed_targets(rows: Sequence[Row], kind: str) -> list[str]:
    """Return a sentence for each target that Heeler does not reach."""
    missed = []
    for row in rows:
        over = ratio(rows, row, kind)
        if row.server.target is not None and over is not None and over < row.server.target:
            missed.append(f"{SUBJECT} is {over:.2f} times {row.server.name}, the target is {row.server.target:g}")
    return missed


def text(rows: Sequence[Row], kinds: Sequence[str]) -> str:
    """Return the whole report for people."""
    parts = [f"hello, {kind} headers\n\n{table(rows, kind)}" for kind in kinds]
    notes = [f"{row.server.name}: {row.server.note}" for row in rows if row.server.note]
    notes += [f"{row.server.name}: NOT MEASURED: {row.failure}" for row in rows if row.failure]
    targets = missed_targets(rows, kinds[0])
    return "\n\n".join([*parts, "\n".join(notes), *["\n".join(targets)] * bool(targets)])


def cpu_model() -> str:
    """Return the name of the processor, or nothing where the kernel does not tell."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return ""


def document(rows: Sequence[Row], load: Mapping[str, object], versions: Mapping[str, str]) -> dict[str, Any]:
    """Return the whole report for programs, every round in it."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "processor": cpu_model(),
        "load": dict(load),
        "versions": dict(versions),
        "servers": {row.server.name: entry(rows, row) for row in rows},
    }


def entry(rows: Sequence[Row], row: Row) -> dict[str, Any]:
    """Return one server's part of the document."""
    kinds: dict[str, Any] = {}
    for kind, rounds in row.rounds.items():
        middle = medians(rounds)
        kinds[kind] = {
            "median": middle.as_dict(),
            "heeler_ratio": ratio(rows, row, kind),
            "rounds": [measure.as_dict() for measure in rounds],
        }
    return {
        "version": row.version,
        "command": row.server.command,
        "note": row.server.note,
        "failure": row.failure or None,
        "loads": kinds,
    }
