"""One WSGI response: what the application says, turned into bytes for a client (PEP 3333)."""

import io
import os
import stat
import types
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Final

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.access_entry import DONE
from heeler.workers.client import Client
from heeler.workers.http.request_line import RequestLine
from heeler.workers.http.response import LAST_CHUNK, Head, ResponseEncoder, chunk

ExcInfo = tuple[type[BaseException], BaseException, types.TracebackType | None]
Headers = list[tuple[str, str]]

MERGE_BYTES: Final = 65536
"""A body up to this size goes out in one piece with its head; copying more costs more than a second send."""


class PlainFileWrapper:
    """A `wsgi.file_wrapper` that reads the file in blocks.

    Args:
        file: has `read`, and perhaps `fileno` and `close`.
        block_size: bytes a turn.
    """

    def __init__(self, file: IO[bytes], block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while data := self.file.read(self.block_size):
            yield data


class FileWrapper(PlainFileWrapper):
    """A `wsgi.file_wrapper` whose file is sent by the kernel where that can be."""

    def span(self) -> tuple[int, int, int] | None:
        """Return (descriptor, offset, bytes) of what is left, or None where the kernel does not know what that is."""
        if not _is_plain(self.file):
            return None
        try:
            fd = self.file.fileno()
            facts = os.fstat(fd)
            offset = self.file.tell()
        except (OSError, ValueError):
            return None
        # A file of /proc says that it is empty, and is not.
        if not stat.S_ISREG(facts.st_mode) or facts.st_size <= offset:
            return None
        return fd, offset, facts.st_size - offset


def _is_plain(file: object) -> bool:
    """Whether reading `file` gives the bytes of its descriptor: that of a GzipFile is the packed file's."""
    if type(file).__module__ == "tempfile":
        file = getattr(file, "file", None)
    if type(file) is io.BufferedReader or type(file) is io.BufferedRandom:
        file = file.raw
    return type(file) is io.FileIO


class WsgiResponse:
    """A response in the making.

    Args:
        client: where the bytes go.
        line: the request line of what is answered.
        encoder: makes the head.
        keep_alive: whether the connection may stay open after it.
        date: the Date field's value.
    """

    __slots__ = (
        "_client",
        "_date",
        "_encoder",
        "_line",
        "failed",
        "fault",
        "head",
        "headers",
        "keep_alive",
        "outcome",
        "sent",
        "status",
    )

    def __init__(
        self, client: Client, line: RequestLine, encoder: ResponseEncoder, keep_alive: bool, date: bytes
    ) -> None:
        self._client = client
        self._line = line
        self._encoder = encoder
        self._date = date
        self.head: Head | None = None
        """The head, once it is out."""
        self.keep_alive = keep_alive
        self.status: str | None = None
        """The status as the application gave it."""
        self.headers: Headers = []
        """The headers as the application gave them."""
        self.failed = 0
        """The status code of the error page that was sent instead, 0 where none was."""
        self.sent = 0
        """Body bytes handed to the client's connection."""
        self.fault: str | None = None
        """What the application did wrong about the length of the body, for the log."""
        self.outcome = DONE
        """How it ends, for the access log; `SEEN_TO` once others have answered, counted and logged it."""

    @property
    def code(self) -> int:
        """The status code that was sent, 0 where none was."""
        return self.head.code if self.head is not None else self.failed

    @property
    def reason(self) -> str:
        """The reason phrase that was sent."""
        return self.head.reason if self.head is not None else ""

    def start_response(self, status: str, headers: Headers, exc_info: ExcInfo | None = None) -> Callable[[bytes], None]:
        """PEP 3333's start_response."""
        if exc_info is not None:
            try:
                if self.head is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        elif self.status is not None:
            raise LocalProtocolError("start_response was called again without exc_info")
        self.status = status
        self.headers = headers
        return self.write

    def write(self, data: bytes) -> None:
        """Send a part of the body, now (PEP 3333's write)."""
        if type(data) is not bytes:
            data = _as_bytes(data)
        if self.head is None:
            self._begin(data, None)
        elif data:
            self._send(data)

    def send_list(self, parts: list[bytes]) -> None:
        """Send a body that is there as a whole, and complete the response."""
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        if type(data) is not bytes:
            data = _as_bytes(data)
        size = len(data)
        if self.head is None:
            head = self._make_head(size)
            if head.content_length == size <= MERGE_BYTES and not head.bodyless:
                # The common case.
                self.sent = size
                self._client.write(head.data + data)
                return
            self._send_first(head, data)
        elif data:
            self._send(data)
        self._complete()

    def send(self, iterable: Iterable[bytes]) -> None:
        """Send what the application returned, as it comes, and complete the response."""
        if isinstance(iterable, PlainFileWrapper):
            if type(iterable) is not FileWrapper or not self._send_file(iterable):
                self._send_blocks(iterable)
        else:
            write = self.write
            for data in iterable:
                # An empty string means: nothing yet (and no head yet).
                if data:
                    write(data)
        self._complete()

    def _make_head(self, total: int | None) -> Head:
        """Decide the head; `total` is the body's length where it is known."""
        if self.status is None:
            raise LocalProtocolError("the application returned a body without calling start_response")
        line = self._line
        head = self._encoder.encode_head(
            self.status,
            self.headers,
            line.method,
            line.minor,
            self.keep_alive,
            self._date,
            total,
        )
        self.head = head
        self.keep_alive = head.keep_alive
        return head

    def _begin(self, data: bytes, total: int | None) -> None:
        """Send the head and the first bytes; `total` is the body's length where it is known."""
        self._send_first(self._make_head(total), data)

    def _send_first(self, head: Head, data: bytes) -> None:
        if head.bodyless:
            self._client.write(head.data)
            return
        if head.content_length is not None and len(data) > head.content_length:
            data = self._clip(data, head.content_length)
        self.sent = len(data)
        if head.chunked:
            data = chunk(data)
        if len(data) <= MERGE_BYTES:
            self._client.write(head.data + data)
        else:
            self._client.write(head.data)
            self._client.write(data)

    def _send(self, data: bytes) -> None:
        head = self.head
        assert head is not None
        if head.bodyless:
            return
        if head.content_length is not None and self.sent + len(data) > head.content_length:
            data = self._clip(data, head.content_length - self.sent)
            if not data:
                return
        self.sent += len(data)
        self._client.write(chunk(data) if head.chunked else data)

    def _clip(self, data: bytes, room: int) -> bytes:
        """The application gave more than it declared: the rest would be read as the next response."""
        self.fault = "body longer than Content-Length"
        self.keep_alive = False
        return data[:room]

    def _send_file(self, wrapper: Any) -> bool:  # Any: a FileWrapper, as `send` has seen
        """Have the kernel send the file; False where it cannot."""
        span = wrapper.span()
        if span is None or self.status is None:
            return False
        fd, offset, count = span
        if self.head is None:
            self._begin(b"", count)
        head = self.head
        assert head is not None
        if head.bodyless:
            return True
        if head.content_length is None:
            # Chunked, or ended by closing: not the kernel's business.
            return False
        count = min(count, head.content_length - self.sent)
        if count:
            self._client.write_file(fd, offset, count)
            self.sent += count
        return True

    def _send_blocks(self, wrapper: PlainFileWrapper) -> None:
        """Send a file up to its end or to Content-Length, whichever comes first (PEP 3333 allows both)."""
        for data in wrapper:
            self.write(data)
            if self.fault is not None and self.head is not None:
                self.fault = None
                self.keep_alive = self.head.keep_alive
                return

    def _complete(self) -> None:
        if self.head is None:
            self._begin(b"", 0)
        head = self.head
        assert head is not None
        if head.bodyless:
            return
        if head.chunked:
            self._client.write(LAST_CHUNK)
        elif head.content_length is not None and self.sent < head.content_length:
            self.fault = "body shorter than Content-Length"
            self.keep_alive = False
            self._client.abort()


def _as_bytes(data: object) -> bytes:
    if isinstance(data, bytes):
        return bytes(data)
    raise LocalProtocolError(f"the body must be bytes, not {type(data).__name__}")
