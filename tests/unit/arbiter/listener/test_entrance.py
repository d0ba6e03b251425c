"""The listening sockets of the listener: which are kept, given up and closed. No process is made."""

import logging
import os
import socket
from collections.abc import Callable, Iterator

import pytest

from heeler.arbiter.listener.entrance import Entrance
from heeler.workers.address import Address
from heeler.workers.sources import Listener

ADDRESS = "127.0.0.1:1"


class Inside:
    """Has room for everybody, and notes who came."""

    def __init__(self) -> None:
        self.watched: dict[int, Callable[[int], None]] = {}

    def accepts(self) -> bool:
        """Whether there is room."""
        return True

    def has_space(self, listener: Listener) -> bool:
        """Whether one more may be held."""
        return listener.fileno() != -1

    def latest_ns(self) -> int:
        """Nobody was handed out."""
        return 0

    def came(self, fd: int, peer: object, address: str) -> None:
        """Let go of it."""
        assert peer, address
        os.close(fd)

    def watch(self, fd: int, handler: Callable[[int], None] | None) -> None:
        """As an event loop would."""
        if handler is not None:
            self.watched[fd] = handler
        else:
            self.watched.pop(fd, None)


@pytest.fixture
def sockets() -> Iterator[list[socket.socket]]:
    """Three that listen; they pass for three at one address, as each slot had one before a re-exec."""
    made = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
    yield made
    for sock in made:
        sock.close()


def listener(sock: socket.socket) -> Listener:
    """Return a copy of it, as a child has one."""
    return Listener(sock.dup(), Address.parse(ADDRESS))


def test_several_sockets_at_one_address(sockets: list[socket.socket]) -> None:
    """A reload that changes nothing leaves nothing open, and one that drops the address gives up all of them."""
    inside = Inside()
    entrance = Entrance([listener(sock) for sock in sockets], inside, inside.watch, logging.getLogger("test"))
    entrance.begin()
    assert len(inside.watched) == 3
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        entrance.change([ADDRESS] * 3, [sock.dup().detach() for sock in sockets])
    assert (len(os.listdir("/proc/self/fd")), len(inside.watched)) == (before, 3)
    is_ending = [entrance.is_ending]
    entrance.change([], [])
    is_ending.append(entrance.is_ending)
    assert is_ending == [False, True]
    entrance.close_empty(only_ending=True)
    assert inside.watched == {}
    assert entrance.is_over
