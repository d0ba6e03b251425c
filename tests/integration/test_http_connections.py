"""Connections: kept, pipelined, half-closed, broken off; each answer in its place."""

import json
import os
import socket
import struct
import threading
from collections.abc import Iterator

import pytest

from support.client import Client, build_request, get
from support.gate import FILES
from support.processes import memory_kib, open_descriptors
from support.server import WORKER_CLASSES, Server

GET = build_request("GET", "/")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker, which must outlive all of it."""
    args = ("--limit-request-body", "1000000", "--body-timeout", "20")
    with Server("mirror:headers_only", "-k", str(request.param), *args) as running:
        before = running.worker_pids()
        yield running
        assert running.worker_pids() == before


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A connection."""
    with Client(server.address) as connected:
        yield connected


def reset(client: Client) -> None:
    """Break the connection off."""
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def settled_descriptors(server: Server, witness: Client) -> list[str]:
    """Return what the worker holds, once it has seen to all that happened so far."""
    for _ in range(3):  # each in a later turn of its loop
        assert witness.request("GET", "/length").status == 200
    (worker,) = server.worker_pids()
    return sorted(open_descriptors(worker).values())


# -- kept


def test_many_requests_over_one_connection(client: Client) -> None:
    """A connection is kept as long as the client likes."""
    for number in range(200):
        assert client.request("GET", f"/{number}").text == f"GET /{number} - "


@pytest.mark.parametrize("value", ["close", "x-foo, close", "Close", "close, keep-alive"])
def test_client_closes(client: Client, value: str) -> None:
    """`Connection: close` anywhere in the list ends the connection, and what is behind it never runs."""
    client.send(build_request("GET", "/", {"Connection": value}) + build_request("GET", "/behind"))
    assert client.read_response().header("Connection") == "close"
    assert client.is_closed()


# -- pipelined


def test_pipelined_requests_are_answered_in_order(client: Client) -> None:
    """A hundred requests in one packet, with bodies among them."""
    requests = [build_request("POST" if at % 3 else "GET", f"/{at}", body=b"b" * (at % 3)) for at in range(100)]
    client.send(b"".join(requests))
    for at in range(100):
        assert client.read_response().text == f"{'POST' if at % 3 else 'GET'} /{at} - {'b' * (at % 3)}"


def test_thousand_pipelined_requests_of_a_slow_reader(worker_class: str) -> None:
    """Responses that nobody reads do not pile up in memory; others are served; in the end all arrive in order."""
    with Server("wsgi_cases:app", "-k", worker_class) as server, Client(server.address) as client:
        (worker,) = server.worker_pids()
        get(server.address, "/file")
        before = memory_kib(worker)
        sender = threading.Thread(target=client.send, args=(build_request("GET", "/file") * 1000,))
        sender.start()
        client.read_until(b"\r\n\r\n")
        for _ in range(20):
            assert get(server.address, "/length").body == b"hello"
        assert memory_kib(worker) - before < 8 << 10
        client.read_bytes(1_000_000)
        for _ in range(30):
            assert client.read_response().body == b"0123456789" * 100_000
        reset(client)
        sender.join(10)
        assert get(server.address, "/length").body == b"hello"


def test_pipelining_client_does_not_hold_up_others(server: Server, client: Client) -> None:
    """While hundreds of requests of one client wait, another's is answered in its turn."""
    client.send(build_request("GET", "/x") * 2000)
    assert get(server.address, "/y").text == "GET /y - "
    for _ in range(2000):
        assert client.read_response().text == "GET /x - "


# -- cut into pieces


REQUESTS = {
    "no content": build_request("GET", "/cut?x", {"X-Id": "7"}),
    "content": build_request("POST", "/cut?x", {"X-Id": "7"}, b"content"),
    "chunks": build_request(
        "POST",
        "/cut?x",
        {"X-Id": "7", "Transfer-Encoding": "chunked"},
        b"4\r\ncont\r\n3;x=y\r\nent\r\n0\r\nX-T: 1\r\n\r\n",
    ),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_request_cut_at_every_byte(client: Client, kind: str) -> None:
    """Two requests in two packets, cut anywhere: two answers."""
    request = REQUESTS[kind]
    method, content = request.split()[0].decode(), "" if kind == "no content" else "content"
    for cut in range(1, len(request)):
        client.send(request + request[:cut])
        assert client.read_response().text == f"{method} /cut?x 7 {content}"
        client.send(request[cut:])
        assert client.read_response().text == f"{method} /cut?x 7 {content}"


# -- 100-continue


EXPECT = {"Expect": "100-continue"}


def test_continue_is_sent_once_before_the_content(client: Client) -> None:
    """A client that waits to be asked is asked, for each of its requests."""
    for _ in range(2):
        client.send(build_request("POST", "/", {**EXPECT, "Content-Length": "3"}))
        assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
        assert client.pending() == 0
        client.send(b"abc")
        response = client.read_response()
        assert (response.interim, response.text) == ([], "POST / - abc")


def test_continue_is_not_sent_where_the_content_is_there(client: Client) -> None:
    """A client that did not wait gets its answer, with or without having been asked."""
    client.send(build_request("POST", "/", EXPECT, b"abc") + GET)
    assert client.read_response().text == "POST / - abc"
    assert client.read_response().text == "GET / - "


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"Content-Length": "1000001"}, 413), ({"Expect": "200-ok", "Content-Length": "3"}, 417)],
)
def test_refused_instead_of_continue(client: Client, headers: dict[str, str], status: int) -> None:
    """Content that will not be taken is not asked for."""
    client.send(build_request("POST", "/", {**EXPECT, **headers}))
    response = client.read_response()
    assert (response.status, response.interim) == (status, [])
    assert client.is_closed()


@pytest.mark.parametrize("headers", [{"Content-Length": "0"}, {}])
def test_no_continue_without_content(client: Client, headers: dict[str, str]) -> None:
    """There is nothing to wait for."""
    assert client.request("POST", "/", {**EXPECT, **headers}).interim == []


def test_no_continue_for_an_old_client(client: Client) -> None:
    """HTTP/1.0 has no interim responses."""
    client.send(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc")
    response = client.read_response()
    assert (response.interim, response.text) == ([], "POST / - abc")


def test_continue_behind_another_request(client: Client) -> None:
    """A request that waits to be asked, pipelined behind another: asked once its turn has come."""
    client.send(GET + build_request("POST", "/", {**EXPECT, "Content-Length": "3"}))
    assert client.read_response().text == "GET / - "
    assert client.read_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue"
    client.send(b"abc" + GET)
    assert client.read_response().text == "POST / - abc"
    assert client.read_response().text == "GET / - "


# -- half-closed and gone


@pytest.mark.parametrize("kind", REQUESTS)
def test_half_closed_client_gets_its_answers(client: Client, kind: str) -> None:
    """A client that has said all it had to say still listens."""
    client.send(REQUESTS[kind] * 3)
    client.sock.shutdown(socket.SHUT_WR)
    for _ in range(3):
        assert client.read_response().status == 200
    assert client.is_closed()


def test_half_closed_client_gets_a_large_answer(worker_class: str) -> None:
    """The same where the response does not fit into the socket's buffers."""
    with Server("wsgi_cases:app", "-k", worker_class) as server, Client(server.address) as client:
        client.send(build_request("GET", "/large_chunks"))
        client.sock.shutdown(socket.SHUT_WR)
        assert len(client.read_response().body) == 20 << 20


@pytest.mark.parametrize("cut", [10, -1])
@pytest.mark.parametrize("kind", REQUESTS)
def test_request_that_is_broken_off(server: Server, client: Client, kind: str, cut: int) -> None:
    """A client that ends in the midst of a request gets 400, and its request is not run."""
    client.send(REQUESTS[kind][:cut])
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read_response().status == 400
    assert client.is_closed()


@pytest.mark.parametrize("kind", REQUESTS)
def test_reset_at_every_byte(server: Server, kind: str) -> None:
    """A connection that is reset anywhere in a request harms nobody."""
    for cut in range(0, len(REQUESTS[kind]) + 1, 3):
        client = Client(server.address)
        client.send(REQUESTS[kind][:cut])
        reset(client)
    assert get(server.address).status == 200


def test_client_that_goes_before_it_is_asked_to_continue(worker_class: str) -> None:
    """A client that waits to be asked, and is gone when its turn comes, costs only its own connection."""
    with Server("app:app", "-k", worker_class, files=FILES) as server:
        pids = server.worker_pids()
        gate = server.directory / "gate"
        os.mkfifo(gate)
        for _ in range(3):
            seen = server.log().count("request begun")
            with Client(server.address) as busy, Client(server.address) as gone:
                busy.send(build_request("GET", "/wait"))
                server.wait_for_log("request begun", seen + 1)
                gone.send(build_request("POST", "/", {**EXPECT, "Content-Length": "3"}))
                reset(gone)
                gate.write_text("open")
                assert busy.read_response().status == 200
        assert get(server.address).status == 200
        assert server.worker_pids() == pids


def test_client_that_goes_in_the_midst_of_its_response(worker_class: str) -> None:
    """Broken-off downloads, of every kind of body, leave nothing behind: not a descriptor, not a file."""
    with Server("wsgi_cases:app", "-k", worker_class) as server:
        with Client(server.address) as witness:
            before = settled_descriptors(server, witness)
            for case in ("large", "large_pieces", "large_chunks", "file_large") * 5:
                client = Client(server.address)
                client.send(build_request("GET", f"/{case}") * 2)
                client.read_bytes(100)
                reset(client)
            assert settled_descriptors(server, witness) == before
        assert "failed" not in server.log()


def test_descriptors_return_after_many_connections(server: Server) -> None:
    """Two thousand connections, well-behaved and not, and the worker holds what it held before."""
    witness = Client(server.address)
    before = settled_descriptors(server, witness)
    endings = (b"", GET, GET[:9], b"\x00", build_request("POST", "/", {"Content-Length": "9"}), GET * 2)
    for number in range(2000):
        client = Client(server.address)
        client.send(endings[number % len(endings)])
        if number % 2:
            reset(client)
        else:
            client.sock.shutdown(socket.SHUT_WR)
            client.read_to_end()
            client.close()
    with witness:
        assert settled_descriptors(server, witness) == before


def test_environ_of_pipelined_requests(worker_class: str) -> None:
    """What was read with another request is told of its own."""
    with Server("mirror:app", "-k", worker_class) as server, Client(server.address) as client:
        client.send(b"".join(build_request("GET", f"/{at}", {f"X-{at}": "1"}) for at in range(20)))
        for at in range(20):
            said = json.loads(client.read_response().body)
            assert [name for name in said if name.startswith("HTTP_X_")] == [f"HTTP_X_{at}"]
