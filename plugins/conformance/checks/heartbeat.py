"""The heartbeat: a worker that is stuck is replaced, one that is idle is not."""

import os
import signal

from heeler.plugins.conformance.checks.scene import only_worker, same_worker, wait_replaced
from heeler.plugins.conformance.client import Client, build_request
from heeler.plugins.conformance.looks import only_child
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect

MOST_AT_ONCE = 64
"""A class with a larger capacity than this shares a thread among its requests: one stuck request is enough."""


def check_idle_worker_is_left_alone(maker: Maker) -> None:
    """A worker that has nothing to do for longer than `timeout` is not taken for stuck."""
    with maker.serve("--timeout", "1") as server:
        worker = only_worker(server)
        try:
            server.wait_for_log("worker timeout", timeout_s=2.2)
        except AssertionError:
            pass
        else:
            expect(False, "an idle worker gave no heartbeat, and was taken for stuck")
        same_worker(server, worker, "an idle worker is left alone")
        maker.ask(server)


def check_stuck_worker_is_replaced(maker: Maker) -> None:
    """A worker in which nothing moves any more is killed after `timeout`, and another serves."""
    args = ["--timeout", "1"]
    if "request_timeout" in maker.settings:
        args += ["--request-timeout", "1"]
    with maker.serve(*args, tracebacks=True, exit_status=None) as server:
        worker = only_worker(server)
        maker.ask(server)
        clients = _get_stuck(maker, server, worker)
        kept = "a worker in which nothing moves any more is replaced"
        wait_replaced(maker, server, [worker], kept, 2)
        for client in clients:
            client.close()


def _get_stuck(maker: Maker, server: Server, worker: int) -> list[Client]:
    """Have nothing move in the worker any more; return who waits for it."""
    if not maker.is_http:
        os.kill(worker, signal.SIGSTOP)
        return []
    capacity = only_child(server)["capacity"]
    count = capacity if capacity <= MOST_AT_ONCE else 1
    clients = []
    for number in range(count):
        clients.append(Client(server.address, maker.patience_s))
        clients[-1].send(build_request("GET", "/stuck"))
        server.wait_for_log("request stuck", number + 1, timeout_s=maker.patience_s)
    return clients
