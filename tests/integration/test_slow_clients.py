"""Slow clients cost a descriptor each, and nobody else's time."""

import hashlib
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Self

import pytest

import wsgi_cases
from support.client import Client, build_request
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, WSGI_SLOTS, Server

GET = build_request("GET", "/length")
ALLOWED_S = 0.1
"""How long a request may take beside the slow clients, the client's own time included."""

pytestmark = pytest.mark.slow


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


class Drippers:
    """Clients that send a request a byte at a time, each a byte a second, one after the other.

    Args:
        server: whom they ask.
        count: how many.
    """

    def __init__(self, server: Server, count: int) -> None:
        self._socks = [socket.create_connection(server.address) for _ in range(count)]
        self._sent = [0] * count
        self._next = 0
        self._due_at = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._socks:
            sock.close()

    def drip(self) -> None:
        """Send what is due."""
        while self._due_at <= time.monotonic():
            self._due_at += 1 / len(self._socks)
            at, self._next = self._next, (self._next + 1) % len(self._socks)
            head = build_request("POST", "/read?read", {"Content-Length": "1000"})
            self._socks[at].send((head + b"x" * 1000)[self._sent[at] :][:1])
            self._sent[at] += 1


def slowest(server: Server, count: int, meanwhile: Callable[[], None] = lambda: None) -> float:
    """Return the longest that one of `count` requests took, each second one on a new connection."""
    took_s = []
    kept = Client(server.address)
    for number in range(count):
        meanwhile()
        begun_at = time.monotonic()
        if number % 2:
            assert kept.request("GET", "/length").body == b"hello"
        else:
            with Client(server.address) as client:
                assert client.request("GET", "/length").body == b"hello"
        took_s.append(time.monotonic() - begun_at)
    kept.close()
    return max(took_s)


@pytest.mark.alone
@pytest.mark.parametrize("case", ["large", "large_pieces", "large_chunks", "file_large"])
def test_nobody_waits_for_slow_clients(worker_class: str, case: str) -> None:
    """300 clients that drip a byte a second, and 5 that never read 20 MB, delay no other request by 100 ms."""
    with Server("wsgi_cases:app", "-k", worker_class) as server, Drippers(server, 300) as drippers:
        longest_s, deaf = slowest(server, 100, drippers.drip), []
        for _ in range(5):
            deaf.append(Client(server.address))
            deaf[-1].send(build_request("GET", f"/{case}"))
            longest_s = max(longest_s, slowest(server, 100, drippers.drip))
        for client in deaf:
            assert select.select([client.sock], [], [], 0)[0], "its response has begun"
            client.close()
        print(f"longest wait beside slow clients ({worker_class}, {case}): {longest_s * 1000:.1f} ms")
        assert longest_s < ALLOWED_S


@pytest.mark.parametrize("case", ["large", "large_pieces", "large_chunks", "file_large"])
def test_slow_readers_get_every_byte(worker_class: str, case: str) -> None:
    """Responses that waited in memory, on disk or in the kernel arrive as they were made, however they are read."""
    with Server("wsgi_cases:app", "-k", worker_class, "--response-memory", "100000") as server, ExitStack() as stack:
        readers = [stack.enter_context(Client(server.address)) for _ in range(4)]
        for client in readers:
            client.send(build_request("GET", f"/{case}", {"Connection": "close"}))
        for _ in range(40):
            assert slowest(server, 2) < 1
            for number, client in enumerate(readers):
                wanted = client.pending() + (1, 1000, 65536, 200_000)[number]
                while client.pending() < wanted:
                    client.peek_more()
        for client in readers:
            assert hashlib.sha1(client.read_response().body).digest() == hashlib.sha1(wsgi_cases.LARGE).digest()
            client.close()


def test_requests_that_come_at_once_beside_a_slow_reader(worker_class: str) -> None:
    """Where the first of them is answered with more than its client takes, the others are answered too."""
    with Server("wsgi_cases:app", "-k", worker_class, "--response-memory", "100000") as server, ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(4)]
        for client in clients:
            assert client.request("GET", "/length").body == b"hello"
        (worker,) = server.worker_pids()
        os.kill(worker, signal.SIGSTOP)
        for client, case in zip(clients, ("large_chunks", "length", "length", "length"), strict=True):
            client.send(build_request("GET", f"/{case}"))
        os.kill(worker, signal.SIGCONT)
        for client in clients[1:]:
            assert client.read_response().body == b"hello"
        assert clients[0].read_response().body == wsgi_cases.LARGE


@pytest.mark.parametrize("worker_class", [name for name, slots in WSGI_SLOTS.items() if slots == 1])
def test_time_of_the_application_is_not_the_clients(worker_class: str) -> None:
    """Deadlines that pass while the worker is busy cut no client whose bytes had come by then."""
    args = ("--header-timeout", "1", "--body-timeout", "1", "--keep-alive", "1", "-k", worker_class)
    with Server("app:app", *args, files=FILES) as server:
        kept, slow, fresh = (Client(server.address) for _ in range(3))
        assert kept.request("GET", "/").status == 200
        slow.send(build_request("POST", "/", {"Content-Length": "2"}) + b"a")
        fresh.send(b"GE")
        assert kept.request("GET", "/").status == 200
        busy = Waiting(server)
        kept.send(build_request("GET", "/"))
        slow.send(b"b")
        fresh.send(b"T / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert not select.select([kept.sock, slow.sock, fresh.sock], [], [], 2)[0]
        assert busy.open().status == 200
        for client in (kept, slow, fresh):
            assert client.read_response().status == 200
            client.close()
