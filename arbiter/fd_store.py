"""The listening sockets that systemd keeps a copy of (FDSTORE), so that they outlive the arbiter.

Should it be killed, whoever connects meanwhile waits in the queue of the socket; the next arbiter is
passed it at its start, by the name that this one has given it.
"""

import hashlib
import os
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Final

from heeler.arbiter.listen_fds import Passed
from heeler.arbiter.notify_socket import NotifySocket
from heeler.workers.sources import Listener

_PREFIX: Final = "heeler-bind-"
"""Tells them from sockets that a .socket unit has made."""
_MOST_BYTES: Final = 255


class FdStore:
    """What systemd keeps.

    Args:
        notify: the way to it.
        passed: all that it has passed to this process.
        is_wanted: whether it is to keep anything.
        kept: the names of what it keeps already, for the arbiter whose place this one takes.
    """

    def __init__(
        self, notify: NotifySocket, passed: Sequence[Passed], *, is_wanted: bool, kept: Sequence[str] = ()
    ) -> None:
        self._notify: Final = notify
        self._is_wanted: Final = is_wanted
        self._given_back: Final[dict[str, list[int]]] = {}
        for one in passed:
            if one.name.startswith(_PREFIX):
                self._given_back.setdefault(one.name, []).append(one.fd)
        self._kept: dict[str, list[Listener]] = {name: [] for name in (*self._given_back, *kept)}
        self._is_frozen = False
        self.others: Final = tuple(one for one in passed if not one.name.startswith(_PREFIX))
        """What was passed and has never been here."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of what it keeps."""
        return tuple(self._kept)

    def take(self, asked: str) -> list[int]:
        """Return the descriptors that an earlier arbiter has stored for an address; they are the caller's now."""
        return self._given_back.pop(name_of(asked), [])

    def give_up(self, asked: Sequence[str]) -> None:
        """Have no socket kept but those of the addresses `asked`."""
        wanted = {name_of(text) for text in asked}
        for name in [name for name in self._given_back if name not in wanted]:
            for fd in self._given_back.pop(name):
                os.close(fd)
        for name in [name for name in self._kept if name not in wanted]:
            self.forget(name)

    def forget(self, name: str) -> None:
        """Have systemd close what it keeps under a name."""
        if self._kept.pop(name, None) is not None and not self._is_frozen:
            self._notify.send("FDSTOREREMOVE=1", f"FDNAME={name}")

    def keep(self, listeners: Mapping[str, Sequence[Listener]]) -> None:
        """Have these kept, and nothing else.

        Args:
            listeners: the sockets by the address that was asked for.
        """
        wanted = listeners if self._is_wanted else {}
        self.give_up(list(wanted))
        for asked, sockets in wanted.items():
            kept = self._kept.setdefault(name_of(asked), [])
            for listener in sockets:
                if listener not in kept and not self._is_frozen:
                    kept.append(listener)
                    self._notify.send("FDSTORE=1", f"FDNAME={name_of(asked)}", sockets=[listener.sock])

    def freeze(self) -> None:
        """Leave all as it is: the arbiter ends by a fault, and the next one is to find the sockets, or it has them."""
        self._is_frozen = True


def name_of(asked: str) -> str:
    """Return the name for the sockets of an address: printable, without a colon, 255 bytes at most."""
    name = _PREFIX + urllib.parse.quote(asked, safe="/@[]", errors="surrogateescape")
    return name if len(name) <= _MOST_BYTES else _PREFIX + hashlib.sha256(name.encode()).hexdigest()
