"""How a worker ends: what it still does, and until when."""

import dataclasses
from typing import Final

from heeler.plugins.exit_status import ExitStatus

LINGER_S: Final = 2.0
"""How long idle kept connections stay open for a request that is already on its way."""

PATIENCE_S: Final = 0.3
"""How long after a TERM of its own a worker waits for word that the whole server stops: many send TERM to all."""

RESTART_LINGER_S: Final = 0.1
"""The same in development, where whoever asks next shall be answered by the new code."""

ORPHAN_LINGER_S: Final = 0.5
"""The same when the arbiter is gone: somebody may be waiting to start another."""


@dataclasses.dataclass(slots=True)
class Drain:
    """How to end.

    Args:
        deadline: monotonic seconds at which what is left is cut.
        last: nobody else will serve what waits in the backlog.
        linger_s: how long idle kept connections stay open for a request on its way.
        leave_at: monotonic seconds from which on a listener is told that no more is taken.
        status: what the worker exits with.
    """

    deadline: float
    last: bool
    linger_s: float
    leave_at: float = 0.0
    status: ExitStatus = ExitStatus.OK
