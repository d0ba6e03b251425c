"""The books of the listener: who gets what, who waits, and what is taken back. No process is made."""

import os
import socket
import time
from collections.abc import Iterator

import pytest

from heeler.arbiter.listener.client import Client
from heeler.arbiter.listener.dispatcher import QUICK_NS, RECALL_NS, Dispatcher
from heeler.arbiter.listener.place import Place
from heeler.plugins.balancers import least_busy, round_robin, sticky
from heeler.workers.handover import HAND_BYTES, UNKNOWN, unpack_hand
from heeler.workers.scoreboard import BEAT_AT, CAPACITY, IN_FLIGHT, Scoreboard

NOW = time.monotonic_ns()


class Stage:
    """A dispatcher, places whose workers are played by the test, and clients that are pipes."""

    def __init__(self) -> None:
        self.board = Scoreboard.create(8)
        self.refused: list[int] = []
        self.complaints: list[str] = []
        self.theirs: list[socket.socket] = []
        self._fds: list[int] = []
        self._numbers = 0
        self.places: list[Place] = []

    def dispatcher(self, balancer: object = least_busy, limit: int | None = None, key: bytes = b"") -> Dispatcher:
        """Return one, with the places there are."""
        refuse = lambda client: self.refused.append(client.number)  # noqa: E731
        found = Dispatcher(balancer, lambda _: key, limit, refuse, self.complaints.append)  # type: ignore[arg-type]
        for place in self.places:
            found.add(place)
        return found

    def place(self, capacity: int = 1, *, keeps: bool = False) -> Place:
        """Add a worker."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.theirs.append(theirs)
        number = len(self.places)
        made = Place(number + 1, number + 1, self.board.rows[number], ours.detach(), os.dup(theirs.fileno()))
        made.capacity, made.keeps = capacity, keeps
        self.places.append(made)
        return made

    def client(self) -> Client:
        """Return another client."""
        self._numbers += 1
        fd, other = os.pipe()
        self._fds += [fd, other]
        return Client(self._numbers, fd, "", b"")

    def received(self, place: Place) -> list[int]:
        """Receive what stands in the channel of a worker, as it would; return the numbers."""
        numbers: list[int] = []
        while True:
            try:
                data, fds, _, _ = socket.recv_fds(self.theirs[place.slot - 1], HAND_BYTES, 1)
            except BlockingIOError:
                return numbers
            for fd in fds:
                os.close(fd)
            numbers.append(unpack_hand(data)[0])

    def close(self) -> None:
        """Close all."""
        for place in self.places:
            place.close()
        for sock in self.theirs:
            sock.close()
        for fd in self._fds:
            os.close(fd)
        self.board.close()


@pytest.fixture
def stage() -> Iterator[Stage]:
    """An empty one."""
    made = Stage()
    yield made
    made.close()


def long_ago() -> int:
    """Return a time at which what was handed has to be received by now."""
    return time.monotonic_ns() - 2 * RECALL_NS


def test_what_finds_no_room_waits_in_its_order(stage: Stage) -> None:
    """One request runs; the others follow one by one, first in first out."""
    place = stage.place()
    dispatcher = stage.dispatcher()
    for _ in range(4):
        dispatcher.offer(stage.client(), NOW + 1)
    assert (stage.received(place), dispatcher.waiting) == ([1], 3)
    for number in (1, 2, 3):
        place.ended(number, 0)
        dispatcher.dispatch()
        assert stage.received(place) == [number + 1]
    assert dispatcher.waiting == 0


def test_one_more_than_may_wait_is_refused(stage: Stage) -> None:
    """So is one that would wait for a worker of its own."""
    stage.place()
    dispatcher = stage.dispatcher(limit=1)
    for _ in range(3):
        dispatcher.offer(stage.client(), NOW + 1)
    assert stage.refused == [3]
    stage.place()
    dispatcher = stage.dispatcher(sticky, limit=1, key=b"me")
    for place in stage.places:
        place.in_flight = 0
    for _ in range(3):
        dispatcher.offer(stage.client(), NOW + 1)
    assert stage.refused == [3, 6]


def test_who_waits_for_its_own_worker_holds_up_nobody(stage: Stage) -> None:
    """Others are handed out, and accepted, meanwhile."""
    busy, idle = stage.place(), stage.place()
    busy.in_flight = 1
    wanted = [busy, idle]
    dispatcher = stage.dispatcher(lambda *_: wanted.pop(0))
    dispatcher.offer(stage.client(), NOW + 1)
    assert (dispatcher.waiting, dispatcher.has_room()) == (1, True)
    dispatcher.offer(stage.client(), NOW + 1)
    assert stage.received(idle) == [2]


def test_what_a_worker_does_not_receive_goes_to_another(stage: Stage) -> None:
    """It is asked for a sign of life, and is handed nothing until it gives one; a word of its own is one."""
    stuck, other = stage.place(4), stage.place(4)
    dispatcher = stage.dispatcher(round_robin)
    for _ in range(4):
        dispatcher.offer(stage.client(), long_ago())
    assert stage.received(other) == [1, 3] or stage.received(other) == [2, 4]
    dispatcher.look()
    assert stuck.is_suspect
    assert len(stage.received(other)) == 2
    assert stage.received(stuck) == [UNKNOWN]
    dispatcher.offer(stage.client(), NOW + 1)
    assert stage.received(stuck) == []
    stuck.heard()
    assert not stuck.is_suspect


def test_a_heartbeat_is_a_sign_of_life(stage: Stage) -> None:
    """Seen at the next look."""
    stuck, _ = stage.place(), stage.place()
    stuck.suspect()
    stage.board.rows[0].words[BEAT_AT] += 1
    stuck.forgive()
    assert not stuck.is_suspect


def test_a_worker_that_keeps_up_is_no_suspect_though_it_is_handed_more_all_the_time(stage: Stage) -> None:
    """What counts is how long the oldest that it has not received has been there."""
    quick, _ = stage.place(9), stage.place(9)
    dispatcher = stage.dispatcher(lambda slots, *_: slots[0])
    dispatcher.offer(stage.client(), long_ago())
    assert stage.received(quick) == [1]
    dispatcher.offer(stage.client(), time.monotonic_ns() + 10**9)
    dispatcher.look()
    assert not quick.is_suspect
    assert stage.received(quick) == [2]


def test_once_all_is_received_nothing_more_is_looked_at(stage: Stage) -> None:
    """A listener with one worker sleeps as long as one with two."""
    place = stage.place()
    dispatcher = stage.dispatcher()
    dispatcher.offer(stage.client(), long_ago())
    stage.received(place)
    dispatcher.look()
    assert dispatcher.look_at() == float("inf")


def test_who_has_a_worker_of_its_own_waits_for_it_though_it_is_a_suspect(stage: Stage) -> None:
    """Another one does not know it; once that worker is gone it has no choice."""
    stage.place()
    stage.place()
    dispatcher = stage.dispatcher(sticky, key=b"me")
    dispatcher.offer(stage.client(), long_ago())
    (own,) = [place for place in stage.places if place.held]
    (other,) = [place for place in stage.places if place is not own]
    dispatcher.look()
    assert own.is_suspect and stage.received(other) == []
    dispatcher.remove(own)
    dispatcher.dispatch()
    assert stage.received(other) == [1]


def test_what_waits_too_long_is_refused_though_a_worker_has_it(stage: Stage) -> None:
    """As long as it has not received it."""
    stage.place()
    dispatcher = stage.dispatcher()
    dispatcher.offer(stage.client(), long_ago())
    dispatcher.offer(stage.client(), long_ago())
    dispatcher.refuse_older(time.monotonic_ns())
    assert sorted(stage.refused) == [1, 2]
    assert dispatcher.waiting == 0


def test_of_workers_that_keep_connections_their_own_count_holds(stage: Stage) -> None:
    """What they run stands on the scoreboard, and so does how much they can run by now."""
    place = stage.place(2, keeps=True)
    words = stage.board.rows[0].words
    words[CAPACITY], words[IN_FLIGHT] = 2, 2
    dispatcher = stage.dispatcher()
    assert not dispatcher.has_room()
    words[CAPACITY] = 3
    assert dispatcher.has_room()
    dispatcher.offer(stage.client(), NOW + 1)
    dispatcher.offer(stage.client(), NOW + 1)
    assert stage.received(place) == [1]
    words[IN_FLIGHT] = 1
    place.ended(1, 0)
    dispatcher.dispatch()
    assert stage.received(place) == [2]


def test_a_worker_that_is_gone_has_what_it_did_not_receive_taken_back(stage: Stage) -> None:
    """What it had received stays in its books: that is lost, or comes back."""
    gone, other = stage.place(3), stage.place(3)
    dispatcher = stage.dispatcher(lambda slots, *_: slots[0])
    dispatcher.offer(stage.client(), NOW + 1)
    stage.received(gone)
    dispatcher.offer(stage.client(), NOW + 2)
    dispatcher.offer(stage.client(), NOW + 3)
    dispatcher.remove(gone)
    dispatcher.dispatch()
    assert stage.received(other) == [2, 3]
    assert list(gone.held) == [1]


def test_a_balancer_that_fails_costs_nobody_a_request(stage: Stage) -> None:
    """What it raises, or returns that it was not shown, is told; the least busy worker gets the request."""
    place = stage.place(capacity=9)

    def fails(*_: object) -> Place:
        raise ValueError("no idea")

    stage.dispatcher(fails).offer(stage.client(), NOW + 1)
    stage.dispatcher(lambda *_: Place).offer(stage.client(), NOW + 1)
    assert stage.received(place) == [1, 2]
    assert stage.complaints[0] == "ValueError: no idea"
    assert "it returned" in stage.complaints[1]


def test_a_channel_that_is_full_loses_nobody(stage: Stage) -> None:
    """Neither where a request is handed out, nor where it is handed ahead; each waits once."""
    place = stage.place(capacity=1000)
    dispatcher = stage.dispatcher()
    for _ in range(500):
        dispatcher.offer(stage.client(), NOW + 1)
    handed = len(place.held)
    assert 0 < handed < 500
    assert place.is_suspect
    assert dispatcher.waiting + handed == 500
    assert stage.received(place) == list(range(1, handed + 1))
    place.heard()
    dispatcher.dispatch()
    assert stage.received(place) == [UNKNOWN, *range(handed + 1, 501)] or dispatcher.waiting + len(place.held) == 500


def test_what_no_worker_of_ours_says(stage: Stage) -> None:
    """Numbers that are not known change no count."""
    place = stage.place(capacity=2)
    dispatcher = stage.dispatcher()
    dispatcher.offer(stage.client(), NOW + 1)
    assert place.ended(77, 0) is None
    place.slows(77)
    assert place.in_flight == 1
    place.slows(1)
    place.slows(1)
    assert place.in_flight == 0
    place.runs(1)
    place.runs(1)
    assert place.in_flight == 1
    place.slows(1)
    assert place.ended(1, 0) is not None
    assert place.in_flight == 0


def test_what_was_handed_ahead_is_looked_at_soon(stage: Stage) -> None:
    """Its worker is not quick after all: it waits with the others by then, so that whoever is idle says so."""
    places = [stage.place(), stage.place()]
    dispatcher = stage.dispatcher()
    now_ns = time.monotonic_ns()
    dispatcher.offer(stage.client(), now_ns)
    (quick,) = (place for place in places if stage.received(place))
    quick.ended(1, now_ns)
    for _ in range(2):
        dispatcher.offer(stage.client(), now_ns)
    assert all(stage.received(place) for place in places)
    dispatcher.offer(stage.client(), now_ns)
    assert (quick.in_flight, dispatcher.waiting) == (2, 0)
    assert dispatcher.look_at() == (now_ns + QUICK_NS) / 1e9
    while time.monotonic() < dispatcher.look_at():
        pass
    dispatcher.look()
    assert (stage.received(quick), dispatcher.waiting) == ([], 1)
    assert dispatcher.look_at() > (now_ns + QUICK_NS) / 1e9


def test_a_request_in_whose_place_another_runs_waits_for_nobody_longer(stage: Stage) -> None:
    """A worker has begun with one that had waited for its client, when the next one was on its way to it."""
    places = [stage.place(), stage.place()]
    dispatcher = stage.dispatcher()
    dispatcher.offer(stage.client(), NOW)
    (behind,) = (place for place in places if stage.received(place))
    behind.slows(1)
    for _ in range(2):
        dispatcher.offer(stage.client(), NOW)
    dispatcher.runs_again(behind, 1)
    dispatcher.dispatch()
    assert (behind.in_flight, dispatcher.waiting) == (1, 1)
    assert stage.received(behind) == []
    (other,) = (place for place in places if place is not behind)
    (number,) = stage.received(other)
    other.ended(number, 0)
    dispatcher.dispatch()
    assert len(stage.received(other)) == 1
