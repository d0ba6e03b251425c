"""Each phase of a connection has its deadline."""

import contextlib
import select
import time
from typing import Final

from heeler.plugins.conformance.apps.common import LARGE_BYTES
from heeler.plugins.conformance.checks.scene import only_worker, same_worker
from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.looks import wait_until
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import NotApplicable, expect, promise

SHORT: Final = "0.5"
"""What the deadline under test is set to; the others are long."""
EARLIEST_S: Final = 0.4
LATEST_S: Final = 3.0


def check_header_deadline(maker: Maker) -> None:
    """A head that is not complete after `header_timeout` is answered 408 and closed, though bytes trickle in."""
    with maker.serve("--header-timeout", SHORT) as server, Client(server.address, LATEST_S) as client:
        begun_at = time.monotonic()
        for byte in build_request("GET", "/"):
            with contextlib.suppress(ConnectionError):
                client.send(bytes([byte]))
            if select.select([client.sock], [], [], 0.15)[0]:
                break
            overdue = time.monotonic() - begun_at > LATEST_S
            expect(not overdue, "a head that trickles in is waited for beyond `header_timeout`")
        _expect_408(client, begun_at, "header_timeout")


def check_silence_deadline(maker: Maker) -> None:
    """A connection on which nothing comes is closed after `header_timeout`, without an answer."""
    with maker.serve("--header-timeout", SHORT) as server, Client(server.address, LATEST_S) as client:
        with promise("a connection on which nothing comes is closed after `header_timeout`"):
            found = client.read_to_end()
        expect(not found, f"a connection on which nothing came was answered: {found!r}")


def check_body_deadline(maker: Maker) -> None:
    """Content that stops coming for longer than `body_timeout` ends the request, with 408 or a close."""
    with maker.serve("--body-timeout", SHORT) as server, Client(server.address, LATEST_S) as client:
        begun_at = time.monotonic()
        client.send(build_request("POST", "/echo", {"Content-Length": "10"}) + b"half ")
        _expect_408(client, begun_at, "body_timeout")
        maker.ask(server)


def _expect_408(client: Client, begun_at: float, setting: str) -> None:
    with promise(f"a client that is too slow is answered after `{setting}`"):
        found = client.read_to_end()
    took_s = time.monotonic() - begun_at
    expect(not found or found.startswith(b"HTTP/1.1 408 "), f"after `{setting}` came {found[:60]!r}, not 408")
    expect(EARLIEST_S < took_s < LATEST_S, f"`{setting} = {SHORT}` ended the request after {took_s:.1f} s")


def check_write_deadline(maker: Maker) -> None:
    """A client that takes nothing of its response for longer than `write_timeout` is cut off."""
    with maker.serve("--write-timeout", SHORT) as server, maker.client(server) as client:
        client.send(build_request("GET", "/large"))
        found = wait_until(server, lambda child: child["accepted"] and not child["connections"], LATEST_S)
        expect(not found["connections"], "a client that reads nothing is still connected after `write_timeout`")
        got = len(client.read_to_end())
        expect(got < LARGE_BYTES, "the whole response was sent to a client that read nothing")


def check_keep_alive_deadline(maker: Maker) -> None:
    """A kept connection that stays idle is closed after `keepalive`, without a word."""
    with maker.serve("--keep-alive", "1") as server, Client(server.address, LATEST_S) as client:
        maker.ask_on(client)
        begun_at = time.monotonic()
        with promise("an idle connection is closed after `keepalive`"):
            found = client.read_to_end()
        took_s = time.monotonic() - begun_at
        expect(not found, f"an idle connection was answered: {found!r}")
        expect(took_s > 0.8, f"`keepalive = 1` closed the connection after {took_s:.1f} s")


def check_request_deadline(maker: Maker) -> None:
    """A request that takes longer than `request_timeout` is answered 504, its stack is logged, and others go on."""
    if "request_timeout" not in maker.settings:
        raise NotApplicable("this Heeler has no setting `request_timeout`")
    with maker.serve("--request-timeout", SHORT, tracebacks=True) as server, maker.client(server) as client:
        worker = only_worker(server)
        client.send(build_request("GET", "/wait/never"))
        with promise("a request that overruns `request_timeout` is answered"):
            response = client.read_response()
        expect(
            response.status == 504, f"a request that overran `request_timeout` was answered {response.status}, not 504"
        )
        with promise("the log has the stack of a request that overran `request_timeout`"):
            server.wait_for_log("RequestTimeout", timeout_s=maker.patience_s)
        maker.ask(server)
        same_worker(server, worker, "a request that obeys its deadline costs no worker")
