"""No worker accepts a connection while it has no room for a request, whatever its class and the dispatch."""

import collections
import select

import pytest

from support import held_by_file as held
from support.client import Client, get
from support.server import WORKER_CLASSES, WSGI_SLOTS, Server

pytestmark = pytest.mark.slow

_GREEN_SLOTS = 2


def _serve(worker_class: str, dispatch: str, workers: int) -> Server:
    """Return a server; its worker classes that run many requests at once are told to run few."""
    args = [] if worker_class in WSGI_SLOTS else ["--worker-connections", str(_GREEN_SLOTS)]
    return Server("app:app", "-k", worker_class, "--dispatch", dispatch, "-w", str(workers), *args, files=held.FILES)


def _slots(worker_class: str) -> int:
    return WSGI_SLOTS.get(worker_class, _GREEN_SLOTS)


@pytest.mark.parametrize("dispatch", ["kernel", "reuseport"])
@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_a_worker_without_room_accepts_nobody(worker_class: str, dispatch: str) -> None:
    """With all slots busy further connections stay in the backlog, and are served as soon as a slot is free."""
    slots = _slots(worker_class)
    with _serve(worker_class, dispatch, 1) as server:
        busy = [held.send(server, "/hold") for _ in range(slots)]
        server.wait_for_log("held", slots)
        waiting = [held.send(server, "/") for _ in range(20)]
        assert not select.select([client.sock for client in waiting], [], [], 0.5)[0]
        (worker,) = held.workers(server).values()
        assert (worker["accepted"], worker["in_flight"], worker["capacity"]) == (slots, slots, slots)
        held.open_gate(server)
        for client in [*busy, *waiting]:
            held.answer(client)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_whoever_has_room_answers_at_once(worker_class: str) -> None:
    """With `kernel`, while a worker of two is busy the other one answers all that comes."""
    slots = _slots(worker_class)
    with _serve(worker_class, "kernel", 2) as server:
        server.wait_for_log("worker ready", 2)
        busy: list[Client] = []
        full: list[int] = []
        while not full:
            busy.append(held.send(server, "/hold"))
            server.wait_for_log("held", len(busy))
            full = [pid for pid, worker in held.workers(server).items() if worker["in_flight"] == slots]
        (pid,) = full
        for _ in range(30):
            assert int(get(server.address, "/").text) != pid
        assert held.workers(server)[pid]["accepted"] == slots
        held.open_gate(server)
        for client in busy:
            held.answer(client)


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_idle_workers_share_the_load(worker_class: str) -> None:
    """With `kernel`, of 400 connections one after another none of 4 workers gets more than half.

    Without going to the end of the queue after each, one would get them all.
    """
    with _serve(worker_class, "kernel", 4) as server:
        server.wait_for_log("worker ready", 4)
        counts = collections.Counter(get(server.address, "/").text for _ in range(400))
        assert max(counts.values()) <= 200, counts
