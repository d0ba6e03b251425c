"""What a worker tells a listener quietly, and when it wakes it for that; the listener is played by the test."""

import logging
import math
import select
import socket
from collections.abc import Iterator

import pytest

from heeler.arbiter.listener.reports import Report, read, read_quiet
from heeler.workers.dispatch_source import QUIET_S, DispatchSource
from heeler.workers.handover import Awaits, Kind
from heeler.workers.scoreboard import WAITS, Row, Scoreboard

LATER_NS = 10**18  # after whatever the clock says now


class Stage:
    """A worker's source, and the listener's ends."""

    def __init__(self) -> None:
        self.board = Scoreboard.create(1)
        self.page: Row = self.board.rows[0]
        self.aloud, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.aloud.setblocking(False)
        self.source = DispatchSource(theirs.detach(), self.page, logging.getLogger("test"))
        self.source.serves(1, keeps=False, busy=0)
        (report,) = read(self.aloud)
        assert (report.kind, report.number) == (Kind.SHARES, 1)
        self.quiet = socket.socket(fileno=report.fd)
        self.quiet.setblocking(False)

    def heard(self) -> list[Report]:
        """Return what was said aloud."""
        return list(read(self.aloud))

    def close(self) -> None:
        """End it."""
        self.source.close()
        self.aloud.close()
        self.quiet.close()
        self.board.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """One whose worker serves."""
    made = Stage()
    yield made
    made.close()


def test_connections_come_back_quietly(stage: Stage) -> None:
    """In their order, and without a word that would wake the listener."""
    assert stage.source.back(7, quietly=True)
    assert stage.source.back(8, quietly=True)
    assert stage.source.is_owed
    assert stage.heard() == []
    assert list(read_quiet(stage.quiet)) == [7, 8]
    assert list(read_quiet(stage.quiet)) == []


def test_aloud_where_it_is_not_said_to_be_quiet(stage: Stage) -> None:
    """As of a connection that was slow."""
    assert stage.source.back(7)
    assert stage.heard() == [Report(Kind.BACK, 7)]
    assert not stage.source.is_owed


def test_the_listener_is_woken_once_it_waits_or_long_after(stage: Stage) -> None:
    """Not before, and once for all that it was told."""
    stage.source.back(7, quietly=True)
    assert stage.source.settle(0) == QUIET_S
    assert stage.heard() == []
    assert stage.source.settle(LATER_NS) == math.inf
    assert stage.heard() == [Report(Kind.ROOM, 0)]
    assert not stage.source.is_owed
    stage.page.words[WAITS] = Awaits.ROOM
    stage.source.back(8, quietly=True)
    stage.source.back(9, quietly=True)
    assert stage.heard() == []
    assert stage.source.settle(0) == math.inf
    assert stage.heard() == [Report(Kind.ROOM, 0)]


def test_each_is_told_at_once_where_each_is_awaited(stage: Stage) -> None:
    """A client may have sent its next request before."""
    stage.page.words[WAITS] = Awaits.REPORTS
    stage.source.back(7, quietly=True)
    assert list(read_quiet(stage.quiet)) == [7]
    assert stage.heard() == [Report(Kind.ROOM, 0)]


def test_aloud_where_the_listener_could_not_take_the_quiet_end(stage: Stage) -> None:
    """It has too many descriptors: nothing is lost."""
    stage.quiet.close()
    assert stage.source.back(7, quietly=True)
    assert stage.heard() == [Report(Kind.BACK, 7)]


def test_aloud_where_the_listener_does_not_listen(stage: Stage) -> None:
    """What was told before it stays told."""
    told = 0
    while not stage.heard():
        told += 1
        assert stage.source.back(told, quietly=True)
    heard: list[int] = []
    while select.select([stage.quiet], [], [], 0)[0]:
        heard += read_quiet(stage.quiet)
    assert heard == list(range(1, told))


def test_a_listener_that_is_gone(stage: Stage) -> None:
    """The connection stays with the worker."""
    stage.quiet.close()
    stage.aloud.close()
    assert not stage.source.back(7, quietly=True)


def test_the_end_of_the_worker_is_seen(stage: Stage) -> None:
    """After all that it has said; what is cut is no number."""
    stage.source.back(7, quietly=True)
    stage.source._quiet.send(b"cut")  # type: ignore[union-attr]
    stage.source.close()
    assert list(read_quiet(stage.quiet)) == [7]
    with pytest.raises(EOFError):
        next(read_quiet(stage.quiet))
