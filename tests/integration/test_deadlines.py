"""Each phase of a connection has its deadline, the same in every worker class and interface."""

import select
import time
from collections.abc import Iterator

import pytest

from support.client import Client, ResponseError, build_request
from support.server import SERVED, Server
from wsgi_cases import LARGE

GET = build_request("GET", "/")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=SERVED, ids="-".join)
def served(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """The arguments that serve the application: each worker class with each interface it has."""
    worker_class, interface = request.param
    return (f"deadline_cases:{interface}", "-k", worker_class)


@pytest.fixture(scope="module")
def impatient(served: tuple[str, ...]) -> Iterator[Server]:
    """Every deadline is short, and different."""
    args = ("--header-timeout", "1", "--body-timeout", "1", "--write-timeout", "1", "--keep-alive", "0.3")
    with Server(*served, *args, "--request-timeout", "2.5", tracebacks=True) as running:
        before = running.worker_pids()
        yield running
        assert running.worker_pids() == before


def seconds_until_end(client: Client) -> tuple[bytes, float]:
    """Return what comes until the server closes, and when that was."""
    begun_at = time.monotonic()
    return client.read_to_end(), time.monotonic() - begun_at


def test_silent_client(impatient: Server) -> None:
    """Who connects and says nothing is dropped without a word."""
    with Client(impatient.address) as client:
        said, waited_s = seconds_until_end(client)
        assert said == b""
        assert 0.9 < waited_s < 3


def test_slow_head(impatient: Server) -> None:
    """A head must be whole in time, however steadily it drips: 408."""
    with Client(impatient.address) as client:
        begun_at = time.monotonic()
        for byte in GET[:-1] + b"x" * 1000:
            client.send(bytes([byte]))
            if select.select([client.sock], [], [], 0.05)[0]:
                break
        assert client.read_response().status == 408
        assert 0.9 < time.monotonic() - begun_at < 3
        assert client.is_closed()


def test_second_head_that_is_slow(impatient: Server) -> None:
    """The same for a later request of the connection."""
    with Client(impatient.address) as client:
        assert client.request("GET", "/").status == 200
        client.send(GET[:-1])
        assert client.read_response().status == 408
        assert client.is_closed()


@pytest.mark.parametrize("framing", [{"Content-Length": "1000"}, {"Transfer-Encoding": "chunked"}])
def test_silence_in_a_body(impatient: Server, framing: dict[str, str]) -> None:
    """A client that is silent within a body gets 408; one that drips in time is waited for."""
    with Client(impatient.address) as client:
        client.send(build_request("POST", "/read", framing))
        for _ in range(4):
            assert not select.select([client.sock], [], [], 0.2)[0]
            client.send(b"1\r\nx\r\n" if "Transfer-Encoding" in framing else b"x")
        assert client.read_response().status == 408
        assert client.is_closed()


def test_request(impatient: Server) -> None:
    """An application that takes too long is interrupted: 504, its stack in the log, and the worker serves on."""
    seen = impatient.log_size()
    with Client(impatient.address) as client:
        begun_at = time.monotonic()
        client.send(build_request("GET", "/slow"))
        assert client.read_response().status == 504
        assert 2.4 < time.monotonic() - begun_at < 5
        assert client.is_closed()
    impatient.wait_for_log("interrupted by", start=seen)
    impatient.wait_for_log("request timed out method=GET path=/slow", start=seen)
    assert "deadline_cases.py" in impatient.log(seen)
    with Client(impatient.address) as client:
        assert client.request("GET", "/").status == 200


def test_request_whose_response_has_begun(impatient: Server) -> None:
    """The same when a part of the response is out: the connection is cut, so that nobody takes it for the whole."""
    with Client(impatient.address) as client:
        client.send(build_request("GET", "/begun"))
        with pytest.raises((ResponseError, ConnectionError, EOFError)):
            client.read_response()


def test_client_that_stops_reading(impatient: Server) -> None:
    """A client that takes nothing of its response for too long is cut."""
    with Client(impatient.address) as client:
        client.send(build_request("GET", "/large"))
        client.read_until(b"\r\n\r\n")
        assert not select.select([], [], [], 2.5)[0]
        with pytest.raises((ResponseError, ConnectionError, EOFError)):
            client.read_bytes(len(LARGE))


def test_idle_connection(impatient: Server) -> None:
    """A connection that is idle between two requests is closed after `keepalive`, without a word."""
    with Client(impatient.address) as client:
        for _ in range(2):
            assert client.request("GET", "/").status == 200
        said, waited_s = seconds_until_end(client)
        assert said == b""
        assert 0.2 < waited_s < 0.9


def test_drain(served: tuple[str, ...]) -> None:
    """What is still running at the end of `graceful_timeout` is cut, and the stop is not held up."""
    with Server(*served, "--graceful-timeout", "1", tracebacks=True) as server, Client(server.address) as client:
        client.send(build_request("GET", "/slow"))
        server.wait_for_log("application began")
        begun_at = time.monotonic()
        server.stop()
        assert 0.9 < time.monotonic() - begun_at < 5
        with pytest.raises((ResponseError, ConnectionError, EOFError)):
            client.read_response()
