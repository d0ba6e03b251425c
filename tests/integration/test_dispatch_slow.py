"""Clients that are slow, where a listener hands out requests: they have no part in a sync worker's time."""

import pytest

from support.client import build_request, get
from support.held import FILES, Crowd, Gate, statuses
from support.server import WORKER_CLASSES, Server

pytestmark = pytest.mark.slow

LARGE = 20_000_000


def serving(worker_class: str, *args: str, workers: int = 1) -> Server:
    """Return a server of `FILES` that hands out requests."""
    return Server("app:app", "--dispatch", "request", "-k", worker_class, "-w", str(workers), *args, files=FILES)


def ten(server: Server) -> list[int]:
    """Return the statuses of ten requests, one after another, each on a connection of its own."""
    return [get(server.address).status for _ in range(10)]


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_who_drips_a_head_or_a_body_holds_up_nobody(worker_class: str) -> None:
    """Forty of them at once, at each stage; at last all are answered, and their connections are good for more."""
    head = build_request("POST", "/body", {"Content-Length": "4"})
    with serving(worker_class) as server, Crowd(server) as crowd:
        clients = crowd.connect(40)
        for number, client in enumerate(clients):
            client.send(head[: 1 + number] if number % 2 else head + b"ab")
        assert ten(server) == [200] * 10
        for number, client in enumerate(clients):
            client.send(head[1 + number : 10 + number] if number % 2 else b"c")
        assert ten(server) == [200] * 10
        for number, client in enumerate(clients):
            client.send(head[10 + number :] + b"abcd" if number % 2 else b"d")
        for client in clients:
            assert client.read_response().text.endswith(" 4")
            assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("path", ["/large", "/pieces"])
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_who_reads_slowly_holds_up_nobody(worker_class: str, path: str) -> None:
    """Four of them, with 20 MB each, at once or in pieces."""
    with serving(worker_class) as server, Crowd(server) as crowd:
        clients = crowd.ask(path, 4)
        for count in (1, 100_000, 1_000_000):
            for client in clients:
                while client.pending() < count:
                    client.peek_more()
            assert ten(server) == [200] * 10
        for client in clients:
            assert len(client.read_response().body) == LARGE
            assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_who_waits_to_be_asked_for_its_content_holds_up_nobody(worker_class: str) -> None:
    """100-continue: it is asked, and takes its time."""
    with serving(worker_class) as server, Crowd(server) as crowd:
        clients = crowd.connect(5)
        for client in clients:
            client.send(build_request("POST", "/body", {"Content-Length": "2", "Expect": "100-continue"}))
            assert client.read_until(b"\r\n\r\n").startswith(b"HTTP/1.1 100 ")
        assert ten(server) == [200] * 10
        for client in clients:
            client.send(b"ab")
        assert statuses(clients) == [200] * 5
        for client in clients:
            assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_who_is_too_slow_is_told_so(worker_class: str) -> None:
    """408 for a head that does not end; a connection on which nothing comes is closed without a word."""
    with serving(worker_class, "--header-timeout", "1") as server, Crowd(server) as crowd:
        silent, slow = crowd.connect(2)
        slow.send(b"GET / HT")
        assert slow.read_response().status == 408
        assert silent.read_to_end() == slow.read_to_end() == b""


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_an_idle_connection_ends_with_its_time(worker_class: str) -> None:
    """The listener closes it, after `keep_alive` and not before its request could have come."""
    with serving(worker_class, "--keep-alive", "1") as server, Crowd(server) as crowd:
        clients = crowd.ask(count=5)
        assert statuses(clients) == [200] * 5
        for _ in range(5):
            assert clients[0].request("GET", "/").status == 200
        assert [client.is_closed() for client in clients] == [True] * 5


def test_whose_upload_is_there_at_last_is_answered_like_others() -> None:
    """It takes a place while its request runs; others wait for that, and the connection is good for more."""
    with serving("sync") as server, Gate(server) as gate, Crowd(server) as crowd:
        slow = crowd.connect(8)
        for client in slow:
            client.send(build_request("POST", "/held", {"Content-Length": "2"}) + b"a")
        assert ten(server) == [200] * 10
        for client in slow:
            client.send(b"b")
        for _ in slow:
            gate.next().open()
        assert statuses(slow) == [200] * 8
        assert [client.request("GET", "/").status for client in slow] == [200] * 8
