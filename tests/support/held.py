"""An application whose requests wait where the test says so, in any worker class, and the test's end of it."""

import dataclasses
import select
import signal
import socket
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from support import processes
from support.client import Client, build_request
from support.server import Server

WAIT_S: Final = 10.0
"""How long anything here is waited for at most."""

FILES: Final = {
    "app.py": """\
import os
import socket

LARGE = bytes(20_000_000)


def app(environ, start_response):
    path = environ["PATH_INFO"]
    said = b"%d" % os.getpid()
    if path.startswith("/held"):
        gate = socket.socket(socket.AF_UNIX)
        gate.connect("gate")
        gate.sendall(b"%d %s\\n" % (os.getpid(), path.encode()))
        while gate.recv(1):
            pass
        gate.close()
    elif path == "/body":
        said += b" %d" % len(environ["wsgi.input"].read())
    elif path == "/pieces":
        start_response("200 OK", [("Content-Length", str(len(LARGE)))])
        return (LARGE[at : at + 65536] for at in range(0, len(LARGE), 65536))
    elif path == "/large":
        said = LARGE
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(said)))])
    return [said]
"""
}
"""Answers with the worker's pid; below /held it waits for the test, in a way that lets other greenlets run."""


@dataclasses.dataclass(slots=True)
class Held:
    """A request that runs until it is opened."""

    pid: int
    path: str
    sock: socket.socket

    def open(self) -> None:
        """Let it be answered."""
        self.sock.close()


class Gate:
    """Where the requests of a server wait.

    Args:
        server: serves `FILES`.
    """

    def __init__(self, server: Server) -> None:
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.settimeout(WAIT_S)
        self._sock.bind(str(server.directory / "gate"))
        self._sock.listen(1000)
        self._held: list[Held] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for held in self._held:
            held.open()
        self._sock.close()

    def next(self) -> Held:
        """Wait until another request runs, and return it."""
        sock = self._sock.accept()[0]
        sock.settimeout(WAIT_S)
        line = b""
        while not line.endswith(b"\n"):
            data = sock.recv(100)
            assert data, "the request has ended before it had said who runs it"
            line += data
        pid, path = line.split()
        held = Held(int(pid), path.decode(), sock)
        self._held.append(held)
        return held

    def is_quiet(self, timeout_s: float = 0.2) -> bool:
        """Whether no other request begins for so long."""
        self._sock.settimeout(timeout_s)
        try:
            self._held.append(Held(0, "", self._sock.accept()[0]))
        except TimeoutError:
            return True
        finally:
            self._sock.settimeout(WAIT_S)
        return False


class Crowd:
    """Clients of a server, as long as a `with` block lasts.

    Args:
        server: whom they ask.
    """

    def __init__(self, server: Server) -> None:
        self._address = server.address
        self._clients: list[Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for client in self._clients:
            client.close()

    def connect(self, count: int = 1) -> list[Client]:
        """Return so many more, each with a connection."""
        clients = [Client(self._address, WAIT_S) for _ in range(count)]
        self._clients += clients
        return clients

    def ask(self, target: str = "/", count: int = 1) -> list[Client]:
        """Return so many more, each of which has sent a request and waits for its answer."""
        clients = self.connect(count)
        for client in clients:
            client.send(build_request("GET", target))
        return clients


def statuses(clients: Sequence[Client]) -> list[int]:
    """Read a response of each; return their statuses."""
    return [client.read_response().status for client in clients]


def is_silent(clients: Sequence[Client], timeout_s: float = 0.1) -> bool:
    """Whether none of them is sent anything for so long."""
    return not select.select([client.sock for client in clients], [], [], timeout_s)[0]


class Load:
    """Clients that ask again and again on kept connections, and count what they lost.

    A connection that the server closes between two requests, having said so or not, is no loss; one that ends with a
    request unanswered is.

    Args:
        server: whom they ask.
        clients: how many ask at once.
        target: what they ask for.
        keeps: whether they keep their connections.
    """

    def __init__(self, server: Server, clients: int = 8, target: str = "/", *, keeps: bool = True) -> None:
        self._address = server.address
        self._request = build_request("GET", target, {} if keeps else {"Connection": "close"})
        self._keeps = keeps
        self._over = threading.Event()
        self._progress = threading.Condition()
        self.answered = 0
        self.reconnects = 0
        self.lost: list[str] = []
        self._threads = [threading.Thread(target=self._live, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(WAIT_S)
        print(f"{self.answered} answered, {len(self.lost)} lost, {self.reconnects} connections ended in between")

    def go_on(self, count: int) -> None:
        """Return once so many more are answered."""
        with self._progress:
            wanted = self.answered + count
            assert self._progress.wait_for(lambda: self.answered >= wanted, WAIT_S), f"stuck at {self.answered}"

    def _live(self) -> None:
        client: Client | None = None
        while not self._over.is_set():
            try:
                client = client or Client(self._address, WAIT_S)
                client.send(self._request)
                response = client.read_response()
                assert response.status == 200, response.status
                is_kept = self._keeps and response.header("Connection").lower() != "close"
            except (AssertionError, EOFError, OSError) as error:
                is_kept = False
                with self._progress:
                    self.lost.append(repr(error))
            else:
                with self._progress:
                    self.answered += 1
                    self.reconnects += self._keeps and not is_kept
                    self._progress.notify_all()
            if not is_kept and client is not None:
                client.close()
                client = None
        if client is not None:
            client.close()


def kill_listener(server: Server) -> None:
    """Kill the listener, and see to it that its death is known."""
    deaths = server.log().count("listener died")
    (pid,) = server.listener_pids()
    processes.kill(pid)
    server.wait_for_log("listener died", deaths + 1)


def wait_for_listener(server: Server) -> None:
    """Wait until there is another in the place of the one that was killed last."""
    before = server.log().rpartition("listener died")[0]
    server.wait_for_log("listener ready", before.count("listener ready") + 1)


def wait_for_waiting(server: Server, count: int) -> None:
    """Wait until the listener says that so many requests wait."""
    until = time.monotonic() + WAIT_S
    while listener_of(server)["in_flight"] != count:
        assert time.monotonic() < until, f"not {count} requests wait: {listener_of(server)}"


def wait_for_in_flight(server: Server, count: int) -> None:
    """Wait until the only worker runs so many requests: it says so a moment after a client has its answer."""
    until = time.monotonic() + WAIT_S
    while _only(server, "worker")["in_flight"] != count:
        assert time.monotonic() < until, f"not {count} requests run: {_only(server, 'worker')}"


def listener_of(server: Server) -> dict[str, object]:
    """Return what the status says of the listener."""
    return _only(server, "listener")


def _only(server: Server, role: str) -> dict[str, object]:
    from heeler.arbiter.running_server import open_board
    from heeler.arbiter.status import report

    board = open_board(server.pid)
    children = report(board, time.monotonic_ns())["children"]
    board.close()
    assert isinstance(children, list)
    (found,) = [child for child in children if child["role"] == role]
    assert isinstance(found, dict)
    return found


def freeze(pid: int) -> None:
    """Stop a process, and see to it that it has stopped."""
    processes.kill(pid, signal.SIGSTOP)
    until = time.monotonic() + WAIT_S
    while (found := processes.look_up(pid)) is not None and found.state != "T":
        assert time.monotonic() < until, f"{found} does not stop"
