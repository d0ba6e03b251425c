"""Sockets that an init system passes on (sd_listen_fds(3))."""

from collections.abc import MutableMapping
from typing import Final

FIRST: Final = 3
"""SD_LISTEN_FDS_START."""
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


def take(environ: MutableMapping[str, str], pid: int) -> list[int]:
    """Return the passed descriptors, and remove the variables so that no child takes them for its own.

    Args:
        environ: the environment.
        pid: of this process; what was meant for another is left alone.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return []
    count = environ.get("LISTEN_FDS", "")
    for name in _VARIABLES:
        environ.pop(name, None)
    return list(range(FIRST, FIRST + int(count))) if count.isdigit() else []
