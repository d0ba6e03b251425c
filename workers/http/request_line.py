"""The request line: method, target, version (RFC 9112, section 3)."""

import re
from typing import Any, Final

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.authority import is_authority
from heeler.workers.http.kept import Kept

METHODS: Final = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
"""The common methods."""

_VERSIONS: Final = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
# What a line of the common kind has not: all but visible ASCII and blanks, and the start of a fragment.
_UNFIT: Final = bytes((*range(32), ord("#"), *range(127, 256)))
_COMMON: Final = frozenset(METHODS.values())
_KEPT: Final = 1024
_KEPT_BYTES: Final = 256
_is_version: Final = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_is_token: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_method: Final = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}").fullmatch
_absolute: Final = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE).fullmatch


class RequestLine:
    """A request line's parts. Shared between requests: never change it.

    Args:
        method: as sent.
        target: as sent.
        path: the target's path, still percent-encoded; `*` for `OPTIONS *`.
        query: what follows the first `?`, or the empty text.
        minor: 1 for HTTP/1.1, 0 for HTTP/1.0.
        authority: the host and port of a target in absolute form, else None.
        what: method and path, for people; made of them when not given.
    """

    __slots__ = ("authority", "memo", "method", "minor", "path", "query", "target", "what")

    def __init__(
        self,
        method: str,
        target: str,
        path: str,
        query: str,
        minor: int,
        authority: str | None,
        what: bytes = b"",
    ) -> None:
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.minor = minor
        self.authority = authority
        self.what = what or f"{method} {path}".encode("ascii")
        self.memo: dict[str, Any] | None = None  # Any: a gateway's values
        """What the worker's gateway made of this line; kept here to live as long."""


class QuickLines(Kept[bytes, RequestLine | None]):
    """Maps a line to its parts, or to None where it is not of the common kind and must be looked at closer.

    Clients ask for the same few targets again and again; what was read once is kept,
    bounded in count and size.
    """

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__(_KEPT, _KEPT_BYTES)

    def __missing__(self, line: bytes) -> RequestLine | None:
        parts = _read_quickly(line)
        if parts is not None:
            self.keep(line, parts)
        return parts


def _read_quickly(line: bytes) -> RequestLine | None:
    """Return the parts of `line`, which may be anything; None where `read` has to decide."""
    if len(line.translate(None, _UNFIT)) != len(line):
        return None
    parts = line.decode("ascii").split(" ")
    if len(parts) != 3:
        return None
    method, target, version = parts
    if version != "HTTP/1.1" or target[:1] != "/" or method not in _COMMON:
        return None
    path, _, query = target.partition("?")
    return RequestLine(method, target, path, query, 1, None, line[: len(method) + 1 + len(path)])


def read(line: bytes) -> RequestLine:
    """Return the parts of `line`, given without its CRLF.

    Raises:
        RemoteProtocolError: 501 for a method, 505 for a version we do not speak,
            400 for what is no request line.
    """
    parts = line.split(b" ")
    if len(parts) != 3:
        raise RemoteProtocolError("the request line is malformed")
    minor = _VERSIONS.get(parts[2])
    method = METHODS.get(parts[0]) or _method(parts[0], parts[2])
    if minor is None:
        raise _version_error(parts[2])
    try:
        target = parts[1].decode("ascii")
    except UnicodeDecodeError:
        raise RemoteProtocolError("the target has bytes beyond ASCII") from None
    if not target.isprintable() or "#" in target:
        raise RemoteProtocolError("the target has bytes that it may not have")
    authority = None
    local = target
    if target[:1] != "/":
        authority, local = _target(method, target)
    path, _, query = local.partition("?")
    return RequestLine(method, target, path, query, minor, authority)


def _method(name: bytes, version: bytes) -> str:
    """Return a method that is not a common one."""
    if _is_token(name) is None:
        raise RemoteProtocolError("the method is malformed")
    if version in _VERSIONS and (name == b"CONNECT" or _is_method(name) is None):
        raise RemoteProtocolError("the method is not supported", 501)
    return name.decode("ascii")


def _version_error(version: bytes) -> RemoteProtocolError:
    if _is_version(version) is None:
        return RemoteProtocolError("the HTTP version is malformed")
    return RemoteProtocolError("the HTTP version is not supported", 505)


def _target(method: str, target: str) -> tuple[str | None, str]:
    """Return authority, path and query of a target that is not in origin form."""
    if target == "*" and method == "OPTIONS":
        return None, target
    absolute = _absolute(target)
    if absolute is None or not is_authority(absolute[1]):
        raise RemoteProtocolError("the target is of a form that the method may not have")
    local = absolute[2]
    return absolute[1], local if local[:1] == "/" else "/" + local
