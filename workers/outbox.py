"""What a client is still owed: bytes and parts of files, in order."""

import collections
import errno
import fcntl
import io
import os
import socket
import struct
import termios

from heeler.workers.spool import open_spool, write_all

SEND_BYTES = 1 << 20
"""The most that goes into one sendfile(2), so that others get a turn."""


class FileSpan:
    """A part of a file still to be sent.

    Args:
        fd: the file's descriptor, open until the span is sent.
        offset: where the rest begins.
        count: how many bytes the rest has.
        owned: whether the descriptor is closed with the span.
    """

    __slots__ = ("count", "fd", "offset", "owned")

    def __init__(self, fd: int, offset: int, count: int, *, owned: bool) -> None:
        self.owned = owned
        self.fd = fd
        self.offset = offset
        self.count = count


class Outbox:
    """Pending output of one connection.

    Args:
        directory: where a temporary file goes; None is the system's choice.

    Resource handling: `close` drops what is pending and the temporary file.
    """

    __slots__ = ("_directory", "_pieces", "_spool", "memory", "sent", "spilling")

    def __init__(self, directory: str | None) -> None:
        self._directory = directory
        self._pieces: collections.deque[memoryview | FileSpan] = collections.deque()
        self._spool: io.FileIO | None = None
        self.memory = 0
        """Bytes pending in memory."""
        self.sent = 0
        """Bytes handed to the kernel."""
        self.spilling = False
        """Whether new bytes go to the temporary file."""

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def append(self, data: bytes | memoryview) -> None:
        """Add bytes.

        Raises:
            OSError: they belong on disk, and the disk is full.
        """
        if self.spilling:
            self._spill(data)
        else:
            view = memoryview(data)
            self._pieces.append(view)
            self.memory += len(view)

    def append_file(self, fd: int, offset: int, count: int) -> None:
        """Add a part of a file; the caller may close the file at once."""
        self._pieces.append(FileSpan(os.dup(fd), offset, count, owned=True))

    def _spill(self, data: bytes | memoryview) -> None:
        if self._spool is None:
            self._spool = open_spool(self._directory)
        end = self._spool.seek(0, os.SEEK_END)
        write_all(self._spool, data)
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, FileSpan) and last.fd == self._spool.fileno():
            last.count += len(data)
        else:
            self._pieces.append(FileSpan(self._spool.fileno(), end, len(data), owned=False))

    def flush(self, sock: socket.socket) -> bool:
        """Send what the socket takes; True when nothing is pending any more.

        Raises:
            OSError: the client is gone, or a file ended early (then as EIO).
        """
        pieces = self._pieces
        while pieces:
            piece = pieces[0]
            try:
                if isinstance(piece, FileSpan):
                    if not self._send_file(sock, piece):
                        return False
                else:
                    sent = sock.send(piece)
                    self.sent += sent
                    self.memory -= sent
                    if sent < len(piece):
                        pieces[0] = piece[sent:]
                        return False
            except BlockingIOError:
                return False
            self._drop(pieces.popleft())
        self._drop_spool()
        return True

    def taken(self, sock: socket.socket) -> int:
        """Return how much the client has taken; only its growth means something.

        A socket is not writable before a good part of its buffer is free, which may be
        megabytes: a slow client has taken a lot by then.
        """
        try:
            (waiting,) = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
        except OSError:
            waiting = 0
        return self.sent - int(waiting)

    @staticmethod
    def _drop(piece: memoryview | FileSpan) -> None:
        if isinstance(piece, FileSpan) and piece.owned:
            os.close(piece.fd)

    def _send_file(self, sock: socket.socket, span: FileSpan) -> bool:
        """Send one stretch; True when the span is sent whole."""
        sent = os.sendfile(sock.fileno(), span.fd, span.offset, min(span.count, SEND_BYTES))
        if sent == 0 and span.count:
            raise OSError(errno.EIO, "the file ended before the response did")
        self.sent += sent
        span.offset += sent
        span.count -= sent
        return span.count == 0

    def _drop_spool(self) -> None:
        self.spilling = False
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def close(self) -> None:
        """Drop what is pending."""
        while self._pieces:
            self._drop(self._pieces.popleft())
        self.memory = 0
        self._drop_spool()
