"""What an arbiter leaves to the one that a re-exec starts: listening sockets, and a channel between the two.

Described in an environment variable, in the manner of sd_listen_fds(3), and as that good for one process only.
Two versions of Heeler may meet here: what stands in the variable is only ever added to.
"""

import contextlib
import dataclasses
import json
import os
import socket
from collections.abc import MutableMapping, Sequence
from typing import Final, Self

from heeler.arbiter.inherited_sockets import address_of
from heeler.arbiter.listen_fds import Passed
from heeler.workers.address import Address
from heeler.workers.channel import Channel
from heeler.workers.sources import Listener

VARIABLE: Final = "HEELER_INHERITED"


@dataclasses.dataclass(frozen=True, slots=True)
class Handed:
    """The sockets of an address.

    Args:
        asked: the address as it was asked for.
        fds: the sockets' descriptors; several where each slot has its own.
        file: what a Unix socket has made (device, inode).
    """

    asked: str
    fds: tuple[int, ...]
    file: tuple[int, int] | None = None


@dataclasses.dataclass(frozen=True, slots=True)
class Inheritance:
    """All that is left to the new arbiter.

    Args:
        parent: the process id of the arbiter that leaves it.
        channel: the descriptor of the new one's end.
        activated: the sockets that an init system has passed, in its order and by its names.
        handed: the other ones.
        stored: the names of those that an init system keeps copies of.
        workers: how many workers there are; 0 where that is not told.
    """

    parent: int
    channel: int
    activated: tuple[Passed, ...] = ()
    handed: tuple[Handed, ...] = ()
    stored: tuple[str, ...] = ()
    workers: int = 0

    def as_text(self, pid: int) -> str:
        """Return the value of the variable, for the process `pid`."""
        return json.dumps({"pid": pid, **dataclasses.asdict(self)})

    def let_pass(self) -> None:
        """Have all of it survive an exec. Process: the one that is about to."""
        for fd in self._fds:
            os.set_inheritable(fd, True)

    @classmethod
    def take(cls, environ: MutableMapping[str, str], pid: int) -> Self | None:
        """Return what is left to this process, and remove the variable; None where it is meant for another, or nobody.

        Args:
            environ: the environment.
            pid: of this process.
        """
        text = environ.pop(VARIABLE, "")
        try:
            told = json.loads(text)
            if told["pid"] != pid:
                return None
            handed = tuple(
                Handed(one["asked"], tuple(one["fds"]), tuple(one["file"]) if one["file"] else None)
                for one in told["handed"]
            )
            activated = tuple(Passed(int(fd), str(name)) for fd, name in told["activated"])
            stored, workers = tuple(told["stored"]), int(told.get("workers", 0))
            found = cls(int(told["parent"]), int(told["channel"]), activated, handed, stored, workers)
        except (ValueError, KeyError, TypeError):
            return None
        for fd in found._fds:
            with contextlib.suppress(OSError):  # whoever uses it will say so
                os.set_inheritable(fd, False)
        return found

    def open_channel(self) -> Channel:
        """Return the new arbiter's end."""
        return Channel(socket.socket(fileno=self.channel), takes_fds=True)

    @property
    def _fds(self) -> list[int]:
        return [self.channel, *(one.fd for one in self.activated), *(fd for one in self.handed for fd in one.fds)]


class Estate:
    """Sockets that are left to this process, until each is taken or turns out not to be wanted.

    Args:
        handed: all of them.
    """

    def __init__(self, handed: Sequence[Handed] = ()) -> None:
        self.left: Final = list(handed)

    def take(self, text: str, address: Address) -> list[tuple[Handed, list[Listener]]]:
        """Return the sockets for what `bind` says in the same words, or of the file that it names now.

        Those of a name that stands for several addresses are many.

        Raises:
            OSError: it is no socket.
        """
        return [(one, self._open(one)) for one in list(self.left) if _is_meant(one, text, address)]

    def take_at(self, family: int, where: tuple[object, ...]) -> list[Listener]:
        """Return the sockets that are bound to a TCP address, whatever it was called; empty if there are none.

        Raises:
            OSError: it is no socket.
        """
        for one in list(self.left):
            if _place_of(one) == (family, *where[:2]):
                return self._open(one)
        return []

    def take_rest(self) -> list[tuple[Handed, list[Listener]]]:
        """Return what nobody wants, to be closed."""
        return [(one, self._open(one)) for one in list(self.left)]

    def _open(self, one: Handed) -> list[Listener]:
        self.left.remove(one)
        return [_listener(fd, one.asked) for fd in one.fds]


def _is_meant(one: Handed, text: str, address: Address) -> bool:
    if one.file is None:
        return one.asked == text
    try:  # the same words may mean another file, if the directory is another one, and others the same
        found = os.lstat(address.path)
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == one.file


def _place_of(one: Handed) -> tuple[object, ...]:
    with socket.socket(fileno=os.dup(one.fds[0])) as sock:
        name = sock.getsockname()
        return (sock.family, *name[:2]) if sock.family in (socket.AF_INET, socket.AF_INET6) else ()


def _listener(fd: int, asked: str) -> Listener:
    sock = socket.socket(fileno=fd)
    sock.setblocking(False)
    address = Address.parse(asked)
    return Listener(sock, address if address.kind == "unix" else address_of(sock))
