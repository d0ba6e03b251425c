"""WebSockets through a real server, with the client of `websockets`."""

import contextlib
import pathlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from support.server import Server

APP = "websocket_cases:app"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=("asyncio", "uvloop"))
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server on each event loop."""
    with Server(APP, "-k", "asyncio", "--loop", request.param, "--access-logfile", "-", tracebacks=True) as running:
        yield running


def dial(server: Server, path: str, **options: Any) -> ClientConnection:  # Any: each has its type
    """Connect; `options` are those of websockets' `connect`."""
    client: ClientConnection = connect(server.url.replace("http:", "ws:").rstrip("/") + path, proxy=None, **options)
    return client


@contextlib.contextmanager
def bare(server: Server, path: str) -> Iterator[socket.socket]:
    """Return a socket on which the handshake is done."""
    with socket.create_connection(server.address, timeout=20) as sock:
        sock.sendall(
            b"GET %b HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" % path.encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        assert head.startswith(b"HTTP/1.1 101 ") and b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
        yield sock


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_of_all_kinds_come_back(server: Server, compression: str | None) -> None:
    """Small, large, text, bytes, fragmented, compressed or not; with a ping in between."""
    with dial(server, "/echo", compression=compression, max_size=None) as client:
        for message in ("", "héllo", b"", b"\0\xff", "x" * 200, b"y" * 70_000, "z" * 3_000_000):
            client.send(message)
            assert client.recv(timeout=20) == message
        client.send(iter(["one ", "two ", "three"]))
        assert client.recv(timeout=10) == "one two three"
        assert client.ping("are you there").wait(10)


def test_the_end_is_logged(server: Server) -> None:
    """The application hears code and reason, and the access log has one line."""
    with dial(server, "/echo?end") as client:
        client.send("hello")
        client.recv(timeout=10)
        client.close(4000, "bye")
    server.wait_for_stdout("left 4000 bye")
    server.wait_for_stdout('"GET /echo?end HTTP/1.1" 101 ')


def test_a_subprotocol_is_agreed_on(server: Server) -> None:
    """The client sees what the application chose."""
    with dial(server, "/echo", subprotocols=[Subprotocol("chat"), Subprotocol("other")]) as client:
        assert client.subprotocol == "chat"


def test_the_application_denies(server: Server) -> None:
    """With a response of its own, or with 403."""
    with pytest.raises(InvalidStatus) as caught:
        dial(server, "/deny")
    assert (caught.value.response.status_code, caught.value.response.body) == (402, b"pay first")
    with pytest.raises(InvalidStatus) as caught:
        dial(server, "/refuse")
    assert caught.value.response.status_code == 403


@pytest.mark.parametrize(("path", "code", "reason"), [("/leave", 4001, "enough"), ("/fail", 1011, "")])
def test_the_application_ends(server: Server, path: str, code: int, reason: str) -> None:
    """The client hears its code, or that it failed."""
    with dial(server, path) as client, pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=10)
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (code, reason)


def test_a_client_that_breaks_off_is_noticed(server: Server) -> None:
    """Without a close frame it is 1006."""
    with bare(server, "/echo"):
        pass
    server.wait_for_stdout("left 1006")


def test_too_much_is_refused(server: Server) -> None:
    """The client hears 1009, though it has not read on before all was sent."""
    with dial(server, "/echo", compression=None) as client:
        with contextlib.suppress(ConnectionClosed):
            client.send(bytes(17 << 20))
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=20)
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1009


def test_a_slow_reader_does_not_stop_others(server: Server) -> None:
    """What it has not taken is bounded: the application waits, and goes on as the client reads."""
    with bare(server, "/flood") as slow:
        with dial(server, "/echo") as client:
            for _ in range(50):
                client.send("quick")
                assert client.recv(timeout=10) == "quick"
        size = 0
        while size < 1000 * (65536 + 10 + 6):
            data = slow.recv(1 << 20)
            assert data
            size += len(data)
    server.wait_for_stdout("flooded")


def test_much_comes_in(server: Server) -> None:
    """Many messages, sent as fast as they go, all arrive."""
    with dial(server, "/stream", compression=None) as client:
        for _ in range(2000):
            client.send(bytes(5000))
        client.send("done")
        assert client.recv(timeout=30) == str(2000 * 5000)


def test_silence_is_noticed() -> None:
    """A client that does not answer pings is let go; one that does stays."""
    settings = ("--websocket-ping-interval", "0.3", "--websocket-ping-timeout", "0.3")
    with (
        Server(APP, "-k", "asyncio", *settings) as server,
        dial(server, "/echo") as lively,
        bare(server, "/echo") as silent,
    ):
        received = b""
        while not received.endswith(b"keepalive ping timeout"):
            data = silent.recv(100)
            assert data
            received += data
        assert received.startswith(b"\x89\x00\x88")
        server.wait_for_stdout("left 1011 keepalive ping timeout")
        lively.send("still here")
        assert lively.recv(timeout=10) == "still here"


def test_a_stop_says_service_restart() -> None:
    """Clients hear 1012, the application too, and the server ends without waiting for its deadline."""
    with Server(APP, "-k", "asyncio", "--graceful-timeout", "20") as server, dial(server, "/echo") as client:
        client.send("hello")
        client.recv(timeout=10)
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        with pytest.raises(ConnectionClosed) as caught:
            client.recv(timeout=10)
        stopping.join(15)
        assert not stopping.is_alive()
    assert caught.value.rcvd is not None and caught.value.rcvd.code == 1012


def test_without_the_library_it_is_501(tmp_path: pathlib.Path) -> None:
    """The log says what to install."""
    (tmp_path / "websockets.py").write_text("raise ImportError('not here')\n")
    with Server(APP, "-k", "asyncio", env={"PYTHONPATH": str(tmp_path)}) as server:
        with pytest.raises(InvalidStatus) as caught:
            dial(server, "/echo")
        assert caught.value.response.status_code == 501
        server.wait_for_log("pip install 'heeler[websocket]'")
