"""The descriptor on which the server says where it listens (`ready_fd`): given once, used once, closed once.

Its number is free again after that, and soon that of something else.
"""

import contextlib
import os
from collections.abc import Sequence
from typing import Final

from heeler.plugins.config import Config
from heeler.plugins.errors import ConfigError
from heeler.workers.sources import Listener

_STANDARD: Final = (0, 1, 2)


class ReadyFd:
    """The descriptor, as long as it is open.

    Args:
        config: the settings; made before the arbiter opens anything, whose numbers could be taken for it.
        is_used: whether another arbiter, whose place this one takes, has said there all that is to be said.

    Raises:
        ConfigError: there is no such descriptor.
    """

    def __init__(self, config: Config, *, is_used: bool = False) -> None:
        self._fd: int | None = None if is_used else config.ready_fd
        if self._fd is None:
            return
        try:
            os.fstat(self._fd)
        except OSError as error:
            reason = "no such descriptor is open in this process"
            raise ConfigError("ready_fd", config.source("ready_fd"), reason, self._fd) from error

    def announce(self, listeners: Sequence[Listener]) -> None:
        """Write the addresses, one a line, and close it."""
        if self._fd is None:
            return
        text = "".join(f"{listener.address}\n" for listener in listeners).encode()
        with contextlib.suppress(OSError):  # nobody reads it any more
            os.write(self._fd, text)
        self.close()

    def close(self) -> None:
        """Close it, if that has not been done. Process: a child too, whose copy would hide the end."""
        fd, self._fd = self._fd, None
        if fd in _STANDARD:
            # What the application prints must not go into whatever is opened next.
            with open(os.devnull, "r+b", buffering=0) as null:
                os.dup2(null.fileno(), fd)
        elif fd is not None:
            os.close(fd)
