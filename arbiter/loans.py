"""Who serves the sockets of a slot that is vacant, with `dispatch = reuseport`.

Decides to which worker each is lent, and when it is taken back. The kernel gives every socket
its share of the connections, whether or not somebody accepts them. So one whose own worker has
died, or boots, or will not come back, is lent to another worker: nobody waits for a boot, and no
queue is closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.herd import Member
from heeler.workers import messages
from heeler.workers.messages import MAX_FDS
from heeler.workers.sources import Listener


class Loans:
    """What is lent to whom."""

    def __init__(self) -> None:
        self._borrowers: Final[dict[int, Member]] = {}

    def settle(self, listeners: Iterable[Listener], ready: Sequence[Member], loaded: Loaded) -> None:
        """Have each of `listeners` served by somebody, and none by more than its own workers.

        What cannot be said, to a worker whose channel is full, is said the next time.

        Args:
            listeners: all that are a slot's own.
            ready: the workers that accept.
            loaded: the settings in force; who was born with them is asked first.
        """
        by_number = {listener.number: listener for listener in listeners}
        at_home = {listener.number for member in ready for listener in member.listeners}
        for number in [number for number, borrower in self._borrowers.items() if borrower not in ready]:
            del self._borrowers[number]
        self._take_back(at_home | (self._borrowers.keys() - by_number.keys()))
        if ready:
            vacant = [number for number in by_number if number not in at_home and number not in self._borrowers]
            self._lend(vacant, by_number, ready, loaded)

    def _take_back(self, numbers: Iterable[int]) -> None:
        by_borrower: dict[Member, list[int]] = {}
        for number in numbers:
            if (borrower := self._borrowers.get(number)) is not None:
                by_borrower.setdefault(borrower, []).append(number)
        for borrower, lent in by_borrower.items():
            if borrower.channel.send(messages.TakeBack(tuple(lent))):
                for number in lent:
                    del self._borrowers[number]

    def _lend(
        self, vacant: Sequence[int], by_number: Mapping[int, Listener], ready: Sequence[Member], loaded: Loaded
    ) -> None:
        """Lend each to the worker that has borrowed least."""
        given: dict[Member, list[int]] = {member: [] for member in ready}
        borrowed = {member: list(self._borrowers.values()).count(member) for member in ready}
        for number in vacant:
            by_preference = ((member.loaded is not loaded, borrowed[member], member.view.slot) for member in ready)
            heir = min(zip(by_preference, ready, strict=True), key=lambda pair: pair[0])[1]
            borrowed[heir] += 1
            given[heir].append(number)
        for member, numbers in given.items():
            for at in range(0, len(numbers), MAX_FDS):
                some = numbers[at : at + MAX_FDS]
                fds = tuple(by_number[number].fileno() for number in some)
                if member.channel.send(messages.Lend(tuple(some), fds)):
                    self._borrowers.update(dict.fromkeys(some, member))
