"""`heeler scale WORKERS | auto`: how many workers a running Heeler is to keep."""

import time
from collections.abc import Sequence
from typing import Final

from heeler.arbiter import running_server, scale_wish
from heeler.arbiter.config.flags import Parser
from heeler.arbiter.scale_wish import SCALER, Answer
from heeler.plugins.errors import BootError, HeelerError, UsageError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.scoreboard import Role, Scoreboard, State

_AUTO: Final = "auto"
_TIMEOUT_S: Final = 60.0
_LOOK_EVERY_S: Final = 0.05

_REFUSED: Final = {
    Answer.NO_SCALER: "has no scaler: it wants workers_min or workers_max",
    Answer.OUT_OF_BOUNDS: "has other bounds since a moment",
    Answer.REEXEC: "is in a re-exec; ask again when it is over",
    Answer.STOPPING: "is about to stop",
    Answer.OVERTAKEN: "was asked for something by somebody else meanwhile",
}


def run(argv: Sequence[str]) -> int:
    """Ask for it, and wait until it is so if that is wanted.

    Raises:
        HeelerError: there is no such Heeler, it refuses, or `--wait` was in vain.
    """
    parser = Parser(prog="heeler scale", add_help=False, allow_abbrev=False)
    parser.add_argument("workers")
    parser.add_argument("--wait", action="store_true")
    parser.add_argument("--timeout", type=float, default=_TIMEOUT_S)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--pid", type=int)
    which.add_argument("--pidfile")
    wanted = parser.parse_args(list(argv))
    workers = _number(wanted.workers)
    if workers == SCALER and wanted.wait:
        raise UsageError("argument --wait: the scaler has no number yet to wait for")
    pid = running_server.arbiter_of(running_server.find(wanted.pid, wanted.pidfile))
    board = running_server.open_board(pid, writable=True)
    own_pid = board.get("arbiter_pid")
    if running_server.innermost_pid(pid) != own_pid:
        raise HeelerError(f"the arbiter of process {pid} is gone: it was {own_pid}")
    _ask(board, pid, workers, wanted.timeout)
    if wanted.wait:
        _wait(board, pid, workers, wanted.timeout)
    return ExitStatus.OK


def _number(text: str) -> int:
    if text == _AUTO:
        return SCALER
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 1 << 31:
        raise UsageError(f"argument WORKERS: {text!r} is neither an integer >= 1 nor `auto`")
    return int(text)


def _ask(board: Scoreboard, pid: int, workers: int, timeout_s: float) -> None:
    least, most = scale_wish.bounds(board)
    if workers != SCALER and not least <= workers <= most:
        raise UsageError(f"argument WORKERS: {workers} is not from {least} to {most}, as process {pid} may have")
    try:
        said = scale_wish.ask(board, pid, workers, timeout_s)
    except ProcessLookupError as error:
        raise HeelerError(f"process {pid} is gone") from error
    if said is None:
        raise HeelerError(f"process {pid} does not answer; it may be stopped, or of an earlier version")
    if said is not Answer.DONE:
        raise HeelerError(f"process {pid} {_REFUSED[said]}")


def _wait(board: Scoreboard, pid: int, workers: int, timeout_s: float) -> None:
    """Wait until so many serve and nobody else is left.

    Raises:
        HeelerError: it is not so in time, or somebody wants another number by now.
    """
    until = time.monotonic() + timeout_s
    while True:
        slots = _slots(board)
        if sorted(slots) == sorted((slot, State.READY) for slot in range(1, workers + 1)):
            return
        if board.get("workers") != workers:
            raise HeelerError(f"process {pid} is to have {board.get('workers')} workers by now")
        if time.monotonic() > until:
            ready = sum(state == State.READY and slot <= workers for slot, state in slots)
            others = len(slots) - ready
            reason = f"after {timeout_s:g} s {ready} of {workers} workers serve, and {others} others are there"
            raise BootError(None, ExitStatus.BOOT, reason)
        time.sleep(_LOOK_EVERY_S)


def _slots(board: Scoreboard) -> list[tuple[int, int]]:
    """Return slot and state of each worker there is."""
    rows = [row for row in board.rows if row.get("state") != State.FREE and row.get("role") == Role.WORKER]
    return [(row.get("slot"), row.get("state")) for row in rows]
