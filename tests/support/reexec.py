"""A server whose arbiter is replaced by others, one after another."""

import os
import re
import signal
from typing import Final, Self

from support import processes
from support.server import Server

_END_S: Final = 20.0


class Line:
    """The arbiters of a server, in their order; in the end the last one is stopped.

    Args:
        server: whose arbiter is the first.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self.pids = [server.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for pid in self.pids:
            processes.kill(pid, signal.SIGTERM)
        if kind is None:
            assert processes.wait_ended(self.pids, _END_S) == []
        for pid in self.pids[1:]:
            processes.reap(pid)

    @property
    def pid(self) -> int:
        """The process id of the last."""
        return self.pids[-1]

    def ask(self) -> int:
        """Send USR2 to the last, and return where the log stood then."""
        start = self._server.log_size()
        os.kill(self.pid, signal.SIGUSR2)
        return start

    def started(self, start: int) -> int:
        """Return the process id of the one that was started, when there is one."""
        self._server.wait_for_log("successor started pid=", start=start)
        found = re.search(r"successor started pid=(\d+)", self._server.log(start))
        assert found is not None
        return int(found[1])

    def await_end_of_the_others(self) -> None:
        """Wait until all but the last are gone: until then they may serve what is on its way."""
        assert processes.wait_ended(self.pids[:-1], _END_S) == []

    def replace(self) -> int:
        """Have the last one replaced, and return the process id of the new one; the old one drains."""
        start = self.ask()
        self._server.wait_for_log("stopping how=handed_over", start=start)
        self.pids.append(self.started(start))
        return self.pid
