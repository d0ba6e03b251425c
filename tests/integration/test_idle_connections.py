"""Ten thousand silent connections cost a little memory each, and nobody's time."""

import pytest

from loadbench.environment import APPS
from loadbench.idle_connections import Idle, descriptors, latencies
from support.processes import memory_kib
from support.server import SERVED, Server

COUNT = 10_000
NEW = 500
ROUNDS = 3
ALLOWED_S = 0.05
"""How long a request may take beside the idle connections, the client's own time included."""

ALLOWED_KIB = 8.0
APP = {"wsgi": "hello:app", "asgi": "hello_asgi:app"}


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("worker_class", "interface"), SERVED)
def test_ten_thousand_idle_connections(worker_class: str, interface: str) -> None:
    """One worker of each class holds 10,000 that are kept and 500 new ones, and serves others within 50 ms.

    None is lost, and they are served when they ask.
    Of three rounds the best counts: another guest of the machine may delay anybody.
    """
    args = ["-k", worker_class, "--worker-connections", "12000", "--backlog", "4096"]
    args += ["--keep-alive", "300", "--header-timeout", "300"]
    with descriptors(2 * COUNT), Server(APP[interface], *args, cwd=APPS) as server:
        (worker,) = server.worker_pids()
        latencies(server.address, 0.2)
        before_kib = memory_kib(worker)
        with Idle(server.address, COUNT) as kept, Idle(server.address, NEW, is_served=False) as new:
            each_kib = (memory_kib(worker) - before_kib) / (COUNT + NEW)
            longest_s = min(max(latencies(server.address, 0.5)) for _ in range(ROUNDS))
            print(f"{worker_class}, {interface}: {each_kib:.2f} KiB each, longest wait {longest_s * 1000:.1f} ms")
            assert kept.lost() == new.lost() == 0
            assert longest_s < ALLOWED_S
            assert each_kib < ALLOWED_KIB
            kept.ask_some()
            new.ask_some()
