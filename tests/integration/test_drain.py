"""How a worker ends, as its clients see it; and that it counts what they saw."""

import itertools
import json
import re
import signal
import socket
import threading
import time
from typing import Any

import pytest

from support.client import Client, build_request, get
from support.gate import FILES, Waiting
from support.server import WORKER_CLASSES, Server, heeler

GET = build_request("GET", "/")

pytestmark = pytest.mark.slow


@pytest.fixture(params=WORKER_CLASSES)
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each built-in worker class."""
    return str(request.param)


# -- TERM


def test_request_on_its_way_over_a_kept_connection(worker_class: str) -> None:
    """Requests over a kept connection are answered right after TERM too; one of them is told of the close."""
    with Server("mirror:headers_only", "-k", worker_class) as server, Client(server.address) as client:
        assert client.request("GET", "/").values("Connection") == []
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        said = ""
        while said != "close":  # the worker learns of it after the arbiter
            response = client.request("GET", "/late")
            assert response.text == "GET /late - "
            said = response.header("Connection")
        assert client.is_closed()
        assert server.wait(5) == 0


def test_idle_connections_linger_and_are_closed(worker_class: str) -> None:
    """Kept connections on which nothing comes do not hold up the end for long, and nothing was cut."""
    with Server("mirror:headers_only", "-k", worker_class) as server:
        kept = [Client(server.address) for _ in range(20)]
        for client in kept:
            assert client.request("GET", "/").status == 200
        begun_at = time.monotonic()
        assert server.stop() == 0
        assert 1 < time.monotonic() - begun_at < 5
        for client in kept:
            assert client.is_closed()
            client.close()


def test_upload_in_progress_is_finished(worker_class: str) -> None:
    """A body that is coming in at TERM comes in, and is answered."""
    with Server("mirror:headers_only", "-k", worker_class) as server, Client(server.address) as client:
        client.send(build_request("POST", "/", {"Content-Length": "6"}) + b"abc")
        assert get(server.address).status == 200
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        client.send(b"def")
        response = client.read_response()
        assert (response.text, response.header("Connection")) == ("POST / - abcdef", "close")
        assert client.is_closed()
        assert server.wait(5) == 0


@pytest.mark.parametrize("case", ["large", "large_pieces", "large_chunks", "file_large"])
def test_response_that_is_read_slowly_arrives_whole(worker_class: str, case: str) -> None:
    """A response that is under way at TERM arrives; then the worker waits for no more than a late request."""
    with Server("wsgi_cases:app", "-k", worker_class) as server, Client(server.address) as client:
        client.send(build_request("GET", f"/{case}"))
        begin = client.read_bytes(1000)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        rest, begun_at = client.read_to_end(), time.monotonic()
        assert len(begin + rest) > 20 << 20
        assert server.wait(10) == 0
        assert time.monotonic() - begun_at < 5


def test_response_that_nobody_reads_is_cut_and_counted(worker_class: str) -> None:
    """A client that does not read cannot hold up the end; the exit status tells of the cut."""
    args = ("-k", worker_class, "--graceful-timeout", "1")
    with Server("wsgi_cases:app", *args) as server, Client(server.address) as client:
        client.send(build_request("GET", "/large"))
        client.read_bytes(1000)
        begun_at = time.monotonic()
        assert server.stop() == 75
        assert time.monotonic() - begun_at < 4


def test_backlog_is_served(worker_class: str) -> None:
    """Hundreds of connections that wait for a busy worker at TERM are all served."""
    with Server("app:app", "-k", worker_class, files=FILES) as server:
        busy = Waiting(server)
        waiting = [Client(server.address) for _ in range(200)]
        for client in waiting:
            client.send(GET)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        assert busy.open().status == 200
        for client in waiting:
            assert client.read_response().status == 200
            client.close()
        assert server.wait() == 0


def test_pipelined_requests_at_the_end(worker_class: str) -> None:
    """Of requests in a row, those before the close are answered, those behind it never run: they may be sent again."""
    with Server("app:app", "-k", worker_class, files=FILES) as server, Client(server.address) as client:
        busy = Waiting(server)
        client.send(GET * 3)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        assert busy.open().status == 200
        responses = [client.read_response()]
        while len(responses) < 3 and responses[-1].header("Connection") != "close":
            responses.append(client.read_response())
        assert client.is_closed()
        assert server.wait() == 0


# -- once and only once


def test_recycled_workers_run_every_request_once(worker_class: str) -> None:
    """Under load, with workers that retire all the time: each request is answered, and none was run twice."""
    args = ("-k", worker_class, "-w", "2", "--max-requests", "50", "--max-requests-jitter", "30")
    with Server("mirror:app", *args) as server:
        lost: list[str] = []
        asked: list[int] = []

        def ask(first: int) -> None:
            client = Client(server.address)
            for number in itertools.count(first, 8):
                if not number // 8 % 100 and server.log().count("worker retires") >= 3:
                    break
                asked.append(number)
                client.send(build_request("POST", f"/{number}", body=b"x" * (number % 7)))
                response = client.read_response()
                if response.status != 200 or json.loads(response.body)["RAW_URI"] != f"/{number}":
                    lost.append(f"{number}: {response}")
                if response.header("Connection") == "close":
                    client.close()
                    client = Client(server.address)
            client.close()

        threads = [threading.Thread(target=ask, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert lost == []
        assert server.stop() == 0
        ran = [int(number) for number in re.findall(r"ran /(\d+)\n", server.log())]
        assert sorted(ran) == sorted(asked)


# -- counts


def counters(server: Server, requests: int) -> dict[str, Any]:
    """Return what the scoreboard says of the only worker, once it tells of so many requests: each turn of its loop."""
    until = time.monotonic() + 5
    while True:
        found = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
        (child,) = found["children"]
        if child["requests"] >= requests or time.monotonic() >= until:
            return dict(child)


def test_counters_are_what_the_clients_saw(worker_class: str) -> None:
    """Requests, statuses, bytes, refusals, connections: the scoreboard and the clients agree."""
    seen = {200: 0, 503: 0, 304: 0, 500: 0}
    with Server("wsgi_cases:app", "-k", worker_class, "--header-timeout", "0.5", tracebacks=True) as server:
        kept, received, sent = Client(server.address), 0, 0
        for case in ("list", "generator", "large", "304", "exc_info_before", "length") * 3:
            request = build_request("GET", f"/{case}")
            kept.send(request)
            response = kept.read_response()
            seen[response.status] += 1
            received += len(response.body)
            sent += len(request)
        for _ in range(3):
            assert get(server.address, "/raise").status == 500
        with Client(server.address) as refused:
            refused.send(b"bad\r\n\r\n")
            assert refused.read_response().status == 400
        with Client(server.address) as slow:
            slow.send(b"GET /")
            assert slow.read_response().status == 408
        for _ in range(2):  # two turns of the loop later, all of it is shown
            assert kept.request("GET", "/length").status == 200
        found = counters(server, 22)
        kept.close()
    assert found["requests"] in (22, 23)
    assert found["status_2xx"] - (found["requests"] - 21) == seen[200]
    assert (found["status_3xx"], found["status_4xx"], found["status_5xx"]) == (seen[304], 0, seen[503] + 3)
    assert 0 <= found["bytes_out"] - received <= 10
    assert found["bytes_in"] > sent
    assert (found["accepted"], found["connections"]) == (6, 1)
    assert (found["refused"], found["timeouts"], found["in_flight"]) == (2, 1, 0)
    assert sum(found["latency"]) == found["requests"]


def test_counters_of_broken_off_requests(worker_class: str) -> None:
    """A client that breaks off takes nothing out of the count, and is no connection any more."""
    with Server("wsgi_cases:app", "-k", worker_class) as server, Client(server.address) as witness:
        for number in range(20):
            client = Client(server.address)
            client.send(build_request("GET", "/large_pieces")[: None if number % 2 else 20])
            if number % 2:
                client.read_bytes(10)
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            client.close()
        for _ in range(3):
            assert witness.request("GET", "/length").status == 200
        found = counters(server, 12)
        assert (found["connections"], found["accepted"], found["in_flight"]) == (1, 21, 0)
        assert found["requests"] in (12, 13)
