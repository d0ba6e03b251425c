"""Going to the background, and telling the foreground how the start went."""

import contextlib
import os
import sys
from collections.abc import Sequence
from typing import Final

from heeler.plugins.exit_status import ExitStatus

_READY: Final = b"R"
_FAILED: Final = b"F"


class Report:
    """The way back to the command that was started in the foreground.

    It ends once the server is ready, or with the status and the text of its failure.
    Every message goes once; after that the way is closed.
    """

    def __init__(self, fd: int | None = None) -> None:
        self._fd = fd

    def ready(self, _addresses: Sequence[str]) -> None:
        """The first worker is ready."""
        self._send(_READY)

    def failed(self, status: ExitStatus, text: str) -> bool:
        """The start has failed; False if nobody waits to hear of it."""
        return self._send(_FAILED + bytes([status]) + as_shown(text).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Say nothing more. Process: a child too, whose copy would hide the end."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _send(self, what: bytes) -> bool:
        if self._fd is None:
            return False
        with contextlib.suppress(BrokenPipeError):
            while what:
                what = what[os.write(self._fd, what) :]
        self.close()
        return True


def as_shown(text: str) -> str:
    """Return why a start failed as people see it: one line of ours, or the application's own words."""
    return text if "\n" in text else f"heeler: error: {text}"


def detach(*, keeps_output: bool) -> Report | ExitStatus:
    """Go on in a process that belongs to no terminal.

    Args:
        keeps_output: True where stdout and stderr stay what they are; stdin never does.

    Returns:
        In the background, the way to report. In the foreground, once the background has
        reported or died: the exit status of the command.
    """
    reader, writer = os.pipe2(os.O_CLOEXEC)
    first = os.fork()
    if first:
        os.close(writer)
        os.waitpid(first, 0)
        return _await(reader)
    os.close(reader)
    os.setsid()
    if os.fork():  # a leader of a session could get a terminal again
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    for fd in (0,) if keeps_output else (0, 1, 2):
        os.dup2(null, fd)
    if null > 2:
        os.close(null)
    return Report(writer)


def _await(reader: int) -> ExitStatus:
    with os.fdopen(reader, "rb") as pipe:
        said = pipe.read()
    if said == _READY:
        return ExitStatus.OK
    if said.startswith(_FAILED):
        sys.stderr.write(said[2:].decode().rstrip("\n") + "\n")
        return ExitStatus(said[1])
    sys.stderr.write("heeler: the server died before it was ready\n")
    return ExitStatus.INTERNAL
