"""The HTTP response to a WebSocket's opening handshake: the switch, an error page, or a denial of the application's."""

from typing import TYPE_CHECKING, Any

from heeler.plugins.errors import LocalProtocolError
from heeler.workers.access_entry import DONE
from heeler.workers.http.error_page import error_page
from heeler.workers.http.request import Request
from heeler.workers.http.response import LAST_CHUNK, Head, chunk

if TYPE_CHECKING:
    from heeler.workers.streaming_connection import StreamingConnection
    from heeler.workers.websocket_gateway import WebSocketGateway

RawHeaders = list[tuple[bytes, bytes]]


class Answer:
    """One response; it is what the access log is told of.

    Args:
        connection: where it goes.
        request: what it answers.
        shared: makes heads and knows the date.
    """

    __slots__ = (
        "_connection",
        "_has_begun",
        "_head",
        "_headers",
        "_request",
        "_shared",
        "code",
        "fault",
        "is_complete",
        "outcome",
        "reason",
        "sent",
    )

    def __init__(self, connection: "StreamingConnection", request: Request, shared: "WebSocketGateway") -> None:
        self._connection = connection
        self._request = request
        self._shared = shared
        self._head: Head | None = None
        self._headers: RawHeaders = []
        self.code = 0
        """The status code that was sent, 0 while none was."""
        self.reason = ""
        self.sent = 0
        """Bytes sent behind the head: of content, or of frames."""
        self.fault: str | None = None
        """What the application did wrong, for the log."""
        self.outcome = DONE
        """How it ended, for the access log."""
        self._has_begun = False
        self.is_complete = False

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers as the application gave them."""
        return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in self._headers]

    def switch(self, head: bytes, headers: RawHeaders) -> None:
        """Send `head`, that of a 101 response with the application's `headers`.

        Raises:
            ClientGoneError: nobody reads it any more; as all that write here.
        """
        self._headers = headers
        self._say(101, "Switching Protocols")
        self.is_complete = True
        self._connection.write(head)

    def page(self, status: int, lines: bytes = b"") -> None:
        """Send an error page, with field `lines` of our own."""
        self._say(status, "")
        self.is_complete = True
        self._connection.write(error_page(status, self._shared.date(), more=lines))

    def start(self, status: int, headers: RawHeaders) -> None:
        """Begin a response of the application's; it goes out with the first content.

        Raises:
            LocalProtocolError: it may not be sent.
        """
        self._head = self._encode(status, headers, None)  # what is wrong with it is told at once
        self._headers = headers

    def body(self, data: bytes, *, more: bool) -> None:
        """Send content, which ends here unless there is `more`."""
        head = self._head
        assert head is not None, "content before a start"
        if not self._has_begun:
            self._has_begun = True
            if not more:
                head = self._head = self._encode(head.code, self._headers, len(data))
            self._say(head.code, head.reason)
            self._connection.write(head.data)
        if not head.bodyless:
            self._send(head, data, more=more)
        self.is_complete = not more

    def _send(self, head: Head, data: bytes, *, more: bool) -> None:
        if head.content_length is not None and self.sent + len(data) > head.content_length:
            self.fault = "body longer than Content-Length"
            data = data[: head.content_length - self.sent]
        self.sent += len(data)
        if data:
            self._connection.write(chunk(data) if head.chunked else data)
        if more:
            return
        if head.chunked:
            self._connection.write(LAST_CHUNK)
        elif head.content_length is not None and self.sent < head.content_length:
            self.fault = "body shorter than Content-Length"
            self._connection.abort()

    def _encode(self, status: Any, headers: RawHeaders, length: int | None) -> Head:  # Any: the application's
        if not isinstance(status, int) or status < 200:
            raise LocalProtocolError(f"a WebSocket cannot be denied with status {status!r}")
        return self._shared.encoder.encode_raw(
            status, headers, "GET", self._request.minor, keep_alive=False, date=self._shared.date(), body_length=length
        )

    def _say(self, code: int, reason: str) -> None:
        self.code, self.reason = code, reason
