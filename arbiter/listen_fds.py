"""Sockets that an init system passes on (sd_listen_fds(3))."""

from collections.abc import MutableMapping
from typing import Final, NamedTuple

FIRST: Final = 3
"""SD_LISTEN_FDS_START."""
_VARIABLES: Final = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID")


class Passed(NamedTuple):
    """A socket that was passed on.

    Args:
        fd: its descriptor.
        name: what the init system calls it; empty where it has no names.
    """

    fd: int
    name: str = ""


def take(environ: MutableMapping[str, str], pid: int) -> list[Passed]:
    """Return the passed descriptors, and remove the variables so that no child takes them for its own.

    Args:
        environ: the environment.
        pid: of this process; what was meant for another is left alone.
    """
    if environ.get("LISTEN_PID") != str(pid):
        return []
    count, named = environ.get("LISTEN_FDS", ""), environ.get("LISTEN_FDNAMES", "")
    for name in _VARIABLES:
        environ.pop(name, None)
    if not (count.isascii() and count.isdigit()):
        return []
    names = named.split(":")
    # One name for each; where there are more or fewer, it cannot be told whose they are.
    names = names if len(names) == int(count) else [""] * int(count)
    return [Passed(FIRST + index, name) for index, name in enumerate(names[: int(count)])]
