"""The listening sockets of the listener: when connections are accepted, and when they wait in the backlog.

Decides that alone; what becomes of a connection is the role's. The backlog is the queue of all as long as nobody
has room: the kernel keeps it through the death of a listener, and a re-exec.
"""

import contextlib
import errno
import logging
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Protocol

from heeler.workers.accepting import ACCEPT_BURST, ACCEPT_PAUSE_S
from heeler.workers.address import Address
from heeler.workers.logs import event
from heeler.workers.sources import EXHAUSTED, Listener, is_readable, reset

_MOST_RESET: Final = 65536
"""No backlog is longer: what comes after so many comes just now."""


class Inside(Protocol):
    """What is behind the entrance."""

    def accepts(self) -> bool:
        """Whether connections are to be accepted, rather than to wait in the backlog."""

    def has_space(self, listener: Listener) -> bool:
        """Whether one more may be held, others having made way where somebody waits for that."""

    def latest_ns(self) -> int:
        """When the request came that came last of those that were handed out, CLOCK_MONOTONIC."""

    def came(self, fd: int, peer: object, address: str) -> None:
        """A connection was accepted; the descriptor is its new owner's."""


class Entrance:
    """The listening sockets.

    Args:
        listeners: the sockets.
        inside: who takes what is accepted.
        watch: has a function called when a descriptor is readable; with None no more.
        log: where it is said that accepting has paused.

    Process: the listener.
    """

    def __init__(
        self,
        listeners: Sequence[Listener],
        inside: Inside,
        watch: Callable[[int, Callable[[int], None] | None], None],
        log: logging.Logger,
    ) -> None:
        self._inside: Final = inside
        self._watch: Final = watch
        self._log: Final = log
        self._open: list[Listener] = list(listeners)
        self._ending: list[Listener] = []
        """Those that a reload has given up, until their backlog is empty."""
        self._shut: list[Listener] = []
        """Those not waited on, for want of room or of descriptors."""
        self._shut_until = 0.0
        self._shut_ns = 0
        """When one of them was shut last, or had its turn, CLOCK_MONOTONIC."""

    def begin(self) -> None:
        """Accept from now on."""
        for listener in self._open:
            self._wait_on(listener)

    @property
    def is_shut(self) -> bool:
        """Whether somebody may wait in a backlog."""
        return bool(self._shut)

    @property
    def is_over(self) -> bool:
        """Whether all of them are closed."""
        return not (self._open or self._ending)

    @property
    def is_ending(self) -> bool:
        """Whether some are to be closed once nobody waits on them."""
        return bool(self._ending)

    def wake_at(self) -> float:
        """Return when `reopen` must be called, monotonic seconds, whatever happens or not."""
        return self._shut_until if self._shut and self._shut_until > time.monotonic() else math.inf

    def reopen(self, now: float) -> None:
        """Accept again where there is room again.

        Where there is none, and a request was handed out that came later than those who wait in the backlog, as
        many do on kept connections, these are accepted, too, to wait inside in their order.
        """
        if not self._shut or now < self._shut_until:
            return
        if self._inside.accepts():
            shut, self._shut = self._shut, []
            for listener in shut:
                self._wait_on(listener)
        elif self._inside.latest_ns() > self._shut_ns:
            for listener in self._shut:
                self._accept_burst(listener, has_its_turn=True)
            self._shut_ns = time.monotonic_ns()

    def change(self, addresses: Sequence[str], fds: Sequence[int]) -> None:
        """A reload has come through: accept at these addresses.

        Args:
            addresses: all of them, those that are known as well.
            fds: their sockets, in the same order; they are this object's, or closed.
        """
        known = list(self._open)
        for address, fd in zip(addresses, fds, strict=True):
            # There may be several at an address, where each slot had one before a re-exec.
            if (same := next((one for one in known if str(one.address) == address), None)) is not None:
                known.remove(same)
                os.close(fd)
                continue
            sock = socket.socket(fileno=fd)
            sock.setblocking(False)
            listener = Listener(sock, Address.parse(address))
            self._open.append(listener)
            self._wait_on(listener)
        for listener in known:
            self._open.remove(listener)
            self._ending.append(listener)

    def leave(self) -> None:
        """Accept no more; who waits is another's."""
        for listener in self._open + self._ending:
            self._close(listener)
        self._open, self._ending = [], []

    def reset_waiting(self) -> int:
        """Cut who waits in the backlog, whom nobody will serve; return how many they were."""
        count = 0
        for listener in [one for one in self._open + self._ending if one.is_ours]:
            with contextlib.suppress(OSError):
                while count < _MOST_RESET:
                    reset(listener.sock.accept()[0])
                    count += 1
        return count

    def close_empty(self, *, only_ending: bool) -> None:
        """Close the sockets on which nobody waits: all such, or those that a reload has given up."""
        for listeners in (self._ending,) if only_ending else (self._ending, self._open):
            for listener in _nobody_waits_on(listeners):
                listeners.remove(listener)
                self._close(listener)

    def _wait_on(self, listener: Listener) -> None:
        self._watch(listener.fileno(), lambda _mask: self._on_readable(listener))

    def _on_readable(self, listener: Listener) -> None:
        if not self._accept_burst(listener):
            self._watch(listener.fileno(), None)
            self._shut.append(listener)
            self._shut_ns = time.monotonic_ns()

    def _accept_burst(self, listener: Listener, *, has_its_turn: bool = False) -> bool:
        """Accept what waits in the backlog; False where no more can be accepted now."""
        for _ in range(ACCEPT_BURST):
            if not (has_its_turn or self._inside.accepts()):
                return False
            if not self._inside.has_space(listener):
                self._shut_until = time.monotonic() + ACCEPT_PAUSE_S
                return False
            try:
                fd, peer = listener.sock._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - no socket object is wanted
            except (BlockingIOError, InterruptedError):
                return True
            except OSError as error:
                if error.errno in EXHAUSTED:
                    self._exhausted(error)
                    return False
                if error.errno in (errno.EBADF, errno.EINVAL):
                    raise
                continue  # it belongs to a client that is gone
            self._inside.came(fd, peer, str(listener.address))
        return True

    def _exhausted(self, error: OSError) -> None:
        event(self._log, logging.WARNING, "accept paused", slot=0, error=error.strerror, seconds=ACCEPT_PAUSE_S)
        self._shut_until = time.monotonic() + ACCEPT_PAUSE_S

    def _close(self, listener: Listener) -> None:
        if listener in self._shut:
            self._shut.remove(listener)
        else:
            self._watch(listener.fileno(), None)
        listener.close()


def _nobody_waits_on(listeners: Sequence[Listener]) -> Iterator[Listener]:
    return (each for each in list(listeners) if not is_readable(each.fileno()))
