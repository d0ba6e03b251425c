"""Connections come back to the listener without waking it: what a client has sent by then is seen all the same."""

import resource
import signal
import statistics
import time
from collections.abc import Callable

import pytest

from heeler.arbiter.running_server import open_board
from heeler.workers.dispatch_source import QUIET_S
from heeler.workers.handover import Awaits
from heeler.workers.http_connection import RECEIVE_BYTES
from heeler.workers.scoreboard import BEAT_AT, ROLE, WAITS, Role, Row
from support.client import Client, build_request, get
from support.held import FILES, WAIT_S, Crowd, Gate, freeze, statuses
from support.processes import kill
from support.server import Server

CLASSES = ("sync", "thread")
SOON_S = 1.0
"""Much less than the time for which an idle connection is kept."""

pytestmark = pytest.mark.slow


def serving(worker_class: str, *args: str, bind: str = "127.0.0.1:0") -> Server:
    """Return a server of `FILES` that hands out requests, and keeps idle connections for long."""
    given = ("--dispatch", "request", "--keep-alive", "30", "-k", worker_class, "-w", "1", *args)
    return Server("app:app", *given, bind=(bind,), files=FILES)


@pytest.mark.parametrize("worker_class", CLASSES)
def test_a_worker_without_descriptors_gives_a_request_back(worker_class: str) -> None:
    """It is handed out again, though the client sends nothing more that would tell of it."""
    with serving(worker_class) as server, Crowd(server) as crowd:
        assert get(server.address).status == 200
        (pid,) = server.worker_pids()
        before, most = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, most))
        (client,) = crowd.ask()
        server.wait_for_log("accept paused")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (before, most))
        client.sock.settimeout(SOON_S)
        assert client.read_response().status == 200


@pytest.mark.parametrize("worker_class", CLASSES)
def test_what_a_worker_has_not_read_is_seen(worker_class: str) -> None:
    """Pipelined requests end where the worker stops reading, and more of them had come before it began to."""
    path = build_request("GET", "/")
    one = build_request("GET", "/?" + "x" * (1024 - len(path) - 1))
    assert RECEIVE_BYTES % len(one) == 0
    count = RECEIVE_BYTES // len(one) + 1
    with serving(worker_class, bind="unix:x.sock") as server:
        (pid,) = server.listener_pids()
        freeze(pid)
        with Client(str(server.cwd / "x.sock"), SOON_S) as client:
            client.send(one * count)
            kill(pid, signal.SIGCONT)
            assert statuses([client] * count) == [200] * count


def listener_page(server: Server) -> Row:
    """Return the listener's page of the scoreboard."""
    (page,) = (row for row in open_board(server.pid).rows if row.words[ROLE] == Role.LISTENER)
    return page


def send_seen(client: Client, data: bytes, page: Row) -> None:
    """Send something, and return once the listener has turned its loop for it."""
    before = page.words[BEAT_AT]
    client.send(data)
    wait_until(lambda: page.words[BEAT_AT] != before)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what is about to be so."""
    until = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < until


@pytest.mark.parametrize("worker_class", CLASSES)
def test_a_slow_upload_makes_nobody_wake_the_listener(worker_class: str) -> None:
    """What comes of it is not taken for a next request."""
    with serving(worker_class) as server, Crowd(server) as crowd:
        page = listener_page(server)
        (client,) = crowd.connect()
        client.send(build_request("POST", "/body", {"Content-Length": "4"}))
        assert get(server.address).status == 200  # there is room, so the listener knows that the other is slow
        for _ in range(2):
            send_seen(client, b"x", page)
        wait_until(lambda: page.words[WAITS] == Awaits.NOTHING)
        client.send(b"xx")
        assert client.read_response().text.endswith(" 4")
        assert client.request("GET", "/").status == 200


@pytest.mark.parametrize("worker_class", CLASSES)
def test_a_request_behind_one_that_came_in_pieces_while_it_waited(worker_class: str) -> None:
    """The client's next one is heard of at once, though nothing was to be heard of its pieces any more."""
    took_s = []
    with serving(worker_class, "--threads", "1") as server, Gate(server) as gate, Crowd(server) as crowd:
        page = listener_page(server)
        (client,) = crowd.ask()
        assert client.read_response().status == 200
        for _ in range(8):
            (running,) = crowd.ask("/held")
            held = gate.next()
            for data in (build_request("POST", "/held", {"Content-Length": "4"}), b"x", b"x"):
                send_seen(client, data, page)
            client.send(b"xx")
            held.open()
            assert running.read_response().status == 200
            gate.next().open()
            assert client.read_response().status == 200
            began = time.monotonic()
            assert client.request("GET", "/").status == 200
            took_s.append(time.monotonic() - began)
    assert statistics.median(took_s) < QUIET_S / 4, took_s
