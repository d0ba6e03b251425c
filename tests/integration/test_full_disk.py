"""A disk that is full costs the requests that need it, and nobody else."""

import contextlib
import pathlib
import subprocess
from collections.abc import Iterator

import pytest

from support.client import Client, ResponseError, build_request, get
from support.server import WORKER_CLASSES, WSGI_SLOTS, Server

ROOM = 64 << 10
"""Bytes of the disk."""
SMALL = build_request("GET", "/length")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pathlib.Path]:
    """A folder that holds `ROOM` bytes."""
    folder = tmp_path_factory.mktemp("disk")
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


@contextlib.contextmanager
def serving(disk: pathlib.Path, worker_class: str) -> Iterator[Server]:
    """A worker that keeps next to nothing in memory; it must outlive all of it."""
    args = ("--spool-dir", str(disk), "--body-memory", "64", "--response-memory", "65536")
    with Server("wsgi_cases:app", "-k", worker_class, *args) as running:
        before = running.worker_pids()
        yield running
        assert running.worker_pids() == before


@pytest.fixture(scope="module", params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest, disk: pathlib.Path) -> Iterator[Server]:
    """Each worker class."""
    with serving(disk, str(request.param)) as running:
        yield running


def upload(length: int, *, chunked: bool) -> bytes:
    """Return a POST with a body of `length` bytes."""
    if not chunked:
        return build_request("POST", "/read?read", body=b"x" * length)
    pieces = [b"x" * 1000] * (length // 1000)
    content = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    return build_request("POST", "/read?read", {"Transfer-Encoding": "chunked"}, content)


def check_room(server: Server, length: int = 40_000) -> None:
    """What fits is served: nothing of an earlier request is left on the disk."""
    with Client(server.address) as client:
        client.send(upload(length, chunked=False))
        assert client.read_response().body == b"x" * length
        # One after the other on a connection: once this one is answered, the body of the other is gone.
        assert client.request("GET", "/length").status == 200


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
@pytest.mark.parametrize("length", [ROOM + 1000, 1_000_000])
def test_body_that_does_not_fit(server: Server, length: int, chunked: bool) -> None:
    """507, one line in the log; the application is not called, and the room is free again."""
    start = server.log_size()
    with Client(server.address) as client:
        client.send(upload(length, chunked=chunked))
        assert client.read_response().status == 507
        assert client.is_closed()
    server.wait_for_log("request body lost", start=start)
    assert server.log(start).count("request body lost") == 1
    assert "Traceback" not in server.log(start)
    check_room(server)


@pytest.mark.parametrize("length", [65, 5000])
def test_body_when_nothing_fits(server: Server, disk: pathlib.Path, length: int) -> None:
    """The same for a body so small that it would fit into any buffer."""
    ballast = disk / "ballast"
    ballast.write_bytes(b"x" * ROOM)
    try:
        with Client(server.address) as client:
            client.send(
                build_request("GET", "/length") + upload(length, chunked=False) + build_request("GET", "/length")
            )
            assert client.read_response().body == b"hello"
            assert client.read_response().status == 507
            assert client.is_closed()
    finally:
        ballast.unlink()
    check_room(server)


@pytest.mark.parametrize("worker_class", WSGI_SLOTS)
def test_response_that_does_not_fit(disk: pathlib.Path, worker_class: str) -> None:
    """Clients that do not read make way for others: their response is cut where it would have to go to disk.

    In classes that run few requests at once: in the others nobody waits for its end.
    """
    slots = WSGI_SLOTS[worker_class]
    with serving(disk, worker_class) as server, contextlib.ExitStack() as stack:
        slow = [stack.enter_context(Client(server.address)) for _ in range(slots)]
        for client in slow:
            client.send(build_request("GET", "/large_pieces"))
            client.read_until(b"\r\n\r\n")
        assert get(server.address, "/length").body == b"hello"
        server.wait_for_log("closed pieces")
        # One must make way; the others have no need to, unless they waited for their client already.
        lost = sum(not is_whole(client, 20 << 20) for client in slow)
        assert lost >= 1
        server.wait_for_log("response lost", lost)
        assert server.log().count("response lost") == lost
        assert "Traceback" not in server.log()
        check_room(server)


def is_whole(client: Client, length: int) -> bool:
    """Whether so many bytes come."""
    try:
        client.read_bytes(length)
    except ResponseError:
        return False
    return True
