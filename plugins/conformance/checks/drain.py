"""Nothing is lost at the end: what is in flight, what is coming in, what waits in the backlog."""

import contextlib
import os
import signal
import time
from typing import Final

from heeler.plugins.conformance.checks.scene import PROMPT_S, InFlight, connect, end_of, only_worker, stop
from heeler.plugins.conformance.checks.stop import CUT
from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.verdict import NotApplicable, expect, promise

WAITING: Final = 50
"""Connections in the backlog."""


def check_drain_serves_the_backlog(maker: Maker) -> None:
    """Connections that wait to be accepted at TERM are served."""
    if not maker.is_http and maker.probe is None:
        raise NotApplicable("without a probe nobody can tell whether a connection was served")
    asked = build_request("GET", "/") if maker.probe is None else maker.probe.send
    with maker.serve() as server, contextlib.ExitStack() as stack:
        worker = only_worker(server)
        maker.ask(server)
        os.kill(worker, signal.SIGSTOP)
        try:
            waiting = connect(stack, maker, server, WAITING)
            for client in waiting:
                client.send(asked)
            server.signal(signal.SIGTERM)
            server.wait_for_log("stopping", timeout_s=maker.patience_s)
        finally:
            os.kill(worker, signal.SIGCONT)
        lost = [fault for client in waiting if (fault := _fault(maker, client))]
        expect(not lost, f"{len(lost)} of {WAITING} connections that waited at TERM were lost: {lost[:1]}")
        stack.close()  # a server without HTTP may leave the end to its clients
        end_of(server, "the server ends once the backlog is served", PROMPT_S)


def _fault(maker: Maker, client: Client) -> str:
    """Return what is wrong with the answer; nothing, where nothing is."""
    try:
        if maker.probe is None:
            status = client.read_response().status
            return "" if status == 200 else f"status {status}"
        found = client.read_bytes(len(maker.probe.expect))
        return "" if found == maker.probe.expect else f"{found!r}"
    except (OSError, EOFError, AssertionError) as error:
        return f"{type(error).__name__}: {error}"


def check_drain_finishes_an_upload(maker: Maker) -> None:
    """Content that is coming in at TERM comes in, and is answered."""
    with maker.serve() as server, maker.client(server) as client:
        client.send(build_request("POST", "/echo", {"Content-Length": "6"}) + b"abc")
        maker.ask(server)
        stop(maker, server)
        with promise("an upload that is under way at TERM is answered"):
            client.send(b"def")
            response = client.read_response()
            expect(response.body == b"abcdef", f"the upload was answered with {response}")
            expect(response.header("Connection") == "close", "the last response does not say `Connection: close`")
        end_of(server, "the server ends once the upload is answered", PROMPT_S)


def check_drain_finishes_a_slow_response(maker: Maker) -> None:
    """A response that a client is still reading at TERM arrives whole."""
    from heeler.plugins.conformance.apps.common import LARGE_BYTES

    with maker.serve() as server, maker.client(server) as client:
        client.send(build_request("GET", "/large"))
        client.read_bytes(1000)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping", timeout_s=maker.patience_s)
        with promise("a response that is being read at TERM arrives whole"):
            rest = client.read_to_end()
        got = 1000 + len(rest)
        expect(got > LARGE_BYTES, f"only {got} of {LARGE_BYTES} bytes arrived of a response that was under way at TERM")
        end_of(server, "the server ends once the response is read", PROMPT_S)


def check_drain_answers_a_late_request(maker: Maker) -> None:
    """A request that comes over a kept connection right after TERM is answered, and the client told of the close."""
    with maker.serve() as server, maker.client(server) as client:
        maker.ask_on(client)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping", timeout_s=maker.patience_s)
        with promise("a request over a kept connection right after TERM is answered"):
            said = ""
            for _ in range(10_000):  # the worker hears of TERM after the arbiter
                response = client.request("GET", "/")
                expect(response.status == 200, f"it got {response}")
                said = response.header("Connection")
                if said == "close":
                    break
        expect(said == "close", "responses in the drain do not say `Connection: close`")
        expect(client.is_closed(), "a connection is not closed after `Connection: close`")
        end_of(server, "the server ends once the late request is answered", PROMPT_S)


def check_drain_closes_idle_connections(maker: Maker) -> None:
    """Kept connections on which nothing comes are closed soon after TERM, and do not count as cut."""
    with maker.serve() as server, contextlib.ExitStack() as stack:
        kept = connect(stack, maker, server, 20)
        for client in kept:
            maker.ask_on(client)
        server.signal(signal.SIGTERM)
        end_of(server, "idle connections do not hold up the end", PROMPT_S + 1)
        for client in kept:
            expect(client.is_closed(), "an idle connection is not closed at the end")


def check_drain_ends_at_its_deadline(maker: Maker) -> None:
    """A request that takes longer than `graceful_timeout` is cut, and the exit status says so: 75."""
    with maker.serve("--graceful-timeout", "1") as server, InFlight(maker, server) as flight:
        begun_at = time.monotonic()
        server.signal(signal.SIGTERM)
        kept = "at the end of `graceful_timeout` what is left is cut"
        end_of(server, kept, 1 + PROMPT_S, CUT)
        took_s = time.monotonic() - begun_at
        expect(took_s > 0.9, f"the request was cut after {took_s:.1f} s already, not after 1 s")
        flight.expect_cut(kept)
