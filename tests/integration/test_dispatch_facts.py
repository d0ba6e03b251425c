"""What an application is told, and what a client gets, is the same whoever accepts the connection."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.sync.client import connect

from heeler.workers.asyncio_worker import LEAST_THREADS
from support import processes
from support.client import Client, build_request, get
from support.held import FILES, WAIT_S, Crowd, statuses
from support.server import APPS, WORKER_CLASSES, Server

MODES = ("connection", "request")
FACTS = ("REMOTE_ADDR", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "wsgi.url_scheme")
UPGRADE = {"Connection": "Upgrade", "Upgrade": "echo"}

pytestmark = pytest.mark.slow


def facts(address: Any, source: tuple[str, int] | None = None) -> dict[str, str]:  # Any: of TCP or a path
    """Return what the application `mirror` was told; of ports whether they are the true ones."""
    with Client(address, WAIT_S) as client:
        if source is not None:
            client.close()
            client.sock = socket.create_connection(address, WAIT_S, source)
        said = json.loads(client.request("GET", "/a?b").text)
        found = {name: said[name] for name in FACTS}
        own = client.sock.getsockname()
        found["REMOTE_PORT"] = str(said["REMOTE_PORT"] == (str(own[1]) if isinstance(own, tuple) else "0"))
        if isinstance(address, tuple):
            found["SERVER_PORT"] = str(said["SERVER_PORT"] == str(address[1]))
        return found


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_addresses_are_told_as_ever(worker_class: str) -> None:
    """TCP, IPv6, another address of the client's, a path and an abstract name, all bound at once, in every mode."""
    told = []
    for mode in ("kernel", *MODES):
        bind = (
            "127.0.0.1:0",
            "[::1]:0",
            "127.0.0.2:0",
            "unix:x.sock",
            f"unix:@heeler-facts-{os.getpid()}-{mode}-{worker_class}",
        )
        files = {"empty": ""}
        with Server(
            "mirror:app", "--dispatch", mode, "-k", worker_class, bind=bind, files=files, env={"PYTHONPATH": str(APPS)}
        ) as server:
            first, sixth, third = (
                (text.rpartition(":")[0].strip("[]"), int(text.rpartition(":")[2])) for text in server.addresses[:3]
            )
            path = server.cwd / "x.sock"
            told.append(
                [
                    *(facts(address) for address in (first, sixth, third, str(path), bind[-1].removeprefix("unix:"))),
                    facts(first, ("127.0.0.7", 0)),
                ]
            )
    assert told[0] == told[1] == told[2]
    assert [each["REMOTE_ADDR"] for each in told[0]] == ["127.0.0.1", "::1", "127.0.0.1", "", "", "127.0.0.7"]


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    """Each way to hand over."""
    return str(request.param)


@pytest.fixture(params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest, mode: str) -> Iterator[Server]:
    """Two workers of each class."""
    with Server("app:app", "--dispatch", mode, "-k", request.param, "-w", "2", files=FILES) as running:
        yield running


def test_all_ways_of_asking(server: Server) -> None:
    """Pipelined, in pieces, HTTP/1.0, HEAD, `Connection: close`, with content, and what is no HTTP."""
    with Crowd(server) as crowd:
        pipelined, pieces, old, head, closing, bad, half = crowd.connect(7)
        pipelined.send(build_request("GET", "/") * 3 + build_request("POST", "/body", body=b"abc") * 2)
        for client in [pipelined] * 3:
            assert client.read_response().status == 200
        assert [pipelined.read_response().text.split()[1] for _ in range(2)] == ["3", "3"]
        for _ in range(3):
            pieces.send_pieces(bytes([byte]) for byte in build_request("POST", "/body", body=b"xy"))
            assert pieces.read_response().text.endswith(" 2")
            assert pieces.request("GET", "/").status == 200
        old.send(b"GET / HTTP/1.0\r\n\r\n")
        assert old.read_response().status == 200
        assert old.is_closed()
        assert head.request("HEAD", "/").status == head.request("HEAD", "/").status == 200
        assert closing.request("GET", "/", {"Connection": "close"}).status == 200
        assert closing.is_closed()
        bad.send(b"\x16\x03\x01 is no HTTP\r\n\r\n")
        assert bad.read_response().status == 400
        assert bad.is_closed()
        half.send(build_request("GET", "/"))
        half.sock.shutdown(socket.SHUT_WR)
        assert half.read_response().status == 200
        assert half.is_closed()
        for client in (pipelined, pieces, head):
            assert client.request("GET", "/").status == 200


def come_and_go(server: Server, rounds: int) -> None:
    """Have clients leave before they say anything, in the head, in the content, in the response, and after it."""
    for _ in range(rounds):
        with Crowd(server) as crowd:
            _, head, content, large = crowd.connect(4)
            head.send(b"GET / HT")
            content.send(build_request("POST", "/body", {"Content-Length": "10"}) + b"abc")
            large.send(build_request("GET", "/large"))
            large.peek_more()
            assert statuses(crowd.ask(count=36)) == [200] * 36


def held(server: Server, pool: int) -> list[tuple[int, int]]:
    """Return how many descriptors and threads each child has; of threads, `pool` at the least."""
    pids = server.listener_pids() + server.worker_pids()
    return [(len(processes.open_descriptors(pid)), max(pool, len(os.listdir(f"/proc/{pid}/task")))) for pid in pids]


def test_nothing_is_left_of_a_thousand_connections(server: Server, request: pytest.FixtureRequest) -> None:
    """Of clients that leave at each stage: descriptors, threads and processes are as many as before."""
    # The pool that WSGI has on a loop grows up to its size as it is used.
    pool = 1 + LEAST_THREADS if request.node.callspec.params["server"] == "asyncio" else 1
    server.wait_for_log("worker ready", 2)
    come_and_go(server, 3)
    least = held(server, pool)
    until = time.monotonic() + WAIT_S
    come_and_go(server, 25)
    while held(server, pool) > least and time.monotonic() < until:
        assert get(server.address).status == 200
    print(least, held(server, pool))
    assert all(now <= before for now, before in zip(held(server, pool), least, strict=True))
    assert [one for one in processes.all_processes() if one.parent == server.pid and one.is_zombie] == []


@pytest.mark.parametrize("worker_class", ["thread", "gevent", "eventlet"])
def test_an_application_may_have_the_socket(mode: str, worker_class: str) -> None:
    """It speaks for itself, and ends it; or answers after all, and the connection is kept."""
    args = ("--dispatch", mode, "-k", worker_class, "--threads", "2", "-w", "2")
    with Server("lent_cases:app", *args) as server, Crowd(server) as crowd:
        for word in (b"end", b"close", b""):
            (client,) = crowd.connect()
            client.send(build_request("GET", "/echo", UPGRADE))
            assert client.read_response().status == 101
            client.send(b"x" * 50_000)
            assert client.read_bytes(50_000) == b"x" * 50_000
            if word:
                client.send(word)
            else:
                client.sock.shutdown(socket.SHUT_WR)
            assert client.read_to_end() == b""
        (client,) = crowd.connect()
        for _ in range(4):
            assert client.request("GET", "/plain", UPGRADE).text == "True"
            assert client.request("GET", "/plain").text == "False"


def test_websockets_stay_with_their_worker(mode: str) -> None:
    """Messages go both ways for as long as the client likes, and others are served."""
    with Server("websocket_cases:app", "-k", "asyncio", "--dispatch", mode, "-w", "2") as server:
        url = server.url.replace("http:", "ws:") + "/echo"
        with contextlib.ExitStack() as stack:
            sockets = [stack.enter_context(connect(url, proxy=None)) for _ in range(6)]
            for number in range(20):
                for one in sockets:
                    one.send(f"message {number}")
                for one in sockets:
                    assert one.recv(timeout=WAIT_S) == f"message {number}"
