"""What a stop has to cut, and what it says of that: the numbers of the last line, and the exit status."""

import contextlib
import socket

import pytest

from support.client import Client, build_request
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Server

GET = build_request("GET", "/")
_SHORT = ("--graceful-timeout", "0.5")

_ASGI = {
    "app.py": """\
import asyncio

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "bytes": bytes(50 << 20)})
    elif scope["path"] == "/behind":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
    else:
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"begin", "more_body": True})
    await asyncio.Event().wait()
"""
}
"""Never comes to its end: a WebSocket, work behind a response, or a response."""
_HANDSHAKE = (
    b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

pytestmark = pytest.mark.slow


def last_line(server: Server) -> str:
    """Return the last line of the log, from its phrase on."""
    return "stopped" + server.log().splitlines()[-1].partition("stopped")[2]


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_requests_are_counted_once_and_over_all_workers(worker_class: str) -> None:
    """Whether the worker cuts them itself at its deadline, or has to be killed because it is stuck in one."""
    with Server("app:app", "-k", worker_class, "-w", "3", *_SHORT, files=FILES) as server:
        server.wait_for_log("worker ready", 3)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                stack.callback(Waiting(server).close)
            assert server.stop() == 75
        assert last_line(server) == "stopped cut=3 requests=3 websockets=0 connections=0 tasks=0"


@pytest.mark.parametrize("dispatch", ["kernel", "connection", "request"])
def test_connections_that_nobody_accepts_are_counted(dispatch: str) -> None:
    """Those that still wait when the time is over are reset, and nobody takes them for answered."""
    args = ("-k", "thread", "--dispatch", dispatch, *_SHORT)
    with Server("app:app", *args, files=FILES) as server, contextlib.ExitStack() as stack:
        stack.callback(Waiting(server).close)
        waiting = [stack.enter_context(Client(server.address)) for _ in range(5)]
        for client in waiting:
            client.send(GET)
        assert server.stop() == 75
        for client in waiting:
            with pytest.raises(ConnectionResetError):
                client.sock.recv(1)
        cut, requests, websockets, connections, tasks = (
            int(pair.partition("=")[2]) for pair in last_line(server).split()[1:]
        )
        assert (cut, websockets, tasks) == (6, 0, 0)
        assert requests + connections == cut
        assert dispatch != "kernel" or connections == 5


def test_websockets_that_are_not_read_are_counted() -> None:
    """A client that takes nothing, and so does not hear 1012."""
    args = ("-k", "asyncio", *_SHORT)
    with Server("app:app", *args, files=_ASGI) as server, socket.create_connection(server.address, 20) as client:
        client.sendall(_HANDSHAKE)
        assert client.recv(12) == b"HTTP/1.1 101"
        assert server.stop() == 75
        assert "requests=0 websockets=1 connections=0" in last_line(server)


def test_work_behind_a_response_is_counted() -> None:
    """And is told from a request that is answered still."""
    with Server("app:app", "-k", "asyncio", *_SHORT, files=_ASGI) as server, Client(server.address) as behind:
        assert behind.request("GET", "/behind").status == 200
        with Client(server.address) as client:
            client.send(GET)
            client.read_bytes(12)
            assert server.stop() == 75
        assert last_line(server) == "stopped cut=2 requests=1 websockets=0 connections=0 tasks=1"
