"""What systemd is asked to keep; nothing is sent."""

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest

from heeler.arbiter.fd_store import FdStore, name_of
from heeler.arbiter.listen_fds import Passed
from heeler.workers.address import Address
from heeler.workers.sources import Listener


class Told:
    """Stands for the socket: keeps what is sent."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    def send(self, *assignments: str, sockets: Sequence[Any] = (), must_arrive: bool = True) -> None:
        """Keep a datagram."""
        self.said.append(assignments)


def listener() -> Listener:
    """Return one that is never used."""
    return Listener(cast("Any", SimpleNamespace()), Address.of_tcp("::1", 1))


def store(told: Told, *passed: Passed, is_wanted: bool = True) -> FdStore:
    """Return a store that says to `told` what it has to say."""
    return FdStore(cast("Any", told), passed, is_wanted=is_wanted)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("127.0.0.1:80", "heeler-bind-127.0.0.1%3A80"),
        ("[::1]:80", "heeler-bind-[%3A%3A1]%3A80"),
        ("unix:/run/x y.sock", "heeler-bind-unix%3A/run/x%20y.sock"),
        ("unix:@x", "heeler-bind-unix%3A@x"),
        ("unix:/\udcff", "heeler-bind-unix%3A/%FF"),
    ],
)
def test_a_name_is_one_that_systemd_takes(asked: str, name: str) -> None:
    """Printable ASCII without a colon."""
    assert name_of(asked) == name


def test_a_long_name_is_short_and_its_own() -> None:
    """At most 255 bytes, and another one for another path."""
    names = {name_of("unix:/" + "\u00e9" * 50 + end) for end in "ab"}
    assert len(names) == 2
    assert all(len(name) <= 255 for name in names)


def test_a_socket_is_sent_once() -> None:
    """A reload that keeps an address says nothing of it; a further socket for it is sent."""
    told = Told()
    one, two = listener(), listener()
    kept = store(told)
    kept.keep({"a": [one]})
    kept.keep({"a": [one]})
    assert told.said == [("FDSTORE=1", "FDNAME=heeler-bind-a")]
    kept.keep({"a": [one, two]})
    assert len(told.said) == 2


def test_what_was_taken_up_is_removed_at_the_end() -> None:
    """Also where nothing is to be kept any more."""
    told = Told()
    kept = store(told, Passed(9, "heeler-bind-a"), Passed(3, "web"), is_wanted=False)
    assert kept.others == (Passed(3, "web"),)
    assert kept.take("a") == [9]
    assert kept.take("a") == []
    kept.keep({"a": [listener()]})
    assert told.said == [("FDSTOREREMOVE=1", "FDNAME=heeler-bind-a")]


def test_an_arbiter_that_fails_leaves_all_to_the_next_one() -> None:
    """Closing its own sockets removes nothing."""
    told = Told()
    kept = store(told)
    kept.keep({"a": [listener()]})
    kept.freeze()
    kept.keep({})
    assert told.said == [("FDSTORE=1", "FDNAME=heeler-bind-a")]
