"""What a worker says to the listener, taken in with care: the worker runs code of others, and may say anything.

Decides what is a report. Must not know what follows from it.
"""

import os
import socket
import stat
from collections.abc import Iterator
from typing import Final, NamedTuple

from heeler.plugins.errors import HeelerError
from heeler.workers.channel import CLOEXEC, ROOM, descriptors
from heeler.workers.handover import (
    MAX_BYTES,
    NUMBER_BYTES,
    REPORT_BYTES,
    Kind,
    Tail,
    unpack_numbers,
    unpack_reports,
)

_KINDS: Final = frozenset(Kind)
_QUIET_BYTES: Final = 65536
"""More than a worker has connections of a listener's, eight bytes each."""


class Report(NamedTuple):
    """A report.

    Args:
        kind: of `Kind`.
        number: the connection's, or how many.
        tail: what the connection is called, of an `ADOPT`.
        fd: of an `ADOPT` its descriptor, of `SHARES` what connections come back on quietly; -1 where none
            has arrived; the receiver's.
    """

    kind: int
    number: int
    tail: bytes = b""
    fd: int = -1


class BadReport(HeelerError):
    """A datagram that no worker of ours sends."""


def read(sock: socket.socket) -> Iterator[Report]:
    """Yield the reports that have come, until there are none.

    Raises:
        BadReport: one of them is none; the next call goes on behind it.
        EOFError: there will be no more.
    """
    while True:
        try:
            data, ancillary, _, _ = sock.recvmsg(MAX_BYTES, ROOM, CLOEXEC)
        except OSError:  # nothing more, or a reset
            return
        fds = list(descriptors(ancillary)) if ancillary else []  # as nearly always
        try:
            if not data:
                raise EOFError("the worker has closed its end")
            if data[0] == Kind.ADOPT:
                yield _adoption(data, fds)
                continue
            if data[0] == Kind.SHARES and fds and len(data) == REPORT_BYTES:
                yield _sharing(data, fds)
                continue
            if len(data) % REPORT_BYTES:
                raise BadReport(f"{len(data)} bytes")
            for kind, number in unpack_reports(data):
                if kind not in _KINDS or kind == Kind.ADOPT:
                    raise BadReport(f"of kind {kind}")
                yield Report(kind, number)
        finally:
            for fd in fds:
                os.close(fd)


def read_quiet(sock: socket.socket) -> Iterator[int]:
    """Yield the numbers of the connections that have come back quietly.

    Raises:
        EOFError: there will be no more.
    """
    try:
        data = sock.recv(_QUIET_BYTES)
    except BlockingIOError:
        return
    except OSError:
        data = b""
    if not data:
        raise EOFError("the worker has closed its end")
    # Of what no worker of ours sends nothing is known, whatever it is taken for.
    for (number,) in unpack_numbers(data[: len(data) - len(data) % NUMBER_BYTES]):
        yield number


def _sharing(data: bytes, fds: list[int]) -> Report:
    """Return what a `SHARES` says that brings a descriptor, which is no more in `fds`."""
    ((kind, capacity),) = unpack_reports(data)
    if not stat.S_ISSOCK(os.fstat(fds[0]).st_mode):
        raise BadReport("a share of what is no socket")
    return Report(kind, capacity, fd=fds.pop(0))


def _adoption(data: bytes, fds: list[int]) -> Report:
    """Return what an `ADOPT` says; the descriptor that is taken over is no more in `fds`."""
    if len(data) <= REPORT_BYTES:
        raise BadReport("an adoption of nothing")
    ((kind, busy),) = unpack_reports(data[:REPORT_BYTES])
    tail = data[REPORT_BYTES:]
    try:
        Tail.decode(tail)
    except ValueError as error:
        raise BadReport("an adoption of what has no address") from error
    if fds and not stat.S_ISSOCK(os.fstat(fds[0]).st_mode):
        raise BadReport("an adoption of what is no socket")
    return Report(kind, busy, tail, fds.pop(0) if fds else -1)
