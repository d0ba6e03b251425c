"""A worker class written from the documentation alone: life cycle and accept loop without HTTP."""

import json
import os
import pathlib
import signal
import socket

import pytest

from support.processes import wait_ended
from support.server import Server, heeler

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"

pytestmark = pytest.mark.slow


def echo_server(*args: str) -> Server:
    """A server of the documented example class."""
    return Server(None, "-k", "echo_worker:EchoWorker", *args, env={"PYTHONPATH": str(EXAMPLES)})


def ask(sock: socket.socket, line: bytes) -> bytes:
    """Send `line`, return what comes back."""
    sock.sendall(line)
    answer = b""
    while len(answer) < len(line):
        data = sock.recv(65536)
        assert data, "closed before the answer was complete"
        answer += data
    return answer


def test_a_worker_without_http_serves_and_counts() -> None:
    """Several clients at once are answered, and the scoreboard knows of them."""
    with echo_server() as server:
        clients = [socket.create_connection(server.address, timeout=10) for _ in range(5)]
        for number, client in enumerate(clients):
            assert ask(client, b"line %d\n" % number) == b"line %d\n" % number
        status = json.loads(heeler("status", "--json", "--pid", str(server.pid)).stdout)
        assert [worker["connections"] for worker in status["children"]] == [5]
        assert [worker["accepted"] for worker in status["children"]] == [5]
        for client in clients:
            client.close()


def test_a_killed_worker_is_replaced() -> None:
    """Nothing of that is the class's business."""
    with echo_server() as server:
        (pid,) = server.worker_pids()
        start = server.log_size()
        kill(pid)
        server.wait_for_log("worker ready", start=start)
        with socket.create_connection(server.address, timeout=10) as client:
            assert ask(client, b"again\n") == b"again\n"


def kill(pid: int) -> None:
    """Kill a worker, and wait until it is gone."""
    os.kill(pid, signal.SIGKILL)
    wait_ended({pid}, timeout_s=10)


def test_a_reload_keeps_old_connections_until_they_end() -> None:
    """The old worker drains its clients while the new one takes new ones."""
    with echo_server() as server:
        old = socket.create_connection(server.address, timeout=10)
        assert ask(old, b"before\n") == b"before\n"
        start = server.log_size()
        server.signal(signal.SIGHUP)
        server.wait_for_log("worker ready", start=start)
        with socket.create_connection(server.address, timeout=10) as new:
            assert ask(new, b"new\n") == b"new\n"
        assert ask(old, b"still here\n") == b"still here\n"
        old.close()
        server.wait_for_log("reload done", start=start)
