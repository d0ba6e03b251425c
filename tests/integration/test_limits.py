"""Limits: what is beyond them is refused or waits, and the worker goes on."""

import contextlib
import json
import resource
import select
import signal
import time
from collections.abc import Iterator

import pytest

from support.client import Client, build_request, exchange, get
from support.gate import FILES, Waiting
from support.processes import cpu_s, open_descriptors
from support.server import WORKER_CLASSES, Server, heeler

GET = build_request("GET", "/length")
CHUNKED = {"Transfer-Encoding": "chunked"}

pytestmark = pytest.mark.slow


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def small(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Every limit of a request is small."""
    args = ["--limit-request-line", "50", "--limit-request-fields", "3", "--limit-request-field-size", "40"]
    args += ["--limit-request-body", "10"]
    with Server("mirror:headers_only", "-k", str(request.param), *args) as running:
        before = running.worker_pids()
        yield running
        assert running.worker_pids() == before


LIMITS = [
    ("line, the longest", b"GET /" + b"x" * 36 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 200),
    ("line, one more", b"GET /" + b"x" * 37 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("fields, the most", b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\n\r\n", 200),
    ("fields, one more", b"GET / HTTP/1.1\r\nHost: x\r\nA: 1\r\nB: 2\r\nC: 3\r\n\r\n", 431),
    ("field, the longest", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 37 + b"\r\n\r\n", 200),
    ("field, one more", b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"x" * 38 + b"\r\n\r\n", 431),
    ("body, the longest", build_request("POST", "/", body=b"x" * 10), 200),
    ("body, one more", build_request("POST", "/", body=b"x" * 11), 413),
    (
        "chunks, the longest",
        build_request("POST", "/", CHUNKED, b"a\r\n1234567890\r\n0\r\n\r\n"),
        200,
    ),
    (
        "chunks, one more",
        build_request("POST", "/", CHUNKED, b"9\r\n123456789\r\n2\r\n12\r\n"),
        413,
    ),
]


@pytest.mark.parametrize(("data", "status"), [case[1:] for case in LIMITS], ids=[case[0] for case in LIMITS])
def test_limits_of_a_request(small: Server, data: bytes, status: int) -> None:
    """The last byte that is allowed is served, one more is refused; also when the same was served before."""
    for _ in range(2):
        with Client(small.address) as client:
            client.send(data)
            assert client.read_response().status == status
            if status != 200:
                assert client.is_closed()


def test_upload_that_is_refused_is_told_so(small: Server) -> None:
    """A client that sends a large body without waiting reads its 413 nevertheless."""
    with Client(small.address) as client:
        client.send(build_request("POST", "/", {"Content-Length": "1000000"}))
        for _ in range(10):
            client.send(b"x" * 100_000)
        assert client.read_response().status == 413


# -- descriptors


def test_accept_pauses_without_descriptors(worker_class: str) -> None:
    """EMFILE: accepting pauses and is said; nobody is lost, the processor is left alone, and it goes on by itself."""
    with Server("wsgi_cases:app", "-k", worker_class) as server:
        (worker,) = server.worker_pids()
        with Client(server.address) as kept:
            assert kept.request("GET", "/length").status == 200
            limits = resource.prlimit(worker, resource.RLIMIT_NOFILE)
            resource.prlimit(worker, resource.RLIMIT_NOFILE, (max(open_descriptors(worker)) + 1, limits[1]))
            waiting = [Client(server.address) for _ in range(5)]
            for client in waiting:
                client.send(GET)
            server.wait_for_log("accept paused")
            used_s = cpu_s(worker)
            assert kept.request("GET", "/length").status == 200
            server.wait_for_log("accept paused", 5)
            assert cpu_s(worker) - used_s < 0.2
            resource.prlimit(worker, resource.RLIMIT_NOFILE, limits)
            for client in waiting:
                assert client.read_response().body == b"hello"
                client.close()
        assert server.worker_pids() == [worker]


# -- worker_connections


def connections(server: Server) -> int:
    """Return how many connections the scoreboard shows."""
    (child,) = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)["children"]
    return int(child["connections"])


@pytest.mark.parametrize("limit", [1, 2, 10])
def test_oldest_idle_connection_makes_way(worker_class: str, limit: int) -> None:
    """At the limit, the connection that was idle longest is closed for a new one, and no other."""
    with Server("wsgi_cases:app", "-k", worker_class, "--worker-connections", str(limit)) as server:
        clients = [Client(server.address) for _ in range(limit)]
        for client in clients:
            assert client.request("GET", "/length").status == 200
        for _ in range(2 * limit):
            new = Client(server.address)
            new.send(GET[:-2])
            oldest = clients.pop(0)
            assert oldest.is_closed()
            oldest.close()
            assert not select.select([*(client.sock for client in clients), new.sock], [], [], 0.05)[0]
            new.send(GET[-2:])
            assert new.read_response().body == b"hello"
            clients.append(new)
        assert connections(server) <= limit
        for client in clients:
            assert client.request("GET", "/length").status == 200
            client.close()


def test_a_new_connection_is_kept_for_its_first_request(worker_class: str) -> None:
    """At the limit, a client that has only just connected does not make way before it could send anything."""
    with (
        Server("wsgi_cases:app", "-k", worker_class, "--worker-connections", "1") as server,
        Client(server.address) as new,
        Client(server.address) as waiting,
    ):
        waiting.send(GET)
        assert not select.select([new.sock, waiting.sock], [], [], 0.1)[0]
        assert new.request("GET", "/length").body == b"hello"
        assert waiting.read_response().body == b"hello"


def test_a_new_connection_makes_way_where_nothing_comes(worker_class: str) -> None:
    """At the limit, clients that connect and send nothing keep others waiting for a moment only, and at no cost."""
    with (
        Server("wsgi_cases:app", "-k", worker_class, "--worker-connections", "2") as server,
        Client(server.address) as silent,
        Client(server.address),
        Client(server.address) as client,
    ):
        (worker,) = server.worker_pids()
        used_s, begun_at = cpu_s(worker), time.monotonic()
        assert client.request("GET", "/length").body == b"hello"
        took_s = time.monotonic() - begun_at
        assert took_s < 5
        assert cpu_s(worker) - used_s < 0.1 * took_s
        assert silent.is_closed()


def test_new_connections_wait_where_none_is_idle(worker_class: str) -> None:
    """At the limit with nobody idle, new clients wait in the backlog, at no cost, until one becomes idle."""
    with Server("wsgi_cases:app", "-k", worker_class, "--worker-connections", "3") as server:
        (worker,) = server.worker_pids()
        busy = [Client(server.address) for _ in range(3)]
        for client in busy:
            client.send(GET[:-2])
        with Client(server.address) as waiting:
            waiting.send(GET)
            used_s, begun_at = cpu_s(worker), time.monotonic()
            assert not select.select([waiting.sock], [], [], 0.5)[0]
            assert cpu_s(worker) - used_s < 0.1 * (time.monotonic() - begun_at)
            busy[0].send(GET[-2:])
            assert busy[0].read_response().status == 200
            assert waiting.read_response().body == b"hello"
        for client in busy[1:]:
            client.send(GET[-2:])
            assert client.read_response().status == 200
        for client in busy:
            client.close()


def test_waiting_clients_of_a_full_worker_are_served_on_term(worker_class: str) -> None:
    """A worker that is full when it has to stop still serves who waits in its backlog."""
    args = ("-k", worker_class, "--worker-connections", "2")
    with Server("app:app", *args, files=FILES) as server, contextlib.ExitStack() as stack:
        busy = stack.enter_context(contextlib.closing(Waiting(server)))
        clients = [stack.enter_context(Client(server.address)) for _ in range(6)]
        for client in clients:
            client.send(build_request("GET", "/"))
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        assert busy.open().status == 200
        for client in clients:
            assert client.read_response().status == 200
            client.close()
        assert server.wait() == 0


def test_no_request_is_lost_where_connections_make_way(worker_class: str) -> None:
    """New connections beyond the limit, each with its request, are all answered."""
    with Server("mirror:headers_only", "-k", worker_class, "--worker-connections", "4") as server:
        clients = []
        for number in range(50):
            clients.append(Client(server.address))
            clients[-1].send(build_request("GET", f"/{number}"))
        for number, client in enumerate(clients):
            assert client.read_response().text == f"GET /{number} - "
            client.close()
        assert exchange(server.address, build_request("GET", "/", {"Connection": "close"})).endswith(b"GET / - ")
        assert get(server.address).status == 200
