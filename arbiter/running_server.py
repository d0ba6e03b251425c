"""A Heeler that runs on this machine: how a command finds it, sees its scoreboard, and signals it.

Knows it through /proc only: the server takes no part in it.
"""

import os
import select
import signal
import stat
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from heeler.arbiter.pidfile import read_pid
from heeler.plugins.errors import HeelerError, UsageError
from heeler.workers.scoreboard import Scoreboard

_LINK: Final = "/memfd:heeler-scoreboard"


class RunningServer:
    """A server, from the look at it to the last word to it.

    Args:
        pid: the arbiter's process id, or that of one of its children.

    Raises:
        HeelerError: there is no such Heeler, or it may not be looked at.

    Resource handling: holds a descriptor of the process, so that no other is taken for it, until the
        `with` block ends.
    """

    def __init__(self, pid: int) -> None:
        self.pid: Final = arbiter_of(pid)
        try:
            self._process = os.pidfd_open(self.pid)
        except ProcessLookupError as error:
            raise HeelerError(f"there is no process {self.pid}") from error
        try:
            self.board: Final = open_board(self.pid)
        except HeelerError:
            os.close(self._process)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.board.close()
        os.close(self._process)

    def signal(self, number: int) -> None:
        """Send a signal to the arbiter.

        Raises:
            HeelerError: it has ended, or may not be told anything.
        """
        try:
            signal.pidfd_send_signal(self._process, number)
        except ProcessLookupError as error:
            raise HeelerError(f"process {self.pid} has ended") from error
        except PermissionError as error:
            raise HeelerError(f"process {self.pid} is another user's: ask as that user, or as root") from error

    def ends_within(self, seconds: float) -> bool:
        """Return whether the arbiter has ended, as soon as it has.

        Blocking: for so long at most.
        """
        return bool(select.select([self._process], [], [], seconds)[0])


def find(pid: int | None, pidfile: str | None) -> int:
    """Return the process id of the server that is meant; args and raises are those of `find_all`."""
    found = find_all(pid, pidfile)
    if len(found) > 1:
        raise _too_many(found)
    return found[0]


def find_all(pid: int | None, pidfile: str | None) -> list[int]:
    """Return the processes that are meant: in a re-exec, two arbiters of one server.

    Args:
        pid: the arbiter's process id, or that of one of its children.
        pidfile: a file that holds it; with neither, the only Heeler that runs here is meant.

    Raises:
        HeelerError: there is none, or are several.
    """
    if pid is not None:
        if pid < 1:
            raise UsageError(f"argument --pid: no process has the id {pid}")
        return [pid]
    if pidfile is not None:
        found = read_pid(pidfile)
        if found is None:
            raise HeelerError(f"{pidfile} holds no process id")
        return [found]
    arbiters = _arbiters()
    if not arbiters:
        raise HeelerError("no Heeler is running here that you may look at")
    if sum(_parent(arbiter) not in arbiters for arbiter in arbiters) > 1:
        raise _too_many(arbiters)
    return arbiters


def _too_many(arbiters: Sequence[int]) -> HeelerError:
    listed = ", ".join(str(arbiter) for arbiter in arbiters)
    return HeelerError(f"several Heelers are running ({listed}): say which with --pid or --pidfile")


def open_board(pid: int, *, writable: bool = False) -> Scoreboard:
    """Return the scoreboard of a process.

    Raises:
        HeelerError: it has none, or it may not be looked at.
    """
    try:
        path = _scan(pid)
        if path is None:
            raise HeelerError(f"process {pid} is no Heeler")
        return Scoreboard.open(path, writable=writable)
    except FileNotFoundError as error:
        raise HeelerError(f"there is no process {pid}") from error
    except PermissionError as error:
        raise HeelerError(f"process {pid} is another user's: look as that user, or as root") from error
    except ValueError as error:
        raise HeelerError(str(error)) from error


def _arbiters() -> list[int]:
    """Return the processes that hold a scoreboard while their parent holds another or none, the oldest of each.

    The others look at it, to write down what they want.
    """
    boards = {pid: inode for pid in _pids() if (inode := _inode_of(pid)) is not None}
    found: dict[int, int] = {}
    for pid in sorted(boards, key=_started_at):
        if boards.get(_parent(pid)) != boards[pid]:
            found.setdefault(boards[pid], pid)
    return sorted(found.values())


def arbiter_of(pid: int) -> int:
    """Return the arbiter of a process; that itself where it is none's child."""
    inode = _inode_of(pid)
    while inode is not None and _inode_of(parent := _parent(pid)) == inode:
        pid = parent
    return pid


def innermost_pid(pid: int) -> int:
    """Return the number that a process has for itself: in a container it is another one than from without."""
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:
            numbers = next((line for line in file if line.startswith("NSpid:")), f"NSpid: {pid}")
    except OSError:
        return 0
    return int(numbers.split()[-1])


def _inode_of(pid: int) -> int | None:
    """Return which scoreboard a process holds; None where there is none to be seen."""
    try:
        path = _scan(pid)
        return None if path is None else os.stat(path).st_ino
    except OSError:
        return None


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _parent(pid: int) -> int:
    return int(_stat(pid, 1))


def _started_at(pid: int) -> int:
    return int(_stat(pid, 19))


def _stat(pid: int, at: int) -> str:
    """Return a word of what the system says of a process, of those behind its name; "0" where it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[at]
    except OSError:
        return "0"


def _scan(pid: int) -> str | None:
    """Return the path of the process's scoreboard.

    Raises:
        OSError: there is no such process, or it may not be looked at.
    """
    folder = f"/proc/{pid}/fd"
    for fd in os.listdir(folder):
        path = f"{folder}/{fd}"
        # A command that looks at a scoreboard, and perhaps waits, has it for reading only: it is no server.
        if os.readlink(path).startswith(_LINK) and os.lstat(path).st_mode & stat.S_IWUSR:
            return path
    return None
