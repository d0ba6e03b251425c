"""A WebSocket at work without a loop or a socket; its client is the sans-IO one of `websockets`.

session = Session(app)
session.open()
session.say("hello")
assert session.heard() == ["hello"]
"""

import types
from collections.abc import Sequence
from typing import Any, cast

from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import BINARY, CLOSE, TEXT, Close, Frame
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from heeler.workers.access_entry import AccessEntry
from heeler.workers.address import Address
from heeler.workers.asgi import AsgiGateway
from heeler.workers.http.limits import Limits
from heeler.workers.http.parser import RequestParser
from heeler.workers.http.request import Request
from heeler.workers.websocket import WebSocketExchange
from support.asgi_fakes import FakeConnection, FakeWorker, Stepped

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
"""The key of RFC 6455, section 1.3."""


def handshake(*lines: bytes, target: bytes = b"/chat", more: bytes = KEY) -> bytes:
    """Return a handshake with further field lines."""
    head = b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    return b"GET %b HTTP/1.1\r\n" % target + head + more + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def parse(data: bytes) -> Request:
    """Return the request that `data` begins with."""
    request = RequestParser(Limits()).feed(data)[0]
    assert isinstance(request, Request), request
    return request


class SwitchedConnection(FakeConnection):
    """A connection on which the protocol may be switched."""

    is_switched = False
    rearmed = 0

    def switch(self) -> None:
        """Take note."""
        assert self.writes and self.writes[0].startswith(b"HTTP/1.1 101 ")
        self.is_switched = True

    def rearm(self) -> None:
        """Take note."""
        self.rearmed += 1


def make_worker(**settings: object) -> FakeWorker:
    """Return a worker with the settings of WebSockets."""
    defaults: dict[str, object] = {
        "websocket_max_size": 1 << 20,
        "websocket_ping_interval": 20,
        "websocket_ping_timeout": 10,
        "websocket_compression": False,
    }
    return FakeWorker(**defaults | settings)


class Session(Stepped):
    """An exchange at work, and the client it talks to.

    Args:
        application: the application.
        data: the handshake; the client's own when None.
        worker: made anew when None.
        subprotocols: what the client offers.
        deflate: how the client offers permessage-deflate; not at all when None.
    """

    def __init__(
        self,
        application: Any,  # Any: an ASGI application
        data: bytes | None = None,
        *,
        worker: FakeWorker | None = None,
        subprotocols: Sequence[str] = (),
        deflate: ClientPerMessageDeflateFactory | None = None,
    ) -> None:
        self.worker = cast("Any", worker or make_worker())  # Any: only what is needed of a worker
        gateway = AsgiGateway(self.worker, application)
        peer = ("192.0.2.1", 50000)
        accepted: Any = types.SimpleNamespace(peer=peer, address=Address.parse("127.0.0.1:8000"), sock=None)
        self.connection = SwitchedConnection(gateway.connection_environ(accepted), peer, trusted=False)
        offered = [Subprotocol(name) for name in subprotocols]
        self.client = ClientProtocol(
            parse_uri("ws://x/chat?room=1"), subprotocols=offered, extensions=[deflate] if deflate else None
        )
        self.client.send_request(self.client.connect())
        first = b"".join(self.client.data_to_send())
        exchange = gateway.exchange(cast("Any", self.connection), parse(data or first), 1)  # Any: as above
        assert isinstance(exchange, WebSocketExchange)
        self.exchange = exchange
        self.connection.exchange = cast("Any", exchange)  # Any: of the type of HTTP's there
        self._read = 0
        self._kept: list[Frame] = []
        super().__init__(exchange.run())

    def open(self) -> None:
        """Have the application accept."""
        self.step()
        assert self.connection.is_switched, self.connection.sent
        self._kept = self.events()
        assert self.client.handshake_exc is None, self.client.handshake_exc

    def feed(self, data: bytes) -> bool:
        """Send bytes to the server, and let the application go on; False where it wants no more."""
        more = self.exchange.on_data(data)
        if not self.is_done:
            self.step()
        return more

    def say(self, *messages: str | bytes) -> bool:
        """Send messages, all at once."""
        for message in messages:
            if isinstance(message, str):
                self.client.send_text(message.encode())
            else:
                self.client.send_binary(message)
        return self.flush()

    def flush(self) -> bool:
        """Send what the client has to say."""
        data = b"".join(self.client.data_to_send())
        return self.feed(data) if data else True

    def events(self) -> list[Frame]:
        """Return the frames that have come since the last call."""
        sent = self.connection.sent
        data, self._read = sent[self._read :], len(sent)
        if data:
            self.client.receive_data(data)
        kept, self._kept = self._kept, []
        return [*kept, *(event for event in self.client.events_received() if isinstance(event, Frame))]

    def heard(self) -> list[str | bytes | Close]:
        """Return the messages and the close frame that have come since the last call."""
        heard: list[str | bytes | Close] = []
        for frame in self.events():
            if frame.opcode is CLOSE:
                heard.append(Close.parse(frame.data))
            elif frame.opcode in (TEXT, BINARY):
                data = bytes(frame.data)
                heard.append(data.decode() if frame.opcode is TEXT else data)
        return heard

    @property
    def status(self) -> int:
        """The status of the HTTP response."""
        return int(self.connection.sent.split(b" ", 2)[1])

    @property
    def entry(self) -> AccessEntry:
        """The one entry of the access log."""
        heard = self.worker.heard
        assert len(heard.entries) == len(heard.counts) == len(self.worker.done) == 1, heard.entries
        entry: AccessEntry = heard.entries[0]
        return entry
