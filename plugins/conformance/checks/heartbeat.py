"""The heartbeat: a worker that is stuck is replaced, one that is idle is not."""

import contextlib
import os
import signal

from heeler.plugins.conformance.checks.scene import connect, only_worker, same_worker, wait_replaced
from heeler.plugins.conformance.client import build_request
from heeler.plugins.conformance.looks import only_child
from heeler.plugins.conformance.maker import Maker
from heeler.plugins.conformance.server import Server
from heeler.plugins.conformance.verdict import expect, promise

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
    with maker.serve(*args, tracebacks=True, exit_status=None) as server, contextlib.ExitStack() as stack:
        worker = only_worker(server)
        maker.ask(server)
        if maker.is_http:
            _get_stuck(maker, server, stack)
        else:
            os.kill(worker, signal.SIGSTOP)
        wait_replaced(maker, server, [worker], "a worker in which nothing moves any more is replaced", 2)


def _get_stuck(maker: Maker, server: Server, stack: contextlib.ExitStack) -> None:
    """Have as many requests stuck as it takes for nothing to move any more."""
    capacity = only_child(server)["capacity"]
    for number, client in enumerate(connect(stack, maker, server, capacity if capacity <= MOST_AT_ONCE else 1), 1):
        client.send(build_request("GET", "/stuck"))
        with promise("as many requests run at once as the scoreboard shows for capacity"):
            server.wait_for_log("request stuck", number, timeout_s=maker.patience_s)
