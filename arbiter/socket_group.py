"""The sockets of one TCP address with `dispatch = reuseport`: one for each slot.

Decides when they are bound and closed. Must not know how.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from heeler.workers.sources import Listener


class SocketGroup:
    """Sockets with one address, among which the kernel spreads connections.

    Each has a queue of its own, which is lost with the last copy of its descriptor. So the
    arbiter keeps them all until the address itself is given up: those too whose slot is vacant,
    or will not be filled again.

    Args:
        first: the socket of slot 1.
        join: binds another one to the address of `first`; raises OSError where that is refused.
        numbers: where each takes its number.
        others: those that are bound already, of the slots from 2 on.
    """

    def __init__(
        self, first: Listener, join: Callable[[], Listener], numbers: Iterator[int], others: Sequence[Listener] = ()
    ) -> None:
        self._listeners: Final = [first, *others]
        for listener in self._listeners:
            listener.number = next(numbers)
        self._join: Final = join
        self._numbers: Final = numbers

    @property
    def listeners(self) -> Sequence[Listener]:
        """Those that are bound, in the order of slots."""
        return self._listeners

    def of(self, slot: int) -> Listener:
        """Return the socket of a slot, bound now where it is a new one, with those of all slots before.

        Raises:
            OSError: as bind(2) and the like.
        """
        while len(self._listeners) < slot:
            listener = self._join()
            listener.number = next(self._numbers)
            self._listeners.append(listener)
        return self._listeners[slot - 1]
