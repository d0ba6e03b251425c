"""What came over a WebSocket and the application has not taken yet: bounded, and waited for."""

import collections
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from heeler.workers.asgi_worker import Event

MOST_MESSAGES: Final = 64
"""No more is read from a client while so many messages of its wait for the application."""
MOST_BYTES: Final = 262144
"""The same for the bytes in them; a message may go beyond."""

AsgiMessage = dict[str, Any]  # Any: what ASGI puts into it


class Inbox:
    """The messages that wait, first in first out, and the disconnect behind the last of them.

    Args:
        new_event: makes what `receive` waits for.
        refill: called when the application has taken everything while reading was paused.
    """

    __slots__ = ("_messages", "_new_event", "_refill", "_size", "_spare", "_waiter", "disconnect", "is_paused")

    def __init__(self, new_event: "Callable[[], Event]", refill: Callable[[], None]) -> None:
        self._new_event = new_event
        self._refill = refill
        self._messages: collections.deque[str | bytes | AsgiMessage] = collections.deque()
        self._messages.append({"type": "websocket.connect"})
        self._size = 0  # bytes, set back when all are taken: no message has to remember its own
        self._waiter: Event | None = None
        self._spare: Event | None = None
        """One that was waited for, and can be again: a third of the cost of waiting is making it."""
        self.disconnect: AsgiMessage | None = None
        """The last message, again and again."""
        self.is_paused = False
        """Whether nothing is read from the client until there is room."""

    async def receive(self) -> AsgiMessage:
        """ASGI's receive."""
        messages = self._messages
        while not messages:
            self._size = 0
            if self.is_paused:
                self._refill()
                if messages:
                    break
            if self.disconnect is not None:
                return self.disconnect.copy()
            waiter = self._waiter
            if waiter is None:
                waiter = self._waiter = self._spare or self._new_event()
                self._spare = None
            await waiter.wait()
            clear = getattr(waiter, "clear", None)  # trio's events have none
            if clear is not None:
                clear()
                self._spare = waiter
        message = messages.popleft()
        if type(message) is str:
            return {"type": "websocket.receive", "text": message}
        if type(message) is bytes:
            return {"type": "websocket.receive", "bytes": message}
        assert type(message) is dict, message
        return message

    def add(self, message: str | bytes) -> bool:
        """Add a message; False where nothing more should be read."""
        self._messages.append(message)
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set()
            return True
        self._size += len(message)
        self.is_paused = self.is_full
        return not self.is_paused

    def extend(self, messages: Sequence[str | bytes]) -> None:
        """Add messages."""
        if messages:
            self._messages.extend(messages)
            self._size += sum(map(len, messages))
            self._wake()

    def room(self) -> tuple[int, int]:
        """Return how many more messages and bytes there is room for."""
        return MOST_MESSAGES - len(self._messages), MOST_BYTES - self._size

    @property
    def is_full(self) -> bool:
        """Whether there is room for nothing more."""
        return len(self._messages) >= MOST_MESSAGES or self._size >= MOST_BYTES

    def leave(self, code: int, reason: str) -> None:
        """Nothing more comes: the application is told why once it has taken what came before. The first time counts."""
        if self.disconnect is None:
            self.disconnect = {"type": "websocket.disconnect", "code": code, "reason": reason}
            self._wake()

    def clear(self) -> None:
        """Forget what waits: the application wants no more of it."""
        self._messages.clear()
        self._size = 0

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            waiter.set()
