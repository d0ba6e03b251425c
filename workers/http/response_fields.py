"""The application's header fields, each checked once and kept as its line."""

import enum
import re
from typing import Final

from heeler.plugins.errors import LocalProtocolError

_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_value: Final = re.compile(r"[\t -~\x80-\xff]*").fullmatch
_is_length: Final = re.compile(r"[0-9]{1,18}").fullmatch
_KEPT: Final = 1024
_KEPT_LENGTH: Final = 256


class Kind(enum.Enum):
    """What the server has to do with a field itself."""

    CLOSE = "a Connection that says close"
    DROPPED = "never sent"
    DATE = "instead of ours"
    SERVER = "instead of ours, too"
    TRAILER = "sent where trailers are"


_DROPPED: Final = frozenset(
    # Between two neighbours only (RFC 9110, section 7.6.1): the server's to say.
    ("connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade")
)


class Special:
    """A field that is more than its line; `data` is empty for one that is not sent."""

    __slots__ = ("data", "kind")

    def __init__(self, kind: Kind, data: bytes) -> None:
        self.kind = kind
        self.data = data


Line = bytes | int | Special
"""A line to be sent, a Content-Length, or what needs a decision."""


class FieldLines(dict[tuple[str, str], Line]):
    """Maps the name and value an application gave to their line."""

    __slots__ = ()

    def __missing__(self, pair: tuple[str, str]) -> Line:
        line = _line(pair)
        if len(pair[0]) + len(pair[1]) <= _KEPT_LENGTH:
            if len(self) >= _KEPT:
                self.clear()
            self[pair] = line
        return line


class RawFieldLines(dict[tuple[bytes, bytes], Line]):
    """The same for names and values in bytes, as ASGI has them; raises TypeError for what is no pair of bytes."""

    __slots__ = ()

    def __missing__(self, pair: tuple[bytes, bytes]) -> Line:
        if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(part, bytes) for part in pair):
            raise TypeError
        line = _line((pair[0].decode("latin-1"), pair[1].decode("latin-1")))
        if len(pair[0]) + len(pair[1]) <= _KEPT_LENGTH:
            if len(self) >= _KEPT:
                self.clear()
            self[pair] = line
        return line


def _line(pair: tuple[str, str]) -> Line:
    """Return the line of a field.

    Raises:
        LocalProtocolError: it may not be sent.
    """
    if not isinstance(pair, tuple) or len(pair) != 2 or not all(isinstance(part, str) for part in pair):
        raise TypeError
    name, value = pair
    if _is_token(name) is None:
        raise LocalProtocolError(f"the response header name {name!r} is no token")
    if _is_value(value) is None:
        raise LocalProtocolError(f"the value of the response header {name} has a character that it may not have")
    lower = name.lower()
    if lower == "content-length":
        if _is_length(value) is None:
            raise LocalProtocolError(f"the response's Content-Length is {value!r}, which is not a number")
        return int(value)
    line = b"%b: %b\r\n" % (name.encode("latin-1"), value.encode("latin-1"))
    if lower in _DROPPED:
        options = {option.strip(" \t").lower() for option in value.split(",")}
        return Special(Kind.CLOSE if lower == "connection" and "close" in options else Kind.DROPPED, b"")
    if lower == "trailer":
        return Special(Kind.TRAILER, line)
    if lower == "date":
        return Special(Kind.DATE, line)
    return Special(Kind.SERVER, line) if lower == "server" else line
