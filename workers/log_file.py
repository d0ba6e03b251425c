"""A log's descriptor: one write a line, reopened in place, and never a reason to stop serving.

Decides how log files are opened, owned and reopened. Must not know what is written to them.
"""

import contextlib
import os
import stat
import sys
from collections.abc import Iterable
from typing import Final

_FLAGS: Final = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY
_MODE: Final = 0o644
_write: Final = os.write  # taken before any worker class patches it into one that lets other requests run first
STANDARD: Final = {
    "/dev/stdout": 1,
    "/dev/fd/1": 1,
    "/proc/self/fd/1": 1,
    "/dev/stderr": 2,
    "/dev/fd/2": 2,
    "/proc/self/fd/2": 2,
}
"""Names of the standard streams. Opening one anew fails where it is a socket or another user's pipe."""

Owner = tuple[int, int]
"""A user id and a group id; -1 leaves that one as it is."""


class LogFile:
    """A descriptor that lines are appended to.

    Resource handling: whoever opened it closes it; a standard stream is never closed.
    """

    __slots__ = ("path", "fd", "dropped", "_owner")

    def __init__(self, fd: int, path: str | None = None, owner: Owner | None = None) -> None:
        self.fd = fd
        self.path = path
        self.dropped = 0
        """Lines that could not be written since the start (full disk, closed pipe)."""
        self._owner = owner

    @classmethod
    def open(cls, path: str, standard: int, owner: Owner | None = None) -> "LogFile":
        """Open the log file `path`; `-` is the standard stream `standard`.

        Args:
            path: a file's path, taken from the current folder.
            standard: the descriptor that `-` means.
            owner: who is to own the file, so that a worker may reopen it after it dropped privileges.

        Raises:
            OSError: the file cannot be opened.
        """
        if path == "-":
            return cls(standard)
        if path in STANDARD:
            return cls(STANDARD[path])
        path = os.path.abspath(path)
        return cls(_open(path, owner), path, owner)

    def write(self, line: bytes) -> None:
        """Append `line`; when that is not possible the line is dropped and counted.

        Blocking: as long as the descriptor does (a pipe nobody reads).
        """
        try:
            written = _write(self.fd, line)
            while written < len(line):
                line = line[written:]
                written = _write(self.fd, line)
        except OSError:
            self.dropped += 1

    def reopen(self, copies: Iterable[int] = ()) -> None:
        """Open the path again, behind the same descriptor; does nothing for a standard stream.

        Args:
            copies: further descriptors that are to lead to the file too.

        Raises:
            OSError: the path cannot be opened; the old file stays in use.
        """
        if self.path is None:
            return
        fresh = _open(self.path, self._owner)
        try:
            os.dup2(fresh, self.fd, inheritable=False)
        finally:
            os.close(fresh)
        self.copy_to(copies)

    def copy_to(self, descriptors: Iterable[int]) -> None:
        """Make `descriptors` (1 and 2) lead to this log; programs that are started inherit them."""
        for descriptor in descriptors:
            os.dup2(self.fd, descriptor)

    def close(self) -> None:
        """Close the file; a standard stream stays open."""
        if self.path is not None and self.fd >= 0:
            with contextlib.suppress(OSError):
                os.close(self.fd)
        self.fd = -1


def _open(path: str, owner: Owner | None) -> int:
    try:
        # O_EXCL follows no link: what it makes is ours to give away.
        fd = os.open(path, _FLAGS | os.O_CREAT | os.O_EXCL, _MODE)
        is_ours = True
    except FileExistsError:
        fd = os.open(path, _FLAGS | os.O_CREAT, _MODE)
        is_ours = _is_safe_to_give(path, fd)
    if owner is not None and is_ours and os.geteuid() == 0:
        with contextlib.suppress(OSError):
            os.fchown(fd, *owner)
    return fd


def _is_safe_to_give(path: str, fd: int) -> bool:
    """Say whether the open file may be given to another user.

    Where others may write to the folder, they may have put a link to some other file there,
    and chown(2) as root would then hand them that file.
    """
    try:
        folder = os.stat(os.path.dirname(path))
        named = os.lstat(path)
        opened = os.fstat(fd)
    except OSError:
        return False
    return (
        folder.st_uid == 0
        and not folder.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
        and stat.S_ISREG(named.st_mode)
        and named.st_nlink == 1
        and (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
    )


def hold_standard_streams() -> None:
    """Put /dev/null where stdin, stdout or stderr is closed.

    Else the next file or socket to be opened would get that number, and log lines with it;
    and an application that writes to `sys.stderr` would find None there.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            os.set_inheritable(descriptor, True)
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w", errors="backslashreplace", closefd=False))  # noqa: SIM115  # stays


def owner_of(user: str | int | None, group: str | int | None) -> Owner | None:
    """Return who the log files must belong to, or None where workers keep the arbiter's user.

    Names that do not exist are left to the settings and to the dropping of privileges to refuse.
    """
    if user is None and group is None:
        return None
    import grp  # not on every platform, and rarely needed
    import pwd

    uid = gid = -1
    if user is not None:
        try:
            entry = pwd.getpwuid(int(user)) if _is_number(user) else pwd.getpwnam(str(user))
            uid, gid = entry.pw_uid, entry.pw_gid
        except KeyError:  # a number that no user has is a user all the same
            uid = int(user) if _is_number(user) else -1
    if group is not None:
        with contextlib.suppress(KeyError):
            gid = int(group) if _is_number(group) else grp.getgrnam(str(group)).gr_gid
    return uid, gid


def _is_number(name: str | int) -> bool:
    return isinstance(name, int) or name.isdigit()
