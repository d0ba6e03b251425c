"""The content of a request that an application reads while it comes in."""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from heeler.workers.streaming_connection import StreamingConnection

HIGH_WATER: Final = 65536
"""Bytes that wait for the application above which no more are read."""


class Content:
    """What has come of a request's content, and was not taken yet.

    Args:
        connection: where it comes from.
    """

    __slots__ = ("_connection", "_is_asked", "_is_paused", "_pieces", "_size", "has_ended")

    def __init__(self, connection: "StreamingConnection") -> None:
        self._connection = connection
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_asked = False
        self._is_paused = False
        self.has_ended = False
        """Whether all of it has come."""

    @property
    def is_ready(self) -> bool:
        """Whether there is something to take: bytes, or the end."""
        return self.has_ended or bool(self._pieces)

    def ask(self) -> None:
        """The application wants it: let the client know, where it waits for that."""
        if not self._is_asked:
            self._is_asked = True
            self._connection.ask_on()

    def add(self, data: bytes) -> bool:
        """Keep what has come; False where that is enough for now."""
        self._pieces.append(data)
        self._size += len(data)
        self._is_paused = self._size > HIGH_WATER
        return not self._is_paused

    def take(self) -> bytes:
        """Return all that has come and was not taken."""
        pieces, self._pieces, self._size = self._pieces, [], 0
        if self._is_paused:
            self._is_paused = False
            self._connection.read_on()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)
