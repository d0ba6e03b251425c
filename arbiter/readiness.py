"""Whether a running Heeler is to be sent requests, and whether it is alive, by what its scoreboard says.

Reads and decides; must not know how the scoreboard is found.
"""

from typing import Final

from heeler.workers.scoreboard import Role, Scoreboard, State

LATE_NS: Final = 10_000_000_000
"""An arbiter that wakes so much later than it meant to is stuck, or stopped."""


def why_not_ready(board: Scoreboard, workers: int = 1) -> str:
    """Return why a server is to be sent no requests; empty where it is.

    Args:
        board: the server's.
        workers: how many must serve.
    """
    if board.get("drained_at"):
        return "it has drained"
    if board.get("unready_at"):
        return "it is about to stop"
    serving = _ready(board, Role.WORKER)
    if serving < workers:
        return f"{serving} of {board.get('workers')} workers are ready"
    if board.get("listeners") and not _ready(board, Role.LISTENER):
        return "no listener is ready"
    return ""


def why_not_alive(board: Scoreboard, now_ns: int) -> str:
    """Return why a server had better be started again, as an arbiter that is stuck; empty where it works.

    It may work and not be ready: a worker that hangs is the arbiter's business, and so is one that boots.

    Args:
        board: the server's.
        now_ns: CLOCK_MONOTONIC.
    """
    wake_at = board.get("wake_at")
    if wake_at and now_ns > wake_at + LATE_NS:
        return f"the arbiter is stuck: it meant to wake {(now_ns - wake_at) / 1e9:.0f} s ago"
    return ""


def _ready(board: Scoreboard, role: Role) -> int:
    return sum(row.get("role") == role and row.get("state") == State.READY for row in board.rows)
