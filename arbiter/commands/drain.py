"""`heeler drain [--timeout SECONDS] [--pid N | --pidfile FILE]`: for a hook that runs before TERM."""

import contextlib
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import Final

from heeler.arbiter import running_server
from heeler.arbiter.commands.output import complain, line
from heeler.arbiter.config.flags import Parser
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
    pid = running_server.arbiter_of(running_server.find(wanted.pid, wanted.pidfile))
    with contextlib.closing(_Process(pid)) as process:
        board = running_server.open_board(pid)
        process.send(DRAIN)
        return _wait(process, board, None if timeout_s is None else time.monotonic() + timeout_s)


class _Process:
    """A process that cannot be mistaken for another one, though it may be gone.

    Resource handling: `close` at the end.
    """

    def __init__(self, pid: int) -> None:
        try:
            self._fd: Final = os.pidfd_open(pid)
        except ProcessLookupError as error:
            raise HeelerError(f"there is no process {pid}") from error
        self._pid: Final = pid
        self._poll: Final = select.poll()
        self._poll.register(self._fd, select.POLLIN)

    def send(self, number: int) -> None:
        """Send it a signal."""
        try:
            signal.pidfd_send_signal(self._fd, number)
        except ProcessLookupError as error:
            raise HeelerError(f"there is no process {self._pid}") from error
        except PermissionError as error:
            raise HeelerError(f"process {self._pid} is another user's: drain it as that user, or as root") from error

    def is_over(self, timeout_s: float) -> bool:
        """Wait for its end for so long; return whether it has come."""
        return bool(self._poll.poll(timeout_s * 1000))

    def close(self) -> None:
        """Let go of it."""
        os.close(self._fd)


def _wait(process: _Process, board: Scoreboard, until: float | None) -> int:
    is_gone = False
    while not board.get("drained_at"):
        if is_gone:
            raise HeelerError("the arbiter is gone, and had not drained")
        left_s = _LOOK_S if until is None else until - time.monotonic()
        if left_s <= 0:
            complain(f"heeler: not drained yet: {_left(board)}")
            return ExitStatus.OVERDUE
        is_gone = process.is_over(min(left_s, _LOOK_S))
    cut = board.get("cut")
    line(f"drained, {cut} cut" if cut else "drained")
    return ExitStatus.FORCED if cut else ExitStatus.OK


def _left(board: Scoreboard) -> str:
    in_flight = sum(row.get("in_flight") for row in board.rows)
    return f"requests in flight: {in_flight}, connections: {sum(row.get('connections') for row in board.rows)}"
