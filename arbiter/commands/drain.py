"""`heeler drain [--timeout SECONDS] [--pid N | --pidfile FILE]`: for a hook that runs before TERM."""

import os
import time
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.flags import Parser
from heeler.arbiter.running_server import RunningServer, find
from heeler.arbiter.signals import DRAIN
from heeler.plugins.errors import HeelerError, UsageError
from heeler.plugins.exit_status import ExitStatus
from heeler.plugins.parse import seconds
from heeler.workers.scoreboard import Scoreboard

_LOOK_S: Final = 0.05
"""How often the scoreboard is looked at: no descriptor tells that a word of it has changed."""


def run(argv: Sequence[str]) -> int:
    """Have a running Heeler drain, and wait until it has; its arbiter stays until TERM.

    Returns:
        0 if nothing was cut, 75 if something was, 124 if it was not over in time.

    Raises:
        HeelerError: there is no such Heeler, or it may not be told, or it was gone before it had drained.
    """
    parser = Parser(prog="heeler drain", add_help=False, allow_abbrev=False)
    parser.add_argument("--timeout")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pid", type=int)
    which.add_argument("--pidfile")
    wanted = parser.parse_args(list(argv))
    try:
        timeout_s = None if wanted.timeout is None else seconds(wanted.timeout)
    except ValueError as error:
        raise UsageError(f"argument --timeout: {error}") from error
    if DRAIN is None or not hasattr(os, "pidfd_open"):
        raise HeelerError("this system has no signal for it: send TERM")
    with RunningServer(find(wanted.pid, wanted.pidfile)) as server:
        server.signal(DRAIN)
        return _wait(server, None if timeout_s is None else time.monotonic() + timeout_s)


def _wait(server: RunningServer, until: float | None) -> int:
    board, is_gone = server.board, False
    while not board.get("drained_at"):
        if is_gone:
            raise HeelerError("the arbiter is gone, and had not drained")
        left_s = _LOOK_S if until is None else until - time.monotonic()
        if left_s <= 0:
            complain(f"heeler: not drained yet: {_left(board)}")
            return ExitStatus.OVERDUE
        is_gone = server.ends_within(min(left_s, _LOOK_S))
    cut = board.get("cut")
    line(f"drained, {cut} cut" if cut else "drained")
    return ExitStatus.FORCED if cut else ExitStatus.OK


def _left(board: Scoreboard) -> str:
    in_flight = sum(row.get("in_flight") for row in board.rows)
    return f"requests in flight: {in_flight}, connections: {sum(row.get('connections') for row in board.rows)}"
