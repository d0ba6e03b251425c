"""Makes listeners and workers known to each other: each pair of them gets a pair of sockets.

The ends travel over the channels, so either may come and go; a worker outlives its listener.
"""

import socket
from collections.abc import Iterable, Sequence

from heeler.arbiter.config.worker_count import most_workers
from heeler.arbiter.herd import Member
from heeler.arbiter.policy import LISTENER, WORKER
from heeler.plugins.config import Config
from heeler.workers.messages import Attach, Join, Leave, Listen
from heeler.workers.sources import Listener


class Introductions:
    """What the arbiter tells listeners and workers of each other."""

    def __init__(self) -> None:
        self._tied: set[tuple[int, int]] = set()
        self._gone: set[tuple[int, int]] = set()
        """Which listener has not been told yet that a worker is gone."""
        self.is_behind = False
        """Whether something is to be said again, since nobody could hear it, or for want of descriptors."""

    def introduce(self, herd: Iterable[Member]) -> None:
        """Tie each listener to each worker, where they are not, and say what could not be said before.

        Raises:
            OSError: there are no more descriptors; to be tried again.
        """
        self.is_behind = True
        members = [member for member in herd if member.channel.fileno() != -1]
        listeners = [member for member in members if member.role == LISTENER]
        is_all_said = True
        for listener in listeners:
            is_all_said = self._tell_gone(listener) and is_all_said
            for worker in (member for member in members if member.role == WORKER):
                if (listener.age, worker.age) not in self._tied:
                    is_all_said = self._tie(listener, worker) and is_all_said
        self.is_behind = not is_all_said

    def _tie(self, listener: Member, worker: Member) -> bool:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            fds = ours.fileno(), theirs.fileno()
            # The listener first: it is told of the worker before the worker says anything to it.
            if not listener.channel.send(Join(worker.age, worker.view.slot, worker.row.index, fds)):
                return False
            if not worker.channel.send(Attach(listener.row.index, fds[1:])):
                self._gone.add((listener.age, worker.age))
                return False
        self._tied.add((listener.age, worker.age))
        return True

    def _tell_gone(self, listener: Member) -> bool:
        for pair in [pair for pair in self._gone if pair[0] == listener.age]:
            if not listener.channel.send(Leave(pair[1])):
                return False
            self._gone.remove(pair)
        return True

    def bury(self, gone: Member, herd: Iterable[Member]) -> None:
        """A child was reaped; its listener gives others what it had not received."""
        self._tied = {pair for pair in self._tied if gone.age not in pair}
        self._gone = {pair for pair in self._gone if pair[0] != gone.age}
        if gone.role == WORKER:
            for listener in _listeners(herd):
                self._gone.add((listener.age, gone.age))
                self.is_behind = not self._tell_gone(listener) or self.is_behind

    def tell_settings(self, listening: Sequence[Listener], config: Config, herd: Iterable[Member]) -> None:
        """A reload may have changed where the server listens, and how long clients may be idle."""
        addresses = tuple(str(each.address) for each in listening)
        fds = tuple(each.fileno() for each in listening)
        connections = config.worker_connections * most_workers(config)
        for listener in _listeners(herd):
            told = Listen(addresses, float(config.keepalive), float(config.header_timeout), connections, fds)
            listener.channel.send(told)


def _listeners(herd: Iterable[Member]) -> list[Member]:
    return [member for member in herd if member.role == LISTENER and member.channel.fileno() != -1]
