"""Slow clients, large contents, and clients that go away."""

import contextlib
import os
import socket
import struct
import time
import zlib
from typing import Final

from heeler.plugins.conformance import processes
from heeler.plugins.conformance.apps.common import LARGE_BYTES
from heeler.plugins.conformance.checks.scene import InFlight, connect, only_worker, same_worker
from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.looks import wait_until
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect, promise

SLOW: Final = 80
"""Slow clients at a time: more than any small pool of threads has room for."""
BESIDE_S: Final = 1.0
"""How long a request beside them may take."""
GROWTH_KIB: Final = 12 << 10
"""How much memory a worker may take for an upload, however large."""
BLOCK: Final = bytes(range(256)) * 256
RESET: Final = struct.pack("ii", 1, 0)


def check_slow_writers(maker: Maker) -> None:
    """Clients that are slow to send their requests keep nobody else waiting."""
    begins = (b"GET", build_request("GET", "/")[:-4], build_request("POST", "/echo", {"Content-Length": "9"}) + b"x")
    with maker.serve() as server, contextlib.ExitStack() as stack:
        for number, client in enumerate(connect(stack, maker, server, SLOW)):
            client.send(begins[number % len(begins)])
        _expect_prompt(maker, server, f"beside {SLOW} clients that are slow to send")


def _expect_prompt(maker: Maker, server: Server, where: str) -> None:
    for _ in range(5):
        begun_at = time.monotonic()
        maker.ask(server, f"a request {where} is answered")
        took_s = time.monotonic() - begun_at
        expect(took_s < BESIDE_S, f"a request {where} took {took_s:.1f} s")


def check_slow_readers(maker: Maker) -> None:
    """Clients that are slow to read their responses keep nobody else waiting, and get all of it in the end."""
    with maker.serve() as server, contextlib.ExitStack() as stack:
        deaf = connect(stack, maker, server, 6)
        with promise(f"{len(deaf)} clients that are slow to read are served side by side"):
            for client in deaf:
                client.send(build_request("GET", "/large"))
                client.read_bytes(15)
        _expect_prompt(maker, server, f"beside {len(deaf)} clients that are slow to read")
        with promise("a response that is read late arrives whole"):
            deaf[0].read_until(b"\r\n\r\n")
            content = deaf[0].read_bytes(LARGE_BYTES)
            expect(zlib.crc32(content) == zlib.crc32(BLOCK * (LARGE_BYTES // len(BLOCK))), "its content is another one")


def check_large_upload(maker: Maker) -> None:
    """A large upload arrives whole, and its size is no matter of the worker's memory."""
    total = maker.upload_bytes
    with maker.serve() as server, maker.client(server) as client:
        worker = only_worker(server)
        maker.ask(server)
        before_kib = processes.peak_kib(worker)
        summed = 0
        with promise("a large upload is taken"):
            client.send(build_request("POST", "/digest", {"Content-Length": str(total)}))
            for _ in range(total // len(BLOCK)):
                client.send(BLOCK)
                summed = zlib.crc32(BLOCK, summed)
            client.sock.settimeout(maker.patience_s * 3)
            response = client.read_response()
        expect(response.body == b"%d %08x" % (total, summed), f"of {total} bytes arrived: {response.body!r}")
        grown_kib = processes.peak_kib(worker) - before_kib
        expect(grown_kib < GROWTH_KIB, f"an upload of {total >> 20} MiB took {grown_kib >> 10} MiB of memory")


def check_clients_that_go_away(maker: Maker) -> None:
    """Clients that break off, wherever they are, leave nothing behind: no connection, no request, no harm."""
    with maker.serve(tracebacks=True) as server:
        worker = only_worker(server)
        begins = (
            b"GET / HT",
            build_request("POST", "/echo", {"Content-Length": "1000"}) + b"some",
            build_request("GET", "/large"),
            build_request("GET", "/") * 5,
        )
        for number in range(24):
            client = Client(server.address, maker.patience_s)
            client.send(begins[number % len(begins)])
            if number % len(begins) == 2 and number % 3 == 0:
                client.read_bytes(15)
            _break_off(client)
        with InFlight(maker, server) as flight:
            _break_off(flight.client)
        server.write("open-gate", "")
        maker.ask(server, "a request after clients broke off is answered")
        found = wait_until(server, _is_empty, maker.patience_s / 2)
        expect(not found["connections"], f"{found['connections']} connections are counted after all clients are gone")
        expect(not found["in_flight"], f"{found['in_flight']} requests are counted after all clients are gone")
        same_worker(server, worker, "a client that breaks off costs no worker")


def _is_empty(child: dict[str, int]) -> bool:
    return not child["connections"] and not child["in_flight"]


def _break_off(client: Client) -> None:
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    client.close()


def check_unix_socket(maker: Maker) -> None:
    """Connections over a Unix socket are served."""
    with maker.serve(bind="unix:heeler.sock") as server:
        path = os.path.join(server.directory, "heeler.sock")
        with promise("a connection over a Unix socket is served"), Client(path, maker.patience_s) as client:
            maker.ask_on(client)
