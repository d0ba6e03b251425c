"""The listening sockets: bound before the first fork, open until the last worker is gone.

Decides how each kind of address becomes a socket, and which sockets a reload keeps.
"""

import contextlib
import dataclasses
import errno
import functools
import itertools
import os
import socket
import stat
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Final

from heeler.arbiter.fd_store import FdStore, name_of
from heeler.arbiter.inheritance import Estate, Handed, Inheritance
from heeler.arbiter.inherited_sockets import InheritedSockets, address_of, adopt
from heeler.arbiter.port_holder import holder_of
from heeler.arbiter.socket_group import SocketGroup
from heeler.plugins.config import Config
from heeler.plugins.errors import BindError, ConfigError
from heeler.workers.address import Address
from heeler.workers.privileges import gid_of, uid_of
from heeler.workers.sources import Listener


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Bound:
    """An address that is bound.

    Args:
        asked: as it was asked for.
        listener: the socket that all workers share, or the first of the group.
        file: what it made (device, inode).
        group: where each slot has a socket of its own.
        name: what the init system calls it, where it has passed it.
        is_inherited: whether this process was born with it.
    """

    asked: str
    listener: Listener
    file: tuple[int, int] | None = None
    group: SocketGroup | None = None
    name: str = ""
    is_inherited: bool = False

    @property
    def own(self) -> Sequence[Listener]:
        """The sockets that are a slot's own; none where all share one."""
        return self.group.listeners if self.group else ()

    def of(self, slot: int) -> Listener:
        """Return the socket for the workers of a slot.

        Raises:
            OSError: it had to be bound, and that was refused.
        """
        return self.group.of(slot) if self.group else self.listener

    def close_others(self, kept: Collection[Listener]) -> None:
        """Close all sockets but those. Process: a child."""
        for listener in self.own or (self.listener,):
            if listener not in kept:
                listener.close()

    def handed(self) -> Handed:
        """Return what another arbiter needs to know to take it over."""
        return Handed(self.asked, tuple(listener.fileno() for listener in self.own or (self.listener,)), self.file)

    def close(self, *, keeps_file: bool = False) -> None:
        """Close it, and remove its file unless another server has put its own there, or is to have this one."""
        self.close_others(())
        if self.file is None or keeps_file:
            return
        path = self.listener.address.path
        with contextlib.suppress(OSError):
            found = os.lstat(path)
            if (found.st_dev, found.st_ino) == self.file:
                os.unlink(path)


class Sockets:
    """The listening sockets of a server.

    Args:
        store: what the init system has passed on, to this arbiter or to the first of its line, and what it is to keep.
        handed: what another arbiter has handed down, and still uses itself.

    Resource handling: `close` closes them all and removes the files of those that have one.
    """

    def __init__(self, store: FdStore, handed: Sequence[Handed] = ()) -> None:
        self._store: Final = store
        self._inherited: Final = InheritedSockets(store.others)
        self._estate = Estate(handed)
        self._files_of_others = {one.file for one in handed}
        self._bound: list[Bound] = []
        self._before: list[Bound] = []
        self._numbers = itertools.count(1)

    @property
    def bound(self) -> Sequence[Bound]:
        """The addresses in force, in the order of `bind`."""
        return tuple(self._bound)

    @property
    def unserved(self) -> Sequence[str]:
        """The names of sockets that were passed on and are not asked for."""
        return self._inherited.unasked([bound.asked for bound in self._bound])

    @property
    def listeners(self) -> list[Listener]:
        """A socket for each of them."""
        return [bound.listener for bound in self._bound]

    def open(self, config: Config, besides: Callable[[], object] = lambda: None) -> None:
        """Bind what `config` asks for; what is bound already is kept.

        After a reload `settle` must follow, which lets go of what is no longer wanted.

        Args:
            config: the settings.
            besides: called once all is bound; where it fails, so does this.

        Raises:
            BindError: nothing has changed then.
        """
        asked = self._inherited.asked([str(address) for address in config.bind])
        known = {id(bound): bound for bound in self._bound + self._before}
        kept = [bound for bound in known.values() if bound.asked in asked]
        made: list[Bound] = []
        if not known:
            self._store.give_up(asked)  # one of them may have the port that another address wants
        try:
            for text in dict.fromkeys(asked):
                if not any(bound.asked == text for bound in kept):
                    made += self._bind(text, config)
            besides()
        except BaseException:
            for bound in made:
                self._close(bound)
            raise
        self._before, dropped = self._before or self._bound, self._bound if self._before else []
        self._bound = sorted(kept + made, key=lambda bound: asked.index(bound.asked))
        for bound in dropped:  # a reload that this one supersedes had bound them
            if bound not in self._bound + self._before:
                bound.close()
        self._have_kept()
        rest = [Bound(one.asked, each, one.file) for one, found in self._estate.take_rest() for each in found]
        self._before = self._before + rest

    def take_over(self) -> None:
        """The arbiter that has handed down sockets needs them no more: all is ours, and what nobody wants is closed."""
        self._files_of_others.clear()
        before, self._before = self._before, []
        for bound in before:
            bound.close()
        self._have_kept()

    def left_by(self, parent: int, channel: int) -> Inheritance:
        """Return what another arbiter is to know, which takes these sockets over.

        What the init system has passed on it is passed on again, and takes copies of its own.

        Args:
            parent: the process id of this one.
            channel: the descriptor of the other one's end.
        """
        handed = tuple(bound.handed() for bound in self._bound if not self._inherited.has_passed(bound.asked))
        return Inheritance(parent, channel, self._inherited.passed, handed, self._store.names)

    def hand_over(self) -> None:
        """Another arbiter has taken over: leave it the sockets' files, and what the init system keeps."""
        self._files_of_others = {bound.file for bound in self._bound}
        self._store.freeze()

    def settle(self, *, keep_new: bool) -> None:
        """End a reload: close what only the earlier settings, or (not `keep_new`) only the later ones, asked for."""
        before, self._before = self._before, []
        if not before:
            return
        if not keep_new:
            before, self._bound = self._bound, before
        for bound in before:
            if bound not in self._bound:
                bound.close()
        self._have_kept()

    def keep_only(self, listeners: Sequence[Listener]) -> None:
        """Close all others and leave their files. Process: a child, right after the fork.

        During a reload there are sockets of both generations. One that a child holds and never
        accepts from stays open after the arbiter gave it up, and takes clients in that nobody serves.
        """
        for bound in self._bound + self._before:
            bound.close_others(listeners)
        self._inherited.close()

    def close(self) -> None:
        """Close all; harmless when done twice."""
        for bound in {id(bound): bound for bound in self._bound + self._before}.values():
            self._close(bound)
        if self._bound:
            self._bound, self._before = [], []
            self._have_kept()
        self._inherited.close()

    def _have_kept(self) -> None:
        listeners: dict[str, list[Listener]] = {}
        for bound in {id(bound): bound for bound in self._bound + self._before}.values():
            if Address.parse(bound.asked).kind != "fd":
                listeners.setdefault(bound.asked, []).extend(bound.own or [bound.listener])
        self._store.keep(listeners)

    def _bind(self, text: str, config: Config) -> list[Bound]:
        address = Address.parse(text)
        try:
            left = self._estate.take(text, address)
        except OSError as error:
            raise BindError(text, error.errno, f"what was handed down: {error.strerror or error}") from error
        if address.kind == "fd":
            name = self._inherited.name_of(text)
            taken = [first for _, (first, *_) in left] or self._inherited.take(address, config)
            return [Bound(text, listener, name=name, is_inherited=True) for listener in taken]
        if not left:
            if found := _take_up(text, address, self._store.take(text), config, self._numbers):
                return found
            self._store.forget(name_of(text))  # what it has is of no use any more
        return _bind(text, address, config, self._numbers, left, self._estate)

    def _close(self, bound: Bound) -> None:
        bound.close(keeps_file=bound.file in self._files_of_others)


def _bind(
    text: str,
    address: Address,
    config: Config,
    numbers: Iterator[int],
    left: Sequence[tuple[Handed, list[Listener]]],
    estate: Estate,
) -> list[Bound]:
    if address.kind == "unix":
        found = [Bound(text, _suited(first, config, address), one.file) for one, (first, *_) in left]
        return found or [_bind_unix(text, address, config)]
    if config.dispatch == "reuseport" and sys.platform != "linux":
        reason = "needs Linux: elsewhere the kernel does not spread connections over such sockets"
        raise ConfigError("dispatch", config.source("dispatch"), reason, "reuseport")
    groups = [listeners for _, listeners in left] or _bind_tcp(address, config, estate)
    every = [_suited(listener, config, address) for group in groups for listener in group]
    if config.dispatch != "reuseport":
        return [Bound(text, listener) for listener in every]
    made = [Bound(text, first, group=_group(first, config, numbers, others)) for first, *others in groups]
    try:
        for bound in made:
            bound.of(config.workers)
    except OSError as error:
        for bound in made:
            bound.close()
        raise BindError(str(address), error.errno, _why_not(error, address)) from error
    return made


def _group(first: Listener, config: Config, numbers: Iterator[int], others: Sequence[Listener] = ()) -> SocketGroup:
    return SocketGroup(first, functools.partial(_join, first, config), numbers, others)


def _take_up(text: str, address: Address, fds: Sequence[int], config: Config, numbers: Iterator[int]) -> list[Bound]:
    """Return what an earlier arbiter has bound; nothing where that cannot be served."""
    listeners = []
    for fd in fds:
        try:
            listeners.append(adopt(fd, address, config))
        except BindError:
            os.close(fd)
    file = None
    if listeners and address.kind == "unix" and not address.is_abstract:
        try:
            found = os.lstat(address.path)
        except OSError:  # nobody can connect to it
            for listener in listeners:
                listener.close()
            return []
        file = (found.st_dev, found.st_ino)
    if config.dispatch != "reuseport" or address.kind != "tcp":
        return [Bound(text, one, file, name=name_of(text), is_inherited=True) for one in listeners]
    at = {str(one.address): [each for each in listeners if each.address == one.address] for one in listeners}
    groups = [_group(first, config, numbers, others) for first, *others in at.values()]
    for group in groups:
        group.listeners[0].sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    return [Bound(text, group.listeners[0], group=group, name=name_of(text), is_inherited=True) for group in groups]


# -- TCP ---------------------------------------------------------------------


def _bind_tcp(address: Address, config: Config, estate: Estate) -> list[list[Listener]]:
    """A name may stand for several addresses (IPv4 and IPv6): all are served. Of each, what was handed down is used."""
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, socket.gaierror) else str(error)
        raise BindError(str(address), getattr(error, "errno", None), f"the host is not known: {reason}") from error
    made: list[list[Listener]] = []
    refused: OSError | None = None
    for family, _kind, _protocol, _name, where in dict.fromkeys(found):
        try:
            made.append(estate.take_at(family, where) or [_listen_tcp(family, where, config)])
        except OSError as error:
            refused = error
            if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                break
        if address.port == 0 and made:
            break
    if not made or (refused and refused.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)):
        for listener in itertools.chain(*made):
            listener.close()
        assert refused is not None, "getaddrinfo gave nothing"
        raise BindError(str(address), refused.errno, _why_not(refused, address)) from refused
    return made


def _join(first: Listener, config: Config) -> Listener:
    """Bind another socket where `first` is."""
    return _listen_tcp(first.sock.family, first.sock.getsockname(), config, joins=True)


def _listen_tcp(family: int, where: tuple[object, ...], config: Config, *, joins: bool = False) -> Listener:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # So that [::] and 0.0.0.0 can be bound side by side, whatever the system's default.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if config.reuse_port or joins:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted sockets inherit it on Linux, which saves a call for each connection.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind(where)
        if config.dispatch == "reuseport":
            # Not before: bound without it, the first of a group finds out that another server has the port.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.listen(config.backlog)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return Listener(sock, address_of(sock), is_ours=not config.reuse_port)


def _suited(listener: Listener, config: Config, address: Address) -> Listener:
    """Have a socket that was handed down be as the settings say."""
    if address.kind == "tcp" and (config.reuse_port or config.dispatch == "reuseport"):
        listener.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.sock.listen(config.backlog)
    return listener


def _why_not(error: OSError, address: Address) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            holder = holder_of(address.port)
            return f"the port is in use by {holder}" if holder else "the port is in use by another process"
        case errno.EACCES:
            return f"not allowed: a port below 1024 needs root or CAP_NET_BIND_SERVICE; uid is {os.geteuid()}"
        case errno.EADDRNOTAVAIL:
            return "this machine has no such address"
    return error.strerror or str(error)


# -- Unix --------------------------------------------------------------------


def _bind_unix(text: str, address: Address, config: Config) -> Bound:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if address.is_abstract:
            sock.bind("\0" + address.path[1:])
        else:
            _remove_stale(address)
            _bind_path(sock, address.path, config)
        sock.listen(config.backlog)
        sock.setblocking(False)
        found = None if address.is_abstract else os.lstat(address.path)
    except OSError as error:
        sock.close()
        reason = error.strerror or str(error)
        if error.errno == errno.EADDRINUSE:
            reason = "another server answers there"
        raise BindError(str(address), error.errno, reason) from error
    except BaseException:
        sock.close()
        raise
    return Bound(text, Listener(sock, address, is_ours=True), (found.st_dev, found.st_ino) if found else None)


def _bind_path(sock: socket.socket, path: str, config: Config) -> None:
    """Make the socket's file with its final mode at once: chmod afterwards would leave a gap."""
    before = os.umask(config.umask)
    try:
        sock.bind(path)
    finally:
        os.umask(before)
    uid = -1 if config.user is None else uid_of(config.user)
    gid = -1 if config.group is None else gid_of(config.group)
    if os.geteuid() == 0 and (uid, gid) != (-1, -1):
        os.chown(path, uid, gid, follow_symlinks=False)


def _remove_stale(address: Address) -> None:
    """Remove a socket's file that nobody listens behind any more.

    Raises:
        BindError: somebody does, or it is no socket.
    """
    try:
        mode = os.lstat(address.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise BindError(str(address), errno.EEXIST, "the file exists and is no socket; remove it or choose another")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(address.path)
        except ConnectionRefusedError:
            os.unlink(address.path)
            return
        except BlockingIOError:
            pass  # its backlog is full: somebody is there
    raise BindError(str(address), errno.EADDRINUSE, "another server answers there")
