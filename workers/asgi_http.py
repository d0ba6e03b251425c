"""One HTTP request with an ASGI application: it is run, told of its client, and answered in any case.

Decides what becomes of a request whose application fails, or whose client is gone. Must
not know the event loop: it waits for events that the worker makes.
"""

import math
import time
from typing import TYPE_CHECKING, Any, Final

from typing_extensions import override

from heeler.plugins.errors import LocalProtocolError, RemoteProtocolError, RequestTimeout
from heeler.workers.access_entry import DONE, TIMEOUT
from heeler.workers.asgi_content import HIGH_WATER, Content
from heeler.workers.asgi_response import HttpResponse, Message, State
from heeler.workers.client import ClientGoneError, stems_from_leaving
from heeler.workers.http.error_page import error_page
from heeler.workers.http.request import Request
from heeler.workers.poller import WRITE

if TYPE_CHECKING:
    from heeler.workers.asgi import AsgiGateway
    from heeler.workers.asgi_worker import Event
    from heeler.workers.streaming_connection import StreamingConnection

_NEVER: Final = math.inf
_NEW, _STARTED, _BODY, _TRAILERS, _SENT, _GONE = State


class HttpExchange(HttpResponse):
    """One request and its response: an `Exchange`.

    Args:
        gateway: what all exchanges of a worker have in common.
        connection: the client's.
        request: what is answered.
        started_ns: when it came in, CLOCK_MONOTONIC.
    """

    __slots__ = (
        "_content",
        "_is_given",
        "_is_left",
        "_is_told",
        "_news",
        "_room",
        "started_ns",
        "deadline",
        "entry",
        "task",
        "timed_out",
    )

    # Set by the worker.
    entry: int
    task: Any  # Any: of the worker's event loop

    def __init__(
        self, gateway: "AsgiGateway", connection: "StreamingConnection", request: Request, started_ns: int
    ) -> None:
        HttpResponse.__init__(self, gateway, connection, request)  # quicker than by super()
        self.started_ns = started_ns
        self._content = None if request.complete else Content(connection)
        self._is_given = False
        """Whether the application has got all of the content."""
        self._is_told = False
        """Whether `receive` says that the client is gone, though it may still read."""
        self._is_left = False
        """Whether the client ended its side, or is gone."""
        self._news: Event | None = None
        """What waits in `receive`."""
        self._room: Event | None = None
        """What waits in `send`."""
        self.deadline = _NEVER
        self.timed_out = False

    # -- the application

    async def run(self) -> None:
        """Take the request through the application, and see to it that it is answered."""
        gateway = self._gateway
        try:
            scope = gateway.make_scope(self.request, self._connection)
            if gateway.pre_request is not None:
                gateway.pre_request(gateway.worker, self.request)
            await gateway.application(scope, self.receive, self.send)
        except (Exception, SystemExit, KeyboardInterrupt) as error:
            self._raised(error)
        except GeneratorExit:  # the worker ends
            raise
        except BaseException as error:  # cancellation, whatever the loop has for it
            self._cancelled(error)
            raise
        else:
            if self._state is not _SENT:
                self._returned()

    async def receive(self) -> Message:
        """ASGI's receive: the content, then, once there is nobody to answer, the disconnect."""
        content = self._content
        if not self._is_given:
            if content is None:
                self._is_given = True
                if self._state is not _SENT:
                    return {"type": "http.request", "body": b"", "more_body": False}
            elif await self._has_content(content):
                body = content.take()
                self._is_given = content.has_ended
                return {"type": "http.request", "body": body, "more_body": not content.has_ended}
        while not self._is_over and not self._is_told:
            await self._await_news()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's send.

        Raises:
            ClientGoneError: nobody reads it any more; an OSError, as the specification wants it.
            LocalProtocolError: the application said what may not be said, or not then.
        Waits: while more than `HIGH_WATER` bytes are pending for the client.
        """
        kind, state = message["type"], self._state
        if state is _NEW and kind == "http.response.start":
            try:
                self._status = message["status"]
            except KeyError:
                raise LocalProtocolError("http.response.start has no status") from None
            self._headers = tuple(message.get("headers", ()))
            self._wants_trailers = message.get("trailers", False)
            self._state = _STARTED
        elif state is _STARTED and kind == "http.response.body" and not message.get("more_body", False):
            self._send_whole(message.get("body", b""))
        else:
            self._obey(kind, message)
            if self._state is _BODY and (
                self._connection.pending_memory() > HIGH_WATER
                # Files are not in memory, but each holds a descriptor.
                or (kind == "http.response.zerocopysend" and self._connection.mask & WRITE)
            ):
                await self._await_room()

    # -- waiting

    @property
    def _is_over(self) -> bool:
        return self._state is _SENT or self._state is _GONE

    async def _has_content(self, content: Content) -> bool:
        """Wait for content; False where there is none to give any more."""
        if not self._is_over:
            content.ask()
        while not content.is_ready and not self._is_over:
            await self._await_news()
        if self._state is _GONE:
            return content.has_ended  # what is cut short must not pass for the whole
        return self._state is not _SENT

    async def _await_news(self) -> None:
        """Wait until `receive` should look again."""
        if self._news is None:
            self._news = self._gateway.worker.event()
        await self._news.wait()

    async def _await_room(self) -> None:
        """Wait until the client has taken most of what is pending."""
        while self._state is _BODY and self._connection.mask & WRITE:
            if self._room is None:
                self._room = self._gateway.worker.event()
            await self._room.wait()
            if self._connection.pending_memory():
                break  # less than half
        if self._state is _GONE:
            raise ClientGoneError("the client is gone")

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.set()

    # -- what the connection tells (see `Exchange`)

    def on_content(self, data: bytes) -> bool:
        """Content has come."""
        assert self._content is not None, "content of a request that has none"
        self._wake()
        return self._content.add(data)

    def on_end(self) -> None:
        """The content is complete."""
        if self._content is not None:
            self._content.has_ended = True
            self._wake()

    def on_data(self, data: bytes) -> bool:  # noqa: ARG002
        """Never called: nothing switches the connection."""
        raise AssertionError("raw bytes in an HTTP exchange")

    def on_drained(self) -> None:
        """The client has taken most of what was pending."""
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def on_gone(self, *, cut: bool) -> None:
        """The client has ended its side, or is gone."""
        if self._is_over:
            return
        self._is_told = True
        grace_s = self._gateway.disconnect_grace
        if grace_s and not self._is_left:
            self._gateway.worker.cancel_later(self, grace_s)
        self._is_left = True
        if cut:
            self._over(_GONE)
        else:
            self._wake()

    def on_deadline(self, now: float) -> None:
        """Never called: there is no deadline."""

    def on_stop(self, *, soon: bool) -> None:
        """The worker drains: an application that waits for its client to leave is told to end."""
        if not soon:
            self._is_told = True
            self._wake()

    def give_up(self) -> bool:
        """The application goes on though its time is over: answer for it."""
        if self._is_over:
            return False
        self.timed_out = True
        self._answer(504)
        return True

    @property
    def outcome(self) -> str:
        """How it ended, for the access log."""
        return TIMEOUT if self.timed_out else DONE

    # -- the end of the response

    @override
    def _finish(self) -> None:
        self._over(_SENT)
        self._connection.finish(self._keep_alive)
        if self._is_left:
            # What the application does behind its response is not for the client any more.
            self._gateway.worker.cancel_later(self, math.inf)

    @override
    def _cut(self) -> None:
        self._over(_GONE)
        self._connection.abort()

    def _over(self, state: State) -> None:
        """Count and report, once; wake what waits."""
        self._state = state
        gateway, head = self._gateway, self.head
        worker, reporter = gateway.worker, gateway.reporter
        worker.last_response_ns = ended_ns = time.monotonic_ns()
        duration_ns = ended_ns - self.started_ns
        gateway.answered(head.status_class if head is not None else self.failed // 100, self.sent, duration_ns)
        if reporter.is_watched or self.fault is not None:
            reporter.report(self.request, self, self._connection.peer[0], None, duration_ns)
        worker.response_done(self)
        if self._news is not None:
            self._wake()
        if self._room is not None:
            self.on_drained()

    def _answer(self, status: int) -> None:
        """Answer with an error page, or cut what has begun."""
        if self.head is not None:
            self._cut()
            return
        self.failed = status
        self.has_begun = True
        self._keep_alive = False
        gateway = self._gateway
        page = error_page(status, gateway.date(time.monotonic_ns()), head_only=self.request.method == "HEAD")
        try:
            self._connection.write(page)
        except ClientGoneError:
            return
        self._finish()

    # -- the end of the application

    def _returned(self) -> None:
        """It returned, and the response is not complete."""
        if self._state is _GONE:
            return
        if self.timed_out:
            self._answer(504)
        elif self._state is _TRAILERS:
            self.fault = "response without the trailers it announced"
            self._end_trailers()
        elif self._is_told and not self._is_left and self.head is None:
            self._answer(503)  # it has ended for the worker's sake, and the client waits
        elif self._is_told:
            self._leave()
        elif self.head is None:
            self.fault = "application returned without a response"
            self._answer(500)
        else:
            self.fault = "application returned within the body"
            self._cut()

    def _leave(self) -> None:
        """End what the application was told to end: the client must see that it is not the whole."""
        head = self.head
        if head is not None and (head.chunked or head.content_length is not None):
            self._keep_alive = False
            self._finish()
        else:
            self._cut()

    def _raised(self, error: BaseException) -> None:
        """It raised an exception."""
        if isinstance(error, RemoteProtocolError) and self._state is _NEW:
            self._gateway.log_refusal(self._connection.peer[0], error)
            self._answer(error.status_hint)
            return
        if self._is_left and stems_from_leaving(error):
            if not self._is_over:
                self._cut()
            return
        self._gateway.reporter.failed(self.request, error)
        if not self._is_over:
            self._answer(504 if self.timed_out else 500)

    def _cancelled(self, error: BaseException) -> None:
        """It was cancelled: by the worker, or by itself."""
        if self._is_over:
            return
        if self._is_left:
            self._cut()
            return
        if self.timed_out:
            overrun = RequestTimeout()
            overrun.__cause__ = error
            error = overrun
        self._gateway.reporter.failed(self.request, error)
        self._answer(504 if self.timed_out else 500)
