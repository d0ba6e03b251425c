"""Content that comes in chunks (RFC 9112, section 7.1)."""

import re
from typing import Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.limits import Limits

_TOKEN: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_QUOTED: Final = rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"'
_size_line: Final = re.compile(
    rb"([0-9A-Fa-f]{1,16})((?:;" + _TOKEN + rb"(?:=(?:" + _TOKEN + rb"|" + _QUOTED + rb"))?)*)"
).fullmatch
_plain_size: Final = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n").match
_trailer_line: Final = re.compile(rb"(" + _TOKEN + rb"):[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch
_bad_byte: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|(?<!\r)\n").search
_LARGEST: Final = 2**63 - 1
_SIZE_LINE: Final = 16  # digits

# Fields that say how to read the message, or who sent it (RFC 9110, section 6.5.1).
_FORBIDDEN: Final = frozenset(
    b"authorization connection content-encoding content-length content-range content-type cookie expect host"
    b" keep-alive max-forwards proxy-authorization set-cookie te trailer transfer-encoding upgrade".split()
)

_SIZE, _DATA, _DATA_END, _TRAILERS, _DONE = range(5)


class ChunkedBody:
    """Takes the chunks of one body apart. Trailers are checked and dropped.

    Resource handling: holds no more than one unfinished line.
    """

    __slots__ = ("_extensions", "_left", "_limits", "_line", "_seen", "_state", "_total", "_trailer_bytes", "_trailers")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._state = _SIZE
        self._left = 0
        self._line = b""  # the part of a line that came
        self._seen = 0  # of it, in bytes that are good
        self._total = self._extensions = self._trailers = self._trailer_bytes = 0

    @property
    def is_done(self) -> bool:
        """Whether the last chunk and the trailers have come."""
        return self._state == _DONE

    def feed(self, data: bytes, start: int, content: list[bytes]) -> int:
        """Append the content found in `data[start:]` to `content`; return where the body, or `data`, ends.

        Raises:
            RemoteProtocolError: what was appended before is good.
        """
        position, size = start, len(data)
        while position < size and self._state != _DONE:
            if self._state == _DATA:
                piece = data[position : position + self._left]
                content.append(piece)
                position += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
                continue
            if self._state == _SIZE and not self._line:
                position = self._take_whole_chunks(data, position, content)
            if position < size:
                position = self._take_line(data, position)
        return position

    def _take_whole_chunks(self, data: bytes, position: int, content: list[bytes]) -> int:
        """Take the chunks without extensions that lie in `data` whole; return where they end.

        Very small chunks must not cost much more than their bytes.
        """
        limit = self._limits.body
        while (match := _plain_size(data, position)) is not None:
            size = int(match[1], 16)
            start = match.end()
            end = start + size
            if not size or data[end : end + 2] != b"\r\n" or 0 < limit < self._total + size:
                break
            content.append(data[start:end])
            self._total += size
            position = end + 2
        return position

    def _take_line(self, data: bytes, position: int) -> int:
        """Take the line that begins or goes on at `position`; return where it ends."""
        newline = data.find(b"\n", position)
        end = newline + 1 if newline >= 0 else len(data)
        line = self._line + data[position:end] if self._line else data[position:end]
        self._check_line(line)
        if newline < 0:
            self._line = line
            self._seen = len(line) - 1
            return end
        self._line = b""
        self._seen = 0
        if self._state == _SIZE:
            self._size(line[:-2])
        elif self._state == _DATA_END:
            self._state = _SIZE
        else:
            self._trailer(line[:-2])
        return end

    def _check_line(self, line: bytes) -> None:
        """Refuse a line, whole or not, for its bytes or its length."""
        if self._state == _SIZE:
            room = _SIZE_LINE + self._limits.chunk_extensions - self._extensions
        elif self._state == _DATA_END:
            room = 0
        else:
            room = self._limits.trailers - self._trailer_bytes
        if _bad_byte(line, self._seen, room + 2) is not None:
            raise RemoteProtocolError("the chunks have a byte that they may not have")
        if len(line) > room and line[room] != 13:
            status = 431 if self._state == _TRAILERS else 400
            raise RemoteProtocolError("a chunk's size line or a trailer is too long", status)

    def _size(self, line: bytes) -> None:
        match = _size_line(line)
        if match is None or (size := int(match[1], 16)) > _LARGEST:
            raise RemoteProtocolError("a chunk's size line is malformed")
        self._extensions += len(match[2])
        if self._extensions > self._limits.chunk_extensions:
            raise RemoteProtocolError("too many bytes of chunk extensions")
        self._total += size
        if 0 < self._limits.body < self._total:
            raise RemoteProtocolError("the content is too large", 413)
        self._left = size
        self._state = _DATA if size else _TRAILERS

    def _trailer(self, line: bytes) -> None:
        if not line:
            self._state = _DONE
            return
        match = _trailer_line(line)
        if match is None or match[1].lower() in _FORBIDDEN:
            raise RemoteProtocolError("a trailer is malformed or not allowed")
        self._trailers += 1
        self._trailer_bytes += len(line) + 2
        if self._trailers > self._limits.fields or self._trailer_bytes > self._limits.trailers:
            raise RemoteProtocolError("too many trailers", 431)
