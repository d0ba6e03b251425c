"""How much memory a process uses, and how much the server may use.

Decides what `max_worker_memory` means in bytes. It reads what Linux tells under /proc and
/sys/fs/cgroup, afresh each time; on a system without these nothing is measured.
"""

import os
import re
from collections.abc import Iterator
from typing import Final

from heeler.workers import control_group
from heeler.workers.messages import TOO_LARGE, Retire

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_LIMIT_FILES: Final = {1: "memory.limit_in_bytes", 2: "memory.max"}
_NEVER_NS: Final = 2**63 - 1
_INTERVAL_NS: Final = {"rss": 500_000_000, "pss": 10_000_000_000}
"""How often a worker looks at most. For PSS the kernel walks all of the process's pages."""


def used_bytes(kind: str, pid: int | str = "self") -> int | None:
    """Return how much memory a process uses; None where that is not told.

    Args:
        kind: `rss`, all pages that are in memory, or `pss`, in which a page that n processes share counts as 1/n.
        pid: of the process.

    Blocking: no file is read that lies on a disk; PSS may take some milliseconds for each GB.
    """
    try:
        if kind == "rss":
            with open(f"/proc/{pid}/statm", "rb", buffering=0) as file:
                return int(file.read(256).split()[1]) * _PAGE
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            found = re.search(rb"^Pss:\s*(\d+) kB", file.read(), re.MULTILINE)
            return int(found[1]) * 1024 if found else None
    except (OSError, IndexError, ValueError):
        return None


def limit_bytes(limit: int | str) -> int:
    """Return `max_worker_memory` in bytes.

    Args:
        limit: bytes, or a share as `50%`, of what the server may use.
    """
    if isinstance(limit, str):
        return int(available_bytes() * float(limit.rstrip("%")) / 100)
    return limit


def available_bytes(root: str = "/") -> int:
    """Return how much memory this process may use: the least limit of its control groups, or what the machine has.

    Args:
        root: where `proc` and `sys` are.
    """
    return min(_control_group_limits(root), default=_machine_bytes())


def _machine_bytes() -> int:
    return os.sysconf("SC_PHYS_PAGES") * _PAGE


def _control_group_limits(root: str) -> Iterator[int]:
    """Each limit that holds for this process and is below what the machine has."""
    machine = _machine_bytes()
    for version, folder in control_group.folders(root, "memory"):
        text = control_group.text_of(f"{folder}/{_LIMIT_FILES[version]}")
        # Without a limit version 2 says `max`, and version 1 the largest number of pages.
        if text.isdecimal() and int(text) < machine:
            yield int(text)


def size_text(size: int) -> str:
    """Return a size for people: `131.5M`."""
    for unit, factor in (("G", 1 << 30), ("M", 1 << 20)):
        if size >= factor:
            return f"{size / factor:.1f}".removesuffix(".0") + unit
    return f"{size / 1024:.0f}K"


def retirement(kind: str, limit: int | str, pid: int | str = "self") -> Retire | None:
    """Return why a process that uses too much memory is to be replaced, with the figures; None if it need not be.

    Args:
        kind: as of `used_bytes`.
        limit: as of `limit_bytes`.
        pid: of the process.
    """
    used, most = used_bytes(kind, pid), limit_bytes(limit)
    if used is None or used <= most:
        return None
    return Retire(TOO_LARGE, size_text(used), size_text(most))


class Scales:
    """Weighs a worker from time to time.

    Args:
        kind: as of `used_bytes`.
        limit: as of `limit_bytes`; 0 for none.

    Process: the worker.
    """

    __slots__ = ("_interval_ns", "_kind", "_limit", "due_ns")

    def __init__(self, kind: str, limit: int | str) -> None:
        self._kind = kind
        self._limit = limit
        self._interval_ns = _INTERVAL_NS[kind]
        self.due_ns = _NEVER_NS
        """When `weigh` is worth calling next, CLOCK_MONOTONIC."""

    def begin(self) -> None:
        """The worker is ready, and may be replaced from now on."""
        self.due_ns = 0 if self._limit else _NEVER_NS

    def weigh(self, now_ns: int) -> Retire | None:
        """Return why the worker is to be replaced, once; None while it need not be."""
        found = retirement(self._kind, self._limit)
        self.due_ns = _NEVER_NS if found else now_ns + self._interval_ns
        return found
