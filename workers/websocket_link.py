"""The client's side of one WebSocket: what comes from the connection, and how the WebSocket ends.

Decides what is answered by itself (pings, close frames, silence, drain), and when the
connection is over. Must not know how frames look (`websocket_frames`).
"""

import abc
import enum
import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final

from heeler.workers.client import ClientGoneError
from heeler.workers.http.request import Request
from heeler.workers.logs import event
from heeler.workers.websocket_answer import Answer
from heeler.workers.websocket_inbox import Inbox
from heeler.workers.websocket_keepalive import Due, Keepalive

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import Event
    from heeler.workers.streaming_connection import StreamingConnection
    from heeler.workers.websocket_frames import Frames
    from heeler.workers.websocket_gateway import WebSocketGateway

HIGH_WATER: Final = 65536
"""Bytes pending for the client above which `send` waits, and nothing is read that would be answered."""
CLOSE_S: Final = 10.0
"""How long a client may take to answer a close frame."""
_ALL: Final = 1 << 62


class Phase(enum.Enum):
    """Where a WebSocket is, as its application sees it."""

    CONNECTING = "before websocket.accept"
    DENYING = "within a response that denies the WebSocket"
    OPEN = "after websocket.accept"
    CLOSED = "after the WebSocket was closed"


class WebSocketLink(abc.ABC):
    """A client's WebSocket, from its opening handshake to the end of its connection.

    Args:
        shared: what all WebSockets of the worker have in common.
        connection: the client's.
        request: the opening handshake.
        started_ns: when that came in, CLOCK_MONOTONIC.
    """

    __slots__ = (
        "_answer",
        "_connection",
        "_frames",
        "_inbox",
        "_is_accounted",
        "_is_returned",
        "_is_stopping",
        "_keepalive",
        "_opened_ns",
        "_phase",
        "_room",
        "_shared",
        "deadline",
        "entry",
        "has_begun",
        "request",
        "started_ns",
        "task",
        "timed_out",
    )

    # Set by the worker.
    entry: int
    task: Any  # Any: of the worker's event loop

    # Set when the WebSocket is accepted.
    _frames: "Frames"
    _keepalive: Keepalive

    def __init__(
        self, shared: "WebSocketGateway", connection: "StreamingConnection", request: Request, started_ns: int
    ) -> None:
        self._shared = shared
        self._connection = connection
        self.request = request
        self.started_ns = started_ns
        self.deadline = math.inf
        self.has_begun = self.timed_out = False
        self._answer = Answer(connection, request, shared)
        self._inbox = Inbox(shared.new_event, self._refill)
        self._phase = Phase.CONNECTING
        self._room: Event | None = None
        """What waits in `send`."""
        self._opened_ns = 0
        self._is_stopping = False
        """Whether the worker drains."""
        self._is_returned = False
        """Whether the application is done."""
        self._is_accounted = False
        """Whether the connection is over, as far as this WebSocket is concerned."""

    @property
    def peer(self) -> str:
        """The client's address."""
        return self._connection.peer[0]

    @abc.abstractmethod
    def give_up(self) -> bool:
        """Answer for an application that goes on though its time is over; whether all is said by that."""

    @abc.abstractmethod
    async def run(self) -> None:
        """Answer the handshake, and run the application to its end."""

    # -- what the connection tells (see `Exchange`)

    def on_content(self, _data: bytes) -> bool:
        """Content of a handshake, which is refused."""
        return False

    def on_end(self) -> None:
        """The end of that."""

    def on_data(self, data: bytes) -> bool:
        """Frames, or parts of some, have come."""
        self._keepalive.heard = True
        message = self._frames.quick(data)
        if message is not None:
            return self._inbox.add(message)
        self._frames.feed(data)
        return self._read()

    def _read(self) -> bool:
        """Look at what was fed; False where the application has to catch up first, or the client."""
        frames, inbox = self._frames, self._inbox
        # Once it is closed, nothing but the client's close frame is waited for.
        inbox.extend(frames.messages(*(inbox.room() if frames.is_open else (_ALL, _ALL))))
        if not frames.is_open and self._phase is Phase.OPEN:
            self._closed_by_client()
        answer = frames.take()
        if answer:
            self._write(answer)
        if frames.is_over:
            self._end()
        inbox.is_paused = frames.is_open and (inbox.is_full or self._connection.pending_memory() > HIGH_WATER)
        return not inbox.is_paused

    def _refill(self) -> None:
        """The application has caught up, or the client."""
        self._inbox.is_paused = False
        if not self._frames.is_waiting or self._read():
            self._connection.read_on()

    def _closed_by_client(self) -> None:
        """The client closes, or does what it may not do."""
        frames = self._frames
        code, reason = frames.received or frames.failure or (1006, "")
        if frames.received is None:
            self._log(logging.INFO, "websocket failed", code=code, reason=reason)
        self._lost(code, reason)
        self.deadline = time.monotonic() + CLOSE_S

    def on_drained(self) -> None:
        """The client has taken most of what was pending."""
        room, self._room = self._room, None
        if room is not None:
            room.set()
        if self._inbox.is_paused and not self._inbox.is_full:
            self._refill()

    def on_gone(self, *, cut: bool) -> None:
        """The client has ended its side, or is gone."""
        if self._phase is Phase.DENYING and not cut:
            self._inbox.leave(1006, "")  # it may still read
            return
        if self._phase is not Phase.CLOSED:
            self._lost(1006, "")
        room, self._room = self._room, None
        if room is not None:
            room.set()
        if cut:
            self._account()
        else:
            self._end()

    def on_deadline(self, now: float) -> None:
        """A ping is due, or something has taken too long."""
        if self._phase is not Phase.OPEN:
            self._end()
            return
        keepalive = self._keepalive
        is_excused = self._inbox.is_paused or self._connection.pending_memory() > 0
        due = keepalive.due(now, is_excused=is_excused)
        self.deadline = keepalive.deadline
        if due is Due.PING:
            self._write(self._frames.ping())
        elif due is Due.DEAD:
            self._log(logging.INFO, "websocket client silent")
            self._shut(1011, "keepalive ping timeout")
            self._cancel_later()

    def on_stop(self, *, soon: bool) -> None:
        """The worker drains."""
        self._is_stopping = True
        if self._phase is Phase.OPEN:
            self._restart()
        if soon:
            return
        if self._phase is Phase.CLOSED:
            self._end()
        else:
            self._inbox.leave(1012, "service restart")
            if self._phase is Phase.CONNECTING:
                self._refuse(503)

    # -- ends

    def _restart(self) -> None:
        self._shut(1012, "service restart")

    def _shut(self, code: int, reason: str) -> None:
        """Begin the closing handshake; the client has a while to answer.

        Raises:
            LocalProtocolError: `code` or `reason` cannot be sent.
        """
        data = self._frames.close(code, reason)
        self._phase = Phase.CLOSED
        self.deadline = time.monotonic() + CLOSE_S
        self._inbox.leave(code, reason)
        self._write(data)
        if self._inbox.is_paused and not self._is_accounted:
            self._read()  # the client's answer stands behind what was not looked at
            self._connection.read_on()
        self._connection.rearm()

    def _refuse(self, status: int, lines: bytes = b"") -> None:
        """Answer the handshake with an error page."""
        self._phase = Phase.CLOSED
        self._inbox.leave(1006, "")
        self.has_begun = True
        try:
            self._answer.page(status, lines)
        except ClientGoneError:
            pass  # on_gone was called
        self._end()

    def _lost(self, code: int, reason: str) -> None:
        """The WebSocket ends, and not by us."""
        self._phase = Phase.CLOSED
        self._inbox.leave(code, reason)
        self._cancel_later()

    def _end(self) -> None:
        """Nothing more goes either way; the application may go on."""
        self._phase = Phase.CLOSED
        if self._account():
            self._connection.finish(keep_alive=False)

    def _account(self) -> bool:
        """Count and report it; False where that was done before."""
        self.deadline = math.inf
        if self._is_accounted:
            return False
        self._is_accounted = True
        self._shared.account(self, self._answer, self._opened_ns)
        return True

    def _cancel_later(self) -> None:
        if not self._is_returned:
            self._shared.cancel_later(self)

    def _write(self, data: bytes) -> None:
        """Send what the application did not ask for."""
        self._answer.sent += len(data)
        try:
            self._connection.write(data)
        except ClientGoneError:
            pass  # on_gone was called

    # Any: what `event` takes.
    def _log(self, level: int, phrase: str, **fields: Any) -> None:
        event(self._shared.errors, level, phrase, peer=self.peer, path=self.request.path, **fields)
