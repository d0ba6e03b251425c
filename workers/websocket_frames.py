"""The frames of one WebSocket: bytes in, messages out, and the other way round (RFC 6455, RFC 7692).

What a frame means is decided by `ServerProtocol` of `websockets`. Here the stream is cut into
frames, so that what most traffic consists of, whole messages in one frame, can be read without
it, at a fraction of the cost. Imports `websockets`, so it is imported only in workers that
serve a WebSocket. Must not know sockets, time, ASGI or logs.
"""

import codecs
import logging
import struct
import sys
from typing import Final

from websockets.exceptions import PayloadTooBig, ProtocolError
from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import BINARY, CLOSE, CONT, TEXT, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

from heeler.plugins.errors import LocalProtocolError

try:
    from websockets.speedups import apply_mask
except ImportError:
    from websockets.utils import apply_mask

COMPRESS_BYTES: Final = 64
"""Smaller messages are not compressed: what that saves of a packet is not worth the time (RFC 7692, section 6)."""

# First bytes of frames that are the last of their message.
_TEXT, _BINARY, _PING, _PONG = 0x81, 0x82, 0x89, 0x8A
_LONGEST_QUICK: Final = 65535
_RSV1: Final = 0x40  # of a compressed message
_PROTOCOL_ERROR, _INVALID_DATA, _TOO_BIG = 1002, 1007, 1009
_u16: Final = struct.Struct("!H").unpack_from
_u64: Final = struct.Struct("!Q").unpack_from
_u16_head: Final = struct.Struct("!BBH").pack
_u64_head: Final = struct.Struct("!BBQ").pack
_text_decoder: Final = codecs.getincrementaldecoder("utf-8")

Message = str | bytes


class Frames:
    """Both directions of one WebSocket, from the end of the opening handshake on.

    Args:
        max_size: bytes that a message may have.
        deflate: what compresses, where that was agreed on.
        logger: is told of faults of `websockets`.
    """

    __slots__ = (
        "_at",
        "_decoder",
        "_deflate",
        "_held",
        "_is_last",
        "_kind",
        "_left",
        "_max_size",
        "_out",
        "_parts",
        "_protocol",
        "_quick_size",
        "failure",
        "is_open",
        "is_over",
        "received",
    )

    def __init__(self, max_size: int, deflate: PerMessageDeflate | None, logger: logging.Logger) -> None:
        self._protocol = ServerProtocol(state=OPEN, max_size=max_size, logger=logger)
        self._deflate = deflate
        if deflate is not None:
            self._protocol.extensions = [deflate]
        self._max_size = min(max_size, sys.maxsize)
        self._held = b""
        """What was read last, or a part of a frame's head."""
        self._at = 0
        """How much of that was looked at."""
        self._left = 0
        """Bytes to come of a frame that the protocol has the beginning of."""
        self._kind: Opcode | None = None
        """Of the fragmented message under way."""
        self._parts = bytearray()
        self._decoder = _text_decoder()
        self._out: list[bytes] = []
        self.is_open = True
        """Whether messages can be sent: no close frame has gone either way."""
        self.is_over = False
        """Whether nothing more is to come either way."""
        self.received: tuple[int, str] | None = None
        """Code and reason of the client's close frame; 1005 where it has none."""
        self.failure: tuple[int, str] | None = None
        """Code and reason of the close frame that answers a fault of the client's."""
        self._is_last = False
        """Whether the client's close frame, good or bad, has begun."""
        self._quick_size = 0
        self._settle()

    # -- reading

    def quick(self, data: bytes) -> Message | None:
        """Return the message that `data` is, with nothing before or behind it; None for all else."""
        size = len(data) - 6
        if 0 <= size < 126:
            if data[1] != size + 128 or size > self._quick_size:
                return None
            key, payload = data[2:6], data[6:]
        elif 127 < size <= self._quick_size and data[1] == 254 and (data[2] << 8) + data[3] == size - 2:
            key, payload = data[4:8], data[8:]
        else:
            return None
        first = data[0]
        if first == _TEXT:
            try:
                return apply_mask(payload, key).decode()
            except UnicodeDecodeError:
                return None
        return apply_mask(payload, key) if first == _BINARY else None

    def feed(self, data: bytes) -> None:
        """Take what was read; `messages` tells what it was."""
        self._held = self._held[self._at :] + data if self._at < len(self._held) else data
        self._at = 0

    def messages(self, most: int, most_bytes: int) -> list[Message]:
        """Return messages that were fed, about as many as there is room for; what is behind them waits.

        Args:
            most: messages.
            most_bytes: bytes of messages; the last one may go beyond.
        """
        messages: list[Message] = []
        data, end = self._held, len(self._held)
        while self._at < end and len(messages) < most and most_bytes > 0:
            at = self._at
            if self._left:
                self._at = min(end, at + self._left)
                self._left -= self._at - at
                most_bytes -= self._pass_on(data[at : self._at], messages)
                continue
            head = _head_of(data, at, end)
            if head is None:
                break
            payload_at, stop = head
            self._at = min(stop, end)
            if stop > end or not self._whole(data, at, payload_at, stop, messages):
                self._left = stop - self._at
                if data[at] & 15 == CLOSE:
                    self._ends()
                most_bytes -= self._pass_on(data[at : self._at], messages)
            else:
                most_bytes -= stop - at
        self._settle()
        return messages

    @property
    def is_waiting(self) -> bool:
        """Whether something was fed and not looked at: for lack of room, or because it is a part of a head."""
        return self._at < len(self._held)

    def _settle(self) -> None:
        """Find out whether the next message may be read by `quick`."""
        is_steady = self.is_open and not self._left and self._kind is None and self._at == len(self._held)
        self._quick_size = min(_LONGEST_QUICK, self._max_size) if is_steady else -1

    def _whole(self, data: bytes, at: int, payload_at: int, stop: int, messages: list[Message]) -> bool:
        """Read a frame that is all there, if it is a whole message or a ping; False where the protocol is to judge."""
        first = data[at]
        if not self.is_open or not data[at + 1] & 128 or stop - payload_at > self._max_size:
            return False
        payload = apply_mask(data[payload_at:stop], data[payload_at - 4 : payload_at])
        if first == _PING and len(payload) < 126:
            self._out.append(bytes((_PONG, len(payload))) + payload)
        elif self._kind is not None:
            return False
        elif first == _BINARY:
            messages.append(payload)
        elif first == _TEXT:
            return self._add_text(payload, messages)
        elif first & ~_RSV1 in (_TEXT, _BINARY) and self._deflate is not None:
            return self._inflate(self._deflate, first, payload, messages)
        else:
            return False
        return True

    def _add_text(self, payload: bytes | bytearray, messages: list[Message]) -> bool:
        try:
            messages.append(payload.decode())
        except UnicodeDecodeError as error:
            self._fail(_INVALID_DATA, f"{error.reason} at position {error.start}")
        return True

    def _inflate(self, deflate: PerMessageDeflate, first: int, payload: bytes, messages: list[Message]) -> bool:
        opcode = TEXT if first & 1 else BINARY
        try:
            data = deflate.decode(Frame(opcode, payload, fin=True, rsv1=True), max_size=self._max_size).data
        except PayloadTooBig as error:
            self._fail(_TOO_BIG, str(error))
        except ProtocolError as error:
            self._fail(_PROTOCOL_ERROR, str(error))
        else:
            if opcode is TEXT:
                return self._add_text(bytes(data), messages)
            messages.append(bytes(data))
        return True

    def _ends(self) -> None:
        """A close frame comes; it may do so amidst a fragmented message (RFC 6455, section 5.4), and ends it."""
        self._kind = None
        for name in ("current_size", "cur_size"):  # the latter in older versions
            if hasattr(self._protocol, name):
                setattr(self._protocol, name, None)
        self._is_last = True
        if self.failure is not None:
            self.is_over = True  # it answers ours

    def _pass_on(self, data: bytes, messages: list[Message]) -> int:
        """Have the protocol judge; return how many bytes of messages came of it."""
        if self.failure is not None or self.is_over:
            return 0
        protocol = self._protocol
        protocol.receive_data(data)
        size = 0
        for frame in protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode in (TEXT, BINARY, CONT):
                size += self._collect(frame, messages)
        self._out += protocol.data_to_send()
        self._notice()
        return size

    def _collect(self, frame: Frame, messages: list[Message]) -> int:
        """Add a frame to its message; return the message's size once that is whole."""
        if frame.opcode is not CONT:
            self._kind = frame.opcode
            self._decoder.reset()
        kind, data = self._kind, bytes(frame.data)
        if frame.fin:
            self._kind = None
        if not self.is_open:
            return 0
        try:
            if kind is TEXT:
                self._decoder.decode(data, frame.fin)  # tells a fault at once, not at the message's end
        except UnicodeDecodeError as error:
            self._fail(_INVALID_DATA, error.reason)
            return 0
        self._parts += data
        if not frame.fin:
            return 0
        whole, self._parts = self._parts, bytearray()
        messages.append(whole.decode() if kind is TEXT else bytes(whole))
        return len(whole)

    def _fail(self, code: int, reason: str) -> None:
        self._protocol.fail(code, reason.encode()[:123].decode(errors="ignore"))
        self._out += self._protocol.data_to_send()
        self._notice()

    def _notice(self) -> None:
        """See whether a close frame has gone either way."""
        protocol = self._protocol
        if protocol.state is OPEN:
            return
        received, sent = protocol.close_rcvd, protocol.close_sent
        if received is not None:
            self.received = (int(received.code), received.reason)
            self.is_over = True
        elif protocol.eof_sent and sent is not None:
            self.failure = (int(sent.code), sent.reason)
            self.is_over = self._is_last
        self._shut()

    def _shut(self) -> None:
        self.is_open = False
        self._parts = bytearray()
        self._settle()

    # -- writing

    def take(self) -> bytes:
        """Return what is to be sent besides messages: pongs, and the answer to a close frame or a fault."""
        if not self._out:
            return b""
        out, self._out = self._out, []
        return b"".join(out)

    def encode(self, message: Message) -> tuple[bytes, bytes]:
        """Return the head and the payload of a message's frame."""
        if isinstance(message, str):
            first, data = _TEXT, message.encode()
        else:
            first, data = _BINARY, message
        if self._deflate is not None and len(data) >= COMPRESS_BYTES:
            data = bytes(self._deflate.encode(Frame(TEXT if first == _TEXT else BINARY, data)).data)
            first |= _RSV1
        size = len(data)
        if size < 126:
            return bytes((first, size)), data
        return (_u16_head(first, 126, size) if size < 65536 else _u64_head(first, 127, size)), data

    def ping(self) -> bytes:
        """Return a ping."""
        return bytes((_PING, 0))

    def close(self, code: int, reason: str) -> bytes:
        """Return the close frame that begins the closing handshake.

        Raises:
            LocalProtocolError: `code` may not be sent (RFC 6455, section 7.4), or `reason` is too long.
        """
        try:
            self._protocol.send_close(code, reason)
        except ProtocolError as error:
            raise LocalProtocolError(f"a WebSocket cannot be closed with code {code!r}: {error}") from error
        self._out += self._protocol.data_to_send()
        self._shut()
        return self.take()


def _head_of(data: bytes, at: int, end: int) -> tuple[int, int] | None:
    """Return where the payload of the frame at `at` begins and ends; None where its head is not all there."""
    if end - at < 2:
        return None
    second = data[at + 1]
    size = second & 127
    payload_at = at + (6 if second & 128 else 2)
    if size > 125:
        payload_at += 2 if size == 126 else 8
    if payload_at > end:
        return None
    if size > 125:
        (size,) = _u16(data, at + 2) if size == 126 else _u64(data, at + 2)
    return payload_at, payload_at + size
