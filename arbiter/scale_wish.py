"""What `heeler scale` asks of an arbiter, and what that answers: two words of the scoreboard, and a signal.

Each wish has a number of its own, which its answer repeats: so nobody takes an answer to another for it.
"""

import enum
import os
import secrets
import signal
import time
from typing import Final, NamedTuple

from heeler.workers.scoreboard import Scoreboard

BELL: Final = signal.SIGURG
"""Says that there is a wish. By default it does nothing, so an arbiter that is about to begin takes no harm."""

SCALER: Final = 0
"""Stands for a number that is the scaler's to choose."""

_PATIENCE_S: Final = 5.0
_LOOK_EVERY_S: Final = 0.01
_NUMBER_BITS: Final = 31
_VALUE_BITS: Final = 32


class Answer(enum.IntEnum):
    """What an arbiter says to a wish."""

    DONE = 1
    NO_SCALER = 2
    """It has no bounds between which one could choose."""
    OUT_OF_BOUNDS = 3
    REEXEC = 4
    """Another arbiter is about to take over."""
    STOPPING = 5
    OVERTAKEN = 6
    """Of no arbiter: somebody else has wished for something since."""


class Wish(NamedTuple):
    """A wish.

    Args:
        number: its own.
        workers: how many there are to be, or `SCALER`.
    """

    number: int
    workers: int


def bounds(board: Scoreboard) -> tuple[int, int]:
    """Return how few workers somebody may wish for, and how many."""
    if board.get("workers_max"):
        return board.get("workers_min"), board.get("workers_max")
    return 1, len(board.rows) // 2  # each may have to be replaced


def ask(board: Scoreboard, pid: int, workers: int, timeout_s: float) -> Answer | None:
    """Wish for something, and return the answer; None where there is none in time.

    Args:
        board: the arbiter's, mapped to be written to.
        pid: the arbiter's process id.
        workers: as of `Wish`.
        timeout_s: how long to wait for it at most; an arbiter that runs answers at once.

    Process: a command's.

    Blocking: until it is answered.

    Raises:
        OSError: the process is gone, or another user's.
    """
    number = secrets.randbits(_NUMBER_BITS) or 1
    board.set("wish", number << _VALUE_BITS | workers)
    os.kill(pid, BELL)
    until = time.monotonic() + min(timeout_s, _PATIENCE_S)
    while time.monotonic() < until:
        answered, value = divmod(board.get("answer"), 1 << _VALUE_BITS)
        if answered == number:
            return Answer(value)
        if board.get("wish") >> _VALUE_BITS != number:
            return Answer.OVERTAKEN  # before it was heard, or after: the answer to it is gone as well
        time.sleep(_LOOK_EVERY_S)
    return None


def take(board: Scoreboard) -> Wish | None:
    """Return the wish that is not answered yet. Process: the arbiter."""
    wish = Wish(*divmod(board.get("wish"), 1 << _VALUE_BITS))
    return wish if wish.number and wish.number != board.get("answer") >> _VALUE_BITS else None


def answer(board: Scoreboard, wish: Wish, said: Answer) -> None:
    """Answer it. Process: the arbiter."""
    board.set("answer", wish.number << _VALUE_BITS | said)
