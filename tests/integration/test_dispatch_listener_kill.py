"""A listener that is killed: what is lost with it, how soon there is another, and what that takes over."""

import signal
import time

import pytest

from support import processes
from support.client import Client, build_request, get
from support.held import FILES, WAIT_S, Crowd, Gate, Load, kill_listener, statuses, wait_for_listener, wait_for_waiting
from support.server import WORKER_CLASSES, Server

MODES = ("connection", "request")
pytestmark = pytest.mark.slow


def serving(mode: str, worker_class: str, *args: str, workers: int = 2) -> Server:
    """Return a server of `FILES`."""
    return Server("app:app", "--dispatch", mode, "-k", worker_class, "-w", str(workers), *args, files=FILES)


def wait_for_all(server: Server, workers: int = 2) -> None:
    """Wait until all serve."""
    server.wait_for_log("worker ready", workers)
    assert get(server.address).status == 200


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_requests_that_run_are_answered_and_their_connections_live_on(mode: str, worker_class: str) -> None:
    """New connections are served at once, too."""
    with serving(mode, worker_class) as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server)
        (running,) = crowd.ask("/held")
        held = gate.next()
        kill_listener(server)
        killed_at = time.monotonic()
        assert get(server.address).status == 200
        took_s = time.monotonic() - killed_at
        print(f"a new connection was served {took_s * 1000:.0f} ms after the kill")
        assert took_s < 2
        held.open()
        assert running.read_response().text == str(held.pid)
        for _ in range(3):
            assert running.request("GET", "/").status == 200
        wait_for_listener(server)
        assert [get(server.address).status for _ in range(4)] == [200] * 4
        assert running.request("GET", "/").status == 200


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_the_new_listener_adopts_what_is_idle(worker_class: str) -> None:
    """A connection that its worker kept through the kill outlives that worker afterwards."""
    with serving("request", worker_class, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server, 1)
        (running,) = crowd.ask("/held")
        held = gate.next()
        kill_listener(server)
        wait_for_listener(server)
        held.open()
        assert running.read_response().status == 200
        # Nobody says when it was adopted; an answer on another connection is a worker that went on.
        assert get(server.address).status == get(server.address).status == 200
        processes.kill(held.pid)
        assert running.request("GET", "/").status == 200


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_a_connection_that_stays_idle_costs_no_room_afterwards(worker_class: str) -> None:
    """The only worker kept it when the listener died: the new listener hands that worker requests all the same."""
    with serving("request", worker_class, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server, 1)
        (running,) = crowd.ask("/held")
        held = gate.next()
        kill_listener(server)
        held.open()
        assert running.read_response().status == 200
        assert [get(server.address).status for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_a_slow_client_costs_no_room_afterwards(worker_class: str) -> None:
    """As above, of a client that is in the midst of its request, and of one that became slow after the kill."""
    with serving("request", worker_class, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        wait_for_all(server, 1)
        with Client(server.address, WAIT_S) as slow, Client(server.address, WAIT_S) as later:
            slow.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\na")
            assert get(server.address).status == 200
            later.send(build_request("GET", "/held") + build_request("POST", "/body", {"Content-Length": "2"}) + b"a")
            held = gate.next()
            kill_listener(server)
            wait_for_listener(server)
            held.open()
            assert later.read_response().status == 200
            assert [get(server.address).status for _ in range(5)] == [200] * 5
            for client in (slow, later):
                client.send(b"b")
                assert client.read_response().status == 200
                assert client.request("GET", "/").status == 200
            # The books are right again: one request at a time, and the next one waits.
            (first,) = crowd.ask("/held")
            one = gate.next()
            (second,) = crowd.ask("/held")
            assert gate.is_quiet()
            one.open()
            gate.next().open()
            assert statuses([first, second]) == [200, 200]


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_a_kill_loses_the_requests_that_wait_in_it_and_no_other(worker_class: str) -> None:
    """What runs and what waits in the backlog is answered; idle connections end between two requests."""
    args = ("--threads", "1") if worker_class == "thread" else ()
    with serving("request", worker_class, *args, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        kept = crowd.ask(count=6)
        assert statuses(kept) == [200] * 6
        waiting, idle = kept[:3], kept[3:]
        (running,) = crowd.ask("/held")
        held = gate.next()
        for client in waiting:
            client.send(build_request("GET", "/"))
        wait_for_waiting(server, 3)
        in_backlog = crowd.ask(count=3)
        kill_listener(server)
        wait_for_listener(server)
        held.open()
        assert statuses([running, *in_backlog]) == [200] * 4
        assert [client.is_closed() for client in (*waiting, *idle)] == [True] * 6


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_kills_under_load_lose_parked_requests_at_most(worker_class: str) -> None:
    """Of 12 clients none loses more than one request a kill, and the next connections are served at once."""
    with serving("request", worker_class) as server:
        wait_for_all(server)
        kills = 3
        with Load(server, 12) as load:
            for _ in range(kills):
                kill_listener(server)
                wait_for_listener(server)
                load.go_on(200)
        assert len(load.lost) <= 12 * kills
        assert "worker died" not in server.log()


@pytest.mark.parametrize("worker_class", ["sync", "asyncio"])
def test_a_listener_that_hangs_is_replaced(worker_class: str) -> None:
    """SIGSTOP: it is silent for `timeout`, and killed; what waited in the backlog is answered."""
    with serving("request", worker_class, "--timeout", "1") as server, Crowd(server) as crowd:
        wait_for_all(server)
        (pid,) = server.listener_pids()
        processes.kill(pid, signal.SIGSTOP)
        clients = crowd.ask(count=10)
        assert statuses(clients) == [200] * 10
        server.wait_for_log("listener exited")
        assert pid not in server.listener_pids()
        assert "listener timeout" in server.log()
