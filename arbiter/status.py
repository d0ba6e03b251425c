"""`heeler status`: reads the scoreboard of a running Heeler through /proc, and prints it.

The server takes no part in it: it may be stuck, and is not slowed down.
"""

import json
import sys
import time
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.readiness import why_not_ready
from heeler.arbiter.running_server import find, open_board
from heeler.workers.reload_history import Reload
from heeler.workers.scoreboard import FIELDS, Reexec, Role, Row, ScaleMode, Scoreboard, State

_HEADINGS: Final = ("ROLE", "SLOT", "PID", "STATE", "GEN", "UP", "REQUESTS", "CONNS", "BUSY", "BEAT", "IN FLIGHT")


def run(pid: int | None, pidfile: str | None, as_json: bool) -> int:
    """Print what a running Heeler is doing.

    Args:
        pid: the arbiter's process id, or that of one of its children.
        pidfile: a file that holds it; with neither, the only Heeler that runs here is meant.
        as_json: True for one JSON object instead of a table.

    Returns:
        The exit status.

    Raises:
        HeelerError: there is no such Heeler, or it may not be looked at.
    """
    board = open_board(find(pid, pidfile))
    found = report(board, time.monotonic_ns())
    sys.stdout.write(json.dumps(found, indent=2) + "\n" if as_json else table(found))
    return 0


# -- what it says ------------------------------------------------------------


def report(board: Scoreboard, now_ns: int) -> dict[str, object]:
    """Return all that a scoreboard says, as JSON would have it; times are seconds until `now_ns`."""
    children = [_child(row, now_ns) for row in board.rows if row.get("state") != State.FREE]
    totals = board.totals.snapshot()
    counters = {field.name: totals[field.name] for field in FIELDS if field.kind == "counter"}
    return {
        "pid": board.get("arbiter_pid"),
        "generation": board.get("generation"),
        "workers": board.get("workers"),
        "workers_min": board.get("workers_min") or None,
        "workers_max": board.get("workers_max") or None,
        "scaling": ScaleMode(board.get("scaling")).name.lower(),
        "not_ready": why_not_ready(board),
        "reload": Reload(board.get("reload")).name.lower(),
        "reloads": [
            {"generation": one.number, "state": one.state.name.lower(), "reason": one.reason}
            for one in board.reloads.entries()
        ],
        "reexec": Reexec(board.get("reexec")).name.lower(),
        "up_s": _since(board.get("started_at"), now_ns),
        "children": sorted(children, key=lambda child: (child["role"], child["slot"], child["age"])),
        "gone": counters,
    }


def _child(row: Row, now_ns: int) -> dict[str, object]:
    found: dict[str, object] = dict(row.snapshot())
    for name in ("boot_at", "ready_at", "beat_at", "boot_deadline"):
        del found[name]
    found["state"] = State(row.get("state")).name.lower()
    found["role"] = Role(row.get("role")).name.lower() if row.get("role") else ""
    found["up_s"] = _since(row.get("boot_at"), now_ns)
    found["ready_s"] = _since(row.get("ready_at"), now_ns)
    found["beat_s"] = _since(row.get("beat_at"), now_ns)
    found["running"] = [
        {"request": request.what, "seconds": round(now_ns / 1e9 - request.started, 3)} for request in row.in_flight()
    ]
    return found


def _since(at_ns: int, now_ns: int) -> float | None:
    return round((now_ns - at_ns) / 1e9, 3) if at_ns else None


def table(found: dict[str, object]) -> str:
    """Return a report as people read it."""
    head = (
        f"arbiter {found['pid']}  generation {found['generation']}  workers {found['workers']}{_scaling(found)}"
        f"  reload {_words(found['reload'])}  re-exec {_words(found['reexec'])}  up {_span(found['up_s'])}\n"
        + (f"not ready: {found['not_ready']}\n\n" if found["not_ready"] else "\n")
    )
    children = found["children"]
    assert isinstance(children, list)
    return head + _columns([_HEADINGS, *(_cells(child) for child in children)])


def _scaling(found: dict[str, object]) -> str:
    """Return what stands behind the number of workers: ` of 2 to 8`, and ` by hand` where the scaler rests."""
    bounds = f" of {found['workers_min']} to {found['workers_max']}" if found["workers_max"] else ""
    return bounds + (" by hand" if found["scaling"] == "by_hand" else "")


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def _cells(child: dict[str, object]) -> tuple[str, ...]:
    running = child["running"]
    assert isinstance(running, list)
    first = f"{running[0]['request']} {_span(running[0]['seconds'])}" if running else ""
    more = f" (+{len(running) - 1})" if len(running) > 1 else ""
    numbers = (str(child[name]) for name in ("requests", "connections", "in_flight"))
    place = (str(child["role"]), str(child["slot"]), str(child["pid"]), str(child["state"]), str(child["generation"]))
    return (*place, _span(child["up_s"]), *numbers, _span(child["beat_s"]), first + more)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "".join(line.rstrip() + "\n" for line in lines)


def _span(seconds: object) -> str:
    """Return a time span in its largest fitting unit: `0.2s`, `41s`, `12m`, `7h`, `3d`."""
    if not isinstance(seconds, int | float):
        return "-"
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= 2 * size:
            return f"{int(seconds // size)}{unit}"
    return f"{seconds:.1f}s"
