"""What `heeler status` makes of a scoreboard."""

import json

from heeler.arbiter import events, readiness, status
from heeler.arbiter.rows import Rows
from heeler.workers.scoreboard import State

_SECOND = 1_000_000_000


def _board() -> Rows:
    rows = Rows(2, pid=41)
    row = rows.take(events.Spawn(age=1, role="worker", slot=1, generation=1, deadline=None))
    rows.board.set("workers", 2)
    rows.board.set("started_at", 50 * _SECOND)
    for name, value in {"pid": 42, "state": 2, "requests": 7, "in_flight": 2, "connections": 3}.items():
        row.set(name, value)
    row.set("boot_at", 60 * _SECOND)
    row.set("beat_at", 99 * _SECOND)
    row.enter(0, 88 * _SECOND, b"GET /slow")
    row.enter(1, 99 * _SECOND, b"GET /fast")
    return rows


def test_a_report_tells_times_as_spans() -> None:
    """Nobody can read CLOCK_MONOTONIC: times are seconds ago, and all of it is JSON."""
    found = status.report(_board().board, 100 * _SECOND)
    assert json.loads(json.dumps(found)) == found
    children = found["children"]
    assert isinstance(children, list)
    (child,) = children
    assert (child["up_s"], child["beat_s"], child["ready_s"]) == (40.0, 1.0, None)
    assert child["running"][0] == {"request": "GET /slow", "seconds": 12.0}
    assert found["up_s"] == 50.0


def test_a_table_has_a_line_for_each_child() -> None:
    """The longest request stands in the line, and how many there are besides it."""
    head, _, headings, line = status.table(status.report(_board().board, 100 * _SECOND)).splitlines()
    assert head.startswith("arbiter 41  generation 1  workers 2  reload none")
    assert headings.split()[:4] == ["ROLE", "SLOT", "PID", "STATE"]
    assert line.split() == [
        "worker",
        "1",
        "42",
        "ready",
        "1",
        "40.0s",
        "7",
        "3",
        "2",
        "1.0s",
        "GET",
        "/slow",
        "12.0s",
        "(+1)",
    ]


def test_a_server_without_children_has_a_table_too() -> None:
    """All have died: the headings stand there, and nothing under them."""
    rows = Rows(1, pid=1)
    head, reason, *_ = lines = status.table(status.report(rows.board, _SECOND)).splitlines()
    assert (head[:9], reason, len(lines)) == ("arbiter 1", "not ready: 0 of 0 workers are ready", 4)


# -- what probes ask


def test_a_server_is_ready_with_so_many_workers_and_with_its_listener() -> None:
    """One worker is enough unless more are asked for; where a listener accepts, it must be ready, too."""
    rows = _board()
    rows.board.rows[0].set("state", State.BOOTING)
    assert readiness.why_not_ready(rows.board) == "0 of 2 workers are ready"
    rows.board.rows[0].set("state", State.READY)
    assert readiness.why_not_ready(rows.board) == ""
    assert readiness.why_not_ready(rows.board, 2) == "1 of 2 workers are ready"
    rows.board.set("listeners", 1)
    assert readiness.why_not_ready(rows.board) == "no listener is ready"
    listener = rows.take(events.Spawn(age=2, role="listener", slot=1, generation=1, deadline=None))
    assert readiness.why_not_ready(rows.board) == "no listener is ready"
    listener.set("state", State.READY)
    assert readiness.why_not_ready(rows.board) == ""


def test_a_server_that_is_about_to_stop_says_so_in_its_status() -> None:
    """Though its workers are ready."""
    rows = _board()
    assert "not ready" not in status.table(status.report(rows.board, 100 * _SECOND))
    rows.board.set("unready_at", 1)
    found = status.report(rows.board, 100 * _SECOND)
    assert found["not_ready"] == "it is about to stop"
    assert "not ready: it is about to stop\n" in status.table(found)


def test_an_arbiter_that_does_not_wake_is_stuck() -> None:
    """One that waits for something to happen is not, nor one that is a little late."""
    board = _board().board
    now_ns = 100 * _SECOND
    assert readiness.why_not_alive(board, now_ns) == ""
    board.set("wake_at", now_ns - readiness.LATE_NS)
    assert readiness.why_not_alive(board, now_ns) == ""
    board.set("wake_at", now_ns - readiness.LATE_NS - _SECOND)
    assert readiness.why_not_alive(board, now_ns) == "the arbiter is stuck: it meant to wake 11 s ago"
