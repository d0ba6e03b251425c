"""Socket.IO through its own client: Flask-SocketIO on each class that it fits, python-socketio on `asyncio`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import socketio

from support.server import Server

WAIT_S = 20
FEW = 12  # Engine.IO refuses a poll that brings more than 16 packets
MODES = {"thread": "threading", "gevent": "gevent", "eventlet": "eventlet", "asyncio": "asgi"}
TRANSPORTS = (["polling"], ["websocket"], ["polling", "websocket"])

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=MODES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker: the clients of Socket.IO must come back to the process that knows them."""
    mode = MODES[request.param]
    args = ["--threads", "16"] if mode == "threading" else []
    app = "socketio_asgi:app" if mode == "asgi" else "socketio_site:app"
    with Server(app, "-k", request.param, "-w", "1", *args, env={"SOCKETIO_MODE": mode}) as server:
        yield server


@pytest.fixture(params=TRANSPORTS, ids="+".join)
def transports(request: pytest.FixtureRequest) -> list[str]:
    """Long polling, WebSocket, and the change from one to the other."""
    return list(request.param)


@contextlib.contextmanager
def dial(server: Server, transports: list[str], **options: Any) -> Iterator[Any]:
    """Connect a client, and drop the connection when the block is over.

    Dropped, because a client that says goodbye waits for its last poll, which Engine.IO may leave open for
    as long as a ping may take. `options` are further ones of `SimpleClient.connect`; yields an untyped `SimpleClient`.
    """
    client = socketio.SimpleClient(reconnection=False)
    client.connect(server.url, transports=transports, wait_timeout=WAIT_S, **options)
    try:
        yield client
    finally:
        client.client.eio.disconnect(abort=True)


def test_events_go_both_ways(server: Server, transports: list[str]) -> None:
    """Text, structures and bytes are echoed in order; acknowledgements carry answers."""
    with dial(server, transports) as client:
        assert client.transport == transports[-1]
        for data in ("hello", {"a": [1, None, "Zoë ☃"]}, b"\x00\xff" * 1000, "x" * 200_000):
            client.emit("echo", data)
            assert client.receive(timeout=WAIT_S) == ["echoed", data]
        assert client.call("ask", 41, timeout=WAIT_S) == 42
        for number in range(FEW):
            client.emit("echo", number)
        assert [client.receive(timeout=WAIT_S)[1] for _ in range(FEW)] == list(range(FEW))


def test_room_reaches_all_in_it(server: Server, transports: list[str]) -> None:
    """What one tells comes to each in the room, and to nobody else."""
    with (
        dial(server, transports) as one,
        dial(server, transports) as two,
        dial(server, transports) as outside,
    ):
        for client in (one, two):
            assert client.call("enter", "kitchen", timeout=WAIT_S) == "kitchen"
        one.emit("tell", ("kitchen", "tea"))
        assert one.receive(timeout=WAIT_S) == ["told", "tea"]
        assert two.receive(timeout=WAIT_S) == ["told", "tea"]
        outside.emit("echo", "and me?")
        assert outside.receive(timeout=WAIT_S) == ["echoed", "and me?"]


def test_background_task_speaks_while_requests_go_on(server: Server, transports: list[str]) -> None:
    """A task that the application started sends on after its handler returned; plain pages are served meanwhile."""
    with dial(server, transports) as client:
        client.emit("count", FEW)
        assert httpx.get(f"{server.url}/socket.io/?EIO=4&transport=polling", timeout=WAIT_S).status_code == 200
        assert [client.receive(timeout=WAIT_S) for _ in range(FEW)] == [["counted", number] for number in range(FEW)]


def test_namespace_of_its_own(server: Server, transports: list[str]) -> None:
    """Another namespace has events of its own."""
    with dial(server, transports, namespace="/other") as client:
        client.emit("echo", 1)
        assert client.receive(timeout=WAIT_S) == ["echoed", ["other", 1]]


@pytest.mark.parametrize("transports", TRANSPORTS[1:], ids="+".join)
def test_refused_client_is_told(server: Server, transports: list[str]) -> None:
    """The application refuses one, and serves the next; a client that only polls would wait for its last poll."""
    with pytest.raises(socketio.exceptions.ConnectionError), dial(server, transports, auth={"name": "stranger"}):
        pass
    with dial(server, transports) as client:
        assert client.call("ask", 1, timeout=WAIT_S) == 2


def test_application_is_told_when_a_client_leaves(server: Server, transports: list[str]) -> None:
    """The application ends a connection, and its handler for that runs."""
    seen = server.log_size()
    with dial(server, transports) as client:
        client.emit("leave")
        server.wait_for_log("client left", start=seen)


def test_client_that_vanishes_has_left(server: Server) -> None:
    """A WebSocket that is cut is noticed at once."""
    seen = server.log_size()
    with dial(server, ["websocket"]) as client:
        assert client.call("ask", 1, timeout=WAIT_S) == 2
        client.client.eio.ws.shutdown()
        server.wait_for_log("client left", start=seen)
