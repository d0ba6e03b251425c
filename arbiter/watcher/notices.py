"""Notices from the system that something has happened in a directory: watchfiles, in a thread of the watcher.

They say when to look, not what has changed. Each directory is watched for itself, and none below it: watched
as a whole, a project would cost a watch for every folder in `node_modules` and `.venv` too, of which a system has few.
"""

import contextlib
import logging
import os
import threading
from typing import Final

_STEP_MS: Final = 20
"""How long nothing must happen for what has happened to be told."""

_DEBOUNCE_MS: Final = 200
"""After how long it is told in any case."""


class Notices:
    """A descriptor that becomes readable when something has happened in one of the directories.

    Resource handling: its threads and its pipe end with the process.
    """

    def __init__(self) -> None:
        logging.getLogger("watchfiles").setLevel(logging.WARNING)
        self._reader, self._writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._over = threading.Event()
        self._directories: frozenset[str] = frozenset()
        self._failure = ""

    def fileno(self) -> int:
        """Return the descriptor to wait on."""
        return self._reader

    def take(self) -> None:
        """Forget what has happened so far."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._reader, 4096):
                pass

    def failed(self, directories: frozenset[str]) -> str:
        """Return why these directories cannot be watched; empty where they can.

        Those that were watched when it failed may have been others, of which some are gone.
        """
        return self._failure if directories == self._directories else ""

    def watch(self, directories: frozenset[str]) -> bool:
        """Watch these directories from soon on, and no others; False where they are watched already."""
        if directories == self._directories:
            return False
        self._over.set()
        self._over, self._directories, self._failure = threading.Event(), directories, ""
        if directories:
            threading.Thread(target=self._run, args=(directories, self._over), daemon=True).start()
        return True

    def _run(self, directories: frozenset[str], over: threading.Event) -> None:
        import watchfiles

        try:
            for _ in watchfiles.watch(
                *directories,
                watch_filter=None,
                debounce=_DEBOUNCE_MS,
                step=_STEP_MS,
                stop_event=over,
                recursive=False,
                raise_interrupt=False,
            ):
                self._wake()
        except Exception as error:  # too many watches for this system, a directory that has just gone
            if not over.is_set():
                self._failure = f"{type(error).__name__}: {error}"
                self._wake()

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b".")
