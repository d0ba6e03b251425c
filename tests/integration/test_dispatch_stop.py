"""How a server with a listener ends: nothing that has come is lost, nothing keeps it up, nothing is left."""

import signal
import time

import pytest

from support import processes
from support.client import Client, build_request
from support.held import FILES, WAIT_S, Crowd, Gate, is_silent, statuses
from support.server import WORKER_CLASSES, Server

MODES = ("connection", "request")
pytestmark = pytest.mark.slow


def serving(mode: str, worker_class: str, *args: str, workers: int = 2, exit_status: int | None = 0) -> Server:
    """Return a server of `FILES`."""
    given = ("--dispatch", mode, "-k", worker_class, "-w", str(workers), *args)
    return Server("app:app", *given, files=FILES, exit_status=exit_status)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_term_answers_all_that_wait(mode: str, worker_class: str) -> None:
    """Held workers, 200 connections in the backlog or the listener's queue: TERM, and all are answered; exit 0."""
    with serving(mode, worker_class) as server, Gate(server) as gate, Crowd(server) as crowd:
        held = [crowd.ask("/held")[0] for _ in range(2)]
        gates = [gate.next() for _ in held]
        clients = crowd.ask(count=200)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        for one in gates:
            one.open()
        assert statuses(held + clients) == [200] * 202
        assert server.wait() == 0


@pytest.mark.parametrize("worker_class", ["sync", "thread"])
def test_term_answers_what_waits_on_kept_connections(worker_class: str) -> None:
    """Parked connections whose requests wait in the listener's queue are answered."""
    with serving("request", worker_class, workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        clients = crowd.ask(count=30)
        assert statuses(clients) == [200] * 30
        (held,) = crowd.ask("/held")
        running = gate.next()
        for client in clients:
            client.send(build_request("GET", "/"))
        assert is_silent(clients)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        running.open()
        assert held.read_response().status == 200
        assert statuses(clients) == [200] * 30
        assert server.wait() == 0


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_request_that_comes_just_after_term_is_answered(worker_class: str) -> None:
    """Kept connections linger: what was on its way finds somebody who answers, whoever has them."""
    with serving("request", worker_class) as server, Crowd(server) as crowd:
        clients = crowd.ask(count=16)
        assert statuses(clients) == [200] * 16
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        for client in clients:
            client.send(build_request("GET", "/"))
        assert statuses(clients) == [200] * 16
        assert server.wait() == 0


@pytest.mark.parametrize("mode", MODES)
def test_a_client_that_says_nothing_does_not_keep_the_server_up(mode: str) -> None:
    """Whether it was accepted before TERM, or waited in the backlog."""
    with serving(mode, "sync", workers=1) as server, Gate(server) as gate, Crowd(server) as crowd:
        crowd.connect()
        (held,) = crowd.ask("/held")
        running = gate.next()
        crowd.connect(3)
        server.signal(signal.SIGTERM)
        server.wait_for_log("stopping")
        running.open()
        assert held.read_response().status == 200
        begun_at = time.monotonic()
        assert server.wait() == 0
        print(f"ended {time.monotonic() - begun_at:.1f} s after the last answer")
        assert time.monotonic() - begun_at < 10


@pytest.mark.parametrize("number", [signal.SIGQUIT, signal.SIGINT])
@pytest.mark.parametrize("mode", MODES)
def test_quit_ends_at_once(mode: str, number: signal.Signals) -> None:
    """What runs and what waits is cut, and counted."""
    with (
        serving(mode, "sync", workers=1, exit_status=None) as server,
        Gate(server) as gate,
        Crowd(server) as crowd,
    ):
        crowd.ask("/held")
        gate.next()
        crowd.ask(count=5)
        begun_at = time.monotonic()
        server.signal(number)
        assert server.wait() == 75
        assert time.monotonic() - begun_at < 5


def test_the_deadline_of_a_drain_holds() -> None:
    """What waits in the listener at `graceful_timeout` is cut, and counted."""
    with (
        serving("request", "sync", "--graceful-timeout", "1", workers=1, exit_status=None) as server,
        Gate(server) as gate,
        Crowd(server) as crowd,
    ):
        clients = crowd.ask(count=3)
        assert statuses(clients) == [200] * 3
        crowd.ask("/held")
        gate.next()
        for client in clients:
            client.send(build_request("GET", "/"))
        server.signal(signal.SIGTERM)
        assert server.wait() == 75


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_all_drains_and_ends_when_the_arbiter_is_killed(mode: str, worker_class: str) -> None:
    """What runs and what waits is answered, and no process is left."""
    with serving(mode, worker_class, exit_status=None) as server, Gate(server) as gate, Crowd(server) as crowd:
        held = [crowd.ask("/held")[0] for _ in range(2)]
        gates = [gate.next() for _ in held]
        clients = crowd.ask(count=20)
        children = server.worker_pids() + server.listener_pids()
        assert len(children) == 3
        server.signal(signal.SIGKILL)
        assert processes.wait_ended([server.pid], WAIT_S) == []
        for one in gates:
            one.open()
        assert statuses(held + clients) == [200] * 22
        assert processes.wait_ended(children, WAIT_S) == []


def test_term_to_the_whole_group_loses_nothing() -> None:
    """An init system sends TERM to every process at once."""
    with serving("request", "sync", workers=2) as server, Gate(server) as gate, Crowd(server) as crowd:
        (held,) = crowd.ask("/held")
        running = gate.next()
        clients = crowd.ask(count=20)
        for pid in (*server.listener_pids(), *server.worker_pids(), server.pid):
            processes.kill(pid, signal.SIGTERM)
        server.wait_for_log("stopping")
        running.open()
        assert statuses([held, *clients]) == [200] * 21
        assert server.wait() == 0


def test_a_listener_that_gets_term_alone_is_replaced() -> None:
    """It drains; another one takes its place."""
    with serving("request", "sync") as server, Crowd(server) as crowd:
        clients = crowd.ask(count=4)
        assert statuses(clients) == [200] * 4
        (pid,) = server.listener_pids()
        processes.kill(pid, signal.SIGTERM)
        assert processes.wait_ended([pid], WAIT_S) == []
        assert statuses(crowd.ask(count=4)) == [200] * 4
        with Client(server.address, WAIT_S) as client:
            assert client.request("GET", "/").status == client.request("GET", "/").status == 200
