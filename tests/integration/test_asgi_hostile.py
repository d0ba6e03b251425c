"""ASGI where clients and applications do what they should not, on each event loop."""

import importlib.util
import os
import select
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from support.client import Client, ResponseError, get
from support.processes import open_descriptors, wait_ended
from support.server import APPS, Server, heeler

LOOPS = ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") else ("asyncio",)
GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
CUT = 75
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)
POST = b"POST %b HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n"


@pytest.fixture(scope="module", params=LOOPS)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker with short deadlines, which must outlive all of it."""
    args = ("--body-timeout", "0.5", "--header-timeout", "0.5")
    with serving(str(request.param), *args) as running:
        os.mkfifo(running.directory / "gate")
        before = running.worker_pids()
        yield running
        assert running.worker_pids() == before


@pytest.fixture(params=LOOPS)
def loop(request: pytest.FixtureRequest) -> str:
    """Each event loop."""
    return str(request.param)


def serving(loop: str, *args: str, app: str = "app", **options: object) -> Server:
    """Return a server that starts in a folder of its own."""
    return Server(
        f"hostile_asgi:{app}",
        *("-k", "asyncio", "--loop", loop, "--pythonpath", str(APPS), *args),
        files={"file": ""},
        tracebacks=True,
        **options,  # type: ignore[arg-type]
    )


class Gate:
    """What `/gated` and the like wait at.

    Args:
        server: whose application waits there.
    """

    def __init__(self, server: Server) -> None:
        self._path = server.directory / "gate"
        self._server = server
        self._seen = server.stdout().count("at the gate")
        if not self._path.exists():
            os.mkfifo(self._path)

    def wait(self, count: int = 1) -> None:
        """Wait until somebody is there."""
        self._server.wait_for_stdout("at the gate", self._seen + count)

    def open(self) -> None:
        """Let them go on."""
        # In a thread: the other end may be gone, and then nobody ever opens the pipe for reading.
        threading.Thread(target=lambda: self._path.open("w").close(), daemon=True).start()


def is_silent(client: Client, seconds: float) -> bool:
    """Whether nothing comes for so long."""
    return not select.select([client.sock], [], [], seconds)[0]


def statuses(answer: bytes) -> list[int]:
    """Return the status of each response in `answer`; no body of ours holds a status line."""
    return [int(part[2:5]) for part in answer.split(b"HTTP/1.")[1:]]


# -- clients: what stands behind a request


@pytest.mark.parametrize("path", [b"/hello", b"/gated"])
@pytest.mark.parametrize("is_at_once", [True, False], ids=["at once", "later"])
def test_nonsense_behind_a_request(server: Server, path: bytes, is_at_once: bool) -> None:
    """What is no request does not cost the one before it its answer."""
    gate, nonsense = Gate(server), b"NONSENSE\r\n\r\n"
    with Client(server.address) as client:
        client.send(GET % path + nonsense * is_at_once)
        if path == b"/gated":
            gate.wait()
            client.send(nonsense * (not is_at_once))
            assert is_silent(client, 0.1)
            gate.open()
        else:
            client.send(nonsense * (not is_at_once))
        assert statuses(client.read_to_end()) == [200, 400]


def test_head_that_begins_behind_a_request(server: Server) -> None:
    """A head whose first bytes come while another request is answered has no more time than any other."""
    gate = Gate(server)
    with Client(server.address) as client:
        client.send(GET % b"/gated")
        gate.wait()
        client.send(b"GET / HT")
        assert is_silent(client, 0.1)
        gate.open()
        assert client.read_response().text == "hello"
        assert client.read_response().status == 408
        assert client.is_closed()


def test_client_that_leaves_with_a_request_behind(server: Server) -> None:
    """An application that waits is told when its client leaves, though that has sent another request."""
    told = server.stdout().count("told http.disconnect")
    waiting = server.stdout().count("waiting")
    with Client(server.address) as client:
        client.send(GET % b"/waits" + GET % b"/hello")
        server.wait_for_stdout("waiting", waiting + 1)
    server.wait_for_stdout("told http.disconnect", told + 1)


def test_requests_of_a_client_that_ends_its_side(server: Server) -> None:
    """All requests of a half-closed client are answered."""
    gate = Gate(server)
    with Client(server.address) as client:
        client.send(GET % b"/gated" + GET % b"/hello" + POST % (b"/echo", b"Content-Length: 3") + b"abc")
        client.sock.shutdown(socket.SHUT_WR)
        gate.wait()
        gate.open()
        assert [client.read_response().text for _ in range(3)] == ["hello", "hello", "abc"]
        assert client.is_closed()


# -- clients: content


@pytest.mark.parametrize("before", [b"", GET % b"/hello"], ids=["alone", "pipelined"])
@pytest.mark.parametrize("end", ["nonsense", "silence", "leaving"])
def test_content_of_an_answered_request(server: Server, before: bytes, end: str) -> None:
    """A request that was answered gets no second answer for what is wrong with the rest of its content."""
    with Client(server.address) as client:
        client.send(before + POST % (b"/refuses", b"Transfer-Encoding: chunked"))
        if before:
            assert client.read_response().text == "hello"
        assert client.read_response().status == 413
        if end == "nonsense":
            client.send(b"nonsense\r\n")
        elif end == "leaving":
            client.sock.shutdown(socket.SHUT_WR)
        assert client.read_to_end() == b""


@pytest.mark.parametrize("before", [b"", GET % b"/hello"], ids=["alone", "pipelined"])
def test_content_that_does_not_come(server: Server, before: bytes) -> None:
    """Silence in the content is answered with 408, whatever came before."""
    with Client(server.address) as client:
        client.send(before + POST % (b"/echo", b"Content-Length: 3"))
        assert statuses(client.read_to_end()) == [200] * bool(before) + [408]


def test_content_that_comes_a_while_after_other_content(server: Server) -> None:
    """Each request has all its time for its content, however long ago the last one's came."""
    with Client(server.address) as client:
        for _ in range(2):
            client.send(POST % (b"/echo", b"Content-Length: 3"))
            assert is_silent(client, 0.3)
            client.send(b"abc")
            assert client.read_response().text == "abc"
            assert is_silent(client, 0.6)


@pytest.mark.parametrize("before", [b"", GET % b"/hello"], ids=["alone", "pipelined"])
@pytest.mark.parametrize("path", [b"/fails", b"/refuses"])
def test_answer_before_the_content(server: Server, path: bytes, before: bytes) -> None:
    """A client that still sends when it is answered and dismissed is not reset: it can read the answer."""
    with Client(server.address) as client:
        close = b"Connection: close\r\nContent-Length: 1000000"
        client.send(before + POST % (path, close) + bytes(1000))
        if before:
            assert client.read_response().text == "hello"
        assert client.read_response().status in (413, 500)
        for _ in range(10):
            client.send(bytes(1000))
            assert client.sock.recv(1) == b"" if not is_silent(client, 0.01) else True
        client.sock.shutdown(socket.SHUT_WR)
        assert client.sock.recv(1) == b""


def test_content_that_is_asked_for_late(server: Server) -> None:
    """A client that waits to be asked for its content is not too slow."""
    gate = Gate(server)
    with Client(server.address) as client:
        client.send(POST % (b"/asks_late", b"Content-Length: 3\r\nExpect: 100-continue"))
        gate.wait()
        assert is_silent(client, 1.2)
        gate.open()
        client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"abc")
        assert client.read_response().text == "abc"


def test_content_that_is_asked_for_within_the_response(server: Server) -> None:
    """Nothing is said between the parts of a response."""
    with Client(server.address) as client:
        client.send(POST % (b"/asks_within", b"Content-Length: 3\r\nExpect: 100-continue"))
        client.read_until(b"first\r\n")
        client.send(b"abc")
        assert client.read_to_end() == b"4\r\nlast\r\n0\r\n\r\n"


def test_content_that_is_asked_for_within_the_response_and_does_not_come(server: Server) -> None:
    """The client is cut when its time is over."""
    with Client(server.address) as client:
        client.send(POST % (b"/asks_within", b"Content-Length: 3\r\nExpect: 100-continue"))
        with pytest.raises((ResponseError, ConnectionError)):
            client.read_response()


# -- clients: how many


def test_accepting_again(loop: str) -> None:
    """A client that waits for a place is served as soon as another connection is idle."""
    with serving(loop, "--worker-connections", "2") as server:
        gate = Gate(server)
        with Client(server.address) as first, Client(server.address) as second:
            for client in (first, second):
                client.send(GET % b"/gated")
            gate.wait(2)
            with Client(server.address) as third:
                third.send(GET % b"/hello")
                assert is_silent(third, 0.2)
                gate.open()
                assert third.read_response().text == "hello"


def test_nothing_is_left_of_clients(loop: str) -> None:
    """Clients that leave in the midst of all sorts of things leave neither descriptors nor entries behind."""
    with serving(loop, "--disconnect-grace", "0.2", "--keep-alive", "0.2") as server:
        (worker,) = server.worker_pids()
        get(server.address)
        before = len(open_descriptors(worker))
        upload = POST % (b"/echo", b"Content-Length: 1000000")
        sent = [GET % b"/waits", GET % b"/waits" * 3, upload, upload + bytes(200_000), GET % b"/large", GET[:9]]
        sent += [GET % b"/hello" + upload, POST % (b"/refuses", b"Content-Length: 99"), GET % b"/large" * 2]
        for _ in range(5):
            clients = [Client(server.address) for _ in sent]
            for client, data in zip(clients, sent, strict=True):
                client.send(data)
            get(server.address)
            for number, client in enumerate(clients):
                if number % 2:
                    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                client.close()
        pause = threading.Event()
        for _ in range(100):
            text = heeler("status", "--pid", str(server.pid), "--json").stdout
            if len(open_descriptors(worker)) <= before and '"in_flight": 0' in text:
                break
            pause.wait(0.1)
        assert len(open_descriptors(worker)) <= before
        assert '"in_flight": 0' in text, text


# -- applications


@pytest.mark.parametrize("path", ["/raises_in_task", "/stops_loop"])
def test_what_ends_a_loop(server: Server, path: str) -> None:
    """What ends a program ends neither the worker nor a request of others."""
    gate = Gate(server)
    with Client(server.address) as client:
        client.send(GET % b"/gated")
        gate.wait()
        assert get(server.address, path).text == "hello"
        gate.open()
        assert client.read_response().text == "hello"


@pytest.mark.parametrize("path", ["/takes_signals", "/blocks_threads", "/leaves_things"])
def test_application_that_does_not_let_go(loop: str, path: str) -> None:
    """Whatever an application leaves behind, its worker ends when it is told to."""
    with serving(loop) as server:
        assert get(server.address, path).text == "hello"
        assert server.stop(10) == 0
        assert "lifespan stopped" in server.stdout()
        assert "killed" not in server.log()


def test_fork_of_an_application(loop: str) -> None:
    """A child of the application keeps no client, and the worker serves on."""
    with serving(loop) as server:
        gate = Gate(server)
        with Client(server.address) as client:
            assert client.request("GET", "/forks", {"Connection": "close"}).text == "hello"
            assert client.is_closed()
        assert get(server.address, "/hello").text == "hello"
        gate.open()


def test_request_that_cannot_be_cancelled(loop: str) -> None:
    """A client of an application that takes no cancellation is let go in the end, and a drain does not wait for it."""
    times = ("--request-timeout", "0.3", "--graceful-timeout", "1")
    with serving(loop, *times) as server, Client(server.address) as client:
        client.send(GET % b"/stubborn")
        server.wait_for_stdout("not cancelled")
        assert get(server.address).text == "hello"
        assert server.stop() == CUT
        assert client.is_closed()
        assert "killed" not in server.log()
        assert "lifespan stopped" in server.stdout()


# -- the end of a worker


def test_client_that_is_held_in_a_drain(loop: str) -> None:
    """A request that waits for something to happen is answered when the worker stops."""
    with serving(loop, "--graceful-timeout", "1") as server, Client(server.address) as client:
        client.send(GET % b"/waits")
        server.wait_for_stdout("waiting")
        server.signal(signal.SIGTERM)
        assert client.read_response().status == 503
        assert client.is_closed()
        assert server.wait() == 0


def test_shutdown_after_the_grace(loop: str) -> None:
    """A lifespan's shutdown behind a drain that took all its time is waited for at rest."""
    with serving(loop, "--graceful-timeout", "0.3", app="slow_shutdown") as server, Client(server.address) as client:
        client.send(GET % b"/stubborn")
        server.wait_for_stdout("stubborn")
        assert server.stop() == CUT
        assert "killed" not in server.log()
        (spent,) = [line.split()[-1] for line in server.stdout().splitlines() if line.startswith("shut down")]
        assert float(spent) < 0.2


@pytest.mark.parametrize("number", ENDS)
def test_end_within_the_startup(loop: str, number: signal.Signals) -> None:
    """A worker whose application hangs in its startup ends with the arbiter, however that ends."""
    with serving(loop, app="hangs_in_startup", exit_status=None) as server:
        hang(server)
        workers = server.worker_pids()
        assert len(workers) == 2
        server.signal(number)
        server.wait(5)
        assert not wait_ended(workers, 5.0)


def test_startup_that_never_ends(loop: str) -> None:
    """An application that hangs in its startup fails the reload when the time for a boot is over."""
    with serving(loop, "--boot-timeout", "1", app="hangs_in_startup") as server:
        before = server.worker_pids()
        hang(server)
        server.wait_for_log("reload failed")
        assert get(server.address).text == "hello"
        server.wait_for_log("worker exited slot=1 generation=2")
        assert server.worker_pids() == before


def hang(server: Server) -> None:
    """Reload what hangs in its startup from now on."""
    server.write("hang", "")
    server.signal(signal.SIGHUP)
    server.wait_for_stdout("starting")


@pytest.mark.parametrize("number", ENDS)
@pytest.mark.parametrize("path", [b"/waits", b"/large", b"/stubborn"])
def test_signals_in_requests(loop: str, number: signal.Signals, path: bytes) -> None:
    """However the arbiter ends, its workers end, and soon."""
    with serving(loop, "--graceful-timeout", "1", exit_status=None) as server, Client(server.address) as client:
        workers = server.worker_pids()
        client.send(GET % path)
        client.send(GET % b"/hello")
        assert get(server.address).text == "hello"
        server.signal(number)
        server.wait(10)
        assert not wait_ended(workers, 5.0)


# -- loops


def test_loop_of_ones_own() -> None:
    """A factory names the event loop."""
    with serving("hostile_asgi:make_loop") as server:
        assert get(server.address).text == "hello"
        assert "loop made" in server.stdout()


@pytest.mark.parametrize(
    ("factory", "says"),
    [
        ("hostile_asgi:make_nothing", "loop = hostile_asgi:make_nothing: no event loop, but None"),
        ("hostile_asgi:make_trouble", "no loop today"),
        ("hostile_asgi:absent", "absent"),
        ("absent_module:make", "absent_module"),
        ("hostile_asgi:GATE", "hostile_asgi:GATE: no event loop"),
    ],
)
def test_loop_that_is_none(factory: str, says: str) -> None:
    """What makes no event loop fails the boot, and is named."""
    done = heeler("hostile_asgi:app", "-k", "asyncio", "--loop", factory, "--bind", "127.0.0.1:0")
    assert done.status == 3
    assert says in done.stderr
