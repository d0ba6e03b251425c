"""Worker classes that wait for their clients for ever."""

import math

from heeler.workers.base import Boot
from heeler.workers.sync import SyncWorker


class WaitsForHeads(SyncWorker):
    """Forgets `header_timeout`."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.header_timeout = math.inf  # type: ignore[misc]  # it is not to be changed


class WaitsForContent(SyncWorker):
    """Forgets `body_timeout`."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.body_timeout = math.inf  # type: ignore[misc]  # it is not to be changed


class WaitsForReaders(SyncWorker):
    """Forgets `write_timeout`."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.write_timeout = math.inf  # type: ignore[misc]  # it is not to be changed


class KeepsConnections(SyncWorker):
    """Forgets `keepalive`."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.keepalive = 1000.0


class LetsRequestsRun(SyncWorker):
    """Forgets `request_timeout`."""

    def __init__(self, boot: Boot) -> None:
        super().__init__(boot)
        self.request_timeout = math.inf  # type: ignore[misc]  # it is not to be changed
