"""The file that tells others the arbiter's process id."""

import contextlib
import os
import pathlib
import tempfile

from heeler.plugins.errors import ConfigError


class PidFile:
    """A pid file: written once the sockets are bound, removed by the process that wrote it.

    Args:
        path: where it stands.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._owner = 0

    def create(self, before: int | None = None) -> None:
        """Write it, whole or not at all.

        Args:
            before: the process id of an arbiter whose place this one takes.

        Raises:
            ConfigError: another Heeler that still runs has written it, or the folder cannot be written.
        """
        other = read_pid(self.path)
        if other is not None and other not in (os.getpid(), before) and is_alive(other):
            raise ConfigError("pidfile", None, f"process {other} is running and holds it", self.path)
        try:
            self._write()
        except OSError as error:
            raise ConfigError("pidfile", None, f"cannot be written: {error.strerror}", self.path) from error
        self._owner = os.getpid()

    def restore(self) -> None:
        """Have it name this process again, where another one has written it and is gone."""
        if self._owner == os.getpid() and read_pid(self.path) != self._owner:
            with contextlib.suppress(OSError):  # the folder is gone, and with it who could have been misled
                self._write()

    def _write(self) -> None:
        fd, temporary = tempfile.mkstemp(prefix=".heeler-", dir=os.path.dirname(self.path))
        try:
            with os.fdopen(fd, "w") as file:
                file.write(f"{os.getpid()}\n")
                os.fchmod(file.fileno(), 0o644)
            os.rename(temporary, self.path)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise

    def remove(self) -> None:
        """Remove it, if this process wrote it and nobody else has since."""
        if self._owner == os.getpid() and read_pid(self.path) == self._owner:
            with contextlib.suppress(OSError):
                os.unlink(self.path)
        self._owner = 0


def read_pid(path: str) -> int | None:
    """Return the process id in a pid file; None if there is none to be read."""
    try:
        text = pathlib.Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 2**31 else None


def is_alive(pid: int) -> bool:
    """True if there is such a process, whoever owns it. A pid that was used again counts too."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
