"""Listening sockets that this process was born with: which are meant, and how they are taken over.

An init system passes them by number and name; `bind` may name any descriptor.
"""

import contextlib
import errno
import os
import socket
from collections.abc import Sequence
from typing import Final

from heeler.arbiter.listen_fds import Passed
from heeler.plugins.config import Config
from heeler.plugins.errors import BindError
from heeler.workers.address import Address
from heeler.workers.sources import Listener

_FAMILIES: Final = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)


class InheritedSockets:
    """What the init system has passed on.

    What is served is a copy: an address that a reload gives up can come back with the next one.

    Args:
        passed: the descriptors.

    Resource handling: `close` at the end, and in every child.
    """

    def __init__(self, passed: Sequence[Passed]) -> None:
        self._passed = tuple(passed)
        for one in self._passed:
            with contextlib.suppress(OSError):  # it is not open: whoever wants it will be told
                os.set_inheritable(one.fd, False)

    @property
    def passed(self) -> tuple[Passed, ...]:
        """All of them."""
        return self._passed

    def has_passed(self, text: str) -> bool:
        """Return whether it is sockets of the init system's that an address means."""
        address = Address.parse(text)
        return address.kind == "fd" and any(one.fd in self._numbers(address) for one in self._passed)

    def asked(self, bind: Sequence[str]) -> list[str]:
        """Return the addresses to serve: what was passed takes the place of `bind`, unless that names some of it."""
        if not self._passed or any(Address.parse(text).name for text in bind):
            return list(bind)
        return [f"fd://{one.fd}" for one in self._passed]

    def unasked(self, asked: Sequence[str]) -> list[str]:
        """Return the names of those that are not to be served."""
        served = {fd for text in asked for fd in self._numbers(Address.parse(text))}
        return [one.name or str(one.fd) for one in self._passed if one.fd not in served]

    def name_of(self, text: str) -> str:
        """Return what the init system calls the socket at an address; empty where it has not passed it."""
        address = Address.parse(text)
        return address.name or next((one.name for one in self._passed if one.fd == address.fd), "")

    def take(self, address: Address, config: Config) -> list[Listener]:
        """Return the sockets that an address of the kind `fd` means.

        Raises:
            BindError: there are none, or they are no listening sockets.
        """
        if not (numbers := self._numbers(address)):
            names = ", ".join(dict.fromkeys(one.name for one in self._passed if one.name))
            there = f"there is: {names}" if names else "there are no names (LISTEN_FDNAMES)"
            raise BindError(str(address), None, f"no socket of that name was passed; {there}")
        taken: list[Listener] = []
        try:
            taken.extend(self._take(fd, address, config) for fd in numbers)
        except BindError:
            for listener in taken:
                listener.close()
            raise
        return taken

    def close(self) -> None:
        """Close all that were passed; harmless when done twice."""
        passed, self._passed = self._passed, ()
        for one in passed:
            with contextlib.suppress(OSError):
                os.close(one.fd)

    def _numbers(self, address: Address) -> list[int]:
        return [one.fd for one in self._passed if one.name == address.name] if address.name else [address.fd]

    def _take(self, fd: int, address: Address, config: Config) -> Listener:
        if all(one.fd != fd for one in self._passed):
            return adopt(fd, address, config)  # nobody but `bind` has told us of it
        try:
            copy = os.dup(fd)
        except OSError as error:
            raise BindError(str(address), error.errno, "no such descriptor") from error
        try:
            return adopt(copy, address, config)
        except BindError:
            os.close(copy)
            raise


def adopt(fd: int, address: Address, config: Config) -> Listener:
    """Return the listening socket with that descriptor; from now on it is the listener's to close.

    Args:
        fd: the descriptor.
        address: what it was asked for by.
        config: says how many may wait, where it does not listen yet.

    Raises:
        BindError: it is none.
    """
    try:
        sock = socket.socket(fileno=fd)
    except OSError as error:
        reason = "no such descriptor" if error.errno == errno.EBADF else "the descriptor is no socket"
        raise BindError(str(address), error.errno, reason) from error
    if sock.family not in _FAMILIES or sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise BindError(str(address), None, "the descriptor is no TCP or Unix stream socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    try:
        # Who made it chose its backlog; a second listen(2) would change that.
        if not sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            sock.listen(config.backlog)
    except OSError as error:
        sock.detach()
        raise BindError(str(address), error.errno, error.strerror or str(error)) from error
    return Listener(sock, address_of(sock))


def address_of(sock: socket.socket) -> Address:
    """Return where a socket listens."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return Address.of_unix(name)
    return Address.of_tcp(name[0], name[1])
