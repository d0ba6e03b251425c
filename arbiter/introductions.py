"""Makes listeners and workers known to each other: each pair of them gets a pair of sockets.

The ends travel over the channels, so either may come and go; a worker outlives its listener.
"""

import socket
from collections.abc import Iterable, Sequence

from heeler.arbiter.herd import Member
from heeler.arbiter.policy import LISTENER, WORKER
from heeler.workers.messages import Attach, Join, Leave, Listen
from heeler.workers.sources import Listener


class Introductions:
    """What the arbiter tells listeners and workers of each other."""

    def __init__(self) -> None:
        self._tied: set[tuple[int, int]] = set()

    def introduce(self, herd: Iterable[Member]) -> None:
        """Tie each listener to each worker, where they are not.

        Raises:
            OSError: there are no more descriptors; to be tried again.
        """
        members = [member for member in herd if member.channel.fileno() != -1]
        for listener in (member for member in members if member.role == LISTENER):
            for worker in (member for member in members if member.role == WORKER):
                if (listener.age, worker.age) not in self._tied:
                    self._tie(listener, worker)

    def _tie(self, listener: Member, worker: Member) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            fds = ours.fileno(), theirs.fileno()
            # The listener first: it is told of the worker before the worker says anything to it.
            if not listener.channel.send(Join(worker.age, worker.view.slot, worker.row.index, fds)):
                return  # it hears nothing just now
            worker.channel.send(Attach(listener.row.index, fds[1:]))
        self._tied.add((listener.age, worker.age))

    def bury(self, gone: Member, herd: Iterable[Member]) -> None:
        """A child was reaped; its listener gives others what it had not received."""
        self._tied = {pair for pair in self._tied if gone.age not in pair}
        if gone.role == WORKER:
            for listener in _listeners(herd):
                listener.channel.send(Leave(gone.age))

    def tell_addresses(self, listening: Sequence[Listener], herd: Iterable[Member]) -> None:
        """A reload may have changed where the server listens."""
        addresses = tuple(str(each.address) for each in listening)
        for listener in _listeners(herd):
            listener.channel.send(Listen(addresses, tuple(each.fileno() for each in listening)))


def _listeners(herd: Iterable[Member]) -> list[Member]:
    return [member for member in herd if member.role == LISTENER and member.channel.fileno() != -1]
