"""A request's body while it comes in, and as the application reads it."""

import io
from typing import IO

from heeler.workers.spool import open_spool, write_all


class RequestBody:
    """Collects a body: in memory up to a limit, in a temporary file above.

    Args:
        memory_limit: bytes that may stay in memory.
        directory: where the temporary file goes; None is the system's choice.

    Resource handling: `close` lets go of memory and file.
    """

    __slots__ = ("_directory", "_disk", "_file", "_memory_limit", "size")

    def __init__(self, memory_limit: int, directory: str | None) -> None:
        self._memory_limit = memory_limit
        self._directory = directory
        self._file: IO[bytes] = io.BytesIO()
        self._disk: io.FileIO | None = None
        self.size = 0

    def write(self, data: bytes) -> None:
        """Append `data`.

        Raises:
            OSError: the disk is full, or there is none to write to.
        """
        self.size += len(data)
        if self._disk is None:
            if self.size <= self._memory_limit:
                self._file.write(data)
                return
            self._disk = open_spool(self._directory)
            memory, self._file = self._file, self._disk
            assert isinstance(memory, io.BytesIO)
            write_all(self._disk, memory.getbuffer())
        write_all(self._disk, data)

    def rewind(self) -> IO[bytes]:
        """Return the whole body as a file at its start; the body is complete."""
        self._file.seek(0)
        if self._disk is not None:
            self._file = io.BufferedReader(self._disk)
        return self._file

    def close(self) -> None:
        """Let go of it; harmless when already closed."""
        self._file.close()
