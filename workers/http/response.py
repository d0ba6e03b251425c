"""Response heads: what the application said, made into bytes that can harm nobody.

Decides how the content is framed and whether the connection is kept; nothing that
the application says reaches the wire unchecked. Must not know sockets or time.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.http.response_fields import FieldLines, Kind, Line, RawFieldLines, Special
from heeler.workers.http.status_line import StatusCodes, StatusLine, StatusLines

K = TypeVar("K")
RawHeader = Iterable[bytes]
"""A name and a value, as ASGI has them."""

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

    __slots__ = (
        "_codes",
        "_date",
        "_date_line",
        "_heads",
        "_lines",
        "_raw_heads",
        "_raw_lines",
        "_server_line",
        "_statuses",
        "_tails",
    )

    def __init__(self, server: bytes | None = None) -> None:
        self._server_line = b"Server: %b\r\n" % server if server else b""
        self._statuses = StatusLines()
        self._lines = FieldLines()
        self._codes = StatusCodes()
        self._raw_lines = RawFieldLines()
        self._date = self._date_line = b""
        self._tails: tuple[bytes, ...] = _CONNECTION
        # Heads made since the date changed, by all that they were made of.
        self._heads: dict[object, Head] = {}
        self._raw_heads: dict[object, Head] = {}

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
            parts, length, special = _sort(headers, line.data, self._lines)
        except TypeError as error:
            raise LocalProtocolError("a response's status and headers must be text, headers tuples of two") from error
        head = self._make(line, parts, length, special, method, minor, keep_alive, body_length)
        if len(self._heads) < _KEPT_HEADS and len(head.data) < _KEPT_BYTES:
            self._heads[key] = head
        return head

    def encode_raw(
        self,
        status: int,
        headers: Iterable[RawHeader],
        method: str,
        minor: int,
        keep_alive: bool,
        date: bytes,
        body_length: int | None = None,
        trailers: bool = False,
    ) -> Head:
        """Return the head of a response whose status is a number and whose headers are bytes, as ASGI has them.

        Args:
            status: 200 to 999; the reason phrase is the usual one.
            headers: pairs of bytes.
            method: the request's.
            minor: the request's.
            keep_alive: whether client and server would keep the connection.
            date: the value of Date; cheap while it is the same object.
            body_length: as for `encode_head`.
            trailers: whether fields follow the content: it is chunked then, whatever was declared.

        Raises:
            LocalProtocolError: the application gave what may not be sent.
        """
        if date is not self._date:
            self._set_date(date)
        try:
            pairs: tuple[Any, ...] = tuple(headers)  # Any: pairs of bytes, or what is refused below
            key = (status, pairs, method == "HEAD", minor, keep_alive, body_length, trailers)
            try:
                head = self._raw_heads.get(key)
            except TypeError:  # lists of two, most likely
                pairs = tuple([tuple(pair) for pair in pairs])
                key = (status, pairs, method == "HEAD", minor, keep_alive, body_length, trailers)
                head = self._raw_heads.get(key)
            if head is not None:
                return head
            line = self._codes[status]
            parts, length, special = _sort(pairs, line.data, self._raw_lines)
        except TypeError as error:
            reason = "a response's status must be a number, its headers pairs of bytes"
            raise LocalProtocolError(reason) from error
        if trailers:
            length = body_length = None
        head = self._make(line, parts, length, special, method, minor, keep_alive, body_length, trailers)
        if len(self._raw_heads) < _KEPT_HEADS and len(head.data) < _KEPT_BYTES:
            self._raw_heads[key] = head
        return head

    def field_lines(self, headers: Iterable[RawHeader]) -> bytes:
        """Return lines for what stands outside of a final head: trailers, early hints.

        Raises:
            LocalProtocolError: they may not be sent, or not there (RFC 9110, section 6.5.1).
        """
        parts = []
        for pair in headers:
            try:
                line = self._raw_lines[tuple(pair)]  # type: ignore[index]  # what is no pair is a TypeError
            except TypeError as error:
                raise LocalProtocolError("headers must be pairs of bytes") from error
            if not isinstance(line, bytes):
                name = bytes(next(iter(pair))).decode("latin-1")
                raise LocalProtocolError(f"the field {name} may not stand among trailers or hints")
            parts.append(line)
        return b"".join(parts)

    def _make(
        self,
        line: StatusLine,
        parts: list[bytes],
        length: int | None,
        special: list[Special] | None,
        method: str,
        minor: int,
        keep_alive: bool,
        body_length: int | None,
        trailers: bool = False,
    ) -> Head:
        """Decide the framing, and return the head."""
        tails = self._tails
        if special is not None:
            closes, tails = self._apply(special, parts, trailers)
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
        return Head(b"".join(parts), line.code, line.reason, bodyless, chunked, length, keep_alive)

    def _set_date(self, date: bytes) -> None:
        self._date = date
        self._date_line = b"Date: %b\r\n" % date
        self._tails = _tails(self._server_line + self._date_line)
        self._heads.clear()
        self._raw_heads.clear()

    def _apply(self, special: list[Special], parts: list[bytes], trailers: bool) -> tuple[bool, tuple[bytes, ...]]:
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
            elif line.kind is Kind.TRAILER and not trailers:
                continue
            parts.append(line.data)
        return closes, _tails(server_line + date_line)


def _sort(
    headers: Iterable[K], status_line: bytes, lines: Mapping[K, Line]
) -> tuple[list[bytes], int | None, list[Special] | None]:
    """Return the lines to send as they are, the declared length, and what is left to decide."""
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


def _tails(lines: bytes) -> tuple[bytes, ...]:
    """Return the ends of a head, one for each thing to say of the connection."""
    return tuple(lines + connection for connection in _CONNECTION)


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk; nothing for nothing, since an empty chunk ends the content."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
