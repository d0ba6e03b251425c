"""What the sites of the kit have in common; it imports nothing that a worker class patches."""

import fcntl
import os
import zlib
from collections.abc import Iterator
from typing import Final

PIECE: Final = bytes(range(256)) * 256
"""64 KiB of a large response."""
LARGE_PIECES: Final = 512
"""A large response is 32 MiB: more than all the buffers between here and a client."""
LARGE_BYTES: Final = len(PIECE) * LARGE_PIECES
GREETING: Final = b"hello"
PAUSE_S: Final = 0.01
"""How often a request that waits for the check looks whether it may go on."""
STEPS: Final = 6000
"""After so many looks it gives up: a minute."""


def say(what: str) -> None:
    """Tell the check, on stderr; one write, so that no line is torn."""
    os.write(2, f"{what}\n".encode())


def note(what: str) -> None:
    """Tell the check, in the file `ran`."""
    fd = os.open("ran", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(fd, f"{what}\n".encode())
    finally:
        os.close(fd)


def is_open(gate: str) -> bool:
    """Whether the check has opened the gate: a file in the server's folder."""
    return os.path.exists(f"open-{gate}")


def block() -> None:
    """Block the operating system's thread for ever; nothing that patches knows of a way around it."""
    for _ in range(2):
        fcntl.flock(os.open("stuck", os.O_WRONLY | os.O_CREAT, 0o600), fcntl.LOCK_EX)


def large() -> Iterator[bytes]:
    """Give a large response, piece by piece."""
    for _ in range(LARGE_PIECES):
        yield PIECE


class Digest:
    """Counts and sums up what comes."""

    def __init__(self) -> None:
        self._count = 0
        self._sum = 0

    def add(self, data: bytes) -> None:
        """Take more."""
        self._count += len(data)
        self._sum = zlib.crc32(data, self._sum)

    def text(self) -> bytes:
        """Return count and sum."""
        return b"%d %08x" % (self._count, self._sum)
