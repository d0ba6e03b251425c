"""The sockets of vacant slots: each is somebody's, and nobody keeps what has an owner again."""

import pathlib
from types import SimpleNamespace
from typing import Any

import pytest

from heeler.arbiter.loans import Loans
from heeler.arbiter.socket_group import SocketGroup
from heeler.arbiter.tcp_migration import is_off
from heeler.workers import messages
from heeler.workers.messages import MAX_FDS


class Worker:
    """A member of the herd, whose channel keeps what is sent."""

    def __init__(self, slot: int, listeners: list[Any], loaded: object = "now") -> None:
        self.view = SimpleNamespace(slot=slot)
        self.listeners = listeners
        self.loaded = loaded
        self.channel = self
        self.is_full = False
        self.has: set[int] = set()
        self.count = 0

    def send(self, message: messages.Message) -> bool:
        """Take a message as a worker would."""
        if self.is_full:
            return False
        self.count += 1
        if isinstance(message, messages.Lend):
            assert message.fds == tuple(100 + number for number in message.numbers)
            assert len(message.fds) <= MAX_FDS
            assert not self.has & set(message.numbers)
            self.has |= set(message.numbers)
        else:
            assert isinstance(message, messages.TakeBack)
            assert self.has >= set(message.numbers)
            self.has -= set(message.numbers)
        return True


def sockets(count: int) -> list[Any]:
    """Return as many listeners, numbered from 1."""
    return [SimpleNamespace(number=number, fileno=lambda number=number: 100 + number) for number in range(1, count + 1)]


def settle(loans: Loans, listeners: list[Any], ready: list[Worker], loaded: str = "now") -> None:
    """Settle twice: what was settled must stay so."""
    members: Any = ready
    settled: Any = loaded
    loans.settle(listeners, members, settled)
    said = [worker.count for worker in ready]
    loans.settle(listeners, members, settled)
    assert [worker.count for worker in ready if not worker.is_full] == [
        count for count, worker in zip(said, ready, strict=True) if not worker.is_full
    ]


def test_sockets_of_vacant_slots_are_spread_and_taken_back() -> None:
    """The first to be ready gets all, and gives each back once its own worker is."""
    listeners, loans = sockets(4), Loans()
    workers = [Worker(slot, [listeners[slot - 1]]) for slot in range(1, 5)]
    settle(loans, listeners, workers[:1])
    assert workers[0].has == {2, 3, 4}
    settle(loans, listeners, workers[:3])
    assert [worker.has for worker in workers[:3]] == [{4}, set(), set()]
    settle(loans, listeners, workers)
    assert [worker.has for worker in workers] == [set()] * 4
    settle(loans, listeners, workers[1:3])
    assert [worker.has for worker in workers[1:3]] == [{1}, {4}]


def test_a_loan_of_a_worker_that_goes_is_made_to_another() -> None:
    """Also where the one that goes had borrowed it."""
    listeners, loans = sockets(3), Loans()
    workers = [Worker(slot, [listeners[slot - 1]]) for slot in range(1, 4)]
    settle(loans, listeners, workers[:2])
    assert workers[0].has == {3}
    settle(loans, listeners, workers[1:2])
    assert workers[1].has == {1, 3}


def test_nobody_ready_is_nobody_asked() -> None:
    """What nobody serves is lent as soon as somebody is ready."""
    listeners, loans = sockets(2), Loans()
    settle(loans, listeners, [])
    worker = Worker(2, [listeners[1]])
    settle(loans, listeners, [worker])
    assert worker.has == {1}


def test_who_has_the_settings_in_force_is_asked_first() -> None:
    """A worker of an earlier generation serves only where there is no other."""
    listeners, loans = sockets(3), Loans()
    old, new = Worker(1, [listeners[0]], "before"), Worker(2, [listeners[1]])
    settle(loans, listeners, [old])
    assert old.has == {2, 3}
    settle(Loans(), listeners, [old, new])
    assert new.has == {3}


def test_a_full_channel_is_tried_again() -> None:
    """What could not be said is said later, both ways."""
    listeners, loans = sockets(2), Loans()
    first, second = Worker(1, [listeners[0]]), Worker(2, [listeners[1]])
    first.is_full = True
    settle(loans, listeners, [first])
    assert first.has == set()
    first.is_full = False
    settle(loans, listeners, [first])
    assert first.has == {2}
    first.is_full = True
    settle(loans, listeners, [first, second])
    assert first.has == {2}
    first.is_full = False
    settle(loans, listeners, [first, second])
    assert first.has == set()


def test_an_address_that_is_given_up_is_taken_back() -> None:
    """After a reload its sockets are nobody's any more."""
    listeners, loans = sockets(4), Loans()
    worker = Worker(1, [listeners[0]])
    settle(loans, listeners[:2], [worker])
    worker.listeners = [listeners[2]]
    settle(loans, listeners[2:], [worker])
    assert worker.has == {4}


def test_many_sockets_take_several_messages() -> None:
    """No message has more descriptors than the channel takes."""
    listeners, loans = sockets(600), Loans()
    worker = Worker(1, listeners[:1])
    settle(loans, listeners, [worker])
    assert worker.has == set(range(2, 601))
    assert worker.count == 3


def test_a_group_binds_what_its_slots_need() -> None:
    """Once, in their order; what was bound stays when slots go."""
    made: list[Any] = sockets(5)
    rest = iter(made[1:])
    group = SocketGroup(made[0], lambda: next(rest), iter(range(11, 20)))
    assert group.of(1) is made[0]
    assert group.of(3) is made[2]
    assert group.of(2) is made[1]
    assert list(group.listeners) == made[:3]
    assert [listener.number for listener in group.listeners] == [11, 12, 13]


@pytest.mark.parametrize(("text", "off"), [("0\n", True), ("1\n", False), (None, False)])
def test_the_kernels_word_about_migration(tmp_path: pathlib.Path, text: str | None, *, off: bool) -> None:
    """A kernel that does not know the sysctl is nothing to warn of: there is nothing to set."""
    path = tmp_path / "tcp_migrate_req"
    if text is not None:
        path.write_text(text)
    assert is_off(path) is off
