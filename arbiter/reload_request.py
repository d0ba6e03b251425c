"""`heeler reload`: asks a running Heeler to reload, and waits for how that ends.

The reload that was asked for is the first that began after the wish. The scoreboard says which that is and how it
stands; the arbiter is told nothing but the signal, and need not know that somebody waits.
"""

import signal
import time
from typing import Final

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.running_server import RunningServer, find
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.reload_history import Entry, Reload, ReloadHistory

LOOK_S: Final = 0.05
"""How long until the next look."""


def run(pid: int | None, pidfile: str | None, *, waits: bool, timeout_s: float | None) -> int:
    """Ask for a reload.

    Args:
        pid: the arbiter's process id, or that of one of its children.
        pidfile: a file that holds it; with neither, the only Heeler that runs here is meant.
        waits: whether to wait for its end.
        timeout_s: for how long at most; None is no limit.

    Returns:
        The exit status.

    Raises:
        HeelerError: there is no such Heeler, or it may not be told anything.

    Blocking: with `waits`, until the reload or the server has ended, or the time is over.
    """
    with RunningServer(find(pid, pidfile)) as server:
        if server.board.get("unready_at"):
            complain(f"heeler: the server is about to stop, pid={server.pid}, and reloads no more")
            return ExitStatus.GONE
        asked_at = time.monotonic_ns()
        server.signal(signal.SIGHUP)
        if not waits:
            line(f"reload asked for pid={server.pid}")
            return ExitStatus.OK
        return _wait(server, asked_at, timeout_s)


def _wait(server: RunningServer, asked_at: int, timeout_s: float | None) -> ExitStatus:
    until = None if timeout_s is None else asked_at / 1e9 + timeout_s
    number, has_ended = None, False
    while True:
        entry = wanted(server.board.reloads, asked_at, number)
        number = entry.number if entry is not None else number
        if entry is not None and entry.state is not Reload.UNDER_WAY:
            return _say(entry)
        if has_ended:
            complain(f"heeler: the server has ended, pid={server.pid}, and the reload with it")
            return ExitStatus.GONE
        now = time.monotonic()
        if until is not None and now >= until:
            complain(f"heeler: the reload has not ended within {timeout_s:g} s; it goes on")
            return ExitStatus.TIMED_OUT
        has_ended = server.ends_within(LOOK_S if until is None else min(LOOK_S, until - now))
        has_ended = has_ended or bool(server.board.get("drained_at"))  # the arbiter stays after `heeler drain`


def wanted(reloads: ReloadHistory, asked_at: int, number: int | None) -> Entry | None:
    """Return the reload that was asked for.

    Args:
        reloads: what the server tells of them.
        asked_at: CLOCK_MONOTONIC ns, right before it was.
        number: its number, once known.

    Returns:
        None as long as it has not begun. One that is known and told of no more has given way to many others.
    """
    if number is None:
        return next((entry for entry in reloads.entries() if entry.began_at >= asked_at), None)
    return reloads.entry(number) or Entry(number, asked_at, Reload.SUPERSEDED, "")


def _say(entry: Entry) -> ExitStatus:
    if entry.state is Reload.DONE:
        line(f"reload done generation={entry.number}")
        return ExitStatus.OK
    if entry.state is Reload.SUPERSEDED:
        complain(f"heeler: reload superseded generation={entry.number}: a newer one has taken its place")
        return ExitStatus.SUPERSEDED
    complain(f"heeler: reload failed generation={entry.number}: {entry.reason}")
    return ExitStatus.ROLLED_BACK
