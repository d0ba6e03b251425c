"""Finds the first fault in a head while its bytes trickle in.

The order of the checks is the order of the bytes, so that a head has one verdict,
however it was cut into pieces: each line's bytes, its length, its grammar.
"""

import re
from collections.abc import Container
from typing import Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http import request_line
from heeler.workers.http.limits import Limits
from heeler.workers.http.request_line import QuickLines

_bad_byte: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|(?<!\r)\n").search
_is_field: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\x00-\x08\x0a-\x1f\x7f]*").fullmatch


class HeadScan:
    """Examines one head; `advance` is called with all of it that has come.

    Args:
        limits: what is too long or too many.
        request_lines: what knows good request lines.
        field_lines: field lines known to be good.
    """

    __slots__ = ("_count", "_field_lines", "_limits", "_request_lines", "_seen", "_start")

    def __init__(
        self, limits: Limits, request_lines: QuickLines | None = None, field_lines: Container[str] = ()
    ) -> None:
        self._limits = limits
        self._request_lines = request_lines
        self._field_lines = field_lines
        self._start = 0  # of the line that is not whole yet
        self._seen = 0  # up to here its bytes are good
        self._count = 0  # whole lines

    def advance(self, head: bytes | bytearray) -> None:
        """Examine what is new in `head`, which begins with the request line.

        Raises:
            RemoteProtocolError: the first fault.
        """
        limits = self._limits
        total = limits.head_total
        while (newline := head.find(b"\n", self._seen)) >= 0:
            line = bytes(head[self._start : newline - 1])
            limit = (limits.field_size if self._count else limits.request_line) or total
            if head[newline - 1] != 13 or len(line) > limit or newline > total or not self._is_good(line):
                self._check_bytes(head, newline + 1)
                if self._count == 0:
                    request_line.read(line)
                elif not line:
                    return
                else:
                    raise RemoteProtocolError("a header field is malformed")
            if self._count > limits.fields:
                raise RemoteProtocolError("too many header fields", 431)
            self._count += 1
            self._start = self._seen = newline + 1
        self._check_bytes(head, len(head))
        self._seen = max(self._start, len(head) - 1)

    def _is_good(self, line: bytes) -> bool:
        """Return whether nothing is wrong with the bytes of the line; False where that must be looked at closer."""
        if self._count:
            return line.decode("latin-1") in self._field_lines or _is_field(line) is not None
        return self._request_lines is not None and self._request_lines[line] is not None

    def _check_bytes(self, head: bytes | bytearray, end: int) -> None:
        """Check the bytes and the length of the line up to `end`."""
        total = self._limits.head_total
        limit = (self._limits.field_size if self._count else self._limits.request_line) or total
        last = min(self._start + limit, total)  # the first byte that must be CR or later
        bad = _bad_byte(head, self._seen, min(end, last + 1))
        if bad is not None or (end > last + 1 and head[last] == 13 and head[last + 1] != 10):
            raise RemoteProtocolError("the head has a byte that it may not have")
        if end > last and head[last] != 13:
            status = 431 if self._count else 414
            raise RemoteProtocolError("the head, or a line of it, is too long", status)
