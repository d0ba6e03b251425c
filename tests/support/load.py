"""Clients that ask again and again, and count what is lost and how long each answer took."""

import threading
import time
from collections.abc import Callable
from typing import Self

from typing_extensions import override

from support.client import Address, Client, get
from support.server import Server

_REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
_CONNECTING = 4


class Load:
    """Clients that keep their connections, and clients that make a new one for each request.

    Args:
        server: whom they ask, or at which address.
        keeping: how many keep their connection; each asks 100 times a second.
        new_a_second: how many new connections are begun in a second, whether or not earlier ones are answered.
    """

    def __init__(self, server: Server | Address, keeping: int = 16, new_a_second: int = 100) -> None:
        self._address = server.address if isinstance(server, Server) else server
        self._over = threading.Event()
        self._answered = threading.Condition()
        self._kept: list[list[Client]] = []
        self._threads = [threading.Thread(target=self._repeat, args=(self._keep(), 0.01)) for _ in range(keeping)]
        # Each of several begins its share, so that one which waits for an answer delays few others.
        pause_s = _CONNECTING / new_a_second
        self._threads += [
            threading.Thread(target=self._repeat, args=(self._connect, pause_s)) for _ in range(_CONNECTING)
        ]
        self.kept_s: list[float] = []
        """How long each request on a kept connection took."""
        self.new_s: list[float] = []
        """How long each request on a connection of its own took, connecting included."""
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        self._begun_at = time.monotonic()
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self._seconds = time.monotonic() - self._begun_at
        for client in (client for kept in self._kept for client in kept):
            client.close()
        print(self)

    @override
    def __str__(self) -> str:
        counts = [f"{len(spans)} {what}, at most {max(spans, default=0):.3f} s" for what, spans in self._spans()]
        return f"{self._seconds:.1f} s: {'; '.join(counts)}; {len(self.lost)} lost"

    def longest_s(self) -> float:
        """Return the time of the slowest answer."""
        return max(max(spans) for _, spans in self._spans())

    def go_on(self, count: int) -> None:
        """Return when so many more were answered."""
        wanted = len(self.kept_s) + count
        with self._answered:
            self._answered.wait_for(lambda: len(self.kept_s) >= wanted, timeout=10)

    def _spans(self) -> list[tuple[str, list[float]]]:
        return [("on kept connections", self.kept_s), ("on new ones", self.new_s)]

    def _repeat(self, ask: Callable[[], list[float]], pause_s: float) -> None:
        due_at = time.monotonic()
        while True:
            due_at = max(due_at + pause_s, time.monotonic())
            if self._over.wait(due_at - time.monotonic()):
                return
            begun_at = time.monotonic()
            try:
                ask().append(time.monotonic() - begun_at)
                with self._answered:
                    self._answered.notify_all()
            except (AssertionError, EOFError, OSError) as error:
                self.lost.append(repr(error))

    def _connect(self) -> list[float]:
        assert get(self._address).status == 200
        return self.new_s

    def _keep(self) -> Callable[[], list[float]]:
        kept: list[Client] = []
        self._kept.append(kept)

        def ask() -> list[float]:
            if not kept:
                kept.append(Client(self._address))
            if _says_close(kept[0]):
                kept.pop().close()
            return self.kept_s

        return ask


def _says_close(client: Client) -> bool:
    client.send(_REQUEST)
    response = client.read_response()
    assert response.status == 200
    return response.header("Connection").lower() == "close"
