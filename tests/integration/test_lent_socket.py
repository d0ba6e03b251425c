"""A client's socket in the environ of a WSGI application: what becomes of the connection."""

import select
import signal
from collections.abc import Iterator

import pytest

from support.client import Client, build_request
from support.server import Server

UPGRADE = {"Connection": "Upgrade", "Upgrade": "echo"}

pytestmark = pytest.mark.slow


@pytest.fixture(params=["thread", "gevent", "eventlet"])
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each class that lends."""
    return str(request.param)


@pytest.fixture
def server(worker_class: str) -> Iterator[Server]:
    """One that logs each request."""
    args = ("-k", worker_class, "--threads", "4", "--access-logfile", "-", "--access-logformat", "%(U)s %(s)s")
    with Server("lent_cases:app", *args, tracebacks=True) as running:
        yield running


def switched(server: Server, path: str) -> Client:
    """Return a client that talks to the application itself."""
    client = Client(server.address, 10.0)
    client.send(build_request("GET", path, UPGRADE))
    assert client.read_response().status == 101
    return client


def echoes(client: Client, data: bytes) -> bool:
    """Tell whether `data` comes back."""
    client.send(data)
    return client.read_bytes(len(data)) == data


@pytest.mark.parametrize("path", ["/echo", "/stop", "/late", "/iterator"])
@pytest.mark.parametrize("word", [b"end", b"close", b""])
def test_application_speaks_for_itself(server: Server, path: str, word: bytes) -> None:
    """However it ends, nothing of HTTP follows what it said, the connection is closed, and the log says 101."""
    with switched(server, path) as client:
        assert echoes(client, b"hello")
        assert echoes(client, b"x" * 50_000)
        if word:
            client.send(word)
        else:
            client.sock.shutdown(1)
        assert client.read_to_end() == b""
    server.wait_for_stdout(f"{path} 101\n")
    assert "Traceback" not in server.log()


@pytest.mark.parametrize(("path", "body"), [("/plain", b"True"), ("/pieces", b"x" * 1_000_000 + b"y")])
def test_application_that_answers_is_as_any_other(server: Server, path: str, body: bytes) -> None:
    """A response through start_response, and the connection is kept; the socket is offered where it was asked for."""
    with Client(server.address) as client:
        for _ in range(3):
            assert client.request("GET", path, UPGRADE).body == body
            assert client.request("GET", "/plain").body == b"False"
    server.wait_for_stdout(f"{path} 200\n", 3)


def test_requests_behind_one_that_is_answered(server: Server) -> None:
    """What was pipelined behind it is answered in order."""
    with Client(server.address) as client:
        client.send(build_request("GET", "/plain", UPGRADE) * 2 + build_request("GET", "/plain"))
        assert [client.read_response().body for _ in range(3)] == [b"True", b"True", b"False"]


def test_application_that_fails(server: Server) -> None:
    """500 where nothing was sent; else the connection ends, and the log tells of it all the same."""
    with Client(server.address) as client:
        assert client.request("GET", "/fails", UPGRADE).status == 500
        assert client.is_closed()
    with switched(server, "/fails-later") as client:
        assert client.read_to_end() == b""
    server.wait_for_log("RuntimeError: before anything was sent")
    server.wait_for_log("RuntimeError: after something was sent")


def test_client_that_vanishes(server: Server) -> None:
    """The application sees the end."""
    switched(server, "/echo").close()
    server.wait_for_log("echo ends")


def test_drain(worker_class: str) -> None:
    """Whoever talks when the server stops may go on until the deadline; then it is cut, and counted."""
    args = ("-k", worker_class, "--threads", "4", "--graceful-timeout", "1")
    with Server("lent_cases:app", *args, exit_status=None) as server:
        with switched(server, "/echo") as one, switched(server, "/echo") as two:
            server.signal(signal.SIGTERM)
            server.wait_for_log("stopping")
            assert echoes(one, b"still here")
            one.send(b"end")
            assert one.read_to_end() == b""
            assert two.read_to_end() == b""
            assert server.wait() == 75
        assert "stopped cut=1 requests=1 " in server.log()


def test_drain_that_waits(worker_class: str) -> None:
    """Nothing is cut where the application ends in time."""
    with Server("lent_cases:app", "-k", worker_class, "--threads", "4") as server, switched(server, "/echo") as client:
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        assert echoes(client, b"still here")
        client.send(b"end")
        assert client.read_to_end() == b""
        assert server.wait() == 0


def test_talk_longer_than_a_request_may_take(worker_class: str) -> None:
    """`request_timeout` is for answers: who speaks for itself may speak on."""
    args = ("-k", worker_class, "--threads", "4", "--request-timeout", "1", "--timeout", "1")
    with Server("lent_cases:app", *args) as server:
        clients = [switched(server, "/echo") for _ in range(4)]
        assert not select.select([client.sock for client in clients], [], [], 3.0)[0]
        for client in clients:
            assert echoes(client, b"still here")
            client.close()
