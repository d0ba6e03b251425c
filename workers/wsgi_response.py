"""One WSGI response: what the application says, turned into bytes for a client (PEP 3333)."""

import os
import stat
import types
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any, Final

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.client import Client
from heeler.workers.http.request import Request
from heeler.workers.http.response import LAST_CHUNK, Head, ResponseEncoder, chunk

ExcInfo = tuple[type[BaseException], BaseException, types.TracebackType | None]
Headers = list[tuple[str, str]]

MERGE_BYTES: Final = 65536
"""A body up to this size goes out in one piece with its head; copying more costs more than a second send."""


class FileWrapper:
    """The `wsgi.file_wrapper`: a file that is sent by the kernel where that can be.

    Args:
        file: has `read`, and perhaps `fileno` and `close`.
        block_size: bytes a turn, where the kernel cannot.
    """

    def __init__(self, file: IO[bytes], block_size: int = 65536) -> None:
        self.file = file
        self.block_size = block_size
        if hasattr(file, "close"):
            self.close = file.close

    def __iter__(self) -> Iterator[bytes]:
        while data := self.file.read(self.block_size):
            yield data

    def span(self) -> tuple[int, int, int] | None:
        """Return (descriptor, offset, bytes) of what is left, or None where it is no regular file."""
        try:
            fd = self.file.fileno()
            facts = os.fstat(fd)
            if not stat.S_ISREG(facts.st_mode):
                return None
            offset = self.file.tell()
        except (AttributeError, OSError, ValueError):
            return None
        return fd, offset, max(0, facts.st_size - offset)


class WsgiResponse:
    """A response in the making.

    Args:
        client: where the bytes go.
        request: what is answered.
        encoder: makes the head.
        keep_alive: whether the connection may stay open after it.
        date: the Date field's value.
        sendfile: whether the kernel may send files.
    """

    __slots__ = (
        "_client",
        "_date",
        "_encoder",
        "_head",
        "_request",
        "_sendfile",
        "failed",
        "fault",
        "headers",
        "keep_alive",
        "sent",
        "status",
    )

    def __init__(
        self,
        client: Client,
        request: Request,
        encoder: ResponseEncoder,
        keep_alive: bool,
        date: bytes,
        sendfile: bool,
    ) -> None:
        self._client = client
        self._request = request
        self._encoder = encoder
        self._date = date
        self._sendfile = sendfile
        self._head: Head | None = None
        self.keep_alive = keep_alive
        self.status: str | None = None
        self.headers: Headers = []
        self.sent = 0
        """Body bytes handed to the client's connection."""
        self.failed = 0
        """The status of the error page that stands for it, 0 where none does."""
        self.fault: str | None = None
        """What the application did wrong about the length of the body, for the log."""

    @property
    def begun(self) -> bool:
        """Whether the head is out, so that the status cannot change any more."""
        return self._head is not None

    @property
    def code(self) -> int:
        """The status code that was sent, 0 where none was."""
        return self._head.code if self._head is not None else self.failed

    @property
    def reason(self) -> str:
        """The reason phrase that was sent."""
        return self._head.reason if self._head is not None else ""

    def start_response(
        self, status: str, headers: Headers, exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        """PEP 3333's start_response."""
        if exc_info is not None:
            try:
                if self._head is not None:
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
        if self._head is None:
            self._begin(data, None)
        elif data:
            self._send(data)

    def send(self, iterable: Iterable[bytes]) -> None:
        """Send what the application returned, and complete the response."""
        kind = type(iterable)
        if kind is list or kind is tuple:
            parts: list[bytes] = iterable  # type: ignore[assignment]
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            if type(data) is not bytes:
                data = _as_bytes(data)
            if self._head is None:
                self._begin(data, len(data))
            elif data:
                self._send(data)
        elif kind is not FileWrapper or not self._send_file(iterable):
            write = self.write
            for data in iterable:
                # An empty string means: nothing yet (and no head yet).
                if data:
                    write(data)
        self._complete()

    def _begin(self, data: bytes, total: int | None) -> None:
        """Send the head and the first bytes; `total` is the body's length where it is known."""
        if self.status is None:
            raise LocalProtocolError("the application returned a body without calling start_response")
        request = self._request
        head = self._encoder.encode_head(
            self.status,
            self.headers,
            method=request.method,
            minor=request.minor,
            keep_alive=self.keep_alive,
            date=self._date,
            body_length=total,
        )
        self._head = head
        self.keep_alive = head.keep_alive
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
        head = self._head
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
        span = wrapper.span() if self._sendfile else None
        if span is None or self.status is None:
            return False
        fd, offset, count = span
        if self._head is None:
            self._begin(b"", count)
        head = self._head
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

    def _complete(self) -> None:
        if self._head is None:
            self._begin(b"", 0)
        head = self._head
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
