"""Response heads: what the application said, made into bytes that can harm nobody.

Decides how the content is framed and whether the connection is kept; nothing that
the application says reaches the wire unchecked. Must not know sockets or time.
"""

from collections.abc import Iterable
from typing import Final

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.http.response_fields import FieldLines, Kind, Special
from heeler.workers.http.status_line import StatusLines

CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
"""The interim response for a client that waits before it sends its content."""

LAST_CHUNK: Final = b"0\r\n\r\n"
"""Ends a chunked content."""

_CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
_CONNECTION: Final = (b"\r\n", b"Connection: close\r\n\r\n", b"Connection: keep-alive\r\n\r\n")
_KEEP, _CLOSE, _SAY_KEEP = range(3)
_KEPT_HEADS: Final = 256
_KEPT_BYTES: Final = 2048


class Head:
    """A head ready to be sent, and what it promises.

    Args:
        data: its bytes.
        code: the status code.
        reason: the reason phrase, may be empty.
        bodyless: no content may follow, whatever the application yields.
        chunked: each piece of content is to be framed by `chunk`, the end by `LAST_CHUNK`.
        content_length: the length the head promises, None where it promises none.
            Not chunked and None: the end of the connection ends the content.
        keep_alive: whether the connection is kept after the response.
    """

    __slots__ = ("bodyless", "chunked", "code", "content_length", "data", "keep_alive", "reason", "status_class")

    def __init__(
        self,
        data: bytes,
        code: int,
        reason: str,
        bodyless: bool,
        chunked: bool,
        content_length: int | None,
        keep_alive: bool,
    ) -> None:
        self.data = data
        self.code = code
        self.status_class = min(code // 100, 5)
        """1 to 5; a code above 599 counts as a server error (RFC 9110, section 15)."""
        self.reason = reason
        self.bodyless = bodyless
        self.chunked = chunked
        self.content_length = content_length
        self.keep_alive = keep_alive


class ResponseEncoder:
    """Makes heads; one serves all connections of a worker, and remembers what it has checked.

    Args:
        server: what the Server field says; None for no such field.
    """

    __slots__ = ("_date", "_date_line", "_heads", "_lines", "_server_line", "_statuses", "_tails")

    def __init__(self, server: bytes | None = None) -> None:
        self._server_line = b"Server: %b\r\n" % server if server else b""
        self._statuses = StatusLines()
        self._lines = FieldLines()
        self._date = self._date_line = b""
        self._tails: tuple[bytes, ...] = _CONNECTION
        # Heads made since the date changed, by all that they were made of.
        self._heads: dict[object, Head] = {}

    def encode_head(
        self,
        status: str,
        headers: Iterable[tuple[str, str]],
        method: str,
        minor: int,
        keep_alive: bool,
        date: bytes,
        body_length: int | None = None,
    ) -> Head:
        """Return the head of a response. Shared: never change it.

        Args:
            status: `200 OK`.
            headers: as the application gave them.
            method: the request's.
            minor: the request's.
            keep_alive: whether client and server would keep the connection.
            date: the value of Date; cheap while it is the same object.
            body_length: the content's length where the caller knows it, for an
                application that did not declare one.

        Raises:
            LocalProtocolError: the application gave what may not be sent.
        """
        if date is not self._date:
            self._set_date(date)
        headers = tuple(headers)
        key = (status, headers, method == "HEAD", minor, keep_alive, body_length)
        try:
            head = self._heads.get(key)
            if head is not None:
                return head
            line = self._statuses[status]
            parts, length, special = self._sort(headers, line.data)
        except TypeError as error:
            raise LocalProtocolError("a response's status and headers must be text, headers tuples of two") from error
        tails = self._tails
        if special is not None:
            closes, tails = self._apply(special, parts)
            keep_alive = keep_alive and not closes
        bodyless = line.bodyless or method == "HEAD"
        chunked = False
        if length is not None:
            if line.code != 204:  # RFC 9110, section 8.6
                parts.append(b"Content-Length: %d\r\n" % length)
        elif bodyless:
            pass
        elif body_length is not None:
            length = body_length
            parts.append(b"Content-Length: %d\r\n" % length)
        elif minor:
            chunked = True
            parts.append(_CHUNKED)
        else:
            keep_alive = False
        parts.append(tails[(_KEEP if minor else _SAY_KEEP) if keep_alive else _CLOSE])
        head = Head(b"".join(parts), line.code, line.reason, bodyless, chunked, length, keep_alive)
        if len(self._heads) < _KEPT_HEADS and len(head.data) < _KEPT_BYTES:
            self._heads[key] = head
        return head

    def _sort(
        self, headers: Iterable[tuple[str, str]], status_line: bytes
    ) -> tuple[list[bytes], int | None, list[Special] | None]:
        """Return the lines to send as they are, the declared length, and what is left to decide."""
        lines = self._lines
        parts = [status_line]
        length: int | None = None
        special: list[Special] | None = None
        for pair in headers:
            line = lines[pair]
            if isinstance(line, bytes):
                parts.append(line)
            elif isinstance(line, int):
                if length is not None:
                    raise LocalProtocolError("the response has more than one Content-Length")
                length = line
            elif special is None:
                special = [line]
            else:
                special.append(line)
        return parts, length, special

    def _set_date(self, date: bytes) -> None:
        self._date = date
        self._date_line = b"Date: %b\r\n" % date
        self._tails = _tails(self._server_line + self._date_line)
        self._heads.clear()

    def _apply(self, special: list[Special], parts: list[bytes]) -> tuple[bool, tuple[bytes, ...]]:
        """Return whether the application wants to close, and the ends of the head to choose from."""
        closes = False
        server_line, date_line = self._server_line, self._date_line
        for line in special:
            if line.kind is Kind.CLOSE:
                closes = True
                continue
            if line.kind is Kind.DATE:
                date_line = b""
            elif line.kind is Kind.SERVER:
                server_line = b""
            parts.append(line.data)
        return closes, _tails(server_line + date_line)


def _tails(lines: bytes) -> tuple[bytes, ...]:
    """Return the ends of a head, one for each thing to say of the connection."""
    return tuple(lines + connection for connection in _CONNECTION)


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk; nothing for nothing, since an empty chunk ends the content."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
