"""Collects what a process writes, and wakes whoever waits for a phrase in it."""

import fcntl
import os
import select
import threading
import time

_PIPE_BYTES = 1 << 20
"""Room enough that a server never waits for the test to read its log."""


class Output:
    """A pipe whose other end a process writes to, read by a thread as it comes.

    Whoever has seen that a process did something finds all that it wrote before.

    Resource handling: `writer` is closed by whoever passed it on; the thread ends, and closes the
    other end, once no process holds `writer` any more.
    """

    def __init__(self) -> None:
        self._reader, self.writer = os.pipe()
        os.set_blocking(self._reader, False)
        fcntl.fcntl(self._reader, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._changed = threading.Condition()
        self._data = bytearray()
        self._ended = False
        self._thread = threading.Thread(target=self._read, name="output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        poll = select.poll()
        poll.register(self._reader, select.POLLIN)
        while not self._ended:
            poll.poll()
            with self._changed:
                self._take()
        os.close(self._reader)

    def _take(self) -> None:
        """Take in all that was written before now; `_changed` is held."""
        left = _PIPE_BYTES  # a writer that never pauses does not hold anybody up
        while left > 0 and not self._ended:
            try:
                chunk = os.read(self._reader, 65536)
            except BlockingIOError:
                return
            left -= len(chunk)
            self._data += chunk
            self._ended = not chunk
            self._changed.notify_all()

    def text(self, start: int = 0) -> str:
        """Return what was written so far, from the byte `start` on."""
        with self._changed:
            self._take()
            return self._data[start:].decode(errors="backslashreplace")

    def size(self) -> int:
        """Return how many bytes were written so far."""
        with self._changed:
            self._take()
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
