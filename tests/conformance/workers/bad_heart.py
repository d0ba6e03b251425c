"""Worker classes whose heartbeat says nothing of how they are."""

import threading
import time

from typing_extensions import override

from heeler.workers import scoreboard
from heeler.workers.sync import SyncWorker


class NeverBeats(SyncWorker):
    """Shows a sign of life once, and never again."""

    @override  # type: ignore[misc]  # it is not to be overridden
    def tick(self) -> float:
        if not self.words[scoreboard.BEAT_AT]:
            super().tick()
        self.tally.show()
        return 60.0


class BeatsWhateverHappens(SyncWorker):
    """Beats in a thread that knows nothing of the loop."""

    @override
    def run(self) -> None:
        threading.Thread(target=self._beat, daemon=True).start()
        super().run()

    def _beat(self) -> None:
        never = threading.Event()
        while not never.wait(0.1):
            self.words[scoreboard.BEAT_AT] = time.monotonic_ns()
