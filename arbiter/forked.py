"""A server in a process forked from a program's, which goes on beside it: for tests.

The two are tied by a pair of sockets. Over it the server says once how its start went; and either
side knows by its end that the other is gone.
"""

import contextlib
import dataclasses
import os
import pickle
import signal
import socket
import tempfile
import threading
import traceback
from collections.abc import Sequence
from typing import IO, ClassVar, Final, NoReturn

from heeler.arbiter import forking, signals, spawner, ties
from heeler.arbiter.config.init_system import InitSystem
from heeler.arbiter.config.loader import Loaded
from heeler.arbiter.ready_fd import ReadyFd
from heeler.arbiter.runner import Arbiter
from heeler.plugins.errors import BootError, HeelerError
from heeler.plugins.exit_status import ExitStatus
from heeler.workers.address import Address


class Link:
    """The server's end: tells how its start went.

    Args:
        sock: of the pair.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock: Final = sock

    def fileno(self) -> int:
        """Return the descriptor that is readable once whoever started the server is gone."""
        return self._sock.fileno()

    def ready(self, addresses: Sequence[str], /) -> None:
        """The first worker is ready."""
        self._say(tuple(addresses))

    def failed(self, status: ExitStatus, text: str, /) -> bool:
        """The start has failed in a worker."""
        reason = f"the application did not boot:\n{text}" if "\n" in text else text
        self.raised(BootError(None, status, reason))
        return True

    def raised(self, error: HeelerError) -> None:
        """The start has failed in the arbiter."""
        self._say((type(error), error.args, vars(error)))

    def close(self) -> None:
        """Let go of it. Process: a child, whose copy would hide the end."""
        self._sock.close()

    def _say(self, what: object) -> None:
        try:
            told = pickle.dumps(what)
        except Exception:  # an error of a plugin's, with attributes that cannot travel
            told = pickle.dumps((HeelerError, (str(what),), {}))
        with contextlib.suppress(OSError):  # nobody is there any more
            self._sock.sendall(told)


@dataclasses.dataclass(slots=True, eq=False)
class Forked:
    """A server that was forked.

    Args:
        pid: of the arbiter, which leads a process group of its own.
        link: readable once the start has ended in this or that way, and again once the server is gone.
        log: what it writes to stdout and stderr.

    Resource handling: `bury` gives all of it back.
    """

    pid: int
    link: socket.socket
    log: IO[bytes]

    _all: ClassVar[set["Forked"]] = set()
    """Those of this process: none shall hold the others' links open."""
    _lock: ClassVar[threading.Lock] = threading.Lock()
    """Held from the making of a link until only the server has its end of it."""

    @classmethod
    def start(cls, loaded: Loaded) -> "Forked":
        """Fork a server, and do not wait for it.

        Raises:
            OSError: the system refused.
        """
        with cls._lock, contextlib.ExitStack() as failed:
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                end.setblocking(True)  # whatever the test has made the default
            failed.callback(ours.close)
            with theirs:
                log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - closed by `bury`
                failed.callback(log.close)
                with signals.held_back() as mask:
                    pid = forking.fork()
                    if pid == 0:
                        for other in cls._all:
                            other.link.close()
                        ours.close()
                        _live(loaded, Link(theirs), log.fileno(), mask)
            failed.pop_all()
            forked = cls(pid, ours, log)
            cls._all.add(forked)
        return forked

    def hear(self) -> tuple[str, ...]:
        """Return the addresses it listens at, once the link is readable.

        Raises:
            HeelerError: it did not start; it is about to end.
            EOFError: it has died without a word.
        """
        try:
            with self.link.makefile("rb") as said:
                heard = pickle.load(said)  # noqa: S301 - a child of ours has written it
        except (OSError, pickle.UnpicklingError) as error:
            raise EOFError from error
        if not isinstance(heard[0], type):
            return tuple(heard)
        kind, args, attributes = heard
        failure: HeelerError = kind.__new__(kind)
        failure.args = args
        vars(failure).update(attributes)
        raise failure

    def stop(self) -> None:
        """Ask it to stop."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def read_log(self) -> str:
        """Return what it has written until now."""
        fd = self.log.fileno()
        return os.pread(fd, os.fstat(fd).st_size, 0).decode("utf-8", "replace")

    def bury(self) -> tuple[int, str]:
        """Kill what is left of it, and give everything back.

        Returns:
            The arbiter's exit status (negative: the signal that ended it), and the whole log.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)  # its exit status, where it is ending by itself, stays what it is
        status = 0
        with contextlib.suppress(ChildProcessError):  # somebody has waited for all children of this process
            status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        log = self.read_log()
        with self._lock:
            self._all.discard(self)
            self.link.close()
            self.log.close()
        return status, log


def _live(loaded: Loaded, link: Link, log_fd: int, mask: set[int]) -> NoReturn:
    """Be the server, until its end. Whatever happens, no code of the test's process runs in it."""
    status: int = ExitStatus.INTERNAL
    try:
        Forked._all, Forked._lock = set(), threading.Lock()  # noqa: SLF001 - its own from now on
        ties.cut(log_fd, _kept(loaded), mask)
        arbiter = Arbiter(loaded, InitSystem(), link, ReadyFd(loaded.config), lifeline=link.fileno())
        status = arbiter.run()
    except HeelerError as error:
        link.raised(error)
        status = error.exit_status
    except BaseException:  # a hook that ends the process, or a fault of ours
        traceback.print_exc()
    finally:
        spawner.flush()
        os._exit(status)


def _kept(loaded: Loaded) -> set[int]:
    """Return the descriptors that the settings name."""
    addresses = [Address.parse(str(one)) for one in loaded.config.bind]
    return {address.fd for address in addresses if address.fd >= 0}
