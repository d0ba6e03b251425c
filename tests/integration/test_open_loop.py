"""The client of the open loop makes every request of its schedule, and measures what the server does."""

import random

import pytest

from loadbench.environment import APPS
from loadbench.open_loop import OpenLoop
from loadbench.schedule import Schedule
from support.server import Server

COUNT = 60
EACH_S = 0.005


@pytest.mark.parametrize("connections", [0, 8])
@pytest.mark.parametrize("keep_alive", ["0", "5"])
def test_all_are_answered(connections: int, keep_alive: str) -> None:
    """On new connections and on kept ones, also where the server keeps none."""
    arrivals_s = [number * EACH_S for number in range(COUNT)]
    schedule = Schedule(arrivals_s, [0.01] * COUNT)
    with Server("sleeps:app", "-k", "thread", "--threads", "8", "--keep-alive", keep_alive, cwd=APPS) as server:
        OpenLoop(server.address, schedule, connections, random.Random(1)).run(arrivals_s[-1])
    assert schedule.is_over and not schedule.summary().errors


def test_wait_is_seen() -> None:
    """Eight requests that come at once, of 50 ms each, at a worker that takes one at a time: half wait 200 ms."""
    schedule = Schedule([0.0] * 8, [0.05] * 8)
    with Server("sleeps:app", "-k", "sync", cwd=APPS) as server:
        OpenLoop(server.address, schedule, 8, random.Random(1)).run(0.0)
    found = schedule.summary()
    assert not found.errors
    assert found.p50_s >= 0.199 and found.p99_s >= 0.349


def test_server_that_is_gone_is_an_error() -> None:
    """A request that nobody answers is counted, not waited for."""
    schedule = Schedule([0.0, 0.01], [0.0] * 2)
    with Server("sleeps:app", cwd=APPS) as server:
        address = server.address
    OpenLoop(address, schedule, 0, random.Random(1)).run(0.01)
    assert schedule.is_over
    with pytest.raises(ValueError, match="not one request"):
        schedule.summary()
