"""The end of systemd: hears what a service says, and keeps the descriptors that it sends."""

import contextlib
import dataclasses
import itertools
import os
import pathlib
import socket
import struct
import sys
import tempfile
import time
from types import TracebackType
from typing import Final, Self

WAIT_S: Final = 15.0
_LAUNCHER: Final = """\
import os, sys
fds = [os.dup(int(fd)) for fd in sys.argv[1].split(",")]  # none of them has the number that another one is to get
high = [os.dup2(fd, 100 + at) for at, fd in enumerate(fds)]
ready = sys.argv.index("--ready-fd") + 1
sys.argv[ready] = str(os.dup2(int(sys.argv[ready]), 99))
for at, fd in enumerate(high):
    os.dup2(fd, 3 + at)
    os.close(fd)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)), LISTEN_FDNAMES=sys.argv[2])
if "WATCHDOG_USEC" in os.environ:
    os.environ["WATCHDOG_PID"] = str(os.getpid())
os.execv(sys.executable, [sys.executable, *sys.argv[3:]])
"""
_UCRED: Final = struct.Struct("3i")
_NUMBERS: Final = itertools.count(1)


@dataclasses.dataclass(frozen=True, slots=True)
class Heard:
    """A datagram.

    Args:
        lines: its assignments.
        pid: of the process that has sent it.
        fds: what came along.
    """

    lines: tuple[str, ...]
    pid: int
    fds: tuple[int, ...] = ()

    def value(self, name: str) -> str | None:
        """Return what it assigns to `name`."""
        return next((line.partition("=")[2] for line in self.lines if line.startswith(f"{name}=")), None)


class ServiceManager:
    """Listens as systemd does.

    Args:
        abstract: whether at a name without a file.
    """

    def __init__(self, *, abstract: bool = False) -> None:
        self._directory = pathlib.Path(tempfile.mkdtemp(prefix="heeler-notify-"))
        self.address: str = (
            f"@heeler-notify-{os.getpid()}-{next(_NUMBERS)}" if abstract else str(self._directory / "notify")
        )
        self.heard: list[Heard] = []
        """All that was received, in its order."""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self._sock.bind("\0" + self.address[1:] if abstract else self.address)

    @property
    def env(self) -> dict[str, str]:
        """The variable that names it."""
        return {"NOTIFY_SOCKET": self.address}

    def fill(self) -> int:
        """Fill its queue, as if it were too busy to read; return with how many datagrams."""
        count = 0
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock, contextlib.suppress(BlockingIOError):
            sock.setblocking(False)
            while True:
                sock.sendto(b"X_FILLED=1", self.address if self.address[0] == "/" else "\0" + self.address[1:])
                count += 1
        return count

    def hear(self, timeout_s: float = WAIT_S) -> Heard:
        """Wait for a datagram.

        Raises:
            TimeoutError: none came.
        """
        self._sock.settimeout(timeout_s)
        text, ancillary, flags, _ = self._sock.recvmsg(65536, socket.CMSG_SPACE(_UCRED.size) + socket.CMSG_SPACE(64))
        assert not flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC), "the datagram did not fit"
        pid, fds = 0, []
        for _level, kind, data in ancillary:
            if kind == socket.SCM_CREDENTIALS:
                pid = _UCRED.unpack(data)[0]
            else:
                fds += [int(fd) for fd in memoryview(data).cast("i")]
        heard = Heard(tuple(text.decode().split("\n")), pid, tuple(fds))
        self.heard.append(heard)
        return heard

    def wait_for(self, *assignments: str) -> Heard:
        """Wait for the next datagram with all of these; one that ends with `=` may have any value."""
        deadline = time.monotonic() + WAIT_S
        while True:
            try:
                heard = self.hear(max(0.001, deadline - time.monotonic()))
            except TimeoutError:
                raise AssertionError(f"{assignments} were not said; but {self.said()}") from None
            if all(_holds(heard, one) for one in assignments):
                return heard

    def hear_all(self) -> None:
        """Take in what was sent until now."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self.hear(0)

    def said(self, *names: str) -> list[str]:
        """Return the assignments heard so far in their order, all of them or those to `names`."""
        lines = [line for heard in self.heard for line in heard.lines]
        return [line for line in lines if not names or line.partition("=")[0] in names]

    def forget(self) -> None:
        """Forget what was heard, and close what came along."""
        for fd in [fd for heard in self.heard for fd in heard.fds]:
            with contextlib.suppress(OSError):
                os.close(fd)
        self.heard.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        said = self.said()
        self.forget()
        self._sock.close()
        (self._directory / "notify").unlink(missing_ok=True)
        self._directory.rmdir()
        if error is not None:
            error.add_note(f"--- systemd has heard: {said}")


def passing(*socks: socket.socket, names: str | None = None) -> tuple[str, ...]:
    """Return what stands before `-m heeler` to start it with passed sockets: for `Server`, with their `pass_fds`.

    Args:
        socks: in their order.
        names: the variable LISTEN_FDNAMES.
    """
    return (sys.executable, "-c", _LAUNCHER, ",".join(str(one.fileno()) for one in socks), names or "")


def _holds(heard: Heard, assignment: str) -> bool:
    if assignment.endswith("="):
        return heard.value(assignment[:-1]) is not None
    return assignment in heard.lines
