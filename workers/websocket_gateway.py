"""What all WebSockets of a worker have in common: the settings, and the library that knows frames."""

import logging
import time
from typing import TYPE_CHECKING, Final

from heeler.workers.access_entry import TIMEOUT
from heeler.workers.exchange import Exchange
from heeler.workers.http.request import Request
from heeler.workers.http.response_fields import RawFieldLines
from heeler.workers.logs import event
from heeler.workers.websocket import WebSocketExchange
from heeler.workers.websocket_answer import Answer
from heeler.workers.websocket_keepalive import Keepalive
from heeler.workers.websocket_link import WebSocketLink

if TYPE_CHECKING:
    from websockets.extensions.permessage_deflate import PerMessageDeflate

    from heeler.workers.asgi import AsgiGateway
    from heeler.workers.streaming_connection import StreamingConnection
    from heeler.workers.websocket_deflate import Deflate
    from heeler.workers.websocket_frames import Frames


class WebSocketGateway:
    """Makes the exchanges that serve WebSockets.

    Args:
        gateway: what they have in common with all requests.
    """

    def __init__(self, gateway: "AsgiGateway") -> None:
        worker = gateway.worker
        config = worker.config
        self._worker = worker
        self._gateway = gateway
        self.application: Final = gateway.application
        self.scopes: Final = gateway.scopes
        self.reporter: Final = gateway.reporter
        self.encoder: Final = gateway.encoder
        self.errors: Final = worker.boot.logs.error
        self.new_event: Final = worker.event
        self.lines: Final = RawFieldLines()
        self._max_size: Final[int] = config.websocket_max_size
        self._ping_interval_s: Final = float(config.websocket_ping_interval)
        self._ping_timeout_s: Final = float(config.websocket_ping_timeout)
        self._compresses: Final[bool] = config.websocket_compression
        self._deflate: Deflate | None = None
        self._new_frames: type[Frames] | None = None
        self._has_complained = False
        # That a connection is open or closed is logged by us, if at all; a fault of the library is passed on.
        self._logger = logging.Logger(self.errors.name, logging.ERROR)  # noqa: LOG001 - it is to have no name of its own
        self._logger.parent = self.errors

    def exchange(self, connection: "StreamingConnection", request: Request, started_ns: int) -> WebSocketExchange:
        """Return what serves a request that `is_websocket`, whether its handshake is good or not."""
        return WebSocketExchange(self, connection, request, started_ns)

    # -- for the exchanges

    def load(self) -> bool:
        """Import what knows frames, with the first WebSocket; False, and a line in the log, where it is missing."""
        if self._new_frames is not None:
            return True
        try:
            from heeler.workers.websocket_deflate import Deflate
            from heeler.workers.websocket_frames import Frames
        except ImportError as error:
            level = logging.DEBUG if self._has_complained else logging.ERROR
            self._has_complained = True
            event(self.errors, level, "websocket refused", reason=error, hint="pip install 'heeler[websocket]'")
            return False
        self._deflate = Deflate() if self._compresses else None
        self._new_frames = Frames
        return True

    def agree(self, offers: str) -> tuple[str | None, "PerMessageDeflate | None"]:
        """Return the extensions to answer with, and what compresses.

        Raises:
            HandshakeError: `offers` is no list of extensions.
        """
        return self._deflate.agree(offers) if offers and self._deflate is not None else (None, None)

    def frames(self, deflate: "PerMessageDeflate | None") -> "Frames":
        """Return both directions of a new WebSocket."""
        assert self._new_frames is not None, "not loaded"
        return self._new_frames(self._max_size, deflate, self._logger)

    def keepalive(self, now: float) -> Keepalive:
        """Return the pings of a new WebSocket."""
        return Keepalive(self._ping_interval_s, self._ping_timeout_s, now)

    def date(self) -> bytes:
        """Return the value of Date."""
        return self._gateway.date(time.monotonic_ns())

    def pre_request(self, request: Request) -> None:
        """Call the operator's hook."""
        if self._gateway.pre_request is not None:
            self._gateway.pre_request(self._worker, request)

    def cancel_later(self, exchange: Exchange) -> None:
        """Cancel the application of `exchange` if it goes on for long without its client."""
        if self._gateway.disconnect_grace:
            self._worker.cancel_later(exchange, self._gateway.disconnect_grace)

    def account(self, exchange: WebSocketLink, answer: Answer, opened_ns: int) -> None:
        """Count an exchange that is over, and tell of it: once.

        Its latency is that of the handshake: how long people stay says nothing of the server.
        """
        worker, started_ns = self._worker, exchange.started_ns
        worker.last_response_ns = ended_ns = time.monotonic_ns()
        if exchange.timed_out:
            answer.outcome = TIMEOUT
        worker.tally.answered(min(answer.code // 100, 5), answer.sent, (opened_ns or ended_ns) - started_ns)
        if self.reporter.is_watched or answer.fault is not None:
            self.reporter.report(exchange.request, answer, exchange.peer, None, ended_ns - started_ns)
        worker.response_done(exchange)
