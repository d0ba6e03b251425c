"""Connections that a listener hands out, and what it is told of them.

To the accept loop it is a source like a listening socket. A connection that came in here knows it,
and goes back by it, or says that it is gone.
"""

import collections
import errno
import functools
import logging
import math
import socket
import time
from collections.abc import Callable
from typing import Final

from typing_extensions import override

from heeler.workers import unpatched
from heeler.workers.address import Address
from heeler.workers.channel import CLOEXEC, FULL, OUT_OF_DESCRIPTORS, ROOM, descriptors
from heeler.workers.handover import (
    HAND_BYTES,
    MAX_BYTES,
    UNKNOWN,
    Awaits,
    Kind,
    Tail,
    pack_number,
    pack_report,
    unpack_hand,
)
from heeler.workers.scoreboard import WAITS, Row
from heeler.workers.sources import AcceptingSource, Connection

QUIET_S: Final = 0.02
"""How long the listener may not know of a connection that it was quietly given back, where nothing else happens."""


class DispatchSource(AcceptingSource):
    """A worker's end of the pair.

    What most is reported wakes nobody: to wake a process on another processor takes as long as reading and
    parsing a request. A connection that comes back is written to a socket of its own, which the listener reads
    whenever something else has woken it, as the client's next request does. It is woken by `settle` alone: once
    the worker has nothing more to do, where the listener waits for that, or `QUIET_S` has passed.

    Args:
        fd: the descriptor of the socket; this object owns it.
        page: the listener's page of the scoreboard.
        log: where it is said that a connection was lost.

    Process: the worker.
    """

    is_shared = False

    def __init__(self, fd: int, page: Row, log: logging.Logger) -> None:
        self._sock = unpatched.Socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fd)
        self._sock.setblocking(False)
        self._receive: Callable[..., tuple[bytes, list[tuple[int, int, bytes]], int, object]] = self._sock.recvmsg
        self._send = self._sock.send
        self._log = log
        self._page = page
        self._quiet: socket.socket | None = None
        """Where connections are given back without a word to wake the listener; None where that cannot be."""
        self._owed_ns = 0
        """Since when the listener may not know of one of them; 0 where it knows of all."""
        self._unsent: collections.deque[bytes] = collections.deque()
        self._is_full = False
        self._is_over = False
        self._is_leaving = False

    @override
    def fileno(self) -> int:
        return self._sock.fileno()

    @override
    def close(self) -> None:
        self._is_over = True
        self._sock.close()
        if self._quiet is not None:
            self._quiet.close()

    @property
    @override
    def is_over(self) -> bool:
        """Whether the listener has ended it: nothing more comes."""
        return self._is_over

    @override
    def accept(self) -> Connection | None:
        """Return the next connection that was handed over, or None where there is none.

        Raises:
            OSError: this process may not have so many descriptors; the connection goes to others.
        """
        while True:
            if self._is_over:
                return None
            try:
                data, ancillary, _, _ = self._receive(MAX_BYTES, ROOM, CLOEXEC)
            except BlockingIOError:
                return None
            except ConnectionError:  # the listener is gone, with reports unread; what it had sent still stands
                continue
            if not data:
                self._is_over = True
                return None
            number, since_ns = unpack_hand(data)
            if number == UNKNOWN:
                self.has_room()
                continue
            fds = descriptors(ancillary)
            if not fds:
                self._report(Kind.BACK, number)  # the listener has it still
                raise OSError(errno.EMFILE, OUT_OF_DESCRIPTORS)
            return _connection(fds[0], data[HAND_BYTES:], self, number, since_ns)

    # -- what the listener is told

    def serves(self, capacity: int, *, keeps: bool, busy: int) -> None:
        """From now on connections are taken.

        Args:
            capacity: how many requests run at once.
            keeps: whether connections stay after a response.
            busy: how many run already, of a listener before this one.
        """
        if busy and not keeps:
            self._report(Kind.BUSY, busy)
        if keeps or not self._serves_quietly(capacity):
            self._report(Kind.KEEPS if keeps else Kind.SHARES, capacity)

    def _serves_quietly(self, capacity: int) -> bool:
        """Say `SHARES`, and give the listener the end of a pair on which connections come back quietly."""
        if self._unsent:
            return False
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError:
            return False
        with theirs:
            try:
                socket.send_fds(self._sock, [pack_report(Kind.SHARES, capacity)], [theirs.fileno()])
            except OSError:
                ours.close()
                return False
        ours.setblocking(False)
        self._quiet = unpatched.Socket(ours.family, ours.type, 0, ours.detach())
        self._quiet.setblocking(False)
        return True

    def taken(self, number: int) -> None:
        """The connection stays here."""
        self._report(Kind.TAKEN, number)

    def back(self, number: int, *, quietly: bool = False) -> bool:
        """The connection is idle and may be handed to another; the caller closes its copy.

        Args:
            number: the connection's.
            quietly: whether the caller sees to it that `settle` is called soon. Not for one that was `slow`, since
                what is said quietly may be heard before what was said aloud; nor for one that may have more to be
                read, for which the listener looks again only where it is said aloud.

        Returns:
            False where the listener is gone: the connection is the worker's own then.
        """
        if quietly and self._quiet is not None:
            try:
                self._quiet.send(pack_number(number))
            except OSError:  # there is no room, or the listener could not take the socket, or is gone: aloud it is seen
                return self._report(Kind.BACK, number)
            self._owed_ns = self._owed_ns or time.monotonic_ns()
            if self._page.words[WAITS] == Awaits.REPORTS:
                self.wake()
            return True
        return self._report(Kind.BACK, number)

    @property
    def is_owed(self) -> bool:
        """Whether the listener may not know yet of a connection that it was quietly given back."""
        return self._owed_ns > 0

    def settle(self, now_ns: int) -> float:
        """Have the listener see what it was quietly told, where it waits for it, or has not seen it for long.

        To be called when the worker is about to wait, and wherever `is_owed` may last.

        Returns:
            In how many seconds to call it again.
        """
        if self._page.words[WAITS] or now_ns - self._owed_ns >= QUIET_S * 1e9:
            self.wake()
            return math.inf
        return QUIET_S

    def wake(self) -> None:
        """Have the listener see at once what it was quietly told."""
        self._owed_ns = 0
        self.has_room()

    def slow(self, number: int) -> bool:
        """The connection waits for its client, and no request of it runs; `back` or `gone` follows all the same.

        Returns:
            False where the listener is gone.
        """
        return self._report(Kind.SLOW, number)

    def runs(self, number: int) -> bool:
        """A request of a connection that was `slow` runs; False where the listener is gone."""
        return self._report(Kind.RUNS, number)

    def late(self) -> None:
        """A connection has come from a listener before this one, after `serves`."""
        self._report(Kind.BUSY, 1)

    def gone(self, number: int) -> bool:
        """The connection is closed; False where the listener is gone, too."""
        return self._report(Kind.GONE, number)

    def adopt(self, sock: socket.socket, tail: Tail, busy: int) -> bool:
        """As `back`, of a connection that the listener has no copy of.

        Args:
            sock: the connection.
            tail: what it is called.
            busy: 1 where a request of it was counted as `busy`.

        Returns:
            False where it stays: the listener is gone, or cannot take it now, and then `is_behind`.
        """
        data = pack_report(Kind.ADOPT, busy) + tail.encode()
        try:
            socket.send_fds(self._sock, [data], [sock.fileno()])
        except OSError as error:
            self._is_full = error.errno in FULL
            return False
        return True

    def has_room(self) -> None:
        """There is room again; the listener waits for that."""
        if not self._unsent:  # any report that is read tells as much
            self._report(Kind.ROOM, 0)

    @property
    def is_awaited(self) -> bool:
        """Whether the listener waits for anybody to have room."""
        return bool(self._page.words[WAITS])

    @override
    def leave(self) -> None:
        """Want no more; what is on its way still comes."""
        if not self._is_leaving:
            self._is_leaving = True
            self._report(Kind.LEAVING, 0)

    @property
    def is_leaving(self) -> bool:
        """Whether the listener was told so."""
        return self._is_leaving

    def _report(self, kind: Kind, number: int) -> bool:
        if self._unsent:
            self._unsent.append(pack_report(kind, number))
            return self.flush()
        try:
            self._send(pack_report(kind, number))
        except OSError as error:
            if error.errno not in FULL:
                return False
            self._unsent.append(pack_report(kind, number))  # else a slot would be lost for good
        return True

    def flush(self) -> bool:
        """Send the reports for which the listener had no room; False where it is gone."""
        self._is_full = False
        while self._unsent:
            try:
                self._send(self._unsent[0])
            except OSError as error:
                if error.errno in FULL:
                    return True
                self._unsent.clear()
                return False
            self._unsent.popleft()
        return True

    @property
    def is_behind(self) -> bool:
        """Whether there are reports to `flush`, or connections to `adopt` once more."""
        return bool(self._unsent) or self._is_full


def _connection(fd: int, tail: bytes, home: DispatchSource, number: int, since_ns: int) -> Connection:
    family, peer, address = _origin(tail)
    sock = unpatched.Socket(family, socket.SOCK_STREAM, 0, fd)
    sock.setblocking(False)
    return Connection(sock, peer, address, home, number, since_ns)


@functools.lru_cache(maxsize=1024)
def _origin(tail: bytes) -> tuple[int, tuple[str, int], Address]:
    """Return the family of a connection, its peer, and where it came in; kept connections come again and again."""
    host, port, text = Tail.decode(tail)
    address = _address(text)
    if address.kind == "unix":
        return socket.AF_UNIX, ("", 0), address
    return socket.AF_INET6 if ":" in host else socket.AF_INET, (host, port), address


_address: Final = functools.lru_cache(maxsize=64)(Address.parse)
"""The few addresses where the server listens."""
