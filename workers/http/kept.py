"""What was read once and may be read again: a table bounded in count and size."""

from random import getrandbits
from typing import Generic, TypeVar

K = TypeVar("K", bytes, str)
V = TypeVar("V")


class Kept(dict[K, V], Generic[K, V]):
    """Maps bytes or text to what they say.

    While half of the room is free everything is kept; then one of eight, by chance: what comes
    often is soon among them, and a stream of requests that are all different (a proxy adds
    another id to each) takes eight times as long to drive it out.

    Args:
        most: how many entries there may be.
        longest: the longest key.
    """

    __slots__ = ("_half", "_longest", "_most")

    def __init__(self, most: int, longest: int) -> None:
        super().__init__()
        self._most = most
        self._half = most // 2
        self._longest = longest

    def keep(self, key: K, value: V) -> None:
        """Keep `value`, or do not."""
        count = len(self)
        if (count >= self._half and getrandbits(3)) or len(key) > self._longest:
            return
        if count >= self._most:
            self.clear()
        self[key] = value
