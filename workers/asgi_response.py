"""The response half of an HTTP exchange: what an ASGI application sends, turned into bytes.

The head of a response waits for the first message of its body, as the specification
demands; so the response of most applications is a single write. An application that wants
its head out before it has content sends an empty body with `more_body`.
Decides the order of messages. Must not know the event loop, or how the application is run.
"""

import abc
import enum
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.asgi_files import Span, opened, span_of
from heeler.workers.client import ClientGoneError
from heeler.workers.http.request import Request
from heeler.workers.http.response import LAST_CHUNK, Head, chunk
from heeler.workers.logs import event

if TYPE_CHECKING:
    from heeler.workers.asgi import AsgiGateway
    from heeler.workers.streaming_connection import StreamingConnection

Message = dict[str, Any]  # Any: what ASGI puts into it

MERGE_BYTES: Final = 65536
"""A body up to this size goes out in one piece with its head; copying more costs more than a second send."""


class State(enum.Enum):
    """How far a response is."""

    NEW = "before http.response.start"
    STARTED = "after http.response.start"
    BODY = "within the body"
    TRAILERS = "where only trailers may come"
    SENT = "after the response"
    GONE = "after the client was gone"


_NEW, _STARTED, _BODY, _TRAILERS, _SENT, _GONE = State

LEGAL: Final = {
    "http.response.start": frozenset({_NEW}),
    "http.response.body": frozenset({_STARTED, _BODY}),
    "http.response.pathsend": frozenset({_STARTED}),
    "http.response.zerocopysend": frozenset({_STARTED, _BODY}),
    "http.response.trailers": frozenset({_TRAILERS}),
    "http.response.early_hint": frozenset({_NEW, _STARTED, _BODY}),
    "http.response.debug": frozenset({_NEW}),
}
"""When each message may come. After the response all are ignored, as the specification says."""


class HttpResponse(abc.ABC):
    """A response in the making.

    Args:
        gateway: what all exchanges of a worker have in common.
        connection: where the bytes go.
        request: what is answered.
    """

    __slots__ = (
        "_connection",
        "_gateway",
        "_headers",
        "_keep_alive",
        "_state",
        "_status",
        "_trailers",
        "_wants_trailers",
        "failed",
        "fault",
        "has_begun",
        "head",
        "request",
        "sent",
    )

    # What http.response.start said.
    _status: int
    _headers: tuple[Any, ...]  # Any: pairs of bytes, once there is a head
    _wants_trailers: bool
    # Lines to come behind the body.
    _trailers: bytes

    def __init__(self, gateway: "AsgiGateway", connection: "StreamingConnection", request: Request) -> None:
        self._gateway = gateway
        self._connection = connection
        self._state = _NEW
        self._keep_alive = False
        self.request = request
        self.head: Head | None = None
        """The head, once it is out."""
        self.has_begun = False
        """Whether a byte of the response was written; hints do not count."""
        self.failed = 0
        """The status code of the error page that was sent instead, 0 where none was."""
        self.sent = 0
        """Body bytes handed to the client's connection."""
        self.fault: str | None = None
        """What the application did wrong about the response, for the log."""

    @abc.abstractmethod
    def _finish(self) -> None:
        """The response is complete."""

    @abc.abstractmethod
    def _cut(self) -> None:
        """The response cannot be completed."""

    # -- for the log and hooks

    @property
    def code(self) -> int:
        """The status code that was sent, 0 where none was."""
        return self.head.code if self.head is not None else self.failed

    @property
    def reason(self) -> str:
        """The reason phrase that was sent."""
        return self.head.reason if self.head is not None else ""

    @property
    def status(self) -> str:
        """The status that was sent, as WSGI has it."""
        return f"{self.code} {self.reason}"

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers as the application gave them; none where none were sent."""
        pairs = self._headers if self.head is not None else ()
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs]

    # -- messages

    def _obey(self, kind: str, message: Message) -> None:
        """See to any message, in any state."""
        state = self._state
        legal = LEGAL.get(kind)
        if legal is None:
            raise LocalProtocolError(f"{kind!r} is no message of an HTTP response")
        if state is _SENT:
            return
        if state is _GONE:
            raise ClientGoneError("the client is gone")
        if state not in legal:
            raise LocalProtocolError(f"the application sent {kind} {state.value}")
        more = message.get("more_body", False)
        if kind == "http.response.body":
            self._send_body(message.get("body", b""), more)
        elif kind == "http.response.pathsend":
            with opened(message.get("path")) as span:
                self._send_file(span, more=False)
        elif kind == "http.response.zerocopysend":
            span = span_of(message.get("file"), message.get("offset"), message.get("count"))
            self._send_file(span, more=more)
        elif kind == "http.response.trailers":
            self._send_trailers(message)
        elif kind == "http.response.early_hint":
            self._send_hint(message)
        else:
            log, info = self._gateway.worker.boot.logs.error, ",".join(map(str, message.get("info", ())))
            event(log, logging.DEBUG, "response debug", path=self.request.path, info=info)

    def _make_head(self, length: int | None) -> Head:
        """Decide the head; `length` is the body's where it is known."""
        gateway, line = self._gateway, self.request.line
        if self._wants_trailers:
            self._wants_trailers = self._takes_trailers()
        head = gateway.encoder.encode_raw(
            self._status,
            self._headers,
            line.method,
            line.minor,
            self.request.keep_alive and gateway.worker.keep_alive,
            gateway.date(time.monotonic_ns()),
            length,
            self._wants_trailers,
        )
        self.head = head
        self.has_begun = True
        self._keep_alive = head.keep_alive
        return head

    def _takes_trailers(self) -> bool:
        """Whether the client said that it looks at trailers (RFC 9110, section 6.5.1)."""
        options = self.request.fields.environ.get("HTTP_TE", "").lower().split(",")
        return self.request.minor == 1 and "trailers" in [option.strip(" \t") for option in options]

    def _send_whole(self, body: bytes) -> None:
        """Send a body that is there as a whole, and complete the response."""
        if type(body) is not bytes:
            body = _as_bytes(body)
        size = len(body)
        head = self._make_head(size)
        if head.content_length == size <= MERGE_BYTES and not head.bodyless:
            # The common case.
            self.sent = size
            self._connection.write(head.data + body)
            self._finish()
        else:
            self._send_framed(head, head.data, body, more=False)

    def _send_body(self, data: bytes, more: bool) -> None:
        """Send a part of the body, with the head before it where that is not out yet."""
        if type(data) is not bytes:
            data = _as_bytes(data)
        if self.head is None:
            head = self._make_head(None if more else len(data))
            self._send_framed(head, head.data, data, more)
        else:
            self._send_framed(self.head, b"", data, more)

    def _send_framed(self, head: Head, before: bytes, data: bytes, more: bool) -> None:
        if head.bodyless:
            data = b""
        else:
            if head.content_length is not None and len(data) > head.content_length - self.sent:
                data = data[: self._clip(len(data), head)]
            self.sent += len(data)
            if head.chunked:
                data = chunk(data)
                if not more and not self._wants_trailers:
                    data += LAST_CHUNK
        if len(data) > MERGE_BYTES and before:
            self._connection.write(before)
            before = b""
        if before or data:
            self._connection.write(before + data)
        self._go_on(head, more)

    def _send_file(self, span: Span, *, more: bool) -> None:
        """Have the kernel send a part of a file."""
        connection = self._connection
        fd, offset, count = span
        head = self.head
        if head is None:
            head = self._make_head(None if more else count)
            connection.write(head.data)
        if not head.bodyless:
            if head.content_length is not None:
                count = self._clip(count, head)
            self.sent += count
            if count:
                if head.chunked:
                    connection.write(b"%x\r\n" % count)
                connection.write_file(fd, offset, count)
                if head.chunked:
                    connection.write(b"\r\n")
            if head.chunked and not more and not self._wants_trailers:
                connection.write(LAST_CHUNK)
        self._go_on(head, more)

    def _clip(self, count: int, head: Head) -> int:
        """Return how much of `count` bytes was promised: the rest would be read as the next response."""
        assert head.content_length is not None
        room = head.content_length - self.sent
        if count <= room:
            return count
        self.fault = "body longer than Content-Length"
        self._keep_alive = False
        return room

    def _send_trailers(self, message: Message) -> None:
        self._trailers += self._gateway.encoder.field_lines(message.get("headers", ()))
        if not message.get("more_trailers", False):
            self._end_trailers()

    def _end_trailers(self) -> None:
        assert self.head is not None
        if self.head.chunked:
            self._connection.write(b"0\r\n%b\r\n" % self._trailers)
        self._finish()

    def _send_hint(self, message: Message) -> None:
        """Tell the client what it will want besides (RFC 8297); too late once the head is out."""
        links = [(b"Link", link) for link in message.get("links", ())]
        lines = self._gateway.encoder.field_lines(links)
        if lines and self.request.minor == 1 and self.head is None:
            self._connection.write(b"HTTP/1.1 103 Early Hints\r\n%b\r\n" % lines)

    def _go_on(self, head: Head, more: bool) -> None:
        """Decide what comes after a part of the body."""
        if more:
            self._state = _BODY
        elif head.content_length is not None and self.sent < head.content_length and not head.bodyless:
            self.fault = "body shorter than Content-Length"
            self._cut()
        elif self._wants_trailers:
            self._trailers = b""
            self._state = _TRAILERS
        else:
            self._finish()


def _as_bytes(data: object) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    raise LocalProtocolError(f"the body must be bytes, not {type(data).__name__}")
