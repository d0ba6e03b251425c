"""The sample worker class `trio`: an application that names no event loop, with real clients."""

import contextlib
import hashlib
import os
import pathlib
import signal
import threading
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from support import processes
from support.client import Client, build_request, get
from support.samples import install
from support.server import APPS, Server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder into which pip has installed the sample."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "heeler_trio")
    return folder


def serving(site: pathlib.Path, *args: str, tracebacks: bool = False) -> Server:
    """Return a server of the application, in a folder of its own."""
    found = ("-k", "trio", "--pythonpath", str(APPS))
    env = {"PYTHONPATH": str(site)}
    return Server("anyio_site:app", *found, *args, env=env, files={"x": ""}, tracebacks=tracebacks)


@pytest.fixture(scope="module")
def server(site: pathlib.Path) -> Iterator[Server]:
    """One worker."""
    with serving(site) as running:
        yield running


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client that keeps its connection."""
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


def ask(server: Server, path: str) -> str:
    """Return the text of a page, over a connection of its own."""
    response = get(server.address, path)
    assert response.status == 200, response
    return response.text


@contextlib.contextmanager
def at_the_gate(server: Server) -> Iterator[Client]:
    """A request that is in flight until `let_through`."""
    os.mkfifo(server.directory / "gate")
    with Client(server.address) as client:
        client.send(build_request("GET", "/gate"))
        server.wait_for_log("waiting at the gate")
        yield client


def let_through(server: Server) -> None:
    """Have it answered."""
    threading.Thread(target=lambda: (server.directory / "gate").open("w").close(), daemon=True).start()


# -- requests


def test_libraries_find_trio(client: httpx.Client) -> None:
    """In the lifespan and in requests."""
    assert client.get("/library").text == "trio trio"


def test_each_request_has_a_context_of_its_own(client: httpx.Client) -> None:
    """What one sets, none other sees; nor what the lifespan set."""
    assert [client.get("/context").text for _ in range(3)] == ["1", "1", "1"]


def test_application_has_tasks_and_threads(client: httpx.Client) -> None:
    """Task groups and threads of anyio work."""
    assert client.get("/group").text == "3"


def test_streams_go_both_ways(client: httpx.Client) -> None:
    """An upload arrives whole in pieces, and a download of more than sockets hold does, too."""
    pieces = [os.urandom(100_000) for _ in range(50)]
    whole = b"".join(pieces)
    assert client.post("/digest", content=iter(pieces)).text == f"{len(whole)} {hashlib.sha256(whole).hexdigest()}"
    with client.stream("GET", "/large") as response:
        assert sum(len(piece) for piece in response.iter_bytes()) == 20_000_000


def test_stream_ends_with_its_client(server: Server) -> None:
    """The application's generator is closed once nobody reads it any more."""
    with httpx.Client(base_url=server.url, trust_env=False) as other, other.stream("GET", "/ticks") as response:
        assert next(response.iter_lines()) == "tick"
    assert ask(server, "/left") == "left"


def test_websocket(server: Server) -> None:
    """Messages come back, and the close code arrives."""
    with connect(server.url.replace("http:", "ws:") + "/echo", proxy=None) as socket:
        for message in ("one", "x" * 500_000, ""):
            socket.send(message)
            assert socket.recv(timeout=20) == message
        socket.close(4001)
    server.wait_for_log("websocket gone code=4001")


# -- cancellation, and what becomes of it


def test_exceptions_of_cancelled_tasks_are_no_end_of_the_worker(site: pathlib.Path) -> None:
    """A request that overruns is cancelled; that its tasks raise something else then harms nobody."""
    with serving(site, "--request-timeout", "0.3", tracebacks=True) as server:
        (pid,) = server.worker_pids()
        assert get(server.address, "/stubborn").status == 504
        assert ask(server, "/library") == "trio trio"
        assert server.worker_pids() == [pid]
        server.wait_for_log("it was cancelled")


def test_exit_within_a_task_is_no_end_of_the_worker(site: pathlib.Path) -> None:
    """SystemExit in a task of the application's own is a failed request."""
    with serving(site, tracebacks=True) as server:
        (pid,) = server.worker_pids()
        assert get(server.address, "/exits").status == 500
        assert ask(server, "/library") == "trio trio"
        assert server.worker_pids() == [pid]


# -- life


def test_term_drains(site: pathlib.Path) -> None:
    """What is in flight is answered, a WebSocket is told to come again, the lifespan ends; then the worker does."""
    with serving(site) as server:
        with at_the_gate(server) as client, connect(server.url.replace("http:", "ws:") + "/echo", proxy=None) as socket:
            server.signal(signal.SIGTERM)
            with pytest.raises(ConnectionClosed):
                socket.recv(timeout=20)
            assert socket.close_code == 1012
            let_through(server)
            assert client.read_response().text == "through"
        assert server.wait() == 0
        assert "lifespan ended" in server.log()


def test_hup_loses_nothing(site: pathlib.Path) -> None:
    """The old worker finishes what it has, the new one serves."""
    with serving(site) as server:
        old = server.worker_pids()
        with at_the_gate(server) as client:
            server.signal(signal.SIGHUP)
            server.wait_for_log("worker ready", 2)
            assert ask(server, "/library") == "trio trio"
            let_through(server)
            assert client.read_response().text == "through"
        server.wait_for_log("reload done")
        assert processes.wait_ended(old, 10.0) == []
        assert len(server.worker_pids()) == 1


def test_killed_worker_is_replaced(site: pathlib.Path) -> None:
    """And clients are served as before."""
    with serving(site) as server:
        (pid,) = server.worker_pids()
        os.kill(pid, signal.SIGKILL)
        server.wait_for_log("worker ready", 2)
        assert ask(server, "/library") == "trio trio"


def test_signals_do_not_collide(server: Server) -> None:
    """Both trio and Heeler want to be woken by signals; neither complains."""
    assert "wakeup" not in server.log() and "Warning" not in server.log()
