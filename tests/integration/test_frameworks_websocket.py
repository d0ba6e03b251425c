"""WebSockets of FastAPI, Starlette and Channels, with the clients that people use."""

import os
import pathlib
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

from support.server import Server
from support.sites import make_site_folder

SITES = ("fastapi_site:app", "starlette_site:app", "django_site.asgi:application")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=("asyncio", "uvloop"))
def loop(request: pytest.FixtureRequest) -> str:
    """Each event loop."""
    return str(request.param)


@pytest.fixture(scope="module")
def site_folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A folder with the Django project's database."""
    folder = tmp_path_factory.mktemp("site")
    make_site_folder(folder)
    return folder


@pytest.fixture(scope="module", params=SITES, ids=["fastapi", "starlette", "channels"])
def site(request: pytest.FixtureRequest, loop: str, site_folder: pathlib.Path) -> Iterator[Server]:
    """Each framework's WebSockets."""
    env = {"SITE_FOLDER": str(site_folder)}
    with Server(request.param, "-k", "asyncio", "--loop", loop, env=env) as server:
        yield server


@pytest.fixture
def base(site: Server) -> str:
    """The site's address for WebSockets."""
    return websocket_url(site)


def websocket_url(server: Server) -> str:
    """Return the server's URL as one for WebSockets."""
    return server.url.replace("http:", "ws:")


def dial(url: str, **options: Any) -> ClientConnection:
    """Connect as a page of the site itself would: Channels looks at the origin.

    `options` are those of websockets' `connect`.
    """
    connection: ClientConnection = connect(url, origin=Origin("http://127.0.0.1"), proxy=None, **options)
    return connection


def test_messages_come_back_as_they_were_sent(base: str) -> None:
    """Text as text and bytes as bytes, empty, small, large, in fragments; compressed where the client offers it."""
    for compression in ("deflate", None):
        with dial(f"{base}/ws/echo", compression=compression, max_size=2**21) as socket:
            for message in ("hello", "Zoë ☃", "x" * 200_000, b"\x00\xff", os.urandom(1_000_000), "", b""):
                socket.send(message)
                assert socket.recv(timeout=20) == message
            socket.send(["in ", "three ", "pieces"])
            assert socket.recv(timeout=20) == "in three pieces"
            assert socket.ping().wait(20)
            offered = socket.response.headers.get("Sec-WebSocket-Extensions", "") if socket.response else ""
            assert ("permessage-deflate" in offered) == (compression is not None)


def test_many_messages_keep_their_order(base: str) -> None:
    """What is sent without waiting comes back in order."""
    with dial(f"{base}/ws/echo") as socket:
        for number in range(500):
            socket.send(str(number))
        assert [socket.recv(timeout=20) for _ in range(500)] == [str(number) for number in range(500)]


def test_application_closes_with_its_code_and_reason(base: str) -> None:
    """Code and reason reach the client."""
    for code, reason in ((1000, ""), (4001, "no more tea"), (1011, "Zoë")):
        with dial(f"{base}/ws/close") as socket:
            socket.send(f"{code} {reason}")
            with pytest.raises(ConnectionClosed) as closed:
                socket.recv(timeout=20)
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (code, reason)


def test_application_learns_the_code_of_its_client(site: Server, base: str) -> None:
    """The code with which a client closes reaches the application; 1006 where there was none; 1005 for an empty one."""
    for code in (1000, 4321):
        seen = site.log_size()
        with dial(f"{base}/ws/echo") as socket:
            socket.close(code, "bye")
        site.wait_for_log(f"websocket gone code={code}", start=seen)
    seen = site.log_size()
    with dial(f"{base}/ws/echo") as socket:
        socket.socket.shutdown(2)
    site.wait_for_log("websocket gone code=1006", start=seen)


def test_subprotocol_is_the_one_that_the_application_chose(base: str) -> None:
    """One that is known is chosen; others are not."""
    offered = [Subprotocol("superchat"), Subprotocol("chat")]
    with dial(f"{base}/ws/echo", subprotocols=offered) as socket:
        assert socket.subprotocol == "chat"
    with dial(f"{base}/ws/echo") as socket:
        assert socket.subprotocol is None


def test_refused_handshake_is_a_403(base: str) -> None:
    """An application that closes before it accepts, and a path that is not there, refuse the handshake."""
    with pytest.raises(InvalidStatus) as refused:
        dial(f"{base}/ws/refuse")
    assert refused.value.response.status_code == 403


def test_room_of_channels_reaches_all_in_it(loop: str, site_folder: pathlib.Path) -> None:
    """Through the in-memory layer, what one says comes to each of them; one who left hears no more."""
    env = {"SITE_FOLDER": str(site_folder)}
    with Server("django_site.asgi:application", "-k", "asyncio", "--loop", loop, env=env) as server:
        url = f"{websocket_url(server)}/ws/room"
        with dial(url) as one, dial(url) as two:
            assert (one.recv(timeout=20), two.recv(timeout=20)) == ("entered", "entered")
            with dial(url) as three:
                assert three.recv(timeout=20) == "entered"
            one.send("hello all")
            assert (one.recv(timeout=20), two.recv(timeout=20)) == ("hello all", "hello all")


def test_sockets_are_told_when_the_server_stops(loop: str) -> None:
    """A WebSocket that is open is closed with 1012, and the server does not wait for its client."""
    with (
        Server("starlette_site:app", "-k", "asyncio", "--loop", loop) as server,
        dial(f"{websocket_url(server)}/ws/echo") as socket,
    ):
        socket.send("before")
        assert socket.recv(timeout=20) == "before"
        assert server.stop() == 0
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1012
