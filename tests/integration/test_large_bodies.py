"""A gibibyte goes in and out, and the worker's memory stays what it was."""

import hashlib
import pathlib
from collections.abc import Iterator

import pytest

from support.client import Client, build_request
from support.processes import peak_kib
from support.server import WORKER_CLASSES, Server

GIBIBYTE = 1 << 30
ALLOWED_KIB = 24 << 10
"""How much a worker may grow; buffers and a cache here and there are well below."""

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(params=WORKER_CLASSES)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """One worker; the folder for large bodies is the server's own."""
    with Server("large:app", "-k", str(request.param), "--timeout", "120", "--spool-dir", "/var/tmp") as running:
        yield running


def test_upload_of_a_gibibyte(server: Server, tmp_path: pathlib.Path) -> None:
    """A large upload arrives whole, while the worker's peak of memory hardly moves."""
    (worker,) = server.worker_pids()
    before = peak_kib(worker)
    piece, digest = bytes(range(256)) * 4096, hashlib.sha1()
    with Client(server.address, timeout_s=120) as client:
        client.send(build_request("POST", "/", {"Content-Length": str(GIBIBYTE)}))
        for _ in range(GIBIBYTE // len(piece)):
            client.send(piece)
            digest.update(piece)
        assert client.read_response().text == f"{GIBIBYTE} {digest.hexdigest()}"
    assert peak_kib(worker) - before < ALLOWED_KIB


def test_download_of_a_gibibyte(server: Server) -> None:
    """A large response of known length arrives whole, while the worker's peak of memory hardly moves."""
    (worker,) = server.worker_pids()
    before = peak_kib(worker)
    with Client(server.address, timeout_s=120) as client:
        client.send(build_request("GET", f"/?pieces={GIBIBYTE >> 16}", {"Connection": "close"}))
        assert f"Content-Length: {GIBIBYTE}" in client.read_until(b"\r\n\r\n").decode()
        size, buffer = client.pending(), bytearray(1 << 18)
        while count := client.sock.recv_into(buffer):
            size += count
    assert size == GIBIBYTE
    assert peak_kib(worker) - before < ALLOWED_KIB


def test_download_of_a_gibibyte_in_chunks(server: Server) -> None:
    """A large response of unknown length arrives whole, while the worker's peak of memory hardly moves."""
    (worker,) = server.worker_pids()
    before, size = peak_kib(worker), 0
    with Client(server.address, timeout_s=120) as client:
        client.send(build_request("GET", f"/?pieces={GIBIBYTE >> 16}&chunked=1"))
        assert "Transfer-Encoding: chunked" in client.read_until(b"\r\n\r\n").decode()
        while length := int(client.read_until(b"\r\n"), 16):
            size += len(client.read_bytes(length))
            assert client.read_bytes(2) == b"\r\n"
        assert client.read_bytes(2) == b"\r\n"
    assert size == GIBIBYTE
    assert peak_kib(worker) - before < ALLOWED_KIB
