"""Whatever a WSGI application does, the client gets a response it can trust, or can tell that it got none."""

import hashlib
import pathlib
from collections.abc import Iterator

import pytest

import wsgi_cases
from support.client import Client, ResponseError, build_request
from support.server import WORKER_CLASSES, Server


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """The cases of `wsgi_cases`."""
    with Server("wsgi_cases:app", "-k", str(request.param), tracebacks=True) as running:
        yield running


@pytest.fixture
def worker(server: Server) -> Iterator[int]:
    """The worker, which must be the same when the test is over, and serve."""
    (before,) = server.worker_pids()
    yield before
    with Client(server.address) as client:
        assert client.request("GET", "/length").body == b"hello"
    assert server.worker_pids() == [before]


@pytest.fixture
def client(server: Server, worker: int) -> Iterator[Client]:
    """A connection."""
    with Client(server.address) as connected:
        yield connected


BODIES = {
    "generator": (200, b"one, two"),
    "empty_first": (201, b"late"),
    "empty": (200, b""),
    "nothing_yielded": (200, b""),
    "list": (200, b"one, two"),
    "tuple": (200, b"one, two"),
    "closing_list": (200, b"one, two"),
    "subclass": (200, b"loud"),
    "write": (200, b"one, two, three"),
    "write_only": (200, b"written"),
    "length": (200, b"hello"),
    "closing": (200, b"one, two"),
    "204": (204, b""),
    "304": (304, b""),
    "hop": (200, b"mine"),
    "large": (200, wsgi_cases.LARGE),
    "large_pieces": (200, wsgi_cases.LARGE),
    "large_chunks": (200, wsgi_cases.LARGE),
    "exc_info_before": (503, b"sorry"),
    "file": (200, b"0123456789" * 100_000),
    "file_offset": (200, (b"0123456789" * 100_000)[15:]),
    "file_part": (200, b"012345678901"),
    "file_memory": (200, b"in memory"),
    "file_memory_part": (200, b"in m"),
    "file_after_write": (200, b"abc0123456789"),
    "file_gzip": (200, b"unpacked " * 1000),
    "file_pipe": (200, b"from a pipe"),
    "file_large": (200, wsgi_cases.LARGE),
}


@pytest.mark.parametrize("case", BODIES)
def test_body_arrives_and_the_connection_is_kept(client: Client, case: str) -> None:
    """The response is what the application said, twice over one connection."""
    status, body = BODIES[case]
    for _ in range(2):
        response = client.request("GET", f"/{case}")
        assert response.status == status
        assert hashlib.sha1(response.body).digest() == hashlib.sha1(body).digest()
        assert response.values("Connection") == []
        assert len(response.values("Date")) == len(response.values("Server")) == 1


@pytest.mark.parametrize("case", BODIES)
def test_head_has_no_body(client: Client, case: str) -> None:
    """HEAD gets the head of GET, not a byte more, and the connection goes on."""
    status, body = BODIES[case]
    response = client.request("HEAD", f"/{case}")
    assert response.status == status
    assert response.header("Content-Length") in ("", str(len(body)), "5")
    assert client.request("GET", "/length").body == b"hello"


@pytest.mark.parametrize("case", [name for name in BODIES if name not in ("204", "304")])
def test_old_client_gets_the_body_up_to_the_close(server: Server, worker: int, case: str) -> None:
    """HTTP/1.0: no chunks; the body ends where the connection does."""
    status, body = BODIES[case]
    with Client(server.address) as client:
        client.send(f"GET /{case} HTTP/1.0\r\n\r\n".encode())
        head = client.read_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 %d" % status)
        assert b"Transfer-Encoding" not in head
        assert b"Connection: close" in head
        assert client.read_to_end() == body


@pytest.mark.parametrize(("case", "kept"), [("length", True), ("list", True), ("generator", False), ("write", False)])
def test_old_client_that_asks_is_kept_where_the_length_is_known(client: Client, case: str, kept: bool) -> None:
    """HTTP/1.0 with keep-alive is kept where the body's end can be told without closing."""
    client.send(f"GET /{case} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
    response = client.read_response()
    assert response.body == BODIES[case][1]
    assert response.header("Connection") == ("keep-alive" if kept else "close")
    if kept:
        assert client.request("GET", "/length").body == b"hello"
    else:
        assert client.is_closed()


def test_framing_is_the_servers(client: Client) -> None:
    """Hop-by-hop fields of the application's are not passed on; a body of known length is not chunked."""
    response = client.request("GET", "/hop")
    assert response.header("Content-Length") == "4"
    for name in ("Transfer-Encoding", "Keep-Alive", "Upgrade"):
        assert response.values(name) == []
    assert client.request("GET", "/generator").header("Transfer-Encoding") == "chunked"
    assert client.request("GET", "/204").values("Content-Length") == []
    assert client.request("GET", "/304").header("Content-Length") == "5"


def test_application_may_close(client: Client) -> None:
    """`Connection: close` among the application's headers ends the connection."""
    response = client.request("GET", "/close")
    assert response.header("Connection") == "close"
    assert client.is_closed()


def test_file_of_unknown_size(client: Client) -> None:
    """A file that calls itself empty and is not (/proc) arrives whole."""
    assert client.request("GET", "/file_proc").body.strip()


def test_file_that_shrinks_while_it_is_sent(server: Server, client: Client, tmp_path: pathlib.Path) -> None:
    """A response that cannot be completed is cut, and the log says so."""
    path, start = tmp_path / "file", server.log_size()
    path.write_bytes(wsgi_cases.LARGE)
    client.send(build_request("GET", f"/named_file?{path}"))
    client.read_until(b"\r\n\r\n")
    with path.open("r+b") as file:
        file.truncate(10)
    with pytest.raises(ResponseError):
        client.read_bytes(len(wsgi_cases.LARGE))
    server.wait_for_log("response lost peer=127.0.0.1", start=start)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_files_without_sendfile(worker_class: str) -> None:
    """`--no-sendfile` changes nothing about what arrives."""
    with Server("wsgi_cases:app", "-k", worker_class, "--no-sendfile") as server, Client(server.address) as client:
        for case in (name for name in BODIES if name.startswith("file")):
            assert client.request("GET", f"/{case}").body == BODIES[case][1], case
            assert client.request("HEAD", f"/{case}").body == b"", case


# -- failures before the head is out


@pytest.mark.parametrize(
    "case",
    [
        *("none", "text", "never_started", "never_started_empty", "started_twice", "raise", "exit"),
        *("cancelled", "interrupt", "raise_started", "raise_in_iter"),
        *(f"bad/{name}" for name in wsgi_cases.BAD),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_failure_is_answered_with_500(server: Server, client: Client, case: str, method: str) -> None:
    """Nothing of a response that may not be sent reaches the wire; one event tells the operator."""
    start = server.log_size()
    client.send(build_request(method, f"/{case}"))
    answer = client.read_to_end()
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"\r\nConnection: close\r\n" in answer
    assert b"vil" not in answer and b"must not" not in answer
    assert answer.endswith(b"\r\n\r\n") == (method == "HEAD")
    server.wait_for_log(f"request failed method={method} path=/{case}", start=start)
    assert server.log(start).count("request failed") == 1


# -- failures after


@pytest.mark.parametrize("case", ["raise_midway", "raise_midway_length", "text_late", "exc_info_after"])
def test_failure_in_the_midst_does_not_look_complete(server: Server, client: Client, case: str) -> None:
    """No last chunk, no second status, no error page within the body: the connection is cut."""
    start = server.log_size()
    client.send(build_request("GET", f"/{case}") + build_request("GET", "/length"))
    with pytest.raises((ResponseError, EOFError)):
        client.read_response()
    server.wait_for_log("request failed", start=start)


@pytest.mark.parametrize("case", ["short", "short_pieces", "file_short"])
def test_short_body_is_cut_and_logged(server: Server, client: Client, case: str) -> None:
    """A body shorter than declared: the next response never takes its place."""
    start = server.log_size()
    client.send(build_request("GET", f"/{case}") + build_request("GET", "/length"))
    with pytest.raises((ResponseError, EOFError)):
        client.read_response()
    server.wait_for_log("body shorter than Content-Length", start=start)
    assert server.log(start).count("body shorter") == 1


@pytest.mark.parametrize("case", ["long", "long_pieces"])
def test_long_body_is_clipped_and_logged(server: Server, client: Client, case: str) -> None:
    """A body longer than declared: the client sees what was declared, and the end of the connection."""
    start = server.log_size()
    client.send(build_request("GET", f"/{case}") + build_request("GET", "/length"))
    assert client.read_response().body == b"long"
    assert client.is_closed()
    server.wait_for_log("body longer than Content-Length", start=start)


def test_failure_in_close_spares_the_response(server: Server, client: Client) -> None:
    """What `close` raises is logged; the response, which was complete, arrives."""
    start = server.log_size()
    assert client.request("GET", "/raise_in_close").body == b"complete"
    server.wait_for_log("in close", start=start)


# -- close()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("case", "name"),
    [
        ("closing", "good"),
        ("closing_list", "list"),
        ("204", "204"),
        ("raise_midway", "midway"),
        ("raise_in_iter", "at once"),
        ("short_pieces", "short"),
        ("long_pieces", "long"),
    ],
)
def test_iterable_is_closed_once(server: Server, client: Client, case: str, name: str, method: str) -> None:
    """`close` is called whatever became of the response."""
    start = server.log_size()
    client.send(build_request(method, f"/{case}", {"Connection": "close"}))
    client.read_to_end()
    server.wait_for_log(f"closed {name}", start=start)
    assert server.log(start).count("closed ") == 1


def test_iterable_is_closed_when_the_client_goes(server: Server, client: Client) -> None:
    """`close` is called when the client breaks off in the midst of a response."""
    start = server.log_size()
    client.send(build_request("GET", "/large_pieces"))
    client.read_until(b"\r\n\r\n")
    client.close()
    server.wait_for_log("closed pieces", start=start)
    assert "request failed" not in server.log(start)


# -- input

LINES = b"first\nsecond\r\nthird"
READS = {
    "read": LINES,
    "read-some": b"fir|st\nsecond\r\nthird|",
    "readline": b"first\n|se|cond\r\n",
    "readlines": b"first\n|second\r\n|third",
    "readlines-hint": b"first\n#second\r\nthird",
    "iterate": b"first\n|second\r\n|third",
    "not": b"unread",
}


@pytest.fixture(scope="module", params=[(name, size) for name in WORKER_CLASSES for size in ("1000000", "0")])
def reader(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Bodies in memory, or all of them on disk."""
    worker_class, memory = request.param
    with Server("wsgi_cases:app", "-k", worker_class, "--body-memory", memory) as running:
        yield running


@pytest.mark.parametrize("how", READS)
@pytest.mark.parametrize("framing", ["length", "chunks", "tiny chunks"])
def test_input(reader: Server, how: str, framing: str) -> None:
    """Every way of reading gives the body and ends with it; what is left unread does not become a request."""
    if framing == "length":
        request = build_request("POST", f"/read?{how}", body=LINES)
    else:
        size = len(LINES) if framing == "chunks" else 2
        pieces = [LINES[at : at + size] for at in range(0, len(LINES), size)]
        content = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        request = build_request("POST", f"/read?{how}", {"Transfer-Encoding": "chunked"}, content)
    with Client(reader.address) as client:
        client.send(request + request)
        assert client.read_response().body == READS[how]
        assert client.read_response().body == READS[how]
        assert client.request("GET", "/length").body == b"hello"


EMPTY_READS = {
    "read": b"",
    "read-some": b"||",
    "readline": b"||",
    "readlines": b"",
    "readlines-hint": b"#",
    "iterate": b"",
}


@pytest.mark.parametrize("how", EMPTY_READS)
@pytest.mark.parametrize(
    "headers", [{}, {"Content-Length": "0"}, {"Transfer-Encoding": "chunked"}], ids=["none", "zero", "no chunks"]
)
def test_input_that_is_empty(reader: Server, how: str, headers: dict[str, str]) -> None:
    """A request without content has an input at its end."""
    content = b"0\r\n\r\n" if "Transfer-Encoding" in headers else b""
    with Client(reader.address) as client:
        assert client.request("POST", f"/read?{how}", headers, content).body == EMPTY_READS[how]
