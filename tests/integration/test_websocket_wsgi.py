"""WebSocket for WSGI applications: the raw socket in the environ, as Flask-Sock and plain applications use it."""

import os
from collections.abc import Iterator

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from support.client import Client
from support.server import Server

SOCKET_CLASSES = ("thread", "gevent", "eventlet")
WAIT_S = 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SOCKET_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Flask-Sock; the log holds no traceback but that of the page that fails."""
    threads = ["--threads", "8"] if request.param == "thread" else []
    with Server("flask_sock_site:app", "-k", request.param, *threads, tracebacks=True) as server:
        yield server
        log = server.log()
        assert log.count("Traceback (most recent call last)") == log.count("RuntimeError: broken on purpose"), log


def dial(server: Server, path: str, *subprotocols: str, max_size: int = 2**20) -> ClientConnection:
    """Connect to a WebSocket of the server."""
    offered = [Subprotocol(one) for one in subprotocols] or None
    url = server.url.replace("http:", "ws:") + path
    return connect(url, subprotocols=offered, max_size=max_size, proxy=None)


def test_messages_come_back_as_they_were_sent(server: Server) -> None:
    """Text as text and bytes as bytes, empty, small, large, in fragments and in order."""
    with dial(server, "/ws/echo") as socket:
        for message in ("hello", "Zoë ☃", "x" * 100_000, b"\x00\xff", os.urandom(200_000), "", b""):
            socket.send(message)
            assert socket.recv(timeout=WAIT_S) == message
        socket.send(["in ", "three ", "pieces"])
        assert socket.recv(timeout=WAIT_S) == "in three pieces"
        assert socket.ping().wait(WAIT_S)
        for number in range(200):
            socket.send(str(number))
        assert [socket.recv(timeout=WAIT_S) for _ in range(200)] == [str(number) for number in range(200)]


def test_application_closes_with_its_code_and_reason(server: Server) -> None:
    """Code and reason reach the client, and the connection ends."""
    for code, reason in ((1000, None), (4001, "no more tea")):
        with dial(server, "/ws/close") as socket:
            socket.send(f"{code} {reason or ''}")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=WAIT_S)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason or "")


def test_application_that_returns_closes_as_usual(server: Server) -> None:
    """A handler that returns ends the WebSocket with 1000."""
    with dial(server, "/ws/return") as socket:
        socket.send("once")
        assert socket.recv(timeout=WAIT_S) == "once"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000


def test_application_learns_the_code_of_its_client(server: Server) -> None:
    """The code with which a client closes reaches the application."""
    seen = server.log_size()
    with dial(server, "/ws/echo") as socket:
        socket.close(4321, "bye")
    server.wait_for_log("websocket gone code=4321", start=seen)


def test_client_that_vanishes_frees_its_place(server: Server) -> None:
    """A connection that is cut ends the handler; more of them than there are threads leave the server serving."""
    for _ in range(20):
        seen = server.log_size()
        with dial(server, "/ws/echo") as socket:
            socket.send("hello")
            assert socket.recv(timeout=WAIT_S) == "hello"
            socket.socket.shutdown(2)
        server.wait_for_log("websocket gone", start=seen)
    assert httpx.get(f"{server.url}/hello", timeout=WAIT_S).text == "hello"


def test_subprotocol_is_the_one_that_the_application_chose(server: Server) -> None:
    """One that is known is chosen."""
    with dial(server, "/ws/echo", "superchat", "chat") as socket:
        assert socket.subprotocol == "chat"
    with dial(server, "/ws/echo") as socket:
        assert socket.subprotocol is None


def test_message_that_is_too_big_closes_with_1009(server: Server) -> None:
    """The limit that the application set holds."""
    with dial(server, "/ws/echo") as socket:
        socket.send(b"x" * (2**20 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=WAIT_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_handler_that_fails_writes_nothing_of_http(server: Server) -> None:
    """After 101 no response may follow: the connection ends without a 500 among the frames."""
    seen = server.log_size()
    with dial(server, "/ws/broken") as socket:
        socket.send("now")
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=WAIT_S)
        assert closed.value.rcvd is None or closed.value.rcvd.code in {1000, 1011}
    server.wait_for_log("broken on purpose", start=seen)
    assert httpx.get(f"{server.url}/hello", timeout=WAIT_S).text == "hello"


def test_open_sockets_hold_up_no_page(server: Server) -> None:
    """While WebSockets are open and idle, and while one is busy, pages are served."""
    with dial(server, "/ws/echo") as one, dial(server, "/ws/echo") as two, httpx.Client(timeout=WAIT_S) as client:
        for number in range(20):
            one.send(str(number))
            assert client.get(f"{server.url}/hello").text == "hello"
            assert one.recv(timeout=WAIT_S) == str(number)
        two.send("still here")
        assert two.recv(timeout=WAIT_S) == "still here"


@pytest.mark.parametrize("worker_class", SOCKET_CLASSES)
def test_plain_application_takes_the_connection_over(worker_class: str) -> None:
    """`heeler.socket` is a socket that blocks, in the worker class's own way, whatever protocol is spoken over it."""
    with (
        Server("flask_sock_site:raw", "-k", worker_class) as server,
        Client(server.address, timeout_s=WAIT_S) as client,
    ):
        client.send(b"GET /raw HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: lines\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ")
        with client.sock.makefile("rwb") as lines:
            for word in (b"one\n", b"two\n", b"x" * 100_000 + b"\n"):
                lines.write(word)
                lines.flush()
                assert lines.readline() == word.upper()
            lines.write(b"\n")
            lines.flush()
            assert lines.read() == b""
        assert httpx.get(f"{server.url}/other", timeout=WAIT_S).status_code == 404
