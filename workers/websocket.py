"""One WebSocket of an ASGI application (ASGI's WebSocket specification, version 2.5).

Decides what the application may say when, and what becomes of it when it ends. Must not
know the loop it runs on: it waits for events that the worker makes.
"""

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from heeler.plugins.errors import LocalProtocolError, RemoteProtocolError, RequestTimeout
from heeler.workers.client import ClientGoneError, stems_from_leaving
from heeler.workers.http.request import Request
from heeler.workers.websocket_handshake import Handshake, HandshakeError, accept_head, read_handshake
from heeler.workers.websocket_inbox import AsgiMessage
from heeler.workers.websocket_link import HIGH_WATER, Phase, WebSocketLink

if TYPE_CHECKING:
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    from heeler.workers.streaming_connection import StreamingConnection
    from heeler.workers.websocket_gateway import WebSocketGateway

MERGE_BYTES: Final = 65536
"""A message up to this size goes out in one piece with its head; copying more costs more than a second send."""

_OPEN: Final = Phase.OPEN


class WebSocketExchange(WebSocketLink):
    """A request that opens a WebSocket, and what follows: an `Exchange`.

    Args:
        shared: what all WebSockets of the worker have in common.
        connection: the client's.
        request: the opening handshake.
        started_ns: when that came in, CLOCK_MONOTONIC.
    """

    __slots__ = ("_agreed", "_deflate", "_handshake", "_is_closed_by_application")

    _handshake: Handshake

    def __init__(
        self, shared: "WebSocketGateway", connection: "StreamingConnection", request: Request, started_ns: int
    ) -> None:
        super().__init__(shared, connection, request, started_ns)
        self._agreed: str | None = None
        """The extensions to answer with."""
        self._deflate: PerMessageDeflate | None = None
        self._is_closed_by_application = False

    @override
    async def run(self) -> None:
        scope = self._begin()
        if scope is None:
            return
        try:
            await self._shared.application(scope, self._inbox.receive, self.send)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._failed(error)
        except GeneratorExit:  # the loop is gone, and with it all that could be said to anybody
            raise
        except BaseException as error:  # cancellation, whatever the loop has for it
            self._cancelled(error)
            raise
        else:
            self._returned()
        finally:
            self._is_returned = True

    def _begin(self) -> AsgiMessage | None:
        """Return the scope; None where there is nothing to be run, since the handshake is refused."""
        if self._phase is Phase.CLOSED:
            return None  # neither the client nor the worker waited
        shared = self._shared
        try:
            self._handshake = handshake = read_handshake(self.request)
            if not shared.load():
                self._refuse(501)
                return None
            self._agreed, self._deflate = shared.agree(handshake.extensions)
            scope = shared.scopes.websocket(self.request, self._connection, list(handshake.subprotocols))
            shared.pre_request(self.request)
        except RemoteProtocolError as error:
            shared.reporter.refused(self._connection.peer[0], error)
            self._refuse(error.status_hint, error.lines if isinstance(error, HandshakeError) else b"")
        except (Exception, SystemExit) as error:  # the operator's hook
            self._failed(error)
        else:
            return scope
        return None

    # -- what the application says

    async def send(self, message: AsgiMessage) -> None:
        """ASGI's send.

        Raises:
            ClientGoneError: the WebSocket was closed, and not by the application; an OSError, as the
                specification wants it.
            LocalProtocolError: the application said what may not be said, or not then.
        Waits: while more than `HIGH_WATER` bytes are pending for the client.
        """
        if self._phase is _OPEN and message["type"] == "websocket.send":
            self._send(message)
        else:
            self._step(message)
        if self._connection.pending_memory() > HIGH_WATER:
            await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        while self._connection.pending_memory() > HIGH_WATER:
            if self._room is None:
                self._room = self._shared.new_event()
            await self._room.wait()

    def _send(self, message: AsgiMessage) -> None:
        text = message.get("text")
        if text is None:
            data = message.get("bytes")
            if not isinstance(data, bytes | bytearray | memoryview):
                raise LocalProtocolError("websocket.send has neither text nor bytes")
            head, payload = self._frames.encode(bytes(data))
        elif message.get("bytes") is not None or not isinstance(text, str):
            raise LocalProtocolError("websocket.send has both text and bytes, or text that is no str")
        else:
            head, payload = self._frames.encode(text)
        self._answer.sent += len(head) + len(payload)
        if len(payload) <= MERGE_BYTES:
            self._connection.write(head + payload)
        else:
            self._connection.write(head)
            self._connection.write(payload)

    def _step(self, message: AsgiMessage) -> None:
        kind, phase = message["type"], self._phase
        step = self._steps.get((phase, kind))
        if step is not None:
            step(self, message)
        elif phase is not Phase.CLOSED or self._is_closed_by_application:
            raise LocalProtocolError(f"{kind} cannot be sent {phase.value}")
        elif kind != "websocket.close":  # which is what has happened
            disconnect = self._inbox.disconnect
            assert disconnect is not None, "closed without a code"
            raise ClientGoneError(f"the WebSocket is closed, code {disconnect['code']}")

    def _accept(self, message: AsgiMessage) -> None:
        shared, connection = self._shared, self._connection
        headers = list(message.get("headers") or ())
        subprotocol = message.get("subprotocol")
        now = time.monotonic()
        head = accept_head(self._handshake, subprotocol, self._agreed, headers, shared.lines, shared.date())
        self._frames = shared.frames(self._deflate)
        self._keepalive = shared.keepalive(now)
        self.deadline = self._keepalive.deadline
        self._phase = _OPEN
        self._opened_ns = int(now * 1e9)
        self.has_begun = True
        self._answer.switch(head, headers)
        connection.switch()
        connection.rearm()
        if self._is_stopping and self._phase is _OPEN:
            self._restart()

    def _close(self, message: AsgiMessage) -> None:
        code, reason = message.get("code"), message.get("reason")
        self._shut(1000 if code is None else code, reason or "")
        self._is_closed_by_application = True
        self._inbox.clear()

    def _close_at_once(self, _message: AsgiMessage) -> None:
        """Close what was not accepted."""
        self._is_closed_by_application = True
        self._refuse(403)

    def _deny(self, message: AsgiMessage) -> None:
        self._answer.start(message["status"], list(message.get("headers") or ()))
        self._phase = Phase.DENYING

    def _deny_on(self, message: AsgiMessage) -> None:
        self.has_begun = True
        self._answer.body(bytes(message.get("body") or b""), more=bool(message.get("more_body")))
        if self._answer.is_complete:
            self._is_closed_by_application = True
            self._inbox.leave(1006, "")
            self._end()

    _steps: ClassVar[dict[tuple[Phase, str], Callable[["WebSocketExchange", AsgiMessage], None]]] = {
        (Phase.CONNECTING, "websocket.accept"): _accept,
        (Phase.CONNECTING, "websocket.close"): _close_at_once,
        (Phase.CONNECTING, "websocket.http.response.start"): _deny,
        (Phase.DENYING, "websocket.http.response.body"): _deny_on,
        (Phase.OPEN, "websocket.close"): _close,
    }

    @override
    def give_up(self) -> bool:
        if self._phase is Phase.CLOSED:
            return False
        self.timed_out = True
        self._give_up(504)
        return self._is_accounted

    # -- how the application ends

    def _returned(self) -> None:
        if self._phase is _OPEN:
            self._shut(1000, "")
        elif self._phase is not Phase.CLOSED:
            self._answer.fault = "application returned without an answer to the WebSocket"
            self._give_up(504 if self.timed_out else 500)

    def _failed(self, error: BaseException) -> None:
        if self._phase is Phase.CLOSED and stems_from_leaving(error):
            self._log(logging.DEBUG, "websocket left by its client")  # while it was sent to: nobody's fault
            return
        self._shared.reporter.failed(self.request, error)
        self._give_up(504 if self.timed_out else 500)

    def _cancelled(self, error: BaseException) -> None:
        if self._phase is Phase.CLOSED:
            return
        if self.timed_out:
            overrun = RequestTimeout()
            overrun.__cause__ = error
            error = overrun
        self._failed(error)

    def _give_up(self, status: int) -> None:
        """End what the application left unfinished."""
        if self._phase is _OPEN:
            self._shut(1011, "")
        elif self._phase is Phase.CONNECTING or (self._phase is Phase.DENYING and not self.has_begun):
            self._refuse(status)
        elif self._phase is Phase.DENYING:
            self._connection.abort()  # what was sent must not pass for the whole
