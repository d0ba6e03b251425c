"""ASGI over real connections: streams both ways, clients that leave, lifespans, extensions."""

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from support.client import Client, ResponseError, get
from support.server import APPS, ASGI_CLASSES, Server, heeler


@pytest.fixture(scope="module", params=ASGI_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """An application with a path for each case."""
    with serving(str(request.param)) as running:
        yield running


@pytest.fixture(params=ASGI_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class that serves ASGI."""
    return str(request.param)


def serving(worker_class: str, *args: str, app: str = "asgi_cases:app", **options: object) -> Server:
    """Return a server that starts in a folder of its own."""
    files = {"file": "".join(f"{number:7}\n" for number in range(65536))}
    return Server(
        app,
        "-k",
        worker_class,
        "--pythonpath",
        str(APPS),
        *args,
        files=files,
        tracebacks=True,
        **options,  # type: ignore[arg-type]
    )


def open_gate(server: Server) -> None:
    """Let the application go on."""
    # In a thread: the other end may be gone, and then nobody ever opens the pipe for reading.
    threading.Thread(target=lambda: (server.directory / "gate").open("w").close(), daemon=True).start()


# -- requests and responses


def test_requests_in_a_row(server: Server) -> None:
    """One connection serves request after request, pipelined ones in their order."""
    with Client(server.address) as client:
        for _ in range(3):
            assert client.request("GET", "/hello").text == "hello"
        client.send(
            b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nPOST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" * 2
        )
        assert [client.read_response().text for _ in range(4)] == ["hello", "abc"] * 2


def test_what_it_is_told(server: Server) -> None:
    """The scope tells both ends of the connection, and what the lifespan has left."""
    with Client(server.address) as client:
        said = json.loads(client.request("GET", "/told").body)
        assert said["client"] == list(client.sock.getsockname())
    assert said["server"] == list(server.address)
    assert said["state"] == {"boots": server.worker_pids()}
    assert (said["path"], said["root_path"], said["scheme"], said["http_version"]) == ("/told", "", "http", "1.1")


def test_unix_socket(worker_class: str, tmp_path: object) -> None:
    """On a Unix socket the client has no address, and the server's is a path."""
    path = f"{tmp_path}/socket"
    with serving(worker_class, bind=(f"unix:{path}",)), Client(path) as client:
        said = json.loads(client.request("GET", "/told").body)
    assert (said["client"], said["server"]) == (None, [path, None])


def test_both_ways_at_once(server: Server) -> None:
    """What the client has sent is answered before it has sent it all."""
    with Client(server.address) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b"first", b"second"):
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece))
            client.read_until(piece)
        client.send(b"0\r\n\r\n")
        client.read_until(b"0\r\n\r\n")
        assert client.request("GET", "/hello").text == "hello"


def test_content_is_asked_for_when_it_is_wanted(server: Server) -> None:
    """A client that waits for `100 Continue` gets it when the application first receives."""
    with Client(server.address) as client:
        client.send(b"POST /asks HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        server.wait_for_stdout("about to ask")
        client.read_until(b"HTTP/1.1 100 Continue\r\n\r\n")
        client.send(b"abc")
        assert client.read_response().text == "abc"


def test_content_that_is_not_wanted(server: Server) -> None:
    """Content that nobody reads does not hold up the answer; a little of it does not cost the connection."""
    with Client(server.address) as client:
        for _ in range(2):
            response = client.request("POST", "/refuses", body=bytes(100_000))
            assert (response.status, response.text) == (413, "no")
        client.send(b"POST /refuses HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        response = client.read_response()
        assert (response.status, response.interim) == (413, [])
        assert client.is_closed()


def test_content_that_breaks_the_rules(server: Server) -> None:
    """Content that is no chunk is answered with 400, though the application is at work."""
    with Client(server.address) as client:
        client.send(b"POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nnonsense\r\n")
        assert client.read_response().status == 400
        assert client.is_closed()


@pytest.mark.alone
def test_large_content_is_not_kept(server: Server) -> None:
    """128 MiB pass through in little memory."""
    size = 128 << 20
    with Client(server.address, 30) as client:
        before = int(client.request("POST", "/count", body=b"a").text.split()[1])
        client.send(f"POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        piece = bytes(1 << 20)
        for _ in range(128):
            client.send(piece)
        total, peak = map(int, client.read_response().text.split())
    assert total == size
    assert peak - before < 16 << 10  # KiB


@pytest.mark.slow
def test_reader_that_does_not_read(worker_class: str) -> None:
    """A client is slowed down by an application that does not read, and nothing is lost."""
    size = 64 << 20
    with serving(worker_class) as server, Client(server.address, 30) as client:
        os.mkfifo(server.directory / "gate")
        client.send(f"POST /reads_late HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        server.wait_for_stdout("called")
        sent = fill(client.sock, size)
        assert sent < 32 << 20
        open_gate(server)
        client.send(bytes(size - sent))
        assert client.read_response().text.split()[0] == str(size)


def fill(sock: socket.socket, size: int) -> int:
    """Send up to `size` bytes until no more is taken; return how many were."""
    sent, timeout = 0, sock.gettimeout()
    sock.settimeout(0.5)
    try:
        while sent < size:
            sent += sock.send(bytes(min(65536, size - sent)))
    except TimeoutError:
        pass
    sock.settimeout(timeout)
    return sent


@pytest.mark.slow
def test_client_that_does_not_read(worker_class: str) -> None:
    """An application is slowed down by a client that does not read, and served to the end by one that does."""
    with serving(worker_class) as server:
        with Client(server.address) as client:
            client.send(b"GET /floods HTTP/1.1\r\nHost: x\r\n\r\n")
            server.wait_for_stdout("flood 1\n")
            assert get(server.address, "/hello").text == "hello"
            assert "flood 800" not in server.stdout()
        server.wait_for_stdout("ClientGoneError")
        with Client(server.address, 30) as client:
            assert len(client.request("GET", "/floods").body) == 1600 * 65536
        assert "request failed" not in server.log()


def test_context_is_fresh(server: Server) -> None:
    """What one request leaves in its context, the next on the same connection does not see."""
    with Client(server.address) as client:
        assert [client.request("GET", "/context").text for _ in range(2)] == ["nothing"] * 2


def test_work_behind_the_response(worker_class: str) -> None:
    """Work behind a response holds neither the client nor its connection, and is waited for when the worker stops."""
    with serving(worker_class) as server:
        os.mkfifo(server.directory / "gate")
        with Client(server.address) as client:
            assert client.request("GET", "/stays").text == "hello"
            assert client.request("GET", "/hello").text == "hello"
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        open_gate(server)
        assert server.wait() == 0
        assert "stayed" in server.stdout()
        assert server.stdout().index("stayed") < server.stdout().index("lifespan stopped")


# -- faults


@pytest.mark.parametrize("path", ["/raises", "/exits", "/cancels_itself", "/nothing"])
def test_faults_are_the_requests(server: Server, path: str) -> None:
    """Whatever an application raises, it is answered with 500, and the worker serves on."""
    before, start = server.worker_pids(), server.log_size()
    assert get(server.address, path).status == 500
    server.wait_for_log(f"path={path}", start=start)
    assert get(server.address, "/hello").text == "hello"
    assert server.worker_pids() == before


# -- clients that leave


def test_disconnect(worker_class: str) -> None:
    """An application that waits is told when its client leaves; that is no fault."""
    with serving(worker_class) as server:
        with Client(server.address) as client:
            client.send(b"GET /waits HTTP/1.1\r\nHost: x\r\n\r\n")
            server.wait_for_stdout("waiting")
        server.wait_for_stdout("told http.disconnect")
        assert get(server.address, "/hello").text == "hello"
        assert "ERROR" not in server.log()


def test_cancelled_after_the_grace(worker_class: str) -> None:
    """An application that does not look is cancelled `disconnect_grace` after its client has left."""
    with serving(worker_class, "--disconnect-grace", "0.1") as server:
        with Client(server.address) as client:
            client.send(b"GET /ignores HTTP/1.1\r\nHost: x\r\n\r\n")
            server.wait_for_stdout("ignoring")
        server.wait_for_stdout("cancelled")
        assert "ERROR" not in server.log()


def test_half_closed(server: Server) -> None:
    """A client that has ended its side gets its answer."""
    with Client(server.address) as client:
        client.send(b"GET /half HTTP/1.1\r\nHost: x\r\n\r\n")
        client.sock.shutdown(socket.SHUT_WR)
        assert client.read_response().text == "http.disconnect"
        assert client.is_closed()


# -- the end of a worker


@pytest.mark.alone
def test_stream_in_a_drain(worker_class: str) -> None:
    """A stream is told when half of the grace is over, may send its last words, and ends without the mark of an end."""
    with serving(worker_class, "--graceful-timeout", "2") as server, Client(server.address) as client:
        client.send(b"GET /streams HTTP/1.1\r\nHost: x\r\n\r\n")
        server.wait_for_stdout("streaming")
        began = time.monotonic()
        server.signal(signal.SIGTERM)
        server.wait_for_stdout("stream told http.disconnect")
        assert 0.9 < time.monotonic() - began < 1.9
        with pytest.raises(ResponseError):
            client.read_response()
        assert server.wait() == 0
        assert "lifespan stopped" in server.stdout()


@pytest.mark.slow
def test_request_in_a_drain(worker_class: str) -> None:
    """A request in flight is finished when the worker stops."""
    with serving(worker_class) as server, Client(server.address) as client:
        client.send(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nabc")
        client.read_until(b"abc")
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        client.send(b"def")
        assert b"def" in client.read_to_end()
        assert server.wait() == 0


# -- lifespan


def test_startup_that_fails(worker_class: str) -> None:
    """An application that says that it cannot start fails the boot, in its own words and without a traceback."""
    done = heeler("asgi_cases:no_database", "-k", worker_class, "--bind", "127.0.0.1:0")
    assert done.status == 3
    assert "no database\n" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mode", ["auto", "off"])
def test_no_lifespan(worker_class: str, mode: str) -> None:
    """An application without a lifespan is served."""
    with serving(worker_class, "--lifespan", mode, app="asgi_cases:without_lifespan") as server:
        assert get(server.address).text == "hello"
        assert "Traceback" not in server.log()


def test_lifespan_demanded(worker_class: str) -> None:
    """An application that must have a lifespan and has none does not boot; its traceback tells why."""
    done = heeler("asgi_cases:without_lifespan", "-k", worker_class, "--bind", "127.0.0.1:0", "--lifespan", "on")
    assert done.status == 3
    assert "AssertionError" in done.stderr


def test_shutdown_that_hangs(worker_class: str) -> None:
    """A shutdown that is not done in time does not keep the worker."""
    with serving(worker_class, "--lifespan-shutdown-timeout", "0.2", app="asgi_cases:stops_late") as server:
        assert get(server.address).text == "hello"
        assert server.stop() == 0
        assert "stops late" in server.stdout()
        assert "lifespan shutdown cut" in server.log()


# -- extensions


def test_files(server: Server) -> None:
    """Files are sent whole, by their path and in pieces, to a slow client too."""
    data = (server.directory / "file").read_bytes()
    quarter = len(data) // 4
    turned = b"".join(data[index * quarter : (index + 1) * quarter] for index in (3, 2, 1, 0))
    with Client(server.address) as client:
        for path, expected in (("/path", data), ("/pieces", turned)) * 2:
            response = client.request("GET", path)
            assert response.body == expected
        assert response.header("Transfer-Encoding") == "chunked"
        assert client.request("GET", "/path").header("Content-Length") == str(len(data))


def test_early_hints(server: Server) -> None:
    """Hints come before the response, as an interim one."""
    with Client(server.address) as client:
        response = client.request("GET", "/hints")
        assert (response.interim, response.text) == ([103], "hello")


def test_trailers(server: Server) -> None:
    """Trailers come behind the content for clients that look at them, and do not disturb what follows."""
    with Client(server.address) as client:
        client.send(b"GET /trailers HTTP/1.1\r\nHost: x\r\nTE: trailers\r\nConnection: TE\r\n\r\n")
        assert b"trailer: x-sum\r\n" in client.read_until(b"\r\n\r\n")
        client.read_until(b"5\r\nhello\r\n0\r\nx-sum: 5\r\n\r\n")
        response = client.request("GET", "/trailers")
        assert (response.text, response.header("Content-Length"), response.header("Trailer")) == ("hello", "5", "")


# -- what is told


def test_access_log(worker_class: str) -> None:
    """The access log has a line for each request; what only WSGI has is `-`."""
    template = "%(r)s %(s)s %(B)s %({x-a}i)s %({content-type}o)s %({x}e)s"
    with serving(worker_class, "--access-logfile", "-", "--access-logformat", template) as server:
        get(server.address, "/hello", {"X-A": "b"})
        server.wait_for_stdout("GET /hello HTTP/1.1 200 5 b text/plain -\n")
        get(server.address, "/raises")
        server.wait_for_stdout("GET /raises HTTP/1.1 500 0 - - -\n")


def test_many_at_once(server: Server) -> None:
    """Many clients are served side by side, each with its own answer."""
    wrong: list[object] = []

    def ask(number: int) -> None:
        with Client(server.address, 30) as client:
            for turn in range(20):
                body = f"{number}/{turn}".encode() * 50
                if client.request("POST", "/echo", body=body).body != body:
                    wrong.append((number, turn))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
