"""Who listens on a port already: a look into /proc, for the message that says so."""

import os
import pathlib

_LISTEN = "0A"


def holder_of(port: int) -> str:
    """Return `NAME (pid N)` of a process that listens on the TCP port; empty where it cannot be told."""
    try:
        wanted = {f"socket:[{inode}]" for inode in _inodes(port)}
        return next((name for pid in _pids() if (name := _name_if_holding(pid, wanted))), "") if wanted else ""
    except OSError:
        return ""


def _inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                found.add(fields[9])
    return found


def _pids() -> list[int]:
    return sorted(int(name) for name in os.listdir("/proc") if name.isdigit())


def _name_if_holding(pid: int, wanted: set[str]) -> str:
    folder = f"/proc/{pid}/fd"
    try:
        for fd in os.listdir(folder):
            if os.readlink(f"{folder}/{fd}") in wanted:
                return f"{pathlib.Path(f'/proc/{pid}/comm').read_text().strip()} (pid {pid})"
    except OSError:
        return ""  # gone meanwhile, or another user's
    return ""
