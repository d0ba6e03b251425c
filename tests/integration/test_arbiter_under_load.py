"""Nothing is lost while workers come and go."""

import signal
import threading
import time
from collections.abc import Callable
from typing import Self

import pytest
from typing_extensions import override

from support.client import Client, get
from support.server import Server, heeler

_REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
_CONNECTING = 4


class Load:
    """Clients that keep their connections, and clients that make a new one for each request.

    Args:
        server: whom they ask.
        keeping: how many keep their connection; each asks 100 times a second.
        new_a_second: how many new connections are begun in a second, whether or not earlier ones are answered.
    """

    def __init__(self, server: Server, keeping: int = 16, new_a_second: int = 100) -> None:
        self._server = server
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
        assert get(self._server.address).status == 200
        return self.new_s

    def _keep(self) -> Callable[[], list[float]]:
        kept: list[Client] = []
        self._kept.append(kept)

        def ask() -> list[float]:
            if not kept:
                kept.append(Client(self._server.address))
            if _says_close(kept[0]):
                kept.pop().close()
            return self.kept_s

        return ask


def _says_close(client: Client) -> bool:
    client.send(_REQUEST)
    response = client.read_response()
    assert response.status == 200
    return response.header("Connection").lower() == "close"


@pytest.mark.slow
@pytest.mark.alone
def test_a_reload_under_load_loses_nothing_and_stalls_nobody() -> None:
    """HUP again and again under 16 kept connections and 100 new ones a second: all are answered within 100 ms."""
    with Server("hello:app", "-w", "4") as server:
        server.wait_for_log("worker ready", 4)
        longest_s: list[float] = []
        generation = 1
        # The quietest of three rounds: a stall of ours comes in each, one of a busy machine does not.
        while len(longest_s) < 3 and min(longest_s, default=1.0) >= 0.1:
            with Load(server) as load:
                while len(load.new_s) < 200:
                    generation += 1
                    server.signal(signal.SIGHUP)
                    server.wait_for_log(f"reload done generation={generation}")
            assert load.lost == []
            assert len(load.kept_s) > 200
            longest_s.append(load.longest_s())
        assert generation >= 3
        assert min(longest_s) < 0.1, longest_s


_APP = 'def app(environ, start_response):\n    start_response("200 OK", [])\n    return [b"ok"]\n'


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("app.py", "def app(:\n", "SyntaxError"),
        ("heeler.conf.py", "workers = \n", "heeler.conf.py"),
        ("heeler.conf.py", "workers = 'many'\n", "workers = 'many' (heeler.conf.py:1)"),
    ],
    ids=["application", "config file", "setting"],
)
def test_a_reload_that_fails_under_load_loses_nothing(path: str, text: str, says: str) -> None:
    """HUP with something broken under load: every request is answered, the log says why, and status shows it."""
    files = {"app.py": _APP, "heeler.conf.py": "workers = 2\n"}
    with Server("app:app", files=files, tracebacks=True) as server:
        server.wait_for_log("worker ready", 2)
        before = server.worker_pids()
        with Load(server) as load:
            server.write(path, text)
            server.signal(signal.SIGHUP)
            server.wait_for_log("reload failed generation=2")
            load.go_on(200)
        assert load.lost == []
        assert says in server.log()
        assert "reload failed" in heeler("status", "--pid", str(server.pid)).stdout
        assert set(before) <= set(server.worker_pids())


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
            load.go_on(50)
        for count in (1, 2):
            server.signal(signal.SIGTTOU)
            server.wait_for_log("worker exited", count)
            load.go_on(50)
        assert load.lost == []
