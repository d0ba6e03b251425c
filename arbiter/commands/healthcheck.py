"""`heeler healthcheck [--live] [--workers N] [--pid N | --pidfile FILE]`: for the probes of containers."""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.flags import Parser
from heeler.plugins.errors import HeelerError, UsageError
from heeler.plugins.exit_status import ExitStatus

if TYPE_CHECKING:
    from heeler.workers.scoreboard import Scoreboard

_UNHEALTHY: Final = 1
"""Docker's word for it; it keeps 2 for itself."""


def run(argv: Sequence[str]) -> int:
    """Say whether a running Heeler is ready, or alive.

    Returns:
        0 if it is, 1 if it is not.

    Raises:
        HeelerError: there is no such Heeler, or it may not be looked at.
    """
    parser = Parser(prog="heeler healthcheck", add_help=False, allow_abbrev=False)
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--workers", type=int, default=1)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pid", type=int)
    which.add_argument("--pidfile")
    wanted = parser.parse_args(list(argv))
    if wanted.workers < 1:
        raise UsageError(f"argument --workers: {wanted.workers} is less than 1")
    from heeler.arbiter import readiness, running_server

    boards, faults = _open(running_server.find_all(wanted.pid, wanted.pidfile))
    if not boards:
        raise faults[0]
    if wanted.live:
        reasons = [readiness.why_not_alive(board, time.monotonic_ns()) for board in boards]
    else:
        reasons = [readiness.why_not_ready(board, wanted.workers) for board in boards]
    what = "alive" if wanted.live else "ready"
    if all(reasons):  # in a re-exec there are two, and one is enough
        complain(f"not {what}: {reasons[0]}")
        return _UNHEALTHY
    line(what)
    return ExitStatus.OK


def _open(pids: Sequence[int]) -> "tuple[list[Scoreboard], list[HeelerError]]":
    """Return the scoreboards, and why others cannot be read: the arbiter has just ended, or is of another version."""
    from heeler.arbiter.running_server import open_board

    boards, faults = [], []
    for pid in pids:
        try:
            boards.append(open_board(pid))
        except HeelerError as error:
            faults.append(error)
    return boards, faults
