"""The opening handshake of a WebSocket: a request of ours in, what was agreed on out (RFC 6455, section 4).

The request was read by our own parser, and no other parser ever sees its head: nothing here
goes back to bytes that were not looked at field by field. Must not know sockets, time or logs.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from typing import Final

from heeler.plugins.errors import LocalProtocolError, RemoteProtocolError
from heeler.workers.http.request import Request
from heeler.workers.http.response_fields import Kind, RawFieldLines, Special

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_is_token: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
_SWITCHING: Final = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
)
_VERSION_LINES: Final = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"


class HandshakeError(RemoteProtocolError):
    """The client's handshake is refused.

    Args:
        reason: what is wrong with it.
        status_hint: the status to answer with.
        lines: field lines that belong to that answer.
    """

    def __init__(self, reason: str, status_hint: int = 400, lines: bytes = b"") -> None:
        super().__init__(reason, status_hint)
        self.lines = lines


class Handshake:
    """What a client asks for.

    Args:
        accept: the value of Sec-WebSocket-Accept that proves to it that it was understood.
        subprotocols: what it offers, its favourite first.
        extensions: the extensions it offers, as sent.
    """

    __slots__ = ("accept", "extensions", "subprotocols")

    def __init__(self, accept: bytes, subprotocols: list[str], extensions: str) -> None:
        self.accept = accept
        self.subprotocols = subprotocols
        self.extensions = extensions


def is_websocket(request: Request) -> bool:
    """Whether the client wants to go on in the WebSocket protocol."""
    if not request.upgrade:
        return False
    offered = request.fields.environ["HTTP_UPGRADE"]
    return "websocket" in (protocol.strip(" \t").lower() for protocol in offered.split(","))


def read_handshake(request: Request) -> Handshake:
    """Return what the client asks for.

    Raises:
        HandshakeError: it is no handshake that RFC 6455, section 4.2.1 lets pass.
    """
    if request.method != "GET":
        raise HandshakeError("a WebSocket handshake is not a GET request", 405, b"Allow: GET\r\n")
    if not request.complete:
        raise HandshakeError("a WebSocket handshake has content")
    environ = request.fields.environ
    version = environ.get("HTTP_SEC_WEBSOCKET_VERSION", "")
    if version != "13":
        raise HandshakeError("the WebSocket version is not 13", 426, _VERSION_LINES)
    key = environ.get("HTTP_SEC_WEBSOCKET_KEY", "")
    if not _is_key(key):
        raise HandshakeError("Sec-WebSocket-Key is not 16 bytes in base64")
    subprotocols = _tokens(environ.get("HTTP_SEC_WEBSOCKET_PROTOCOL"))
    accept = base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest())
    return Handshake(accept, subprotocols, environ.get("HTTP_SEC_WEBSOCKET_EXTENSIONS", ""))


def _is_key(key: str) -> bool:
    try:
        return len(key) == 24 and len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


def _tokens(value: str | None) -> list[str]:
    """Return the members of a list of tokens; empty members do not count (RFC 9110, section 5.6.1)."""
    if not value:
        return []  # clients that offer nothing may send the field all the same
    tokens = [token for token in (part.strip(" \t") for part in value.split(",")) if token]
    if not tokens or not all(_is_token(token) for token in tokens) or len(set(tokens)) < len(tokens):
        raise HandshakeError("Sec-WebSocket-Protocol is not a list of different tokens")
    return tokens


def accept_head(
    handshake: Handshake,
    subprotocol: str | None,
    extensions: str | None,
    headers: Iterable[tuple[bytes, bytes]],
    lines: RawFieldLines,
    date: bytes,
) -> bytes:
    """Return the head of the 101 response.

    Args:
        handshake: what is accepted.
        subprotocol: what the application chose of those offered, None for none.
        extensions: the value of Sec-WebSocket-Extensions, None where none was agreed on.
        headers: the application's.
        lines: checks header lines and keeps them.
        date: the value of Date.

    Raises:
        LocalProtocolError: the application said what may not be sent.
    """
    parts = [_SWITCHING, handshake.accept, b"\r\n"]
    if subprotocol is not None:
        if subprotocol not in handshake.subprotocols:
            raise LocalProtocolError(f"the subprotocol {subprotocol!r} is none of those that the client offers")
        parts.append(b"Sec-WebSocket-Protocol: %b\r\n" % subprotocol.encode("ascii"))
    if extensions is not None:
        parts.append(b"Sec-WebSocket-Extensions: %b\r\n" % extensions.encode("ascii"))
    own = {Kind.SERVER: b"Server: heeler\r\n", Kind.DATE: b"Date: %b\r\n" % date}
    try:
        for name, value in headers:
            line = _line(name, value, lines)
            if isinstance(line, Special):
                own.pop(line.kind, None)
            parts.append(line.data if isinstance(line, Special) else line)
    except (TypeError, ValueError) as error:
        raise LocalProtocolError("the headers of websocket.accept must be pairs of bytes") from error
    return b"".join((*parts, *own.values(), b"\r\n"))


def _line(name: bytes, value: bytes, lines: RawFieldLines) -> bytes | Special:
    """Return the line of one header of the application's."""
    if name.lower().startswith(b"sec-websocket-"):
        reason = "Sec-WebSocket-* headers are the server's; `subprotocol` of websocket.accept names a subprotocol"
        raise LocalProtocolError(reason)
    line = lines[name, value]
    return b"" if isinstance(line, int) else line  # a 101 response has no content
