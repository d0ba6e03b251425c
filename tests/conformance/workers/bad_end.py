"""Worker classes that do not end as they are told, or lose something when they do."""

import os
import select
import signal
import threading

from typing_extensions import override

from heeler.workers import messages
from heeler.workers.drain import Drain
from heeler.workers.sync import SyncWorker


class IgnoresStop(SyncWorker):
    """Goes on when it is told to stop."""

    @override
    def _obey(self, message: messages.Message | None) -> None:
        if not isinstance(message, messages.Stop):
            super()._obey(message)


class IgnoresQuit(SyncWorker):
    """Goes on when it is told to end at once."""

    @override
    def setup(self) -> None:
        super().setup()
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    @override
    def _obey(self, message: messages.Message | None) -> None:
        if not isinstance(message, messages.Quit):
            super()._obey(message)


class IgnoresReopen(SyncWorker):
    """Writes on into its old logs."""

    @override
    def _obey(self, message: messages.Message | None) -> None:
        if not isinstance(message, messages.ReopenLogs):
            super()._obey(message)


class CutsAtStop(SyncWorker):
    """Ends as soon as it is told anything, whatever it is in."""

    @override
    def run(self) -> None:
        threading.Thread(target=self._watch, daemon=True).start()
        super().run()

    def _watch(self) -> None:
        select.select([self.boot.channel.fileno()], [], [])
        os._exit(0)

    @override
    def _obey(self, message: messages.Message | None) -> None:
        os._exit(0)  # the loop has read what was told before the other thread saw that there was something


class IgnoresSignals(SyncWorker):
    """Takes no notice of signals."""

    @override
    def setup(self) -> None:
        super().setup()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGABRT):
            signal.signal(number, signal.SIG_IGN)


class DiesAtTerm(SyncWorker):
    """Drops what it is in when it gets TERM."""

    @override
    def setup(self) -> None:
        super().setup()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


class DiesAtHup(SyncWorker):
    """Takes a signal for its own that is the arbiter's."""

    @override
    def setup(self) -> None:
        super().setup()
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


class DropsTheBacklog(SyncWorker):
    """Lets those who wait to be accepted down at the end."""

    @override
    def drain(self, drain: Drain) -> None:
        self.close_listeners()
        super().drain(drain)


class ClosesAllAtStop(SyncWorker):
    """Closes every connection once it is told to stop, whatever comes in or goes out there."""

    @override
    def start_draining(self, drain: Drain) -> None:
        for client in list(self.connections.values()):
            client.close()
        super().start_draining(drain)


class LingersForEver(SyncWorker):
    """Waits for idle connections as if it were not to stop."""

    @override
    def start_draining(self, drain: Drain) -> None:
        """Tell nobody."""


class EndsWhenItRetires(SyncWorker):
    """Does not wait for its replacement, nor for the requests that are on their way."""

    @override  # type: ignore[misc]  # it is not to be overridden
    def retire(self, reason: str, reached: str = "", limit: str = "") -> None:
        super().retire(reason, reached, limit)
        os._exit(0)
