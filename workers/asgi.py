"""ASGI: requests to the application, whoever turns the event loop.

Decides which exchange answers a request, and what they all have in common. Must not
know the loop: exchanges wait for events that the worker makes.
"""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from heeler.workers.asgi_http import HttpExchange
from heeler.workers.asgi_scope import Scope, ScopeMaker
from heeler.workers.clock import http_date
from heeler.workers.exchange import Exchange
from heeler.workers.http.request import Request
from heeler.workers.http.response import ResponseEncoder
from heeler.workers.proxies import TrustedProxies
from heeler.workers.reporter import Reporter
from heeler.workers.sources import Connection

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import AsgiWorker
    from heeler.workers.streaming_connection import StreamingConnection
    from heeler.workers.websocket_gateway import WebSocketGateway

Message = dict[str, Any]  # Any: what ASGI puts into it
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiGateway:
    """Takes requests to an ASGI application.

    Args:
        worker: whose requests they are; its configuration, scoreboard row, logs and hooks are used.
        application: the ASGI callable.

    Process: the worker, in its loop.
    """

    def __init__(self, worker: "AsgiWorker", application: Application) -> None:
        config = worker.config
        self.worker: Final = worker
        self.application: Final = application
        self.reporter: Final = Reporter(worker)
        self.log_refusal: Final = self.reporter.refused
        self.encoder: Final = ResponseEncoder(b"heeler")
        self.disconnect_grace: Final = float(config.disconnect_grace)
        self.pre_request: Final[Callable[..., object] | None] = config.pre_request
        proxies = TrustedProxies(config.forwarded_allow_ips, config.secure_scheme_headers, config.forwarder_headers)
        self.trusts: Final = proxies.trusts
        self.scopes: Final = ScopeMaker(worker, proxies)
        self.connection_environ: Final[Callable[[Connection], Scope]] = self.scopes.connection
        self.make_scope: Final = self.scopes.http
        self.answered: Final = worker.tally.answered
        self._date = b""
        self._date_ends_ns = 0
        self._websockets: WebSocketGateway | None = None

    def exchange(self, connection: "StreamingConnection", request: Request, started_ns: int) -> Exchange:
        """Return who answers `request`, which has come in at `started_ns`."""
        if request.fields.upgrade:
            from heeler.workers.websocket_handshake import is_websocket  # late: many applications have none

            if is_websocket(request):
                return self._open_websockets().exchange(connection, request, started_ns)
        return HttpExchange(self, connection, request, started_ns)

    def _open_websockets(self) -> "WebSocketGateway":
        """Return what serves WebSockets; made with the first of them."""
        if self._websockets is None:
            from heeler.workers.websocket_gateway import WebSocketGateway

            self._websockets = WebSocketGateway(self)
        return self._websockets

    def date(self, now_ns: int) -> bytes:
        """Return the value of Date at `now_ns`, CLOCK_MONOTONIC; the same object for a second."""
        if now_ns >= self._date_ends_ns:
            self._date, left_ns = http_date()
            self._date_ends_ns = now_ns + left_ns
        return self._date
