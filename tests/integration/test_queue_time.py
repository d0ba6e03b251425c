"""How long requests wait for a worker: in the access log, and on the scoreboard."""

import json
import time

import pytest

from support.client import build_request
from support.held import FILES, Crowd, Gate
from support.server import WORKER_CLASSES, Server, heeler

LOG = ("--access-logfile", "-", "--access-logformat", "queue %(queue)s %(U)s")


def waits(server: Server) -> dict[str, float]:
    """Return the seconds that the access log has for each path."""
    lines = [line.split() for line in server.stdout().splitlines() if line.startswith("queue ")]
    return {path: float(seconds) for _, seconds, path in lines}


def queue_of(server: Server) -> list[int]:
    """Return the histogram of the waiting times of all workers."""
    status = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
    found = [child["queue"] for child in status["children"] if child["role"] == "worker"]
    return [sum(counts) for counts in zip(*found, strict=True)]


def test_wait_for_a_busy_worker() -> None:
    """A request that waited in the listener while the only worker was busy tells for how long."""
    args = ("-k", "sync", "--dispatch", "request", *LOG)
    with Server("app:app", *args, files=FILES) as server, Gate(server) as gate, Crowd(server) as crowd:
        (running,) = crowd.ask("/held")
        held = gate.next()
        begun = time.monotonic()
        (waiting,) = crowd.ask("/waited")
        server.wait_for_log("worker ready")
        (late,) = crowd.ask("/late")  # one may be handed ahead; of two, one waits in the listener
        held.open()
        for client in (running, waiting, late):
            assert client.read_response().status == 200
        longest = time.monotonic() - begun
        server.wait_for_stdout("queue ", 3)
        found = waits(server)
        assert 0 <= found["/held"] < longest + 1
        assert 0 < found["/waited"] <= longest
        assert 0 < found["/late"] <= longest
        assert sum(queue_of(server)) == 3


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_word_of_a_proxy(worker_class: str) -> None:
    """`X-Request-Start` counts where its sender is trusted, with `kernel` too."""
    with Server("app:app", "-k", worker_class, *LOG, files=FILES) as server, Crowd(server) as crowd:
        since = {"X-Request-Start": f"t={time.time() - 7:.3f}"}  # noqa: TID251 - as a proxy says it
        (client,) = crowd.connect()
        for path, fields in (("/proxied", since), ("/direct", {}), ("/odd", {"X-Request-Start": "soon"})):
            client.send(build_request("GET", path, fields))
            assert client.read_response().status == 200
        server.wait_for_stdout("queue ", 3)
        found = waits(server)
        assert 7 <= found["/proxied"] < 60
        assert (found["/direct"], found["/odd"]) == (0, 0)
        assert sum(queue_of(server)) == 1


def test_word_of_a_stranger() -> None:
    """Whoever is no trusted proxy may say what he likes."""
    args = ("-k", "sync", "--forwarded-allow-ips", "192.0.2.1", *LOG)
    with Server("app:app", *args, files=FILES) as server, Crowd(server) as crowd:
        (client,) = crowd.connect()
        client.send(build_request("GET", "/", {"X-Request-Start": f"t={time.time() - 7:.3f}"}))  # noqa: TID251
        assert client.read_response().status == 200
        server.wait_for_stdout("queue ", 1)
        assert waits(server)["/"] == 0
