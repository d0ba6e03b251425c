"""Kept connections outlive the workers, where a listener hands out requests."""

import signal

import pytest

from support.client import Client, build_request
from support.held import FILES, Crowd, Load
from support.server import WORKER_CLASSES, Server

pytestmark = pytest.mark.slow

KEPT = 64
RECYCLES = 20


def serving(worker_class: str, *args: str, workers: int = 2) -> Server:
    """Return a server of `FILES` that hands out requests."""
    return Server("app:app", "--dispatch", "request", "-k", worker_class, "-w", str(workers), *args, files=FILES)


def one_round(clients: list[Client]) -> None:
    """Have all of them ask at once, and be answered without a word about the end of the connection."""
    for client in clients:
        client.send(build_request("GET", "/"))
    for client in clients:
        response = client.read_response()
        assert response.status == 200
        assert response.header("Connection").lower() != "close"


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_recycling_closes_no_kept_connection(worker_class: str) -> None:
    """64 of them live through 20 workers that retire after a few requests."""
    with serving(worker_class, "--max-requests", "20") as server, Crowd(server) as crowd:
        server.wait_for_log("worker ready", 2)
        clients = crowd.connect(KEPT)
        while (gone := server.log().count("worker exited")) < RECYCLES:
            one_round(clients)
            server.wait_for_log("worker exited", gone + 1)
        one_round(clients)
        assert "cut=0" not in server.log()


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_reloads_close_no_kept_connection(worker_class: str) -> None:
    """64 of them live through reloads, whether they ask just then or not."""
    with serving(worker_class) as server, Crowd(server) as crowd:
        clients, idle = crowd.connect(KEPT // 2), crowd.connect(KEPT // 2)
        one_round(idle)
        for generation in range(2, 4):
            server.signal(signal.SIGHUP)
            while f"reload done generation={generation}" not in server.log():
                one_round(clients)
        one_round(clients + idle)


@pytest.mark.parametrize("worker_class", ["gevent", "asyncio"])
def test_a_worker_with_many_idle_connections_hands_all_over(worker_class: str) -> None:
    """More than the channel to the listener takes at once."""
    with serving(worker_class, workers=1) as server, Crowd(server) as crowd:
        clients = crowd.connect(400)
        one_round(clients)
        server.signal(signal.SIGHUP)
        server.wait_for_log("reload done generation=2")
        one_round(clients)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_nothing_is_lost_or_closed_while_workers_come_and_go(worker_class: str) -> None:
    """Recycling, reloads, more workers and fewer, under load."""
    with serving(worker_class, "--max-requests", "100") as server, Load(server, 12) as load:
        load.go_on(100)
        for number in (signal.SIGTTIN, signal.SIGHUP, signal.SIGTTOU, signal.SIGTTOU, signal.SIGHUP):
            server.signal(number)
            load.go_on(150)
        server.wait_for_log("reload done", 1)
        load.go_on(150)
        assert load.lost == []
        assert load.reconnects == 0
