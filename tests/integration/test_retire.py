"""Workers are replaced by age, by memory and by count, and no client notices."""

import re
import signal

import pytest

from support.client import Client, build_request
from support.load import Load
from support.server import WORKER_CLASSES, Server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_an_application_that_leaks_is_recycled_and_loses_nothing(worker_class: str) -> None:
    """Under steady load, each worker that has grown too large makes way for a new one; the log has the figures."""
    args = ("-k", worker_class, "-w", "2", "--max-worker-memory", "100M", "--min-worker-lifetime", "0.1")
    with Server("leaky:app", *args) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=3, new_a_second=40) as load:
            server.wait_for_log("worker retires", 2, timeout_s=60)
            server.wait_for_log("worker exited", timeout_s=60)
        assert load.lost == []
        assert "retires too soon" not in server.log()
        retired = re.findall(r"worker retires slot=\d generation=1 pid=\d+ (.*)", server.log())
        for line in retired:
            said = re.fullmatch(r"reason=max_worker_memory reached=([\d.]+)M limit=100M", line)
            assert said is not None, line
            assert float(said[1]) >= 100


@pytest.mark.parametrize("worker_class", WORKER_CLASSES)
def test_workers_grow_old_and_lose_nothing(worker_class: str) -> None:
    """Under steady load, each worker makes way for a new one when it has served its time."""
    args = ("-k", worker_class, "-w", "2", "--max-worker-lifetime", "0.4", "--max-worker-lifetime-jitter", "0.3")
    with Server("hello:app", *args) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=3, new_a_second=40) as load:
            server.wait_for_log("worker retires slot=1", timeout_s=60)
            server.wait_for_log("worker retires slot=2", timeout_s=60)
            server.wait_for_log("worker exited", 2, timeout_s=60)
        assert load.lost == []
        retired = re.findall(
            r"worker retires slot=(\d) .* reason=max_worker_lifetime reached=\S+ limit=0.(\d)s", server.log()
        )
        assert set(retired) == {("1", "6"), ("2", "5")}


def test_an_idle_worker_grows_old_on_time() -> None:
    """Nothing has to happen for it."""
    with Server("hello:app", "--max-worker-lifetime", "0.3", "--timeout", "0") as server:
        server.wait_for_log("worker exited", 2)
        assert "cut" not in server.log()


def test_a_worker_that_is_stuck_is_seen_to_use_too_much() -> None:
    """It cannot ask to be replaced, so the arbiter looks; what it runs is cut at the end of its drain only."""
    args = ("--max-worker-memory", "100M", "--min-worker-lifetime", "0", "--graceful-timeout", "0.1", "--timeout", "0")
    with Server("leaky:app", *args) as server, Client(server.address) as client:
        client.send(build_request("GET", "/stuck"))
        server.wait_for_log("is stuck")
        server.wait_for_log("worker retires")
        assert re.search(r"reason=max_worker_memory reached=1\d\d(\.\d)?M limit=100M", server.log())
        server.wait_for_log("worker ready", 2)
        with Client(server.address) as other:
            assert other.request("GET", "/").status == 200
        server.wait_for_log("worker exited")
        assert client.is_closed()


def test_a_limit_below_the_application_warns_once() -> None:
    """Workers that are too large from the start do not boot all the time: each serves for its least lifetime."""
    args = ("--max-worker-memory", "1M", "--worker-memory-kind", "pss", "--min-worker-lifetime", "1")
    with Server("hello:app", *args) as server:
        server.wait_for_log("worker exited", 1)
        warned = re.findall(r"worker retires too soon slot=1 generation=1 pid=(\d+)", server.log())
        assert len(set(warned)) == len(warned)
        retired = re.findall(r"worker retires slot=1 generation=1 pid=(\d+) reason=max_worker_memory", server.log())
        assert retired[0] == warned[0]


def test_workers_make_room_for_their_replacements() -> None:
    """Without a surge there are never more than `workers`; those that are left serve on."""
    args = ("-w", "2", "--max-surge", "0", "--max-unavailable", "1", "--max-requests", "30")
    with Server("hello:app", *args) as server:
        server.wait_for_log("worker ready", 2)
        with Load(server, keeping=2, new_a_second=40) as load:
            server.wait_for_log("worker exited", 3, timeout_s=60)
            server.signal(signal.SIGHUP)
            server.wait_for_log("reload done", timeout_s=60)
            load.go_on(50)
        assert load.lost == []
        alive = 0
        for phrase in re.findall(r"worker (ready|exited)", server.log()):
            alive += 1 if phrase == "ready" else -1
            assert alive <= 2
