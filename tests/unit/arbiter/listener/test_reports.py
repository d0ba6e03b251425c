"""What a worker says is taken in with care."""

import os
import socket
from collections.abc import Iterator

import pytest

from heeler.arbiter.listener.reports import BadReport, Report, read
from heeler.workers.handover import Kind, Tail, pack_report

Pair = tuple[socket.socket, socket.socket]
TAIL = Tail("192.0.2.1", 1234, "127.0.0.1:80").encode()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The listener's end and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


def open_count() -> int:
    """Return how many descriptors this process has."""
    return len(os.listdir("/proc/self/fd"))


def test_reports_of_several_datagrams(pair: Pair) -> None:
    """One or more in each, in their order."""
    ours, theirs = pair
    theirs.send(pack_report(Kind.BACK, 1) + pack_report(Kind.GONE, 2))
    theirs.send(pack_report(Kind.ROOM, 0))
    assert list(read(ours)) == [Report(Kind.BACK, 1), Report(Kind.GONE, 2), Report(Kind.ROOM, 0)]
    assert list(read(ours)) == []


def test_adoption(pair: Pair) -> None:
    """The descriptor is the receiver's; one that did not arrive is -1."""
    ours, theirs = pair
    with socket.socket() as client:
        socket.send_fds(theirs, [pack_report(Kind.ADOPT, 1) + TAIL], [client.fileno()])
    theirs.send(pack_report(Kind.ADOPT, 0) + TAIL)
    first, second = read(ours)
    assert (first.kind, first.number, first.tail) == (Kind.ADOPT, 1, TAIL)
    assert second.fd == -1
    os.close(first.fd)


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        pack_report(Kind.BACK, 1)[:-1],
        pack_report(Kind.BACK, 1) + b"x",
        b"\xff" * 9,
        pack_report(Kind.ADOPT, 0),
        pack_report(Kind.ADOPT, 0) + b"\xff\xff",
        pack_report(Kind.ADOPT, 0) + b"no zero bytes",
        pack_report(Kind.ADOPT, 0) + b"a\0port\0b",
        pack_report(Kind.BACK, 1) + pack_report(Kind.ADOPT, 0),
    ],
)
def test_nonsense_is_told_and_left_behind(pair: Pair, data: bytes) -> None:
    """What comes after it is read, and no descriptor is kept that came with it."""
    ours, theirs = pair
    with open(os.devnull, "rb") as file:
        socket.send_fds(theirs, [data], [file.fileno(), file.fileno()])
        theirs.send(pack_report(Kind.ROOM, 0))
        before = open_count()
        with pytest.raises(BadReport):
            list(read(ours))
        assert list(read(ours)) == [Report(Kind.ROOM, 0)]
        assert open_count() == before


def test_what_is_no_socket_is_not_adopted(pair: Pair) -> None:
    """A regular file cannot be waited for."""
    ours, theirs = pair
    with open(__file__, "rb") as file:
        socket.send_fds(theirs, [pack_report(Kind.ADOPT, 0) + TAIL], [file.fileno()])
    before = open_count()
    with pytest.raises(BadReport, match="no socket"):
        list(read(ours))
    assert open_count() == before


def test_what_is_no_socket_is_not_shared(pair: Pair) -> None:
    """A worker gives the end of a pair, or nothing."""
    ours, theirs = pair
    with open(__file__, "rb") as file:
        socket.send_fds(theirs, [pack_report(Kind.SHARES, 1)], [file.fileno()])
    before = open_count()
    with pytest.raises(BadReport, match="no socket"):
        list(read(ours))
    assert open_count() == before


def test_end(pair: Pair) -> None:
    """A worker that ends its side is told as such, after all it has said."""
    ours, theirs = pair
    theirs.send(pack_report(Kind.LEAVING, 0))
    theirs.shutdown(socket.SHUT_WR)
    found = read(ours)
    assert next(found) == Report(Kind.LEAVING, 0)
    with pytest.raises(EOFError):
        next(found)
