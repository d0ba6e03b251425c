"""Collects what a process writes, and wakes whoever waits for a phrase in it."""

import fcntl
import os
import threading
import time

_PIPE_BYTES = 1 << 20
"""Room enough that a server never waits for the test to read its log."""


class Output:
    """A pipe whose other end a process writes to, read by a thread as it comes.

    Resource handling: `writer` is closed by whoever passed it on; `close` ends the
    thread, even where some process still holds the other end.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._changed = threading.Condition()
        self._data = bytearray()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while chunk := os.read(self._reader, 65536):
            with self._changed:
                self._data += chunk
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        os.close(self._reader)

    def text(self, start: int = 0) -> str:
        """Return what has come so far, from the byte `start` on."""
        with self._changed:
            return self._data[start:].decode(errors="backslashreplace")

    def size(self) -> int:
        """Return how many bytes have come."""
        with self._changed:
            return len(self._data)

    def wait_for(self, phrase: str, count: int, start: int, timeout_s: float) -> bool:
        """Wait until `phrase` stands `count` times after the byte `start`.

        Returns:
            False when the time is over, or all writers have ended, before that.
        """
        wanted, deadline = phrase.encode(), time.monotonic() + timeout_s
        with self._changed:
            while self._data.count(wanted, start) < count:
                remaining_s = deadline - time.monotonic()
                if self._ended or remaining_s <= 0:
                    return False
                self._changed.wait(remaining_s)
        return True

    def wait_ended(self, timeout_s: float) -> bool:
        """Wait until no process holds the writing end any more."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()
