"""A WebSocket client that sends any frames, and reads what comes strictly (RFC 6455)."""

import base64
import dataclasses
import hashlib
import os
import struct
from collections.abc import Mapping
from typing import Final

from heeler.plugins.conformance.client import Client, Response, ResponseError, build_request

TEXT: Final = 1
BINARY: Final = 2
CONTINUATION: Final = 0
CLOSE: Final = 8
PING: Final = 9
PONG: Final = 10

FINAL: Final = 0x80
"""The bit of the first byte that says that the message ends with this frame."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MASK: Final = b"\x12\x34\x56\x78"


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """A frame as it came."""

    opcode: int
    payload: bytes
    final: bool = True

    @property
    def code(self) -> int:
        """What a close says; 1005 where it says nothing."""
        return int(struct.unpack("!H", self.payload[:2])[0]) if len(self.payload) >= 2 else 1005


def open_websocket(client: Client, target: str, fields: Mapping[str, str] | None = None) -> Response:
    """Ask for a WebSocket, and return the response: 101 where it is granted.

    Raises:
        ResponseError: it is granted, and not to us.
    """
    key = base64.b64encode(os.urandom(16))
    asked = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": key.decode(),
        **(fields or {}),
    }
    client.send(build_request("GET", target, asked))
    response = client.read_response()
    if response.status == 101:
        wanted = base64.b64encode(hashlib.sha1(key + _GUID).digest()).decode()
        if response.header("Sec-WebSocket-Accept") != wanted:
            raise ResponseError(f"Sec-WebSocket-Accept is {response.header('Sec-WebSocket-Accept')!r}, not {wanted!r}")
    return response


def send_frame(client: Client, opcode: int, payload: bytes = b"", *, final: bool = True) -> None:
    """Send a frame."""
    send_raw_frame(client, opcode | (FINAL if final else 0), payload, masked=True)


def send_raw_frame(client: Client, first: int, payload: bytes, *, masked: bool) -> None:
    """Send a frame that begins with the byte `first`."""
    head = bytes([first])
    bit = 0x80 if masked else 0
    if len(payload) < 126:
        head += bytes([bit | len(payload)])
    elif len(payload) < 1 << 16:
        head += struct.pack("!BH", bit | 126, len(payload))
    else:
        head += struct.pack("!BQ", bit | 127, len(payload))
    if masked:
        keys = (_MASK * (len(payload) // 4 + 1))[: len(payload)]
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(keys, "big")
        payload = _MASK + mixed.to_bytes(len(payload), "big")
    client.send(head + payload)


def close_payload(code: int, reason: str = "") -> bytes:
    """Return what a close frame says."""
    return struct.pack("!H", code) + reason.encode()


def read_frame(client: Client) -> Frame:
    """Read a frame.

    Raises:
        ResponseError: it is masked, or has bits set that were not agreed upon; or the connection ends.
    """
    first, second = client.read_bytes(2)
    if first & 0x70:
        raise ResponseError(f"reserved bits are set: {first:#04x}")
    if second & 0x80:
        raise ResponseError("a server's frame is masked")
    size = second
    if size == 126:
        (size,) = struct.unpack("!H", client.read_bytes(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", client.read_bytes(8))
    return Frame(first & 0x0F, client.read_bytes(size), bool(first & 0x80))


def read_message(client: Client) -> Frame:
    """Read a whole message, or a control frame; fragments are put together."""
    first = frame = read_frame(client)
    payload = frame.payload
    while not frame.final:
        frame = read_frame(client)
        if frame.opcode != CONTINUATION:
            raise ResponseError(f"a fragment of opcode {frame.opcode} within a message")
        payload += frame.payload
    return Frame(first.opcode, payload)
