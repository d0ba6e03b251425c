"""Connections come back to the listener without waking it: what a client has sent by then is seen all the same."""

import resource
import signal

import pytest

from heeler.workers.http_connection import RECEIVE_BYTES
from support.client import Client, build_request
from support.held import FILES, Crowd, freeze, statuses
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
