"""The request line: method, target, version (RFC 9112, section 3)."""

import re
from typing import Final, NamedTuple

from heeler.plugins.errors import RemoteProtocolError
from heeler.workers.http.authority import is_authority

METHODS: Final = {name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")}
"""The common methods."""

_VERSIONS: Final = {b"HTTP/1.1": 1, b"HTTP/1.0": 0}
_is_version: Final = re.compile(rb"HTTP/[0-9]\.[0-9]").fullmatch
_is_token: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_is_method: Final = re.compile(rb"[A-Z][A-Z0-9_-]{0,31}").fullmatch
_absolute: Final = re.compile(r"https?://([^/?]*)(.*)", re.IGNORECASE).fullmatch


class RequestLine(NamedTuple):
    """A request line's parts; `authority` is None but for a target in absolute form."""

    method: str
    target: str
    path: str
    query: str
    minor: int
    authority: str | None


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
