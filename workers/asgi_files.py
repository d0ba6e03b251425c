"""The files that an ASGI application has the server send: by path, or by an open file."""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import Any

from heeler.plugins.errors import LocalProtocolError

Span = tuple[int, int, int]
"""A descriptor, the offset of its first byte to send, and how many follow."""


@contextlib.contextmanager
def opened(path: object) -> Iterator[Span]:
    """Open the file at `path` for as long as the block lasts.

    Raises:
        LocalProtocolError: there is no such file. No OSError, which would tell the
            application that its client is gone.
    Blocking: as long as open(2) does.
    """
    if not isinstance(path, str | os.PathLike):
        raise LocalProtocolError(f"http.response.pathsend has a path of type {type(path).__name__}")
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a FIFO must not hold the worker up
    except OSError as error:
        raise LocalProtocolError(f"the file {os.fspath(path)!r} cannot be sent: {error.strerror}") from error
    try:
        yield fd, 0, _size(fd)
    finally:
        os.close(fd)


def span_of(file: Any, offset: int | None, count: int | None) -> Span:  # Any: a file object of the application's
    """Return what is to be sent of an open file; its position moves behind that where no offset is given.

    Raises:
        LocalProtocolError: the kernel cannot send it.
    """
    try:
        fd = file if isinstance(file, int) else file.fileno()
        size = _size(fd)
        begin = offset
        if begin is None:
            begin = os.lseek(fd, 0, os.SEEK_CUR) if isinstance(file, int) else file.tell()
        if count is None:
            count = max(0, size - begin)
        if begin < 0 or count < 0 or begin + count > size:
            raise LocalProtocolError(f"the file has {size} bytes, and no {count} from {begin} on")
        if offset is None:
            os.lseek(fd, begin + count, os.SEEK_SET) if isinstance(file, int) else file.seek(begin + count)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise LocalProtocolError(f"http.response.zerocopysend has a file that cannot be sent: {error}") from error
    return fd, begin, count


def _size(fd: int) -> int:
    facts = os.fstat(fd)
    if not stat.S_ISREG(facts.st_mode):
        raise LocalProtocolError("only regular files can be sent")
    return facts.st_size
