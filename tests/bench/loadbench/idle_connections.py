"""Many connections that are kept and silent, and how long other requests take beside them.

It knows nothing of how a server is started; the benchmark and a test use it alike.
"""

import resource
import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final, Self

Address = tuple[str, int]

REQUEST: Final = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: idle\r\nAccept: */*\r\n\r\n"
BODY: Final = b"Hello, world!"
TIMEOUT_S: Final = 10.0


@contextmanager
def descriptors(count: int) -> Iterator[None]:
    """Let this process, and those it starts meanwhile, open `count` descriptors.

    Raises: ValueError, where the hard limit is lower and is not ours to raise.
    """
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], count), max(before[1], count)))
    try:
        yield
    finally:
        with suppress(ValueError):  # a hard limit that was raised stays so for those who may not raise it again
            resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(address: Address) -> socket.socket:
    """Open a connection."""
    sock = socket.create_connection(address, TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(sock: socket.socket) -> None:
    """Make one request and read its response.

    Raises: ConnectionError for anything but the application's answer.
    """
    sock.sendall(REQUEST)
    received = b""
    while not received.endswith(BODY):
        data = sock.recv(4096)
        if not data:
            raise ConnectionError(f"the server closed after {received[:80]!r}")
        received += data
    if not received.startswith(b"HTTP/1.1 200 "):
        raise ConnectionError(f"the server answered {received[:80]!r}")


class Idle:
    """Connections that are silent since they were served once, or from the start, until the block ends.

    Args:
        address: of the server.
        count: how many.
        is_served: whether each makes a request first.
    """

    def __init__(self, address: Address, count: int, *, is_served: bool = True) -> None:
        self._address = address
        self._count = count
        self._is_served = is_served
        self._socks: list[socket.socket] = []

    def __enter__(self) -> Self:
        try:
            for _ in range(self._count):
                self._socks.append(connect(self._address))
                if self._is_served:
                    ask(self._socks[-1])
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close them all."""
        for sock in self._socks:
            sock.close()

    def lost(self) -> int:
        """Return how many the server has closed, or sent something to, without being asked."""
        poll = select.poll()
        for sock in self._socks:
            poll.register(sock, select.POLLIN)
        return len(poll.poll(0))

    def ask_some(self, step: int = 100) -> None:
        """Make a request on each `step`th of them.

        Raises: ConnectionError.
        """
        for sock in self._socks[::step]:
            ask(sock)


def latencies(address: Address, seconds: float) -> list[float]:
    """Return how long requests take, in seconds, one after the other; each second one is on a new connection."""
    took_s: list[float] = []
    until = time.monotonic() + seconds
    with connect(address) as kept:
        while (begun_at := time.monotonic()) < until:
            if len(took_s) % 2:
                ask(kept)
            else:
                with connect(address) as fresh:
                    ask(fresh)
            took_s.append(time.monotonic() - begun_at)
    return took_s
