"""How a worker ends: what it still does, and until when."""

import dataclasses
from typing import Final

from heeler.plugins.exit_status import ExitStatus

LINGER_S: Final = 2.0
"""How long idle kept connections stay open for a request that is already on its way."""

ORPHAN_LINGER_S: Final = 0.5
"""The same when the arbiter is gone: somebody may be waiting to start another."""


@dataclasses.dataclass(slots=True)
class Drain:
    """How to end.

    Args:
        deadline: monotonic seconds at which what is left is cut.
        last: nobody else will serve what waits in the backlog.
        linger_s: how long idle kept connections stay open for a request on its way.
        status: what the worker exits with.
    """

    deadline: float
    last: bool
    linger_s: float
    status: ExitStatus = ExitStatus.OK
