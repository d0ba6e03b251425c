"""Looks at other processes through /proc, and waits for their end without polling.

Knows nothing of Heeler.
"""

import contextlib
import ctypes
import dataclasses
import os
import select
import signal
import time
from collections.abc import Iterable
from typing import Final

_PR_SET_CHILD_SUBREAPER: Final = 36


@dataclasses.dataclass(frozen=True, slots=True)
class Process:
    """A line of /proc/PID/stat, as far as the tests need it."""

    pid: int
    name: str
    state: str
    parent: int
    session: int

    @property
    def is_zombie(self) -> bool:
        """It has ended, and its parent has not waited for it."""
        return self.state in "ZX"


def become_subreaper() -> None:
    """Make this process the parent of every descendant that loses its own, so that none hides."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def look_up(pid: int) -> Process | None:
    """Return the process `pid`, or None when there is none."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            line = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name stands in brackets and may hold anything, brackets too.
    name, rest = line[line.index("(") + 1 : line.rindex(")")], line[line.rindex(")") + 2 :].split()
    return Process(pid, name, rest[0], int(rest[1]), int(rest[3]))


def all_processes() -> list[Process]:
    """Return every process there is."""
    found = (look_up(int(entry)) for entry in os.listdir("/proc") if entry.isdigit())
    return [process for process in found if process is not None]


def children_of(pid: int) -> list[int]:
    """Return the living children of `pid`, lowest first."""
    return sorted(one.pid for one in all_processes() if one.parent == pid and not one.is_zombie)


def title(pid: int) -> str:
    """Return what `ps` shows of a process; empty where it is gone."""
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().replace("\0", " ").strip()
    except OSError:
        return ""


def is_alive(pid: int) -> bool:
    """Whether `pid` is a process that has not ended."""
    found = look_up(pid)
    return found is not None and not found.is_zombie


def wait_ended(pids: Iterable[int], timeout_s: float) -> list[int]:
    """Wait until all of `pids` have ended, whoever their parents are.

    Returns:
        Those that still run when the time is over.
    """
    deadline = time.monotonic() + timeout_s
    left = list(pids)
    for pid in tuple(left):
        try:
            watch = os.pidfd_open(pid)
        except ProcessLookupError:
            left.remove(pid)
            continue
        try:
            remaining_s = max(0.0, deadline - time.monotonic())
            if select.select([watch], [], [], remaining_s)[0]:
                left.remove(pid)
        finally:
            os.close(watch)
    return left


def open_descriptors(pid: int) -> dict[int, str]:
    """Return the descriptors that `pid` holds, each with what it refers to."""
    found: dict[int, str] = {}
    for entry in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry)] = os.readlink(f"/proc/{pid}/fd/{entry}")
    return found


def memory_kib(pid: int, field: str = "Pss") -> int:
    """Return a figure of /proc/PID/smaps_rollup (`Pss`, `Rss` ...) in KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        for line in file:
            if line.startswith(f"{field}:"):
                return int(line.split()[1])
    raise ValueError(f"/proc/{pid}/smaps_rollup has no field {field!r}")


def peak_kib(pid: int) -> int:
    """Return the most memory that `pid` ever held at once (VmHWM), in KiB."""
    with open(f"/proc/{pid}/status", encoding="utf-8", errors="replace") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM:"))


def kill(pid: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Send a signal; harmless when the process is gone."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def reap(pid: int) -> None:
    """Wait for an adopted child that has ended; harmless when it is another's."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
