"""Status lines, checked once and kept."""

import http
import re
from typing import Final

from heeler.plugins.errors import LocalProtocolError

_is_status: Final = re.compile(r"[2-9][0-9]{2}(?: [\t -~\x80-\xff]*)?", re.ASCII).fullmatch
_KEPT: Final = 256
_KEPT_LENGTH: Final = 128


class StatusLine:
    """A status line.

    Args:
        code: 200 to 999.
        reason: what is said beside it; may be empty.
    """

    __slots__ = ("code", "data", "bodyless", "reason")

    def __init__(self, code: int, reason: str) -> None:
        self.code = code
        self.reason = reason
        self.data = b"HTTP/1.1 %d %b\r\n" % (code, reason.encode("latin-1"))
        self.bodyless = code in (204, 304)


class StatusLines(dict[str, StatusLine]):
    """Maps the status an application gave to its line."""

    __slots__ = ()

    def __missing__(self, status: str) -> StatusLine:
        if _is_status(status) is None:
            raise LocalProtocolError("the response's status is not three digits, a space and a reason")
        line = StatusLine(int(status[:3]), status[4:])
        if len(status) <= _KEPT_LENGTH:
            if len(self) >= _KEPT:
                self.clear()
            self[status] = line
        return line


class StatusCodes(dict[int, StatusLine]):
    """Maps the number an application gave to its line, with the usual reason phrase; there are 800 at most."""

    __slots__ = ()

    def __missing__(self, code: int) -> StatusLine:
        if not isinstance(code, int):
            raise TypeError
        if not 200 <= code <= 999:
            raise LocalProtocolError(f"the response's status is {code}, which is none from 200 to 999")
        try:
            reason = http.HTTPStatus(code).phrase
        except ValueError:
            reason = ""
        line = self[int(code)] = StatusLine(int(code), reason)
        return line
