"""Nothing is lost while workers come and go."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Self

import pytest

from support.client import Client, get
from support.server import Server

_REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Load:
    """Clients that keep their connections, and clients that make a new one for each request.

    Args:
        server: whom they ask.
        keeping: how many keep their connection.
        pause_s: between two requests of one client; and between two new connections.
    """

    def __init__(self, server: Server, keeping: int = 16, pause_s: float = 0.01) -> None:
        self._server = server
        self._pause_s = pause_s
        self._over = threading.Event()
        self._kept: list[list[Client]] = []
        self._threads = [threading.Thread(target=self._run, args=(self._keep(),)) for _ in range(keeping)]
        self._threads.append(threading.Thread(target=self._run, args=(self._connect,)))
        self.spans_s: list[float] = []
        self.lost: list[str] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for client in (client for kept in self._kept for client in kept):
            client.close()

    def _run(self, ask: Callable[[], None]) -> None:
        while not self._over.wait(self._pause_s):
            begun_at = time.monotonic()
            try:
                ask()
            except (AssertionError, OSError) as error:
                self.lost.append(repr(error))
            self.spans_s.append(time.monotonic() - begun_at)

    def _connect(self) -> None:
        assert get(self._server.address).status == 200

    def _keep(self) -> Callable[[], None]:
        kept: list[Client] = []
        self._kept.append(kept)

        def ask() -> None:
            if not kept:
                kept.append(Client(self._server.address))
            if _says_close(kept[0]):
                kept.pop().close()

        return ask


def _says_close(client: Client) -> bool:
    client.send(_REQUEST)
    response = client.read_response()
    assert response.status == 200
    return response.header("Connection").lower() == "close"


@pytest.mark.slow
@pytest.mark.alone
def test_a_reload_under_load_loses_nothing_and_stalls_nobody() -> None:
    """HUP, twice, under 16 kept connections and 100 new ones a second: all are answered, each within 100 ms."""
    with Server("hello:app", "-w", "4") as server:
        server.wait_for_log("worker ready", 4)
        with Load(server) as load:
            for generation in (2, 3):
                server.signal(signal.SIGHUP)
                server.wait_for_log(f"reload done generation={generation}")
                server.wait_for_log("worker exited", 4 * (generation - 1))
        assert load.lost == []
        assert len(load.spans_s) > 50
        assert max(load.spans_s) < 0.1


@pytest.mark.slow
def test_recycling_under_load_loses_nothing() -> None:
    """Workers that retire after 20 requests: their clients do not notice."""
    with Server("hello:app", "-w", "2", "--max-requests", "20") as server:
        with Load(server, keeping=4) as load:
            server.wait_for_log("worker retires", 8, timeout_s=30)
        assert load.lost == []


def test_nothing_is_lost_when_workers_are_added_and_taken_away() -> None:
    """TTIN and TTOU under load."""
    with Server("hello:app", "-w", "1") as server, Load(server, keeping=4) as load:
        for count in (2, 3):
            server.signal(signal.SIGTTIN)
            server.wait_for_log("worker ready", count)
        for count in (1, 2):
            server.signal(signal.SIGTTOU)
            server.wait_for_log("worker exited", count)
        assert load.lost == []
